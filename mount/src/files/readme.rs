//! `README` (top level): how to use this filesystem. Tools look in it for the names of features; it names those that are
//! there.

use utracefs::base::error::Result;

use super::Tracefs;
use crate::node::{Text, Value};

/// The file.
pub struct Readme;

impl Value<Tracefs> for Readme {
    const NAME: &'static str = "README";
    const MODE: u16 = 0o440;

    fn show(_: &Tracefs, out: &mut Text) -> Result<()> {
        out.add(include_str!("README.txt"));
        Ok(())
    }
}
