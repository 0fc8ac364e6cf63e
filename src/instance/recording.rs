//! `tracing_on`, and what else keeps an instance from recording.

use alloc::sync::Arc;

use crate::base::sync::{AtomicU32, Ordering};
use crate::ring::Buffer;

/// Bit of [`Recording::word`]: `tracing_on` reads 1.
const ON: u32 = 1;
/// One reader of `trace` that came while pause-on-trace was set.
const PAUSED: u32 = 2;

/// Whether an instance records.
///
/// All of it takes no lock and waits for nobody: triggers switch it in probes.
pub struct Recording {
    word: AtomicU32,
    buffer: Arc<Buffer>,
}

impl Recording {
    /// Of a new buffer: on.
    pub(super) fn new(buffer: Arc<Buffer>) -> Recording {
        Recording {
            word: AtomicU32::new(ON),
            buffer,
        }
    }

    /// Whether `tracing_on` reads 1.
    pub fn is_on(&self) -> bool {
        self.word.load(Ordering::SeqCst) & ON != 0
    }

    /// Sets it; whether that was a change. Readers that wait are woken when it goes off.
    pub fn set(&self, on: bool) -> bool {
        let before = match on {
            true => self.word.fetch_or(ON, Ordering::SeqCst),
            false => self.word.fetch_and(!ON, Ordering::SeqCst),
        };
        self.apply();
        if !on {
            self.buffer.wake_all();
        }
        (before & ON != 0) != on
    }

    pub(super) fn pause(&self) {
        self.word.fetch_add(PAUSED, Ordering::SeqCst);
        self.apply();
    }

    pub(super) fn resume(&self) {
        self.word.fetch_sub(PAUSED, Ordering::SeqCst);
        self.apply();
    }

    /// Tells the buffer. Who comes last has seen what the others did.
    fn apply(&self) {
        let mut word = self.word.load(Ordering::SeqCst);
        loop {
            self.buffer.set_recording(word == ON);
            let now = self.word.load(Ordering::SeqCst);
            if now == word {
                return;
            }
            word = now;
        }
    }
}
