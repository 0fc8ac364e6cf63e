//! `trigger`: what an event sets off besides its record.
//!
//! Takes `COMMAND[:PARAMETERS][ if FILTER]`, and with `!` before it what to remove; one write, one command, and opening with
//! O_TRUNC removes nothing. Reads as the triggers that are set, the newest first, with how often they still act; while
//! there is none, as the commands there are.

use utracefs::base::error::{Errno, Error, Result};
use utracefs::trigger;

use super::OneEvent;
use crate::node::{List, Text};

/// The file.
pub struct Trigger;

impl List<OneEvent> for Trigger {
    const NAME: &'static str = "trigger";
    const MODE: u16 = 0o640;
    const HOLDS: bool = false;
    /// The lines that are still to come, the last one first.
    type Cursor = Vec<Vec<u8>>;

    fn begin(context: &OneEvent) -> Result<Vec<Vec<u8>>> {
        let file = context.trigger_file()?;
        let line = |trigger: &dyn trigger::Trigger| {
            let mut line = Vec::new();
            trigger.show(&mut line);
            line.push(b'\n');
            line
        };
        let triggers = context.array.triggers(file);
        let mut lines: Vec<_> = triggers.iter().rev().map(|t| line(&**t)).collect();
        if lines.is_empty() {
            lines.push(trigger::help());
        }
        Ok(lines)
    }

    fn next(_: &OneEvent, cursor: &mut Vec<Vec<u8>>, out: &mut Text) -> Result<()> {
        if let Some(line) = cursor.pop() {
            out.bytes(&line);
        }
        Ok(())
    }

    fn store(context: &OneEvent, input: &[u8]) -> Result<usize> {
        trigger::write(&context.array, context.trigger_file()?, input).map(|()| input.len())
    }
}

impl OneEvent {
    /// Whether it has the file: events that can be enabled, and markers.
    pub fn has_triggers(&self) -> bool {
        self.trigger_file().is_ok()
    }

    fn trigger_file(&self) -> Result<&std::sync::Arc<utracefs::instance::EventFile>> {
        let file = self.array.trigger_file(self.event.id);
        file.ok_or(Error::new(Errno::ENODEV))
    }
}
