//! What a filter costs: rejected and kept events beside the same event without a filter, in the same rounds.
//!
//! Aims, as shares of the recorded event: one term that rejects at most 0.5, three terms that hold 1.3, a pattern 1.5.
#![allow(missing_docs)]

mod harness;

use std::hint::black_box;
use std::sync::Arc;

use harness::{Options, Variant, bench, passes};
use utracefs::event::registry::Registry;
use utracefs::instance::{TraceArray, Tracing};
use utracefs::ring::Way;
use utracefs::{Chars, define_event_trace};

define_event_trace!(
    two,
    TP_system(bench_filter),
    TP_PROTO(a: u32, b: u32),
    TP_STRUCT__entry{ a: u32, b: u32 },
    TP_fast_assign{ a: a, b: b },
    TP_ident(__entry),
    TP_printk("a={} b={}", __entry.a, __entry.b)
);

// Fields of Linux's task_rename.
define_event_trace!(
    rename,
    TP_system(bench_filter),
    TP_PROTO(pid: i32, old: [u8; 16], new: [u8; 16], oom: i16),
    TP_STRUCT__entry{ pid: i32 as "pid_t", oldcomm: Chars<16>, newcomm: Chars<16>, oom_score_adj: i16 as "short" },
    TP_fast_assign{ pid: pid, oldcomm: old, newcomm: new, oom_score_adj: oom },
    TP_ident(__entry),
    TP_printk("pid={} oldcomm={} newcomm={} oom_score_adj={}", __entry.pid, __entry.oldcomm, __entry.newcomm, __entry.oom_score_adj)
);

const NAME: [u8; 16] = *b"anchors-bench\0\0\0";

/// One of 4096 names that the pattern fits like that one: more than it remembers.
fn many(i: u64) -> [u8; 16] {
    let mut name = NAME;
    for (at, byte) in [1, 2, 9].into_iter().enumerate() {
        name[byte] = b'a' + (i >> (4 * at) & 15) as u8;
    }
    name
}

/// Filters the event, enables it; and the other way round.
fn set(array: &Arc<TraceArray>, event: &str, filter: &str) {
    let files = array.files().iter();
    let file = files
        .filter(|f| f.event().system == "bench_filter")
        .find(|f| f.event().name == event)
        .expect("the event exists");
    array
        .set_filter(file, filter.as_bytes())
        .expect("a right filter");
    array.enable(file, !file.is_enabled()).expect("it can be");
}

fn main() {
    let tracing = Tracing::new(Registry::build(20000).expect("no duplicates"), Way::Auto)
        .expect("memory for the buffers");
    let top = tracing.top();
    let o = Options::from_args(160_000, 21);
    let on = "on, no filter";

    let two = |name, filter: &'static str| {
        Variant::new(name, |n| passes(n, |x, i| trace_two(x as u32, i as u32)))
            .around(|| set(top, "two", filter), || set(top, "two", "0"))
    };
    let variants = [
        Variant::new("loop", |n| passes(n, |_, _| ())),
        two(on, "0"),
        two("one term, rejected", "b == 4294967295"),
        two("one term, kept", "b < 4294967295"),
        two(
            "three terms, kept",
            "b < 4294967295 && b != 4294967294 && common_pid > 0",
        ),
        two(
            "three terms of two kinds, kept",
            "b == 4294967295 || !(b > 4294967290) && CPU >= 0",
        ),
        // asks the kernel for the thread's name
        two("name of the thread, kept", "COMM ~ \"f*\""),
    ];
    bench("Two u32 with a filter", &o, &variants, Some(on));

    let rename = |name, filter: &'static str| {
        let run = |n| {
            passes(n, |_, i| {
                trace_rename(i as i32, black_box(NAME), black_box(NAME), 0)
            })
        };
        Variant::new(name, run).around(|| set(top, "rename", filter), || set(top, "rename", "0"))
    };
    let of_many = |name, filter: &'static str| {
        let run = |n| {
            passes(n, |_, i| {
                trace_rename(i as i32, black_box(NAME), black_box(many(i)), 0)
            })
        };
        Variant::new(name, run).around(|| set(top, "rename", filter), || set(top, "rename", "0"))
    };
    let variants = [
        Variant::new("loop", |n| passes(n, |_, _| ())),
        rename(on, "0"),
        rename("==, kept", "newcomm == \"anchors-bench\""),
        rename("==, rejected", "newcomm == \"anchors-Bench\""),
        rename("anch*, kept", "newcomm ~ \"anch*\""),
        rename("*ors-b*, kept", "newcomm ~ \"*ors-b*\""),
        rename("a*r?-b*ch, kept", "newcomm ~ \"a*r?-b*ch\""),
        rename("a*r?-b*ck, rejected", "newcomm ~ \"a*r?-b*ck\""),
        of_many("4096 names, no filter", "0"),
        of_many("a*r?-b*ch, kept, 4096 names", "newcomm ~ \"a*r?-b*ch\""),
    ];
    bench(
        "Names of 13 characters with a filter",
        &o,
        &variants,
        Some(on),
    );
}
