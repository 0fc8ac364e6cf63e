//! What is told of all tasks of the machine: which of it is about ours, and who the others are.

use super::super::super::wire::{What, Who};
use super::{Fact, Item, Queue};
use std::collections::HashSet;

/// prev_state of a task that has ended: X, Z.
const ENDED: u32 = 0x30;
/// … of one that sleeps or stands still, for any reason.
const ASLEEP: u32 = 0xff;

impl Item {
    /// Whom this takes from a CPU (`true`: it was not ready to run on) or brings to one.
    pub(super) fn moves(&self) -> impl Iterator<Item = (i32, bool)> + use<> {
        let (one, other) = match &self.fact {
            Fact::Out { preempt } => (Some((self.tid, !preempt)), None),
            Fact::In | Fact::Ends => (Some((self.tid, false)), None),
            Fact::Seen {
                what:
                    What::Switch {
                        prev,
                        prev_state,
                        next,
                        ..
                    },
                ..
            } => (
                Some((prev.pid, prev_state & ASLEEP != 0)),
                Some((next.pid, false)),
            ),
            _ => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// The tasks whose business it is.
    fn concerns(&self) -> [i32; 2] {
        let other = match &self.fact {
            Fact::Seen { what, .. } => match what {
                What::Switch { next, .. } => next.pid,
                What::Waking { who, .. }
                | What::Wakeup { who, .. }
                | What::WakeupNew { who, .. } => who.pid,
                _ => self.tid,
            },
            _ => self.tid,
        };
        [self.tid, other]
    }

    /// Whom it takes from a CPU for ever.
    pub(super) fn last_of(&self) -> Option<i32> {
        match &self.fact {
            Fact::Seen {
                what: What::Switch {
                    prev, prev_state, ..
                },
                ..
            } => (prev_state & ENDED != 0).then_some(prev.pid),
            _ => None,
        }
    }
}

impl Queue {
    /// Takes out what none of ours has to do with. The facts are in the order of time, so that who makes a task comes before it.
    pub(super) fn leave_out_others(&mut self) {
        let mut born = HashSet::new();
        let (names, leaving) = (&mut self.names, &mut self.leaving);
        self.items.retain(|item| {
            let ours =
                |tid: i32| born.contains(&tid) || names.is_ours(tid) || leaving.contains_key(&tid);
            self.machine |= item.anyone;
            if item.anyone && !item.concerns().into_iter().any(ours) {
                match &item.fact {
                    Fact::Forked { child, .. } => names.forget(*child),
                    Fact::Renamed { comm, .. } => names.renamed(item.tid, *comm),
                    _ => {}
                }
                return false;
            }
            if let Fact::Forked { child, .. } | Fact::Made { child, .. } = &item.fact {
                born.insert(*child);
            }
            true
        });
    }

    /// Who was running, with the name that he had.
    pub(super) fn passer(&mut self, tid: i32, tgid: i32, cpu: Option<u32>, what: &What) -> Who {
        let mut task = match self.leaving.get(&tid) {
            Some(who) if !self.names.is_ours(tid) => *who,
            _ => self.names.passer(tid, tgid, cpu),
        };
        if let What::Switch { prev, .. } = what {
            task.comm = prev.comm;
        }
        task
    }
}
