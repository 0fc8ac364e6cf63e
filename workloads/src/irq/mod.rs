//! The `irq` workload: a sensor that interrupts, and its driver.
//!
//! The engine's thread is the hardware: it fills the sensor's registers and raises interrupts, like any device beside the CPUs.
//! The driver's handler does what cannot wait, the rest is done in a tasklet or by polling, and a task gets the result.

mod driver;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::futex;
use crate::load::{Load, Next};
use crate::machine::Owner;
use crate::{Engine, Shared, Workload};
use driver::Sensor;

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "irq",
    about: "a device that interrupts and its driver, with the events of interrupts (irq_handler_entry, softirq_raise, \
            tasklet_entry, ...). One operation is one message of the device, done when the task that reads it has it; \
            four kinds take turns: a sample (one interrupt, one tasklet), an urgent one (one interrupt, one tasklet of \
            the soft interrupt HI), a block (one interrupt, then polled in IRQ_POLL) and an alarm (one interrupt that \
            turns out to be a glitch, unhandled, and the true one)",
    rate: 20.0,
    open,
};

struct Irq {
    machine: Arc<Owner>,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    Ok(Box::new(Irq {
        machine: Owner::shared(&shared.machine)?,
    }))
}

impl Engine for Irq {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let sensor = Sensor::new(load);
        let on_empty = {
            let load = load.clone();
            Box::new(move || load.poke())
        };
        let reader = Box::pin(driver::reader(sensor.clone(), load.clone()));
        let session = self.machine.boot("sensord", reader, on_empty);
        let mut begun = 0;
        loop {
            let word = load.word().load(Ordering::SeqCst);
            // One message at a time: the next may only come when this one was read.
            let mut until = None;
            if load.stopped() || sensor.failed() {
                break;
            } else if load.done() == begun {
                match load.next() {
                    Next::Now(op) => {
                        begun += 1;
                        sensor.begin(op, self.machine.machine());
                        continue;
                    }
                    Next::At(due) => until = Some(due),
                    Next::End => break,
                }
            } else {
                sensor.go_on(self.machine.machine());
            }
            futex::wait(load.word(), word, until);
        }
        sensor.close();
        loop {
            let word = load.word().load(Ordering::SeqCst);
            if session.alive() == 0 {
                return Ok(());
            }
            futex::wait(load.word(), word, None);
        }
    }
}
