//! `available_tracers`: what `current_tracer` may be set to, on one line. There is only `nop`.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Seek, Text, Value};

/// The file.
pub struct AvailableTracers;

impl Value<Arc<TraceArray>> for AvailableTracers {
    const NAME: &'static str = "available_tracers";
    const MODE: u16 = 0o440;
    const SEEK: Seek = Seek::NoEnd;

    fn show(_: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line("nop");
        Ok(())
    }
}
