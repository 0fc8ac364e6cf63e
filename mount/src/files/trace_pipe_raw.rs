//! `per_cpu/cpuN/trace_pipe_raw`: whole sub-buffers of one CPU, each taken out of the buffer by who reads it
//! (Documentation/trace/ring-buffer-design.rst; the layout is in `events/header_page`).
//!
//! A read takes one sub-buffer, padded with zeros, and waits while there is none, also with tracing off. poll(2) says
//! readable once the buffer is as full as `buffer_percent` says. ioctl(2) 0 wakes who waits.

use utracefs::base::error::Result;

use super::Cpu;
use super::waiting::{self, For};
use crate::node::Pages;
use crate::node::wait::Awaited;

/// The file.
pub struct TracePipeRaw;

impl Pages<Cpu> for TracePipeRaw {
    const NAME: &'static str = "trace_pipe_raw";
    const MODE: u16 = 0o440;

    fn page_size(context: &Cpu) -> usize {
        context.array.buffer().subbuf_size()
    }

    fn take(context: &Cpu, page: &mut [u8], full: bool) -> Result<bool> {
        Ok(context
            .array
            .buffer()
            .consumer(context.cpu)
            .take_page(page, full)
            .is_some())
    }

    fn readable(context: &Cpu) -> bool {
        waiting::is_there(&context.array, For::filled(&context.array, context.cpu))
    }

    fn wait(context: &Cpu, poll: bool) -> Awaited {
        let what = if poll {
            For::filled(&context.array, context.cpu)
        } else {
            For::Any(Some(context.cpu))
        };
        waiting::wait(&context.array, what, poll)
    }

    fn wake(context: &Cpu) {
        waiting::wake(&context.array, context.cpu);
    }
}
