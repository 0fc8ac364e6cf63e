//! `set_event`: the events that are enabled in this instance, `SYSTEM:EVENT` a line, in the order of `available_events`.
//!
//! One write takes one word: `SYSTEM:EVENT`, `EVENT`, `SYSTEM` or `*` in place of either, with `!` before it to disable. It
//! returns how far it came; the caller writes the rest. Opened with O_TRUNC, all events are disabled first.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::base::parse;
use utracefs::instance::TraceArray;

use crate::node::{List, Text};

/// The file.
pub struct SetEvent;

impl List<Arc<TraceArray>> for SetEvent {
    const NAME: &'static str = "set_event";
    const MODE: u16 = 0o640;
    /// Place in the instance's event files.
    type Cursor = usize;

    fn begin(_: &Arc<TraceArray>) -> Result<usize> {
        Ok(0)
    }

    fn next(array: &Arc<TraceArray>, cursor: &mut usize, out: &mut Text) -> Result<()> {
        let rest = array.files().iter().enumerate().skip(*cursor);
        if let Some((at, file)) = rest.into_iter().find(|(_, file)| file.is_enabled()) {
            let event = file.event();
            for part in [&*event.system, ":", &*event.name, "\n"] {
                out.bytes(part.as_bytes());
            }
            *cursor = at + 1;
        }
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        match parse::word(input) {
            None => Ok(input.len()),
            Some((b"", taken)) => Ok(taken),
            Some((word, taken)) => array.set_event(word).map(|()| taken),
        }
    }

    fn clear(array: &Arc<TraceArray>) -> Result<()> {
        array.enable_all(None, false)
    }
}
