//! What a CPU's thread does: polls tasks, serves interrupts, switches.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use super::context::Context as Inside;
use super::queue::RunQueue;
use super::softirq::{Daemon, SoftIrq};
use super::task::{Green, state};
use super::tasklet::Queues;
use super::tick::Tick;
use super::{ASLEEP, AWAKE, BUSY, Cpu, Machine, Request, irq_poll, process};
use crate::events::sched::{
    trace_sched_migrate_task, trace_sched_process_free, trace_sched_stat_runtime,
    trace_sched_switch,
};
use crate::figures::SCHED;
use crate::futex::{self, now_ns};

/// Exit code of a task that was killed, as wait(2) reports SIGKILL.
const KILLED: i32 = libc::SIGKILL;

/// Why a task gives its CPU back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It sleeps or ends; if it was woken meanwhile, or never meant to sleep, it stays runnable: `R`.
    Schedule,
    /// It was about to go on when something more urgent came: `R+`.
    Preempt,
}

/// A CPU as its own thread sees it.
pub(super) struct Local {
    pub machine: Arc<Machine>,
    pub index: usize,
    current: RefCell<Arc<Green>>,
    pub leave: Cell<Leave>,
    pub(super) context: Cell<Inside>,
    /// Soft interrupts that were raised and not served, by their numbers.
    pub(super) pending: Cell<u32>,
    pub(super) daemon: RefCell<Daemon>,
    pub(super) tasklets: RefCell<Queues>,
    pub(super) polled: RefCell<VecDeque<Arc<irq_poll::Inner>>>,
    tick: OnceCell<Tick>,
}

thread_local! {
    static LOCAL: OnceCell<Rc<Local>> = const { OnceCell::new() };
}

/// The CPU that polls the calling task. Only tasks of a machine ask.
pub(super) fn local() -> Rc<Local> {
    LOCAL.with(|local| local.get().expect("called by a task of a machine").clone())
}

/// The CPU of the calling thread, if it is one's.
pub(super) fn local_if_any() -> Option<Rc<Local>> {
    LOCAL.try_with(|local| local.get().cloned()).ok().flatten()
}

/// Index of the calling thread's CPU; `None` for threads that are no CPU of a machine.
pub(crate) fn this_cpu() -> Option<usize> {
    local_if_any().map(|local| local.index)
}

/// Index of the CPU that the caller runs on: a task, or a handler of any kind.
pub(crate) fn current_cpu() -> usize {
    local().index
}

/// The life of a CPU's thread.
pub(super) fn run(machine: Arc<Machine>, index: usize) {
    let idle = machine.cpus[index].idle.clone();
    idle.cpu.store(index, Ordering::SeqCst);
    let local = Rc::new(Local {
        machine,
        index,
        current: RefCell::new(idle),
        leave: Cell::new(Leave::Schedule),
        context: Cell::default(),
        pending: Cell::new(0),
        daemon: RefCell::default(),
        tasklets: RefCell::default(),
        polled: RefCell::default(),
        tick: OnceCell::new(),
    });
    let _ = LOCAL.with(|slot| slot.set(local.clone()));
    local.current().ctx.run(|| {
        local.tick();
    });
    loop {
        let current = local.current();
        let on = current.ctx.run(|| {
            if current.is_idle() {
                return local.idle();
            }
            local.step(&current);
            true
        });
        if !on {
            return;
        }
    }
}

impl Local {
    pub fn cpu(&self) -> &Cpu {
        &self.machine.cpus[self.index]
    }

    pub fn current(&self) -> Arc<Green> {
        self.current.borrow().clone()
    }

    pub fn current_is_idle(&self) -> bool {
        self.current.borrow().is_idle()
    }

    /// This CPU's own timers.
    pub(super) fn tick(&self) -> &Tick {
        self.tick.get_or_init(Tick::new)
    }

    /// Runs `work` as if `task` had the CPU, outside of any interrupt.
    pub fn as_task<R>(&self, task: &Arc<Green>, work: impl FnOnce() -> R) -> R {
        let before = (self.current.replace(task.clone()), self.context.take());
        let result = task.ctx.run(|| {
            self.show_context();
            work()
        });
        self.current.replace(before.0);
        self.context.set(before.1);
        self.show_context();
        result
    }

    pub fn need_resched(&self) -> bool {
        self.cpu().need_resched.load(Ordering::SeqCst)
    }

    /// The task's next stint: until it has to leave the CPU.
    fn step(&self, task: &Arc<Green>) {
        self.interrupts();
        if self.need_resched() {
            return self.schedule(task, Leave::Schedule);
        }
        self.leave.set(Leave::Schedule);
        let Some(mut body) = task.take_body() else {
            debug_assert!(false, "a task without a body got the CPU");
            return process::exit(self, task, KILLED);
        };
        if task.session.killed() {
            task.put_body(body);
            return process::exit(self, task, KILLED);
        }
        if let Some(worker) = &task.kind.worker {
            worker.runs();
        }
        let mut context = Context::from_waker(Waker::noop());
        let polled =
            std::panic::catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(&mut context)));
        task.put_body(body);
        match polled {
            Ok(Poll::Pending) => {
                if let Some(worker) = &task.kind.worker
                    && task.is_asleep()
                {
                    self.worker_sleeps(worker);
                }
                self.schedule(task, self.leave.get())
            }
            Ok(Poll::Ready(code)) => process::exit(self, task, code << 8),
            Err(_) => {
                log::error!("a task of a workload panicked and was ended");
                process::exit(self, task, libc::SIGABRT);
            }
        }
    }

    /// Gives the CPU to the task that deserves it most. Returns to the caller even if that is another one.
    pub fn schedule(&self, prev: &Arc<Green>, leave: Leave) {
        let cpu = self.cpu();
        let asleep =
            |task: &Green| !task.is_idle() && task.state.load(Ordering::SeqCst) != state::RUNNING;
        let stays = |task: &Green| {
            // A task that was killed on its way to sleep does not sleep.
            task.session.killed() && task.state.load(Ordering::SeqCst) != state::DEAD
        };
        if asleep(prev) && cpu.load.load(Ordering::SeqCst) == 1 {
            self.pull(false);
        }
        let now = now_ns();
        let mut queue = cpu.queue.lock();
        self.account_in(&mut queue, now, 2);
        cpu.need_resched.store(false, Ordering::SeqCst);
        let mut report = 0;
        if asleep(prev) && stays(prev) {
            prev.state.store(state::RUNNING, Ordering::SeqCst);
        }
        if leave == Leave::Schedule && asleep(prev) {
            // Whoever wakes it changes the state under this lock, so it cannot be missed.
            queue.leave(prev);
            cpu.load.fetch_sub(1, Ordering::SeqCst);
            report = match prev.exit_state.load(Ordering::SeqCst) {
                0 => match prev.state.load(Ordering::SeqCst) {
                    state::IDLE => state::REPORT_IDLE,
                    other => other,
                },
                exit_state => exit_state,
            };
        } else if !prev.is_idle() {
            prev.waiting_since.store(now, Ordering::Relaxed);
            queue.put_back(prev.clone());
            if leave == Leave::Preempt {
                report = state::REPORT_PREEMPTED;
            }
        }
        let next = queue.pick(&cpu.idle, now);
        let slice_end = queue.slice_end();
        if slice_end.is_some() || self.has_slice_timer() {
            self.set_slice_timer(slice_end);
        }
        if Arc::ptr_eq(prev, &next) {
            return;
        }
        if !next.is_idle() {
            let since = next.waiting_since.load(Ordering::Relaxed);
            let waited = now.saturating_sub(since);
            SCHED.run_delay_ns.add(waited);
            SCHED.waits.add(1);
            #[cfg(test)]
            crate::testing::WAITS.lock().push((next.pid(), waited));
        }
        // With the queue's lock held no interrupt comes, and nobody sees the switch half done.
        self.switch_event(leave == Leave::Preempt, prev, &next, report);
        self.current.replace(next);
        drop(queue);
        if prev.state.load(Ordering::SeqCst) == state::DEAD {
            self.atomically(1, || trace_sched_process_free(prev));
            prev.session.task_gone();
        }
    }

    fn switch_event(&self, preempt: bool, prev: &Green, next: &Green, report: u32) {
        // The idle task's own reason not to be preempted is the one that every other task takes in schedule().
        let depth = if prev.is_idle() { 1 } else { 2 };
        self.atomically(depth, || trace_sched_switch(preempt, prev, next, report));
    }

    /// Serves what has interrupted this CPU: devices, other CPUs, timers. Called where that may be.
    pub fn interrupts(&self) {
        let cpu = self.cpu();
        if cpu.interrupted.swap(false, Ordering::SeqCst) {
            let requests = std::mem::take(&mut *cpu.requests.lock());
            for request in requests {
                self.hard_interrupt(|| self.serve(request));
            }
        }
        let now = now_ns();
        if cpu.next_event.load(Ordering::SeqCst) <= now {
            self.hard_interrupt(|| self.expire_hrtimers(now));
        }
        if cpu.load.load(Ordering::SeqCst) > 1 {
            self.look_at_queue();
        }
    }

    /// Tasks wait here: the running one has a slice now, and a CPU that has nothing to do is sent for.
    fn look_at_queue(&self) {
        let (slice_end, movable) = {
            let queue = self.cpu().queue.lock();
            (queue.slice_end(), queue.has_movable())
        };
        if slice_end.is_some() && !self.has_slice_timer() && !self.need_resched() {
            // As if who has queued them had told this CPU.
            self.in_hardirq(|| self.set_slice_timer(slice_end));
        }
        if movable
            && let Some(idle) = self.machine.cpus.iter().find(|cpu| cpu.is_free())
            && !idle.called.swap(true, Ordering::SeqCst)
        {
            idle.ring();
        }
    }

    fn serve(&self, request: Request) {
        match request {
            Request::Activate(task) => self.activate_here(task),
            Request::Wake(task) => {
                self.wake(&task, 0);
            }
            Request::Boot(session, comm, body) => process::boot(self, session, comm, body),
            Request::Kill(session) => process::kill(self, &session),
            Request::Device(action) => self.serve_device(&action),
        }
    }

    /// Adds up the running task's time.
    pub(super) fn account(&self, now: u64) {
        self.account_in(&mut self.cpu().queue.lock(), now, 1);
    }

    fn account_in(&self, queue: &mut RunQueue, now: u64, depth: u8) {
        let ran = queue.account(now);
        if ran > 0 {
            SCHED.runtime_ns.add(ran);
            self.atomically(depth, || trace_sched_stat_runtime(&queue.current, ran));
        }
    }

    /// The idle task's turn: waits for work and switches to it. False when the machine is switched off.
    fn idle(&self) -> bool {
        let cpu = self.cpu();
        cpu.idling.store(AWAKE, Ordering::SeqCst);
        let bell = cpu.bell.load(Ordering::SeqCst);
        self.interrupts();
        if cpu.called.swap(false, Ordering::SeqCst) && cpu.is_idle() {
            self.hard_interrupt(|| self.raise_softirq(SoftIrq::Sched));
        }
        if !cpu.is_idle() {
            cpu.idling.store(BUSY, Ordering::SeqCst);
            self.restart_tick();
            self.schedule(&cpu.idle, Leave::Schedule);
        } else if self.machine.stop.load(Ordering::SeqCst) {
            self.end_tick();
            return false;
        } else {
            self.stop_tick();
            let next = cpu.next_event.load(Ordering::SeqCst);
            // Whoever rings before this has changed what the wait compares.
            cpu.idling.store(ASLEEP, Ordering::SeqCst);
            futex::wait(&cpu.bell, bell, (next < u64::MAX).then_some(next));
        }
        true
    }

    /// Takes a waiting task from the busiest CPU.
    pub(super) fn pull(&self, in_softirq: bool) {
        let here = self.index;
        let load = |index: usize| self.machine.cpus[index].load.load(Ordering::SeqCst);
        let Some(busiest) = (0..self.machine.cpus.len())
            .filter(|i| *i != here && load(*i) > 1)
            .max_by_key(|i| load(*i))
        else {
            return;
        };
        let from = &self.machine.cpus[busiest];
        let mut queue = from.queue.lock();
        let Some(task) = queue.steal() else { return };
        from.load.fetch_sub(1, Ordering::SeqCst);
        // Locks held: the other queue's; and schedule() itself is not preempted.
        let depth = if in_softirq { 1 } else { 2 };
        self.atomically(depth, || {
            trace_sched_migrate_task(&task, from.number, self.cpu().number)
        });
        task.cpu.store(here, Ordering::SeqCst);
        drop(queue);
        self.cpu().load.fetch_add(1, Ordering::SeqCst);
        self.cpu().queue.lock().enqueue(task);
    }
}
