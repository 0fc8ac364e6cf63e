//! The `mm` workload: a page allocator and a slab over memory of this process, and page faults that it really takes,
//! reported by the events of Linux's memory management.

mod fault;
mod gfp;
mod jobs;
mod memory;
mod slab;
mod space;
#[cfg(test)]
mod tests;
mod zone;

use std::io;
use std::sync::Arc;

use crate::jobs::Jobs;
use crate::load::Load;
use crate::machine::Owner;
use crate::{Engine, Shared, Workload};
use fault::Window;
use jobs::World;
use memory::Memory;
use slab::Slab;

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "mm",
    about: "a page allocator (buddies, lists per CPU) and a slab over memory of this process, with kmem's events, and \
            page faults that are really taken, with exceptions:page_fault_user. One operation is one job, done when \
            init has waited for it; four kinds take turns: a sort (6 to 16 pages found by touching them, one or two \
            faults each), a find (12 to 29 dentries, inodes and a buffer), a shell that forks (4 to 9 pages, copied when \
            written) and an rsync (10 to 21 buffers of 16 to 30,000 bytes and a block of pages)",
    rate: 0.7,
    open,
};

/// Jobs that may be under way at once.
const MOST_JOBS: usize = 8;

struct Mm {
    machine: Arc<Owner>,
    world: World,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let machine = Owner::shared(&shared.machine)?;
    let memory = Arc::new(Memory::new(machine.cpus())?);
    let world = World {
        slab: Arc::new(Slab::new(memory)),
        window: Arc::new(Window::new()?),
    };
    Ok(Box::new(Mm { machine, world }))
}

impl Engine for Mm {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let world = self.world.clone();
        let jobs = Jobs {
            at_once: (2 * self.machine.cpus()).min(MOST_JOBS),
            machine: self.machine,
            workload: WORKLOAD.name,
            make: Arc::new(move |op| Box::pin(jobs::run(world.clone(), op))),
        };
        jobs.run(load);
        // All jobs are gone: so what is left is what the caches and the CPUs kept for later.
        self.world.slab.shrink();
        self.world.slab.memory.drain();
        Ok(())
    }
}
