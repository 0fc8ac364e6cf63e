//! Waiting for entries.
//!
//! Writers look at one word after each entry ([`any`](Slot), another at each page), find it 0 nearly always, and ring
//! the [`Bell`] otherwise. A reader that is about to sleep takes the bell's ticket, announces what it waits for, makes
//! every CPU see that (membarrier(2)), looks once more, and sleeps until the ticket is outdated. There is one bell for
//! all buffers of a process: it only says "look again", so one thread can wait for any number of buffers, CPUs and
//! conditions, and there is nothing to unregister.

use core::time::Duration;

use super::buffer::Buffer;
use crate::base::sync::{AtomicU32, Ordering};

/// A word that sleepers wait on (futex(2)).
pub struct Bell {
    rung: AtomicU32,
    sleepers: AtomicU32,
}

/// The bell of all buffers of this process.
#[cfg(not(loom))]
pub static BELL: Bell = Bell {
    rung: AtomicU32::new(0),
    sleepers: AtomicU32::new(0),
};

/// What a reader waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Any entry.
    Any,
    /// A CPU's buffer filled to so many percent by finished pages, as `buffer_percent` counts; 0 is any entry.
    Percent(u8),
    /// A finished page.
    FullPage,
}

impl Bell {
    #[cfg(loom)]
    pub(super) fn new() -> Bell {
        Bell {
            rung: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
        }
    }

    /// Wakes everybody who sleeps. Safe in signal handlers.
    pub fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) != 0 {
            futex::wake(&self.rung);
        }
    }

    /// To be taken before looking whether there is something to do.
    pub fn ticket(&self) -> u32 {
        self.rung.load(Ordering::SeqCst)
    }

    /// Sleeps until the bell has rung since `ticket` was taken, or `timeout` has passed. It may wake for nothing.
    pub fn sleep(&self, ticket: u32, timeout: Option<Duration>) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        futex::wait(&self.rung, ticket, timeout);
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// To be called between announcing and the last look: afterwards every writer has seen the announcements, or what it
/// wrote before is seen by this thread.
pub fn announced() {
    #[cfg(feature = "std")]
    crate::base::rseq::barrier_everywhere();
    #[cfg(not(feature = "std"))]
    crate::base::sync::fence(Ordering::SeqCst);
}

impl Buffer {
    /// Announces that somebody waits for `want` on a CPU or on all. Writers ring the bell once when it may have come;
    /// then it must be announced again. [`announced`] makes it known.
    pub fn announce(&self, cpu: Option<usize>, want: Want) {
        for cpu in self.each(cpu) {
            let slot = self.table.slot(cpu);
            let more = match want {
                Want::Any | Want::Percent(0) => {
                    slot.any.store(1, Ordering::SeqCst);
                    continue;
                }
                Want::FullPage => 1,
                Want::Percent(percent) => self.pages_to(cpu, percent),
            };
            let more = more.clamp(1, u64::from(u32::MAX - 1)) as u32;
            // the least, so that who waits for less is not kept waiting; 0 is nobody any more: the bell has rung for it
            let least = |now: u32| Some(if now == 0 { more } else { now.min(more) });
            let _ = slot
                .pages
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, least);
        }
    }

    /// Whether what is wanted is there.
    pub fn is_ready(&self, cpu: Option<usize>, want: Want) -> bool {
        self.each(cpu).any(|cpu| match want {
            Want::Any | Want::Percent(0) => self.has_data(Some(cpu)),
            Want::Percent(percent) => self.is_filled(cpu, percent),
            Want::FullPage => self.full_pages(cpu) != 0,
        })
    }

    /// Waits until what is wanted is there (true), the time is up, or [`wake_all`](Self::wake_all) is called.
    pub fn wait(&self, cpu: Option<usize>, want: Want, timeout: Option<Duration>) -> bool {
        let (wakes, mut left) = (self.wakes(), timeout);
        loop {
            let ticket = self.bell().ticket();
            if self.is_ready(cpu, want) {
                return true;
            }
            self.announce(cpu, want);
            announced();
            if self.is_ready(cpu, want) {
                return true;
            }
            if self.wakes() != wakes || left.is_some_and(|l| l.is_zero()) {
                return false;
            }
            let slept = futex::timed(|| self.bell().sleep(ticket, left));
            left = left.map(|l| l.saturating_sub(slept));
        }
    }
}

#[cfg(all(feature = "std", target_os = "linux", not(loom), not(miri)))]
mod futex {
    use core::ptr;
    use core::sync::atomic::AtomicU32;
    use core::time::Duration;

    pub(super) fn wake(word: &AtomicU32) {
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel does not read the word
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), wake, i32::MAX) };
    }

    pub(super) fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
        let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        let time = timeout.map(|t| libc::timespec {
            tv_sec: t.as_secs().min(i32::MAX as u64) as libc::time_t,
            tv_nsec: t.subsec_nanos().into(),
        });
        let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: word and time live
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), wait, value, time) };
    }

    pub(super) fn timed(f: impl FnOnce()) -> Duration {
        let start = std::time::Instant::now();
        f();
        start.elapsed()
    }
}

#[cfg(not(all(feature = "std", target_os = "linux", not(loom), not(miri))))]
mod futex {
    use crate::base::sync::AtomicU32;
    use core::time::Duration;

    pub(super) fn wake(_: &AtomicU32) {}

    /// A short nap: who calls this looks again.
    pub(super) fn wait(_: &AtomicU32, _: u32, _: Option<Duration>) {
        super::super::control::relax();
    }

    pub(super) fn timed(f: impl FnOnce()) -> Duration {
        f();
        Duration::from_micros(1)
    }
}
