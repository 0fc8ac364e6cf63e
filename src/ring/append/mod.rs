//! Appending a finished record to a ring.
//!
//! [`Buffer::append`] is what an event costs. What does not go straight through (a page is full, the clock is not the
//! time stamp counter, the buffer is written by reservation) goes on in the cold part here; what belongs to another CPU
//! in `slow`.

mod atomic;
#[cfg(all(
    feature = "std",
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom)
))]
mod direct;
#[cfg(all(
    feature = "std",
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom)
))]
mod rseq;
#[cfg(all(
    feature = "std",
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom)
))]
mod slow;

use super::buffer::Buffer;
use super::control::View;
use super::entry::{self, MIN_PAYLOAD};
use super::page::{MAX_SUBBUF, PAGE_HEADER};
use super::table::Slot;
use crate::base::sync::Ordering;
use crate::base::task::Place;
use crate::base::{clock, cpu, rcu};

/// When a record happened: what the time stamp counter said.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "std"),
    expect(
        dead_code,
        reason = "read by sequences, which the standard library's threads have"
    )
)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    #[inline(always)]
    pub fn now() -> Moment {
        Moment(clock::cycles())
    }
}

/// For [`Request::time`]: the clock is read when the entry is written.
const NOW: u64 = u64::MAX;

/// An entry to be written.
#[repr(C)]
struct Request {
    /// The time, or [`NOW`].
    time: u64,
    /// Whole words of the payload (with the length word before it, if `length` is 0 and the type says so).
    body: *const u8,
    /// How many.
    words: usize,
    /// Bytes behind the header: length word, payload, rounded up.
    total: usize,
    /// Type of the header.
    type_len: u32,
    /// Length word to be written before the body; 0: none.
    length: u32,
    /// The payload's last bytes if they are no whole word, and whether there are any.
    tail: u32,
    has_tail: u32,
    /// Address 16 bytes before the only slot of the table to be written by; 0: whichever CPU this is.
    only: usize,
}

impl Request {
    /// Of words that stand together.
    fn whole(body: *const u8, len: usize, type_len: u32) -> Request {
        Request {
            time: NOW,
            body,
            words: len / 4,
            total: len,
            type_len,
            length: 0,
            tail: 0,
            has_tail: 0,
            only: 0,
        }
    }

    /// Of a payload as it lies.
    fn of(payload: &[u8], time: Option<u64>) -> Request {
        let padded = payload.len().next_multiple_of(4);
        let (type_len, extra) = entry::form(padded);
        let (words, rest) = payload.split_at(payload.len() & !3);
        let mut tail = [0; 4];
        tail[..rest.len()].copy_from_slice(rest);
        Request {
            time: time.map_or(NOW, |t| t.min(NOW - 1)),
            body: words.as_ptr(),
            words: words.len() / 4,
            total: padded + extra,
            type_len,
            length: if extra != 0 {
                (padded + extra) as u32
            } else {
                0
            },
            tail: u32::from_ne_bytes(tail),
            has_tail: u32::from(!rest.is_empty()),
            only: 0,
        }
    }
}

impl Buffer {
    /// Appends a record on this CPU, now. `payload` is the record from `common_type` on, `len` its length, `LEN` the
    /// same if it is known at compile time, else 0. False: not recorded (refused and counted, or recording is off).
    ///
    /// Safe in signal handlers; takes no lock and no memory, and waits for nobody.
    ///
    /// # Safety
    /// `payload` is good for reads of `len` bytes, at least 8. The 4 bytes before it are writable, and so are the bytes
    /// that round `len` up to a multiple of 4: they are overwritten.
    #[inline]
    pub unsafe fn append<const LEN: usize>(&self, payload: *mut u8, len: usize) -> bool {
        let _section = rcu::read();
        // SAFETY: the caller's promise
        unsafe { self.append_in_section::<LEN>(payload, len) }
    }

    /// [`append`](Self::append) for a thread that is in a read section.
    ///
    /// # Safety
    /// As there, and the calling thread is in a read section (`rcu::read`).
    #[inline(always)]
    pub unsafe fn append_in_section<const LEN: usize>(&self, payload: *mut u8, len: usize) -> bool {
        // SAFETY: the caller's promise
        unsafe { self.append_moment::<LEN>(payload, len, None) }
    }

    /// The same for a record that happened a moment ago, which goes to several buffers: they need not all read the clock.
    /// Where that cannot be said cheaply its time is now.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    pub unsafe fn append_then<const LEN: usize>(
        &self,
        payload: *mut u8,
        len: usize,
        moment: Moment,
    ) -> bool {
        // SAFETY: the caller's promise
        unsafe { self.append_moment::<LEN>(payload, len, Some(moment)) }
    }

    /// # Safety
    /// As above.
    #[inline(always)]
    unsafe fn append_moment<const LEN: usize>(
        &self,
        payload: *mut u8,
        len: usize,
        moment: Option<Moment>,
    ) -> bool {
        const { assert!(LEN == 0 || LEN >= MIN_PAYLOAD && LEN < MAX_SUBBUF) };
        let len = if LEN != 0 { LEN } else { len };
        debug_assert!(len >= MIN_PAYLOAD);
        let padded = len.next_multiple_of(4);
        if len != padded {
            // SAFETY: the caller's promise; what rounds it up must not show what lay there before
            unsafe {
                let last = payload.add(padded - 4).cast::<u32>();
                last.write_unaligned(last.read_unaligned() & ((1 << (8 * (len % 4))) - 1));
            }
        }
        if LEN != 0 && LEN <= entry::MAX_SMALL {
            // SAFETY: the caller's promise
            return unsafe { self.append_small::<LEN>(payload, moment) };
        }
        let (type_len, extra) = entry::form(padded);
        let body = payload.wrapping_sub(extra);
        if extra != 0 {
            // SAFETY: the 4 bytes before the payload are writable
            unsafe { body.cast::<u32>().write_unaligned((padded + extra) as u32) };
        }
        // SAFETY: as above
        unsafe { self.append_any(body, padded + extra, type_len) }
    }
}

#[cfg(all(
    feature = "std",
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom)
))]
mod ways {
    pub(super) use super::rseq::Outcome;
    use super::*;
    use crate::base::rseq as thread;

    impl Buffer {
        /// # Safety
        /// `LEN` bytes, rounded up to words, can be read at `payload`; the thread is in a read section.
        #[inline(always)]
        pub(super) unsafe fn append_small<const LEN: usize>(
            &self,
            payload: *const u8,
            moment: Option<Moment>,
        ) -> bool {
            let table = self.table.as_ptr();
            let outcome = match (self.table.way(), moment) {
                // SAFETY: the table is this buffer's; rings are only taken from it with sequences restarted
                (Ok(area), None) => unsafe { rseq::append::<LEN>(area, table, payload) },
                // SAFETY: as above
                (Ok(area), Some(Moment(cycles))) => unsafe {
                    rseq::append_then::<LEN>(area, table, payload, cycles)
                },
                // SAFETY: or when the read section has been left
                (Err(how), _) => unsafe { direct::append::<LEN>(table, payload, how) },
            };
            match outcome {
                Outcome::Done => true,
                // SAFETY: as above
                other => unsafe {
                    self.append_cold(
                        payload,
                        LEN.next_multiple_of(4),
                        LEN.div_ceil(4) as u32,
                        other,
                    )
                },
            }
        }

        /// # Safety
        /// `len` bytes, words, can be read at `body`; the thread is in a read section.
        #[inline(always)]
        pub(super) unsafe fn append_any(&self, body: *const u8, len: usize, type_len: u32) -> bool {
            let area = match self.table.way() {
                Ok(area) => area,
                // SAFETY: the caller's promise
                Err(how) => return unsafe { self.append_direct_any(body, len, type_len, how) },
            };
            // a longer one must not come near the sequence, which adds in 32 bits
            let outcome = if len < MAX_SUBBUF {
                // SAFETY: as above
                unsafe { rseq::append_any(area, self.table.as_ptr(), body, len, type_len) }
            } else {
                Outcome::Full
            };
            match outcome {
                Outcome::Done => true,
                // SAFETY: as above
                other => unsafe { self.append_cold(body, len, type_len, other) },
            }
        }

        /// # Safety
        /// `len` bytes, words, can be read at `body`.
        #[cold]
        #[inline(never)]
        pub(super) unsafe fn append_cold(
            &self,
            body: *const u8,
            len: usize,
            type_len: u32,
            outcome: Outcome,
        ) -> bool {
            if outcome == Outcome::Wake {
                self.bell().ring();
                return true;
            }
            // SAFETY: the caller's promise
            unsafe { self.append_here(Request::whole(body, len, type_len), outcome) }
        }

        /// Appends on the CPU this runs on.
        ///
        /// # Safety
        /// The request's body can be read.
        pub(super) unsafe fn append_here(&self, mut request: Request, outcome: Outcome) -> bool {
            let _section = rcu::read();
            if let Err(done) = self.prepare(&mut request) {
                return done;
            }
            if self.is_reserved() {
                // SAFETY: the caller's promise, and it fits
                return unsafe { self.append_reserved(cpu::current(), &request) };
            }
            // SAFETY: the table is this buffer's
            match unsafe { self.write(thread::area(), self.table.as_ptr(), &request, outcome) } {
                Some(done) => done,
                // SAFETY: the caller's promise
                None => unsafe { self.append_foreign(cpu::current(), &request) },
            }
        }

        /// Writes by sequences, to the end; `outcome` is what has come of it so far. `None`: this thread has none, or it is not where the request wants it.
        ///
        /// # Safety
        /// The request's body can be read, the entry fits a page; area and table as for the sequences.
        pub(super) unsafe fn write(
            &self,
            area: *mut thread::Area,
            table: *const Slot,
            request: &Request,
            mut outcome: Outcome,
        ) -> Option<bool> {
            let mut patience = Self::PATIENCE;
            loop {
                if outcome != Outcome::Full {
                    // SAFETY: the caller's promise
                    outcome = unsafe { rseq::append_slow(area, table, request) };
                }
                if outcome == Outcome::Full {
                    // SAFETY: the caller's promise
                    outcome = match unsafe { rseq::next_page(area, table, request) } {
                        Outcome::Done => Outcome::Again,
                        Outcome::Wake => {
                            self.bell().ring();
                            Outcome::Again
                        }
                        other => other,
                    };
                }
                match outcome {
                    Outcome::Done => return Some(true),
                    Outcome::Wake => {
                        self.bell().ring();
                        return Some(true);
                    }
                    Outcome::Again | Outcome::Gap => (),
                    Outcome::NoCpu if !self.table.is_open() => return Some(false),
                    Outcome::NoCpu => return None,
                    Outcome::Off if !self.await_ring(&mut patience) => return Some(false),
                    Outcome::Off => (),
                    Outcome::Full => {
                        // SAFETY: the caller's promise
                        return Some(match unsafe { rseq::count_dropped(area, table) } {
                            Outcome::Done => false,
                            // restarted, or the ring is being held by somebody, or this thread is elsewhere by now
                            _ => self.refuse(),
                        });
                    }
                }
            }
        }
    }
}

#[cfg(not(all(
    feature = "std",
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom)
)))]
mod ways {
    use super::*;

    /// There is nothing to have come of it before.
    pub(super) enum Outcome {
        Again,
    }

    impl Buffer {
        /// # Safety
        /// `LEN` bytes, rounded up to words, can be read at `payload`; the thread is in a read section.
        #[inline(always)]
        pub(super) unsafe fn append_small<const LEN: usize>(
            &self,
            payload: *const u8,
            _: Option<Moment>,
        ) -> bool {
            // SAFETY: the caller's promise
            unsafe { self.append_any(payload, LEN.next_multiple_of(4), LEN.div_ceil(4) as u32) }
        }

        /// # Safety
        /// `len` bytes, words, can be read at `body`; the thread is in a read section.
        #[inline(always)]
        pub(super) unsafe fn append_any(&self, body: *const u8, len: usize, type_len: u32) -> bool {
            // SAFETY: the caller's promise
            unsafe { self.append_here(Request::whole(body, len, type_len), Outcome::Again) }
        }

        /// Appends on the CPU this runs on.
        ///
        /// # Safety
        /// The request's body can be read.
        pub(super) unsafe fn append_here(&self, mut request: Request, _: Outcome) -> bool {
            let _section = rcu::read();
            if let Err(done) = self.prepare(&mut request) {
                return done;
            }
            // SAFETY: the caller's promise, and it fits
            unsafe { self.append_reserved(cpu::current(), &request) }
        }

        /// Ends the page that a CPU's ring is at, unless nothing is in it.
        pub(in super::super) fn end_page(&self, cpu: usize) -> bool {
            self.table.ring(cpu).map(atomic::end_page).is_some()
        }

        /// Puts the ring that is in front in a CPU's place of the table, or nothing if the CPU is masked.
        pub(in super::super) fn exchange(&self, cpu: usize) {
            let new = match self.is_masked(cpu) {
                true => super::super::table::Table::off(),
                false => self.per_cpu(cpu).front_ring(),
            };
            self.table.slot(cpu).ring.store(new, Ordering::SeqCst);
        }

        /// # Safety
        /// As above.
        pub(super) unsafe fn append_elsewhere(&self, cpu: usize, request: Request) -> bool {
            // SAFETY: the caller's promise
            unsafe { self.append_reserved(cpu, &request) }
        }
    }
}

impl Buffer {
    /// Appends a record for another CPU or at a given time, in units of the buffer's clock; `None`: this CPU, now. A time
    /// before the last one in that CPU's buffer becomes that. False as for [`append`](Self::append).
    ///
    /// Where the buffer is written by sequences, a record for another CPU moves the calling thread there for the moment,
    /// which takes some 10 µs.
    pub fn append_at(&self, cpu: Option<usize>, time: Option<u64>, payload: &[u8]) -> bool {
        let mut request = Request::of(payload, time);
        match cpu {
            // SAFETY: the payload is a slice
            None => unsafe { self.append_here(request, ways::Outcome::Again) },
            Some(cpu) if cpu < self.cpus() => {
                let _section = rcu::read();
                match self.prepare(&mut request) {
                    Err(done) => done,
                    // SAFETY: the payload is a slice, and it fits
                    Ok(()) => unsafe { self.append_elsewhere(cpu, request) },
                }
            }
            Some(_) => false,
        }
    }

    /// Appends a record of an event that took place elsewhere or at another time. False as for [`append`](Self::append).
    pub fn append_placed(&self, place: Place, payload: &[u8]) -> bool {
        // the clock stays as it is until the record is in
        let _section = rcu::read();
        let time = place.time.and_then(|ns| self.clock().at_monotonic(ns));
        self.append_at(place.cpu.map(|c| c as usize), time, payload)
    }

    /// What comes before an entry is written: whether the buffer records and it fits a page at all; the time, unless it
    /// is read while it is written.
    ///
    /// Inside a read section in which it is written too: until that ends neither clock nor sizes change, and rings
    /// written by reservation are not freed.
    fn prepare(&self, request: &mut Request) -> Result<(), bool> {
        if !self.table.is_open() {
            return Err(false);
        }
        let fits = MIN_PAYLOAD..=self.subbuf_size() - PAGE_HEADER - 4;
        if !fits.contains(&request.total) {
            return Err(self.refuse());
        }
        if request.time == NOW && !self.clock_in_sequence() {
            request.time = self.clock().now();
        }
        Ok(())
    }

    /// Counts a record that was not even tried.
    #[cold]
    fn refuse(&self) -> bool {
        let cpu = cpu::current().min(self.cpus() - 1);
        self.per_cpu(cpu).refuse();
        false
    }

    /// # Safety
    /// The request's body can be read, the entry fits a page.
    unsafe fn append_reserved(&self, cpu: usize, request: &Request) -> bool {
        let cpu = cpu.min(self.cpus() - 1);
        let Some(ring) = self.table.ring(cpu) else {
            return false;
        };
        // SAFETY: the caller's promise
        unsafe { self.reserve(ring, self.table.slot(cpu), request) }
    }

    /// # Safety
    /// As above; the ring lives.
    unsafe fn reserve(&self, ring: View, slot: &Slot, request: &Request) -> bool {
        // SAFETY: the caller's promise
        let done = unsafe { atomic::append(ring, request) };
        if done == atomic::Reserved::Refused {
            return false;
        }
        let mut wake =
            slot.any.load(Ordering::SeqCst) != 0 && slot.any.swap(0, Ordering::Relaxed) != 0;
        if done == atomic::Reserved::NewPage && slot.pages.load(Ordering::SeqCst) != u32::MAX {
            wake |= slot.pages.fetch_sub(1, Ordering::Relaxed) == 1;
        }
        if wake {
            self.bell().ring();
        }
        true
    }
}

/// For the models: appending to a ring without a buffer around it.
#[cfg(all(test, loom))]
pub(super) mod model {
    use super::*;

    /// Appends two words at a time; whether they were let in.
    ///
    /// # Safety
    /// An entry of 8 bytes fits a page, and the ring lives.
    pub(in super::super) unsafe fn append(ring: View, words: &[u32; 2], time: u64) -> bool {
        let mut request = Request::whole(words.as_ptr().cast(), 8, 2);
        request.time = time;
        // SAFETY: the caller's promise
        unsafe { atomic::append(ring, &request) != atomic::Reserved::Refused }
    }
}
