//! Signals as things to wait for.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Signals that end a daemon.
pub const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// A set of signals, blocked in this thread and in all that it starts, and a descriptor that tells of them.
pub struct Signals {
    fd: SignalFd,
    /// The mask as it was before.
    pub old: SigSet,
}

impl Signals {
    /// Blocks these signals. To be called before the first thread is started.
    ///
    /// # Errors
    /// If there is no descriptor to be had.
    pub fn block(signals: impl IntoIterator<Item = Signal>) -> io::Result<Signals> {
        let set: SigSet = signals.into_iter().collect();
        let mut old = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut old))?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Signals { fd, old })
    }

    /// The next signal that has come, or None.
    pub fn next(&self) -> Option<siginfo> {
        loop {
            match self.fd.read_signal() {
                Err(Errno::EINTR) => {}
                other => return other.ok().flatten(),
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether this process was started with the signal ignored, as nohup(1) does with SIGHUP.
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: with no new action given, sigaction only writes the present one to `now`, which is large enough and all zeros valid
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal as i32, std::ptr::null(), &mut now) == 0
            && now.sa_sigaction == libc::SIG_IGN
    }
}

/// Waits until one of the descriptors is readable (or closed at the other end), at most `timeout_ms` (-1: for ever). Tells which are.
pub fn wait_readable<const N: usize>(fds: [BorrowedFd<'_>; N], timeout_ms: i32) -> [bool; N] {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut set = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    let timeout = PollTimeout::try_from(timeout_ms).unwrap_or(PollTimeout::NONE);
    match poll(&mut set, timeout) {
        Ok(n) if n > 0 => set.map(|p| p.any().unwrap_or(true)),
        _ => [false; N],
    }
}
