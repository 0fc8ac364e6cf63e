//! The kernel's own tracefs. The directory /sys/kernel/tracing may be ours (`utracefs exec`), or nothing at all (containers).
//!
//! Source: fsopen(2), fsconfig(2), fsmount(2): a mount that is nowhere in the tree of files and goes with its descriptor.

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::sys::statfs::{TRACEFS_MAGIC, fstatfs};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Where it is mounted if it is.
const MOUNTED: &str = "/sys/kernel/tracing";

/// Its directory.
pub struct Tracefs(OwnedFd);

impl Tracefs {
    /// Looks for it: mounted first, as a mount of our own would reset the owners that another has given it.
    ///
    /// # Errors
    /// Why there is none to be had.
    pub fn open() -> io::Result<Tracefs> {
        Tracefs::mounted().or_else(|_| Tracefs::detached())
    }

    fn mounted() -> io::Result<Tracefs> {
        let dir: OwnedFd = File::open(MOUNTED)?.into();
        match fstatfs(&dir)?.filesystem_type() {
            TRACEFS_MAGIC => Ok(Tracefs(dir)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// A mount that nobody else sees.
    fn detached() -> io::Result<Tracefs> {
        const CLOEXEC: libc::c_long = 1;
        const CREATE: libc::c_long = 6;
        const READ_ONLY: libc::c_long = 1;
        let none = std::ptr::null::<libc::c_char>();
        // SAFETY: the name is a text with its NUL; the kernel only reads it
        let made = unsafe { libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), CLOEXEC) };
        let context = owned(made)?;
        let fd = context.as_raw_fd();
        // SAFETY: the command takes no key and no value
        let made = unsafe { libc::syscall(libc::SYS_fsconfig, fd, CREATE, none, none, 0) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: no memory is involved
        let made = unsafe { libc::syscall(libc::SYS_fsmount, fd, CLOEXEC, READ_ONLY) };
        Ok(Tracefs(owned(made)?))
    }

    /// A whole file.
    ///
    /// # Errors
    /// What open and read say.
    pub fn read(&self, path: &str) -> io::Result<String> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(&self.0, path, flags, Mode::empty())?);
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// The descriptor that a system call has made.
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else knows it
    Ok(unsafe { OwnedFd::from_raw_fd(result as RawFd) })
}
