//! `id` of an event: the number that its records begin with.

use utracefs::base::error::Result;

use super::OneEvent;
use crate::node::{Text, Value};

/// The file.
pub struct Id;

impl Value<OneEvent> for Id {
    const NAME: &'static str = "id";
    const MODE: u16 = 0o440;
    const HOLDS: bool = false;

    fn show(context: &OneEvent, out: &mut Text) -> Result<()> {
        out.line(context.event.id);
        Ok(())
    }
}
