//! The `syscalls` workload: a thread that makes real system calls and reports each with its two events.

mod calls;
mod jobs;
mod scratch;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::futex::timespec;
use crate::load::{Load, Next};
use crate::{Engine, Shared, Workload};
use jobs::{Jobs, Unexpected};
use scratch::Scratch;

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "syscalls",
    about: "real system calls on files in a temporary directory, with sys_enter and sys_exit of each. One operation is \
            one job of 4 to 18 calls; six kinds take turns: append to a log, grep it, look for a configuration \
            (mostly ENOENT), replace a file by rename, a directory made, listed and removed, tail and rotate the log",
    rate: 5.0,
    open,
};

struct Syscalls {
    jobs: Jobs,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let scratch = match &shared.temp_dir {
        Some(dir) => Scratch::new(dir),
        None => scratch_in(&std::env::temp_dir(), Path::new("/dev/shm")),
    };
    Ok(Box::new(Syscalls {
        jobs: Jobs::new(scratch?)?,
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
        let mut first = true;
        loop {
            let word = load.word().load(Ordering::SeqCst);
            match load.next() {
                Next::Now(op) => {
                    if let Err(Unexpected { call, answer }) = self.jobs.run(op)
                        && std::mem::take(&mut first)
                    {
                        log::warn!(
                            "syscalls: in job {op}, {call} unexpectedly answered {answer}; reported once"
                        );
                    }
                    load.complete();
                }
                // The pause is a system call of this thread like the others.
                Next::At(due) => {
                    calls::futex_wait(load.word(), word, &timespec(due));
                }
                Next::End => return Ok(()),
            }
        }
    }
}
