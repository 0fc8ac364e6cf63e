//! One tracer: what it was asked, what it has sent.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use utracefs::base::clock;

use super::frame;
use crate::run::wire::{FromTracer, Malformed, Record, ToTracer, VERSION, Wants, read_frame};

/// How long a tracer may take to introduce itself.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// Records of one tracer that wait for others' at most.
const MANY: usize = 1 << 16;

/// One connection.
pub(super) struct Tracer {
    socket: UnixStream,
    /// The command that it traces, once it has said so.
    command: OnceLock<i32>,
    progress: Mutex<Progress>,
    /// An answer came, or the end.
    answered: Condvar,
}

#[derive(Default)]
struct Progress {
    /// What came and was not fired yet.
    records: VecDeque<Record>,
    /// Questions that are not answered yet, and when they were asked.
    asked: VecDeque<(u64, u64)>,
    /// The last question answered.
    answered: u64,
    /// When that was asked: all that happened before has come. ns of CLOCK_MONOTONIC.
    complete: u64,
    /// The question behind the last wants.
    owed: u64,
    /// An answer was waited for in vain. Nobody waits until it comes.
    late: bool,
    gone: bool,
}

impl Tracer {
    pub(super) fn new(socket: UnixStream) -> Tracer {
        Tracer {
            socket,
            command: OnceLock::new(),
            progress: Mutex::default(),
            answered: Condvar::new(),
        }
    }

    /// Takes its frames until it ends. `enter`: it has introduced itself; `came`: it has sent records.
    ///
    /// # Errors
    /// What went wrong, if that is how it ended.
    pub(super) fn hear(&self, enter: impl FnOnce(), came: impl Fn()) -> io::Result<()> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, Malformed);
        let mut frame = Vec::new();
        self.socket.set_read_timeout(Some(INTRODUCTION))?;
        if !read_frame(&mut &self.socket, &mut frame)? {
            return Ok(());
        }
        match FromTracer::decode(&frame).map_err(|_| malformed())? {
            FromTracer::Hello {
                version: VERSION,
                cmd_pid,
                notes,
            } => {
                let _ = self.command.set(cmd_pid);
                for note in notes {
                    log::info!("the tracer of {self}: {note}");
                }
            }
            FromTracer::Hello { version, .. } => {
                return Err(io::Error::other(format!(
                    "it speaks version {version}, not {VERSION}"
                )));
            }
            _ => return Err(malformed()),
        }
        self.socket.set_read_timeout(None)?;
        enter();
        while read_frame(&mut &self.socket, &mut frame)? {
            match FromTracer::decode(&frame).map_err(|_| malformed())? {
                FromTracer::Records { records } => {
                    self.keep(records);
                    came();
                }
                FromTracer::Flushed { seq } => self.flushed(seq).ok_or_else(malformed)?,
                FromTracer::Bye {} => return Ok(()),
                FromTracer::Hello { .. } => return Err(malformed()),
            }
        }
        Ok(())
    }

    fn keep(&self, mut records: Vec<Record>) {
        // nothing has happened yet that is still to come
        let now = clock::monotonic();
        for record in &mut records {
            record.time_ns = record.time_ns.min(now);
            log::trace!("{self}: {record:?}");
        }
        self.progress.lock().records.extend(records);
    }

    /// It answers a question. `None`: one that nobody asked.
    fn flushed(&self, seq: u64) -> Option<()> {
        let mut progress = self.progress.lock();
        // answers to several at once are one answer to the last
        while progress
            .asked
            .front()
            .is_some_and(|(asked, _)| *asked <= seq)
        {
            let (asked, at) = progress.asked.pop_front()?;
            (progress.answered, progress.complete) = (asked, at);
        }
        if progress.answered != seq {
            return None;
        }
        progress.late &= !progress.asked.is_empty();
        drop(progress);
        self.answered.notify_all();
        Some(())
    }

    /// Asks for what it holds; whether an answer is to be waited for.
    pub(super) fn ask(&self, seq: u64) -> bool {
        let mut progress = self.progress.lock();
        if progress.late || progress.gone {
            return false;
        }
        progress.asked.push_back((seq, clock::monotonic()));
        self.send(&ToTracer::Flush { seq }, &mut progress);
        !progress.gone
    }

    /// Tells what is wanted, and asks whether that is in force.
    pub(super) fn want(&self, wants: &Wants, seq: u64) {
        let mut progress = self.progress.lock();
        let wants = Box::new(*wants);
        progress.asked.push_back((seq, clock::monotonic()));
        progress.owed = seq;
        self.send(&ToTracer::Wants { wants }, &mut progress);
        self.send(&ToTracer::Flush { seq }, &mut progress);
    }

    /// The question that must be answered before what it was told is in force.
    pub(super) fn owes(&self) -> Option<u64> {
        let progress = self.progress.lock();
        (progress.answered < progress.owed && !progress.late && !progress.gone)
            .then_some(progress.owed)
    }

    /// Sends without waiting: who does not even take what it is sent is cut off. Who has closed its end may have sent
    /// something before that is not read yet, so it is not gone before all is read.
    fn send(&self, message: &ToTracer, progress: &mut Progress) {
        let bytes = frame(message);
        // SAFETY: the buffer is `bytes`, and the descriptor is the socket's
        let sent = unsafe {
            libc::send(
                self.socket.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        let closed = sent < 0
            && matches!(
                io::Error::last_os_error().kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            );
        if sent != bytes.len() as isize && !closed {
            progress.gone = true;
            let _ = self.socket.shutdown(Shutdown::Both);
            self.answered.notify_all();
        }
    }

    /// Waits until it has answered, or ended. False: it has not by then, and is not waited for until it has.
    pub(super) fn wait(&self, seq: u64, until: Instant) -> bool {
        let mut progress = self.progress.lock();
        while progress.answered < seq && !progress.gone && !progress.late {
            if self.answered.wait_until(&mut progress, until).timed_out()
                && progress.answered < seq
                && !progress.gone
            {
                progress.late = true;
                // others who wait need not either
                self.answered.notify_all();
                return false;
            }
        }
        true
    }

    /// It has ended, or is to.
    pub(super) fn end(&self) {
        self.progress.lock().gone = true;
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = (&self.socket).flush();
        self.answered.notify_all();
    }

    /// Whether more has come than is to wait for others'.
    pub(super) fn is_full(&self) -> bool {
        self.progress.lock().records.len() > MANY
    }

    /// Takes what came, and says up to when that is all; `None`: nobody waits for more.
    pub(super) fn take(&self, into: &mut VecDeque<Record>) -> Option<u64> {
        let mut progress = self.progress.lock();
        into.append(&mut progress.records);
        (!progress.late && !progress.gone).then_some(progress.complete)
    }
}

impl fmt::Display for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command.get() {
            Some(pid) => write!(f, "command {pid}"),
            None => f.write_str("some command"),
        }
    }
}
