//! The grammar, what fires when, and what hooks stay.

use std::os::unix::thread::JoinHandleExt;
use std::string::{String, ToString};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::event::field_type::DynStr;
use crate::event::print_fmt::Env;
use crate::event::registry::{KERNEL_STACK_ID, PRINT_ID, Registry};
use crate::instance::Tracing;
use crate::ring::{Iter, Side, Way};

define_event_trace!(
    source,
    TP_system(trigger_test),
    TP_PROTO(a: u32, s: &str),
    TP_STRUCT__entry{ a: u32, s: DynStr },
    TP_fast_assign{ a: a, s: s },
    TP_ident(__entry),
    TP_printk("a={} s={}", __entry.a, __entry.s)
);
define_event_trace!(
    target,
    TP_system(trigger_test),
    TP_PROTO(b: u32),
    TP_STRUCT__entry{ b: u32 },
    TP_fast_assign{ b: b },
    TP_ident(__entry),
    TP_printk("b={}", __entry.b)
);

struct Bench {
    tracing: Arc<Tracing>,
    /// Events are fired for all that listen.
    _one: MutexGuard<'static, ()>,
}

impl Bench {
    fn new() -> Bench {
        static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let one = ONE.lock().unwrap_or_else(|e| e.into_inner());
        let registry = Registry::build(20000).expect("no duplicates");
        Bench {
            tracing: Tracing::new(registry, Way::Auto).expect("memory"),
            _one: one,
        }
    }

    fn array(&self) -> &Arc<TraceArray> {
        self.tracing.top()
    }

    fn file(&self, name: &str) -> &Arc<EventFile> {
        let system = if name == "print" {
            "ftrace"
        } else {
            "trigger_test"
        };
        let event = self
            .tracing
            .registry()
            .find(system, name)
            .expect("declared");
        self.array().trigger_file(event.id).expect("has triggers")
    }

    fn write(&self, name: &str, command: &str) -> core::result::Result<(), Errno> {
        write(self.array(), self.file(name), command.as_bytes()).map_err(|e| e.errno)
    }

    fn set(&self, name: &str, command: &str) {
        assert_eq!(self.write(name, command), Ok(()), "{command}");
    }

    fn enable(&self, name: &str, on: bool) {
        self.array().enable(self.file(name), on).unwrap();
    }

    /// The lines of the `trigger` file of `source`.
    fn lines(&self, name: &str) -> Vec<String> {
        let line = |t: &Arc<dyn Trigger>| {
            let mut out = Vec::new();
            t.show(&mut out);
            String::from_utf8(out).unwrap()
        };
        self.array()
            .triggers(self.file(name))
            .iter()
            .map(line)
            .collect()
    }

    fn modes(&self) -> (&'static str, &'static str) {
        (
            self.file("source").enable_text(),
            self.file("target").enable_text(),
        )
    }

    /// What a side holds, by time.
    fn trace_of(&self, side: Side) -> Vec<String> {
        let buffer = self.array().buffer();
        let mut lines = Vec::new();
        for cpu in 0..buffer.cpus() {
            let mut iter = Iter::of(buffer, side, cpu);
            while let Some(rec) = iter.next() {
                lines.push((rec.ts, self.line(rec.payload)));
            }
        }
        lines.sort_by_key(|(ts, _)| *ts);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    fn line(&self, record: &[u8]) -> String {
        let id = u16::from_ne_bytes([record[0], record[1]]);
        match id {
            KERNEL_STACK_ID => return "<stack trace>".into(),
            PRINT_ID => {
                let text = record[16..].split(|b| *b == 0 || *b == b'\n').next();
                return String::from_utf8_lossy(text.unwrap_or_default()).into();
            }
            _ => (),
        }
        let event = self.tracing.registry().event(id).expect("known");
        let mut out = Vec::new();
        event.render(record, &Env::default(), &mut out);
        let line = String::from_utf8(out).unwrap();
        line.split_once(": ").expect("a title").1.to_string()
    }

    /// What was recorded since it was asked last.
    fn trace(&self) -> Vec<String> {
        let lines = self.trace_of(Side::Live);
        self.array().clear(None);
        lines
    }
}

#[test]
fn grammar() {
    let bench = Bench::new();
    // what one write answers, and what the file reads then; it is empty before
    let check = |command: &str, expected: core::result::Result<&[&str], Errno>| {
        let got = bench
            .write("source", command)
            .map(|()| bench.lines("source"));
        let expected =
            expected.map(|lines| lines.iter().map(|l| l.to_string()).collect::<Vec<_>>());
        assert_eq!(got, expected, "{command:?}");
        for name in ["traceoff", "snapshot", "stacktrace"] {
            bench.set("source", &alloc::format!("!{name}"));
        }
        bench.set("source", "!disable_event:trigger_test:target");
        assert_eq!(bench.modes(), ("0", "0"), "{command:?}");
    };
    check("traceon", Ok(&["traceon:unlimited"]));
    check(" traceoff\n", Ok(&["traceoff:unlimited"]));
    check("traceoff:", Ok(&["traceoff:unlimited"]));
    check("traceoff:0", Ok(&["traceoff:count=0"]));
    check("traceoff:0x10", Ok(&["traceoff:count=16"]));
    check("traceoff:1:2", Ok(&["traceoff:count=1"]));
    check("traceoff 1", Ok(&["traceoff:count=1"]));
    check("traceoff\t1", Ok(&["traceoff:count=1"]));
    check("traceoff: 2 ", Ok(&["traceoff:count=2"]));
    check("snapshot:3", Ok(&["snapshot:count=3"]));
    check(
        "stacktrace:9223372036854775808",
        Ok(&["stacktrace:count=9223372036854775808"]),
    );
    check(
        "stacktrace:18446744073709551615",
        Ok(&["stacktrace:unlimited"]),
    );
    check("stacktrace:18446744073709551616", Err(Errno::ERANGE));
    check(
        "traceoff  if  a == 1",
        Ok(&["traceoff:unlimited if  a == 1"]),
    );
    check(
        "traceoff:5 if s == \"x\" ",
        Ok(&["traceoff:count=5 if s == \"x\""]),
    );
    check(
        "traceoff:5\tif\ta == 1",
        Ok(&["traceoff:count=5 if a == 1"]),
    );
    check(
        "enable_event:trigger_test:target",
        Ok(&["enable_event:trigger_test:target:unlimited"]),
    );
    check(
        "disable_event trigger_test:target:1:2 if a > 1",
        Ok(&["disable_event:trigger_test:target:count=1 if a > 1"]),
    );
    check("", Ok(&[]));
    check("!stacktrace:x if y", Ok(&[]));
    for bad in [
        "\n",
        "#",
        ":",
        "!",
        "nosuch",
        "!nosuch",
        "nosuch:1",
        "TRACEOFF",
        "traceoff:x",
        "traceoff:-1",
        "traceoff:+1",
        "traceoff :1",
        "traceoff,stacktrace",
        "traceoff stacktrace",
        "traceoff\nstacktrace",
        "traceoff if",
        "traceoff iff a == 1",
        "traceoff:1 x",
        "traceoff if(a == 1)",
        "traceoff:3if a == 1",
        "traceoff if nosuch == 1",
        "traceoff if b == 1",
        "enable_event",
        "enable_event:",
        "enable_event:trigger_test",
        "enable_event:trigger_test:",
        "enable_event:trigger_test:nosuch",
        "enable_event:nosuch:target",
        "enable_event:trigger_test:t*",
        "enable_event:ftrace:print",
        "enable_event:trigger_test:target:",
        "enable_event:trigger_test:target:x",
        "enable_event:trigger_test:target if",
        "!enable_event:trigger_test:nosuch",
        "hist:keys=a",
    ] {
        check(bad, Err(Errno::EINVAL));
    }
    check("traceoff:5 if (a == 1", Err(Errno::ENOENT));
    let long = |n: usize| alloc::format!("traceoff{}", " ".repeat(n - 8));
    check(&long(4095), Ok(&["traceoff:unlimited"]));
    check(&long(4096), Err(Errno::EINVAL));
    let help = String::from_utf8(help()).unwrap();
    let expected = "# Available triggers:\n# traceon traceoff snapshot stacktrace enable_event disable_event\n";
    assert_eq!(help, expected);
}

#[test]
fn one_of_a_kind() {
    let bench = Bench::new();
    let check = |command: &str, expected: core::result::Result<(), Errno>| {
        assert_eq!(bench.write("source", command), expected, "{command}");
    };
    check("traceoff:3", Ok(()));
    check("stacktrace:5", Ok(()));
    for again in ["traceoff", "traceon", "traceoff if a == 1", "stacktrace"] {
        check(again, Err(Errno::EEXIST));
    }
    check("enable_event:trigger_test:target", Ok(()));
    check("disable_event:trigger_test:target", Err(Errno::EEXIST));
    // another target is another trigger, even itself
    check("disable_event:trigger_test:source", Ok(()));
    check("snapshot", Ok(()));
    let lines = [
        "snapshot:unlimited",
        "disable_event:trigger_test:source:unlimited",
        "enable_event:trigger_test:target:unlimited",
        "stacktrace:count=5",
        "traceoff:count=3",
    ];
    assert_eq!(bench.lines("source"), lines);
    assert_eq!(bench.modes(), ("0*", "0*"));
    check("!traceon:7 if nonsense", Ok(()));
    check("!disable_event:trigger_test:target:x", Ok(()));
    check("!snapshot", Ok(()));
    assert_eq!(bench.lines("source"), [lines[1], lines[3]]);
    assert_eq!(bench.modes(), ("0*", "0"));
    check("!stacktrace", Ok(()));
    check("!enable_event:trigger_test:source", Ok(()));
    assert_eq!(
        (bench.lines("source").len(), bench.modes()),
        (0, ("0", "0"))
    );
    // a target that has got its trigger in vain is let go
    check("enable_event:trigger_test:target", Ok(()));
    check("enable_event:trigger_test:target", Err(Errno::EEXIST));
    check("!enable_event:trigger_test:target", Ok(()));
    assert_eq!(bench.modes(), ("0", "0"));
}

#[test]
fn on_and_off() {
    let bench = Bench::new();
    let array = bench.array();
    // the event that switches off is recorded
    bench.enable("source", true);
    bench.set("source", "traceoff:2");
    assert_eq!(bench.modes().0, "1*");
    for left in [1, 0] {
        trace_source(1, "");
        trace_source(2, "");
        assert!(!array.is_on());
        assert_eq!(bench.trace(), ["a=1 s="]);
        assert_eq!(
            bench.lines("source"),
            [alloc::format!("traceoff:count={left}")]
        );
        array.set_on(true);
    }
    trace_source(1, "");
    assert!(array.is_on());
    assert_eq!(bench.trace(), ["a=1 s="]);
    bench.set("source", "!traceoff");
    // what switches on is recorded if nobody has to look at it first
    for (command, recorded) in [
        ("traceon", &["a=4 s=", "a=5 s="][..]),
        ("traceon if a == 4", &["a=5 s="]),
    ] {
        bench.set("source", command);
        array.set_on(false);
        for a in 3..=5 {
            if a != 3 || command.contains("if") {
                trace_source(a, "");
            }
        }
        assert!(array.is_on());
        assert_eq!(bench.trace(), recorded, "{command}");
        bench.set("source", "!traceon");
    }
    // a disabled event fires and is not recorded; its filter does not matter
    bench.enable("source", false);
    array.set_filter(bench.file("source"), b"a == 99").unwrap();
    bench.set("source", "traceoff if s ~ \"x*\"");
    trace_source(1, "ax");
    assert!(array.is_on());
    trace_source(1, "xa");
    assert!(!array.is_on());
    assert!(bench.trace().is_empty());
}

#[test]
fn other_events() {
    let bench = Bench::new();
    bench.set("source", "enable_event:trigger_test:target:2 if a == 1");
    assert_eq!(bench.modes(), ("0*", "0*"));
    trace_target(1);
    trace_source(0, "");
    assert_eq!(bench.modes().1, "0*");
    trace_source(1, "");
    trace_source(1, "");
    assert_eq!(bench.modes().1, "1*");
    trace_target(2);
    assert_eq!(bench.trace(), ["b=2"]);
    // only changes count
    assert_eq!(
        bench.lines("source"),
        ["enable_event:trigger_test:target:count=1 if a == 1"]
    );
    bench.enable("target", false);
    assert_eq!(bench.modes().1, "0*");
    trace_source(1, "");
    bench.enable("target", false);
    trace_source(1, "");
    assert_eq!(bench.modes().1, "0*", "the count is used up");
    bench.enable("target", true);
    bench.set("source", "!enable_event:trigger_test:target");
    assert_eq!(bench.modes(), ("0", "1"));

    bench.set("source", "disable_event:trigger_test:target:1");
    assert_eq!(bench.modes().1, "1*");
    trace_target(3);
    trace_source(7, "");
    trace_target(4);
    assert_eq!(
        (bench.trace(), bench.modes().1),
        (["b=3".to_string()].into(), "0*")
    );
    bench.set("source", "!disable_event:trigger_test:target");
    assert_eq!(bench.modes(), ("0", "0"));

    // itself: decided before it is recorded
    bench.enable("source", true);
    bench.set("source", "disable_event:trigger_test:source if a == 2");
    for a in 1..=3 {
        trace_source(a, "");
    }
    assert_eq!(
        (bench.trace(), bench.modes().0),
        (["a=1 s=".to_string()].into(), "0*")
    );
    bench.array().enable_all(None, false).unwrap();
    bench.set("source", "!disable_event:trigger_test:source");
    assert_eq!(bench.modes(), ("0", "0"));
}

#[test]
fn snapshots() {
    let bench = Bench::new();
    let both = || (bench.trace_of(Side::Live), bench.trace_of(Side::Snapshot));
    let lines = |lines: &[&str]| lines.iter().map(|l| l.to_string()).collect::<Vec<_>>();
    bench.enable("source", true);
    // with a filter the record is in the snapshot, without one it is the first after it
    bench.set("source", "snapshot:1 if a == 2");
    assert!(bench.array().buffer().has_snapshot());
    for a in 1..=3 {
        trace_source(a, "");
    }
    assert_eq!(both(), (lines(&["a=3 s="]), lines(&["a=1 s=", "a=2 s="])));
    trace_source(2, "");
    assert_eq!(bench.lines("source"), ["snapshot:count=0 if a == 2"]);
    bench.set("source", "!snapshot");
    bench.set("source", "snapshot:1");
    trace_source(4, "");
    assert_eq!(
        both(),
        (
            lines(&["a=1 s=", "a=2 s=", "a=4 s="]),
            lines(&["a=3 s=", "a=2 s="])
        )
    );
    // nothing to swap with: nothing happens, nothing is counted
    bench.set("source", "!snapshot");
    bench.set("source", "snapshot:1");
    bench.array().set_snapshot(None, b"0").unwrap();
    trace_source(5, "");
    assert_eq!(bench.lines("source"), ["snapshot:count=1"]);
}

#[test]
fn markers() {
    let bench = Bench::new();
    let writer = crate::base::task::Task::new(7, 7, "");
    let mark = |text: &str| {
        bench
            .array()
            .mark(&writer, text.as_bytes())
            .map_err(|e| e.errno)
    };
    bench.set("print", "snapshot if buf ~ \"*snap*\"");
    bench.set("print", "enable_event:trigger_test:target if buf == \"go\"");
    for text in ["a\n", "b snap\n", "go\n"] {
        assert_eq!(mark(text), Ok(text.len()));
    }
    assert_eq!(
        bench.modes().1,
        "0*",
        "the newline belongs to what is compared"
    );
    assert_eq!(mark("go"), Ok(2));
    assert_eq!(bench.modes().1, "1*");
    assert_eq!(bench.trace_of(Side::Snapshot), ["a", "b snap"]);
    assert_eq!(bench.trace(), ["go", "go"]);
    bench.set("print", "traceoff if common_pid == 7");
    assert_eq!((mark("x"), mark("y")), (Ok(1), Err(Errno::EBADF)));
    assert_eq!(bench.trace().len(), 1);
    assert_eq!(
        bench.write("print", "traceoff if nosuch == 1"),
        Err(Errno::EINVAL)
    );
}

#[test]
fn stacks() {
    let bench = Bench::new();
    bench.enable("source", true);
    bench.set("source", "stacktrace:1 if a == 2");
    for a in 1..=3 {
        trace_source(a, "");
    }
    let lines = bench.trace();
    match cfg!(target_arch = "x86_64") {
        true => assert_eq!(lines, ["a=1 s=", "a=2 s=", "<stack trace>", "a=3 s="]),
        false => assert_eq!(lines, ["a=1 s=", "a=2 s=", "a=3 s="]),
    }
    assert_eq!(bench.lines("source"), ["stacktrace:count=0 if a == 2"]);
}

#[test]
fn instances_go_with_their_triggers() {
    let bench = Bench::new();
    let array = bench.tracing.make(b"i").unwrap();
    let id = bench.file("source").event().id;
    let file = array.trigger_file(id).unwrap();
    for command in [
        "traceoff",
        "enable_event:trigger_test:target",
        "enable_event:trigger_test:source",
    ] {
        write(&array, file, command.as_bytes()).unwrap();
    }
    trace_source(1, "");
    assert_eq!((array.is_on(), bench.array().is_on()), (false, true));
    assert_eq!((file.enable_text(), bench.modes().0), ("1*", "0"));
    let (weak, file) = (Arc::downgrade(&array), Arc::downgrade(file));
    drop(array);
    bench.tracing.remove(b"i").unwrap();
    // nothing holds on to it: a trigger that aims at its own event is a circle that was cut
    assert!(weak.upgrade().is_none() && file.upgrade().is_none());
    trace_source(1, "");
}

/// Events fired in signal handlers.
static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_signal(_: libc::c_int) {
    trace_source(64, "handler");
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Triggers that come and go, and swap, in signal handlers too, while events are recorded: each record is in one of the
/// two buffers, or counted as overwritten.
#[test]
fn nothing_is_lost() {
    const THREADS: u32 = 4;
    const EACH: u32 = 20_000;
    let bench = Bench::new();
    let array = bench.array();
    array.set_size_kb(None, b"64").unwrap();
    bench.enable("source", true);
    bench.set("source", "snapshot if a & 64");
    let signal = libc::SIGRTMIN() + 5;
    // SAFETY: the handler does what any code may that traces
    unsafe { libc::signal(signal, on_signal as *const () as libc::sighandler_t) };
    HANDLED.store(0, Ordering::Relaxed);
    let threads: Vec<_> = (0..THREADS)
        .map(|_| thread::spawn(|| (0..EACH).for_each(|a| trace_source(a, "text"))))
        .collect();
    while !threads.iter().all(|t| t.is_finished()) {
        bench.set("source", "enable_event:trigger_test:target if a & 3");
        bench.set("source", "!snapshot");
        bench.set("source", "snapshot if a & 64");
        bench.set("source", "!enable_event:trigger_test:target");
        bench.enable("target", false);
        for thread in &threads {
            // SAFETY: not joined yet
            unsafe { libc::pthread_kill(thread.as_pthread_t(), signal) };
        }
    }
    threads.into_iter().for_each(|t| t.join().unwrap());
    let buffer = array.buffer();
    let mut total = 0;
    for cpu in 0..buffer.cpus() {
        for side in [Side::Live, Side::Snapshot] {
            let stats = buffer.stats_of(side, cpu);
            total += stats.entries + stats.overrun + stats.commit_overrun;
        }
    }
    let fired = u64::from(THREADS * EACH) + HANDLED.load(Ordering::Relaxed);
    assert_eq!(total, fired);
}
