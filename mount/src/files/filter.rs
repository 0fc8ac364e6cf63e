//! `filter` of an event, and of a system for all its events: which records are kept.
//!
//! An event's reads `none`, a system's says how it is used. Both take `0`, which clears the filter. No other text is
//! understood yet: `EINVAL`.

use utracefs::base::error::{Errno, Error, Result};
use utracefs::base::parse;

use super::{OneEvent, System};
use crate::node::{Text, Value};

/// What a system's file reads, as in the kernel, until a filter is set.
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
        out.add(file.filter());
        Ok(())
    }

    fn store(context: &OneEvent, input: &[u8]) -> Result<usize> {
        let file = context.file.as_ref().ok_or(Error::new(Errno::ENODEV))?;
        file.set_filter(input)?;
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

    fn store(_: &System, input: &[u8]) -> Result<usize> {
        match parse::trim(input) {
            b"0" => Ok(input.len()),
            _ => Err(Error::new(Errno::EINVAL)),
        }
    }
}
