//! `trace`, of all CPUs, and `per_cpu/cpuN/trace`, of one: what the buffer holds, as text, without taking it.
//!
//! A header, then a line for each event, the oldest first. What comes while it is read is shown if reading has not passed
//! its time; after the end, new events appear with the next read. Opening for writing with O_TRUNC clears the buffer; what
//! is written is ignored.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;
use utracefs::output::TraceReader;
use utracefs::ring::Side;

use super::Cpu;
use crate::node::{Text, Trace};

/// The file.
pub struct TraceFile;

/// An open reader.
pub struct Reader {
    trace: TraceReader,
    /// It stands at the beginning.
    fresh: bool,
}

impl Reader {
    pub(super) fn new(array: &Arc<TraceArray>, side: Side, cpu: Option<usize>) -> Reader {
        Reader {
            trace: TraceReader::of(array, side, cpu),
            fresh: true,
        }
    }

    pub(super) fn restart(&mut self) {
        if !std::mem::replace(&mut self.fresh, true) {
            self.trace.rewind();
        }
    }

    pub(super) fn more(&mut self, want: usize, out: &mut Text) {
        self.fresh = false;
        let room = out.len() + want;
        self.trace.read(out.buffer(), room);
    }
}

impl Trace<Arc<TraceArray>> for TraceFile {
    const NAME: &'static str = "trace";
    const MODE: u16 = 0o640;
    type Reader = Reader;

    fn open(array: &Arc<TraceArray>) -> Result<Reader> {
        Ok(Reader::new(array, Side::Live, None))
    }

    fn restart(reader: &mut Reader) -> Result<()> {
        reader.restart();
        Ok(())
    }

    fn more(reader: &mut Reader, want: usize, out: &mut Text) -> Result<()> {
        reader.more(want, out);
        Ok(())
    }

    fn clear(array: &Arc<TraceArray>) -> Result<()> {
        array.clear(None);
        Ok(())
    }
}

impl Trace<Cpu> for TraceFile {
    const NAME: &'static str = "trace";
    const MODE: u16 = 0o640;
    type Reader = Reader;

    fn open(context: &Cpu) -> Result<Reader> {
        Ok(Reader::new(&context.array, Side::Live, Some(context.cpu)))
    }

    fn restart(reader: &mut Reader) -> Result<()> {
        reader.restart();
        Ok(())
    }

    fn more(reader: &mut Reader, want: usize, out: &mut Text) -> Result<()> {
        reader.more(want, out);
        Ok(())
    }

    fn clear(context: &Cpu) -> Result<()> {
        context.array.clear(Some(context.cpu));
        Ok(())
    }
}
