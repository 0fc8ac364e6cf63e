//! Floor 1: the per-CPU ring buffer. STAND-IN with a lock until the real one is merged: same interface.
#![allow(missing_docs)]

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::base::clock::ClockId;
use crate::base::cpu;
use crate::base::error::Result;
use crate::base::sync::{Mutex, MutexGuard};

pub const PAGE_HEADER: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Auto,
    Rseq,
    Atomic,
}
pub struct Config {
    pub cpus: usize,
    pub subbufs: usize,
    pub subbuf_size: usize,
    pub overwrite: bool,
    pub clock: ClockId,
    pub way: Way,
}
#[derive(Default, Clone, Copy)]
pub struct Stats {
    pub entries: u64,
    pub overrun: u64,
    pub commit_overrun: u64,
    pub bytes: u64,
    pub oldest_ts: u64,
    pub now_ts: u64,
    pub dropped: u64,
    pub read: u64,
}
#[derive(Default)]
struct Cpu {
    records: VecDeque<(u64, Vec<u8>)>,
    first: u64,
    overrun: u64,
    lost: u64,
    read: u64,
    taken: (u64, Vec<u8>),
}
pub struct Buffer {
    cpus: Vec<Mutex<Cpu>>,
    state: Mutex<(bool, ClockId, usize)>,
}
pub struct Rec<'a> {
    pub ts: u64,
    pub lost: u64,
    pub payload: &'a [u8],
}
const MOST: usize = 10_000;
impl Buffer {
    pub fn new(c: &Config) -> Result<Buffer> {
        Ok(Buffer { cpus: (0..c.cpus).map(|_| Mutex::default()).collect(), state: Mutex::new((true, c.clock, c.subbufs)) })
    }
    /// # Safety
    /// `payload` points to `len` bytes.
    pub unsafe fn append<const LEN: usize>(&self, payload: *mut u8, len: usize) -> bool {
        // SAFETY: the caller's promise
        self.append_at(None, None, unsafe { core::slice::from_raw_parts(payload, len) })
    }
    pub fn append_at(&self, cpu: Option<usize>, time: Option<u64>, payload: &[u8]) -> bool {
        let (on, clock, _) = *self.state.lock();
        if !on {
            return false;
        }
        let mut c = self.cpus[cpu.unwrap_or_else(cpu::current) % self.cpus.len()].lock();
        let now = time.unwrap_or_else(|| clock.now()).max(c.records.back().map_or(0, |r| r.0));
        c.records.push_back((now, payload.into()));
        if c.records.len() > MOST {
            c.records.pop_front();
            c.first += 1;
            c.overrun += 1;
            c.lost += 1;
        }
        true
    }
    pub fn set_recording(&self, on: bool) {
        self.state.lock().0 = on;
    }
    pub fn is_recording(&self) -> bool {
        self.state.lock().0
    }
    pub fn set_overwrite(&self, _: bool) {}
    pub fn reset(&self, cpu: Option<usize>) {
        for (i, c) in self.cpus.iter().enumerate() {
            if cpu.is_none_or(|cpu| cpu == i) {
                let mut c = c.lock();
                let first = c.first + c.records.len() as u64;
                *c = Cpu { first, ..Cpu::default() };
            }
        }
    }
    pub fn resize(&self, _: Option<usize>, n: usize) -> Result<()> {
        self.state.lock().2 = n.max(2);
        Ok(())
    }
    pub fn subbufs(&self, _: usize) -> usize {
        self.state.lock().2
    }
    pub fn subbuf_size(&self) -> usize {
        4096
    }
    pub fn set_clock(&self, c: ClockId) -> Result<()> {
        self.state.lock().1 = c;
        self.reset(None);
        Ok(())
    }
    pub fn clock(&self) -> ClockId {
        self.state.lock().1
    }
    pub fn now(&self) -> u64 {
        self.clock().now()
    }
    pub fn stats(&self, cpu: usize) -> Stats {
        let c = self.cpus[cpu].lock();
        Stats {
            entries: c.records.len() as u64,
            overrun: c.overrun,
            bytes: c.records.iter().map(|r| r.1.len() as u64 + 4).sum(),
            oldest_ts: c.records.front().map_or(0, |r| r.0),
            now_ts: self.clock().now(),
            read: c.read,
            ..Stats::default()
        }
    }
    pub fn wake_all(&self) {}
    pub fn consumer(&self, cpu: usize) -> Consumer<'_> {
        Consumer(self.cpus[cpu].lock())
    }
}
pub struct Consumer<'a>(MutexGuard<'a, Cpu>);
impl Consumer<'_> {
    pub fn peek_time(&mut self) -> Option<u64> {
        self.0.records.front().map(|r| r.0)
    }
    pub fn take(&mut self) -> Option<Rec<'_>> {
        let c = &mut *self.0;
        c.taken = c.records.pop_front()?;
        c.first += 1;
        c.read += 1;
        let lost = core::mem::take(&mut c.lost);
        Some(Rec { ts: c.taken.0, lost, payload: &c.taken.1 })
    }
}
pub struct Iter {
    buffer: Arc<Buffer>,
    cpu: usize,
    at: u64,
    now: (u64, Vec<u8>),
}
impl Iter {
    pub fn new(buffer: &Arc<Buffer>, cpu: usize) -> Iter {
        Iter { buffer: buffer.clone(), cpu, at: 0, now: (0, Vec::new()) }
    }
    pub fn peek_time(&mut self) -> Option<u64> {
        let c = self.buffer.cpus[self.cpu].lock();
        self.at = self.at.max(c.first);
        c.records.get((self.at - c.first) as usize).map(|r| r.0)
    }
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Rec<'_>> {
        self.peek_time()?;
        {
            let c = self.buffer.cpus[self.cpu].lock();
            self.now = c.records.get((self.at.max(c.first) - c.first) as usize)?.clone();
        }
        self.at += 1;
        Some(Rec { ts: self.now.0, lost: 0, payload: &self.now.1 })
    }
}
pub fn header_page_text(subbuf_size: usize) -> String {
    format!(
        "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\tfield: char data;\toffset:16;\tsize:{};\tsigned:1;\n",
        subbuf_size - 16
    )
}
