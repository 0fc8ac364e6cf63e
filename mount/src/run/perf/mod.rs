//! perf_event_open(2)'s software records: forks, ends, names and switches of tasks, without stopping anybody.
//!
//! A dummy event per CPU on each task that there is; whoever they make inherits it. All events of a CPU write to one ring. An
//! ordinary user may have that where perf_event_paranoid is 2 or less, without the kernel's own doings (`exclude_kernel`).

mod record;
mod ring;

use super::tracer::Item;
use ring::Ring;
use std::collections::HashSet;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Pages of a ring, tried from the left: an ordinary user may lock so much memory only.
const PAGES: [usize; 6] = [128, 64, 32, 16, 8, 4];

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

fn attr(switches: bool, ring_bytes: usize) -> Attr {
    use flag::*;
    let mut flags = INHERIT | EXCLUDE_KERNEL | EXCLUDE_HV | COMM | TASK;
    flags |= WATERMARK | SAMPLE_ID_ALL | COMM_EXEC | USE_CLOCKID;
    if switches {
        flags |= CONTEXT_SWITCH;
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

/// Whether it is allowed. No event is made: the first one of a machine makes all its CPUs stand still for a moment.
///
/// # Errors
/// What perf_event_open(2) says: EACCES, EPERM or ENOSYS.
pub fn probe() -> io::Result<()> {
    // looked at after the permission: no such descriptor
    const NO_GROUP: i32 = i32::MAX;
    match open(&attr(true, 4096), 0, -1, NO_GROUP) {
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
    switches: bool,
    since: u64,
    lost: u64,
}

impl Perf {
    /// Starts with these tasks.
    ///
    /// # Errors
    /// If there is no event or no ring to be had.
    pub fn start(switches: bool, tasks: &[(i32, i32)]) -> io::Result<Perf> {
        let mut perf = Perf {
            rings: Vec::new(),
            events: Vec::new(),
            tasks: HashSet::new(),
            attr: attr(switches, 0),
            switches,
            since: 0,
            lost: 0,
        };
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

    fn make_rings(&mut self, tid: i32) -> io::Result<()> {
        // SAFETY: no memory is involved
        let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
        for cpu in 0..cpus as i32 {
            let made = Ring::largest(&PAGES, |bytes| {
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

    /// Whether switches are among the records.
    pub fn has_switches(&self) -> bool {
        self.switches
    }

    /// Leaves out what happened before this time: another has told it.
    pub fn begin(&mut self, since: u64) {
        self.since = since;
    }

    /// Takes in tasks that are not: returns how many were new. Who is gone or not ours is left out.
    pub fn add(&mut self, tasks: &[(i32, i32)]) -> usize {
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
                const SET_OUTPUT: libc::c_ulong = 0x2405;
                // SAFETY: the request takes a descriptor's number
                if unsafe { libc::ioctl(event.as_raw_fd(), SET_OUTPUT as _, ring.fd()) } == 0 {
                    self.events.push(event);
                }
            }
        }
        new
    }

    /// Takes the records that are there.
    pub fn read(&mut self, mut put: impl FnMut(Item)) {
        for ring in &mut self.rings {
            ring.read(|bytes| match record::parse(bytes) {
                Some(record::Parsed::Item(item)) if item.time >= self.since => put(item),
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
