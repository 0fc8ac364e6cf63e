//! `trigger`, `snapshot` and `snapshot_raw`, and what triggers do to `enable` and `set_event`.

use super::*;

const ONE: &str = "events/files_test/one/trigger";
const HELP: &str =
    "# Available triggers:\n# traceon traceoff snapshot stacktrace enable_event disable_event\n";

/// What markers wrote, of `trace` or `snapshot`.
fn marks(local: &Local, path: &str) -> Vec<String> {
    let text = local.cat(path).unwrap();
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|l| l.rsplit(": ").next().unwrap().to_string())
        .collect()
}

#[test]
fn set_and_removed() {
    let (_, local) = local();
    let cat = |path: &str| local.cat(path).unwrap();
    assert_eq!(cat(ONE), HELP);
    assert_eq!(cat("events/ftrace/print/trigger"), HELP);
    let long = format!("traceoff{}", " ".repeat(4088));
    check_writes(
        &local,
        ONE,
        &[
            ("", Ok(0)),
            ("traceoff:3 if a == 1\n", Ok(21)),
            ("traceon", Err(Errno::EEXIST)),
            (&long, Err(Errno::EINVAL)),
            ("enable_event:files_test:two", Ok(27)),
            ("traceoff:18446744073709551616", Err(Errno::ERANGE)),
        ],
    );
    let lines = "enable_event:files_test:two:unlimited\ntraceoff:count=3 if a == 1\n";
    assert_eq!(cat(ONE), lines);
    // opening with O_TRUNC takes nothing away
    local.put(b"", ONE, true).unwrap();
    local.echo("stacktrace", ONE).unwrap();
    assert_eq!(cat(ONE), format!("stacktrace:unlimited\n{lines}"));
    assert_eq!(cat("events/files_test/one/enable"), "0*\n");
    assert_eq!(cat("events/files_test/two/enable"), "0*\n");
    assert_eq!(cat("events/files_test/enable"), "1\n");
    assert_eq!(cat("events/enable"), "X\n");
    // in the order of available_events
    assert_eq!(cat("set_event"), "files_test:two\nfiles_test:one\n");
    local.echo("files_test:two", "set_event").unwrap();
    assert_eq!(cat("events/files_test/two/enable"), "1*\n");
    local.echo("0", "events/enable").unwrap();
    assert_eq!(cat("events/files_test/two/enable"), "0*\n");
    for command in ["!traceon", "!stacktrace", "!disable_event:files_test:two"] {
        local.echo(command, ONE).unwrap();
    }
    assert_eq!(cat(ONE), HELP);
    assert_eq!(
        (cat("set_event"), cat("events/files_test/enable")),
        (String::new(), "0\n".into())
    );
}

#[test]
fn errors_are_logged() {
    let (_, local) = local();
    check_writes(
        &local,
        ONE,
        &[
            ("traceoff:3 if nosuch == 1", Err(Errno::EINVAL)),
            ("traceoff if", Err(Errno::EINVAL)),
            ("traceoff if  (a == 1", Err(Errno::ENOENT)),
        ],
    );
    let log = local.cat("error_log").unwrap();
    let lines: Vec<_> = log
        .lines()
        .map(|l| l.rsplit("] ").next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "event filter parse error: error: Field not found",
            "  Command: nosuch == 1",
            "                  ^",
            "event filter parse error: error: Too many '('",
            "  Command:  (a == 1",
            "            ^",
        ]
    );
}

#[test]
fn an_instance_with_triggers_can_go() {
    let (_, local) = local();
    local.mkdir("instances/a").unwrap();
    let path = format!("instances/a/{ONE}");
    local.echo("traceoff", &path).unwrap();
    assert_eq!(local.cat(ONE).unwrap(), HELP);
    trace_one(1, "");
    assert_eq!(local.cat("instances/a/tracing_on").unwrap(), "0\n");
    assert_eq!(local.cat("tracing_on").unwrap(), "1\n");
    // an open trigger file is no reason to stay
    let _open = local.open(&path, RW).unwrap();
    local.rmdir("instances/a").unwrap();
    trace_one(1, "");
}

#[test]
fn snapshot_states() {
    let (_, local) = local();
    let state = |path: &str| {
        let text = local.cat(path).unwrap();
        let first: Vec<_> = text.lines().take(6).map(str::to_string).collect();
        assert_eq!(first[..3], ["# tracer: nop", "#", "#"], "{text}");
        assert_eq!(first[4..], ["#", "# Snapshot commands:"], "{text}");
        first[3].clone()
    };
    let cpu = "per_cpu/cpu0/snapshot";
    let (freed, allocated) = ("# * Snapshot is freed *", "# * Snapshot is allocated *");
    assert_eq!([state("snapshot"), state(cpu)], [freed, freed]);
    local.echo("2", "snapshot").unwrap();
    assert_eq!(state("snapshot"), freed);
    local.echo("1", "snapshot").unwrap();
    assert_eq!([state("snapshot"), state(cpu)], [allocated, allocated]);
    check_writes(
        &local,
        cpu,
        &[
            ("0", Err(Errno::EINVAL)),
            ("x", Err(Errno::EINVAL)),
            ("5", Ok(1)),
            ("1", Ok(1)),
        ],
    );
    assert_eq!(state("snapshot"), allocated);
    let truncate = How {
        truncate: true,
        ..RW
    };
    local.open("snapshot", truncate).unwrap();
    assert_eq!(state("snapshot"), allocated);
    local.echo("0", "snapshot").unwrap();
    assert_eq!(state("snapshot"), freed);
    check_numbers(&local, "snapshot", true);
}

#[test]
fn swaps() {
    let (_, local) = local();
    let both = || (marks(&local, "trace"), marks(&local, "snapshot"));
    let mark = |text: &str| local.echo(text, "trace_marker").unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|t| t.to_string()).collect::<Vec<_>>();
    mark("a");
    mark("b");
    let before = local.cat("trace").unwrap();
    local.echo("1", "snapshot").unwrap();
    assert_eq!(both(), (texts(&[]), texts(&["a", "b"])));
    // to the byte
    assert_eq!(local.cat("snapshot").unwrap(), before);
    assert_eq!(local.cat("tracing_on").unwrap(), "1\n");
    mark("c");
    local.echo("1", "snapshot").unwrap();
    mark("d");
    assert_eq!(both(), (texts(&["a", "b", "d"]), texts(&["c"])));
    let per_cpu: usize = (0..cpu::possible())
        .map(|cpu| marks(&local, &format!("per_cpu/cpu{cpu}/snapshot")).len())
        .sum();
    assert_eq!(per_cpu, 1);
    // clearing one leaves the other
    local.echo("", "trace").unwrap();
    assert_eq!(both(), (texts(&[]), texts(&["c"])));
    mark("e");
    local.echo("2", "snapshot").unwrap();
    assert_eq!(both(), (texts(&["e"]), texts(&[])));
    // off stays off
    local.echo("0", "tracing_on").unwrap();
    local.echo("1", "snapshot").unwrap();
    assert_eq!(local.cat("tracing_on").unwrap(), "0\n");
    assert_eq!(both(), (texts(&[]), texts(&["e"])));
    local.echo("1", "tracing_on").unwrap();
    // sizes go together
    local.echo("64", "buffer_size_kb").unwrap();
    assert_eq!(both(), (texts(&[]), texts(&["e"])));
    local.echo("1", "snapshot").unwrap();
    assert_eq!(local.cat("buffer_size_kb").unwrap(), "67\n");
    assert_eq!(both(), (texts(&["e"]), texts(&[])));
    local.echo("mono", "trace_clock").unwrap();
    local.echo("1", "snapshot").unwrap();
    assert_eq!(both(), (texts(&[]), texts(&[])));
}

#[test]
fn raw_pages() {
    let (_, local) = local();
    local.echo("a", "trace_marker").unwrap();
    let raw = |cpu| {
        local
            .open(&format!("per_cpu/cpu{cpu}/snapshot_raw"), READ)
            .unwrap()
    };
    let handles: Vec<_> = (0..cpu::possible()).map(raw).collect();
    let pages = || {
        let read = |h| {
            local
                .read(h, 0, 4096)
                .map(|page| page.len())
                .map_err(|e| e.errno)
        };
        let mut got: Vec<_> = handles.iter().map(read).collect();
        got.sort_by_key(|g| g.is_err());
        got
    };
    assert!(pages().iter().all(|p| *p == Err(Errno::EAGAIN)));
    local.echo("1", "snapshot").unwrap();
    let got = pages();
    assert_eq!(got[0], Ok(4096));
    assert!(got[1..].iter().all(|p| *p == Err(Errno::EAGAIN)));
    // taken
    assert!(pages().iter().all(|p| *p == Err(Errno::EAGAIN)));
    assert!(marks(&local, "snapshot").is_empty());
}

#[test]
fn marker_triggers() {
    let (_, local) = local();
    let print = "events/ftrace/print/trigger";
    local.echo("snapshot:1 if buf ~ \"*snap*\"", print).unwrap();
    local
        .echo("enable_event:files_test:one if buf == \"start\"", print)
        .unwrap();
    for text in ["a", "b snap", "start"] {
        local.echo(text, "trace_marker").unwrap();
    }
    assert_eq!(marks(&local, "snapshot"), ["a", "b snap"]);
    assert_eq!(marks(&local, "trace"), ["start"]);
    assert_eq!(local.cat("events/files_test/one/enable").unwrap(), "0*\n");
    local.put(b"start", "trace_marker", false).unwrap();
    assert_eq!(local.cat("events/files_test/one/enable").unwrap(), "1*\n");
    local.echo("stacktrace", print).unwrap();
    local.echo("", "trace").unwrap();
    local.echo("x", "trace_marker").unwrap();
    let trace = local.cat("trace").unwrap();
    let lines: Vec<_> = trace.lines().filter(|l| !l.starts_with('#')).collect();
    assert!(lines[0].ends_with("tracing_mark_write: x"), "{trace}");
    assert!(lines[1].ends_with(": <stack trace>"), "{trace}");
    assert_eq!(lines[2], " => tracing_mark_write", "{trace}");
    assert_eq!(local.cat("set_event").unwrap(), "files_test:one\n");
}
