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
use crate::proc;

/// The file.
pub struct TraceMarker;

impl Sink<Arc<TraceArray>> for TraceMarker {
    const NAME: &'static str = "trace_marker";
    const MODE: u16 = 0o220;

    fn write(array: &Arc<TraceArray>, caller: &Caller, data: &[u8]) -> Result<usize> {
        let writer = writer(caller);
        if array.marks_fire() {
            writer.set_comm(proc::comm(writer.pid()).unwrap_or_default());
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
    let last = proc::stat(pid).map(|stat| stat.cpu);
    last.filter(|cpu| (*cpu as usize) < cpu::possible())
        .unwrap_or(here as u32)
}
