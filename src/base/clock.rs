//! The trace clocks by name (Documentation/trace/ftrace.rst, `trace_clock`).
//!
//! `local`, `global` and `perf` are the time stamp counter scaled to nanoseconds since boot where that counter runs
//! evenly on all CPUs, else CLOCK_MONOTONIC. They and `x86-tsc` can be read in the middle of a restartable sequence
//! ([`ClockId::scale`]); the others cost a call and are read before it.

mod monotonic;

pub use monotonic::monotonic;

/// A trace clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ClockId {
    /// `local`: cheapest, ns.
    Local,
    /// `global`: the same on all CPUs, ns.
    Global,
    /// `counter`: one more with every event of all CPUs.
    Counter,
    /// `uptime`: ticks of 10 ms since boot.
    Uptime,
    /// `perf`: perf's clock, ns.
    Perf,
    /// `mono`: CLOCK_MONOTONIC, ns.
    Mono,
    /// `mono_raw`: CLOCK_MONOTONIC_RAW, ns.
    MonoRaw,
    /// `boot`: CLOCK_BOOTTIME, ns.
    Boot,
    /// `tai`: CLOCK_TAI, ns.
    Tai,
    /// `x86-tsc`: cycles of the time stamp counter.
    #[cfg(target_arch = "x86_64")]
    X86Tsc,
}

/// How a clock follows from the time stamp counter: `(tsc * mult >> 32) + offset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scale {
    /// Units per cycle, times 2^32.
    pub mult: u64,
    /// What the clock shows at cycle 0.
    pub offset: u64,
}

impl Scale {
    /// The counter itself.
    pub const RAW: Scale = Scale {
        mult: 1 << 32,
        offset: 0,
    };

    /// The clock's value at `cycles`.
    #[inline(always)]
    pub fn at(self, cycles: u64) -> u64 {
        let scaled = (u128::from(cycles) * u128::from(self.mult)) >> 32;
        (scaled as u64).wrapping_add(self.offset)
    }
}

impl ClockId {
    /// All clocks in the order of `trace_clock`.
    pub const ALL: &'static [ClockId] = &[
        ClockId::Local,
        ClockId::Global,
        ClockId::Counter,
        ClockId::Uptime,
        ClockId::Perf,
        ClockId::Mono,
        ClockId::MonoRaw,
        ClockId::Boot,
        ClockId::Tai,
        #[cfg(target_arch = "x86_64")]
        ClockId::X86Tsc,
    ];

    /// The name in `trace_clock`.
    pub const fn name(self) -> &'static str {
        match self {
            ClockId::Local => "local",
            ClockId::Global => "global",
            ClockId::Counter => "counter",
            ClockId::Uptime => "uptime",
            ClockId::Perf => "perf",
            ClockId::Mono => "mono",
            ClockId::MonoRaw => "mono_raw",
            ClockId::Boot => "boot",
            ClockId::Tai => "tai",
            #[cfg(target_arch = "x86_64")]
            ClockId::X86Tsc => "x86-tsc",
        }
    }

    /// The clock of that name.
    pub fn by_name(name: &str) -> Option<ClockId> {
        ClockId::ALL.iter().copied().find(|c| c.name() == name)
    }

    /// Whether it counts nanoseconds; the others are shown as plain integers.
    pub const fn is_ns(self) -> bool {
        match self {
            ClockId::Counter | ClockId::Uptime => false,
            #[cfg(target_arch = "x86_64")]
            ClockId::X86Tsc => false,
            _ => true,
        }
    }

    /// How to read it from the time stamp counter, if that is how it is read.
    pub fn scale(self) -> Option<Scale> {
        match self {
            ClockId::Local | ClockId::Global | ClockId::Perf => host::tsc_ns(),
            #[cfg(target_arch = "x86_64")]
            ClockId::X86Tsc => host::tsc_raw(),
            _ => None,
        }
    }

    /// The clock's value without moving `counter`.
    pub fn peek(self) -> u64 {
        if self == ClockId::Counter {
            counter(0)
        } else {
            self.now()
        }
    }

    /// The clock's value now; reading `counter` makes it one more.
    pub fn now(self) -> u64 {
        match self {
            ClockId::Counter => counter(1),
            _ => match self.scale() {
                Some(scale) => scale.at(host::cycles()),
                None => host::now(self),
            },
        }
    }
}

/// Counts events of all CPUs and buffers.
fn counter(more: u64) -> u64 {
    use core::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    COUNTER.fetch_add(more, Ordering::Relaxed) + more
}

/// The time stamp counter; 0 where there is none.
#[inline(always)]
pub(crate) fn cycles() -> u64 {
    host::cycles()
}

/// The clock of a [`Scale`] now.
#[inline(always)]
pub(crate) fn scaled(mult: u64, offset: u64) -> u64 {
    Scale { mult, offset }.at(cycles())
}

#[cfg(feature = "std")]
mod host {
    use super::{ClockId, Scale};

    fn gettime(clock: libc::clockid_t) -> u64 {
        let mut t = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: writes `t`; the clocks used here exist on every supported kernel
        unsafe { libc::clock_gettime(clock, &mut t) };
        t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
    }

    pub(super) fn now(clock: ClockId) -> u64 {
        match clock {
            ClockId::MonoRaw => gettime(libc::CLOCK_MONOTONIC_RAW),
            ClockId::Boot => gettime(libc::CLOCK_BOOTTIME),
            ClockId::Tai => gettime(libc::CLOCK_TAI),
            ClockId::Uptime => gettime(libc::CLOCK_MONOTONIC_COARSE) / 10_000_000,
            _ => gettime(libc::CLOCK_MONOTONIC),
        }
    }

    #[cfg(any(not(target_arch = "x86_64"), miri, loom))]
    pub(super) use no_tsc::*;
    #[cfg(any(not(target_arch = "x86_64"), miri, loom))]
    mod no_tsc {
        use super::Scale;
        pub(in super::super) fn cycles() -> u64 {
            0
        }
        pub(in super::super) fn tsc_ns() -> Option<Scale> {
            None
        }
        #[cfg(target_arch = "x86_64")]
        pub(in super::super) fn tsc_raw() -> Option<Scale> {
            None
        }
    }

    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    pub(super) use tsc::*;
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    mod tsc {
        use std::sync::OnceLock;
        use std::time::Duration;

        use super::{Scale, gettime};

        /// Time between the two looks at both clocks from which the rate follows: 20 ns of error in 20 ms are 1 ppm.
        const BASELINE: Duration = Duration::from_millis(20);

        #[inline(always)]
        pub(in super::super) fn cycles() -> u64 {
            // SAFETY: every x86-64 processor has the instruction, and Linux allows it unless a process asks otherwise
            unsafe { core::arch::x86_64::_rdtsc() }
        }

        pub(in super::super) fn tsc_raw() -> Option<Scale> {
            Some(Scale::RAW)
        }

        pub(in super::super) fn tsc_ns() -> Option<Scale> {
            static SCALE: OnceLock<Option<Scale>> = OnceLock::new();
            *SCALE.get_or_init(|| sound().then(calibrate))
        }

        /// Whether the counter runs at one rate on all CPUs: the kernel itself goes by it, or the processor promises an
        /// invariant one and the kernel goes by a clock that a hypervisor derives from it.
        fn sound() -> bool {
            let leaves = core::arch::x86_64::__cpuid(0x8000_0000).eax;
            let invariant =
                leaves >= 0x8000_0007 && core::arch::x86_64::__cpuid(0x8000_0007).edx >> 8 & 1 != 0;
            match std::fs::read_to_string(
                "/sys/devices/system/clocksource/clocksource0/current_clocksource",
            ) {
                Ok(source) => match source.trim() {
                    "tsc" => true,
                    "kvm-clock" | "hyperv_clocksource_tsc_page" => invariant,
                    _ => false,
                },
                Err(_) => invariant,
            }
        }

        /// Both clocks at one moment: the closest of several looks.
        fn look() -> (u64, u64) {
            let one = || {
                let before = cycles();
                let ns = gettime(libc::CLOCK_MONOTONIC);
                let after = cycles();
                (
                    after.wrapping_sub(before),
                    before.wrapping_add(after.wrapping_sub(before) / 2),
                    ns,
                )
            };
            let (_, cycles, ns) = (0..16).map(|_| one()).min().unwrap_or_default();
            (cycles, ns)
        }

        fn calibrate() -> Scale {
            let (c0, n0) = look();
            std::thread::sleep(BASELINE);
            let (c1, n1) = look();
            let mult = (u128::from(n1 - n0) << 32) / u128::from((c1 - c0).max(1));
            let mult = mult as u64;
            let scaled = (u128::from(c1) * u128::from(mult)) >> 32;
            Scale {
                mult,
                offset: n1.wrapping_sub(scaled as u64),
            }
        }
    }
}

#[cfg(not(feature = "std"))]
mod host {
    use super::{ClockId, Scale};
    use core::sync::atomic::{AtomicPtr, Ordering};

    static NOW: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

    pub(super) fn set(now: fn(ClockId) -> u64) {
        NOW.store(now as *mut (), Ordering::Release);
    }

    pub(super) fn now(clock: ClockId) -> u64 {
        let now = NOW.load(Ordering::Acquire);
        if now.is_null() {
            return 0;
        }
        // SAFETY: only `set` stores here, and only functions of this type
        unsafe { core::mem::transmute::<*mut (), fn(ClockId) -> u64>(now)(clock) }
    }

    pub(super) fn cycles() -> u64 {
        0
    }

    pub(super) fn tsc_ns() -> Option<Scale> {
        None
    }

    #[cfg(target_arch = "x86_64")]
    pub(super) fn tsc_raw() -> Option<Scale> {
        None
    }
}

/// Tells a crate without `std` how to read a clock (all but `counter`). Until then they stand at 0.
#[cfg(not(feature = "std"))]
pub fn set_host(now: fn(ClockId) -> u64) {
    host::set(now);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let names: Vec<_> = ClockId::ALL.iter().map(|c| c.name()).collect();
        #[cfg(target_arch = "x86_64")]
        assert_eq!(
            names.join(" "),
            "local global counter uptime perf mono mono_raw boot tai x86-tsc"
        );
        for clock in ClockId::ALL {
            assert_eq!(ClockId::by_name(clock.name()), Some(*clock));
        }
        assert_eq!(ClockId::by_name("Local"), None);
        assert_eq!(ClockId::by_name(""), None);
    }

    #[cfg(not(miri))]
    #[test]
    fn clocks_run_forward() {
        for clock in ClockId::ALL {
            let (a, b) = (clock.now(), clock.now());
            assert!(a <= b && a > 0, "{clock:?}: {a} then {b}");
        }
        let (a, b) = (ClockId::Counter.now(), ClockId::Counter.now());
        assert!(b > a);
    }

    #[cfg(not(miri))]
    #[test]
    fn local_agrees_with_monotonic() {
        let off = |_| ClockId::Mono.now().abs_diff(ClockId::Local.now());
        // the calibration is good to some 10 ns, the test is paused now and then
        assert!((0..1000).map(off).min().unwrap() < 20_000);
    }

    #[test]
    fn scales() {
        assert_eq!(Scale::RAW.at(12345), 12345);
        assert_eq!(
            Scale {
                mult: 1 << 31,
                offset: 7
            }
            .at(100),
            57
        );
        assert_eq!(
            Scale {
                mult: 3 << 31,
                offset: 0
            }
            .at(u64::MAX / 4),
            (u64::MAX / 4) / 2 * 3 + 1
        );
    }
}
