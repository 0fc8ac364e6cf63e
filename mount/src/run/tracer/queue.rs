//! What has been seen and not told yet: put in the order of time, and completed with what only the order shows.

use super::super::wire::{Kind, Known, Record, Sent, Wants, What, Who};
use super::names::Names;
use crate::proc;
use std::collections::HashMap;

mod others;
#[cfg(test)]
mod tests;

/// prev_state of sched_switch (include/linux/sched.h): asleep, and nothing tells whether interruptibly (S|D).
const ASLEEP: u32 = 3;
/// … stopped by a signal.
const STOPPED: u32 = 4;
/// … stopped by its tracer.
const TRACED: u32 = 8;
/// … preempted.
const PREEMPTED: u32 = 0x100;

/// Something that has been seen.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// A task stands still; nothing else has happened.
    Stop,
    /// As it is.
    Plain(What),
    /// The task has made another, as ptrace tells it.
    Made {
        child: i32,
        flags: Option<u64>,
        oom: i16,
    },
    /// The same as perf tells it.
    Forked { child: i32, tgid: i32 },
    /// The task goes on as another program, of this name unless perf tells it; it was the thread `old`.
    Exec {
        filename: Vec<u8>,
        old: i32,
        comm: Option<[u8; 16]>,
    },
    /// The task has another name, that of a program?
    Renamed { comm: [u8; 16], exec: bool },
    /// The task begins to wait.
    Waits { pid: i32 },
    /// The task sends a signal.
    Sends {
        sig: i32,
        errno: i32,
        code: i32,
        to: i32,
        group: bool,
        result: Sent,
    },
    /// The task ends.
    Ends,
    /// The task has ended, which nobody wants to know: its name is of no use any more.
    Gone,
    /// The task leaves its CPU.
    Out { preempt: bool },
    /// The task comes to a CPU.
    In,
    /// A switch or a wake-up with all that there is to know of it. The task is the one that was running, of this process if that is
    /// known (else -1).
    Seen { tgid: i32, what: What },
}

/// A fact, when, where and whose.
#[derive(Clone, Debug)]
pub struct Item {
    /// CLOCK_MONOTONIC.
    pub time: u64,
    /// The CPU, if known.
    pub cpu: Option<u32>,
    /// Where in the program.
    pub ip: Option<u64>,
    /// The task.
    pub tid: i32,
    /// It was seen when the task stood still; in a group stop?
    pub stop: Option<bool>,
    /// It is of all tasks of the machine that this is told: perhaps it is none of ours.
    pub anyone: bool,
    /// What.
    pub fact: Fact,
}

/// When a task has left which CPU.
type Left = (u64, Option<u32>);

/// The facts, and what they are told with.
#[derive(Default)]
pub struct Queue {
    items: Vec<Item>,
    /// The tasks' names.
    pub names: Names,
    /// Ended, perhaps not gone.
    ended: Vec<i32>,
    /// The latest time that has been told.
    told: u64,
    /// Tasks that have been told to have left their CPUs: a stop may still be seen of which that was part.
    away: HashMap<i32, Left>,
    /// Some facts are told of all tasks of the machine.
    machine: bool,
    /// Tasks that are gone but have not left their last CPU yet: whoever waited for them may be faster.
    leaving: HashMap<i32, Who>,
}

impl Queue {
    /// Adds a fact.
    pub fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    /// Whether there is anything to tell.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How much.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether somebody has ended who may not be gone.
    pub fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Forgets all tasks.
    pub fn forget_all(&mut self) {
        self.names.clear();
        self.ended.clear();
        self.away.clear();
        self.leaving.clear();
        self.machine = false;
    }

    /// Tells everything up to a time, in order. With perf, what was seen at a stop gets time and CPU of the switch that came with
    /// the stop: it lies close behind what happened, and the look at the stop does not.
    pub fn tell(&mut self, until: u64, perf: bool, wants: &Wants, out: &mut Vec<Record>) {
        self.items.sort_by_key(|i| i.time);
        self.leave_out_others();
        let states = if perf {
            self.at_their_switches()
        } else {
            HashMap::new()
        };
        let later = self.items.partition_point(|i| i.time <= until);
        let rest = self.items.split_off(later);
        let items = std::mem::replace(&mut self.items, rest);
        for (i, item) in items.into_iter().enumerate() {
            for (tid, gone) in item.moves() {
                match gone {
                    true => self.away.insert(tid, (item.time, item.cpu)),
                    false => self.away.remove(&tid),
                };
            }
            let last = item.last_of();
            self.complete(item, states.get(&i).copied(), perf, wants, out);
            if let Some(tid) = last {
                self.leaving.remove(&tid);
                self.names.left(tid);
            }
        }
        self.look_for_gone(until, wants, out);
    }

    /// Puts what was seen at a stop to the switch of that stop. Returns the states of the switches that were such, by place.
    fn at_their_switches(&mut self) -> HashMap<usize, u32> {
        // of each task that has left its CPU and not come back: which item says so, if it has not been told
        let mut away: HashMap<i32, (Option<usize>, Left)> = HashMap::new();
        away.extend(self.away.iter().map(|(tid, left)| (*tid, (None, *left))));
        let mut forks: HashMap<i32, u64> = HashMap::new();
        let mut state_of: HashMap<usize, u32> = HashMap::new();
        let mut order: Vec<(u64, u8)> = Vec::with_capacity(self.items.len());
        for i in 0..self.items.len() {
            let item = &self.items[i];
            let (tid, mut place) = (item.tid, (item.time, 1));
            match (&item.fact, item.stop) {
                (Fact::Out { .. } | Fact::In | Fact::Seen { .. }, _) => {
                    for (tid, gone) in item.moves() {
                        match gone {
                            true => away.insert(tid, (Some(i), (item.time, item.cpu))),
                            false => away.remove(&tid),
                        };
                    }
                }
                (Fact::Forked { child, .. }, _) => {
                    forks.insert(*child, item.time);
                }
                (_, Some(group)) => {
                    if let Some((here, (time, cpu))) = away.get(&tid) {
                        place = (*time, 0);
                        self.items[i].cpu = *cpu;
                        if let Some(here) = here {
                            state_of.insert(*here, if group { STOPPED } else { TRACED });
                        }
                    }
                    if let Fact::Made { child, .. } = &self.items[i].fact
                        && let Some(time) = forks.get(child)
                    {
                        place = (*time, 0);
                    }
                }
                _ => {}
            }
            order.push(place);
        }
        let mut places: Vec<usize> = (0..self.items.len()).collect();
        places.sort_by_key(|i| order[*i]);
        let mut states = HashMap::new();
        let mut sorted = Vec::with_capacity(places.len());
        for (new, old) in places.iter().enumerate() {
            let mut item = self.items[*old].clone();
            item.time = order[*old].0;
            sorted.push(item);
            if let Some(state) = state_of.get(old) {
                states.insert(new, *state);
            }
        }
        self.items = sorted;
        states
    }

    /// Makes records of a fact.
    fn complete(
        &mut self,
        item: Item,
        state: Option<u32>,
        perf: bool,
        wants: &Wants,
        out: &mut Vec<Record>,
    ) {
        let tid = item.tid;
        let time_ns = item.time.max(self.told);
        self.told = time_ns;
        match item.fact {
            Fact::Made { child, .. } | Fact::Forked { child, .. } => {
                self.number_again(child, wants, out);
            }
            // the other threads have ended, if this is not one of them under the first one's number
            Fact::Exec { .. } | Fact::Renamed { exec: true, .. } => {
                self.ended.retain(|e| *e != tid);
                self.names.alone(tid);
            }
            _ => {}
        }
        let mut task = match &item.fact {
            Fact::Seen { tgid, what } => self.passer(tid, *tgid, item.cpu, what),
            _ => self.names.who(tid),
        };
        let names = &mut self.names;
        let mut put = |task: Who, what: What| {
            if !matches!(what.kind(), Kind::SysEnter | Kind::SysExit) && !wants.has(what.kind()) {
                return;
            }
            out.push(Record {
                time_ns,
                cpu: item.cpu,
                ip: item.ip,
                task,
                what,
            });
        };
        match item.fact {
            Fact::Stop => {}
            Fact::Gone => names.forget(tid),
            Fact::Plain(what) | Fact::Seen { what, .. } => put(task, what),
            Fact::Made { child, flags, oom } => {
                if !perf {
                    let thread = flags.map(|f| f & libc::CLONE_THREAD as u64 != 0);
                    let tgid = match thread {
                        Some(true) => task.tgid,
                        Some(false) => child,
                        None => proc::Status::read(child)
                            .and_then(|s| s.tgid())
                            .unwrap_or(-1),
                    };
                    names.born(child, tgid, tid);
                }
                if wants.has(Kind::NewTask) {
                    let what = What::NewTask {
                        pid: child,
                        // it has its maker's until it gets another
                        comm: task.comm,
                        clone_flags: flags.unwrap_or(u64::MAX),
                        oom_score_adj: oom,
                    };
                    put(task, what);
                }
                if !perf {
                    forks(names, task, child, Some(time_ns), &mut put);
                }
            }
            Fact::Forked { child, tgid } => {
                names.born(child, tgid, tid);
                // where the machine is looked at, a tracepoint tells more of the wake-up
                let woken = (!item.anyone).then_some(time_ns);
                forks(names, task, child, woken, &mut put);
            }
            Fact::Exec {
                filename,
                old,
                comm,
            } => {
                if !perf && old != tid {
                    names.take_over(tid, old);
                }
                // the kernel renames first
                if let Some(comm) = comm {
                    rename(names, tid, comm, wants, task, &mut put);
                    task.comm = comm;
                }
                let what = What::Exec {
                    filename,
                    old_pid: old,
                };
                put(task, what);
            }
            Fact::Renamed { comm, .. } => rename(names, tid, comm, wants, task, &mut put),
            Fact::Waits { pid } => {
                let prio = names.known(tid, time_ns).prio;
                put(task, What::Wait { pid, prio });
            }
            Fact::Sends {
                sig,
                errno,
                code,
                to,
                group,
                result,
            } => {
                let what = What::SignalGenerate {
                    sig,
                    errno,
                    code,
                    comm: names.who(to).comm,
                    pid: to,
                    group,
                    result,
                };
                put(task, what);
            }
            Fact::Ends => {
                let group_dead = names.end(tid);
                let prio = names.known(tid, time_ns).prio;
                self.ended.push(tid);
                put(task, What::Exit { prio, group_dead });
            }
            Fact::Out { preempt } => {
                let prev_state = match (state, preempt) {
                    (_, true) => PREEMPTED,
                    (Some(state), _) => state,
                    // perf's last record of a task is its end: the switch after it is not told
                    (None, _) => ASLEEP,
                };
                let what = What::Switch {
                    prev: names.known(tid, time_ns),
                    prev_state,
                    preempt,
                    next: Known::UNKNOWN,
                };
                put(task, what);
            }
            Fact::In => {
                let what = What::Switch {
                    prev: Known::UNKNOWN,
                    prev_state: u32::MAX,
                    preempt: false,
                    next: names.known(tid, time_ns),
                };
                put(Who::UNKNOWN, what);
            }
        }
    }

    /// A new task has this number: whoever had it is gone.
    fn number_again(&mut self, tid: i32, wants: &Wants, out: &mut Vec<Record>) {
        if let Some(at) = self.ended.iter().position(|e| *e == tid) {
            self.ended.swap_remove(at);
            self.gone(tid, self.told, wants, out);
        }
        self.leaving.remove(&tid);
    }

    /// Looks who of the ended is gone.
    fn look_for_gone(&mut self, now: u64, wants: &Wants, out: &mut Vec<Record>) {
        let (gone, ended) = self
            .ended
            .drain(..)
            .partition(|tid| super::super::sys::is_gone(*tid));
        self.ended = ended;
        let gone: Vec<i32> = gone;
        for tid in gone {
            self.gone(tid, now, wants, out);
        }
    }

    fn gone(&mut self, tid: i32, now: u64, wants: &Wants, out: &mut Vec<Record>) {
        if self.machine && wants.has(Kind::Switch) && !self.names.has_left(tid) {
            self.leaving.insert(tid, self.names.who(tid));
        }
        if wants.has(Kind::Free) {
            self.told = self.told.max(now);
            let who = self.names.known(tid, self.told);
            out.push(Record {
                time_ns: self.told,
                cpu: None,
                ip: None,
                task: Who::UNKNOWN,
                what: What::Free { who },
            });
        }
        self.names.forget(tid);
    }
}

/// A task makes another, and wakes it, if that is not told by others.
fn forks(
    names: &mut Names,
    task: Who,
    child: i32,
    woken: Option<u64>,
    put: &mut impl FnMut(Who, What),
) {
    let made = names.who(child);
    put(task, What::Fork { child: made });
    if let Some(time_ns) = woken {
        let what = What::WakeupNew {
            who: names.known(child, time_ns),
            target_cpu: -1,
        };
        put(task, what);
    }
}

fn rename(
    names: &mut Names,
    tid: i32,
    comm: [u8; 16],
    wants: &Wants,
    task: Who,
    put: &mut impl FnMut(Who, What),
) {
    let oldcomm = names.rename(tid, comm);
    if wants.has(Kind::Rename) {
        let what = What::Rename {
            pid: tid,
            oldcomm,
            newcomm: comm,
            oom_score_adj: proc::oom_score_adj(tid),
        };
        put(task, what);
    }
}
