//! The words of one CPU's ring: the control block, and a mark beside each page.
//!
//! Pages are numbered as they are written; page `no` lies in slot `no % slots`. `head` is the number of the oldest
//! unread page. Whoever moves it from n to n + 1 decides page n's fate: the reader after it has copied the page, or a
//! writer that needs the slot (overwrite mode).
//!
//! Written by sequences, a page's commit word is, while the page is in the ring,
//! `parity << 63 | entries << 32 | bytes`: one store commits an entry, its count and (by the parity, which says which of
//! `last` holds) the time of the last entry. `cur` is the offset of the page being written; storing it is the commit of
//! a change of page. Beside each page stands its number and how many entries came before it, so that a reader knows by
//! subtraction how many it missed.
//!
//! Written by reservation, `state` holds what is reserved so far. A page ends by being sealed; from then on whoever
//! comes by may publish its mark (the sealed word, and the entries before it) and go on to the next page, so that
//! nobody waits for anybody. Per slot a count of committed bytes grows by the whole page with every lap: while it lags,
//! somebody still writes there.

use core::ptr::NonNull;

use super::page::PAGE_HEADER;
use super::state::NUMBER;
use crate::base::clock::Scale;
use crate::base::error::Result;
#[cfg(not(loom))]
use crate::base::error::{Errno, Error};
use crate::base::sync::{AtomicU64, Ordering};

/// Bytes of the control block and its alignment: the marks follow it, then the pages, which begin at a page.
pub(super) const CONTROL: usize = 4096;
/// What [`Control::hint`] counts slots in: the size of their marks.
const MARK: u64 = 32;

/// The first words are the sequences': they write them without any lock, one CPU at a time.
#[repr(C, align(128))]
pub(super) struct Control {
    /// Offset of the page being written. Stored by sequences.
    pub(super) cur: AtomicU64,
    /// Time of the last entry, in the place that the parity names. Stored by sequences.
    pub(super) last: [AtomicU64; 2],
    /// The clock, where a sequence reads it: `(tsc * mult >> 32) + offset`.
    pub(super) mult: u64,
    pub(super) offset: u64,
    /// Bytes of entries that a page holds.
    pub(super) data: u64,
    /// Binary logarithm of the size of a page.
    pub(super) shift: u64,
    /// Pages of the ring; 0: nobody may write here.
    pub(super) slots: u64,
    /// Offset of the marks.
    pub(super) metas: u64,
    /// Offset of the pages.
    pub(super) pages: u64,
    /// Not 0: written by reservation, not by sequences.
    pub(super) reserved: u64,
    /// Unread pages that there may be, the one being written included. Stored by readers.
    pub(super) room: AtomicU64,
    /// Not 0: where there is no room the oldest page is given up. Stored by readers.
    pub(super) overwrite: AtomicU64,
    /// Entries that were refused. Stored by writers.
    pub(super) dropped: AtomicU64,
    /// Number of the oldest unread page. Moved by readers and writers.
    pub(super) head: Line<AtomicU64>,
    /// What is reserved, and the time of the last entry. Moved by writers.
    pub(super) state: Line<Pair>,
    /// Entries that found no page because others had not finished with theirs. Stored by writers.
    pub(super) stuck: AtomicU64,
    /// `no << 34 | slot * 32` of a page, mostly the one being written: spares writers a division. Compares with `state`.
    pub(super) hint: AtomicU64,
    #[cfg(loom)]
    loom_metas: alloc::vec::Vec<Meta>,
    #[cfg(loom)]
    loom_pages: alloc::vec::Vec<alloc::vec::Vec<crate::base::sync::AtomicU32>>,
}

#[cfg(not(loom))]
impl Control {
    /// Of a ring without pages whose `cur` is `page`.
    pub(super) const fn off(page: u64) -> Control {
        Control {
            cur: AtomicU64::new(page),
            last: [const { AtomicU64::new(0) }; 2],
            mult: 0,
            offset: 0,
            data: 0,
            shift: 0,
            slots: 0,
            metas: 0,
            pages: 0,
            reserved: 0,
            room: AtomicU64::new(0),
            overwrite: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            head: Line(AtomicU64::new(0)),
            state: Line(Pair {
                low: AtomicU64::new(0),
                high: AtomicU64::new(0),
                #[cfg(not(all(target_arch = "x86_64", not(miri))))]
                busy: crate::base::sync::AtomicBool::new(false),
            }),
            stuck: AtomicU64::new(0),
            hint: AtomicU64::new(0),
        }
    }
}

/// Alone in its two cache lines.
#[repr(C, align(128))]
pub(super) struct Line<T>(pub(super) T);

/// The mark of a slot.
#[repr(C, align(32))]
pub(super) struct Meta {
    /// By sequences: number of the page, entries before it. By reservation: the sealed state of the slot's last page,
    /// entries before it; both change at once.
    pub(super) page: Pair,
    /// By reservation: bytes committed over all laps, each of which comes to `Control::data`.
    pub(super) commit: AtomicU64,
    /// Offset of the slot's page. Does not change.
    pub(super) at: u64,
}

/// Two words that change together.
#[repr(C, align(16))]
pub(super) struct Pair {
    pub(super) low: AtomicU64,
    pub(super) high: AtomicU64,
    #[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
    busy: crate::base::sync::AtomicBool,
}

impl Pair {
    #[cfg(loom)]
    fn new() -> Pair {
        Pair {
            low: AtomicU64::new(0),
            high: AtomicU64::new(0),
            busy: crate::base::sync::AtomicBool::new(false),
        }
    }

    /// Both words, the low one first. They may come from two moments: only [`swap`](Self::swap) can tell.
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    #[inline(always)]
    pub(super) fn load(&self) -> (u64, u64) {
        (
            self.low.load(Ordering::Acquire),
            self.high.load(Ordering::Acquire),
        )
    }

    /// Both words of one moment, for pairs whose low word changes whenever the high one does and does not come back.
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    pub(super) fn snapshot(&self) -> (u64, u64) {
        loop {
            let pair = self.load();
            if self.low.load(Ordering::Acquire) == pair.0 {
                return pair;
            }
            relax();
        }
    }

    /// Compares with `old` and stores `new`, with one locked instruction; whether it was `old`.
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    #[inline(always)]
    pub(super) fn swap(&self, old: (u64, u64), new: (u64, u64)) -> bool {
        let ok: u64;
        // SAFETY: 16 aligned bytes. rbx cannot be an operand, but may be handed out as one: so every operand is named.
        unsafe {
            core::arch::asm!(
                "xchg rsi, rbx",
                "lock cmpxchg16b [rdi]",
                "mov rbx, rsi",
                "sete sil",
                inout("rsi") new.0 => ok, in("rdi") self, inout("rax") old.0 => _, inout("rdx") old.1 => _,
                in("rcx") new.1, options(nostack),
            );
        }
        ok as u8 != 0
    }
}

/// Where there is no such instruction: the pair has a lock.
#[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
impl Pair {
    fn locked<T>(&self, f: impl FnOnce() -> T) -> T {
        while self
            .busy
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            relax();
        }
        let result = f();
        self.busy.store(false, Ordering::Release);
        result
    }

    pub(super) fn load(&self) -> (u64, u64) {
        self.locked(|| {
            (
                self.low.load(Ordering::Relaxed),
                self.high.load(Ordering::Relaxed),
            )
        })
    }

    pub(super) fn snapshot(&self) -> (u64, u64) {
        self.load()
    }

    pub(super) fn swap(&self, old: (u64, u64), new: (u64, u64)) -> bool {
        self.locked(|| {
            let same = (
                self.low.load(Ordering::Relaxed),
                self.high.load(Ordering::Relaxed),
            ) == old;
            if same {
                self.low.store(new.0, Ordering::Relaxed);
                self.high.store(new.1, Ordering::Relaxed);
            }
            same
        })
    }
}

/// Lets another thread go on; to the model checker this says that only it can.
#[inline]
pub(super) fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    core::hint::spin_loop();
}

/// Sizes and modes of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Pages.
    pub(super) slots: usize,
    /// Bytes of a page.
    pub(super) size: usize,
    pub(super) overwrite: bool,
    /// Written by reservation, not by sequences.
    pub(super) reserved: bool,
    /// How sequences read the clock.
    pub(super) scale: Scale,
    /// Time of the first page.
    pub(super) now: u64,
}

/// Where a ring lies. Only good while its [`Ring`] lives.
#[derive(Clone, Copy)]
pub(super) struct View(NonNull<Control>);

/// A ring and its memory.
pub(super) struct Ring {
    #[cfg(not(loom))]
    _memory: super::memory::Memory,
    view: View,
}

// SAFETY: what a view leads to is atomics and bytes that are only reached as the module's comment says
unsafe impl Send for Ring {}

impl core::ops::Deref for Ring {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Ring {
    /// A new ring, empty, before its first page. More memory than there is: `ENOMEM`.
    #[cfg(not(loom))]
    pub(super) fn new(shape: &Shape) -> Result<Ring> {
        let too_big = Error::new(Errno::ENOMEM);
        let metas = shape
            .slots
            .checked_mul(size_of::<Meta>())
            .ok_or(too_big.clone())?;
        let metas = metas
            .checked_next_multiple_of(CONTROL)
            .ok_or(too_big.clone())?;
        let pages = shape
            .slots
            .checked_mul(shape.size)
            .filter(|p| *p < isize::MAX as usize / 2)
            .ok_or(too_big)?;
        let memory = super::memory::Memory::new(CONTROL + metas + pages)?;
        let at = memory.start().cast::<Control>();
        // SAFETY: zeroed memory of our own that is aligned to 4 KiB and long enough; zero is valid for all of `Control`
        unsafe {
            (*at).mult = shape.scale.mult;
            (*at).offset = shape.scale.offset;
            (*at).data = (shape.size - PAGE_HEADER) as u64;
            (*at).shift = u64::from(shape.size.trailing_zeros());
            (*at).slots = shape.slots as u64;
            (*at).metas = CONTROL as u64;
            (*at).pages = (CONTROL + metas) as u64;
            (*at).reserved = u64::from(shape.reserved);
            let marks = at.cast::<u8>().add(CONTROL).cast::<Meta>();
            for slot in 0..shape.slots {
                (*marks.add(slot)).at = (CONTROL + metas + slot * shape.size) as u64;
            }
        }
        let view = View(NonNull::new(at).ok_or(Error::new(Errno::ENOMEM))?);
        let ring = Ring {
            _memory: memory,
            view,
        };
        ring.begin(shape);
        Ok(ring)
    }

    /// The same with words that the model checker watches.
    #[cfg(loom)]
    pub(super) fn new(shape: &Shape) -> Result<Ring> {
        use alloc::boxed::Box;
        let zero = || AtomicU64::new(0);
        let meta = |_| Meta {
            page: Pair::new(),
            commit: zero(),
            at: 0,
        };
        let word = |_| crate::base::sync::AtomicU32::new(0);
        let control = Box::new(Control {
            cur: zero(),
            last: [zero(), zero()],
            mult: shape.scale.mult,
            offset: shape.scale.offset,
            data: (shape.size - PAGE_HEADER) as u64,
            shift: 0,
            slots: shape.slots as u64,
            metas: 0,
            pages: CONTROL as u64,
            reserved: 1,
            room: zero(),
            overwrite: zero(),
            dropped: zero(),
            head: Line(zero()),
            state: Line(Pair::new()),
            stuck: zero(),
            hint: zero(),
            loom_metas: (0..shape.slots).map(meta).collect(),
            loom_pages: (0..shape.slots)
                .map(|_| (0..shape.size / 4).map(word).collect())
                .collect(),
        });
        let ring = Ring {
            view: View(NonNull::from(Box::leak(control))),
        };
        ring.begin(shape);
        Ok(ring)
    }

    /// What both ways start from: page 0 in slot 0, empty.
    fn begin(&self, shape: &Shape) {
        let control = self.control();
        control.cur.store(control.pages, Ordering::Relaxed);
        control
            .last
            .iter()
            .for_each(|l| l.store(shape.now, Ordering::Relaxed));
        control.state.0.high.store(shape.now, Ordering::Relaxed);
        control
            .overwrite
            .store(u64::from(shape.overwrite), Ordering::Relaxed);
        control.room.store(shape.slots as u64, Ordering::Relaxed);
        self.stamp(0, shape.now);
    }
}

#[cfg(loom)]
impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: leaked by `new`
        drop(unsafe { alloc::boxed::Box::from_raw(self.view.0.as_ptr()) });
    }
}

impl View {
    /// The ring whose control block lies there.
    ///
    /// # Safety
    /// It is that of a [`Ring`], which lives as long as the view is used.
    pub(super) unsafe fn at(control: NonNull<Control>) -> View {
        View(control)
    }

    /// What the table of CPUs points at.
    pub(super) fn pointer(self) -> *mut Control {
        self.0.as_ptr()
    }

    #[inline(always)]
    pub(super) fn control(&self) -> &Control {
        // SAFETY: the view is only used while the ring lives; fields that change are atomics
        unsafe { self.0.as_ref() }
    }

    /// Pages.
    #[inline(always)]
    pub(super) fn slots(&self) -> u64 {
        self.control().slots
    }

    /// The slot of a page.
    pub(super) fn slot(&self, no: u64) -> u64 {
        no % self.slots()
    }

    /// The same for the page being written, mostly without dividing.
    #[inline(always)]
    pub(super) fn current_slot(&self, no: u64) -> u64 {
        let hint = self.control().hint.load(Ordering::Relaxed);
        if (hint ^ (no << NUMBER)) >> NUMBER == 0 {
            (hint & ((1 << NUMBER) - 1)) / MARK
        } else {
            self.new_slot(no)
        }
    }

    /// The slot of a page that is mostly the one being written from now on.
    #[cold]
    pub(super) fn new_slot(&self, no: u64) -> u64 {
        let slot = self.slot(no);
        // a ring of more pages than that (512 GiB) goes without
        if slot < 1 << 27 {
            let hint = (no << NUMBER) | (slot * MARK);
            self.control().hint.store(hint, Ordering::Relaxed);
        }
        slot
    }

    /// The mark of the slot of page `no`.
    pub(super) fn meta(&self, no: u64) -> &Meta {
        self.meta_at(self.slot(no))
    }

    /// Bytes of entries in a page.
    #[inline(always)]
    pub(super) fn data(&self) -> usize {
        self.control().data as usize
    }

    /// Bytes of a page.
    pub(super) fn size(&self) -> usize {
        self.data() + PAGE_HEADER
    }
}

#[cfg(not(loom))]
impl View {
    /// The mark of a slot.
    #[inline(always)]
    pub(super) fn meta_at(&self, slot: u64) -> &Meta {
        debug_assert!(slot < self.slots());
        let at = CONTROL + slot as usize * size_of::<Meta>();
        // SAFETY: `slots` marks lie there, all of them atomics
        unsafe { &*self.0.as_ptr().cast::<u8>().add(at).cast::<Meta>() }
    }

    #[inline(always)]
    fn page_at(&self, slot: u64) -> *mut u8 {
        debug_assert!(slot < self.slots());
        // SAFETY: `slots` pages lie there
        unsafe {
            self.0
                .as_ptr()
                .cast::<u8>()
                .add(self.meta_at(slot).at as usize)
        }
    }

    /// The commit word of the page in a slot.
    #[inline(always)]
    pub(super) fn commit_word(&self, slot: u64) -> &AtomicU64 {
        // SAFETY: an aligned word of the page, only used as an atomic
        unsafe { &*self.page_at(slot).add(8).cast::<AtomicU64>() }
    }

    /// Writes the time stamp of the page in a slot, which the caller has entered.
    #[inline(always)]
    pub(super) fn stamp(&self, slot: u64, ts: u64) {
        // SAFETY: an aligned word of the page; readers discard what they copied while it may change
        unsafe { self.page_at(slot).cast::<u64>().write_volatile(ts) };
    }

    /// Writes entries of the page in a slot from byte `at` on, a place that the caller has reserved.
    ///
    /// # Safety
    /// `from` is good for reads of `len` bytes, `at + len` is within the page's data; both are multiples of 4.
    #[inline(always)]
    pub(super) unsafe fn put(&self, slot: u64, at: usize, from: *const u8, len: usize) {
        debug_assert!(at + len <= self.data() && len.is_multiple_of(4));
        // SAFETY: the caller's promise
        unsafe { racing::write(from, self.page_at(slot).add(PAGE_HEADER + at), len) };
    }

    /// Copies the time stamp, and entries from byte `at` on behind the header, while others may write there. What came
    /// out is good only if the page still belongs to the reader afterwards.
    pub(super) fn copy_out(&self, no: u64, at: usize, out: &mut [u8], len: usize) {
        assert!(at + len <= self.data() && PAGE_HEADER + len <= out.len());
        let page = self.page_at(self.slot(no));
        // SAFETY: both ranges were checked
        unsafe {
            racing::read(page, out.as_mut_ptr(), 8);
            racing::read(
                page.add(PAGE_HEADER + at),
                out.as_mut_ptr().add(PAGE_HEADER),
                len,
            );
        }
        crate::base::sync::fence(Ordering::Acquire);
    }
}

#[cfg(loom)]
impl View {
    pub(super) fn meta_at(&self, slot: u64) -> &Meta {
        &self.control().loom_metas[slot as usize]
    }

    fn word(&self, slot: u64, byte: usize) -> &crate::base::sync::AtomicU32 {
        &self.control().loom_pages[slot as usize][byte / 4]
    }

    pub(super) fn stamp(&self, slot: u64, ts: u64) {
        self.word(slot, 0).store(ts as u32, Ordering::Relaxed);
        self.word(slot, 4)
            .store((ts >> 32) as u32, Ordering::Relaxed);
    }

    pub(super) unsafe fn put(&self, slot: u64, at: usize, from: *const u8, len: usize) {
        for byte in (0..len).step_by(4) {
            // SAFETY: the caller's promise
            let word = unsafe { from.add(byte).cast::<u32>().read_unaligned() };
            self.word(slot, PAGE_HEADER + at + byte)
                .store(word, Ordering::Relaxed);
        }
    }

    pub(super) fn copy_out(&self, no: u64, at: usize, out: &mut [u8], len: usize) {
        let mut copy = |from: usize, to: usize| {
            let word = self.word(self.slot(no), from).load(Ordering::Relaxed);
            out[to..to + 4].copy_from_slice(&word.to_ne_bytes());
        };
        (0..8).step_by(4).for_each(|b| copy(b, b));
        (0..len)
            .step_by(4)
            .for_each(|b| copy(PAGE_HEADER + at + b, PAGE_HEADER + b));
        crate::base::sync::fence(Ordering::Acquire);
    }
}

/// Copies between memory that others read or write at the same time. What is torn is thrown away by its reader, but the
/// compiler must not reason about it.
#[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
mod racing {
    use core::arch::asm;

    /// Reads from where others write.
    ///
    /// # Safety
    /// `from` is good for reads and `to` for writes of `len` bytes; they do not overlap.
    #[inline(always)]
    pub(super) unsafe fn read(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: the caller's promise; the direction flag is clear by the ABI
        unsafe {
            asm!("rep movsb", inout("rcx") len => _, inout("rsi") from => _, inout("rdi") to => _,
                options(nostack, preserves_flags));
        }
    }

    /// Writes to where others read; mostly little.
    ///
    /// # Safety
    /// As above; a multiple of 4.
    #[inline(always)]
    pub(super) unsafe fn write(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: the caller's promise; the last step goes back from the end where it is not a whole one
        unsafe {
            if let Some(rest) = len.checked_sub(16) {
                asm!(
                    "2: movups {x}, [{from} + {i}]",
                    "movups [{to} + {i}], {x}",
                    "add {i}, 16",
                    "cmp {i}, {rest}",
                    "jb 2b",
                    "movups {x}, [{from} + {rest}]",
                    "movups [{to} + {rest}], {x}",
                    x = out(xmm_reg) _, i = inout(reg) 0usize => _, from = in(reg) from, to = in(reg) to,
                    rest = in(reg) rest, options(nostack),
                );
                return;
            }
            for at in (0..len).step_by(4) {
                to.add(at)
                    .cast::<u32>()
                    .write_volatile(from.add(at).cast::<u32>().read_unaligned());
            }
        }
    }
}

#[cfg(not(any(all(target_arch = "x86_64", not(miri)), loom)))]
mod racing {
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

    /// Reads from where others write.
    ///
    /// # Safety
    /// `from` is good for reads and `to` for writes of `len` bytes; they do not overlap. `from` and `len` are multiples
    /// of 4.
    pub(super) unsafe fn read(from: *const u8, to: *mut u8, len: usize) {
        for at in (0..len).step_by(4) {
            // SAFETY: the caller's promise
            unsafe {
                let word = (*from.add(at).cast::<AtomicU32>()).load(Relaxed);
                to.add(at).cast::<u32>().write_unaligned(word);
            }
        }
    }

    /// Writes to where others read.
    ///
    /// # Safety
    /// As above, with `to` a multiple of 4.
    pub(super) unsafe fn write(from: *const u8, to: *mut u8, len: usize) {
        for at in (0..len).step_by(4) {
            // SAFETY: the caller's promise
            unsafe {
                let word = from.add(at).cast::<u32>().read_unaligned();
                (*to.add(at).cast::<AtomicU32>()).store(word, Relaxed);
            }
        }
    }
}
