//! Waiting for data without a thread: who has nothing to read hands a [`Ticket`] to what it waits for and goes on.
//!
//! A ticket is punched by whoever writes the event waited for, in the traced code's own thread, even in a signal
//! handler. So punching stores a flag and wakes a futex, nothing more; the transport's thread that listens to the [`Bell`]
//! does the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Wakes the one thread that listens to it.
#[derive(Default)]
pub struct Bell {
    rung: AtomicU32,
}

impl Bell {
    /// Wakes the listener, or keeps it from going to sleep. Safe in signal handlers.
    pub fn ring(&self) {
        if self.rung.swap(1, Ordering::SeqCst) == 0 {
            // SAFETY: the futex word lives as long as `self`; FUTEX_WAKE does not touch memory
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.rung.as_ptr(),
                    libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                    1,
                )
            };
        }
    }

    /// Sleeps until the bell is rung, at most `limit`. What rang before the call counts.
    pub fn listen(&self, limit: Option<Duration>) {
        if self.rung.swap(0, Ordering::SeqCst) != 0 {
            return;
        }
        let limit = limit.map(|l| libc::timespec {
            tv_sec: l.as_secs() as i64,
            tv_nsec: l.subsec_nanos().into(),
        });
        let limit = limit
            .as_ref()
            .map_or(std::ptr::null(), |l| l as *const libc::timespec);
        // SAFETY: the futex word lives as long as `self`, `limit` is null or points to a timespec
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.rung.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                0,
                limit,
            )
        };
        self.rung.store(0, Ordering::SeqCst);
    }
}

/// Somebody who waits. One ticket serves one wait.
pub struct Ticket {
    punched: AtomicBool,
    bell: Arc<Bell>,
}

impl Ticket {
    /// A ticket whose punching rings `bell`.
    pub fn new(bell: &Arc<Bell>) -> Arc<Ticket> {
        Arc::new(Ticket {
            punched: AtomicBool::new(false),
            bell: bell.clone(),
        })
    }

    /// What was waited for may have come. Safe in signal handlers.
    pub fn punch(&self) {
        if !self.punched.swap(true, Ordering::SeqCst) {
            self.bell.ring();
        }
    }

    /// Whether it was punched.
    pub fn is_punched(&self) -> bool {
        self.punched.load(Ordering::SeqCst)
    }
}

/// What a ticket was handed to; it is taken back when this is dropped.
pub type Placed = Box<dyn Send>;

/// Hands a ticket to what is waited for. If that is there already, the ticket is punched at once.
pub type Wait = Box<dyn FnOnce(&Arc<Ticket>) -> Placed + Send>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_wakes_the_listener() {
        let bell = Arc::new(Bell::default());
        let ticket = Ticket::new(&bell);
        ticket.punch();
        // rung before: returns at once, although there is no limit
        bell.listen(None);
        assert!(ticket.is_punched());
        let (other, from) = (Ticket::new(&bell), std::thread::current());
        let punched = other.clone();
        std::thread::spawn(move || {
            punched.punch();
            from.unpark();
        });
        while !other.is_punched() {
            bell.listen(None);
        }
        bell.listen(Some(Duration::from_millis(1)));
    }
}
