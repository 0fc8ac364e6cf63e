//! What the calling thread does: jobs as programs do them, failures included.

use std::ffi::{CStr, CString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::calls;
use super::scratch::Scratch;
use crate::children::Family;
use crate::rng::Rng;

/// Jobs of the same number are the same on every run.
const SEED: u64 = 0x5ca1_1000_0000_0000;
/// A log longer than this is rotated, bytes.
const ROTATE: i64 = 16 << 10;

/// Kinds of jobs; they take turns.
pub(super) const KINDS: u64 = 8;

const LOG: &CStr = c"app.log";
const CONF: &CStr = c"app.conf";
pub(super) const ARCHIVE: &CStr = c"app.tar";
/// Bytes of a block of an archive.
pub(super) const BLOCK: usize = 512;

/// A call that did not answer as it must on a file system with room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unexpected {
    pub call: &'static str,
    pub answer: i64,
}

/// The jobs' state between operations.
pub(super) struct Jobs {
    scratch: Scratch,
    /// Absolute names, for the calls that take no directory.
    log: CString,
    old_log: CString,
    /// Lines with ERROR in the log, as written.
    errors: u64,
    /// Descriptors that the job under way has open.
    open: Vec<i32>,
}

/// The answer must be `$ok`.
macro_rules! expect {
    ($call:ident ( $($arg:expr),* $(,)? ), $ok:pat) => {{
        let answer = calls::$call($($arg),*);
        if !matches!(answer, $ok) {
            return Err(Unexpected { call: stringify!($call), answer });
        }
        answer
    }};
}

/// The answer must be this errno.
macro_rules! refuse {
    ($call:ident ( $($arg:expr),* $(,)? ), $errno:ident) => {{
        let answer = calls::$call($($arg),*);
        if answer != -i64::from(libc::$errno) {
            return Err(Unexpected { call: stringify!($call), answer });
        }
    }};
}

impl Jobs {
    pub fn new(scratch: Scratch) -> io::Result<Jobs> {
        let name = |file: &CStr| {
            let mut name = scratch.path().as_os_str().as_bytes().to_vec();
            name.push(b'/');
            name.extend_from_slice(file.to_bytes());
            CString::new(name).map_err(io::Error::other)
        };
        let (log, old_log) = (name(LOG)?, name(c"app.log.1")?);
        Ok(Jobs {
            scratch,
            log,
            old_log,
            errors: 0,
            open: Vec::new(),
        })
    }

    /// Where the files are.
    pub fn path(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// Its descriptor.
    pub fn dir(&self) -> i32 {
        self.scratch.fd()
    }

    /// Operation `op`. Without a family no programs are run.
    pub fn run(&mut self, op: u64, family: Option<&mut Family>) -> Result<(), Unexpected> {
        let rng = Rng::of(SEED, op);
        let result = match op % KINDS {
            0 => self.write_log(rng),
            1 => self.grep(),
            2 => self.look_up(),
            3 => self.save(rng),
            4 => self.spool(rng),
            5 => self.tail(),
            6 => self.unpack(rng),
            _ => family.map_or(Ok(()), |family| self.build(family)),
        };
        if result.is_err() {
            self.clean_up();
        }
        result
    }

    /// After a failure: nothing is left that would make the next jobs fail.
    fn clean_up(&mut self) {
        for fd in std::mem::take(&mut self.open) {
            calls::close(fd);
        }
        let dir = self.scratch.fd();
        for name in [c"spool/1", c"spool/2", c"spool/3", c"app.conf.tmp", LOG] {
            calls::unlinkat(dir, name, 0);
        }
        calls::unlinkat(dir, c"spool", libc::AT_REMOVEDIR);
        self.remove_unpacked();
        for name in [c"main.c", c"lib.c", c"main.o", c"lib.o", c"app", ARCHIVE] {
            calls::unlinkat(dir, name, 0);
        }
        self.errors = 0;
    }

    pub(super) fn open(&mut self, path: &CStr, flags: i32) -> Result<i32, Unexpected> {
        let fd = expect!(
            openat(self.scratch.fd(), path, flags | libc::O_CLOEXEC, 0o644),
            0..
        ) as i32;
        self.open.push(fd);
        Ok(fd)
    }

    pub(super) fn close(&mut self, fd: i32) -> Result<(), Unexpected> {
        self.open.retain(|open| *open != fd);
        expect!(close(fd), 0);
        Ok(())
    }

    /// Some lines at the end of a log.
    fn write_log(&mut self, mut rng: Rng) -> Result<(), Unexpected> {
        let fd = self.open(LOG, libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND)?;
        for line in 0..rng.within(2..6) {
            let error = rng.within(0..4) == 0;
            let level = if error { "ERROR" } else { "info " };
            let text = format!(
                "{level} request {:08x} took {} us, line {line}\n",
                rng.next() as u32,
                rng.within(10..5000)
            );
            expect!(write(fd, text.as_bytes()), 1..);
            self.errors += u64::from(error);
        }
        self.close(fd)?;
        Ok(())
    }

    /// Reads the log from the start and counts lines.
    fn grep(&mut self) -> Result<(), Unexpected> {
        let fd = self.open(LOG, libc::O_RDONLY)?;
        let mut stat = empty_stat();
        expect!(newfstat(fd, &mut stat), 0);
        let mut text = Vec::new();
        let mut block = [0; 4096];
        loop {
            let read = expect!(read(fd, &mut block), 0..) as usize;
            text.extend_from_slice(&block[..read]);
            if read == 0 {
                break;
            }
        }
        self.close(fd)?;
        let found = text
            .split(|byte| *byte == b'\n')
            .filter(|line| line.starts_with(b"ERROR"))
            .count() as u64;
        if text.len() as i64 != stat.st_size || found != self.errors {
            return Err(Unexpected {
                call: "read",
                answer: found as i64,
            });
        }
        Ok(())
    }

    /// What a program does before it finds its configuration; most of it fails.
    fn look_up(&mut self) -> Result<(), Unexpected> {
        let dir = self.scratch.fd();
        let mut stat = empty_stat();
        refuse!(
            newfstatat(libc::AT_FDCWD, c"/etc/utracefs-demo.conf", &mut stat, 0),
            ENOENT
        );
        refuse!(
            openat(dir, c"app.conf.local", libc::O_RDONLY | libc::O_CLOEXEC, 0),
            ENOENT
        );
        // Nobody may run a file that nobody may run, not even root.
        refuse!(faccessat(dir, LOG, libc::X_OK), EACCES);
        refuse!(
            openat(
                dir,
                c"app.log/app.conf",
                libc::O_RDONLY | libc::O_CLOEXEC,
                0
            ),
            ENOTDIR
        );
        expect!(
            newfstatat(dir, LOG, &mut stat, libc::AT_SYMLINK_NOFOLLOW),
            0
        );
        refuse!(read(-1, &mut [0; 64]), EBADF);
        let mut ends = [-1; 2];
        expect!(pipe2(&mut ends, libc::O_CLOEXEC | libc::O_NONBLOCK), 0);
        self.open.extend(ends);
        refuse!(read(ends[0], &mut [0; 64]), EAGAIN);
        expect!(write(ends[1], b"ready"), 5);
        expect!(read(ends[0], &mut [0; 64]), 5);
        refuse!(lseek(ends[0], 0, libc::SEEK_SET), ESPIPE);
        self.close(ends[0])?;
        self.close(ends[1])?;
        expect!(
            nanosleep(&libc::timespec {
                tv_sec: 0,
                tv_nsec: 300_000
            }),
            0
        );
        Ok(())
    }

    /// A file is replaced by a new one without ever being half written.
    fn save(&mut self, mut rng: Rng) -> Result<(), Unexpected> {
        let dir = self.scratch.fd();
        let fd = self.open(
            c"app.conf.tmp",
            libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
        )?;
        let text = format!("threads = {}\nlog = app.log\n", rng.within(1..64));
        expect!(write(fd, text.as_bytes()), 1..);
        self.close(fd)?;
        expect!(renameat2(dir, c"app.conf.tmp", dir, CONF, 0), 0);
        refuse!(renameat2(dir, c"app.conf.tmp", dir, CONF, 0), ENOENT);
        let fd = self.open(CONF, libc::O_RDONLY)?;
        let mut back = [0; 256];
        let read = expect!(read(fd, &mut back), 1..) as usize;
        self.close(fd)?;
        if &back[..read] != text.as_bytes() {
            return Err(Unexpected {
                call: "read",
                answer: read as i64,
            });
        }
        Ok(())
    }

    /// A directory with files, listed and removed.
    fn spool(&mut self, mut rng: Rng) -> Result<(), Unexpected> {
        let dir = self.scratch.fd();
        expect!(mkdirat(dir, c"spool", 0o755), 0);
        refuse!(mkdirat(dir, c"spool", 0o755), EEXIST);
        let names = [c"spool/1", c"spool/2", c"spool/3"];
        let count = rng.within(1..4) as usize;
        for name in &names[..count] {
            let fd = self.open(name, libc::O_WRONLY | libc::O_CREAT)?;
            expect!(write(fd, &rng.next().to_ne_bytes()), 8);
            self.close(fd)?;
        }
        let fd = self.open(c"spool", libc::O_RDONLY | libc::O_DIRECTORY)?;
        let mut entries = [0u64; 256];
        expect!(getdents64(fd, &mut entries), 1..);
        expect!(getdents64(fd, &mut entries), 0);
        self.close(fd)?;
        refuse!(unlinkat(dir, c"spool", libc::AT_REMOVEDIR), ENOTEMPTY);
        for name in &names[..count] {
            expect!(unlinkat(dir, name, 0), 0);
        }
        expect!(unlinkat(dir, c"spool", libc::AT_REMOVEDIR), 0);
        refuse!(unlinkat(dir, c"spool", libc::AT_REMOVEDIR), ENOENT);
        Ok(())
    }

    /// The end of the log, a look for more, and rotation.
    fn tail(&mut self) -> Result<(), Unexpected> {
        let fd = self.open(LOG, libc::O_RDONLY)?;
        let length = expect!(lseek(fd, 0, libc::SEEK_END), 0..);
        refuse!(lseek(fd, -length - 1, libc::SEEK_END), EINVAL);
        expect!(lseek(fd, -length.min(256), libc::SEEK_END), 0..);
        let mut block = [0; 4096];
        expect!(read(fd, &mut block), 1..);
        let pause = libc::timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        expect!(clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &pause), 0);
        expect!(read(fd, &mut block), 0);
        self.close(fd)?;
        if length > ROTATE {
            expect!(rename(&self.log, &self.old_log), 0);
            self.errors = 0;
            // The next operation, were it not to write, would find none.
            let fd = self.open(LOG, libc::O_WRONLY | libc::O_CREAT)?;
            self.close(fd)?;
        }
        Ok(())
    }
}

pub(super) fn empty_stat() -> libc::stat {
    // SAFETY: stat is plain numbers.
    unsafe { std::mem::zeroed() }
}
