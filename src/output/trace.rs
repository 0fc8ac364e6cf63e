//! `trace`: the whole buffer as text, without consuming it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::header::{self, Whose};
use super::line::{Line, LineWriter};
use crate::base::cpu;
use crate::base::text;
use crate::instance::size::KeepSize;
use crate::instance::trace_array::Pause;
use crate::instance::{TraceArray, TraceOption};
use crate::ring::{Iter, Side};

/// One open `trace` or `snapshot`, of all CPUs or of one: walks the buffers side by side and writes the oldest event first.
///
/// Reading is not a snapshot. Events that come while it is read are shown if reading has not passed their time; after
/// the end, new ones appear with the next read.
pub struct TraceReader {
    array: Arc<TraceArray>,
    side: Side,
    cpu: Option<usize>,
    iters: Vec<PerCpu>,
    lines: LineWriter,
    /// Whether lines announce the first event of a CPU.
    annotate: bool,
    header: bool,
    /// Events written.
    written: u64,
    /// The event being written, where one looks ahead meanwhile.
    record: Vec<u8>,
    /// Time that passed between the events of a golden text and the clock's present, which no event can be before.
    #[cfg(test)]
    pub(super) later: u64,
    _pause: Option<Pause>,
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
        TraceReader::of(array, Side::Live, cpu)
    }

    /// The same, or what the snapshot holds.
    pub fn of(array: &Arc<TraceArray>, side: Side, cpu: Option<usize>) -> TraceReader {
        let cpus = match cpu {
            Some(cpu) => cpu..cpu + 1,
            None => 0..cpu::possible(),
        };
        let pause = (side == Side::Live).then(|| array.pause());
        let buffer = array.buffer();
        let overruns = (0..cpu::possible()).any(|c| buffer.stats_of(side, c).overrun != 0);
        TraceReader {
            array: array.clone(),
            side,
            cpu,
            iters: cpus
                .map(|cpu| PerCpu {
                    cpu,
                    iter: Iter::of(buffer, side, cpu),
                    started: false,
                })
                .collect(),
            lines: LineWriter::new(array),
            annotate: overruns && cpu.is_none(),
            header: false,
            written: 0,
            record: Vec::new(),
            #[cfg(test)]
            later: 0,
            _pause: pause,
            _size: array.keep_size(cpu),
        }
    }

    /// Appends whole lines to `out` until it holds at least `room` bytes or the trace ends; returns whether it wrote any.
    pub fn read(&mut self, out: &mut Vec<u8>, room: usize) -> bool {
        let before = out.len();
        self.lines.renew(&self.array);
        if !self.header {
            self.header = true;
            let empty = oldest(&mut self.iters).is_none();
            let whose = Whose {
                array: &self.array,
                side: self.side,
                cpu: self.cpu,
            };
            header::write(whose, self.lines.style(), empty, out);
        }
        let style = *self.lines.style();
        let annotate =
            self.annotate && style.is_text() && self.array.options().get(TraceOption::Annotate);
        while out.len() < room {
            let Some((i, _)) = oldest(&mut self.iters) else {
                break;
            };
            let c = &mut self.iters[i];
            if !c.started {
                c.started = true;
                if annotate && self.written > 0 {
                    out.extend_from_slice(b"##### CPU ");
                    text::dec(out, c.cpu as u64);
                    out.extend_from_slice(b" buffer started ####\n");
                }
            }
            let (cpu, index) = (c.cpu, self.written);
            self.written += 1;
            let (time, next, record) = if style.latency {
                let Some(found) = c.iter.next() else { break };
                let time = found.ts;
                self.record.clear();
                self.record.extend_from_slice(found.payload);
                let next = oldest(&mut self.iters).map_or(time, |(_, next)| next);
                (time, next, &self.record[..])
            } else {
                let Some(found) = c.iter.next() else { break };
                (found.ts, found.ts, found.payload)
            };
            #[cfg(test)]
            let (time, next) = (time - self.later, next - self.later);
            let line = Line {
                cpu,
                time,
                next,
                index,
                record,
            };
            self.lines.write(out, &line);
        }
        out.len() > before
    }

    /// Goes back to the beginning, as a reader does that seeks to 0: header and all.
    pub fn rewind(&mut self) {
        // the new one pauses before the old one ends
        *self = TraceReader::of(&self.array, self.side, self.cpu);
    }
}

/// Which of the CPUs has the oldest event left, and its time.
#[inline]
fn oldest(iters: &mut [PerCpu]) -> Option<(usize, u64)> {
    let mut oldest: Option<(usize, u64)> = None;
    for (i, c) in iters.iter_mut().enumerate() {
        if let Some(time) = c.iter.peek_time()
            && oldest.is_none_or(|(_, t)| time < t)
        {
            oldest = Some((i, time));
        }
    }
    oldest
}
