//! Memory that pages are allocated from: an anonymous file, mapped as a whole, so that a page can also be mapped elsewhere.
//!
//! Order 0 to 3 go through lists that every CPU has of its own, filled from the zone and drained to it in batches, as the
//! kernel's per-CPU page lists are (Documentation/admin-guide/sysctl/vm.rst, `percpu_pagelist_high_fraction`).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::AtomicU32;

use parking_lot::Mutex;

use super::gfp::{Gfp, TYPES, Type};
use super::zone::{MAX_ORDER, Zone};
use crate::events::kmem::{
    trace_mm_page_alloc, trace_mm_page_alloc_extfrag, trace_mm_page_alloc_zone_locked,
    trace_mm_page_free, trace_mm_page_free_batched, trace_mm_page_pcpu_drain,
};
use crate::figures::MM;
use crate::machine::{atomically, this_cpu};

/// Bytes of a page of ours. Where the system's are larger, there is no such memory.
pub(super) const PAGE: usize = 4096;
/// Frames of the arena: 8 MiB.
pub(super) const FRAMES: u32 = 2 << MAX_ORDER;
/// The page behind them, of zeros, which is nobody's: what a program reads that it has not written.
pub(super) const ZERO_FRAME: u32 = FRAMES;
/// The largest block that CPUs keep.
const LISTED_ORDER: u32 = 3;
/// Pages moved at once between a CPU's lists and the zone.
const BATCH: u32 = 8;
/// Pages a CPU may keep.
const HIGH: u32 = 32;
/// Locks held where a block leaves or enters the zone: the lists' and the zone's.
const HELD: u8 = 2;

/// A block of 2^order pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block {
    pub frame: u32,
    pub order: u32,
}

/// What a CPU keeps, by type and order; the last one given back is the first to be used again.
struct Lists {
    frames: [[Vec<u32>; LISTED_ORDER as usize + 1]; TYPES],
    pages: u32,
}

impl Lists {
    fn new() -> Lists {
        // Never to grow: pages are also allocated in a signal handler.
        let list = || Vec::with_capacity((HIGH + BATCH) as usize);
        Lists {
            frames: std::array::from_fn(|_| std::array::from_fn(|_| list())),
            pages: 0,
        }
    }
}

/// The memory of one workload.
pub(super) struct Memory {
    base: *mut u8,
    file: OwnedFd,
    zone: Mutex<Zone>,
    cpus: Box<[Mutex<Lists>]>,
    /// How many address spaces share a page.
    users: Box<[AtomicU32]>,
}

// SAFETY: `base` is a mapping that lives as long as this; its pages are used by whoever they were allocated to.
unsafe impl Send for Memory {}
// SAFETY: as above; all else is atomic or behind a lock.
unsafe impl Sync for Memory {}

impl Memory {
    /// Memory for a machine of so many CPUs.
    pub fn new(cpus: usize) -> io::Result<Memory> {
        // SAFETY: no pointers.
        if unsafe { libc::sysconf(libc::_SC_PAGESIZE) } != PAGE as libc::c_long {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system's pages are not of 4096 bytes",
            ));
        }
        // SAFETY: a constant C string.
        let fd = unsafe { libc::memfd_create(c"utracefs-mm".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and nobody else has it.
        let file = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = FRAMES as usize * PAGE;
        // SAFETY: no pointers.
        if unsafe { libc::ftruncate(fd, (size + PAGE) as libc::off_t) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let base = map(fd, size)?;
        Ok(Memory {
            base,
            file,
            zone: Mutex::new(Zone::new(FRAMES)),
            cpus: (0..cpus).map(|_| Mutex::new(Lists::new())).collect(),
            users: (0..FRAMES).map(|_| AtomicU32::new(0)).collect(),
        })
    }

    /// Where a page lies in the file, to map it elsewhere.
    pub fn file(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Where it is mapped here.
    pub fn address(&self, frame: u32) -> *mut u8 {
        debug_assert!(frame < FRAMES);
        self.base.wrapping_add(frame as usize * PAGE)
    }

    /// The page that an address here is in.
    pub fn frame_of(&self, address: *const u8) -> u32 {
        ((address as usize - self.base as usize) / PAGE) as u32
    }

    /// The number that events show.
    pub fn pfn(&self, frame: u32) -> u64 {
        (self.base as usize / PAGE) as u64 + u64::from(frame)
    }

    /// How many address spaces share a page.
    pub fn users(&self, frame: u32) -> &AtomicU32 {
        &self.users[frame as usize]
    }

    /// A block of 2^`order` pages, or nothing if there is none.
    pub fn alloc(&self, order: u32, gfp: Gfp) -> Option<Block> {
        let kind = gfp.migratetype();
        let take = || match order {
            0..=LISTED_ORDER => self.take_listed(order, kind),
            _ => self.take(&mut self.zone.lock(), order, kind),
        };
        // What is missing may lie with other CPUs.
        let frame = take().or_else(|| {
            self.drain();
            take()
        });
        if let Some(frame) = frame {
            MM.pages_allocated.add(1 << order);
            if gfp.has(Gfp::ZERO) {
                // SAFETY: the block was handed to us: its bytes are in the mapping, and nobody else uses them.
                unsafe { self.address(frame).write_bytes(0, PAGE << order) };
            }
        }
        let pfn = frame.map_or(u64::MAX, |frame| self.pfn(frame));
        trace_mm_page_alloc(pfn, order, gfp.0, kind.number());
        Some(Block {
            frame: frame?,
            order,
        })
    }

    fn take_listed(&self, order: u32, kind: Type) -> Option<u32> {
        let mut lists = self.lists().lock();
        let list = &mut lists.frames[kind as usize][order as usize];
        if list.is_empty() {
            let mut zone = self.zone.lock();
            let wanted = (BATCH >> order).max(1);
            list.extend((0..wanted).map_while(|_| self.take(&mut zone, order, kind)));
            list.reverse();
            lists.pages += (lists.frames[kind as usize][order as usize].len() as u32) << order;
        }
        let frame = lists.frames[kind as usize][order as usize].pop()?;
        lists.pages -= 1 << order;
        Some(frame)
    }

    /// Takes a block from the zone.
    fn take(&self, zone: &mut Zone, order: u32, kind: Type) -> Option<u32> {
        let (frame, fallback) = zone.take(order, kind)?;
        atomically(HELD, || {
            if let Some(found) = fallback {
                trace_mm_page_alloc_extfrag(
                    self.pfn(found.frame),
                    order as i32,
                    found.order as i32,
                    kind.number(),
                    found.kind.number(),
                    found.change_ownership,
                );
            }
            let listed = order <= LISTED_ORDER;
            trace_mm_page_alloc_zone_locked(self.pfn(frame), order, kind.number(), listed);
        });
        Some(frame)
    }

    /// The lists of the CPU that the caller runs on.
    fn lists(&self) -> &Mutex<Lists> {
        &self.cpus[this_cpu().unwrap_or(0) % self.cpus.len()]
    }

    /// Gives a block back.
    pub fn free(&self, block: Block) {
        self.begin_free(block);
        self.end_free(block);
    }

    /// Gives single pages back, all together.
    pub fn free_all(&self, frames: &[u32]) {
        let blocks = || {
            frames.iter().map(|frame| Block {
                frame: *frame,
                order: 0,
            })
        };
        for block in blocks() {
            self.begin_free(block);
        }
        for block in blocks() {
            trace_mm_page_free_batched(self.pfn(block.frame));
            self.end_free(block);
        }
    }

    fn begin_free(&self, block: Block) {
        trace_mm_page_free(self.pfn(block.frame), block.order);
        MM.pages_freed.add(1 << block.order);
    }

    fn end_free(&self, Block { frame, order }: Block) {
        if order > LISTED_ORDER {
            return self.zone.lock().give(frame, order);
        }
        let mut lists = self.lists().lock();
        let kind = self.zone.lock().type_of(frame);
        lists.frames[kind as usize][order as usize].push(frame);
        lists.pages += 1 << order;
        if lists.pages >= HIGH {
            self.drain_lists(&mut lists, BATCH);
        }
    }

    /// Gives at least so many pages of a CPU's lists back to the zone: from all lists in turn, the one used last last.
    fn drain_lists(&self, lists: &mut Lists, mut pages: u32) {
        let mut zone = self.zone.lock();
        while pages > 0 && lists.pages > 0 {
            for kind in Type::ALL {
                for order in 0..=LISTED_ORDER {
                    let list = &mut lists.frames[kind as usize][order as usize];
                    if pages == 0 || list.is_empty() {
                        continue;
                    }
                    let frame = list.remove(0);
                    lists.pages -= 1 << order;
                    pages = pages.saturating_sub(1 << order);
                    zone.give(frame, order);
                    atomically(HELD, || {
                        trace_mm_page_pcpu_drain(self.pfn(frame), order, kind.number())
                    });
                }
            }
        }
    }

    /// Gives all pages that CPUs keep back to the zone.
    pub fn drain(&self) {
        for lists in &self.cpus {
            self.drain_lists(&mut lists.lock(), u32::MAX);
        }
    }

    /// Pages in the zone.
    #[cfg(test)]
    pub fn free_pages(&self) -> usize {
        self.zone.lock().free()
    }
}

/// Maps so many bytes of a file, at a multiple of the largest block's size: so the numbers of pages are multiples of what
/// their blocks have, as the kernel's are.
fn map(file: RawFd, size: usize) -> io::Result<*mut u8> {
    const ALIGN: usize = PAGE << MAX_ORDER;
    // SAFETY: a new mapping, where the system wants it; then, in the middle of it, that of the file, and what is left at
    // both ends goes.
    unsafe {
        let whole = libc::mmap(
            ptr::null_mut(),
            size + ALIGN,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        );
        if whole == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let before = (whole as usize).next_multiple_of(ALIGN) - whole as usize;
        let base = whole.byte_add(before);
        let mapped = libc::mmap(
            base,
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_FIXED,
            file,
            0,
        );
        if mapped == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            libc::munmap(whole, size + ALIGN);
            return Err(error);
        }
        if before > 0 {
            libc::munmap(whole, before);
        }
        if before < ALIGN {
            libc::munmap(base.byte_add(size), ALIGN - before);
        }
        Ok(base.cast())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`; whoever uses its pages keeps this alive.
        unsafe { libc::munmap(self.base.cast(), FRAMES as usize * PAGE) };
    }
}

/// Pages in the arena.
#[cfg(test)]
pub(super) const ALL: usize = FRAMES as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_memory_and_come_back() {
        let _alone = crate::testing::alone();
        let memory = Memory::new(2).unwrap();
        let blocks: Vec<Block> = (0..6)
            .map(|order| memory.alloc(order, Gfp::KERNEL.with(Gfp::ZERO)).unwrap())
            .collect();
        for block in &blocks {
            // SAFETY: the block's pages are ours.
            unsafe {
                let first = memory.address(block.frame);
                let last = first.add((PAGE << block.order) - 1);
                assert_eq!((first.read(), last.read()), (0, 0));
                first.write(1);
                last.write(2);
            }
            assert_eq!(memory.frame_of(memory.address(block.frame)), block.frame);
            assert!(memory.pfn(block.frame).is_multiple_of(1 << block.order));
        }
        blocks.iter().for_each(|block| memory.free(*block));
        memory.drain();
        assert_eq!(memory.free_pages(), ALL);
        // All of it, page by page; then there is no more.
        let all: Vec<u32> = std::iter::from_fn(|| memory.alloc(0, Gfp::HIGHUSER_MOVABLE))
            .map(|block| block.frame)
            .collect();
        assert_eq!(all.len(), ALL);
        assert_eq!(memory.alloc(0, Gfp::KERNEL), None);
        memory.free_all(&all);
        memory.drain();
        assert_eq!(memory.free_pages(), ALL);
    }
}
