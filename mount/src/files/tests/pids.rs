//! `set_event_pid`, `set_event_notrace_pid` and who is recorded by them.

use super::*;

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

const FILES: [&str; 2] = ["set_event_pid", "set_event_notrace_pid"];

#[test]
fn lists() {
    let (_, local) = local();
    let bad = Err(Errno::EINVAL);
    for file in FILES {
        assert_eq!(local.stat(file).unwrap().mode, 0o640);
        assert_eq!(local.open(file, RW).unwrap().seek(), Seek::NoEnd);
        let read = || local.cat(file).unwrap().replace('\n', " ");
        assert_eq!(read(), "");
        check_writes(
            &local,
            file,
            &[
                ("", Ok(0)),
                (" \n", Ok(2)),
                ("7", Ok(1)),
                ("3 0x10\t010\n7", Ok(11)),
                ("abc", bad),
                ("1 abc", bad),
                ("-1", bad),
                ("1,2", bad),
                ("!7", bad),
                ("1073741823", Ok(10)),
                ("1073741824", Err(Errno::EPERM)),
                ("5 1073741824", Err(Errno::EPERM)),
                ("\0", Ok(1)),
                ("0\0 9", Ok(4)),
                ("\0 10", Ok(1)),
            ],
        );
        assert_eq!(read(), "0 3 7 8 9 16 1073741823 ");
        // one write without O_TRUNC adds, with it the list is new, or empty if that fails
        local.append("4", file).unwrap();
        local.echo("", file).unwrap();
        assert_eq!(read(), "");
        local.echo("4 5", file).unwrap();
        assert_eq!(read(), "4 5 ");
        assert_eq!(errno(local.echo("x", file)), Some(Errno::EINVAL));
        assert_eq!(read(), "");
        // long lists, and short reads of them
        let many: String = (1..=3000).map(|n| format!("{} ", n * 7919)).collect();
        local.put(many.as_bytes(), file, true).unwrap();
        assert_eq!(read(), many);
        let (handle, mut text) = (local.open(file, READ).unwrap(), Vec::new());
        loop {
            let more = local.read(&handle, text.len() as u64, 7).unwrap();
            if more.is_empty() {
                break;
            }
            text.extend(more);
        }
        assert_eq!(String::from_utf8(text).unwrap().replace('\n', " "), many);
        local.mkdir("instances/a").unwrap();
        assert_eq!(local.cat(&format!("instances/a/{file}")).unwrap(), "");
        local.rmdir("instances/a").unwrap();
        local.truncate(file).unwrap();
        assert_eq!(read(), "");
    }
}

/// Fires events as the task `pid`; returns what of them the instance `dir` has, and clears it.
fn recorded(local: &Local, dir: &str, pid: i32) -> String {
    Task::new(pid, pid, "t").run(|| {
        trace_two(1);
        trace_sched_switch(20);
        trace_sched_waking(30);
    });
    let path = format!("{dir}trace");
    let text = local.cat(&path).unwrap();
    local.truncate(&path).unwrap();
    let events = text.lines().filter_map(|l| Some(l.split_once("t-")?.1));
    let names = events.map(|l| {
        let name = l.split(": ").nth(1).unwrap();
        name.trim_start_matches("sched_")
    });
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn effect() {
    let (_, local) = local();
    local.mkdir("instances/a").unwrap();
    for dir in ["", "instances/a/"] {
        local.echo("two", &format!("{dir}set_event")).unwrap();
        local
            .append("sched:sched_switch", &format!("{dir}set_event"))
            .unwrap();
        local
            .append("sched:sched_waking", &format!("{dir}set_event"))
            .unwrap();
    }
    let all = "two switch waking";
    let set = |trace: &str, notrace: &str| {
        local.echo(trace, "set_event_pid").unwrap();
        local.echo(notrace, "set_event_notrace_pid").unwrap();
    };
    let check = |pid, expected: &str| {
        let (trace, notrace) = (
            local.cat("set_event_pid"),
            local.cat("set_event_notrace_pid"),
        );
        assert_eq!(
            recorded(&local, "", pid),
            expected,
            "{pid} of {trace:?} {notrace:?}"
        );
        // the other instance has no lists
        assert!(recorded(&local, "instances/a/", pid).starts_with(all));
        local.truncate("trace").unwrap();
    };
    check(10, all);
    set("10", "");
    check(10, all);
    check(11, "");
    // as next, as woken
    set("20", "");
    check(11, "switch");
    set("30", "");
    check(11, "waking");
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
    // markers are not restricted, and lists that are set before events are enabled count
    set("10", "");
    local.echo("x", "trace_marker").unwrap();
    assert!(
        local
            .cat("trace")
            .unwrap()
            .contains(": tracing_mark_write: x\n")
    );
    local.echo("0", "events/enable").unwrap();
    local.echo("1", "events/files_test/two/enable").unwrap();
    local.truncate("trace").unwrap();
    check(11, "");
    check(10, "two");
}

#[test]
fn event_fork() {
    let (_, local) = local();
    let read = |i: usize| local.cat(FILES[i]).unwrap().replace('\n', " ");
    local.echo("10", FILES[0]).unwrap();
    local.echo("50", FILES[1]).unwrap();
    trace_sched_process_fork(10, 11);
    assert_eq!(read(0), "10 ", "the option is off");
    local.echo("1", "options/event-fork").unwrap();
    trace_sched_process_fork(10, 11);
    trace_sched_process_fork(12, 13);
    trace_sched_process_fork(11, 70_000);
    trace_sched_process_fork(50, 51);
    assert_eq!((read(0), read(1)), ("10 11 70000 ".into(), "50 51 ".into()));
    trace_sched_process_free(11);
    trace_sched_process_free(12);
    assert_eq!(read(0), "10 70000 ");
    // nothing of it is recorded
    assert!(local.cat("trace").unwrap().ends_with("|         |\n"));
    local.mkdir("instances/a").unwrap();
    assert_eq!(local.cat("instances/a/options/event-fork").unwrap(), "0\n");
    // a list whose tasks have all ended still is one, until something is written
    trace_sched_process_free(10);
    trace_sched_process_free(70_000);
    local.echo("1", "events/files_test/two/enable").unwrap();
    local.truncate(FILES[1]).unwrap();
    trace_two(1);
    assert_eq!(read(0), "");
    assert!(local.cat("trace").unwrap().ends_with("|         |\n"));
    local.append("", FILES[0]).unwrap();
    trace_two(2);
    assert!(local.cat("trace").unwrap().contains(": two: a=2\n"));
    local.echo("10", FILES[0]).unwrap();
    local.echo("0", "options/event-fork").unwrap();
    trace_sched_process_fork(10, 11);
    assert_eq!(read(0), "10 ");
    // an instance with it goes, and forks go on
    local.echo("1", "instances/a/options/event-fork").unwrap();
    local.rmdir("instances/a").unwrap();
    trace_sched_process_fork(10, 11);
}
