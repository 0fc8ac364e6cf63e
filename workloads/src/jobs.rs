//! The engine of workloads whose operations are jobs of green tasks: an init that starts a job when one is due and waits
//! for those under way.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::futex::{self, now_ns};
use crate::load::{Load, Next};
use crate::machine::{Body, Owner, fork, has_zombie, sleep_for_child_until, wait_any};

/// Init looks around at least so often, ns; it keeps no timer for longer.
const LONGEST_SLEEP: u64 = 60_000_000_000;

/// Makes the job of an operation: a task that exits with 0 if its result is right.
pub(crate) type Make = Arc<dyn Fn(u64) -> Body + Send + Sync>;

/// Jobs of one workload on a machine.
pub(crate) struct Jobs {
    pub machine: Arc<Owner>,
    /// Whose they are, for the log.
    pub workload: &'static str,
    /// How many may be under way.
    pub at_once: usize,
    pub make: Make,
}

impl Jobs {
    /// Runs jobs as `load` hands them out; returns when the last task is gone.
    pub fn run(&self, load: &Arc<Load>) {
        let (workload, make) = (self.workload, self.make.clone());
        let (at_once, load_of_init) = (self.at_once, load.clone());
        let init = async move {
            perform(workload, make, at_once, load_of_init).await;
            0
        };
        family(&self.machine, load, "init", Box::pin(init), true);
    }
}

/// Starts a first task and waits until it and all its descendants have ended. With `ends` they end when the load is
/// stopped.
pub(crate) fn family(
    machine: &Owner,
    load: &Arc<Load>,
    comm: &'static str,
    first: Body,
    ends: bool,
) {
    let on_empty = {
        let load = load.clone();
        Box::new(move || load.poke())
    };
    let session = machine.boot(comm, first, on_empty);
    let mut rate = load.rate();
    let mut killed = false;
    loop {
        let word = load.word().load(Ordering::SeqCst);
        if session.alive() == 0 {
            return;
        }
        if ends && load.stopped() && !killed {
            machine.kill(&session);
            killed = true;
        } else if load.rate() != rate {
            rate = load.rate();
            machine.wake_first(&session);
        }
        futex::wait(load.word(), word, None);
    }
}

/// What the first task does: starts the jobs when they are due and waits for them.
pub(crate) async fn perform(workload: &'static str, make: Make, at_once: usize, load: Arc<Load>) {
    let mut jobs = HashSet::new();
    loop {
        if has_zombie() || jobs.len() >= at_once {
            reap(workload, &mut jobs, &load).await;
            continue;
        }
        match load.next() {
            Next::Now(op) => match fork(make(op)).await {
                Some(pid) => {
                    jobs.insert(pid);
                }
                None => {
                    log::error!("the {workload} workload has used up its process numbers and ends");
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
        reap(workload, &mut jobs, &load).await;
    }
}

/// Waits for a child; a job's end completes an operation, others were orphans.
async fn reap(workload: &str, jobs: &mut HashSet<i32>, load: &Load) {
    match wait_any().await {
        Some((pid, status)) => {
            if jobs.remove(&pid) {
                load.complete();
                if status != 0 {
                    log::error!(
                        "a job of the {workload} workload, pid {pid}, came to a wrong result: status {status:#x}"
                    );
                }
            }
        }
        None => jobs.clear(),
    }
}
