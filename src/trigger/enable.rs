//! `enable_event` and `disable_event`: another event is recorded from now on, or not any more.
//!
//! The other event is hooked as long as the trigger is set, so that firing only turns a bit of its file: code is patched
//! when the trigger is set and removed.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Command, Common, common};
use crate::base::error::{Errno, Error, Result};
use crate::instance::triggers::{Happened, Kind, Trigger, When};
use crate::instance::{EventFile, TraceArray};

/// The commands.
pub(super) struct Enable {
    on: bool,
}

impl Enable {
    pub(super) const ENABLE: Enable = Enable { on: true };
    pub(super) const DISABLE: Enable = Enable { on: false };
}

impl Command for Enable {
    fn name(&self) -> &'static str {
        if self.on {
            "enable_event"
        } else {
            "disable_event"
        }
    }

    fn group(&self) -> &'static str {
        "event_enable"
    }

    fn has_target(&self) -> bool {
        true
    }

    fn make(
        &self,
        _: &TraceArray,
        common: Common,
        target: Option<Arc<EventFile>>,
    ) -> Result<Arc<dyn Trigger>> {
        Ok(Arc::new(Switch {
            common,
            on: self.on,
            target: target.ok_or(Error::new(Errno::EINVAL))?,
        }))
    }
}

struct Switch {
    common: Common,
    on: bool,
    target: Arc<EventFile>,
}

impl Trigger for Switch {
    common!();

    fn when(&self) -> When {
        When::Before
    }

    fn fire(&self, _: &Happened<'_>) {
        if self.target.records_softly() != self.on {
            self.common
                .count
                .spend(|| self.target.record_softly(self.on));
        }
    }

    fn show(&self, out: &mut Vec<u8>) {
        self.common.show(Some(&self.target), out);
    }

    fn target(&self) -> Option<&Arc<EventFile>> {
        Some(&self.target)
    }
}
