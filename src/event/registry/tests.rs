use std::fs;
use std::path::Path;

use alloc::boxed::Box;

use super::*;

macro_rules! event {
    ($system:ident, $name:ident) => {
        crate::define_event_trace!(
            $name,
            TP_system($system),
            TP_PROTO(),
            TP_STRUCT__entry {},
            TP_fast_assign {},
            TP_ident(__entry),
            TP_printk("nothing")
        );
    };
}

mod a {
    event!(registry_b, one);
    event!(registry_a, two);
}
mod b {
    event!(registry_a, one);
    event!(registry_a, three);
}

/// Not in the link section: they would spoil every registry of this program.
fn with_name(system: &'static str, name: &'static str, line: u32) -> &'static EventDecl {
    let like = section::declared()
        .find(|d| d.system == "registry_a")
        .expect("an event");
    let EventDecl {
        fields,
        size,
        print,
        tracepoint,
        probe,
        class,
        keep,
        ..
    } = *like;
    Box::leak(Box::new(EventDecl {
        system,
        name,
        fields,
        size,
        print,
        tracepoint,
        probe,
        together: std::ptr::null(),
        file: "src/x.rs",
        line,
        class,
        keep,
    }))
}

fn ours() -> impl Iterator<Item = &'static EventDecl> {
    section::declared().filter(|d| d.system.starts_with("registry_"))
}

fn names<'a>(events: impl Iterator<Item = &'a Arc<Event>>) -> Vec<String> {
    events
        .map(|e| alloc::format!("{}:{} {}", e.system, e.name, e.id))
        .collect()
}

#[test]
fn sorted_and_numbered() {
    let registry = Registry::from_decls(ours(), 300).expect("a registry");
    let expected = [
        "registry_b:one 303",
        "registry_a:two 302",
        "registry_a:three 301",
        "registry_a:one 300",
    ];
    assert_eq!(names(registry.available()), expected);
    // The section's order, and that an event may come up twice, change nothing.
    let mut decls: Vec<_> = ours().chain(ours()).collect();
    decls.reverse();
    let other = Registry::from_decls(decls, 300).expect("a registry");
    assert_eq!(names(other.available()), expected);

    assert_eq!(registry.systems(), ["ftrace", "registry_a", "registry_b"]);
    assert_eq!(names(registry.of_system("registry_a")), expected[1..]);
    assert_eq!(registry.all().count(), 4 + builtin::BUILTIN.len());
    for event in registry.all() {
        assert!(
            registry
                .event(event.id)
                .is_some_and(|e| Arc::ptr_eq(e, event)),
            "{}",
            event.id
        );
        assert!(
            registry
                .find(&event.system, &event.name)
                .is_some_and(|e| Arc::ptr_eq(e, event))
        );
    }
    for id in [0, 12, 14, 21, 299, 304, 32767, u16::MAX] {
        assert!(registry.event(id).is_none(), "{id}");
    }
    assert!(registry.find("registry_a", "four").is_none());
}

#[test]
fn the_whole_program() {
    let registry = Registry::build(20000).expect("no event of the tests is declared twice");
    assert!(
        registry
            .find("registry_a", "three")
            .is_some_and(|e| e.is_enableable() && e.id >= 20000)
    );
}

#[test]
fn refusals() {
    #[track_caller]
    fn check(decls: &[&'static EventDecl], first_id: u16, expected: &str) {
        let refused = Registry::from_decls(decls.iter().copied(), first_id)
            .err()
            .expect("refused");
        assert_eq!(alloc::format!("{refused}"), expected);
    }
    let one = with_name("demo", "one", 7);
    check(
        &[
            one,
            with_name("demo", "two", 8),
            with_name("demo", "one", 12),
        ],
        20000,
        "event demo:one is declared twice: src/x.rs:7 and src/x.rs:12",
    );
    check(
        &[with_name("ftrace", "mine", 3)],
        20000,
        "event ftrace:mine (src/x.rs:3): the system ftrace is ftrace's own",
    );
    check(&[one], 20, "ids of declared events begin at 21, not 20");
    check(
        &[one, with_name("demo", "two", 8)],
        32767,
        "2 events from id 32767 on do not end before 32767",
    );
    check(
        &[one],
        32768,
        "1 events from id 32768 on do not end before 32767",
    );
    assert!(Registry::from_decls([one], 32767).is_ok());
    let wrong = Box::leak(Box::new(EventDecl {
        print: Print::C("\"%d\", REC->nosuch"),
        ..copy(one)
    }));
    let refused = Registry::from_decls([&*wrong], 20000)
        .err()
        .expect("refused");
    let said = alloc::format!("{refused}");
    assert!(
        said.starts_with("event demo:one (src/x.rs:7): print fmt: "),
        "{said}"
    );
}

fn copy(decl: &EventDecl) -> EventDecl {
    let EventDecl {
        system,
        name,
        fields,
        size,
        print,
        tracepoint,
        probe,
        together,
        file,
        line,
        class,
        keep,
    } = *decl;
    EventDecl {
        system,
        name,
        fields,
        size,
        print,
        tracepoint,
        probe,
        together,
        file,
        line,
        class,
        keep,
    }
}

#[test]
fn built_in_events_are_the_kernels() {
    let registry = Registry::from_decls([], 20000).expect("a registry");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/formats/ftrace");
    let mut seen = 0;
    for file in fs::read_dir(golden).expect("golden formats").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let event = registry
            .find(FTRACE, &name)
            .unwrap_or_else(|| panic!("{name}"));
        assert_eq!(
            event.format(),
            fs::read_to_string(file.path()).expect("text"),
            "{name}"
        );
        assert!(!event.is_enableable());
        Program::compile(&event.print_fmt, &event.fields).unwrap_or_else(|e| panic!("{name}: {e}"));
        seen += 1;
    }
    assert_eq!(seen, builtin::BUILTIN.len());
    assert_eq!(names(registry.available()), [] as [&str; 0]);
    for (id, name) in [
        (KERNEL_STACK_ID, "kernel_stack"),
        (PRINT_ID, "print"),
        (USER_STACK_ID, "user_stack"),
        (RAW_DATA_ID, "raw_data"),
    ] {
        assert_eq!(registry.event(id).map(|e| &*e.name), Some(name));
    }
    assert!(registry.all().all(|e| e.id < FIRST_FREE_ID));
}

#[test]
fn raw_markers() {
    let registry = Registry::from_decls([], 20000).expect("a registry");
    let event = registry.event(RAW_DATA_ID).expect("built in");
    let check = |data: &[u8], expected: &str| {
        let mut record = [0; 8].to_vec();
        record.extend_from_slice(data);
        let mut out = Vec::new();
        event.render(&record, &Env::default(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    };
    check(
        b"\x34\x12\0\0abcdef\0\0",
        "# 1234 buf: 61 62 63 64 65 66 00 00",
    );
    check(b"\x34\x12\0\0", "# 1234 buf:");
    check(b"\x34", "# 0 buf:");
}
