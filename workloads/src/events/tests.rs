//! The `format` of every event, compared with that of Linux 6.18.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use utracefs::event::registry::{Event, Registry};

fn registry() -> Registry {
    Registry::build(20_000).expect("the events make a registry")
}

/// The real kernel's descriptions, one directory for each system.
fn formats() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/formats")
}

/// The kernel's text, with our id.
fn golden(event: &Event) -> String {
    let path = formats().join(&*event.system).join(&*event.name);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (name, rest) = text.split_once("\nID: ").expect("an ID line");
    let (_, rest) = rest.split_once('\n').expect("more lines");
    format!("{name}\nID: {}\n{rest}", event.id)
}

/// The one intended difference: the texts of paths, which kernels newer than 6.18 record too. Takes them away.
fn without_paths(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.retain(|line| {
        !(line.starts_with("\tfield:__data_loc char[] __") && line.contains("_val;"))
    });
    let print_fmt = lines.last_mut().expect("a print fmt");
    *print_fmt = print_fmt.replace(" \\\"%s\\\"", "");
    while let Some(at) = print_fmt.find(", __get_str(__") {
        let end = at + print_fmt[at + 2..].find(')').expect("its end") + 3;
        print_fmt.replace_range(at..end, "");
    }
    lines.join("\n") + "\n"
}

/// Systems of which every event that Linux 6.18 has is declared. Of the others only those that a workload fires.
const COMPLETE: &[&str] = &[
    "irq",
    "raw_syscalls",
    "signal",
    "syscalls",
    "timer",
    "workqueue",
];

#[test]
fn formats_are_linuxs() {
    // Events of this program's own tests are nobody else's.
    let registry = registry();
    let available = registry.available();
    for event in available.filter(|event| event.system != "mm_test") {
        let (ours, kernels) = (event.format(), golden(event));
        if event.system == "syscalls" {
            assert_eq!(without_paths(&ours), kernels);
        } else {
            assert_eq!(ours, kernels);
        }
    }
}

#[test]
fn complete_systems_have_all_events() {
    let registry = registry();
    for system in COMPLETE {
        let ours: BTreeSet<String> = registry
            .of_system(system)
            .map(|event| event.name.to_string())
            .collect();
        let kernels: BTreeSet<String> = fs::read_dir(formats().join(system))
            .expect(system)
            .map(|entry| entry.expect(system).file_name())
            .map(|name| name.into_string().expect("a name of ASCII letters"))
            .collect();
        assert_eq!(ours, kernels, "{system}");
    }
}

#[test]
fn every_path_has_its_text() {
    let registry = registry();
    let check = |call: &str, expected: &[&str]| {
        let event = registry
            .find("syscalls", &format!("sys_enter_{call}"))
            .expect(call);
        let texts: Vec<&str> = event
            .fields
            .iter()
            .filter(|field| field.ctype.starts_with("__data_loc"))
            .map(|field| &*field.name)
            .collect();
        assert_eq!(texts, expected, "{call}");
        for text in expected {
            assert!(
                event.print_fmt.contains(&format!("__get_str({text})")),
                "{}",
                event.print_fmt
            );
        }
    };
    check("openat", &["__filename_val"]);
    check("newfstatat", &["__filename_val"]);
    check("mkdirat", &["__pathname_val"]);
    check("unlinkat", &["__pathname_val"]);
    check("renameat2", &["__oldname_val", "__newname_val"]);
    check("read", &[]);
    check("write", &[]);
    check("close", &[]);
    #[cfg(target_arch = "x86_64")]
    check("rename", &["__oldname_val", "__newname_val"]);
}
