//! `set_event_pid` and `set_event_notrace_pid`: whose events are recorded (Documentation/trace/events.rst,
//! Documentation/trace/ftrace.rst).
//!
//! With the option event-fork the lists follow the tasks in them: event files of their own listen to
//! `sched:sched_process_fork` and `sched:sched_process_free` and record nothing.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use super::event_file::EventFile;
use super::pid_list::{END, PidList};
use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::parse;
use crate::base::rcu::{self, Garbage};
use crate::base::sync::Mutex;
use crate::event::registry::Event;
use crate::event::tracepoint::Changes;

/// Longest word of a list.
const WORD: usize = 127;

/// One of an instance's two lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PidFile {
    /// `set_event_pid`: events of these tasks alone are recorded.
    Trace,
    /// `set_event_notrace_pid`: events of these tasks are not recorded, whatever the other list says.
    Notrace,
}

/// The lists of an instance, as event files look at them.
#[derive(Default)]
pub(super) struct Pids {
    /// By [`PidFile`]. Null: not set, which is not the same as a list whose tasks have all ended.
    lists: [AtomicPtr<PidList>; 2],
}

impl Drop for Pids {
    fn drop(&mut self) {
        for list in &self.lists {
            let list = list.load(Ordering::Relaxed);
            if !list.is_null() {
                // SAFETY: made from a box by `write`, and nobody looks any more
                drop(unsafe { Box::from_raw(list) });
            }
        }
    }
}

impl Pids {
    /// Does something with a list, if it is set.
    fn with<R>(&self, file: PidFile, f: impl FnOnce(&PidList) -> R) -> Option<R> {
        let _section = rcu::read();
        // SAFETY: null or a list that is dropped a grace period after it was replaced
        unsafe { self.lists[file as usize].load(Ordering::Acquire).as_ref() }.map(f)
    }

    /// Whether one of them is set.
    pub(super) fn are_set(&self) -> bool {
        let null = |list: &AtomicPtr<PidList>| list.load(Ordering::Relaxed).is_null();
        !self.lists.iter().all(null)
    }

    /// Whether events of the task are recorded.
    pub(super) fn want(&self, pid: i32) -> bool {
        let pid = pid as u32;
        let traced = self.with(PidFile::Trace, |list| list.has(pid));
        let not = self.with(PidFile::Notrace, |list| list.has(pid));
        traced != Some(false) && not != Some(true)
    }

    /// A task made another.
    fn forked(&self, parent: u32, child: u32) {
        for file in [PidFile::Trace, PidFile::Notrace] {
            self.with(file, |list| list.forked(parent, child));
        }
    }

    /// A task is gone.
    fn freed(&self, pid: u32) {
        for file in [PidFile::Trace, PidFile::Notrace] {
            self.with(file, |list| list.freed(pid));
        }
    }
}

/// A signed 32-bit field of a record.
fn field(event: &Event, name: &str) -> Option<usize> {
    let field = event.fields.iter().find(|f| f.name == name)?;
    (field.size == 4).then_some(field.offset.into())
}

fn read(record: &[u8], at: usize) -> Option<i32> {
    let bytes = record.get(at..at + 4)?;
    Some(i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Besides the one that fires it, whose business an event is: the task that gets the CPU, or that is woken. Where its pid
/// lies in the record.
pub(super) fn concerned(event: &Event) -> Option<usize> {
    match (&*event.system, &*event.name) {
        ("sched", "sched_switch") => field(event, "next_pid"),
        ("sched", "sched_waking" | "sched_wakeup" | "sched_wakeup_new") => field(event, "pid"),
        _ => None,
    }
}

/// Whether the task that an event concerns is one whose events are recorded.
pub(super) fn wants_concerned(pids: &Pids, at: usize, record: &[u8]) -> bool {
    read(record, at).is_some_and(|pid| pids.want(pid))
}

/// What an event file does that follows tasks: where pids lie in its records.
#[derive(Clone, Copy)]
pub(super) enum Follow {
    /// `sched_process_fork`.
    Fork { parent: usize, child: usize },
    /// `sched_process_free`.
    Free { pid: usize },
}

impl Follow {
    fn of(event: &Event) -> Option<Follow> {
        match &*event.name {
            "sched_process_fork" => Some(Follow::Fork {
                parent: field(event, "parent_pid")?,
                child: field(event, "child_pid")?,
            }),
            "sched_process_free" => Some(Follow::Free {
                pid: field(event, "pid")?,
            }),
            _ => None,
        }
    }

    pub(super) fn apply(self, pids: &Pids, record: &[u8]) {
        match self {
            Follow::Fork { parent, child } => {
                if let (Some(parent), Some(child)) = (read(record, parent), read(record, child)) {
                    pids.forked(parent as u32, child as u32);
                }
            }
            Follow::Free { pid } => {
                if let Some(pid) = read(record, pid) {
                    pids.freed(pid as u32);
                }
            }
        }
    }
}

/// The number in a word, as kstrtoul(9) reads it with base 0, cut to 32 bits. Not a number: `EINVAL`; too large for a
/// pid: `EPERM`.
fn pid(word: &[u8]) -> Result<u32> {
    let invalid = Error::new(Errno::EINVAL);
    if word.len() > WORD {
        return Err(invalid);
    }
    let digits = word.strip_prefix(b"+").unwrap_or(word);
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, rest)
        }
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    if digits.is_empty() {
        return Err(invalid);
    }
    let mut number = 0u64;
    for byte in digits {
        let digit = char::from(*byte).to_digit(base).ok_or(invalid.clone())?;
        number = number
            .checked_mul(base.into())
            .and_then(|n| n.checked_add(digit.into()))
            .ok_or(invalid.clone())?;
    }
    match number as u32 {
        pid if pid < END => Ok(pid),
        _ => Err(Error::new(Errno::EPERM)),
    }
}

impl TraceArray {
    /// Writes a list of pids: they are added to those there are, all or none of them. Returns the bytes taken, which ends
    /// at a word that a NUL makes empty.
    pub fn write_pids(&self, file: PidFile, input: &[u8]) -> Result<usize> {
        let (mut taken, mut pids) = (0, Vec::new());
        loop {
            match parse::word(&input[taken..]) {
                None => {
                    taken = input.len();
                    break;
                }
                Some((b"", n)) => {
                    taken += n;
                    break;
                }
                Some((word, n)) => {
                    pids.push(pid(word)?);
                    taken += n;
                }
            }
        }
        let one = self.changing_pids().lock();
        let slot = &self.pids().lists[file as usize];
        let list = slot.load(Ordering::Acquire);
        if list.is_null() {
            if !pids.is_empty() {
                let list = Box::<PidList>::default();
                list.add(&pids);
                slot.store(Box::into_raw(list), Ordering::Release);
            }
        } else {
            // SAFETY: replaced under the lock only
            let list = unsafe { &*list };
            list.add(&pids);
            if list.is_empty() {
                // all its tasks have ended, and nobody else came
                self.unset(slot);
            }
        }
        self.pids_changed();
        drop(one);
        Ok(taken)
    }

    /// Forgets a list: it lets all tasks pass again.
    pub fn clear_pids(&self, file: PidFile) {
        let _one = self.changing_pids().lock();
        self.unset(&self.pids().lists[file as usize]);
        self.pids_changed();
    }

    fn unset(&self, slot: &AtomicPtr<PidList>) {
        let list = slot.swap(ptr::null_mut(), Ordering::AcqRel);
        if !list.is_null() {
            let mut garbage = Garbage::new();
            // SAFETY: from a box, and nobody finds it any more; who looks at it still is waited for
            garbage.add(unsafe { Box::from_raw(list) });
            garbage.retire();
        }
    }

    /// The lowest pid of a list from `from` on.
    pub fn next_pid(&self, file: PidFile, from: u32) -> Option<u32> {
        self.pids().with(file, |list| list.next(from)).flatten()
    }

    /// Sets or clears the option event-fork's effect.
    pub(super) fn follow_forks(&self, me: &Weak<TraceArray>, on: bool) -> Result<()> {
        let mut following = self.following().lock();
        let mut changes = Changes::new();
        if !on {
            for file in following.drain(..) {
                file.set_enabled(false, &mut changes)?;
            }
            return changes.commit();
        }
        if !following.is_empty() {
            return Ok(());
        }
        for name in ["sched_process_fork", "sched_process_free"] {
            let Some(event) = self.registry().find("sched", name) else {
                continue;
            };
            let Some(follow) = Follow::of(event) else {
                continue;
            };
            let file = Arc::new(EventFile::follower(event.clone(), me.clone(), self, follow));
            file.set_enabled(true, &mut changes)?;
            following.push(file);
        }
        changes.commit()
    }
}

/// Event files that follow tasks, while event-fork is on.
pub(super) type Following = Mutex<Vec<Arc<EventFile>>>;

#[cfg(all(test, feature = "std"))]
mod tests;
