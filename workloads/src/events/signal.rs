//! Signals.

use utracefs::define_event_trace;
use utracefs::event::field_type::Chars;

use crate::subject::Subject;

/// What becomes of a signal that is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// Its handler will run.
    Delivered = 0,
    /// Nobody handles it.
    Ignored = 1,
    /// It has been sent before and not been taken yet; it counts once.
    AlreadyPending = 2,
}

define_event_trace!(
    /// A signal is sent to a task; `group`: to its process.
    signal_generate,
    TP_system(signal),
    TP_PROTO(sig: i32, errno: i32, code: i32, task: &dyn Subject, group: bool, result: Sent),
    TP_STRUCT__entry {
        sig: i32,
        errno: i32,
        code: i32,
        comm: Chars<16>,
        pid: i32 as "pid_t",
        group: i32,
        result: i32,
    },
    TP_fast_assign {
        sig: sig,
        errno: errno,
        code: code,
        comm: task.comm(),
        pid: task.pid(),
        group: i32::from(group),
        result: result as i32,
    },
    TP_ident(__entry),
    TP_printk(c: "sig=%d errno=%d code=%d comm=%s pid=%d grp=%d res=%d",
        REC->sig, REC->errno, REC->code, REC->comm, REC->pid, REC->group, REC->result)
);

define_event_trace!(
    /// A task takes a signal: the event's owner. `sa_handler`: the address of its handler, 0 for the default action, 1 if
    /// it is ignored; `sa_flags` as sigaction(2) was told.
    signal_deliver,
    TP_system(signal),
    TP_PROTO(sig: i32, errno: i32, code: i32, sa_handler: u64, sa_flags: u64),
    TP_STRUCT__entry {
        sig: i32,
        errno: i32,
        code: i32,
        sa_handler: u64 as "unsigned long",
        sa_flags: u64 as "unsigned long",
    },
    TP_fast_assign {
        sig: sig,
        errno: errno,
        code: code,
        sa_handler: sa_handler,
        sa_flags: sa_flags,
    },
    TP_ident(__entry),
    TP_printk(c: "sig=%d errno=%d code=%d sa_handler=%lx sa_flags=%lx",
        REC->sig, REC->errno, REC->code, REC->sa_handler, REC->sa_flags)
);
