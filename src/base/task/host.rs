//! The current task where there is no operating system below: a host that knows its threads says who runs.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::Task;

/// What the host of this library knows about its threads.
pub struct Host {
    /// The task entered by what runs now, or null; usually a word of the host's thread structure.
    pub current: fn() -> *const Task,
    /// Replaces that word.
    pub set_current: fn(*const Task),
}

static HOST: AtomicPtr<Host> = AtomicPtr::new(ptr::null_mut());
/// The word of a host without threads.
static ONLY: AtomicPtr<Task> = AtomicPtr::new(ptr::null_mut());
/// Who events belong to when nobody was entered: pid 0, as the kernel's idle task.
static NOBODY: Task = Task::unborn();

/// Tells the library about the host's threads. Once, before the first event.
///
/// # Safety
/// `current` answers, on each thread, what was last given to `set_current` on that thread (null before), and both may be
/// called wherever events happen.
pub unsafe fn set_host(host: &'static Host) {
    HOST.store(ptr::from_ref(host).cast_mut(), Ordering::Release);
}

fn host() -> Option<&'static Host> {
    // SAFETY: null or the `&'static Host` of `set_host`
    unsafe { HOST.load(Ordering::Acquire).as_ref() }
}

pub(super) fn current() -> *const Task {
    let task = match host() {
        Some(host) => (host.current)(),
        None => ONLY.load(Ordering::Relaxed),
    };
    if task.is_null() {
        &raw const NOBODY
    } else {
        task
    }
}

/// Returns the former one.
pub(super) fn set_current(task: *const Task) -> *const Task {
    match host() {
        Some(host) => {
            let former = (host.current)();
            (host.set_current)(task);
            former
        }
        None => ONLY.swap(task.cast_mut(), Ordering::Relaxed),
    }
}
