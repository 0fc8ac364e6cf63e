//! `snapshot`: swaps the instance's buffer with its snapshot, which is made when the trigger is set.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Command, Common, common};
use crate::base::error::Result;
use crate::instance::triggers::{Happened, Kind, Trigger, When};
use crate::instance::{EventFile, TraceArray};
use crate::ring::Buffer;

/// The command.
pub(super) struct Snapshot;

impl Command for Snapshot {
    fn name(&self) -> &'static str {
        "snapshot"
    }

    fn make(
        &self,
        array: &TraceArray,
        common: Common,
        _: Option<Arc<EventFile>>,
    ) -> Result<Arc<dyn Trigger>> {
        array.buffer().make_snapshot()?;
        Ok(Arc::new(Swap {
            common,
            buffer: array.buffer().clone(),
        }))
    }
}

struct Swap {
    common: Common,
    buffer: Arc<Buffer>,
}

impl Trigger for Swap {
    common!();

    fn when(&self) -> When {
        When::With
    }

    /// Without a snapshot (it was freed since) there is nothing to swap with.
    fn fire(&self, _: &Happened<'_>) {
        self.common.count.spend(|| self.buffer.swap(None));
    }

    fn show(&self, out: &mut Vec<u8>) {
        self.common.show(None, out);
    }
}
