//! What a filter costs: rejected and kept events beside the same event without a filter, in the same rounds.
//!
//! Aims, as shares of the recorded event: one term that rejects at most 0.5, three terms that hold 1.3, a pattern 1.5.
#![allow(missing_docs)]

mod harness;

use std::ffi::CStr;
use std::hint::black_box;
use std::sync::Arc;

use harness::{Options, Variant, bench, passes};
use utracefs::event::registry::Registry;
use utracefs::instance::{TraceArray, Tracing};
use utracefs::ring::Way;
use utracefs::{DynStr, define_event_trace};

define_event_trace!(
    two,
    TP_system(bench_filter),
    TP_PROTO(a: u32, b: u32),
    TP_STRUCT__entry{ a: u32, b: u32 },
    TP_fast_assign{ a: a, b: b },
    TP_ident(__entry),
    TP_printk("a={} b={}", __entry.a, __entry.b)
);

define_event_trace!(
    text,
    TP_system(bench_filter),
    TP_PROTO(s: &CStr),
    TP_STRUCT__entry{ s: DynStr },
    TP_fast_assign{ s: s },
    TP_ident(__entry),
    TP_printk("s={}", __entry.s)
);

const TEXT: &CStr = c"0123456789abcdef0123456789abcde";

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
        two("pattern on COMM, kept", "COMM ~ \"f*t?r*\""),
    ];
    bench("Two u32 with a filter", &o, &variants, Some(on));

    let text = |name, filter: &'static str| {
        Variant::new(name, |n| passes(n, |_, _| trace_text(black_box(TEXT))))
            .around(|| set(top, "text", filter), || set(top, "text", "0"))
    };
    let variants = [
        Variant::new("loop", |n| passes(n, |_, _| ())),
        text(on, "0"),
        text(
            "the same text, kept",
            "s == \"0123456789abcdef0123456789abcde\"",
        ),
        text("prefix*, kept", "s ~ \"0123*\""),
        text("*middle*, kept", "s ~ \"*f012*\""),
        text("pattern, kept", "s ~ \"0?2*[a-f]0*cde\""),
        text("pattern, rejected", "s ~ \"0?2*[a-f]0*cdf\""),
    ];
    bench("31 characters with a filter", &o, &variants, Some(on));
}
