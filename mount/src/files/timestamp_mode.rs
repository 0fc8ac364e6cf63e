//! `timestamp_mode`: whether events are stamped with the time since the event before, or absolutely. Nothing asks for
//! absolute stamps.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Seek, Text, Value};

/// The file.
pub struct TimestampMode;

impl Value<Arc<TraceArray>> for TimestampMode {
    const NAME: &'static str = "timestamp_mode";
    const MODE: u16 = 0o440;
    const SEEK: Seek = Seek::NoEnd;

    fn show(_: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line("[delta] absolute");
        Ok(())
    }
}
