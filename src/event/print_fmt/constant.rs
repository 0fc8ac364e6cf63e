//! Names that the kernel's own `format` files leave in their `print fmt`: enumerators that it was not told to replace by
//! numbers, and two variables. Values of Linux 6.18, x86_64; user-space tools do not know them and print such events plainly.

/// The value of an enumerator or constant.
pub(super) fn value(name: &str) -> Option<u64> {
    let found = CONSTANTS.iter().find(|c| c.0 == name)?;
    Some(found.1)
}

const CONSTANTS: &[(&str, u64)] = &[
    ("NULL", 0),
    ("true", 1),
    ("false", 0),
    // include/uapi/linux/ioprio.h
    ("IOPRIO_CLASS_NONE", 0),
    ("IOPRIO_CLASS_RT", 1),
    ("IOPRIO_CLASS_BE", 2),
    ("IOPRIO_CLASS_IDLE", 3),
    ("IOPRIO_CLASS_INVALID", 7),
    // include/net/tcp_states.h
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
    ("TCP_NEW_SYN_RECV", 12),
    // include/linux/hrtimer.h: relative 1, pinned 2, soft 4, hard 8
    ("HRTIMER_MODE_ABS", 0),
    ("HRTIMER_MODE_REL", 1),
    ("HRTIMER_MODE_ABS_PINNED", 2),
    ("HRTIMER_MODE_REL_PINNED", 3),
    ("HRTIMER_MODE_ABS_SOFT", 4),
    ("HRTIMER_MODE_REL_SOFT", 5),
    ("HRTIMER_MODE_ABS_PINNED_SOFT", 6),
    ("HRTIMER_MODE_REL_PINNED_SOFT", 7),
    ("HRTIMER_MODE_ABS_HARD", 8),
    ("HRTIMER_MODE_REL_HARD", 9),
    ("HRTIMER_MODE_ABS_PINNED_HARD", 10),
    ("HRTIMER_MODE_REL_PINNED_HARD", 11),
    // include/linux/fs.h
    ("I_NEW", 1 << 0),
    ("I_SYNC", 1 << 1),
    ("I_LRU_ISOLATING", 1 << 2),
    ("I_DIRTY_SYNC", 1 << 3),
    ("I_DIRTY_DATASYNC", 1 << 4),
    ("I_DIRTY_PAGES", 1 << 5),
    ("I_WILL_FREE", 1 << 6),
    ("I_FREEING", 1 << 7),
    ("I_CLEAR", 1 << 8),
    ("I_REFERENCED", 1 << 9),
    ("I_LINKABLE", 1 << 10),
    ("I_DIRTY_TIME", 1 << 11),
    ("I_WB_SWITCH", 1 << 12),
    ("I_OVL_INUSE", 1 << 13),
    ("I_CREATING", 1 << 14),
    ("I_DONTCACHE", 1 << 15),
    ("I_SYNC_QUEUED", 1 << 16),
    ("I_PINNING_NETFS_WB", 1 << 17),
    // include/linux/mmzone.h
    ("VMSCAN_THROTTLE_WRITEBACK", 0),
    ("VMSCAN_THROTTLE_ISOLATED", 1),
    ("VMSCAN_THROTTLE_NOPROGRESS", 2),
    ("VMSCAN_THROTTLE_CONGESTED", 3),
    // include/linux/pm_qos.h
    ("PM_QOS_ADD_REQ", 0),
    ("PM_QOS_UPDATE_REQ", 1),
    ("PM_QOS_REMOVE_REQ", 2),
    ("DEV_PM_QOS_RESUME_LATENCY", 1),
    ("DEV_PM_QOS_LATENCY_TOLERANCE", 2),
    ("DEV_PM_QOS_MIN_FREQUENCY", 3),
    ("DEV_PM_QOS_MAX_FREQUENCY", 4),
    ("DEV_PM_QOS_FLAGS", 5),
    // Where the array of `struct page` begins, unless the kernel was placed at random.
    ("vmemmap_base", 0xffff_ea00_0000_0000),
];

/// Bytes of the structs that are counted in or stepped over.
pub(super) fn struct_size(name: &str) -> Option<u64> {
    Some(match name {
        "page" => 64,
        "sockaddr" | "sockaddr_in" => 16,
        "sockaddr_in6" => 28,
        "sockaddr_storage" => 128,
        "in_addr" => 4,
        "in6_addr" => 16,
        _ => return None,
    })
}
