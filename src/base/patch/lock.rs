//! The one lock of everything that decides what runs at a site: code, keys, lists of probes. A leaf but for itself, held
//! for a moment only, never while user code runs; fork(2) waits for it, so that a child finds it free.

#[cfg(feature = "std")]
mod way {
    use std::cell::UnsafeCell;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    // std's: a word, so it can be let go in a forked child, where waiting threads are gone
    static LOCK: Mutex<()> = Mutex::new(());

    pub(crate) type Held = MutexGuard<'static, ()>;

    pub(crate) fn lock() -> Held {
        LOCK.lock().unwrap_or_else(PoisonError::into_inner)
    }

    struct ForFork(UnsafeCell<Option<Held>>);

    // SAFETY: touched only by the thread that holds the lock
    unsafe impl Sync for ForFork {}

    static FOR_FORK: ForFork = ForFork(UnsafeCell::new(None));

    /// Before a fork.
    pub(crate) fn hold() {
        let held = lock();
        // SAFETY: we hold the lock
        unsafe { *FOR_FORK.0.get() = Some(held) };
    }

    /// After a fork, in parent and child: by the thread that called [`hold`], or its copy.
    pub(crate) fn let_go() {
        // SAFETY: we still hold the lock; taken out before it is dropped, which frees it
        let held = unsafe { (*FOR_FORK.0.get()).take() };
        drop(held);
    }
}

#[cfg(not(feature = "std"))]
mod way {
    use crate::base::sync::{Mutex, MutexGuard};

    static LOCK: Mutex<()> = Mutex::new(());

    pub(crate) type Held = MutexGuard<'static, ()>;

    pub(crate) fn lock() -> Held {
        LOCK.lock()
    }
}

pub(crate) use way::*;
