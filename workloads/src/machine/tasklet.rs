//! Tasklets: functions that run once in a soft interrupt, never on two CPUs at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::callback::Callback;
use super::cpu::{Local, local};
use super::softirq::SoftIrq;
use crate::events::irq::{trace_tasklet_entry, trace_tasklet_exit};

/// A function that can be scheduled.
#[derive(Clone)]
pub(crate) struct Tasklet(Arc<Inner>);

struct Inner {
    callback: Callback<()>,
    urgent: bool,
    scheduled: AtomicBool,
    running: AtomicBool,
}

/// A CPU's scheduled tasklets: urgent ones and others.
#[derive(Default)]
pub(super) struct Queues {
    urgent: VecDeque<Arc<Inner>>,
    normal: VecDeque<Arc<Inner>>,
}

impl Tasklet {
    /// `function(&data)` runs when it has been scheduled.
    pub fn new<T: Send + Sync + 'static>(function: fn(&T), data: T) -> Tasklet {
        Tasklet::with(Callback::new(function, data), false)
    }

    /// One that runs before other soft interrupts.
    pub fn urgent<T: Send + Sync + 'static>(function: fn(&T), data: T) -> Tasklet {
        Tasklet::with(Callback::new(function, data), true)
    }

    fn with(callback: Callback<()>, urgent: bool) -> Tasklet {
        Tasklet(Arc::new(Inner {
            callback,
            urgent,
            scheduled: AtomicBool::new(false),
            running: AtomicBool::new(false),
        }))
    }

    /// Has it run soon, once, on the calling CPU. False: it was to run anyway.
    pub fn schedule(&self) -> bool {
        if self.0.scheduled.swap(true, Ordering::SeqCst) {
            return false;
        }
        local().queue_tasklet(self.0.clone());
        true
    }
}

impl Queues {
    fn of(&mut self, vec: SoftIrq) -> &mut VecDeque<Arc<Inner>> {
        if vec == SoftIrq::Hi {
            &mut self.urgent
        } else {
            &mut self.normal
        }
    }
}

impl Local {
    fn queue_tasklet(&self, tasklet: Arc<Inner>) {
        let vec = if tasklet.urgent {
            SoftIrq::Hi
        } else {
            SoftIrq::Tasklet
        };
        self.tasklets.borrow_mut().of(vec).push_back(tasklet);
        self.raise_softirq(vec);
    }

    pub(super) fn run_tasklets(&self, vec: SoftIrq) {
        let todo = std::mem::take(self.tasklets.borrow_mut().of(vec));
        for tasklet in todo {
            if tasklet.running.swap(true, Ordering::SeqCst) {
                // Another CPU is at it.
                self.queue_tasklet(tasklet);
                continue;
            }
            tasklet.scheduled.store(false, Ordering::SeqCst);
            let (address, function) =
                (Arc::as_ptr(&tasklet) as *mut (), tasklet.callback.address());
            trace_tasklet_entry(address, function);
            tasklet.callback.call();
            trace_tasklet_exit(address, function);
            tasklet.running.store(false, Ordering::SeqCst);
        }
    }
}
