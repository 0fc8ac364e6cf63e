//! Times that others took by CLOCK_MONOTONIC, on the trace clocks.
//!
//! How far two clocks are apart changes slowly (one is slewed, the other is not), so it is measured now and then and in
//! between taken to stay: what is converted keeps its order and its distances.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::ClockId;

/// How long a measured distance is good for, ns. Clocks that are slewed as fast as Linux slews drift 5 µs apart meanwhile.
const GOOD_FOR: u64 = 10_000_000;
/// Looks at both clocks, of which the closest counts.
const LOOKS: u32 = 8;
/// Ticks of `uptime`.
const TICK: u64 = 10_000_000;

/// How far a clock is ahead of CLOCK_MONOTONIC. Whoever reads both halves of two measurements gets a good one all the same.
struct Ahead {
    /// When it was measured; 0: never.
    at: AtomicU64,
    by: AtomicU64,
}

static AHEAD: [Ahead; 16] = [const {
    Ahead {
        at: AtomicU64::new(0),
        by: AtomicU64::new(0),
    }
}; 16];

const _: () = assert!(ClockId::ALL.len() <= AHEAD.len());

impl ClockId {
    /// What the clock showed at a time of CLOCK_MONOTONIC, given in ns. `None`: nothing tells (`counter` counts events, and
    /// a time stamp counter may run unevenly).
    pub fn at_monotonic(self, ns: u64) -> Option<u64> {
        match self {
            ClockId::Mono => Some(ns),
            ClockId::Uptime => Some(ns / TICK),
            ClockId::Counter => None,
            #[cfg(target_arch = "x86_64")]
            ClockId::X86Tsc => {
                let scale = ClockId::Local.scale()?;
                let scaled = ns_at(ClockId::Local, ns).wrapping_sub(scale.offset);
                // the processor's counter is as wide as this; a rate of 0 is none
                let cycles = (u128::from(scaled) << 32).checked_div(scale.mult.into())?;
                Some(cycles as u64)
            }
            ClockId::Local | ClockId::Global | ClockId::Perf if self.scale().is_none() => Some(ns),
            _ => Some(ns_at(self, ns)),
        }
    }
}

fn ns_at(clock: ClockId, ns: u64) -> u64 {
    let ahead = &AHEAD[clock as usize];
    let at = ahead.at.load(Relaxed);
    if at == 0 || ns > at.saturating_add(GOOD_FOR) {
        let (at, by) = measure(clock);
        ahead.by.store(by, Relaxed);
        ahead.at.store(at, Relaxed);
    }
    ns.wrapping_add(ahead.by.load(Relaxed))
}

/// When it was measured, and by how much `clock` was ahead then.
fn measure(clock: ClockId) -> (u64, u64) {
    let look = |_| {
        let before = ClockId::Mono.now();
        let there = clock.now();
        let after = ClockId::Mono.now();
        let here = before + after.saturating_sub(before) / 2;
        (after.saturating_sub(before), here, there.wrapping_sub(here))
    };
    let (_, at, by) = (0..LOOKS).map(look).min().unwrap_or_default();
    (at, by)
}

/// The time now, ns of CLOCK_MONOTONIC.
pub fn monotonic() -> u64 {
    ClockId::Mono.now()
}

#[cfg(all(test, feature = "std", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn conversions_lie_where_the_clock_was() {
        for clock in ClockId::ALL {
            let mut last = 0;
            // of many looks one is not interrupted between the clocks
            let close = (0..200).any(|_| {
                let before = clock.peek();
                let ns = monotonic();
                let after = clock.peek();
                let Some(there) = clock.at_monotonic(ns) else {
                    assert_eq!(*clock, ClockId::Counter);
                    return true;
                };
                let slack = if clock.is_ns() { 2_000 } else { 10_000 };
                assert!(there + slack >= last, "{clock:?}: {last} then {there}");
                last = there;
                before <= there + slack && there <= after + slack
            });
            assert!(close, "{clock:?}");
        }
    }

    #[test]
    fn distances_stay() {
        let now = monotonic();
        for clock in ClockId::ALL.iter().filter(|c| c.is_ns()) {
            let first = clock.at_monotonic(now).unwrap();
            assert_eq!(
                clock.at_monotonic(now - 500).unwrap(),
                first - 500,
                "{clock:?}"
            );
            assert_eq!(
                clock.at_monotonic(now - 5_000_000).unwrap(),
                first - 5_000_000
            );
        }
        let ticks = ClockId::Uptime.at_monotonic(1_234_567_890);
        assert_eq!(ticks, Some(123));
        #[cfg(target_arch = "x86_64")]
        if ClockId::Local.scale().is_some() {
            let cycles = |ns| ClockId::X86Tsc.at_monotonic(ns).unwrap();
            let millisecond = cycles(now) - cycles(now - 1_000_000);
            assert!(
                (100_000..10_000_000).contains(&millisecond),
                "{millisecond}"
            );
        }
    }
}
