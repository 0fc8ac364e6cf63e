//! `tracing_thresh` (top level): microseconds below which latency tracers report nothing. There are none yet; the number
//! is kept for them.

use utracefs::base::error::Result;
use utracefs::base::parse;

use super::Tracefs;
use crate::node::{Text, Value};

/// The file.
pub struct TracingThresh;

impl Value<Tracefs> for TracingThresh {
    const NAME: &'static str = "tracing_thresh";
    const MODE: u16 = 0o640;

    fn show(context: &Tracefs, out: &mut Text) -> Result<()> {
        out.line(context.tracing.top().common().thresh());
        Ok(())
    }

    fn store(context: &Tracefs, input: &[u8]) -> Result<usize> {
        let microseconds = parse::number(input)?;
        context.tracing.top().common().set_thresh(microseconds);
        Ok(input.len())
    }
}
