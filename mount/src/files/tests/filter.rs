//! `filter` and `error_log`.

use super::*;

const ONE: &str = "events/files_test/one/filter";
const TWO: &str = "events/files_test/two/filter";
const SYSTEM: &str = "events/files_test/filter";

/// The bodies of the lines in `trace`.
fn bodies(local: &Local, path: &str) -> Vec<String> {
    let trace = local.cat(path).unwrap();
    let lines = trace.lines().filter(|l| !l.starts_with('#'));
    lines
        .filter_map(|l| Some(l.split_once(": ")?.1.to_string()))
        .collect()
}

/// `error_log` without its times.
fn errors(local: &Local, path: &str) -> String {
    let text = local.cat(path).unwrap();
    let line = |l: &str| match l.strip_prefix('[').and_then(|l| l.split_once("] ")) {
        Some((time, rest)) => {
            assert!(
                time.len() >= 12 && time.trim().parse::<f64>().is_ok(),
                "{l}"
            );
            format!("{rest}\n")
        }
        None => format!("{l}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn text_and_errors() {
    let (_, local) = local();
    let filter = || local.cat(ONE).unwrap();
    assert_eq!(filter(), "none\n");
    let long = format!("a == 1{}", " ".repeat(4089));
    check_writes(
        &local,
        ONE,
        &[
            ("0", Ok(1)),
            (" 0 \n", Ok(4)),
            (" a == 1 && s ~ \"x*\" \n", Ok(21)),
            ("a == 1\0junk", Ok(11)),
            (&long, Ok(4095)),
        ],
    );
    assert_eq!(filter(), "a == 1\n");
    check_writes(&local, ONE, &[(&format!("{long} "), Err(Errno::EINVAL))]);
    assert_eq!(filter(), "a == 1\n", "too long: nothing changes");
    check_writes(&local, ONE, &[(" a == 1 && s ~ \"x*\" \n", Ok(21))]);
    assert_eq!(filter(), " a == 1 && s ~ \"x*\"\n");
    assert_eq!(local.cat("error_log").unwrap(), "");
    check_writes(
        &local,
        ONE,
        &[
            ("", Err(Errno::EINVAL)),
            ("==1", Err(Errno::EPERM)),
            ("(a==1", Err(Errno::ENOENT)),
            ("s==\"x", Err(Errno::ESRCH)),
            ("nosuch == 1\n", Err(Errno::EINVAL)),
        ],
    );
    assert_eq!(
        filter(),
        "nosuch == 1\n       ^\nparse_error: Field not found\n\n"
    );
    let expected = "\
event filter parse error: error: Error
  Command: \n           ^
event filter parse error: error: Error
  Command: ==1
           ^
event filter parse error: error: Too many '('
  Command: (a==1
           ^
event filter parse error: error: Missing matching quote
  Command: s==\"x
              ^
event filter parse error: error: Field not found
  Command: nosuch == 1
                  ^
";
    assert_eq!(errors(&local, "error_log"), expected);
    local.echo("0", ONE).unwrap();
    assert_eq!(filter(), "none\n");
    let handle = local.open(ONE, READ).unwrap();
    local.read(&handle, 0, 2).unwrap();
    assert_eq!(local.read(&handle, 2, 100).unwrap(), b"", "one-shot");
}

#[test]
fn error_log() {
    let (_, local) = local();
    local.mkdir("instances/log").unwrap();
    let own = "instances/log/error_log";
    for n in 0..10 {
        let text = format!("x{n}==1");
        assert!(
            local
                .echo(&text, "instances/log/events/files_test/one/filter")
                .is_err()
        );
    }
    assert_eq!(
        local.cat("error_log").unwrap(),
        "",
        "each instance has its own"
    );
    let log = errors(&local, own);
    assert_eq!(log.lines().count(), 24, "the last eight");
    assert!(log.contains("Command: x2==1\n") && log.contains("Command: x9==1\n"));
    check_writes(&local, own, &[("x", Ok(1)), ("", Ok(0))]);
    assert_eq!(errors(&local, own), log, "what is written is ignored");
    let truncate = How {
        truncate: true,
        ..READ
    };
    local.open(own, truncate).unwrap();
    assert_eq!(errors(&local, own), log, "not opened for writing");
    local
        .open(
            own,
            How {
                truncate: true,
                ..RW
            },
        )
        .unwrap();
    assert_eq!(local.cat(own).unwrap(), "");
    local.rmdir("instances/log").unwrap();
}

#[test]
fn what_is_kept() {
    let (tracing, local) = local();
    local.mkdir("instances/all").unwrap();
    for enable in [
        "events/files_test/enable",
        "instances/all/events/files_test/enable",
    ] {
        local.echo("1", enable).unwrap();
    }
    let fire = || {
        for (a, s) in [(1, "abc"), (2, "abd"), (3, "xyz")] {
            trace_one(a, s);
        }
    };
    let check = |filter: &str, expected: &[u32]| {
        local.echo(filter, ONE).unwrap();
        tracing.top().clear(None);
        fire();
        let kept: Vec<String> = expected
            .iter()
            .zip(bodies(&local, "trace"))
            .map(|(a, _)| format!("one: a={a} s={}", ["abc", "abd", "xyz"][*a as usize - 1]))
            .collect();
        assert_eq!(bodies(&local, "trace"), kept, "{filter}");
        let stats: u64 = (0..cpu::possible())
            .map(|cpu| {
                let stats = tracing.top().buffer().stats(cpu);
                assert_eq!((stats.overrun, stats.dropped), (0, 0), "not lost");
                stats.entries
            })
            .sum();
        assert_eq!(stats, expected.len() as u64, "{filter}");
    };
    check("0", &[1, 2, 3]);
    check("a == 2", &[2]);
    check("a != 2", &[1, 3]);
    check("s ~ \"ab*\"", &[1, 2]);
    check("s == \"xyz\" || a < 2", &[1, 3]);
    check("a > 3", &[]);
    assert!(local.echo("a >", ONE).is_err());
    tracing.top().clear(None);
    fire();
    assert_eq!(
        bodies(&local, "trace").len(),
        3,
        "refused: none is set any more"
    );
    let all = bodies(&local, "instances/all/trace").len();
    assert_eq!(all, 21, "instances have filters of their own");

    // tasks that have a CPU and a name given
    let last = cpu::possible() - 1;
    let place = utracefs::base::task::Place {
        cpu: Some(last as u32),
        ..Default::default()
    };
    let task = Task::new(80_001, 80_001, "placed").with_place(place);
    local
        .echo(
            &format!("CPU == {last} && COMM == \"placed\" && common_pid == 80001"),
            ONE,
        )
        .unwrap();
    tracing.top().clear(None);
    task.run(fire);
    Task::new(80_002, 80_002, "other").run(fire);
    assert_eq!(bodies(&local, "trace").len(), 3);
    assert_eq!(tracing.top().buffer().stats(last).entries, 3);
    local.rmdir("instances/all").unwrap();
}

#[test]
fn systems() {
    let (_, local) = local();
    let help = local.cat(SYSTEM).unwrap();
    assert!(
        help.starts_with("### global filter ###\n# ") && help.lines().count() == 4,
        "{help}"
    );
    let filters = || [ONE, TWO].map(|f| local.cat(f).unwrap());
    let refused = |text: &str| {
        format!(
            "{text}\n^\nparse_error: Couldn't find or set field in one of a subsystem's events\n\n"
        )
    };
    let check = |text: &str, one: &str, two: &str, entries: usize| {
        local
            .open(
                "error_log",
                How {
                    truncate: true,
                    ..RW
                },
            )
            .unwrap();
        check_writes(&local, SYSTEM, &[(text, Ok(text.len()))]);
        assert_eq!(filters(), [one, two], "{text:?}");
        assert_eq!(local.cat(SYSTEM).unwrap(), help);
        assert_eq!(
            local.cat("error_log").unwrap().lines().count(),
            3 * entries,
            "{text:?}"
        );
    };
    check("a > 1\n", "a > 1\n", "a > 1\n", 0);
    check("s != \"x\"", "s != \"x\"\n", &refused("s != \"x\""), 1);
    assert!(
        errors(&local, "error_log").starts_with(
            "event filter parse error: error: Couldn't find or set field in one of a subsystem's events\n  Command: s != \"x\"\n           ^\n"
        )
    );
    check("b == 1", &refused("b == 1"), &refused("b == 1"), 2);
    check("(", &refused("("), &refused("("), 2);
    check(" ", &refused(""), &refused(""), 2);
    local.echo("a == 7", TWO).unwrap();
    assert_eq!(filters()[1], "a == 7\n", "an event's own comes later");
    check(" 0 ", "none\n", "none\n", 0);
    let long = "x".repeat(4096);
    check_writes(&local, SYSTEM, &[(&long, Err(Errno::EINVAL))]);
    assert_eq!(filters(), ["none\n", "none\n"]);
}

/// Filters are exchanged while other threads fire the event.
#[test]
fn replaced_under_fire() {
    let (tracing, local) = local();
    local.echo("1", "events/files_test/two/enable").unwrap();
    local.echo("a == 1", TWO).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let started = std::sync::Barrier::new(3);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                trace_two(1);
                started.wait();
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    trace_two(1);
                    trace_two(2);
                }
            });
        }
        started.wait();
        for i in 0..300 {
            let text = ["a == 1", "a==1 && COMM!=\"\"", "!(a!=1||a>4)"][i % 3];
            local.echo(text, TWO).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let kept = bodies(&local, "trace");
    assert!(!kept.is_empty());
    let other = kept.iter().find(|b| *b != "two: a=1");
    assert_eq!(other, None);
    drop(tracing);
}
