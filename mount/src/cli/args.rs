//! What the command line may look like; `--help` is the manual.

use super::daemon::Workloads;
use super::run::{self, RunArgs};
use clap::builder::styling::Styles;
use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

const ABOUT: &str = "The kernel's tracing filesystem (tracefs), in user space: events, ring buffers and control files that cat, echo, trace-cmd and \
     other tools take for the kernel's own.";

const AFTER: &str = "\
First steps:
  utracefs mount /tmp/tracing              mount and keep running; Ctrl-C unmounts
  cat /tmp/tracing/trace_pipe              in another shell: events as they happen
  utracefs exec -- trace-cmd record -e sched sleep 1
                                           one command with a tracefs of its own

Exit status:
  0    success
  1    the command did not do its work; the message says why and what to do
  2    wrong usage
  32   mount, umount: the mount or unmount failed (as mount(8) has it)
  125, 126, 127, 128+N   see utracefs exec --help, utracefs run --help

Environment:
  UTRACEFS_MOUNT   the mount that exec, run and workload talk to
  RUST_LOG         what is logged to standard error: error, warn (default),
                   info, debug, trace; also per module, for example
                   RUST_LOG=utracefs_mount::cli=debug

`utracefs COMMAND --help` explains each command with examples.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "utracefs", version, about = ABOUT, long_about = ABOUT, after_long_help = AFTER, styles = Styles::plain(), max_term_width = 100, )]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Mount utracefs on a directory and serve it
    #[command(long_about = MOUNT_ABOUT, after_long_help = MOUNT_AFTER)]
    Mount(MountArgs),
    /// Unmount utracefs and end its daemon
    #[command(long_about = UMOUNT_ABOUT, after_long_help = UMOUNT_AFTER)]
    Umount(UmountArgs),
    /// Run a command that finds utracefs where tools look for tracefs
    #[command(long_about = EXEC_ABOUT, after_long_help = EXEC_AFTER)]
    Exec(ExecArgs),
    /// Run a command under observation: its system calls, forks and signals as events
    #[command(long_about = run::ABOUT, after_long_help = run::AFTER)]
    Run(RunArgs),
    /// Be the first process of a container that has utracefs
    #[command(long_about = CONTAINER_ABOUT, after_long_help = CONTAINER_AFTER)]
    Container(ContainerArgs),
    /// Drive the workloads that produce events
    #[command(long_about = WORKLOAD_ABOUT, after_long_help = WORKLOAD_AFTER)]
    Workload(WorkloadArgs),
}

const MOUNT_ABOUT: &str = "Mounts utracefs on MOUNTPOINT, starts the workloads and prints one line when the mount answers.

Runs in the foreground until Ctrl-C, SIGTERM or SIGHUP, `utracefs umount` or umount(8); then it unmounts, even if files are still open (blocked \
readers are answered), and ends. A directory that is missing is created. A mount left by a daemon that was killed is replaced.

As root no helper program is needed. An ordinary user needs fusermount3 (package fuse3) and a readable /dev/fuse; everything in the tree then belongs \
to that user unless -o says otherwise. The mount's type is fuse.tracefs.";

const MOUNT_AFTER: &str = "\
Examples:
  utracefs mount /tmp/tracing
  utracefs mount --background -o gid=100,mode=750 /sys/kernel/tracing
  utracefs mount --workloads sched --log /var/log/utracefs.log /tmp/tracing
  utracefs mount --workloads none ~/tracing
      events only when asked for: utracefs workload run …

Exit status:
  0    unmounted cleanly; with --background: the mount answers
  2    wrong usage
  32   the mount failed; the message says why and what to do
  101  a bug: the daemon has unmounted and ended

Environment:
  RUST_LOG         what is logged: error, warn (default), info, debug, trace
  XDG_RUNTIME_DIR  an ordinary user's daemon has its control socket in
                   $XDG_RUNTIME_DIR/utracefs, root's is in /run/utracefs";

/// `utracefs mount`.
#[derive(Debug, ClapArgs)]
pub struct MountArgs {
    /// The directory to mount on; created if it is missing
    #[arg(value_name = "MOUNTPOINT")]
    pub mountpoint: PathBuf,

    /// Mount options as tracefs has them: uid=N, gid=N, mode=OCTAL, ro
    ///
    /// uid= and gid= set the owner and group of everything in the tree (default: whoever mounts), mode= the permissions of the root
    /// directory alone, in octal (default: 700). Several may be given in one list or with several -o; the last of a kind counts.
    #[arg(short = 'o', value_name = "OPTIONS", action = ArgAction::Append)]
    pub options: Vec<String>,

    /// Workloads to start: all, none or names (a,b)
    ///
    /// `utracefs workload list` tells the names and starts and stops them later.
    #[arg(long, value_name = "all|none|NAME,NAME…", default_value = "all")]
    pub workloads: Workloads,

    /// Let other users in, as far as owner and modes allow (root: always)
    ///
    /// For an ordinary user's mount the line user_allow_other must be in /etc/fuse.conf.
    #[arg(long)]
    pub allow_other: bool,

    /// Return as soon as the mount answers; the daemon goes on without a terminal
    ///
    /// If it cannot be mounted, the command fails with the reason. End the daemon with `utracefs umount MOUNTPOINT`.
    #[arg(long, short = 'b')]
    pub background: bool,

    /// Append log messages to this file instead of standard error
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Mount even over a directory that is not empty or over the kernel's own tracefs
    #[arg(long)]
    pub over: bool,
}

const UMOUNT_ABOUT: &str = "Asks the daemon behind MOUNTPOINT to unmount and end, and waits until it has ended. A mount whose daemon is dead is taken away. Files \
that are open do not prevent it: readers that wait are answered, later calls fail.";

const UMOUNT_AFTER: &str = "\
Examples:
  utracefs umount /tmp/tracing

umount(8) and fusermount3 -u do as well: the daemon notices and ends.

Exit status:
  0    unmounted
  2    wrong usage
  32   not mounted, not a mount of utracefs, or not allowed";

/// `utracefs umount`.
#[derive(Debug, ClapArgs)]
pub struct UmountArgs {
    /// The directory that utracefs is mounted on
    #[arg(value_name = "MOUNTPOINT")]
    pub mountpoint: PathBuf,
}

const EXEC_ABOUT: &str = "Runs CMD in a mount namespace of its own in which utracefs is at /sys/kernel/tracing and /sys/kernel/debug/tracing, so that trace-cmd, perf, \
bpftrace, bcc and other tools find it without being told. Nobody else sees these mounts, and nothing of them is left when CMD has ended. \
The kernel's own tracefs cannot be reached from inside.

With --mount (or UTRACEFS_MOUNT) CMD uses the daemon of that mount. Without, a daemon is started for CMD alone: it lives exactly as long as CMD. \
Without CMD, $SHELL is started in /sys/kernel/tracing.

Root needs CAP_SYS_ADMIN. An ordinary user gets a user namespace in which it is root (files of other users belong to nobody there), where the system \
allows that; for a daemon of its own a readable /dev/fuse is needed, but no helper program.";

const EXEC_AFTER: &str = "\
What CMD finds:
  /sys/kernel/tracing, /sys/kernel/debug/tracing
      utracefs
  /proc/mounts
      lists them as tracefs and debugfs, before all others
  /proc/sys/kernel/ftrace_enabled, /proc/sys/kernel/kptr_restrict
      may be written, without any effect
  UTRACEFS_MOUNT, TRACEFS_PATH
      are set to /sys/kernel/tracing

Examples:
  utracefs exec -- trace-cmd record -e sched sleep 2
  utracefs exec -- sh -c 'cd $UTRACEFS_MOUNT; echo 1 >events/enable; head trace_pipe'
  utracefs exec --mount /tmp/tracing -- bpftrace -l
  utracefs exec
      an interactive shell

Exit status:
  N      CMD's own
  128+N  CMD was killed by signal N
  125    utracefs failed before CMD started; the message says what is refused and what to do
  126    CMD was found but cannot be run
  127    CMD was not found
  2      wrong usage

Environment:
  UTRACEFS_MOUNT  the mount to use if --mount is not given
  SHELL           what is run if there is no CMD
  RUST_LOG        what is logged: error, warn (default), info, debug, trace";

/// `utracefs exec`.
#[derive(Debug, ClapArgs)]
pub struct ExecArgs {
    /// Use the daemon of this mount (default: UTRACEFS_MOUNT, else a daemon of its own)
    #[arg(long, short = 'm', value_name = "DIR", conflicts_with_all = ["options", "workloads"])]
    pub mount: Option<PathBuf>,

    /// Mount options of a daemon of its own, as for `utracefs mount`
    #[arg(short = 'o', value_name = "OPTIONS", action = ArgAction::Append)]
    pub options: Vec<String>,

    /// Workloads of a daemon of its own, as for `utracefs mount` [default: all]
    #[arg(long, value_name = "all|none|NAME,NAME…")]
    pub workloads: Option<Workloads>,

    /// The command and its arguments (default: a shell)
    #[arg(value_name = "CMD", trailing_var_arg = true, num_args = 0..)]
    pub command: Vec<OsString>,
}

const CONTAINER_ABOUT: &str = "The entry point of the utracefs image. Mounts utracefs at /sys/kernel/tracing and /sys/kernel/debug/tracing in the container's own mount \
namespace, so that `docker exec` sees it too, and runs CMD beside its daemon; without CMD a shell in /sys/kernel/tracing. As process 1 it collects \
orphans and passes signals on; SIGTERM ends an interactive shell as well, so that `docker stop` takes no time.

The container needs the device and the capability: docker run --device /dev/fuse --cap-add SYS_ADMIN. Where AppArmor confines containers, also \
--security-opt apparmor=unconfined. What is refused is named.";

const CONTAINER_AFTER: &str = "\
Examples:
  docker run --rm -it --device /dev/fuse --cap-add SYS_ADMIN utracefs
  docker run --rm --device /dev/fuse --cap-add SYS_ADMIN utracefs \\
      cat /sys/kernel/tracing/available_events
  docker exec -it CONTAINER cat /sys/kernel/tracing/trace_pipe

Exit status: that of `utracefs exec`.";

/// `utracefs container`.
#[derive(Debug, ClapArgs)]
pub struct ContainerArgs {
    /// Mount options, as for `utracefs mount`
    #[arg(short = 'o', value_name = "OPTIONS", action = ArgAction::Append)]
    pub options: Vec<String>,

    /// Workloads to start, as for `utracefs mount`
    #[arg(long, value_name = "all|none|NAME,NAME…", default_value = "all")]
    pub workloads: Workloads,

    /// The command and its arguments (default: a shell)
    #[arg(value_name = "CMD", trailing_var_arg = true, num_args = 0..)]
    pub command: Vec<OsString>,
}

impl ContainerArgs {
    /// The same as arguments of `exec`.
    pub fn as_exec(&self) -> ExecArgs {
        ExecArgs {
            mount: None,
            options: self.options.clone(),
            workloads: Some(self.workloads.clone()),
            command: self.command.clone(),
        }
    }
}

const WORKLOAD_ABOUT: &str = "Workloads are small programs inside the daemon whose work fires the events: sched runs green tasks on per-CPU run queues, syscalls performs file \
operations. These commands reach the daemon over its control socket; only root and the user who mounted may ask it.

The mount is the one of --mount, else of UTRACEFS_MOUNT, else /sys/kernel/tracing if that is utracefs, else the only one there is.";

const WORKLOAD_AFTER: &str = "\
Examples:
  utracefs workload list
  utracefs workload start sched --rate 100
  utracefs workload run syscalls --ops 1000 --mount /tmp/tracing
  utracefs workload stop sched

Exit status:
  0    done
  1    no daemon answers, or it refuses; the message says why
  2    wrong usage

Environment:
  UTRACEFS_MOUNT   the mount to talk to if --mount is not given
  XDG_RUNTIME_DIR  where an ordinary user's daemon has its control socket,
                   for commands in another network namespace";

const LIST_AFTER: &str = "\
A line for each: name, state, operations done since the daemon started, what it does.

Examples:
  utracefs workload list --mount /tmp/tracing

Exit status: 0 done, 1 no daemon answers or it refuses, 2 wrong usage.
Environment: UTRACEFS_MOUNT, see utracefs workload --help.";

const START_AFTER: &str = "\
One that runs already goes on, at the new rate if one is given.

Examples:
  utracefs workload start sched
  utracefs workload start syscalls --rate 1000

Exit status: 0 it runs, 1 no daemon answers or it refuses, 2 wrong usage.
Environment: UTRACEFS_MOUNT, see utracefs workload --help.";

const FIGURES_AFTER: &str = "\
Prints a line for each figure: its name and its value since the daemon began. Times are in ns. They are counted where the
work is done, not made from events, so that what a script makes of a trace can be held against them.

Examples:
  utracefs workload figures block

Exit status: 0 told, 1 no daemon answers or the workload has no figures, 2 wrong usage.
Environment: UTRACEFS_MOUNT, see utracefs workload --help.";
const STOP_AFTER: &str = "\
Nothing of it goes on when the command returns. Runs of it end as well.

Examples:
  utracefs workload stop sched

Exit status: 0 it is stopped, 1 no daemon answers or it refuses, 2 wrong usage.
Environment: UTRACEFS_MOUNT, see utracefs workload --help.";

const SET_AFTER: &str = "\
It counts from now on, also for what runs already, until the daemon ends.
`utracefs workload list` shows the settings of each workload.

Settings:
  net loss=PERCENT  packets that get lost on the bad way, 0 to 30 (default: 5)

Examples:
  utracefs workload set net loss=12.5

Exit status: 0 it is set, 1 no daemon answers or it refuses, 2 wrong usage.
Environment: UTRACEFS_MOUNT, see utracefs workload --help.";

const RUN_AFTER: &str = "\
What the workload does in the background goes on beside it. If the command
is ended before, so is the run.

Examples:
  utracefs workload run sched --ops 10
  utracefs workload run syscalls --ops 1000 --rate 100 --mount /tmp/tracing

Exit status: 0 exactly N operations were done, 1 no daemon answers, it
refuses, or the run was stopped, 2 wrong usage.
Environment: UTRACEFS_MOUNT, see utracefs workload --help.";

/// `utracefs workload`.
#[derive(Debug, ClapArgs)]
pub struct WorkloadArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: WorkloadCommand,
}

/// `utracefs workload …`.
#[derive(Debug, Subcommand)]
pub enum WorkloadCommand {
    /// List the workloads: name, state, what they do
    #[command(after_long_help = LIST_AFTER)]
    List(MountRef),
    /// Start one, to go on until it is stopped
    #[command(after_long_help = START_AFTER)]
    Start(WorkloadStart),
    /// Stop one
    #[command(after_long_help = STOP_AFTER)]
    Stop(WorkloadName),
    /// Tell what one has counted and measured itself
    #[command(after_long_help = FIGURES_AFTER)]
    Figures(WorkloadName),
    /// Choose something about one, such as what the link of net loses
    #[command(after_long_help = SET_AFTER)]
    Set(WorkloadSet),
    /// Perform exactly N operations and return when they are done
    #[command(after_long_help = RUN_AFTER)]
    Run(WorkloadRun),
}

/// `--mount`.
#[derive(Debug, ClapArgs)]
pub struct MountRef {
    /// The mount whose daemon is asked
    #[arg(long, short = 'm', value_name = "DIR")]
    pub mount: Option<PathBuf>,
}

/// `utracefs workload stop`, `utracefs workload figures`.
#[derive(Debug, ClapArgs)]
pub struct WorkloadName {
    /// The workload, as `workload list` names it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which mount.
    #[command(flatten)]
    pub mount: MountRef,
}

/// `utracefs workload set`.
#[derive(Debug, ClapArgs)]
pub struct WorkloadSet {
    /// The workload, as `workload list` names it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What to choose
    #[arg(value_name = "KEY=VALUE", value_parser = setting)]
    pub setting: String,
    /// Which mount.
    #[command(flatten)]
    pub mount: MountRef,
}

/// `utracefs workload start`.
#[derive(Debug, ClapArgs)]
pub struct WorkloadStart {
    /// The workload, as `workload list` names it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Operations per second (default: the workload's own)
    #[arg(long, value_name = "HZ", value_parser = rate)]
    pub rate: Option<f64>,
    /// Which mount.
    #[command(flatten)]
    pub mount: MountRef,
}

/// `utracefs workload run`.
#[derive(Debug, ClapArgs)]
pub struct WorkloadRun {
    /// The workload, as `workload list` names it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How many operations to perform
    #[arg(long, value_name = "N", default_value = "1000")]
    pub ops: u64,
    /// Operations per second (default: as fast as they go)
    #[arg(long, value_name = "HZ", value_parser = rate)]
    pub rate: Option<f64>,
    /// Which mount.
    #[command(flatten)]
    pub mount: MountRef,
}

fn setting(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, value))
            if !key.is_empty() && !value.is_empty() && !text.contains(char::is_whitespace) =>
        {
            Ok(text.into())
        }
        _ => Err("KEY=VALUE, without spaces".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hz) if hz > 0.0 && hz <= 1e6 => Ok(hz),
        _ => Err("operations per second: above 0, at most 1000000".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    fn check(line: &str, expected: bool) {
        let got = Args::try_parse_from(line.split(' '));
        assert_eq!(got.is_ok(), expected, "{line}: {got:?}");
    }

    #[test]
    fn lines_are_taken_and_refused() {
        check("utracefs mount /t", true);
        check(
            "utracefs mount -o uid=1 -o gid=2 --workloads a,b --allow-other --background --log /l --over /t",
            true,
        );
        check("utracefs mount", false);
        check("utracefs mount /t /u", false);
        check("utracefs umount /t", true);
        check("utracefs exec", true);
        check("utracefs exec -- ls -l", true);
        check("utracefs exec ls -l", true);
        check("utracefs exec --mount /t -- ls", true);
        check("utracefs exec --mount /t --workloads all -- ls", false);
        check("utracefs run -- ls -l", true);
        check(
            "utracefs run --no-filter --detach-debugged -m /t ls -l",
            true,
        );
        check("utracefs run", false);
        check("utracefs container", true);
        check("utracefs workload list --mount /t", true);
        check("utracefs workload run sched --ops 5 --rate 7", true);
        check("utracefs workload set net loss=3", true);
        check("utracefs workload set net loss", false);
        check("utracefs workload set net loss= 3", false);
        check("utracefs workload set net", false);
        check("utracefs workload run sched --rate 0", false);
        check("utracefs workload run sched --ops -1", false);
        check("utracefs workload start", false);
        check("utracefs nonsense", false);
    }

    #[test]
    fn every_command_explains_itself() {
        fn walk(c: &mut clap::Command, depth: usize) {
            let (name, help) = (c.get_name().to_string(), c.render_long_help().to_string());
            for part in ["Exit status", "Environment", "Examples"] {
                let absent = (depth == 0 && part == "Examples")
                    || (part == "Environment" && ["umount", "container"].contains(&name.as_str()));
                assert!(
                    absent || help.contains(part),
                    "{name} has no {part}:\n{help}"
                );
            }
            let wide = help.lines().find(|l| l.chars().count() > 100);
            assert_eq!(wide, None, "{name} is wider than a terminal");
            for s in c.get_subcommands_mut().filter(|s| s.get_name() != "help") {
                walk(s, depth + 1);
            }
        }
        walk(&mut Args::command(), 0);
    }
}
