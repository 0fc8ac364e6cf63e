//! The front process: what the caller started, and what the caller's job control sees of the command.
//!
//! It lives in the command's process group. What comes from the terminal reaches the command by itself; what another process sends
//! to this one is passed on; a command that stops stops this process too, and its end is this one's. A signal that somebody sends to
//! the whole group reaches the command twice: nothing tells who else has got a signal. If the tracer is killed, the command is this
//! process's child from then on (PR_SET_CHILD_SUBREAPER) and everything goes on without records.
//!
//! Source: credentials(7), setpgid(2), termios(3), prctl(2), signalfd(2).

use super::super::cli::failure::status;
use super::super::cli::signals::{Signals, wait_readable};
use super::news::{Listener, News};
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, kill, killpg, raise, signal};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpgid, getpgrp, getpid};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The signals that this process waits for instead of being ended or stopped by them.
pub const WATCHED: [Signal; 13] = [
    Signal::SIGCHLD,
    Signal::SIGCONT,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGWINCH,
];

/// The front process.
pub struct Front {
    signals: Signals,
    tracer: Pid,
    command: Option<Pid>,
    /// Signals that came before the command did.
    early: Vec<Signal>,
}

impl Front {
    /// Before the tracer has said anything.
    pub fn new(signals: Signals, tracer: Pid) -> Front {
        Front {
            signals,
            tracer,
            command: None,
            early: Vec::new(),
        }
    }

    /// Waits for the command. Returns the status to end with, unless a signal has ended the command: then it ends this process too.
    pub fn wait(mut self, mut tracer: Listener) -> u8 {
        let how = loop {
            wait_readable([self.signals.as_fd(), tracer.as_fd()], -1);
            self.pass_signals_on();
            let Some(news) = tracer.hear() else {
                break self.wait_alone();
            };
            if let Some(how) = self.take(news) {
                break Some(how);
            }
        };
        let Some(how) = how else {
            return status::EXEC;
        };
        match (how.code(), how.signal()) {
            (Some(code), _) => code as u8,
            (None, signal) => end_by(signal.unwrap_or(libc::SIGKILL)),
        }
    }

    fn take(&mut self, news: Vec<News>) -> Option<ExitStatus> {
        for one in news {
            match one {
                News::Started(pid) => {
                    let command = Pid::from_raw(pid);
                    self.command = Some(command);
                    for signal in self.early.drain(..) {
                        let _ = kill(command, signal);
                    }
                }
                News::Say(text) => eprintln!("utracefs: {text}"),
                News::Ended(status) => return Some(ExitStatus::from_raw(status)),
            }
        }
        None
    }

    fn pass_signals_on(&mut self) {
        while let Some(s) = self.signals.next() {
            let Ok(signal) = Signal::try_from(s.ssi_signo as i32) else {
                continue;
            };
            if signal == Signal::SIGCONT {
                if s.ssi_pid != self.tracer.as_raw() as u32 {
                    self.go_on();
                }
                continue;
            }
            // SI_USER and its like are negative or zero; the terminal's signals come from the kernel
            let by = self.command.map_or(0, |c| c.as_raw() as u32);
            let sent = s.ssi_code <= 0 && s.ssi_pid != by;
            if signal == Signal::SIGCHLD || !sent {
                continue;
            }
            match self.command {
                Some(command) => {
                    log::debug!("passing {signal} on");
                    let _ = kill(command, signal);
                }
                None => self.early.push(signal),
            }
        }
    }

    /// Woken by the shell: wakes the command if that has not heard of it, being in a process group of its own. In our group it has, and
    /// a second SIGCONT could undo a stop that came since. If there was one the tracer stops us again.
    fn go_on(&self) {
        if let Some(command) = self.command
            && let Ok(group) = getpgid(Some(command))
            && group != getpgrp()
        {
            let _ = killpg(group, Signal::SIGCONT);
        }
        let _ = kill(self.tracer, Signal::SIGCONT);
    }

    /// The tracer has been killed: the command is our child now. None: it has not come to a command.
    fn wait_alone(&mut self) -> Option<ExitStatus> {
        let command = self.command?;
        let mut said = false;
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
                Ok(WaitStatus::Exited(p, code)) if p == command => {
                    return Some(ExitStatus::from_raw(code << 8));
                }
                Ok(WaitStatus::Signaled(p, signal, _)) if p == command => {
                    return Some(ExitStatus::from_raw(signal as i32));
                }
                Ok(WaitStatus::Stopped(p, _)) if p == command => {
                    let _ = kill(getpid(), Signal::SIGSTOP);
                }
                Ok(WaitStatus::Exited(p, _) | WaitStatus::Signaled(p, ..)) if p == self.tracer => {
                    said = true;
                    eprintln!(
                        "utracefs: the tracer (process {p}) has been killed; nothing is observed any more"
                    );
                }
                Ok(WaitStatus::StillAlive) => {
                    wait_readable([self.signals.as_fd()], -1);
                    self.pass_signals_on();
                }
                // the tracer had said all but the end
                Err(Errno::ECHILD) if said => return Some(ExitStatus::from_raw(libc::SIGKILL)),
                Err(Errno::ECHILD) => return None,
                Err(Errno::EINTR) | Ok(_) => {}
                Err(e) => {
                    log::error!("waitpid: {}", e.desc());
                    return None;
                }
            }
        }
    }
}

/// Ends this process as the command has ended, so that the caller sees the same. Without a core of its own.
fn end_by(number: i32) -> u8 {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = nix::sys::prctl::set_dumpable(false);
    if let Ok(s) = Signal::try_from(number) {
        // SAFETY: sets the default
        let _ = unsafe { signal(s, SigHandler::SigDfl) };
        let _ = SigSet::from(s).thread_unblock();
        let _ = raise(s);
    }
    128 + number as u8
}
