//! The language: conversions, expressions, helpers, errors.

use std::format;
use std::string::String;
use std::vec::Vec;

use crate::event::field::Field;
use crate::event::print_fmt::{Env, Program};

/// One of each kind, with values that show their sign.
fn fields() -> Vec<Field> {
    [
        ("u8 u8", 8, 1, false),
        ("s8 s8", 9, 1, true),
        ("u16 u16", 10, 2, false),
        ("s16 s16", 12, 2, true),
        ("bool yes", 14, 1, false),
        ("char letter", 15, 1, false),
        ("u32 u32", 16, 4, false),
        ("int i", 20, 4, true),
        ("u64 u64", 24, 8, false),
        ("long l", 32, 8, true),
        ("u32 words[4]", 40, 16, false),
        ("char name[8]", 56, 8, false),
        ("__data_loc u8[] data", 64, 4, false),
        ("__rel_loc char[] text", 68, 4, false),
        ("__data_loc unsigned long[] bits", 72, 4, false),
        ("u32 zero", 76, 4, false),
        ("void * ptr", 80, 8, false),
        ("struct pair pair", 88, 12, false),
        ("__data_loc cpumask_t cpus", 100, 4, false),
    ]
    .into_iter()
    .map(|(decl, offset, size, signed)| Field::new(decl, offset, size, signed))
    .collect()
}

fn record() -> Vec<u8> {
    let mut r = std::vec![0; 104];
    let mut put = |at: usize, bytes: &[u8]| r[at..at + bytes.len()].copy_from_slice(bytes);
    put(8, &[200]);
    put(9, &[0xfe]);
    put(10, &60000u16.to_ne_bytes());
    put(12, &(-300i16).to_ne_bytes());
    put(14, &[1, b'k']);
    put(16, &0xdead_beefu32.to_ne_bytes());
    put(20, &(-7i32).to_ne_bytes());
    put(24, &0x8000_0000_0000_0005u64.to_ne_bytes());
    put(32, &(-1_000_000_007i64).to_ne_bytes());
    for i in 0..4u32 {
        put(40 + 4 * i as usize, &(0x10 + i).to_ne_bytes());
    }
    put(56, b"abcdefgh");
    put(64, &(104u32 | 6 << 16).to_ne_bytes());
    put(68, &((110u32 - 72) | 4 << 16).to_ne_bytes());
    put(72, &(114u32 | 16 << 16).to_ne_bytes());
    put(80, &0x1122_3344_5566_7788u64.to_ne_bytes());
    put(100, &(114u32 | 8 << 16).to_ne_bytes());
    r.extend_from_slice(&[0xde, 0xad, 0xbe, 0xef, 0x00, 0x0a]);
    r.extend_from_slice(b"rel\0");
    r.extend_from_slice(&0x8000_0000_0000_0021u64.to_ne_bytes());
    r.extend_from_slice(&0x1u64.to_ne_bytes());
    r
}

fn show(print_fmt: &str) -> String {
    let program = match Program::compile(print_fmt, &fields()) {
        Ok(program) => program,
        Err(e) => return format!("{} at {}", e.message, e.position),
    };
    let mut out = Vec::new();
    program.render(
        &record(),
        &Env {
            hash_ptr: false,
            jiffies: 1000,
            ..Env::default()
        },
        &mut out,
    );
    String::from_utf8_lossy(&out).into_owned()
}

fn check(print_fmt: &str, want: &str) {
    assert_eq!(show(print_fmt), want, "{print_fmt}");
}

#[test]
fn plain_conversions() {
    check(r#""""#, "");
    check(r#""100%%""#, "100%");
    check(r#""a\tb\n" "c\x41""#, "a\tb\ncA");
    check(r#""%u %d %x", REC->u8, REC->u8, REC->u8"#, "200 200 c8");
    check(
        r#""%d %u %x %hhu %hhx", REC->s8, REC->s8, REC->s8, REC->s8, REC->s8"#,
        "-2 4294967294 fffffffe 254 fe",
    );
    check(
        r#""%d %u %hd %hu %x", REC->s16, REC->s16, REC->s16, REC->s16, REC->s16"#,
        "-300 4294966996 -300 65236 fffffed4",
    );
    check(
        r#""%hd %d %lx", REC->u16, REC->u16, REC->u16"#,
        "-5536 60000 ea60",
    );
    check(
        r#""%d %u %x %lx %lu", REC->u32, REC->u32, REC->u32, REC->u32, REC->u32"#,
        "-559038737 3735928559 deadbeef deadbeef 3735928559",
    );
    check(
        r#""%d %i %u %ld %lu %lx", REC->i, REC->i, REC->i, REC->i, REC->i, REC->i"#,
        "-7 -7 4294967289 -7 18446744073709551609 fffffffffffffff9",
    );
    check(
        r#""%llu %lld %d %u %llx", REC->u64, REC->u64, REC->u64, REC->u64, REC->u64"#,
        "9223372036854775813 -9223372036854775803 5 5 8000000000000005",
    );
    check(
        r#""%ld %Ld %qd %jd %zd %td %d", REC->l, REC->l, REC->l, REC->l, REC->l, REC->l, REC->l"#,
        "-1000000007 -1000000007 -1000000007 -1000000007 -1000000007 -1000000007 -1000000007",
    );
    check(
        r#""%o %lo %X %c%c", REC->u8, REC->u64, REC->u32, REC->letter, 'z'"#,
        "310 1000000000000000000005 DEADBEEF kz",
    );
    check(r#""%d %u %d", REC->yes, REC->yes, !REC->yes"#, "1 1 0");
    check(
        r#""%s|%s|%s", REC->name, __get_rel_str(text), "x""#,
        "abcdefgh|rel|x",
    );
    check(r#""%d", 'a'"#, "97");
    check(
        r#""%d %u %x %lu", -1, -1, -1, -1"#,
        "-1 4294967295 ffffffff 18446744073709551615",
    );
}

#[test]
fn dressed_conversions() {
    check(
        r#""[%5d|%-5d|%05d|%+d|% d|%+5d]", REC->i, REC->i, REC->i, REC->i, REC->i, REC->u8"#,
        "[   -7|-7   |-0007|-7|-7| +200]",
    );
    check(
        r#""[%08lx|%8x|%-8x|%#x|%#10x|%#010x|%#o|%#X]", 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 8, 0xab"#,
        "[000000ab|      ab|ab      |0xab|      0xab|0x000000ab|010|0XAB]",
    );
    check(
        r#""[%#x|%#o|%.0d|%x]", REC->zero, REC->zero, REC->zero, REC->zero"#,
        "[0x0|0|0|0]",
    );
    check(
        r#""[%.3d|%5.3d|%-5.3d|%.3x|%6.4o]", 7, 7, 7, 7, 7"#,
        "[007|  007|007  |007|  0007]",
    );
    check(
        r#""[%*d|%-*d|%*d|%.*d]", 5, 42, 5, 42, -5, 42, 4, 42"#,
        "[   42|42   |42   |0042]",
    );
    check(r#""[%*d]", REC->i, 42"#, "[42     ]");
    check(
        r#""[%5s|%-5s|%.2s|%5.2s|%-5.2s|%s]", "abc", "abc", "abc", "abc", "abc", """#,
        "[  abc|abc  |ab|   ab|ab   |]",
    );
    check(
        r#""[%10s|%-10s|%.3s|%.*s]", REC->name, REC->name, REC->name, REC->s16, REC->name"#,
        "[  abcdefgh|abcdefgh  |abc|abcdefgh]",
    );
    check(r#""[%*s]", 6, __get_rel_str(text)"#, "[   rel]");
    check(r#""[%3c|%-3c]", 'x', REC->letter"#, "[  x|k  ]");
    check(r#""[%6s]", REC->yes ? "yes" : "no""#, "[   yes]");
    check(r#""[%1024d]", 1"#, &format!("[{:1024}]", 1));
    check(r#""[%*d]", 1 << 30, 1"#, &format!("[{:1024}]", 1));
}

#[test]
fn arithmetic() {
    let value =
        |expression: &str, want: &str| check(&format!("\"%ld\", (long)({expression})"), want);
    // The usual arithmetic conversions: an unsigned operand as wide makes the operation unsigned.
    value("REC->i / 2", "-3");
    value("REC->i % 4", "-3");
    value("REC->i >> 1", "-4");
    value("(unsigned)REC->i >> 1", "2147483644");
    value("REC->i / 2U", "2147483644");
    value("REC->i % 4U", "1");
    value("REC->i < 0", "1");
    value("REC->i < 0U", "0");
    value("REC->i > REC->u32", "1");
    value("REC->i > REC->u16", "0");
    value("REC->l < REC->u32", "1");
    value("REC->l < REC->u64", "0");
    value("REC->s8 == -2", "1");
    value("REC->u32 == 0xdeadbeef", "1");
    value("-1 < 0u", "0");
    value("-1L < 0u", "1");
    value("-1 >= 0UL", "1");
    // Narrow operands become int.
    value("~REC->u8", "-201");
    value("REC->u8 << 8", "51200");
    value("REC->u8 + REC->u8", "400");
    value("(u8)(REC->u8 + REC->u8)", "144");
    value("REC->u16 * REC->u16", "-694967296");
    value("-REC->u8", "-200");
    value("-REC->u32", "559038737");
    value("~REC->u32", "559038736");
    value("!REC->zero + !REC->u8", "1");
    // They wrap around.
    value("2147483647 + REC->yes", "-2147483648");
    value("0xffffffff + REC->yes", "0");
    value("REC->u32 * 2", "3176889822");
    value("REC->u32 * 2L", "7471857118");
    value("REC->u64 + REC->u64", "10");
    value("(s8)REC->u8", "-56");
    value("(unsigned char)REC->i", "249");
    value("(u16)REC->l", "13817");
    value("(bool)REC->u16", "1");
    value("(long)(unsigned int)REC->i", "4294967289");
    value("(unsigned long)REC->i == 0xfffffffffffffff9", "1");
    // Shifts have the type of their left side.
    value("1 << 31", "-2147483648");
    value("1U << 31", "2147483648");
    value("1UL << 40", "1099511627776");
    value("REC->i << 33", "-14");
    value("REC->u64 >> 63", "1");
    value("REC->l >> 100", "-1");
    // Precedence.
    value("1 + 2 * 3 - 4 / 2 % 3", "5");
    value("1 | 2 ^ 3 & 2", "1");
    value("1 << 2 + 1", "8");
    value("5 & 3 == 3", "1");
    value("1 ? 2 : 0 ? 3 : 4", "2");
    value("0 ? 2 : 0 ? 3 : 4", "4");
    value("REC->u8 > 100 && REC->i < 0 || 0", "1");
    value("REC->zero || REC->u8", "1");
    value("REC->zero && REC->u8", "0");
    value("REC->zero && (REC->u8 / REC->zero)", "0");
    value("- - 5", "5");
    value("!!REC->u32", "1");
    value("REC->yes ? -1 : 1", "-1");
    value("REC->yes ? -1 : 1U", "4294967295");
    value("REC->yes ? REC->i : REC->u64", "-7");
    value("REC->u8 ?: 5", "200");
    value("REC->zero ?: 5", "5");
    // What C leaves open must only not do harm.
    value("REC->u8 / REC->zero", "0");
    value("REC->u8 % REC->zero", "0");
    value(
        "(-9223372036854775807L - REC->yes) / -1L",
        "-9223372036854775808",
    );
    value("(-2147483647 - REC->yes) / -1", "-2147483648");
    // Constants and functions.
    value(
        "sizeof(int) + sizeof(REC->words) + sizeof(REC->u16) + sizeof(\"ab\") + sizeof(struct sockaddr_in6)",
        "53",
    );
    value("sizeof(char *) + sizeof(unsigned long long)", "16");
    value("__builtin_expect(!!(REC->i < 0), 0) ? 3 : 4", "3");
    value("__builtin_choose_expr(0, 1, 2)", "2");
    value(
        "__builtin_constant_p(3) * 2 + __builtin_constant_p(REC->i)",
        "2",
    );
    value(
        "__builtin_bswap16(0x1234) == 0x3412 && __builtin_bswap32(REC->u32) == 0xefbeadde",
        "1",
    );
    value("ntohs(htons(REC->u16))", "60000");
    value("jiffies - 1", "999");
    value("jiffies_to_msecs(REC->u8)", "800");
    value(
        "__print_ns_to_secs(1234567890123) * 10 + __print_ns_without_secs(5000000001)",
        "12341",
    );
    value("IOPRIO_CLASS_BE", "2");
    value("(REC)->i", "-7");
    value("REC->common_pid", "0");
    value("( gfp_t)((((1UL))) << (3))", "8");
    value("(enum zone_type)REC->i", "4294967289");
    value("(strange_t)REC->i", "-7");
}

#[test]
fn memory() {
    let value = |expression: &str, want: &str| check(&format!("\"%lx\", {expression}"), want);
    value("REC->words[2]", "12");
    value("REC->words[REC->yes + 1]", "12");
    value("*REC->words", "10");
    value("*(REC->words + 3)", "13");
    value("(REC->words + 3)[-1]", "<truncated>");
    value("(int)REC->name[1]", "62");
    value("((u8 *)__get_dynamic_array(data))[1]", "ad");
    value("*((u8 *)__get_dynamic_array(data) + 2)", "be");
    value("*(u8 *)(__get_dynamic_array(data) + 3)", "ef");
    value("((u8 *)__get_dynamic_array(data))[6]", "<truncated>");
    value("((u8 *)__get_dynamic_array(data))[REC->i]", "<truncated>");
    value("((u8 *)__get_dynamic_array(data))[REC->u64]", "<truncated>");
    value("((u64 *)__get_dynamic_array(data))[0]", "<truncated>");
    value("__get_dynamic_array_len(data)", "6");
    value("__get_rel_dynamic_array_len(text)", "4");
    value("*(u16 *)&REC->u16", "ea60");
    value("*&REC->i", "fffffffffffffff9");
    value("*(&REC->words[1] + 1)", "12");
    value("__get_rel_str(text)[0]", "72");
    value("REC->ptr", "1122334455667788");
    value("(unsigned long)REC->ptr + 1", "1122334455667789");
    value("((struct page *)vmemmap_base) + 2", "ffffea0000000080");
    value("REC->ptr + 8 == (void *)0x1122334455667790", "1");
    value("((u32 *)16 - (u32 *)8)", "2");
}

#[test]
fn helpers() {
    check(
        r#""%s", __print_flags(REC->u8, "|", {8, "a"}, {0x40, "b"}, {0x80, "c"})"#,
        "a|b|c",
    );
    check(
        r#""%s", __print_flags(REC->u8, ", ", {0xc0, "both"}, {0x40, "b"})"#,
        "both, 0x8",
    );
    check(r#""%s", __print_flags(REC->u8, "|", {3, "a"})"#, "0xc8");
    check(
        r#""[%s]", __print_flags(REC->zero, "|", {0, "none"}, {1, "a"})"#,
        "[]",
    );
    check(
        r#""%s", __print_flags(REC->i, "", {1, "a"}, {8, "b"})"#,
        "ab0xfffffffffffffff0",
    );
    check(
        r#""%s", __print_flags_u64(REC->u64, "|", {1ULL << 63, "top"}, {4, "four"})"#,
        "top|four|0x1",
    );
    check(
        r#""%s", (REC->u8) ? __print_flags(REC->u8, "|", {8, "a"}) : "none""#,
        "a|0xc0",
    );
    check(
        r#""%s", (REC->zero) ? __print_flags(REC->zero, "|", {8, "a"}) : "none""#,
        "none",
    );
    check(
        r#""%s", (REC->u8 & 8) ? __print_flags(REC->u8, "|", {8, "a"}) : "none""#,
        "a|0xc0",
    );
    check(
        r#""%s", (REC->zero) ? "some" : __print_flags(REC->u8, "|", {8, "a"})"#,
        "a|0xc0",
    );
    check(
        r#""[%8s]", (REC->zero) ? "some" : __print_symbolic(REC->u8, {200, "found"})"#,
        "[   found]",
    );
    check(
        r#""%s", __print_symbolic(REC->i, {1, "one"}, {-7, "minus"})"#,
        "minus",
    );
    check(
        r#""%s", __print_symbolic(REC->u32, {-559038737, "signed"}, {0xdeadbeef, "beef" "s"})"#,
        "beefs",
    );
    check(
        r#""%s", __print_symbolic(REC->i, {1, "one"})"#,
        "0xfffffffffffffff9",
    );
    check(
        r#""%s", __print_symbolic_u64(REC->u64, {1, "one"}, { -1, ((void *)0) })"#,
        "0x8000000000000005",
    );
    check(
        r#""%s", __print_symbolic(REC->u8, {SOME_NAME, "?"}, {1 << OTHER_NAME, "?"}, {200, "known"})"#,
        "known",
    );
    check(
        r#""%s", __print_symbolic(REC->zero, {SOME_NAME, "?"})"#,
        "0x0",
    );
    check(
        r#""%s", __print_hex(__get_dynamic_array(data), __get_dynamic_array_len(data))"#,
        "de ad be ef 00 0a",
    );
    check(
        r#""%s", __print_hex_str(__get_dynamic_array(data), 3)"#,
        "deadbe",
    );
    check(r#""[%s]", __print_hex(__get_dynamic_array(data), 0)"#, "[]");
    check(
        r#""[%s]", __print_hex(__get_dynamic_array(data), -1)"#,
        "[]",
    );
    check(
        r#""%s", __print_hex(__get_dynamic_array(data), 7)"#,
        "de ad be ef 00 0a<truncated>",
    );
    check(r#""%s", __print_hex(REC->name, 2)"#, "61 62");
    check(
        r#""%s", __print_array(REC->words, 4, 4)"#,
        "{0x10,0x11,0x12,0x13}",
    );
    check(
        r#""%s", __print_array(__get_dynamic_array(data), __get_dynamic_array_len(data), 1)"#,
        "{0xde,0xad,0xbe,0xef,0x0,0xa}",
    );
    check(
        r#""%s", __print_array(REC->words, 5, 4)"#,
        "{0x10,0x11,0x12,0x13,<truncated>}",
    );
    check(r#""%s", __print_array(REC->words, 2, 3)"#, "{BAD SIZE:3}");
    check(
        r#""%s", __print_dynamic_array(bits, 8)"#,
        "{0x8000000000000021,0x1}",
    );
    check(
        r#""%s", __get_bitmask(bits)"#,
        "00000000,00000001,80000000,00000021",
    );
    check(r#""%s", __get_cpumask(cpus)"#, "80000000,00000021");
    check(
        r#""%s", __print_hex_dump("x ", DUMP_PREFIX_OFFSET, 16, 1, REC->name, 3, 1)"#,
        "x 00000000: 61 62 63                                         abc\n",
    );
    check(
        r#""%s", __print_hex_dump("", 0, 16, 4, REC->words, 8, 0)"#,
        "00000010 00000011\n",
    );
    check(
        r#""%s %s", REC->yes ? "a" : "b", REC->zero ? "a" : REC->u8 ? "c" : "d""#,
        "a c",
    );
    check(r#""%s", REC->ptr"#, "(0x1122334455667788)");
    check(r#""%s", (char *)REC->u64"#, "(0x8000000000000005)");
    check(r#""%s", NULL"#, "(null)");
    check(r#""%s", (char *)__get_dynamic_array(bits)"#, "!");
    check(r#""%s", REC->name + 5"#, "fgh");
}

#[test]
fn pointers() {
    check(
        r#""%p %px %pK %p", REC->ptr, REC->ptr, REC->ptr, NULL"#,
        "1122334455667788 1122334455667788 1122334455667788 0000000000000000",
    );
    check(
        r#""[%20p|%-20p]", REC->ptr, REC->ptr"#,
        "[    1122334455667788|1122334455667788    ]",
    );
    check(
        r#""%ps %pS %pB", REC->ptr, REC->ptr, 0"#,
        "0x1122334455667788 0x1122334455667788 0x0",
    );
    check(
        r#""%pe %pe", (void *)-12, REC->ptr"#,
        "-12 1122334455667788",
    );
    check(r#""%p", REC->name"#, "(____ptrval____)");
    check(r#""%pI4", REC->ptr"#, "1122334455667788");
    check(
        r#""%pI4 %pi4 %pI4h", REC->name, REC->name, REC->name"#,
        "97.98.99.100 097.098.099.100 100.99.98.97",
    );
    check(
        r#""%pM %pMF %pMR %pm", REC->name, REC->name, REC->name, REC->name"#,
        "61:62:63:64:65:66 61-62-63-64-65-66 66:65:64:63:62:61 616263646566",
    );
    check(
        r#""%pI6 %pi6", REC->words, REC->words"#,
        "1000:0000:1100:0000:1200:0000:1300:0000 10000000110000001200000013000000",
    );
    check(r#""%pI6c", REC->words"#, "1000:0:1100:0:1200:0:1300:0");
    check(
        r#""%pUb %pUB", REC->name, __get_dynamic_array(bits)"#,
        "<truncated> 21000000-0000-0080-0100-000000000000",
    );
    check(
        r#""%pUl", __get_dynamic_array(bits)"#,
        "00000021-0000-8000-0100-000000000000",
    );
    check(
        r#""%*ph|%*phC|%3phD|%*phN|%ph", 3, REC->name, 3, REC->name, REC->name, 3, REC->name, REC->name"#,
        "61 62 63|61:62:63|61-62-63|616263|61",
    );
    check(r#""%*ph", 9, REC->name"#, "<truncated>");
    check(
        r#""%*pbl %*pb", 64, __get_dynamic_array(bits), 40, __get_dynamic_array(bits)"#,
        "0,5,63 00,00000021",
    );
    check(
        r#""%*pE %*pEh", 6, __get_dynamic_array(data), 6, __get_dynamic_array(data)"#,
        r"\336\255\276\357\0\n \xde\xad\xbe\xef\x00\x0a",
    );
    check(r#""%pa", &REC->u64"#, "0x8000000000000005");
    check(
        r#""%pd %pV", REC->ptr, REC->ptr"#,
        "1122334455667788 1122334455667788",
    );
}

/// Socket addresses in the dynamic part, and what is cut off.
#[test]
fn sockaddr() {
    let fields = [Field::new("__data_loc __u8[] addr", 8, 4, false)];
    let check = |print_fmt: &str, addr: &[u8], want: &str| {
        let program = Program::compile(print_fmt, &fields).unwrap();
        let mut record = std::vec![0; 8];
        record.extend_from_slice(&(12 | (addr.len() as u32) << 16).to_ne_bytes());
        record.extend_from_slice(addr);
        let mut out = Vec::new();
        program.render(&record, &Env::default(), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            want,
            "{print_fmt} {addr:?}"
        );
    };
    let family = |n: u16| n.to_ne_bytes();
    let ip4 = [&family(2)[..], &[0x00, 0x50, 10, 0, 0, 1]].concat();
    let mut ip6 = [&family(10)[..], &[0x1f, 0x90, 0, 0, 0, 5]].concat();
    ip6.extend_from_slice(&[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    ip6.extend_from_slice(&3u32.to_ne_bytes());
    for text in [
        r#""%pISpc", __get_sockaddr(addr)"#,
        r#""%pISpc", (struct sockaddr *)__get_dynamic_array(addr)"#,
    ] {
        check(text, &ip4, "10.0.0.1:80");
        check(text, &ip6, "[2001:db8::1]:8080");
        check(text, &ip6[..20], "[<truncated>");
        check(text, &ip4[..6], "<truncated>");
        check(text, &family(1), "(einval)");
        check(text, &[], "<truncated>");
    }
    check(
        r#""%pISpfsc", __get_sockaddr(addr)"#,
        &ip6,
        "[2001:db8::1]:8080/5%3",
    );
    check(r#""%pISc", __get_sockaddr(addr)"#, &ip6, "2001:db8::1");
    check(
        r#""%pIS", __get_sockaddr(addr)"#,
        &ip6,
        "2001:0db8:0000:0000:0000:0000:0000:0001",
    );
}

#[test]
fn hashes() {
    let text = |value: u64, env: &Env| {
        let mut out = Vec::new();
        let program =
            Program::compile(r#""%p", REC->p"#, &[Field::new("void * p", 0, 8, false)]).unwrap();
        program.render(&value.to_ne_bytes(), env, &mut out);
        String::from_utf8(out).unwrap()
    };
    // SipHash-2-4's own test vectors have this key; that of the bytes 00 … 07 is 93f5f5799a932462.
    let env = Env {
        hash_key: [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908],
        ..Env::default()
    };
    assert_eq!(text(0x0706_0504_0302_0100, &env), "000000009a932462");
    assert_eq!(text(0, &env), "0000000000000000");
    assert_eq!(text(-12i64 as u64, &env), "fffffffffffffff4");
    assert_eq!(text(5, &env), text(5, &env));
    assert_ne!(text(5, &env), text(6, &env));
    assert_ne!(text(5, &env), text(5, &Env::default()));
    assert!(text(5, &env).starts_with("00000000"));
}

#[test]
fn errors() {
    check("", "the format, a text in quotes, expected at 0");
    check("REC->i", "the format, a text in quotes, expected at 0");
    check(r#""%d""#, "there are more conversions than arguments at 0");
    check(
        r#""%*d", 1"#,
        "there are more conversions than arguments at 0",
    );
    check(r#""%d", REC->no"#, "there is no field no at 11");
    check(r#""%d", REC.i"#, "`->` expected at 9");
    check(r#""%d", REC->i.x"#, "only REC has members at 12");
    check(
        r#""%d", SOME_NAME"#,
        "the value of SOME_NAME is not known at 6",
    );
    check(r#""%d", some(1)"#, "the function some is not known at 6");
    check(r#""%d", REC->i +"#, "an operand expected at 14");
    check(r#""%d", (REC->i"#, "`)` expected at 13");
    check(r#""%d" REC->i"#, "an operator or a comma expected at 5");
    check(
        r#""%d", REC->i REC->i"#,
        "an operator or a comma expected at 13",
    );
    check(r#""%d", "text""#, "a number expected at 6");
    check(r#""%d", REC->name"#, "a number expected at 6");
    check(r#""%s", REC->i"#, "text expected at 6");
    check(r#""%d", REC->name + "x""#, "a number expected at 6");
    check(
        r#""%d", *REC->ptr"#,
        "what this points to is not in the record at 6",
    );
    check(r#""%d", *REC->pair"#, "an element of unknown type at 6");
    check(
        r#""%d", *__get_dynamic_array(data)"#,
        "an element of unknown type at 6",
    );
    check(
        r#""%d", ((struct x *)REC->ptr) + 1"#,
        "a step of unknown size at 29",
    );
    check(
        r#""%d", sizeof(struct x)"#,
        "the size of this type is not known at 6",
    );
    check(
        r#""%s", __get_str(i)"#,
        "this field has no dynamic data at 16",
    );
    check(
        r#""%s", __get_str(text)"#,
        "__data_loc and __rel_loc are not the same at 16",
    );
    check(
        r#""%s", __print_flags(REC->i, 1, {1, "a"})"#,
        "a text in quotes expected at 28",
    );
    check(
        r#""%s", __print_symbolic(REC->i, {REC->i, "a"})"#,
        "a constant expected at 32",
    );
    check(
        r#""%s", __print_hex(REC->ptr, 3)"#,
        "an array in the record expected at 18",
    );
    check(r#""%d", 1 / 0"#, "division by zero at 8");
    check(r#""%d", (int)"x""#, "this cannot be cast so at 6");
    check(
        r#""%d", &5"#,
        "only what is in the record has an address at 6",
    );
    check(
        r#""%f", REC->i"#,
        "records hold no floating point numbers at 0",
    );
    check(r#""%n", REC->i"#, "%n writes to memory at 0");
    check(
        r#""%y", REC->i"#,
        "a conversion that printf does not know at 0",
    );
    check(r#""x%""#, "the conversion at the end is not complete at 0");
    check(r#""%9999d", 1"#, "a width or precision above 1024 at 0");
    // More arguments than conversions do no harm.
    check(r#""%d", 1, 2, REC->i"#, "1");
}

/// Nesting is bounded, whatever it is made of, and the bound fits into a small stack.
#[test]
fn nesting() {
    let run = || {
        let many = |n: usize, open: &str, inner: &str, close: &str| {
            let text = format!("\"%d\", {}{inner}{}", open.repeat(n), close.repeat(n));
            let got = show(&text);
            if n > 300 {
                assert!(got.contains("too deep"), "{open} {got}");
            }
            got
        };
        assert_eq!(many(50, "(", "REC->i", ")"), "-7");
        for deep in [false, true] {
            let many = |open: &str, inner: &str, close: &str| {
                many(
                    if deep {
                        60_000 / (open.len() + close.len())
                    } else {
                        50
                    },
                    open,
                    inner,
                    close,
                )
            };
            many("(", "REC->i", ")");
            many("-", "REC->i", "");
            many("!", "REC->i", "");
            many("(u8)", "REC->i", "");
            many("REC->i + (", "REC->i", ")");
            many(
                "1 || 2 && 3 | 4 ^ 5 & 6 == 7 < 8 << 9 + 10 * (REC->i + ",
                "1",
                ")",
            );
            many("REC->i ? ", "1", " : REC->i");
            many("REC->i ? 1 : ", "1", "");
            many("REC->words[", "1", "]");
            many("__builtin_expect(", "REC->i", ", 0)");
            many("REC->i + ", "1", "");
            many("sizeof ", "REC->i", "");
        }
        // Constants are folded as they come.
        check(&format!("\"%d\", {}1", "1 + ".repeat(900)), "901");
    };
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(run)
        .unwrap()
        .join()
        .unwrap();
}

/// So is the length of the text.
#[test]
fn sizes() {
    let args = |n: usize, conversion: &str, arg: &str| {
        format!(
            "\"{}\"{}",
            conversion.repeat(n),
            format!(",{arg}").repeat(n)
        )
    };
    assert_eq!(show(&args(3000, "%d,", "REC->i")), "-7,".repeat(3000));
    assert_eq!(show(&args(9000, "%d", "REC->i")), "too long at 0");
    // As many of everything as there is room for.
    assert_eq!(show(&args(13_000, "%d", "9")), "9".repeat(13_000));
    assert_eq!(show(&args(7_000, "%s", "\"xy\"")), "xy".repeat(7_000));
    assert_eq!(
        show(&args(1_800, "%s", "REC->i?\"ab\":\"cd\"")),
        "ab".repeat(1_800)
    );
    assert_eq!(show(&format!("\"{}\"", "x".repeat(65_000))).len(), 65_000);
}
