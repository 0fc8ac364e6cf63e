//! `error_log`: the last eight commands of the instance that were refused with a reason, each with a caret below the bad
//! place.
//!
//! Opening for writing with O_TRUNC empties it; what is written is ignored.

use std::sync::Arc;
use std::vec::IntoIter;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{List, Text};

/// The file.
pub struct ErrorLog;

impl List<Arc<TraceArray>> for ErrorLog {
    const NAME: &'static str = "error_log";
    const MODE: u16 = 0o640;
    /// The entries as they were when the reader came.
    type Cursor = IntoIter<Vec<u8>>;

    fn begin(array: &Arc<TraceArray>) -> Result<Self::Cursor> {
        Ok(array.errors().lock().entries().into_iter())
    }

    fn next(_: &Arc<TraceArray>, cursor: &mut Self::Cursor, out: &mut Text) -> Result<()> {
        if let Some(entry) = cursor.next() {
            out.bytes(&entry);
        }
        Ok(())
    }

    fn store(_: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        Ok(input.len())
    }

    fn clear(array: &Arc<TraceArray>) -> Result<()> {
        array.errors().lock().clear();
        Ok(())
    }
}
