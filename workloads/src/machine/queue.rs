//! The run queue of one CPU: real-time tasks by priority, then fair ones by weighted run time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::task::{DEFAULT_PRIO, Green, MAX_RT_PRIO, state};

/// Tasks that wait for one CPU, and the one that has it.
pub(super) struct RunQueue {
    real_time: BTreeMap<i32, VecDeque<Arc<Green>>>,
    /// Keyed by (weighted run time, order of arrival).
    fair: BTreeMap<(i64, u64), Arc<Green>>,
    arrivals: u64,
    /// Never runs backwards; what a newcomer's run time is counted from.
    min_vruntime: i64,
    pub current: Arc<Green>,
    /// When `current`'s time was last added up, and what it has used of its slice since it got the CPU, ns.
    since: u64,
    used: u64,
    slice: u64,
}

impl RunQueue {
    pub fn new(idle: Arc<Green>, slice: u64, now: u64) -> RunQueue {
        RunQueue {
            real_time: BTreeMap::new(),
            fair: BTreeMap::new(),
            arrivals: 0,
            min_vruntime: 0,
            current: idle,
            since: now,
            used: 0,
            slice,
        }
    }

    /// Whether a task waits that another CPU could take over.
    pub fn has_movable(&self) -> bool {
        let mut all = self.fair.values().chain(self.real_time.values().flatten());
        all.any(is_movable)
    }

    /// Queues a task that was on no queue.
    pub fn enqueue(&mut self, task: Arc<Green>) {
        // What it had too much or too little elsewhere counts for one slice at most.
        let lag = task
            .vruntime
            .load(Ordering::Relaxed)
            .clamp(-(self.slice as i64), self.slice as i64);
        task.vruntime
            .store(self.min_vruntime + lag, Ordering::Relaxed);
        task.on_rq.store(true, Ordering::SeqCst);
        self.queue(task, false);
    }

    /// Queues the task that had the CPU; in front of its equals if it did not use up its slice.
    pub fn put_back(&mut self, task: Arc<Green>) {
        let front = self.used < self.slice;
        self.queue(task, front);
    }

    fn queue(&mut self, task: Arc<Green>, front: bool) {
        let prio = task.prio();
        if prio < MAX_RT_PRIO {
            let level = self.real_time.entry(prio).or_default();
            if front {
                level.push_front(task)
            } else {
                level.push_back(task)
            }
        } else {
            self.arrivals += 1;
            self.fair
                .insert((task.vruntime.load(Ordering::Relaxed), self.arrivals), task);
        }
    }

    /// The running task leaves the queue to sleep or for good.
    pub fn leave(&mut self, task: &Green) {
        task.vruntime
            .fetch_sub(self.min_vruntime, Ordering::Relaxed);
        task.on_rq.store(false, Ordering::SeqCst);
    }

    /// Takes the most urgent task out and makes it the running one; `idle` if none waits.
    pub fn pick(&mut self, idle: &Arc<Green>, now: u64) -> Arc<Green> {
        let next = self.pop_urgent().unwrap_or_else(|| idle.clone());
        (self.since, self.used) = (now, 0);
        self.current = next.clone();
        next
    }

    fn pop_urgent(&mut self) -> Option<Arc<Green>> {
        if let Some(mut level) = self.real_time.first_entry() {
            let task = level.get_mut().pop_front();
            if level.get().is_empty() {
                level.remove();
            }
            return task;
        }
        let task = self.fair.pop_first()?.1;
        self.min_vruntime = self.min_vruntime.max(task.vruntime.load(Ordering::Relaxed));
        Some(task)
    }

    /// Takes out the task that would run last, for a CPU with nothing to do. It is then on no queue, its run time relative.
    pub fn steal(&mut self) -> Option<Arc<Green>> {
        let fair = self.fair.iter().rev().find(|(_, task)| is_movable(task));
        let task = match fair.map(|(key, _)| *key) {
            Some(key) => self.fair.remove(&key)?,
            None => {
                let mut levels = self.real_time.iter_mut().rev();
                let (prio, level) = levels.find(|(_, level)| level.iter().any(is_movable))?;
                let (prio, place) = (*prio, level.iter().rposition(is_movable)?);
                let task = level.remove(place)?;
                if level.is_empty() {
                    self.real_time.remove(&prio);
                }
                task
            }
        };
        self.leave(&task);
        Some(task)
    }

    /// Adds the time since the last look to the running task; returns that time.
    pub fn account(&mut self, now: u64) -> u64 {
        let ran = now.saturating_sub(self.since);
        self.since = now;
        let current = &self.current;
        if current.is_idle() {
            return 0;
        }
        self.used += ran;
        current.runtime.fetch_add(ran, Ordering::Relaxed);
        let weighted = (ran as u128 * 1024 / weight(current.prio()) as u128) as i64;
        let vruntime = current.vruntime.fetch_add(weighted, Ordering::Relaxed) + weighted;
        if current.prio() >= MAX_RT_PRIO {
            let first = self
                .fair
                .first_key_value()
                .map_or(vruntime, |((first, _), _)| vruntime.min(*first));
            self.min_vruntime = self.min_vruntime.max(first);
        }
        ran
    }

    /// Whether the running task has had its slice while a task that may follow it waits.
    pub fn slice_is_over(&self) -> bool {
        self.used >= self.slice && self.has_rivals()
    }

    /// When that will be so. `None`: nobody waits who would run then.
    pub fn slice_end(&self) -> Option<u64> {
        self.has_rivals()
            .then(|| self.since + self.slice.saturating_sub(self.used))
    }

    fn has_rivals(&self) -> bool {
        if self.current.is_idle() {
            false
        } else if self.current.prio() < MAX_RT_PRIO {
            self.real_time.contains_key(&self.current.prio())
        } else {
            !self.fair.is_empty()
        }
    }

    /// Whether `woken` must not wait for the running task's slice to end.
    pub fn preempts(&self, woken: &Green) -> bool {
        let current = &self.current;
        if current.is_idle() || woken.prio() < current.prio() {
            return true;
        }
        let due = |task: &Green| task.vruntime.load(Ordering::Relaxed);
        woken.prio() >= MAX_RT_PRIO && due(woken) + (self.slice as i64) < due(current)
    }
}

/// Whether another CPU may take a waiting task over. Not one that was preempted on its way to sleep: who wakes it must find it
/// either on a queue or asleep, and while it is taken over it is neither.
fn is_movable(task: &Arc<Green>) -> bool {
    task.kind.pinned.is_none() && task.state.load(Ordering::SeqCst) == state::RUNNING
}

/// A fair task's share: a fourth more with every nice level (sched(7)); 1024 at nice 0.
fn weight(prio: i32) -> u64 {
    let nice = (prio - DEFAULT_PRIO).clamp(-20, 19);
    let mut weight = 1024.0f64;
    for _ in 0..nice.unsigned_abs() {
        weight *= if nice < 0 { 1.25 } else { 0.8 };
    }
    weight as u64
}

#[cfg(test)]
mod tests {
    use super::super::task::{Group, Kind, Session};
    use super::*;

    const SLICE: u64 = 1000;

    fn task(pid: i32, prio: i32) -> Arc<Green> {
        let group = Arc::new(Group {
            leader: pid,
            live: 1.into(),
        });
        let session = Arc::new(Session::new(Box::new(|| ())));
        let task = Green::new(pid, b"t", prio, session, group, None, Kind::default());
        task.state.store(state::RUNNING, Ordering::SeqCst);
        Arc::new(task)
    }

    fn queue() -> (RunQueue, Arc<Green>) {
        let idle = task(0, DEFAULT_PRIO);
        (RunQueue::new(idle.clone(), SLICE, 0), idle)
    }

    /// The order in which tasks of these (pid, prio) get the CPU when each runs `run` ns per turn, for 8 turns.
    fn order(tasks: &[(i32, i32)], run: u64) -> Vec<i32> {
        let (mut queue, idle) = queue();
        for (pid, prio) in tasks {
            queue.enqueue(task(*pid, *prio));
        }
        let mut now = 0;
        (0..8)
            .map(|_| {
                let next = queue.pick(&idle, now);
                now += run;
                queue.account(now);
                if !next.is_idle() {
                    queue.put_back(next.clone());
                }
                next.pid()
            })
            .collect()
    }

    #[test]
    fn turns() {
        let check = |tasks: &[_], run, expected: [i32; 8]| {
            assert_eq!(order(tasks, run), expected, "{tasks:?}")
        };
        check(&[], SLICE, [0; 8]);
        check(&[(1, 120)], SLICE, [1; 8]);
        check(&[(1, 120), (2, 120)], SLICE, [1, 2, 1, 2, 1, 2, 1, 2]);
        check(
            &[(1, 120), (2, 120), (3, 120)],
            SLICE,
            [1, 2, 3, 1, 2, 3, 1, 2],
        );
        // Real time comes first, equals take turns; one that did not use its slice goes on.
        check(
            &[(1, 120), (2, 50), (3, 50)],
            SLICE,
            [2, 3, 2, 3, 2, 3, 2, 3],
        );
        check(&[(1, 50), (2, 50)], SLICE / 2, [1; 8]);
        check(&[(1, 60), (2, 50)], SLICE, [2; 8]);
        // A quarter more per level: nice 3 gets about half of what nice 0 gets, nice 6 a quarter.
        check(&[(1, 120), (2, 123)], SLICE, [1, 2, 1, 2, 1, 1, 2, 1]);
        check(&[(1, 120), (2, 126)], SLICE, [1, 2, 1, 1, 1, 2, 1, 1]);
    }

    #[test]
    fn slices_and_preemption() {
        let (mut queue, idle) = queue();
        assert!(queue.preempts(&task(9, 139)), "idle yields to all");
        let first = task(1, 120);
        queue.enqueue(first.clone());
        assert!(queue.has_movable());
        queue.pick(&idle, 0);
        assert!(!queue.has_movable());
        queue.account(5 * SLICE);
        assert!(!queue.slice_is_over(), "nobody waits");
        queue.enqueue(task(2, 120));
        assert!(queue.slice_is_over());
        let equal = task(3, 120);
        queue.enqueue(equal.clone());
        assert!(!queue.preempts(&equal));
        assert!(queue.preempts(&task(3, 119)));
        assert!(queue.preempts(&task(3, 10)));
        let starved = task(3, 120);
        starved
            .vruntime
            .store(queue.min_vruntime - 10 * SLICE as i64, Ordering::Relaxed);
        assert!(queue.preempts(&starved));
        assert_eq!(first.runtime.load(Ordering::Relaxed), 5 * SLICE);
    }

    #[test]
    fn stealing_takes_the_last() {
        let (mut queue, _idle) = queue();
        assert!(queue.steal().is_none());
        for (pid, prio) in [(1, 50), (2, 120), (3, 120)] {
            queue.enqueue(task(pid, prio));
        }
        let stolen: Vec<i32> = std::iter::from_fn(|| queue.steal())
            .map(|t| t.pid())
            .collect();
        assert_eq!(stolen, [3, 2, 1]);
        assert!(!queue.has_movable());
        // preempted on its way to sleep
        for prio in [50, 120] {
            let drowsy = task(4, prio);
            drowsy.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
            queue.enqueue(drowsy);
        }
        assert!(!queue.has_movable() && queue.steal().is_none());
    }
}
