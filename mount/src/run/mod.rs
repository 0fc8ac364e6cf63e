//! `utracefs run`: a command and its children under observation.
//!
//! Two processes. The [`front`] is what the caller started: the job in the terminal; it copies stops and the exit status. The
//! [`tracer`] is its child in a process group of its own (it must not stop when the command does) and the command's parent; it
//! attaches to the command only while the daemon wants to hear of something that cannot be had otherwise.
//!
//! The tracer is a fork that goes on in this program, not another execution of it: the process has one thread when it forks, so
//! that the child may do everything; an execution would cost more than all the rest of the start, need /proc, and hand over the
//! connection, on which the daemon has checked who we are, by number.

mod front;
mod link;
mod news;
mod perf;
mod program;
mod sys;
mod tracer;
pub mod wire;

use super::cli::attach::plain;
use super::cli::background::exit_now;
use super::cli::failure::{Failure, status};
use super::cli::signals::Signals;
use nix::unistd::{ForkResult, fork};
use std::os::unix::net::UnixStream;

pub use program::Program;

/// How the command is to be observed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// System calls that nobody wants may be kept from stopping the command by a seccomp filter, which cannot be taken off again.
    pub filter: bool,
    /// A process that another one wants to trace (gdb, strace) is let go.
    pub detach_debugged: bool,
}

/// Whether the kernel tells us of wake-ups and of both sides of switches, as it does root and whoever has CAP_PERFMON and may read the
/// kernel's own tracefs.
///
/// # Errors
/// Why it does not.
pub fn sees_wakeups() -> Result<(), String> {
    perf::points().map(drop)
}

/// Runs the program and reports to the daemon at the other end of `daemon`, where the word is ours. To be called by a process
/// with one thread. Returns the program's exit status; a signal that ends the program ends this process.
///
/// # Errors
/// If it could not be started, with status 125.
pub fn run(program: &Program, daemon: UnixStream, settings: Settings) -> Result<u8, Failure> {
    let failed = |what: &str, e: std::io::Error| {
        Failure::new(format!("cannot {what}: {}", plain(&e))).status(status::EXEC)
    };
    let (listener, teller) = news::pipe().map_err(|e| failed("make a pipe", e))?;
    let signals = Signals::block(front::WATCHED).map_err(|e| failed("wait for signals", e))?;
    // whoever loses his parents is not lost: see `Front::wait_alone`
    let _ = nix::sys::prctl::set_child_subreaper(true);
    // SAFETY: this process has one thread, so that the child may do all that its parent could
    match unsafe { fork() }.map_err(|e| failed("start a process", e.into()))? {
        ForkResult::Parent { child } => {
            drop((daemon, teller));
            Ok(front::Front::new(signals, child).wait(listener))
        }
        ForkResult::Child => {
            drop(listener);
            let mask = signals.old;
            drop(signals);
            exit_now(tracer::main(program, daemon, teller, mask, settings))
        }
    }
}
