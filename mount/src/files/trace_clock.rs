//! `trace_clock`: what stamps the events. Reads all clocks on one line, the present one in brackets. Writing a name sets
//! it and clears the buffer, also if it was set before; an unknown one is `EINVAL`.

use std::sync::Arc;

use utracefs::base::clock::ClockId;
use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Seek, Text, Value};

/// The file.
pub struct TraceClock;

impl Value<Arc<TraceArray>> for TraceClock {
    const NAME: &'static str = "trace_clock";
    const MODE: u16 = 0o640;
    const SEEK: Seek = Seek::NoEnd;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        let current = array.buffer().clock();
        let shown = |clock: &ClockId| match *clock == current {
            true => format!("[{}]", clock.name()),
            false => clock.name().to_string(),
        };
        let names: Vec<_> = ClockId::ALL.iter().map(shown).collect();
        out.line(names.join(" "));
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.set_clock(input)?;
        Ok(input.len())
    }
}
