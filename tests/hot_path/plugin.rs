//! A shared library with a site of its own, loaded late.

#[expect(dead_code, reason = "the tests use more of it")]
mod event;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use utracefs::base::task;

static COUNT: AtomicU64 = AtomicU64::new(0);

fn count(_data: *const (), a: u64, _b: u32) {
    COUNT.fetch_add(a, Relaxed);
}

/// Switches the library's event.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_switch(on: bool) {
    event::change(on, count, std::ptr::null());
}

/// Passes the library's site; returns the sum of what its probe saw.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_fire(a: u64) -> u64 {
    event::trace_hit(a, 0);
    COUNT.load(Relaxed)
}

/// Who the library thinks its caller is.
#[unsafe(no_mangle)]
pub extern "C" fn plugin_pid() -> i32 {
    task::current().pid()
}
