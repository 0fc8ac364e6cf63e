//! The `workqueue` workload: work that tasks leave to kernel workers.

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
    name: "workqueue",
    about: "work done by kworkers, with the events of work queues (workqueue_queue_work, workqueue_execute_start, ...). One \
            operation is done when its work is; four kinds take turns: work for one CPU (1 piece), work of a queue that \
            does one at a time anywhere (3), delayed work (1), and work that sleeps, so that another worker goes on (2)",
    rate: 8.0,
    open,
};

/// Operations that may be under way at once, per CPU.
const JOBS_PER_CPU: usize = 8;

struct Engines {
    machine: Arc<Owner>,
    queues: Arc<jobs::Queues>,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Engines {
        machine: Owner::shared(&shared.machine)?,
        queues: Arc::new(jobs::Queues::new()),
    }))
}

impl Engine for Engines {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let (queues, cpus) = (self.queues.clone(), self.machine.cpus());
        let jobs = Jobs {
            at_once: cpus * JOBS_PER_CPU,
            machine: self.machine.clone(),
            workload: "workqueue",
            make: Arc::new(move |op| Box::pin(jobs::run(op, queues.clone(), cpus))),
        };
        jobs.run(load);
        // Work that was queued by tasks that were then stopped is done all the same.
        self.machine
            .run_to_end("destroy_wq", Box::pin(jobs::drain(self.queues)));
        Ok(())
    }
}
