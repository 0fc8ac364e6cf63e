//! `saved_cmdlines` (top level): the names of the tasks that recorded events, `PID NAME` a line, in the order in which they
//! were remembered.

use std::vec::IntoIter;

use utracefs::base::error::Result;
use utracefs::instance::cmdlines::Saved;

use super::Tracefs;
use crate::node::{List, Text};

/// The file.
pub struct SavedCmdlines;

impl List<Tracefs> for SavedCmdlines {
    const NAME: &'static str = "saved_cmdlines";
    const MODE: u16 = 0o440;
    type Cursor = IntoIter<Saved>;

    fn begin(context: &Tracefs) -> Result<Self::Cursor> {
        let mut entries = context.tracing.cmdlines().entries();
        // of some only the process is known
        entries.retain(|saved| saved.comm[0] != 0);
        Ok(entries.into_iter())
    }

    fn next(_: &Tracefs, cursor: &mut Self::Cursor, out: &mut Text) -> Result<()> {
        if let Some(saved) = cursor.next() {
            out.add(saved.pid);
            out.bytes(b" ");
            out.bytes(saved.comm());
            out.bytes(b"\n");
        }
        Ok(())
    }
}
