//! `tracing_on`: whether this instance records. Reads 0 or 1; any number but 0 turns it on. Events stay enabled and the
//! buffer keeps what it has.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::base::parse;
use utracefs::instance::TraceArray;

use crate::node::{Text, Value};

/// The file.
pub struct TracingOn;

impl Value<Arc<TraceArray>> for TracingOn {
    const NAME: &'static str = "tracing_on";
    const MODE: u16 = 0o640;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line(u8::from(array.is_on()));
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.set_on(parse::number(input)? != 0);
        Ok(input.len())
    }
}
