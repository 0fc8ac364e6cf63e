//! The disk: bios come in, are merged and sorted, go to the device as requests, and come back.

use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::Mutex;

use super::device::{Device, Room};
use super::elevator::{Elevator, deadline};
use super::medium;
use super::request::{Bio, MAX_SECTORS, Part, Request, SECTOR, Side};
use crate::events::block::{
    Io, OpFlags, trace_block_bio_backmerge, trace_block_bio_frontmerge, trace_block_bio_queue,
    trace_block_bio_remap, trace_block_getrq, trace_block_io_done, trace_block_io_start,
    trace_block_plug, trace_block_rq_complete, trace_block_rq_error, trace_block_rq_insert,
    trace_block_rq_issue, trace_block_rq_merge, trace_block_rq_requeue, trace_block_split,
    trace_block_unplug,
};
use crate::figures::BLOCK;
use crate::futex::{self, now_ns};
use crate::machine::{
    HZ, IrqReturn, Owner, SoftIrq, Timer, WQ_HIGHPRI, Work, Workqueue, current_cpu, jiffies,
    locked, queue_work, raise_softirq, request_irq,
};

/// Of the numbers for local use (Documentation/admin-guide/devices.txt).
const MAJOR: u32 = 240;
/// Minor numbers of one disk: the disk, then its partitions.
const MINORS: u32 = 16;
/// What disks are called.
const NAMES: [&str; 8] = ["uda", "udb", "udc", "udd", "ude", "udf", "udg", "udh"];
/// A plug with so many requests is emptied before the next one.
const MOST_PLUGGED: usize = 32;

/// How long a request may take before somebody looks after it, s.
const TIMEOUT_S: u64 = 30;

/// Disks in use, by bit.
static IN_USE: Mutex<u32> = Mutex::new(0);

thread_local! {
    /// Requests whose end the CPU has heard of, for its soft interrupt.
    static DONE: RefCell<Vec<(Arc<Disk>, Request, i32)>> = const { RefCell::new(Vec::new()) };
}

/// A disk with one partition.
pub(super) struct Disk {
    number: Number,
    elevator: Mutex<Elevator>,
    device: Arc<Device>,
    thread: Mutex<Option<JoinHandle<()>>>,
    kblockd: Workqueue,
    run: Work,
    /// Watches over the requests that the device has.
    timeout: Timer,
    /// When the device was given something or was done with something last, ns.
    progress: AtomicU64,
    /// Requests that were made and are not done.
    outstanding: AtomicUsize,
    /// Changes when there are none left.
    bell: AtomicU32,
}

/// Its place among the disks.
struct Number(u32);

impl Number {
    fn take() -> io::Result<Number> {
        let mut in_use = IN_USE.lock();
        let number = in_use.trailing_ones();
        if number as usize >= NAMES.len() {
            return Err(io::Error::other(format!(
                "{} disks are in use already",
                NAMES.len()
            )));
        }
        *in_use |= 1 << number;
        Ok(Number(number))
    }

    /// Its device number.
    fn dev(&self) -> u32 {
        (MAJOR << 20) | (self.0 * MINORS)
    }

    fn name(&self) -> &'static str {
        NAMES[self.0 as usize]
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        *IN_USE.lock() &= !(1 << self.0);
    }
}

/// Requests that a task keeps back, to hand them over together: what follows each other can be merged before.
pub(super) struct Plug<'a> {
    disk: &'a Disk,
    requests: Vec<Request>,
}

impl Disk {
    /// A disk with a file below `dir` as its medium.
    pub fn new(owner: &Owner, dir: &Path) -> io::Result<Arc<Disk>> {
        let number = Number::take()?;
        let file = medium::make(dir)?;
        let machine = owner.machine();
        let device = Arc::new(Device::new(file, machine.clone(), owner.cpus()));
        let name = number.name();
        let disk = Arc::new_cyclic(|this: &Weak<Disk>| Disk {
            number,
            elevator: Mutex::default(),
            device: device.clone(),
            thread: Mutex::new(None),
            kblockd: Workqueue::new("kblockd", WQ_HIGHPRI),
            run: Work::new(blk_mq_run_work_fn, this.clone()),
            timeout: Timer::new(blk_rq_timed_out_timer, this.clone()),
            progress: AtomicU64::new(0),
            outstanding: AtomicUsize::new(0),
            bell: AtomicU32::new(0),
        });
        let this = Arc::downgrade(&disk);
        let handler = move || match this.upgrade() {
            Some(disk) => disk.on_interrupt(),
            None => IrqReturn::None,
        };
        device.connect(request_irq(name, Arc::new(handler)));
        machine.open_softirq(SoftIrq::Block, Arc::new(blk_done_softirq));
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                crate::signals::block();
                device.run();
            })?;
        *disk.thread.lock() = Some(thread);
        Ok(disk)
    }

    /// Number of its partition.
    fn partition(&self) -> u32 {
        self.number.dev() + 1
    }

    /// Begins to keep requests back.
    pub fn plug(&self) -> Plug<'_> {
        Plug {
            disk: self,
            requests: Vec::new(),
        }
    }

    /// Reads `sectors` of the partition.
    pub fn read(
        &self,
        plug: Option<&mut Plug<'_>>,
        flags: OpFlags,
        sector: u64,
        sectors: u32,
    ) -> Arc<Bio> {
        let data = vec![0; sectors as usize * SECTOR];
        self.submit(plug, OpFlags::READ.with(flags), sector, data)
    }

    /// Writes whole sectors to the partition.
    pub fn write(
        &self,
        plug: Option<&mut Plug<'_>>,
        flags: OpFlags,
        sector: u64,
        data: Vec<u8>,
    ) -> Arc<Bio> {
        self.submit(plug, OpFlags::WRITE.with(flags), sector, data)
    }

    /// Brings what was written to stable storage.
    pub fn flush(&self) -> Arc<Bio> {
        let op = OpFlags::WRITE.with(OpFlags::PREFLUSH).with(OpFlags::SYNC);
        self.submit(None, op, 0, Vec::new())
    }

    fn submit(
        &self,
        mut plug: Option<&mut Plug<'_>>,
        op: OpFlags,
        sector: u64,
        mut data: Vec<u8>,
    ) -> Arc<Bio> {
        let sectors = (data.len() / SECTOR) as u32;
        let mut io = Io {
            dev: self.number.dev(),
            sector,
            sectors,
            op,
        };
        if sector + u64::from(sectors) > medium::SECTORS {
            io.dev = self.partition();
            return Bio::refused(io, -libc::EIO);
        }
        // A bio without data has no place to be moved.
        if sectors > 0 {
            io.sector += medium::START;
            trace_block_bio_remap(&io, self.partition(), sector);
        }
        trace_block_bio_queue(&io);
        let bio = Bio::new(io, sectors.div_ceil(MAX_SECTORS).max(1));
        let mut rest = io;
        while rest.sectors > MAX_SECTORS {
            let mut front = rest;
            front.sectors = MAX_SECTORS;
            rest.sector += u64::from(MAX_SECTORS);
            rest.sectors -= MAX_SECTORS;
            trace_block_split(&front, rest.sector);
            let behind = data.split_off(MAX_SECTORS as usize * SECTOR);
            let part = Part {
                io: front,
                data: std::mem::replace(&mut data, behind),
                bio: bio.clone(),
            };
            self.submit_part(plug.as_deref_mut(), part);
        }
        let part = Part {
            io: rest,
            data,
            bio: bio.clone(),
        };
        self.submit_part(plug, part);
        bio
    }

    /// Adds a part to a request, or makes one for it.
    fn submit_part(&self, mut plug: Option<&mut Plug<'_>>, part: Part) {
        let io = part.io;
        let last = plug.as_mut().and_then(|plug| plug.requests.last_mut());
        if let Some(last) = last
            && let Some(side) = last.side(&io, 1)
        {
            merged(&io, side);
            return last.add(part, side);
        }
        let mut elevator = self.elevator.lock();
        if let Some(side) = elevator.side(&io) {
            return locked(1, || {
                merged(&io, side);
                if let Some(absorbed) = elevator.merge(part) {
                    self.is_merged(&absorbed);
                }
            });
        }
        drop(elevator);
        trace_block_getrq(&io);
        self.outstanding.fetch_add(1, SeqCst);
        let request = Request::new(part, deadline(io.op, now_ns()), current_cpu());
        trace_block_io_start(&request.io);
        match plug {
            Some(plug) => plug.add(request),
            None => {
                self.insert(&mut self.elevator.lock(), request);
                self.run_queue();
            }
        }
    }

    /// Hands a request to the elevator.
    fn insert(&self, elevator: &mut Elevator, request: Request) {
        let io = request.io;
        if io.op.op() == OpFlags::FLUSH {
            return elevator.insert_flush(request);
        }
        let absorbed = elevator.insert(request);
        locked(1, || match absorbed {
            Some(absorbed) => self.is_merged(&absorbed),
            None => trace_block_rq_insert(&io),
        });
    }

    /// A request is no more: another one has what it had.
    fn is_merged(&self, absorbed: &Io) {
        trace_block_rq_merge(absorbed);
        self.one_less();
    }

    fn one_less(&self) {
        if self.outstanding.fetch_sub(1, SeqCst) == 1 {
            futex::poke(&self.bell);
        }
    }

    /// Gives the device what it has room for.
    fn run_queue(&self) {
        loop {
            let mut request = {
                let mut elevator = self.elevator.lock();
                if !self.device.has_tag() {
                    return;
                }
                let Some(request) = elevator.pop(now_ns()) else {
                    return;
                };
                match self.device.reserve(&request) {
                    Room::Yes => request,
                    // It is asked again when one of those that it has is done.
                    Room::No => return elevator.put_back(request),
                    Room::TooFewBuffers => {
                        locked(1, || trace_block_rq_requeue(&request.io));
                        return elevator.put_back(request);
                    }
                }
            };
            request.issued = now_ns();
            trace_block_rq_issue(&request.io);
            self.progress.store(request.issued, SeqCst);
            self.watch();
            self.device.start(request);
        }
    }

    /// Has the timer look after the requests, if it does not already.
    fn watch(&self) {
        if !self.timeout.is_pending() {
            self.timeout.mod_timer(jiffies() + TIMEOUT_S * HZ);
        }
    }

    /// In hard interrupt context: the device has done a request of this CPU.
    fn on_interrupt(self: Arc<Disk>) -> IrqReturn {
        let Some((request, error)) = self.device.take_done(current_cpu()) else {
            return IrqReturn::None;
        };
        DONE.with_borrow_mut(|done| done.push((self, request, error)));
        raise_softirq(SoftIrq::Block);
        IrqReturn::Handled
    }

    /// In soft interrupt context: tells who waits, and goes on.
    fn complete(&self, request: &Request, error: i32) {
        let now = now_ns();
        let latency = now - request.issued;
        self.progress.store(now, SeqCst);
        BLOCK.requests.add(1);
        BLOCK.latency_ns.add(latency);
        #[cfg(test)]
        super::tests::LATENCIES.lock().push(latency);
        trace_block_rq_complete(&request.io, error);
        if error != 0 {
            BLOCK.errors.add(1);
            trace_block_rq_error(&request.io, error);
        }
        request.finish(error);
        trace_block_io_done(&request.io);
        if !self.elevator.lock().is_empty() {
            queue_work(&self.kblockd, &self.run);
        }
        self.one_less();
    }

    /// Waits until all requests are done, and switches the device off. Not on a CPU of the machine.
    pub fn shut_down(&self) {
        loop {
            let bell = self.bell.load(SeqCst);
            if self.outstanding.load(SeqCst) == 0 {
                break;
            }
            futex::wait(&self.bell, bell, None);
        }
        self.timeout.delete();
        self.end_thread();
    }

    fn end_thread(&self) {
        self.device.switch_off();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.end_thread();
    }
}

/// A bio has become part of a request.
fn merged(io: &Io, side: Side) {
    match side {
        Side::Front => trace_block_bio_frontmerge(io),
        Side::Back => trace_block_bio_backmerge(io),
    }
}

/// The soft interrupt: what this CPU has heard of.
fn blk_done_softirq() {
    for (disk, request, error) in DONE.take() {
        disk.complete(&request, error);
    }
}

/// The work of kblockd: there is room again.
fn blk_mq_run_work_fn(disk: &Weak<Disk>) {
    if let Some(disk) = disk.upgrade() {
        disk.run_queue();
    }
}

/// The timer: goes on as long as the device has something to do.
fn blk_rq_timed_out_timer(disk: &Weak<Disk>) {
    let Some(disk) = disk.upgrade() else { return };
    if disk.outstanding.load(SeqCst) > 0 {
        let waited = now_ns().saturating_sub(disk.progress.load(SeqCst)) / 1_000_000_000;
        if waited >= TIMEOUT_S {
            log::warn!("the disk of the block workload has done nothing for {waited} s");
        }
        disk.watch();
    }
}

impl Plug<'_> {
    fn add(&mut self, request: Request) {
        if self.requests.len() == MOST_PLUGGED {
            self.empty();
        }
        if self.requests.is_empty() {
            trace_block_plug();
        }
        self.requests.push(request);
    }

    fn empty(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        trace_block_unplug(self.requests.len() as i32);
        {
            let mut elevator = self.disk.elevator.lock();
            for request in self.requests.drain(..) {
                self.disk.insert(&mut elevator, request);
            }
        }
        self.disk.run_queue();
    }
}

impl Drop for Plug<'_> {
    fn drop(&mut self) {
        self.empty();
    }
}
