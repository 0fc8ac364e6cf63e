//! Filters that are taken, and which records they keep.

use super::*;
use crate::base::cpu;
use crate::base::task::{Place, Task};

/// Whether the record of one field passes each filter on it (called `x`).
fn check(decl: &str, signed: bool, field: &[u8], expected: &[(&str, bool)]) {
    let size = if decl.contains("_loc") {
        4
    } else {
        field.len() as u16
    };
    let fields = [Field::new(decl, 8, size, signed)];
    let context = Fixed {
        cpu: 1,
        comm: "task",
    };
    for (text, keeps) in expected {
        let filter =
            Filter::compile(text.as_bytes(), &fields).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(
            filter.matches(&record(field), &context),
            *keeps,
            "{decl}: {text}"
        );
    }
}

#[test]
fn numbers() {
    let five: &[(&str, bool)] = &[
        ("x == 5", true),
        ("x==0x5", true),
        ("x==05", true),
        ("x!=5", false),
        ("x<5", false),
        ("x<6", true),
        ("x<=5", true),
        ("x<=4", false),
        ("x>4", true),
        ("x>5", false),
        ("x>=5", true),
        ("x>=6", false),
        ("x&4", true),
        ("x & 2", false),
        ("x & 0", false),
        ("x.ustring==5", true),
        ("!x==5", false),
        ("!!x==5", true),
    ];
    check("u8 x", false, &5u8.to_ne_bytes(), five);
    check("s8 x", true, &5i8.to_ne_bytes(), five);
    check("u16 x", false, &5u16.to_ne_bytes(), five);
    check("short x", true, &5i16.to_ne_bytes(), five);
    check("u32 x", false, &5u32.to_ne_bytes(), five);
    check("pid_t x", true, &5i32.to_ne_bytes(), five);
    check("u64 x", false, &5u64.to_ne_bytes(), five);
    check("long x", true, &5i64.to_ne_bytes(), five);
    check("void * x", false, &5u64.to_ne_bytes(), five);
    check("bool x", false, &[1], &[("x==1", true), ("x==0", false)]);
    // a constant is cut to the field's width
    check(
        "short x",
        true,
        &0i16.to_ne_bytes(),
        &[
            ("x==65536", true),
            ("x==4294967296", true),
            ("x<4294967296", false),
            ("x==65537", false),
            ("x<32768", false),
            ("x!=65536", false),
            ("x>-1", true),
        ],
    );
    check(
        "int x",
        true,
        &(-16i32).to_ne_bytes(),
        &[
            ("x==-16", true),
            ("x==-0x10", true),
            ("x==-020", true),
            ("x<0", true),
            ("x>=-16", true),
            ("x<-9223372036854775808", true),
            ("x==4294967280", true),
            ("x & 0x80000000", true),
            ("x & 0xf", false),
        ],
    );
    check(
        "u64 x",
        false,
        &u64::MAX.to_ne_bytes(),
        &[
            ("x==18446744073709551615", true),
            ("x>18446744073709551615", false),
            ("x>=18446744073709551615", true),
            ("x<0", false),
            ("x>=0", true),
            ("x>9223372036854775807", true),
        ],
    );
    check(
        "long x",
        true,
        &i64::MIN.to_ne_bytes(),
        &[
            ("x==-9223372036854775808", true),
            ("x<-9223372036854775808", false),
            ("x<=-9223372036854775808", true),
            ("x<-9223372036854775807", true),
            ("x>9223372036854775807", false),
            ("x<=9223372036854775807", true),
        ],
    );
}

#[test]
fn strings() {
    let comm: &[(&str, bool)] = &[
        ("x==\"some text\"", true),
        ("x=='some text'", true),
        ("x!=\"some text\"", false),
        ("x==\"some\"", false),
        ("x==\"some text*\"", false),
        ("x==\"\"", false),
        ("x!=\"\"", true),
        ("x ~ \"some text\"", true),
        ("x~\"some*\"", true),
        ("x~\"*text\"", true),
        ("x~\"*e t*\"", true),
        ("x~\"s?me*[s-u]\"", true),
        ("x~\"!some*\"", false),
        ("!x~\"!some*\"", true),
        ("x~\"*\"", true),
        ("x~\"Some*\"", false),
        ("x.ustring==\"some text\"", true),
    ];
    check("char x[16]", false, b"some text\0stale!", comm);
    check("char x[9]", false, b"some text", comm);
    check(
        "__data_loc char[] x",
        false,
        b"\x0c\0\x0a\0some text\0",
        comm,
    );
    check("__rel_loc char[] x", false, b"\0\0\x0a\0some text\0", comm);
    let text = b"some text\0";
    let mut pointer = (text.as_ptr() as u64).to_ne_bytes();
    check("const char * x", false, &pointer, comm);
    pointer = 8u64.to_ne_bytes();
    check(
        "char * x",
        false,
        &pointer,
        &[("x~\"*\"", false), ("x==\"\"", false)],
    );
    check(
        "char x[4]",
        false,
        b"a\"b\0",
        &[("x=='a\"b'", true), ("x==\"'\"", false)],
    );
    // words that point outside the record
    for word in [0xffff_ffffu32, 0x0001_000d, 0xffff_0000] {
        check(
            "__data_loc char[] x",
            false,
            &word.to_ne_bytes(),
            &[("x~\"*\"", false)],
        );
        check(
            "__rel_loc char[] x",
            false,
            &word.to_ne_bytes(),
            &[("x==\"\"", false)],
        );
    }
}

#[test]
fn what_a_system_call_recorded_stands_for_its_pointer() {
    let fields = [
        Field::new("const char * name", 8, 8, false),
        Field::new("__data_loc char[] __name_val", 16, 4, false),
    ];
    let filter = Filter::compile(b"name == \"/etc\"", &fields).expect("right");
    let mut record = record(&[1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 5, 0]);
    record.extend_from_slice(b"/etc\0");
    let context = Fixed { cpu: 0, comm: "" };
    assert!(filter.matches(&record, &context));
    record[21] = b'x';
    assert!(!filter.matches(&record, &context));
}

#[test]
fn what_has_no_value() {
    let never: &[(&str, bool)] = &[
        ("x==1", false),
        ("x!=1", false),
        ("!x==1", true),
        ("x&1", false),
        ("x<1", false),
        ("x==CPUS{0}", false),
        ("stacktrace==1", false),
        ("stacktrace!=1", false),
        ("!STACKTRACE==1", true),
        ("stacktrace>0", false),
    ];
    check("unsigned long x[6]", false, &[1; 48], never);
    check("struct thing x", false, &[1; 24], never);
}

#[test]
fn cpus_and_names() {
    let last = cpu::possible() - 1;
    check(
        "int x",
        true,
        &0i32.to_ne_bytes(),
        &[
            ("CPU==1", true),
            ("cpu!=1", false),
            ("common_cpu<2", true),
            ("CPU==4294967297", true),
            ("CPU>-1", true),
            ("CPU&1", false),
            ("CPU==CPUS{0}", false),
            ("x==CPUS{0}", true),
            ("x!=CPUS{0}", false),
            ("x & CPUS{0}", true),
            ("x & CPUS{all}", true),
            ("x & CPUS{,}", false),
            ("x == CPUS{,}", false),
            ("x != CPUS{ }", true),
            ("COMM==\"task\"", true),
            ("comm~\"t*\"", true),
            ("COMM!=\"task\"", false),
            ("common_pid==0", true),
            ("common_type<=0", true),
        ],
    );
    if last > 0 {
        let several: &[(&str, bool)] = &[
            ("x==CPUS{0-1}", false),
            ("x!=CPUS{0-1}", false),
            ("x & CPUS{0-1}", false),
            ("!x!=CPUS{0-1}", true),
            ("CPU & CPUS{0-1}", true),
            ("CPU == CPUS{0-1}", false),
            ("CPU != CPUS{0-1}", true),
        ];
        check("pid_t x", true, &(-1i32).to_ne_bytes(), several);
        check("u32 x", false, &100_000u32.to_ne_bytes(), several);
        check(
            "u8 x",
            false,
            &[1],
            &[("x & CPUS{all}", true), ("x!=CPUS{all}", true)],
        );
    }
    let own: &[(&str, bool)] = &[("cpu==7", true), ("cpu!=CPUS{0}", true), ("CPU==1", true)];
    check("u32 cpu", false, &7u32.to_ne_bytes(), own);
    check(
        "char comm[4]",
        false,
        b"own\0",
        &[("comm==\"own\"", true), ("COMM==\"task\"", true)],
    );
}

#[test]
fn cpu_masks() {
    let first: &[(&str, bool)] = &[
        ("x==CPUS{0}", true),
        ("x!=CPUS{0}", false),
        ("x & CPUS{0}", true),
        ("x & CPUS{all}", true),
        ("x & CPUS{,}", false),
        ("x == CPUS{,}", false),
        ("x == 0", false),
    ];
    check(
        "__data_loc cpumask_t x",
        false,
        b"\x0c\0\x08\0\x01\0\0\0\0\0\0\0",
        first,
    );
    check(
        "__rel_loc cpumask_t x",
        false,
        b"\0\0\x08\0\x01\0\0\0\0\0\0\0",
        first,
    );
    let beyond: &[(&str, bool)] = &[("x==CPUS{0}", false), ("x & CPUS{0}", true)];
    let mut long = b"\x0c\0\0\x08\x01".to_vec();
    long.resize(4 + 0x800, 0);
    check("__data_loc cpumask_t x", false, &long, first);
    *long.last_mut().expect("long") = 1;
    check("__data_loc cpumask_t x", false, &long, beyond);
}

#[test]
#[expect(clippy::nonminimal_bool, reason = "written like the filters")]
fn connectives() {
    let fields = ["a", "b", "c"].map(|n| alloc::format!("u8 {n}"));
    let fields: Vec<Field> = (8u16..)
        .zip(&fields)
        .map(|(offset, decl)| Field::new(decl, offset, 1, false))
        .collect();
    let context = Fixed { cpu: 0, comm: "" };
    let check = |text: &str, truth: fn(bool, bool, bool) -> bool| {
        for bits in 0..8u8 {
            let [a, b, c] = [0, 1, 2].map(|i| bits >> i & 1);
            let filter = Filter::compile(text.as_bytes(), &fields).expect("right");
            let got = filter.matches(&record(&[a, b, c]), &context);
            assert_eq!(
                got,
                truth(a == 1, b == 1, c == 1),
                "{text} with {a} {b} {c}"
            );
        }
    };
    check("a==1 && b==1", |a, b, _| a && b);
    check("a==1||b==1", |a, b, _| a || b);
    check("a==1 || b==1 && c==1", |a, b, c| a || b && c);
    check("a==1 && b==1 || c==1", |a, b, c| a && b || c);
    check("(a==1 || b==1) && c==1", |a, b, c| (a || b) && c);
    check("a==1 && (b==1 || c==1)", |a, b, c| a && (b || c));
    check("!(a==1 || b==1) && c==1", |a, b, c| !(a || b) && c);
    check("!(a==1 && !(b==1 || !c==1))", |a, b, c| !(a && !(b || !c)));
    check("! ! ( a==1 && b==1 ) || ! c==1", |a, b, c| a && b || !c);
    check("a==1 && b==1 && c==1", |a, b, c| a && b && c);
    check("a==1 || b==1 || c==1", |a, b, c| a || b || c);
    check("((a==1)&&((!b==1))||((c==1)))", |a, b, c| a && !b || c);
}

#[test]
fn now() {
    let filter = |text: &str| Filter::compile(text.as_bytes(), &[]).expect("right");
    let green = Task::new(1, 1, "green").with_place(Place {
        cpu: Some(3),
        ..Place::default()
    });
    let keeps = |text: &str| filter(text).matches(&[0; 8], &Now::default());
    green.run(|| {
        assert!(keeps("CPU==3 && COMM==\"green\""));
        assert!(!keeps("CPU!=3 || COMM!=\"green\""));
    });
    assert!(!keeps("COMM==\"green\"") && keeps("CPU>=0"));
}

#[cfg(feature = "std")]
#[test]
fn a_thread_that_is_renamed() {
    let filter = Filter::compile(b"COMM==\"renamed\"", &[]).expect("right");
    let keeps = || filter.matches(&[0; 8], &Now::default());
    assert!(!keeps());
    // SAFETY: a string that ends with a NUL
    unsafe { libc::prctl(libc::PR_SET_NAME, c"renamed".as_ptr()) };
    assert!(keeps());
}

#[test]
fn short_records() {
    let text =
        b"prev_pid==1 || next_pid!=1 && prev_comm~\"*\" || prev_state & CPUS{0} && COMM==\"x\"";
    let filter = Filter::compile(text, &sched_switch()).expect("right");
    for len in 0..72 {
        filter.matches(&[0xff; 72][..len], &Fixed { cpu: 0, comm: "" });
    }
}
