//! The trace of the process workload is an account: who is born ends, who ends is waited for, what is sent is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use utracefs::base::task;
use utracefs::event::syscall::{SyscallEnter, SyscallExit};

use super::jobs::{Jobs, KINDS};
use crate::Manager;
use crate::children::{Counts, Family, Plan, Role, Seen};
use crate::events::signal::{self, Sent};
use crate::events::{sched, syscalls, task as task_events};
use crate::subject::Subject;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Event {
    NewTask {
        pid: i32,
        flags: u64,
    },
    Fork {
        parent: i32,
        child: i32,
    },
    Rename {
        pid: i32,
        old: String,
        new: String,
    },
    Exec {
        pid: i32,
        filename: String,
    },
    Exit {
        pid: i32,
        comm: String,
    },
    Wait {
        waiter: i32,
        pid: i32,
    },
    Free {
        pid: i32,
    },
    Generate {
        pid: i32,
        sig: i32,
        sent: Sent,
    },
    Deliver {
        sig: i32,
        code: i32,
        handler: u64,
    },
    Enter {
        name: &'static str,
        args: Vec<u64>,
        paths: Vec<String>,
    },
    Leave {
        name: &'static str,
        ret: i64,
    },
}

#[derive(Clone, Debug)]
struct Record {
    owner: i32,
    comm: String,
    event: Event,
}

static TRACE: Mutex<Vec<Record>> = Mutex::new(Vec::new());

fn name(comm: [u8; 16]) -> String {
    let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

fn push(event: Event) {
    let current = task::current();
    TRACE.lock().push(Record {
        owner: current.pid(),
        comm: name(current.comm()),
        event,
    });
}

fn on_newtask(_: *const (), task: &dyn Subject, flags: u64, _oom: i16) {
    push(Event::NewTask {
        pid: task.pid(),
        flags,
    });
}

fn on_rename(_: *const (), pid: i32, old: [u8; 16], new: [u8; 16], _oom: i16) {
    push(Event::Rename {
        pid,
        old: name(old),
        new: name(new),
    });
}

fn on_fork(_: *const (), parent: &dyn Subject, child: &dyn Subject) {
    push(Event::Fork {
        parent: parent.pid(),
        child: child.pid(),
    });
}

fn on_exec(_: *const (), task: &dyn Subject, old_pid: i32, filename: &[u8]) {
    assert_eq!(task.pid(), old_pid);
    push(Event::Exec {
        pid: task.pid(),
        filename: String::from_utf8_lossy(filename).into(),
    });
}

fn on_exit(_: *const (), task: &dyn Subject, group_dead: bool) {
    assert!(group_dead && (100..140).contains(&task.prio()));
    push(Event::Exit {
        pid: task.pid(),
        comm: name(task.comm()),
    });
}

fn on_wait(_: *const (), waiter: &dyn Subject, pid: i32) {
    push(Event::Wait {
        waiter: waiter.pid(),
        pid,
    });
}

fn on_free(_: *const (), task: &dyn Subject) {
    push(Event::Free { pid: task.pid() });
}

fn on_generate(
    _: *const (),
    sig: i32,
    errno: i32,
    code: i32,
    task: &dyn Subject,
    group: bool,
    sent: Sent,
) {
    assert_eq!((errno, code, group), (0, libc::SI_USER, true));
    push(Event::Generate {
        pid: task.pid(),
        sig,
        sent,
    });
}

fn on_deliver(_: *const (), sig: i32, errno: i32, code: i32, handler: u64, _flags: u64) {
    assert_eq!(errno, 0);
    push(Event::Deliver { sig, code, handler });
}

fn on_enter(_: *const (), enter: &SyscallEnter<'_>) {
    let paths = enter
        .paths
        .iter()
        .map(|path| String::from_utf8_lossy(path).into());
    push(Event::Enter {
        name: enter.call.name,
        args: enter.args.to_vec(),
        paths: paths.collect(),
    });
}

fn on_leave(_: *const (), exit: &SyscallExit) {
    push(Event::Leave {
        name: exit.call.name,
        ret: exit.ret,
    });
}

macro_rules! probes {
    ($($module:ident :: $event:ident $probe:ident,)*) => {
        fn listen(on: bool) {
            let data = std::ptr::null();
            pastey::paste! { $(
                if on {
                    $module::[<register_trace_ $event>]($probe, data).unwrap();
                } else {
                    $module::[<unregister_trace_ $event>]($probe, data).unwrap();
                }
            )* }
            for call in &syscalls::CALLS {
                let nr = i64::from(call.nr);
                syscalls::TABLE.listen_enter(nr, on_enter, data, on).unwrap();
                syscalls::TABLE.listen_exit(nr, on_leave, data, on).unwrap();
            }
        }
    };
}

probes! {
    task_events::task_newtask on_newtask,
    task_events::task_rename on_rename,
    sched::sched_process_fork on_fork,
    sched::sched_process_exec on_exec,
    sched::sched_process_exit on_exit,
    sched::sched_process_wait on_wait,
    sched::sched_process_free on_free,
    signal::signal_generate on_generate,
    signal::signal_deliver on_deliver,
}

/// The events of `work`.
fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
    let _alone = crate::testing::alone();
    listen(true);
    TRACE.lock().clear();
    let result = work();
    listen(false);
    (result, std::mem::take(&mut *TRACE.lock()))
}

/// What is known of a task from the trace.
#[derive(Default)]
struct Life {
    parent: i32,
    comm: String,
    /// System calls begun and not ended.
    inside: Vec<&'static str>,
    /// Sent and not taken.
    pending: Vec<i32>,
    /// As the last `exit_group` or the signal that kills says.
    status: Option<i32>,
    ended: bool,
}

/// Reads the trace as an account and closes it. `root`: the workload's thread.
fn account(trace: &[Record], root: i32) -> Counts {
    let mut counts = Counts::default();
    let mut lives: BTreeMap<i32, Life> = BTreeMap::new();
    let mut freed = BTreeSet::new();
    lives.insert(
        root,
        Life {
            comm: "process".into(),
            ..Life::default()
        },
    );
    for (i, record) in trace.iter().enumerate() {
        let owner = record.owner;
        let own = lives
            .get_mut(&owner)
            .unwrap_or_else(|| panic!("nobody's: {record:?}"));
        assert!(!own.ended, "after its end: {record:?}");
        let next = trace.get(i + 1).map(|record| &record.event);
        match &record.event {
            Event::NewTask { pid, flags } => {
                assert_eq!(
                    next,
                    Some(&Event::Fork {
                        parent: owner,
                        child: *pid
                    })
                );
                assert_eq!(*flags, 0);
                assert_eq!(own.inside, ["clone"]);
                let comm = own.comm.clone();
                let life = Life {
                    parent: owner,
                    comm,
                    ..Life::default()
                };
                assert!(lives.insert(*pid, life).is_none() && !freed.contains(pid));
                counts.forks += 1;
            }
            Event::Fork { parent, child } => assert_eq!(lives[child].parent, *parent),
            Event::Rename { pid, old, new } => {
                assert_eq!((*pid, old), (owner, &own.comm));
                own.comm.clone_from(new);
                counts.renames += 1;
            }
            Event::Exec { pid, filename } => {
                assert_eq!((*pid, &own.inside[..]), (owner, &["execve"][..]));
                assert!(filename.ends_with(&own.comm), "{record:?}");
                counts.execs += 1;
            }
            Event::Exit { pid, comm } => {
                assert_eq!((*pid, comm), (owner, &own.comm));
                assert!(own.pending.is_empty(), "not taken: {:?}", own.pending);
                assert!(own.status.is_some(), "{record:?}");
                own.ended = true;
                counts.exits += 1;
            }
            Event::Wait { waiter, pid } => {
                assert_eq!((*waiter, &own.inside[..]), (owner, &["wait4"][..]));
                assert!(*pid == 0 || lives[pid].parent == owner);
            }
            Event::Free { pid } => {
                let life = lives.remove(pid).expect("a task");
                assert!(life.ended && life.parent == owner, "{record:?}");
                freed.insert(*pid);
                counts.reaped += 1;
            }
            Event::Generate { pid, sig, sent } => {
                assert_eq!(own.inside, ["kill"]);
                let pending = &mut lives.get_mut(pid).expect("a task").pending;
                assert_eq!(*sent == Sent::AlreadyPending, pending.contains(sig));
                if *sent == Sent::Delivered {
                    pending.push(*sig);
                    counts.sent += 1;
                }
            }
            // Of a child's end: the sending is not reported.
            Event::Deliver { sig, code, handler } if *sig == libc::SIGCHLD => {
                assert_eq!((*code, *handler), (libc::CLD_EXITED, 0));
            }
            Event::Deliver { sig, code, handler } => {
                let at = own.pending.iter().position(|pending| pending == sig);
                own.pending.remove(at.expect("taken without being sent"));
                assert_eq!(*code, libc::SI_USER);
                let expected = match *sig {
                    libc::SIGUSR1 => 2..u64::MAX,
                    libc::SIGUSR2 => 1..2,
                    _ => 0..1,
                };
                assert!(expected.contains(handler), "{record:?}");
                if expected == (0..1) {
                    own.status = Some(*sig);
                }
                counts.delivered += 1;
            }
            Event::Enter { name, args, .. } => {
                own.inside.push(name);
                if *name == "exit_group" {
                    own.status = Some(((args[0] & 0xff) as i32) << 8);
                }
            }
            Event::Leave { name, ret } => {
                // a handler's return is a call inside no other, and a call that a signal interrupts has come back before
                assert_eq!(own.inside.pop(), Some(*name), "{record:?}");
                assert!(own.inside.is_empty());
                if *name == "wait4" && *ret > 0 {
                    assert!(lives[&(*ret as i32)].ended, "{record:?}");
                }
            }
        }
        if !matches!(record.event, Event::Rename { .. }) {
            assert_eq!(record.comm, lives[&owner].comm, "{record:?}");
        }
    }
    let left: Vec<&i32> = lives.keys().collect();
    assert_eq!(left, [&root], "not waited for");
    assert!(lives[&root].inside.is_empty());
    counts
}

fn gettid() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

fn names_itself() {
    // SAFETY: a name with its NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"process".as_ptr()) };
    task::current().refresh_comm();
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A thread of its own, since it will stay on one CPU.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).unwrap_or_else(|panic| {
        std::panic::resume_unwind(panic);
    })
}

#[test]
fn every_job_comes_to_what_it_expects() {
    let ((counts, root), trace) = recorded(|| {
        let files = open_files();
        let result = on_a_thread(|| {
            names_itself();
            let (mut jobs, mut family) = (Jobs::new().unwrap(), Family::new());
            for op in 0..KINDS * 3 {
                jobs.run(op, &mut family)
                    .unwrap_or_else(|error| panic!("job {op}: {error}"));
            }
            (family.counts(), gettid())
        });
        assert_eq!(open_files(), files);
        result
    });
    let seen = account(&trace, root);
    assert_eq!(seen, counts);
    assert_eq!(
        (counts.forks, counts.sent),
        (counts.exits, counts.delivered)
    );
    assert_eq!(counts.forks, counts.reaped);
    assert!(counts.forks > KINDS * 3 && counts.sent >= 12, "{counts:?}");
}

/// What each task did by itself, in the order of birth, without numbers: the same on every run.
fn biographies(trace: &[Record]) -> Vec<Vec<String>> {
    let mut born: Vec<i32> = Vec::new();
    let mut lives: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for record in trace {
        let said = match &record.event {
            Event::NewTask { pid, .. } => {
                born.push(*pid);
                continue;
            }
            Event::Rename { old, new, .. } => format!("{old} -> {new}"),
            Event::Exec { filename, .. } => format!("runs {filename}"),
            Event::Exit { comm, .. } => format!("{comm} ends"),
            Event::Deliver { sig, .. } if *sig != libc::SIGCHLD => format!("takes {sig}"),
            Event::Enter { name, paths, .. } if record.comm == "process" && *name != "futex" => {
                format!("{name} {paths:?}")
            }
            _ => continue,
        };
        lives.entry(record.owner).or_default().push(said);
    }
    let mut life = |pid| lives.remove(&pid).unwrap_or_default();
    born.into_iter().map(&mut life).collect()
}

/// The trace of a run of the manager's, and the number of the thread that did it.
fn run(ops: u64) -> (Vec<Record>, i32) {
    let (done, trace) = recorded(|| {
        let manager = Manager::new();
        manager.run("process", ops, None).unwrap();
        let list = manager.list();
        list.iter()
            .find(|status| status.name == "process")
            .unwrap()
            .ops
    });
    assert_eq!(done, ops);
    let root = trace.first().map_or(0, |record| record.owner);
    (trace, root)
}

#[test]
fn runs_are_exact_and_repeatable() {
    assert!(run(0).0.is_empty());
    let (first, root) = run(KINDS + 3);
    let counts = account(&first, root);
    assert_eq!(
        (counts.forks, counts.sent),
        (counts.exits, counts.delivered)
    );
    let (second, root) = run(KINDS + 3);
    assert_eq!(account(&second, root), counts);
    assert_eq!(biographies(&first), biographies(&second));
    let (more, _) = run(KINDS + 4);
    let (first, more) = (biographies(&first), biographies(&more));
    assert!(first.len() < more.len());
    assert_eq!(first, more[..first.len()]);
}

#[test]
fn programs_and_failures_are_seen() {
    let (trace, _) = run(2);
    let there = |what: &dyn Fn(&Event) -> bool| trace.iter().any(|record| what(&record.event));
    assert!(there(
        &|event| matches!(event, Event::Leave { name: "execve", ret } if *ret == -i64::from(libc::ENOENT))
    ));
    assert!(there(
        &|event| matches!(event, Event::Enter { name: "execve", paths, .. }
        if paths == &["/usr/local/bin/utracefs-no-such-program"])
    ));
    if fs::metadata("/bin/true").is_ok() {
        assert!(there(&|event| matches!(
            event,
            Event::Leave {
                name: "execve",
                ret: 0
            }
        )));
        assert!(there(
            &|event| matches!(event, Event::Exec { filename, .. } if filename.ends_with("/true"))
        ));
        assert!(there(
            &|event| matches!(event, Event::Rename { old, new, .. } if (&old[..], &new[..]) == ("process", "true"))
        ));
    }
}

#[test]
fn stopped_under_load_nothing_is_left() {
    let (ops, trace) = recorded(|| {
        let files = open_files();
        let manager = Manager::new();
        for round in 0..6 {
            manager.start("process", Some(1e6)).unwrap();
            let done = || manager.list().iter().map(|status| status.ops).sum::<u64>();
            let (begin, wanted) = (Instant::now(), done() + round);
            while done() < wanted && begin.elapsed() < Duration::from_secs(20) {
                std::thread::yield_now();
            }
            manager.stop("process").unwrap();
        }
        assert_eq!(open_files(), files);
        // SAFETY: no pointers but null.
        let child = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
        assert_eq!(child, -1, "a child is left");
        manager.list().iter().map(|status| status.ops).sum::<u64>()
    });
    assert!(ops >= 15);
    let mut roots: Vec<i32> = Vec::new();
    for record in &trace {
        let root = record.comm == "process"
            && matches!(
                record.event,
                Event::Enter {
                    name: "clone" | "futex" | "pipe2",
                    ..
                }
            );
        if root && !roots.contains(&record.owner) && is_thread(record.owner, &trace) {
            roots.push(record.owner);
        }
    }
    assert!(!roots.is_empty());
    let born: BTreeSet<i32> = trace
        .iter()
        .filter_map(|record| match record.event {
            Event::NewTask { pid, .. } => Some(pid),
            _ => None,
        })
        .collect();
    for record in &trace {
        assert!(
            born.contains(&record.owner) || roots.contains(&record.owner),
            "{record:?}"
        );
    }
    // one activity after the other: each is an account of its own
    let mut rest = &trace[..];
    for (i, root) in roots.iter().enumerate() {
        let end = roots
            .get(i + 1)
            .and_then(|next| rest.iter().position(|r| r.owner == *next));
        let (own, others) = rest.split_at(end.unwrap_or(rest.len()));
        let counts = account(own, *root);
        assert_eq!((counts.forks, counts.forks), (counts.exits, counts.reaped));
        rest = others;
    }
}

/// Whether it is nobody's child.
fn is_thread(pid: i32, trace: &[Record]) -> bool {
    !trace
        .iter()
        .any(|record| matches!(record.event, Event::NewTask { pid: born, .. } if born == pid))
}

#[test]
fn nobody_outlives_the_family() {
    let _alone = crate::testing::alone();
    let pids = on_a_thread(|| {
        let null = fs::File::open("/dev/null").unwrap();
        let plan = |role| Plan {
            role,
            stdin: null.as_raw_fd(),
            stdout: null.as_raw_fd(),
        };
        let mut family = Family::new();
        let sleeper = family.fork(&plan(Role::Handler(1))).unwrap();
        let busy = family.fork(&plan(Role::Parent(3))).unwrap();
        family
            .until(|seen| matches!(seen, Seen::Enters { pid, .. } if pid == sleeper))
            .unwrap();
        [sleeper, busy]
    });
    for pid in pids {
        // SAFETY: no signal is sent.
        assert_eq!(unsafe { libc::kill(pid, 0) }, -1, "{pid} is there");
    }
}

#[test]
fn a_child_that_somebody_else_kills_is_got_over() {
    let (counts, trace) = recorded(|| {
        on_a_thread(|| {
            names_itself();
            let null = fs::File::open("/dev/null").unwrap();
            let plan = Plan {
                role: Role::Handler(1),
                stdin: null.as_raw_fd(),
                stdout: null.as_raw_fd(),
            };
            let mut family = Family::new();
            for _ in 0..3 {
                let pid = family.fork(&plan).unwrap();
                family
                    .until(|seen| matches!(seen, Seen::Enters { nr, .. } if nr == libc::SYS_ppoll))
                    .unwrap();
                // SAFETY: a child of ours.
                unsafe { libc::kill(pid, libc::SIGKILL) };
                assert_eq!(family.finish(pid).unwrap(), libc::SIGKILL);
            }
            family.counts()
        })
    });
    assert_eq!(
        (counts.forks, counts.exits, counts.reaped, counts.sent),
        (3, 3, 3, 0)
    );
    let exits = trace
        .iter()
        .filter(|record| matches!(record.event, Event::Exit { .. }));
    assert_eq!(exits.count(), 3);
}
