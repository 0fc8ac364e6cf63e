//! How much an engine has to do, and when: its pace, its quota and the order to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::futex::{self, now_ns};

/// Lateness beyond which missed operations are given up instead of being caught up with in a burst.
const MAX_LATE_NS: u64 = 200_000_000;

/// What an engine asks before every operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// This operation is due; the number counts from 0.
    Now(u64),
    /// Nothing before this time (ns, CLOCK_MONOTONIC).
    At(u64),
    /// All operations were handed out, or the load was stopped.
    End,
}

/// The orders of one activity: shared by its engine, which follows them, and the manager, which gives them.
pub(crate) struct Load {
    /// Operations to hand out; `None`: until stopped.
    quota: Option<u64>,
    pace: Mutex<Pace>,
    done: AtomicU64,
    /// Operations of this workload over all activities.
    total: Arc<AtomicU64>,
    stop: AtomicBool,
    /// Changes with every order and with every `poke`: what engines wait on.
    word: AtomicU32,
}

struct Pace {
    /// Operations per second; `None`: as fast as they get done.
    rate: Option<f64>,
    /// Operation `base_op` is due at `base_ns`, the others at multiples of the period from there: no drift.
    base_ns: u64,
    base_op: u64,
    next_op: u64,
}

impl Load {
    pub(crate) fn new(quota: Option<u64>, rate: Option<f64>, total: Arc<AtomicU64>) -> Load {
        let pace = Pace {
            rate,
            base_ns: now_ns(),
            base_op: 0,
            next_op: 0,
        };
        Load {
            quota,
            pace: Mutex::new(pace),
            done: AtomicU64::new(0),
            total,
            stop: AtomicBool::new(false),
            word: AtomicU32::new(0),
        }
    }

    /// Hands out the next operation if one is due.
    pub(crate) fn next(&self) -> Next {
        self.next_at(now_ns())
    }

    fn next_at(&self, now: u64) -> Next {
        if self.stopped() {
            return Next::End;
        }
        let mut pace = self.pace.lock();
        if self.quota.is_some_and(|quota| pace.next_op >= quota) {
            return Next::End;
        }
        if let Some(rate) = pace.rate {
            let due = pace.base_ns + ((pace.next_op - pace.base_op) as f64 * 1e9 / rate) as u64;
            if now < due {
                return Next::At(due);
            }
            if now - due > MAX_LATE_NS {
                (pace.base_ns, pace.base_op) = (now, pace.next_op);
            }
        }
        pace.next_op += 1;
        Next::Now(pace.next_op - 1)
    }

    /// An operation handed out by `next` is finished.
    pub(crate) fn complete(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// Operations to do in all; `None`: no end.
    pub(crate) fn quota(&self) -> Option<u64> {
        self.quota
    }

    /// Operations finished in this activity.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn rate(&self) -> Option<f64> {
        self.pace.lock().rate
    }

    /// Another pace from now on.
    pub(crate) fn set_rate(&self, rate: Option<f64>) {
        {
            let mut pace = self.pace.lock();
            (pace.rate, pace.base_ns, pace.base_op) = (rate, now_ns(), pace.next_op);
        }
        self.poke();
    }

    /// Orders the engine to end as soon as it can.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.poke();
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Makes whoever waits on the word look again.
    pub(crate) fn poke(&self) {
        futex::poke(&self.word);
    }

    /// The word that changes with every order; read it before looking at what the order may change.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks `load` at each time after its start and collects the answers, times relative to the start.
    fn ask(quota: Option<u64>, rate: Option<f64>, at_ns: &[u64]) -> Vec<Next> {
        let load = Load::new(quota, rate, Arc::default());
        let base = load.pace.lock().base_ns;
        let relative = |next| {
            if let Next::At(t) = next {
                Next::At(t - base)
            } else {
                next
            }
        };
        at_ns
            .iter()
            .map(|t| relative(load.next_at(base + t)))
            .collect()
    }

    #[test]
    fn pace() {
        const MS: u64 = 1_000_000;
        use Next::{At, End, Now};
        let check = |quota, rate, at: &[u64], expected: &[Next]| {
            assert_eq!(ask(quota, rate, at), expected, "{rate:?} {at:?}")
        };
        check(None, None, &[0, 0, 0], &[Now(0), Now(1), Now(2)]);
        check(Some(2), None, &[0, 0, 0, 5], &[Now(0), Now(1), End, End]);
        check(Some(0), Some(1.0), &[0], &[End]);
        // Asked late: the next ones keep to the grid of the start.
        check(
            None,
            Some(100.0),
            &[0, 0, 13 * MS, 13 * MS, 20 * MS],
            &[Now(0), At(10 * MS), Now(1), At(20 * MS), Now(2)],
        );
        // A little late: caught up with. Far too late: given up, and the grid begins anew.
        check(
            None,
            Some(10.0),
            &[0, 250 * MS, 250 * MS, 250 * MS],
            &[Now(0), Now(1), Now(2), At(300 * MS)],
        );
        check(
            None,
            Some(10.0),
            &[0, 5000 * MS, 5000 * MS],
            &[Now(0), Now(1), At(5100 * MS)],
        );
    }

    #[test]
    fn orders() {
        let total = Arc::new(AtomicU64::new(7));
        let load = Load::new(None, Some(0.001), total.clone());
        assert_eq!(load.next(), Next::Now(0));
        assert!(matches!(load.next(), Next::At(_)));
        let word = load.word().load(Ordering::SeqCst);
        load.set_rate(None);
        assert_ne!(load.word().load(Ordering::SeqCst), word);
        assert_eq!(load.next(), Next::Now(1));
        load.complete();
        assert_eq!((load.done(), total.load(Ordering::Relaxed)), (1, 8));
        load.stop();
        assert_eq!(load.next(), Next::End);
    }
}
