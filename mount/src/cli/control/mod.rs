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

#[cfg(test)]
mod tests {
    use super::client::Connection;
    use super::server::{Asker, Handler, listen};
    use super::*;
    use std::io::{Read, Write};
    use std::sync::Arc;

    struct Echo;

    impl Handler for Echo {
        fn handle(&self, words: &[&str], asker: &mut Asker) -> Result<(), String> {
            match words {
                ["say", rest @ ..] => {
                    rest.iter().for_each(|w| asker.say(w));
                    Ok(())
                }
                ["slow"] => {
                    let mut rounds = 0;
                    asker.wait_for(|_| {
                        rounds += 1;
                        (rounds == 3).then_some(())
                    })
                }
                ["lines"] => {
                    asker.say(&format!("a\n{}", "é".repeat(MAX_LINE)));
                    Ok(())
                }
                _ => Err("what?\nno".into()),
            }
        }
    }

    fn ask(device: Device, line: &str) -> Result<Vec<String>, String> {
        let mut said = Vec::new();
        let mut c = Connection::open(device, None).map_err(|e| e.to_string())?;
        assert_eq!(c.pid, std::process::id() as i32);
        c.ask(line, |t| said.push(t.to_string()))
            .map_err(|f| f.cause)?;
        Ok(said)
    }

    /// A device number that no mount has.
    fn device(n: u32) -> Device {
        (n, std::process::id())
    }

    #[test]
    fn a_conversation() {
        let device = device(4001);
        assert!(ask(device, "say x").is_err(), "somebody listens already");
        let sockets = listen(device, &[], &Arc::new(Echo)).unwrap();
        for (line, expected) in [
            ("say", Ok(vec![])),
            ("say a  b", Ok(vec!["a".to_string(), "b".to_string()])),
            ("slow", Ok(vec![])),
            ("nonsense", Err("what? no".to_string())),
            ("", Err("what? no".to_string())),
        ] {
            assert_eq!(ask(device, line), expected, "{line}");
        }
        let lines = ask(device, "lines").unwrap();
        assert_eq!(lines[0], "a");
        assert!(
            lines[1].len() >= MAX_LINE - 3
                && lines[1].len() < MAX_LINE
                && lines[1].chars().all(|c| c == 'é')
        );
        assert!(ask(device, &"x".repeat(MAX_LINE + 1)).is_err());
        assert_eq!(
            ask(device, &format!("say {}", "x".repeat(MAX_LINE - 4))).map(|l| l[0].len()),
            Ok(MAX_LINE - 4)
        );
        for file in sockets.files() {
            assert!(file.exists());
        }
        let files = sockets.files().to_vec();
        drop(sockets);
        assert!(files.iter().all(|f| !f.exists()));
    }

    #[test]
    fn rubbish_is_refused() {
        let device = device(4002);
        let _sockets = listen(device, &[], &Arc::new(Echo)).unwrap();
        for (bytes, expected) in [
            (vec![b'x'; MAX_LINE + 2], "error a command is one line\n"),
            (vec![0xff, 0xfe, b'\n'], ""),
            (vec![], ""),
            (b"half".to_vec(), "error a command is one line\n"),
        ] {
            let mut s = UnixStream::connect_addr(&abstract_address(device).unwrap()).unwrap();
            s.write_all(&bytes).unwrap();
            s.shutdown(std::net::Shutdown::Write).unwrap();
            let mut said = String::new();
            // the rest of a line that is too long may reset the connection before the answer is read
            let _ = s.read_to_string(&mut said);
            assert!(said == expected || said.is_empty(), "{said}");
        }
        // and the daemon serves on
        assert_eq!(ask(device, "say x"), Ok(vec!["x".to_string()]));
    }
}
