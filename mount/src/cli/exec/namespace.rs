//! The mount namespace that a command of `exec` lives in.
//!
//! What has to be there for every tool, and how it was found out, tool by tool: libtracefs believes the first `tracefs` line of
//! /proc/mounts and otherwise mounts the kernel's own; perf reads the same table; bpftrace, bcc and perf-tools go by the path
//! /sys/kernel/debug/tracing; rasdaemon wants a `debugfs` line; trace-cmd writes 1 to /proc/sys/kernel/ftrace_enabled and gives up if
//! it may not. Source: mount_namespaces(7), user_namespaces(7), open_tree(2), move_mount(2).

use super::super::attach::{in_container, plain};
use super::super::failure::Failure;
use super::super::{DEBUG_TRACING, TRACING};
use super::{refused, table};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const DEBUG: &str = "/sys/kernel/debug";
const OPEN_TREE_CLONE: libc::c_uint = 1;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 4;

/// Gives this process a mount namespace of its own, through a user namespace if it is no root, and stops mounts from spreading.
///
/// # Errors
/// What is refused and the remedy.
pub fn enter() -> Result<(), Failure> {
    match unshare(CloneFlags::CLONE_NEWNS) {
        Ok(()) => {}
        Err(Errno::EPERM) => enter_user_namespace()?,
        Err(e) => return Err(refused("make a mount namespace", &e.into())),
    }
    let all = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, all, None::<&str>)
        .map_err(|e| with_userns_hint(refused("make the mount namespace private", &e.into())))
}

fn enter_user_namespace() -> Result<(), Failure> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let root = uid.is_root();
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|e| no_user_namespace(e, root))?;
    let write = |file: &str, text: String| {
        fs::write(file, text).map_err(|e| {
            Failure::new(format!(
                "cannot set up the user namespace: {file}: {}",
                plain(&e)
            ))
        })
    };
    // without the first, gid_map may not be written by an ordinary user
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

fn no_user_namespace(e: Errno, root: bool) -> Failure {
    let f = Failure::new(if root {
        format!(
            "this root may not mount (CAP_SYS_ADMIN is missing), nor make a user namespace: {}",
            e.desc()
        )
    } else {
        format!(
            "this system does not let an ordinary user make a user namespace: {}",
            e.desc()
        )
    });
    if in_container() {
        return f.remedy(
            "start the container with: docker run --device /dev/fuse --cap-add SYS_ADMIN …",
        );
    }
    let sysctl = |name: &str| {
        fs::read_to_string(format!("/proc/sys/{name}"))
            .unwrap_or_default()
            .trim()
            .to_string()
    };
    let f = if sysctl("user/max_user_namespaces") == "0" {
        f.remedy("as root: sysctl user.max_user_namespaces=10000")
    } else if sysctl("kernel/unprivileged_userns_clone") == "0" {
        f.remedy("as root: sysctl kernel.unprivileged_userns_clone=1")
    } else {
        f
    };
    if root {
        f.remedy("give this process CAP_SYS_ADMIN")
    } else {
        f.remedy("or run utracefs exec as root (sudo)")
    }
}

/// Adds what makes mounts fail in a user namespace that could be made.
pub fn with_userns_hint(f: Failure) -> Failure {
    let restricted = fs::read_to_string("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
        .unwrap_or_default();
    if restricted.trim() == "1" && !in_container() {
        f.remedy("AppArmor takes the rights of ordinary users' namespaces away here; as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0")
            .remedy("or run utracefs exec as root (sudo)")
    } else {
        f
    }
}

/// A mount taken out of the tree of mounts, to be put elsewhere.
struct Tree {
    fd: OwnedFd,
}

impl Tree {
    /// A copy of the mount at `path`; a file is fine as well.
    ///
    /// # Errors
    /// What the system refused.
    fn clone_of(path: &Path) -> Result<Tree, Failure> {
        Tree::copy(path).map_err(|e| refused(&format!("copy the mount at {}", path.display()), &e))
    }

    fn copy(path: &Path) -> io::Result<Tree> {
        let c = CString::new(path.as_os_str().as_bytes())?;
        let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as libc::c_uint;
        // SAFETY: `c` is a C string that outlives the call; nothing else is passed by address
        let fd = unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c.as_ptr(), flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(Tree { fd })
    }

    /// Mounts it on `path`, and on a symbolic link itself rather than where it points to.
    fn put(self, path: &Path) -> io::Result<()> {
        let c = CString::new(path.as_os_str().as_bytes())?;
        let from = self.fd.as_raw_fd();
        // SAFETY: both strings are C strings that outlive the call
        let r = unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                from,
                c"".as_ptr(),
                libc::AT_FDCWD,
                c.as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH,
            )
        };
        if r < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }
}

/// Puts the mount at `source` at /sys/kernel/tracing as well (unless it is there) and at /sys/kernel/debug/tracing, and makes the
/// surroundings fit.
///
/// # Errors
/// What the system refused.
pub fn show(source: &Path) -> Result<(), Failure> {
    let at = |what: &str| {
        let what = what.to_string();
        move |e: io::Error| refused(&format!("mount on {what}"), &e)
    };
    // copied first: what follows may cover `source`. One copy each, since only new kernels copy a copy
    let debug_tracing = Tree::clone_of(source)?;
    if source != Path::new(TRACING) {
        let tracing = Tree::clone_of(source)?;
        ensure_dir(Path::new(TRACING))?;
        tracing.put(Path::new(TRACING)).map_err(at(TRACING))?;
    }
    ensure_dir(Path::new(DEBUG))?;
    // files of our own to mount over others: they lie in a tmpfs that is gone from sight afterwards
    tmpfs(Path::new(DEBUG)).map_err(at(DEBUG))?;
    let files = private_files();
    let hidden = umount2(DEBUG, MntFlags::MNT_DETACH);
    hidden.map_err(|e| at(DEBUG)(e.into()))?;
    tmpfs(Path::new(DEBUG)).map_err(at(DEBUG))?;
    fs::create_dir(DEBUG_TRACING).map_err(at(DEBUG_TRACING))?;
    debug_tracing
        .put(Path::new(DEBUG_TRACING))
        .map_err(at(DEBUG_TRACING))?;
    for (target, file) in files.map_err(at("/proc"))? {
        if let Err(e) = file.put(Path::new(target)) {
            log::warn!(
                "cannot cover {target}: {}; tools that rely on it may look for the kernel's own tracefs",
                plain(&e)
            );
        }
    }
    Ok(())
}

/// Copies for the files that tell tools where tracefs is and that they may trace. A tmpfs must be on /sys/kernel/debug.
fn private_files() -> io::Result<Vec<(&'static str, Tree)>> {
    let mut files = Vec::new();
    let mounts = table::with_tracefs(&fs::read("/proc/self/mounts")?);
    let current = |path: &str, other: &str| {
        fs::read(path)
            .ok()
            .filter(|b| !b.is_empty())
            .unwrap_or_else(|| other.into())
    };
    let kptr = "/proc/sys/kernel/kptr_restrict";
    let wanted = [
        ("/proc/mounts", "mounts", mounts),
        (
            "/proc/sys/kernel/ftrace_enabled",
            "ftrace_enabled",
            b"1\n".to_vec(),
        ),
        (kptr, "kptr_restrict", current(kptr, "0\n")),
    ];
    for (target, name, content) in wanted {
        // without ftrace_enabled a tool does not ask for it
        if fs::symlink_metadata(target).is_err() {
            continue;
        }
        let path = Path::new(DEBUG).join(name);
        fs::write(&path, content)?;
        files.push((target, Tree::copy(&path)?));
    }
    Ok(files)
}

fn tmpfs(dir: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(
        Some("utracefs"),
        dir,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=16m"),
    )?)
}

/// Makes sure that `dir` is a directory. Where it is missing its nearest existing parent is covered with a tmpfs that shows what was
/// there, so that nothing is made on a real disk.
///
/// # Errors
/// What the system refused.
pub fn ensure_dir(dir: &Path) -> Result<(), Failure> {
    if dir.is_dir() {
        return Ok(());
    }
    let missing = |e: io::Error| refused(&format!("make the directory {}", dir.display()), &e);
    let parent = dir
        .ancestors()
        .skip(1)
        .find(|p| p.is_dir())
        .unwrap_or(Path::new("/"));
    if parent == Path::new("/") {
        // a root without /sys: there is no way around a real directory
        return fs::create_dir_all(dir).map_err(missing);
    }
    cover(parent).map_err(missing)?;
    fs::create_dir_all(dir).map_err(missing)
}

/// Mounts a tmpfs on `dir` and shows in it what was there.
fn cover(dir: &Path) -> io::Result<()> {
    let old = fs::File::open(dir)?;
    let below = PathBuf::from(format!("/proc/self/fd/{}", old.as_raw_fd()));
    let entries: Vec<_> = fs::read_dir(dir)?.collect::<io::Result<_>>()?;
    tmpfs(dir)?;
    for entry in entries {
        let (from, to) = (below.join(entry.file_name()), dir.join(entry.file_name()));
        if let Err(e) = show_entry(&from, &to) {
            log::debug!("{} is hidden: {}", to.display(), plain(&e));
        }
    }
    Ok(())
}

fn show_entry(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if kind.is_dir() {
        fs::create_dir(to)?;
    } else {
        fs::File::create(to)?;
    }
    Ok(mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        None::<&str>,
    )?)
}
