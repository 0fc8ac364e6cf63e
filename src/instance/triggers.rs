//! What an event sets off besides its record (Documentation/trace/events.rst, section 6).
//!
//! An event file has a list of triggers and knows when to call each; what they are is the business of who adds them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr;

use super::event_file::EventFile;
use super::stacks::{self, Stack};
use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::rcu::{self, Guard};
use crate::base::sync::{AtomicPtr, Ordering};
use crate::base::task;
use crate::event::registry::PRINT_ID;
use crate::event::tracepoint::Changes;

/// When a trigger acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Before the event is recorded: it may decide whether that happens.
    Before,
    /// Before it is recorded; but with the record in the buffer, if any trigger of the event looks at records.
    With,
    /// After it is recorded.
    After,
}

/// Something that an event sets off.
///
/// [`fire`](Self::fire) and [`passes`](Self::passes) are called in probes, maybe in a signal handler: they take no lock
/// and no memory, and wait for nobody.
pub trait Trigger: Send + Sync {
    /// When it acts.
    fn when(&self) -> When;

    /// Whether it acts for some records only.
    fn is_filtered(&self) -> bool;

    /// Whether it acts for this record.
    fn passes(&self, record: &[u8]) -> bool;

    /// Acts: the event has happened and its record passes.
    fn fire(&self, event: &Happened<'_>);

    /// Appends what a line of the file `trigger` shows, without the newline.
    fn show(&self, out: &mut Vec<u8>);

    /// Which trigger it is: an event has one of each kind and target.
    fn kind(&self) -> Kind;

    /// Another event of the instance that it switches, which stays hooked for it as long as the trigger is set.
    fn target(&self) -> Option<&Arc<EventFile>> {
        None
    }
}

/// An event that happens.
pub struct Happened<'a> {
    file: &'a EventFile,
    stack: Stack,
}

impl<'a> Happened<'a> {
    pub(super) fn new(file: &'a EventFile, stack: Stack) -> Happened<'a> {
        Happened { file, stack }
    }

    /// Its file.
    pub fn file(&self) -> &EventFile {
        self.file
    }

    /// Records where in the program it happens.
    pub fn record_stack(&self) {
        self.record_stacks(true, false);
    }

    /// The same, in one form or both.
    pub(super) fn record_stacks(&self, kernel: bool, user: bool) {
        let buffer = self.file.buffer();
        stacks::record(buffer, task::current(), &self.stack, kernel, user);
    }
}

/// What an event has at most one trigger of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// What it does.
    pub name: &'static str,
    /// The id of the event that it does it to; 0: none.
    pub target: u16,
}

/// The triggers of an event, the newest first.
struct List {
    triggers: Vec<Arc<dyn Trigger>>,
    /// One of them looks at records, or acts after them: what is recorded is decided before they act.
    looks: bool,
}

/// The list of an event file. Replaced under the instance's event lock.
pub(super) struct Triggers(AtomicPtr<List>);

/// What is left to do when the event is recorded, or is not.
pub(super) struct Fired<'g> {
    list: Option<&'g List>,
    /// The late triggers that act, by their place among the late ones.
    late: u64,
    /// The record may go into the buffer as far as triggers are concerned.
    pub(super) let_in: bool,
}

impl Fired<'_> {
    /// The event is recorded, or is not: calls what is left.
    pub(super) fn finish(self, event: &Happened<'_>) {
        let Some(list) = self.list.filter(|_| self.late != 0) else {
            return;
        };
        let late = list.triggers.iter().filter(|t| list.is_late(t.as_ref()));
        for (place, trigger) in late.take(64).enumerate() {
            if self.late >> place & 1 != 0 {
                trigger.fire(event);
            }
        }
    }
}

impl List {
    fn is_late(&self, trigger: &dyn Trigger) -> bool {
        trigger.when() == When::After || trigger.when() == When::With && self.looks
    }
}

impl Triggers {
    pub(super) const fn new() -> Triggers {
        Triggers(AtomicPtr::new(ptr::null_mut()))
    }

    fn get<'g>(&self, _guard: &'g Guard) -> Option<&'g List> {
        // SAFETY: lists that are replaced stay for a grace period
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    fn all(&self) -> Vec<Arc<dyn Trigger>> {
        let guard = rcu::read();
        self.get(&guard)
            .map_or(Vec::new(), |list| list.triggers.clone())
    }

    /// Replaces the list; the former one goes to the garbage. Called under the instance's event lock.
    fn put(&self, triggers: Vec<Arc<dyn Trigger>>, changes: &mut Changes) {
        let looks = |t: &Arc<dyn Trigger>| t.is_filtered() || t.when() == When::After;
        let new = match triggers.is_empty() {
            true => ptr::null_mut(),
            false => Box::into_raw(Box::new(List {
                looks: triggers.iter().any(looks),
                triggers,
            })),
        };
        let old = self.0.swap(new, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: from `Box::into_raw`, here or earlier, and the exchange made it ours to give away
            changes.defer(unsafe { Box::from_raw(old) });
        }
    }

    /// The event happens: calls what acts before it is recorded. `records`: whether the buffer records right now.
    ///
    /// `section` is open if there are triggers.
    pub(super) fn fire<'g>(
        &self,
        event: &Happened<'_>,
        record: &[u8],
        records: impl Fn() -> bool,
        section: &'g Option<Guard>,
    ) -> Fired<'g> {
        let list = section.as_ref().and_then(|guard| self.get(guard));
        let mut fired = Fired {
            list,
            late: 0,
            let_in: list.is_none_or(|list| !list.looks || records()),
        };
        let Some(list) = list else { return fired };
        let mut place = 0;
        for trigger in &list.triggers {
            // an event has few triggers that are late; were there more than bits, they would not be
            let late = list.is_late(trigger.as_ref()) && place < 64;
            if !trigger.is_filtered() || trigger.passes(record) {
                match late {
                    true => fired.late |= 1 << place,
                    false => trigger.fire(event),
                }
            }
            place += u32::from(late);
        }
        fired
    }

    /// A read section, if there are triggers.
    pub(super) fn section(&self) -> Option<Guard> {
        (!self.is_empty()).then(rcu::read)
    }
}

impl Drop for Triggers {
    fn drop(&mut self) {
        let list = *self.0.get_mut();
        if !list.is_null() {
            // SAFETY: from `Box::into_raw`; whoever dropped the last reference saw to it that no probe is running
            drop(unsafe { Box::from_raw(list) });
        }
    }
}

impl TraceArray {
    /// The file of an event that can have triggers, by the event's id: one that can be enabled, or `ftrace:print`.
    pub fn trigger_file(&self, id: u16) -> Option<&Arc<EventFile>> {
        match id {
            PRINT_ID => Some(self.print_file()),
            _ => self.file(id),
        }
    }

    /// The triggers of an event, the newest first.
    pub fn triggers(&self, file: &EventFile) -> Vec<Arc<dyn Trigger>> {
        file.triggers().all()
    }

    /// Sets a trigger, and hooks its event and its target. `EEXIST`: the event has one of its kind; `ENODEV`: the
    /// instance is removed.
    pub fn add_trigger(&self, file: &Arc<EventFile>, trigger: Arc<dyn Trigger>) -> Result<()> {
        let _lock = self.event_lock();
        if self.is_removed() {
            return Err(Error::new(Errno::ENODEV));
        }
        let mut all = file.triggers().all();
        if all.iter().any(|t| t.kind() == trigger.kind()) {
            return Err(Error::new(Errno::EEXIST));
        }
        let mut changes = Changes::new();
        if let Some(target) = trigger.target() {
            target.hook(&mut changes)?;
        }
        let first = all.is_empty();
        if first && let Err(e) = file.hook(&mut changes) {
            if let Some(target) = trigger.target() {
                target.unhook(&mut changes)?;
            }
            return Err(e);
        }
        all.insert(0, trigger);
        file.triggers().put(all, &mut changes);
        file.triggers_changed();
        changes.commit()
    }

    /// Removes the trigger of a kind, if there is one, and unhooks what was hooked for it.
    pub fn remove_trigger(&self, file: &Arc<EventFile>, kind: Kind) -> Result<()> {
        let _lock = self.event_lock();
        self.remove_triggers(&[file], |t| t.kind() == kind)
    }

    /// Removes all triggers of the instance. Called under the event lock.
    pub(super) fn remove_all_triggers(&self) -> Result<()> {
        let files: Vec<_> = self.files().iter().chain([self.print_file()]).collect();
        self.remove_triggers(&files, |_| true)
    }

    fn remove_triggers(
        &self,
        files: &[&Arc<EventFile>],
        which: impl Fn(&dyn Trigger) -> bool,
    ) -> Result<()> {
        let (mut changes, mut unhook) = (Changes::new(), Vec::new());
        for file in files.iter().filter(|f| !f.triggers().is_empty()) {
            let (gone, left): (Vec<_>, Vec<_>) = file
                .triggers()
                .all()
                .into_iter()
                .partition(|t| which(t.as_ref()));
            if gone.is_empty() {
                continue;
            }
            unhook.extend(gone.iter().filter_map(|t| t.target().cloned()));
            if left.is_empty() {
                unhook.push(Arc::clone(file));
            }
            file.triggers().put(left, &mut changes);
            file.triggers_changed();
        }
        // none of them switches its target any more
        changes.commit()?;
        let (mut changes, mut result) = (Changes::new(), Ok(()));
        for file in unhook {
            if let Err(e) = file.unhook(&mut changes) {
                result = Err(e);
            }
        }
        result.and(changes.commit())
    }
}
