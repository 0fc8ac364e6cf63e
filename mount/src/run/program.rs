//! The command: found before anything is started, begun by the tracer, and held at a gate until the tracer is ready for it.

use super::super::cli::background::exit_now;
use super::super::cli::failure::{Failure, status};
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{AccessFlags, ForkResult, Pid, access, fork, setpgid};
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A program and its arguments, ready to be executed.
pub struct Program {
    path: CString,
    args: Vec<CString>,
    environment: Vec<CString>,
}

/// Where a process stands that is to become the command: it goes on when this is dropped.
pub struct Gate {
    _held: OwnedFd,
}

fn cannot_run(name: &OsStr, e: &io::Error) -> Failure {
    let status = match e.raw_os_error() {
        Some(libc::ENOENT) => status::NOT_FOUND,
        _ => status::NOT_EXECUTABLE,
    };
    let why = super::super::cli::attach::plain(e);
    Failure::new(format!("cannot run {}: {why}", name.display())).status(status)
}

/// The file that a name stands for, as execvp(3) looks for it.
fn find(name: &OsStr) -> io::Result<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Ok(name.into());
    }
    let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let mut refused = libc::ENOENT;
    for dir in env::split_paths(&path) {
        let file = if dir.as_os_str().is_empty() {
            Path::new(".").join(name)
        } else {
            dir.join(name)
        };
        if file.is_file() {
            match access(&file, AccessFlags::X_OK) {
                Ok(()) => return Ok(file),
                Err(_) => refused = libc::EACCES,
            }
        }
    }
    Err(io::Error::from_raw_os_error(refused))
}

impl Program {
    /// Finds it.
    ///
    /// # Errors
    /// With status 126 or 127.
    pub fn find(command: &[OsString]) -> Result<Program, Failure> {
        let name = command.first().map_or(OsStr::new(""), |n| n.as_os_str());
        let file = find(name).map_err(|e| cannot_run(name, &e))?;
        let c = |s: &OsStr| {
            CString::new(s.as_bytes()).map_err(|_| {
                Failure::new("an argument contains a NUL").status(status::NOT_EXECUTABLE)
            })
        };
        let environment = env::vars_os().filter_map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).ok()
        });
        Ok(Program {
            path: c(file.as_os_str())?,
            args: command.iter().map(|a| c(a)).collect::<Result<_, _>>()?,
            environment: environment.collect(),
        })
    }

    /// Starts its process in this process group, with this signal mask. It becomes the program when the gate is dropped.
    ///
    /// # Errors
    /// If there is no process to be had.
    pub fn start(&self, group: Pid, mask: &SigSet) -> io::Result<(i32, Gate)> {
        let (read, held) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
        // SAFETY: this process has one thread, so that the child may do all that its parent could
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok((child.as_raw(), Gate { _held: held })),
            ForkResult::Child => {
                drop(held);
                let _ = setpgid(Pid::from_raw(0), group);
                // SAFETY: sets the default; Rust programs are started with this signal ignored
                let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
                let _ = mask.thread_set_mask();
                let mut at_gate = std::fs::File::from(read);
                while at_gate
                    .read(&mut [0])
                    .is_err_and(|e| e.kind() == io::ErrorKind::Interrupted)
                {}
                self.become_it()
            }
        }
    }

    /// Replaces this process.
    fn become_it(&self) -> ! {
        let _ = nix::unistd::execve(&self.path, &self.args, &self.environment);
        let mut e = io::Error::last_os_error();
        if e.raw_os_error() == Some(libc::ENOEXEC) {
            // a script without a first line that says for whom, as execvp(3) has it
            let mut args = vec![c"sh".to_owned(), self.path.clone()];
            args.extend(self.args.iter().skip(1).cloned());
            let _ = nix::unistd::execve(c"/bin/sh", &args, &self.environment);
            e = io::Error::last_os_error();
        }
        let name = self.args.first().map_or(&b""[..], |n| n.as_bytes());
        let failure = cannot_run(OsStr::from_bytes(name), &e);
        failure.print();
        exit_now(i32::from(failure.status))
    }
}

impl Gate {
    /// The descriptor, for whoever closes others.
    pub fn fd(&self) -> i32 {
        self._held.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: Result<&str, u8>) {
        let words: Vec<OsString> = words.iter().map(Into::into).collect();
        let got = Program::find(&words).map_err(|f| f.status);
        let got = got.map(|p| p.path.into_string().unwrap());
        match (got, expected) {
            (Ok(path), Ok(end)) => assert!(path.ends_with(end), "{path}"),
            (Err(got), Err(expected)) => assert_eq!(got, expected, "{words:?}"),
            (got, _) => panic!("{words:?}: {got:?}"),
        }
    }

    #[test]
    fn programs_are_found() {
        check(&["sh", "-c", "exit"], Ok("/sh"));
        check(&["/no/such"], Ok("/no/such"));
        check(&["no-such-program-anywhere"], Err(127));
        check(&[""], Err(127));
        check(&["sh", "a\0b"], Err(126));
    }
}
