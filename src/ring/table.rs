//! The table of CPUs that writers go by: where each CPU's ring lies now, and whether somebody waits for it.

use alloc::boxed::Box;
use core::ptr;

use super::control::{Control, View};
use crate::base::sync::{AtomicPtr, AtomicU32, Ordering};

/// One CPU. The first slot of a table is its head: `ring` is the number of CPUs that may write by the fast sequence or
/// reservation, `any` that of those that may write at all, `pages` where a thread's rseq area lies (a multiple of its
/// alignment) or, odd, how a fast reservation learns the CPU's number.
#[repr(C, align(16))]
pub(super) struct Slot {
    /// The CPU's ring, or [`Table::off`]. Exchanged by whoever takes rings away.
    pub(super) ring: AtomicPtr<Control>,
    /// Not 0: somebody waits for any entry. Set by readers, cleared by the writer that wakes them.
    pub(super) any: AtomicU32,
    /// Somebody waits for so many unread finished pages; `u32::MAX`: nobody. Set by readers, cleared likewise.
    pub(super) pages: AtomicU32,
}

/// A head, then a slot for each CPU.
pub(super) struct Table(Box<[Slot]>);

impl Table {
    /// A table whose CPUs have no rings yet and may not write.
    #[cfg_attr(
        not(all(
            feature = "std",
            target_arch = "x86_64",
            target_os = "linux",
            not(miri),
            not(loom)
        )),
        expect(unused_variables, reason = "there is one way only")
    )]
    pub(super) fn new(cpus: usize, reserved: bool) -> Table {
        let slot = |_| Slot {
            ring: AtomicPtr::new(Table::off()),
            any: AtomicU32::new(0),
            pages: AtomicU32::new(u32::MAX),
        };
        let table = Table((0..=cpus).map(slot).collect());
        table.limit(0, 0);
        #[cfg(all(
            feature = "std",
            target_arch = "x86_64",
            target_os = "linux",
            not(miri),
            not(loom)
        ))]
        {
            use crate::base::cpu::Instruction;
            let how = match Instruction::find() {
                Some(Instruction::Rdpid) if reserved => Table::RDPID,
                Some(Instruction::Rdtscp) if reserved => Table::RDTSCP,
                _ => crate::base::rseq::offset() as i32 as u32,
            };
            table.0[0].pages.store(how, Ordering::Relaxed);
        }
        table
    }

    #[cfg(all(
        feature = "std",
        target_arch = "x86_64",
        target_os = "linux",
        not(miri),
        not(loom)
    ))]
    /// In the head's `pages`: rings are written by fast reservations, the CPU's number comes from `rdpid`.
    pub(super) const RDPID: u32 = 3;
    #[cfg(all(
        feature = "std",
        target_arch = "x86_64",
        target_os = "linux",
        not(miri),
        not(loom)
    ))]
    /// The same from `rdtscp`.
    pub(super) const RDTSCP: u32 = 1;

    /// The calling thread's rseq area (found without going through a static, which takes a load more), or for fast
    /// reservations how they learn the CPU's number: [`RDPID`](Self::RDPID) or [`RDTSCP`](Self::RDTSCP).
    #[cfg(all(
        feature = "std",
        target_arch = "x86_64",
        target_os = "linux",
        not(miri),
        not(loom)
    ))]
    #[inline(always)]
    pub(super) fn way(&self) -> core::result::Result<*mut crate::base::rseq::Area, usize> {
        // SAFETY: a table has a head
        let head = unsafe { self.0.get_unchecked(0) };
        let how = head.pages.load(Ordering::Relaxed);
        match how & 1 {
            0 => Ok(crate::base::rseq::area_at(how as i32 as isize)),
            _ => Err(how as usize),
        }
    }

    /// What sequences are given.
    #[inline(always)]
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "for sequences"))]
    pub(super) fn as_ptr(&self) -> *const Slot {
        self.0.as_ptr()
    }

    /// A CPU's slot.
    #[inline(always)]
    pub(super) fn slot(&self, cpu: usize) -> &Slot {
        &self.0[cpu + 1]
    }

    /// Says how many CPUs may write by the fast sequence, and how many at all.
    pub(super) fn limit(&self, fast: usize, all: usize) {
        self.0[0]
            .ring
            .store(ptr::without_provenance_mut(fast), Ordering::SeqCst);
        self.0[0].any.store(all as u32, Ordering::SeqCst);
    }

    /// Whether any CPU may write.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.0[0].any.load(Ordering::Relaxed) != 0
    }

    /// The ring in a CPU's slot.
    #[inline]
    pub(super) fn ring(&self, cpu: usize) -> Option<View> {
        let control = self.slot(cpu).ring.load(Ordering::Acquire);
        match control == Table::off() {
            true => None,
            // SAFETY: rings in the table live; the caller keeps them from being taken away while it uses this
            false => ptr::NonNull::new(control).map(|c| unsafe { View::at(c) }),
        }
    }

    /// Stands where a CPU has no ring: sequences that come upon it find the page full, and that it is none.
    #[cfg(not(loom))]
    pub(super) fn off() -> *mut Control {
        use core::mem::offset_of;

        #[repr(C)]
        struct Off {
            control: Control,
            page: [crate::base::sync::AtomicU64; 2],
        }
        static OFF: Off = Off {
            control: Control::off(offset_of!(Off, page) as u64),
            // so many bytes that nothing fits behind, and not so many that a sum wraps
            page: [const { crate::base::sync::AtomicU64::new(1 << 30) }; 2],
        };
        (&raw const OFF.control).cast_mut()
    }

    #[cfg(loom)]
    pub(super) fn off() -> *mut Control {
        ptr::null_mut()
    }
}
