//! `trace_marker_raw`: 4 bytes of a number that says what follows, and data of up to 4060 bytes. One write, one event,
//! `ftrace:raw_data`; what is shorter or longer is `EINVAL`. Off, full and forbidden as trace_marker.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use super::trace_marker::writer;
use crate::node::{Caller, Sink};

/// The file.
pub struct TraceMarkerRaw;

impl Sink<Arc<TraceArray>> for TraceMarkerRaw {
    const NAME: &'static str = "trace_marker_raw";
    const MODE: u16 = 0o220;

    fn write(array: &Arc<TraceArray>, caller: &Caller, data: &[u8]) -> Result<usize> {
        array.mark_raw(&writer(caller), data)
    }
}
