//! `printk_formats` (top level): addresses and texts of the constant strings that binary prints refer to. Nothing here
//! prints that way, so there are none.

use utracefs::base::error::Result;

use super::Tracefs;
use crate::node::{List, Text};

/// The file.
pub struct PrintkFormats;

impl List<Tracefs> for PrintkFormats {
    const NAME: &'static str = "printk_formats";
    const MODE: u16 = 0o440;
    type Cursor = ();

    fn begin(_: &Tracefs) -> Result<()> {
        Ok(())
    }

    fn next(_: &Tracefs, (): &mut (), _: &mut Text) -> Result<()> {
        Ok(())
    }
}
