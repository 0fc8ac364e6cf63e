//! Changes of what is wanted: attaching to everybody, letting go, switching perf.

use super::super::perf::{self, Perf, Points, Records};
use super::super::sys;
use super::super::wire::{Kind, Wants};
use super::plan::{Plan, Sources};
use super::stops::{Mode, Tracee};
use super::{Tracer, error_text};
use std::io;
use std::os::raw::c_int;
use std::rc::Rc;

impl Tracer {
    /// From now on this is wanted. When it returns, no task goes on to another instruction unobserved that is to be observed: one that
    /// runs is interrupted, one that sleeps or is inside the kernel stops before it comes back.
    pub(super) fn apply(&mut self, wants: &Wants) {
        if self.plan.wants == *wants {
            return;
        }
        self.report(true);
        let plan = loop {
            let plan = Plan::of(wants, self.sources(wants), self.settings);
            match &plan.records {
                // each refusal leaves one source less
                Some(records) if !self.perf_on(records) => {}
                _ => break plan,
            }
        };
        if wants.has(Kind::Switch) && plan.records.is_none() {
            self.say_once(
                "context switches are not visible here: perf_event_open(2) is refused (perf_event_paranoid above 2, or a container's seccomp profile)",
            );
        }
        if (wants.has(Kind::Wakeup) || wants.has(Kind::Waking))
            && let Some(why) = self.machine_refused()
        {
            let text = format!("wake-ups are not visible here: {why}");
            self.say_once(&text);
        }
        if plan.records.is_none() {
            self.perf = None;
        }
        self.plan = plan;
        self.covered.take();
        if self.plan.attach {
            self.attach_all();
        }
        let tids: Vec<i32> = self.tracees.keys().copied().collect();
        for tid in tids {
            if self.has_to_stop(tid) {
                // ESRCH: it is ending
                let _ = sys::plain(libc::PTRACE_INTERRUPT, tid, 0);
            }
        }
        if !self.plan.attach && self.plan.records.is_none() {
            self.queue.forget_all();
        }
    }

    /// What there is for this. What has not been needed before is looked for now.
    fn sources(&mut self, wants: &Wants) -> Sources {
        let needed = Kind::ALL.iter().any(|k| Points::has(*k) && wants.has(*k));
        if self.points.is_none() && self.perf_refused.is_none() && needed {
            self.points = Some(perf::points().map(Rc::new));
        }
        let tasks = self.perf_refused.is_none();
        Sources {
            tasks,
            machine: tasks && matches!(self.points, Some(Ok(_))),
        }
    }

    /// Why the machine's tracepoints cannot be used.
    fn machine_refused(&self) -> Option<&str> {
        match (&self.perf_refused, &self.points) {
            (Some(why), _) | (None, Some(Err(why))) => Some(why),
            _ => None,
        }
    }

    /// Whether these records come now.
    fn perf_on(&mut self, records: &Records) -> bool {
        let done = self.start_perf(records);
        if let Err(e) = &done {
            let why = format!("perf_event_open(2): {}", error_text(e));
            match records {
                Records::Tasks { .. } => self.perf_refused = Some(why),
                Records::Machine(_) => self.points = Some(Err(why)),
            }
        }
        done.is_ok()
    }

    fn start_perf(&mut self, records: &Records) -> io::Result<()> {
        if let Some(perf) = &mut self.perf
            && perf.turn_to(records)?
        {
            return Ok(());
        }
        raise_descriptor_limit();
        self.queue.names.forget_others();
        let points = self.points.as_ref().and_then(|p| p.clone().ok());
        let mut perf = Perf::start(records, points, &self.tree())?;
        // those that were made while we looked: by somebody who had no event yet
        loop {
            let tasks = self.tree();
            let names = &mut self.queue.names;
            let unknown = tasks.iter().filter(|(tid, tgid)| names.found(*tid, *tgid));
            if unknown.count() + perf.add(&tasks) == 0 {
                break;
            }
        }
        let cut = sys::now();
        if let Some(mut old) = self.perf.take() {
            old.read(|item| {
                if item.time < cut {
                    self.queue.push(item);
                }
            });
            perf.begin(cut);
        }
        self.perf = Some(perf);
        Ok(())
    }

    /// Attaches to everybody below us, until a look finds nobody new: whom an attached task makes comes by itself.
    fn attach_all(&mut self) {
        loop {
            let mut new = false;
            for (tid, tgid) in self.tree() {
                self.queue.names.found(tid, tgid);
                if self.tracees.contains_key(&tid) || self.early.contains_key(&tid) {
                    continue;
                }
                let options = self.options(false);
                // EPERM: privileged, traced by somebody else, ending, or come by itself just now
                if sys::plain(libc::PTRACE_SEIZE, tid, options as usize).is_err() {
                    continue;
                }
                new = true;
                let mut tracee = Tracee::new(options);
                tracee.silent = self.at_gate && tid == self.command;
                self.tracees.insert(tid, tracee);
                let _ = sys::plain(libc::PTRACE_INTERRUPT, tid, 0);
            }
            if !new {
                return;
            }
        }
    }

    /// The options of ptrace that are to be set.
    pub(super) fn options(&self, filtered: bool) -> c_int {
        let mut options = libc::PTRACE_O_TRACESYSGOOD
            | libc::PTRACE_O_TRACEFORK
            | libc::PTRACE_O_TRACEVFORK
            | libc::PTRACE_O_TRACECLONE
            | libc::PTRACE_O_TRACEEXEC;
        if self.plan.exit_stop {
            options |= libc::PTRACE_O_TRACEEXIT;
        }
        if self.settings.filter {
            // a filter that one thread puts in is in all others at once
            options |= libc::PTRACE_O_TRACESECCOMP;
        }
        if filtered {
            // without us, every call that the filter is about would fail: rather no task than a lame one
            options |= libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_EXITKILL;
        }
        options
    }

    /// Whether a task does not do by itself what is wanted from now on.
    fn has_to_stop(&self, tid: i32) -> bool {
        let Some(tracee) = self.tracees.get(&tid) else {
            return false;
        };
        if tracee.mode == Mode::Stopped {
            return false;
        }
        if !self.plan.attach && tracee.filter.is_none() {
            // one that stops at its calls will be let go at the next: to interrupt it would make some calls fail (signal(7),
            // "Interruption of system calls and library functions by stop signals")
            return tracee.mode != Mode::Calls;
        }
        if tracee.mode == Mode::Listening {
            return false;
        }
        let calls = self.stops_at_calls(tracee);
        (calls && tracee.mode != Mode::Calls)
            || tracee.options != self.options(tracee.filter.is_some())
    }
}

/// Two descriptors a task and CPU may be many.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
