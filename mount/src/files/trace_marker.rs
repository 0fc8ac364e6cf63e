//! `trace_marker`: what is written becomes an event, `ftrace:print`, of who writes it.
//!
//! One write, one event; of more than 4054 bytes the rest is left to the caller. Off or full: `EBADF`; the option
//! `markers` off: `EINVAL`.

use std::sync::Arc;

use utracefs::base::cpu;
use utracefs::base::error::Result;
use utracefs::base::task::{Place, Task};
use utracefs::instance::TraceArray;

use crate::node::{Caller, Sink};

/// The file.
pub struct TraceMarker;

impl Sink<Arc<TraceArray>> for TraceMarker {
    const NAME: &'static str = "trace_marker";
    const MODE: u16 = 0o220;

    fn write(array: &Arc<TraceArray>, caller: &Caller, data: &[u8]) -> Result<usize> {
        let writer = writer(caller);
        if array.marks_fire() {
            writer.set_comm(name(writer.pid()));
        }
        array.mark(&writer, data)
    }
}

/// Who writes a marker, on the CPU that they write on.
pub(super) fn writer(caller: &Caller) -> Task {
    let pid = caller.pid as i32;
    // a mark has its writer's number in it; the process is for those who record events, the name for triggers
    Task::new(pid, pid, "").with_place(Place {
        cpu: Some(writer_cpu(pid)),
        ..Place::default()
    })
}

/// A thread's name (proc_pid_comm(5)); nothing if it is gone.
fn name(pid: i32) -> Vec<u8> {
    let mut name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.last() == Some(&b'\n') {
        name.pop();
    }
    name
}

/// The CPU that a thread runs on while it waits for its write.
///
/// The kernel wakes us on the CPU of the writer wherever it can. Where it could not because the writer is bound to
/// other CPUs, /proc says where it is.
fn writer_cpu(pid: i32) -> u32 {
    let here = cpu::current();
    // SAFETY: a set of bits, for which all values are good
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is that large
    let known = unsafe { libc::sched_getaffinity(pid, size_of_val(&set), &mut set) } == 0;
    // SAFETY: only reads `set`; CPU_ISSET takes numbers beyond the set for absent
    if !known || here >= libc::CPU_SETSIZE as usize || unsafe { libc::CPU_ISSET(here, &set) } {
        return here as u32;
    }
    last_cpu(pid).unwrap_or(here as u32)
}

/// The CPU that a thread ran on last (proc_pid_stat(5), field 39).
fn last_cpu(pid: i32) -> Option<u32> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // the name, in parentheses, may hold blanks and parentheses
    let cpu: u32 = stat
        .rsplit_once(')')?
        .1
        .split_ascii_whitespace()
        .nth(36)?
        .parse()
        .ok()?;
    ((cpu as usize) < cpu::possible()).then_some(cpu)
}
