//! How large an instance's buffer is, and when its readers are woken: `buffer_size_kb`, `buffer_subbuf_size_kb`,
//! `buffer_percent` and `free_buffer` (Documentation/trace/ftrace.rst).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::options::Option as TraceOption;
use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::parse;
use crate::base::sync::{AtomicU8, Mutex, Ordering};
use crate::ring::{Buffer, PAGE_HEADER};

/// How full a CPU's buffer is when its readers are woken, at first.
const PERCENT: u8 = 50;
/// The smallest sub-buffer, and the largest, which is this one doubled so many times.
const SUBBUF_SIZE: u64 = 4096;
const MOST_DOUBLED: u32 = 7;

/// Sizes as they were asked for.
pub(super) struct Sizes {
    cpus: Mutex<Box<[PerCpu]>>,
    percent: AtomicU8,
}

#[derive(Clone, Copy)]
struct PerCpu {
    /// Bytes of events as of the last resize. A change of the size of sub-buffers, which makes them a few more, does not
    /// show.
    bytes: u64,
    /// Open readers of `trace`.
    readers: u32,
}

fn bytes(buffer: &Buffer, cpu: usize) -> u64 {
    (buffer.subbufs(cpu) * (buffer.subbuf_size() - PAGE_HEADER)) as u64
}

impl Sizes {
    pub(super) fn of(buffer: &Buffer) -> Sizes {
        let cpu = |cpu| PerCpu {
            bytes: bytes(buffer, cpu),
            readers: 0,
        };
        Sizes {
            cpus: Mutex::new((0..buffer.cpus()).map(cpu).collect::<Vec<_>>().into()),
            percent: AtomicU8::new(PERCENT),
        }
    }
}

impl TraceArray {
    /// Writes `buffer_size_kb`: KiB per CPU, of one CPU or all. While somebody reads `trace` of one of them: `EBUSY`.
    pub fn set_size_kb(&self, cpu: Option<usize>, input: &[u8]) -> Result<()> {
        let kb = parse::number(input)?;
        if kb == 0 {
            return Err(Error::new(Errno::EINVAL));
        }
        let bytes = kb.checked_mul(1024).ok_or(Error::new(Errno::ENOMEM))?;
        self.resize(cpu, bytes)
    }

    fn resize(&self, cpu: Option<usize>, wanted: u64) -> Result<()> {
        let buffer = self.buffer();
        let mut cpus = self.sizes().cpus.lock();
        let which = cpu.map_or(0..cpus.len(), |cpu| cpu..cpu + 1);
        if cpus[which.clone()].iter().any(|c| c.readers != 0) {
            return Err(Error::new(Errno::EBUSY));
        }
        let data = (buffer.subbuf_size() - PAGE_HEADER) as u64;
        let subbufs =
            usize::try_from(wanted.div_ceil(data)).map_err(|_| Error::new(Errno::ENOMEM))?;
        buffer.resize(cpu, subbufs)?;
        for cpu in which {
            cpus[cpu].bytes = bytes(buffer, cpu);
        }
        Ok(())
    }

    /// What `buffer_size_kb` of a CPU reads: the events its sub-buffers hold, KiB.
    pub fn size_kb(&self, cpu: usize) -> u64 {
        self.sizes().cpus.lock()[cpu].bytes / 1024
    }

    /// Somebody reads `trace` of a CPU or of all: their buffers keep their size until the guard is dropped.
    pub fn keep_size(self: &Arc<Self>, cpu: Option<usize>) -> KeepSize {
        self.count_readers(cpu, |readers| *readers += 1);
        KeepSize {
            array: self.clone(),
            cpu,
        }
    }

    fn count_readers(&self, cpu: Option<usize>, change: impl Fn(&mut u32)) {
        let mut cpus = self.sizes().cpus.lock();
        let which = cpu.map_or(0..cpus.len(), |cpu| cpu..cpu + 1);
        cpus[which].iter_mut().for_each(|c| change(&mut c.readers));
    }

    /// Writes `buffer_subbuf_size_kb`: KiB of a sub-buffer, rounded up to a power of two of pages. Clears the buffer.
    pub fn set_subbuf_size_kb(&self, input: &[u8]) -> Result<()> {
        let most = SUBBUF_SIZE << MOST_DOUBLED;
        let bytes = match parse::number(input)?.checked_mul(1024) {
            Some(bytes) if (1..=most).contains(&bytes) => bytes.next_power_of_two(),
            _ => return Err(Error::new(Errno::EINVAL)),
        };
        let bytes = bytes.max(SUBBUF_SIZE);
        // nobody resizes meanwhile
        let _sizes = self.sizes().cpus.lock();
        match bytes as usize {
            // the same again clears nothing
            same if same == self.buffer().subbuf_size() => Ok(()),
            other => self.buffer().set_subbuf_size(other),
        }
    }

    /// What `buffer_subbuf_size_kb` reads.
    pub fn subbuf_size_kb(&self) -> usize {
        self.buffer().subbuf_size() / 1024
    }

    /// What `buffer_percent` reads: how full a CPU's buffer is when poll(2) and splice(2) of that CPU's pipes say so.
    pub fn percent(&self) -> u8 {
        self.sizes().percent.load(Ordering::Relaxed)
    }

    /// Writes `buffer_percent`: more than 100 is `EINVAL`.
    pub fn set_percent(&self, input: &[u8]) -> Result<()> {
        let percent = parse::number(input)?;
        if percent > 100 {
            return Err(Error::new(Errno::EINVAL));
        }
        self.sizes().percent.store(percent as u8, Ordering::Relaxed);
        Ok(())
    }

    /// `free_buffer` is closed: as little memory as can be; with the option `disable_on_free` recording ends too.
    pub fn free_buffer(&self) {
        if self.options().get(TraceOption::DisableOnFree) {
            self.set_on(false);
        }
        // nobody is there to hear of an error; somebody who reads `trace` keeps the buffer
        let _ = self.resize(None, 0);
    }
}

/// Somebody who reads `trace`; see [`TraceArray::keep_size`].
pub struct KeepSize {
    array: Arc<TraceArray>,
    cpu: Option<usize>,
}

impl Drop for KeepSize {
    fn drop(&mut self) {
        self.array.count_readers(self.cpu, |readers| *readers -= 1);
    }
}
