//! `stacktrace`: records the stack after the event.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Command, Common, common};
use crate::base::error::Result;
use crate::base::stack;
use crate::instance::triggers::{Happened, Kind, Trigger, When};
use crate::instance::{EventFile, TraceArray};

/// The command.
pub(super) struct Stacktrace;

impl Command for Stacktrace {
    fn name(&self) -> &'static str {
        "stacktrace"
    }

    fn make(
        &self,
        _: &TraceArray,
        common: Common,
        _: Option<Arc<EventFile>>,
    ) -> Result<Arc<dyn Trigger>> {
        stack::prepare();
        Ok(Arc::new(Stack { common }))
    }
}

struct Stack {
    common: Common,
}

impl Trigger for Stack {
    common!();

    fn when(&self) -> When {
        When::After
    }

    fn fire(&self, event: &Happened<'_>) {
        self.common.count.spend(|| {
            event.record_stack();
            true
        });
    }

    fn show(&self, out: &mut Vec<u8>) {
        self.common.show(None, out);
    }
}
