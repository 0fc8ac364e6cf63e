//! `traceon` and `traceoff`: switch the instance's `tracing_on`.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Command, Common, common};
use crate::base::error::Result;
use crate::instance::recording::Recording;
use crate::instance::triggers::{Happened, Kind, Trigger, When};
use crate::instance::{EventFile, TraceArray};

/// The commands.
pub(super) struct OnOff {
    on: bool,
}

impl OnOff {
    pub(super) const ON: OnOff = OnOff { on: true };
    pub(super) const OFF: OnOff = OnOff { on: false };
}

impl Command for OnOff {
    fn name(&self) -> &'static str {
        if self.on { "traceon" } else { "traceoff" }
    }

    fn group(&self) -> &'static str {
        "traceonoff"
    }

    fn make(
        &self,
        array: &TraceArray,
        common: Common,
        _: Option<Arc<EventFile>>,
    ) -> Result<Arc<dyn Trigger>> {
        Ok(Arc::new(Switch {
            common,
            on: self.on,
            recording: array.recording().clone(),
        }))
    }
}

struct Switch {
    common: Common,
    on: bool,
    recording: Arc<Recording>,
}

impl Trigger for Switch {
    common!();

    /// The event that switches off is the last one recorded.
    fn when(&self) -> When {
        if self.on { When::Before } else { When::After }
    }

    fn fire(&self, _: &Happened<'_>) {
        if self.recording.is_on() != self.on {
            self.common.count.spend(|| self.recording.set(self.on));
        }
    }

    fn show(&self, out: &mut Vec<u8>) {
        self.common.show(None, out);
    }
}
