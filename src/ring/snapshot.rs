//! The snapshot: a second ring for each CPU, as large as the first, that changes places with it
//! (Documentation/trace/ftrace.rst, "Snapshot").
//!
//! A swap only turns a CPU's two rings round: `front` says which is written, and the table of CPUs follows. Nobody waits
//! and nothing is freed, so it may come from a probe, even in a signal handler. It needs no membarrier either. A writer
//! that is in the middle of an entry when the rings turn finishes it in the ring it began in: that ring stays its CPU's
//! (so there still is one writer by sequences at a time), and readers take a ring that is written as they always do. So
//! no entry is lost, and each is in one of the two rings. The rings' readers do not move: who locks one looks which is
//! in front.
//!
//! Only one thread turns at a time. Who finds another at it, or sizes being changed, does not wait: the snapshot that is
//! taken at this very moment is his too.

use core::ops::{Deref, DerefMut};
use core::ptr;

use super::buffer::Buffer;
use super::control::Ring;
use super::reader::Reader;
use crate::base::error::{Errno, Error, Result};
use crate::base::rcu;
use crate::base::sync::{AtomicU32, MutexGuard, Ordering};

/// Which of a CPU's rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Side {
    /// The one that is written.
    #[default]
    Live,
    /// The other.
    Snapshot,
}

/// A side's reader, locked.
pub(super) struct Locked<'a> {
    /// Holds a reader: this is only made of those that do.
    reader: MutexGuard<'a, Option<Reader>>,
    index: usize,
}

impl Locked<'_> {
    /// Which of the two it is.
    pub(super) fn index(&self) -> usize {
        self.index
    }
}

impl Deref for Locked<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        match &*self.reader {
            Some(reader) => reader,
            None => unreachable!("made of sides that have a reader"),
        }
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Reader {
        match &mut *self.reader {
            Some(reader) => reader,
            None => unreachable!("made of sides that have a reader"),
        }
    }
}

/// Nobody swaps until it is dropped.
pub(super) struct Still<'a>(&'a AtomicU32);

impl Drop for Still<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

impl Buffer {
    // The two sides

    /// The reader of what a CPU writes now.
    pub(super) fn reader(&self, cpu: usize) -> Locked<'_> {
        loop {
            // what is in front is there
            if let Some(locked) = self.side(Side::Live, cpu) {
                return locked;
            }
        }
    }

    /// The reader of one side of a CPU. `None`: there is no snapshot.
    pub(super) fn side(&self, side: Side, cpu: usize) -> Option<Locked<'_>> {
        let per = self.per_cpu(cpu);
        loop {
            let front = per.front();
            let index = match side {
                Side::Live => front,
                Side::Snapshot => 1 - front,
            };
            let reader = per.sides[index].lock();
            // it may have been turned while we waited
            if per.front() == front {
                return reader.is_some().then(|| Locked { reader, index });
            }
        }
    }

    /// Calls `f` with each of the readers that a CPU has.
    pub(super) fn each_side(&self, cpu: usize, mut f: impl FnMut(&mut Reader)) {
        for side in &self.per_cpu(cpu).sides {
            if let Some(reader) = &mut *side.lock() {
                f(reader);
            }
        }
    }

    /// Keeps others from swapping. Who swaps is quick.
    pub(super) fn still(&self) -> Still<'_> {
        loop {
            if let Some(still) = self.try_still() {
                return still;
            }
            #[cfg(all(feature = "std", not(loom)))]
            std::thread::yield_now();
            #[cfg(not(all(feature = "std", not(loom))))]
            super::control::relax();
        }
    }

    fn try_still(&self) -> Option<Still<'_>> {
        self.turning
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then(|| Still(&self.turning))
    }

    // The snapshot

    /// Whether there is a snapshot to swap with.
    pub fn has_snapshot(&self) -> bool {
        self.has_snapshot.load(Ordering::Acquire)
    }

    /// Makes room for a snapshot, as much as is written to, unless there is. No memory: `ENOMEM`.
    pub fn make_snapshot(&self) -> Result<()> {
        let settings = self.settings.lock();
        if self.has_snapshot() {
            return Ok(());
        }
        let mut new = alloc::vec::Vec::with_capacity(self.cpus());
        for cpu in 0..self.cpus() {
            let (subbufs, size) = (self.subbufs(cpu), self.subbuf_size());
            let shape = self.shape(&settings, subbufs, size, self.clock());
            new.push(Ring::new(&shape)?);
        }
        let _still = self.still();
        for (cpu, ring) in new.into_iter().enumerate() {
            let per = self.per_cpu(cpu);
            let back = 1 - per.front();
            per.rings[back].store(ring.pointer(), Ordering::SeqCst);
            per.refused[back].store(0, Ordering::Relaxed);
            *per.sides[back].lock() = Some(Reader::new(ring, settings.overwrite));
        }
        self.has_snapshot.store(true, Ordering::Release);
        Ok(())
    }

    /// Gives the snapshot's memory back, and what is in it. From within a probe, which would wait for itself: `EBUSY`.
    pub fn free_snapshot(&self) -> Result<()> {
        let _settings = self.settings.lock();
        if rcu::in_read_section() {
            return Err(Error::new(Errno::EBUSY));
        }
        if !self.has_snapshot() {
            return Ok(());
        }
        let _still = self.still();
        self.has_snapshot.store(false, Ordering::Release);
        for cpu in 0..self.cpus() {
            let per = self.per_cpu(cpu);
            per.rings[1 - per.front()].store(ptr::null_mut(), Ordering::SeqCst);
            // restarts who began before the last swap and is not at the end yet
            self.exchange(cpu);
        }
        let quiet = !self.is_reserved() || rcu::synchronize().is_ok();
        for cpu in 0..self.cpus() {
            let per = self.per_cpu(cpu);
            let old = per.sides[1 - per.front()].lock().take();
            if !quiet {
                // membarrier was taken away: nobody can tell when it is not written any more
                core::mem::forget(old);
            }
        }
        self.bell().ring();
        Ok(())
    }

    /// Swaps what a CPU, or each, writes with the snapshot. False: there is none, or somebody else swaps right now.
    ///
    /// Safe in signal handlers; takes no lock and no memory, and waits for nobody.
    pub fn swap(&self, cpu: Option<usize>) -> bool {
        match self.try_still() {
            Some(still) => self.turn(cpu, &still),
            None => false,
        }
    }

    /// The same for who may wait until others have swapped. False: there is no snapshot.
    pub fn swap_waiting(&self, cpu: Option<usize>) -> bool {
        let _settings = self.settings.lock();
        let still = self.still();
        self.turn(cpu, &still)
    }

    fn turn(&self, cpu: Option<usize>, _still: &Still<'_>) -> bool {
        if !self.has_snapshot() {
            return false;
        }
        for cpu in self.each(cpu) {
            let per = self.per_cpu(cpu);
            let front = per.front();
            let [old, new] = [front, 1 - front].map(|i| per.rings[i].load(Ordering::SeqCst));
            per.front.store(1 - front, Ordering::SeqCst);
            // it is another if nobody may write there now: who holds it puts back what is in front then, a CPU that is
            // masked stays so
            let slot = &self.table.slot(cpu).ring;
            let _ = slot.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst);
        }
        // who waits looks at what is there now
        self.bell().ring();
        true
    }

    /// Forgets what is in the snapshot of a CPU, or all, and zeroes its counts.
    pub fn reset_snapshot(&self, cpu: Option<usize>) {
        let _settings = self.settings.lock();
        let _still = self.still();
        for cpu in self.each(cpu) {
            if let Some(mut reader) = self.side(Side::Snapshot, cpu) {
                // nobody writes there who could end the page
                reader.clear(|| false);
                self.per_cpu(cpu).refused[reader.index()].store(0, Ordering::Relaxed);
            }
        }
    }

    /// Whether the snapshot of a CPU, or of any, has unread events.
    pub fn snapshot_has_data(&self, cpu: Option<usize>) -> bool {
        self.each(cpu)
            .any(|cpu| self.side(Side::Snapshot, cpu).is_some_and(|r| r.has_data()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    use super::*;
    use crate::base::clock::ClockId;
    use crate::base::cpu;
    use crate::ring::{Config, Iter, Stats, Way};

    fn buffers() -> Vec<Arc<Buffer>> {
        let made = [Way::Rseq, Way::Atomic].map(|way| {
            let config = Config {
                cpus: cpu::possible(),
                subbufs: 4,
                subbuf_size: 4096,
                overwrite: true,
                clock: ClockId::Local,
                way,
            };
            Buffer::new(&config).ok().map(Arc::new)
        });
        made.into_iter().flatten().collect()
    }

    /// Numbers of the records of a side, on all CPUs, walked.
    fn numbers(buffer: &Arc<Buffer>, side: Side) -> Vec<u64> {
        let mut found = Vec::new();
        for cpu in 0..buffer.cpus() {
            let mut iter = Iter::of(buffer, side, cpu);
            while let Some(rec) = iter.next() {
                found.push(u64::from_ne_bytes(rec.payload[..8].try_into().unwrap()));
            }
        }
        found.sort_unstable();
        found
    }

    fn put(buffer: &Buffer, cpu: usize, number: u64) {
        assert!(buffer.append_at(Some(cpu), None, &number.to_ne_bytes()));
    }

    fn both(buffer: &Arc<Buffer>) -> (Vec<u64>, Vec<u64>) {
        (numbers(buffer, Side::Live), numbers(buffer, Side::Snapshot))
    }

    #[test]
    fn changes_places() {
        for buffer in buffers() {
            let last = buffer.cpus() - 1;
            assert!(!buffer.swap(None) && !buffer.swap_waiting(None));
            put(&buffer, 0, 1);
            assert_eq!(both(&buffer), (vec![1], vec![]));
            buffer.make_snapshot().unwrap();
            assert!(buffer.has_snapshot() && buffer.swap(None));
            assert_eq!(both(&buffer), (vec![], vec![1]));
            put(&buffer, 0, 2);
            put(&buffer, last, 3);
            // back again: what was there before goes on
            assert!(buffer.swap(None));
            put(&buffer, 0, 4);
            assert_eq!(both(&buffer), (vec![1, 4], vec![2, 3]));
            // it is there already
            buffer.make_snapshot().unwrap();
            assert_eq!(both(&buffer), (vec![1, 4], vec![2, 3]));
            buffer.reset_snapshot(Some(0));
            let left = if last == 0 { vec![] } else { vec![3] };
            assert_eq!(both(&buffer), (vec![1, 4], left));
            assert_eq!(buffer.snapshot_has_data(None), last != 0);
            buffer.reset_snapshot(None);
            buffer.swap(None);
            put(&buffer, 0, 5);
            assert_eq!(both(&buffer), (vec![5], vec![1, 4]));
            buffer.reset(None);
            assert_eq!(both(&buffer), (vec![], vec![1, 4]));
            buffer.free_snapshot().unwrap();
            assert_eq!(
                (both(&buffer), buffer.has_snapshot()),
                ((vec![], vec![]), false)
            );
            assert!(!buffer.swap(None));
            put(&buffer, last, 6);
            buffer.make_snapshot().unwrap();
            buffer.swap(Some(last));
            put(&buffer, last, 7);
            assert_eq!(both(&buffer), (vec![7], vec![6]));
        }
    }

    #[test]
    fn stays_alike() {
        for buffer in buffers() {
            buffer.make_snapshot().unwrap();
            let shape = |side| {
                let reader = buffer.side(side, 0).unwrap();
                (reader.ring().slots(), reader.ring().size())
            };
            for number in 0..3 {
                put(&buffer, 0, number);
            }
            buffer.swap(None);
            put(&buffer, 0, 3);
            buffer.resize(None, 7).unwrap();
            assert_eq!(both(&buffer), (vec![3], vec![0, 1, 2]));
            assert_eq!(
                (shape(Side::Live), shape(Side::Snapshot)),
                ((7, 4096), (7, 4096))
            );
            buffer.set_subbuf_size(8192).unwrap();
            assert_eq!(shape(Side::Live), shape(Side::Snapshot));
            assert_eq!(both(&buffer), (vec![], vec![]));
            put(&buffer, 0, 1);
            buffer.swap(None);
            buffer.set_clock(ClockId::Mono).unwrap();
            assert_eq!(both(&buffer), (vec![], vec![]));
            // the mode too: a full buffer refuses on either side
            buffer.resize(None, 2).unwrap();
            buffer.set_overwrite(false);
            for _ in 0..2 {
                assert!((0..5000u64).any(|n| !buffer.append_at(Some(0), None, &n.to_ne_bytes())));
                assert!(buffer.stats(0).dropped == 1 && buffer.stats(0).overrun == 0);
                buffer.swap(None);
            }
            assert_eq!(buffer.stats_of(Side::Snapshot, 0).dropped, 1);
        }
    }

    #[test]
    fn counts_go_with_the_ring() {
        for buffer in buffers() {
            buffer.make_snapshot().unwrap();
            for number in 0..10 {
                put(&buffer, 0, number);
            }
            buffer.consumer(0).take().unwrap();
            buffer.swap(None);
            let counts = |s: Stats| (s.entries, s.read);
            assert_eq!(counts(buffer.stats(0)), (0, 0));
            assert_eq!(counts(buffer.stats_of(Side::Snapshot, 0)), (9, 1));
            let mut page = vec![0; 4096];
            let mut consumer = buffer.consumer_of(Side::Snapshot, 0).unwrap();
            assert_eq!(consumer.take_page(&mut page, true), None);
            assert_eq!(consumer.take_page(&mut page, false), Some(4096));
            drop(consumer);
            assert_eq!((buffer.totals(0).read, buffer.has_data(None)), (10, false));
            assert!(!buffer.snapshot_has_data(None));
        }
    }

    #[test]
    fn a_walk_begins_anew() {
        for buffer in buffers() {
            buffer.make_snapshot().unwrap();
            put(&buffer, 0, 1);
            let mut iter = Iter::new(&buffer, 0);
            let mut next = || iter.next().map(|r| r.payload[0]);
            assert_eq!((next(), next()), (Some(1), None));
            buffer.swap(None);
            assert_eq!(next(), None);
            put(&buffer, 0, 2);
            put(&buffer, 0, 3);
            assert_eq!(next(), Some(2));
            buffer.swap(None);
            // what was copied before is still given
            assert_eq!((next(), next(), next()), (Some(3), Some(1), None));
        }
    }

    #[test]
    fn masked_cpus_stay_masked() {
        for buffer in buffers() {
            buffer.make_snapshot().unwrap();
            buffer.set_cpu_mask(&cpu::CpuMask::none(buffer.cpus()));
            buffer.swap(None);
            assert!(!buffer.append_at(Some(0), None, &[0; 8]));
            buffer.set_cpu_mask(&cpu::CpuMask::all(buffer.cpus()));
            put(&buffer, 0, 1);
            assert_eq!(both(&buffer), (vec![1], vec![]));
        }
    }
}
