//! The tracer: the command's parent, and what looks at it.
//!
//! It has one thread, but for those that close events of perf, which takes the kernel long, and sleeps in one place, ppoll(2): with
//! SIGCHLD and the front's SIGCONT let in only there, a stop, a frame of the daemon and a ring that is half full all end the sleep,
//! and none is missed. It never waits for one task in particular.
//!
//! Source: ptrace(2), wait(2), prctl(2) (PR_SET_CHILD_SUBREAPER: whoever loses his parents stays below us), ppoll(2).

mod attach;
mod calls;
mod debug;
#[cfg(target_arch = "x86_64")]
mod filter;
mod names;
mod plan;
mod queue;
mod signals;
mod stops;

use super::super::cli::attach::plain as error_text;
use super::super::cli::background::{close_others, leave_stdio};
use super::super::cli::failure::status;
use super::link::Link;
use super::news::{News, Teller};
use super::perf::{self, Perf, Points};
use super::sys::{self, Waited};
use super::wire::{Calls, FromTracer, Kind, Record, ToTracer, VERSION, Wants};
use super::{Program, Settings};
use crate::proc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{Pid, getpgrp, getpid, getppid, setpgid};
use plan::Plan;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use queue::{Fact, Item};

/// How long records may lie here before they are sent.
const SEND_AFTER: u64 = 10_000_000;
/// How often the rings are looked at while little happens, and while nothing does.
const RING_LOOK: u64 = 20_000_000;
const RING_LOOK_IDLE: u64 = 160_000_000;
/// Records that are sent together.
const BATCH: usize = 512;
/// Stops that are handled before the daemon is listened to again.
const STOPS_AT_ONCE: usize = 64;
/// The same when it has asked for all that there is.
const STOPS_AT_FLUSH: usize = 4096;
/// How long the daemon may take to say what it wants before the command begins.
const FIRST_WORD: Duration = Duration::from_secs(2);
/// How long it may take to read the last records.
const LAST_WORD: Duration = Duration::from_secs(5);

/// The tracer.
pub struct Tracer {
    link: Option<Link>,
    teller: Teller,
    settings: Settings,
    command: i32,
    front: Pid,
    front_gone: bool,
    me: i32,
    plan: Plan,
    tracees: HashMap<i32, stops::Tracee>,
    /// Tasks that have stopped before their makers have told of them: status and when.
    early: HashMap<i32, (i32, u64)>,
    /// Who waits at the entry of ptrace(2) until another is let go.
    held: Vec<(i32, i32)>,
    /// Their ends were seen at a stop.
    ends_seen: HashSet<i32>,
    queue: Queue,
    records: Vec<Record>,
    /// Since when something waits to be sent.
    waiting_since: Option<u64>,
    perf: Option<Perf>,
    perf_refused: Option<String>,
    /// The machine's tracepoints, once they have been looked for, or why they are of no use.
    points: Option<Result<Rc<Points>, String>>,
    looked_at_rings: u64,
    look_again_after: u64,
    /// The command has not become the program yet.
    at_gate: bool,
    command_stopped: bool,
    /// Whether the front is to be stopped is to be looked at.
    look_at_front: bool,
    said: Vec<String>,
    paths: calls::Paths,
    /// Whether the filter that was last asked about stops at all that the plan is about.
    covered: RefCell<Option<(Rc<Calls>, bool)>>,
}

use queue::Queue;

/// Lets a signal end a sleep.
extern "C" fn nothing(_: libc::c_int) {}

/// The front has told so, with SIGCONT.
static FRONT_WAS_WOKEN: AtomicBool = AtomicBool::new(false);

extern "C" fn front_was_woken(_: libc::c_int) {
    FRONT_WAS_WOKEN.store(true, Ordering::SeqCst);
}

/// The tracer's process, from its beginning to its exit status. `mask` is what the command's signal mask is to be.
pub fn main(
    program: &Program,
    daemon: UnixStream,
    mut teller: Teller,
    mask: SigSet,
    settings: Settings,
) -> i32 {
    let (front, group) = (getppid(), getpgrp());
    let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let started = Link::new(daemon).and_then(|link| Ok((link, program.start(group, &mask)?)));
    let (link, (command, gate)) = match started {
        Ok(all) => all,
        Err(e) => {
            let text = format!("cannot start a process: {}", error_text(&e));
            teller.tell(&News::Say(text));
            teller.tell(&News::Ended(i32::from(status::EXEC) << 8));
            return 1;
        }
    };
    // whoever waits for the end of the command's output must not wait for us
    let _ = leave_stdio(None, true);
    let _ = std::env::set_current_dir("/");
    let keep = [link.as_fd().as_raw_fd(), teller.fd().as_raw_fd(), gate.fd()];
    close_others(&keep);
    for (signal, handler) in [
        (Signal::SIGCHLD, nothing as extern "C" fn(i32)),
        (Signal::SIGCONT, front_was_woken),
    ] {
        let handler = SigHandler::Handler(handler);
        let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
        // SAFETY: the handlers do nothing or store a flag
        let _ = unsafe { sigaction(signal, &action) };
    }
    teller.tell(&News::Started(command));
    let mut tracer = Tracer::new(link, teller, settings, command, front);
    tracer.hello();
    drop(gate);
    tracer.at_gate = false;
    tracer.work();
    0
}

impl Tracer {
    fn new(link: Link, teller: Teller, settings: Settings, command: i32, front: Pid) -> Tracer {
        Tracer {
            link: Some(link),
            teller,
            settings,
            command,
            front,
            front_gone: false,
            me: getpid().as_raw(),
            plan: Plan::nothing(),
            tracees: HashMap::new(),
            early: HashMap::new(),
            held: Vec::new(),
            ends_seen: HashSet::new(),
            queue: Queue::default(),
            records: Vec::new(),
            waiting_since: None,
            perf: None,
            perf_refused: None,
            points: None,
            looked_at_rings: 0,
            look_again_after: RING_LOOK,
            at_gate: true,
            command_stopped: false,
            look_at_front: false,
            said: Vec::new(),
            paths: calls::Paths::default(),
            covered: RefCell::default(),
        }
    }

    /// Introduces itself and hears what is wanted.
    fn hello(&mut self) {
        if let Err(e) = perf::probe() {
            self.perf_refused = Some(format!("perf_event_open(2): {}", error_text(&e)));
        }
        let mut notes = Vec::new();
        if let Some(why) = &self.perf_refused {
            notes.push(format!("context switches are not visible: {why}"));
        }
        if let Err(e) = perf::probe_kernel() {
            let why = error_text(&e);
            notes.push(format!(
                "wake-ups and both sides of switches are not visible: perf_event_open(2): {why}"
            ));
        }
        let hello = FromTracer::Hello {
            version: VERSION,
            cmd_pid: self.command,
            notes,
        };
        let Some(link) = &mut self.link else { return };
        link.send(&hello);
        let messages = link.wait_for_messages(FIRST_WORD);
        self.heed(messages);
    }

    /// Until nobody is left to be looked at.
    fn work(&mut self) {
        loop {
            let mut more = false;
            if !self.link.as_ref().is_some_and(Link::is_full) {
                more = match self.reap(STOPS_AT_ONCE) {
                    Waited::NoChild => break,
                    Waited::Nobody => false,
                    Waited::Status(..) => true,
                };
                self.look_at_front |= FRONT_WAS_WOKEN.swap(false, Ordering::SeqCst);
                if !more && std::mem::take(&mut self.look_at_front) && self.front_is_behind() {
                    // Whoever has woken the command meanwhile has woken the front, too, and there is news of it.
                    more = match sys::wait_any() {
                        Waited::NoChild => break,
                        Waited::Nobody => {
                            sys::kill(self.front.as_raw(), libc::SIGSTOP);
                            false
                        }
                        Waited::Status(tid, status) => {
                            self.on_status(tid, status);
                            self.look_at_front = true;
                            true
                        }
                    };
                }
            }
            self.adopt_early();
            self.report(false);
            self.sleep(more);
        }
        self.report(true);
        if let Some(link) = &mut self.link {
            link.send(&FromTracer::Bye {});
            link.push_all(LAST_WORD);
        }
    }

    /// Handles changes of state that are there, at most so many. Returns the last look.
    fn reap(&mut self, most: usize) -> Waited {
        let mut last = Waited::Nobody;
        for _ in 0..most {
            last = sys::wait_any();
            let Waited::Status(tid, status) = last else {
                return last;
            };
            self.on_status(tid, status);
        }
        last
    }

    fn sleep(&mut self, more: bool) {
        let mut fds = Vec::with_capacity(8);
        if let Some(link) = &self.link {
            let out = if link.has_more() { libc::POLLOUT } else { 0 };
            fds.push(pollfd(link.as_fd().as_raw_fd(), libc::POLLIN | out));
        }
        let with_link = fds.len();
        if !self.front_gone {
            // nothing to read: an error when the other end is closed
            fds.push(pollfd(self.teller.fd().as_raw_fd(), 0));
        }
        if let Some(perf) = &self.perf {
            fds.extend(perf.fds().into_iter().map(|fd| pollfd(fd, libc::POLLIN)));
        }
        let timeout = if more { Some(0) } else { self.until_next() };
        let timeout = timeout.map(|ns| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as libc::c_long,
        });
        let timeout = timeout
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        let mut mask: SigSet = super::front::WATCHED.into_iter().collect();
        mask.remove(Signal::SIGCHLD);
        mask.remove(Signal::SIGCONT);
        let (set, count) = (fds.as_mut_ptr(), fds.len() as libc::nfds_t);
        // SAFETY: the kernel writes to the `count` structures of `fds` and reads the others
        let ready = unsafe { libc::ppoll(set, count, timeout, mask.as_ref()) };
        if ready <= 0 {
            return;
        }
        for fd in &fds[with_link..] {
            if fd.fd == self.teller.fd().as_raw_fd() {
                self.front_gone = fd.revents != 0;
                if self.front_gone {
                    self.hang_up();
                }
                continue;
            }
            if fd.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
                && let Some(perf) = &mut self.perf
            {
                perf.silence(fd.fd);
            }
            if fd.revents & libc::POLLIN != 0 {
                self.looked_at_rings = 0;
                self.waiting_since.get_or_insert(0);
            }
        }
        if with_link > 0 && fds[0].revents != 0 {
            self.listen();
        }
    }

    /// Nobody is there any more to continue a command that is stopped: as when a terminal is closed.
    fn hang_up(&self) {
        if !self.command_stopped {
            return;
        }
        if let Ok(group) = nix::unistd::getpgid(Some(Pid::from_raw(self.command))) {
            let _ = nix::sys::signal::killpg(group, Signal::SIGHUP);
            let _ = nix::sys::signal::killpg(group, Signal::SIGCONT);
        }
    }

    /// Nanoseconds until something is to be done if nothing happens.
    fn until_next(&self) -> Option<u64> {
        let now = sys::now();
        let send = self.waiting_since.map(|since| since + SEND_AFTER);
        let look = self
            .perf
            .as_ref()
            .map(|_| self.looked_at_rings + self.look_again_after);
        let adopt = self
            .early
            .values()
            .map(|(_, at)| at + stops::ADOPT_AFTER)
            .min();
        // without perf somebody else's wait ends a process, which nothing tells
        let gone = (self.plan.wants.has(Kind::Free) && self.queue.has_ended())
            .then_some(self.looked_at_rings + self.look_again_after);
        let next = [send, look, adopt, gone].into_iter().flatten().min()?;
        Some(next.saturating_sub(now))
    }

    fn listen(&mut self) {
        let Some(link) = &mut self.link else { return };
        link.push();
        let messages = link.take();
        self.heed(messages);
        if self.link.as_ref().is_some_and(Link::is_dead) {
            self.link = None;
            self.say_once("the daemon is gone; the command goes on unobserved");
            self.apply(&Wants::NOTHING);
            self.records.clear();
        }
    }

    fn heed(&mut self, messages: Vec<ToTracer>) {
        for message in messages {
            match message {
                ToTracer::Wants { wants } => self.apply(&wants),
                ToTracer::Flush { seq } => {
                    self.reap(STOPS_AT_FLUSH);
                    self.report(true);
                    if let Some(link) = &mut self.link {
                        link.send(&FromTracer::Flushed { seq });
                    }
                }
            }
        }
    }

    /// Sends what there is: now, or when it is time to.
    fn report(&mut self, now: bool) {
        let time = sys::now();
        let due = now
            || self.queue.len() >= BATCH
            || self.waiting_since.is_some_and(|s| s + SEND_AFTER <= time)
            || self.until_next().is_some_and(|ns| ns == 0);
        if !due {
            return;
        }
        let with_perf = self.perf.is_some();
        if let Some(perf) = &mut self.perf {
            perf.read(|item| self.queue.push(item));
            if perf.take_lost() > 0 {
                self.say_once("more happens than the kernel's rings hold: some switches, wake-ups, forks or ends are missing");
                // whoever's beginning is missing is one of ours all the same
                for (tid, tgid) in self.tree() {
                    self.queue.names.found(tid, tgid);
                }
            }
        }
        self.looked_at_rings = time;
        self.waiting_since = None;
        let until = if with_perf { time } else { u64::MAX };
        self.queue
            .tell(until, with_perf, &self.plan.wants, &mut self.records);
        // what others do is no reason to look more often
        self.look_again_after = match self.records.is_empty() {
            true => (self.look_again_after * 2).min(RING_LOOK_IDLE),
            false => RING_LOOK,
        };
        if !self.queue.is_empty() {
            self.waiting_since = Some(time);
        }
        if let Some(link) = &mut self.link
            && !self.records.is_empty()
        {
            link.send_records(&self.records);
        }
        self.records.clear();
    }

    /// Notes something that has been seen when a task stood still.
    fn note(&mut self, item: Item) {
        self.waiting_since.get_or_insert(item.time);
        self.queue.push(item);
    }

    /// Tells the user, if it has not been told.
    fn say_once(&mut self, text: &str) {
        if !self.said.iter().any(|said| said == text) {
            self.said.push(text.into());
            self.teller.tell(&News::Say(text.into()));
        }
    }
}

fn pollfd(fd: i32, events: i16) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

impl Tracer {
    /// All tasks that there are below us.
    fn tree(&self) -> Vec<(i32, i32)> {
        proc::tree(self.me)
    }
}
