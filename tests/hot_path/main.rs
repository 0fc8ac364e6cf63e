//! From a call site to its probes, with everything happening at once: registration, signals, threads that come and go,
//! fork, shared libraries, systems that refuse what the fast ways need.
#![cfg(target_os = "linux")]

mod event;
mod grace;
mod library;
mod probes;
mod process;
mod tasks;

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Overwrites what is freed: a list of probes that is read afterwards leads nowhere.
struct Poisoning;

#[global_allocator]
static POISONING: Poisoning = Poisoning;

// SAFETY: the system's allocator, which still owns what we overwrite before we give it back
unsafe impl GlobalAlloc for Poisoning {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: `at` is `layout` long and nobody else's
        unsafe {
            at.write_bytes(0xdd, layout.size());
            System.dealloc(at, layout);
        }
    }
}

/// One test at a time: they share the event.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the test `name` in a process of its own, once more from the start. True in that process.
fn in_own_process(name: &str) -> bool {
    const OWN: &str = "HOT_PATH_OWN_PROCESS";
    if std::env::var(OWN).is_ok_and(|n| n == name) {
        return true;
    }
    let exe = std::env::current_exe().expect("a test knows its file");
    let status = Command::new(exe)
        .args([name, "--exact", "--nocapture"])
        .env(OWN, name)
        .status();
    assert!(
        status.expect("the test can be run again").success(),
        "{name} in its own process"
    );
    false
}

/// The exit status (wait(2)) of a forked child that runs `f`; a panic in it is status 101.
fn forked(f: impl FnOnce()) -> i32 {
    // SAFETY: the child runs `f` and leaves without what else the harness would do at exit
    unsafe {
        match libc::fork() {
            0 => {
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
                libc::_exit(if done.is_ok() { 0 } else { 101 })
            }
            child => {
                assert!(child > 0, "fork");
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &mut status, 0), child);
                status
            }
        }
    }
}
