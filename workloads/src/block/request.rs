//! Bios, what tasks ask for, and requests, what the device is given: one or several bios that follow each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering::*};

use parking_lot::Mutex;

use crate::events::block::{Io, OpFlags, trace_block_bio_complete};
use crate::machine::WaitQueue;

/// Bytes of a sector.
pub(super) const SECTOR: usize = 512;
/// The most that the device takes at once.
pub(super) const MAX_SECTORS: u32 = 64;
pub(super) const MAX_SEGMENTS: usize = 8;

/// A bio that is under way: what its owner waits for.
pub(super) struct Bio {
    /// Where it is on the whole disk.
    io: Io,
    /// Parts that are not done.
    left: AtomicU32,
    /// 0, or an errno below 0.
    error: AtomicI32,
    /// What was read.
    data: Mutex<Vec<u8>>,
    over: AtomicBool,
    waiters: WaitQueue,
}

impl Bio {
    /// A bio in so many parts.
    pub fn new(io: Io, parts: u32) -> Arc<Bio> {
        let len = if io.op.op() == OpFlags::READ {
            io.bytes() as usize
        } else {
            0
        };
        Arc::new(Bio {
            io,
            left: AtomicU32::new(parts),
            error: AtomicI32::new(0),
            data: Mutex::new(vec![0; len]),
            over: AtomicBool::new(false),
            waiters: WaitQueue::new(),
        })
    }

    /// One that was refused before it got anywhere.
    pub fn refused(io: Io, error: i32) -> Arc<Bio> {
        let bio = Bio::new(io, 0);
        bio.error.store(error, SeqCst);
        bio.over.store(true, SeqCst);
        bio
    }

    /// Sleeps (`D`) until it is done. What was read; or an errno below 0.
    pub async fn wait(&self) -> Result<Vec<u8>, i32> {
        self.waiters.wait_event_io(|| self.over.load(SeqCst)).await;
        match self.error.load(SeqCst) {
            0 => Ok(std::mem::take(&mut *self.data.lock())),
            error => Err(error),
        }
    }

    /// A part is done; with the last one, the bio.
    fn finish(&self, sector: u64, data: &[u8], error: i32) {
        if error != 0 {
            self.error.store(error, SeqCst);
        } else if self.io.op.op() == OpFlags::READ {
            let at = (sector - self.io.sector) as usize * SECTOR;
            self.data.lock()[at..at + data.len()].copy_from_slice(data);
        }
        if self.left.fetch_sub(1, SeqCst) == 1 {
            trace_block_bio_complete(&self.io, self.error.load(SeqCst));
            self.over.store(true, SeqCst);
            self.waiters.wake_up();
        }
    }
}

/// A bio, or as much of it as the device takes at once.
pub(super) struct Part {
    pub io: Io,
    /// What is to be written, or room for what is read.
    pub data: Vec<u8>,
    pub bio: Arc<Bio>,
}

/// What the device is given.
pub(super) struct Request {
    pub io: Io,
    pub parts: Vec<Part>,
    /// When it should be with the device at the latest, ns.
    pub deadline: u64,
    /// When it went to the device, ns.
    pub issued: u64,
    /// Index of the CPU that wants to hear of its end.
    pub cpu: usize,
}

/// At which end something was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Front,
    Back,
}

impl Request {
    pub fn new(part: Part, deadline: u64, cpu: usize) -> Request {
        let mut io = part.io;
        // A bio that only has a flush before it becomes the flush itself.
        if io.op.has(OpFlags::PREFLUSH) && io.sectors == 0 {
            io.op = OpFlags::FLUSH.with(OpFlags::PREFLUSH);
        }
        Request {
            io,
            parts: vec![part],
            deadline,
            issued: 0,
            cpu,
        }
    }

    /// The sector behind it.
    pub fn end(&self) -> u64 {
        end(&self.io)
    }

    /// Where `io` could be added, if there is room for it in so many parts.
    pub fn side(&self, io: &Io, parts: usize) -> Option<Side> {
        let fits = self.io.sectors + io.sectors <= MAX_SECTORS
            && self.parts.len() + parts <= MAX_SEGMENTS
            && self.io.dev == io.dev
            && self.io.op.op() == io.op.op()
            && mergeable(self.io.op)
            && mergeable(io.op);
        match fits {
            true if self.end() == io.sector => Some(Side::Back),
            true if end(io) == self.io.sector => Some(Side::Front),
            _ => None,
        }
    }

    /// Adds a part where it belongs.
    pub fn add(&mut self, part: Part, side: Side) {
        self.io.sectors += part.io.sectors;
        match side {
            Side::Back => self.parts.push(part),
            Side::Front => {
                self.io.sector = part.io.sector;
                self.parts.insert(0, part);
            }
        }
    }

    /// Takes all of the request that follows this one.
    pub fn absorb(&mut self, next: Request) {
        debug_assert_eq!(self.end(), next.io.sector);
        self.io.sectors += next.io.sectors;
        self.deadline = self.deadline.min(next.deadline);
        self.parts.extend(next.parts);
    }

    /// Tells the owners of its bios.
    pub fn finish(&self, error: i32) {
        for part in &self.parts {
            part.bio.finish(part.io.sector, &part.data, error);
        }
    }
}

fn end(io: &Io) -> u64 {
    io.sector + u64::from(io.sectors)
}

/// What must be on stable storage in an order is left alone.
fn mergeable(op: OpFlags) -> bool {
    !op.has(OpFlags::PREFLUSH) && !op.has(OpFlags::FUA) && op.op() != OpFlags::FLUSH
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request of one bio.
    pub fn request(op: OpFlags, sector: u64, sectors: u32, deadline: u64) -> Request {
        let io = Io {
            dev: 1,
            sector,
            sectors,
            op,
        };
        let bio = Bio::new(io, 1);
        let data = vec![0; io.bytes() as usize];
        Request::new(Part { io, data, bio }, deadline, 0)
    }

    #[test]
    fn merging() {
        const R: OpFlags = OpFlags::READ;
        const W: OpFlags = OpFlags::WRITE;
        let check = |a: (OpFlags, u64, u32), b: (OpFlags, u64, u32), expected| {
            let (a, b) = (request(a.0, a.1, a.2, 0), request(b.0, b.1, b.2, 0));
            assert_eq!(a.side(&b.io, 1), expected, "{:?} {:?}", a.io, b.io)
        };
        check((R, 8, 8), (R, 16, 8), Some(Side::Back));
        check((R, 8, 8), (R, 0, 8), Some(Side::Front));
        check((R, 8, 8), (R, 17, 8), None);
        check((R, 8, 8), (R, 12, 8), None);
        check((R, 8, 8), (W, 16, 8), None);
        check(
            (R, 8, 8),
            (R.with(OpFlags::RAHEAD), 16, 8),
            Some(Side::Back),
        );
        check(
            (R, 8, MAX_SECTORS - 8),
            (R, MAX_SECTORS.into(), 8),
            Some(Side::Back),
        );
        check((R, 8, MAX_SECTORS - 8), (R, MAX_SECTORS.into(), 9), None);
        check((W, 8, 8), (W.with(OpFlags::FUA), 16, 8), None);
        check((W.with(OpFlags::FUA), 8, 8), (W, 16, 8), None);
        let mut many = request(R, 0, 1, 0);
        for sector in 1..MAX_SEGMENTS as u64 {
            let next = request(R, sector, 1, 0);
            assert_eq!(many.side(&next.io, 1), Some(Side::Back));
            many.absorb(next);
        }
        assert_eq!(many.side(&request(R, 8, 1, 0).io, 1), None);
        assert_eq!((many.io.sectors, many.end()), (8, 8));
        let flush = request(W.with(OpFlags::PREFLUSH), 0, 0, 0);
        assert_eq!(flush.io.op, OpFlags::FLUSH.with(OpFlags::PREFLUSH));
        assert_eq!(flush.side(&flush.io, 1), None);
    }
}
