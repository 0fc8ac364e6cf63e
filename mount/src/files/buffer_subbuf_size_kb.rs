//! `buffer_subbuf_size_kb`: KiB of a sub-buffer, which is what trace_pipe_raw hands out at once and an event has to fit
//! into. Writing rounds up to a power of two of pages, at most 512; a change clears the buffer.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Text, Value};

/// The file.
pub struct BufferSubbufSizeKb;

impl Value<Arc<TraceArray>> for BufferSubbufSizeKb {
    const NAME: &'static str = "buffer_subbuf_size_kb";
    const MODE: u16 = 0o640;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line(array.subbuf_size_kb());
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.set_subbuf_size_kb(input)?;
        Ok(input.len())
    }
}
