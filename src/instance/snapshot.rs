//! `snapshot`: a second buffer that changes places with the one that is written (Documentation/trace/ftrace.rst,
//! "Snapshot").

use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::parse;

impl TraceArray {
    /// Writes `snapshot`, of a CPU or of all: 0 gives its memory back (of one CPU: `EINVAL`), 1 swaps it with what is
    /// written, after it was allocated if it was not (no memory: `ENOMEM`), any other number clears it.
    pub fn set_snapshot(&self, cpu: Option<usize>, input: &[u8]) -> Result<()> {
        let buffer = self.buffer();
        match parse::number(input)? {
            0 if cpu.is_some() => Err(Error::new(Errno::EINVAL)),
            0 => buffer.free_snapshot(),
            1 => {
                buffer.make_snapshot()?;
                // false: somebody has freed it since, and that is what they wanted
                buffer.swap_waiting(cpu);
                Ok(())
            }
            _ => {
                buffer.reset_snapshot(cpu);
                Ok(())
            }
        }
    }
}
