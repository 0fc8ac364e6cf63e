//! `events/header_event`: the layout of what stands before each record in a sub-buffer.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;
use utracefs::ring;

use crate::node::{Text, Value};

/// The file.
pub struct HeaderEvent;

impl Value<Arc<TraceArray>> for HeaderEvent {
    const NAME: &'static str = "header_event";
    const MODE: u16 = 0o440;
    const ONE_SHOT: bool = true;

    fn show(_: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.bytes(ring::header_event_text().as_bytes());
        Ok(())
    }
}
