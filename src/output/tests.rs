//! An event's whole way through the core, without a mount.

use alloc::string::String;
use alloc::vec::Vec;

use super::{PipeReader, Piped, TraceReader};
use crate::DynStr;
use crate::base::clock::ClockId;
use crate::base::error::Errno;
use crate::base::task::{Place, Task};
use crate::event::registry::Registry;
use crate::instance::trace_array::Enabled;
use crate::instance::{TraceOption, Tracing};
use crate::ring::Way;

crate::define_event_trace!(
    whole_way,
    TP_system(output_test),
    TP_PROTO(a: u32, s: &str),
    TP_STRUCT__entry{ a: u32, s: DynStr },
    TP_fast_assign{ a: a, s: s },
    TP_ident(__entry),
    TP_printk("a={} s={}", __entry.a, __entry.s)
);

crate::define_event_trace!(
    anew,
    TP_system(output_test2),
    TP_PROTO(a: u32),
    TP_STRUCT__entry{ a: u32 },
    TP_fast_assign{ a: a },
    TP_ident(__entry),
    TP_printk("a={}", __entry.a)
);

fn tracing() -> alloc::sync::Arc<Tracing> {
    Tracing::new(Registry::build(20000).expect("no duplicates"), Way::Auto).expect("memory")
}

fn text(reader: &mut TraceReader) -> String {
    let mut out = Vec::new();
    while reader.read(&mut out, usize::MAX) {}
    String::from_utf8(out).expect("text")
}

/// Lines without what differs from run to run: `comm-pid [cpu]` and time.
fn bodies(trace: &str) -> Vec<&str> {
    let lines = trace.lines().filter(|l| !l.starts_with('#'));
    lines
        .map(|l| l.split_once(": ").map_or(l, |(_, body)| body))
        .collect()
}

#[test]
fn from_call_to_trace() {
    let tracing = tracing();
    let top = tracing.top();
    trace_whole_way(1, "not yet");
    top.set_event(b"output_test:whole_way").expect("exists");
    assert_eq!(
        (top.enabled(Some("output_test")), top.enabled(None)),
        (Enabled::All, Enabled::Some)
    );
    trace_whole_way(2, "two");
    let other = tracing.make(b"other").expect("new");
    other.set_event(b"whole_way").expect("exists");
    let task = Task::new(4_200_000, 4_199_999, "green");
    task.run(|| trace_whole_way(3, "three"));
    top.set_event(b"!output_test").expect("exists");
    trace_whole_way(4, "other alone");

    let seen = text(&mut TraceReader::new(top, None));
    assert_eq!(
        bodies(&seen),
        ["whole_way: a=2 s=two", "whole_way: a=3 s=three"],
        "{seen}"
    );
    assert!(seen.contains("           green-4200000 ["), "{seen}");
    let seen = text(&mut TraceReader::new(&other, None));
    assert_eq!(
        bodies(&seen),
        ["whole_way: a=3 s=three", "whole_way: a=4 s=other alone"],
        "{seen}"
    );
    tracing.remove(b"other").expect("not in use");
    assert_eq!(tracing.remove(b"other").unwrap_err().errno, Errno::ENOENT);
    trace_whole_way(5, "nobody");
}

#[test]
fn pipe_consumes() {
    let tracing = tracing();
    let top = tracing.top();
    let writer = Task::new(77, 77, "writer");
    assert_eq!(top.mark(&writer, b"one\ntwo").expect("on"), 7);
    assert_eq!(top.mark(&writer, b"three\n").expect("on"), 6);
    let seen = text(&mut TraceReader::new(top, None));
    assert!(
        seen.contains("entries-in-buffer/entries-written: 2/2   #P:"),
        "{seen}"
    );
    assert!(
        seen.contains("           <...>-77      ["),
        "a marker alone saves no name: {seen}"
    );

    let mut pipe = PipeReader::new(top.claim_pipe(None).expect("free"));
    assert_eq!(
        top.claim_pipe(Some(0)).err().map(|e| e.errno),
        Some(Errno::EBUSY)
    );
    let (mut all, mut piece) = (Vec::new(), [0; 10]);
    while let Piped::Bytes(n) = pipe.read(&mut piece) {
        all.extend_from_slice(&piece[..n]);
    }
    let all = String::from_utf8(all).expect("text");
    assert!(all.contains(" ...1. "), "{all}");
    assert!(all.ends_with("tracing_mark_write: three\n"), "{all}");
    assert_eq!(all.lines().count(), 3);
    assert_eq!(pipe.read(&mut piece), Piped::Empty);
    top.set_on(false);
    assert_eq!(pipe.read(&mut piece), Piped::End);
    assert_eq!(top.mark(&writer, b"x").unwrap_err().errno, Errno::EBADF);
    drop(pipe);
    top.claim_pipe(Some(0)).expect("free again");
    top.set_on(true);
    top.set_option(TraceOption::Markers, false)
        .expect("takes it");
    assert_eq!(top.mark(&writer, b"x").unwrap_err().errno, Errno::EINVAL);
}

#[test]
fn headers() {
    let tracing = tracing();
    let top = tracing.top();
    let header = |options: &[(&[u8], usize)]| {
        for (option, lines) in options {
            top.write_options(option).expect("an option");
            let seen = text(&mut TraceReader::new(top, None));
            assert_eq!(
                seen.lines().count(),
                *lines,
                "{}: {seen}",
                option.escape_ascii()
            );
        }
    };
    header(&[
        (b"irq-info", 12),
        (b"record-tgid\n", 12),
        (b"noirq-info", 6),
        (b"nocontext-info", 2),
    ]);
    assert_eq!(
        top.write_options(b"noirq-info nomarkers")
            .unwrap_err()
            .errno,
        Errno::EINVAL
    );
}

#[test]
fn names_are_remembered_anew() {
    let tracing = tracing();
    let (top, cmdlines) = (tracing.top(), tracing.cmdlines());
    let other = tracing.make(b"anew").expect("new");
    top.set_event(b"output_test2:anew").expect("exists");
    let task = Task::new(4_300_000, 4_299_999, "anew");
    let remembered = || {
        task.run(|| trace_anew(1));
        cmdlines.get(4_300_000).map(|saved| saved.tgid)
    };
    assert_eq!(remembered(), Some(0));
    cmdlines.resize(10_000).expect("enough memory");
    assert_eq!(cmdlines.get(4_300_000), None);
    assert_eq!(remembered(), Some(0), "an emptied table is filled again");
    top.set_option(TraceOption::RecordTgid, true)
        .expect("takes it");
    assert_eq!(remembered(), Some(4_299_999));
    cmdlines.resize(7_000).expect("enough memory");
    other
        .set_option(TraceOption::RecordTgid, true)
        .expect("takes it");
    assert_eq!(remembered(), Some(4_299_999), "whatever instance asks");
    tracing.remove(b"anew").expect("not in use");
}

#[inline(never)]
fn traced_from_here() {
    trace_whole_way(1, "deep");
    core::hint::black_box(());
}

#[test]
fn stacks() {
    let tracing = tracing();
    let top = tracing.top();
    top.write_options(b"stacktrace").expect("an option");
    top.write_options(b"userstacktrace").expect("an option");
    top.set_event(b"output_test:whole_way").expect("exists");
    traced_from_here();
    let seen = text(&mut TraceReader::new(top, None));
    let at = |what: &str| {
        seen.find(what)
            .unwrap_or_else(|| panic!("no {what} in {seen}"))
    };
    assert!(
        at("whole_way: a=1 s=deep") < at("<stack trace>\n => "),
        "{seen}"
    );
    assert!(
        at("<stack trace>\n => ") < at("<user stack trace>\n =>  <0000"),
        "{seen}"
    );
    top.write_options(b"sym-addr").expect("an option");
    let with_addresses = text(&mut TraceReader::new(top, None));
    let address = |before: &str| {
        let (_, rest) = with_addresses.split_once(before)?;
        rest.split_once('>').map(|(address, _)| address)
    };
    assert_eq!(
        address("traced_from_here <"),
        address("<user stack trace>\n =>  <"),
        "{with_addresses}"
    );
    assert!(
        seen.contains(
            "=> utracefs::output::tests::traced_from_here\n => utracefs::output::tests::stacks"
        ),
        "{seen}"
    );
}

crate::define_event_trace!(
    told,
    TP_system(output_test3),
    TP_PROTO(a: u32),
    TP_STRUCT__entry{ a: u32 },
    TP_fast_assign{ a: a },
    TP_ident(__entry),
    TP_printk("a={}", __entry.a)
);

/// Events of which others have told: by their own CPU, time and address.
#[cfg(not(miri))]
#[test]
fn told_of() {
    let tracing = tracing();
    let top = tracing.top();
    top.write_options(b"userstacktrace").expect("an option");
    top.write_options(b"stacktrace").expect("an option");
    let cpu = top.buffer().cpus() as u32 - 1;
    let tell = |a: u32, pid: i32, time: u64| {
        let place = Place {
            cpu: Some(cpu),
            time: Some(time),
            ip: Some(0x1234),
        };
        let task = Task::new(pid, pid, "teller").with_place(place);
        task.run(|| trace_told(a));
    };
    for clock in ClockId::ALL {
        top.set_clock(clock.name().as_bytes()).expect("memory");
        top.set_event(b"output_test3:told").expect("exists");
        let start = ClockId::Mono.now();
        tell(1, 700, start);
        tell(2, -1, start + 3_000);
        // before the last one: that cannot be
        tell(3, 700, start + 1_000);
        let seen = text(&mut TraceReader::new(top, None));
        let lines: Vec<&str> = seen.lines().filter(|l| l.contains(": a=")).collect();
        assert_eq!(lines.len(), 3, "{clock:?}: {seen}");
        assert!(lines[0].contains(" teller-700 "), "{seen}");
        assert!(lines[1].contains(" <...>--1 "), "{seen}");
        let of_cpu = alloc::format!(" [{cpu:03}] ");
        assert!(lines.iter().all(|l| l.contains(&of_cpu)), "{seen}");
        let mut iter = top.buffer().consumer(cpu as usize);
        let mut times = Vec::new();
        while let Some(record) = iter.take() {
            if record.payload[..2]
                == top
                    .registry()
                    .find("output_test3", "told")
                    .unwrap()
                    .id
                    .to_le_bytes()
            {
                times.push(record.ts);
            }
        }
        match clock.is_ns() {
            true => assert_eq!(
                (times[1] - times[0], times[2]),
                (3_000, times[1]),
                "{clock:?}"
            ),
            false => assert!(times.is_sorted(), "{clock:?}"),
        }
        if *clock == ClockId::Mono {
            assert_eq!(times[0], start);
        }
        // where it was in its program, and that nothing tells how it came there
        assert_eq!(
            bodies(&seen)[1..4],
            [
                "<stack trace>",
                "<user stack trace>",
                " =>  <0000000000001234>"
            ],
            "{seen}"
        );
        top.set_event(b"!output_test3:told").expect("exists");
    }
}
