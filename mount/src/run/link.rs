//! The tracer's end of the connection to the daemon. Nothing here waits, but for the two places that say so.

use super::wire::{FromTracer, MAX_FRAME, Record, ToTracer, encode_records};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What may lie here unsent before the tracer lets the command wait.
const FULL: usize = 16 << 20;

/// The connection.
pub struct Link {
    socket: UnixStream,
    outgoing: Vec<u8>,
    /// What of `outgoing` is gone.
    sent: usize,
    incoming: Vec<u8>,
    dead: bool,
}

impl Link {
    /// Takes over a connection on which both ends talk in frames.
    ///
    /// # Errors
    /// What fcntl(2) says.
    pub fn new(socket: UnixStream) -> io::Result<Link> {
        socket.set_nonblocking(true)?;
        Ok(Link {
            socket,
            outgoing: Vec::new(),
            sent: 0,
            incoming: Vec::new(),
            dead: false,
        })
    }

    /// Whether the daemon is gone, or talks nonsense.
    pub fn is_dead(&self) -> bool {
        self.dead
    }

    /// Whether something waits to be sent.
    pub fn has_more(&self) -> bool {
        !self.dead && self.sent < self.outgoing.len()
    }

    /// Whether so much waits to be sent that no more should be made.
    pub fn is_full(&self) -> bool {
        !self.dead && self.outgoing.len() - self.sent > FULL
    }

    /// Sends a message.
    pub fn send(&mut self, message: &FromTracer) {
        message.encode(&mut self.outgoing);
        self.push();
    }

    /// Sends records.
    pub fn send_records(&mut self, records: &[Record]) {
        if !self.dead {
            encode_records(records, &mut self.outgoing);
            self.push();
        }
    }

    /// Sends what the socket takes at once.
    pub fn push(&mut self) {
        while !self.dead && self.sent < self.outgoing.len() {
            match self.socket.write(&self.outgoing[self.sent..]) {
                Ok(0) => self.dead = true,
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.dead = true,
            }
        }
        if self.dead || self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        } else if self.sent > FULL / 4 {
            self.outgoing.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Waits until everything is sent, at most so long.
    pub fn push_all(&mut self, patience: Duration) {
        let end = Instant::now() + patience;
        self.push();
        while self.has_more() && self.wait(PollFlags::POLLOUT, end) {
            self.push();
        }
    }

    /// Waits for a message, at most so long.
    pub fn wait_for_messages(&mut self, patience: Duration) -> Vec<ToTracer> {
        let end = Instant::now() + patience;
        loop {
            let messages = self.take();
            if !messages.is_empty() || self.dead || !self.wait(PollFlags::POLLIN, end) {
                return messages;
            }
        }
    }

    fn wait(&self, events: PollFlags, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut [PollFd::new(self.socket.as_fd(), events)], left);
        ready.is_ok_and(|n| n > 0)
    }

    /// The messages that have come.
    pub fn take(&mut self) -> Vec<ToTracer> {
        let mut bytes = [0; 4096];
        while !self.dead {
            match self.socket.read(&mut bytes) {
                Ok(0) => self.dead = true,
                Ok(n) => self.incoming.extend_from_slice(&bytes[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.dead = true,
            }
            if self.incoming.len() > MAX_FRAME {
                break;
            }
        }
        let mut messages = Vec::new();
        let mut rest = &self.incoming[..];
        while let Some((len, body)) = rest.split_first_chunk::<4>() {
            let len = u32::from_le_bytes(*len) as usize;
            if len > MAX_FRAME {
                self.dead = true;
                break;
            }
            let Some((frame, after)) = body.split_at_checked(len) else {
                break;
            };
            match ToTracer::decode(frame) {
                Ok(message) => messages.push(message),
                Err(_) => {
                    self.dead = true;
                    break;
                }
            }
            rest = after;
        }
        let left = rest.len();
        self.incoming.drain(..self.incoming.len() - left);
        messages
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Wants, read_frame};
    use super::*;

    fn frame(message: &ToTracer) -> Vec<u8> {
        let mut bytes = vec![];
        message.encode(&mut bytes);
        bytes
    }

    #[test]
    fn messages_come_in_whatever_pieces() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut link = Link::new(ours).unwrap();
        assert_eq!(link.take(), []);
        let wants = ToTracer::Wants {
            wants: Box::new(Wants::NOTHING),
        };
        let flush = ToTracer::Flush { seq: 7 };
        let all = [frame(&wants), frame(&flush)].concat();
        theirs.write_all(&all[..all.len() - 1]).unwrap();
        assert_eq!(link.take(), [wants]);
        theirs.write_all(&all[all.len() - 1..]).unwrap();
        assert_eq!(
            link.wait_for_messages(Duration::from_secs(10)),
            std::slice::from_ref(&flush)
        );
        theirs.write_all(&frame(&flush)).unwrap();
        drop(theirs);
        assert_eq!(link.take(), [flush]);
        assert!(link.is_dead());
        link.send(&FromTracer::Bye {});
        assert!(!link.has_more());
    }

    #[test]
    fn nonsense_ends_the_connection() {
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff][..],
            &[1, 0, 0, 0, 9],
            &[0, 0, 0, 0],
        ] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            let mut link = Link::new(ours).unwrap();
            theirs.write_all(bytes).unwrap();
            assert_eq!(link.take(), []);
            assert!(link.is_dead(), "{bytes:?}");
        }
    }

    #[test]
    fn a_slow_reader_gets_everything() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut link = Link::new(ours).unwrap();
        let mut count = 0u64;
        while !link.is_full() {
            link.send(&FromTracer::Flushed { seq: count });
            count += 1;
        }
        let reader = std::thread::spawn(move || {
            let (mut frame, mut seq) = (vec![], 0);
            while read_frame(&mut theirs, &mut frame).unwrap() {
                assert_eq!(FromTracer::decode(&frame), Ok(FromTracer::Flushed { seq }));
                seq += 1;
            }
            seq
        });
        link.push_all(Duration::from_secs(100));
        assert!(!link.has_more() && !link.is_dead());
        drop(link);
        assert_eq!(reader.join().unwrap(), count);
    }
}
