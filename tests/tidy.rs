//! The rules of ARCHITECTURE.md as a test: floors, where fuser may be named, a reason for every `unsafe`, file length.

use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the ground up; a module imports its own floor and lower ones.
const FLOORS: [&str; 7] = [
    "base", "ring", "event", "filter", "instance", "trigger", "output",
];
/// Lines after which a file wants splitting, and the most it may ever have.
const MOST_LINES: usize = 800;

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.to_path_buf()
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let mut found = vec![];
    for dir in ["src", "workloads/src", "mount/src"] {
        rust_files(&root().join(dir), &mut found);
    }
    assert!(
        found.len() > 20,
        "the sources are not where they are looked for"
    );
    let name = |p: &PathBuf| {
        p.strip_prefix(root())
            .expect("below the root")
            .display()
            .to_string()
    };
    found
        .iter()
        .map(|p| (name(p), fs::read_to_string(p).expect("readable")))
        .collect()
}

/// The floor's number of `src/FLOOR/…` or `src/FLOOR.rs`.
fn floor(path: &str) -> Option<usize> {
    let rest = path.strip_prefix("src/")?;
    FLOORS
        .iter()
        .position(|f| rest.starts_with(&format!("{f}/")) || rest == format!("{f}.rs"))
}

#[test]
fn floors_import_downward_only() {
    let mut wrong = vec![];
    for (name, text) in sources() {
        let Some(own) = floor(&name) else { continue };
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            for (above, other) in FLOORS.iter().enumerate().skip(own + 1) {
                if code.contains(&format!("crate::{other}::"))
                    || code.contains(&format!("crate::{other}}}"))
                {
                    wrong.push(format!(
                        "{name}:{}: {} may not use {} (floor {above})",
                        number + 1,
                        FLOORS[own],
                        other
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_transport_names_fuser() {
    for (name, text) in sources() {
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        let uses = code
            .filter(|l| l.contains("fuser::") || l.contains("use fuser"))
            .count();
        assert!(
            uses == 0 || name.starts_with("mount/src/transport/fuse"),
            "{name} names fuser"
        );
    }
}

#[test]
fn the_core_knows_no_filesystem() {
    for (name, text) in sources() {
        if name.starts_with("src/") || name.starts_with("workloads/") {
            assert!(!text.contains("utracefs_mount"), "{name} knows the mount");
        }
    }
}

#[test]
fn unsafe_says_why() {
    let mut wrong = vec![];
    for (name, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if !(code.contains("unsafe {") || code.contains("unsafe impl")) {
                continue;
            }
            let said = lines[i.saturating_sub(8)..=i]
                .iter()
                .any(|l| l.contains("SAFETY:") || l.contains("# Safety"));
            if !said {
                wrong.push(format!("{name}:{}", i + 1));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "unsafe without a SAFETY line:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn files_are_one_room() {
    for (name, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{name} has {lines} lines: split it");
    }
}

#[test]
fn nothing_unfinished() {
    for (name, text) in sources() {
        for (i, line) in text.lines().enumerate() {
            for word in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX:"] {
                assert!(!line.contains(word), "{name}:{}: {word}", i + 1);
            }
        }
    }
}
