//! Every control file, without a mount: what it reads, takes and refuses.

mod buffer;
mod control;
mod filter;
mod options;
mod output;
mod pids;
mod trigger;

use std::ops::Deref;
use std::sync::Arc;

use parking_lot::MutexGuard;
use utracefs::base::cpu;
use utracefs::base::error::{Errno, Result};
use utracefs::base::task::Task;
use utracefs::event::registry::Registry;
use utracefs::instance::Tracing;
use utracefs::ring::Way;
use utracefs::{DynStr, define_event_trace};

use crate::node::{Got, Handle, How, Options, Seek};
use crate::transport::local::Local;
use crate::tree::tracefs;

define_event_trace!(
    one,
    TP_system(files_test),
    TP_PROTO(a: u32, s: &str),
    TP_STRUCT__entry{ a: u32, s: DynStr },
    TP_fast_assign{ a: a, s: s },
    TP_ident(__entry),
    TP_printk("a={} s={}", __entry.a, __entry.s)
);
define_event_trace!(
    two,
    TP_system(files_test),
    TP_PROTO(a: u32),
    TP_STRUCT__entry{ a: u32 },
    TP_fast_assign{ a: a },
    TP_ident(__entry),
    TP_printk("a={}", __entry.a)
);

/// A tree of its own, used by one test at a time: events are fired for all that have them enabled.
struct Alone {
    local: Local,
    _one: MutexGuard<'static, ()>,
}

impl Deref for Alone {
    type Target = Local;
    fn deref(&self) -> &Local {
        &self.local
    }
}

fn local() -> (Arc<Tracing>, Alone) {
    let one = crate::ONE_TREE.lock();
    let registry = Registry::build(20000).expect("the test's events");
    let tracing = Tracing::new(registry, Way::Auto).expect("memory");
    let local = Local::new(tracefs(tracing.clone(), Options::default()));
    (tracing, Alone { local, _one: one })
}

const READ: How = How {
    read: true,
    write: false,
    truncate: false,
    caller: crate::node::Caller {
        pid: 0,
        uid: 0,
        gid: 0,
    },
};
const RW: How = How {
    write: true,
    ..READ
};

fn errno<T>(result: Result<T>) -> Option<Errno> {
    result.err().map(|e| e.errno)
}

/// What one write(2) of each input to `path` answers.
fn check_writes(local: &Local, path: &str, inputs: &[(&str, std::result::Result<usize, Errno>)]) {
    for (input, expected) in inputs {
        let handle = local.open(path, RW).unwrap();
        let got = local.write(&handle, input.as_bytes()).map_err(|e| e.errno);
        assert_eq!(got, *expected, "{input:?} to {path}");
    }
}

/// The inputs that every file with one strict number treats alike.
fn check_numbers(local: &Local, path: &str, accepts_large: bool) {
    let bad = [
        "", "\n", "\0", "0x1", "1.0", "Y", "on", "1abc", "1 ", " 1", "1\n\n", "1 2", "1\n0\n", "-1",
    ];
    let bad: Vec<_> = bad.into_iter().map(|b| (b, Err(Errno::EINVAL))).collect();
    check_writes(local, path, &bad);
    check_writes(
        local,
        path,
        &[
            ("1", Ok(1)),
            ("1\n", Ok(2)),
            ("1\0", Ok(2)),
            ("+1", Ok(2)),
            ("01", Ok(2)),
        ],
    );
    check_writes(local, path, &[("18446744073709551616", Err(Errno::ERANGE))]);
    let large = if accepts_large {
        Ok(2)
    } else {
        Err(Errno::EINVAL)
    };
    check_writes(local, path, &[("10", large)]);
}

#[test]
fn the_tree() {
    let (_, local) = local();
    let top = [
        "instances",
        "saved_tgids",
        "saved_cmdlines_size",
        "saved_cmdlines",
        "README",
        "tracing_thresh",
        "per_cpu",
        "error_log",
        "snapshot",
        "options",
        "buffer_subbuf_size_kb",
        "buffer_percent",
        "timestamp_mode",
        "tracing_on",
        "trace_clock",
        "trace_marker_raw",
        "trace_marker",
        "free_buffer",
        "buffer_total_size_kb",
        "buffer_size_kb",
        "trace_pipe",
        "trace",
        "trace_options",
        "tracing_cpumask",
        "current_tracer",
        "available_tracers",
        "set_event_notrace_pid",
        "set_event_pid",
        "events",
        "set_event",
        "available_events",
        "printk_formats",
    ];
    assert_eq!(local.ls("").unwrap(), top);
    local.mkdir("instances/a").unwrap();
    let (first, last) = ("per_cpu", "set_event");
    let at = |name| top.iter().position(|n| *n == name).unwrap();
    assert_eq!(local.ls("instances/a").unwrap(), top[at(first)..=at(last)]);
    let all = |names: &[&str], mode: u16| {
        for name in names {
            for path in [name.to_string(), format!("instances/a/{name}")] {
                assert_eq!(local.stat(&path).unwrap().mode, mode, "{path}");
            }
        }
    };
    all(&["per_cpu", "options", "per_cpu/cpu0"], 0o750);
    all(
        &[
            "events",
            "events/files_test",
            "events/files_test/one",
            "events/ftrace/print",
        ],
        0o755,
    );
    all(
        &[
            "tracing_on",
            "trace_clock",
            "trace",
            "trace_options",
            "current_tracer",
            "set_event",
            "buffer_size_kb",
            "error_log",
        ],
        0o640,
    );
    all(
        &[
            "per_cpu/cpu0/buffer_size_kb",
            "per_cpu/cpu0/trace",
            "options/overwrite",
            "events/enable",
        ],
        0o640,
    );
    all(
        &[
            "events/files_test/enable",
            "events/files_test/filter",
            "events/files_test/one/enable",
        ],
        0o640,
    );
    all(
        &[
            "available_tracers",
            "trace_pipe",
            "buffer_total_size_kb",
            "events/header_page",
            "events/header_event",
        ],
        0o440,
    );
    all(
        &[
            "per_cpu/cpu0/stats",
            "per_cpu/cpu0/trace_pipe",
            "per_cpu/cpu0/trace_pipe_raw",
        ],
        0o440,
    );
    all(
        &[
            "events/files_test/one/format",
            "events/files_test/one/id",
            "events/ftrace/print/id",
        ],
        0o440,
    );
    all(&["trace_marker"], 0o220);
    let links = |path: &str| local.stat(path).unwrap().links;
    assert_eq!(
        [
            "",
            "instances/a",
            "instances",
            "options",
            "events",
            "per_cpu/cpu0"
        ]
        .map(links),
        [6, 5, 3, 2, 1, 2]
    );
    assert_eq!(links("per_cpu"), 2 + cpu::possible() as u32);
    assert_eq!(
        local.ls("events/files_test").unwrap(),
        ["filter", "enable", "two", "one"]
    );
    assert_eq!(
        local.ls("events/files_test/two").unwrap(),
        ["enable", "filter", "trigger", "format", "id"]
    );
    assert_eq!(
        local.ls("events").unwrap().last().map(String::as_str),
        Some("ftrace")
    );
    assert_eq!(
        local.ls("per_cpu").unwrap().last().map(String::as_str),
        Some("cpu0")
    );
    let absent = [
        "events/ftrace/enable",
        "events/ftrace/filter",
        "events/ftrace/print/enable",
        "events/ftrace/bprint/id",
        "per_cpu/cpu00",
        "per_cpu/cpu+0",
        "per_cpu/cpu",
        "per_cpu/cpu99999",
        "options/function-trace",
        "instances/a/instances",
        "instances/a/README",
        "instances/a/saved_cmdlines",
        "instances/a/options/record-cmd",
        "events/files_test/three",
        "events/none",
        "events/ftrace/bprint/trigger",
        "set_ftrace_filter",
    ];
    for path in absent {
        assert_eq!(errno(local.stat(path)), Some(Errno::ENOENT), "{path}");
    }
    assert!(local.stat("options/record-cmd").is_ok());
}

#[test]
fn switches() {
    let (tracing, local) = local();
    assert_eq!(local.cat("tracing_on").unwrap(), "1\n");
    check_numbers(&local, "tracing_on", true);
    local.echo("0", "tracing_on").unwrap();
    assert_eq!(
        (local.cat("tracing_on").unwrap(), tracing.top().is_on()),
        ("0\n".into(), false)
    );
    assert_eq!(
        (
            local.cat("current_tracer").unwrap(),
            local.cat("available_tracers").unwrap()
        ),
        ("nop\n".into(), "nop\n".into())
    );
    let bad = Err(Errno::EINVAL);
    check_writes(
        &local,
        "current_tracer",
        &[
            ("nop", Ok(3)),
            (" nop \n", Ok(6)),
            ("", bad),
            ("function", bad),
            ("nop nop", bad),
        ],
    );
    check_writes(&local, "available_tracers", &[("nop", bad)]);
    assert_eq!(
        local.cat("trace_clock").unwrap(),
        "[local] global counter uptime perf mono mono_raw boot tai x86-tsc\n"
    );
    check_writes(
        &local,
        "trace_clock",
        &[
            ("", bad),
            ("Local", bad),
            ("local mono", bad),
            ("uptime\0", Ok(7)),
            (" mono \n", Ok(7)),
        ],
    );
    assert!(local.cat("trace_clock").unwrap().contains(" [mono] "));
    local.mkdir("instances/a").unwrap();
    assert!(
        local
            .cat("instances/a/trace_clock")
            .unwrap()
            .starts_with("[local]")
    );
    assert_eq!(local.cat("instances/a/tracing_on").unwrap(), "1\n");
    assert_eq!(local.open("trace_clock", READ).unwrap().seek(), Seek::NoEnd);
}

#[test]
fn events() {
    let (_, local) = local();
    let available = local.cat("available_events").unwrap();
    let ours: Vec<_> = available
        .lines()
        .filter(|l| l.starts_with("files_test:"))
        .collect();
    assert_eq!(ours, ["files_test:two", "files_test:one"]);
    assert!(!available.contains("ftrace:"));
    let id: u16 = local
        .cat("events/files_test/one/id")
        .unwrap()
        .trim_end()
        .parse()
        .unwrap();
    assert!((20000..32768).contains(&id));
    let format = local.cat("events/files_test/one/format").unwrap();
    assert!(
        format.starts_with(&format!(
            "name: one\nID: {id}\nformat:\n\tfield:unsigned short common_type;"
        )),
        "{format}"
    );
    assert!(
        format.ends_with("print fmt: \"a=%u s=%s\", REC->a, __get_str(s)\n"),
        "{format}"
    );
    assert_eq!(local.cat("events/ftrace/print/id").unwrap(), "5\n");
    assert!(
        local
            .cat("events/ftrace/print/format")
            .unwrap()
            .starts_with("name: print\nID: 5\n")
    );

    let enables = [
        "events/files_test/one/enable",
        "events/files_test/two/enable",
        "events/files_test/enable",
    ];
    let read = || {
        enables
            .map(|e| local.cat(e).unwrap().trim_end().to_string())
            .join(" ")
    };
    assert_eq!(read(), "0 0 0");
    check_numbers(&local, enables[0], false);
    assert_eq!(
        (read().as_str(), local.cat("set_event").unwrap().as_str()),
        ("1 0 X", "files_test:one\n")
    );
    local.echo("1", enables[2]).unwrap();
    assert_eq!(read(), "1 1 1");
    local.echo("0", "events/enable").unwrap();
    assert_eq!(
        (
            read().as_str(),
            local.cat("events/enable").unwrap().as_str()
        ),
        ("0 0 0", "0\n")
    );
    local.echo("1", "events/enable").unwrap();
    assert_eq!(
        (
            read().as_str(),
            local.cat("events/enable").unwrap().as_str()
        ),
        ("1 1 1", "1\n")
    );
    assert_eq!(local.cat("set_event").unwrap(), available);
    local.echo("0", enables[1]).unwrap();
    assert_eq!(
        (
            read().as_str(),
            local.cat("events/enable").unwrap().as_str()
        ),
        ("1 0 X", "X\n")
    );
    // another instance's are its own
    local.mkdir("instances/a").unwrap();
    assert_eq!(
        (
            local.cat("instances/a/events/enable").unwrap(),
            local.cat("instances/a/set_event").unwrap()
        ),
        ("0\n".into(), "".into())
    );
    local
        .echo("1", "instances/a/events/files_test/two/enable")
        .unwrap();
    assert_eq!(read(), "1 0 X");
    local.rmdir("instances/a").unwrap();
}

#[test]
fn set_event() {
    let (_, local) = local();
    let all = "files_test:two\nfiles_test:one\n";
    let set = || local.cat("set_event").unwrap();
    local.echo("one", "set_event").unwrap();
    assert_eq!(set(), "files_test:one\n");
    local.append("files_test:two", "set_event").unwrap();
    assert_eq!(set(), all);
    local.append("!one", "set_event").unwrap();
    assert_eq!(set(), "files_test:two\n");
    for word in ["files_test", "files_test:*", "files_test:"] {
        local.truncate("set_event").unwrap();
        assert_eq!(set(), "");
        local.append(word, "set_event").unwrap();
        assert_eq!(set(), all, "{word}");
    }
    // one word a write; the caller writes the rest
    let bad = Err(Errno::EINVAL);
    local.echo("", "set_event").unwrap();
    check_writes(
        &local,
        "set_event",
        &[
            ("files_test:one files_test:two\n", Ok(15)),
            (" \t\n", Ok(3)),
            ("", Ok(0)),
            ("\0", Ok(1)),
        ],
    );
    assert_eq!(set(), "files_test:one\n");
    local.append("  two\n\none ", "set_event").unwrap();
    assert_eq!(set(), all);
    check_writes(
        &local,
        "set_event",
        &[
            ("nosuch", bad),
            ("!nosuch", bad),
            ("*", bad),
            ("file*", bad),
            ("files_test:one:x", bad),
            ("ftrace:print", bad),
            ("print", bad),
            ("ONE", bad),
        ],
    );
    check_writes(
        &local,
        "set_event",
        &[("!two\0one", Ok(5)), ("one\r", Ok(4))],
    );
    assert_eq!(set(), "files_test:one\n");
    // a bad word leaves what the truncating open did
    assert_eq!(
        errno(local.echo("nosuch", "set_event")),
        Some(Errno::EINVAL)
    );
    assert_eq!(set(), "");
}

#[test]
fn buffers() {
    let (_, local) = local();
    let cpus = cpu::possible() as u64;
    let size = |path: &str| local.cat(path).unwrap().trim_end().parse::<u64>().unwrap();
    assert_eq!(
        (size("buffer_size_kb"), size("buffer_total_size_kb")),
        (1410, 1410 * cpus)
    );
    check_writes(&local, "buffer_total_size_kb", &[("1", Err(Errno::EINVAL))]);
    // rounded up to whole sub-buffers, of which there are at least two
    for (asked, got) in [
        (1408, 1410),
        (16, 19),
        (100, 103),
        (200, 203),
        (1, 7),
        (10, 11),
    ] {
        local.echo(&asked.to_string(), "buffer_size_kb").unwrap();
        assert_eq!(size("buffer_size_kb"), got, "{asked}");
        assert_eq!(size("per_cpu/cpu0/buffer_size_kb"), got);
    }
    check_writes(
        &local,
        "buffer_size_kb",
        &[
            ("0", Err(Errno::EINVAL)),
            ("x", Err(Errno::EINVAL)),
            ("", Err(Errno::EINVAL)),
        ],
    );
    assert!(
        local
            .echo("18446744073709551615", "buffer_size_kb")
            .is_err()
    );
    if cpus > 1 {
        local.echo("100", "per_cpu/cpu1/buffer_size_kb").unwrap();
        assert_eq!(
            (
                local.cat("buffer_size_kb").unwrap().as_str(),
                size("buffer_total_size_kb")
            ),
            ("X\n", 103 + 11 * (cpus - 1))
        );
    }
    local.mkdir("instances/a").unwrap();
    assert_eq!(size("instances/a/buffer_size_kb"), 1410);
    let stats = local.cat("per_cpu/cpu0/stats").unwrap();
    let names: Vec<_> = stats
        .lines()
        .map(|l| l.split_once(": ").unwrap().0)
        .collect();
    assert_eq!(
        names,
        [
            "entries",
            "overrun",
            "commit overrun",
            "bytes",
            "oldest event ts",
            "now ts",
            "dropped events",
            "read events"
        ]
    );
    assert!(stats.contains("oldest event ts:     0.000000\n"), "{stats}");
    local.echo("counter", "trace_clock").unwrap();
    assert!(
        local
            .cat("per_cpu/cpu0/stats")
            .unwrap()
            .contains("oldest event ts: 0\n")
    );
}

#[test]
fn headers_and_readme() {
    let (_, local) = local();
    let page = local.cat("events/header_page").unwrap();
    assert!(
        page.starts_with("\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"),
        "{page}"
    );
    assert_eq!(
        (
            page.lines().count(),
            page.contains("\tfield: char data;\toffset:16;\tsize:4080;")
        ),
        (4, true)
    );
    let event = local.cat("events/header_event").unwrap();
    assert!(
        event.starts_with("# compressed entry header\n\ttype_len    :    5 bits\n"),
        "{event}"
    );
    for path in ["events/header_page", "events/header_event"] {
        let handle = local.open(path, READ).unwrap();
        local.read(&handle, 0, 2).unwrap();
        assert_eq!(local.read(&handle, 2, 100).unwrap(), b"");
        check_writes(&local, path, &[("1", Err(Errno::EINVAL))]);
    }
    let readme = local.cat("README").unwrap();
    assert!(readme.contains("[gid=<gid>]") && readme.is_ascii());
    // tools take these for features that are not here
    for feature in [
        "synthetic",
        "kprobe",
        "uprobe",
        "hist",
        "snapshot()",
        "onchange",
        "fetcharg",
        "glob",
    ] {
        assert!(!readme.contains(feature), "{feature}");
    }
}
