//! Events that go on and off while the command runs.

use super::Test;
use super::daemon::{OPENAT, Run, opens, program, status_line, words};
use std::os::unix::process::ExitStatusExt;
use utracefs_mount::run::wire::{Record, What};

pub const TESTS: &[Test] = &[
    ("switching::on_and_off", on_and_off),
    ("switching::a_tree", a_tree),
    ("switching::perf_late", perf_late),
    ("switching::storm", storm),
    ("switching::filter", filter),
    ("switching::filter_stays", filter_stays),
    ("switching::debugged", debugged),
];

fn on_and_off() {
    let mut run = Run::start(&[], &program(&["steps"]), "");
    for round in 0..20 {
        // nothing on: nothing seen, nothing attached, once it was let go at its next call
        run.put("/nonexistent/before");
        let answer = run.line();
        assert!(answer.starts_with("no"), "{answer}");
        if round == 0 {
            assert_eq!(answer, "no free");
        }
        assert_eq!(run.want(OPENAT), []);
        // from the answer to the flush on, everything is seen
        run.put("/nonexistent/on");
        assert_eq!(run.line(), "no traced");
        let seen = opens(&run.want(""));
        let ours = seen.iter().filter(|o| o.0.starts_with("/nonexistent"));
        let ours: Vec<_> = ours.cloned().collect();
        assert_eq!(ours, [("/nonexistent/on".to_string(), -2)], "round {round}");
        run.put("/nonexistent/off");
        run.line();
        run.put("/dev/null");
        assert_eq!(run.line(), "yes free");
        assert_eq!(run.flush(), []);
    }
    drop(run.stdin.take());
    assert!(run.end().success());
}

fn a_tree() {
    // processes that exist already, with children and threads, one of them an orphan
    let script = "(cat & cat & wait) & (setsid sh -c 'echo $$; exec sleep 1000' &) ; cat /dev/null; read x; cat /nonexistent/$x";
    let is_called = |pid: i32, name: &str| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    };
    let mut run = Run::start(&[], &words(&["sh", "-c", script]), "");
    let orphan: i32 = run.line().parse().expect("a number");
    super::daemon::wait_until("the orphan is the tracer's", || {
        status_line(orphan, "PPid") == run.tracer_pid().to_string() && is_called(orphan, "sleep")
    });
    // the tree may still be growing: cat comes to be, and its parents get SIGCHLD; nothing else happens
    let grows = |what: &What| match what {
        What::SignalDeliver { sig, .. } => *sig == libc::SIGCHLD,
        What::Exec { filename, .. } => filename.ends_with(b"/cat"),
        _ => false,
    };
    let quiet = |records: Vec<Record>| {
        let others = records.into_iter().filter(|r| !grows(&r.what));
        assert_eq!(others.collect::<Vec<_>>(), []);
    };
    quiet(run.want("Exec SignalDeliver"));
    assert_eq!(
        status_line(orphan, "TracerPid"),
        run.tracer_pid().to_string()
    );
    quiet(run.want(OPENAT));
    run.put("x");
    drop(run.stdin.take());
    let _ = run.child.wait().expect("a status");
    let orphan = nix::unistd::Pid::from_raw(orphan);
    nix::sys::signal::kill(orphan, nix::sys::signal::Signal::SIGKILL).expect("kill");
    run.end();
    assert!(opens(&run.records).contains(&("/nonexistent/x".into(), -2)));
}

fn perf_late() {
    let script = "read x; true & wait; (exit 1); echo done; read x; /bin/true; exit 6";
    let mut run = Run::start(&[], &words(&["bash", "-c", script]), "");
    assert_eq!(run.want("Fork Exit"), []);
    run.put("x");
    assert_eq!(run.line(), "done");
    // what happened before the question is in the answer
    let kinds = |records: &[super::daemon::Told]| -> Vec<String> {
        records
            .iter()
            .map(|r| format!("{:?}", r.what.kind()))
            .collect()
    };
    // switches may be seen between the wish and the question
    let mut before = kinds(&run.want("Fork Exit Switch"));
    before.retain(|k| k != "Switch");
    assert_eq!(before, ["Fork", "Exit", "Fork", "Exit"]);
    run.put("x");
    assert_eq!(run.end().code(), Some(6));
    let all = kinds(&run.records);
    assert_eq!(all.iter().filter(|k| *k == "Fork").count(), 1);
    assert_eq!(all.iter().filter(|k| *k == "Exit").count(), 2);
    assert!(
        all.iter().filter(|k| *k == "Switch").count() > 2
            || !run.notes.iter().all(|n| !n.contains("switches"))
    );
}

fn storm() {
    // forks all the while; the command must not notice
    let script =
        "i=0; while [ $i -lt 300 ]; do (exit 0) || exit 1; i=$((i+1)); done; echo $i; exit 8";
    for options in [&[][..], &["--contained"]] {
        let mut run = Run::start(options, &words(&["sh", "-c", script]), "");
        for wanted in ["raw", "", "Fork Exit Free", OPENAT, "Exec", ""]
            .iter()
            .cycle()
            .take(60)
        {
            run.want(wanted);
        }
        assert_eq!(run.rest(), "300\n");
        assert_eq!(run.end().code(), Some(8));
    }
}

fn filter() {
    let expected: Vec<(String, i64)> = (0..50)
        .map(|i| (format!("/nonexistent/{}", i * 100 + 99), -2))
        .collect();
    for (options, wanted, filtered) in [
        (&[][..], OPENAT, true),
        (&["--contained"], OPENAT, true),
        (&["--no-filter"], OPENAT, false),
        (&[], "raw", false),
    ] {
        let mut run = Run::start(options, &program(&["calls", "5000", "100"]), wanted);
        let said = run.rest();
        assert!(run.end().success());
        let before = if options.contains(&"--contained") || filtered {
            "Seccomp: 2"
        } else {
            "Seccomp: 0"
        };
        assert_eq!(said.trim_end(), before, "{options:?} {wanted}");
        if wanted == OPENAT {
            let all = opens(&run.records);
            let ours = all.iter().filter(|o| o.0.starts_with("/nonexistent"));
            assert_eq!(ours.cloned().collect::<Vec<_>>(), expected);
            assert_eq!(all.iter().filter(|o| o.0 == "/proc/self/stat").count(), 50);
        }
    }
}

fn filter_stays() {
    let mut run = Run::start(&[], &program(&["steps"]), OPENAT);
    for _ in 0..100 {
        run.put("/nonexistent/x");
        assert_eq!(run.line(), "no traced");
    }
    assert_eq!(status_line(run.command, "Seccomp"), "2");
    run.flush();
    for wanted in [
        "enter:0 exit:0",
        OPENAT,
        "raw",
        "",
        OPENAT,
        "enter:0 exit:0",
        "Exec",
    ] {
        run.want(wanted);
        for _ in 0..100 {
            run.put("/nonexistent/y");
            assert_eq!(run.line(), "no traced");
        }
        let seen = run.want("");
        let numbers = |number: i64| {
            let of = |r: &&super::daemon::Told| matches!(r.what, What::SysEnter { nr, .. } if nr == number);
            seen.iter().filter(of).count()
        };
        match wanted {
            OPENAT => {
                let ours = opens(&seen).into_iter().filter(|o| o.0 == "/nonexistent/y");
                assert_eq!(ours.count(), 100);
                assert_eq!(numbers(libc::SYS_read), 0);
            }
            "" | "Exec" => assert_eq!(seen, []),
            "raw" => assert!(numbers(libc::SYS_read) >= 100 && numbers(libc::SYS_openat) >= 200),
            _ => {
                // one for the line, some for /proc
                assert!(
                    numbers(libc::SYS_read) >= 200,
                    "{}",
                    numbers(libc::SYS_read)
                );
                assert_eq!(numbers(libc::SYS_openat), 0);
            }
        }
    }
    // what cannot go on without its tracer ends with it
    let tracer = nix::unistd::Pid::from_raw(run.tracer_pid());
    nix::sys::signal::kill(tracer, nix::sys::signal::Signal::SIGKILL).expect("kill");
    run.hang_up();
    assert_eq!(run.end().signal(), Some(libc::SIGKILL));
}

fn debugged() {
    let inner = words(&[
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "sh",
        "-c",
        "cat /dev/null; exit 7",
    ]);
    if std::process::Command::new("strace")
        .arg("-V")
        .output()
        .is_err()
    {
        println!("strace is not installed");
        return;
    }
    for wanted in ["", OPENAT, "Exec"] {
        let options = &["--no-filter", "--detach-debugged"];
        let (status, _) = Run::whole(options, &inner, wanted);
        assert_eq!(status.code(), Some(7), "{wanted}");
    }
    // without the option it cannot work
    let (status, _) = Run::whole(&["--no-filter"], &inner, OPENAT);
    assert_eq!(status.code(), Some(1));
}
