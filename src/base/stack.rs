//! The calling thread's stack: which calls have not returned.
//!
//! For probes: taken in signal handlers, too, without allocating or waiting. The frames are found by the unwind tables of
//! the objects that were loaded at the last [`prepare`], where these say nothing by frame pointers. The stack's words are read
//! through the kernel: tables that are wrong make a stack that is short or wrong, not a fault. A green task's stack is
//! that task's own, down to where it was switched to.

#[cfg(all(feature = "std", target_os = "linux", target_arch = "x86_64"))]
mod walk;

/// Where a walk begins: in the function that made it.
#[derive(Clone, Copy, Debug)]
pub struct Here {
    #[cfg_attr(
        not(all(feature = "std", target_os = "linux", target_arch = "x86_64")),
        expect(dead_code, reason = "nobody walks")
    )]
    registers: [u64; 3],
}

impl Here {
    /// This place of the calling function.
    #[inline(always)]
    #[expect(
        clippy::new_without_default,
        reason = "there is nothing usual about a place"
    )]
    pub fn new() -> Here {
        #[cfg(target_arch = "x86_64")]
        {
            let (ip, sp, bp): (u64, u64, u64);
            // SAFETY: reads registers
            unsafe {
                core::arch::asm!(
                    "lea {ip}, [rip]",
                    "mov {sp}, rsp",
                    "mov {bp}, rbp",
                    ip = out(reg) ip,
                    sp = out(reg) sp,
                    bp = out(reg) bp,
                    options(nomem, nostack, preserves_flags)
                );
            }
            Here {
                registers: [ip, sp, bp],
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Here { registers: [0; 3] }
    }

    /// Fills `frames` with the addresses that the calls return to, the innermost first: that of the function of this place
    /// is the first. Returns how many; 0 before the first [`prepare`], and where stacks cannot be walked.
    pub fn walk(&self, frames: &mut [u64]) -> usize {
        #[cfg(all(feature = "std", target_os = "linux", target_arch = "x86_64"))]
        return walk::walk(self.registers, frames);
        #[cfg(not(all(feature = "std", target_os = "linux", target_arch = "x86_64")))]
        {
            _ = frames;
            0
        }
    }
}

/// Gets to know the loaded objects. Not for probes. Cheap if nothing was loaded since.
pub fn prepare() {
    #[cfg(all(feature = "std", target_os = "linux", target_arch = "x86_64"))]
    walk::prepare();
}

/// The same, if somebody has asked for it before.
pub fn renew() {
    #[cfg(all(feature = "std", target_os = "linux", target_arch = "x86_64"))]
    if walk::is_prepared() {
        walk::prepare();
    }
}

#[cfg(all(test, feature = "std", target_os = "linux", target_arch = "x86_64"))]
mod tests;
