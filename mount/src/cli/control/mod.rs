//! How commands reach a running daemon: a Unix socket that is found from the mount point.
//!
//! A mount's device number (stat(2)'s st_dev) is the same wherever the mount is bound to: inside `utracefs exec`, in a container
//! that got it as a volume, in any mount namespace. So it names the socket, twice:
//! - in the abstract name space, `utracefs/MAJOR:MINOR`, which needs no file and goes with the daemon;
//! - as a file `MAJOR:MINOR` in `/run/utracefs` or `$XDG_RUNTIME_DIR/utracefs`, for commands in another network namespace.
//!
//! Both ends look at the other's credentials (SO_PEERCRED): the daemon serves root, the user that it runs as and the owner of its
//! tree; a command trusts root, its own user and the user that the kernel names as the mount's.
//!
//! A conversation is one line from the command (words between single blanks, at most [`MAX_LINE`] bytes) and lines back: `-TEXT` is
//! output, `.` says that the daemon is still at it, and the last is `ok` or `error TEXT`.

pub mod client;
pub mod server;

use nix::sys::socket::{getsockopt, sockopt};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Longest line of either end, without its newline.
pub const MAX_LINE: usize = 4096;
/// How long either end waits for the other's next line. A daemon that works on something says `.` more often than this.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often a working daemon says `.`.
pub const BREATH: Duration = Duration::from_secs(1);
/// Connections that a daemon serves at once.
pub const MAX_CONNECTIONS: usize = 32;

/// A device number: major and minor.
pub type Device = (u32, u32);

/// The abstract address of the daemon behind this device number.
///
/// # Errors
/// Never on Linux, where the name fits.
pub fn abstract_address(device: Device) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(format!("utracefs/{}:{}", device.0, device.1))
}

/// The directories that may hold the daemon's socket file, root's first.
pub fn directories() -> Vec<PathBuf> {
    let mut dirs = vec![PathBuf::from("/run/utracefs")];
    if let Some(d) = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|d| d.is_absolute())
    {
        dirs.push(d.join("utracefs"));
    }
    dirs
}

/// The socket file's name in one of [`directories`].
pub fn file_name(device: Device) -> String {
    format!("{}:{}", device.0, device.1)
}

/// Who is at the other end: pid (0 if it cannot be seen from here) and user.
///
/// # Errors
/// What getsockopt(2) says.
pub fn peer(socket: &UnixStream) -> io::Result<(i32, u32)> {
    let c = getsockopt(socket, sockopt::PeerCredentials)?;
    Ok((c.pid(), c.uid()))
}
