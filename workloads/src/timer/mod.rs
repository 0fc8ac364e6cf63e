//! The `timer` workload: what timers are used for.

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
    name: "timer",
    about: "timers of the wheel and of high resolution, with their events (timer_start, timer_expire_entry, \
            hrtimer_start, ...). One operation is one use of a timer; five kinds take turns: one that expires, one that is \
            put off four times before it does (a keepalive), one that is stopped in time (a timeout), one of high \
            resolution that expires five times (a period), and setitimer(2) with three alarms",
    rate: 8.0,
    open,
};

/// Operations that may be under way at once, per CPU: most of their time they wait.
const JOBS_PER_CPU: usize = 16;

struct Engines(Jobs);

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let machine = Owner::shared(&shared.machine)?;
    Ok(Box::new(Engines(Jobs {
        at_once: machine.cpus() * JOBS_PER_CPU,
        machine,
        workload: "timer",
        make: Arc::new(|op| Box::pin(jobs::run(op))),
    })))
}

impl Engine for Engines {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        self.0.run(load);
        Ok(())
    }
}
