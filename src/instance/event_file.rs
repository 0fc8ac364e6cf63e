//! One event in one instance: whether it is enabled there, and the way of a record from the probe into the buffer.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ptr;

use super::cmdlines::Cmdlines;
use super::pids::{self, Follow, Pids};
use super::stacks::Stack;
use super::trace_array::TraceArray;
use super::triggers::{Happened, Triggers};
use crate::base::error::Result;
use crate::base::rcu::Garbage;
use crate::base::stack::Here;
use crate::base::sync::{AtomicPtr, AtomicU32, Mutex, Ordering};
use crate::base::task;
use crate::event::registry::Event;
use crate::event::tracepoint::{Changes, Probe, Tracepoint};
use crate::filter::{Filter, Now};
use crate::ring::{Buffer, Moment};

/// Bits of [`EventFile::state`].
mod bit {
    /// The event is not hooked: its probe is not registered. Its absence is what a bit would say, so that of an event that
    /// is to be recorded no bit has to be set.
    pub const IDLE: u32 = 1;
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
    /// Record nothing: it was not asked for, only triggers want the event.
    pub const SOFT_DISABLED: u32 = 128;
    /// Triggers keep the event hooked.
    pub const SOFT_MODE: u32 = 256;
    /// The event has triggers.
    pub const TRIGGERS: u32 = 512;
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
    /// The same for records that the filter lets pass.
    filtered: AtomicU32,
    /// Serialises what decides about both.
    settling: Mutex<()>,
    /// Null: no filter. Replaced under the lock of its text, freed after a grace period.
    filter: AtomicPtr<Filter>,
    /// What `filter` reads, without the newline at the end: a filter, or why one was refused. Empty: no filter.
    filter_text: Mutex<Vec<u8>>,
    triggers: Triggers,
    /// How many want the event hooked, recorded or not. Changed under the instance's event lock.
    hooks: AtomicU32,
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
            state: AtomicU32::new(bit::IDLE),
            plain: AtomicU32::new(SPECIAL),
            filtered: AtomicU32::new(SPECIAL),
            settling: Mutex::new(()),
            filter: AtomicPtr::new(ptr::null_mut()),
            filter_text: Mutex::default(),
            triggers: Triggers::new(),
            hooks: AtomicU32::new(0),
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
    /// of what [`commit_unusual`](Self::commit_unusual) looks at, and of the table's generation.
    pub(super) fn settle(&self) {
        let _one = self.settling.lock();
        let state = self.state.load(Ordering::Relaxed);
        let special = state & (bit::STACK | bit::USER_STACK) != 0
            || state & bit::PIDS != 0 && self.concerned.is_some()
            || self.follow.is_some()
            || !self.triggers.is_empty();
        let filtered = match special {
            true => SPECIAL,
            false => self.cmdlines.generation(),
        };
        let plain = match self.filter.load(Ordering::Relaxed).is_null() {
            true => filtered,
            false => SPECIAL,
        };
        self.filtered.store(filtered, Ordering::Relaxed);
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

    /// Whether the event is hooked in this instance: recorded, or wanted by triggers.
    pub fn is_enabled(&self) -> bool {
        !self.has(bit::IDLE)
    }

    fn has(&self, bits: u32) -> bool {
        self.state.load(Ordering::Relaxed) & bits != 0
    }

    /// What `enable` reads, without the newline (Documentation/trace/events.rst, section 2.2): whether the event is
    /// recorded, and `*` if triggers keep it hooked.
    pub fn enable_text(&self) -> &'static str {
        let state = self.state.load(Ordering::Relaxed);
        let records = state & (bit::IDLE | bit::SOFT_DISABLED) == 0;
        match (records, state & (bit::SOFT_MODE | bit::SOFT_DISABLED) != 0) {
            (false, false) => "0",
            (true, false) => "1",
            (false, true) => "0*",
            (true, true) => "1*",
        }
    }

    /// Switches recording; the tracepoint follows when `changes` is committed. Called under the instance's event lock.
    pub(super) fn set_enabled(self: &Arc<Self>, on: bool, changes: &mut Changes) -> Result<()> {
        if on {
            self.set_bit(bit::SOFT_DISABLED, false);
            self.register(changes)
        } else if self.has(bit::SOFT_MODE) {
            self.set_bit(bit::SOFT_DISABLED, true);
            Ok(())
        } else {
            self.unregister(changes)
        }
    }

    /// Triggers want the event hooked, once more; whether it is recorded stays as it is. As above.
    pub(super) fn hook(self: &Arc<Self>, changes: &mut Changes) -> Result<()> {
        if self.hooks.load(Ordering::Relaxed) == 0 {
            let records = self.is_enabled();
            self.set_bit(bit::SOFT_MODE, true);
            self.set_bit(bit::SOFT_DISABLED, !records);
            if let Err(e) = self.register(changes) {
                self.set_bit(bit::SOFT_MODE | bit::SOFT_DISABLED, false);
                return Err(e);
            }
        }
        self.hooks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// One of them does not any more. When none does, the event stays hooked if it is recorded. As above; no trigger that
    /// is gone is still running.
    pub(super) fn unhook(self: &Arc<Self>, changes: &mut Changes) -> Result<()> {
        if self.hooks.fetch_sub(1, Ordering::Relaxed) != 1 {
            return Ok(());
        }
        let records = !self.has(bit::SOFT_DISABLED);
        self.set_bit(bit::SOFT_MODE, false);
        let done = match records {
            true => Ok(()),
            false => self.unregister(changes),
        };
        self.set_bit(bit::SOFT_DISABLED, false);
        done
    }

    /// The tracepoint, what is called there, and what for several instances together.
    fn probe(&self) -> Option<(&'static Tracepoint, Probe, *const ())> {
        let decl = self.event.decl?;
        let probe = Probe {
            func: decl.probe,
            data: ptr::from_ref(self).cast(),
        };
        Some((decl.tracepoint, probe, decl.together))
    }

    /// Registers the probe, unless it is. An event without a tracepoint needs none.
    fn register(self: &Arc<Self>, changes: &mut Changes) -> Result<()> {
        if self.is_enabled() {
            return Ok(());
        }
        self.set_bit(bit::IDLE, false);
        if let Some((tracepoint, probe, together)) = self.probe() {
            // SAFETY: the declaration's macro made both; whoever takes the file away leaves it to `changes`, as below
            if let Err(e) = unsafe { changes.register_together(tracepoint, probe, together) } {
                self.set_bit(bit::IDLE, true);
                return Err(e);
            }
        }
        Ok(())
    }

    fn unregister(self: &Arc<Self>, changes: &mut Changes) -> Result<()> {
        if !self.is_enabled() {
            return Ok(());
        }
        // a probe that is still running writes nothing any more
        self.set_bit(bit::IDLE, true);
        if let Some((tracepoint, probe, _)) = self.probe() {
            changes.unregister(tracepoint, probe)?;
            // running probes may hold this file for one more grace period
            changes.defer(self.clone());
        }
        Ok(())
    }

    // Triggers

    pub(super) fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    pub(super) fn triggers(&self) -> &Triggers {
        &self.triggers
    }

    /// The list of triggers is another now.
    pub(super) fn triggers_changed(&self) {
        self.set_bit(bit::TRIGGERS, !self.triggers.is_empty());
        self.settle();
    }

    /// For triggers of other events: whether this one, which they keep hooked, is recorded from now on. Returns whether
    /// that is a change.
    pub fn record_softly(&self, on: bool) -> bool {
        let before = match on {
            true => self.state.fetch_and(!bit::SOFT_DISABLED, Ordering::Relaxed),
            false => self.state.fetch_or(bit::SOFT_DISABLED, Ordering::Relaxed),
        };
        (before & bit::SOFT_DISABLED == 0) != on
    }

    /// Whether it is recorded, as [`record_softly`](Self::record_softly) sets it.
    pub fn records_softly(&self) -> bool {
        !self.has(bit::SOFT_DISABLED)
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
        const ASKED: u32 = bit::IDLE | bit::OFF | bit::PIDS | bit::SOFT_DISABLED;
        if self.has(ASKED) && !self.begin_special() {
            return None;
        }
        // SAFETY: the caller's promise
        let task = unsafe { task::current_in_section() };
        Some(task.head() | self.id)
    }

    /// Whether there is to be a record all the same: for triggers, of this task, or maybe for another's sake, who is in the
    /// record.
    #[cold]
    #[inline(never)]
    fn begin_special(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        state & (bit::IDLE | bit::OFF) == 0
            && (state & bit::SOFT_DISABLED == 0 || state & bit::TRIGGERS != 0)
            && (state & bit::PIDS == 0
                || self.concerned.is_some()
                || self.pids.want(task::current().pid()))
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
        if unsafe { self.lets_in(payload, len) } {
            // SAFETY: the caller's promise is what `append` asks for
            unsafe { self.buffer.append_in_section::<LEN>(payload, len) };
        }
    }

    /// The same for a record that went to other instances too, a moment ago.
    ///
    /// # Safety
    /// As [`commit`](Self::commit).
    #[inline(always)]
    pub unsafe fn commit_then<const LEN: usize>(
        &self,
        payload: *mut u8,
        len: usize,
        moment: Moment,
    ) {
        // SAFETY: the caller's promise
        if unsafe { self.lets_in(payload, len) } {
            // SAFETY: the caller's promise is what `append` asks for
            unsafe { self.buffer.append_then::<LEN>(payload, len, moment) };
        }
    }

    /// Whether the record only has to be appended. If there is more to it, that is done here.
    ///
    /// # Safety
    /// As [`commit`](Self::commit).
    #[inline(always)]
    unsafe fn lets_in(&self, payload: *mut u8, len: usize) -> bool {
        // SAFETY: the caller's promise
        let task = unsafe { task::current_in_section() };
        task.is_plain(self.plain.load(Ordering::Relaxed)) || {
            seldom();
            // SAFETY: the caller's promise
            unsafe { self.lets_in_specially(payload, len) }
        }
    }

    /// There is something special about the event in this instance, or about its task. If it is a filter only, it is
    /// asked here.
    ///
    /// # Safety
    /// As [`commit`](Self::commit).
    #[inline(never)]
    unsafe fn lets_in_specially(&self, payload: *mut u8, len: usize) -> bool {
        // SAFETY: in a read section
        let task = unsafe { task::current_in_section() };
        if !task.is_plain(self.filtered.load(Ordering::Relaxed)) {
            // a walk begins here, so that the first call that has not returned is the probe's
            let here = Here::new();
            // SAFETY: the caller's promise
            unsafe { self.commit_unusual(payload, len, here) };
            return false;
        }
        let filter = self.filter.load(Ordering::Acquire);
        // SAFETY: the section keeps the filter; the caller's promise about the record
        filter.is_null()
            || unsafe {
                let record = core::slice::from_raw_parts(payload.cast_const(), len);
                (*filter).matches(record, &Now::default())
            }
    }

    /// Everything that is special, in this order: pids, triggers, filter, append, stacks, name.
    ///
    /// # Safety
    /// As [`commit`](Self::commit).
    #[cold]
    #[inline(never)]
    unsafe fn commit_unusual(&self, payload: *mut u8, len: usize, here: Here) {
        {
            // SAFETY: the caller's promise
            let record = unsafe { core::slice::from_raw_parts(payload.cast_const(), len) };
            if let Some(follow) = self.follow {
                return follow.apply(&self.pids, record);
            }
            if let Some(at) = self.concerned
                && self.has(bit::PIDS)
                && !self.pids.want(task::current().pid())
                && !pids::wants_concerned(&self.pids, at, record)
            {
                return;
            }
        }
        let happened = Happened::new(self, Stack::of(task::current(), here));
        let section = self.triggers.section();
        let fired = {
            // SAFETY: the caller's promise
            let record = unsafe { core::slice::from_raw_parts(payload.cast_const(), len) };
            let records = || self.buffer.is_recording();
            let mut fired = self.triggers.fire(&happened, record, records, &section);
            fired.let_in &= self.keeps(record);
            fired
        };
        if fired.let_in {
            // SAFETY: the caller's promise
            unsafe { self.record(payload, len, &happened) };
        }
        fired.finish(&happened);
    }

    /// Whether a record is kept, triggers apart. Called inside a read section.
    fn keeps(&self, record: &[u8]) -> bool {
        if self.has(bit::SOFT_DISABLED) {
            return false;
        }
        let filter = self.filter.load(Ordering::Acquire);
        // SAFETY: the read section keeps the filter
        filter.is_null() || unsafe { (*filter).matches(record, &Now::default()) }
    }

    /// Appends a record and what goes with it.
    ///
    /// # Safety
    /// As [`commit`](Self::commit).
    unsafe fn record(&self, payload: *mut u8, len: usize, happened: &Happened<'_>) {
        let task = task::current();
        let recorded = match task.place() {
            Some(place) => {
                // SAFETY: the caller's promise
                let record = unsafe { core::slice::from_raw_parts(payload.cast_const(), len) };
                self.buffer.append_placed(place, record)
            }
            // SAFETY: the caller's promise is what `append` asks for
            None => unsafe { self.buffer.append::<0>(payload, len) },
        };
        let state = self.state.load(Ordering::Relaxed);
        if recorded && state & (bit::STACK | bit::USER_STACK) != 0 {
            let (kernel, user) = (state & bit::STACK != 0, state & bit::USER_STACK != 0);
            happened.record_stacks(kernel, user);
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

/// Marks a branch that is seldom taken, for code that must not be placed and made as seldom run, once it is.
#[cold]
fn seldom() {}

impl Drop for EventFile {
    fn drop(&mut self) {
        let filter = *self.filter.get_mut();
        if !filter.is_null() {
            // SAFETY: from `Box::into_raw`; whoever dropped the last reference saw to it that no probe is running
            drop(unsafe { Box::from_raw(filter) });
        }
    }
}
