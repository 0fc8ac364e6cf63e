//! `stacktrace`: records the stack after the event.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Command, Common, common};
use crate::base::error::Result;
use crate::instance::triggers::{Kind, Trigger, When};
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

    fn fire(&self, file: &EventFile) {
        self.common.count.spend(|| {
            file.record_stack();
            true
        });
    }

    fn show(&self, out: &mut Vec<u8>) {
        self.common.show(None, out);
    }
}
