//! What the compiler says to wrong declarations: each program of the fixture begins with what it must be told.

mod fixture;

use std::fs;
use std::path::Path;

use fixture::{cargo, fixture};

/// `(program, what it must be told)`.
fn programs(dir: &Path) -> Vec<(String, Vec<String>)> {
    let mut programs = vec![];
    for entry in fs::read_dir(dir.join("src/bin"))
        .expect("programs")
        .flatten()
    {
        let text = fs::read_to_string(entry.path()).expect("text");
        let told = text
            .lines()
            .filter_map(|l| l.strip_prefix("//! error: "))
            .map(String::from)
            .collect();
        programs.push((entry.file_name().to_string_lossy().into_owned(), told));
    }
    programs.sort();
    programs
}

#[test]
fn wrong_declarations_are_explained() {
    let dir = fixture("compile-errors");
    let mut check = cargo(
        &dir,
        &[
            "check",
            "--bins",
            "--keep-going",
            "--message-format",
            "short",
        ],
    );
    let output = check.output().expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let programs = programs(&dir);
    assert!(programs.len() > 30, "the programs are there");
    let mut missed = vec![];
    for (program, told) in &programs {
        let start = format!("src/bin/{program}:");
        let said: Vec<&str> = text.lines().filter(|l| l.starts_with(&start)).collect();
        if told.is_empty() && !said.is_empty() {
            missed.push(format!(
                "{program} is right, but was told:\n{}",
                said.join("\n")
            ));
        }
        for error in told {
            if !said
                .iter()
                .any(|l| l.contains(": error") && l.contains(error.as_str()))
            {
                missed.push(format!(
                    "{program} was not told: {error}\nbut:\n{}",
                    said.join("\n")
                ));
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{}\n\nin all:\n{text}",
        missed.join("\n\n")
    );
    assert!(
        programs.iter().any(|(_, told)| told.is_empty()),
        "one is right"
    );
}
