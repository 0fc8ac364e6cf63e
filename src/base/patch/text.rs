//! Writes the sites of a batch while other threads run through them.
//!
//! In place: the first byte of every site becomes one that holds threads off the rest; when every core knows, the
//! remaining bytes follow; when every core knows them, the first bytes. "Knows" is membarrier(2) with `SYNC_CORE`. It is
//! what Linux does to its own text (arch/x86/kernel/alternative.c, facts only), with the same first byte, a breakpoint:
//! the processor makers promise that any core may run into one that another has just written (Intel SDM 3A, 10.1.3;
//! AMD APM 2, 7.6.1). Writing goes through /proc/self/mem, which leaves the page's protection and its file mapping alone,
//! so uprobes and debuggers keep working.
//!
//! Elsewhere pages are replaced by changed copies, which needs nothing of the system, but loses uprobes in the page.

use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;

use super::code::{LEN, Site, code_at};
use super::lock::{Held, lock};
use super::trap;
use crate::base::membarrier;

/// How sites are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Way {
    /// In place, threads held off by a breakpoint, which a handler of SIGTRAP answers.
    Breakpoint = 1,
    /// In place, threads held off by `test eax, imm32` in the nop's or jump's place: as long as they are, without
    /// effect but on the flags, with whatever the other four bytes are at the moment. For where a breakpoint would
    /// kill or disturb: a thread blocks SIGTRAP, another handler took its place, a tracer is attached.
    Quiet = 2,
    /// Pages are replaced by changed copies.
    Pages = 3,
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

static WANTED: AtomicU8 = AtomicU8::new(UNKNOWN);
static IN_PLACE_WORKS: AtomicU8 = AtomicU8::new(UNKNOWN);

const INT3: u8 = 0xcc;
const TEST_EAX: u8 = 0xa9;

/// From now on sites are written this way, or (`None`) the way that suits the moment. For tests and experiments: a
/// breakpoint that meets a thread which blocks SIGTRAP ends the process.
pub fn set_way(way: Option<Way>) {
    WANTED.store(way.map_or(UNKNOWN, |w| w as u8), Relaxed);
}

/// How a batch committed now would be written.
pub fn way() -> Way {
    choose(&lock())
}

fn choose(lock: &Held) -> Way {
    match WANTED.load(Relaxed) {
        1 => Way::Breakpoint,
        2 => Way::Quiet,
        3 => Way::Pages,
        _ if !in_place_works(lock) => Way::Pages,
        _ if trap::is_ready(lock) && !a_thread_minds_traps() => Way::Breakpoint,
        _ => Way::Quiet,
    }
}

/// Whether the system lets us write code through /proc/self/mem (the kernel may be built or booted without) and
/// synchronise the cores. Found out once.
fn in_place_works(_lock: &Held) -> bool {
    if IN_PLACE_WORKS.load(Relaxed) == UNKNOWN {
        let own = in_place_works as *const () as usize;
        // the byte that is there anyway
        let works = Memory::open().is_some_and(|m| m.put(own, &code_at(own)[..1]))
            && membarrier::sync_core();
        IN_PLACE_WORKS.store(if works { YES } else { NO }, Relaxed);
    }
    IN_PLACE_WORKS.load(Relaxed) == YES
}

/// This process's memory as a file. Opened for each batch: a forked child's copy of an older one would still be its
/// parent's memory.
struct Memory(File);

impl Memory {
    fn open() -> Option<Memory> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/self/mem")
            .ok()
            .map(Memory)
    }

    fn put(&self, at: usize, bytes: &[u8]) -> bool {
        self.0.write_all_at(bytes, at as u64).is_ok()
    }
}

/// Writes all sites, which are sorted and differ from what is there. False: refused, all as before.
pub(super) fn write(sites: &[Site], lock: &Held) -> bool {
    let hold = match choose(lock) {
        Way::Breakpoint if trap::is_ready(lock) => INT3,
        Way::Breakpoint | Way::Quiet => TEST_EAX,
        Way::Pages => return write_pages(sites),
    };
    if hold == INT3 {
        trap::expect(true);
    }
    let written = write_in_place(sites, hold) || write_pages(sites);
    if hold == INT3 {
        trap::expect(false);
    }
    written
}

fn write_in_place(sites: &[Site], hold: u8) -> bool {
    let Some(memory) = Memory::open() else {
        return false;
    };
    if !membarrier::sync_core() {
        return false;
    }
    let old: Vec<u8> = sites.iter().map(|s| code_at(s.at)[0]).collect();
    if let Some(refused) = sites.iter().position(|s| !memory.put(s.at, &[hold])) {
        for (site, old) in sites.iter().zip(old).take(refused) {
            memory.put(site.at, &[old]);
        }
        membarrier::sync_core();
        return false;
    }
    membarrier::sync_core();
    // What could be held can be written. Should it not, threads stay held off until the pages are replaced.
    let tails = sites.iter().all(|s| memory.put(s.at + 1, &s.code[1..]));
    membarrier::sync_core();
    let heads = tails && sites.iter().all(|s| memory.put(s.at, &s.code[..1]));
    membarrier::sync_core();
    heads
}

/// Replaces the pages of all sites. Pages that follow each other go together, so that a site may lie on two.
fn write_pages(sites: &[Site]) -> bool {
    // SAFETY: asks for a number
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let first_page = |s: &Site| s.at & !(size - 1);
    let end = |s: &Site| (s.at + LEN).next_multiple_of(size);
    let mut rest = sites;
    let mut all = true;
    while let Some(first) = rest.first() {
        let mut to = end(first);
        let mut count = 1;
        while let Some(site) = rest.get(count).filter(|s| first_page(s) <= to) {
            to = end(site);
            count += 1;
        }
        all &= replace(first_page(first), to, &rest[..count]);
        rest = &rest[count..];
    }
    membarrier::sync_core();
    all
}

fn replace(from: usize, to: usize, sites: &[Site]) -> bool {
    let len = to - from;
    // SAFETY: a new mapping gets a copy of the pages, which hold code of this program and can be read, and is moved to
    // their place. A thread that fetches from there meanwhile faults and waits until the copy is in place (mremap(2)
    // holds the address space's lock); unmapping the old pages interrupts every core that runs this process. Whoever
    // else rewrites code does so under the lock that our caller holds.
    unsafe {
        let (private, writable) = (
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            libc::PROT_READ | libc::PROT_WRITE,
        );
        let copy = libc::mmap(ptr::null_mut(), len, writable, private, -1, 0);
        if copy == libc::MAP_FAILED {
            return false;
        }
        ptr::copy_nonoverlapping(from as *const u8, copy.cast::<u8>(), len);
        for site in sites {
            ptr::copy_nonoverlapping(
                site.code.as_ptr(),
                copy.cast::<u8>().add(site.at - from),
                LEN,
            );
        }
        let moved = libc::mprotect(copy, len, libc::PROT_READ | libc::PROT_EXEC) == 0
            && libc::mremap(
                copy,
                len,
                len,
                libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                from,
            ) != libc::MAP_FAILED;
        if !moved {
            libc::munmap(copy, len);
        }
        moved
    }
}

/// Whether a breakpoint would hit a thread that blocks SIGTRAP, which the kernel answers by ending the process, or would
/// be reported to a tracer. What cannot be found out counts as yes.
///
/// A thread that begins to block SIGTRAP between this look and the end of the batch, and runs through a site within
/// these microseconds, is not seen.
fn a_thread_minds_traps() -> bool {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return true;
    };
    for thread in threads {
        let Ok(thread) = thread else { return true };
        // a thread that ended meanwhile minds nothing
        let Ok(mut status) = File::open(thread.path().join("status")) else {
            continue;
        };
        let mut text = [0; 4096];
        let Ok(len) = status.read(&mut text) else {
            continue;
        };
        if minds_traps(&text[..len]) {
            return true;
        }
    }
    false
}

/// The same of one thread's status file (proc_pid_status(5)).
fn minds_traps(status: &[u8]) -> bool {
    let field = |name: &str| {
        let mut lines = status.split(|&b| b == b'\n');
        let text =
            core::str::from_utf8(lines.find_map(|l| l.strip_prefix(name.as_bytes()))?).ok()?;
        u64::from_str_radix(text.trim(), 16).ok()
    };
    let blocks = |mask: u64| mask >> (libc::SIGTRAP - 1) & 1 == 1;
    field("TracerPid:").is_none_or(|pid| pid != 0) || field("SigBlk:").is_none_or(blocks)
}

#[cfg(test)]
mod tests {
    use super::minds_traps;

    #[test]
    fn status() {
        #[track_caller]
        fn check(status: &str, expected: bool) {
            assert_eq!(minds_traps(status.as_bytes()), expected, "{status:?}");
        }
        check(
            "Name:\tx\nTracerPid:\t0\nSigBlk:\t0000000000000000\n",
            false,
        );
        check("Name:\tx\nTracerPid:\t0\nSigBlk:\tfffffffffffffffe\n", true);
        check(
            "TracerPid:\t0\nShdPnd:\t0000000000000010\nSigBlk:\t0000000000000010\n",
            true,
        );
        check(
            "TracerPid:\t0\nSigBlk:\t000000000000000f\nSigIgn:\t0000000000000010\n",
            false,
        );
        check("TracerPid:\t4711\nSigBlk:\t0000000000000000\n", true);
        check("TracerPid:\t0\n", true);
        check("SigBlk:\t0000000000000000\n", true);
        check("TracerPid:\t0\nSigBlk:\tnonsense\n", true);
        check("", true);
    }
}
