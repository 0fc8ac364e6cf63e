//! One event in one instance: whether it is enabled there, and the way of a record from the probe into the buffer.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ptr;

use super::cmdlines::Cmdlines;
use super::pids::{self, Follow, Pids};
use super::stacks;
use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::rcu::Garbage;
use crate::base::stack::Here;
use crate::base::sync::{AtomicPtr, AtomicU32, Mutex, Ordering};
use crate::base::task;
use crate::event::registry::Event;
use crate::event::tracepoint::{Changes, Probe};
use crate::filter::{Filter, Now};
use crate::ring::Buffer;

/// Bits of [`EventFile::state`].
mod bit {
    /// Recording into this instance was asked for.
    pub const ENABLED: u32 = 1;
    /// The instance remembers task names.
    pub const RECORD_CMD: u32 = 2;
    /// The instance remembers process ids.
    pub const RECORD_TGID: u32 = 4;
    /// Record nothing: what the event's records need is being taken away.
    pub const OFF: u32 = 8;
    /// Record the stack, by names, after the event.
    pub const STACK: u32 = 16;
    /// Record the stack, by addresses, after the event.
    pub const USER_STACK: u32 = 32;
    /// Not everybody's events are recorded: see [`Pids`](super::Pids).
    pub const PIDS: u32 = 64;
}

/// The `plain` of a file whose records all want a closer look. No table of names has this generation.
const SPECIAL: u32 = Cmdlines::NO_GENERATION;

/// One event in one instance.
///
/// Its address is the data of the probe that the event's macro made, so it does not move and outlives, by one grace
/// period, its registration.
pub struct EventFile {
    /// As it stands in a record's first 8 bytes.
    id: u64,
    state: AtomicU32,
    /// What a task has to have in its `plain` for its records to be appended without another look: the generation of the
    /// table of names, or [`SPECIAL`].
    plain: AtomicU32,
    /// Serialises what decides about `plain`.
    settling: Mutex<()>,
    /// Null: no filter. Replaced under the lock of its text, freed after a grace period.
    filter: AtomicPtr<Filter>,
    /// What `filter` reads, without the newline at the end: a filter, or why one was refused. Empty: no filter.
    filter_text: Mutex<Vec<u8>>,
    buffer: Arc<Buffer>,
    cmdlines: Arc<Cmdlines>,
    event: Arc<Event>,
    array: Weak<TraceArray>,
    pids: Arc<Pids>,
    /// Where a record has the pid of another task that the event concerns.
    concerned: Option<usize>,
    /// The file records nothing, it follows tasks.
    follow: Option<Follow>,
}

impl EventFile {
    /// A file of `array`, disabled; `names`: whether the instance remembers task names and process ids.
    pub(super) fn new(
        event: Arc<Event>,
        array: Weak<TraceArray>,
        buffer: Arc<Buffer>,
        cmdlines: Arc<Cmdlines>,
        names: (bool, bool),
        pids: Arc<Pids>,
    ) -> EventFile {
        let file = EventFile {
            id: u64::from(event.id),
            state: AtomicU32::new(0),
            plain: AtomicU32::new(SPECIAL),
            settling: Mutex::new(()),
            filter: AtomicPtr::new(ptr::null_mut()),
            filter_text: Mutex::default(),
            buffer,
            cmdlines,
            concerned: pids::concerned(&event),
            event,
            array,
            follow: None,
            pids,
        };
        file.set_names(names.0, names.1);
        file.pids_changed();
        file
    }

    /// A file that records nothing, but keeps the lists of pids of `of` true to what tasks do.
    pub(super) fn follower(
        event: Arc<Event>,
        array: Weak<TraceArray>,
        of: &TraceArray,
        follow: Follow,
    ) -> EventFile {
        let (buffer, cmdlines) = (of.buffer().clone(), of.cmdlines().clone());
        let mut file = EventFile::new(
            event,
            array,
            buffer,
            cmdlines,
            (false, false),
            of.pids().clone(),
        );
        file.follow = Some(follow);
        file.pids_changed();
        file
    }

    /// A list of pids was set or cleared.
    pub(super) fn pids_changed(&self) {
        self.set_bit(bit::PIDS, self.follow.is_none() && self.pids.are_set());
        self.settle();
    }

    fn set_bit(&self, bit: u32, on: bool) {
        if on {
            self.state.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.state.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Decides anew whether records of plain tasks can be appended without another look. To be called after every change
    /// of what [`commit_special`](Self::commit_special) looks at, and of the table's generation.
    pub(super) fn settle(&self) {
        let _one = self.settling.lock();
        let state = self.state.load(Ordering::Relaxed);
        let special = state & (bit::STACK | bit::USER_STACK) != 0
            || state & bit::PIDS != 0 && self.concerned.is_some()
            || self.follow.is_some()
            || !self.filter.load(Ordering::Relaxed).is_null();
        let plain = if special {
            SPECIAL
        } else {
            self.cmdlines.generation()
        };
        self.plain.store(plain, Ordering::Relaxed);
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
            let registered =
                unsafe { changes.register_together(decl.tracepoint, probe, decl.together) };
            if let Err(e) = registered {
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
        self.set_bit(bit::RECORD_CMD, cmd);
        self.set_bit(bit::RECORD_TGID, tgid);
    }

    /// Which stacks are recorded after the event.
    pub(super) fn set_stacks(&self, kernel: bool, user: bool) {
        self.set_bit(bit::STACK, kernel);
        self.set_bit(bit::USER_STACK, user);
        self.settle();
    }

    /// What `filter` reads: the text of the filter, or why the last one was refused, or `none`; with a newline.
    pub fn filter(&self) -> Vec<u8> {
        let text = self.filter_text.lock();
        let mut shown = match text.is_empty() {
            true => Vec::from(b"none"),
            false => text.clone(),
        };
        shown.push(b'\n');
        shown
    }

    /// Puts a filter in the place of the one before, or none, with what `filter` reads from now on. The former goes to the
    /// garbage.
    pub(super) fn put_filter(&self, filter: Option<Filter>, text: Vec<u8>, garbage: &mut Garbage) {
        let new = filter.map_or(ptr::null_mut(), |f| Box::into_raw(Box::new(f)));
        let mut shown = self.filter_text.lock();
        *shown = text;
        let old = self.filter.swap(new, Ordering::AcqRel);
        drop(shown);
        self.settle();
        if !old.is_null() {
            // SAFETY: from `Box::into_raw`, here or earlier, and the exchange made it ours to give away
            garbage.add(unsafe { Box::from_raw(old) });
        }
    }

    /// Begins a record: its first eight bytes (`common_type`, `common_flags`, `common_preempt_count`, `common_pid`), or
    /// `None` if this event is not to be recorded here and now.
    ///
    /// # Safety
    /// The calling thread is in a read section (`rcu::read`), as probes are.
    #[inline(always)]
    pub unsafe fn begin(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Relaxed);
        if state & (bit::ENABLED | bit::OFF | bit::PIDS) != bit::ENABLED
            && !self.begin_special(state)
        {
            return None;
        }
        // SAFETY: the caller's promise
        let task = unsafe { task::current_in_section() };
        Some(task.head() | self.id)
    }

    /// Whether the event is recorded all the same: of this task, or maybe for another's sake, who is in the record.
    #[cold]
    #[inline(never)]
    fn begin_special(&self, state: u32) -> bool {
        state & (bit::ENABLED | bit::OFF) == bit::ENABLED
            && (self.concerned.is_some() || self.pids.want(task::current().pid()))
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
        if task.is_plain(self.plain.load(Ordering::Relaxed)) {
            // SAFETY: the caller's promise is what `append` asks for
            unsafe { self.buffer.append_in_section::<LEN>(payload, len) };
        } else {
            // SAFETY: the caller's promise
            unsafe { self.commit_special(payload, len) };
        }
    }

    /// There is something special about the event in this instance, or the record's task gives CPU or time, or its name
    /// is not in the table yet.
    ///
    /// In this order: pids, triggers, filter, append, stacks, name.
    ///
    /// # Safety
    /// As [`commit`](Self::commit).
    #[cold]
    #[inline(never)]
    unsafe fn commit_special(&self, payload: *mut u8, len: usize) {
        let task = task::current();
        // SAFETY: the caller's promise
        let record = unsafe { core::slice::from_raw_parts(payload.cast_const(), len) };
        if let Some(follow) = self.follow {
            return follow.apply(&self.pids, record);
        }
        if let Some(at) = self.concerned
            && self.state.load(Ordering::Relaxed) & bit::PIDS != 0
            && !self.pids.want(task.pid())
            && !pids::wants_concerned(&self.pids, at, record)
        {
            return;
        }
        let filter = self.filter.load(Ordering::Acquire);
        // SAFETY: probes run inside a read section, which keeps the filter
        if !filter.is_null() && unsafe { !(*filter).matches(record, &Now::default()) } {
            return;
        }
        let recorded = match task.place() {
            Some(place) => self
                .buffer
                .append_at(place.cpu.map(|c| c as usize), place.time, record),
            // SAFETY: the caller's promise is what `append` asks for
            None => unsafe { self.buffer.append::<0>(payload, len) },
        };
        let state = self.state.load(Ordering::Relaxed);
        if recorded && state & (bit::STACK | bit::USER_STACK) != 0 {
            let (kernel, user) = (state & bit::STACK != 0, state & bit::USER_STACK != 0);
            // the walk begins here, so that the first call that has not returned is the probe's
            stacks::record(&self.buffer, task, Here::new(), kernel, user);
        }
        if task.saved() != self.cmdlines.generation() {
            self.remember();
        }
    }

    /// Enters the current task's name and process id in the table, as far as the instance wants them.
    #[cold]
    #[inline(never)]
    fn remember(&self) {
        let state = self.state.load(Ordering::Relaxed);
        let generation = self.cmdlines.generation();
        let task = task::current();
        task.refresh_comm();
        let name = (state & bit::RECORD_CMD != 0).then(|| task.comm());
        let tgid = (state & bit::RECORD_TGID != 0).then(|| task.tgid());
        if (name.is_some() || tgid.is_some()) && self.cmdlines.enter(task.pid(), name, tgid) {
            task.set_saved(generation);
        }
    }
}

impl Drop for EventFile {
    fn drop(&mut self) {
        let filter = *self.filter.get_mut();
        if !filter.is_null() {
            // SAFETY: from `Box::into_raw`; whoever dropped the last reference saw to it that no probe is running
            drop(unsafe { Box::from_raw(filter) });
        }
    }
}
