//! Wake-ups and both sides of switches, where the kernel tells of them.

use super::Test;
use super::daemon::{Run, program, words};
use utracefs_mount::run::sees_wakeups;
use utracefs_mount::run::wire::{Known, Record, What};

pub const TESTS: &[Test] = &[
    ("wakeups::of_a_reader", of_a_reader),
    ("wakeups::both_sides", both_sides),
    ("wakeups::switched_on_and_off", switched_on_and_off),
    ("wakeups::refused", refused),
];

const BYTES: usize = 200;

/// Whether there is anything to be tested.
fn visible() -> bool {
    if let Err(why) = sees_wakeups() {
        println!("wake-ups are not visible here: {why}");
        return false;
    }
    true
}

/// The first CPU on which we may run: not every kernel tells what the idle tasks of others do.
fn cpu() -> usize {
    let me = nix::unistd::Pid::from_raw(0);
    let set = nix::sched::sched_getaffinity(me).expect("a set of CPUs");
    let all = 0..nix::sched::CpuSet::count();
    let mut allowed = all.filter(|cpu| set.is_set(*cpu).unwrap_or(false));
    allowed.next().expect("a CPU")
}

fn name(text: &str) -> [u8; 16] {
    let mut comm = [0; 16];
    comm[..text.len()].copy_from_slice(text.as_bytes());
    comm
}

/// The command `pipe` with this wanted: its records, the reader and how often that has slept.
fn pipe(wanted: &str) -> (Run, i32, i64) {
    let cpu = cpu().to_string();
    let command = program(&["pipe", &BYTES.to_string(), &cpu]);
    let mut run = Run::start(&[], &command, wanted);
    let line = run.line();
    let (tid, slept) = line.split_once(' ').expect("two numbers");
    let numbers = (
        tid.parse().expect("a number"),
        slept.parse().expect("a number"),
    );
    assert!(run.end().success());
    (run, numbers.0, numbers.1)
}

fn in_order(records: &[Record]) {
    let late = records.windows(2).find(|w| w[0].time_ns > w[1].time_ns);
    assert!(late.is_none(), "{late:?}");
}

fn of_a_reader() {
    if !visible() {
        return;
    }
    let (run, reader, _) = pipe("Waking Wakeup");
    in_order(&run.records);
    let writer = run.command;
    let target = cpu() as i32;
    let (mut wakings, mut wakeups) = (0, 0);
    for r in &run.records {
        assert!(r.cpu.is_some(), "{r:?}");
        let (who, target_cpu, waking) = match &r.what {
            What::Waking { who, target_cpu } => (who, *target_cpu, true),
            What::Wakeup { who, target_cpu } => (who, *target_cpu, false),
            other => panic!("{other:?}"),
        };
        // one side is of ours
        let ours = |pid: i32| pid == writer || pid == reader;
        assert!(
            ours(who.pid) || ours(r.task.pid) || r.task.tgid == writer,
            "{r:?}"
        );
        assert!(
            who.pid > 0 && r.task.pid >= 0 && who.comm != Known::UNKNOWN.comm,
            "{r:?}"
        );
        if who.pid != reader || who.prio != 125 {
            continue;
        }
        assert_eq!((who.comm, target_cpu), (name("reader"), target), "{r:?}");
        if !waking {
            wakeups += 1;
        } else if r.task.pid == writer {
            assert_eq!(r.task.tgid, writer);
            assert_eq!(&r.task.comm[..6], b"traced", "{r:?}");
            wakings += 1;
        }
    }
    // what was begun before the last one was dealt with is there: all
    assert_eq!((wakings, wakeups >= wakings), (BYTES, true), "{wakeups}");
}

fn both_sides() {
    if !visible() {
        return;
    }
    for wanted in ["Switch", "Switch Exit Waking enter:257 exit:257"] {
        let (run, reader, slept) = pipe(wanted);
        in_order(&run.records);
        let mut sleeps = 0;
        let mut on = false;
        for r in &run.records {
            let What::Switch {
                prev,
                prev_state,
                preempt,
                next,
            } = &r.what
            else {
                assert!(r.cpu.is_some(), "{r:?}");
                continue;
            };
            assert!(
                prev.pid >= 0 && next.pid >= 0 && prev.pid != next.pid,
                "{r:?}"
            );
            assert!(prev.prio >= 0 && next.prio >= 0, "{r:?}");
            assert!(
                ![prev.comm, next.comm].contains(&Known::UNKNOWN.comm),
                "{r:?}"
            );
            assert_eq!((r.task.pid, r.task.comm), (prev.pid, prev.comm));
            assert_eq!(*preempt, *prev_state & 0x100 != 0, "{r:?}");
            if prev.pid == reader {
                assert!(on, "it leaves twice: {r:?}");
                on = false;
                sleeps += i64::from(prev_state & 0xf != 0);
            } else if next.pid == reader {
                assert!(!on, "it comes twice: {r:?}");
                on = true;
            }
        }
        assert!(!on, "it does not leave for the last time");
        // a tracer's stops and what comes after the count are more
        let more = if wanted == "Switch" { 2 } else { i64::MAX / 2 };
        assert!(
            slept >= 1 && (slept..=slept + more).contains(&sleeps),
            "{sleeps} of {slept}"
        );
    }
}

/// The tracer's descriptors of perf events.
fn events(tracer: i32) -> usize {
    let dir = std::fs::read_dir(format!("/proc/{tracer}/fd")).expect("descriptors");
    let links = dir
        .flatten()
        .filter_map(|e| std::fs::read_link(e.path()).ok());
    links
        .filter(|l| l.to_string_lossy().contains("perf_event"))
        .count()
}

fn switched_on_and_off() {
    if !visible() {
        return;
    }
    let command = words(&["sh", "-c", "while read x; do sleep 0.02; echo done; done"]);
    let mut run = Run::start(&[], &command, "");
    run.flush();
    let tracer = run.tracer_pid();
    assert_eq!(events(tracer), 0);
    let mut some = 0;
    for (wanted, kinds, forks) in [
        ("Waking", 1, 0),
        ("Waking Switch WakeupNew", 3, 1),
        ("Fork", 0, 0),
        ("Switch Wakeup Fork", 2, 0),
    ] {
        run.want(wanted);
        run.put("1");
        assert_eq!(run.line(), "done");
        let records = run.flush();
        let of_kinds = |word: &&str| {
            records
                .iter()
                .any(|r| format!("{:?}", r.what.kind()) == **word)
        };
        let words: Vec<&str> = wanted.split(' ').collect();
        assert!(words.iter().all(of_kinds), "{wanted}: {records:?}");
        let new = records
            .iter()
            .filter(|r| matches!(r.what, What::WakeupNew { .. }));
        assert_eq!(new.count(), forks, "{records:?}");
        if kinds == 1 {
            // two for a CPU, of which one has the ring
            some = events(tracer) / 2;
        }
        if kinds > 0 {
            // those that are not wanted any more are closed aside
            super::daemon::wait_until("events are closed", || events(tracer) == some * (kinds + 1));
        }
    }
    assert!(some > 0);
    run.want("");
    super::daemon::wait_until("all events are closed", || events(tracer) == 0);
    drop(run.stdin.take());
    assert!(run.end().success());
}

fn refused() {
    for options in [&["--contained"][..], &["--no-machine"]] {
        let mut run = Run::start(
            options,
            &words(&["sh", "-c", "read x; (:)"]),
            "Waking Wakeup",
        );
        run.put("1");
        assert!(run.end().success());
        assert_eq!(run.records, []);
    }
}
