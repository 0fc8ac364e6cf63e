//! `buffer_size_kb`: KiB of events that the buffer of each CPU holds, or `per_cpu/cpuN/buffer_size_kb`: that of one.
//! Writing a number resizes to whole sub-buffers of at least that much; the newest events that still fit stay. CPUs of
//! different sizes read `X`.

use std::sync::Arc;

use utracefs::base::cpu;
use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use super::Cpu;
use crate::node::{Text, Value};

/// The file.
pub struct BufferSizeKb;

impl Value<Arc<TraceArray>> for BufferSizeKb {
    const NAME: &'static str = "buffer_size_kb";
    const MODE: u16 = 0o640;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        let size = array.size_kb(0);
        match (1..cpu::possible()).all(|cpu| array.size_kb(cpu) == size) {
            true => out.line(size),
            false => out.line("X"),
        }
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.set_size_kb(None, input)?;
        Ok(input.len())
    }
}

impl Value<Cpu> for BufferSizeKb {
    const NAME: &'static str = "buffer_size_kb";
    const MODE: u16 = 0o640;

    fn show(context: &Cpu, out: &mut Text) -> Result<()> {
        out.line(context.array.size_kb(context.cpu));
        Ok(())
    }

    fn store(context: &Cpu, input: &[u8]) -> Result<usize> {
        context.array.set_size_kb(Some(context.cpu), input)?;
        Ok(input.len())
    }
}
