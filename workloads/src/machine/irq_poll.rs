//! Polling of devices that interrupt too often: a handler has its device polled in the soft interrupt IRQ_POLL until it has
//! nothing left.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::callback::Callback;
use super::cpu::{Local, local};
use super::softirq::SoftIrq;

/// Polls of one soft interrupt, over all devices; then other soft interrupts have their turn.
const BUDGET: usize = 64;

/// A device that can be polled.
#[derive(Clone)]
pub(crate) struct IrqPoll(Arc<Inner>);

pub(super) struct Inner {
    /// Takes some of what the device has; false: there was nothing left.
    poll: Callback<bool>,
    scheduled: AtomicBool,
}

impl IrqPoll {
    /// `poll(&data)` is called until it says false: it has found nothing left.
    pub fn new<T: Send + Sync + 'static>(poll: fn(&T) -> bool, data: T) -> IrqPoll {
        IrqPoll(Arc::new(Inner {
            poll: Callback::new(poll, data),
            scheduled: AtomicBool::new(false),
        }))
    }

    /// Has it polled soon, on the calling CPU. False: that was so already.
    pub fn schedule(&self) -> bool {
        if self.0.scheduled.swap(true, Ordering::SeqCst) {
            return false;
        }
        let local = local();
        local.polled.borrow_mut().push_back(self.0.clone());
        local.raise_softirq(SoftIrq::IrqPoll);
        true
    }
}

impl Local {
    pub(super) fn run_polls(&self) {
        let mut todo: VecDeque<Arc<Inner>> = self.polled.take();
        for _ in 0..BUDGET {
            let Some(device) = todo.pop_front() else {
                return;
            };
            // Before the poll: an interrupt that comes behind it schedules again.
            device.scheduled.store(false, Ordering::SeqCst);
            if device.poll.call() == Some(true) && !device.scheduled.swap(true, Ordering::SeqCst) {
                todo.push_back(device);
            }
        }
        if !todo.is_empty() {
            todo.append(&mut self.polled.borrow_mut());
            self.polled.replace(todo);
            self.raise_softirq(SoftIrq::IrqPoll);
        }
    }
}
