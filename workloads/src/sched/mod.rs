//! The `sched` workload: jobs of green tasks on a machine of virtual CPUs, reported by the scheduler's events.

mod jobs;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::futex::{self, now_ns};
use crate::load::{Load, Next};
use crate::machine::{Owner, fork, has_zombie, sleep_for_child_until, wait_any};
use crate::{Engine, Shared, Workload};

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "sched",
    about: "green tasks on per-CPU run queues, with the scheduler's events (sched_switch, sched_wakeup, \
            sched_process_fork, ...). One operation is one job, done when init has waited for it; four kinds take \
            turns: make (forks, execs and waits for three compilers and a linker: 5 forks, 5 execs, 5 exits, 5 waits \
            with its own), a shell pipeline (4 of each), a server with two threads (3 forks and exits, 1 exec and \
            wait) and a real-time player beside batch work (3 of each)",
    rate: 3.0,
    open,
};

/// Jobs that may be under way at once, per CPU.
const JOBS_PER_CPU: usize = 2;
/// Init looks around at least so often, ns; it keeps no timer for longer.
const LONGEST_SLEEP: u64 = 60_000_000_000;

struct Sched {
    machine: Arc<Owner>,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Sched {
        machine: Owner::shared(&shared.machine)?,
    }))
}

impl Engine for Sched {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let most = self.machine.cpus() * JOBS_PER_CPU;
        let on_empty = {
            let load = load.clone();
            Box::new(move || load.poke())
        };
        let session = self
            .machine
            .boot("init", Box::pin(init(load.clone(), most)), on_empty);
        let mut rate = load.rate();
        let mut killed = false;
        loop {
            let word = load.word().load(Ordering::SeqCst);
            if session.alive() == 0 {
                return Ok(());
            }
            if load.stopped() && !killed {
                self.machine.kill(&session);
                killed = true;
            } else if load.rate() != rate {
                rate = load.rate();
                self.machine.wake_first(&session);
            }
            futex::wait(load.word(), word, None);
        }
    }
}

/// The first task: starts the jobs when they are due and waits for them.
async fn init(load: Arc<Load>, most: usize) -> i32 {
    let mut jobs = HashSet::new();
    loop {
        if has_zombie() || jobs.len() >= most {
            reap(&mut jobs, &load).await;
            continue;
        }
        match load.next() {
            Next::Now(op) => match fork(jobs::run(op)).await {
                Some(pid) => {
                    jobs.insert(pid);
                }
                None => {
                    log::error!("the sched workload has used up its process numbers and ends");
                    break;
                }
            },
            Next::At(due) => {
                sleep_for_child_until(due.min(now_ns() + LONGEST_SLEEP)).await;
            }
            Next::End => break,
        }
    }
    while !jobs.is_empty() {
        reap(&mut jobs, &load).await;
    }
    0
}

/// Waits for a child; a job's end completes an operation, others were orphans.
async fn reap(jobs: &mut HashSet<i32>, load: &Load) {
    match wait_any().await {
        Some((pid, status)) => {
            if jobs.remove(&pid) {
                load.complete();
                if status != 0 {
                    log::error!(
                        "a job of the sched workload, pid {pid}, came to a wrong result: status {status:#x}"
                    );
                }
            }
        }
        None => jobs.clear(),
    }
}
