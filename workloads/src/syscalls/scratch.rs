//! A directory of one's own under the system's temporary one, removed when it is dropped; and what killed processes have
//! left there.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Start of the directory's name; the process number and a count follow.
const PREFIX: &str = "utracefs-syscalls.";

/// A directory, empty at first, that nobody else uses.
pub(super) struct Scratch {
    path: PathBuf,
    /// Locked (flock(2)) as long as the directory is in use: a directory nobody has locked was left by a killed process.
    dir: File,
}

impl Scratch {
    /// Makes a directory below `base`, after removing what others have left there.
    pub fn new(base: &Path) -> io::Result<Scratch> {
        remove_leftovers(base);
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for _ in 0..1000 {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = base.join(format!("{PREFIX}{}.{count}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            // Between the two steps another process may have taken it for a leftover: then it is gone, and the next is tried.
            if let Ok(dir) = File::open(&path)
                && lock(&dir)
                && dir.metadata()?.nlink() > 0
            {
                return Ok(Scratch { path, dir });
            }
        }
        Err(io::Error::other("no free name for a scratch directory"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.dir.as_raw_fd()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            log::warn!("{} stays behind: {error}", self.path.display());
        }
    }
}

/// Takes the lock that says a directory is in use; false if another has it.
fn lock(dir: &File) -> bool {
    // SAFETY: flock(2) has no memory effect; the descriptor is open.
    unsafe { libc::flock(dir.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}

/// Removes the directories of this user's processes that were killed.
fn remove_leftovers(base: &Path) {
    // SAFETY: no arguments, cannot fail.
    let user = unsafe { libc::geteuid() };
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = is_scratch_name(&entry.file_name())
            // Of the name itself, not of what a link points to.
            && entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == user);
        if !ours {
            continue;
        }
        if let Ok(dir) = File::open(entry.path())
            && lock(&dir)
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_scratch_name(name: &OsStr) -> bool {
    let numbers = |rest: &str| {
        rest.split_once('.')
            .is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
    };
    name.to_str()
        .and_then(|name| name.strip_prefix(PREFIX))
        .is_some_and(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, expected| {
            assert_eq!(is_scratch_name(OsStr::new(name)), expected, "{name}")
        };
        check("utracefs-syscalls.12.0", true);
        check("utracefs-syscalls.12", false);
        check("utracefs-syscalls.12.x", false);
        check("utracefs-syscalls.", false);
        check("other.12.0", false);
    }

    #[test]
    fn removed_at_the_end_and_when_left_behind() {
        let base =
            std::env::temp_dir().join(format!("utracefs-scratch-test.{}", std::process::id()));
        fs::create_dir(&base).unwrap();
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&base)
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        let first = Scratch::new(&base).unwrap();
        fs::write(first.path().join("file"), "x").unwrap();
        // As left by a killed process; a file and a stranger's name are not ours to remove.
        fs::create_dir_all(base.join("utracefs-syscalls.1.7/below")).unwrap();
        fs::write(base.join("utracefs-syscalls.1.8"), "").unwrap();
        fs::create_dir(base.join("utracefs-other.1.7")).unwrap();
        let second = Scratch::new(&base).unwrap();
        assert_ne!(first.path(), second.path());
        assert_eq!(names().len(), 4, "{:?}", names());
        assert!(first.path().join("file").exists(), "in use, so it stays");
        assert!(second.fd() >= 0);
        drop((first, second));
        assert_eq!(names(), ["utracefs-other.1.7", "utracefs-syscalls.1.8"]);
        fs::remove_dir_all(&base).unwrap();
    }
}
