//! `trace`: the whole buffer as text, without consuming it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::header;
use super::line::LineWriter;
use crate::base::cpu;
use crate::base::text;
use crate::instance::size::KeepSize;
use crate::instance::trace_array::Pause;
use crate::instance::{TraceArray, TraceOption};
use crate::ring::Iter;

/// One open `trace`, of all CPUs or of one: walks the buffers side by side and writes the oldest event first.
///
/// Reading is not a snapshot. Events that come while it is read are shown if reading has not passed their time; after
/// the end, new ones appear with the next read.
pub struct TraceReader {
    array: Arc<TraceArray>,
    cpu: Option<usize>,
    iters: Vec<PerCpu>,
    lines: LineWriter,
    /// Whether lines announce the first event of a CPU.
    annotate: bool,
    header: bool,
    any: bool,
    _pause: Pause,
    _size: KeepSize,
}

struct PerCpu {
    cpu: usize,
    iter: Iter,
    started: bool,
}

impl TraceReader {
    /// Opens the trace of `array`, of one CPU or all.
    pub fn new(array: &Arc<TraceArray>, cpu: Option<usize>) -> TraceReader {
        let cpus = match cpu {
            Some(cpu) => cpu..cpu + 1,
            None => 0..cpu::possible(),
        };
        let pause = array.pause();
        let buffer = array.buffer();
        let overruns = (0..cpu::possible()).any(|c| buffer.stats(c).overrun != 0);
        TraceReader {
            array: array.clone(),
            cpu,
            iters: cpus
                .map(|cpu| PerCpu {
                    cpu,
                    iter: Iter::new(buffer, cpu),
                    started: false,
                })
                .collect(),
            lines: LineWriter::new(array),
            annotate: overruns && cpu.is_none(),
            header: false,
            any: false,
            _pause: pause,
            _size: array.keep_size(cpu),
        }
    }

    /// Appends whole lines to `out` until it holds at least `room` bytes or the trace ends; returns whether it wrote any.
    pub fn read(&mut self, out: &mut Vec<u8>, room: usize) -> bool {
        let before = out.len();
        if !self.header {
            self.header = true;
            header::write(&self.array, out);
        }
        self.lines.renew(&self.array);
        let annotate = self.annotate && self.array.options().get(TraceOption::Annotate);
        while out.len() < room {
            let mut oldest: Option<(usize, u64)> = None;
            for (i, c) in self.iters.iter_mut().enumerate() {
                if let Some(time) = c.iter.peek_time()
                    && oldest.is_none_or(|(_, t)| time < t)
                {
                    oldest = Some((i, time));
                }
            }
            let Some((i, _)) = oldest else { break };
            let c = &mut self.iters[i];
            if !c.started {
                c.started = true;
                if annotate && self.any {
                    out.extend_from_slice(b"##### CPU ");
                    text::dec(out, c.cpu as u64);
                    out.extend_from_slice(b" buffer started ####\n");
                }
            }
            self.any = true;
            if let Some(record) = c.iter.next() {
                self.lines.write(out, c.cpu, record.ts, record.payload);
            }
        }
        out.len() > before
    }

    /// Goes back to the beginning, as a reader does that seeks to 0: header and all.
    pub fn rewind(&mut self) {
        let pause = core::mem::replace(&mut self._pause, self.array.pause());
        *self = TraceReader {
            _pause: pause,
            ..TraceReader::new(&self.array, self.cpu)
        };
    }
}
