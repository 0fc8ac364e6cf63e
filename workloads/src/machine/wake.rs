//! Waking a task: choosing its CPU, queueing it there, preempting who runs there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cpu::Local;
use super::task::{Green, state};
use super::{Request, Rung, queue::RunQueue};
use crate::events::sched::{
    trace_sched_migrate_task, trace_sched_wake_idle_without_ipi, trace_sched_wakeup,
    trace_sched_wakeup_new, trace_sched_waking,
};
use crate::futex::now_ns;

impl Local {
    /// Wakes `task` if it sleeps, and says whether it did. `held`: locks that the caller holds.
    pub fn wake(&self, task: &Arc<Green>, held: u8) -> bool {
        // From here on not preempted, and the wake lock is held.
        let depth = held + 2;
        let waking = task.wake_lock.lock();
        if !task.is_asleep() {
            return false;
        }
        self.atomically(depth, || trace_sched_waking(task, self.number_of(task)));
        let home = task.cpu.load(Ordering::SeqCst);
        {
            let queue = self.machine.cpus[home].queue.lock();
            if task.on_rq.load(Ordering::SeqCst) {
                // It has not left its CPU yet and will not.
                task.state.store(state::RUNNING, Ordering::SeqCst);
                self.atomically(depth + 1, || trace_sched_wakeup(task, self.number_of(task)));
                drop(queue);
                return true;
            }
        }
        // Asleep on no queue: only we, with its wake lock, change its CPU.
        let dest = task.kind.pinned.unwrap_or_else(|| self.choose(home));
        if dest != home {
            self.atomically(depth, || {
                trace_sched_migrate_task(task, self.number_of(task), self.machine.cpus[dest].number)
            });
            task.cpu.store(dest, Ordering::SeqCst);
        }
        let cpu = &self.machine.cpus[dest];
        if dest != self.index && cpu.is_free() {
            // An idle CPU is quicker when it queues the task itself.
            task.state.store(state::WAKING, Ordering::SeqCst);
            drop(waking);
            if cpu.request(Request::Activate(task.clone())) == Rung::Awake {
                let number = cpu.number as i32;
                self.atomically(depth, || trace_sched_wake_idle_without_ipi(number));
            }
            return true;
        }
        let mut queue = cpu.queue.lock();
        let preempts = self.activate(&mut queue, dest, task);
        self.atomically(depth + 1, || trace_sched_wakeup(task, cpu.number));
        drop(queue);
        if preempts && dest != self.index {
            cpu.ring();
        }
        true
    }

    /// Queues a task that another CPU has woken for this one.
    pub fn activate_here(&self, task: Arc<Green>) {
        let mut queue = self.cpu().queue.lock();
        self.activate(&mut queue, self.index, &task);
        self.atomically(1, || trace_sched_wakeup(&task, self.cpu().number));
    }

    /// Queues a new task on the CPU with the least to do. `held`: locks that the caller holds.
    pub fn wake_new(&self, task: &Arc<Green>, held: u8) {
        let load = |index: usize| self.machine.cpus[index].load.load(Ordering::SeqCst);
        let least = (0..self.machine.cpus.len())
            .min_by_key(|i| (load(*i), *i != self.index, *i))
            .unwrap_or(self.index);
        let least = task.kind.pinned.unwrap_or(least);
        task.cpu.store(least, Ordering::SeqCst);
        let cpu = &self.machine.cpus[least];
        let waking = task.wake_lock.lock();
        let mut queue = cpu.queue.lock();
        let preempts = self.activate(&mut queue, least, task);
        self.atomically(held + 2, || trace_sched_wakeup_new(task, cpu.number));
        drop(queue);
        drop(waking);
        if preempts && least != self.index {
            cpu.ring();
        }
    }

    /// Makes `task` runnable on `dest`; says whether it goes before the one that runs there.
    fn activate(&self, queue: &mut RunQueue, dest: usize, task: &Arc<Green>) -> bool {
        let cpu = &self.machine.cpus[dest];
        task.state.store(state::RUNNING, Ordering::SeqCst);
        task.waiting_since.store(now_ns(), Ordering::Relaxed);
        queue.enqueue(task.clone());
        cpu.load.fetch_add(1, Ordering::SeqCst);
        let preempts = queue.preempts(task);
        if preempts {
            cpu.need_resched.store(true, Ordering::SeqCst);
            if dest == self.index {
                self.show_context();
            }
        }
        preempts
    }

    /// Where a task that last ran on `home` is woken: there if that CPU is idle, else on any idle one, else there.
    fn choose(&self, home: usize) -> usize {
        let cpus = &self.machine.cpus;
        if cpus[home].is_free() {
            return home;
        }
        // The waker's neighbours first.
        (0..cpus.len())
            .map(|i| (self.index + i) % cpus.len())
            .find(|i| cpus[*i].is_free())
            .unwrap_or(home)
    }

    /// Real number of the CPU that `task` is on.
    pub fn number_of(&self, task: &Green) -> u32 {
        self.machine.cpus[task.cpu.load(Ordering::SeqCst)].number
    }
}
