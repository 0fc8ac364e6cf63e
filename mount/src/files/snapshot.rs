//! `snapshot`, of all CPUs, and `per_cpu/cpuN/snapshot`, of one: a second buffer that changes places with the one that is
//! written, so that what was recorded stays as it is while recording goes on.
//!
//! Reads as `trace` does; while nothing is in it, whether it is allocated. Writing 1 swaps, and allocates it first if it is
//! not; 0 gives its memory back (of one CPU: `EINVAL`); any other number clears it.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;
use utracefs::ring::Side;

use super::Cpu;
use super::trace::Reader;
use crate::node::{Text, Trace};

/// The file.
pub struct Snapshot;

impl Trace<Arc<TraceArray>> for Snapshot {
    const NAME: &'static str = "snapshot";
    const MODE: u16 = 0o640;
    type Reader = Reader;

    fn open(array: &Arc<TraceArray>) -> Result<Reader> {
        Ok(Reader::new(array, Side::Snapshot, None))
    }

    fn restart(reader: &mut Reader) -> Result<()> {
        reader.restart();
        Ok(())
    }

    fn more(reader: &mut Reader, want: usize, out: &mut Text) -> Result<()> {
        reader.more(want, out);
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.set_snapshot(None, input).map(|()| input.len())
    }
}

impl Trace<Cpu> for Snapshot {
    const NAME: &'static str = "snapshot";
    const MODE: u16 = 0o640;
    type Reader = Reader;

    fn open(context: &Cpu) -> Result<Reader> {
        Ok(Reader::new(
            &context.array,
            Side::Snapshot,
            Some(context.cpu),
        ))
    }

    fn restart(reader: &mut Reader) -> Result<()> {
        reader.restart();
        Ok(())
    }

    fn more(reader: &mut Reader, want: usize, out: &mut Text) -> Result<()> {
        reader.more(want, out);
        Ok(())
    }

    fn store(context: &Cpu, input: &[u8]) -> Result<usize> {
        context
            .array
            .set_snapshot(Some(context.cpu), input)
            .map(|()| input.len())
    }
}
