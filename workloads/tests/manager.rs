//! Workloads from outside: exact runs, rates, start and stop at any time, nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use utracefs_workloads::{ALL, Error, Manager, State, Status};

/// Tests that look at the process's threads and times run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A directory for the workloads' files, which must be empty at the end.
struct Temp(PathBuf);

impl Temp {
    fn new(name: &str) -> Temp {
        let path =
            std::env::temp_dir().join(format!("utracefs-test-{name}.{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Temp(path)
    }

    fn manager(&self) -> Manager {
        Manager::new().with_temp_dir(&self.0)
    }

    fn entries(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let left = self.entries();
        let _ = fs::remove_dir_all(&self.0);
        assert!(
            std::thread::panicking() || left == 0,
            "{left} entries left behind"
        );
    }
}

fn count(path: &str) -> usize {
    fs::read_dir(Path::new(path)).unwrap().count()
}

/// Threads of this process. One that was joined may be listed for another moment.
fn threads_become(expected: usize) -> bool {
    let begin = Instant::now();
    // the harness starts the thread of the next test whenever it likes
    while count("/proc/self/task") > expected + 1 {
        if begin.elapsed() > Duration::from_secs(2) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn status(manager: &Manager, name: &str) -> Status {
    manager
        .list()
        .into_iter()
        .find(|status| status.name == name)
        .unwrap()
}

#[test]
fn the_list_says_what_there_is() {
    let names: Vec<&str> = ALL.iter().map(|workload| workload.name).collect();
    let order = [
        "sched",
        "syscalls",
        "process",
        "block",
        "net",
        "xdp",
        "irq",
        "timer",
        "workqueue",
        "mm",
    ];
    let expected: Vec<&str> = order
        .into_iter()
        .filter(|name| names.contains(name))
        .collect();
    assert_eq!(names, expected);
    assert!(names.starts_with(&["sched", "syscalls", "process"]));
    let manager = Manager::new();
    let list = manager.list();
    assert_eq!(
        list.iter().map(|status| status.name).collect::<Vec<_>>(),
        names
    );
    for (status, workload) in list.iter().zip(ALL) {
        assert_eq!(
            (&status.state, status.ops, status.runs),
            (&State::Stopped, 0, 0)
        );
        assert_eq!(status.rate, workload.rate);
        assert!(status.about.contains("operation"), "{}", status.about);
    }
}

#[test]
fn refusals() {
    let manager = Manager::new();
    let check = |result: Result<(), Error>, expected: &str| {
        let text = result.err().map_or("Ok".into(), |error| error.to_string());
        assert_eq!(text, expected);
    };
    let names: String = ALL.iter().map(|row| format!(" {}", row.name)).collect();
    let unknown = format!("no workload is called 'x'; there are:{names}");
    check(manager.start("x", None), &unknown);
    check(manager.stop("x"), &unknown);
    check(manager.run("x", 1, None), &unknown);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e7] {
        let text = format!("{rate} is not a rate: above 0, at most 1000000 operations per second");
        check(manager.start("sched", Some(rate)), &text);
        check(manager.run("sched", 1, Some(rate)), &text);
    }
    // Stopping what does not run is no error.
    check(manager.stop("sched"), "Ok");
    let nowhere = Manager::new().with_temp_dir("/proc/self/nowhere");
    check(
        nowhere.start("syscalls", None),
        "workload syscalls cannot start: No such file or directory (os error 2)",
    );
    assert_eq!(status(&nowhere, "syscalls").state, State::Stopped);
}

#[test]
fn runs_are_exact() {
    let _alone = alone();
    let temp = Temp::new("exact");
    let manager = temp.manager();
    let mut total = 0;
    for name in ["sched", "syscalls", "process"] {
        for ops in [0, 1, 13, 200] {
            let before = status(&manager, name).ops;
            manager.run(name, ops, None).unwrap();
            assert_eq!(status(&manager, name).ops - before, ops, "{name}");
            total += ops;
        }
        assert_eq!(status(&manager, name).runs, 0);
    }
    assert_eq!(
        manager.list().iter().map(|status| status.ops).sum::<u64>(),
        total
    );
}

#[test]
fn runs_keep_their_rate_and_can_be_stopped() {
    let _alone = alone();
    let temp = Temp::new("runs");
    let manager = temp.manager();
    let begin = Instant::now();
    manager.run("syscalls", 11, Some(50.0)).unwrap();
    // The first is due at once, so ten periods pass.
    assert!(
        begin.elapsed() >= Duration::from_millis(200),
        "{:?}",
        begin.elapsed()
    );
    for name in ["sched", "syscalls", "process"] {
        let run = manager.begin(name, 1_000_000, Some(100.0)).unwrap();
        assert!(run.wait_for(Duration::from_millis(50)).is_none());
        assert_eq!(status(&manager, name).runs, 1);
        manager.stop(name).unwrap();
        assert!(
            matches!(run.wait_for(Duration::ZERO), Some(Err(Error::Stopped(done))) if done == run.done())
        );
        let run = manager.begin(name, 1_000_000, None).unwrap();
        run.cancel();
        assert!(matches!(run.wait(), Err(Error::Stopped(done)) if done < 1_000_000));
        // Dropping is stopping too.
        drop(manager.begin(name, 1_000_000, None).unwrap());
        assert_eq!(status(&manager, name).runs, 0);
    }
}

#[test]
fn rates_are_kept() {
    let _alone = alone();
    let temp = Temp::new("rates");
    let manager = temp.manager();
    let measure = |name: &str, expected: f64| {
        let (ops, begin) = (status(&manager, name).ops, Instant::now());
        std::thread::sleep(Duration::from_millis(1000));
        let rate = (status(&manager, name).ops - ops) as f64 / begin.elapsed().as_secs_f64();
        println!("{name}: asked for {expected}, measured {rate:.1} operations per second");
        assert!(
            (rate - expected).abs() <= expected * 0.1 + 2.0,
            "{name}: {rate} instead of {expected}"
        );
    };
    for name in ["sched", "syscalls"] {
        manager.start(name, Some(40.0)).unwrap();
        assert_eq!(status(&manager, name).state, State::Running);
        measure(name, 40.0);
        // A new rate for one that runs.
        manager.start(name, Some(100.0)).unwrap();
        assert_eq!(status(&manager, name).rate, 100.0);
        measure(name, 100.0);
        manager.stop(name).unwrap();
        assert_eq!(status(&manager, name).state, State::Stopped);
        let ops = status(&manager, name).ops;
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(status(&manager, name).ops, ops, "{name} goes on");
    }
    // From very slow to fast at once.
    manager.start("sched", Some(0.001)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let ops = status(&manager, "sched").ops;
    assert!(ops > 0);
    manager.start("sched", Some(1000.0)).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(status(&manager, "sched").ops > ops + 20);
}

#[test]
fn starting_and_stopping_leaves_nothing() {
    let _alone = alone();
    let temp = Temp::new("churn");
    // Whatever is made once and stays.
    {
        let manager = temp.manager();
        manager.run("sched", 2, None).unwrap();
        manager.run("syscalls", 8, None).unwrap();
        manager.run("process", 8, None).unwrap();
    }
    let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
    let mut stops = Vec::new();
    let manager = temp.manager();
    for round in 0..40u64 {
        let rate = [None, Some(10_000.0), Some(300.0)][round as usize % 3];
        manager.start("sched", rate).unwrap();
        manager.start("syscalls", rate).unwrap();
        manager.start("process", rate).unwrap();
        std::thread::sleep(Duration::from_millis(round * 7 % 20));
        let begin = Instant::now();
        manager
            .stop(["sched", "syscalls", "process"][round as usize % 3])
            .unwrap();
        stops.push(begin.elapsed());
        if round % 4 == 0 {
            manager.stop_all();
            assert_eq!(temp.entries(), 0);
        }
    }
    stops.sort();
    println!(
        "stop: median {:?}, slowest {:?}",
        stops[stops.len() / 2],
        stops[stops.len() - 1]
    );
    assert!(
        stops[stops.len() * 3 / 4] < Duration::from_millis(100),
        "{stops:?}"
    );
    drop(manager);
    assert!(threads_become(threads));
    assert_eq!(count("/proc/self/fd"), files);
}

#[test]
fn dropping_the_manager_stops_everything() {
    let _alone = alone();
    let temp = Temp::new("drop");
    let threads = count("/proc/self/task");
    let manager = temp.manager();
    for workload in ALL {
        manager.start(workload.name, Some(1000.0)).unwrap();
    }
    std::thread::sleep(Duration::from_millis(20));
    assert!(count("/proc/self/task") > threads);
    drop(manager);
    assert!(threads_become(threads));
}

#[test]
fn several_managers_and_callers_at_once() {
    let _alone = alone();
    let temp = Temp::new("several");
    let managers = [temp.manager(), temp.manager()];
    std::thread::scope(|scope| {
        for manager in &managers {
            for name in ["sched", "syscalls", "process"] {
                scope.spawn(move || manager.run(name, 30, None).unwrap());
                scope.spawn(move || {
                    for _ in 0..20 {
                        manager.start(name, Some(500.0)).unwrap();
                        manager.list();
                    }
                });
            }
        }
    });
    for manager in &managers {
        for name in ["sched", "syscalls", "process"] {
            let status = status(manager, name);
            assert!(status.ops >= 30, "{status:?}");
            assert_eq!(status.state, State::Running, "{status:?}");
        }
    }
}
