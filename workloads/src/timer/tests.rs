//! The trace of the timer workload: exact, and every event possible.

use std::time::Duration;

use super::jobs::{ALARMS, KINDS, PERIODS, PUT_OFF, alarm_expired, period_over};
use crate::Manager;
use crate::testing::kernel::{Record, follow, recorded};

/// Events of the jobs' own timers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Counts {
    inits: usize,
    starts: usize,
    cancels: usize,
    expiries: usize,
    hr_starts: usize,
    hr_expiries: usize,
    itimers_set: usize,
    alarms: usize,
}

fn expected(ops: u64) -> Counts {
    let mut sum = Counts::default();
    for op in 0..ops {
        let put_off = PUT_OFF.len();
        let (inits, starts, expiries, hr) = match op % KINDS {
            0 => (1, 1, 1, 0),
            1 => (1, put_off + 1, 1, 0),
            2 => (1, 1, 0, 0),
            3 => (0, 0, 0, PERIODS),
            _ => {
                sum.itimers_set += 2;
                sum.alarms += ALARMS;
                (0, 0, 0, 0)
            }
        };
        sum.inits += inits;
        sum.starts += starts;
        sum.cancels += starts;
        sum.expiries += expiries;
        sum.hr_starts += hr;
        sum.hr_expiries += hr;
    }
    sum
}

fn counted(trace: &[Record]) -> Counts {
    let count = |name: &str| trace.iter().filter(|r| r.name == name).count();
    let calls = |name: &str, at: usize, function: u64| {
        let of = |r: &&Record| r.name == name && r.args[at] == function;
        trace.iter().filter(of).count()
    };
    let alarm = alarm_expired as *const () as u64;
    let period = period_over as *const () as u64;
    assert_eq!(count("timer_start"), calls("timer_start", 1, alarm));
    Counts {
        inits: count("timer_init"),
        starts: count("timer_start"),
        cancels: count("timer_cancel"),
        expiries: calls("timer_expire_entry", 2, alarm),
        hr_starts: calls("hrtimer_start", 1, period),
        hr_expiries: calls("hrtimer_expire_entry", 2, period),
        itimers_set: count("itimer_state"),
        alarms: count("itimer_expire"),
    }
}

#[test]
fn runs_are_exact_and_every_event_possible() {
    for ops in [0, 1, 6, 200] {
        let ((), trace) = recorded(|| Manager::new().run("timer", ops, None).unwrap());
        follow(&trace);
        assert_eq!(counted(&trace), expected(ops), "{ops} operations");
    }
}

#[test]
fn what_the_events_say_of_time() {
    let ((), trace) = recorded(|| Manager::new().run("timer", 40, None).unwrap());
    for r in &trace {
        match r.name {
            "timer_start" => {
                let (expires, bucket, now) = (r.args[2], r.args[3], r.args[4]);
                // Up to an eighth late, by the wheel's steps, and never early.
                let latest = expires + 1 + expires.saturating_sub(now) / 7;
                assert!(bucket > expires && bucket <= latest, "{r:?}");
            }
            "timer_expire_entry" => {
                let started = |s: &&Record| s.name == "timer_start" && s.args[0] == r.args[0];
                let started = trace.iter().rev().filter(|s| s.at < r.at).find(started);
                let started = started.expect("it was started");
                assert_eq!(started.args[3], r.args[3], "in its bucket's jiffy: {r:?}");
                assert!(r.args[1] >= r.args[3], "{r:?}");
            }
            "hrtimer_expire_entry" => {
                let started = |s: &&Record| s.name == "hrtimer_start" && s.args[0] == r.args[0];
                let started = trace.iter().rev().filter(|s| s.at < r.at).find(started);
                let expires = started.expect("it was started").args[2];
                assert!(r.args[1] >= expires, "{r:?}");
                assert!(r.at >= r.args[1], "{r:?}");
            }
            _ => {}
        }
    }
}

#[test]
fn stopping_leaves_nothing_open() {
    for pause in [0, 1, 5, 20] {
        let ((), trace) = recorded(|| {
            let manager = Manager::new();
            manager.start("timer", Some(1e5)).unwrap();
            std::thread::sleep(Duration::from_millis(pause));
            manager.stop("timer").unwrap();
        });
        follow(&trace);
    }
}
