//! The CPUs together.
//!
//! Lock order: `settings`, then `turning`, then the readers of the CPUs in their order, then a ring's hold.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::control::{Control, Ring, Shape};
use super::page::{self, MIN_SUBBUFS};
use super::reader::{Reader, Rec, Stats, Totals};
use super::snapshot::{Locked, Side};
use super::table::Table;
use super::wait::Bell;
use crate::base::clock::{ClockId, Scale};
use crate::base::cpu::CpuMask;
use crate::base::error::{Errno, Error, Result};
use crate::base::rcu;
use crate::base::sync::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Mutex, Ordering,
};

/// How a buffer is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Way {
    /// By sequences where this process has them, else by reservation.
    #[default]
    Auto,
    /// By restartable sequences; where there are none the buffer is refused (`ENOSYS`).
    Rseq,
    /// By reservation, with two locked instructions an event.
    Atomic,
}

/// What a buffer is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// CPUs that there may be.
    pub cpus: usize,
    /// Sub-buffers of each, at least 2.
    pub subbufs: usize,
    /// Bytes of a sub-buffer: 4 KiB << 0..=7.
    pub subbuf_size: usize,
    /// When full the oldest events are overwritten; else new ones are refused.
    pub overwrite: bool,
    /// What time stamps are.
    pub clock: ClockId,
    /// How it is written.
    pub way: Way,
}

/// A ring buffer: one ring for each CPU.
pub struct Buffer {
    pub(super) table: Table,
    cpus: Box<[PerCpu]>,
    pub(super) settings: Mutex<Settings>,
    /// Not 0: somebody swaps, or nobody may for the moment.
    pub(super) turning: AtomicU32,
    /// There is a snapshot to swap with.
    pub(super) has_snapshot: AtomicBool,
    reserved: bool,
    recording: AtomicBool,
    /// Nobody is let in while clock or sizes change.
    shut: AtomicBool,
    clock: AtomicU8,
    /// Whether the clock is read while an entry is written.
    in_sequence: AtomicBool,
    subbuf_size: AtomicUsize,
    wakes: AtomicU32,
    #[cfg(loom)]
    bell: Bell,
}

pub(super) struct Settings {
    pub(super) overwrite: bool,
    mask: CpuMask,
}

/// What belongs to a CPU but the hot words.
pub(super) struct PerCpu {
    /// Two sides, of which the one in front is written; the other is the snapshot, if there is one.
    pub(super) sides: [Mutex<Option<Reader>>; 2],
    /// Where the rings of the sides lie; null: there is none.
    pub(super) rings: [AtomicPtr<Control>; 2],
    pub(super) front: AtomicUsize,
    /// Not 0: somebody writes this CPU's ring from elsewhere, or exchanges it.
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "for sequences"))]
    pub(super) hold: AtomicU32,
    /// Records refused that no ring has counted, of each side.
    pub(super) refused: [AtomicU64; 2],
    /// Not in the mask: nothing is recorded.
    masked: AtomicBool,
}

impl PerCpu {
    /// Which side is in front.
    pub(super) fn front(&self) -> usize {
        self.front.load(Ordering::SeqCst)
    }

    /// What lies in front, to be put into the table.
    pub(super) fn front_ring(&self) -> *mut Control {
        self.rings[self.front()].load(Ordering::SeqCst)
    }

    /// Counts a record that no ring can count.
    pub(super) fn refuse(&self) {
        self.refused[self.front()].fetch_add(1, Ordering::Relaxed);
    }
}

impl Buffer {
    /// A new buffer, empty and recording. Sizes that cannot be: `EINVAL`; not so much memory: `ENOMEM`; a way that this
    /// process has not: `ENOSYS`.
    pub fn new(config: &Config) -> Result<Buffer> {
        if config.cpus == 0 || config.subbufs == 0 || !page::is_subbuf_size(config.subbuf_size) {
            return Err(Error::new(Errno::EINVAL));
        }
        let sequences = sequences_usable();
        let reserved = match config.way {
            Way::Auto => !sequences,
            Way::Atomic => true,
            Way::Rseq if sequences => false,
            Way::Rseq => return Err(Error::new(Errno::ENOSYS)),
        };
        let shape = shape(
            config.subbufs,
            config.subbuf_size,
            config.overwrite,
            reserved,
            config.clock,
        );
        let per_cpu = |_| {
            let ring = Ring::new(&shape)?;
            let pointer = ring.pointer();
            Ok(PerCpu {
                sides: [
                    Mutex::new(Some(Reader::new(ring, config.overwrite))),
                    Mutex::new(None),
                ],
                rings: [
                    AtomicPtr::new(pointer),
                    AtomicPtr::new(core::ptr::null_mut()),
                ],
                front: AtomicUsize::new(0),
                hold: AtomicU32::new(0),
                refused: [AtomicU64::new(0), AtomicU64::new(0)],
                masked: AtomicBool::new(false),
            })
        };
        let buffer = Buffer {
            table: Table::new(config.cpus, reserved),
            cpus: (0..config.cpus).map(per_cpu).collect::<Result<_>>()?,
            settings: Mutex::new(Settings {
                overwrite: config.overwrite,
                mask: CpuMask::all(config.cpus),
            }),
            turning: AtomicU32::new(0),
            has_snapshot: AtomicBool::new(false),
            reserved,
            recording: AtomicBool::new(true),
            shut: AtomicBool::new(false),
            clock: AtomicU8::new(0),
            in_sequence: AtomicBool::new(false),
            subbuf_size: AtomicUsize::new(config.subbuf_size),
            wakes: AtomicU32::new(0),
            #[cfg(loom)]
            bell: Bell::new(),
        };
        buffer.take_clock(config.clock);
        for cpu in 0..config.cpus {
            let ring = buffer.per_cpu(cpu).front_ring();
            buffer.table.slot(cpu).ring.store(ring, Ordering::Release);
        }
        buffer.open();
        Ok(buffer)
    }

    // What it is

    /// CPUs.
    pub fn cpus(&self) -> usize {
        self.cpus.len()
    }

    /// Whether it is written by reservation, not by sequences.
    pub fn is_reserved(&self) -> bool {
        self.reserved
    }

    /// The clock of the time stamps.
    pub fn clock(&self) -> ClockId {
        ClockId::ALL[usize::from(self.clock.load(Ordering::Relaxed)) % ClockId::ALL.len()]
    }

    /// The time now, as a record would be stamped; `counter` does not move by that.
    pub fn now(&self) -> u64 {
        self.clock().peek()
    }

    /// Sub-buffers of a CPU.
    pub fn subbufs(&self, cpu: usize) -> usize {
        self.reader(cpu).ring().slots() as usize
    }

    /// Bytes of a sub-buffer.
    pub fn subbuf_size(&self) -> usize {
        self.subbuf_size.load(Ordering::Relaxed)
    }

    /// Whether the clock can be read while an entry is written; else time is taken before.
    pub(super) fn clock_in_sequence(&self) -> bool {
        self.in_sequence.load(Ordering::Relaxed)
    }

    pub(super) fn per_cpu(&self, cpu: usize) -> &PerCpu {
        &self.cpus[cpu]
    }

    /// The CPUs that an optional CPU means.
    pub(super) fn each(&self, cpu: Option<usize>) -> Range<usize> {
        match cpu {
            Some(cpu) => cpu..cpu + 1,
            None => 0..self.cpus(),
        }
    }

    // Recording

    /// Lets records in, or not. Safe in signal handlers; a record that is being written on another CPU may still come.
    pub fn set_recording(&self, on: bool) {
        self.recording.store(on, Ordering::SeqCst);
        self.open();
    }

    /// Whether records are let in.
    pub fn is_recording(&self) -> bool {
        self.recording.load(Ordering::Relaxed)
    }

    /// Tells the writers which way they go, by what is so now.
    fn open(&self) {
        let ways = || {
            let all = self.recording.load(Ordering::SeqCst) && !self.shut.load(Ordering::SeqCst);
            let fast = all && self.clock_in_sequence();
            [fast, all].map(|open| if open { self.cpus() } else { 0 })
        };
        // who comes last has seen what the others did
        let mut open = ways();
        loop {
            self.table.limit(open[0], open[1]);
            let now = ways();
            if now == open {
                return;
            }
            open = now;
        }
    }

    /// Lets nobody in for the moment, and waits until nobody is. Inside a read section, where that cannot be: `EBUSY`.
    fn shut(&self) -> Result<()> {
        self.shut.store(true, Ordering::SeqCst);
        self.open();
        if rcu::synchronize().is_err() {
            self.reopen();
            return Err(Error::new(Errno::EBUSY));
        }
        Ok(())
    }

    fn reopen(&self) {
        self.shut.store(false, Ordering::SeqCst);
        self.open();
    }

    fn take_clock(&self, clock: ClockId) {
        let index = ClockId::ALL.iter().position(|c| *c == clock).unwrap_or(0);
        self.clock.store(index as u8, Ordering::Relaxed);
        self.in_sequence
            .store(clock.scale().is_some(), Ordering::Relaxed);
    }

    /// Whether the oldest events give way when the buffer is full, or new ones are refused.
    pub fn set_overwrite(&self, overwrite: bool) {
        let mut settings = self.settings.lock();
        settings.overwrite = overwrite;
        let _still = self.still();
        for cpu in 0..self.cpus() {
            self.each_side(cpu, |reader| reader.set_overwrite(overwrite));
        }
    }

    // Counting

    /// Counts of a CPU since its last clear.
    pub fn stats(&self, cpu: usize) -> Stats {
        self.stats_in(&mut self.reader(cpu), cpu)
    }

    /// Counts of one side of a CPU since its last clear. No snapshot: all 0.
    pub fn stats_of(&self, side: Side, cpu: usize) -> Stats {
        self.side(side, cpu)
            .map_or_else(Stats::default, |mut reader| self.stats_in(&mut reader, cpu))
    }

    fn stats_in(&self, reader: &mut Locked<'_>, cpu: usize) -> Stats {
        let mut stats = reader.stats();
        stats.dropped += self.cpus[cpu].refused[reader.index()].load(Ordering::Relaxed);
        stats.now_ts = self.now();
        stats
    }

    /// Counts of a CPU since the buffer was made, those of the snapshot there is among them.
    pub fn totals(&self, cpu: usize) -> Totals {
        let mut totals = Totals::default();
        self.each_side(cpu, |reader| totals += reader.totals());
        totals
    }

    /// Whether a CPU, or any, has unread events.
    pub fn has_data(&self, cpu: Option<usize>) -> bool {
        self.each(cpu).any(|cpu| self.reader(cpu).has_data())
    }

    /// Finished sub-buffers of a CPU that are unread.
    pub fn full_pages(&self, cpu: usize) -> u64 {
        self.reader(cpu).full_pages()
    }

    /// Whether a CPU's buffer is filled to `percent`, as `buffer_percent` counts: finished unread sub-buffers and the
    /// one being written.
    pub fn is_filled(&self, cpu: usize, percent: u8) -> bool {
        let mut reader = self.reader(cpu);
        (reader.full_pages() + 1) * 100 >= u64::from(percent) * reader.ring().slots()
    }

    /// Sub-buffers to be finished until a CPU's buffer is filled to `percent`.
    pub(super) fn pages_to(&self, cpu: usize, percent: u8) -> u64 {
        let mut reader = self.reader(cpu);
        let needed = (u64::from(percent) * reader.ring().slots())
            .div_ceil(100)
            .saturating_sub(1);
        needed.saturating_sub(reader.full_pages())
    }

    // Reading

    /// The consuming reader of a CPU: holds others off while it lives. Writers go on.
    pub fn consumer(&self, cpu: usize) -> Consumer<'_> {
        Consumer {
            reader: self.reader(cpu),
        }
    }

    /// The consuming reader of one side of a CPU. `None`: there is no snapshot.
    pub fn consumer_of(&self, side: Side, cpu: usize) -> Option<Consumer<'_>> {
        self.side(side, cpu).map(|reader| Consumer { reader })
    }

    // Waiting

    /// What wakes this buffer's readers.
    #[cfg(not(loom))]
    pub fn bell(&self) -> &Bell {
        &super::wait::BELL
    }

    /// What wakes this buffer's readers.
    #[cfg(loom)]
    pub fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Wakes everybody who waits for this buffer, whatever there is.
    pub fn wake_all(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.bell().ring();
    }

    /// How often [`wake_all`](Self::wake_all) was called.
    pub fn wakes(&self) -> u32 {
        self.wakes.load(Ordering::SeqCst)
    }

    // Changing it

    /// Forgets what a CPU, or all, have recorded, and zeroes the counts.
    pub fn reset(&self, cpu: Option<usize>) {
        let _settings = self.settings.lock();
        let _still = self.still();
        for cpu in self.each(cpu) {
            let mut reader = self.reader(cpu);
            reader.clear(|| self.end_page(cpu));
            self.cpus[cpu].refused[reader.index()].store(0, Ordering::Relaxed);
        }
    }

    /// Gives a CPU, or all, so many sub-buffers, at least 2, and as many for its snapshot. The newest events that still
    /// fit stay. No memory: `ENOMEM`, and nothing has changed.
    pub fn resize(&self, cpu: Option<usize>, subbufs: usize) -> Result<()> {
        let settings = self.settings.lock();
        let subbufs = subbufs.max(MIN_SUBBUFS);
        let changes = |cpu: &usize| self.subbufs(*cpu) != subbufs;
        let shape = self.shape(&settings, subbufs, self.subbuf_size(), self.clock());
        let new: Vec<_> = self
            .each(cpu)
            .filter(changes)
            .map(|c| self.rings(c, &shape))
            .collect::<Result<_>>()?;
        self.replace(new, true)
    }

    /// Sets the size of sub-buffers; each CPU keeps as many KiB as it has, and what was recorded is cleared. A size that
    /// cannot be: `EINVAL`; no memory: `ENOMEM`.
    pub fn set_subbuf_size(&self, bytes: usize) -> Result<()> {
        if !page::is_subbuf_size(bytes) {
            return Err(Error::new(Errno::EINVAL));
        }
        let settings = self.settings.lock();
        let before = self.subbuf_size();
        let ring = |cpu| {
            let data = self.subbufs(cpu) * (before - page::PAGE_HEADER);
            let subbufs = data.div_ceil(bytes - page::PAGE_HEADER).max(MIN_SUBBUFS);
            self.rings(cpu, &self.shape(&settings, subbufs, bytes, self.clock()))
        };
        let new = (0..self.cpus()).map(ring).collect::<Result<_>>()?;
        self.shut()?;
        self.subbuf_size.store(bytes, Ordering::Relaxed);
        let done = self.replace(new, false);
        self.reopen();
        done
    }

    /// Sets the clock, even to the one there is; what was recorded is cleared. No memory: `ENOMEM`.
    pub fn set_clock(&self, clock: ClockId) -> Result<()> {
        let settings = self.settings.lock();
        let ring = |cpu| {
            let (subbufs, size) = (self.subbufs(cpu), self.subbuf_size());
            self.rings(cpu, &self.shape(&settings, subbufs, size, clock))
        };
        let new = (0..self.cpus()).map(ring).collect::<Result<_>>()?;
        self.shut()?;
        self.take_clock(clock);
        let done = self.replace(new, false);
        self.reopen();
        done
    }

    pub(super) fn shape(
        &self,
        settings: &Settings,
        subbufs: usize,
        size: usize,
        clock: ClockId,
    ) -> Shape {
        shape(subbufs, size, settings.overwrite, self.reserved, clock)
    }

    /// New rings for a CPU: for what is written, and for the snapshot if there is one.
    fn rings(&self, cpu: usize, shape: &Shape) -> Result<New> {
        let snapshot = self.has_snapshot.load(Ordering::Relaxed);
        Ok(New {
            cpu,
            live: Ring::new(shape)?,
            snapshot: snapshot.then(|| Ring::new(shape)).transpose()?,
        })
    }

    /// Puts other rings in the places of CPUs. `keep`: what is left in the old ones stays readable. The settings are
    /// locked.
    fn replace(&self, new: Vec<New>, keep: bool) -> Result<()> {
        if rcu::in_read_section() {
            // a probe that does this would wait for itself
            return Err(Error::new(Errno::EBUSY));
        }
        let _still = self.still();
        for New {
            cpu,
            live,
            snapshot,
        } in new
        {
            let per = &self.cpus[cpu];
            let (mut reader, back) = (self.reader(cpu), self.side(Side::Snapshot, cpu));
            per.rings[reader.index()].store(live.pointer(), Ordering::SeqCst);
            if let (Some(back), Some(ring)) = (&back, &snapshot) {
                per.rings[back.index()].store(ring.pointer(), Ordering::SeqCst);
            }
            // whoever was still in a sequence on the snapshot's former ring is restarted too
            self.exchange(cpu);
            let quiet = !self.reserved || rcu::synchronize().is_ok();
            let old = reader.replace(live, keep);
            let old_back = back
                .zip(snapshot)
                .map(|(mut b, ring)| b.replace(ring, keep));
            if !quiet {
                // membarrier was taken away: nobody can tell when they are not written any more
                core::mem::forget((old, old_back));
            }
            if !keep {
                per.refused
                    .iter()
                    .for_each(|r| r.store(0, Ordering::Relaxed));
            }
        }
        Ok(())
    }

    /// Which CPUs record; the others keep what they have.
    pub fn set_cpu_mask(&self, mask: &CpuMask) {
        let mut settings = self.settings.lock();
        settings.mask = mask.clone();
        let _still = self.still();
        for cpu in 0..self.cpus() {
            self.cpus[cpu]
                .masked
                .store(!mask.has(cpu), Ordering::SeqCst);
            self.exchange(cpu);
        }
    }

    /// Which CPUs record.
    pub fn cpu_mask(&self) -> CpuMask {
        self.settings.lock().mask.clone()
    }

    /// Whether a CPU is not to record.
    pub(super) fn is_masked(&self, cpu: usize) -> bool {
        self.cpus[cpu].masked.load(Ordering::SeqCst)
    }
}

/// New rings of a CPU.
struct New {
    cpu: usize,
    live: Ring,
    snapshot: Option<Ring>,
}

fn sequences_usable() -> bool {
    #[cfg(feature = "std")]
    return crate::base::rseq::init();
    #[cfg(not(feature = "std"))]
    false
}

fn shape(slots: usize, size: usize, overwrite: bool, reserved: bool, clock: ClockId) -> Shape {
    let scale = clock.scale().unwrap_or(Scale { mult: 0, offset: 0 });
    Shape {
        slots: slots.max(MIN_SUBBUFS),
        size,
        overwrite,
        reserved,
        scale,
        now: clock.peek(),
    }
}

/// The one consuming reader of a CPU.
///
/// Records and pages come from the same place: what one way has consumed the other does not see.
pub struct Consumer<'a> {
    reader: Locked<'a>,
}

impl Consumer<'_> {
    /// Time of the next record.
    #[inline]
    pub fn peek_time(&mut self) -> Option<u64> {
        self.reader.peek().map(|f| f.ts)
    }

    /// Consumes the next record.
    #[inline]
    pub fn take(&mut self) -> Option<Rec<'_>> {
        let found = self.reader.peek()?;
        self.reader.take(&found)
    }

    /// Consumes a sub-buffer, or what is left of one, in the kernel's format: padded with zeros, with the events missed
    /// before it. `full_only`: only one that is finished. Returns its size; `out` must have room for a sub-buffer.
    pub fn take_page(&mut self, out: &mut [u8], full_only: bool) -> Option<usize> {
        self.reader.take_page(out, full_only)
    }
}
