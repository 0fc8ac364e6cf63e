//! `utracefs exec` and `utracefs container`: a command that finds utracefs where tools look for tracefs.
//!
//! On the daemon of a given mount this process becomes the command: signals, terminal and status are the command's own. With a
//! daemon of its own there are three processes: the daemon (in a session of its own, so that Ctrl-C does not reach it), the
//! command, and this one, which waits for the command, passes signals on and ends last, so that nothing is left when it has.

mod container;
mod namespace;
mod table;
mod waiter;

use super::args::ExecArgs;
use super::attach::{self, How, attach_as_root, plain};
use super::background::{self, News};
use super::control::client;
use super::daemon::{Daemon, Settings, Workloads, device_of};
use super::failure::{Failure, status};
use super::options::MountOptions;
use super::signals::{ENDING, Signals};
use super::{MOUNT_VAR, TRACING, point};
use nix::unistd::{ForkResult, Pid, fork, setsid};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where the mounts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a mount namespace of the command's own.
    Private,
    /// In this one, whose first process this is: a container's.
    Container,
}

/// Runs the command and returns its status.
///
/// # Errors
/// With status 125 if it did not come to that, 126 or 127 if it could not be run.
pub fn run(args: &ExecArgs, place: Place) -> Result<u8, Failure> {
    let early = |f: Failure| {
        if f.status == status::NOT_FOUND || f.status == status::NOT_EXECUTABLE {
            f
        } else {
            f.status(status::EXEC)
        }
    };
    let given = args.mount.clone().or_else(|| {
        let own = place == Place::Container || args.workloads.is_some() || !args.options.is_empty();
        std::env::var_os(MOUNT_VAR)
            .filter(|v| !v.is_empty() && !own)
            .map(Into::into)
    });
    match given {
        Some(dir) => on_mount(&dir, args).map_err(early),
        None => with_daemon(args, place).map_err(early),
    }
}

/// Becomes the command, on the daemon of a mount.
fn on_mount(dir: &Path, args: &ExecArgs) -> Result<u8, Failure> {
    let entry = client::find_mount(Some(dir))?;
    if point::is_dead(&entry) {
        let point = entry.point.display();
        return Err(
            Failure::new(format!("the daemon of {point} is gone")).remedy(format!(
                "mount again, which replaces the dead mount: utracefs mount {point}"
            )),
        );
    }
    if let Err(e) = std::fs::metadata(entry.point.join("README")) {
        return Err(Failure::new(format!(
            "cannot look into {}: {}",
            entry.point.display(),
            plain(&e)
        ))
        .remedy("run this as the user who mounted, or as root")
        .remedy("or mount with -o uid=N or gid=N,mode=750 and --allow-other"));
    }
    namespace::enter()?;
    namespace::show(&entry.point)?;
    let mut command = command(args);
    let e = command.exec();
    Err(cannot_run(&command, &e))
}

/// The command with its environment and directory.
fn command(args: &ExecArgs) -> Command {
    let mut command = match args.command.split_first() {
        Some((program, rest)) => {
            let mut c = Command::new(program);
            c.args(rest);
            c
        }
        None => {
            let shell = std::env::var_os("SHELL")
                .filter(|s| Path::new(s).is_file())
                .unwrap_or_else(|| OsString::from("/bin/sh"));
            let mut c = Command::new(shell);
            c.current_dir(TRACING);
            c
        }
    };
    command.env(MOUNT_VAR, TRACING).env("TRACEFS_PATH", TRACING);
    command
}

fn cannot_run(command: &Command, e: &io::Error) -> Failure {
    let status = if e.raw_os_error() == Some(libc::ENOENT) {
        status::NOT_FOUND
    } else {
        status::NOT_EXECUTABLE
    };
    Failure::new(format!(
        "cannot run {}: {}",
        command.get_program().display(),
        plain(e)
    ))
    .status(status)
}

/// Runs the command beside a daemon that lives as long.
fn with_daemon(args: &ExecArgs, place: Place) -> Result<u8, Failure> {
    let options = MountOptions::parse(&args.options)?;
    let settings = Settings {
        options,
        workloads: args.workloads.clone().unwrap_or(Workloads::All),
    };
    settings.check()?;
    if place == Place::Container {
        container::check()?;
    }
    let signals = Signals::block(waiter::WATCHED)
        .map_err(|e| Failure::new(format!("cannot wait for signals: {}", plain(&e))))?;
    if place == Place::Private {
        namespace::enter()?;
    }
    namespace::ensure_dir(Path::new(TRACING))?;
    let how = How {
        allow_other: true,
        read_only: options.read_only,
    };
    let connection =
        attach_as_root(Path::new(TRACING), how).map_err(namespace::with_userns_hint)?;
    let (daemon, life) = start_daemon(connection, &settings, &signals)?;
    // the waiter ends the daemon whatever happens from here on
    let mut waiter = waiter::Waiter::new(signals, daemon, life, place == Place::Container);
    namespace::show(Path::new(TRACING))?;
    if place == Place::Container && args.command.is_empty() {
        container::greet(&settings.workloads);
    }
    let mut command = command(args);
    let mask = waiter.mask();
    let me = nix::unistd::getpid();
    // SAFETY: sigprocmask, prctl, getppid and _exit are async-signal-safe
    unsafe { command.pre_exec(move || prepare_child(&mask, me)) };
    let child = command.spawn().map_err(|e| cannot_run(&command, &e))?;
    Ok(waiter.wait(Pid::from_raw(i32::try_from(child.id()).unwrap_or(0))))
}

/// In the command's process before it becomes the command: the signal mask as it was, and death with its parent, since without
/// that nobody would serve it.
fn prepare_child(mask: &nix::sys::signal::SigSet, parent: Pid) -> io::Result<()> {
    mask.thread_set_mask()?;
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    if nix::unistd::getppid() != parent {
        background::exit_now(i32::from(status::EXEC));
    }
    Ok(())
}

/// Starts the daemon's process and waits until its mount answers. It ends when the returned pipe is closed.
fn start_daemon(
    connection: OwnedFd,
    settings: &Settings,
    signals: &Signals,
) -> Result<(Pid, OwnedFd), Failure> {
    let no_pipe = |e: io::Error| Failure::new(format!("cannot make a pipe: {}", plain(&e)));
    let (read, news) = News::pipe().map_err(no_pipe)?;
    let (life, held) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| no_pipe(e.into()))?;
    // SAFETY: this process has one thread, so that the child may do all that its parent could
    match unsafe { fork() }
        .map_err(|e| Failure::new(format!("cannot start a process: {}", e.desc())))?
    {
        ForkResult::Parent { child } => {
            // with a copy of it here, nobody would notice that the daemon is dead
            drop((connection, news, life));
            match background::wait_for_news(read) {
                Ok(_) => Ok((child, held)),
                Err(f) => {
                    let _ = nix::sys::wait::waitpid(child, None);
                    Err(f)
                }
            }
        }
        ForkResult::Child => {
            drop((read, held));
            let _ = signals.old.thread_set_mask();
            let status = serve(connection, news, life, settings);
            std::process::exit(i32::from(status))
        }
    }
}

/// The daemon's process.
fn serve(connection: OwnedFd, mut news: News, life: OwnedFd, settings: &Settings) -> u8 {
    let _ = setsid();
    let _ = std::env::set_current_dir("/");
    let keep: Vec<_> = background::raw(&[&connection, &life])
        .into_iter()
        .chain(news.fd())
        .collect();
    background::close_others(&keep);
    let served = background::leave_stdio(None::<&File>, false)
        .and_then(|()| Signals::block(ENDING))
        .map_err(|e| Failure::new(format!("cannot leave the terminal: {}", plain(&e))))
        .and_then(|signals| {
            let point = Path::new(TRACING);
            let daemon = Daemon::start(connection, point, device_of(point)?, settings)?;
            daemon.check()?;
            Ok((signals, daemon))
        });
    match served {
        Ok((signals, daemon)) => {
            news.ready("");
            let end = daemon.wait(&signals, Some(&life));
            daemon.finish(end);
            0
        }
        Err(f) => {
            news.failed(&f);
            1
        }
    }
}

/// What a refusal means in a container or for an ordinary user.
fn refused(what: &str, e: &io::Error) -> Failure {
    let f = Failure::new(format!("cannot {what}: {}", plain(e)));
    if attach::in_container() {
        f.remedy("the container is not allowed to mount: docker run --device /dev/fuse --cap-add SYS_ADMIN …")
            .remedy("where AppArmor confines it, also --security-opt apparmor=unconfined")
            .remedy("if it is allowed to, its seccomp profile is too old to know open_tree(2): --security-opt seccomp=unconfined")
    } else {
        f
    }
}
