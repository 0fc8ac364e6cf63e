//! The trace of the irq workload: exact, and every event possible.

use std::time::Duration;

use super::driver::Kind;
use crate::Manager;
use crate::testing::kernel::{Record, follow, recorded};

/// Interrupts of the sensor by kind: entries, unhandled ones; tasklets; raises of HI, TASKLET and IRQ_POLL.
fn expected(ops: u64) -> [usize; 6] {
    let mut sum = [0; 6];
    for op in 0..ops {
        let counts = match Kind::of(op) {
            Kind::Sample => [1, 0, 1, 0, 1, 0],
            Kind::Urgent => [1, 0, 1, 1, 0, 0],
            Kind::Block => [1, 0, 0, 0, 0, 1],
            Kind::Alarm => [2, 1, 0, 0, 0, 0],
        };
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    sum
}

fn counted(trace: &[Record]) -> [usize; 6] {
    let count = |wanted: &dyn Fn(&Record) -> bool| trace.iter().filter(|r| wanted(r)).count();
    let raised = |vec| count(&|r| r.name == "softirq_raise" && r.args[0] == vec);
    let served = |vec| count(&|r| r.name == "softirq_entry" && r.args[0] == vec);
    for vec in [0, 5, 6] {
        assert_eq!(raised(vec), served(vec), "vec {vec}");
    }
    [
        count(&|r| r.name == "irq_handler_entry" && r.text == "sensor"),
        count(&|r| r.name == "irq_handler_exit" && r.args[1] == 0),
        count(&|r| r.name == "tasklet_entry"),
        raised(0),
        raised(6),
        raised(5),
    ]
}

#[test]
fn runs_are_exact_and_every_event_possible() {
    for ops in [0, 1, 6, 400] {
        let ((), trace) = recorded(|| Manager::new().run("irq", ops, None).unwrap());
        follow(&trace);
        assert_eq!(counted(&trace), expected(ops), "{ops} operations");
    }
}

#[test]
fn activities_share_the_machine() {
    let ((), trace) = recorded(|| {
        let manager = Manager::new();
        manager.start("irq", Some(2000.0)).unwrap();
        let runs = [0, 1].map(|_| manager.begin("irq", 100, None).unwrap());
        for run in runs {
            run.wait().unwrap();
        }
        manager.stop("irq").unwrap();
    });
    let counts = follow(&trace);
    assert!(counts.of("irq_handler_entry") >= 2 * expected(100)[0]);
}

#[test]
fn stopping_leaves_nothing_open() {
    for pause in [0, 1, 3, 10] {
        let ((), trace) = recorded(|| {
            let manager = Manager::new();
            manager.start("irq", Some(1e6)).unwrap();
            std::thread::sleep(Duration::from_millis(pause));
            manager.stop("irq").unwrap();
        });
        follow(&trace);
    }
}
