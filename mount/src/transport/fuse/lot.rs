//! Where readers wait: a read that finds nothing leaves its reply here and its thread goes on. A thread of its own reads
//! again for those whose data has come.
//!
//! The same for poll(2): an open file that somebody polls leaves the kernel's handle here, and is told when to look again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use fuser::{Errno, Notifier, PollHandle, ReplyData};
use parking_lot::Mutex;

use crate::node::wait::{Bell, Placed, Ticket, Wait};
use crate::node::{Got, Handle};

/// Interrupts remembered that came before the read they are for was parked. A read is parked within microseconds of
/// being taken from the device, and only reads that block are ever interrupted in numbers.
const EARLY: usize = 1024;

/// A read that waits.
pub(super) struct Parked {
    pub(super) reply: ReplyData,
    pub(super) handle: Arc<Handle>,
    pub(super) size: usize,
    /// The thread that reads, in our pid namespace; 0 if it is not visible there.
    pub(super) thread: u32,
}

/// A parked read and its place in the queue of what it waits for.
struct Waiting {
    read: Parked,
    ticket: Arc<Ticket>,
    _placed: Placed,
}

/// Somebody polls an open file.
struct Polled {
    kernel: PollHandle,
    ticket: Arc<Ticket>,
    _placed: Placed,
}

#[derive(Default)]
struct Places {
    /// By the request's number.
    reads: HashMap<u64, Waiting>,
    /// By the open file's number.
    polls: HashMap<u64, Polled>,
    early: Early,
}

/// The last interrupts that found no read parked, as a ring. Numbers of requests are not used again, so one that stays
/// here does no harm.
#[derive(Default)]
struct Early {
    requests: Vec<u64>,
    next: usize,
}

impl Early {
    fn add(&mut self, request: u64) {
        match self.requests.get_mut(self.next) {
            Some(slot) => *slot = request,
            None => self.requests.push(request),
        }
        self.next = (self.next + 1) % EARLY;
    }

    fn take(&mut self, request: u64) -> bool {
        let found = self.requests.iter_mut().find(|r| **r == request);
        found.map(|r| *r = 0).is_some()
    }
}

/// All reads and polls of one mount that wait.
#[derive(Default)]
pub(super) struct Lot {
    places: Mutex<Places>,
    bell: Arc<Bell>,
    stopped: AtomicBool,
    notifier: OnceLock<Notifier>,
}

impl Lot {
    /// Tells whom to tell about polled files.
    pub(super) fn connect(&self, notifier: Notifier) {
        let _ = self.notifier.set(notifier);
    }

    /// The way to tell the kernel something; `None` until the session stands.
    pub(super) fn notifier(&self) -> Option<&Notifier> {
        self.notifier.get()
    }

    /// Reads for a request and answers it, now or later.
    pub(super) fn read(&self, request: u64, at: u64, wait: bool, read: Parked) {
        let Parked {
            reply,
            handle,
            size,
            thread,
        } = read;
        let mut reply = Some(reply);
        let got = handle.read(at, size, &mut |bytes| {
            if let Some(reply) = reply.take() {
                reply.data(bytes);
            }
        });
        let Some(reply) = reply else { return };
        match got {
            Ok(Got::Data) => reply.data(&[]),
            Ok(Got::Block(_)) if !wait => reply.error(Errno::EAGAIN),
            Ok(Got::Block(on)) => self.park(
                request,
                Parked {
                    reply,
                    handle,
                    size,
                    thread,
                },
                on,
            ),
            Err(e) => reply.error(super::ops::errno(&e)),
        }
    }

    fn park(&self, request: u64, read: Parked, on: Wait) {
        let ticket = Ticket::new(&self.bell);
        let placed = on(&ticket);
        let mut places = self.places.lock();
        let early = places.early.take(request);
        if self.stopped.load(Ordering::SeqCst) || early {
            drop(places);
            read.reply
                .error(if early { Errno::EINTR } else { Errno::ENODEV });
            return;
        }
        places.reads.insert(
            request,
            Waiting {
                read,
                ticket,
                _placed: placed,
            },
        );
    }

    /// The reader of this request has a signal: its read ends with `EINTR`.
    pub(super) fn interrupt(&self, request: u64) {
        let mut places = self.places.lock();
        let Some(waiting) = places.reads.remove(&request) else {
            return places.early.add(request);
        };
        drop(places);
        waiting.read.reply.error(Errno::EINTR);
    }

    /// Requests that wait, and the threads they are from.
    pub(super) fn waiting(&self) -> Vec<(u64, u32)> {
        self.places
            .lock()
            .reads
            .iter()
            .map(|(request, w)| (*request, w.read.thread))
            .collect()
    }

    /// Somebody polls the open file `number` and wants to be told.
    pub(super) fn poll(&self, number: u64, handle: &Handle, kernel: PollHandle) {
        let Some(on) = handle.changed() else { return };
        let ticket = Ticket::new(&self.bell);
        let placed = on(&ticket);
        // who polled before and was not told yet has the same handle of the kernel
        let before = self.places.lock().polls.insert(
            number,
            Polled {
                kernel,
                ticket,
                _placed: placed,
            },
        );
        drop(before);
    }

    /// The open file is released: nobody polls it any more.
    pub(super) fn forget(&self, number: u64) {
        let polled = self.places.lock().polls.remove(&number);
        drop(polled);
    }

    /// Answers all who wait with `ENODEV`, and from now on those who would.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let reads = std::mem::take(&mut self.places.lock().reads);
        for (_, waiting) in reads {
            waiting.read.reply.error(Errno::ENODEV);
        }
        self.bell.ring();
    }

    /// Reads again for those whose data has come, until [`stop`](Self::stop).
    pub(super) fn wake_readers(&self) {
        while !self.stopped.load(Ordering::SeqCst) {
            self.bell.listen(None);
            let (reads, polls) = self.called();
            for (
                request,
                Waiting {
                    read,
                    ticket: _,
                    _placed,
                },
            ) in reads
            {
                drop(_placed);
                // files that block have no offsets
                self.read(request, 0, true, read);
            }
            for (_, polled) in polls {
                self.tell(polled.kernel);
            }
        }
    }

    /// Takes out those whose tickets are punched.
    fn called(&self) -> (Vec<(u64, Waiting)>, Vec<(u64, Polled)>) {
        let places = &mut *self.places.lock();
        let reads = places
            .reads
            .extract_if(|_, w| w.ticket.is_punched())
            .collect();
        let polls = places
            .polls
            .extract_if(|_, p| p.ticket.is_punched())
            .collect();
        (reads, polls)
    }

    fn tell(&self, kernel: PollHandle) {
        if let Some(Err(e)) = self.notifier().map(|n| n.poll(kernel)) {
            // whoever polled may be gone
            log::debug!("nobody polls any more: {e}");
        }
    }
}
