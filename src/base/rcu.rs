//! Read, copy, update: what is found in a read section stays alive until the section ends.
//!
//! Readers write a word of their own thread, with plain stores: no fence, no locked instruction, no system call, safe in
//! signal handlers, nested at will. Those who free wait for a grace period: until every read section that was open has
//! been closed. This is the way of liburcu's "memb" flavour ("User-Level Implementations of Read-Copy Update", Desnoyers
//! et al., IEEE TPDS 2012): the fence that readers leave out is membarrier(2) on the other side. Instead of a phase,
//! threads count the sections they have closed, so that nobody waits for one that opens the next at once.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::*};

#[cfg(not(feature = "std"))]
use counted as way;
#[cfg(feature = "std")]
use per_thread as way;

pub use way::{Guard, in_read_section, read, synchronize, try_read};

/// Why [`synchronize`] did not wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The caller is in a read section itself and would wait for ever.
    InReadSection,
    /// The system takes no membarrier(2) any more, which readers rely on.
    NoBarrier,
}

/// Things to be dropped after a grace period.
#[derive(Default)]
pub struct Garbage {
    items: Vec<Box<dyn Send>>,
}

impl Garbage {
    /// Nothing yet.
    pub const fn new() -> Garbage {
        Garbage { items: Vec::new() }
    }

    /// Adds something that readers may still see, but cannot find any more.
    pub fn add<T: Send + 'static>(&mut self, item: T) {
        self.items.push(Box::new(item));
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Waits for a grace period and drops everything, and what earlier calls had to leave.
    ///
    /// Called inside a read section (a probe that changes probes) it does not wait: the next call from outside of one
    /// drops the things.
    pub fn retire(mut self) {
        let mut left = LEFT.take();
        left.append(&mut self.items);
        if left.is_empty() {
            return;
        }
        match synchronize() {
            Ok(()) => drop(left),
            Err(_) => LEFT.put(left),
        }
    }
}

/// What [`Garbage::retire`] could not drop. A stack without a lock, so that it also works in a forked child.
static LEFT: Left = Left {
    top: AtomicPtr::new(ptr::null_mut()),
};

struct Left {
    top: AtomicPtr<Node>,
}

struct Node {
    items: Vec<Box<dyn Send>>,
    next: *mut Node,
}

impl Left {
    fn put(&self, items: Vec<Box<dyn Send>>) {
        let node = Box::into_raw(Box::new(Node {
            items,
            next: ptr::null_mut(),
        }));
        let mut top = self.top.load(Relaxed);
        loop {
            // SAFETY: ours until it is published
            unsafe { (*node).next = top };
            match self.top.compare_exchange_weak(top, node, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    fn take(&self) -> Vec<Box<dyn Send>> {
        let mut items = Vec::new();
        if self.top.load(Relaxed).is_null() {
            return items;
        }
        let mut next = self.top.swap(ptr::null_mut(), Acquire);
        while !next.is_null() {
            // SAFETY: made by `put`, and the swap made the whole chain ours
            let mut node = unsafe { Box::from_raw(next) };
            items.append(&mut node.items);
            next = mem::replace(&mut node.next, ptr::null_mut());
        }
        items
    }
}

#[cfg(feature = "std")]
mod per_thread {
    use core::marker::PhantomData;
    use core::ptr::NonNull;
    use core::sync::atomic::{Ordering::*, fence};
    use core::time::Duration;

    use super::Refused;
    use crate::base::membarrier;
    use crate::base::task::reader::Reader;
    use crate::base::task::{slot, tls};

    /// A read section, until it is dropped.
    #[must_use = "the section ends when this is dropped"]
    pub struct Guard {
        /// The thread's own.
        reader: NonNull<Reader>,
        not_send: PhantomData<*const ()>,
    }

    /// Opens a read section.
    #[inline(always)]
    pub fn read() -> Guard {
        try_read().unwrap_or_else(read_slowly)
    }

    /// Opens a read section, unless it is the thread's first or the system has no membarrier(2): then [`read`] has to.
    ///
    /// For hot code that leaves everything unusual to a function of its own.
    #[inline(always)]
    pub fn try_read() -> Option<Guard> {
        let reader = NonNull::new(tls::reader().cast_mut())?;
        // SAFETY: this thread's, in its slot, and slots are never freed
        unsafe { reader.as_ref() }.open();
        Some(Guard {
            reader,
            not_send: PhantomData,
        })
    }

    #[cold]
    #[inline(never)]
    fn read_slowly() -> Guard {
        let slot = tls::slot().unwrap_or_else(slot::first_use);
        slot.reader.open();
        fence(SeqCst);
        Guard {
            reader: NonNull::from(&slot.reader),
            not_send: PhantomData,
        }
    }

    impl Drop for Guard {
        #[inline(always)]
        fn drop(&mut self) {
            // SAFETY: of this thread's slot
            unsafe { self.reader.as_ref() }.close();
        }
    }

    /// Whether the calling thread is in a read section.
    pub fn in_read_section() -> bool {
        tls::slot().is_some_and(|s| s.reader.is_open())
    }

    /// Waits until all read sections that are open now are closed. Threads that ended in one are not waited for.
    pub fn synchronize() -> Result<(), Refused> {
        if in_read_section() {
            return Err(Refused::InReadSection);
        }
        // Sections that are not seen to be open below begin behind this barrier: they cannot find what was unlinked.
        if !membarrier::readers_need_no_fence() {
            fence(SeqCst);
        } else if !membarrier::memory() {
            return Err(Refused::NoBarrier);
        }
        for slot in slot::all() {
            // and so does whatever is open when this has changed
            let closed = slot.reader.closed();
            let mut wait = Wait::default();
            while slot.reader.is_open() && slot.reader.closed() == closed {
                if wait.is_long() && slot.is_abandoned() {
                    break;
                }
                wait.once();
            }
        }
        Ok(())
    }

    /// Patience with a reader, which may be any code of the program that has been switched out.
    ///
    /// Sleeps, but does not yield: sched_yield(2) gives up more than a turn on recent kernels, and beside threads that
    /// compute a few in a row cost seconds.
    #[derive(Default)]
    struct Wait {
        times: u32,
    }

    impl Wait {
        const SPINS: u32 = 50;
        const LONG: u32 = 60;

        fn is_long(&self) -> bool {
            self.times > Self::LONG
        }

        fn once(&mut self) {
            self.times = self.times.saturating_add(1);
            if self.times <= Self::SPINS {
                core::hint::spin_loop();
            } else {
                let doublings = ((self.times - Self::SPINS) / 4).min(6);
                std::thread::sleep(Duration::from_micros(25 << doublings));
            }
        }
    }
}

/// Without an operating system there are no threads to ask: one count for all.
#[cfg(any(not(feature = "std"), test))]
mod counted {
    use core::marker::PhantomData;
    use core::sync::atomic::{AtomicUsize, Ordering::*};

    use super::Refused;

    static OPEN: AtomicUsize = AtomicUsize::new(0);

    /// A read section, until it is dropped.
    #[must_use = "the section ends when this is dropped"]
    pub struct Guard {
        not_send: PhantomData<*const ()>,
    }

    /// Opens a read section.
    #[inline]
    pub fn read() -> Guard {
        OPEN.fetch_add(1, SeqCst);
        Guard {
            not_send: PhantomData,
        }
    }

    /// [`read`], which never has to do anything unusual.
    #[cfg(not(feature = "std"))]
    #[inline]
    pub fn try_read() -> Option<Guard> {
        Some(read())
    }

    impl Drop for Guard {
        #[inline]
        fn drop(&mut self) {
            OPEN.fetch_sub(1, Release);
        }
    }

    /// Whether a read section is open anywhere: whose it is is not known.
    pub fn in_read_section() -> bool {
        OPEN.load(SeqCst) != 0
    }

    /// A grace period, if no read section is open. Else it does not wait, since one may be the caller's own.
    pub fn synchronize() -> Result<(), Refused> {
        if in_read_section() {
            Err(Refused::InReadSection)
        } else {
            Ok(())
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests;
