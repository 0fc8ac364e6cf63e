//! `set_event_pid`: the tasks, by pid, whose events alone are recorded in this instance; `set_event_notrace_pid`: those
//! whose events are not. One a line, in order.
//!
//! Numbers with white space between them are added to the list, all or none; opened with O_TRUNC it is emptied first,
//! and an empty list means no restriction. Who gets the CPU, or is woken, counts for sched_switch, sched_waking and
//! sched_wakeup like who fires them. With the option event-fork, children join the list and tasks that end leave it.
//! Markers are not restricted.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::{PidFile, TraceArray};

use crate::node::{List, Text};

/// `set_event_pid`.
pub struct SetEventPid;
/// `set_event_notrace_pid`.
pub struct SetEventNotracePid;

fn next(array: &TraceArray, file: PidFile, from: &mut u32, out: &mut Text) {
    if let Some(pid) = array.next_pid(file, *from) {
        out.line(pid);
        *from = pid + 1;
    }
}

/// The two differ in the list they mean.
macro_rules! pid_file {
    ($type:ident, $name:literal, $file:expr) => {
        impl List<Arc<TraceArray>> for $type {
            const NAME: &'static str = $name;
            const MODE: u16 = 0o640;
            /// The least that may come next.
            type Cursor = u32;

            fn begin(_: &Arc<TraceArray>) -> Result<u32> {
                Ok(0)
            }

            fn next(array: &Arc<TraceArray>, from: &mut u32, out: &mut Text) -> Result<()> {
                next(array, $file, from, out);
                Ok(())
            }

            fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
                array.write_pids($file, input)
            }

            fn clear(array: &Arc<TraceArray>) -> Result<()> {
                array.clear_pids($file);
                Ok(())
            }
        }
    };
}

pid_file!(SetEventPid, "set_event_pid", PidFile::Trace);
pid_file!(
    SetEventNotracePid,
    "set_event_notrace_pid",
    PidFile::Notrace
);
