//! Getting a FUSE descriptor onto a directory, and off it again.
//!
//! Root does both with mount(2) and umount2(2) and needs no helper program. An ordinary user needs the set-user-id program
//! fusermount3, which opens /dev/fuse, mounts it and hands the descriptor back over a socket named by `_FUSE_COMMFD`.
//! Source: fuse(4), mount(2), fusermount3(1).

use super::failure::{Failure, status};
use super::mountinfo;
use super::{FS_SOURCE, FS_TYPE};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use std::fs::OpenOptions;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const DEVICE: &str = "/dev/fuse";

/// How a mount is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct How {
    /// Other users than the mounting one may enter, as far as the modes let them.
    pub allow_other: bool,
    /// Writes answer EROFS.
    pub read_only: bool,
}

/// Mounts a new FUSE connection on `point` and returns its descriptor. Nobody answers it yet: whoever touches `point` waits.
///
/// # Errors
/// What the system refused, with its remedy.
pub fn attach(point: &Path, how: How) -> Result<OwnedFd, Failure> {
    if nix::unistd::geteuid().is_root() {
        attach_as_root(point, how)
    } else {
        attach_as_user(point, how)
    }
    .map_err(|f| f.status(status::MOUNT))
}

/// Mounts with mount(2): root, also the root of a user namespace that owns the mount namespace.
///
/// # Errors
/// What the system refused, with its remedy.
pub fn attach_as_root(point: &Path, how: How) -> Result<OwnedFd, Failure> {
    let device = open_device()?;
    let allow = if how.allow_other { ",allow_other" } else { "" };
    // the kernel wants the ids of the namespace that mounts
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let data = format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid},default_permissions{allow}",
        device.as_raw_fd()
    );
    let mut flags =
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RELATIME;
    if how.read_only {
        flags |= MsFlags::MS_RDONLY;
    }
    mount(
        Some(FS_SOURCE),
        point,
        Some(FS_TYPE),
        flags,
        Some(data.as_str()),
    )
    .map_err(|e| refused(point, e))?;
    Ok(device)
}

/// Opens /dev/fuse.
///
/// # Errors
/// What the system refused, with its remedy.
pub fn open_device() -> Result<OwnedFd, Failure> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_CLOEXEC)
        .open(DEVICE);
    opened.map(OwnedFd::from).map_err(|e| device_failure(&e))
}

/// Why /dev/fuse cannot be opened.
pub fn device_failure(e: &io::Error) -> Failure {
    let f = Failure::new(format!("cannot open {DEVICE}: {}", plain(e)));
    match e.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) if in_container() => {
            f.remedy("give the container the device: docker run --device /dev/fuse --cap-add SYS_ADMIN …")
        }
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            f.remedy("load the kernel's FUSE module as root: modprobe fuse")
                .remedy("if /dev/fuse is missing though the module is there: mknod -m 666 /dev/fuse c 10 229")
        }
        Some(libc::EPERM) => f
            .remedy("a device list (cgroup) forbids it; in a container: docker run --device /dev/fuse --cap-add SYS_ADMIN …"),
        Some(libc::EACCES) => f.remedy("let users open it, as every distribution does: as root, chmod 666 /dev/fuse"),
        _ => f,
    }
}

/// Why mount(2) refused.
fn refused(point: &Path, e: Errno) -> Failure {
    let f = Failure::new(format!("cannot mount on {}: {}", point.display(), e.desc()));
    match e {
        Errno::EPERM => {
            let f = f.remedy("mounting needs CAP_SYS_ADMIN, which this root has not");
            if in_container() {
                f.remedy(
                    "give it to the container: docker run --device /dev/fuse --cap-add SYS_ADMIN …",
                )
            } else {
                f
            }
        }
        Errno::EACCES => {
            let f = f.remedy("a security module (AppArmor, SELinux) forbids this mount");
            if in_container() {
                f.remedy("in a container: docker run --security-opt apparmor=unconfined --device /dev/fuse --cap-add SYS_ADMIN …")
            } else {
                f
            }
        }
        Errno::ENODEV => {
            f.remedy("the kernel has no FUSE: modprobe fuse (as root, on the host of a container)")
        }
        _ => f,
    }
}

/// Whether this looks like the inside of a container, so that remedies speak of it.
pub fn in_container() -> bool {
    Path::new("/.dockerenv").exists()
        || Path::new("/run/.containerenv").exists()
        || std::env::var_os("container").is_some()
}

/// An io error's text without Rust's `(os error N)`.
pub fn plain(e: &io::Error) -> String {
    e.raw_os_error()
        .map_or_else(|| e.to_string(), |n| Errno::from_raw(n).desc().to_string())
}

/// Mounts through fusermount3.
fn attach_as_user(point: &Path, how: How) -> Result<OwnedFd, Failure> {
    let helper = find_helper()
        .ok_or_else(|| Failure::new("an ordinary user needs the program fusermount3 to mount, and there is none in PATH").remedy(
            "install the package fuse3 (Debian, Ubuntu: apt install fuse3; Fedora: dnf install fuse3; Alpine: apk add fuse3)",
        ).remedy("or run utracefs as root, which needs no helper").remedy(
            "or use `utracefs exec -- CMD`, which needs a user namespace only",
        ))?;
    // the helper is set-user-id but opens the device with its caller's rights
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE)
        .map_err(|e| device_failure(&e))?;
    if how.allow_other
        && !conf_allows_other(&std::fs::read_to_string("/etc/fuse.conf").unwrap_or_default())
    {
        return Err(Failure::new(
            "--allow-other: this system lets only root open a FUSE mount to other users",
        )
        .remedy("as root, add the line user_allow_other to /etc/fuse.conf"));
    }
    let mut options =
        format!("fsname={FS_SOURCE},subtype=tracefs,default_permissions,nosuid,nodev,noexec");
    if how.allow_other {
        options += ",allow_other";
    }
    if how.read_only {
        options += ",ro";
    }
    let (mine, theirs) = UnixStream::pair()
        .map_err(|e| Failure::new(format!("cannot make a socket pair: {}", plain(&e))))?;
    let their_fd = theirs.as_raw_fd();
    let mut command = Command::new(&helper);
    command
        .arg("-o")
        .arg(options)
        .arg("--")
        .arg(point)
        .env("_FUSE_COMMFD", their_fd.to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: fcntl(2) is async-signal-safe and `their_fd` stays open until the child has been started
    unsafe { command.pre_exec(move || keep_open(their_fd)) };
    let child = command
        .spawn()
        .map_err(|e| Failure::new(format!("cannot run {}: {}", helper.display(), plain(&e))))?;
    drop(theirs);
    let received = receive_fd(&mine);
    let output = child
        .wait_with_output()
        .map_err(|e| Failure::new(format!("cannot wait for fusermount3: {}", plain(&e))))?;
    match received {
        Ok(Some(fd)) if output.status.success() => Ok(fd),
        _ => Err(helper_failure(
            point,
            &String::from_utf8_lossy(&output.stderr),
        )),
    }
}

fn keep_open(fd: RawFd) -> io::Result<()> {
    // SAFETY: changes a flag of a descriptor of ours and touches no memory
    if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// The helper of libfuse 3, else that of libfuse 2, which speaks the same protocol.
fn find_helper() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let runs = |p: &PathBuf| {
        p.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    ["fusermount3", "fusermount"].iter().find_map(|name| {
        std::env::split_paths(&path)
            .map(|d| d.join(name))
            .find(runs)
    })
}

fn conf_allows_other(conf: &str) -> bool {
    conf.lines()
        .any(|l| l.split('#').next().unwrap_or("").trim() == "user_allow_other")
}

fn helper_failure(point: &Path, said: &str) -> Failure {
    let said = said.trim().lines().last().unwrap_or("").trim();
    let f = Failure::new(if said.is_empty() {
        format!("fusermount3 did not mount {}", point.display())
    } else {
        format!("cannot mount on {}: {said}", point.display())
    });
    match said {
        s if s.contains("no write access") => f.remedy("choose a directory of your own, such as ~/tracing"),
        s if s.contains("user_allow_other") => f.remedy("as root, add the line user_allow_other to /etc/fuse.conf"),
        s if s.contains("Operation not permitted") => {
            f.remedy("fusermount3 must be set-user-id root: as root, chmod u+s \"$(command -v fusermount3)\"")
                .remedy("in a container or sandbox without set-user-id programs, try `utracefs exec -- CMD`")
        }
        s if s.contains("too many FUSE filesystems") => f.remedy("unmount some, or raise mount_max in /etc/fuse.conf"),
        _ => f,
    }
}

/// Receives the descriptor that the helper sends with one byte; None if it closed the socket instead.
fn receive_fd(socket: &UnixStream) -> nix::Result<Option<OwnedFd>> {
    let mut byte = [0u8; 1];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let message = loop {
        match recvmsg::<()>(
            socket.as_raw_fd(),
            &mut buffers,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    for c in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = c
            && let Some(&fd) = fds.first()
        {
            // SAFETY: the kernel has just made this descriptor for us; nobody else knows it
            return Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok(None)
}

/// Takes the topmost mount off `point`, at once even if it is busy: what is open goes on until it is closed.
///
/// # Errors
/// If it is not ours to take off, or nothing is mounted there.
pub fn detach(point: &Path) -> Result<(), Failure> {
    let failed = |why: String| {
        Failure::new(format!("cannot unmount {}: {why}", point.display())).status(status::MOUNT)
    };
    let e = match umount2(point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) => return Ok(()),
        Err(e) => e,
    };
    if e != Errno::EPERM || nix::unistd::geteuid().is_root() {
        return Err(failed(e.desc().to_string()));
    }
    let Some(helper) = find_helper() else {
        return Err(
            failed("an ordinary user needs the program fusermount3".into())
                .remedy("install the package fuse3"),
        );
    };
    let out = Command::new(helper)
        .arg("-u")
        .arg("-z")
        .arg("--")
        .arg(point)
        .stdin(Stdio::null())
        .output();
    match out {
        Ok(o) if o.status.success() => Ok(()),
        Ok(o) => Err(failed(
            String::from_utf8_lossy(&o.stderr).trim().to_string(),
        )),
        Err(e) => Err(failed(plain(&e))),
    }
}

/// Takes the mount with this device number off `point` if it is still there and on top. Asks no file system.
pub fn detach_device(point: &Path, device: (u32, u32)) {
    let table = mountinfo::read().unwrap_or_default();
    match mountinfo::top(&table, point) {
        Some(e) if (e.major, e.minor) == device => {
            if let Err(f) = detach(point) {
                log::warn!("{}", f.cause);
            }
        }
        Some(_) => log::warn!(
            "something else covers {}; the mount below it stays",
            point.display()
        ),
        None => log::debug!("{} is unmounted already", point.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(conf: &str, expected: bool) {
        assert_eq!(conf_allows_other(conf), expected, "{conf:?}");
    }

    #[test]
    fn fuse_conf_is_read_as_fusermount_reads_it() {
        check("user_allow_other\n", true);
        check("# user_allow_other\n", false);
        check("mount_max = 5\n  user_allow_other # yes\n", true);
        check("user_allow_others", false);
        check("", false);
    }

    #[test]
    fn what_the_helper_says_gets_a_remedy() {
        let p = Path::new("/x");
        for (said, has) in [
            (
                "fusermount3: user has no write access to mountpoint /x",
                "directory of your own",
            ),
            (
                "fusermount3: mount failed: Operation not permitted",
                "set-user-id",
            ),
            (
                "fusermount3: too many FUSE filesystems; mount_max=1 can be increased in /etc/fuse.conf",
                "mount_max",
            ),
        ] {
            let f = helper_failure(p, said);
            assert!(f.remedies.iter().any(|r| r.contains(has)), "{f}");
            assert!(f.cause.contains(said), "{f}");
        }
    }

    #[test]
    fn the_device_s_absence_is_named() {
        for (errno, has) in [
            (libc::ENOENT, "fuse"),
            (libc::EACCES, "chmod 666"),
            (libc::EPERM, "--device"),
        ] {
            let f = device_failure(&io::Error::from_raw_os_error(errno));
            assert!(f.remedies.iter().any(|r| r.contains(has)), "{f}");
            assert!(!f.cause.contains("os error"), "{f}");
        }
    }
}
