//! Floor 5: event triggers, the commands of `events/SYSTEM/EVENT/trigger` (Documentation/trace/events.rst, section 6).
//!
//! A command is a row of [`COMMANDS`]: its name, what it takes, and what it makes. What it makes is a
//! [`Trigger`](crate::instance::triggers::Trigger), which the event's file calls; floor 4 knows no more of it.

mod command;
mod count;
mod enable;
mod onoff;
mod snapshot;
mod stacktrace;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::base::error::{Errno, Error, Result};
use crate::base::parse;
pub use crate::instance::triggers::Trigger;
use crate::instance::{EventFile, TraceArray};

use command::{Command, Parsed};

/// The commands, in the order in which the file names them.
static COMMANDS: [&dyn Command; 6] = [
    &onoff::OnOff::ON,
    &onoff::OnOff::OFF,
    &snapshot::Snapshot,
    &stacktrace::Stacktrace,
    &enable::Enable::ENABLE,
    &enable::Enable::DISABLE,
];

/// Bytes of a command, at most one less.
const MAX_TEXT: usize = 4096;

/// Names of the commands.
pub fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|c| c.name())
}

/// Does what was written to the `trigger` file of an event of `array`: sets a trigger, or with `!` before it removes one.
///
/// Most errors: `EINVAL`, also for 4096 bytes and more; there already: `EEXIST`; a count of 2^64: `ERANGE`; a filter that
/// cannot be: the filter's error, which goes to `error_log`.
pub fn write(array: &Arc<TraceArray>, file: &Arc<EventFile>, input: &[u8]) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    let invalid = Error::new(Errno::EINVAL);
    if input.len() >= MAX_TEXT {
        return Err(invalid);
    }
    let text = parse::trim(input);
    let (word, rest) = command::split(text, b": \t");
    let rest = rest.map(command::skip_spaces).filter(|r| !r.is_empty());
    let (name, remove) = match word {
        [b'!', name @ ..] => (name, true),
        name => (name, false),
    };
    let command = COMMANDS.iter().find(|c| c.name().as_bytes() == name);
    let command = *command.ok_or(invalid)?;
    let parsed = Parsed::new(command, array, rest)?;
    if remove {
        return array.remove_trigger(file, parsed.kind());
    }
    let trigger = parsed.make(array, file)?;
    array.add_trigger(file, trigger)
}

/// What the `trigger` file of an event without triggers reads.
pub fn help() -> Vec<u8> {
    let mut text = Vec::from(b"# Available triggers:\n#");
    for name in names() {
        text.push(b' ');
        text.extend_from_slice(name.as_bytes());
    }
    text.push(b'\n');
    text
}

#[cfg(all(test, feature = "std"))]
mod tests;
