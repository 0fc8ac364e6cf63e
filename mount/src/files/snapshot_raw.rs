//! `per_cpu/cpuN/snapshot_raw`: whole sub-buffers of a CPU's snapshot, as `trace_pipe_raw` gives those of its buffer.
//!
//! A read waits while the snapshot is empty, or there is none.

use utracefs::base::error::Result;
use utracefs::ring::Side;

use super::Cpu;
use super::waiting::{self, For};
use crate::node::Pages;
use crate::node::wait::Awaited;

/// The file.
pub struct SnapshotRaw;

impl Pages<Cpu> for SnapshotRaw {
    const NAME: &'static str = "snapshot_raw";
    const MODE: u16 = 0o440;

    fn page_size(context: &Cpu) -> usize {
        context.array.buffer().subbuf_size()
    }

    fn take(context: &Cpu, page: &mut [u8], full: bool) -> Result<bool> {
        let buffer = context.array.buffer();
        let consumer = buffer.consumer_of(Side::Snapshot, context.cpu);
        Ok(consumer.is_some_and(|mut c| c.take_page(page, full).is_some()))
    }

    fn readable(context: &Cpu) -> bool {
        waiting::is_there(&context.array, For::Snapshot(context.cpu))
    }

    fn wait(context: &Cpu, poll: bool) -> Awaited {
        waiting::wait(&context.array, For::Snapshot(context.cpu), poll)
    }

    fn wake(context: &Cpu) {
        waiting::wake(&context.array, context.cpu);
    }
}
