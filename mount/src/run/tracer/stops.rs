//! Changes of state of tasks, one by one: what they mean, and how the task goes on.

use super::super::news::News;
use super::super::sys::{self, EVENT_STOP, SYSCALL_STOP};
use super::super::wire::{Calls, Kind};
use super::calls::Call;
use super::{Fact, Item, Tracer};
use crate::proc;
use nix::unistd::getppid;
use std::os::raw::c_int;
use std::rc::Rc;

/// How long a new task waits for its maker's word. It comes at once unless the maker has been killed in between.
pub const ADOPT_AFTER: u64 = 50_000_000;

/// How a task was sent on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Not yet: it stands still.
    Stopped,
    /// Until something of note happens.
    Free,
    /// Until its next system call.
    Calls,
    /// It is in a group stop until SIGCONT.
    Listening,
}
use utracefs::base::memory;

/// A task that we are attached to.
pub struct Tracee {
    /// How it was sent on.
    pub mode: Mode,
    /// The options that are set.
    pub options: c_int,
    /// The call that it is in, if its entry was seen.
    pub call: Option<Call>,
    /// Address of its restartable-sequence area; 0: not known.
    pub rseq: u64,
    /// What it does is not the command's doing yet.
    pub silent: bool,
    /// It is to be let go.
    pub leave: bool,
    /// Stops for calls that nobody wants.
    pub unwanted: u32,
    /// The calls at which a filter stops it. It can never be let go.
    pub filter: Option<Rc<Calls>>,
    /// A filter that is on its way in.
    #[cfg(target_arch = "x86_64")]
    pub injection: Option<Box<super::filter::Injection>>,
    /// Signals that have come meanwhile.
    #[cfg(target_arch = "x86_64")]
    pub kept_signals: Vec<c_int>,
}

impl Tracee {
    /// One that is new.
    pub fn new(options: c_int) -> Tracee {
        Tracee {
            mode: Mode::Free,
            options,
            call: None,
            rseq: 0,
            silent: false,
            leave: false,
            unwanted: 0,
            filter: None,
            #[cfg(target_arch = "x86_64")]
            injection: None,
            #[cfg(target_arch = "x86_64")]
            kept_signals: Vec::new(),
        }
    }
}

impl Tracer {
    /// A task has changed state.
    pub(super) fn on_status(&mut self, tid: i32, status: c_int) {
        if libc::WIFCONTINUED(status) {
            if tid == self.command {
                self.front_goes_on();
            }
            return;
        }
        if !libc::WIFSTOPPED(status) {
            return self.on_end(tid, status);
        }
        if !self.tracees.contains_key(&tid) {
            if status >> 16 == 0 {
                self.command_stops(tid);
            } else {
                self.early.insert(tid, (status, sys::now()));
            }
            return;
        }
        self.on_stop(tid, libc::WSTOPSIG(status), status >> 16);
    }

    fn command_stops(&mut self, tid: i32) {
        if tid == self.command {
            self.command_stopped = true;
            self.look_at_front = true;
        }
    }

    /// Whether the command has stopped and the front goes on: it has to be stopped, too, for the shell to see. It does not do
    /// so itself: it could have been woken before it came to it, as the shell may wake the job when another process of it
    /// has stopped. To be looked at when the command has stopped, and when the front says that somebody has woken it: not in
    /// between, when it may be on its way to wake the command.
    pub(super) fn front_is_behind(&self) -> bool {
        self.command_stopped
            && getppid() == self.front
            && !proc::is_stopped(self.front.as_raw())
            && proc::is_stopped(self.command)
    }

    fn front_goes_on(&mut self) {
        if std::mem::take(&mut self.command_stopped) && getppid() == self.front {
            sys::kill(self.front.as_raw(), libc::SIGCONT);
        }
    }

    fn on_end(&mut self, tid: i32, status: c_int) {
        let tracee = self.tracees.remove(&tid);
        self.early.remove(&tid);
        self.let_go_of_holders(tid);
        // the end was seen at its stop, or it was killed and had none
        let seen = self.ends_seen.remove(&tid);
        if self.plan.exit_stop {
            if !seen && tracee.is_some_and(|t| !t.silent) {
                self.see(tid, None, None, Fact::Ends);
            }
        } else if tracee.is_some() && self.perf.is_none() {
            self.see(tid, None, None, Fact::Gone);
        }
        if tid == self.command {
            self.report(true);
            if let Some(link) = &mut self.link {
                link.push_all(super::LAST_WORD);
            }
            self.teller.tell(&News::Ended(status));
            self.front_goes_on();
        }
    }

    /// A task that we are attached to stands still.
    fn on_stop(&mut self, tid: i32, signal: c_int, event: c_int) {
        let mut listened = false;
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            listened = tracee.mode == Mode::Listening;
            tracee.mode = Mode::Stopped;
            #[cfg(target_arch = "x86_64")]
            if tracee.injection.is_some() {
                return self.on_injected_stop(tid, signal, event);
            }
            if tracee.leave {
                let group = event == EVENT_STOP && is_stop_signal(signal);
                let pass = if event == 0 && signal != SYSCALL_STOP {
                    signal
                } else {
                    0
                };
                return self.let_go(tid, if group { 0 } else { pass });
            }
        }
        match (event, signal) {
            (0, SYSCALL_STOP) => self.on_call(tid),
            (0, signal) => self.on_signal(tid, signal),
            (EVENT_STOP, signal) if is_stop_signal(signal) => self.on_group_stop(tid, !listened),
            (EVENT_STOP, _) => {
                self.mark(tid, false);
                self.resume(tid, 0);
            }
            (libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE, _) => {
                self.on_fork(tid);
            }
            (libc::PTRACE_EVENT_EXEC, _) => self.on_exec(tid),
            (libc::PTRACE_EVENT_EXIT, _) => self.on_exit(tid),
            (libc::PTRACE_EVENT_SECCOMP, _) => self.on_call(tid),
            _ => self.resume(tid, 0),
        }
    }

    /// Notes a fact of a task that stands still now.
    pub(super) fn see(&mut self, tid: i32, cpu: Option<u32>, ip: Option<u64>, fact: Fact) {
        self.note(Item {
            time: sys::now(),
            cpu,
            ip,
            tid,
            stop: Some(false),
            anyone: false,
            fact,
        });
    }

    /// Notes that a task stands still, for the switches' sake.
    pub(super) fn mark(&mut self, tid: i32, group: bool) {
        if self.perf.is_none() {
            return;
        }
        // a request makes sure that the task has left its CPU
        let _ = sys::event_message(tid);
        self.note(Item {
            time: sys::now(),
            cpu: None,
            ip: None,
            tid,
            stop: Some(group),
            anyone: false,
            fact: Fact::Stop,
        });
    }

    /// `new`: not the same stop once more, because it was interrupted.
    fn on_group_stop(&mut self, tid: i32, new: bool) {
        self.mark(tid, true);
        if new {
            self.command_stops(tid);
        }
        if !self.plan.attach && self.tracees.get(&tid).is_some_and(|t| t.filter.is_none()) {
            return self.let_go(tid, 0);
        }
        if sys::plain(libc::PTRACE_LISTEN, tid, 0).is_ok()
            && let Some(tracee) = self.tracees.get_mut(&tid)
        {
            tracee.mode = Mode::Listening;
        }
    }

    fn on_fork(&mut self, tid: i32) {
        let Ok(child) = sys::event_message(tid) else {
            return self.resume(tid, 0);
        };
        let child = child as i32;
        let (flags, ip) = clone_flags(tid);
        let (options, filter, silent) = match self.tracees.get(&tid) {
            Some(maker) => (maker.options, maker.filter.clone(), maker.silent),
            None => (self.options(false), None, false),
        };
        if !silent {
            let cpu = self.cpu_of(tid);
            let oom = match self.plan.wants.has(Kind::NewTask) {
                true => proc::oom_score_adj(tid),
                false => 0,
            };
            self.see(tid, cpu, ip, Fact::Made { child, flags, oom });
        }
        let early = self.early.remove(&child);
        let tracee = self.tracees.entry(child).or_insert(Tracee {
            filter: None,
            ..Tracee::new(options)
        });
        tracee.filter = filter;
        if let Some((status, _)) = early {
            self.on_stop(child, libc::WSTOPSIG(status), status >> 16);
        }
        self.resume(tid, 0);
    }

    /// New tasks whose makers have not told of them for a while: they were killed before they could.
    pub(super) fn adopt_early(&mut self) {
        if self.early.is_empty() {
            return;
        }
        let old = sys::now().saturating_sub(ADOPT_AFTER);
        let due = self.early.iter().filter(|(_, (_, at))| *at <= old);
        let due: Vec<i32> = due.map(|(tid, _)| *tid).collect();
        for tid in due {
            let Some((status, _)) = self.early.remove(&tid) else {
                continue;
            };
            let mut tracee = Tracee::new(self.options(false));
            if proc::Status::read(tid).is_some_and(|s| s.is_filtered()) {
                // by one of ours, perhaps: what it stops at is not known, so nothing is left to it
                tracee.filter = Some(Rc::new(Calls::NONE));
            }
            self.tracees.insert(tid, tracee);
            self.on_stop(tid, libc::WSTOPSIG(status), status >> 16);
        }
    }

    fn on_exec(&mut self, tid: i32) {
        let old = sys::event_message(tid).map_or(tid, |old| old as i32);
        if old != tid
            && let Some(tracee) = self.tracees.remove(&old)
        {
            self.tracees.insert(tid, tracee);
        }
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.mode = Mode::Stopped;
            tracee.silent = false;
        }
        const AT_EXECFN: u64 = 31;
        let filename = proc::aux(tid, AT_EXECFN).and_then(|at| super::calls::text_at(tid, at));
        let filename = filename.unwrap_or_else(|| b"<...>".to_vec());
        let cpu = self.cpu_of(tid);
        let comm = match self.perf {
            Some(_) => None,
            None => proc::comm(tid),
        };
        let exec = Fact::Exec {
            filename,
            old,
            comm,
        };
        self.see(tid, cpu, None, exec);
        // the kernel takes it away after this stop
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.rseq = 0;
        }
        self.resume(tid, 0);
    }

    fn on_exit(&mut self, tid: i32) {
        let silent = self.tracees.get(&tid).is_some_and(|t| t.silent);
        // the option goes with perf: then the end is a record of perf's
        if self.plan.exit_stop && !silent {
            let cpu = self.cpu_of(tid);
            self.see(tid, cpu, None, Fact::Ends);
            self.ends_seen.insert(tid);
        } else {
            self.mark(tid, false);
        }
        self.resume(tid, 0);
    }

    /// Whether a task is to stop at its calls, and not only at those of its filter.
    pub(super) fn stops_at_calls(&self, tracee: &Tracee) -> bool {
        let inside = tracee.call.as_ref().is_some_and(|c| c.end);
        if inside || !self.plan.attach {
            return inside;
        }
        match &tracee.filter {
            _ if tracee.silent => true,
            Some(filter) => self.plan.every_call || !self.is_covered(filter),
            None => self.plan.stops_at_calls(),
        }
    }

    /// Whether a filter stops at all calls that are of interest. Asked at every stop, it is worked out once for a filter and a plan.
    fn is_covered(&self, filter: &Rc<Calls>) -> bool {
        let mut last = self.covered.borrow_mut();
        match &*last {
            Some((known, covered)) if Rc::ptr_eq(known, filter) => *covered,
            _ => {
                let covered = self.plan.watched.iter().all(|nr| filter.has(nr));
                *last = Some((filter.clone(), covered));
                covered
            }
        }
    }

    /// Sends a task on that stands still, with a signal or 0; lets it go if nobody wants to hear of it any more.
    pub(super) fn resume(&mut self, tid: i32, signal: c_int) {
        let Some(tracee) = self.tracees.get(&tid) else {
            return;
        };
        if !self.plan.attach && tracee.filter.is_none() {
            return self.let_go(tid, signal);
        }
        let options = self.options(tracee.filter.is_some());
        let calls = self.stops_at_calls(tracee);
        let (request, mode) = match calls {
            true => (libc::PTRACE_SYSCALL, Mode::Calls),
            false => (libc::PTRACE_CONT, Mode::Free),
        };
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        if tracee.options != options
            && sys::plain(libc::PTRACE_SETOPTIONS, tid, options as usize).is_ok()
        {
            tracee.options = options;
        }
        tracee.mode = mode;
        if mode == Mode::Free {
            // its end will not be seen
            tracee.call = None;
        }
        // ESRCH: it has been killed where it stood
        let _ = sys::plain(request, tid, signal as usize);
    }

    /// Lets a task go that stands still.
    pub(super) fn let_go(&mut self, tid: i32, signal: c_int) {
        let _ = sys::plain(libc::PTRACE_DETACH, tid, signal as usize);
        self.tracees.remove(&tid);
        self.let_go_of_holders(tid);
    }
}

/// Whether a signal stops a process.
pub(super) fn is_stop_signal(signal: c_int) -> bool {
    matches!(
        signal,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU
    )
}

/// The flags with which a task that stands still has made another, as task_newtask shows them, and where it did.
#[cfg(target_arch = "x86_64")]
fn clone_flags(tid: i32) -> (Option<u64>, Option<u64>) {
    let Ok(regs) = sys::registers(tid) else {
        return (None, None);
    };
    // the code segment of 32-bit programs
    let old = regs.cs == 0x23;
    let first = if old { regs.rbx } else { regs.rdi };
    let vfork = (libc::CLONE_VM | libc::CLONE_VFORK) as u64;
    let flags = match (regs.orig_rax as i64, old) {
        (libc::SYS_clone, false) | (120, true) => Some(first & 0xffff_ff00),
        (libc::SYS_fork, false) | (2, true) => Some(0),
        (libc::SYS_vfork, false) | (190, true) => Some(vfork),
        (libc::SYS_clone3, _) => {
            // the first member of its structure
            let mut flags = [0; 8];
            let got = memory::read_parts(tid, &mut [(first, &mut flags)]);
            (got == 8).then(|| u64::from_ne_bytes(flags))
        }
        _ => None,
    };
    (flags, Some(regs.rip))
}

/// Nothing tells them.
#[cfg(not(target_arch = "x86_64"))]
fn clone_flags(_: i32) -> (Option<u64>, Option<u64>) {
    (None, None)
}
