//! Functions that something is to call later, with what they are called with and the address that events show.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// A function and its data.
pub(crate) struct Callback<R> {
    address: usize,
    call: Box<dyn Fn() -> R + Send + Sync>,
}

impl<R: 'static> Callback<R> {
    /// `function(&data)`. A function with a name is shown by it; a closure has none that would say much.
    pub fn new<T: Send + Sync + 'static>(function: fn(&T) -> R, data: T) -> Callback<R> {
        Callback {
            address: function as *const () as usize,
            call: Box::new(move || function(&data)),
        }
    }

    /// Where the function is.
    pub fn address(&self) -> *mut () {
        self.address as *mut ()
    }

    /// `None`: it panicked. Whoever calls goes on: a CPU is not lost for that.
    pub fn call(&self) -> Option<R> {
        survive(&self.call)
    }
}

/// Calls what others gave us.
pub(super) fn survive<R>(call: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(call));
    if result.is_err() {
        log::error!("a handler of a workload panicked; the workload may not go on");
    }
    result.ok()
}
