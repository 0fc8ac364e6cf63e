//! Demonstration workloads of utracefs: they do real work and report it with Linux's own events.
//!
//! A [`Workload`] is a row of [`ALL`]; a [`Manager`] starts, stops and counts them. Without a manager nothing runs, and
//! while no event is enabled the calls that report cost a nop each.

mod block;
mod children;
pub mod events;
pub mod figures;
mod futex;
mod irq;
mod jobs;
mod load;
mod machine;
mod manager;
mod mm;
mod net;
mod pid;
mod process;
mod rng;
mod sched;
mod signals;
pub mod subject;
mod syscalls;
#[cfg(test)]
mod testing;
mod timer;
mod workqueue;
mod xdp;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use load::Load;
pub use machine::Green;
pub use manager::{Error, Manager, Run, State, Status};

/// One kind of work.
pub struct Workload {
    /// What it is called.
    pub name: &'static str,
    /// What it does, and what one operation of it is.
    pub about: &'static str,
    /// Operations per second where nothing else is asked for: calm.
    pub rate: f64,
    open: fn(&Shared) -> io::Result<Box<dyn Engine>>,
}

/// All workloads.
pub static ALL: &[Workload] = &[
    sched::WORKLOAD,
    syscalls::WORKLOAD,
    process::WORKLOAD,
    block::WORKLOAD,
    net::WORKLOAD,
    xdp::WORKLOAD,
    irq::WORKLOAD,
    timer::WORKLOAD,
    workqueue::WORKLOAD,
    mm::WORKLOAD,
];

/// Something about a workload that can be chosen.
pub struct Setting {
    /// Whose it is.
    pub workload: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// What it says, and in which unit.
    pub about: &'static str,
    apply: fn(&Shared, &str) -> Result<(), String>,
    show: fn(&Shared) -> String,
}

/// All settings.
pub static SETTINGS: &[Setting] = &[net::LOSS];

/// What workloads of one manager have in common.
#[derive(Default)]
struct Shared {
    /// The virtual CPUs, while somebody uses them.
    machine: Mutex<Weak<machine::Owner>>,
    /// Where workloads make files; the system's directory for temporary ones if it is not given.
    temp_dir: Option<PathBuf>,
    /// What the `net` workload's link loses.
    net_loss: net::Loss,
}

/// What does a workload's operations.
trait Engine: Send {
    /// Does operations as `load` hands them out; returns when it hands out no more and those under way are done, or soon
    /// after it is stopped.
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()>;
}
