//! Words of the lists, who is recorded by them, and who follows whom.

use std::collections::BTreeMap;
use std::string::String;

use super::*;
use crate::base::task::Task;
use crate::define_event_trace;
use crate::event::field_type::DynStr;
use crate::event::registry::Registry;
use crate::instance::{TraceOption, Tracing};
use crate::ring::Way;

define_event_trace!(
    sched_switch,
    TP_system(sched),
    TP_PROTO(next: i32),
    TP_STRUCT__entry{ next_pid: i32 as "pid_t" },
    TP_fast_assign{ next_pid: next },
    TP_ident(__entry),
    TP_printk("next={}", __entry.next_pid)
);
define_event_trace!(
    sched_waking,
    TP_system(sched),
    TP_PROTO(task: i32),
    TP_STRUCT__entry{ pid: i32 as "pid_t" },
    TP_fast_assign{ pid: task },
    TP_ident(__entry),
    TP_printk("pid={}", __entry.pid)
);
define_event_trace!(
    sched_wait_task,
    TP_system(sched),
    TP_PROTO(task: i32),
    TP_STRUCT__entry{ pid: i32 as "pid_t" },
    TP_fast_assign{ pid: task },
    TP_ident(__entry),
    TP_printk("pid={}", __entry.pid)
);
define_event_trace!(
    sched_process_fork,
    TP_system(sched),
    TP_PROTO(parent: i32, child: i32),
    TP_STRUCT__entry{ comm: DynStr, parent_pid: i32 as "pid_t", child_pid: i32 as "pid_t" },
    TP_fast_assign{ comm: "x", parent_pid: parent, child_pid: child },
    TP_ident(__entry),
    TP_printk("{} {} {}", __entry.comm, __entry.parent_pid, __entry.child_pid)
);
define_event_trace!(
    sched_process_free,
    TP_system(sched),
    TP_PROTO(task: i32),
    TP_STRUCT__entry{ pid: i32 as "pid_t" },
    TP_fast_assign{ pid: task },
    TP_ident(__entry),
    TP_printk("pid={}", __entry.pid)
);

#[test]
fn words() {
    let check = |word: &str, expected| {
        assert_eq!(
            pid(word.as_bytes()).map_err(|e| e.errno),
            expected,
            "{word}"
        );
    };
    check("0", Ok(0));
    check("12", Ok(12));
    check("+4", Ok(4));
    check("0x10", Ok(16));
    check("0XfF", Ok(255));
    check("010", Ok(8));
    check("1073741823", Ok(END - 1));
    check("4294967297", Ok(1));
    check("1073741824", Err(Errno::EPERM));
    check("4294967295", Err(Errno::EPERM));
    let bad = [
        "abc",
        "-1",
        "1,2",
        "!5",
        "3x",
        "0x",
        "08",
        "++1",
        "+",
        "1.0",
        "99999999999999999999",
    ];
    for bad in bad {
        check(bad, Err(Errno::EINVAL));
    }
    check(&("0".repeat(126) + "5"), Ok(5));
    check(&("0".repeat(127) + "5"), Err(Errno::EINVAL));
}

/// Events are fired for all that have them enabled: one test at a time.
fn tracing() -> (Arc<Tracing>, parking_lot::MutexGuard<'static, ()>) {
    static ONE: Mutex<()> = Mutex::new(());
    let one = ONE.lock();
    let registry = Registry::build(20000).expect("the tests' events");
    (Tracing::new(registry, Way::Auto).expect("memory"), one)
}

fn set(array: &TraceArray, file: PidFile, text: &str) {
    array.clear_pids(file);
    array.write_pids(file, text.as_bytes()).expect(text);
}

fn list(array: &TraceArray, file: PidFile) -> Vec<u32> {
    let mut pids = Vec::new();
    while let Some(pid) = array.next_pid(file, pids.last().map_or(0, |p| p + 1)) {
        pids.push(pid);
    }
    pids
}

/// Which events an instance has recorded, sorted by name; takes them.
fn recorded(array: &TraceArray) -> String {
    let names: BTreeMap<u16, String> = array
        .registry()
        .all()
        .map(|e| (e.id, e.name.replace("sched_", "")))
        .collect();
    let mut found = Vec::new();
    for cpu in 0..array.buffer().cpus() {
        let mut consumer = array.buffer().consumer(cpu);
        while let Some(record) = consumer.take() {
            let id = u16::from_ne_bytes([record.payload[0], record.payload[1]]);
            found.push(names[&id].clone());
        }
    }
    found.sort();
    found.join(" ")
}

#[test]
fn effect() {
    let (tracing, _one) = tracing();
    let (top, other) = (tracing.top(), tracing.make(b"a").unwrap());
    let all = "switch wait_task waking";
    for array in [top, &other] {
        for event in ["sched_switch", "sched_waking", "sched_wait_task"] {
            array.set_event(event.as_bytes()).unwrap();
        }
    }
    let set = |trace: &str, notrace: &str| {
        set(top, PidFile::Trace, trace);
        set(top, PidFile::Notrace, notrace);
    };
    let check = |pid, expected: &str| {
        Task::new(pid, pid, "t").run(|| {
            trace_sched_switch(20);
            trace_sched_waking(30);
            trace_sched_wait_task(40);
        });
        let lists = [PidFile::Trace, PidFile::Notrace].map(|f| list(top, f));
        assert_eq!(recorded(top), expected, "{pid} of {lists:?}");
        assert_eq!(recorded(&other), all, "the other instance has no lists");
    };
    check(10, all);
    set("10", "");
    check(10, all);
    check(11, "");
    // as the next task, as the one that is woken, but not as one that is otherwise mentioned
    set("20", "");
    check(11, "switch");
    set("30", "");
    check(11, "waking");
    set("40", "");
    check(11, "");
    set("20 30 12", "");
    check(11, "switch waking");
    check(12, all);
    set("", "10");
    check(10, "switch waking");
    check(11, all);
    set("", "10 20");
    check(10, "waking");
    check(11, all);
    // notrace wins
    set("10 11", "10 20 30");
    check(10, "");
    check(11, all);
    set("", "");
    check(10, all);
    // set before it is enabled
    set("10", "");
    top.enable_all(None, false).unwrap();
    top.set_event(b"sched_wait_task").unwrap();
    check(11, "");
    check(10, "wait_task");
    // markers are not restricted
    let writer = Task::new(11, 11, "t");
    assert_eq!(top.mark(&writer, b"x").unwrap(), 1);
    assert_eq!(recorded(top), "print");
}

#[test]
fn follows_forks() {
    let (tracing, _one) = tracing();
    let top = tracing.top();
    let traced = || list(top, PidFile::Trace);
    set(top, PidFile::Trace, "10");
    set(top, PidFile::Notrace, "50");
    trace_sched_process_fork(10, 11);
    assert_eq!(traced(), [10], "the option is off");
    top.set_option(TraceOption::EventFork, true).unwrap();
    top.set_option(TraceOption::EventFork, true).unwrap();
    trace_sched_process_fork(10, 11);
    trace_sched_process_fork(12, 13);
    trace_sched_process_fork(11, 70_000);
    trace_sched_process_fork(50, 51);
    assert_eq!(traced(), [10, 11, 70_000]);
    assert_eq!(list(top, PidFile::Notrace), [50, 51]);
    trace_sched_process_free(11);
    trace_sched_process_free(12);
    trace_sched_process_free(51);
    assert_eq!(traced(), [10, 70_000]);
    assert_eq!(recorded(top), "", "nothing of it is recorded");
    // a list whose tasks have all ended still is one, until it is written to
    set(top, PidFile::Notrace, "");
    trace_sched_process_free(10);
    trace_sched_process_free(70_000);
    assert_eq!(traced(), []);
    top.set_event(b"sched_wait_task").unwrap();
    trace_sched_wait_task(1);
    assert_eq!(recorded(top), "");
    top.write_pids(PidFile::Trace, b"\n").unwrap();
    trace_sched_wait_task(1);
    assert_eq!(recorded(top), "wait_task");
    // both the event and what follows it
    set(top, PidFile::Trace, "10");
    top.set_event(b"sched_process_fork").unwrap();
    Task::new(10, 10, "t").run(|| trace_sched_process_fork(10, 11));
    assert_eq!(
        (recorded(top).as_str(), traced()),
        ("process_fork", vec![10, 11])
    );
    top.set_option(TraceOption::EventFork, false).unwrap();
    trace_sched_process_fork(10, 12);
    assert_eq!(traced(), [10, 11]);
    // an instance that follows goes, and forks go on
    let other = tracing.make(b"a").unwrap();
    assert!(!other.options().get(TraceOption::EventFork));
    other.set_option(TraceOption::EventFork, true).unwrap();
    drop(other);
    tracing.remove(b"a").unwrap();
    trace_sched_process_fork(10, 13);
    assert_eq!(traced(), [10, 11]);
}

#[test]
fn lists_change_while_events_fire() {
    use std::sync::atomic::AtomicBool;
    let (tracing, _one) = tracing();
    let (top, stop) = (tracing.top(), AtomicBool::new(false));
    top.set_event(b"sched_wait_task").unwrap();
    top.set_event(b"sched_switch").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let task = Task::new(10, 10, "t");
            while !stop.load(Ordering::Relaxed) {
                task.run(|| {
                    trace_sched_switch(20);
                    trace_sched_wait_task(1);
                });
            }
        });
        for _ in 0..300 {
            set(top, PidFile::Trace, "20 30");
            set(top, PidFile::Notrace, "10");
            top.clear_pids(PidFile::Trace);
            top.clear_pids(PidFile::Notrace);
        }
        stop.store(true, Ordering::Relaxed);
    });
}
