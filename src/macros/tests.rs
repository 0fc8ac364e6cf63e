//! Events of every form, declared and fired; what they record, what they leave in the registry, what they show.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::base::error::Errno;
use crate::base::task::Task;
use crate::event::declare::{EventDecl, Print, section};
use crate::event::print_fmt::Env;
use crate::event::registry::{Event, Registry};
use crate::instance::Tracing;
use crate::ring::Way;
use crate::{Chars, DynArray, DynStr};

/// Names that also mean something inside the expansion must stay the user's.
#[derive(Debug, Clone, Copy)]
struct Entry {
    a: u32,
}
const NAME: u32 = 4711;
const TEXT: &str = "user's";

struct Green;

impl crate::KernelTraceOps for Green {
    fn with<R>(fire: impl FnOnce() -> R) -> R {
        Task::new(4_200_001, 4_200_000, "green").run(fire)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Read,
    Write,
}

crate::field_type!(Mode: u16 as "umode_t", to |mode| mode as u16, from |raw| if raw == 1 { Mode::Write } else { Mode::Read });

crate::define_event_trace!(
    plain,
    TP_system(macro_test),
    TP_PROTO(pool: u32, wait_ns: u64),
    TP_STRUCT__entry{ pool: u32, wait_ns: u64 },
    TP_fast_assign{ pool: pool, wait_ns: wait_ns },
    TP_ident(__entry),
    TP_printk("pool={} wait={}", __entry.pool, __entry.wait_ns)
);

static ASSIGNED: AtomicU32 = AtomicU32::new(0);

crate::define_event_trace!(
    counted,
    TP_system(macro_test),
    TP_PROTO(s: &str),
    TP_STRUCT__entry{ n: u32, s: DynStr },
    TP_fast_assign{ n: ASSIGNED.fetch_add(1, Ordering::Relaxed), s: s },
    TP_ident(__entry),
    TP_printk("{} {}", __entry.n, __entry.s)
);

crate::define_event_trace!(
    /// Has everything.
    #[allow(clippy::needless_lifetimes)]
    pub(crate) rich ,
    TP_kops(Green),
    TP_system(crate::macro_test),
    TP_PROTO(e: &Entry, name: &str, list: &[u16], raw: *const u8, unused: u8,),
    TP_STRUCT__entry {
        a: u8,
        /// A hole before this one.
        b: u64 as "unsigned long",
        comm: Chars<16>,
        r#type: i32 as "pid_t",
        name: DynStr,
        list: DynArray<u16>,
        ptr: *const u8 as "const char *",
        flag: bool,
        pad: [u8; 3],
        path: [u8; 8] as "char",
        mode: Mode,
    },
    TP_fast_assign {
        ptr: raw,
        a: e.a as u8,
        b: u64::from(NAME),
        comm: name,
        r#type: -1,
        name,
        list: list,
        flag: true,
        pad: [0; 3],
        path: {
            let mut path = [0; 8];
            path[..6].copy_from_slice(TEXT.as_bytes());
            path
        },
        mode: Mode::Write,
    },
    TP_ident(entry),
    TP_printk({
        let kind = entry.r#type;
        alloc::format!("{} {kind:>4} {:?} {} {:?}", entry.b, entry.list, entry.name, entry.mode)
    }),
);

crate::define_event_trace!(
    nothing,
    TP_system("macro_test"),
    TP_PROTO(),
    TP_STRUCT__entry {},
    TP_fast_assign {},
    TP_ident(__entry),
    TP_printk("nothing")
);

crate::define_event_trace! {
    older_spelling,
    TP_lock(spin::Mutex<()>),
    TP_kops(crate::__private::CallingThread),
    TP_system(macro_test),
    TP_PROTO(a: u32),
    TP_ARGS(a),
    TP_STRUCT__entry(a: u32,),
    TP_fast_assign(a: a),
    TP_ident(__entry),
    TP_printk {
        let arg = __entry.a;
        alloc::format!("a={:?}", arg)
    }
}

crate::define_event_trace!(
    as_arguments,
    TP_system(macro_test),
    TP_PROTO(a: u32, _ignored: &[u8]),
    TP_STRUCT__entry{ a: u32 },
    TP_fast_assign{ a: a.wrapping_mul(2) },
    TP_ident(__entry),
    TP_printk(format_args!("a={:#x}", __entry.a))
);

crate::define_event_trace!(
    in_c,
    TP_system(macro_test),
    TP_PROTO(comm: [u8; 16], state: i64),
    TP_STRUCT__entry{ comm: Chars<16>, state: i64 as "long" },
    TP_fast_assign{ comm: comm, state: state },
    TP_ident(__entry),
    TP_printk(c: "comm=%s state=%s", __entry->comm, __entry->state ? __print_flags(__entry->state, "|", { 0x1, "S" }, { 0x2, "D" }) : "R")
);

crate::define_event_trace!(
    strings,
    TP_system(macro_test),
    TP_PROTO(a: &str, list: &[u64], b: &[u8]),
    TP_STRUCT__entry{ a: DynStr, list: DynArray<u64>, b: DynStr },
    TP_fast_assign{ a: a, list: list, b: b },
    TP_ident(__entry),
    TP_printk("{} {} {}", __entry.a, __print_array(__entry.list), __entry.b)
);

/// The same text in Rust (the method has no C form) and in C.
macro_rules! both_ways {
    ($rust:ident, $c:ident, $proto:tt, $fields:tt, $values:tt, $entry:ident, $format:literal, $($args:tt)*) => {
        crate::define_event_trace!($rust, TP_system(macro_test), TP_PROTO $proto, TP_STRUCT__entry $fields,
            TP_fast_assign $values, TP_ident($entry),
            TP_printk({ let _only_rust = $entry.n.count_ones(); let x = _only_rust; alloc::format!(concat!($format, "{:.0}"), $($args)*, { let _ = x; "" }) }));
        crate::define_event_trace!($c, TP_system(macro_test), TP_PROTO $proto, TP_STRUCT__entry $fields,
            TP_fast_assign $values, TP_ident($entry), TP_printk($format, $($args)*));
    };
}

both_ways!(
    helpers_rust,
    helpers_c,
    (n: u64),
    { n: u64, i: i32, bytes: [u8; 4], list: DynArray<i16>, comm: Chars<16> },
    { n: n, i: n as i32, bytes: (n as u32).to_le_bytes(), list: &[n as i16, 1, -1], comm: "comm" },
    __entry,
    "{} {} {} {} {} {} {} {:>8} {}",
    __print_flags!(__entry.n, "|", {1, "A"}, {6, "BC"}, {0, "none"}),
    __print_symbolic!(__entry.i, (-1, "minus"), (2, "two")),
    __print_hex!(__entry.bytes),
    __print_hex_str!(__entry.bytes, 3),
    __print_array!(__entry.bytes),
    __print_array!(__entry.list),
    __print_hex!(__entry.list),
    __entry.comm,
    __entry.comm.as_str()
);

static EVALUATED: AtomicU32 = AtomicU32::new(0);

fn next() -> u32 {
    EVALUATED.fetch_add(1, Ordering::Relaxed)
}

crate::define_event_trace!(
    ordered,
    TP_system(macro_test),
    TP_PROTO(),
    TP_STRUCT__entry {
        first: u32,
        second: u32,
        third: u32
    },
    TP_fast_assign {
        third: next(),
        first: next(),
        second: next()
    },
    TP_ident(__entry),
    TP_printk("{}{}{}", __entry.first, __entry.second, __entry.third)
);

crate::define_event_trace!(
    guarded,
    TP_system(macro_test),
    TP_PROTO(a: u32, b: &str),
    TP_STRUCT__entry{ a: u32 },
    TP_fast_assign{ a: a },
    TP_ident(__entry),
    TP_printk("{}", __entry.a)
);

fn decl(name: &str) -> &'static EventDecl {
    section::declared()
        .find(|d| d.system == "macro_test" && d.name == name)
        .expect(name)
}

/// An instance with this event alone, enabled.
struct One {
    tracing: Arc<Tracing>,
    event: Arc<Event>,
}

impl One {
    fn new(name: &str) -> One {
        let registry = Registry::from_decls([decl(name)], 20000).expect("one event");
        let event = registry.event(20000).expect("the first").clone();
        let tracing = Tracing::new(registry, Way::Auto).expect("memory");
        tracing.top().enable_all(None, true).expect("enabled");
        One { tracing, event }
    }

    /// The records so far.
    fn records(&self) -> Vec<Vec<u8>> {
        let top = self.tracing.top();
        top.enable_all(None, false).expect("disabled");
        let mut records = Vec::new();
        for cpu in 0..crate::base::cpu::possible() {
            let mut consumer = top.buffer().consumer(cpu);
            while let Some(rec) = consumer.take() {
                records.push(rec.payload.to_vec());
            }
        }
        records
    }

    fn text(&self, record: &[u8]) -> String {
        let mut out = Vec::new();
        self.event.render(record, &Env::default(), &mut out);
        String::from_utf8(out).expect("text")
    }
}

/// Fires an event; its record (up to the padding to 4 bytes) and text are expected to be these.
#[track_caller]
fn check(name: &str, fire: impl FnOnce(), expected: &[u8], text: &str) {
    let one = One::new(name);
    fire();
    let records = one.records();
    let [record] = &records[..] else {
        panic!("{} records of {name}", records.len())
    };
    assert_eq!(&record[..2], 20000u16.to_ne_bytes(), "{name}");
    assert!(
        record.len() - 8 - expected.len() < 4,
        "{name}: {} bytes",
        record.len()
    );
    assert_eq!(&record[8..8 + expected.len()], expected, "{name}");
    assert_eq!(one.text(record), text);
}

fn bytes(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn records_and_texts() {
    let n4 = u32::to_ne_bytes;
    let n8 = u64::to_ne_bytes;
    check(
        "plain",
        || trace_plain(3, 4),
        &bytes(&[&n4(3), &n4(0), &n8(4)]),
        "plain: pool=3 wait=4",
    );
    check("nothing", trace_nothing, &[], "nothing: nothing");
    check(
        "older_spelling",
        || trace_older_spelling(7),
        &n4(7),
        "older_spelling: a=7",
    );
    check(
        "as_arguments",
        || trace_as_arguments(8, b"x"),
        &n4(16),
        "as_arguments: a=0x10",
    );
    let comm = *b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    check(
        "in_c",
        || trace_in_c(comm, 3),
        &bytes(&[&comm, &n8(3)]),
        "in_c: comm=sh state=S|D",
    );
    check(
        "in_c",
        || trace_in_c(comm, 0),
        &bytes(&[&comm, &n8(0)]),
        "in_c: comm=sh state=R",
    );
    check(
        "ordered",
        trace_ordered,
        &bytes(&[&n4(1), &n4(2), &n4(0)]),
        "ordered: 120",
    );
    check(
        "strings",
        || trace_strings("one", &[1, 2], b"two"),
        &bytes(&[
            &n4(20 | 4 << 16),
            &n4(24 | 16 << 16),
            &n4(40 | 4 << 16),
            b"one\0",
            &n8(1),
            &n8(2),
            b"two\0",
        ]),
        "strings: one {0x1,0x2} two",
    );
}

#[test]
fn a_record_is_a_c_structure() {
    let one = One::new("rich");
    let address = 0x7f00_1234 as *const u8;
    trace_rich(&Entry { a: 7 }, "task", &[1, 2, 3], address, 0);
    let record = one.records().pop().expect("a record");
    assert_eq!(
        record[4..8],
        4_200_001i32.to_ne_bytes(),
        "TP_kops says whose event it is"
    );
    let expected: Vec<u8> = bytes(&[
        &[7, 0, 0, 0, 0, 0, 0, 0],
        &4711u64.to_ne_bytes(),
        b"task\0\0\0\0\0\0\0\0\0\0\0\0",
        &(-1i32).to_ne_bytes(),
        &(78u32 | 5 << 16).to_ne_bytes(),
        &(83u32 | 6 << 16).to_ne_bytes(),
        &[0; 4],
        &0x7f00_1234u64.to_ne_bytes(),
        &[1, 0, 0, 0],
        b"user's\0\0",
        &1u16.to_ne_bytes(),
        b"task\0",
        &[1, 0, 2, 0, 3, 0],
        // The structure's padding to 8.
        &[0, 0],
    ]);
    assert_eq!(record[8..8 + expected.len()], expected);
    assert_eq!(one.text(&record), "rich: 4711   -1 [1, 2, 3] task Write");
    assert_eq!(
        one.event.format(),
        "name: rich\nID: 20000\nformat:\n\
         \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
         \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
         \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n\
         \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
         \tfield:u8 a;\toffset:8;\tsize:1;\tsigned:0;\n\
         \tfield:unsigned long b;\toffset:16;\tsize:8;\tsigned:0;\n\
         \tfield:char comm[16];\toffset:24;\tsize:16;\tsigned:0;\n\
         \tfield:pid_t type;\toffset:40;\tsize:4;\tsigned:1;\n\
         \tfield:__data_loc char[] name;\toffset:44;\tsize:4;\tsigned:0;\n\
         \tfield:__data_loc u16[] list;\toffset:48;\tsize:4;\tsigned:0;\n\
         \tfield:const char * ptr;\toffset:56;\tsize:8;\tsigned:0;\n\
         \tfield:bool flag;\toffset:64;\tsize:1;\tsigned:0;\n\
         \tfield:u8 pad[3];\toffset:65;\tsize:3;\tsigned:0;\n\
         \tfield:char path[8];\toffset:68;\tsize:8;\tsigned:0;\n\
         \tfield:umode_t mode;\toffset:76;\tsize:2;\tsigned:0;\n\n\
         print fmt: \"a=%u b=%lu comm=%s type=%d name=%s list=%s ptr=%p flag=%u pad=%s path=%s mode=%u\", REC->a, \
         REC->b, REC->comm, REC->type, __get_str(name), __print_array(__get_dynamic_array(list), \
         __get_dynamic_array_len(list) / 2, 2), REC->ptr, REC->flag, __print_array(REC->pad, 3, 1), REC->path, \
         REC->mode\n"
    );
}

#[test]
fn what_is_too_long_is_cut() {
    let one = One::new("strings");
    let long = "x".repeat(10_000);
    let list = [9; 1000];
    trace_strings(&long[..600], &[], b"");
    trace_strings(&long, &list, b"end");
    trace_strings("a", &list, b"end");
    trace_strings("", &list[..400], long.as_bytes());
    let records = one.records();
    // (length, place) of each field, and of the record.
    let places = |r: &[u8]| -> Vec<(u32, u32)> {
        let word = |at| u32::from_ne_bytes(r[at..at + 4].try_into().expect("4 bytes"));
        [8, 12, 16]
            .map(|at| (word(at) >> 16, word(at) & 0xffff))
            .to_vec()
    };
    assert_eq!(places(&records[0]), [(601, 20), (0, 621), (1, 621)]);
    // One byte stays for each field to come.
    assert_eq!(places(&records[1]), [(4050, 20), (0, 4070), (2, 4070)]);
    assert_eq!(places(&records[2]), [(2, 20), (4048, 22), (2, 4070)]);
    assert_eq!(places(&records[3]), [(1, 20), (3200, 21), (851, 3221)]);
    for record in &records {
        assert!(record.len() <= crate::event::record::MAX_PAYLOAD);
        for (len, at) in places(record) {
            assert!((at + len) as usize <= record.len());
        }
    }
    assert_eq!(records[1][4069], 0, "a cut string ends with a NUL, too");
}

#[test]
fn helpers_are_alike_in_rust_and_c() {
    let (rust, c) = (One::new("helpers_rust"), One::new("helpers_c"));
    assert!(matches!(
        rust.event.renderer,
        crate::event::registry::Renderer::Rust(_)
    ));
    assert!(matches!(
        c.event.renderer,
        crate::event::registry::Renderer::Program(_)
    ));
    let numbers = [
        0,
        1,
        2,
        3,
        4,
        6,
        7,
        8,
        15,
        255,
        0x8000,
        u64::MAX,
        u64::MAX - 6,
    ];
    for n in numbers {
        trace_helpers_rust(n);
        trace_helpers_c(n);
    }
    let (rust_records, c_records) = (rust.records(), c.records());
    assert_eq!(
        (rust_records.len(), c_records.len()),
        (numbers.len(), numbers.len())
    );
    for (r, c_record) in rust_records.iter().zip(&c_records) {
        let text = |one: &One, record| {
            one.text(record)
                .split_once(": ")
                .expect("a name")
                .1
                .to_string()
        };
        assert_eq!(text(&rust, r), text(&c, c_record));
    }
    assert_eq!(
        c.text(&c_records[6]),
        "helpers_c: A|BC 0x7 07 00 00 00 070000 {0x7,0x0,0x0,0x0} {0x7,0x1,0xffff} 07 00 01 00 ff ff     comm comm"
    );
}

#[test]
fn listeners() {
    static SUM: AtomicU32 = AtomicU32::new(0);
    fn add(data: *const (), a: u32, b: &str) {
        SUM.fetch_add(data.addr() as u32 * (a + b.len() as u32), Ordering::Relaxed);
    }
    assert!(!trace_guarded_enabled());
    trace_guarded(1, "off");
    let ten = core::ptr::without_provenance(10);
    register_trace_guarded(add, ten).expect("new");
    assert_eq!(
        register_trace_guarded(add, ten).unwrap_err().errno,
        crate::base::error::Errno::EEXIST
    );
    register_trace_guarded(add, core::ptr::without_provenance(100)).expect("other data");
    assert!(trace_guarded_enabled());
    trace_guarded(1, "on");
    assert_eq!(SUM.load(Ordering::Relaxed), 330);
    unregister_trace_guarded(add, ten).expect("was there");
    assert_eq!(
        unregister_trace_guarded(add, ten).unwrap_err().errno,
        crate::base::error::Errno::ENOENT
    );
    trace_guarded(1, "");
    assert_eq!(SUM.load(Ordering::Relaxed), 430);
    unregister_trace_guarded(add, core::ptr::without_provenance(100)).expect("was there");
    assert!(!trace_guarded_enabled());
    trace_guarded(1, "off");
    assert_eq!(SUM.load(Ordering::Relaxed), 430);
}

/// Instances share what a record is made of; each records it, or not, for itself.
#[test]
fn several_instances() {
    fn listen(data: *const (), _: &str) {
        // SAFETY: registered with one below
        unsafe { &*data.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
    }
    let registry = Registry::from_decls([decl("counted")], 20000).expect("one event");
    let tracing = Tracing::new(registry, Way::Auto).expect("memory");
    let names: [&[u8]; 3] = [b"a", b"b", b"c"];
    let [a, b, c] = names.map(|name| tracing.make(name).expect("new"));
    let heard = AtomicU32::new(0);
    let texts = |array: &Arc<crate::instance::TraceArray>| {
        let mut lens = Vec::new();
        for cpu in 0..crate::base::cpu::possible() {
            let mut consumer = array.buffer().consumer(cpu);
            while let Some(rec) = consumer.take() {
                lens.push(u32::from_ne_bytes(rec.payload[8..12].try_into().unwrap()));
            }
        }
        lens.sort_unstable();
        lens
    };
    a.enable_all(None, true).expect("enabled");
    register_trace_counted(listen, (&raw const heard).cast()).expect("new");
    b.enable_all(None, true).expect("enabled");
    c.enable_all(None, true).expect("enabled");
    trace_counted("all");
    // one assignment for `a`, one for its neighbours `b` and `c`
    assert_eq!(ASSIGNED.load(Ordering::Relaxed), 2);
    c.set_filter(c.file(20000).expect("there"), b"s == \"kept\"")
        .expect("right");
    b.buffer().set_recording(false);
    trace_counted("of a");
    b.enable_all(None, false).expect("disabled");
    trace_counted("kept");
    c.enable_all(None, false).expect("disabled");
    a.enable_all(None, false).expect("disabled");
    unregister_trace_counted(listen, (&raw const heard).cast()).expect("was there");
    trace_counted("nobody's");
    assert_eq!(texts(&a), [0, 2, 4]);
    assert_eq!(texts(&b), [1]);
    assert_eq!(texts(&c), [1, 5]);
    assert_eq!(heard.load(Ordering::Relaxed), 3);
}

#[test]
fn blocks_are_c_where_they_can() {
    let is_c = |name| matches!(decl(name).print, Print::C(_));
    assert!(is_c("older_spelling") && is_c("plain") && is_c("as_arguments") && is_c("in_c"));
    assert!(!is_c("rich"));
}

#[test]
fn broken_records_do_no_harm() {
    let rich = One::new("rich");
    let strings = One::new("strings");
    let mut record = [0xff; 90];
    for len in 0..90 {
        rich.text(&record[..len]);
        strings.text(&record[..len]);
    }
    record[44..48].copy_from_slice(&(80u32 | 20 << 16).to_ne_bytes());
    rich.text(&record);
}

crate::define_syscall_trace! {
    /// Calls that no machine has.
    mod made_up;
    macro_open = 257 (dfd: "int", filename: path "const char *", flags: "int", mode: "umode_t"),
    macro_rename = 82 (oldname: path "const char *", newname: path "const char *"),
    macro_getpid = 511 (),
    macro_elsewhere = -1 (type: "int"),
}

#[test]
fn system_calls() {
    let one = |name: &str| {
        let decl = section::declared().find(|d| d.name == name).expect(name);
        let registry = Registry::from_decls([decl], 20000).expect("one event");
        let event = registry.event(20000).expect("the first").clone();
        let tracing = Tracing::new(registry, Way::Auto).expect("memory");
        tracing.top().enable_all(None, true).expect("enabled");
        One { tracing, event }
    };
    let check = |name: &str, fire: &dyn Fn(), len: usize, text: &str| {
        let one = one(name);
        // Others of the table are fired, too, and nobody listens to them.
        made_up::enter(3, &[0; 6], &[]);
        made_up::exit(82, 0);
        fire();
        made_up::enter(512, &[0; 6], &[]);
        made_up::exit(-1, 0);
        let records = one.records();
        assert_eq!(records.len(), 1, "{name}");
        assert_eq!(records[0].len().next_multiple_of(4), len, "{name}");
        assert_eq!(one.text(&records[0]), text);
    };
    let word = |int: i32| u64::from(int as u32);
    let path: &[u8] = b"/etc/passwd";
    check(
        "sys_enter_macro_open",
        &|| made_up::enter(257, &[word(-100), 0, 0x80000, 0, 5, 6], &[path]),
        16 + 32 + 4 + 12,
        "sys_macro_open(dfd: 0xffffff9c, filename: 0 \"/etc/passwd\", flags: 0x80000, mode: 0)",
    );
    let long = "n".repeat(5000);
    check(
        "sys_enter_macro_open",
        &|| made_up::enter(257, &[3, 0, 0, 0, 0, 0], &[long.as_bytes()]),
        4072,
        &alloc::format!(
            "sys_macro_open(dfd: 3, filename: 0 \"{}\", flags: 0, mode: 0)",
            &long[..4072 - 53]
        ),
    );
    check(
        "sys_exit_macro_open",
        &|| made_up::exit(257, -2),
        24,
        "sys_macro_open -> 0xfffffffffffffffe",
    );
    check(
        "sys_enter_macro_rename",
        &|| made_up::enter(82, &[0; 6], &[b"a", b"bc", b"too many"]),
        16 + 16 + 8 + 8,
        "sys_macro_rename(oldname: 0 \"a\", newname: 0 \"bc\")",
    );
    check(
        "sys_enter_macro_rename",
        &|| made_up::enter(82, &[0; 6], &[b"abc"]),
        16 + 16 + 8 + 8,
        "sys_macro_rename(oldname: 0 \"abc\", newname: 0 \"\")",
    );
    check(
        "sys_enter_macro_getpid",
        &|| made_up::enter(511, &[1; 6], &[]),
        16,
        "sys_macro_getpid()",
    );
    check(
        "sys_exit_macro_getpid",
        &|| made_up::exit(511, 1),
        24,
        "sys_macro_getpid -> 0x1",
    );
    assert!(!section::declared().any(|d| d.name.ends_with("macro_elsewhere")));
    assert_eq!(made_up::CALLS[3].args[0].name, "type");
}

#[test]
fn listeners_of_system_calls() {
    use crate::event::syscall::{SyscallEnter, SyscallExit};
    use core::ptr::null;

    static SUM: AtomicU32 = AtomicU32::new(0);
    fn add(_: *const (), enter: &SyscallEnter<'_>) {
        let sum = enter.paths[0].len() + enter.call.args.len();
        SUM.fetch_add(sum as u32, Ordering::Relaxed);
    }
    fn add_result(_: *const (), exit: &SyscallExit) {
        SUM.fetch_add(exit.ret as u32, Ordering::Relaxed);
    }
    let table = &made_up::TABLE;
    let errno = |result: Result<(), crate::base::error::Error>| result.map_err(|e| e.errno);
    let fire = || {
        made_up::enter(82, &[1, 2, 0, 0, 0, 0], &[b"four", b""]);
        made_up::exit(82, 100);
        SUM.load(Ordering::Relaxed)
    };
    assert_eq!(table.find(82).map(|call| call.name), Some("macro_rename"));
    assert!(table.find(83).is_none() && table.find(-1).is_none() && table.find(512).is_none());
    assert_eq!(fire(), 0);
    table.listen_enter(82, add, null(), true).expect("new");
    assert_eq!(
        errno(table.listen_enter(82, add, null(), true)),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        errno(table.listen_enter(83, add, null(), true)),
        Err(Errno::ENOSYS)
    );
    assert_eq!(fire(), 6);
    table
        .listen_exit(82, add_result, null(), true)
        .expect("new");
    assert_eq!(fire(), 112);
    table.listen_enter(82, add, null(), false).expect("there");
    assert_eq!(fire(), 212);
    table
        .listen_exit(82, add_result, null(), false)
        .expect("there");
    assert_eq!(
        errno(table.listen_exit(82, add_result, null(), false)),
        Err(Errno::ENOENT)
    );
    assert_eq!(fire(), 212);
}
