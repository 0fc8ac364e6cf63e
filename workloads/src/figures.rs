//! What workloads have counted and measured themselves since the process began, to be compared with what their events
//! say.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }
}

/// Figures of the `mm` workload.
#[derive(Debug)]
pub struct Mm {
    /// Pages handed out by the page allocator.
    pub pages_allocated: Counter,
    /// Pages given back to it.
    pub pages_freed: Counter,
    /// Page faults taken.
    pub faults: Counter,
}

/// Those of the `mm` workload.
pub static MM: Mm = Mm {
    pages_allocated: Counter::new(),
    pages_freed: Counter::new(),
    faults: Counter::new(),
};
