//! `saved_tgids` (top level): `PID TGID` a line, in the order of the pids: of the tasks that recorded events while the
//! option record-tgid was on.

use std::vec::IntoIter;

use utracefs::base::error::Result;

use super::Tracefs;
use crate::node::{List, Text};

/// The file.
pub struct SavedTgids;

impl List<Tracefs> for SavedTgids {
    const NAME: &'static str = "saved_tgids";
    const MODE: u16 = 0o440;
    type Cursor = IntoIter<(i32, i32)>;

    fn begin(context: &Tracefs) -> Result<Self::Cursor> {
        let entries = context.tracing.cmdlines().entries();
        let mut pairs: Vec<_> = entries
            .iter()
            .filter(|saved| saved.tgid != 0)
            .map(|saved| (saved.pid, saved.tgid))
            .collect();
        pairs.sort_unstable();
        Ok(pairs.into_iter())
    }

    fn next(_: &Tracefs, cursor: &mut Self::Cursor, out: &mut Text) -> Result<()> {
        if let Some((pid, tgid)) = cursor.next() {
            out.line(format_args!("{pid} {tgid}"));
        }
        Ok(())
    }
}
