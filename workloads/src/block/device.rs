//! The device below: an OS thread that really reads and writes a file, and asks for an interrupt when it is done.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::request::{Request, SECTOR};
use crate::events::block::OpFlags;
use crate::figures::BLOCK;
use crate::futex;
use crate::machine::{Irq, Machine};

/// Requests that it takes at a time, and buffers of them in all.
const TAGS: usize = 4;
const SEGMENTS: usize = 12;

/// The device as both sides see it.
pub(super) struct Device {
    file: File,
    machine: Arc<Machine>,
    irq: OnceLock<Irq>,
    ring: Mutex<Ring>,
    /// Done, by the CPU that wants to hear of it.
    done: Box<[Mutex<Done>]>,
    bell: AtomicU32,
    off: AtomicBool,
}

/// Requests with 0 or an errno below 0.
type Done = VecDeque<(Request, i32)>;

#[derive(Default)]
struct Ring {
    waiting: VecDeque<Request>,
    /// Given to the device, and not yet taken back: requests and their buffers.
    tags: usize,
    segments: usize,
}

/// Whether the device has room for a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// It has.
    Yes,
    /// For none at all.
    No,
    /// For others, but not for as many buffers.
    TooFewBuffers,
}

impl Device {
    pub fn new(file: File, machine: Arc<Machine>, cpus: usize) -> Device {
        Device {
            file,
            machine,
            irq: OnceLock::new(),
            ring: Mutex::default(),
            done: (0..cpus).map(|_| Mutex::default()).collect(),
            bell: AtomicU32::new(0),
            off: AtomicBool::new(false),
        }
    }

    /// The line that it is to use.
    pub fn connect(&self, irq: Irq) {
        let _ = self.irq.set(irq);
    }

    /// Keeps room for a request: it is given by `start`.
    pub fn reserve(&self, request: &Request) -> Room {
        let mut ring = self.ring.lock();
        if ring.tags == TAGS {
            return Room::No;
        }
        if ring.segments + request.parts.len() > SEGMENTS {
            return Room::TooFewBuffers;
        }
        ring.tags += 1;
        ring.segments += request.parts.len();
        Room::Yes
    }

    /// Whether any request may be tried.
    pub fn has_tag(&self) -> bool {
        self.ring.lock().tags < TAGS
    }

    /// Gives it a request.
    pub fn start(&self, request: Request) {
        self.ring.lock().waiting.push_back(request);
        futex::poke(&self.bell);
    }

    /// Takes one back that is done, of those for this CPU.
    pub fn take_done(&self, cpu: usize) -> Option<(Request, i32)> {
        let (request, error) = self.done[cpu].lock().pop_front()?;
        let mut ring = self.ring.lock();
        ring.tags -= 1;
        ring.segments -= request.parts.len();
        Some((request, error))
    }

    /// The device's own life.
    pub fn run(&self) {
        loop {
            let bell = self.bell.load(SeqCst);
            let next = self.ring.lock().waiting.pop_front();
            match next {
                Some(mut request) => {
                    let error = match self.transfer(&mut request) {
                        Ok(()) => 0,
                        Err(error) => -error.raw_os_error().unwrap_or(libc::EIO),
                    };
                    let cpu = request.cpu;
                    self.done[cpu].lock().push_back((request, error));
                    if let Some(irq) = self.irq.get() {
                        irq.raise(&self.machine, cpu);
                    }
                }
                None if self.off.load(SeqCst) => return,
                None => futex::wait(&self.bell, bell, None),
            }
        }
    }

    /// Ends `run` when there is nothing left to do.
    pub fn switch_off(&self) {
        self.off.store(true, SeqCst);
        futex::poke(&self.bell);
    }

    fn transfer(&self, request: &mut Request) -> io::Result<()> {
        let op = request.io.op;
        match op.op() {
            OpFlags::READ => {
                for part in &mut request.parts {
                    // A medium that ends too early gives less than was asked for: an error, as of any disk.
                    self.file
                        .read_exact_at(&mut part.data, part.io.sector * SECTOR as u64)
                        .map_err(|error| match error.kind() {
                            io::ErrorKind::UnexpectedEof => io::Error::from_raw_os_error(libc::EIO),
                            _ => error,
                        })?;
                }
                BLOCK.bytes_read.add(request.io.bytes().into());
            }
            OpFlags::WRITE => {
                for part in &request.parts {
                    self.file
                        .write_all_at(&part.data, part.io.sector * SECTOR as u64)?;
                }
                BLOCK.bytes_written.add(request.io.bytes().into());
            }
            _ => {}
        }
        if op.has(OpFlags::PREFLUSH) || op.has(OpFlags::FUA) {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        BLOCK.flushes.add(1);
        // SAFETY: an open descriptor; no memory is involved.
        match unsafe { libc::fdatasync(self.file.as_raw_fd()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
