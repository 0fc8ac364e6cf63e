//! `available_events` (top level): all events that can be enabled, `SYSTEM:EVENT` a line, newest first. ftrace's own are
//! not among them.

use std::sync::Arc;
use std::vec::IntoIter;

use utracefs::base::error::Result;
use utracefs::event::registry::Event;

use super::Tracefs;
use crate::node::{List, Text};

/// The file.
pub struct AvailableEvents;

impl List<Tracefs> for AvailableEvents {
    const NAME: &'static str = "available_events";
    const MODE: u16 = 0o440;
    type Cursor = IntoIter<Arc<Event>>;

    fn begin(context: &Tracefs) -> Result<Self::Cursor> {
        let events: Vec<_> = context.tracing.registry().available().cloned().collect();
        Ok(events.into_iter())
    }

    fn next(_: &Tracefs, cursor: &mut Self::Cursor, out: &mut Text) -> Result<()> {
        if let Some(event) = cursor.next() {
            for part in [&*event.system, ":", &*event.name, "\n"] {
                out.bytes(part.as_bytes());
            }
        }
        Ok(())
    }
}
