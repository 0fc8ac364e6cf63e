//! `trace_options`: all options of this instance, one a line, with `no` before those that are off. Writing the name of
//! one, with or without `no`, sets it. The same options are files in `options/`.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::{TraceArray, TraceOption};

use crate::node::{Seek, Text, Value};

/// The file.
pub struct TraceOptions;

impl Value<Arc<TraceArray>> for TraceOptions {
    const NAME: &'static str = "trace_options";
    const MODE: u16 = 0o640;
    const SEEK: Seek = Seek::NoEnd;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        for option in TraceOption::ALL {
            if !array.options().get(*option) {
                out.add("no");
            }
            out.line(option.name());
        }
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.write_options(input)?;
        Ok(input.len())
    }
}
