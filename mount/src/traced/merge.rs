//! What several tracers report, in the order of time.

use std::collections::VecDeque;
use std::sync::Arc;

use super::emit::Emitter;
use super::tracer::Tracer;
use crate::run::wire::{Kind, Record};

/// Records of one tracer that wait here at most: what does not get its turn by then goes without.
const MANY: usize = 1 << 16;

/// How far apart the stamps of one thing may lie, ns.
const A_LITTLE: u64 = 200_000;

/// Records that wait for earlier ones of others.
#[derive(Default)]
pub(super) struct Merge {
    streams: Vec<Stream>,
    emitter: Emitter,
    twice: Twice,
}

struct Stream {
    of: Arc<Tracer>,
    records: VecDeque<Record>,
    /// Up to when all has come, ns.
    complete: u64,
}

/// Switches and wake-ups that were told a moment ago, and which stream has told of each. What goes from a task of one tracer to a task
/// of another is seen by both, the second time a little later: each has a stamp of its own.
#[derive(Default)]
struct Twice(Vec<(Arc<Tracer>, Record)>);

impl Twice {
    /// Whether another stream has told the same. Who is woken or comes by whom on a CPU is seen by either always or never, so that
    /// each of one's records goes with one of the other's.
    fn has(&mut self, by: &Arc<Tracer>, record: &Record) -> bool {
        let both = matches!(
            record.what.kind(),
            Kind::Switch | Kind::Waking | Kind::Wakeup | Kind::WakeupNew
        );
        if !both {
            return false;
        }
        let old = record.time_ns.saturating_sub(A_LITTLE);
        self.0.retain(|(_, told)| told.time_ns >= old);
        let same = self.0.iter().position(|(other, told)| {
            !Arc::ptr_eq(other, by)
                && (told.cpu, told.task.pid, &told.what)
                    == (record.cpu, record.task.pid, &record.what)
        });
        match same {
            Some(at) => drop(self.0.remove(at)),
            None => self.0.push((by.clone(), record.clone())),
        }
        same.is_some()
    }
}

impl Merge {
    /// Fires what the tracers have sent, as far as none of them can have anything earlier. Of tracers that are not
    /// among them any more, all.
    pub(super) fn run(&mut self, tracers: &[Arc<Tracer>]) {
        for tracer in tracers {
            if !self.streams.iter().any(|s| Arc::ptr_eq(&s.of, tracer)) {
                self.streams.push(Stream {
                    of: tracer.clone(),
                    records: VecDeque::new(),
                    complete: 0,
                });
            }
        }
        for stream in &mut self.streams {
            let complete = stream.of.take(&mut stream.records);
            let waited_for = stream.records.len() <= MANY;
            stream.complete = complete.filter(|_| waited_for).unwrap_or(u64::MAX);
        }
        let alone = self.streams.len() == 1;
        let horizon = match alone {
            true => u64::MAX,
            false => self
                .streams
                .iter()
                .map(|s| s.complete)
                .min()
                .unwrap_or(u64::MAX),
        };
        let full = self.streams.iter().any(|s| s.records.len() > MANY);
        let horizon = if full { u64::MAX } else { horizon };
        let mut batch = self.emitter.begin();
        if alone {
            self.twice.0.clear();
        }
        loop {
            let first = |s: &Stream| s.records.front().map_or(u64::MAX, |r| r.time_ns);
            let Some(stream) = self
                .streams
                .iter_mut()
                .filter(|s| !s.records.is_empty())
                .min_by_key(|s| first(s))
            else {
                break;
            };
            if first(stream) > horizon {
                break;
            }
            if let Some(record) = stream.records.pop_front()
                && (alone || !self.twice.has(&stream.of, &record))
            {
                batch.fire(&record);
            }
        }
        drop(batch);
        self.streams
            .retain(|s| !s.records.is_empty() || tracers.iter().any(|t| Arc::ptr_eq(t, &s.of)));
    }
}
