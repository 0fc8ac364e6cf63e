//! The trace of the syscalls workload: every call between its two events, and the calls what the jobs say.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::jobs::{Jobs, KINDS};
use super::scratch::Scratch;
use crate::Manager;
use crate::children::Family;
use crate::testing::syscalls::{Event, Record, recorded};

/// A call with what came back, as the trace has it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Call {
    name: &'static str,
    args: Vec<u64>,
    paths: Vec<String>,
    /// `None`: it ended whoever made it.
    ret: Option<i64>,
    thread: i32,
    /// Of a program that a job runs.
    child: bool,
}

/// The records of each thread, threads in the order of their first ones.
fn by_thread(trace: &[Record]) -> Vec<(i32, Vec<&Record>)> {
    let mut threads: Vec<(i32, Vec<&Record>)> = Vec::new();
    for record in trace {
        assert_eq!(record.flags_and_depth, 0, "{record:?}");
        match threads.iter_mut().find(|(owner, _)| *owner == record.owner) {
            Some((_, records)) => records.push(record),
            None => threads.push((record.owner, vec![record])),
        }
    }
    threads
}

/// Pairs the events up. Panics if they are not, per thread, complete sequences of raw enter, enter, raw exit and exit; the
/// last call of a program has no exit.
fn calls(trace: &[Record]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for (thread, records) in by_thread(trace) {
        let child = calls
            .iter()
            .any(|call| call.name == "clone" && call.ret == Some(i64::from(thread)));
        let last = records.len().div_ceil(4);
        for (i, group) in records.chunks(4).enumerate() {
            let comms: Vec<&str> = group.iter().map(|record| &record.comm[..]).collect();
            assert!(
                child || comms.iter().all(|comm| *comm == "syscalls"),
                "{group:?}"
            );
            let events: Vec<&Event> = group.iter().map(|record| &record.event).collect();
            let [
                Event::RawEnter { id, args: raw_args },
                Event::Enter {
                    name,
                    id: nr,
                    args,
                    paths,
                },
                rest @ ..,
            ] = &events[..]
            else {
                panic!("no complete call: {group:?}");
            };
            assert_eq!(*id, i64::from(*nr), "{group:?}");
            assert_eq!(args[..], raw_args[..args.len()], "{group:?}");
            assert!(
                child || raw_args[args.len()..].iter().all(|arg| *arg == 0),
                "{group:?}"
            );
            let ret = match rest {
                [
                    Event::RawExit { id, ret },
                    Event::Exit {
                        name: exit_name,
                        ret: exit_ret,
                    },
                ] => {
                    assert_eq!((*id, ret, name), (i64::from(*nr), exit_ret, exit_name));
                    assert!(*ret >= -4095 || child, "{group:?}");
                    Some(*ret)
                }
                [] if child && i + 1 == last && *name == "exit_group" => None,
                _ => panic!("no complete call: {group:?}"),
            };
            calls.push(Call {
                name,
                args: args.clone(),
                paths: paths.clone(),
                ret,
                thread,
                child,
            });
        }
    }
    calls
}

/// A call without what may differ from run to run: addresses, descriptors, the scratch directory's name.
fn stripped(call: &Call) -> (&'static str, Option<i64>, Vec<String>) {
    let number = matches!(call.name, "openat" | "clone" | "wait4") && call.ret > Some(0);
    let ret = if number { None } else { call.ret };
    let file = |path: &String| match path.split_once("utracefs-syscalls.") {
        Some((_, own)) => own.rsplit('/').next().unwrap_or_default().to_string(),
        None => path.clone(),
    };
    (call.name, ret, call.paths.iter().map(file).collect())
}

/// What the workload's own threads do.
fn own(calls: &[Call]) -> Vec<&Call> {
    calls.iter().filter(|call| !call.child).collect()
}

fn run(ops: u64) -> Vec<Call> {
    let (done, trace) = recorded(|| {
        let manager = Manager::new();
        manager.run("syscalls", ops, None).unwrap();
        manager
            .list()
            .iter()
            .find(|status| status.name == "syscalls")
            .unwrap()
            .ops
    });
    assert_eq!(done, ops);
    calls(&trace)
}

#[test]
fn calls_are_whole_exact_and_repeatable() {
    assert_eq!(run(0), []);
    let plain = |calls: &[Call]| -> Vec<_> { own(calls).into_iter().map(stripped).collect() };
    let all = run(60);
    let first = plain(&all);
    assert_eq!(first, plain(&run(60)));
    // The first ones of more are the same ones.
    let more = plain(&run(66));
    assert_eq!(first, more[..first.len()]);
    let threads: BTreeSet<i32> = own(&all).iter().map(|call| call.thread).collect();
    assert_eq!(threads.len(), 1);
    assert!(
        !threads.contains(&(std::process::id() as i32)),
        "a thread has a number of its own"
    );
}

/// The errors among the results.
fn errnos(calls: &[&Call]) -> BTreeSet<i64> {
    let rets = calls.iter().filter_map(|call| call.ret);
    rets.filter(|ret| *ret < 0).map(|ret| -ret).collect()
}

#[test]
fn arguments_and_results_are_real() {
    let all = run(KINDS * 12);
    let all = own(&all);
    let names: BTreeSet<&str> = all.iter().map(|call| call.name).collect();
    // The log is rotated only after more jobs than these.
    let expected = [
        "clock_nanosleep",
        "clone",
        "close",
        "faccessat",
        "fchmod",
        "getdents64",
        "lseek",
        "mkdirat",
        "nanosleep",
        "newfstat",
        "newfstatat",
        "openat",
        "pipe2",
        "read",
        "readlinkat",
        "renameat2",
        "symlinkat",
        "unlinkat",
        "utimensat",
        "wait4",
        "write",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    let wanted = [
        libc::ENOENT,
        libc::EBADF,
        libc::EAGAIN,
        libc::EACCES,
        libc::EEXIST,
        libc::ENOTDIR,
        libc::EINVAL,
        libc::ESPIPE,
        libc::ENOTEMPTY,
    ];
    assert_eq!(errnos(&all), wanted.map(i64::from).into());
    let mut open = BTreeSet::new();
    for call in &all {
        let ret = call.ret.expect("a result");
        match call.name {
            "openat" => {
                assert!(
                    call.args[0] == 0xffff_ff9c || call.args[0] < 1 << 20,
                    "{call:?}"
                );
                assert!(!call.paths[0].is_empty());
                assert_eq!(
                    ret == -i64::from(libc::ENOENT),
                    call.paths[0] == "app.conf.local",
                    "{call:?}"
                );
                assert!(ret < 0 || open.insert(ret as u64), "{call:?}");
            }
            "close" if ret == 0 => {
                open.remove(&call.args[0]);
            }
            "read" => assert!(ret <= call.args[2] as i64, "{call:?}"),
            "write" => assert_eq!(ret, call.args[2] as i64, "{call:?}"),
            "symlinkat" => assert_eq!(call.paths, ["data", "app/latest"]),
            "wait4" => assert_eq!(ret as u64, call.args[0], "{call:?}"),
            _ => {}
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

#[test]
fn programs_are_seen_from_exec_to_exit() {
    let all = run(KINDS);
    let born: Vec<i64> = own(&all)
        .iter()
        .filter(|call| call.name == "clone")
        .filter_map(|call| call.ret)
        .collect();
    assert_eq!(born.len(), 4);
    for (i, pid) in born.iter().enumerate() {
        let life: Vec<&Call> = all.iter().filter(|c| i64::from(c.thread) == *pid).collect();
        let names: Vec<&str> = life.iter().map(|call| call.name).collect();
        assert_eq!(names[..4], ["dup3", "dup3", "dup3", "execve"]);
        assert_eq!(
            (names.last(), life.last().map(|c| c.ret)),
            (Some(&"exit_group"), Some(None))
        );
        let status = life.last().map_or(0, |call| call.args[0]);
        // the last one is a file that nobody may run
        if i == 3 {
            assert!(life[3].paths[0].ends_with("/app"), "{:?}", life[3]);
            assert_eq!((life[3].ret, status), (Some(-i64::from(libc::EACCES)), 126));
        } else if fs::metadata("/bin/cat").is_ok() {
            assert!(life[3].paths[0].ends_with("/cat"), "{:?}", life[3]);
            assert_eq!((life[3].ret, status), (Some(0), 0));
            let source = |call: &&&Call| {
                call.name == "openat" && call.paths[0].contains("utracefs-syscalls.")
            };
            assert_eq!(
                life.iter().filter(source).count(),
                if i == 2 { 2 } else { 1 }
            );
        }
    }
}

#[test]
fn pauses_are_calls_too() {
    let ((), trace) = recorded(|| {
        let manager = Manager::new();
        manager.start("syscalls", Some(50.0)).unwrap();
        manager.run("syscalls", 5, None).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        manager.stop("syscalls").unwrap();
    });
    let calls = calls(&trace);
    let threads: BTreeSet<i32> = own(&calls).iter().map(|call| call.thread).collect();
    assert_eq!(threads.len(), 2);
    let pauses: Vec<&Call> = calls.iter().filter(|call| call.name == "futex").collect();
    assert!(!pauses.is_empty());
    let wakes = [-i64::from(libc::ETIMEDOUT), -i64::from(libc::EAGAIN), 0];
    assert!(
        pauses
            .iter()
            .all(|call| call.ret.is_some_and(|ret| wakes.contains(&ret))),
        "{pauses:?}"
    );
}

#[test]
fn jobs_come_to_what_they_expect() {
    let _alone = crate::testing::alone();
    let base = std::env::temp_dir();
    let mut jobs = Jobs::new(Scratch::new(&base).unwrap()).unwrap();
    let mut family = Family::new();
    for op in 0..KINDS * 150 {
        let family = (op < KINDS * 20).then_some(&mut family);
        assert_eq!(jobs.run(op, family), Ok(()), "job {op}");
    }
    assert!(
        fs::metadata(jobs.path().join("app.log.1")).is_ok(),
        "the log was never rotated"
    );
}

#[test]
fn a_failure_is_reported_and_got_over() {
    let _alone = crate::testing::alone();
    let mut jobs = Jobs::new(Scratch::new(&std::env::temp_dir()).unwrap()).unwrap();
    let scratch = jobs.path().to_path_buf();
    let open_files = || {
        let links = fs::read_dir("/proc/self/fd")
            .unwrap()
            .flatten()
            .map(|entry| fs::read_link(entry.path()));
        links
            .flatten()
            .filter(|target| target.starts_with(&scratch))
            .count()
    };
    let mut family = Family::new();
    let mut failures = 0;
    for op in 0..KINDS * 20 {
        if op % 5 == 4 {
            // Somebody tidies up the temporary directory.
            for entry in fs::read_dir(jobs.path()).unwrap() {
                let path = entry.unwrap().path();
                fs::remove_file(&path)
                    .or_else(|_| fs::remove_dir(&path))
                    .unwrap();
            }
            fs::create_dir(jobs.path().join("spool")).unwrap();
            fs::create_dir(jobs.path().join("app")).unwrap();
        }
        failures += usize::from(jobs.run(op, Some(&mut family)).is_err());
    }
    assert!((10..60).contains(&failures), "{failures}");
    assert_eq!(open_files(), 1, "besides the directory itself");
    fs::remove_dir_all(jobs.path()).unwrap();
    for op in 0..KINDS {
        assert!(jobs.run(op, None).is_err() || op == 2 || op == 7, "{op}");
    }
    assert!(open_files() <= 1);
}
