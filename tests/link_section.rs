//! Events are found in the link section although they never fire: whatever the optimisation, whichever the linker.

mod fixture;

use std::path::Path;
use std::process::Command;

use fixture::{cargo, fixture};

const UNUSED: &str = "\
syscalls:sys_exit_link_open 20005
syscalls:sys_enter_link_open 20004
link_test:of_the_program 20003
link_test:in_a_module 20002
link_test:fired_elsewhere 20001
link_test:at_the_root 20000
";

/// Options for rustc's own choice (lld, from 1.90 on), for binutils' linker, and for an lld that is installed.
const LINKERS: [&[&str]; 3] = [
    &[],
    &["-Clinker-features=-lld"],
    &["-Clink-arg=-fuse-ld=lld"],
];

fn built(dir: &Path, profile: &str, features: &[&str], linker: &[&str]) -> Result<String, String> {
    let mut args = vec!["rustc", "--package", "app", "--profile", profile];
    args.extend_from_slice(features);
    let mut build = cargo(dir, &args);
    build.arg("--").args(linker);
    let output = build.output().expect("cargo runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let out = if profile == "dev" { "debug" } else { profile };
    let run = Command::new(dir.join("target").join(out).join("app"))
        .output()
        .expect("the program runs");
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    Ok(String::from_utf8(run.stdout).expect("text"))
}

/// Whether the toolchain has this linker.
fn takes(options: &[&str]) -> bool {
    let known = Command::new("rustc")
        .args(options)
        .args(["--print", "cfg"])
        .output()
        .is_ok_and(|o| o.status.success());
    let installed = || Command::new("ld.lld").arg("--version").output().is_ok();
    known && (!options.iter().any(|o| o.ends_with("-fuse-ld=lld")) || installed())
}

#[test]
fn unused_events_are_registered() {
    let dir = fixture("link");
    for profile in ["dev", "thin", "fat"] {
        for linker in LINKERS.iter().filter(|options| takes(options)) {
            let text = built(&dir, profile, &[], linker)
                .unwrap_or_else(|e| panic!("{profile} {linker:?}: {e}"));
            assert_eq!(text, UNUSED, "{profile} {linker:?}");
        }
    }
}

#[test]
fn another_crates_event_can_be_fired() {
    let dir = fixture("link");
    for profile in ["dev", "thin", "fat"] {
        let text = built(&dir, profile, &["--features", "fire"], &[])
            .unwrap_or_else(|e| panic!("{profile}: {e}"));
        assert_eq!(text, format!("seen 2\n{UNUSED}"), "{profile}");
    }
}
