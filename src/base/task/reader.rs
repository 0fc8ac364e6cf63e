//! A thread's read sections as others see them: see `rcu`.

use core::sync::atomic::{AtomicU32, Ordering::*};

/// Written by its thread alone, signal handlers on it included; read by all.
#[repr(C)]
pub(crate) struct Reader {
    /// Sections it is in, counted downward from 0: so that closing the outermost carries.
    depth: AtomicU32,
    /// Outermost sections it has closed.
    closed: AtomicU32,
}

impl Reader {
    pub(super) const fn new() -> Reader {
        Reader {
            depth: AtomicU32::new(0),
            closed: AtomicU32::new(0),
        }
    }

    /// Whether its thread is in a section.
    pub(crate) fn is_open(&self) -> bool {
        self.depth.load(Acquire) != 0
    }

    /// Outermost sections it has closed.
    pub(crate) fn closed(&self) -> u32 {
        self.closed.load(Acquire)
    }

    /// Leaves all sections: for an owner that is no more.
    pub(super) fn reset(&self) {
        self.depth.store(0, Release);
    }

    /// Enters a section. Orders nothing for the processor: that is the waiting side's business.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[inline(always)]
    pub(crate) fn open(&self) {
        // SAFETY: plain changes of a word that only this thread writes. As assembly because it is one instruction, so
        // nothing of a signal handler can come in between, and the compiler moves no access across it.
        unsafe { core::arch::asm!("sub dword ptr [{}], 1", in(reg) self, options(nostack)) };
    }

    /// Leaves a section.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[inline(always)]
    pub(crate) fn close(&self) {
        // SAFETY: as in `open`. The carry of the outermost section's end goes into the second word, after the first;
        // stores are not reordered with earlier accesses on this processor. A signal handler in between keeps the flags.
        unsafe {
            core::arch::asm!(
                "add dword ptr [{0}], 1",
                "adc dword ptr [{0} + 4], 0",
                in(reg) self,
                options(nostack)
            );
        }
    }

    /// Enters a section. Orders nothing for the processor: that is the waiting side's business.
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    #[inline(always)]
    pub(crate) fn open(&self) {
        // a signal handler in between leaves the depth as it found it
        self.depth
            .store(self.depth.load(Relaxed).wrapping_sub(1), Relaxed);
        core::sync::atomic::compiler_fence(SeqCst);
    }

    /// Leaves a section.
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    #[inline(always)]
    pub(crate) fn close(&self) {
        let depth = self.depth.load(Relaxed).wrapping_add(1);
        self.depth.store(depth, Release);
        if depth == 0 {
            self.closed
                .store(self.closed.load(Relaxed).wrapping_add(1), Release);
        }
    }
}
