use super::*;
use alloc::string::ToString;

#[test]
fn declarations() {
    let check =
        |decl: &str, size: u16, signed: bool, parts: (&str, &str, &str), kind: FieldKind| {
            let f = Field::new(decl, 8, size, signed);
            assert_eq!((&*f.ctype, &*f.name, &*f.array), parts, "{decl}");
            assert_eq!(f.kind, kind, "{decl}");
            let mut back = String::new();
            f.decl(&mut back);
            assert_eq!(back, decl);
        };
    use FieldKind::*;
    check("pid_t prev_pid", 4, true, ("pid_t", "prev_pid", ""), Int);
    check(
        "unsigned long addr",
        8,
        false,
        ("unsigned long", "addr", ""),
        Int,
    );
    check("bool on", 1, false, ("bool", "on", ""), Bool);
    check("char comm[16]", 16, false, ("char", "comm", "[16]"), Chars);
    check(
        "__u8 saddr[4]",
        4,
        false,
        ("__u8", "saddr", "[4]"),
        Array {
            elem: 1,
            signed: false,
        },
    );
    check(
        "long sysctl_mem[3]",
        24,
        true,
        ("long", "sysctl_mem", "[3]"),
        Array {
            elem: 8,
            signed: true,
        },
    );
    check(
        "u32 grid[2][3]",
        24,
        false,
        ("u32", "grid", "[2][3]"),
        Array {
            elem: 4,
            signed: false,
        },
    );
    check(
        "char buf[]",
        0,
        false,
        ("char", "buf", "[]"),
        Flex {
            elem: 1,
            signed: false,
            string: true,
        },
    );
    check(
        "u32 buf[]",
        0,
        false,
        ("u32", "buf", "[]"),
        Flex {
            elem: 4,
            signed: false,
            string: false,
        },
    );
    let text = DataLoc {
        elem: 1,
        signed: false,
        string: true,
    };
    check(
        "__data_loc char[] name",
        4,
        false,
        ("__data_loc char[]", "name", ""),
        text,
    );
    let longs = DataLoc {
        elem: 8,
        signed: false,
        string: false,
    };
    check(
        "__data_loc unsigned long[] cpus",
        4,
        false,
        ("__data_loc unsigned long[]", "cpus", ""),
        longs,
    );
    let rel = RelLoc {
        elem: 2,
        signed: true,
        string: false,
    };
    check(
        "__rel_loc s16[] v",
        4,
        false,
        ("__rel_loc s16[]", "v", ""),
        rel,
    );
    check(
        "__data_loc cpumask_t mask",
        4,
        false,
        ("__data_loc cpumask_t", "mask", ""),
        Cpumask { rel: false },
    );
    let structs = DataLoc {
        elem: 0,
        signed: false,
        string: false,
    };
    check(
        "__data_loc struct x[] xs",
        4,
        false,
        ("__data_loc struct x[]", "xs", ""),
        structs,
    );
    check("void * ptr", 8, false, ("void *", "ptr", ""), Pointer);
    check(
        "const char * fmt",
        8,
        false,
        ("const char *", "fmt", ""),
        CharPtr,
    );
    check(
        "const char *const * argv",
        8,
        false,
        ("const char *const *", "argv", ""),
        Pointer,
    );
    check(
        "enum hrtimer_mode mode",
        4,
        false,
        ("enum hrtimer_mode", "mode", ""),
        Int,
    );
    check(
        "struct timespec t",
        16,
        false,
        ("struct timespec", "t", ""),
        Opaque,
    );
}

#[test]
fn odd_declarations_do_not_panic() {
    for decl in [
        "",
        "]",
        "[",
        "x]",
        "[x]",
        "é",
        "int é",
        "a b[",
        "*p",
        "int *p[4]",
        " x ",
        "[][][]",
        "int\u{a0}x",
    ] {
        let f = Field::new(decl, 0, 4, false);
        let _ = (f.load_u64(&[]), f.bytes(&[0; 4]), f.text(&[1; 4]), f.elem());
    }
}

#[test]
fn values() {
    let record: alloc::vec::Vec<u8> = (0..24u8).map(|i| i | 0xf0).collect();
    let check = |decl: &str, offset: u16, size: u16, signed: bool, want: Option<i64>| {
        assert_eq!(
            Field::new(decl, offset, size, signed).load_i64(&record),
            want,
            "{decl} at {offset}"
        );
    };
    check("u8 a", 3, 1, false, Some(0xf3));
    check("s8 a", 3, 1, true, Some(0xf3 - 256));
    check("u16 a", 2, 2, false, Some(0xf3f2));
    check("s16 a", 2, 2, true, Some(0xf3f2 - 65536));
    check("u32 a", 0, 4, false, Some(0xf3f2_f1f0));
    check("s32 a", 0, 4, true, Some(0xf3f2_f1f0 - (1 << 32)));
    check("s64 a", 0, 8, true, Some(0xf7f6_f5f4_f3f2_f1f0_u64 as i64));
    check("u32 a", 20, 4, false, Some(0xf7f6_f5f4));
    check("u32 a", 21, 4, false, None);
    check("u64 a", 17, 8, false, None);
    check("u8 a", 65535, 1, false, None);
    check("char a[16]", 0, 16, false, None);
}

#[test]
fn texts() {
    let check = |decl: &str, size: u16, record: &[u8], want: Option<&str>| {
        let got = Field::new(decl, 4, size, false)
            .text(record)
            .map(|b| String::from_utf8_lossy(b).to_string());
        assert_eq!(got.as_deref(), want, "{decl}");
    };
    check("char c[4]", 4, b"....ab\0d", Some("ab"));
    check("char c[4]", 4, b"....abcd", Some("abcd"));
    check("char c[4]", 4, b"....abc", None);
    check("char c[]", 0, b"....abc\0x", Some("abc"));
    check("char c[]", 0, b"....abc", Some("abc"));
    check("char c[]", 0, b"...", None);
    check("int c", 4, b"....abcd", None);
    #[cfg(target_endian = "little")]
    {
        check(
            "__data_loc char[] c",
            4,
            b"....\x08\0\x04\0abc\0",
            Some("abc"),
        );
        check(
            "__data_loc char[] c",
            4,
            b"....\x08\0\x04\0abcd",
            Some("abcd"),
        );
        check("__data_loc char[] c", 4, b"....\x08\0\x05\0abcd", None);
        check("__data_loc char[] c", 4, b"....\xff\xff\xff\xffabcd", None);
        check("__data_loc char[] c", 4, b"....\x08\0\x00\0", Some(""));
        check(
            "__rel_loc char[] c",
            4,
            b"....\x01\0\x03\0xabc",
            Some("abc"),
        );
        check("__rel_loc char[] c", 4, b"....\x01\0\x04\0xabc", None);
    }
}
