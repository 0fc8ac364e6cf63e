//! The trace of the syscalls workload: every call between its two events, and the calls what the jobs say.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::time::Duration;

use super::jobs::{Jobs, KINDS};
use super::scratch::Scratch;
use crate::Manager;
use crate::testing::syscalls::{Event, Record, recorded};

/// A call with what came back, as the trace has it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Call {
    name: &'static str,
    args: Vec<u64>,
    paths: Vec<String>,
    ret: i64,
    thread: i32,
}

/// Pairs the events up. Panics if they are not, per thread, complete sequences of raw enter, enter, raw exit and exit.
fn calls(trace: &[Record]) -> Vec<Call> {
    let mut threads: HashMap<i32, Vec<&Record>> = HashMap::new();
    for record in trace {
        assert_eq!(
            (record.comm.as_str(), record.flags_and_depth),
            ("syscalls", 0),
            "{record:?}"
        );
        threads.entry(record.owner).or_default().push(record);
    }
    let mut calls = Vec::new();
    for (thread, records) in threads {
        for group in records.chunks(4) {
            let events: Vec<&Event> = group.iter().map(|record| &record.event).collect();
            let [
                Event::RawEnter { id, args: raw_args },
                Event::Enter {
                    name,
                    id: nr,
                    args,
                    paths,
                },
                Event::RawExit {
                    id: raw_exit_id,
                    ret: raw_ret,
                },
                Event::Exit {
                    name: exit_name,
                    ret,
                },
            ] = events[..]
            else {
                panic!("no complete call: {group:?}");
            };
            assert_eq!(
                (*id, id, raw_ret, name),
                (i64::from(*nr), raw_exit_id, ret, exit_name),
                "{group:?}"
            );
            assert_eq!(args[..], raw_args[..args.len()], "{group:?}");
            assert!(
                raw_args[args.len()..].iter().all(|arg| *arg == 0),
                "{group:?}"
            );
            assert!(*ret >= -4095, "{group:?}");
            calls.push(Call {
                name,
                args: args.clone(),
                paths: paths.clone(),
                ret: *ret,
                thread,
            });
        }
    }
    calls
}

/// A call without what may differ from run to run: addresses, descriptors, the scratch directory's name.
fn stripped(call: &Call) -> (&'static str, Option<i64>, Vec<String>) {
    let ret = (call.name != "openat" || call.ret < 0).then_some(call.ret);
    let file = |path: &String| match path.split_once("utracefs-syscalls.") {
        Some((_, own)) => own.rsplit('/').next().unwrap_or_default().to_string(),
        None => path.clone(),
    };
    (call.name, ret, call.paths.iter().map(file).collect())
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
    let first = run(60);
    assert_eq!(
        first.iter().map(stripped).collect::<Vec<_>>(),
        run(60).iter().map(stripped).collect::<Vec<_>>()
    );
    // The first ones of more are the same ones.
    let more = run(66);
    assert_eq!(
        first.iter().map(stripped).collect::<Vec<_>>(),
        more[..first.len()].iter().map(stripped).collect::<Vec<_>>()
    );
    let threads: BTreeSet<i32> = first.iter().map(|call| call.thread).collect();
    assert_eq!(threads.len(), 1);
    assert!(
        !threads.contains(&(std::process::id() as i32)),
        "a thread has a number of its own"
    );
}

#[test]
fn arguments_and_results_are_real() {
    let all = run(KINDS * 12);
    let names: BTreeSet<&str> = all.iter().map(|call| call.name).collect();
    // The log is rotated only after more jobs than these.
    let expected = [
        "clock_nanosleep",
        "close",
        "getdents64",
        "lseek",
        "mkdirat",
        "nanosleep",
        "newfstat",
        "newfstatat",
        "openat",
        "pipe2",
        "read",
        "renameat2",
        "unlinkat",
        "write",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    let errnos: BTreeSet<i64> = all
        .iter()
        .map(|call| call.ret)
        .filter(|ret| *ret < 0)
        .collect();
    let wanted = [
        libc::ENOENT,
        libc::EBADF,
        libc::EAGAIN,
        libc::EEXIST,
        libc::ENOTDIR,
        libc::EINVAL,
        libc::ESPIPE,
        libc::ENOTEMPTY,
    ];
    assert_eq!(
        errnos,
        wanted.iter().map(|errno| -i64::from(*errno)).collect()
    );
    let mut open = BTreeSet::new();
    for call in &all {
        match call.name {
            "openat" => {
                assert!(
                    call.args[0] == 0xffff_ff9c || call.args[0] < 1 << 20,
                    "{call:?}"
                );
                assert!(!call.paths[0].is_empty());
                assert_eq!(
                    call.ret == -i64::from(libc::ENOENT),
                    call.paths[0] == "app.conf.local",
                    "{call:?}"
                );
                assert!(call.ret < 0 || open.insert(call.ret as u64), "{call:?}");
            }
            "close" if call.ret == 0 => {
                open.remove(&call.args[0]);
            }
            "read" => assert!(call.ret <= call.args[2] as i64, "{call:?}"),
            "write" => assert_eq!(call.ret, call.args[2] as i64, "{call:?}"),
            _ => {}
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
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
    let threads: BTreeSet<i32> = calls.iter().map(|call| call.thread).collect();
    assert_eq!(threads.len(), 2);
    let pauses: Vec<&Call> = calls.iter().filter(|call| call.name == "futex").collect();
    assert!(!pauses.is_empty());
    let wakes = [-i64::from(libc::ETIMEDOUT), -i64::from(libc::EAGAIN), 0];
    assert!(
        pauses.iter().all(|call| wakes.contains(&call.ret)),
        "{pauses:?}"
    );
}

#[test]
fn jobs_come_to_what_they_expect() {
    let _alone = crate::testing::alone();
    let base = std::env::temp_dir();
    let mut jobs = Jobs::new(Scratch::new(&base).unwrap()).unwrap();
    for op in 0..KINDS * 150 {
        assert_eq!(jobs.run(op, None), Ok(()), "job {op}");
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
    let mut failures = 0;
    for op in 0..KINDS * 20 {
        if op % 5 == 4 {
            // Somebody tidies up the temporary directory.
            for entry in fs::read_dir(jobs.path()).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
            fs::create_dir(jobs.path().join("spool")).unwrap();
        }
        failures += usize::from(jobs.run(op, None).is_err());
    }
    assert!((10..60).contains(&failures), "{failures}");
    assert_eq!(open_files(), 1, "besides the directory itself");
    fs::remove_dir_all(jobs.path()).unwrap();
    for op in 0..KINDS {
        assert!(jobs.run(op, None).is_err() || op % KINDS == 2, "{op}");
    }
    assert!(open_files() <= 1);
}
