//! The command's end of the socket.

use super::super::attach::plain;
use super::super::failure::Failure;
use super::super::mountinfo::{self, Entry};
use super::super::{MOUNT_VAR, TRACING, point};
use super::{Device, MAX_LINE, PATIENCE, abstract_address, directories, file_name, peer};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A connection to a daemon.
pub struct Connection {
    socket: BufReader<UnixStream>,
    /// The daemon's process id as seen from here; 0 if it lives in another pid namespace.
    pub pid: i32,
}

impl Connection {
    /// Connects to the daemon of the mount with this device number, whose user the kernel names as `user`.
    ///
    /// # Errors
    /// ENOENT or ECONNREFUSED if nobody listens that could be trusted.
    pub fn open(device: Device, user: Option<u32>) -> io::Result<Connection> {
        let mut last = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let addresses = std::iter::once(abstract_address(device)).chain(
            directories()
                .into_iter()
                .map(|d| std::os::unix::net::SocketAddr::from_pathname(d.join(file_name(device)))),
        );
        for address in addresses {
            match address.and_then(|a| Connection::to(&a, user)) {
                Ok(c) => return Ok(c),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    fn to(address: &std::os::unix::net::SocketAddr, user: Option<u32>) -> io::Result<Connection> {
        let socket = UnixStream::connect_addr(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let (pid, uid) = peer(&socket)?;
        if uid != 0 && uid != nix::unistd::geteuid().as_raw() && Some(uid) != user {
            log::warn!(
                "the socket of this mount belongs to user {uid}, who is a stranger; not using it"
            );
            return Err(io::Error::from_raw_os_error(libc::ECONNREFUSED));
        }
        Ok(Connection {
            socket: BufReader::new(socket),
            pid,
        })
    }

    /// Says one line and takes the answer; `output` gets the text line by line.
    ///
    /// # Errors
    /// The daemon's own refusal, or that it fell silent.
    pub fn ask(&mut self, line: &str, mut output: impl FnMut(&str)) -> Result<(), Failure> {
        if line.len() > MAX_LINE || line.contains('\n') {
            return Err(Failure::new("that is too long to be asked"));
        }
        let silent = |e: &io::Error| {
            match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Failure::new(format!("the daemon has said nothing for {} s", PATIENCE.as_secs()))
                    .remedy("it may be stopped (state T in ps); send it SIGCONT, or end it with SIGKILL and unmount")
            }
            _ => Failure::new(format!("the daemon has ended the conversation: {}", plain(e))),
        }
        };
        // a daemon that refuses may have said so and closed before this; then its words are still there to be read
        let sent = self
            .socket
            .get_mut()
            .write_all(format!("{line}\n").as_bytes());
        loop {
            let mut reply = String::new();
            let n = (&mut self.socket)
                .take(MAX_LINE as u64 + 2)
                .read_line(&mut reply)
                .map_err(|e| silent(&e))?;
            let Some(reply) = reply.strip_suffix('\n') else {
                return Err(match sent {
                    Err(e) if n == 0 => silent(&e),
                    _ if n == 0 => Failure::new("the daemon ended in the middle of it"),
                    _ => Failure::new("the daemon's answer makes no sense"),
                });
            };
            match reply.as_bytes().first() {
                Some(b'-') => output(&reply[1..]),
                Some(b'.') => {}
                _ if reply == "ok" => return Ok(()),
                _ => {
                    return Err(Failure::new(
                        reply
                            .strip_prefix("error ")
                            .unwrap_or("the daemon's answer makes no sense"),
                    ));
                }
            }
        }
    }

    /// The socket itself, for a conversation that goes on otherwise after an `ok`. The daemon has said nothing since: the
    /// next word is this end's.
    pub fn into_stream(self) -> io::Result<UnixStream> {
        let socket = self.socket.into_inner();
        socket.set_read_timeout(None)?;
        socket.set_write_timeout(None)?;
        Ok(socket)
    }

    /// Waits until the daemon's process has closed the connection.
    pub fn wait_for_end(mut self) {
        let mut rest = Vec::new();
        let _ = (&mut self.socket).take(1 << 16).read_to_end(&mut rest);
    }
}

/// The pid of the daemon of this mount if it answers.
pub fn daemon_pid(device: Device, user: Option<u32>) -> Option<i32> {
    Connection::open(device, user)
        .ok()
        .map(|c| c.pid)
        .filter(|p| *p > 0)
}

/// Removes the socket files that a killed daemon with this device number has left.
pub fn forget(device: Device) {
    for dir in directories() {
        let path = dir.join(file_name(device));
        let refused =
            UnixStream::connect(&path).is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused);
        if refused && std::fs::remove_file(&path).is_ok() {
            log::info!("removed {}", path.display());
        }
    }
}

/// The mount that a command is about: `--mount`, else UTRACEFS_MOUNT, else /sys/kernel/tracing if it is ours, else the only one there is.
///
/// # Errors
/// If there is none, or several and no way to choose.
pub fn find_mount(given: Option<&Path>) -> Result<Entry, Failure> {
    let table = mountinfo::read()
        .map_err(|e| Failure::new(format!("cannot read /proc/self/mountinfo: {}", plain(&e))))?;
    let named = given.map(Path::to_path_buf).or_else(|| {
        std::env::var_os(MOUNT_VAR)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    });
    choose(&table, named.as_deref())
}

fn choose(table: &[Entry], named: Option<&Path>) -> Result<Entry, Failure> {
    if let Some(dir) = named {
        let point = point::resolve(dir)
            .map_err(|e| Failure::new(format!("cannot use {}: {}", dir.display(), plain(&e))))?;
        // any directory inside the mount names it as well, say instances/a
        return match point.ancestors().find_map(|p| mountinfo::top(table, p)) {
            Some(e) if e.is_ours() => Ok(e.clone()),
            _ => Err(
                Failure::new(format!("{} is no mount of utracefs", dir.display()))
                    .remedy(format!("mount one: utracefs mount {}", dir.display())),
            ),
        };
    }
    if let Some(e) = mountinfo::top(table, Path::new(TRACING)).filter(|e| e.is_ours()) {
        return Ok(e.clone());
    }
    let mut ours: Vec<&Entry> = table.iter().filter(|e| e.is_ours()).collect();
    ours.dedup_by_key(|e| (e.major, e.minor));
    match ours.as_slice() {
        [] => Err(Failure::new("there is no mount of utracefs here")
            .remedy("mount one: utracefs mount /tmp/tracing")),
        [one] => Ok((*one).clone()),
        several => {
            let points: Vec<String> = several
                .iter()
                .map(|e| e.point.display().to_string())
                .collect();
            Err(Failure::new(format!(
                "there are several mounts of utracefs: {}",
                points.join(", ")
            ))
            .remedy(format!(
                "say which: --mount {}, or set {MOUNT_VAR}",
                points[0]
            )))
        }
    }
}

/// Connects to the daemon of a mount that [`find_mount`] has found.
///
/// # Errors
/// If it does not answer, with the likely reason.
pub fn connect(entry: &Entry) -> Result<Connection, Failure> {
    Connection::open((entry.major, entry.minor), entry.user_id()).map_err(|e| {
        let f = Failure::new(format!("cannot reach the daemon of {}: {}", entry.point.display(), plain(&e)));
        if point::is_dead(entry) {
            f.remedy(format!("it is gone; remove its mount: utracefs umount {}", entry.point.display()))
        } else {
            f.remedy("only root and the user who mounted may ask it")
                .remedy("from another network namespace (a container) the daemon's /run/utracefs must be visible: docker run -v /run/utracefs:/run/utracefs …")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "1 1 0:40 / / rw - ext4 x rw\n2 1 0:52 / /t rw - fuse.tracefs utracefs rw,user_id=0\n";
    const BOUND: &str = "3 1 0:52 / /u rw - fuse.tracefs utracefs rw,user_id=0\n";
    const OTHER: &str = "4 1 0:53 / /v rw - fuse.tracefs utracefs rw,user_id=0\n";
    const SYS: &str = "5 1 0:54 / /sys/kernel/tracing rw - fuse.tracefs utracefs rw,user_id=0\n";
    const REAL: &str = "6 1 0:55 / /sys/kernel/tracing rw - tracefs nodev rw\n";

    fn check(table: &[&str], named: Option<&str>, expected: Result<u32, &str>) {
        let table = mountinfo::parse(table.concat().as_bytes());
        match (choose(&table, named.map(Path::new)), expected) {
            (Ok(e), Ok(minor)) => assert_eq!(e.minor, minor),
            (Err(f), Err(has)) => assert!(f.cause.contains(has), "{f}"),
            (got, expected) => panic!("{got:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_mount_is_found() {
        check(&[ONE], None, Ok(52));
        check(&[ONE, BOUND], None, Ok(52));
        check(&[ONE, OTHER], None, Err("several"));
        check(&[ONE, OTHER, SYS], None, Ok(54));
        check(&[ONE, REAL], None, Ok(52));
        check(&[ONE, SYS, REAL], None, Err("several"));
        check(&[REAL], None, Err("no mount"));
        check(&[ONE, OTHER], Some("/"), Err("is no mount"));
    }
}
