//! `utracefs run` without a daemon: the command, its front and its tracer are real, the daemon is this test, which says what it wants
//! and gets the records.
//!
//! A harness of its own, because the front and the tracer are forks of a process with one thread: this program started again with
//! `--traced FD`. Arguments that are no options choose tests by a part of their names.

mod daemon;
mod jobs;
mod programs;
mod records;
mod switching;
mod wakeups;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("--traced") => return daemon::be_traced(&args[1..]),
        Some("--traced-to") => return daemon::be_traced_to(&args[1..]),
        Some("--program") => return programs::run(&args[1..]),
        _ => {}
    }
    let tests: Vec<Test> = [
        jobs::TESTS,
        records::TESTS,
        switching::TESTS,
        wakeups::TESTS,
    ]
    .concat();
    let words: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|w| name.contains(w.as_str()));
    let chosen: Vec<&Test> = tests.iter().filter(|t| chosen(t.0)).collect();
    if args.iter().any(|a| a == "--list") {
        chosen.iter().for_each(|t| println!("{}: test", t.0));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let mut failed = Vec::new();
    for (name, test) in &chosen {
        let ok = catch_unwind(AssertUnwindSafe(test)).is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        if !ok {
            failed.push(*name);
        }
    }
    println!(
        "\ntest result: {}. {} passed; {} failed",
        if failed.is_empty() { "ok" } else { "FAILED" },
        chosen.len() - failed.len(),
        failed.len()
    );
    failed.iter().for_each(|f| println!("    {f}"));
    ExitCode::from(u8::from(!failed.is_empty()))
}
