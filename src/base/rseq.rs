//! Restartable sequences (rseq(2)) and membarrier(2): what a writer without locked instructions rests on.
//!
//! The C library registers an area per thread (glibc since 2.35) and says where it lies by two symbols. They are looked
//! at as weak ones, so that this links and runs where they are missing; such threads get a block of our own in their
//! thread storage whose CPU number is "none", for ever.

use core::sync::atomic::Ordering;

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri), not(loom)))]
pub use native::*;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri), not(loom))))]
pub use nowhere::*;

/// Where there are no sequences (yet).
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri), not(loom))))]
mod nowhere {
    /// Whether sequences can be used in this process.
    pub fn init() -> bool {
        false
    }
}

/// A full memory barrier on every CPU that runs a thread of this process.
pub fn barrier_everywhere() {
    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri), not(loom)))]
    if init() {
        return restart_sequences(None);
    }
    super::sync::fence(Ordering::SeqCst);
}

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri), not(loom)))]
mod native {
    use core::arch::{asm, global_asm};
    use core::sync::atomic::{AtomicIsize, AtomicU8, Ordering};

    /// The kernel's `struct rseq`, as far as it is used here.
    #[repr(C, align(32))]
    pub struct Area {
        /// Current CPU, 0 if there is none.
        pub cpu_id_start: u32,
        /// Current CPU; [`NO_CPU`] or above if the area is not registered.
        pub cpu_id: u32,
        /// Address of the descriptor of the sequence that the thread is in.
        pub rseq_cs: u64,
        /// Not used.
        pub flags: u32,
    }

    /// CPU numbers from here on say that the area is not registered.
    pub const NO_CPU: u32 = u32::MAX - 1;

    /// The bytes before a sequence's abort handler: what glibc registers on x86.
    pub const SIGNATURE: u32 = 0x5305_3053;

    // The area of threads that have none: cpu_id_start 0, cpu_id -1. Hidden, and named after the version, so that several
    // copies of this crate in one process keep apart.
    global_asm!(
        ".pushsection .tdata,\"awT\",@progbits",
        ".balign 32",
        concat!(
            ".hidden utracefs_rseq_none_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR")
        ),
        concat!(
            ".globl utracefs_rseq_none_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR")
        ),
        concat!(
            "utracefs_rseq_none_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            ":"
        ),
        ".long 0, -1",
        ".quad 0, 0, 0",
        ".popsection",
    );

    /// Where a thread's area lies, from its thread pointer.
    static OFFSET: AtomicIsize = AtomicIsize::new(0);
    /// 0: not looked yet. 1: no rseq here. 2: rseq and its membarrier.
    static STATE: AtomicU8 = AtomicU8::new(0);

    /// What glibc says: offset of the area from the thread pointer, and its size, 0 if it registers none.
    fn glibc() -> Option<(isize, u32)> {
        let (offset, size): (*const isize, *const u32);
        // SAFETY: reads two slots of the global offset table; weak symbols that nobody defines read as null
        unsafe {
            asm!(
                ".weak __rseq_offset",
                ".weak __rseq_size",
                "mov {}, qword ptr [rip + __rseq_offset@GOTPCREL]",
                "mov {}, qword ptr [rip + __rseq_size@GOTPCREL]",
                out(reg) offset, out(reg) size, options(nostack, pure, readonly, preserves_flags),
            );
        }
        // SAFETY: not null, so they are the C library's constants
        (!offset.is_null() && !size.is_null()).then(|| unsafe { (offset.read(), size.read()) })
    }

    /// Finds the area and registers for membarrier, once; returns whether sequences can be used in this process.
    ///
    /// To be called before [`area`].
    #[cold]
    pub fn init() -> bool {
        if STATE.load(Ordering::Acquire) == 0 {
            // several threads may come here at once: they find the same
            let usable = match glibc() {
                Some((offset, size)) if size != 0 => {
                    OFFSET.store(offset, Ordering::Relaxed);
                    membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0)
                }
                _ => {
                    OFFSET.store(none_offset(), Ordering::Relaxed);
                    false
                }
            };
            STATE.store(1 + u8::from(usable), Ordering::Release);
        }
        STATE.load(Ordering::Relaxed) == 2
    }

    /// Offset of our own block from the thread pointer.
    fn none_offset() -> isize {
        let offset: isize;
        // SAFETY: reads a slot of the global offset table that the dynamic linker has filled
        unsafe {
            asm!(
                concat!(
                    "mov {}, qword ptr [rip + utracefs_rseq_none_", env!("CARGO_PKG_VERSION_MAJOR"), "_",
                    env!("CARGO_PKG_VERSION_MINOR"), "@GOTTPOFF]"
                ),
                out(reg) offset, options(nostack, pure, readonly, preserves_flags),
            );
        }
        offset
    }

    /// The calling thread's area. [`init`] has been called.
    #[inline(always)]
    pub fn area() -> *mut Area {
        let thread: *mut u8;
        // SAFETY: the first word at the thread pointer is its own address (the x86-64 ABI's thread control block)
        unsafe {
            asm!("mov {}, fs:0", out(reg) thread, options(nostack, pure, readonly, preserves_flags))
        };
        thread
            .wrapping_offset(OFFSET.load(Ordering::Relaxed))
            .cast()
    }

    /// The CPU the calling thread runs on, `None` if it is not registered for sequences. [`init`] has been called.
    #[inline]
    pub fn cpu() -> Option<usize> {
        // SAFETY: the area is alive as long as its thread; the kernel changes it between two instructions
        let cpu = unsafe { (&raw const (*area()).cpu_id).read_volatile() };
        (cpu < NO_CPU).then_some(cpu as usize)
    }

    /// MEMBARRIER_CMD_FLAG_CPU of linux/membarrier.h.
    const FLAG_CPU: u32 = 1;

    fn membarrier(command: i32, flags: u32, cpu: i32) -> bool {
        // SAFETY: has no memory operands
        unsafe { libc::syscall(libc::SYS_membarrier, command, flags, cpu) == 0 }
    }

    /// Afterwards every thread of this process that was inside a sequence (on `cpu`, if given) has been restarted.
    ///
    /// Only with [`init`] true.
    pub fn restart_sequences(cpu: Option<usize>) {
        let (flags, number) = match cpu {
            Some(cpu) => (FLAG_CPU, cpu as i32),
            None => (0, 0),
        };
        if membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, flags, number) {
            return;
        }
        // a kernel that does not know the flag (before 5.10) has no such command at all; a CPU that is not there is refused
        let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
        assert!(done, "membarrier was taken away");
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn area_belongs_to_the_thread() {
            let usable = init();
            let here = area() as usize;
            let there = std::thread::spawn(|| (area() as usize, cpu()))
                .join()
                .unwrap();
            assert_ne!(here, there.0);
            assert_eq!(cpu().is_some(), usable);
            assert_eq!(there.1.is_some(), usable);
        }

        #[test]
        fn own_area_says_none() {
            let thread: *const u8;
            // SAFETY: as in `area`
            unsafe { asm!("mov {}, fs:0", out(reg) thread) };
            // SAFETY: our block of this thread's storage
            let area = unsafe { &*thread.offset(none_offset()).cast::<Area>() };
            assert_eq!(
                (area.cpu_id_start, area.cpu_id, area.rseq_cs),
                (0, u32::MAX, 0)
            );
            assert_eq!(
                thread.wrapping_offset(none_offset()) as usize % align_of::<Area>(),
                0
            );
        }
    }
}
