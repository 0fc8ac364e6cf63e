//! The `sched` workload: jobs of green tasks on a machine of virtual CPUs, reported by the scheduler's events.

mod jobs;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use crate::jobs::Jobs;
use crate::load::Load;
use crate::machine::Owner;
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
struct Sched(Jobs);

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let machine = Owner::shared(&shared.machine)?;
    Ok(Box::new(Sched(Jobs {
        at_once: machine.cpus() * JOBS_PER_CPU,
        machine,
        workload: "sched",
        make: Arc::new(|op| Box::pin(jobs::run(op))),
    })))
}

impl Engine for Sched {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        self.0.run(load);
        Ok(())
    }
}
