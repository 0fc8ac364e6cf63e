//! The trace of the net workload, held against the wire and against the rules of TCP and of packets.

pub(crate) mod follow;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::jobs::KINDS;
use super::link::Fate;
use super::skb::MADE;
use super::{DropReason, Loss, Net, ResetReason, start_receiving};
use crate::events::flags::{BH_OFF, HARDIRQ, SOFTIRQ};
use crate::figures::NET;
use crate::load::Load;
use crate::machine::Owner;
use crate::testing::net::{Event, Record, recorded};
use crate::{Engine, Manager};
use follow::{Packets, Sockets, Wire};

/// A frame on the link.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    pub fate: Fate,
    pub frame: Vec<u8>,
}

static TAP: Mutex<Option<Vec<Carried>>> = Mutex::new(None);

/// The link carries a frame.
pub(super) fn tap(fate: Fate, frame: &[u8]) {
    if let Some(carried) = &mut *TAP.lock() {
        let frame = frame.to_vec();
        carried.push(Carried { fate, frame });
    }
}

/// What happened during some work: the events, what was on the wire, and how many packets were made.
struct Seen {
    trace: Vec<Record>,
    carried: Vec<Carried>,
    made: u64,
    /// What the workload's own figures grew by.
    figures: [u64; 9],
}

/// The workload's own figures.
fn figures() -> [u64; 9] {
    [
        &NET.connects,
        &NET.refused,
        &NET.bytes_sent,
        &NET.bytes_received,
        &NET.frames,
        &NET.frames_lost,
        &NET.frames_damaged,
        &NET.retransmits,
        &NET.resets,
    ]
    .map(|counter| counter.get())
}

fn seen<T>(work: impl FnOnce() -> T) -> (T, Seen) {
    let ((result, carried, made, figures), trace) = recorded(|| {
        let figures_before = figures();
        let before = MADE.load(Ordering::SeqCst);
        *TAP.lock() = Some(Vec::new());
        let result = work();
        let carried = TAP.lock().take().unwrap();
        let mut figures = figures();
        for (figure, before) in figures.iter_mut().zip(figures_before) {
            *figure -= before;
        }
        (
            result,
            carried,
            MADE.load(Ordering::SeqCst) - before,
            figures,
        )
    });
    let seen = Seen {
        trace,
        carried,
        made,
        figures,
    };
    (result, seen)
}

/// Does operations with a loss of so many in 10 000 on the bad way.
fn run(ops: u64, loss: u64) -> Seen {
    let run = || {
        let slot = Mutex::default();
        let machine = Owner::shared(&slot).unwrap();
        start_receiving(&machine);
        let load = Arc::new(Load::new(Some(ops), None, Arc::default()));
        let loss = Loss(Arc::new(AtomicU64::new(loss)));
        Box::new(Net { machine, loss }).run(&load).unwrap();
        assert_eq!(load.done(), ops);
    };
    seen(run).1
}

impl Seen {
    fn count(&self, which: impl Fn(&Event) -> bool) -> u64 {
        self.trace.iter().filter(|r| which(&r.event)).count() as u64
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.count(|e| matches!(e, Event::Kfree { reason: r, .. } if *r == reason))
    }

    /// Packets that a device did not pass on.
    fn thrown_away(&self) -> u64 {
        self.dropped(DropReason::QueuePurge) + self.dropped(DropReason::QdiscOverlimit)
    }

    /// Everything that must hold whatever happened.
    fn check(&self) -> (Packets, Sockets, Wire) {
        let mut packets = Packets::default();
        let mut sockets = Sockets::default();
        for record in &self.trace {
            packets.follow(record);
            sockets.follow(record);
        }
        packets.end(self.made);
        sockets.end();
        let wire = Wire::of(&self.carried);
        // What the driver got is what was on the wire, and what arrived there came up.
        let lost = self.carried.iter().filter(|c| c.fate == Fate::Lost).count() as u64;
        let damaged = self
            .carried
            .iter()
            .filter(|c| c.fate == Fate::Damaged)
            .count() as u64;
        assert_eq!(packets.sent, self.carried.len() as u64);
        assert!(packets.came_in <= packets.sent - lost);
        assert_eq!(packets.bad_sums, damaged);
        let retransmitted = self.count(|e| {
            matches!(
                e,
                Event::Retransmit { err: 0, .. } | Event::RetransmitSynack { .. }
            )
        });
        let resets = self.count(|e| matches!(e, Event::SendReset { .. }));
        // A device that is closed throws away what waits in it, and that has been told of.
        let thrown = self.thrown_away();
        let again = wire.sent_again..=wire.sent_again + thrown;
        assert!(again.contains(&retransmitted), "{retransmitted} {again:?}");
        let carried = wire.resets..=wire.resets + thrown;
        assert!(carried.contains(&resets), "{resets} {carried:?}");
        let own = [
            sockets.clients,
            sockets.refused,
            sockets.sent,
            sockets.received,
            packets.sent,
            lost,
            damaged,
            wire.sent_again,
            wire.resets,
        ];
        assert_eq!(own, self.figures);
        (packets, sockets, wire)
    }
}

/// Operations of a kind among the first `ops`.
fn of_kind(kind: u64, ops: u64) -> u64 {
    (0..ops).filter(|op| op % KINDS == kind).count() as u64
}

fn check_run(ops: u64, loss: u64) -> (Seen, Wire) {
    let seen = run(ops, loss);
    let (packets, sockets, wire) = seen.check();
    let [transfers, lossy, resets, refused, overflows] =
        std::array::from_fn(|kind| of_kind(kind as u64, ops));
    // Nothing is left under way at the end, so nothing was lost but by the link.
    let lost = seen.carried.iter().filter(|c| c.fate == Fate::Lost).count() as u64;
    assert_eq!(packets.came_in, packets.sent - lost);
    assert_eq!(seen.thrown_away(), 0);
    let whole = transfers + lossy + 2 * overflows;
    assert_eq!(sockets.whole, whole, "connections whose bytes all arrived");
    assert_eq!(sockets.clients, whole + resets + refused);
    assert_eq!(sockets.listeners, 1 + overflows);
    assert_eq!(sockets.refused, refused);
    // What the tasks sent is what they received, and what the wire carried, once each.
    assert_eq!(sockets.sent_whole, sockets.received_whole);
    assert_eq!(sockets.received, packets.copied);
    assert!(wire.payload_once >= sockets.received);
    assert_eq!(
        seen.count(|e| matches!(e, Event::ReceiveReset { .. })),
        resets + refused
    );
    let sent =
        |wanted| seen.count(|e| matches!(e, Event::SendReset { reason, .. } if *reason == wanted));
    assert!(sent(ResetReason::AbortOnClose) == resets);
    assert!(sent(ResetReason::NoSocket) >= refused);
    assert!(seen.dropped(DropReason::TcpListenOverflow) >= overflows);
    assert_eq!(wire.payload_once_of_whole(&sockets), sockets.sent_whole);
    (seen, wire)
}

#[test]
fn a_run_is_exact_and_every_event_true() {
    for ops in [0, 1, 5, 25] {
        check_run(ops, 500);
    }
}

#[test]
fn every_loss_is_made_good() {
    let (seen, wire) = check_run(30, 1500);
    assert!(wire.sent_again > 10, "{}", wire.sent_again);
    assert!(seen.carried.iter().any(|c| c.fate == Fate::Damaged));
}

#[test]
fn without_loss_only_who_was_turned_away_sends_again() {
    let (seen, wire) = check_run(10, 0);
    assert!(seen.carried.iter().all(|c| c.fate == Fate::Arrives));
    let turned_away = seen.dropped(DropReason::TcpListenOverflow);
    // As long as the machine that runs this is not busy with something else for longer than a retransmission waits.
    assert!(wire.sent_again >= turned_away, "{}", wire.sent_again);
}

#[test]
fn events_happen_where_linux_has_them() {
    let (seen, _) = check_run(5, 500);
    let in_context = |r: &Record| r.flags & (HARDIRQ | SOFTIRQ);
    let mut by_task = 0;
    for r in &seen.trace {
        match &r.event {
            Event::Rx { .. } | Event::RxExit { .. } => assert_eq!(in_context(r), HARDIRQ, "{r:?}"),
            Event::NapiPoll { .. }
            | Event::Receive { .. }
            | Event::ReceiveEntry { .. }
            | Event::ReceiveReset { .. } => assert_eq!(in_context(r), SOFTIRQ, "{r:?}"),
            Event::Sent { .. } | Event::Received { .. } | Event::Copy { .. } => {
                assert_eq!(in_context(r), 0, "{r:?}");
                assert_ne!(r.owner, 0, "{r:?}");
            }
            Event::DevQueue { .. } if in_context(r) == 0 => {
                assert_eq!(r.flags & BH_OFF, BH_OFF, "{r:?}");
                by_task += u32::from(["curl", "wget", "httpd"].contains(&&*r.comm));
            }
            _ => {}
        }
    }
    assert!(by_task > 5, "{by_task}");
}

#[test]
fn stopping_under_load_leaves_nothing() {
    let mut stops = Vec::new();
    for ops in [0, 0, 3, 20] {
        let (took, seen) = seen(|| {
            let manager = Manager::new();
            manager.start("net", Some(1000.0)).unwrap();
            let done = || manager.list().iter().find(|s| s.name == "net").unwrap().ops;
            while done() < ops {
                std::thread::sleep(Duration::from_millis(1));
            }
            let begin = Instant::now();
            manager.stop("net").unwrap();
            begin.elapsed()
        });
        seen.check();
        stops.push(took);
    }
    stops.sort();
    // The machine that runs this may be busy with something else for a while, but not every time.
    assert!(stops[1] < Duration::from_millis(200), "{stops:?}");
}

#[test]
fn transfers_repeat() {
    let transfers = || {
        let seen = run(10, 800);
        let (_, sockets, _) = seen.check();
        sockets.transfers()
    };
    let first = transfers();
    assert_eq!(first.len() as u64, 2 * (2 + 2 + 2 * 2));
    assert_eq!(first, transfers());
}

#[test]
fn losses_as_text() {
    let manager = Manager::new();
    let shown = || {
        let list = manager.list();
        let net = list.into_iter().find(|s| s.name == "net").unwrap();
        net.settings
    };
    assert_eq!(shown(), [("loss", "5".to_string())]);
    for text in ["0", "0.25", "30"] {
        manager.set("net", "loss", text).unwrap();
        assert_eq!(shown(), [("loss", text.to_string())]);
    }
    for wrong in ["", "5%", "-1", "31", "NaN", "inf"] {
        let error = manager.set("net", "loss", wrong).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("'{wrong}' is not a loss: give a percentage from 0 to 30")
        );
    }
    assert_eq!(shown(), [("loss", "30".to_string())]);
    let refused = |workload, setting| manager.set(workload, setting, "1").unwrap_err().to_string();
    assert_eq!(
        refused("net", "gain"),
        "workload net has no setting 'gain'; there are: loss"
    );
    assert_eq!(
        refused("sched", "loss"),
        "workload sched has no setting 'loss'; there are: none"
    );
    assert!(refused("nosuch", "loss").starts_with("no workload is called 'nosuch'"));
}
