//! Sequences for another CPU.
//!
//! Only a thread on a CPU may run sequences on that CPU's ring. So the calling thread goes there for the moment. Where
//! it may not (the CPU is offline or outside its cpuset), and for a thread that has no sequences at all, the ring is
//! *held*: its slot of the table is emptied and everybody who was inside a sequence restarted. Then nobody else writes
//! it, and the same sequences run as plain code, with a table and an area that are ours alone: nothing can interfere, so
//! nothing needs to restart them.
//!
//! Writers that come upon the empty slot meanwhile (there are none on a CPU where nobody may run) wait for a bounded
//! time, then the record is refused and counted. A holder waits for nobody while it holds, and no signal handler runs
//! on it, so it cannot wait for itself either.

use core::ptr;

use super::super::buffer::Buffer;
use super::super::table::{Slot, Table};
use super::Request;
use super::rseq::{self, Outcome};
use crate::base::cpu;
use crate::base::rseq::{self as thread, Area};
use crate::base::sync::{AtomicPtr, AtomicU32, Ordering};

/// How often a thread that was sent to a CPU and found itself elsewhere goes there again.
const TRIES: u32 = 3;

impl Buffer {
    /// # Safety
    /// The request's body can be read, the entry fits a page.
    pub(super) unsafe fn append_elsewhere(&self, cpu: usize, mut request: Request) -> bool {
        if self.is_reserved() {
            // SAFETY: the caller's promise
            return unsafe { self.append_reserved(cpu, &request) };
        }
        request.only = self.table.as_ptr() as usize + cpu * size_of::<Slot>();
        // SAFETY: the caller's promise; the table is this buffer's
        let there = || unsafe {
            self.write(
                thread::area(),
                self.table.as_ptr(),
                &request,
                Outcome::Again,
            )
        };
        if thread::cpu() == Some(cpu)
            && let Some(done) = there()
        {
            return done;
        }
        if thread::cpu().is_some() {
            for _ in 0..TRIES {
                match cpu::on(cpu, there) {
                    Some(Some(done)) => return done,
                    // somebody has moved this thread meanwhile
                    Some(None) => (),
                    None => break,
                }
            }
        }
        request.only = 0;
        // SAFETY: the caller's promise
        unsafe { self.append_foreign(cpu, &request) }
    }

    /// Appends to a ring whose CPU this thread cannot be on, or without having sequences.
    ///
    /// # Safety
    /// The request's body can be read, the entry fits a page.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn append_foreign(&self, cpu: usize, request: &Request) -> bool {
        let cpu = cpu.min(self.cpus() - 1);
        let done = self.held(cpu, |area, table| {
            // SAFETY: the caller's promise; while the ring is held it is ours alone
            unsafe { self.write(area, table, request, Outcome::Again) }.unwrap_or(false)
        });
        match done {
            Some(Held::Done(done)) => {
                let slot = self.table.slot(cpu);
                if done && slot.any.swap(0, Ordering::SeqCst) != 0 {
                    self.bell().ring();
                }
                done
            }
            Some(Held::Off) => false,
            None => {
                self.per_cpu(cpu).refuse();
                false
            }
        }
    }

    /// Ends the page that a CPU's ring is at, unless nothing is in it. The CPU's writers go on meanwhile if the calling
    /// thread may go there. False: the ring is full, or nobody may write it now. The caller keeps the ring in place.
    pub(in super::super) fn end_page(&self, cpu: usize) -> bool {
        let Some(ring) = self.table.ring(cpu) else {
            return false;
        };
        if self.is_reserved() {
            super::atomic::end_page(ring);
            return true;
        }
        let no = ring.tail().no;
        // fits an empty page only, so the next one is entered unless this one is that
        let mut request = Request::whole(ptr::null(), ring.data() - 12, 0);
        if !self.clock_in_sequence() {
            request.time = self.clock().peek();
        }
        let end = |area, table, request: &Request| {
            while ring.tail().no == no && ring.tail().used {
                // SAFETY: the table is this buffer's, or the ring is held; this sequence does not read the body
                match unsafe { rseq::next_page(area, table, request) } {
                    Outcome::Again => (),
                    Outcome::Wake => self.bell().ring(),
                    Outcome::Done => (),
                    _ => break,
                }
            }
            ring.tail().no != no || !ring.tail().used
        };
        request.only = self.table.as_ptr() as usize + cpu * size_of::<Slot>();
        let there = || end(thread::area(), self.table.as_ptr(), &request);
        if thread::cpu().is_some() && cpu::on(cpu, there) == Some(true) {
            return true;
        }
        request.only = 0;
        matches!(
            self.held(cpu, |area, table| end(area, table, &request)),
            Some(Held::Done(true))
        )
    }

    /// Runs `f` while nobody else writes the ring of `cpu`, with an area and a table for sequences that have that ring
    /// as their CPU 0's. `None`: others held it for too long.
    pub(super) fn held<T>(
        &self,
        cpu: usize,
        f: impl FnOnce(*mut Area, *const Slot) -> T,
    ) -> Option<Held<T>> {
        let hold = self.hold(cpu)?;
        let slot = self.table.slot(cpu);
        let ring = slot.ring.swap(Table::off(), Ordering::AcqRel);
        if ring == Table::off() {
            drop(hold);
            return Some(Held::Off);
        }
        thread::restart_sequences(Some(cpu));
        let own = |ring, any| Slot {
            ring: AtomicPtr::new(ring),
            any: AtomicU32::new(any),
            pages: AtomicU32::new(u32::MAX),
        };
        let table = [own(ptr::null_mut(), 1), own(ring, 0)];
        let mut area = Area {
            cpu_id_start: 0,
            cpu_id: 0,
            rseq_cs: 0,
            flags: 0,
        };
        let result = f(&raw mut area, table.as_ptr());
        // the snapshot may have been swapped meanwhile
        let per = self.per_cpu(cpu);
        let mut ring = per.front_ring();
        slot.ring.store(ring, Ordering::SeqCst);
        while ring != per.front_ring() {
            ring = per.front_ring();
            slot.ring.store(ring, Ordering::SeqCst);
        }
        drop(hold);
        if slot.pages.load(Ordering::SeqCst) != u32::MAX {
            // pages that were finished here have not been counted there
            self.bell().ring();
        }
        Some(Held::Done(result))
    }

    /// How often somebody who waits for a ring to be put back looks, most of the time giving way to others.
    pub(super) const PATIENCE: u32 = 20_000;

    /// Takes hold of a CPU's slot in the table. `None`: others had it for too long.
    fn hold(&self, cpu: usize) -> Option<Hold<'_>> {
        let signals = Signals::block();
        let word = &self.per_cpu(cpu).hold;
        for look in 0..Self::PATIENCE {
            if word
                .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
            {
                return Some(Hold {
                    word,
                    _signals: signals,
                });
            }
            give_way(look);
        }
        None
    }

    /// A sequence found nobody's ring: waits a little if somebody holds it. False: nothing is to be recorded here, or it
    /// takes too long and the record is refused and counted.
    pub(super) fn await_ring(&self, patience: &mut u32) -> bool {
        let cpu = cpu::current().min(self.cpus() - 1);
        if self.is_masked(cpu) {
            return false;
        }
        if *patience == 0 {
            self.per_cpu(cpu).refuse();
            return false;
        }
        give_way(Self::PATIENCE - *patience);
        *patience -= 1;
        true
    }

    /// Puts the ring that is in front in a CPU's place of the table, or nothing if the CPU is masked. Afterwards no
    /// sequence writes any other ring of the CPU; writers by reservation may, until they leave their read sections.
    pub(in super::super) fn exchange(&self, cpu: usize) {
        let new = match self.is_masked(cpu) {
            true => Table::off(),
            false => self.per_cpu(cpu).front_ring(),
        };
        let hold = loop {
            // holders are quick, and this is no writer
            if let Some(hold) = self.hold(cpu) {
                break hold;
            }
        };
        self.table.slot(cpu).ring.store(new, Ordering::SeqCst);
        if !self.is_reserved() {
            thread::restart_sequences(Some(cpu));
        }
        drop(hold);
    }
}

/// Spins at first, then lets others run.
fn give_way(look: u32) {
    match look {
        0..100 => core::hint::spin_loop(),
        // SAFETY: no operands
        _ => _ = unsafe { libc::sched_yield() },
    }
}

/// A CPU's slot of the table is ours until this is dropped; no signal handler runs on this thread meanwhile.
struct Hold<'a> {
    word: &'a AtomicU32,
    _signals: Signals,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.word.store(0, Ordering::Release);
    }
}

/// Signals are blocked on this thread until this is dropped.
struct Signals(libc::sigset_t);

impl Signals {
    fn block() -> Signals {
        // SAFETY: plain bits that the calls fill in
        unsafe {
            let (mut all, mut before): (libc::sigset_t, libc::sigset_t) =
                (core::mem::zeroed(), core::mem::zeroed());
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            Signals(before)
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // SAFETY: the mask that there was
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, core::ptr::null_mut()) };
    }
}

/// What came of holding a ring.
pub(super) enum Held<T> {
    Done(T),
    /// Nobody may write there now.
    Off,
}
