//! Producers elsewhere, who have to be told which tracepoints have listeners: a program in another process cannot be
//! switched by rewriting code.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::base::sync::Mutex;

/// Somebody who wants to know when tracepoints get their first listener or lose their last.
pub trait Watcher: Send + Sync {
    /// Some tracepoints may have changed: [`is_on`](super::tracepoint::Tracepoint::is_on) says what they are now. Called by
    /// whoever changed them, after their sites are switched and before that change's call returns, maybe by several at
    /// a time. Locks of instances are held, so nothing may be waited for here that needs one.
    fn switched(&self);
}

static ANY: AtomicBool = AtomicBool::new(false);
static WATCHERS: Mutex<Vec<Weak<dyn Watcher>>> = Mutex::new(Vec::new());

/// Tells `watcher` of all changes from now on, as long as it exists.
pub fn watch(watcher: &Arc<dyn Watcher>) {
    let mut watchers = WATCHERS.lock();
    watchers.retain(|w| w.strong_count() > 0);
    watchers.push(Arc::downgrade(watcher));
    ANY.store(true, Ordering::Release);
}

/// Tells all of them.
pub(super) fn tell() {
    if !ANY.load(Ordering::Acquire) {
        return;
    }
    let watchers: Vec<_> = {
        let watchers = WATCHERS.lock();
        watchers.iter().filter_map(Weak::upgrade).collect()
    };
    for watcher in watchers {
        watcher.switched();
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use crate::event::tracepoint::{Changes, Probe, Tracepoint};
    use core::sync::atomic::AtomicUsize;

    static SITE: AtomicBool = AtomicBool::new(false);
    static POINT: Tracepoint = Tracepoint::new("watched", &SITE, file!(), line!());

    #[derive(Default)]
    struct Count {
        on: AtomicUsize,
        off: AtomicUsize,
    }

    impl Watcher for Count {
        fn switched(&self) {
            // the sites follow the lists before anybody is told
            assert_eq!(SITE.load(Ordering::SeqCst), POINT.is_on());
            let count = if POINT.is_on() { &self.on } else { &self.off };
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn probe(_: *const ()) {}

    #[test]
    fn watchers_are_told() {
        let count = Arc::new(Count::default());
        let watcher: Arc<dyn Watcher> = count.clone();
        watch(&watcher);
        let told = || {
            (
                count.on.load(Ordering::SeqCst),
                count.off.load(Ordering::SeqCst),
            )
        };
        let listener = Probe {
            func: probe as fn(*const ()) as *const (),
            data: core::ptr::null(),
        };
        let before = told();
        let mut changes = Changes::new();
        // SAFETY: the function takes any pointer, and this tracepoint is never fired
        unsafe { changes.register(&POINT, listener) }.unwrap();
        changes.commit().unwrap();
        let after = told();
        assert!(after.0 > before.0);
        let mut changes = Changes::new();
        changes.unregister(&POINT, listener).unwrap();
        changes.commit().unwrap();
        assert!(told().1 > after.1);
        drop(watcher);
        let weak = Arc::downgrade(&count);
        drop(count);
        assert_eq!(weak.strong_count(), 0, "watching keeps nobody alive");
        Changes::new().commit().unwrap();
    }
}
