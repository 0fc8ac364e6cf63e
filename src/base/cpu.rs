//! CPUs: how many there may be, which one this is, and masks of them as text.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use super::error::{Errno, Error, Result};
use super::parse;

#[cfg(feature = "std")]
mod host {
    use core::sync::atomic::{AtomicUsize, Ordering};

    /// The highest number of a list like `0-3,8-11`, plus one.
    pub(super) fn count(list: &str) -> Option<usize> {
        let last = list.trim().rsplit([',', '-']).next()?;
        last.parse::<usize>().ok()?.checked_add(1)
    }

    pub(super) fn possible() -> usize {
        static POSSIBLE: AtomicUsize = AtomicUsize::new(0);
        match POSSIBLE.load(Ordering::Relaxed) {
            0 => {
                let list = std::fs::read_to_string("/sys/devices/system/cpu/possible").ok();
                // SAFETY: no memory operands
                let configured =
                    || unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) }.max(1) as usize;
                let n = list.and_then(|l| count(&l)).unwrap_or_else(configured);
                POSSIBLE.store(n, Ordering::Relaxed);
                n
            }
            n => n,
        }
    }

    pub(super) fn online() -> usize {
        // SAFETY: no memory operands
        unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }.max(1) as usize
    }

    #[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri), not(loom)))]
    pub(super) fn instruction() -> Option<super::Instruction> {
        use core::arch::x86_64::{__cpuid, __cpuid_count};
        if possible() > super::Instruction::CPUS {
            return None;
        }
        let has_rdpid = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx >> 22 & 1 != 0;
        let has_rdtscp =
            __cpuid(0x8000_0000).eax >= 0x8000_0001 && __cpuid(0x8000_0001).edx >> 27 & 1 != 0;
        match (has_rdpid, has_rdtscp) {
            (true, _) => Some(super::Instruction::Rdpid),
            (_, true) => Some(super::Instruction::Rdtscp),
            _ => None,
        }
    }

    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[inline(always)]
    pub(super) fn current() -> usize {
        /// 0: not looked yet, 1: the instruction is missing, 2: it is there.
        static RDPID: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);
        match RDPID.load(Ordering::Relaxed) {
            2 => {
                let id: u64;
                // SAFETY: reads IA32_TSC_AUX, where Linux keeps node << 12 | CPU
                unsafe {
                    core::arch::asm!("rdpid {}", out(reg) id, options(nostack, nomem, preserves_flags))
                };
                id as usize & 0xfff
            }
            1 => getcpu(),
            _ => {
                let leaves = core::arch::x86_64::__cpuid(0).eax;
                let has = leaves >= 7 && core::arch::x86_64::__cpuid_count(7, 0).ecx >> 22 & 1 != 0;
                RDPID.store(1 + u8::from(has && possible() <= 0x1000), Ordering::Relaxed);
                getcpu()
            }
        }
    }

    #[cfg(any(not(target_arch = "x86_64"), miri))]
    pub(super) fn current() -> usize {
        getcpu()
    }

    #[cold]
    fn getcpu() -> usize {
        // SAFETY: no memory operands
        unsafe { libc::sched_getcpu() }.max(0) as usize
    }
}

#[cfg(not(feature = "std"))]
mod host {
    use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

    static CURRENT: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
    static POSSIBLE: AtomicUsize = AtomicUsize::new(1);

    pub(super) fn set(current: fn() -> usize, possible: usize) {
        POSSIBLE.store(possible.max(1), Ordering::Relaxed);
        CURRENT.store(current as *mut (), Ordering::Release);
    }

    pub(super) fn possible() -> usize {
        POSSIBLE.load(Ordering::Relaxed)
    }

    pub(super) use possible as online;

    pub(super) fn current() -> usize {
        let current = CURRENT.load(Ordering::Acquire);
        if current.is_null() {
            return 0;
        }
        // SAFETY: only `set` stores here, and only functions of this type
        unsafe { core::mem::transmute::<*mut (), fn() -> usize>(current)() }
    }
}

/// Tells a crate without `std` which CPU code runs on, and how many there may be.
#[cfg(not(feature = "std"))]
pub fn set_host(current: fn() -> usize, possible: usize) {
    host::set(current, possible);
}

/// An instruction that tells the CPU's number: Linux keeps `node << 12 | CPU` in the register IA32_TSC_AUX.
#[cfg(all(
    feature = "std",
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom)
))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Instruction {
    /// `rdpid`.
    Rdpid,
    /// `rdtscp`, with the time stamp counter.
    Rdtscp,
}

#[cfg(all(
    feature = "std",
    target_arch = "x86_64",
    target_os = "linux",
    not(miri),
    not(loom)
))]
impl Instruction {
    /// CPUs that it can tell apart.
    const CPUS: usize = 0x1000;

    /// The one to use here, if there is one.
    pub(crate) fn find() -> Option<Instruction> {
        host::instruction()
    }
}

/// CPUs that there may ever be: one more than the highest number.
pub fn possible() -> usize {
    host::possible()
}

/// CPUs that are online now.
pub fn online() -> usize {
    host::online()
}

/// The CPU this runs on; the next moment it may be another one.
#[inline]
pub fn current() -> usize {
    host::current()
}

/// A set of CPUs, as `tracing_cpumask` has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CpuMask {
    words: Vec<u32>,
    cpus: usize,
}

impl CpuMask {
    /// All CPUs below `cpus`.
    pub fn all(cpus: usize) -> CpuMask {
        let mut mask = CpuMask::none(cpus);
        (0..cpus).for_each(|c| mask.set(c, true));
        mask
    }

    /// None of `cpus` CPUs.
    pub fn none(cpus: usize) -> CpuMask {
        CpuMask {
            words: vec![0; cpus.div_ceil(32)],
            cpus,
        }
    }

    /// Whether `cpu` is in the set.
    pub fn has(&self, cpu: usize) -> bool {
        cpu < self.cpus && self.words[cpu / 32] >> (cpu % 32) & 1 != 0
    }

    /// Puts `cpu` in or takes it out.
    pub fn set(&mut self, cpu: usize, on: bool) {
        if cpu < self.cpus {
            let bit = 1 << (cpu % 32);
            self.words[cpu / 32] = self.words[cpu / 32] & !bit | if on { bit } else { 0 };
        }
    }

    /// Hex digits, as many as it takes for all CPUs, in groups of 32 bits with commas between them.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (i, word) in self.words.iter().enumerate().rev() {
            let digits = if i == self.words.len() - 1 {
                (self.cpus - i * 32).div_ceil(4)
            } else {
                8
            };
            // writing to a String cannot fail
            let _ = write!(out, "{word:0digits$x}{}", if i == 0 { "" } else { "," });
        }
        out
    }

    /// Reads a mask for `cpus` CPUs: groups of at most 8 hex digits up to the first newline or NUL. A bit above the last
    /// CPU, or a group too many: `EOVERFLOW`; anything that is not hex: `EINVAL`.
    pub fn parse(input: &[u8], cpus: usize) -> Result<CpuMask> {
        let mut mask = CpuMask::none(cpus);
        if input.is_empty() {
            return Err(Error::new(Errno::EINVAL));
        }
        let end = input
            .iter()
            .position(|b| matches!(b, b'\n' | 0))
            .unwrap_or(input.len());
        let groups = input[..end]
            .rsplit(|b| *b == b',' || parse::is_space(*b))
            .filter(|g| !g.is_empty());
        for (i, group) in groups.enumerate() {
            let room = mask.words.get_mut(i).ok_or(Error::new(Errno::EOVERFLOW))?;
            for (n, b) in group.iter().rev().enumerate() {
                let digit = (*b as char).to_digit(16).ok_or(Error::new(Errno::EINVAL))?;
                if n == 8 {
                    return Err(Error::new(Errno::EOVERFLOW));
                }
                *room |= digit << (4 * n);
            }
            let above = cpus - i * 32;
            if above < 32 && *room >> above != 0 {
                return Err(Error::new(Errno::EOVERFLOW));
            }
        }
        Ok(mask)
    }
}

/// Runs `f` with the calling thread on `cpu`, and lets it go where it was allowed before. `None`: it may not go there.
#[cfg(all(feature = "std", target_os = "linux"))]
pub(crate) fn on<T>(cpu: usize, f: impl FnOnce() -> T) -> Option<T> {
    /// Bits of a set that covers every CPU Linux can have today.
    const WORDS: usize = 1024 / 64 * 8;
    type Set = [u64; WORDS];
    // SAFETY: reads or writes a set of the size that is passed
    let set =
        |s: &Set| unsafe { libc::sched_setaffinity(0, size_of::<Set>(), s.as_ptr().cast()) == 0 };
    let (mut before, mut one): (Set, Set) = ([0; WORDS], [0; WORDS]);
    // SAFETY: as above
    if unsafe { libc::sched_getaffinity(0, size_of::<Set>(), before.as_mut_ptr().cast()) } < 0 {
        return None;
    }
    *one.get_mut(cpu / 64)? = 1 << (cpu % 64);
    // the call returns on that CPU, or fails with EINVAL if it is offline or not in the thread's cpuset
    if !set(&one) {
        return None;
    }
    let result = f();
    set(&before);
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus() {
        assert!(online() >= 1 && online() <= possible());
        assert!(current() < possible());
        assert!((0..100).all(|_| current() < possible()));
    }

    #[cfg(feature = "std")]
    #[test]
    fn lists() {
        let check = |list: &str, expected| assert_eq!(host::count(list), expected, "{list:?}");
        check("0\n", Some(1));
        check("0-1\n", Some(2));
        check("0-3,8-11\n", Some(12));
        check("0,4", Some(5));
        check("", None);
        check("x", None);
    }

    #[test]
    fn masks() {
        use Errno::{EINVAL, EOVERFLOW};
        let check = |input: &[u8], cpus, expected: Result<&str, Errno>| {
            let got = CpuMask::parse(input, cpus)
                .map(|m| m.text())
                .map_err(|e| e.errno);
            assert_eq!(
                got,
                expected.map(String::from),
                "{:?} of {cpus}",
                String::from_utf8_lossy(input)
            );
        };
        check(b"3\n", 2, Ok("3"));
        check(b" 1 \n", 2, Ok("1"));
        check(b"1\n0\n", 2, Ok("1"));
        check(b"\n", 2, Ok("0"));
        check(b"\0", 2, Ok("0"));
        check(b"0000003", 2, Ok("3"));
        check(b"f", 2, Err(EOVERFLOW));
        check(b"010", 2, Err(EOVERFLOW));
        check(b"0b1", 2, Err(EOVERFLOW));
        check(b"1,1", 2, Err(EOVERFLOW));
        check(b"1 2", 2, Err(EOVERFLOW));
        check(b"000000001", 2, Err(EOVERFLOW));
        check(b"0x1", 2, Err(EINVAL));
        check(b"0-1", 2, Err(EINVAL));
        check(b"Y", 2, Err(EINVAL));
        check(b"-1", 2, Err(EINVAL));
        check(b"1.0", 2, Err(EINVAL));
        check(b"", 2, Err(EINVAL));
        check(b"f,ffffffff\n", 36, Ok("f,ffffffff"));
        check(b"1,0", 36, Ok("1,00000000"));
        check(b"10,0", 36, Err(EOVERFLOW));
        check(b"ffffffff", 32, Ok("ffffffff"));
        check(b"0,1", 64, Ok("00000000,00000001"));
    }

    #[test]
    fn sets() {
        let mut mask = CpuMask::all(33);
        assert_eq!(mask.text(), "1,ffffffff");
        mask.set(32, false);
        mask.set(0, false);
        mask.set(99, true);
        assert_eq!(mask.text(), "0,fffffffe");
        assert!(mask.has(31) && !mask.has(32) && !mask.has(99));
        assert_eq!(CpuMask::all(2).text(), "3");
    }

    #[cfg(all(feature = "std", not(miri)))]
    #[test]
    fn goes_there_and_back() {
        for cpu in 0..possible() {
            if let Some(was) = on(cpu, current) {
                assert_eq!(was, cpu);
            }
        }
        assert!(on(100_000, || ()).is_none());
    }
}
