//! What tasks are called, and whose process's they are: as it was when what is being told happened.

use super::super::wire::{Known, Who};
use crate::proc;
use std::collections::HashMap;

/// After how long a priority is looked at again: nothing tells that it has changed.
const PRIO_HOLDS: u64 = 250_000_000;
/// Tasks that are remembered at most, besides ours.
const OTHERS: usize = 4096;

#[derive(Clone, Copy)]
struct Name {
    tgid: i32,
    comm: [u8; 16],
    prio: i32,
    prio_at: u64,
    ended: bool,
    /// It is the command's process or comes from it.
    ours: bool,
    /// It has ended and left its CPU.
    left: bool,
}

/// The tasks.
#[derive(Default)]
pub struct Names(HashMap<i32, Name>);

impl Names {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// A task of ours that has been found; whether it was not known as such.
    pub fn found(&mut self, tid: i32, tgid: i32) -> bool {
        let name = self.0.entry(tid).or_insert_with(|| look(tid, Some(tgid)));
        !std::mem::replace(&mut name.ours, true)
    }

    /// Forgets all others: nobody told of their new names.
    pub fn forget_others(&mut self) {
        self.0.retain(|_, name| name.ours);
    }

    /// Whether a task is one of ours.
    pub fn is_ours(&self, tid: i32) -> bool {
        self.0.get(&tid).is_some_and(|name| name.ours)
    }

    /// Who is on a CPU that may be anybody: what the idle task does, interrupts have done.
    pub fn passer(&mut self, tid: i32, tgid: i32, cpu: Option<u32>) -> Who {
        if tid == 0 {
            let name = format!("swapper/{}", cpu.unwrap_or_default());
            return Who {
                pid: 0,
                tgid: 0,
                comm: proc::padded(name.as_bytes()),
            };
        }
        if self.0.len() > OTHERS && !self.0.contains_key(&tid) {
            self.forget_others();
        }
        let name = self.0.entry(tid).or_insert_with(|| Name {
            tgid,
            comm: proc::comm(tid).map_or(Known::UNKNOWN.comm, worker),
            prio: -1,
            prio_at: 0,
            ended: false,
            ours: false,
            left: false,
        });
        Who {
            pid: tid,
            // that of one that is ending is not told
            tgid: if tgid > 0 { tgid } else { name.tgid },
            comm: name.comm,
        }
    }

    /// A task that another has made: its name and priority are those of its maker.
    pub fn born(&mut self, child: i32, tgid: i32, maker: i32) {
        let name = *self.get(maker);
        let born = Name {
            tgid,
            ended: false,
            ours: true,
            left: false,
            ..name
        };
        self.0.insert(child, born);
    }

    fn get(&mut self, tid: i32) -> &mut Name {
        self.0.entry(tid).or_insert_with(|| look(tid, None))
    }

    /// A task as a record's own.
    pub fn who(&mut self, tid: i32) -> Who {
        if tid < 0 {
            return Who::UNKNOWN;
        }
        let name = self.get(tid);
        Who {
            pid: tid,
            tgid: name.tgid,
            comm: name.comm,
        }
    }

    /// A task as the scheduler's events have it at this time.
    pub fn known(&mut self, tid: i32, now: u64) -> Known {
        if tid < 0 {
            return Known::UNKNOWN;
        }
        let name = self.get(tid);
        if !name.ended && now.saturating_sub(name.prio_at) > PRIO_HOLDS {
            name.prio_at = now;
            if let Some(stat) = proc::stat(tid) {
                name.prio = stat.prio;
            }
        }
        Known {
            pid: tid,
            comm: name.comm,
            prio: name.prio,
        }
    }

    /// A task gets another name; returns what it was called.
    pub fn rename(&mut self, tid: i32, comm: [u8; 16]) -> [u8; 16] {
        std::mem::replace(&mut self.get(tid).comm, comm)
    }

    /// A task that is none of ours gets another name.
    pub fn renamed(&mut self, tid: i32, comm: [u8; 16]) {
        if let Some(name) = self.0.get_mut(&tid) {
            name.comm = comm;
        }
    }

    /// An exec by the thread `old` of the process `tid`: the thread goes on under the process's number.
    pub fn take_over(&mut self, tid: i32, old: i32) {
        if let Some(name) = self.0.remove(&old) {
            self.0.insert(tid, name);
        }
    }

    /// A task ends; whether it is the last of its process.
    pub fn end(&mut self, tid: i32) -> bool {
        let name = self.get(tid);
        name.ended = true;
        let tgid = name.tgid;
        !self.0.values().any(|n| n.tgid == tgid && !n.ended)
    }

    /// A task that has ended has left its CPU.
    pub fn left(&mut self, tid: i32) {
        if let Some(name) = self.0.get_mut(&tid) {
            name.left = true;
        }
    }

    /// Whether it has.
    pub fn has_left(&self, tid: i32) -> bool {
        self.0.get(&tid).is_some_and(|name| name.left)
    }

    /// A task goes on as the only one of its process: whoever has not ended went under its number.
    pub fn alone(&mut self, tid: i32) {
        let name = self.get(tid);
        (name.ended, name.left) = (false, false);
        let tgid = name.tgid;
        self.0
            .retain(|other, n| n.tgid != tgid || n.ended || *other == tid);
    }

    /// A task is gone.
    pub fn forget(&mut self, tid: i32) {
        self.0.remove(&tid);
    }
}

fn look(tid: i32, tgid: Option<i32>) -> Name {
    let tgid = tgid.or_else(|| proc::Status::read(tid)?.tgid());
    Name {
        tgid: tgid.unwrap_or(-1),
        comm: proc::comm(tid).unwrap_or(Known::UNKNOWN.comm),
        prio: proc::stat(tid).map_or(-1, |s| s.prio),
        prio_at: super::super::sys::now(),
        ended: false,
        ours: false,
        left: false,
    }
}

/// The name of a kernel's worker without what it works for, which /proc appends (`kworker/0:1-events`).
fn worker(mut comm: [u8; 16]) -> [u8; 16] {
    if comm.starts_with(b"kworker/")
        && let Some(colon) = comm.iter().position(|b| *b == b':')
        && let Some(end) = comm[colon..].iter().position(|b| matches!(b, b'-' | b'+'))
    {
        comm[colon + end..].fill(0);
    }
    comm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_what_happens() {
        let me = std::process::id() as i32;
        // above every pid that Linux gives
        let (child, thread) = (1 << 23, (1 << 23) + 1);
        let mut names = Names::default();
        assert_eq!(names.who(child).comm, Known::UNKNOWN.comm);
        assert_eq!(names.who(child).tgid, -1);
        assert_eq!(names.who(-1), Who::UNKNOWN);
        let own = names.who(me);
        assert_eq!((own.pid, own.tgid), (me, me));
        assert_ne!(own.comm, Known::UNKNOWN.comm);

        names.born(child, child, me);
        assert_eq!(names.who(child).comm, own.comm);
        assert_eq!(
            names.rename(child, *b"other\0\0\0\0\0\0\0\0\0\0\0"),
            own.comm
        );
        names.born(thread, child, child);
        assert_eq!(&names.who(thread).comm[..5], b"other");
        assert_eq!(names.known(thread, 0).prio, names.known(me, 0).prio);
        assert!(!names.end(child));
        assert!(names.end(thread));

        assert!(names.is_ours(child) && !names.is_ours(me));
        assert!(names.found(me, me) && names.is_ours(me) && !names.found(me, me));

        names.clear();
        names.born(thread, child, me);
        names.take_over(child, thread);
        assert_eq!(names.who(child).tgid, child);
        assert_eq!(names.who(thread).comm, Known::UNKNOWN.comm);
    }

    #[test]
    fn passers_have_names() {
        let me = std::process::id() as i32;
        let mut names = Names::default();
        let idle = names.passer(0, 0, Some(3));
        assert_eq!(
            (idle.pid, idle.tgid, &idle.comm[..9]),
            (0, 0, &b"swapper/3"[..])
        );
        let own = names.passer(me, -1, None);
        assert_eq!(own.comm, crate::proc::comm(me).unwrap());
        assert!(!names.is_ours(me));
        assert_eq!(names.passer(me, me, None).tgid, me);
        for (given, expected) in [
            ("kworker/0:1-even", "kworker/0:1"),
            ("kworker/u8:2+ext", "kworker/u8:2"),
            ("kworker/1:0H", "kworker/1:0H"),
            ("kworker/R-rcu_g", "kworker/R-rcu_g"),
            ("a:b-c", "a:b-c"),
        ] {
            let name = proc::padded(given.as_bytes());
            assert_eq!(worker(name), proc::padded(expected.as_bytes()), "{given}");
        }
    }
}
