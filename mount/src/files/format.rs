//! `format` of an event: its fields with offset, size and sign, and the text that prints it
//! (Documentation/trace/events.rst, section 3).

use utracefs::base::error::Result;

use super::OneEvent;
use crate::node::{Seek, Text, Value};

/// The file.
pub struct Format;

impl Value<OneEvent> for Format {
    const NAME: &'static str = "format";
    const MODE: u16 = 0o440;
    const HOLDS: bool = false;
    const SEEK: Seek = Seek::NoEnd;

    fn show(context: &OneEvent, out: &mut Text) -> Result<()> {
        out.bytes(context.event.format().as_bytes());
        Ok(())
    }
}
