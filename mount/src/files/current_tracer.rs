//! `current_tracer`: the tracer that fills the buffer beside the events. `nop`, the only one, fills nothing. White space
//! around the name written is ignored; another name is `EINVAL`.

use std::sync::Arc;

use utracefs::base::error::{Errno, Error, Result};
use utracefs::base::parse;
use utracefs::instance::TraceArray;

use crate::node::{Text, Value};

/// The file.
pub struct CurrentTracer;

impl Value<Arc<TraceArray>> for CurrentTracer {
    const NAME: &'static str = "current_tracer";
    const MODE: u16 = 0o640;

    fn show(_: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line("nop");
        Ok(())
    }

    fn store(_: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        match parse::trim(input) {
            b"nop" => Ok(input.len()),
            _ => Err(Error::new(Errno::EINVAL)),
        }
    }
}
