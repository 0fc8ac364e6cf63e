//! The scheduler's events (Documentation/trace/events.rst; include/trace/events/sched.h has their names).
//!
//! `comm`, `pid` and `prio` are those of the task that something happens to. The task that does it is the owner of the
//! event: in sched_switch the one that leaves the CPU, in sched_waking the waker.

use utracefs::define_event_trace;
use utracefs::event::field_type::{Chars, DynStr};

use crate::subject::Subject;

define_event_trace!(
    /// A CPU goes from one task to another. `prev_state`: what became of the one that leaves, 0x100 if it was preempted.
    sched_switch,
    TP_system(sched),
    TP_PROTO(preempt: bool, prev: &dyn Subject, next: &dyn Subject, prev_state: u32),
    TP_STRUCT__entry {
        prev_comm: Chars<16>,
        prev_pid: i32 as "pid_t",
        prev_prio: i32,
        prev_state: i64 as "long",
        next_comm: Chars<16>,
        next_pid: i32 as "pid_t",
        next_prio: i32,
    },
    TP_fast_assign {
        prev_comm: prev.comm(),
        prev_pid: prev.pid(),
        prev_prio: prev.prio(),
        // all ones, where nothing tells it, is -1
        prev_state: i64::from(prev_state as i32),
        next_comm: next.comm(),
        next_pid: next.pid(),
        next_prio: next.prio(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d", REC->prev_comm, REC->prev_pid, REC->prev_prio, (REC->prev_state & ((((0x00000000 | 0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00000040) + 1) << 1) - 1)) ? __print_flags(REC->prev_state & ((((0x00000000 | 0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00000040) + 1) << 1) - 1), "|", { 0x00000001, "S" }, { 0x00000002, "D" }, { 0x00000004, "T" }, { 0x00000008, "t" }, { 0x00000010, "X" }, { 0x00000020, "Z" }, { 0x00000040, "P" }, { 0x00000080, "I" }) : "R", REC->prev_state & (((0x00000000 | 0x00000001 | 0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00000040) + 1) << 1) ? "+" : "", REC->next_comm, REC->next_pid, REC->next_prio"#)
);

/// The three events of a wake-up have the same fields.
macro_rules! wakeup_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(sched),
            TP_PROTO(task: &dyn Subject, target_cpu: u32),
            TP_STRUCT__entry {
                comm: Chars<16>,
                pid: i32 as "pid_t",
                prio: i32,
                target_cpu: i32,
            },
            TP_fast_assign {
                comm: task.comm(),
                pid: task.pid(),
                prio: task.prio(),
                target_cpu: target_cpu as i32,
            },
            TP_ident(__entry),
            TP_printk(c: r#""comm=%s pid=%d prio=%d target_cpu=%03d", REC->comm, REC->pid, REC->prio, REC->target_cpu"#)
        );
    )*};
}

wakeup_events!(
    /// Somebody wakes a task that sleeps; `target_cpu` is where it last ran.
    sched_waking,
    /// The task can run: it is on the queue of `target_cpu`.
    sched_wakeup,
    /// A new task can run for the first time.
    sched_wakeup_new
);

define_event_trace!(
    /// A task is to run on another CPU.
    sched_migrate_task,
    TP_system(sched),
    TP_PROTO(task: &dyn Subject, orig_cpu: u32, dest_cpu: u32),
    TP_STRUCT__entry {
        comm: DynStr,
        pid: i32 as "pid_t",
        prio: i32,
        orig_cpu: i32,
        dest_cpu: i32,
    },
    TP_fast_assign {
        comm: &task.comm(),
        pid: task.pid(),
        prio: task.prio(),
        orig_cpu: orig_cpu as i32,
        dest_cpu: dest_cpu as i32,
    },
    TP_ident(__entry),
    TP_printk(c: "comm=%s pid=%d prio=%d orig_cpu=%d dest_cpu=%d",
        __get_str(comm), REC->pid, REC->prio, REC->orig_cpu, REC->dest_cpu)
);

define_event_trace!(
    /// A task has had the CPU for so many ns more since this was said of it last.
    sched_stat_runtime,
    TP_system(sched),
    TP_PROTO(task: &dyn Subject, runtime: u64),
    TP_STRUCT__entry {
        comm: DynStr,
        pid: i32 as "pid_t",
        runtime: u64,
    },
    TP_fast_assign {
        comm: &task.comm(),
        pid: task.pid(),
        runtime: runtime,
    },
    TP_ident(__entry),
    TP_printk(c: r#""comm=%s pid=%d runtime=%Lu [ns]", __get_str(comm), REC->pid, (unsigned long long)REC->runtime"#)
);

define_event_trace!(
    /// A CPU that has nothing to do but looks around anyway need not be interrupted: it will see what it has got.
    sched_wake_idle_without_ipi,
    TP_system(sched),
    TP_PROTO(cpu: i32),
    TP_STRUCT__entry {
        cpu: i32,
    },
    TP_fast_assign {
        cpu: cpu,
    },
    TP_ident(__entry),
    TP_printk(c: "cpu=%d", REC->cpu)
);

define_event_trace!(
    /// A task makes another.
    sched_process_fork,
    TP_system(sched),
    TP_PROTO(parent: &dyn Subject, child: &dyn Subject),
    TP_STRUCT__entry {
        parent_comm: DynStr,
        parent_pid: i32 as "pid_t",
        child_comm: DynStr,
        child_pid: i32 as "pid_t",
    },
    TP_fast_assign {
        parent_comm: &parent.comm(),
        parent_pid: parent.pid(),
        child_comm: &child.comm(),
        child_pid: child.pid(),
    },
    TP_ident(__entry),
    TP_printk(c: "comm=%s pid=%d child_comm=%s child_pid=%d",
        __get_str(parent_comm), REC->parent_pid, __get_str(child_comm), REC->child_pid)
);

define_event_trace!(
    /// A task is about to go on as another program; `comm` is still the name of the one before.
    sched_prepare_exec,
    TP_system(sched),
    TP_PROTO(task: &dyn Subject, interp: &[u8], filename: &[u8]),
    TP_STRUCT__entry {
        interp: DynStr,
        filename: DynStr,
        pid: i32 as "pid_t",
        comm: DynStr,
    },
    TP_fast_assign {
        interp: interp,
        filename: filename,
        pid: task.pid(),
        comm: &task.comm(),
    },
    TP_ident(__entry),
    TP_printk(c: "interp=%s filename=%s pid=%d comm=%s",
        __get_str(interp), __get_str(filename), REC->pid, __get_str(comm))
);

define_event_trace!(
    /// A task goes on as another program. `old_pid` differs only where a thread other than the first one calls exec.
    sched_process_exec,
    TP_system(sched),
    TP_PROTO(task: &dyn Subject, old_pid: i32, filename: &[u8]),
    TP_STRUCT__entry {
        filename: DynStr,
        pid: i32 as "pid_t",
        old_pid: i32 as "pid_t",
    },
    TP_fast_assign {
        filename: filename,
        pid: task.pid(),
        old_pid: old_pid,
    },
    TP_ident(__entry),
    TP_printk(c: "filename=%s pid=%d old_pid=%d", __get_str(filename), REC->pid, REC->old_pid)
);

define_event_trace!(
    /// A task ends; `group_dead`: it was the last one of its process.
    sched_process_exit,
    TP_system(sched),
    TP_PROTO(task: &dyn Subject, group_dead: bool),
    TP_STRUCT__entry {
        comm: Chars<16>,
        pid: i32 as "pid_t",
        prio: i32,
        group_dead: bool,
    },
    TP_fast_assign {
        comm: task.comm(),
        pid: task.pid(),
        prio: task.prio(),
        group_dead: group_dead,
    },
    TP_ident(__entry),
    TP_printk(c: "comm=%s pid=%d prio=%d group_dead=%s",
        REC->comm, REC->pid, REC->prio, REC->group_dead ? "true" : "false")
);

define_event_trace!(
    /// What is left of a task that has ended goes: it will not be heard of again.
    sched_process_free,
    TP_system(sched),
    TP_PROTO(task: &dyn Subject),
    TP_STRUCT__entry {
        comm: DynStr,
        pid: i32 as "pid_t",
        prio: i32,
    },
    TP_fast_assign {
        comm: &task.comm(),
        pid: task.pid(),
        prio: task.prio(),
    },
    TP_ident(__entry),
    TP_printk(c: "comm=%s pid=%d prio=%d", __get_str(comm), REC->pid, REC->prio)
);

define_event_trace!(
    /// A task begins to wait for a child, `pid`, or with 0 for any. `comm` and `prio` are those of the one that waits.
    sched_process_wait,
    TP_system(sched),
    TP_PROTO(waiter: &dyn Subject, pid: i32),
    TP_STRUCT__entry {
        comm: DynStr,
        pid: i32 as "pid_t",
        prio: i32,
    },
    TP_fast_assign {
        comm: &waiter.comm(),
        pid: pid,
        prio: waiter.prio(),
    },
    TP_ident(__entry),
    TP_printk(c: "comm=%s pid=%d prio=%d", __get_str(comm), REC->pid, REC->prio)
);
