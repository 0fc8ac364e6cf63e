//! Literals and what they become; texts that C cannot say and what is said about them; and that both renderings agree.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::event::declare::Shape;
use crate::event::field::Field;
use crate::event::field_type::{Chars, DynArray, DynStr, FieldType};
use crate::event::print_fmt::{Env, Program};

const fn field<T: FieldType>(
    name: &'static str,
    ctype: Option<&'static str>,
    offset: usize,
) -> FieldDecl {
    FieldDecl::new(name, T::SHAPE, ctype, offset, size_of::<T::Slot>())
}

const OPAQUE: Shape = Shape {
    kind: Kind::Opaque,
    ..<u32 as FieldType>::SHAPE
};

/// One field of each kind; the names say which.
const FIELDS: &[FieldDecl] = &[
    field::<u8>("u8", None, 8),
    field::<i8>("i8", None, 9),
    field::<u16>("u16", None, 10),
    field::<i16>("i16", None, 12),
    field::<bool>("flag", None, 14),
    field::<u32>("u32", None, 16),
    field::<i32>("i32", Some("pid_t"), 20),
    field::<u64>("u64", None, 24),
    field::<i64>("i64", Some("long"), 32),
    field::<usize>("usize", None, 40),
    field::<*const u8>("ptr", None, 48),
    field::<[u32; 4]>("arr", None, 56),
    field::<[u8; 4]>("bytes", None, 72),
    field::<[u8; 4]>("text", Some("char"), 76),
    field::<Chars<16>>("comm", None, 80),
    field::<DynStr>("name", None, 96),
    field::<DynArray<u16>>("list", None, 100),
    FieldDecl::new("mode", OPAQUE, None, 104, 4),
    field::<i32>("r#type", None, 108),
];
const FIXED: usize = 112;

fn source(text: &str) -> Source<'_> {
    Source {
        text,
        entry: "__entry",
        fields: FIELDS,
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let outcome = translate(source(text));
    match outcome.problem() {
        Some(p) => panic!("{text}: {}: {}", p.what, p.place()),
        None => assert_eq!(outcome.text().as_str(), expected, "{text}"),
    }
    let fields: Vec<Field> = FIELDS
        .iter()
        .map(|f| Field::new(&f.declaration(), f.offset, f.size, f.signed()))
        .collect();
    if let Err(error) = Program::compile(expected, &fields) {
        panic!("{expected}: {error}");
    }
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let outcome = translate(source(text));
    let problem = outcome
        .problem()
        .unwrap_or_else(|| panic!("{text} became {}", outcome.text().as_str()));
    let said = format!("{}: {}", problem.what, problem.place());
    assert!(said.contains(expected), "{text}: {said}");
}

#[test]
fn spellings() {
    check(r#""nothing""#, r#""nothing""#);
    check(r#""a={}", __entry.u32"#, r#""a=%u", REC->u32"#);
    check(r#""a={}" , __entry . u32 ,"#, r#""a=%u", REC->u32"#);
    check(
        r#"format_args!("a={}", __entry.u32)"#,
        r#""a=%u", REC->u32"#,
    );
    check(
        r#"format_args!("a={}", __entry.u32,),"#,
        r#""a=%u", REC->u32"#,
    );
    check(
        r#"core::format_args!["a={}", __entry.u32]"#,
        r#""a=%u", REC->u32"#,
    );
    check(r#"{ format!("a={}", __entry.u32) }"#, r#""a=%u", REC->u32"#);
    check(
        r#"{ alloc::format!("a={}", __entry.u32,) }"#,
        r#""a=%u", REC->u32"#,
    );
    check(
        r#"{ ::std::format!{"a={}", __entry.u32} }"#,
        r#""a=%u", REC->u32"#,
    );
    check(
        "{ let a = __entry.u32; let b: u64 = a as u64 + 1;\n let a = __entry.i32;\n format!(\"{a} {b:#x} {}\", a) }",
        r#""%d 0x%lx %d", REC->i32, ((u64)REC->u32) + 1, REC->i32"#,
    );
    check(
        r#"{ let x = vec.0; format!("unused let") }"#,
        r#""unused let""#,
    );
    check(r#""{}", __entry.r#type"#, r#""%d", REC->type"#);
}

#[test]
fn arguments() {
    check(
        r#""{1} {0} {1}", __entry.u8, __entry.i8"#,
        r#""%hhd %u %hhd", REC->i8, REC->u8, REC->i8"#,
    );
    check(
        r#""{x} {} {y}", __entry.u8, x = __entry.u16, y = __entry.i16"#,
        r#""%u %u %hd", REC->u16, REC->u8, REC->i16"#,
    );
    check(
        r#""{x:>w$} {:1$}", __entry.u8, 5, x = __entry.u16, w = __entry.i32"#,
        r#""%*u %*u", REC->i32, REC->u16, 5, REC->u8"#,
    );
    check(
        r#""{:.*}|{:.0$}", 3, __entry.name, __entry.comm"#,
        r#""%.*s|%.*s", 3, __get_str(name), 3, REC->comm"#,
    );
    check(
        r#""{:w$}", __entry.u8, w = __entry.u64 as usize"#,
        r#""%*u", (int)REC->u64, REC->u8"#,
    );
    refused(r#""{} {}", __entry.u8"#, "more placeholders than arguments");
    refused(
        r#""{}", __entry.u8, __entry.i8"#,
        "argument never used: __entry.i8",
    );
    refused(r#""{who}""#, "neither an argument nor a `let`");
}

#[test]
fn integers() {
    check(
        r#""{} {} {} {} {} {} {} {} {}", __entry.u8, __entry.i8, __entry.u16, __entry.i16, __entry.u32, __entry.i32, __entry.u64, __entry.i64, __entry.usize"#,
        r#""%u %hhd %u %hd %u %d %lu %ld %lu", REC->u8, REC->i8, REC->u16, REC->i16, REC->u32, REC->i32, REC->u64, REC->i64, REC->usize"#,
    );
    check(
        r#""{:?} {:x?} {:#?}", __entry.u8, __entry.u32, __entry.i64"#,
        r#""%u %x %ld", REC->u8, REC->u32, REC->i64"#,
    );
    check(
        r#""{:x} {:X} {:o}", __entry.u64, __entry.u32, __entry.u8"#,
        r#""%lx %X %o", REC->u64, REC->u32, REC->u8"#,
    );
    check(
        r#""{:x} {:x} {:x}", __entry.i8, __entry.i16, __entry.i32"#,
        r#""%hhx %hx %x", REC->i8, REC->i16, REC->i32"#,
    );
    check(
        r#""{:#x} {:#X} {:#o}", __entry.u64, __entry.u32, __entry.u8"#,
        r#""0x%lx 0x%X 0o%o", REC->u64, REC->u32, REC->u8"#,
    );
    check(
        r#""{:8} {:<8} {:>8} {:08} {:-8}", __entry.u8, __entry.u8, __entry.i8, __entry.i8, __entry.i8"#,
        r#""%8u %-8u %8hhd %08hhd %8hhd", REC->u8, REC->u8, REC->i8, REC->i8, REC->i8"#,
    );
    check(
        r#""{:#010x} {:<#10x} {:#02x}", __entry.u64, __entry.u32, __entry.u32"#,
        r#""0x%08lx 0x%-8x 0x%x", REC->u64, REC->u32, REC->u32"#,
    );
    check(
        r#""{:0>8} {:0>8x} {}", __entry.u32, __entry.i32, 1"#,
        r#""%08u %08x %d", REC->u32, REC->i32, 1"#,
    );
    check(
        r#""{:+} {:+}", __entry.i32, __entry.u64"#,
        r#""%s%d +%lu", (REC->i32 & 0x80000000) ? "" : "+", REC->i32, REC->u64"#,
    );
    check(r#""{:.3}", __entry.u32"#, r#""%u", REC->u32"#);
    refused(
        r#""{:b}", __entry.u32"#,
        "no binary numbers: use {:#x}: {:b}",
    );
    refused(r#""{:e}", __entry.u32"#, "no exponents");
    refused(r#""{:^8}", __entry.u32"#, "cannot centre");
    refused(r#""{:*>8}", __entry.u32"#, "spaces and zeros only");
    refused(r#""{:0>8}", __entry.i32"#, "spaces and zeros only");
    refused(r#""{:#10x}", __entry.u32"#, "before the 0x");
    refused(r#""{:+8}", __entry.u64"#, "the width would be off");
    refused(r#""{:p}", __entry.u64"#, "for pointers");
    refused(r#""{:y}", __entry.u64"#, "unknown kind");
}

#[test]
fn other_types() {
    check(
        r#""{} {:?} {:>6}", __entry.flag, __entry.flag, __entry.flag"#,
        r#""%s %s %6s", REC->flag ? "true" : "false", REC->flag ? "true" : "false", REC->flag ? "true" : "false""#,
    );
    check(
        r#""{} {} {}", __entry.comm, __entry.name, __entry.text"#,
        r#""%s %s %s", REC->comm, __get_str(name), REC->text"#,
    );
    check(
        r#""{:8}|{:>8}|{:<8}|{:.3}|{:8.3}", __entry.comm, __entry.comm, __entry.comm, __entry.comm, __entry.comm"#,
        r#""%-8s|%8s|%-8s|%.3s|%-8.3s", REC->comm, REC->comm, REC->comm, REC->comm, REC->comm"#,
    );
    check(
        r#""{:p} {:?}", __entry.ptr, __entry.ptr"#,
        r#""%p %p", REC->ptr, REC->ptr"#,
    );
    check(
        r#""{:#x} {}", __entry.ptr as u64, __entry.ptr as usize"#,
        r#""0x%lx %lu", (unsigned long)REC->ptr, (unsigned long)REC->ptr"#,
    );
    check(
        r#""{:p}", __entry.u64 as *const core::ffi::c_void"#,
        r#""%p", (void *)REC->u64"#,
    );
    refused(r#""{:?}", __entry.comm"#, "no quoted, escaped strings");
    refused(r#""{:x}", __entry.comm"#, "text is shown with {}");
    refused(r#""{:^8}", __entry.name"#, "cannot centre");
    refused(r#""{:?}", __entry.arr"#, "__print_array");
    refused(r#""{:?}", __entry.list"#, "__print_array");
    refused(r#""{:?}", __entry.mode"#, "how this type shows itself");
    refused(r#""{}", __entry.ptr"#, "shown with {:p}");
    refused(r#""{:08p}", __entry.ptr"#, "shown with {:p}");
}

#[test]
fn text() {
    check(
        r#""100% {{}} \"q\" \\ \n\t é €""#,
        r#""100%% {} \"q\" \\ \n\t é €""#,
    );
    check("r\"C:\\dir {}\", __entry.u8", r#""C:\\dir %u", REC->u8"#);
    check("r#\"say \"{}\"\"#, __entry.u8", r#""say \"%u\"", REC->u8"#);
    check(
        "\"one \\\n    line {}\", __entry.u8",
        r#""one line %u", REC->u8"#,
    );
    check(r#""\x41\u{42}\u{20ac}""#, r#""AB€""#);
    refused(r#""\x07""#, "control character");
    refused(r#""a } b""#, "without `{`");
    refused(r#""a { b""#, "no end");
    refused(r#""{0.x}", __entry.u8"#, "neither an argument");
}

#[test]
fn expressions() {
    check(
        r#""{}", __entry.u64 / 1024 / 1024"#,
        r#""%lu", (REC->u64 / 1024) / 1024"#,
    );
    check(
        r#""{}", (__entry.u64 - 1) * 2"#,
        r#""%lu", (REC->u64 - 1) * 2"#,
    );
    check(
        r#""{}", __entry.u64 & 0xf0 == 0x10"#,
        r#""%s", ((REC->u64 & 0xf0) == 0x10) ? "true" : "false""#,
    );
    check(
        r#""{}", !__entry.flag || __entry.i32 < -1"#,
        r#""%s", ((!REC->flag) || (REC->i32 < (-1))) ? "true" : "false""#,
    );
    check(r#""{}", !__entry.u32"#, r#""%u", ~REC->u32"#);
    check(r#""{}", -__entry.i64"#, r#""%ld", -REC->i64"#);
    // What Rust wraps, C must cut.
    check(r#""{}", __entry.u8 + 1"#, r#""%u", (u8)(REC->u8 + 1)"#);
    check(r#""{}", !__entry.u16"#, r#""%u", (u16)(~REC->u16)"#);
    check(r#""{}", __entry.u32 - 1"#, r#""%u", REC->u32 - 1"#);
    check(
        r#""{}", (__entry.u32 - 1) / 2"#,
        r#""%u", ((u32)(REC->u32 - 1)) / 2"#,
    );
    check(
        r#""{}", (__entry.u32 - 1) as u64"#,
        r#""%lu", (u64)((u32)(REC->u32 - 1))"#,
    );
    check(
        r#""{}", (__entry.i32 << 4) > 3"#,
        r#""%s", (((s32)(REC->i32 << 4)) > 3) ? "true" : "false""#,
    );
    check(
        r#""{} {} {}", __entry.i32 as u64, __entry.u64 as u8, __entry.i8 as u16"#,
        r#""%lu %u %u", (u64)REC->i32, (u8)REC->u64, (u16)REC->i8"#,
    );
    check(
        r#""{} {}", __entry.flag as u8, __entry.u32 as u32"#,
        r#""%u %u", REC->flag, REC->u32"#,
    );
    check(
        r#""{}", u64::from(__entry.u32) + 1"#,
        r#""%lu", ((u64)REC->u32) + 1"#,
    );
    check(
        r#""{} {}", __entry.arr[1], __entry.arr[__entry.u8 as usize & 3]"#,
        r#""%u %u", REC->arr[1], REC->arr[(u64)(((u64)REC->u8) & 3)]"#,
    );
    check(
        r#""{} {} {} {}", 0o17, 0b101, 1_000u64, 0x00ff_u8"#,
        r#""%d %d %lu %u", 0xf, 0x5, 1000, 0xff"#,
    );
    check(r#""{}", &__entry.u32"#, r#""%u", REC->u32"#);
    check(r#""{}", *&__entry.u32"#, r#""%u", REC->u32"#);
    check(r#""{}", __entry.comm.as_str()"#, r#""%s", REC->comm"#);
    check(
        r#""{}", if __entry.u32 == 0 { "none" } else if __entry.flag { "flag" } else { "some" }"#,
        r#""%s", (REC->u32 == 0) ? "none" : (REC->flag ? "flag" : "some")"#,
    );
    check(
        r#""{}", (if __entry.flag { 1u32 } else { __entry.u32 }) + 1"#,
        r#""%u", (REC->flag ? 1 : REC->u32) + 1"#,
    );
    refused(r#""{}", __entry.nosuch"#, "no such field: nosuch");
    refused(r#""{}", __entry"#, "only its fields");
    refused(r#""{}", PAGE_SIZE"#, "helpers: PAGE_SIZE");
    refused(r#""{}", compute(__entry.u32)"#, "helpers: compute");
    refused(
        r#""{}", __entry.u32.count_ones()"#,
        "this method has no C form: count_ones",
    );
    refused(r#""{}", 1.5"#, "floating point");
    refused(r#""{}", __entry.u32 as f64"#, "integer types");
    refused(r#""{}", __entry.u32 + __entry.u64"#, "different types");
    refused(r#""{}", __entry.arr[4]"#, "beyond the end");
    refused(r#""{}", __entry.list[0]"#, "fixed length");
    refused(r#""{}", __entry.comm + 1"#, "no C form for these types");
    refused(
        r#""{}", if __entry.flag { 1 } else { "a" }"#,
        "no common C type",
    );
    refused(
        r#"{ let Some(x) = y else { return }; format!("") }"#,
        "only `let name = expression;`",
    );
    refused(r#"{ do_it(); format!("") }"#, "string literal first");
    let deep = format!(
        "\"{{}}\", {}__entry.u32{}",
        "(".repeat(200),
        ")".repeat(200)
    );
    refused(&deep, "nested too deeply");
}

#[test]
fn helpers() {
    check(
        r#""{}", __print_flags(__entry.u32, "|", {1, "A"}, {0x2, "B"})"#,
        r#""%s", __print_flags(REC->u32, "|", { 1, "A" }, { 0x2, "B" })"#,
    );
    check(
        r#""{}", __print_flags!(__entry.u32 & 0xff, "", (1, "A"), (1 << 3, "B"),)"#,
        r#""%s", __print_flags(REC->u32 & 0xff, "", { 1, "A" }, { 1 << 3, "B" })"#,
    );
    check(
        r#""{}", __print_symbolic(__entry.i32, {-1, "NONE"}, {0, "\"q\""})"#,
        r#""%s", __print_symbolic(REC->i32, { -1, "NONE" }, { 0, "\"q\"" })"#,
    );
    check(
        r#""{} {}", __print_hex(__entry.bytes, 4), __print_hex_str(__entry.bytes)"#,
        r#""%s %s", __print_hex(REC->bytes, 4), __print_hex_str(REC->bytes, 4)"#,
    );
    check(
        r#""{}", __print_hex(__get_dynamic_array(list), __get_dynamic_array_len(list))"#,
        r#""%s", __print_hex(__get_dynamic_array(list), __get_dynamic_array_len(list))"#,
    );
    check(
        r#""{} {}", __print_array(__entry.arr), __print_array(__entry.arr, 2, 4)"#,
        r#""%s %s", __print_array(REC->arr, 4, 4), __print_array(REC->arr, 2, 4)"#,
    );
    check(
        r#""{} {}", __print_array(__entry.list), __print_hex(__entry.list)"#,
        r#""%s %s", __print_array(__get_dynamic_array(list), __get_dynamic_array_len(list) / 2, 2), __print_hex(__get_dynamic_array(list), __get_dynamic_array_len(list))"#,
    );
    check(
        r#""{} {}", __get_str(name), __get_str(__entry.name)"#,
        r#""%s %s", __get_str(name), __get_str(name)"#,
    );
    refused(
        r#""{}", __print_flags(__entry.comm, "|", {1, "A"})"#,
        "made of an integer",
    );
    refused(r#""{}", __print_flags(__entry.u32, {1, "A"})"#, "delimiter");
    refused(
        r#""{}", __print_flags(__entry.u32, "|", {O_RDONLY, "A"})"#,
        "helpers: O_RDONLY",
    );
    refused(r#""{}", __print_hex(__entry.u32)"#, "is an array");
    refused(r#""{}", __print_nonsense(__entry.u32)"#, "not a helper");
    refused(r#""{}", __get_str(comm)"#, "dynamic field");
}

#[test]
fn c() {
    check(r#"c: "nothing""#, r#""nothing""#);
    check(
        r#"c: "a=%u 100%% \"%s\"\n", REC->u32, __get_str(name)"#,
        r#""a=%u 100%% \"%s\"\n", REC->u32, __get_str(name)"#,
    );
    check(
        "c: \"a=%u\",\n    __entry->u32 & 1\n      ? 1 : 2,",
        r#""a=%u", REC->u32 & 1 ? 1 : 2"#,
    );
    check(
        r#"c : "%s", __print_flags(__entry->u32, "|", { 0x1, "A" })"#,
        r#""%s", __print_flags(REC->u32, "|", { 0x1, "A" })"#,
    );
    check("c: r#\"\"a=%u\",  REC->u32\"#", "\"a=%u\",  REC->u32");
    check("c: r#\"\"a=%u\", REC->u32\"#,", "\"a=%u\", REC->u32");
    refused("c: a", "string first");
    refused("c: r#\"\"a\"\n, 1\"#", "one line");
}

/// A record with the given integers, and the texts and arrays behind it.
fn record(n: u64) -> Vec<u8> {
    let mut r = vec![0; FIXED];
    let mut put = |at: usize, bytes: &[u8]| r[at..at + bytes.len()].copy_from_slice(bytes);
    put(8, &(n as u8).to_ne_bytes());
    put(9, &(n as i8).to_ne_bytes());
    put(10, &(n as u16).to_ne_bytes());
    put(12, &(n as i16).to_ne_bytes());
    put(14, &[(n & 1) as u8]);
    put(16, &(n as u32).to_ne_bytes());
    put(20, &(n as i32).to_ne_bytes());
    put(24, &n.to_ne_bytes());
    put(32, &n.to_ne_bytes());
    put(40, &n.to_ne_bytes());
    for i in 0..4 {
        put(
            56 + 4 * i,
            &((n as u32).wrapping_add(i as u32)).to_ne_bytes(),
        );
    }
    put(76, b"text");
    put(80, b"comm\0");
    put(96, &(FIXED as u32 | 5 << 16).to_ne_bytes());
    r.extend_from_slice(b"name\0");
    r
}

/// The record in Rust.
struct View {
    u8: u8,
    i8: i8,
    u16: u16,
    i16: i16,
    flag: bool,
    u32: u32,
    i32: i32,
    u64: u64,
    i64: i64,
    arr: [u32; 4],
    comm: Chars<16>,
    name: &'static str,
}

fn view(n: u64) -> View {
    View {
        u8: n as u8,
        i8: n as i8,
        u16: n as u16,
        i16: n as i16,
        flag: n & 1 != 0,
        u32: n as u32,
        i32: n as i32,
        u64: n,
        i64: n as i64,
        arr: core::array::from_fn(|i| (n as u32).wrapping_add(i as u32)),
        comm: Chars::new(b"comm"),
        name: "name",
    }
}

/// Renders through C.
fn rendered(c: &str, n: u64) -> String {
    let fields: Vec<Field> = FIELDS
        .iter()
        .map(|f| Field::new(&f.declaration(), f.offset, f.size, f.signed()))
        .collect();
    let program = Program::compile(c, &fields).unwrap_or_else(|e| panic!("{c}: {e}"));
    let mut out = Vec::new();
    program.render(&record(n), &Env::default(), &mut out);
    String::from_utf8_lossy(&out).to_string()
}

/// Each literal, by Rust and by C, for numbers at all edges.
macro_rules! same_text {
    ($entry:ident: $([$($format:tt)*])*) => { $(
        let text = stringify!($($format)*);
        let outcome = translate(source(text));
        if let Some(p) = outcome.problem() {
            panic!("{text}: {}: {}", p.what, p.place());
        }
        for n in [0, 1, 2, 5, 9, 10, 127, 128, 255, 256, 32767, 32768, 65535, 65536, i32::MAX as u64, 1 << 31,
            u32::MAX as u64, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX, u64::MAX - 5, 0x1234_5678_9abc_def0] {
            #[allow(unused_variables)]
            let $entry = view(n);
            let c = outcome.text().as_str();
            assert_eq!(rendered(c, n), format!($($format)*), "{text} as {c} of {n:#x}");
        }
    )* };
}

#[test]
fn rust_and_c_say_the_same() {
    same_text! { __entry:
        ["{} {} {} {}", __entry.u8, __entry.i8, __entry.u16, __entry.i16]
        ["{} {} {} {}", __entry.u32, __entry.i32, __entry.u64, __entry.i64]
        ["{:?} {:#?} {:x?} {:X?}", __entry.u8, __entry.i8, __entry.u16, __entry.i16]
        ["{:x} {:x} {:x} {:x}", __entry.u8, __entry.i8, __entry.u16, __entry.i16]
        ["{:x} {:x} {:X} {:X}", __entry.u32, __entry.i32, __entry.u64, __entry.i64]
        ["{:o} {:o} {:o} {:o}", __entry.u8, __entry.i8, __entry.i32, __entry.i64]
        ["{:#x} {:#x} {:#X} {:#X} {:#o}", __entry.i8, __entry.i16, __entry.u32, __entry.i64, __entry.i8]
        ["{:#010x} {:#06x} {:<#10x}| {:#02x}", __entry.u32, __entry.i16, __entry.u8, __entry.u64]
        ["{:8}|{:<8}|{:>8}|{:08}|{:<08}|{:^08}", __entry.u16, __entry.u16, __entry.i16, __entry.i16, __entry.i16, __entry.i16]
        ["{:0>8} {:0>8x} {:08x}", __entry.u32, __entry.i16, __entry.i32]
        ["{:+} {:+} {:+} {:+} {:+}", __entry.i64, __entry.u8, __entry.u32, __entry.u64, __entry.i32]
        ["{:.3} {:1$} {:.*}", __entry.u32, 12, 2, __entry.u16]
        ["{} {:?} {:>6} {:6}|", __entry.flag, __entry.flag, __entry.flag, __entry.flag]
        ["{} {:>6} {:6}| {:.2} {:6.2}|{:<6}|", __entry.comm, __entry.comm, __entry.comm, __entry.name, __entry.name, __entry.name]
        ["{0} {1} {0} {n}", __entry.name, __entry.u8, n = __entry.i8]
        ["100% {{{}}} \t\\ \"é\"", __entry.u8]
        ["{} {}", __entry.u8 as u32 * 1000, 0]
    }
}

#[test]
#[allow(clippy::nonminimal_bool)]
fn rust_and_c_compute_the_same() {
    same_text! { __entry:
        ["{} {} {}", __entry.u64 / 1024 / 7, __entry.u32 % 10, __entry.i64 / -3]
        ["{} {} {} {}", !__entry.u8, !__entry.i16, !__entry.u32, !__entry.i64]
        ["{} {}", __entry.u8 as u32 + 1, __entry.u16 as u32 * 3]
        ["{} {} {} {}", __entry.u64 as u8, __entry.u64 as i8, __entry.u64 as u16, __entry.u64 as i16]
        ["{} {} {} {}", __entry.u64 as u32, __entry.u64 as i32, __entry.i8 as u64, __entry.i32 as u64]
        ["{} {} {} {}", __entry.i8 as i64, __entry.i16 as u32, __entry.u32 as i64, __entry.u32 as i32 as i64]
        ["{} {} {}", __entry.u8 << 3, __entry.u16 << 9, (__entry.u8 << 3) as u32 + 1]
        ["{} {} {}", (__entry.u32 << 5) >> 3, (__entry.i32 << 5) >> 3, __entry.i64 >> 7]
        ["{} {}", (__entry.u32 << 7) as u64, (__entry.i32 << 7) as i64]
        ["{} {} {}", __entry.u64 & 0xff | 0x100, __entry.u32 ^ 0xffff, __entry.u8 & 0xf0 == 0x10]
        ["{} {}", (__entry.u32 << 1) / 3, (__entry.u32 << 1) < 100]
        ["{} {}", __entry.flag as u32, __entry.flag && __entry.u8 > 4 || !__entry.flag]
        ["{}", if __entry.u32 == 0 { "none" } else if __entry.flag { "odd" } else { "even" }]
        ["{}", (if __entry.flag { 1u64 } else { __entry.u64 }) / 2 + 1]
        ["{} {}", __entry.arr[0], __entry.arr[(__entry.u8 & 3) as usize]]
        ["{} {}", u64::from(__entry.u32) + 1, i64::from(__entry.i32) - 1]
        ["{} {} {}", 0o17, 0b101, 1_000u64]
        ["{}", 7 - __entry.u8 as i64 - 3]
        ["{}", 100 / (__entry.u8 as i64 + 1) / 3]
    }
}
