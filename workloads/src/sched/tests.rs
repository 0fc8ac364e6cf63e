//! The trace of the sched workload, checked event by event.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::jobs::KINDS;
use crate::Manager;
use crate::events::flags::{HARDIRQ, IRQS_OFF, NEED_RESCHED, PREEMPT_RESCHED, SOFTIRQ};
use crate::figures::SCHED;
use crate::machine::state;
use crate::testing::WAITS;
use crate::testing::sched::{Event, Record, recorded};

/// Numbers of events that a trace must have in common with every other of the same operations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Counts {
    forks: usize,
    execs: BTreeMap<String, usize>,
    exits: usize,
    waits: usize,
}

/// What the trace has said of a task so far.
#[derive(Default)]
struct Life {
    cpu: u32,
    /// The first task of its session, which gets the children of those who end.
    init: i32,
    children: Vec<i32>,
    waited: usize,
    /// The last wait, until its end is seen.
    waiting: Option<i32>,
    waking: bool,
    /// The program that it is about to go on as.
    execs: Option<String>,
    asleep: bool,
    runnable: bool,
    exited: bool,
    gone: bool,
}

/// Follows a trace from a machine's start to its end and panics at the first event that cannot have happened there.
#[derive(Default)]
struct Follower {
    running: HashMap<u32, i32>,
    tasks: HashMap<i32, Life>,
    counts: Counts,
    /// Events seen in each context, for a look at their variety.
    preempted: usize,
    migrated: usize,
}

impl Follower {
    fn task(&mut self, pid: i32) -> &mut Life {
        self.tasks
            .get_mut(&pid)
            .unwrap_or_else(|| panic!("{pid} was never forked"))
    }

    fn follow(&mut self, r: &Record) {
        let running = *self.running.entry(r.cpu).or_default();
        let by_idle_task =
            matches!(r.event, Event::Fork { .. } | Event::WakeupNew { .. }) && r.owner == 0;
        assert!(
            r.owner == running || by_idle_task,
            "an event of {} while {running} ran: {r:?}",
            r.owner
        );
        self.check_context(r);
        match r.event.clone() {
            Event::Switch {
                prev,
                next,
                prev_state,
            } => self.switch(r, prev, next, prev_state),
            Event::Waking { pid, target } => {
                let task = self.task(pid);
                assert!(!task.waking && !task.exited, "{r:?}");
                assert_eq!(task.cpu, target, "{r:?}");
                task.waking = true;
            }
            Event::Wakeup { pid, target } => {
                // Who does not sleep was caught on the way to it, where it may have been preempted.
                let on_cpu = self.running.values().any(|running| *running == pid);
                let task = self.task(pid);
                assert!(task.asleep != (on_cpu || task.runnable), "{r:?}");
                assert!(
                    std::mem::take(&mut task.waking),
                    "no sched_waking before {r:?}"
                );
                assert_eq!(task.cpu, target, "{r:?}");
                if std::mem::take(&mut task.asleep) {
                    task.runnable = true;
                }
            }
            Event::WakeupNew { pid, target } => {
                let task = self.task(pid);
                assert!(!task.runnable && !task.asleep, "{r:?}");
                (task.runnable, task.cpu) = (true, target);
            }
            Event::Migrate { pid, orig, dest } => {
                assert!(
                    !self.running.values().any(|running| *running == pid)
                        || self.tasks[&pid].waking,
                    "{r:?}"
                );
                let task = self.task(pid);
                assert_ne!(orig, dest);
                assert_eq!(std::mem::replace(&mut task.cpu, dest), orig, "{r:?}");
                self.migrated += 1;
            }
            Event::Fork { parent, child } => {
                assert_eq!(parent, r.owner);
                assert!(child > 1 << 22 && child < 1 << 30, "{r:?}");
                assert!(
                    self.tasks.insert(child, Life::default()).is_none(),
                    "a pid used again: {r:?}"
                );
                self.task(child).init = child;
                if parent != 0 {
                    self.wait_has_ended(parent);
                    self.task(parent).children.push(child);
                    self.task(child).init = self.task(parent).init;
                }
                self.counts.forks += 1;
            }
            Event::PrepareExec {
                pid,
                filename,
                comm,
            } => {
                assert_eq!((pid, &comm), (r.owner, &r.comm), "{r:?}");
                assert!(self.task(pid).execs.replace(filename).is_none(), "{r:?}");
            }
            Event::Runtime { pid, ns } => {
                assert_eq!(pid, r.owner, "{r:?}");
                assert!(pid != 0 && ns > 0, "{r:?}");
            }
            Event::WakeIdle { cpu } => assert_ne!(cpu, r.cpu as i32, "{r:?}"),
            Event::Exec { pid, filename } => {
                assert_eq!(pid, r.owner);
                assert_eq!(self.task(pid).execs.take(), Some(filename.clone()));
                self.wait_has_ended(pid);
                assert_eq!(filename.rsplit('/').next(), Some(r.comm.as_str()), "{r:?}");
                *self.counts.execs.entry(filename).or_default() += 1;
            }
            Event::Exit { pid, .. } => {
                assert_eq!(pid, r.owner);
                self.counts.exits += 1;
                let task = self.task(pid);
                assert!(!std::mem::replace(&mut task.exited, true), "{r:?}");
                let (init, orphans) = (task.init, std::mem::take(&mut task.children));
                self.task(init).children.extend(orphans);
            }
            Event::Wait { waiter, pid } => {
                assert_eq!(waiter, r.owner);
                self.wait_has_ended(waiter);
                let task = self.task(waiter);
                assert!(
                    task.waited < task.children.len(),
                    "no child to wait for: {r:?}"
                );
                assert!(pid == 0 || task.children.contains(&pid), "{r:?}");
                task.waited += 1;
                task.waiting = Some(pid);
                self.counts.waits += 1;
            }
        }
    }

    /// A task does something after it has waited: a child that it may have waited for has ended.
    fn wait_has_ended(&mut self, pid: i32) {
        let task = self.task(pid);
        let (waited, waiting, children) = (task.waited, task.waiting.take(), task.children.clone());
        let exited = children
            .iter()
            .filter(|child| self.tasks[child].exited)
            .count();
        assert!(
            exited >= waited,
            "{pid} has waited for more children than have ended"
        );
        if let Some(child @ 1..) = waiting {
            assert!(
                self.tasks[&child].exited,
                "{pid} has waited for {child}, which goes on"
            );
        }
    }

    fn switch(&mut self, r: &Record, prev: i32, next: i32, prev_state: u32) {
        assert_eq!(prev, r.owner, "{r:?}");
        assert_ne!(prev, next, "{r:?}");
        self.running.insert(r.cpu, next);
        if prev == 0 {
            assert_eq!(prev_state, state::RUNNING);
        } else {
            let task = self.task(prev);
            match prev_state {
                state::RUNNING | state::REPORT_PREEMPTED => {
                    assert!(!task.exited, "{r:?}");
                    task.runnable = true;
                }
                state::INTERRUPTIBLE | state::UNINTERRUPTIBLE => {
                    assert!(!task.exited, "{r:?}");
                    task.asleep = true;
                }
                state::EXIT_ZOMBIE | state::EXIT_DEAD => {
                    assert!(
                        task.exited && !std::mem::replace(&mut task.gone, true),
                        "{r:?}"
                    );
                }
                _ => panic!("prev_state {prev_state:#x}: {r:?}"),
            }
            self.preempted += usize::from(prev_state == state::REPORT_PREEMPTED);
        }
        if next != 0 {
            let task = self.task(next);
            assert!(
                std::mem::take(&mut task.runnable) && !task.asleep && !task.gone,
                "{r:?}"
            );
            assert_eq!(task.cpu, r.cpu, "{r:?}");
        }
    }

    /// Flags as the kernel has them in the same place.
    fn check_context(&self, r: &Record) {
        let n = NEED_RESCHED | PREEMPT_RESCHED;
        let idle = u8::from(r.owner == 0);
        let interrupt = r.flags & (HARDIRQ | SOFTIRQ);
        let depths: &[u8] = match r.event {
            Event::Switch { .. } => {
                assert_eq!((r.flags, r.depth), (IRQS_OFF, 2), "{r:?}");
                return;
            }
            Event::Fork { .. }
            | Event::Exec { .. }
            | Event::PrepareExec { .. }
            | Event::Exit { .. }
            | Event::Wait { .. } => {
                assert_eq!((r.flags, r.depth), (0, 0), "{r:?}");
                return;
            }
            Event::Runtime { .. } if interrupt != 0 => &[1],
            Event::Runtime { .. } => &[2],
            Event::WakeIdle { .. } => &[2, 3, 4, 5],
            Event::Waking { .. } if interrupt != 0 => &[2],
            Event::Waking { .. } => &[3, 4, 5],
            Event::Wakeup { .. } if interrupt != 0 => &[1, 3],
            Event::Wakeup { .. } => &[4, 5, 6],
            Event::WakeupNew { .. } => &[2],
            Event::Migrate { .. } if interrupt == SOFTIRQ => &[1],
            Event::Migrate { .. } => &[2, 3, 4, 5],
        };
        assert!(depths.contains(&(r.depth - idle)), "{r:?}");
        assert_eq!(r.flags & !(HARDIRQ | SOFTIRQ | n), IRQS_OFF, "{r:?}");
        assert!(r.flags & n == 0 || r.flags & n == n, "{r:?}");
    }

    fn end(self) -> Counts {
        assert!(
            self.running.values().all(|running| *running == 0),
            "a CPU is not idle: {:?}",
            self.running
        );
        for (pid, task) in &self.tasks {
            assert!(
                task.exited && task.gone && !task.waking,
                "{pid} is not at its end"
            );
        }
        assert_eq!(self.counts.forks, self.counts.exits);
        self.counts
    }
}

fn follow(trace: &[Record]) -> Counts {
    let mut follower = Follower::default();
    for record in trace {
        follower.follow(record);
    }
    follower.end()
}

/// What `ops` operations must leave in a trace; init itself is forked and ends.
fn expected(ops: usize) -> Counts {
    let per_kind: [(usize, usize, &[&str]); KINDS as usize] = [
        (
            5,
            5,
            &[
                "/usr/bin/make",
                "/usr/libexec/cc1",
                "/usr/libexec/cc1",
                "/usr/libexec/cc1",
                "/usr/bin/ld",
            ],
        ),
        (
            4,
            4,
            &["/bin/sh", "/usr/bin/cat", "/usr/bin/grep", "/usr/bin/sort"],
        ),
        (3, 1, &["/usr/sbin/httpd"]),
        (3, 3, &["/usr/bin/mpv", "/usr/bin/gzip", "/usr/bin/gzip"]),
    ];
    let mut counts = Counts {
        forks: 1,
        exits: 1,
        ..Counts::default()
    };
    for op in 0..ops {
        let (forks, waits, execs) = per_kind[op % KINDS as usize];
        counts.forks += forks;
        counts.exits += forks;
        counts.waits += waits;
        for name in execs {
            *counts.execs.entry(name.to_string()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn a_run_is_exact_and_every_event_possible() {
    for ops in [1, 7, 100] {
        let ((), trace) = recorded(|| Manager::new().run("sched", ops, None).unwrap());
        assert_eq!(follow(&trace), expected(ops as usize), "{ops} operations");
    }
}

#[test]
fn no_operations_are_just_init() {
    let ((), trace) = recorded(|| Manager::new().run("sched", 0, None).unwrap());
    assert_eq!(follow(&trace), expected(0));
}

#[test]
fn jobs_repeat() {
    // In the order of their pids: the same jobs, whatever came between.
    let jobs = || {
        let ((), trace) = recorded(|| Manager::new().run("sched", 12, None).unwrap());
        let mut execs: Vec<(i32, String)> = Vec::new();
        let mut first = HashMap::new();
        for record in &trace {
            if let Event::Exec { pid, filename } = &record.event
                && first.insert(*pid, ()).is_none()
            {
                execs.push((*pid, filename.clone()));
            }
        }
        let init = trace.iter().find_map(|r| match r.event {
            Event::Fork { parent: 0, child } => Some(child),
            _ => None,
        });
        let of_init = |pid: i32| {
            trace.iter().any(|r| matches!(r.event, Event::Fork { parent, child } if Some(parent) == init && child == pid))
        };
        execs.retain(|(pid, _)| of_init(*pid));
        execs.sort();
        execs.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    let names = jobs();
    assert_eq!(names.len(), 12);
    assert_eq!(names, jobs());
}

#[test]
fn stopping_under_load_ends_every_task() {
    let mut stops = Vec::new();
    for jobs in [0, 0, 1, 2, 5, 20] {
        let (took, trace) = recorded(|| {
            let manager = Manager::new();
            manager.start("sched", Some(5000.0)).unwrap();
            while manager.list()[0].ops < jobs {
                std::thread::sleep(Duration::from_millis(1));
            }
            let begin = Instant::now();
            manager.stop("sched").unwrap();
            begin.elapsed()
        });
        let counts = follow(&trace);
        assert!(counts.forks as u64 > jobs * 3, "{counts:?}");
        stops.push(took);
    }
    stops.sort();
    // The machine that runs this may be busy with something else for a while, but not every time.
    assert!(stops[2] < Duration::from_millis(100), "{stops:?}");
}

#[test]
fn runs_beside_the_background_share_the_machine() {
    let (ops, trace) = recorded(|| {
        let manager = Manager::new();
        manager.start("sched", Some(200.0)).unwrap();
        let runs = [0, 1].map(|_| manager.begin("sched", 20, None).unwrap());
        for run in runs {
            run.wait().unwrap();
        }
        manager.stop("sched").unwrap();
        manager
            .list()
            .iter()
            .find(|status| status.name == "sched")
            .unwrap()
            .ops
    });
    let counts = follow(&trace);
    assert!(ops >= 40);
    // Jobs under way when the background was stopped have not been counted.
    assert!(
        counts.forks as u64 >= expected(40).forks as u64,
        "{counts:?}"
    );
}

/// What tools make of the events: each task's waits, from the event that made it wait for a CPU to the one that gave it one.
fn waits(trace: &[Record]) -> Vec<(i32, u64)> {
    let mut since: HashMap<i32, u64> = HashMap::new();
    let mut waits = Vec::new();
    for r in trace {
        match r.event {
            Event::Wakeup { pid, .. } | Event::WakeupNew { pid, .. } => {
                since.insert(pid, r.at);
            }
            Event::Switch {
                prev,
                next,
                prev_state,
            } => {
                if next != 0 {
                    let since = since.remove(&next).expect("it was woken or taken off");
                    waits.push((next, r.at - since));
                }
                if prev != 0 && matches!(prev_state, state::RUNNING | state::REPORT_PREEMPTED) {
                    since.insert(prev, r.at);
                }
            }
            _ => {}
        }
    }
    waits
}

#[test]
fn figures_from_the_events_are_the_schedulers_own() {
    let figures = || {
        let sched = &SCHED;
        [
            sched.waits.get(),
            sched.run_delay_ns.get(),
            sched.runtime_ns.get(),
        ]
    };
    let ([count, delay, runtime], trace) = recorded(|| {
        let before = figures();
        WAITS.lock().clear();
        Manager::new().run("sched", 60, None).unwrap();
        let after = figures();
        std::array::from_fn(|i| after[i] - before[i])
    });
    // By task and, for each, in the order of their happening.
    let (mut own, mut told) = (std::mem::take(&mut *WAITS.lock()), waits(&trace));
    assert_eq!((own.len() as u64, told.len() as u64), (count, count));
    assert_eq!(own.iter().map(|(_, ns)| ns).sum::<u64>(), delay);
    own.sort_by_key(|(pid, _)| *pid);
    told.sort_by_key(|(pid, _)| *pid);
    let mut errors = Vec::new();
    for ((pid, own), (same, told)) in own.iter().zip(&told) {
        assert_eq!(pid, same);
        errors.push(own.abs_diff(*told));
    }
    // The stamps are taken a little after the scheduler's own; what else runs on the host comes between now and then.
    errors.sort_unstable();
    let typical = errors[errors.len() / 2];
    let nearly_all = errors[errors.len() * 9 / 10];
    println!(
        "{count} waits, {delay} ns in all; stamps differ by {typical} ns, nearly all by {nearly_all} at most"
    );
    assert!(nearly_all < 50_000, "{errors:?}");
    let ran = trace.iter().map(|r| match r.event {
        Event::Runtime { ns, .. } => ns,
        _ => 0,
    });
    assert_eq!(ran.sum::<u64>(), runtime);
}
