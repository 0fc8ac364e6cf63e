//! `trace_pipe`: each event once, consumed as it is read.

use alloc::vec::Vec;

use super::line::{Line, LineWriter};
use crate::base::cpu;
use crate::base::text;
use crate::instance::trace_array::PipeClaim;

/// Most text made ahead for one read: the page of 8 KiB that Linux 6.18 collects in.
const PAGE: usize = 8192;

/// What a read of `trace_pipe` came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piped {
    /// So many bytes.
    Bytes(usize),
    /// Nothing to read now: a non-blocking reader gets `EAGAIN`, others wait.
    Empty,
    /// Tracing is off and this reader has had everything.
    End,
}

/// One open `trace_pipe`.
pub struct PipeReader {
    claim: PipeClaim,
    lines: LineWriter,
    text: Vec<u8>,
    given: usize,
    /// Events taken.
    taken: u64,
    /// Whether this reader ever got something: only then does tracing_on 0 end it.
    delivered: bool,
}

impl PipeReader {
    /// A reader for a claimed pipe.
    pub fn new(claim: PipeClaim) -> PipeReader {
        let lines = LineWriter::new(claim.array());
        PipeReader {
            claim,
            lines,
            text: Vec::with_capacity(PAGE),
            given: 0,
            taken: 0,
            delivered: false,
        }
    }

    /// The claim, which says instance and CPU.
    pub fn claim(&self) -> &PipeClaim {
        &self.claim
    }

    /// Reads into `out`: first what is left of the last event, else whole events until they fill `out` or a page.
    pub fn read(&mut self, out: &mut [u8]) -> Piped {
        if out.is_empty() {
            return Piped::Bytes(0);
        }
        if self.given == self.text.len() {
            self.text.clear();
            self.given = 0;
            self.collect(out.len().min(PAGE));
        }
        let left = &self.text[self.given..];
        if left.is_empty() {
            return match self.delivered && !self.claim.array().is_on() {
                true => Piped::End,
                false => Piped::Empty,
            };
        }
        let n = left.len().min(out.len());
        out[..n].copy_from_slice(&left[..n]);
        self.given += n;
        self.delivered = true;
        Piped::Bytes(n)
    }

    /// Consumes events, oldest first over the CPUs, until there are `wanted` bytes of text.
    fn collect(&mut self, wanted: usize) {
        let buffer = self.claim.array().buffer().clone();
        self.lines.renew(self.claim.array());
        let cpus = match self.claim.cpu() {
            Some(cpu) => cpu..cpu + 1,
            None => 0..cpu::possible(),
        };
        // all at once and in order, so that raw readers take nothing from under the merge
        let mut consumers: Vec<_> = cpus.map(|cpu| (cpu, buffer.consumer(cpu))).collect();
        while self.text.len() < wanted {
            let mut oldest: Option<(usize, u64)> = None;
            for (i, (_, consumer)) in consumers.iter_mut().enumerate() {
                if let Some(time) = consumer.peek_time()
                    && oldest.is_none_or(|(_, t)| time < t)
                {
                    oldest = Some((i, time));
                }
            }
            let Some((i, _)) = oldest else { break };
            let (cpu, consumer) = &mut consumers[i];
            let Some(record) = consumer.take() else { break };
            if record.lost > 0 {
                self.text.extend_from_slice(b"CPU:");
                text::dec(&mut self.text, *cpu as u64);
                self.text.extend_from_slice(b" [LOST ");
                text::dec(&mut self.text, record.lost);
                self.text.extend_from_slice(b" EVENTS]\n");
            }
            self.taken += 1;
            let line = Line {
                cpu: *cpu,
                time: record.ts,
                // a pipe does not look ahead
                next: record.ts,
                index: self.taken,
                record: record.payload,
            };
            self.lines.write(&mut self.text, &line);
        }
    }
}
