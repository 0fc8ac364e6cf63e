//! Interrupts of devices.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::callback::survive;
use super::cpu::Local;
use super::{Machine, Request};
use crate::events::irq::{trace_irq_handler_entry, trace_irq_handler_exit};

/// The first number given out: a PC's fixed ones are below.
const FIRST: i32 = 24;

static TAKEN: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// What a handler says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IrqReturn {
    /// The device had not asked for anything.
    None = 0,
    /// It was served.
    Handled = 1,
}

/// What a device calls with.
pub(crate) type Handler = Arc<dyn Fn() -> IrqReturn + Send + Sync>;

/// An interrupt line with its handler; dropping it frees the number, and the handler is not called any more.
pub(crate) struct Irq(Arc<Action>);

pub(super) struct Action {
    number: i32,
    name: &'static str,
    handler: Handler,
    freed: AtomicBool,
}

/// A line of its own for a device called `name`.
pub(crate) fn request_irq(name: &'static str, handler: Handler) -> Irq {
    let mut taken = TAKEN.lock();
    let number = (FIRST..)
        .find(|number| !taken.contains(number))
        .unwrap_or(i32::MAX);
    taken.insert(number);
    Irq(Arc::new(Action {
        number,
        name,
        handler,
        freed: AtomicBool::new(false),
    }))
}

impl Irq {
    /// Its number, 24 or more.
    pub fn number(&self) -> i32 {
        self.0.number
    }

    /// The device asks for service on a CPU. From any thread; the handler runs there once for every call, in hard interrupt
    /// context, as soon as that CPU's code can be interrupted.
    pub fn raise(&self, machine: &Arc<Machine>, cpu_index: usize) {
        machine.cpus[cpu_index].request(Request::Device(self.0.clone()));
    }
}

impl Drop for Irq {
    fn drop(&mut self) {
        self.0.freed.store(true, Ordering::SeqCst);
    }
}

impl Drop for Action {
    fn drop(&mut self) {
        TAKEN.lock().remove(&self.number);
    }
}

impl Local {
    /// The device's turn, in hard interrupt context.
    pub(super) fn serve_device(&self, action: &Action) {
        if action.freed.load(Ordering::SeqCst) {
            return;
        }
        trace_irq_handler_entry(action.number, action.name);
        let result = survive(|| (action.handler)()).unwrap_or(IrqReturn::None);
        trace_irq_handler_exit(action.number, result as i32);
    }
}
