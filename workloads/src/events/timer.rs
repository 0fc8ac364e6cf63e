//! Timers: those of the wheel, which count in jiffies, and those of high resolution, which count in ns
//! (Documentation/timers/hrtimers.rst).

use utracefs::define_event_trace;

/// Events that only say which timer.
macro_rules! timer_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(timer),
            TP_PROTO(timer: *mut ()),
            TP_STRUCT__entry {
                timer: *mut (),
            },
            TP_fast_assign {
                timer: timer,
            },
            TP_ident(__entry),
            TP_printk(c: r#""timer=%p", REC->timer"#)
        );
    )*};
}

timer_events!(
    /// A timer is made ready for use.
    timer_init,
    /// A timer that was started does not run any more: it expires, or somebody has stopped or moved it.
    timer_cancel,
    /// The function of a timer has ended.
    timer_expire_exit
);

define_event_trace!(
    /// A timer goes into the wheel. `bucket_expiry`: when its bucket is due, not before `expires`; `flags`: the CPU, how
    /// the timer behaves, and from bit 22 the bucket's number.
    timer_start,
    TP_system(timer),
    TP_PROTO(timer: *mut (), function: *mut (), expires: u64, bucket_expiry: u64, now: u64, flags: u32),
    TP_STRUCT__entry {
        timer: *mut (),
        function: *mut (),
        expires: u64 as "unsigned long",
        bucket_expiry: u64 as "unsigned long",
        now: u64 as "unsigned long",
        flags: u32 as "unsigned int",
    },
    TP_fast_assign {
        timer: timer,
        function: function,
        expires: expires,
        bucket_expiry: bucket_expiry,
        now: now,
        flags: flags,
    },
    TP_ident(__entry),
    TP_printk(c: r#""timer=%p function=%ps expires=%lu [timeout=%ld] bucket_expiry=%lu cpu=%u idx=%u flags=%s", REC->timer, REC->function, REC->expires, (long)REC->expires - REC->now, REC->bucket_expiry, REC->flags & 0x0003FFFF, REC->flags >> 22, __print_flags(REC->flags & (0x00040000 | 0x00080000 | 0x00100000 | 0x00200000), "|", { 0x00040000, "M" }, { 0x00080000, "D" }, { 0x00100000, "P" }, { 0x00200000, "I" })"#)
);

define_event_trace!(
    /// The function of a timer begins. `baseclk`: the jiffy that its bucket was due in.
    timer_expire_entry,
    TP_system(timer),
    TP_PROTO(timer: *mut (), now: u64, function: *mut (), baseclk: u64),
    TP_STRUCT__entry {
        timer: *mut (),
        now: u64 as "unsigned long",
        function: *mut (),
        baseclk: u64 as "unsigned long",
    },
    TP_fast_assign {
        timer: timer,
        now: now,
        function: function,
        baseclk: baseclk,
    },
    TP_ident(__entry),
    TP_printk(c: "timer=%p function=%ps now=%lu baseclk=%lu",
        REC->timer, REC->function, REC->now, REC->baseclk)
);

define_event_trace!(
    /// The wheel of a CPU stands still, or turns again.
    timer_base_idle,
    TP_system(timer),
    TP_PROTO(is_idle: bool, cpu: u32),
    TP_STRUCT__entry {
        is_idle: bool,
        cpu: u32 as "unsigned int",
    },
    TP_fast_assign {
        is_idle: is_idle,
        cpu: cpu,
    },
    TP_ident(__entry),
    TP_printk(c: "is_idle=%d cpu=%d", REC->is_idle, REC->cpu)
);

define_event_trace!(
    /// A CPU with nothing to do stops its tick, or, with `success` 0, cannot because of `dependency`.
    tick_stop,
    TP_system(timer),
    TP_PROTO(success: i32, dependency: i32),
    TP_STRUCT__entry {
        success: i32,
        dependency: i32,
    },
    TP_fast_assign {
        success: success,
        dependency: dependency,
    },
    TP_ident(__entry),
    TP_printk(c: r#""success=%d dependency=%s", REC->success, __print_symbolic(REC->dependency, { 0, "NONE" }, { (1 << 0), "POSIX_TIMER" }, { (1 << 1), "PERF_EVENTS" }, { (1 << 2), "SCHED" }, { (1 << 3), "CLOCK_UNSTABLE" }, { (1 << 4), "RCU" }, { (1 << 5), "RCU_EXP" })"#)
);

define_event_trace!(
    /// A timer of high resolution is made ready for use.
    hrtimer_setup,
    TP_system(timer),
    TP_PROTO(hrtimer: *mut (), clockid: i32, mode: u32),
    TP_STRUCT__entry {
        hrtimer: *mut (),
        clockid: i32 as "clockid_t",
        mode: u32 as "enum hrtimer_mode",
    },
    TP_fast_assign {
        hrtimer: hrtimer,
        clockid: clockid,
        mode: mode,
    },
    TP_ident(__entry),
    TP_printk(c: r#""hrtimer=%p clockid=%s mode=%s", REC->hrtimer, __print_symbolic(REC->clockid, { 0, "CLOCK_REALTIME" }, { 1, "CLOCK_MONOTONIC" }, { 7, "CLOCK_BOOTTIME" }, { 11, "CLOCK_TAI" }), __print_symbolic(REC->mode, { HRTIMER_MODE_ABS, "ABS" }, { HRTIMER_MODE_REL, "REL" }, { HRTIMER_MODE_ABS_PINNED, "ABS|PINNED" }, { HRTIMER_MODE_REL_PINNED, "REL|PINNED" }, { HRTIMER_MODE_ABS_SOFT, "ABS|SOFT" }, { HRTIMER_MODE_REL_SOFT, "REL|SOFT" }, { HRTIMER_MODE_ABS_PINNED_SOFT, "ABS|PINNED|SOFT" }, { HRTIMER_MODE_REL_PINNED_SOFT, "REL|PINNED|SOFT" }, { HRTIMER_MODE_ABS_HARD, "ABS|HARD" }, { HRTIMER_MODE_REL_HARD, "REL|HARD" }, { HRTIMER_MODE_ABS_PINNED_HARD, "ABS|PINNED|HARD" }, { HRTIMER_MODE_REL_PINNED_HARD, "REL|PINNED|HARD" })"#)
);

define_event_trace!(
    /// It is started, or, with `was_armed`, moved to another time.
    hrtimer_start,
    TP_system(timer),
    TP_PROTO(hrtimer: *mut (), function: *mut (), expires: i64, softexpires: i64, mode: u32, was_armed: bool),
    TP_STRUCT__entry {
        hrtimer: *mut (),
        function: *mut (),
        expires: i64,
        softexpires: i64,
        mode: u32 as "enum hrtimer_mode",
        was_armed: bool,
    },
    TP_fast_assign {
        hrtimer: hrtimer,
        function: function,
        expires: expires,
        softexpires: softexpires,
        mode: mode,
        was_armed: was_armed,
    },
    TP_ident(__entry),
    TP_printk(c: r#""hrtimer=%p function=%ps expires=%llu softexpires=%llu mode=%s was_armed=%d", REC->hrtimer, REC->function, (unsigned long long) REC->expires, (unsigned long long) REC->softexpires, __print_symbolic(REC->mode, { HRTIMER_MODE_ABS, "ABS" }, { HRTIMER_MODE_REL, "REL" }, { HRTIMER_MODE_ABS_PINNED, "ABS|PINNED" }, { HRTIMER_MODE_REL_PINNED, "REL|PINNED" }, { HRTIMER_MODE_ABS_SOFT, "ABS|SOFT" }, { HRTIMER_MODE_REL_SOFT, "REL|SOFT" }, { HRTIMER_MODE_ABS_PINNED_SOFT, "ABS|PINNED|SOFT" }, { HRTIMER_MODE_REL_PINNED_SOFT, "REL|PINNED|SOFT" }, { HRTIMER_MODE_ABS_HARD, "ABS|HARD" }, { HRTIMER_MODE_REL_HARD, "REL|HARD" }, { HRTIMER_MODE_ABS_PINNED_HARD, "ABS|PINNED|HARD" }, { HRTIMER_MODE_REL_PINNED_HARD, "REL|PINNED|HARD" }), REC->was_armed"#)
);

define_event_trace!(
    /// The function of a timer of high resolution begins; `now`: what the interrupt took for the time.
    hrtimer_expire_entry,
    TP_system(timer),
    TP_PROTO(hrtimer: *mut (), now: i64, function: *mut ()),
    TP_STRUCT__entry {
        hrtimer: *mut (),
        now: i64,
        function: *mut (),
    },
    TP_fast_assign {
        hrtimer: hrtimer,
        now: now,
        function: function,
    },
    TP_ident(__entry),
    TP_printk(c: "hrtimer=%p function=%ps now=%llu",
        REC->hrtimer, REC->function, (unsigned long long) REC->now)
);

/// Events that only say which timer of high resolution.
macro_rules! hrtimer_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(timer),
            TP_PROTO(hrtimer: *mut ()),
            TP_STRUCT__entry {
                hrtimer: *mut (),
            },
            TP_fast_assign {
                hrtimer: hrtimer,
            },
            TP_ident(__entry),
            TP_printk(c: r#""hrtimer=%p", REC->hrtimer"#)
        );
    )*};
}

hrtimer_events!(
    /// A timer that was started is not armed any more: it expires, or somebody has stopped it.
    hrtimer_cancel,
    /// The function of a timer of high resolution has ended.
    hrtimer_expire_exit
);

define_event_trace!(
    /// A task sets an interval timer: when it expires first and how often then, in s and ns.
    itimer_state,
    TP_system(timer),
    TP_PROTO(which: i32, expires: u64, value: (i64, i64), interval: (i64, i64)),
    TP_STRUCT__entry {
        which: i32,
        expires: u64 as "unsigned long long",
        value_sec: i64 as "long",
        value_nsec: i64 as "long",
        interval_sec: i64 as "long",
        interval_nsec: i64 as "long",
    },
    TP_fast_assign {
        which: which,
        expires: expires,
        value_sec: value.0,
        value_nsec: value.1,
        interval_sec: interval.0,
        interval_nsec: interval.1,
    },
    TP_ident(__entry),
    TP_printk(c: "which=%d expires=%llu it_value=%ld.%06ld it_interval=%ld.%06ld",
        REC->which, REC->expires, REC->value_sec, REC->value_nsec / 1000L, REC->interval_sec, REC->interval_nsec / 1000L)
);

define_event_trace!(
    /// An interval timer expires: its process, `pid`, gets a signal.
    itimer_expire,
    TP_system(timer),
    TP_PROTO(which: i32, pid: i32, now: u64),
    TP_STRUCT__entry {
        which: i32,
        pid: i32 as "pid_t",
        now: u64 as "unsigned long long",
    },
    TP_fast_assign {
        which: which,
        pid: pid,
        now: now,
    },
    TP_ident(__entry),
    TP_printk(c: "which=%d pid=%d now=%llu", REC->which, (int) REC->pid, REC->now)
);
