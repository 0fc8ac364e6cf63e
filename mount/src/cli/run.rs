//! `utracefs run`: a command under observation.

use super::control::client;
use super::failure::{Failure, status};
use crate::run::{self, Program, Settings, wire};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command does, for `--help`.
pub const ABOUT: &str = "Runs CMD, unmodified, and reports what it and all processes that come from it really do to the daemon of a mount: their system calls with \
arguments, paths and results, forks, execs, exits, waits, signals, new names, context switches and, for root, wake-ups appear as the events of Linux (syscalls, raw_syscalls, sched, \
task, signal), in the trace, for filters, triggers and set_event_pid, as those of the workloads do. No privilege is needed but for wake-ups; only root and the user who mounted \
may report.

CMD keeps its terminal, directory, environment, signals and exit status; Ctrl-C, Ctrl-Z, fg and bg work as without. Its parent is a tracer process that this \
command starts. While no event is on that needs it, CMD is not attached to and runs at its own speed: enable events before or while it runs. Processes that \
CMD leaves behind are observed until they end.

The mount is the one of --mount, else of UTRACEFS_MOUNT, else /sys/kernel/tracing if that is utracefs, else the only one there is.";

/// The rest of the manual.
pub const AFTER: &str = "\
What is seen, and how:
  sched_waking, sched_wakeup, sched_wakeup_new, sched_switch
      through the kernel's own tracepoints and perf_event_open(2), without
      stopping anybody, if this command is run by root (or with CAP_PERFMON,
      and the kernel's tracefs can be read), outside containers: what the
      command's tasks do or have done to them, with both sides. Else wake-ups
      are not seen, which is said once when one is wanted, and of a context
      switch one side is known: the other is pid -1, comm <...>.
  sched_process_fork, _exit, _free, task_rename; for others than root
  sched_switch, sched_wakeup_new
      through perf_event_open(2), without stopping anybody. Where that is
      refused (perf_event_paranoid above 2, containers) context switches are
      not visible, which is said once; the others come through ptrace(2).
  syscalls, raw_syscalls, sched_process_exec, _wait, task_newtask, signal
      through ptrace(2), attached when such an event is enabled and detached
      when none is. A call that is made while it is observed takes some 10 us
      longer.

What CMD may notice while it is attached to:
  - a setuid program runs without its privilege (with root as tracer it should
    not); one that runs already cannot be observed
  - gdb and strace refuse to work inside; with --detach-debugged they work, and
    what they trace is not observed
  - when events go on or off, a call that sleeps may fail with EINTR where
    SIGSTOP and SIGCONT would make it fail (signal(7): epoll_wait, semop …)
  When some calls are observed and many others stop for nothing, a seccomp
  filter is put into the process, which cannot be taken out: the process stays
  attached for its life, dies if the tracer is killed, and for an ordinary user
  gains no privilege any more (sudo, su). --no-filter prevents it.

If the daemon ends, CMD goes on unobserved; so it does if the tracer is killed,
except for processes with a filter. A signal sent to CMD's whole process group
reaches CMD twice: the second time through this command.

Examples:
  utracefs run -- tar cf /tmp/x.tar /etc
  echo 1 > /tmp/tracing/events/syscalls/sys_enter_openat/enable
  utracefs run --mount /tmp/tracing -- make -j4
  utracefs run -- bash
      a shell that shows up in the trace with all its commands

Exit status:
  N      CMD's own
  death by a signal is passed on: the shell shows 128+N
  125    utracefs failed before CMD started; the message says why
  126    CMD was found but cannot be run
  127    CMD was not found
  2      wrong usage

Environment:
  UTRACEFS_MOUNT   the mount to report to if --mount is not given
  XDG_RUNTIME_DIR  where an ordinary user's daemon has its control socket
  RUST_LOG         what is logged: error, warn (default), info, debug, trace";

/// `utracefs run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Report to the daemon of this mount (default: UTRACEFS_MOUNT, else the only one)
    #[arg(long, short = 'm', value_name = "DIR")]
    pub mount: Option<PathBuf>,

    /// Never put a seccomp filter into a process
    ///
    /// Then every system call of an observed process stops, wanted or not; but the process can be let go again, survives the tracer,
    /// and may become privileged.
    #[arg(long)]
    pub no_filter: bool,

    /// Let go of a process that another one wants to trace (gdb, strace)
    ///
    /// While a process is attached to, all its system calls stop, as the one in question is ptrace(2).
    #[arg(long)]
    pub detach_debugged: bool,

    /// The command and its arguments
    #[arg(value_name = "CMD", trailing_var_arg = true, num_args = 1.., required = true)]
    pub command: Vec<OsString>,
}

/// Runs the command and returns its status.
///
/// # Errors
/// With status 125 if it did not come to that, 126 or 127 if it could not be run.
pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    let early = |f: Failure| f.status(status::EXEC);
    let program = Program::find(&args.command)?;
    let entry = client::find_mount(args.mount.as_deref()).map_err(early)?;
    let mut connection = client::connect(&entry).map_err(early)?;
    connection.ask(wire::ATTACH, |_| {}).map_err(early)?;
    let daemon = connection
        .into_stream()
        .map_err(|e| early(Failure::new(format!("the daemon is gone: {e}"))))?;
    let settings = Settings {
        filter: !args.no_filter,
        detach_debugged: args.detach_debugged,
    };
    run::run(&program, daemon, settings)
}
