//! The requests of FUSE, each a call into the tree. Errors and permissions follow tracefs as far as FUSE lets them
//! through; who may do what is the kernel's check (`default_permissions`).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenAccMode,
    OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyOpen, ReplyPoll, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use parking_lot::RwLock;
use utracefs::base::error::{self, Error};

use super::lot::{Lot, Parked};
use super::size::Sizes;
use crate::node::{Attr, Caller, Fs, Handle, How, Kind, NodeId, Seek, SetAttr};

/// How long the kernel keeps names and attributes: only its own requests change them.
const TTL: Duration = Duration::from_secs(3600);
/// Longest write in one request; control files want a command whole.
const MAX_WRITE: u32 = 1 << 20;
/// Requests that the kernel sends without waiting for their answers, releases among them.
const MAX_BACKGROUND: u16 = 64;
/// What the kernel's poll(2) says of a file that does not know of it (DEFAULT_POLLMASK).
const ALWAYS: PollEvents = PollEvents::POLLIN
    .union(PollEvents::POLLOUT)
    .union(PollEvents::POLLRDNORM)
    .union(PollEvents::POLLWRNORM);
/// What poll(2) says of a pipe with data.
const READABLE: PollEvents = PollEvents::POLLIN.union(PollEvents::POLLRDNORM);

/// One mounted tree.
pub(super) struct Ops {
    fs: Arc<Fs>,
    lot: Arc<Lot>,
    sizes: Sizes,
    open: RwLock<HashMap<u64, Arc<Handle>>>,
    next: AtomicU64,
}

/// The core's errno as fuser's.
pub(super) fn errno(error: &Error) -> Errno {
    Errno::from_i32(error.errno as i32)
}

fn core(error: error::Errno) -> Error {
    Error::new(error)
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Dir => FileType::Directory,
        Kind::File => FileType::RegularFile,
    }
}

fn file_attr(a: &Attr) -> FileAttr {
    FileAttr {
        ino: INodeNo(a.id.raw()),
        size: a.size,
        blocks: 0,
        atime: a.atime,
        mtime: a.mtime,
        ctime: a.ctime,
        crtime: a.ctime,
        kind: file_type(a.kind),
        perm: a.mode,
        nlink: a.links,
        uid: a.owner.uid,
        gid: a.owner.gid,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn node(ino: INodeNo) -> NodeId {
    NodeId::from_raw(ino.0)
}

fn caller(request: &Request) -> Caller {
    Caller {
        pid: request.pid(),
        uid: request.uid(),
        gid: request.gid(),
    }
}

fn time(t: TimeOrNow) -> SystemTime {
    match t {
        TimeOrNow::SpecificTime(t) => t,
        TimeOrNow::Now => SystemTime::now(),
    }
}

/// Whether a READ comes through the page cache: then no process owns it.
fn is_cached(owner: Option<LockOwner>) -> bool {
    owner.is_none()
}

/// Runs what a request asks for. A bug in it costs the caller an `EIO`, not the mount a thread.
fn run<T>(what: impl FnOnce() -> Result<T, Error>) -> Result<T, Errno> {
    match catch_unwind(AssertUnwindSafe(what)) {
        Ok(result) => result.map_err(|e| errno(&e)),
        Err(_) => Err(Errno::EIO),
    }
}

impl Ops {
    pub(super) fn new(fs: Arc<Fs>, lot: Arc<Lot>) -> Ops {
        Ops {
            fs,
            lot,
            sizes: Sizes::default(),
            open: RwLock::default(),
            next: AtomicU64::new(1),
        }
    }

    fn handle(&self, fh: FileHandle) -> Result<Arc<Handle>, Error> {
        self.open
            .read()
            .get(&fh.0)
            .cloned()
            .ok_or(core(error::Errno::EBADF))
    }

    /// Attributes that the kernel is about to hear of.
    fn shown(&self, attr: Attr) -> FileAttr {
        if attr.kind == Kind::File {
            self.sizes.shown(attr.id, self.lot.notifier());
        }
        file_attr(&attr)
    }

    fn open_file(
        &self,
        request: &Request,
        ino: INodeNo,
        flags: OpenFlags,
    ) -> Result<(FileHandle, FopenFlags), Error> {
        if flags.0 & libc::O_DIRECT != 0 {
            return Err(core(error::Errno::EINVAL));
        }
        let mode = flags.acc_mode();
        let how = How {
            read: mode != OpenAccMode::O_WRONLY,
            write: mode != OpenAccMode::O_RDONLY,
            truncate: flags.0 & libc::O_TRUNC != 0,
            caller: caller(request),
        };
        let handle = self.fs.request(|| self.fs.open(node(ino), how))?;
        let mut reply = FopenFlags::FOPEN_DIRECT_IO;
        reply.set(FopenFlags::FOPEN_NOFLUSH, !handle.wants_flush());
        reply.set(
            FopenFlags::FOPEN_PARALLEL_DIRECT_WRITES,
            handle.is_parallel(),
        );
        // a stream has no offset that one reader could hold while another waits for it
        reply.set(FopenFlags::FOPEN_STREAM, handle.seek() == Seek::None);
        reply.set(
            FopenFlags::FOPEN_NONSEEKABLE,
            matches!(handle.seek(), Seek::None | Seek::Forward),
        );
        self.sizes.opened(handle.node(), self.lot.notifier());
        if how.truncate {
            // the kernel sets the size to 0 once it has the answer
            self.sizes.small(handle.node());
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.write().insert(number, Arc::new(handle));
        Ok((FileHandle(number), reply))
    }

    fn list(&self, ino: INodeNo, offset: u64, reply: &mut ReplyDirectory) -> Result<(), Error> {
        let here = node(ino);
        for (at, name) in [(1, "."), (2, "..")] {
            if offset < at && reply.add(ino, at, FileType::Directory, name) {
                return Ok(());
            }
        }
        self.fs.list(here, offset, &mut |id, row| {
            let kind = if row.is_dir {
                FileType::Directory
            } else {
                FileType::RegularFile
            };
            !reply.add(
                INodeNo(id.raw()),
                row.cursor,
                kind,
                OsStr::from_bytes(row.name),
            )
        })
    }
}

impl Filesystem for Ops {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        for wanted in [
            InitFlags::FUSE_ATOMIC_O_TRUNC,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_NO_OPENDIR_SUPPORT,
        ] {
            if let Err(lacking) = config.add_capabilities(wanted) {
                log::warn!("this kernel's FUSE lacks {lacking:?}");
            }
        }
        // refused values come back with the nearest that is taken, and then that one stays
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_max_background(MAX_BACKGROUND);
        // less than a page: what is read ahead through the page cache would be taken from the buffer and read by nobody
        let _ = config.set_max_readahead(1);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = run(|| {
            let attr = self.fs.lookup(node(parent), name.as_bytes())?;
            Ok((self.shown(attr), Generation(attr.generation)))
        });
        match found {
            Ok((attr, generation)) => reply.entry(&TTL, &attr, generation),
            Err(e) => reply.error(e),
        }
    }

    fn forget(&self, _: &Request, ino: INodeNo, _: u64) {
        self.sizes.small(node(ino));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let result = run(|| {
            let attr = self.fs.attr(node(ino))?;
            let Some(fh) = fh else {
                return Ok(self.shown(attr));
            };
            // with an open file the kernel asks only to seek from the end, and takes this size for it
            match self.handle(fh)?.seek() {
                Seek::NoEnd => Err(core(error::Errno::EINVAL)),
                Seek::Plain | Seek::None | Seek::Forward => {
                    self.sizes.small(attr.id);
                    Ok(file_attr(&attr))
                }
            }
        });
        match result {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(e) => reply.error(e),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mode = mode.map(|m| (m & 0o7777) as u16);
        let change = SetAttr {
            mode,
            uid,
            gid,
            size,
            atime: atime.map(time),
            mtime: mtime.map(time),
        };
        match run(|| self.fs.set_attr(node(ino), &change)) {
            Ok(attr) => {
                // this answer always counts: of an open file it has to tell the large size, and not for long
                let (ttl, size) = match self.sizes.set(attr.id) {
                    Some(large) => (Duration::ZERO, large),
                    None => (TTL, attr.size),
                };
                reply.attr(&ttl, &file_attr(&Attr { size, ..attr }));
            }
            Err(e) => reply.error(e),
        }
    }

    fn mknod(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        mode: u32,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        // a regular file is what open(2) makes, which is refused in another way
        reply.error(match mode & libc::S_IFMT {
            libc::S_IFREG | 0 => Errno::EACCES,
            _ => Errno::EPERM,
        });
    }

    fn create(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::EACCES);
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        match run(|| self.fs.make_dir(node(parent), name.as_bytes())) {
            Ok(attr) => reply.entry(&TTL, &file_attr(&attr), Generation(attr.generation)),
            Err(e) => reply.error(e),
        }
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let remove = || self.fs.remove_dir(node(parent), name.as_bytes());
        match run(|| self.fs.request(remove)) {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(e),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        reply.error(errno(&self.fs.refuse(node(parent), name.as_bytes())));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: INodeNo,
        _: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(errno(&self.fs.refuse(node(parent), name.as_bytes())));
    }

    fn symlink(&self, _: &Request, _: INodeNo, _: &OsStr, _: &Path, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn open(&self, request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match run(|| self.open_file(request, ino, flags)) {
            Ok((fh, flags)) => reply.opened(fh, flags),
            Err(e) => reply.error(e),
        }
    }

    fn read(
        &self,
        request: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        flags: OpenFlags,
        owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let size = size as usize;
        self.fs.before_reading();
        let handle = match run(|| self.handle(fh)) {
            Ok(handle) => handle,
            Err(e) => return reply.error(e),
        };
        if is_cached(owner) {
            let mut reply = Some(reply);
            self.sizes
                .page(node(ino), offset, size, self.lot.notifier());
            let result = run(|| {
                handle.read_page(size, &mut |page| {
                    if let Some(reply) = reply.take() {
                        reply.data(page);
                    }
                })
            });
            if let (Err(e), Some(reply)) = (result, reply) {
                reply.error(e);
            }
            return;
        }
        let wait = flags.0 & libc::O_NONBLOCK == 0;
        let read = Parked {
            reply,
            handle,
            size,
            thread: request.pid(),
            looked_at: false,
        };
        // what panics drops the reply, which answers EIO
        let _ = run(|| {
            self.lot.read(request.unique().0, offset, wait, read);
            Ok(())
        });
    }

    fn write(
        &self,
        request: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let write = || self.handle(fh)?.write(&caller(request), data);
        match run(|| self.fs.request(write)) {
            Ok(n) => reply.written(n as u32),
            Err(e) => reply.error(e),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, fh: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        let result = run(|| {
            self.handle(fh)?.flush();
            Ok(())
        });
        match result {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(e),
        }
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let handle = self.open.write().remove(&fh.0);
        self.lot.forget(fh.0);
        if handle.is_some() {
            self.sizes.released(node(ino));
        }
        let _ = run(|| {
            drop(handle);
            Ok(())
        });
        reply.ok();
    }

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        kernel: PollNotifier,
        _: PollEvents,
        flags: PollFlags,
        reply: ReplyPoll,
    ) {
        let result = run(|| {
            let handle = self.handle(fh)?;
            if handle.readable().is_none() {
                return Ok(ALWAYS);
            }
            self.fs.before_reading();
            // first announced, then looked at: what comes in between is not missed
            if flags.contains(PollFlags::FUSE_POLL_SCHEDULE_NOTIFY) {
                self.lot.poll(fh.0, &handle, kernel.handle());
            }
            Ok(if handle.readable() == Some(true) {
                READABLE
            } else {
                PollEvents::empty()
            })
        });
        match result {
            Ok(events) => reply.poll(events),
            Err(e) => reply.error(e),
        }
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: IoctlFlags,
        command: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        let ioctl = || self.handle(fh)?.ioctl(command);
        match run(|| self.fs.request(ioctl)) {
            Ok(()) => reply.ioctl(0, &[]),
            Err(e) => reply.error(e),
        }
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // listing keeps no state: from now on the kernel opens directories by itself, and caches what they list
        reply.error(Errno::ENOSYS);
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        match run(|| self.list(ino, offset, &mut reply)) {
            Ok(()) => reply.ok(),
            Err(e) => reply.error(e),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(0, 0, 0, 0, 0, 4096, 255, 4096);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(Errno::EINVAL);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: u64,
        _: i32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EOPNOTSUPP);
    }

    // ENOSYS: the kernel answers ENOTSUP by itself from then on
    fn setxattr(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: &[u8],
        _: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::ENOSYS);
    }

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn removexattr(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, size: u32, reply: ReplyXattr) {
        match size {
            0 => reply.size(0),
            _ => reply.data(&[]),
        }
    }

    fn copy_file_range(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        // files have no size, so there is nothing to copy
        reply.written(0);
    }

    fn lseek(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: i64,
        _: i32,
        reply: fuser::ReplyLseek,
    ) {
        reply.error(Errno::ENOSYS);
    }
}
