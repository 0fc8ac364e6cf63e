//! The CPUs together.
//!
//! Lock order: `settings`, then the readers of the CPUs in their order, then a ring's hold.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::control::{Ring, Shape};
use super::page::{self, MIN_SUBBUFS};
use super::reader::{Reader, Rec, Stats, Totals};
use super::table::Table;
use super::wait::Bell;
use crate::base::clock::{ClockId, Scale};
use crate::base::cpu::CpuMask;
use crate::base::error::{Errno, Error, Result};
use crate::base::rcu;
use crate::base::sync::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering,
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
    settings: Mutex<Settings>,
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

struct Settings {
    overwrite: bool,
    mask: CpuMask,
}

/// What belongs to a CPU but the hot words.
pub(super) struct PerCpu {
    reader: Mutex<Reader>,
    /// Not 0: somebody writes this CPU's ring from elsewhere, or exchanges it.
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "for sequences"))]
    pub(super) hold: AtomicU32,
    /// Records refused that no ring has counted.
    pub(super) refused: AtomicU64,
    /// Not in the mask: nothing is recorded.
    masked: AtomicBool,
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
            Ok(PerCpu {
                reader: Mutex::new(Reader::new(Ring::new(&shape)?, config.overwrite)),
                hold: AtomicU32::new(0),
                refused: AtomicU64::new(0),
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
            let ring = buffer.reader(cpu).ring();
            buffer
                .table
                .slot(cpu)
                .ring
                .store(ring.pointer(), Ordering::Release);
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

    pub(super) fn reader(&self, cpu: usize) -> MutexGuard<'_, Reader> {
        self.cpus[cpu].reader.lock()
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
        (0..self.cpus()).for_each(|cpu| self.reader(cpu).set_overwrite(overwrite));
    }

    // Counting

    /// Counts of a CPU since its last clear.
    pub fn stats(&self, cpu: usize) -> Stats {
        let mut stats = self.reader(cpu).stats();
        stats.dropped += self.cpus[cpu].refused.load(Ordering::Relaxed);
        stats.now_ts = self.now();
        stats
    }

    /// Counts of a CPU since the buffer was made.
    pub fn totals(&self, cpu: usize) -> Totals {
        self.reader(cpu).totals()
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
        for cpu in self.each(cpu) {
            let mut reader = self.reader(cpu);
            reader.clear(|| self.end_page(cpu));
            self.cpus[cpu].refused.store(0, Ordering::Relaxed);
        }
    }

    /// Gives a CPU, or all, so many sub-buffers, at least 2. The newest events that still fit stay. No memory: `ENOMEM`,
    /// and nothing has changed.
    pub fn resize(&self, cpu: Option<usize>, subbufs: usize) -> Result<()> {
        let settings = self.settings.lock();
        let subbufs = subbufs.max(MIN_SUBBUFS);
        let changes = |cpu: &usize| self.subbufs(*cpu) != subbufs;
        let shape = self.shape(&settings, subbufs, self.subbuf_size(), self.clock());
        let new: Vec<_> = self
            .each(cpu)
            .filter(changes)
            .map(|c| Ok((c, Ring::new(&shape)?)))
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
            Ok((
                cpu,
                Ring::new(&self.shape(&settings, subbufs, bytes, self.clock()))?,
            ))
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
            Ok((
                cpu,
                Ring::new(&self.shape(&settings, self.subbufs(cpu), self.subbuf_size(), clock))?,
            ))
        };
        let new = (0..self.cpus()).map(ring).collect::<Result<_>>()?;
        self.shut()?;
        self.take_clock(clock);
        let done = self.replace(new, false);
        self.reopen();
        done
    }

    fn shape(&self, settings: &Settings, subbufs: usize, size: usize, clock: ClockId) -> Shape {
        shape(subbufs, size, settings.overwrite, self.reserved, clock)
    }

    /// Puts other rings in the places of CPUs. `keep`: what is left in the old ones stays readable.
    fn replace(&self, new: Vec<(usize, Ring)>, keep: bool) -> Result<()> {
        if rcu::in_read_section() {
            // a probe that does this would wait for itself
            return Err(Error::new(Errno::EBUSY));
        }
        for (cpu, ring) in new {
            let mut reader = self.reader(cpu);
            self.exchange(cpu, &ring);
            let quiet = !self.reserved || rcu::synchronize().is_ok();
            let old = reader.replace(ring, keep);
            if !quiet {
                // membarrier was taken away: nobody can tell when it is not written any more
                core::mem::forget(old);
            }
            if !keep {
                self.cpus[cpu].refused.store(0, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Which CPUs record; the others keep what they have.
    pub fn set_cpu_mask(&self, mask: &CpuMask) {
        let mut settings = self.settings.lock();
        settings.mask = mask.clone();
        for cpu in 0..self.cpus() {
            let reader = self.reader(cpu);
            self.cpus[cpu]
                .masked
                .store(!mask.has(cpu), Ordering::SeqCst);
            self.exchange(cpu, &reader.ring());
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
    reader: MutexGuard<'a, Reader>,
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
