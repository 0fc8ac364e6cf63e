//! What is reported of a command: exactly what it does.

use super::Test;
use super::daemon::{OPENAT, Run, kind, opens, program, words};
use std::collections::HashMap;
use utracefs_mount::run::sees_wakeups;
use utracefs_mount::run::wire::{Record, What};

pub const TESTS: &[Test] = &[
    ("records::opens", the_opens),
    ("records::as_strace", as_strace),
    ("records::every_call", every_call),
    ("records::threads", threads),
    ("records::processes_by_perf", || processes(&[])),
    ("records::processes_by_perf_alone", || {
        processes(&["--no-machine"])
    }),
    ("records::processes_by_ptrace", || {
        processes(&["--contained"])
    }),
    ("records::exec_in_thread", exec_in_thread),
    ("records::names", names),
    ("records::switches", switches),
    ("records::signals", signals),
    ("records::waits", waits),
];

/// The list as a multiset.
fn sorted<T: Ord>(list: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = list.into_iter().collect();
    all.sort();
    all
}

fn in_order(records: &[Record]) {
    let late = records.windows(2).find(|w| w[0].time_ns > w[1].time_ns);
    assert!(late.is_none(), "{late:?}");
}

fn count(records: &[Record], name: &str) -> usize {
    let kind = kind(name);
    records.iter().filter(|r| r.what.kind() == kind).count()
}

fn the_opens() {
    let script = "cat /nonexistent/a; exec cat /nonexistent/b";
    for options in [&["--no-filter"][..], &["--contained"]] {
        let (status, records) = Run::whole(options, &words(&["sh", "-c", script]), OPENAT);
        assert_eq!(status.code(), Some(1));
        in_order(&records);
        let all = opens(&records);
        for path in ["/nonexistent/a", "/nonexistent/b"] {
            assert_eq!(
                all.iter().filter(|o| **o == (path.to_string(), -2)).count(),
                1
            );
        }
        assert!(all.iter().any(|(_, ret)| *ret >= 0));
        for r in &records {
            assert!(r.cpu.is_some() && r.ip.is_some() && r.task.pid > 0, "{r:?}");
            assert_eq!(r.task.pid, r.task.tgid);
        }
    }
    // a path that nobody can read
    let (_, records) = Run::whole(&[], &program(&["steps"]), "enter:257");
    assert!(
        records
            .iter()
            .all(|r| matches!(r.what, What::SysEnter { nr: 257, .. }))
    );
}

/// The openat calls of `strace -f` for the same command.
fn strace(command: &[&str]) -> Option<Vec<(String, i64)>> {
    let out = std::env::temp_dir().join(format!("utracefs-strace-{}", std::process::id()));
    let status = std::process::Command::new("strace")
        .args([
            "-f",
            "-e",
            "trace=openat",
            "-e",
            "signal=none",
            "-s",
            "4096",
            "-o",
        ])
        .arg(&out)
        .args(command)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .ok()?;
    assert!(status.code().is_some());
    let text = std::fs::read_to_string(&out).expect("strace's output");
    std::fs::remove_file(&out).expect("remove");
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut all = Vec::new();
    for line in text.lines() {
        let (pid, rest) = line.split_once(' ').expect("a pid");
        let rest = rest.trim_start();
        let whole = if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, first);
            continue;
        } else if let Some(second) = rest.strip_prefix("<... openat resumed>") {
            format!("{}{second}", begun.remove(pid).expect("its beginning"))
        } else {
            rest.to_string()
        };
        if !whole.starts_with("openat(") {
            continue;
        }
        let path = whole.split('"').nth(1).expect("a path").to_string();
        let (_, result) = whole.rsplit_once(" = ").expect("a result");
        let mut result = result.split(' ');
        let mut ret: i64 = result.next().expect("a word").parse().expect("a number");
        if ret < 0 {
            ret = match result.next().expect("a name") {
                "ENOENT" => -2,
                "EACCES" => -13,
                "ENOTDIR" => -20,
                "ELOOP" => -40,
                "ENXIO" => -6,
                other => panic!("{other}"),
            };
        }
        all.push((path, ret));
    }
    Some(all)
}

fn as_strace() {
    let job = "for i in 1 2 3; do cat /etc/hostname /nonexistent/$i; done | sort | uniq -c & \
               (ls /etc | head -n 3) & for f in /etc/*.conf; do grep -c x $f; done; wait";
    let me = program(&["threads", "4", "50"]);
    let me: Vec<&str> = me.iter().map(String::as_str).collect();
    let commands: [&[&str]; 4] = [
        &["tar", "cf", "/dev/null", "/usr/share/doc"],
        &["sh", "-c", job],
        &me,
        &["find", "/etc", "-name", "*.conf"],
    ];
    for command in commands {
        let Some(theirs) = strace(command) else {
            println!("strace is not installed");
            return;
        };
        assert!(!theirs.is_empty());
        for options in [&["--no-filter"][..], &[], &["--contained"]] {
            let (_, records) = Run::whole(options, &words(command), OPENAT);
            let (ours, theirs) = (sorted(opens(&records)), sorted(theirs.clone()));
            assert_eq!(ours.len(), theirs.len(), "{command:?} {options:?}");
            let differ = ours.iter().zip(&theirs).find(|(a, b)| a != b);
            assert_eq!(differ, None, "{command:?} {options:?}");
        }
    }
}

fn every_call() {
    for options in [&[][..], &["--contained"]] {
        let (status, records) = Run::whole(
            options,
            &words(&["sh", "-c", "cat /dev/null; exit 0"]),
            "raw",
        );
        assert!(status.success());
        in_order(&records);
        let mut inside: HashMap<i32, i64> = HashMap::new();
        let mut last: HashMap<i32, i64> = HashMap::new();
        let mut first = None;
        for r in &records {
            match &r.what {
                What::SysEnter { nr, paths, .. } => {
                    first.get_or_insert(*nr);
                    assert!(paths.is_empty());
                    assert_eq!(inside.insert(r.task.pid, *nr), None, "{r:?}");
                    last.insert(r.task.pid, *nr);
                }
                What::SysExit { nr, .. } => {
                    assert_eq!(inside.remove(&r.task.pid), Some(*nr), "{r:?}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(first, Some(libc::SYS_execve));
        // each task's last call has no end
        assert_eq!(last.len(), 2);
        assert!(
            last.values().all(|nr| *nr == libc::SYS_exit_group),
            "{last:?}"
        );
        assert_eq!(inside.len(), 2);
    }
}

fn threads() {
    for options in [&["--no-filter"][..], &["--contained", "--no-filter"]] {
        let wanted = format!("{OPENAT} Fork Exit NewTask");
        let (status, records) = Run::whole(options, &program(&["threads", "4", "100"]), &wanted);
        assert!(status.success());
        in_order(&records);
        let all = opens(&records);
        let of_threads = all.iter().filter(|o| o.0.starts_with("/nonexistent/"));
        let expected =
            (0..4).flat_map(|t| (0..100).map(move |f| (format!("/nonexistent/{t}/{f}"), -2)));
        assert_eq!(sorted(of_threads.cloned()), sorted(expected));
        assert_eq!(
            (count(&records, "Fork"), count(&records, "NewTask")),
            (4, 4)
        );
        assert_eq!(count(&records, "Exit"), 5);
        let command = records[0].task.tgid;
        for r in &records {
            assert_eq!(r.task.tgid, command, "{r:?}");
            match r.what {
                What::Exit { group_dead, prio } => {
                    let lived = records
                        .iter()
                        .filter(|o| matches!(o.what, What::Exit { .. }) && o.time_ns > r.time_ns);
                    assert_eq!(group_dead, lived.count() == 0, "{r:?}");
                    assert!((100..140).contains(&prio));
                }
                What::NewTask { clone_flags, .. } => {
                    assert_ne!(clone_flags & libc::CLONE_THREAD as u64, 0);
                }
                _ => {}
            }
        }
    }
}

fn processes(options: &[&str]) {
    let script = "/bin/true; (exit 3); /bin/true & wait; exit 5";
    let wanted = "Fork NewTask Exec Exit Rename Free WakeupNew";
    let all = options.is_empty() && sees_wakeups().is_ok();
    let (status, records) = Run::whole(options, &words(&["bash", "-c", script]), wanted);
    assert_eq!(status.code(), Some(5));
    in_order(&records);
    let command = records[0].task.pid;
    let mut born = vec![command];
    let mut execs = Vec::new();
    let mut ended = Vec::new();
    let mut freed = Vec::new();
    for r in &records {
        match &r.what {
            What::Fork { child } => {
                assert_eq!((r.task.pid, child.tgid), (command, child.pid));
                assert_eq!(child.comm, r.task.comm);
                born.push(child.pid);
            }
            What::NewTask {
                pid, clone_flags, ..
            } => {
                // told before or after the fork, by what tells it
                assert!(*pid > 0 && *clone_flags & libc::CLONE_THREAD as u64 == 0);
            }
            What::WakeupNew { who, target_cpu } => {
                assert!(born.contains(&who.pid) && who.prio > 0);
                assert_eq!(*target_cpu >= 0, all, "{r:?}");
            }
            What::Exec { filename, old_pid } => {
                assert_eq!(*old_pid, r.task.pid);
                execs.push(String::from_utf8_lossy(filename).into_owned());
            }
            What::Rename {
                pid,
                oldcomm,
                newcomm,
                ..
            } => {
                assert_eq!(*pid, r.task.pid);
                assert_ne!(oldcomm, newcomm);
            }
            What::Exit { group_dead, .. } => {
                assert!(*group_dead && born.contains(&r.task.pid));
                ended.push(r.task.pid);
            }
            What::Free { who } => {
                assert!(ended.contains(&who.pid));
                freed.push(who.pid);
            }
            other => panic!("{other:?}"),
        }
    }
    let shell = execs.remove(0);
    assert!(shell.ends_with("/bash"), "{shell}");
    assert_eq!(execs, ["/bin/true", "/bin/true"]);
    assert_eq!(born.len(), 4, "{born:?}");
    assert_eq!(sorted(born.clone()), sorted(ended.clone()));
    assert_eq!(
        (count(&records, "NewTask"), count(&records, "WakeupNew")),
        (3, 3)
    );
    // the first exec renames too: from what the process was before
    assert_eq!(count(&records, "Rename"), 3);
    born.remove(0);
    assert!(
        born.iter().all(|pid| freed.contains(pid)),
        "{born:?} {freed:?}"
    );
}

fn exec_in_thread() {
    for options in [&["--no-filter"][..], &["--contained"]] {
        let mut run = Run::start(
            options,
            &program(&["exec-in-thread"]),
            &format!("{OPENAT} Exec Exit Fork"),
        );
        let thread: i32 = run.line().parse().expect("a number");
        assert_eq!(run.end().code(), Some(1));
        let command = run.command;
        assert_ne!(thread, command);
        let execs: Vec<(i32, i32)> = run
            .records
            .iter()
            .filter_map(|r| match r.what {
                What::Exec { old_pid, .. } => Some((r.task.pid, old_pid)),
                _ => None,
            })
            .collect();
        assert_eq!(execs, [(command, command), (command, thread)]);
        let late = opens(&run.records);
        assert!(late.contains(&("/nonexistent/cat".into(), -2)));
        let last = run
            .records
            .iter()
            .rev()
            .find(|r| matches!(r.what, What::Exit { .. }));
        let last = last.expect("an end");
        assert_eq!(last.task.pid, command);
        assert!(matches!(
            last.what,
            What::Exit {
                group_dead: true,
                ..
            }
        ));
        assert_eq!(&last.task.comm[..4], b"cat\0", "{last:?}");
    }
}

fn names() {
    for options in [&[][..], &["--contained"]] {
        let (_, records) = Run::whole(options, &program(&["name", "another"]), "Rename Exit");
        let last = records.iter().rev().find_map(|r| match r.what {
            What::Rename { newcomm, .. } => Some(newcomm),
            _ => None,
        });
        assert_eq!(&last.expect("a name")[..8], b"another\0");
        let end = records.last().expect("an end");
        assert_eq!(&end.task.comm[..8], b"another\0", "{end:?}");
    }
}

fn switches() {
    let mut run = Run::start(&["--contained"], &words(&["true"]), "Switch");
    assert!(
        run.notes.iter().any(|n| n.contains("switches")),
        "{:?}",
        run.notes
    );
    assert!(run.end().success());
    assert!(run.records.is_empty());

    for wanted in ["Switch", "Switch Exit enter:257 exit:257"] {
        let mut run = Run::start(
            &["--no-machine"],
            &words(&["sh", "-c", "sleep 0.05; cat /nonexistent/x"]),
            wanted,
        );
        if !run.notes.iter().all(|n| !n.contains("switches")) {
            println!("perf_event_open is refused here");
            return;
        }
        assert_eq!(run.end().code(), Some(1));
        in_order(&run.records);
        let mut on: HashMap<i32, bool> = HashMap::new();
        let mut slept = 0;
        for r in &run.records {
            let What::Switch {
                prev,
                prev_state,
                next,
                preempt,
            } = &r.what
            else {
                assert!(r.cpu.is_some());
                continue;
            };
            assert!(r.cpu.is_some());
            let (out, tid) = if prev.pid > 0 {
                (true, prev.pid)
            } else {
                (false, next.pid)
            };
            // out and in take turns
            let was_on = on.insert(tid, !out);
            assert!(was_on.is_none_or(|on| on == out), "{r:?}");
            if out {
                assert_eq!((r.task.pid, next.pid), (tid, -1));
                assert!([0x100, 3, 4, 8, 0x10, 0x20].contains(prev_state), "{r:?}");
                assert_eq!(*preempt, *prev_state == 0x100);
                slept += usize::from(*prev_state == 3);
            } else {
                assert_eq!((r.task.pid, prev.pid, *prev_state), (-1, -1, u32::MAX));
            }
        }
        assert!(slept >= 1, "nobody slept");
    }
}

fn signals() {
    let script = "trap : USR1; kill -USR1 $$; kill -0 $$; (kill -TERM $BASHPID); exit 3";
    let wanted = "SignalDeliver SignalGenerate";
    let (status, records) = Run::whole(&[], &words(&["bash", "-c", script]), wanted);
    assert_eq!(status.code(), Some(3));
    let command = records[0].task.pid;
    let told: Vec<(bool, i32, bool, i32)> = records
        .iter()
        .filter_map(|r| match r.what {
            What::SignalGenerate {
                sig,
                pid,
                group,
                code,
                ..
            } if sig != libc::SIGCHLD => {
                assert!(group && code == 0 && pid == r.task.pid, "{r:?}");
                Some((true, sig, pid == command, 0))
            }
            What::SignalDeliver {
                sig,
                sa_handler,
                code: 0,
                ..
            } if sig != libc::SIGCHLD => Some((
                false,
                sig,
                r.task.pid == command,
                i32::from(sa_handler != 0),
            )),
            _ => None,
        })
        .collect();
    let (usr1, term) = (libc::SIGUSR1, libc::SIGTERM);
    let expected = [
        (true, usr1, true, 0),
        (false, usr1, true, 1),
        (true, term, false, 0),
        (false, term, false, 0),
    ];
    assert_eq!(told, expected, "{records:?}");
    // the shell hears of its child
    assert!(records.iter().any(|r| matches!(
        r.what,
        What::SignalGenerate {
            sig: libc::SIGCHLD,
            ..
        }
    )));
}

fn waits() {
    let (_, records) = Run::whole(&[], &words(&["bash", "-c", "/bin/true; exit 0"]), "Wait");
    assert!(!records.is_empty());
    for r in &records {
        assert!(
            matches!(r.what, What::Wait { pid: 0, prio } if prio > 0),
            "{r:?}"
        );
    }
}
