//! `filter` of an event, and of a system for all its events: which records are kept.
//!
//! An event's reads the filter's text, or `none`, or what is wrong with the last one, which then has taken the former
//! away. A system's sets those of all its events as far as they can take it, and says how it is used. `0` clears.

use utracefs::base::error::{Errno, Error, Result};

use super::{OneEvent, System};
use crate::node::{Text, Value};

/// What a system's file reads, as in the kernel, whatever was written.
const SYSTEM_TEXT: &str = "\
### global filter ###
# Use this to set filters for multiple events.
# Only events with the given fields will be affected.
# If no events are modified, an error message will be displayed here";

/// The file.
pub struct Filter;

impl Value<OneEvent> for Filter {
    const NAME: &'static str = "filter";
    const MODE: u16 = 0o640;
    const ONE_SHOT: bool = true;

    fn show(context: &OneEvent, out: &mut Text) -> Result<()> {
        let file = context.file.as_ref().ok_or(Error::new(Errno::ENODEV))?;
        out.bytes(&file.filter());
        Ok(())
    }

    fn store(context: &OneEvent, input: &[u8]) -> Result<usize> {
        let file = context.file.as_ref().ok_or(Error::new(Errno::ENODEV))?;
        context.array.set_filter(file, input)?;
        Ok(input.len())
    }
}

impl Value<System> for Filter {
    const NAME: &'static str = "filter";
    const MODE: u16 = 0o640;
    const ONE_SHOT: bool = true;

    fn show(_: &System, out: &mut Text) -> Result<()> {
        out.line(SYSTEM_TEXT);
        Ok(())
    }

    fn store(context: &System, input: &[u8]) -> Result<usize> {
        context.array.set_system_filter(context.system(), input)?;
        Ok(input.len())
    }
}
