//! `saved_cmdlines_size` (top level): how many names saved_cmdlines holds before the oldest makes room. Writing forgets
//! all of them; less than what a new table has is rounded up to that, more than 32768 is `EINVAL`.

use utracefs::base::error::Result;
use utracefs::base::parse;

use super::Tracefs;
use crate::node::{Seek, Text, Value};

/// The file.
pub struct SavedCmdlinesSize;

impl Value<Tracefs> for SavedCmdlinesSize {
    const NAME: &'static str = "saved_cmdlines_size";
    const MODE: u16 = 0o640;
    const SEEK: Seek = Seek::Forward;

    fn show(context: &Tracefs, out: &mut Text) -> Result<()> {
        out.line(context.tracing.cmdlines().slots());
        Ok(())
    }

    fn store(context: &Tracefs, input: &[u8]) -> Result<usize> {
        context.tracing.cmdlines().resize(parse::number(input)?)?;
        Ok(input.len())
    }
}
