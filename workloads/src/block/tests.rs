//! The trace of the block workload: what is asked for is done, once, and takes as long as it says.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use parking_lot::Mutex;
use utracefs::base::task;

use super::jobs::KINDS;
use super::medium::START;
use super::request::MAX_SECTORS;
use crate::Manager;
use crate::events::block::{Io, OpFlags};
use crate::events::flags::SOFTIRQ;
use crate::figures::BLOCK;
use crate::futex::now_ns;
use crate::machine::state;
use crate::subject::Subject;

/// What each request took, as the disk has measured it, in the order of their ends.
pub(super) static LATENCIES: Mutex<Vec<u64>> = Mutex::new(Vec::new());

#[derive(Clone, PartialEq, Eq, Debug)]
enum Event {
    Remap(Io, u32, u64),
    Queue(Io),
    Split(Io, u64),
    Back(Io),
    Front(Io),
    Getrq(Io),
    Plug,
    Unplug(i32),
    Insert(Io),
    Merge(Io),
    Requeue(Io),
    Start(Io),
    Issue(Io),
    Complete(Io, i32),
    Error(Io, i32),
    BioComplete(Io, i32),
    Done(Io),
    Irq,
    SoftIrq,
    /// A task goes to sleep as one does who waits for a disk.
    Sleep,
}

/// An event, whose it is, and when it came, ns.
#[derive(Clone, Debug)]
struct Record {
    event: Event,
    pid: i32,
    comm: String,
    flags: u8,
    cpu: i32,
    at: u64,
}

static TRACE: Mutex<Vec<Record>> = Mutex::new(Vec::new());

fn push(event: Event) {
    let at = now_ns();
    let current = task::current();
    let comm = current.comm();
    let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    TRACE.lock().push(Record {
        event,
        pid: current.pid(),
        comm: String::from_utf8_lossy(comm).into_owned(),
        flags: (current.head() >> 16) as u8,
        // SAFETY: no arguments.
        cpu: unsafe { libc::sched_getcpu() },
        at,
    });
}

macro_rules! probes {
    ($($module:ident $name:ident($($arg:ident: $type:ty),*) $event:expr;)*) => { pastey::paste! {
        $(fn [<on_ $name>](_: *const () $(, $arg: $type)*) {
            if let Some(event) = $event {
                push(event);
            }
        })*

        fn register() {
            $(crate::events::$module::[<register_trace_ $name>]([<on_ $name>], std::ptr::null()).unwrap();)*
        }

        fn unregister() {
            $(crate::events::$module::[<unregister_trace_ $name>]([<on_ $name>], std::ptr::null()).unwrap();)*
        }
    } };
}

probes! {
    block block_bio_remap(io: &Io, old_dev: u32, old: u64) Some(Event::Remap(*io, old_dev, old));
    block block_bio_queue(io: &Io) Some(Event::Queue(*io));
    block block_split(io: &Io, at: u64) Some(Event::Split(*io, at));
    block block_bio_backmerge(io: &Io) Some(Event::Back(*io));
    block block_bio_frontmerge(io: &Io) Some(Event::Front(*io));
    block block_getrq(io: &Io) Some(Event::Getrq(*io));
    block block_plug() Some(Event::Plug);
    block block_unplug(count: i32) Some(Event::Unplug(count));
    block block_rq_insert(io: &Io) Some(Event::Insert(*io));
    block block_rq_merge(io: &Io) Some(Event::Merge(*io));
    block block_rq_requeue(io: &Io) Some(Event::Requeue(*io));
    block block_io_start(io: &Io) Some(Event::Start(*io));
    block block_rq_issue(io: &Io) Some(Event::Issue(*io));
    block block_rq_complete(io: &Io, error: i32) Some(Event::Complete(*io, error));
    block block_rq_error(io: &Io, error: i32) Some(Event::Error(*io, error));
    block block_bio_complete(io: &Io, error: i32) Some(Event::BioComplete(*io, error));
    block block_io_done(io: &Io) Some(Event::Done(*io));
    irq irq_handler_entry(_irq: i32, name: &str) name.starts_with("ud").then_some(Event::Irq);
    irq softirq_entry(vec: u32) (vec == 4).then_some(Event::SoftIrq);
    sched sched_switch(_preempt: bool, _prev: &dyn Subject, _next: &dyn Subject, prev_state: u32)
        (prev_state == state::UNINTERRUPTIBLE).then_some(Event::Sleep);
}

/// Runs `work` and returns the events that came meanwhile.
fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
    let _alone = crate::testing::alone();
    register();
    TRACE.lock().clear();
    LATENCIES.lock().clear();
    let result = work();
    unregister();
    (result, std::mem::take(&mut *TRACE.lock()))
}

fn name(event: &Event) -> String {
    let text = format!("{event:?}");
    let end = text.find(|c: char| !c.is_alphabetic());
    text[..end.unwrap_or(text.len())].into()
}

fn counts(trace: &[Record]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in trace {
        *counts.entry(name(&record.event)).or_default() += 1;
    }
    counts
}

/// Follows all bios and requests from their beginning to their end. The latencies that the events show, in the order of
/// the requests' ends.
fn follow(trace: &[Record]) -> Vec<u64> {
    // What is under way: how often, by where it is and what it does.
    let mut bios: HashMap<Io, usize> = HashMap::new();
    let mut issued: HashMap<Io, VecDeque<u64>> = HashMap::new();
    let mut plugged: HashMap<i32, usize> = HashMap::new();
    let mut moved: HashMap<i32, Io> = HashMap::new();
    let mut requeued: HashSet<Io> = HashSet::new();
    // By CPU: what is to be told next.
    let mut failed: HashMap<i32, (Io, i32)> = HashMap::new();
    let mut latencies = Vec::new();
    for record in trace {
        let completes = matches!(
            record.event,
            Event::Complete(..) | Event::Error(..) | Event::BioComplete(..) | Event::Done(_)
        );
        assert!(!completes || record.flags & SOFTIRQ != 0, "{record:?}");
        match record.event {
            Event::Remap(io, old_dev, old) => {
                assert_eq!(
                    (old_dev, old + START),
                    (io.dev + 1, io.sector),
                    "{record:?}"
                );
                assert_eq!(moved.insert(record.pid, io), None, "{record:?}");
            }
            Event::Queue(io) => {
                assert_eq!(moved.remove(&record.pid).unwrap_or(io), io, "{record:?}");
                *bios.entry(io).or_default() += 1;
            }
            Event::Split(io, at) => {
                assert_eq!(io.sectors, MAX_SECTORS);
                assert_eq!(io.sector + u64::from(io.sectors), at);
            }
            Event::Plug => assert_eq!(plugged.insert(record.pid, 0), None, "{record:?}"),
            Event::Getrq(_) => {}
            Event::Unplug(count) => {
                assert!(
                    plugged.remove(&record.pid).is_some() && count > 0,
                    "{record:?}"
                );
            }
            Event::Issue(io) => {
                requeued.remove(&io);
                issued.entry(io).or_default().push_back(record.at);
            }
            Event::Requeue(io) => {
                requeued.insert(io);
            }
            Event::Complete(io, error) => {
                let at = issued.get_mut(&io).and_then(VecDeque::pop_front);
                latencies.push(record.at - at.unwrap_or_else(|| panic!("not issued: {record:?}")));
                assert_eq!(failed.get(&record.cpu), None);
                if error != 0 {
                    failed.insert(record.cpu, (io, error));
                }
            }
            Event::Error(io, error) => {
                assert_eq!(failed.remove(&record.cpu), Some((io, error)), "{record:?}")
            }
            Event::BioComplete(io, _) => {
                let left = bios.get_mut(&io).filter(|left| **left > 0);
                *left.unwrap_or_else(|| panic!("never queued: {record:?}")) -= 1;
            }
            Event::Back(_)
            | Event::Front(_)
            | Event::Insert(_)
            | Event::Merge(_)
            | Event::Start(_)
            | Event::Done(_)
            | Event::Irq
            | Event::SoftIrq
            | Event::Sleep => {}
        }
    }
    assert!(bios.values().all(|left| *left == 0), "{bios:?}");
    assert!(issued.values().all(VecDeque::is_empty), "{issued:?}");
    assert!(moved.is_empty() && plugged.is_empty() && requeued.is_empty());
    assert!(failed.is_empty());
    // How many of what there must be.
    let counts = counts(trace);
    let n = |name: &str| counts.get(name).copied().unwrap_or(0);
    assert_eq!(n("Queue"), n("BioComplete"));
    assert_eq!(
        n("Queue") + n("Split"),
        n("Getrq") + n("Back") + n("Front"),
        "{counts:?}"
    );
    assert_eq!(n("Getrq"), n("Start"));
    assert_eq!(n("Getrq"), n("Issue") + n("Merge"), "{counts:?}");
    assert_eq!(n("Issue"), n("Complete"));
    assert_eq!(n("Issue"), n("Done"));
    assert_eq!(n("Issue"), n("Irq"));
    assert!(n("SoftIrq") <= n("Irq") && n("SoftIrq") * 20 >= n("Irq"));
    latencies
}

/// What requests without an error have moved, in bytes.
fn moved(trace: &[Record], op: OpFlags) -> u64 {
    let bytes = trace.iter().map(|record| match record.event {
        Event::Complete(io, 0) if io.op.op() == op => io.bytes().into(),
        _ => 0,
    });
    bytes.sum()
}

fn figures() -> [u64; 6] {
    [
        &BLOCK.requests,
        &BLOCK.errors,
        &BLOCK.latency_ns,
        &BLOCK.bytes_read,
        &BLOCK.bytes_written,
        &BLOCK.flushes,
    ]
    .map(|counter| counter.get())
}

fn run(ops: u64) -> Vec<Record> {
    let ((own, measured), trace) = recorded(|| {
        let before = figures();
        let manager = Manager::new();
        manager.run("block", ops, None).unwrap();
        let list = manager.list();
        let row = list.iter().find(|status| status.name == "block").unwrap();
        assert_eq!(row.ops, ops);
        let after = figures();
        let own: Vec<u64> = (0..6).map(|i| after[i] - before[i]).collect();
        (own, LATENCIES.lock().clone())
    });
    let shown = follow(&trace);
    assert_eq!(own[0], shown.len() as u64);
    let count = |wanted: fn(&Event) -> bool| trace.iter().filter(|r| wanted(&r.event)).count();
    assert_eq!(
        own[1],
        count(|event| matches!(event, Event::Error(..))) as u64
    );
    assert_eq!(own[2], measured.iter().sum::<u64>());
    assert_eq!(own[3], moved(&trace, OpFlags::READ));
    assert_eq!(own[4], moved(&trace, OpFlags::WRITE));
    let flush = |io: &Io| io.op.has(OpFlags::PREFLUSH) || io.op.has(OpFlags::FUA);
    let flushes = trace
        .iter()
        .filter(|r| matches!(&r.event, Event::Complete(io, _) if flush(io)));
    assert_eq!(own[5], flushes.count() as u64);
    latencies_agree(&shown, &measured);
    trace
}

/// What the events show is what was measured, but for the time between taking the time and firing the event: that is
/// small, except where the system had something better to do.
fn latencies_agree(shown: &[u64], measured: &[u64]) {
    assert_eq!(shown.len(), measured.len());
    if shown.is_empty() {
        return;
    }
    // Several CPUs may end requests at the same time: in their order they differ, as a whole not.
    let sorted = |values: &[u64]| {
        let mut values = values.to_vec();
        values.sort_unstable();
        values
    };
    let mut apart: Vec<u64> = sorted(shown)
        .iter()
        .zip(sorted(measured))
        .map(|(a, b)| a.abs_diff(b))
        .collect();
    apart.sort_unstable();
    let median = apart[apart.len() / 2];
    assert!(median < 20_000, "{median} ns");
    let typical = sorted(measured)[measured.len() / 2];
    assert!(
        typical > 2_000 && median * 2 < typical,
        "{median} of {typical} ns"
    );
}

#[test]
fn bios_become_requests_and_come_back() {
    assert!(run(0).is_empty());
    let trace = run(12 * KINDS);
    let counts = counts(&trace);
    for expected in [
        "Back", "Error", "Front", "Insert", "Merge", "Plug", "Requeue", "Sleep", "Split", "Unplug",
    ] {
        assert!(counts.contains_key(expected), "no {expected}: {counts:?}");
    }
    let letters: HashSet<String> = trace
        .iter()
        .filter_map(|record| match record.event {
            Event::Queue(io) | Event::Issue(io) => Some(io.op.letters()),
            _ => None,
        })
        .map(|rwbs| {
            String::from_utf8_lossy(&rwbs)
                .trim_end_matches('\0')
                .to_string()
        })
        .collect();
    let expected = ["R", "RA", "WS", "WFS", "FWS", "FF"].map(String::from);
    assert_eq!(letters, HashSet::from(expected));
}

#[test]
fn the_same_jobs_ask_for_the_same() {
    // What a task asks for, whatever becomes of it: what is plugged is what was merged with nothing that waited.
    let asked = |trace: &[Record]| {
        let mut asked: BTreeMap<i32, (String, Vec<String>)> = BTreeMap::new();
        for record in trace {
            if matches!(
                record.event,
                Event::Remap(..) | Event::Queue(_) | Event::Split(..)
            ) {
                let task = asked.entry(record.pid).or_default();
                task.0.clone_from(&record.comm);
                task.1.push(format!("{:?}", record.event));
            }
        }
        // Pids differ from run to run, their order not.
        asked.into_values().collect::<Vec<_>>()
    };
    let first = asked(&run(5 * KINDS));
    assert_eq!(first.len() as u64, 5 * KINDS);
    assert_eq!(first, asked(&run(5 * KINDS)));
    let comms: Vec<&str> = first[..4].iter().map(|(comm, _)| comm.as_str()).collect();
    assert_eq!(comms, ["dd", "fio", "cp", "postgres"]);
}

#[test]
fn starting_and_stopping_leaves_nothing_under_way() {
    let ((), trace) = recorded(|| {
        for _ in 0..5 {
            let manager = Manager::new();
            manager.start("block", Some(1e5)).unwrap();
            // Beside another one, on a disk of its own.
            manager.run("block", KINDS, None).unwrap();
            manager.stop("block").unwrap();
        }
    });
    assert!(trace.len() > 500, "{}", trace.len());
    follow(&trace);
    let disks: HashSet<u32> = trace
        .iter()
        .filter_map(|record| match record.event {
            Event::Queue(io) => Some(io.dev),
            _ => None,
        })
        .collect();
    assert_eq!(disks, HashSet::from([240 << 20, 240 << 20 | 16]));
}
