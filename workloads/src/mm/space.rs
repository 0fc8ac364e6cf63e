//! The address space of a program: pages that it finds only when it touches them, shared with its children until one of
//! them writes.

use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::*};

use super::fault::{Fault, PART_PAGES, Window, as_program, prepare_thread};
use super::gfp::Gfp;
use super::memory::{Block, Memory, PAGE, ZERO_FRAME};
use super::slab::{Kind, Object, Slab};
#[cfg(target_arch = "x86_64")]
use crate::events::exceptions::trace_page_fault_user;
#[cfg(target_arch = "x86_64")]
use crate::events::flags::IRQS_OFF;
use crate::events::kmem::trace_rss_stat;
use crate::figures::MM;

/// Kind of memory that rss_stat speaks of: a program's own, of no file.
const ANON: i32 = 1;
/// In the table: the program may write.
const WRITABLE: u32 = 1 << 31;

/// A program's memory: `PART_PAGES` pages. One task uses it.
pub(super) struct Space {
    slab: Arc<Slab>,
    window: Arc<Window>,
    base: usize,
    /// What is mapped: 0 nothing, else the frame and 1, with `WRITABLE`.
    table: [AtomicU32; PART_PAGES],
    /// Pages of its own.
    rss: AtomicI64,
    /// Faults that it took.
    faults: AtomicU64,
    /// There was no memory for a page.
    starved: AtomicBool,
    _area: Object,
}

/// Bytes of a program's memory.
pub(super) const LEN: usize = PART_PAGES * PAGE;

impl Space {
    /// An empty space. `None`: too many are in use, or there is no memory.
    pub fn new(slab: &Arc<Slab>, window: &Arc<Window>) -> Option<Box<Space>> {
        let base = window.take()?;
        let Some(mut area) = slab.cached(Kind::VmArea, Gfp::KERNEL) else {
            window.give(base);
            return None;
        };
        // What the area is: where it begins and ends.
        area.bytes()[..8].copy_from_slice(&base.to_ne_bytes());
        area.bytes()[8..16].copy_from_slice(&(base + LEN).to_ne_bytes());
        Some(Box::new(Space {
            slab: slab.clone(),
            window: window.clone(),
            base,
            table: [const { AtomicU32::new(0) }; PART_PAGES],
            rss: AtomicI64::new(0),
            faults: AtomicU64::new(0),
            starved: AtomicBool::new(false),
            _area: area,
        }))
    }

    fn memory(&self) -> &Memory {
        &self.slab.memory
    }

    /// Whether it could not get a page that it wanted.
    pub fn starved(&self) -> bool {
        self.starved.load(Relaxed)
    }

    /// Faults that it took.
    pub fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }

    /// Reads the word at this byte, a multiple of 8.
    #[inline(never)]
    pub fn read(&self, at: usize) -> io::Result<u64> {
        let word = self.word(at)?;
        // SAFETY: within the part of the window that is this space's; what is not mapped there is mapped when it faults.
        Ok(as_program(self, || unsafe { word.read_volatile() }))
    }

    /// Writes it.
    #[inline(never)]
    pub fn write(&self, at: usize, value: u64) -> io::Result<()> {
        let word = self.word(at)?;
        // SAFETY: as in `read`; only this space's task uses it.
        as_program(self, || unsafe { word.write_volatile(value) });
        Ok(())
    }

    fn word(&self, at: usize) -> io::Result<*mut u64> {
        prepare_thread()?;
        if !at.is_multiple_of(8) || at >= LEN {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok((self.base + at) as *mut u64)
    }

    /// A child's memory: the same pages, which both may only read from now on.
    pub fn fork(&self) -> Option<Box<Space>> {
        let child = Space::new(&self.slab, &self.window)?;
        let mut shared = 0;
        for (page, entry) in self.table.iter().enumerate() {
            let frame = match entry.load(Relaxed) {
                0 => continue,
                entry => (entry & !WRITABLE) - 1,
            };
            if frame != ZERO_FRAME {
                self.memory().users(frame).fetch_add(1, Relaxed);
                shared += 1;
            }
            let mapped = self.protect(page) && child.map(page, frame, false);
            if !mapped {
                child.starved.store(true, Relaxed);
            }
            entry.fetch_and(!WRITABLE, Relaxed);
            child.table[page].store(frame + 1, Relaxed);
        }
        child.add_rss(shared, false);
        Some(child)
    }

    fn add_rss(&self, pages: i64, curr: bool) {
        if pages != 0 {
            let now = self.rss.fetch_add(pages, Relaxed) + pages;
            trace_rss_stat(self.id(), curr, ANON, now * PAGE as i64);
        }
    }

    /// What rss_stat calls it: made from its address.
    fn id(&self) -> u32 {
        (ptr::from_ref(self) as usize >> 4) as u32
    }

    /// Answers a fault, in the signal's handler. `false`: it cannot.
    pub fn fault(&self, fault: Fault) -> bool {
        let Some(offset) = fault.address.checked_sub(self.base).filter(|o| *o < LEN) else {
            return false;
        };
        self.faults.fetch_add(1, Relaxed);
        MM.faults.add(1);
        #[cfg(target_arch = "x86_64")]
        {
            // The processor has switched interrupts off.
            let current = utracefs::base::task::current();
            let (flags, depth) = ((current.head() >> 16) as u8, (current.head() >> 24) as u8);
            current.set_flags(flags | IRQS_OFF, depth);
            trace_page_fault_user(fault.address as u64, fault.ip, fault.error_code);
            current.set_flags(flags, depth);
        }
        if self.answer(offset / PAGE, fault.write) {
            return true;
        }
        // There is no page. Linux ends a program for that; this one is told at its end, and goes on with memory that is
        // nobody else's.
        self.starved.store(true, Relaxed);
        // SAFETY: this space's own part of the window.
        unsafe {
            libc::mmap(
                (self.base + offset / PAGE * PAGE) as *mut _,
                PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            ) != libc::MAP_FAILED
        }
    }

    fn answer(&self, page: usize, write: bool) -> bool {
        let memory = self.memory();
        let entry = self.table[page].load(Relaxed);
        let frame = (entry & !WRITABLE).checked_sub(1);
        let set = |frame: u32, write: bool| {
            let bits = if write { WRITABLE } else { 0 };
            self.table[page].store((frame + 1) | bits, Relaxed);
            self.map(page, frame, write)
        };
        match frame {
            // Answered already: by somebody else, or the system was slow to tell.
            Some(frame) if !write || entry & WRITABLE != 0 => set(frame, entry & WRITABLE != 0),
            None if !write => set(ZERO_FRAME, false),
            None | Some(ZERO_FRAME) => {
                let gfp = Gfp::HIGHUSER_MOVABLE.with(Gfp::ZERO);
                let Some(new) = memory.alloc(0, gfp) else {
                    return false;
                };
                memory.users(new.frame).store(1, Relaxed);
                self.add_rss(1, true);
                set(new.frame, true)
            }
            // The others have their own by now.
            Some(frame) if memory.users(frame).load(Acquire) == 1 => set(frame, true),
            Some(frame) => {
                let Some(new) = memory.alloc(0, Gfp::HIGHUSER_MOVABLE) else {
                    return false;
                };
                memory.users(new.frame).store(1, Relaxed);
                // SAFETY: both are pages of the arena; the new one is ours alone, the old one is only read by all.
                unsafe {
                    ptr::copy_nonoverlapping(memory.address(frame), memory.address(new.frame), PAGE)
                };
                let done = set(new.frame, true);
                self.put(frame);
                done
            }
        }
    }

    /// Maps a page; at once, so that the next fault is not about its absence.
    fn map(&self, page: usize, frame: u32, write: bool) -> bool {
        let access = if write {
            libc::PROT_READ | libc::PROT_WRITE
        } else {
            libc::PROT_READ
        };
        // SAFETY: this space's own part of the window.
        let mapped = unsafe {
            libc::mmap(
                (self.base + page * PAGE) as *mut _,
                PAGE,
                access,
                libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_POPULATE,
                self.memory().file(),
                (frame as usize * PAGE) as libc::off_t,
            )
        };
        mapped != libc::MAP_FAILED
    }

    /// Takes the right to write away.
    fn protect(&self, page: usize) -> bool {
        let at = (self.base + page * PAGE) as *mut _;
        // SAFETY: this space's own part of the window.
        unsafe { libc::mprotect(at, PAGE, libc::PROT_READ) == 0 }
    }

    /// Lets go of a page; its last user gives it back.
    fn put(&self, frame: u32) {
        if self.memory().users(frame).fetch_sub(1, AcqRel) == 1 {
            self.memory().free(Block { frame, order: 0 });
        }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // SAFETY: this space's own part of the window, which nobody uses any more.
        let unmapped = unsafe {
            libc::mmap(
                self.base as *mut _,
                LEN,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        if unmapped == libc::MAP_FAILED {
            log::error!(
                "a program's memory stays mapped: {}",
                io::Error::last_os_error()
            );
            return;
        }
        let mut own = 0;
        let last: Vec<u32> = self
            .table
            .iter()
            .filter_map(|entry| (entry.load(Relaxed) & !WRITABLE).checked_sub(1))
            .filter(|frame| *frame != ZERO_FRAME)
            .inspect(|_| own += 1)
            .filter(|frame| self.memory().users(*frame).fetch_sub(1, AcqRel) == 1)
            .collect();
        self.memory().free_all(&last);
        self.add_rss(-own, false);
        self.window.give(self.base);
    }
}
