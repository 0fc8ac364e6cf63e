//! The life of a workload whose tasks are one family: a first task, what comes of it, and a task that clears up afterwards.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::futex;
use crate::load::Load;
use crate::machine::{Body, Owner};

/// Starts `first` and waits until it and all its descendants have ended; a stopped load ends them. Then the task that
/// `clear_up` gives has its turn, if any.
pub(crate) fn conduct(
    machine: &Arc<Owner>,
    load: &Arc<Load>,
    first: Body,
    clear_up: impl FnOnce() -> Option<Body>,
) {
    run(machine, load, "init", first, true);
    if let Some(body) = clear_up() {
        run(machine, load, "ip", body, false);
    }
}

fn run(machine: &Arc<Owner>, load: &Arc<Load>, comm: &'static str, body: Body, ends: bool) {
    let on_empty = {
        let load = load.clone();
        Box::new(move || load.poke())
    };
    let session = machine.boot(comm, body, on_empty);
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
