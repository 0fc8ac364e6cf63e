//! The `syscalls` workload: a thread that makes real system calls and reports each with its two events.

pub(crate) mod calls;
#[macro_use]
mod jobs;
mod build;
mod scratch;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::children::Family;
use crate::futex::timespec;
use crate::load::{Load, Next};
use crate::{Engine, Shared, Workload};
use jobs::{Jobs, Unexpected};
use scratch::Scratch;

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "syscalls",
    about: "real system calls on files in a temporary directory, with sys_enter and sys_exit of each. One operation is \
            one job; eight kinds take turns: append to a log, grep it, look for a configuration (mostly ENOENT), \
            replace a file by rename, a directory made, listed and removed, tail and rotate the log, unpack an archive, \
            build something with small programs, whose calls are seen too",
    rate: 5.0,
    open,
};

struct Syscalls {
    jobs: Jobs,
    /// Whether children can be traced; otherwise there are none.
    traceable: bool,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let scratch = match &shared.temp_dir {
        Some(dir) => Scratch::new(dir),
        None => scratch_in(&std::env::temp_dir(), Path::new("/dev/shm")),
    };
    let traceable = Family::probe().inspect_err(|error| {
        log::info!(
            "workload syscalls: no small programs are run, since they cannot be traced: {error}"
        );
    });
    Ok(Box::new(Syscalls {
        jobs: Jobs::new(scratch?)?,
        traceable: traceable.is_ok(),
    }))
}

/// Makes the directory below `first`, or below `second` if `first` is on a read-only file system, as in a container whose root is.
fn scratch_in(first: &Path, second: &Path) -> io::Result<Scratch> {
    match Scratch::new(first) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Scratch::new(second).map_err(|_| error)
        }
        other => other,
    }
}

impl Engine for Syscalls {
    fn run(mut self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let mut family = self.traceable.then(Family::new);
        let mut first = true;
        drive(load, |op| {
            if let Err(Unexpected { call, answer }) = self.jobs.run(op, family.as_mut())
                && std::mem::take(&mut first)
            {
                log::warn!(
                    "syscalls: in job {op}, {call} unexpectedly answered {answer}; reported once"
                );
            }
        });
        Ok(())
    }
}

/// Does operations on the calling thread as `load` hands them out. Its pauses are system calls like the others.
pub(crate) fn drive(load: &Load, mut operation: impl FnMut(u64)) {
    loop {
        let word = load.word().load(Ordering::SeqCst);
        match load.next() {
            Next::Now(op) => {
                operation(op);
                load.complete();
            }
            Next::At(due) => {
                calls::futex_wait(load.word(), word, &timespec(due));
            }
            Next::End => return,
        }
    }
}
