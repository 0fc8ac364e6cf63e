//! The process that waits for the command of `exec` and for its daemon.
//!
//! What comes from the terminal (Ctrl-C, Ctrl-\, Ctrl-Z) reaches the command by itself, as it is in the same process group; what
//! another process sends to this one is passed on. A command that stops stops this process too, so that the shell's job control sees
//! one job. Source: credentials(7), setpgid(2), termios(3) and how sudo(8) does it.

use super::super::signals::{Signals, wait_readable};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// The signals that this process waits for instead of being ended by them.
pub const WATCHED: [Signal; 11] = [
    Signal::SIGCHLD,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGTSTP,
    Signal::SIGWINCH,
    Signal::SIGCONT,
];

/// How long a daemon may take to unmount.
const DAEMON_END: Duration = Duration::from_secs(5);

/// The daemon and, later, the command.
pub struct Waiter {
    signals: Signals,
    daemon: Option<Pid>,
    /// Closed, it ends the daemon.
    life: Option<OwnedFd>,
    container: bool,
}

impl Waiter {
    /// Takes over the daemon's process, which ends when `life` is closed.
    pub fn new(signals: Signals, daemon: Pid, life: OwnedFd, container: bool) -> Waiter {
        Waiter {
            signals,
            daemon: Some(daemon),
            life: Some(life),
            container,
        }
    }

    /// The signal mask that the command is to have.
    pub fn mask(&self) -> SigSet {
        self.signals.old
    }

    /// Waits for the command and returns the status to end with.
    pub fn wait(&mut self, child: Pid) -> u8 {
        loop {
            wait_readable([self.signals.as_fd()], -1);
            while let Some(s) = self.signals.next() {
                let Ok(signal) = Signal::try_from(s.ssi_signo as i32) else {
                    continue;
                };
                // SI_USER and its like are negative or zero; the terminal's signals come from the kernel
                let sent = s.ssi_code <= 0 && s.ssi_pid != child.as_raw() as u32;
                if signal != Signal::SIGCHLD && sent {
                    self.pass_on(child, signal);
                }
            }
            if let Some(status) = self.reap(child) {
                return status;
            }
        }
    }

    fn pass_on(&self, child: Pid, signal: Signal) {
        log::debug!("passing {signal} on");
        let _ = kill(child, signal);
        // an interactive shell takes no notice of SIGTERM, but ends on SIGHUP and tells its jobs
        if self.container && signal == Signal::SIGTERM && is_interactive_shell(child) {
            let _ = kill(child, Signal::SIGHUP);
            let _ = kill(child, Signal::SIGCONT);
        }
    }

    /// Collects who has ended; the status if the command has.
    fn reap(&mut self, child: Pid) -> Option<u8> {
        let mut status = None;
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED)) {
                Ok(WaitStatus::Exited(p, code)) if p == child => status = Some(code as u8),
                Ok(WaitStatus::Signaled(p, signal, _)) if p == child => {
                    status = Some(128 + signal as u8)
                }
                Ok(WaitStatus::Stopped(p, _)) if p == child => self.stop_too(child),
                Ok(WaitStatus::Exited(p, _) | WaitStatus::Signaled(p, _, _))
                    if Some(p) == self.daemon =>
                {
                    self.daemon = None;
                    if status.is_none() {
                        log::error!("the daemon has died; the command goes on without it");
                    }
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return status,
                Err(Errno::EINTR) | Ok(_) => {}
                Err(e) => {
                    log::error!("waitpid: {}", e.desc());
                    return status;
                }
            }
        }
    }

    /// Stops this process as the command has stopped, and when it goes on makes the command go on.
    fn stop_too(&self, child: Pid) {
        if self.container {
            // process 1 cannot be stopped
            return;
        }
        let _ = kill(getpid(), Signal::SIGSTOP);
        let _ = kill(child, Signal::SIGCONT);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        drop(self.life.take());
        let deadline = Instant::now() + DAEMON_END;
        while let Some(daemon) = self.daemon {
            match waitpid(daemon, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => {}
                Err(Errno::EINTR) => continue,
                _ => break,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                log::warn!("the daemon does not end; killing it");
                let _ = kill(daemon, Signal::SIGKILL);
                let _ = waitpid(daemon, None);
                break;
            }
            wait_readable(
                [self.signals.as_fd()],
                i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1),
            );
            while self.signals.next().is_some() {}
        }
    }
}

/// Whether the process is a shell that takes its commands from a terminal.
fn is_interactive_shell(pid: Pid) -> bool {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let stdin = std::fs::read_link(format!("/proc/{pid}/fd/0")).unwrap_or_default();
    let shell = [
        "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "busybox",
    ]
    .contains(&comm.trim_end());
    let terminal = stdin.starts_with("/dev/pts")
        || stdin.starts_with("/dev/console")
        || stdin.starts_with("/dev/tty");
    shell && terminal && {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|b| *b == 0).collect();
        // the last word is ended by a NUL too
        takes_commands_from_input(words.get(1..words.len() - 1).unwrap_or_default())
    }
}

/// Whether a shell with these arguments reads commands from its standard input, or was told to be interactive, instead of running a
/// script, which may have plans of its own for SIGTERM. Source: sh(1), bash(1).
fn takes_commands_from_input(args: &[&[u8]]) -> bool {
    let mut commands = true;
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        match arg {
            // busybox is called by its own name or by the applet's
            b"sh" | b"ash" => {}
            b"--" | b"-" => return commands && args.next().is_none(),
            b"-o" | b"+o" | b"-O" | b"+O" | b"--rcfile" | b"--init-file" => {
                args.next();
            }
            [b'-', b'-', ..] => {}
            [b'-', letters @ ..] if letters.contains(&b'i') => return true,
            [b'-', letters @ ..] => commands &= !letters.contains(&b'c'),
            [b'+', ..] => {}
            _ => return false,
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: bool) {
        let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        assert_eq!(takes_commands_from_input(&args), expected, "{line:?}");
    }

    #[test]
    fn shells_with_a_script_are_not_interactive() {
        for line in [
            "",
            "-l",
            "--login",
            "-i",
            "-s",
            "-o vi",
            "-O extglob +x",
            "-c -i",
            "--",
            "-",
            "--rcfile /etc/rc",
            "sh",
            "ash -l",
            "-ic exit",
        ] {
            check(line, true);
        }
        for line in [
            "-c exit",
            "-ec exit",
            "script",
            "-x script",
            "-- script",
            "-o vi script",
            "sh -c exit",
            "sh script",
        ] {
            check(line, false);
        }
    }
}
