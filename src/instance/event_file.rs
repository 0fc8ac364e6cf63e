//! One event in one instance: whether it is enabled there, and the way of a record from the probe into the buffer.

use alloc::string::String;
use alloc::sync::{Arc, Weak};

use super::cmdlines::Cmdlines;
use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::parse;
use crate::base::sync::{AtomicU32, Ordering};
use crate::base::task;
use crate::event::registry::Event;
use crate::event::tracepoint::{Changes, Probe};
use crate::ring::Buffer;

/// Bits of [`EventFile::state`]. `ENABLED` alone is the plain case: one comparison for the hot path.
mod bit {
    /// Recording into this instance was asked for.
    pub const ENABLED: u32 = 1;
}

/// Bits of [`EventFile::names`].
mod names {
    /// The instance remembers task names.
    pub const CMD: u32 = 1;
    /// The instance remembers process ids.
    pub const TGID: u32 = 2;
}

/// One event in one instance.
///
/// Its address is the data of the probe that the event's macro made, so it does not move and outlives, by one grace
/// period, its registration.
pub struct EventFile {
    /// As it stands in a record's first 8 bytes.
    id: u64,
    state: AtomicU32,
    names: AtomicU32,
    buffer: Arc<Buffer>,
    cmdlines: Arc<Cmdlines>,
    event: Arc<Event>,
    array: Weak<TraceArray>,
}

impl EventFile {
    /// A file of `array`, disabled; `names`: whether the instance remembers task names and process ids.
    pub(super) fn new(
        event: Arc<Event>,
        array: Weak<TraceArray>,
        buffer: Arc<Buffer>,
        cmdlines: Arc<Cmdlines>,
        names: (bool, bool),
    ) -> EventFile {
        let file = EventFile {
            id: u64::from(event.id),
            state: AtomicU32::new(0),
            names: AtomicU32::new(0),
            buffer,
            cmdlines,
            event,
            array,
        };
        file.set_names(names.0, names.1);
        file
    }

    /// The event.
    pub fn event(&self) -> &Arc<Event> {
        &self.event
    }

    /// The instance, while it exists.
    pub fn array(&self) -> Option<Arc<TraceArray>> {
        self.array.upgrade()
    }

    /// Whether the event is recorded in this instance.
    pub fn is_enabled(&self) -> bool {
        self.state.load(Ordering::Relaxed) & bit::ENABLED != 0
    }

    /// What `enable` reads, without the newline (Documentation/trace/events.rst, section 2.2).
    pub fn enable_text(&self) -> &'static str {
        if self.is_enabled() { "1" } else { "0" }
    }

    /// Switches recording; the tracepoint follows when `changes` is committed. Called under the instance's event lock.
    pub(super) fn set_enabled(self: &Arc<Self>, on: bool, changes: &mut Changes) -> Result<()> {
        if self.is_enabled() == on {
            return Ok(());
        }
        let Some(decl) = self.event.decl else {
            return Err(Error::new(Errno::EINVAL));
        };
        let probe = Probe {
            func: decl.probe,
            data: Arc::as_ptr(self).cast(),
        };
        if on {
            self.state.fetch_or(bit::ENABLED, Ordering::Relaxed);
            // SAFETY: the declaration's macro made both; whoever takes the file away leaves it to `changes`, as below
            if let Err(e) = unsafe { changes.register(decl.tracepoint, probe) } {
                self.state.fetch_and(!bit::ENABLED, Ordering::Relaxed);
                return Err(e);
            }
        } else {
            // a probe that is still running writes nothing any more
            self.state.fetch_and(!bit::ENABLED, Ordering::Relaxed);
            changes.unregister(decl.tracepoint, probe)?;
            // running probes may hold this file for one more grace period
            changes.defer(self.clone());
        }
        Ok(())
    }

    /// Which of names and process ids the instance remembers.
    pub(super) fn set_names(&self, cmd: bool, tgid: bool) {
        let bit = |on, bit| if on { bit } else { 0 };
        let both = bit(cmd, names::CMD) | bit(tgid, names::TGID);
        self.names.store(both, Ordering::Relaxed);
    }

    /// What `filter` reads.
    pub fn filter(&self) -> String {
        String::from("none\n")
    }

    /// Sets the filter: `0` clears it, no other text is understood yet and gets `EINVAL`.
    pub fn set_filter(&self, input: &[u8]) -> Result<()> {
        match parse::trim(input) {
            b"0" => Ok(()),
            _ => Err(Error::new(Errno::EINVAL)),
        }
    }

    /// Begins a record: its first eight bytes (`common_type`, `common_flags`, `common_preempt_count`, `common_pid`), or
    /// `None` if this event is not to be recorded here and now.
    ///
    /// # Safety
    /// The calling thread is in a read section (`rcu::read`), as probes are.
    #[inline(always)]
    pub unsafe fn begin(&self) -> Option<u64> {
        if self.state.load(Ordering::Relaxed) != bit::ENABLED {
            return None;
        }
        // SAFETY: the caller's promise
        let task = unsafe { task::current_in_section() };
        Some(task.head() | self.id)
    }

    /// Finishes a record that [`begin`](Self::begin) allowed: appends it to the instance's buffer and sees to it that the
    /// task's name can be shown. `LEN` is the length if it is known at compile time, else 0.
    ///
    /// # Safety
    /// `payload` points to `len` bytes of a complete record, aligned to 8; the 4 bytes before it are writable, up to 15
    /// bytes behind it readable. The read section that `begin` asked for has not been left.
    #[inline(always)]
    pub unsafe fn commit<const LEN: usize>(&self, payload: *mut u8, len: usize) {
        // SAFETY: the caller's promise
        let task = unsafe { task::current_in_section() };
        if task.is_plain(self.cmdlines.generation()) {
            // SAFETY: the caller's promise is what `append` asks for
            unsafe { self.buffer.append_in_section::<LEN>(payload, len) };
        } else {
            // SAFETY: the caller's promise
            unsafe { self.commit_unusual(payload, len) };
        }
    }

    /// The record's task gives CPU or time, or its name is not in the table yet.
    #[cold]
    #[inline(never)]
    unsafe fn commit_unusual(&self, payload: *mut u8, len: usize) {
        let task = task::current();
        match task.place() {
            Some(place) => {
                // SAFETY: as in `commit`
                let record = unsafe { core::slice::from_raw_parts(payload, len) };
                self.buffer
                    .append_at(place.cpu.map(|c| c as usize), place.time, record);
            }
            // SAFETY: the caller's promise is what `append` asks for
            None => _ = unsafe { self.buffer.append::<0>(payload, len) },
        }
        if task.saved() != self.cmdlines.generation() {
            self.remember();
        }
    }

    /// Enters the current task's name and process id in the table, as far as the instance wants them.
    #[cold]
    #[inline(never)]
    fn remember(&self) {
        let names = self.names.load(Ordering::Relaxed);
        let generation = self.cmdlines.generation();
        let task = task::current();
        task.refresh_comm();
        let name = (names & names::CMD != 0).then(|| task.comm());
        let tgid = (names & names::TGID != 0).then(|| task.tgid());
        if (name.is_some() || tgid.is_some()) && self.cmdlines.enter(task.pid(), name, tgid) {
            task.set_saved(generation);
        }
    }
}
