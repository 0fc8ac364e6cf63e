//! Signals for readers that wait, where interrupts do not reach us: looks at the readers themselves.
//!
//! A thread with a signal pending that it neither blocks nor ignores has its read ended with `EINTR`. Its state says
//! nothing: a reader sleeps uninterruptibly from the start once the kernel was told that interrupts are not understood.
//! Readers of a pid namespace that we do not see cannot be looked at.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::lot::Lot;

/// Time between two looks.
pub(super) const EVERY: Duration = Duration::from_millis(20);

/// Signals that do nothing where there is no handler: SIGCHLD, SIGURG and SIGWINCH.
const NOTHING_BY_DEFAULT: u64 =
    1 << (libc::SIGCHLD - 1) | 1 << (libc::SIGURG - 1) | 1 << (libc::SIGWINCH - 1);

/// The thread that looks; dropped, it ends.
pub(super) struct Watcher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Looks after the readers of `lot` from now on.
    pub(super) fn start(lot: &Arc<Lot>) -> io::Result<Watcher> {
        let (stop, stopped) = channel();
        let lot = lot.clone();
        let thread = std::thread::Builder::new()
            .name("tracefs-signals".into())
            .spawn(move || {
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    look(&lot);
                }
            })?;
        Ok(Watcher {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // it has nothing to say
            let _ = thread.join();
        }
    }
}

fn look(lot: &Lot) {
    for (request, thread) in lot.waiting() {
        if thread != 0 && is_signalled(thread) {
            lot.interrupt(request);
        }
    }
}

/// Whether a signal waits for the thread; also if there is no such thread any more, or none that we can see.
pub(super) fn is_signalled(thread: u32) -> bool {
    if thread == 0 {
        return true;
    }
    std::fs::read(format!("/proc/{thread}/status"))
        .map_or(true, |status| pending(&String::from_utf8_lossy(&status)))
}

/// What the text of /proc/TID/status (proc_pid_status(5)) says about signals.
fn pending(status: &str) -> bool {
    let mask = |name: &str| {
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
            .unwrap_or(0)
    };
    // to a traced thread they are sent all the same
    let to_nobody = NOTHING_BY_DEFAULT & !mask("SigCgt");
    (mask("SigPnd") | mask("ShdPnd")) & !mask("SigBlk") & !mask("SigIgn") & !to_nobody != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        // SIGURG has a handler, SIGCHLD none
        const CAUGHT: u64 = 1 << (libc::SIGURG - 1);
        fn check(own: u64, shared: u64, blocked: u64, ignored: u64, expected: bool) {
            let status = format!(
                "Name:\tcat\nSigQ:\t0/1\nSigPnd:\t{own:016x}\nShdPnd:\t{shared:016x}\nSigBlk:\t{blocked:016x}\nSigIgn:\t{ignored:016x}\nSigCgt:\t{CAUGHT:016x}\n"
            );
            assert_eq!(pending(&status), expected, "{status}");
        }
        check(0, 0, 0, 0, false);
        check(2, 0, 0, 0, true);
        check(0, 0x100, 0, 0, true);
        check(2, 2, 2, 0, false);
        check(2, 0x100, 2, 0x100, false);
        check(2, 0x100, 2, 0, true);
        check(0, 1 << (libc::SIGCHLD - 1), 0, 0, false);
        check(1 << (libc::SIGURG - 1), 0, 0, 0, true);
    }

    #[test]
    fn a_thread_that_is_gone_is_signalled() {
        assert!(is_signalled(u32::MAX));
        assert!(!is_signalled(std::process::id()));
    }
}
