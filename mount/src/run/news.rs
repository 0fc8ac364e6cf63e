//! What the tracer tells the front process, through a pipe: a line each.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// The command's process.
    Started(i32),
    /// It has ended, with this wait status.
    Ended(i32),
    /// Something for the user.
    Say(String),
}

impl News {
    fn line(&self) -> String {
        match self {
            News::Started(pid) => format!("started {pid}\n"),
            News::Ended(status) => format!("ended {status}\n"),
            News::Say(text) => format!("say {}\n", text.replace('\n', " ")),
        }
    }

    fn parse(line: &str) -> Option<News> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "started" => News::Started(rest.parse().ok()?),
            "ended" => News::Ended(rest.parse().ok()?),
            "say" => News::Say(rest.into()),
            _ => return None,
        })
    }
}

/// The tracer's end.
pub struct Teller(File);

/// The front's end.
pub struct Listener {
    pipe: File,
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
}

/// Both ends.
///
/// # Errors
/// If there are no descriptors.
pub fn pipe() -> io::Result<(Listener, Teller)> {
    use nix::fcntl::OFlag;
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let listener = Listener {
        pipe: read.into(),
        begun: Vec::new(),
    };
    Ok((listener, Teller(write.into())))
}

impl Teller {
    /// Tells. A front that is gone, or that is stopped and has not read for 64 KiB, misses it: the tracer never waits for it.
    pub fn tell(&mut self, news: &News) {
        let _ = self.0.write_all(news.line().as_bytes());
    }

    /// The descriptor, for whoever closes others.
    pub fn fd(&self) -> &File {
        &self.0
    }
}

impl Listener {
    /// What has come; None: the tracer is gone, and all that it said has been returned before.
    pub fn hear(&mut self) -> Option<Vec<News>> {
        let mut bytes = [0; 4096];
        match self.pipe.read(&mut bytes) {
            Ok(0) => return None,
            Ok(n) => self.begun.extend_from_slice(&bytes[..n]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
        let whole = self.begun.iter().rposition(|b| *b == b'\n');
        let lines: Vec<u8> = self.begun.drain(..whole.map_or(0, |at| at + 1)).collect();
        let text = String::from_utf8_lossy(&lines);
        Some(text.lines().filter_map(News::parse).collect())
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl From<Teller> for OwnedFd {
    fn from(teller: Teller) -> OwnedFd {
        teller.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let (mut listener, mut teller) = pipe().unwrap();
        assert_eq!(listener.hear(), Some(vec![]));
        let all = [
            News::Started(5),
            News::Say("two lines".into()),
            News::Ended(-1),
        ];
        all.iter().for_each(|n| teller.tell(n));
        assert_eq!(listener.hear(), Some(all.to_vec()));
        teller.0.write_all(b"nonsense\nsay a").unwrap();
        assert_eq!(listener.hear(), Some(vec![]));
        teller.0.write_all(b"b\nend").unwrap();
        assert_eq!(listener.hear(), Some(vec![News::Say("ab".into())]));
        drop(teller);
        assert_eq!(listener.hear(), None);
    }
}
