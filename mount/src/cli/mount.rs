//! `utracefs mount`.

use super::args::MountArgs;
use super::attach::{How, attach, detach_device, plain};
use super::background::{self, News};
use super::daemon::{Daemon, End, Settings, device_of};
use super::failure::{Failure, status};
use super::options::MountOptions;
use super::point;
use super::say;
use super::signals::{ENDING, Signals, is_ignored};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Mounts, serves and unmounts; with `--background` returns as soon as the mount answers.
///
/// # Errors
/// What failed, with mount(8)'s status 32.
pub fn run(args: &MountArgs) -> Result<u8, Failure> {
    run_inner(args).map_err(|f| f.status(status::MOUNT))
}

fn run_inner(args: &MountArgs) -> Result<u8, Failure> {
    let options = MountOptions::parse(&args.options)?;
    let settings = Settings {
        options,
        workloads: args.workloads.clone(),
    };
    settings.check()?;
    let log = args.log.as_deref().map(open_log).transpose()?;
    let point = point::prepare(&args.mountpoint, args.over)?;
    let how = How {
        allow_other: args.allow_other || nix::unistd::geteuid().is_root(),
        read_only: options.read_only,
    };
    if !args.background {
        if let Some(log) = &log {
            // what is meant for the user stays on standard output
            redirect_log(log)?;
        }
        return serve(&point, how, &settings, say, "Ctrl-C unmounts").map(|()| 0);
    }
    let text = background::spawn(|news| in_background(news, &point, how, &settings, log.as_ref()))?;
    say(&text);
    Ok(0)
}

fn open_log(path: &Path) -> Result<File, Failure> {
    let opened = File::options().create(true).append(true).open(path);
    opened.map_err(|e| {
        Failure::new(format!(
            "cannot write the log {}: {}",
            path.display(),
            plain(&e)
        ))
    })
}

fn redirect_log(log: &File) -> Result<(), Failure> {
    // SAFETY: dup2 onto standard error, which no Rust object owns
    if unsafe { libc::dup2(log.as_raw_fd(), 2) } < 0 {
        return Err(Failure::new(format!(
            "cannot write the log: {}",
            plain(&std::io::Error::last_os_error())
        )));
    }
    Ok(())
}

/// The life of a background daemon. Returns its exit status, which nobody reads.
fn in_background(
    mut news: News,
    point: &Path,
    how: How,
    settings: &Settings,
    log: Option<&File>,
) -> u8 {
    let keep: Vec<_> = news
        .fd()
        .into_iter()
        .chain(log.map(AsRawFd::as_raw_fd))
        .collect();
    background::close_others(&keep);
    // until it is ready, warnings go to the user's terminal unless there is a log
    if let Err(e) = background::leave_stdio(log, log.is_some()) {
        news.failed(&Failure::new(format!(
            "cannot leave the terminal: {}",
            plain(&e)
        )));
        return 1;
    }
    let hint = format!("`utracefs umount {}` ends it", point.display());
    let ready = |text: &str| {
        let _ = background::leave_stdio(log, true);
        news.ready(text);
    };
    match serve(point, how, settings, ready, &hint) {
        Ok(()) => 0,
        Err(f) => {
            log::error!("{f}");
            news.failed(&f);
            1
        }
    }
}

/// Mounts, tells `ready` once the mount answers, serves until the end and unmounts.
fn serve(
    point: &Path,
    how: How,
    settings: &Settings,
    ready: impl FnOnce(&str),
    hint: &str,
) -> Result<(), Failure> {
    let signals = Signals::block(ENDING.into_iter().filter(|s| !is_ignored(*s)))
        .map_err(|e| Failure::new(format!("cannot wait for signals: {}", plain(&e))))?;
    let connection = attach(point, how)?;
    let device = device_of(point)?;
    let daemon = match start(connection, point, device, settings) {
        Ok(d) => d,
        Err(f) => {
            detach_device(point, device);
            return Err(f);
        }
    };
    ready(&ready_text(point, settings, hint));
    let end = daemon.wait(&signals, None);
    if end == End::Unmounted {
        log::info!("{} was unmounted by somebody else", point.display());
    }
    daemon.finish(end);
    Ok(())
}

fn start(
    connection: OwnedFd,
    point: &Path,
    device: (u32, u32),
    settings: &Settings,
) -> Result<Daemon, Failure> {
    let daemon = Daemon::start(connection, point, device, settings)?;
    daemon.check()?;
    Ok(daemon)
}

/// The ready line and three things to try.
fn ready_text(point: &Path, settings: &Settings, hint: &str) -> String {
    let at = quoted(point);
    let workloads = settings.workloads.describe();
    format!(
        "utracefs: ready on {} (pid {}, {workloads}); {hint}\n\
         Three things to try:\n\
         \x20 cat {at}/available_events\n\
         \x20 echo 1 > {at}/events/sched/enable; cat {at}/trace_pipe\n\
         \x20 utracefs exec --mount {at} -- trace-cmd record -e sched sleep 1",
        point.display(),
        std::process::id(),
    )
}

/// The path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&b))
    {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_the_shell() {
        for (path, expected) in [
            ("/tmp/t", "/tmp/t"),
            ("/tmp/a b", "'/tmp/a b'"),
            ("/it's", "'/it'\\''s'"),
            ("/a$b", "'/a$b'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
