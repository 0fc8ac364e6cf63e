//! How tasks come into being and are named (include/trace/events/task.h has the names).

use utracefs::define_event_trace;
use utracefs::event::field_type::Chars;

use crate::subject::Subject;

define_event_trace!(
    /// A task has been made; the event's owner made it. `clone_flags` as clone(2) has them, without the signal that is
    /// sent when it ends.
    task_newtask,
    TP_system(task),
    TP_PROTO(task: &dyn Subject, clone_flags: u64, oom_score_adj: i16),
    TP_STRUCT__entry {
        pid: i32 as "pid_t",
        comm: Chars<16>,
        clone_flags: u64,
        oom_score_adj: i16 as "short",
    },
    TP_fast_assign {
        pid: task.pid(),
        comm: task.comm(),
        clone_flags: clone_flags,
        oom_score_adj: oom_score_adj,
    },
    TP_ident(__entry),
    TP_printk(c: "pid=%d comm=%s clone_flags=%llx oom_score_adj=%hd",
        REC->pid, REC->comm, REC->clone_flags, REC->oom_score_adj)
);

define_event_trace!(
    /// A task gets another name.
    task_rename,
    TP_system(task),
    TP_PROTO(pid: i32, oldcomm: [u8; 16], newcomm: [u8; 16], oom_score_adj: i16),
    TP_STRUCT__entry {
        pid: i32 as "pid_t",
        oldcomm: Chars<16>,
        newcomm: Chars<16>,
        oom_score_adj: i16 as "short",
    },
    TP_fast_assign {
        pid: pid,
        oldcomm: oldcomm,
        newcomm: newcomm,
        oom_score_adj: oom_score_adj,
    },
    TP_ident(__entry),
    TP_printk(c: "pid=%d oldcomm=%s newcomm=%s oom_score_adj=%hd",
        REC->pid, REC->oldcomm, REC->newcomm, REC->oom_score_adj)
);
