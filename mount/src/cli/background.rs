//! A daemon that leaves its terminal, and a parent that waits for the news.

use super::attach::plain;
use super::failure::Failure;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork, setsid};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The daemon's end of the pipe to whoever has started it.
pub struct News {
    pipe: Option<File>,
}

impl News {
    /// A pipe: the waiting end and the daemon's.
    ///
    /// # Errors
    /// If there is no descriptor to be had.
    pub fn pipe() -> io::Result<(File, News)> {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        Ok((
            File::from(read),
            News {
                pipe: Some(File::from(write)),
            },
        ))
    }

    /// Tells that all is well, with a text for the user.
    pub fn ready(&mut self, text: &str) {
        self.send(&format!("ready\n{text}"));
    }

    /// Tells what went wrong.
    pub fn failed(&mut self, f: &Failure) {
        self.send(&f.encode());
    }

    fn send(&mut self, text: &str) {
        if let Some(mut pipe) = self.pipe.take() {
            // a parent that has been killed reads no news
            let _ = pipe.write_all(text.as_bytes());
        }
    }

    /// The descriptor, which must outlive [`close_others`].
    pub fn fd(&self) -> Option<RawFd> {
        self.pipe.as_ref().map(AsRawFd::as_raw_fd)
    }
}

/// Waits for the daemon's word: the text that it gave to [`News::ready`].
///
/// # Errors
/// What it gave to [`News::failed`], or that it died without a word.
pub fn wait_for_news(mut pipe: File) -> Result<String, Failure> {
    let mut text = String::new();
    pipe.read_to_string(&mut text)
        .map_err(|e| Failure::new(format!("cannot hear from the daemon: {}", plain(&e))))?;
    match text.strip_prefix("ready\n") {
        Some(t) => Ok(t.to_string()),
        None => Err(Failure::decode(&text).unwrap_or_else(|| {
            Failure::new("the daemon ended before its mount answered")
                .remedy("run it in the foreground with RUST_LOG=debug to see why")
        })),
    }
}

/// Runs `daemon` in a process without terminal, session or parent, and returns what it tells.
///
/// # Errors
/// What the daemon tells, or that there can be no process.
pub fn spawn(daemon: impl FnOnce(News) -> u8) -> Result<String, Failure> {
    let (read, news) =
        News::pipe().map_err(|e| Failure::new(format!("cannot make a pipe: {}", plain(&e))))?;
    let no_process =
        |e: nix::errno::Errno| Failure::new(format!("cannot start a process: {}", e.desc()));
    // SAFETY: this process has one thread, so that the child may do all that its parent could
    match unsafe { fork() }.map_err(no_process)? {
        ForkResult::Parent { child } => {
            drop(news);
            let answer = wait_for_news(read);
            let _ = waitpid(child, None);
            answer
        }
        ForkResult::Child => {
            drop(read);
            let _ = setsid();
            // a session's leader would get a terminal by opening one; its child does not
            // SAFETY: as above
            match unsafe { fork() } {
                Ok(ForkResult::Parent { .. }) => exit_now(0),
                Ok(ForkResult::Child) => {
                    let _ = std::env::set_current_dir("/");
                    std::process::exit(i32::from(daemon(news)))
                }
                Err(e) => {
                    let mut news = news;
                    news.failed(&no_process(e));
                    exit_now(1)
                }
            }
        }
    }
}

/// Ends this process without running what its parent has registered for its own end.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: ends the process
    unsafe { libc::_exit(status) }
}

/// Points standard input, output and error elsewhere: input to /dev/null, the others to `log` or /dev/null.
///
/// # Errors
/// If there is no /dev/null.
pub fn leave_stdio(log: Option<&File>, stderr_too: bool) -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let out = log.unwrap_or(&null).as_raw_fd();
    redirect(null.as_raw_fd(), 0)?;
    redirect(out, 1)?;
    if stderr_too {
        redirect(out, 2)?;
    }
    Ok(())
}

fn redirect(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: dup2 on the standard descriptors, which no Rust object owns
    if unsafe { libc::dup2(from, to) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Closes every descriptor from 3 on that is not in `keep`: whatever the caller's shell left open is no business of a daemon.
pub fn close_others(keep: &[RawFd]) {
    let mut keep: Vec<u32> = keep
        .iter()
        .filter_map(|fd| u32::try_from(*fd).ok())
        .filter(|fd| *fd > 2)
        .collect();
    keep.sort_unstable();
    let mut first = 3u32;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if first < fd {
            // SAFETY: descriptors that this process inherited; none of them belongs to an object that is still used
            unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) };
        }
        first = fd.saturating_add(1);
    }
}

/// The raw numbers of some descriptors.
pub fn raw(fds: &[&OwnedFd]) -> Vec<RawFd> {
    fds.iter().map(|f| f.as_raw_fd()).collect()
}
