//! The trace of the xdp workload, held against the bursts that were sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::Manager;
use crate::events::flags::SOFTIRQ;
use crate::figures::XDP;
use crate::net::skb::MADE;
use crate::net::tests::follow::Packets;
use crate::testing::net::{Event, Record, recorded};

/// The workload's own figures.
fn figures() -> [u64; 6] {
    [
        &XDP.seen,
        &XDP.passed,
        &XDP.dropped,
        &XDP.sent_back,
        &XDP.redirected,
        &XDP.aborted,
    ]
    .map(|counter| counter.get())
}

/// Does some work; what happened, how many packets were made, and what the figures grew by.
fn seen(work: impl FnOnce()) -> (Vec<Record>, u64, [u64; 6]) {
    let ((made, figures), trace) = recorded(|| {
        let (made, before) = (MADE.load(Ordering::SeqCst), figures());
        work();
        let after = figures();
        let grown = std::array::from_fn(|at| after[at] - before[at]);
        (MADE.load(Ordering::SeqCst) - made, grown)
    });
    (trace, made, figures)
}

/// Everything that must hold whatever happened.
fn check(trace: &[Record], made: u64) -> Packets {
    let mut packets = Packets::default();
    for record in trace {
        packets.follow(record);
    }
    packets.end(made);
    packets
}

#[test]
fn a_run_is_exact_and_every_verdict_carried_out() {
    for ops in [0, 1, 40] {
        let (trace, made, figures) = seen(|| Manager::new().run("xdp", ops, None).unwrap());
        let packets = check(&trace, made);
        let sent: Vec<(u16, usize)> = (0..ops).flat_map(burst).collect();
        let with = |port| sent.iter().filter(|packet| packet.0 == port).count() as u64;
        let seen = sent.len() as u64;
        let redirected = with(REDIRECTED) + with(TO_NOWHERE);
        let own = [
            seen,
            with(PASSED),
            with(DROPPED),
            with(SENT_BACK),
            redirected,
            with(UNREADABLE),
        ];
        assert_eq!(own, figures);
        assert_eq!(packets.sent, seen);
        let sum = |of: &dyn Fn(&Event) -> u64| -> u64 { trace.iter().map(|r| of(&r.event)).sum() };
        let check = |what: &str, of: &dyn Fn(&Event) -> u64, expected| {
            assert_eq!(sum(of), expected, "{what}, {ops} operations");
        };
        let exception = |e: &Event| {
            u64::from(
                *e == Event::Exception {
                    act: 0,
                    ifindex: 11,
                },
            )
        };
        check("aborted", &exception, with(UNREADABLE));
        let redirect = Event::Redirect {
            from: 11,
            to: 12,
            index: TO_XDP1 as i32,
        };
        check(
            "redirected",
            &|e| u64::from(*e == redirect),
            with(REDIRECTED),
        );
        let error = Event::RedirectErr {
            from: 11,
            to: 14,
            err: -libc::ENETDOWN,
            index: TO_XDP2 as i32,
        };
        check(
            "to a device that is down",
            &|e| u64::from(*e == error),
            with(TO_NOWHERE),
        );
        let bulk = |e: &Event| match e {
            Event::BulkTx {
                ifindex: 11,
                sent,
                drops: 0,
                err: 0,
            } => *sent as u64,
            _ => 0,
        };
        check("sent back", &bulk, with(SENT_BACK));
        let devmap = |e: &Event| match e {
            Event::DevmapXmit {
                from: 11,
                to: 12,
                sent,
                drops: 0,
                err: 0,
            } => *sent as u64,
            _ => 0,
        };
        check("sent on", &devmap, with(REDIRECTED));
        let came_back = |e: &Event| u64::from(matches!(e, Event::Rx { .. }));
        check("came back", &came_back, with(SENT_BACK));
        let came_up = |e: &Event| u64::from(matches!(e, Event::ReceiveEntry { .. }));
        check("came up", &came_up, with(PASSED) + with(REDIRECTED));
        let read: Vec<i32> = trace
            .iter()
            .filter_map(|r| match r.event {
                Event::Copy { len, .. } => Some(len),
                _ => None,
            })
            .collect();
        let mut read: Vec<usize> = read.into_iter().map(|len| len as usize - 40).collect();
        let is_read = |port: u16| [PASSED, SENT_BACK, REDIRECTED].contains(&port);
        let mut expected: Vec<usize> = sent.iter().filter(|p| is_read(p.0)).map(|p| p.1).collect();
        read.sort_unstable();
        expected.sort_unstable();
        assert_eq!(read, expected, "bytes behind the number that were read");
        for r in &trace {
            if matches!(
                r.event,
                Event::Redirect { .. } | Event::BulkTx { .. } | Event::Exception { .. }
            ) {
                assert_eq!(r.flags & SOFTIRQ, SOFTIRQ, "{r:?}");
            }
        }
    }
    // There is some of everything to be seen.
    let sent: Vec<u16> = (0..40).flat_map(burst).map(|packet| packet.0).collect();
    for port in [
        PASSED, DROPPED, SENT_BACK, REDIRECTED, TO_NOWHERE, UNREADABLE,
    ] {
        assert!(sent.contains(&port), "{port}");
    }
}

#[test]
fn stopping_under_load_leaves_nothing() {
    for ops in [0, 1, 50] {
        let (trace, made, _) = seen(|| {
            let manager = Manager::new();
            manager.start("xdp", Some(100_000.0)).unwrap();
            let done = || manager.list().iter().find(|s| s.name == "xdp").unwrap().ops;
            while done() < ops {
                std::thread::sleep(Duration::from_millis(1));
            }
            manager.stop("xdp").unwrap();
        });
        check(&trace, made);
    }
}

#[test]
fn a_socket_that_nobody_reads_gets_full() {
    let (trace, made, _) = seen(|| {
        let slot = Mutex::default();
        let machine = Owner::shared(&slot).unwrap();
        let device = Device::new("full0", 20, QUEUE_LIMIT, |device| {
            Nic::new("full0", Kind::Polled, machine.machine(), 0, device)
        });
        let dropped = Arc::new(AtomicU64::new(0));
        let count = dropped.clone();
        let on_drop = Box::new(move |_: &[u8]| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let capture = Capture::new(1000, on_drop);
        let protocol: Weak<dyn Protocol> = Arc::downgrade(&(capture.clone() as Arc<dyn Protocol>));
        device.set_protocol(protocol);
        for index in 0..20 {
            let frame = packet::make([2; 6], [4; 6], PASSED, Number { op: 0, index }, 100);
            let skb = Skb::incoming(frame, &device, 8193);
            crate::net::netif_receive_skb(skb);
        }
        let queued = capture.waiting() as u64;
        assert!(queued > 0 && queued < 20);
        assert_eq!(dropped.load(Ordering::SeqCst), 20 - queued);
        capture.purge();
    });
    check(&trace, made);
    let full = trace
        .iter()
        .filter(|r| r.event == Event::RcvqueueFull)
        .count();
    assert!(full > 0 && full < 20, "{full}");
}
