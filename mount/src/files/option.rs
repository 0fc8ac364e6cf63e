//! `options/NAME`: one option of this instance, 0 or 1.

use utracefs::base::error::Result;
use utracefs::base::parse;

use super::OneOption;
use crate::node::{Text, Value};

/// The file; its directory says which.
pub struct OptionFile;

impl Value<OneOption> for OptionFile {
    const NAME: &'static str = "";
    const MODE: u16 = 0o640;
    const HOLDS: bool = false;

    fn show(context: &OneOption, out: &mut Text) -> Result<()> {
        out.line(u8::from(context.array.options().get(context.option)));
        Ok(())
    }

    fn store(context: &OneOption, input: &[u8]) -> Result<usize> {
        let on = parse::flag(input)?;
        // what it is already is no change that could be refused
        if context.array.options().get(context.option) != on {
            context.array.set_option(context.option, on)?;
        }
        Ok(input.len())
    }
}
