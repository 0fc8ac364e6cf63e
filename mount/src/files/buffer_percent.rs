//! `buffer_percent`: how full a CPU's buffer is when poll(2) on that CPU's pipes says readable and a splice(2) that waits
//! for pages goes on, 0 to 100. 0: as soon as there is an event. read(2) does not wait for it.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Text, Value};

/// The file.
pub struct BufferPercent;

impl Value<Arc<TraceArray>> for BufferPercent {
    const NAME: &'static str = "buffer_percent";
    const MODE: u16 = 0o640;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line(array.percent());
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.set_percent(input)?;
        Ok(input.len())
    }
}
