//! What the instances of one tracefs share, beside the events and the names of tasks.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use super::options::Option as TraceOption;
use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::sync::{AtomicU64, Mutex, Ordering};

/// What all instances of a tracefs share.
#[derive(Default)]
pub struct Common {
    /// Where markers of the top level go, the newest entry first.
    copies: Mutex<Vec<Weak<TraceArray>>>,
    printk: Mutex<Printk>,
    /// Nanoseconds of `tracing_thresh`.
    thresh: AtomicU64,
}

/// Who is the one instance whose option `trace_printk_dest` is on.
#[derive(Default)]
struct Printk {
    top: Weak<TraceArray>,
    now: Weak<TraceArray>,
}

impl Common {
    /// The top level, with the options it starts with.
    pub(super) fn set_top(&self, top: &Arc<TraceArray>) {
        if top.options().get(TraceOption::CopyTraceMarker) {
            self.copy_markers(top, true);
        }
        let mut printk = self.printk.lock();
        printk.top = Arc::downgrade(top);
        printk.now = Arc::downgrade(top);
    }

    /// Whether `array` gets what is written to the top level's markers.
    pub(super) fn copy_markers(&self, array: &Arc<TraceArray>, on: bool) {
        let mut copies = self.copies.lock();
        copies.retain(|c| c.strong_count() > 0 && !core::ptr::eq(c.as_ptr(), Arc::as_ptr(array)));
        if on {
            copies.insert(0, Arc::downgrade(array));
        }
    }

    /// Writes a marker of the top level wherever it goes, until somebody refuses it. Nobody there: `ENODEV`.
    pub(super) fn each_copy(&self, write: impl Fn(&TraceArray) -> Result<usize>) -> Result<usize> {
        let mut result = Err(Error::new(Errno::ENODEV));
        for array in self.copies.lock().iter().filter_map(Weak::upgrade) {
            result = write(&array);
            if result.is_err() {
                break;
            }
        }
        result
    }

    /// Whether one of the instances that top-level markers go to is so.
    pub(super) fn any_copy(&self, is: impl Fn(&TraceArray) -> bool) -> bool {
        let copies = self.copies.lock();
        copies
            .iter()
            .filter_map(Weak::upgrade)
            .any(|array| is(&array))
    }

    /// Sets or clears the option `trace_printk_dest` of an instance; one instance has it at all times. The top level
    /// cannot give it away (`EINVAL`), it loses it to others.
    pub(super) fn send_printk(&self, array: &Arc<TraceArray>, here: bool) -> Result<()> {
        let mut printk = self.printk.lock();
        let is = |weak: &Weak<TraceArray>| core::ptr::eq(weak.as_ptr(), Arc::as_ptr(array));
        if here == is(&printk.now) {
            return Ok(());
        }
        if !here && array.is_top() {
            return Err(Error::new(Errno::EINVAL));
        }
        let next = if here {
            Arc::downgrade(array)
        } else {
            printk.top.clone()
        };
        let before = core::mem::replace(&mut printk.now, next);
        for (weak, on) in [(&before, false), (&printk.now, true)] {
            if let Some(array) = weak.upgrade() {
                array.options().set(TraceOption::TracePrintkDest, on);
            }
        }
        Ok(())
    }

    /// An instance is going.
    pub(super) fn leave(&self, array: &Arc<TraceArray>) {
        self.copy_markers(array, false);
        // a named instance is never refused
        let _ = self.send_printk(array, false);
    }

    /// What `tracing_thresh` reads, microseconds.
    pub fn thresh(&self) -> u64 {
        self.thresh.load(Ordering::Relaxed) / 1000
    }

    /// Writes `tracing_thresh`. More than nanoseconds can count comes back as what is left of it, as in the kernel.
    pub fn set_thresh(&self, microseconds: u64) {
        self.thresh
            .store(microseconds.wrapping_mul(1000), Ordering::Relaxed);
    }
}
