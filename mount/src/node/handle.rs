//! Open files.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use utracefs::base::error::{Errno, Error, Result};

use super::dir::Opened;
use super::id::NodeId;
use super::wait::Awaited;

/// Who makes a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// Thread id in the daemon's pid namespace; 0 if it is not visible there.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// For reading.
    pub read: bool,
    /// For writing.
    pub write: bool,
    /// With O_TRUNC.
    pub truncate: bool,
    /// By whom.
    pub caller: Caller,
}

/// How a file takes lseek(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seek {
    /// Offsets are kept; the end is at 0.
    Plain,
    /// Offsets are kept; seeking from the end is `EINVAL`.
    NoEnd,
    /// `ESPIPE`, but reads go on from where the last one ended.
    Forward,
    /// `ESPIPE`, and offsets mean nothing.
    None,
}

/// Where a read's bytes go; called exactly once by a read that answers [`Got::Data`].
pub type Give<'a> = &'a mut dyn FnMut(&[u8]);

/// What a read came to.
pub enum Got {
    /// The bytes were given; none means end of file.
    Data,
    /// There is nothing and no use in waiting: end of file; who does not wait gets `EAGAIN`, as where there is nothing yet.
    End,
    /// There is nothing yet. The transport answers `EAGAIN` or waits and reads again.
    Block(Awaited),
}

/// An open file, as its behaviour sees it.
pub(super) trait OpenFile: Send + Sync {
    /// read(2) of up to `size` bytes at `at`.
    fn read(&self, at: u64, size: usize, give: Give<'_>) -> Result<Got> {
        let _ = (at, size, give);
        Err(Error::new(Errno::EINVAL))
    }

    /// A whole page for splice(2): never short, never empty; `EAGAIN` if there is none.
    fn read_page(&self, size: usize, give: Give<'_>) -> Result<()> {
        let _ = (size, give);
        Err(Error::new(Errno::EINVAL))
    }

    /// write(2): one command. Returns how far it came.
    fn write(&self, caller: &Caller, data: &[u8]) -> Result<usize> {
        let _ = (caller, data);
        Err(Error::new(Errno::EINVAL))
    }

    /// Whether a read would find something; `None` for files that always answer, and whose writes do too.
    fn readable(&self) -> Option<bool> {
        None
    }

    /// What to wait for until [`readable`](Self::readable) may have changed.
    fn changed(&self) -> Option<Awaited> {
        None
    }

    /// ioctl(2) without data.
    fn ioctl(&self, command: u32) -> Result<()> {
        let _ = command;
        Err(Error::new(Errno::ENOTTY))
    }

    /// A descriptor of the open file is closed; others may be left.
    fn flush(&self) {}
}

/// Handles whose descriptor was closed but that are not released yet, by serial number of their instance.
///
/// close(2) returns before a transport hears of the release. A command that comes right after it and finds the instance
/// or a pipe busy waits here for that release, which is under way.
///
/// The same for handles whose release does something: the next open waits for it.
#[derive(Default)]
pub(super) struct Closing {
    handles: Mutex<Handles>,
    released: Condvar,
}

#[derive(Default)]
struct Handles {
    closed: HashMap<u32, usize>,
    /// Instance and number.
    finishing: Vec<(u32, u64)>,
    /// Handles of files whose release does something, so far.
    numbers: u64,
}

impl Closing {
    /// How long a release may be under way. Also how long it takes to find an instance busy after a descriptor of it was
    /// closed of which others are open still.
    const LIMIT: Duration = Duration::from_millis(200);
    /// How long the next open waits for a release that does something. Also how much later it is, once, if a descriptor
    /// of such a file was closed of which others are open still.
    const FINISH: Duration = Duration::from_millis(50);

    /// Does `what` again while it finds something busy in the instance and a release is under way there.
    pub(super) fn retry<T>(&self, serial: u32, mut what: impl FnMut() -> Result<T>) -> Result<T> {
        let until = Instant::now() + Closing::LIMIT;
        loop {
            let before = self.handles.lock().closed.get(&serial).copied();
            let before = before.unwrap_or(0);
            match what() {
                Err(e) if e.errno == Errno::EBUSY && before != 0 => {
                    let mut handles = self.handles.lock();
                    // released since we looked: try again at once
                    let now = handles.closed.get(&serial).copied().unwrap_or(0);
                    if now >= before && self.released.wait_until(&mut handles, until).timed_out() {
                        return Err(e);
                    }
                }
                done => return done,
            }
        }
    }

    /// Waits for the releases under way in the instance that do something.
    pub(super) fn settle(&self, serial: u32) {
        let mut handles = self.handles.lock();
        if handles.finishing.is_empty() {
            return;
        }
        let until = Instant::now() + Closing::FINISH;
        while handles.finishing.iter().any(|(s, _)| *s == serial) {
            if self.released.wait_until(&mut handles, until).timed_out() {
                handles.finishing.retain(|(s, _)| *s != serial);
            }
        }
    }

    fn number(&self) -> u64 {
        let mut handles = self.handles.lock();
        handles.numbers += 1;
        handles.numbers
    }

    fn finishing(&self, serial: u32, number: u64) {
        let mut handles = self.handles.lock();
        if !handles.finishing.contains(&(serial, number)) {
            handles.finishing.push((serial, number));
        }
    }

    fn begin(&self, serial: u32) {
        *self.handles.lock().closed.entry(serial).or_insert(0) += 1;
    }

    fn end(&self, serial: u32, finishing: Option<u64>) {
        let mut handles = self.handles.lock();
        if let Some(n) = handles.closed.get_mut(&serial) {
            *n -= 1;
            if *n == 0 {
                handles.closed.remove(&serial);
            }
        }
        if let Some(number) = finishing {
            handles.finishing.retain(|f| *f != (serial, number));
        }
        drop(handles);
        self.released.notify_all();
    }
}

/// An open file. Dropping it is the release.
pub struct Handle {
    node: NodeId,
    how: How,
    /// None only while dropping.
    opened: Option<Opened>,
    flushed: AtomicBool,
    /// The release does something; the number that it is waited for by.
    finishes: Option<u64>,
    closing: Arc<Closing>,
}

impl Handle {
    pub(super) fn new(node: NodeId, how: How, opened: Opened, closing: Arc<Closing>) -> Handle {
        Handle {
            node,
            how,
            finishes: opened.finishes.then(|| closing.number()),
            opened: Some(opened),
            flushed: AtomicBool::new(false),
            closing,
        }
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("only taken in drop")
    }

    /// The file's node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// How the file takes lseek(2).
    pub fn seek(&self) -> Seek {
        self.opened().seek
    }

    /// Whether the transport must tell of each close(2) by [`flush`](Self::flush).
    pub fn wants_flush(&self) -> bool {
        // only an instance can be removed
        self.opened().flush || self.opened().holds && self.node.serial() != 0
    }

    /// Whether writes need no order among themselves.
    pub fn is_parallel(&self) -> bool {
        self.opened().parallel
    }

    /// Whether splice(2) gets pages.
    pub fn has_pages(&self) -> bool {
        self.opened().pages
    }

    /// read(2) of up to `size` bytes at `at`. Files that cannot be read, or are not open for it: `EINVAL`.
    pub fn read(&self, at: u64, size: usize, give: Give<'_>) -> Result<Got> {
        if !self.how.read {
            return Err(Error::new(Errno::EINVAL));
        }
        self.opened().file.read(at, size, give)
    }

    /// A read through the page cache, as splice(2) and sendfile(2) make them: exactly `size` bytes, or an error. Files
    /// without pages refuse with `EINVAL`, as the kernel's do, and the caller falls back to read(2).
    pub fn read_page(&self, size: usize, give: Give<'_>) -> Result<()> {
        self.opened().file.read_page(size, give)
    }

    /// write(2): one command, at whatever offset. Returns how far it came.
    pub fn write(&self, caller: &Caller, data: &[u8]) -> Result<usize> {
        if !self.how.write {
            return Err(Error::new(Errno::EBADF));
        }
        self.opened()
            .file
            .write(caller, data)
            .map(|n| n.min(data.len()))
    }

    /// poll(2): whether a read would find something. `None`: a plain file, readable and writable at all times.
    pub fn readable(&self) -> Option<bool> {
        self.opened().file.readable()
    }

    /// What to wait for until [`readable`](Self::readable) may have changed.
    pub fn changed(&self) -> Option<Awaited> {
        self.opened().file.changed()
    }

    /// ioctl(2) without data. Unknown: `ENOTTY`.
    pub fn ioctl(&self, command: u32) -> Result<()> {
        self.opened().file.ioctl(command)
    }

    /// A descriptor was closed; others may be left (dup(2), fork(2)).
    pub fn flush(&self) {
        if !self.flushed.swap(true, Ordering::AcqRel) {
            self.closing.begin(self.node.serial());
        }
        if let Some(number) = self.finishes {
            self.closing.finishing(self.node.serial(), number);
        }
        self.opened().file.flush();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // what keeps others out goes first, then those who wait for it are told
        drop(self.opened.take());
        if *self.flushed.get_mut() {
            self.closing.end(self.node.serial(), self.finishes);
        }
    }
}
