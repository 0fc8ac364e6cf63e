//! `buffer_total_size_kb`: KiB of events that the buffers of all CPUs hold together.

use std::sync::Arc;

use utracefs::base::cpu;
use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Text, Value};

/// The file.
pub struct BufferTotalSizeKb;

impl Value<Arc<TraceArray>> for BufferTotalSizeKb {
    const NAME: &'static str = "buffer_total_size_kb";
    const MODE: u16 = 0o440;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line(
            (0..cpu::possible())
                .map(|cpu| array.size_kb(cpu))
                .sum::<u64>(),
        );
        Ok(())
    }
}
