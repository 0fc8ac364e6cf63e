//! perf_event_open(2)'s records: forks, ends, names, switches and wake-ups of tasks, without stopping anybody.
//!
//! Of the tasks that we ask about: a dummy event per CPU on each of them; whoever they make inherits it. An ordinary user may have
//! that where perf_event_paranoid is 2 or less, without the kernel's own doings (`exclude_kernel`).
//!
//! Of the whole machine, for root or with CAP_PERFMON: a dummy event per CPU, and one for each tracepoint that is wanted ([`Points`]).
//!
//! All events of a CPU write to one ring.

mod points;
mod record;
mod ring;
mod tracefs;

use super::super::cli::attach::plain as error_text;
use super::tracer::Item;
use super::wire::Kind;
pub use points::Points;
use ring::Ring;
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

/// Whose records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Records {
    /// Of certain tasks: forks, ends, names, and perhaps switches, of which each side is told alone.
    Tasks {
        /// Switches too.
        switches: bool,
    },
    /// Of all tasks: forks, ends, names, and what the tracepoints of these kinds tell.
    Machine(Vec<Kind>),
}

/// Pages of a ring, tried from the left: an ordinary user may lock so much memory only.
const PAGES: [usize; 8] = [512, 256, 128, 64, 32, 16, 8, 4];
/// The most of them. All tasks of the machine write more, until we come to read it, than some; so many together are enough.
const MOST: usize = 128;
const MOST_FOR_ALL: usize = 512;
const MOST_TOGETHER: usize = 16384;

/// struct perf_event_attr, up to `aux_watermark` (PERF_ATTR_SIZE_VER5).
#[repr(C)]
#[derive(Default)]
struct Attr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup: u32,
    bp_type: u32,
    config1: u64,
    config2: u64,
    branch_sample_type: u64,
    sample_regs_user: u64,
    sample_stack_user: u32,
    clockid: i32,
    sample_regs_intr: u64,
    aux_watermark: u32,
    sample_max_stack: u16,
    reserved: u16,
}

/// Bits of the attribute's flags.
mod flag {
    pub const INHERIT: u64 = 1 << 1;
    pub const EXCLUDE_KERNEL: u64 = 1 << 5;
    pub const EXCLUDE_HV: u64 = 1 << 6;
    pub const COMM: u64 = 1 << 9;
    pub const TASK: u64 = 1 << 13;
    pub const WATERMARK: u64 = 1 << 14;
    pub const SAMPLE_ID_ALL: u64 = 1 << 18;
    pub const COMM_EXEC: u64 = 1 << 24;
    pub const USE_CLOCKID: u64 = 1 << 25;
    pub const CONTEXT_SWITCH: u64 = 1 << 26;
}

fn attr(records: &Records, ring_bytes: usize) -> Attr {
    use flag::*;
    let mut flags = EXCLUDE_KERNEL | EXCLUDE_HV | COMM | TASK;
    flags |= WATERMARK | SAMPLE_ID_ALL | COMM_EXEC | USE_CLOCKID;
    match records {
        Records::Tasks { switches: true } => flags |= INHERIT | CONTEXT_SWITCH,
        Records::Tasks { switches: false } => flags |= INHERIT,
        Records::Machine(_) => {}
    }
    Attr {
        // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY
        kind: 1,
        config: 9,
        size: size_of::<Attr>() as u32,
        // PERF_SAMPLE_TID, _TIME, _CPU
        sample_type: 1 << 1 | 1 << 2 | 1 << 7,
        flags,
        wakeup: (ring_bytes / 2) as u32,
        clockid: libc::CLOCK_MONOTONIC,
        ..Attr::default()
    }
}

/// Every hit of a tracepoint.
fn point_attr(id: u16, ring_bytes: u32) -> Attr {
    use flag::*;
    Attr {
        // PERF_TYPE_TRACEPOINT
        kind: 2,
        config: id.into(),
        size: size_of::<Attr>() as u32,
        sample_period: 1,
        // PERF_SAMPLE_TID, _TIME, _CPU, _RAW
        sample_type: 1 << 1 | 1 << 2 | 1 << 7 | 1 << 10,
        flags: WATERMARK | SAMPLE_ID_ALL | USE_CLOCKID,
        wakeup: ring_bytes,
        clockid: libc::CLOCK_MONOTONIC,
        ..Attr::default()
    }
}

fn open(attr: &Attr, tid: i32, cpu: i32, group: i32) -> io::Result<OwnedFd> {
    const CLOEXEC: libc::c_ulong = 8;
    // SAFETY: the kernel reads `size` bytes of the attribute
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            std::ptr::from_ref(attr),
            tid,
            cpu,
            group,
            CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// An event writes to another one's ring.
fn share(event: &OwnedFd, ring: &Ring) -> io::Result<()> {
    const SET_OUTPUT: libc::c_ulong = 0x2405;
    // SAFETY: the request takes a descriptor's number
    match unsafe { libc::ioctl(event.as_raw_fd(), SET_OUTPUT as _, ring.fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Closes a tracepoint's events. They tell of nothing any more when this returns; that they are gone takes the kernel some 40 ms for
/// each tracepoint, which nobody waits for.
fn close(events: Vec<OwnedFd>) {
    const DISABLE: libc::c_ulong = 0x2401;
    for event in &events {
        // SAFETY: the request takes no memory
        unsafe { libc::ioctl(event.as_raw_fd(), DISABLE as _, 0) };
    }
    if !events.is_empty() {
        // without a thread they are closed here
        let _ = std::thread::Builder::new().spawn(move || drop(events));
    }
}

/// Whether it is allowed. No event is made: the first one of a machine makes all its CPUs stand still for a moment.
///
/// # Errors
/// What perf_event_open(2) says: EACCES, EPERM or ENOSYS.
pub fn probe() -> io::Result<()> {
    ask(&attr(&Records::Tasks { switches: true }, 4096))
}

/// Whether what the kernel does itself may be seen. That may still not be enough for tracepoints.
///
/// # Errors
/// As for [`probe`].
pub fn probe_kernel() -> io::Result<()> {
    ask(&point_attr(0, 4096))
}

/// The machine's tracepoints, if they are to be had.
///
/// # Errors
/// Why not.
pub fn points() -> Result<Points, String> {
    probe_kernel().map_err(|e| format!("perf_event_open(2): {}", error_text(&e)))?;
    Points::find()
}

fn ask(attr: &Attr) -> io::Result<()> {
    // looked at after the permission: no such descriptor
    const NO_GROUP: i32 = i32::MAX;
    match open(attr, 0, -1, NO_GROUP) {
        Err(e) if e.raw_os_error() != Some(libc::EBADF) => Err(e),
        _ => Ok(()),
    }
}

/// The events and their rings.
pub struct Perf {
    rings: Vec<Ring>,
    /// Kept open: what a task has inherited goes with its first maker's.
    events: Vec<OwnedFd>,
    tasks: HashSet<i32>,
    attr: Attr,
    records: Records,
    points: Option<Rc<Points>>,
    /// The tracepoints' events.
    hits: Vec<(Kind, Vec<OwnedFd>)>,
    since: u64,
    lost: u64,
}

impl Perf {
    /// Starts with these tasks, or with the whole machine and these tracepoints.
    ///
    /// # Errors
    /// If there is no event or no ring to be had.
    pub fn start(
        records: &Records,
        points: Option<Rc<Points>>,
        tasks: &[(i32, i32)],
    ) -> io::Result<Perf> {
        let mut perf = Perf {
            rings: Vec::new(),
            events: Vec::new(),
            tasks: HashSet::new(),
            attr: attr(records, 0),
            records: records.clone(),
            points,
            hits: Vec::new(),
            since: 0,
            lost: 0,
        };
        if let Records::Machine(kinds) = records {
            perf.make_rings(-1)?;
            perf.hit(kinds)?;
            return Ok(perf);
        }
        let mut refused = io::Error::from_raw_os_error(libc::ESRCH);
        for (tid, _) in tasks {
            match perf.make_rings(*tid) {
                Ok(()) => {
                    perf.tasks.insert(*tid);
                    perf.add(tasks);
                    return Ok(perf);
                }
                // has ended meanwhile, or is privileged
                Err(e) if matches!(e.raw_os_error(), Some(libc::ESRCH | libc::EACCES)) => {
                    perf.rings.clear();
                    refused = e;
                }
                Err(e) => return Err(e),
            }
        }
        Err(refused)
    }

    /// A ring for each CPU, of this task's or (-1) of everybody's event.
    fn make_rings(&mut self, tid: i32) -> io::Result<()> {
        // SAFETY: no memory is involved
        let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
        let most = match self.records {
            Records::Tasks { .. } => MOST,
            Records::Machine(_) => (MOST_TOGETHER / cpus.max(1) as usize).clamp(MOST, MOST_FOR_ALL),
        };
        let pages = &PAGES[PAGES.partition_point(|pages| *pages > most)..];
        for cpu in 0..cpus as i32 {
            let made = Ring::largest(pages, |bytes| {
                self.attr.wakeup = (bytes / 2) as u32;
                open(&self.attr, tid, cpu, -1)
            });
            match made {
                Ok(ring) => self.rings.push(ring.on(cpu)),
                // a CPU that is off
                Err(e) if e.raw_os_error() == Some(libc::ENODEV) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Tells of the tracepoints of these kinds and of no others.
    fn hit(&mut self, kinds: &[Kind]) -> io::Result<()> {
        let all = std::mem::take(&mut self.hits).into_iter();
        let (on, off): (Vec<_>, Vec<_>) = all.partition(|(kind, _)| kinds.contains(kind));
        self.hits = on;
        close(off.into_iter().flat_map(|(_, events)| events).collect());
        for kind in kinds {
            if self.hits.iter().any(|(on, _)| on == kind) {
                continue;
            }
            let id = self.points.as_ref().and_then(|p| p.id(*kind));
            let attr = point_attr(id.ok_or(io::ErrorKind::NotFound)?, self.attr.wakeup);
            let mut events = Vec::new();
            for ring in &self.rings {
                match open(&attr, -1, ring.cpu(), -1) {
                    Ok(event) => {
                        share(&event, ring)?;
                        events.push(event);
                    }
                    Err(e) if e.raw_os_error() == Some(libc::ENODEV) => {}
                    Err(e) => return Err(e),
                }
            }
            self.hits.push((*kind, events));
        }
        self.records = Records::Machine(kinds.to_vec());
        Ok(())
    }

    /// Tells of these from now on; `false`: only another one can.
    ///
    /// # Errors
    /// If there is no event to be had.
    pub fn turn_to(&mut self, records: &Records) -> io::Result<bool> {
        match (&self.records, records) {
            (Records::Tasks { switches: have }, Records::Tasks { switches }) => {
                Ok(*have || !switches)
            }
            (Records::Machine(_), Records::Machine(kinds)) => self.hit(kinds).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Whether switches are among the records.
    pub fn has_switches(&self) -> bool {
        match &self.records {
            Records::Tasks { switches } => *switches,
            Records::Machine(kinds) => kinds.contains(&Kind::Switch),
        }
    }

    /// Leaves out what happened before this time: another has told it.
    pub fn begin(&mut self, since: u64) {
        self.since = since;
    }

    /// Takes in tasks that are not: returns how many were new. Who is gone or not ours is left out.
    pub fn add(&mut self, tasks: &[(i32, i32)]) -> usize {
        if let Records::Machine(_) = self.records {
            return 0;
        }
        let mut new = 0;
        for (tid, _) in tasks {
            if !self.tasks.insert(*tid) {
                continue;
            }
            new += 1;
            for ring in &self.rings {
                let Ok(event) = open(&self.attr, *tid, ring.cpu(), -1) else {
                    break;
                };
                if share(&event, ring).is_ok() {
                    self.events.push(event);
                }
            }
        }
        new
    }

    /// Takes the records that are there.
    pub fn read(&mut self, mut put: impl FnMut(Item)) {
        let machine = matches!(self.records, Records::Machine(_));
        let points = self.points.as_deref();
        for ring in &mut self.rings {
            ring.read(|bytes| match record::parse(bytes, points) {
                Some(record::Parsed::Item(mut item)) if item.time >= self.since => {
                    item.anyone = machine;
                    put(item);
                }
                Some(record::Parsed::Lost(n)) => self.lost += n,
                _ => {}
            });
        }
    }

    /// Records that found no room, since it was asked last.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Descriptors that become readable when a ring is half full.
    pub fn fds(&self) -> Vec<RawFd> {
        let heard = self.rings.iter().filter(|r| !r.is_silent());
        heard.map(Ring::fd).collect()
    }

    /// The task of a ring's own event is gone: its descriptor tells so for ever, and no more of the ring.
    pub fn silence(&mut self, fd: RawFd) {
        self.rings
            .iter_mut()
            .filter(|r| r.fd() == fd)
            .for_each(Ring::silence);
    }
}

impl Drop for Perf {
    fn drop(&mut self) {
        let hits = std::mem::take(&mut self.hits).into_iter();
        close(hits.flat_map(|(_, events)| events).collect());
    }
}
