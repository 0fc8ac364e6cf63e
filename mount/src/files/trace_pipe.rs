//! `trace_pipe`, of all CPUs, and `per_cpu/cpuN/trace_pipe`, of one: events as text, each taken out of the buffer by who reads
//! it.
//!
//! One reader at a time (`EBUSY`). A read waits while there is nothing, unless tracing is off and the reader had
//! something before: that is the end. poll(2) says readable as soon as there is an event; of one CPU, once its buffer is
//! as full as `buffer_percent` says.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;
use utracefs::output::{PipeReader, Piped};

use super::Cpu;
use super::waiting::{self, For};
use crate::node::wait::Awaited;
use crate::node::{Pipe, Taken};

/// The file.
pub struct TracePipe;

fn read(reader: &mut PipeReader, out: &mut [u8]) -> Result<Taken> {
    Ok(match reader.read(out) {
        Piped::Bytes(n) => Taken::Bytes(n),
        Piped::Empty => Taken::Nothing,
        Piped::End => Taken::End,
    })
}

/// What poll(2) on the reader's file looks for.
fn polled(reader: &PipeReader) -> For {
    match reader.claim().cpu() {
        None => For::Any(None),
        Some(cpu) => For::filled(reader.claim().array(), cpu),
    }
}

fn wait(reader: &PipeReader, poll: bool) -> Awaited {
    let what = if poll {
        polled(reader)
    } else {
        For::Any(reader.claim().cpu())
    };
    waiting::wait(reader.claim().array(), what, poll)
}

impl Pipe<Arc<TraceArray>> for TracePipe {
    const NAME: &'static str = "trace_pipe";
    const MODE: u16 = 0o440;
    type Reader = PipeReader;

    fn open(array: &Arc<TraceArray>) -> Result<PipeReader> {
        array.claim_pipe(None).map(PipeReader::new)
    }

    fn read(reader: &mut PipeReader, out: &mut [u8]) -> Result<Taken> {
        read(reader, out)
    }

    fn readable(reader: &PipeReader) -> bool {
        waiting::is_there(reader.claim().array(), polled(reader))
    }

    fn wait(reader: &PipeReader, poll: bool) -> Awaited {
        wait(reader, poll)
    }
}

impl Pipe<Cpu> for TracePipe {
    const NAME: &'static str = "trace_pipe";
    const MODE: u16 = 0o440;
    type Reader = PipeReader;

    fn open(context: &Cpu) -> Result<PipeReader> {
        context
            .array
            .claim_pipe(Some(context.cpu))
            .map(PipeReader::new)
    }

    fn read(reader: &mut PipeReader, out: &mut [u8]) -> Result<Taken> {
        read(reader, out)
    }

    fn readable(reader: &PipeReader) -> bool {
        waiting::is_there(reader.claim().array(), polled(reader))
    }

    fn wait(reader: &PipeReader, poll: bool) -> Awaited {
        wait(reader, poll)
    }
}
