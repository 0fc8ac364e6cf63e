//! What a mount point is before we mount on it.

use super::attach::{detach, plain};
use super::control::client;
use super::failure::{Failure, status};
use super::mountinfo::{self, Entry};
use nix::errno::Errno;
use nix::sys::statvfs::statvfs;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An absolute path of `dir` without symbolic links in it, found without touching what is mounted on `dir` itself.
///
/// # Errors
/// If the directory that holds `dir` is not there.
pub fn resolve(dir: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(dir) {
        Ok(p) => Ok(p),
        // a dead FUSE mount cannot be looked into, nor one that belongs to another user; the way to it can
        Err(e) if dir.file_name().is_some() => match dir.parent().map(|p| {
            if p.as_os_str().is_empty() {
                Path::new(".")
            } else {
                p
            }
        }) {
            Some(parent) => Ok(fs::canonicalize(parent)?.join(dir.file_name().unwrap_or_default())),
            None => Err(e),
        },
        Err(e) => Err(e),
    }
}

/// Whether nobody answers behind `entry` any more.
pub fn is_dead(entry: &Entry) -> bool {
    // unlike stat(2), whose answer the kernel keeps, this asks the daemon; a connection without one answers at once
    let gone = [Errno::ENOTCONN, Errno::ECONNABORTED];
    statvfs(&entry.point).is_err_and(|e| gone.contains(&e))
}

/// Makes `dir` ready to be mounted on: creates it where it is missing, takes a dead mount of ours off it, and refuses to hide
/// what somebody may want to see, unless `over`. Returns its absolute path.
///
/// # Errors
/// Why it cannot be mounted on, with mount(8)'s status.
pub fn prepare(dir: &Path, over: bool) -> Result<PathBuf, Failure> {
    prepare_inner(dir, over).map_err(|f| f.status(status::MOUNT))
}

fn prepare_inner(dir: &Path, over: bool) -> Result<PathBuf, Failure> {
    let shown = dir.display();
    if fs::symlink_metadata(dir).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        fs::create_dir_all(dir)
            .map_err(|e| Failure::new(format!("cannot create {shown}: {}", plain(&e))))?;
    }
    let point =
        resolve(dir).map_err(|e| Failure::new(format!("cannot use {shown}: {}", plain(&e))))?;
    // several may lie on top of each other
    loop {
        let table = mountinfo::read().map_err(|e| {
            Failure::new(format!("cannot read /proc/self/mountinfo: {}", plain(&e)))
        })?;
        let Some(entry) = mountinfo::top(&table, &point) else {
            break;
        };
        if entry.is_ours() {
            if is_dead(entry) {
                log::info!(
                    "{} is a mount whose daemon is gone; replacing it",
                    point.display()
                );
                detach(&point).map_err(|f| {
                    f.remedy(format!(
                        "take the dead mount away by hand: umount -l {}",
                        point.display()
                    ))
                })?;
                client::forget((entry.major, entry.minor));
                continue;
            }
            let pid = client::daemon_pid((entry.major, entry.minor), entry.user_id());
            let pid = pid.map_or_else(
                || "its daemon does not answer here".into(),
                |p| format!("daemon pid {p}"),
            );
            return Err(Failure::new(format!(
                "utracefs is mounted on {} already ({pid})",
                point.display()
            ))
            .remedy(format!("to end it: utracefs umount {}", point.display()))
            .remedy("to have a second one: choose another directory"));
        }
        if entry.fs_type == "tracefs" && !over {
            return Err(Failure::new(format!(
                "{} is the kernel's own tracefs; a mount on top would hide it from every program",
                point.display()
            ))
            .remedy("mount elsewhere, for example: utracefs mount /tmp/tracing")
            .remedy("or give one command the illusion only: utracefs exec -- CMD")
            .remedy("or cover it all the same: --over"));
        }
        break;
    }
    let meta = fs::metadata(&point).map_err(|e| {
        let f = Failure::new(format!("cannot use {}: {}", point.display(), plain(&e)));
        if matches!(e.raw_os_error(), Some(libc::ENOTCONN | libc::ECONNABORTED)) {
            f.remedy(format!(
                "another FUSE file system's dead mount is there: umount -l {}",
                point.display()
            ))
        } else {
            f
        }
    })?;
    if !meta.is_dir() {
        return Err(Failure::new(format!(
            "{} is not a directory",
            point.display()
        )));
    }
    let mut entries = fs::read_dir(&point).map_err(|e| {
        Failure::new(format!(
            "cannot look into {}: {}",
            point.display(),
            plain(&e)
        ))
    })?;
    if !over && entries.next().is_some() {
        return Err(Failure::new(format!(
            "{} is not empty; a mount on top would hide what is in it",
            point.display()
        ))
        .remedy("choose an empty or new directory, or cover it all the same: --over"));
    }
    Ok(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_directory_is_made_and_a_full_one_refused() {
        let base = std::env::temp_dir().join(format!("utracefs-point-{}", std::process::id()));
        let dir = base.join("a/b");
        assert_eq!(
            prepare(&dir, false).unwrap(),
            fs::canonicalize(&base).unwrap().join("a/b")
        );
        assert!(dir.is_dir());
        fs::write(dir.join("file"), "").unwrap();
        let f = prepare(&dir, false).unwrap_err();
        assert_eq!(f.status, 32);
        assert!(f.cause.contains("not empty"), "{f}");
        assert!(prepare(&dir, true).is_ok());
        assert!(
            prepare(&dir.join("file"), false)
                .unwrap_err()
                .cause
                .contains("not a directory")
        );
        assert!(prepare(&dir.join("file/x"), false).is_err());
        fs::remove_dir_all(&base).unwrap();
    }
}
