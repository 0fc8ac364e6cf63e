//! Where readers wait: a read that finds nothing leaves its reply here and its thread goes on. A thread of its own reads
//! again for those whose data has come.
//!
//! The same for poll(2): an open file that somebody polls leaves the kernel's handle here, and is told when to look again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fuser::{Errno, Notifier, PollHandle, ReplyData};
use parking_lot::Mutex;

use super::signals::{self, is_signalled};
use crate::node::wait::{Awaited, BELL, announced};
use crate::node::{Got, Handle};

/// Interrupts remembered that came before the read they are for was parked. A read is parked within microseconds of
/// being taken from the device, and only reads that block are ever interrupted in numbers.
const EARLY: usize = 1024;

/// Least time between two rounds of waking readers.
const BATCH: Duration = Duration::from_millis(1);

/// A read that waits.
pub(super) struct Parked {
    pub(super) reply: ReplyData,
    pub(super) handle: Arc<Handle>,
    pub(super) size: usize,
    /// The thread that reads, in our pid namespace; 0 if it is not visible there.
    pub(super) thread: u32,
    /// The kernel has told of an interruption that was none: it will not tell again, so the reader is looked at.
    pub(super) looked_at: bool,
}

/// A parked read and what it waits for.
struct Waiting {
    read: Parked,
    on: Awaited,
}

/// Somebody polls an open file.
struct Polled {
    kernel: PollHandle,
    on: Awaited,
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

/// What requests, or open files, wait for.
type Numbered = Vec<(u64, Awaited)>;

/// All reads and polls of one mount that wait.
#[derive(Default)]
pub(super) struct Lot {
    places: Mutex<Places>,
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
    pub(super) fn read(&self, request: u64, at: u64, wait: bool, mut read: Parked) {
        loop {
            let Parked {
                reply,
                handle,
                size,
                thread,
                looked_at,
            } = read;
            let mut reply = Some(reply);
            let got = handle.read(at, size, &mut |bytes| {
                if let Some(reply) = reply.take() {
                    reply.data(bytes);
                }
            });
            let Some(reply) = reply else { return };
            let on = match got {
                Ok(Got::End | Got::Block(_)) if !wait => return reply.error(Errno::EAGAIN),
                Ok(Got::Data | Got::End) => return reply.data(&[]),
                Ok(Got::Block(on)) => on,
                Err(e) => return reply.error(super::ops::errno(&e)),
            };
            // first in its place, then announced, then looked at: whoever writes in between finds it
            self.park(
                request,
                Parked {
                    reply,
                    handle,
                    size,
                    thread,
                    looked_at,
                },
                on.clone(),
            );
            on.announce();
            announced();
            if !on.is_there() {
                return;
            }
            let taken = self.places.lock().reads.remove(&request);
            match taken {
                Some(waiting) => read = waiting.read,
                None => return,
            }
        }
    }

    fn park(&self, request: u64, mut read: Parked, on: Awaited) {
        let mut places = self.places.lock();
        let told = places.early.take(request);
        read.looked_at |= told;
        let early = told && is_signalled(read.thread);
        if self.stopped.load(Ordering::SeqCst) || early {
            drop(places);
            let why = if early { Errno::EINTR } else { Errno::ENODEV };
            return read.reply.error(why);
        }
        places.reads.insert(request, Waiting { read, on });
    }

    /// The kernel says that the reader of this request is interrupted: its read ends with `EINTR` if that is a signal. A
    /// tracer that stops it (ptrace(2)) is none: a program that is traced must not notice.
    pub(super) fn interrupted(&self, request: u64) {
        let mut places = self.places.lock();
        let Some(waiting) = places.reads.get_mut(&request) else {
            return places.early.add(request);
        };
        let thread = waiting.read.thread;
        waiting.read.looked_at = true;
        drop(places);
        match is_signalled(thread) {
            true => self.interrupt(request),
            // who wakes readers is to look at this one
            false => BELL.ring(),
        }
    }

    /// Looks at those readers whose signals the kernel does not tell of; whether there are any.
    fn look(&self) -> bool {
        let looked_at: Vec<(u64, u32)> = {
            let places = self.places.lock();
            let looked_at = places.reads.iter().filter(|(_, w)| w.read.looked_at);
            looked_at.map(|(r, w)| (*r, w.read.thread)).collect()
        };
        let mut left = false;
        for (request, thread) in looked_at {
            match is_signalled(thread) {
                true => self.interrupt(request),
                false => left = true,
            }
        }
        left
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
        // who polled before and was not told yet has the same handle of the kernel
        let polled = Polled {
            kernel,
            on: on.clone(),
        };
        let before = self.places.lock().polls.insert(number, polled);
        drop(before);
        on.announce();
        announced();
        if on.is_there() {
            self.tell(number);
        }
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
        BELL.ring();
    }

    /// Reads again for those whose data has come, until [`stop`](Self::stop).
    pub(super) fn wake_readers(&self) {
        let mut last = Instant::now();
        while !self.stopped.load(Ordering::SeqCst) {
            let ticket = BELL.ticket();
            let (reads, polls) = self.all();
            if !reads.is_empty() || !polls.is_empty() {
                reads.iter().chain(&polls).for_each(|(_, on)| on.announce());
                announced();
            }
            let is_there = |(number, on): (u64, Awaited)| on.is_there().then_some(number);
            let reads: Vec<_> = reads.into_iter().filter_map(is_there).collect();
            let polls: Vec<_> = polls.into_iter().filter_map(is_there).collect();
            if reads.is_empty() && polls.is_empty() {
                let looks = self.look();
                BELL.sleep(ticket, looks.then_some(signals::EVERY));
                // events that come one by one are handed out in batches, and their writers left alone meanwhile
                std::thread::sleep(BATCH.saturating_sub(last.elapsed()));
                continue;
            }
            last = Instant::now();
            for request in reads {
                let waiting = self.places.lock().reads.remove(&request);
                if let Some(Waiting { read, on }) = waiting {
                    drop(on);
                    // files that block have no offsets
                    self.read(request, 0, true, read);
                }
            }
            polls.into_iter().for_each(|number| self.tell(number));
        }
    }

    /// What everybody waits for.
    fn all(&self) -> (Numbered, Numbered) {
        let places = self.places.lock();
        let reads = places
            .reads
            .iter()
            .map(|(number, w)| (*number, w.on.clone()));
        let polls = places
            .polls
            .iter()
            .map(|(number, p)| (*number, p.on.clone()));
        (reads.collect(), polls.collect())
    }

    /// Tells the kernel that the open file `number` is to be polled again.
    fn tell(&self, number: u64) {
        let Some(polled) = self.places.lock().polls.remove(&number) else {
            return;
        };
        if let Some(Err(e)) = self.notifier().map(|n| n.poll(polled.kernel)) {
            // whoever polled may be gone
            log::debug!("nobody polls any more: {e}");
        }
    }
}
