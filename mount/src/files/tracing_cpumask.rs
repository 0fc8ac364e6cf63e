//! `tracing_cpumask`: the CPUs that record into this instance, as hex digits, in groups of 32 bits with commas between
//! them. On the others nothing is recorded; what they have stays. A bit for a CPU that cannot be is `EOVERFLOW`.

use std::sync::Arc;

use utracefs::base::cpu::{self, CpuMask};
use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Text, Value};

/// The file.
pub struct TracingCpumask;

impl Value<Arc<TraceArray>> for TracingCpumask {
    const NAME: &'static str = "tracing_cpumask";
    const MODE: u16 = 0o640;
    const WHOLE: bool = true;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line(array.buffer().cpu_mask().text());
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        let mask = CpuMask::parse(input, cpu::possible())?;
        array.buffer().set_cpu_mask(&mask);
        Ok(input.len())
    }
}
