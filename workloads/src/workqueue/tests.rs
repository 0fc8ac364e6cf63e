//! The trace of the workqueue workload: exact, and every event possible.

use std::collections::HashMap;
use std::time::Duration;

use super::jobs::PIECES;
use crate::Manager;
use crate::testing::kernel::{Record, follow, recorded};

const NAMES: [&str; 4] = [
    "workqueue_queue_work",
    "workqueue_activate_work",
    "workqueue_execute_start",
    "workqueue_execute_end",
];

fn pieces(ops: u64) -> usize {
    (0..ops).map(|op| PIECES[op as usize % 4]).sum()
}

#[test]
fn runs_are_exact_and_every_event_possible() {
    for ops in [0, 1, 6, 200] {
        let ((), trace) = recorded(|| Manager::new().run("workqueue", ops, None).unwrap());
        let counts = follow(&trace);
        for name in NAMES {
            assert_eq!(counts.of(name), pieces(ops), "{name}, {ops} operations");
        }
        // Each delayed piece has its timer, which expires.
        let delayed = (0..ops).filter(|op| op % 4 == 2).count();
        assert_eq!(counts.of("timer_init"), delayed);
        assert_eq!(counts.of("timer_expire_entry"), delayed);
    }
}

#[test]
fn one_at_a_time_in_the_ordered_queue() {
    let ((), trace) = recorded(|| Manager::new().run("workqueue", 80, None).unwrap());
    let ordered: HashMap<u64, ()> = trace
        .iter()
        .filter(|r| r.name == "workqueue_queue_work" && r.text == "demo_log")
        .map(|r| (r.args[0], ()))
        .collect();
    let mut running = 0;
    let mut begun = 0;
    for r in trace
        .iter()
        .filter(|r| r.name.starts_with("workqueue_execute"))
    {
        // Work of other queues may have had the same address before or after: by its function's pairs it does not matter.
        if ordered.contains_key(&r.args[0]) && r.comm.starts_with("kworker/u") {
            if r.name == "workqueue_execute_start" {
                running += 1;
                begun += 1;
            } else {
                running -= 1;
            }
            assert!(running <= 1, "{r:?}");
        }
    }
    assert_eq!(begun, 60);
}

#[test]
fn queued_from_the_timer_when_the_delay_is_over() {
    let ((), trace) = recorded(|| Manager::new().run("workqueue", 20, None).unwrap());
    let queued: Vec<&Record> = trace
        .iter()
        .filter(|r| r.name == "workqueue_queue_work" && r.text == "demo_later")
        .collect();
    assert_eq!(queued.len(), 5);
    for r in queued {
        use crate::events::flags::{IRQS_OFF, SOFTIRQ};
        assert_eq!(r.flags & (IRQS_OFF | SOFTIRQ), IRQS_OFF | SOFTIRQ, "{r:?}");
    }
}

#[test]
fn stopping_leaves_nothing_open() {
    for pause in [0, 1, 5, 20] {
        let ((), trace) = recorded(|| {
            let manager = Manager::new();
            manager.start("workqueue", Some(1e5)).unwrap();
            std::thread::sleep(Duration::from_millis(pause));
            manager.stop("workqueue").unwrap();
        });
        follow(&trace);
    }
}
