//! The `process` workload: a thread with real children, and what becomes of them.

mod jobs;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use crate::children::Family;
use crate::load::Load;
use crate::syscalls::drive;
use crate::{Engine, Shared, Workload};
use jobs::Jobs;

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "process",
    about: "real child processes: fork, exec, exit, wait, signals, and the children's system calls. One operation is one \
            job with one to five processes; eight kinds take turns: run a program, fail to find one, signals handled, \
            terminated, killed, signals ignored or sent twice, a family of three generations, a pipeline",
    rate: 1.0,
    open,
};

struct Process {
    jobs: Jobs,
}

fn open(_shared: &Shared) -> io::Result<Box<dyn Engine>> {
    Family::probe().map_err(|error| {
        let why = "children cannot be traced here, allow ptrace(2) in the sandbox or container";
        io::Error::new(error.kind(), format!("{why}: {error}"))
    })?;
    Ok(Box::new(Process { jobs: Jobs::new()? }))
}

impl Engine for Process {
    fn run(mut self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let mut family = Family::new();
        let mut first = true;
        drive(load, |op| {
            if let Err(error) = self.jobs.run(op, &mut family) {
                family.clear();
                if std::mem::take(&mut first) {
                    log::warn!("process: job {op}: {error}; reported once");
                }
            }
        });
        Ok(())
    }
}
