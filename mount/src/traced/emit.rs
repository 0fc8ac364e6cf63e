//! A record becomes the events of the task that it is about.

use std::collections::HashMap;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use utracefs::base::cpu;
use utracefs::base::task::{Place, Task};
use utracefs_workloads::events::raw_syscalls::{trace_sys_enter, trace_sys_exit};
use utracefs_workloads::events::sched::{
    trace_sched_process_exec, trace_sched_process_exit, trace_sched_process_fork,
    trace_sched_process_free, trace_sched_process_wait, trace_sched_switch, trace_sched_wakeup,
    trace_sched_wakeup_new, trace_sched_waking,
};
use utracefs_workloads::events::signal::{trace_signal_deliver, trace_signal_generate};
use utracefs_workloads::events::syscalls;
use utracefs_workloads::events::task::{trace_task_newtask, trace_task_rename};
use utracefs_workloads::subject::Known;

use crate::run::wire::{Path, Record, What, Who};

/// Tasks remembered: each is entered in the table of names once, not with every event.
const TASKS: usize = 4096;

/// Fires events.
#[derive(Default)]
pub(super) struct Emitter {
    tasks: HashMap<i32, Task>,
}

/// Several records in a row, for which the thread goes where they happened.
pub(super) struct Batch<'a> {
    tasks: &'a mut HashMap<i32, Task>,
    /// Where this thread may be, if it was sent elsewhere.
    home: Option<CpuSet>,
    /// The CPU that it was sent to.
    at: Option<u32>,
}

impl Emitter {
    pub(super) fn begin(&mut self) -> Batch<'_> {
        if self.tasks.len() > TASKS {
            self.tasks.clear();
        }
        Batch {
            tasks: &mut self.tasks,
            home: None,
            at: None,
        }
    }
}

impl Batch<'_> {
    /// Fires what a record tells.
    pub(super) fn fire(&mut self, record: &Record) {
        let cpu = record.cpu.filter(|cpu| (*cpu as usize) < cpu::possible());
        self.go(cpu);
        let Who { pid, tgid, comm } = record.task;
        let task = self
            .tasks
            .entry(pid)
            .or_insert_with(|| Task::new(pid, tgid, comm));
        if task.tgid() != tgid {
            *task = Task::new(pid, tgid, comm);
        } else if task.comm() != comm {
            task.set_comm(comm);
        }
        task.set_place(Place {
            cpu,
            time: Some(record.time_ns),
            ip: record.ip,
        });
        task.run(|| fire(record));
    }

    /// Goes to a CPU: its buffer is written fastest from there. Where this thread may not be, the buffer is written from
    /// here.
    fn go(&mut self, to: Option<u32>) {
        let Some(to) = to else { return };
        if self.at == Some(to) || self.at.is_none() && cpu::current() == to as usize {
            return;
        }
        let me = Pid::from_raw(0);
        if self.home.is_none() {
            self.home = sched_getaffinity(me).ok();
        }
        let mut there = CpuSet::new();
        if self.home.is_some() && there.set(to as usize).is_ok() {
            let went = sched_setaffinity(me, &there).is_ok();
            self.at = went.then_some(to);
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let Some(home) = self.home {
            // it was there before
            let _ = sched_setaffinity(Pid::from_raw(0), &home);
        }
    }
}

/// The task of a record as its events show it.
fn known(who: &Who, prio: i32) -> Known {
    Known {
        pid: who.pid,
        comm: who.comm,
        prio,
    }
}

/// Fires a record's events as the calling thread's present task.
fn fire(record: &Record) {
    let task = &record.task;
    match &record.what {
        What::SysEnter {
            nr,
            foreign,
            args,
            paths,
        } => {
            trace_sys_enter(*nr, args);
            if !foreign {
                enter(*nr, args, paths);
            }
        }
        What::SysExit { nr, foreign, ret } => {
            trace_sys_exit(*nr, *ret);
            if !foreign {
                syscalls::exit(*nr, *ret);
            }
        }
        What::Switch {
            prev,
            prev_state,
            preempt,
            next,
        } => trace_sched_switch(*preempt, prev, next, *prev_state),
        What::Fork { child } => trace_sched_process_fork(&known(task, -1), &known(child, -1)),
        What::Exec { filename, old_pid } => {
            trace_sched_process_exec(&known(task, -1), *old_pid, filename);
        }
        What::Exit { prio, group_dead } => {
            trace_sched_process_exit(&known(task, *prio), *group_dead)
        }
        What::Wait { pid, prio } => trace_sched_process_wait(&known(task, *prio), *pid),
        What::Free { who } => trace_sched_process_free(who),
        What::WakeupNew { who, target_cpu } => trace_sched_wakeup_new(who, *target_cpu as u32),
        What::Waking { who, target_cpu } => trace_sched_waking(who, *target_cpu as u32),
        What::Wakeup { who, target_cpu } => trace_sched_wakeup(who, *target_cpu as u32),
        What::SignalGenerate {
            sig,
            errno,
            code,
            comm,
            pid,
            group,
            result,
        } => {
            let target = Known {
                pid: *pid,
                comm: *comm,
                prio: -1,
            };
            trace_signal_generate(*sig, *errno, *code, &target, *group, *result);
        }
        What::NewTask {
            pid,
            comm,
            clone_flags,
            oom_score_adj,
        } => {
            let child = Known {
                pid: *pid,
                comm: *comm,
                prio: -1,
            };
            trace_task_newtask(&child, *clone_flags, *oom_score_adj);
        }
        What::Rename {
            pid,
            oldcomm,
            newcomm,
            oom_score_adj,
        } => trace_task_rename(*pid, *oldcomm, *newcomm, *oom_score_adj),
        What::SignalDeliver {
            sig,
            errno,
            code,
            sa_handler,
            sa_flags,
        } => trace_signal_deliver(*sig, *errno, *code, *sa_handler, *sa_flags),
    }
}

/// `sys_enter_NAME` with the texts of the arguments that are paths, in their order.
fn enter(nr: i64, args: &[u64; 6], paths: &[Path]) {
    let Some(call) = syscalls::TABLE.find(nr) else {
        return;
    };
    let text = |arg: usize| {
        let path = paths.iter().find(|path| usize::from(path.arg) == arg);
        path.map_or(&[][..], |path| &path.text)
    };
    let mut texts = [&[][..]; 6];
    let of_paths = call.args.iter().enumerate().filter(|(_, arg)| arg.path);
    for (to, (arg, _)) in texts.iter_mut().zip(of_paths) {
        *to = text(arg);
    }
    syscalls::enter(nr, args, &texts);
}
