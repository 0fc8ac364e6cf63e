//! Real children of the calling thread, and the events of what they do: system calls, fork, exec, exit, signals.
//!
//! They are traced (ptrace(2)): each stands still while what it is about to do, or has done, is reported as its own, so
//! an event is as true, and as timely, as the kernel's. What the tracer does for that (its waits, and the stops with which
//! a child begins) is the instrument's and not reported. What nothing tells is not reported either: the SIGCHLD of a
//! child's end, whose fate depends on the whole program, and on which CPU a new task wakes up.
//!
//! No child outlives the thread: it is killed when its tracer ends, and when its parent does.

mod child;
mod programs;
mod ptrace;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::marker::PhantomData;

use utracefs::base::task::Task;

use crate::events::sched::{trace_sched_process_fork, trace_sched_process_free};
use crate::events::signal::{Sent, trace_signal_generate};
use crate::events::task::trace_task_newtask;
use crate::subject::Known;
use crate::syscalls::calls;
pub(crate) use child::{Plan, Role};
pub(crate) use programs::Command;
use ptrace::Change;

/// The children of a thread and their descendants.
pub(crate) struct Family {
    /// The thread itself.
    parent: Known,
    oom_score_adj: i16,
    members: BTreeMap<i32, Member>,
    /// New ones of which we have not heard yet who made them: they stand.
    foundlings: BTreeSet<i32>,
    /// Who stands at what was reported last, and the signal to go on with.
    held: Option<(i32, i32)>,
    counts: Counts,
    /// Tracing is the calling thread's.
    _not_send: PhantomData<*const ()>,
}

/// One of them.
struct Member {
    known: Known,
    task: Task,
    parent: i32,
    /// Its first stop is how tracing begins.
    new: bool,
    /// The system call that it is in.
    call: Option<(i64, [u64; 6])>,
    /// The path of the exec that it is in, the action that it is about to set.
    filename: Vec<u8>,
    setting: Option<(i32, Action)>,
    /// What it does on signals, where that is not the default.
    actions: BTreeMap<i32, Action>,
    /// Sent by us and not taken yet.
    pending: BTreeSet<i32>,
    /// It is past the point where its end is reported.
    ended: bool,
}

/// What sigaction(2) was told: the handler's address and the flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Action {
    handler: u64,
    flags: u64,
}

/// What has happened, for accounts; of signals those that were sent from here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub forks: u64,
    pub execs: u64,
    pub exits: u64,
    pub renames: u64,
    pub sent: u64,
    pub delivered: u64,
    pub reaped: u64,
}

/// What a child was seen to do. It stands there until the next is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// It enters a system call.
    Enters { pid: i32, nr: i64 },
    /// It is about to take a signal.
    Takes { pid: i32, signal: i32 },
    /// It ends with this status (wait(2)).
    Ends { pid: i32, status: i32 },
    /// It has ended, and its parent has not waited for it yet.
    Gone { pid: i32, status: i32 },
    /// Something else.
    Other,
}

impl Family {
    /// The calling thread, without children. It stays on its CPU from now on.
    pub fn new() -> Family {
        report::stay();
        let oom_score_adj = std::fs::read_to_string("/proc/self/oom_score_adj");
        Family {
            parent: report::calling_thread(),
            oom_score_adj: oom_score_adj
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(0),
            members: BTreeMap::new(),
            foundlings: BTreeSet::new(),
            held: None,
            counts: Counts::default(),
            _not_send: PhantomData,
        }
    }

    /// Whether children can be traced here: some sandboxes do not allow it.
    pub fn probe() -> io::Result<()> {
        // SAFETY: the child makes two system calls and ends.
        let pid = unsafe {
            libc::syscall(
                libc::SYS_clone,
                libc::SIGCHLD,
                0usize,
                0usize,
                0usize,
                0usize,
            )
        } as i32;
        match pid {
            -1 => Err(io::Error::last_os_error()),
            0 => child::probe(),
            _ => {
                let mut status = 0;
                // SAFETY: `status` is writable.
                while unsafe { libc::waitpid(pid, &mut status, 0) } < 0 {
                    let error = io::Error::last_os_error();
                    match error.raw_os_error() {
                        Some(libc::EINTR) => {}
                        Some(libc::ECHILD) => {
                            let why = "children cannot be waited for, since SIGCHLD is ignored";
                            return Err(io::Error::other(why));
                        }
                        _ => return Err(error),
                    }
                }
                match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
                    (true, 0) => Ok(()),
                    (true, errno) => Err(io::Error::from_raw_os_error(errno)),
                    (false, _) => Err(io::Error::other("whoever tries ptrace(2) is killed")),
                }
            }
        }
    }

    /// What has happened so far.
    #[cfg(test)]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Makes a child.
    pub fn fork(&mut self, plan: &Plan<'_>) -> io::Result<i32> {
        let own_pid = std::process::id() as i32;
        let parent = self.parent;
        let pid = calls::clone(
            // SAFETY: in a copy of this process; the plan's pointers are good.
            || unsafe { child::live(plan, own_pid) },
            |pid| self.born(pid, &parent, BTreeMap::new(), 0),
        );
        match i32::try_from(pid) {
            Ok(pid) if pid > 0 => Ok(pid),
            _ => Err(io::Error::from_raw_os_error(pid.unsigned_abs() as i32)),
        }
    }

    /// A new task, reported as its parent's doing, who is entered.
    fn born(&mut self, pid: i32, parent: &Known, actions: BTreeMap<i32, Action>, flags: u64) {
        let known = Known { pid, ..*parent };
        trace_task_newtask(&known, flags, self.oom_score_adj);
        trace_sched_process_fork(parent, &known);
        self.counts.forks += 1;
        let new = !self.foundlings.remove(&pid);
        let member = Member {
            known,
            task: Task::new(pid, pid, known.comm),
            parent: parent.pid,
            new,
            call: None,
            filename: Vec::new(),
            setting: None,
            actions,
            pending: BTreeSet::new(),
            ended: false,
        };
        self.members.insert(pid, member);
        if !new {
            ptrace::resume(pid, 0);
        }
    }

    /// Sends a signal to a child, as kill(2) does.
    pub fn kill(&mut self, pid: i32, signal: i32) -> io::Result<()> {
        let (members, counts) = (&mut self.members, &mut self.counts);
        let answer = calls::kill(pid, signal, || {
            if let Some(member) = members.get_mut(&pid) {
                let sent = if member.pending.insert(signal) {
                    Sent::Delivered
                } else {
                    Sent::AlreadyPending
                };
                trace_signal_generate(signal, 0, libc::SI_USER, &member.known, true, sent);
                counts.sent += u64::from(sent == Sent::Delivered);
            }
        });
        if answer < 0 {
            return Err(io::Error::from_raw_os_error(answer.unsigned_abs() as i32));
        }
        Ok(())
    }

    /// Lets the child that stands go on, waits until something has happened, and reports it.
    ///
    /// # Errors
    /// `ECHILD`: there is no child that anything could become of.
    pub fn next(&mut self) -> io::Result<Seen> {
        loop {
            self.release();
            let (members, own) = (&self.members, self.parent.pid);
            // whoever is our child by birth is left for `reap`
            let adopted = |pid| members.get(&pid).is_none_or(|m: &Member| m.parent != own);
            let Some((pid, change)) = ptrace::wait(adopted)? else {
                return Err(io::Error::from_raw_os_error(libc::ECHILD));
            };
            if !self.members.contains_key(&pid) {
                // its parent's stop comes next, or it is killed before anybody hears of it
                if let Change::Stopped(_) = change {
                    self.foundlings.insert(pid);
                }
                continue;
            }
            match change {
                Change::Ended(status) => {
                    self.ends(pid, status);
                    return Ok(Seen::Gone { pid, status });
                }
                Change::Stopped(status) => {
                    if let Some(seen) = self.stopped(pid, status) {
                        return Ok(seen);
                    }
                }
            }
        }
    }

    fn release(&mut self) {
        if let Some((pid, signal)) = self.held.take() {
            ptrace::resume(pid, signal);
        }
    }

    /// Goes on until `wanted` is seen; so much may come of the others before.
    pub fn until(&mut self, wanted: impl Fn(Seen) -> bool) -> io::Result<Seen> {
        loop {
            let seen = self.next()?;
            if wanted(seen) {
                return Ok(seen);
            }
        }
    }

    /// Goes on until a child ends, waits for it as its parent does, and returns its status.
    pub fn finish(&mut self, pid: i32) -> io::Result<i32> {
        let over = |seen| matches!(seen, Seen::Ends { pid: p, .. } | Seen::Gone { pid: p, .. } if p == pid);
        if self.members.get(&pid).is_some_and(|m| !m.ended) {
            self.until(over)?;
        }
        self.reap(pid)
    }

    /// wait4(2) for a child that ends.
    fn reap(&mut self, pid: i32) -> io::Result<i32> {
        self.release();
        let mut status = 0;
        let answer = calls::wait4(pid, &mut status, &self.parent);
        if answer != i64::from(pid) {
            return Err(io::Error::from_raw_os_error(answer.unsigned_abs() as i32));
        }
        self.free(pid);
        self.counts.reaped += 1;
        Ok(status)
    }

    /// Nothing is left of a task.
    fn free(&mut self, pid: i32) {
        if let Some(member) = self.members.remove(&pid) {
            trace_sched_process_free(&member.known);
        }
    }

    /// Kills whoever is left and waits for them: after a failure.
    pub fn clear(&mut self) {
        let own = self.parent.pid;
        let pids: Vec<i32> = self.members.keys().copied().collect();
        for pid in pids {
            if self.members.get(&pid).is_some_and(|m| !m.ended) {
                let _ = self.kill(pid, libc::SIGKILL);
            }
        }
        let children: Vec<i32> = self
            .members
            .values()
            .filter(|m| m.parent == own)
            .map(|m| m.known.pid)
            .collect();
        for pid in children {
            let _ = self.finish(pid);
        }
        // descendants that their parents have not waited for
        while self.next().is_ok() {}
        self.members.clear();
        self.foundlings.clear();
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        if !self.members.is_empty() {
            self.clear();
        }
    }
}
