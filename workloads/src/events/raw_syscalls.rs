//! The events that every system call fires, whatever its name.

use utracefs::define_event_trace;

define_event_trace!(
    /// A thread enters the system call `id` with these registers.
    sys_enter,
    TP_system(raw_syscalls),
    TP_PROTO(id: i64, args: &[u64; 6]),
    TP_STRUCT__entry {
        id: i64 as "long",
        args: [u64; 6] as "unsigned long",
    },
    TP_fast_assign {
        id: id,
        args: args,
    },
    TP_ident(__entry),
    TP_printk(c: "NR %ld (%lx, %lx, %lx, %lx, %lx, %lx)",
        REC->id, REC->args[0], REC->args[1], REC->args[2], REC->args[3], REC->args[4], REC->args[5])
);

define_event_trace!(
    /// It comes back with this result: a negative one is an errno.
    sys_exit,
    TP_system(raw_syscalls),
    TP_PROTO(id: i64, ret: i64),
    TP_STRUCT__entry {
        id: i64 as "long",
        ret: i64 as "long",
    },
    TP_fast_assign {
        id: id,
        ret: ret,
    },
    TP_ident(__entry),
    TP_printk(c: "NR %ld = %ld", REC->id, REC->ret)
);
