//! The `block` workload: a block layer on a disk that is a file, reported by the events of Linux's block layer.
//!
//! A task's bio is moved from the partition to the whole disk, split if it is too large, merged with a request that it
//! meets (the task's own ones that are plugged, or those that wait in the elevator) or given one. The device, an OS thread,
//! really does what a request says and raises an interrupt; its handler raises the soft interrupt in which the request and
//! its bios complete. What waited for room in the device goes there by kblockd.

mod device;
mod disk;
mod elevator;
mod jobs;
mod medium;
mod request;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::jobs::Jobs;
use crate::load::Load;
use crate::machine::Owner;
use crate::{Engine, Shared, Workload};
use disk::Disk;

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "block",
    about: "a block layer on a disk that is a file: bios, plug, merges, elevator, a device that really reads and writes, \
            completion by interrupt, with the block events. One operation is one job, done when init has waited for it; \
            four kinds take turns: dd (reads 16 blocks in two windows), fio (4 or 8 random blocks, some beyond the \
            medium's end: errors), cp (writes 6 to 11 blocks and a larger piece, flushes, reads 3) and postgres (3 \
            appends that are on stable storage one after the other, then reads its log)",
    rate: 1.0,
    open,
};

/// Jobs that may be under way at once: fewer than there are places for them to write.
const MOST_JOBS: usize = 8;

struct Block {
    machine: Arc<Owner>,
    disk: Arc<Disk>,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let machine = Owner::shared(&shared.machine)?;
    let disk = match &shared.temp_dir {
        Some(dir) => Disk::new(&machine, dir),
        // The root of a container may be read-only.
        None => match Disk::new(&machine, &std::env::temp_dir()) {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Disk::new(&machine, Path::new("/dev/shm")).map_err(|_| error)
            }
            other => other,
        },
    };
    Ok(Box::new(Block {
        machine,
        disk: disk?,
    }))
}

impl Engine for Block {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let disk = self.disk.clone();
        let jobs = Jobs {
            at_once: (2 * self.machine.cpus()).min(MOST_JOBS),
            machine: self.machine.clone(),
            workload: WORKLOAD.name,
            make: Arc::new(move |op| Box::pin(jobs::run(disk.clone(), op))),
        };
        jobs.run(load);
        // Jobs that were stopped leave their requests under way.
        self.disk.shut_down();
        Ok(())
    }
}
