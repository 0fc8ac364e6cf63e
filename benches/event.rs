//! What a tracepoint costs: its site while it is off, an event while it is on, in one instance and in two, beside
//! LTTng-UST in the same rounds (`--rival FILE`, see benches/run).
#![allow(missing_docs)]

mod harness;

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::hint::black_box;
use std::sync::Arc;

use harness::{Measured, Options, Variant, bench, passes};
use utracefs::event::registry::Registry;
use utracefs::instance::{TraceArray, Tracing};
use utracefs::ring::Way;
use utracefs::{DynStr, define_event_trace};

define_event_trace!(
    two,
    TP_system(bench),
    TP_PROTO(a: u32, b: u32),
    TP_STRUCT__entry{ a: u32, b: u32 },
    TP_fast_assign{ a: a, b: b },
    TP_ident(__entry),
    TP_printk("a={} b={}", __entry.a, __entry.b)
);

define_event_trace!(
    text,
    TP_system(bench),
    TP_PROTO(s: &CStr),
    TP_STRUCT__entry{ s: DynStr },
    TP_fast_assign{ s: s },
    TP_ident(__entry),
    TP_printk("s={}", __entry.s)
);

const TEXT: &CStr = c"0123456789abcdef0123456789abcde";

/// LTTng-UST's probes, built as a shared library.
#[derive(Clone, Copy)]
struct Rival {
    two: extern "C" fn(u64),
    text: extern "C" fn(u64, *const c_char),
}

impl Rival {
    fn load(path: &str) -> Option<Rival> {
        let file = CString::new(path).ok()?;
        // SAFETY: plain dlopen and dlsym; the four symbols have the types that benches/lttng/probe.c gives them.
        unsafe {
            let library = libc::dlopen(file.as_ptr(), libc::RTLD_NOW);
            if library.is_null() {
                eprintln!(
                    "{path}: {}",
                    CStr::from_ptr(libc::dlerror()).to_string_lossy()
                );
                return None;
            }
            let symbol =
                |name: &CStr| Some(libc::dlsym(library, name.as_ptr())).filter(|s| !s.is_null());
            let on =
                std::mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(symbol(c"rival_on")?);
            for _ in 0..300 {
                if on() != 0 {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            assert!(on() != 0, "no LTTng session has rival:two enabled");
            Some(Rival {
                two: std::mem::transmute::<*mut c_void, extern "C" fn(u64)>(symbol(c"rival_two")?),
                text: std::mem::transmute::<*mut c_void, extern "C" fn(u64, *const c_char)>(
                    symbol(c"rival_text")?,
                ),
            })
        }
    }
}

/// Sixteen pieces of nothing in a row, each with or without a site.
macro_rules! dense {
    ($name:ident, |$a:ident, $b:ident| $site:expr) => {
        #[inline(never)]
        fn $name(n: u64) {
            let x = black_box(7u32);
            for i in 0..n as u32 {
                dense!(@ x i |$a, $b| $site; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            }
        }
    };
    (@ $x:ident $i:ident |$a:ident, $b:ident| $site:expr; $($k:literal)*) => {$({
        let ($a, $b) = ($x + $k, $i);
        // SAFETY: an empty instruction that wants both values in registers.
        unsafe { std::arch::asm!("", in("edi") $a, in("esi") $b, options(nostack, preserves_flags)) };
        $site
    })*};
}
dense!(dense_nothing, |a, b| ());
dense!(dense_off, |a, b| trace_two(a, b));

fn enable(array: &Arc<TraceArray>, word: &str, on: bool) {
    let word = if on {
        word.to_string()
    } else {
        format!("!{word}")
    };
    array.set_event(word.as_bytes()).expect("the event exists");
}

fn main() {
    let rival = std::env::args()
        .skip_while(|a| a != "--rival")
        .nth(1)
        .and_then(|f| Rival::load(&f));
    let tracing = Tracing::new(Registry::build(20000).expect("no duplicates"), Way::Auto)
        .expect("memory for the buffers");
    let top = tracing.top().clone();
    let second = tracing
        .make(b"second")
        .expect("memory for a second instance");
    let name = rival.map(|_| "LTTng-UST");
    let (two_on, two_off) = (
        || enable(&top, "bench:two", true),
        || enable(&top, "bench:two", false),
    );
    let (text_on, text_off) = (
        || enable(&top, "bench:text", true),
        || enable(&top, "bench:text", false),
    );

    let mut o = Options::from_args(160_000, 21);
    let off = || {
        Variant::new("off: two u32", |n| {
            passes(n, |x, i| trace_two(x as u32, i as u32))
        })
    };
    let looped = || Variant::new("loop", |n| passes(n, |_, _| ()));
    let reserved = top.buffer().is_reserved();
    let mut summary = Vec::new();
    let mut alone = f64::NAN;
    for threads in 1..=if o.once.is_some() { 1 } else { 2 } {
        o.threads = threads;
        let mut variants = vec![looped(), off()];
        if let Some(r) = rival {
            variants.push(Variant::new("LTTng-UST", move |n| (r.two)(n)));
        }
        let on = |n| passes(n, |x, i| trace_two(x as u32, i as u32));
        variants.push(Variant::new("on: two u32", on).around(two_on, two_off));
        variants.push(Variant::new("on in two instances: two u32", on).around(
            || {
                enable(&top, "bench:two", true);
                enable(&second, "bench:two", true);
            },
            || {
                enable(&top, "bench:two", false);
                enable(&second, "bench:two", false);
            },
        ));
        let m = bench("Two u32", &o, &variants, name);
        let share = |m: &Measured, variant| m.share(variant, "LTTng-UST", "loop");
        let goal = if reserved { "0.25" } else { "0.15" };
        let of = |what: &str| format!("{what}, {threads} thread(s): share of LTTng-UST");
        summary.extend(share(&m, "on: two u32").map(|s| (of("two u32"), s, goal)));
        let both = m.added("on in two instances: two u32", "loop");
        let one = m.added("on: two u32", "loop");
        if let (Some(both), Some(one)) = (both, one) {
            if threads == 1 {
                alone = one;
                let what = "two u32 in two instances: times one instance";
                summary.push((what.to_string(), both / one, "2"));
            } else {
                let what = "two u32 on two threads: times one thread";
                summary.push((what.to_string(), one / alone, "1.3"));
            }
        }

        let mut variants = vec![looped()];
        if let Some(r) = rival {
            variants.push(Variant::new("LTTng-UST", move |n| {
                (r.text)(n, TEXT.as_ptr())
            }));
        }
        let on = |n| passes(n, |_, _| trace_text(black_box(TEXT)));
        variants.push(Variant::new("on: 31 characters", on).around(text_on, text_off));
        let m = bench("A string of 31 characters", &o, &variants, name);
        let goal = if reserved { "0.25" } else { "0.20" };
        summary.extend(share(&m, "on: 31 characters").map(|s| (of("string"), s, goal)));
    }
    o.threads = 1;
    o.passes = 100_000;
    o.per_pass = 16;
    let variants = [
        Variant::new("sixteen times nothing", dense_nothing),
        Variant::new("sixteen sites off", dense_off),
    ];
    bench("Sixteen sites in a row, off", &o, &variants, None);
    if o.once.is_some() {
        return;
    }
    let way = if reserved {
        "by reservation"
    } else {
        "by restartable sequences"
    };
    println!("\n### Goals, {way}\n\n| | measured | at most |\n| --- | ---: | ---: |");
    for (what, figure, goal) in summary {
        println!("| {what} | {figure:.2} | {goal} |");
    }
}
