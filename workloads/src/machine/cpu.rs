//! What a CPU's thread does: polls tasks, serves interrupts, switches.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BinaryHeap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use super::sleep::Timer;
use super::task::{Green, state};
use super::{Cpu, Machine, Request, process};
use crate::events::flags;
use crate::events::sched::{
    trace_sched_migrate_task, trace_sched_process_free, trace_sched_switch,
};
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
    pub timers: RefCell<BinaryHeap<Timer>>,
    /// Interrupt bits of the flags that events carry at the moment.
    interrupt: Cell<u8>,
}

thread_local! {
    static LOCAL: OnceCell<Rc<Local>> = const { OnceCell::new() };
}

/// The CPU that polls the calling task. Only tasks of a machine ask.
pub(super) fn local() -> Rc<Local> {
    LOCAL.with(|local| local.get().expect("called by a task of a machine").clone())
}

/// Index of the calling thread's CPU; `None` for threads that are no CPU of a machine.
pub(crate) fn this_cpu() -> Option<usize> {
    LOCAL.with(|local| local.get().map(|local| local.index))
}

/// Lets `emit` fire an event with interrupts off and `depth` reasons not to be preempted. On a thread that is no CPU of a
/// machine these are not known, and it just fires.
pub(crate) fn atomically(depth: u8, emit: impl FnOnce()) {
    match LOCAL.with(|local| local.get().cloned()) {
        Some(local) => local.atomically(depth, emit),
        None => emit(),
    }
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
        timers: RefCell::default(),
        interrupt: Cell::new(0),
    });
    let _ = LOCAL.with(|slot| slot.set(local.clone()));
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

    /// Runs `work` as if `task` had the CPU.
    pub fn as_task(&self, task: &Arc<Green>, work: impl FnOnce()) {
        let before = (
            self.current.replace(task.clone()),
            self.interrupt.replace(0),
        );
        task.ctx.run(work);
        self.current.replace(before.0);
        self.interrupt.set(before.1);
    }

    pub fn need_resched(&self) -> bool {
        self.cpu().need_resched.load(Ordering::SeqCst)
    }

    /// Lets `emit` fire an event with interrupts off and `depth` reasons not to be preempted.
    pub fn atomically(&self, depth: u8, emit: impl FnOnce()) {
        let current = self.current.borrow();
        let resched = if self.need_resched() {
            flags::NEED_RESCHED | flags::PREEMPT_RESCHED
        } else {
            0
        };
        let idle = u8::from(current.is_idle());
        current.ctx.set_flags(
            flags::IRQS_OFF | self.interrupt.get() | resched,
            depth + idle,
        );
        emit();
        current.ctx.set_flags(0, 0);
    }

    /// Runs `handler` in interrupt context.
    fn in_interrupt(&self, kind: u8, handler: impl FnOnce()) {
        let before = self.interrupt.replace(kind);
        handler();
        self.interrupt.set(before);
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
        let mut context = Context::from_waker(Waker::noop());
        let polled =
            std::panic::catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(&mut context)));
        task.put_body(body);
        match polled {
            Ok(Poll::Pending) => self.schedule(task, self.leave.get()),
            Ok(Poll::Ready(code)) => process::exit(self, task, code << 8),
            Err(_) => {
                log::error!("a task of the sched workload panicked and was ended");
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
        queue.account(now);
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
                0 => prev.state.load(Ordering::SeqCst),
                exit_state => exit_state,
            };
        } else if !prev.is_idle() {
            queue.put_back(prev.clone());
            if leave == Leave::Preempt {
                report = state::REPORT_PREEMPTED;
            }
        }
        let next = queue.pick(&cpu.idle, now);
        if Arc::ptr_eq(prev, &next) {
            return;
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

    /// Serves timers and the requests of other CPUs, and looks whether the slice is over.
    pub fn interrupts(&self) {
        if self.cpu().interrupted.swap(false, Ordering::SeqCst) {
            self.in_interrupt(flags::HARDIRQ, || self.serve_requests());
        }
        let now = now_ns();
        if self
            .timers
            .borrow()
            .peek()
            .is_some_and(|timer| timer.at <= now)
        {
            self.in_interrupt(flags::HARDIRQ, || self.serve_timers(now));
        }
        self.tick(now);
    }

    /// The tick: ends the slice of the running task, and sends for a CPU that has nothing to do while tasks wait here.
    fn tick(&self, now: u64) {
        let cpu = self.cpu();
        if cpu.load.load(Ordering::SeqCst) < 2 {
            return;
        }
        let mut queue = cpu.queue.lock();
        queue.account(now);
        if queue.slice_is_over() {
            cpu.need_resched.store(true, Ordering::SeqCst);
        }
        let waiting = queue.waiting();
        drop(queue);
        if waiting > 0
            && let Some(idle) = self.machine.cpus.iter().find(|cpu| cpu.is_free())
            && !idle.called.swap(true, Ordering::SeqCst)
        {
            idle.ring();
        }
    }

    fn serve_timers(&self, now: u64) {
        loop {
            let due = {
                let mut timers = self.timers.borrow_mut();
                if timers.peek().is_none_or(|timer| timer.at > now) {
                    return;
                }
                timers.pop()
            };
            if let Some(task) = due.and_then(|timer| timer.expire()) {
                self.wake(&task, 0);
            }
        }
    }

    fn serve_requests(&self) {
        let requests = std::mem::take(&mut *self.cpu().requests.lock());
        for request in requests {
            match request {
                Request::Activate(task) => self.activate_here(task),
                Request::Wake(task) => {
                    self.wake(&task, 0);
                }
                Request::Boot(session, comm, body) => process::boot(self, session, comm, body),
                Request::Kill(session) => process::kill(self, &session),
            }
        }
    }

    /// The idle task's turn: waits for work and switches to it. False when the machine is switched off.
    fn idle(&self) -> bool {
        let cpu = self.cpu();
        let bell = cpu.bell.load(Ordering::SeqCst);
        self.interrupts();
        cpu.called.store(false, Ordering::SeqCst);
        if cpu.is_idle() {
            self.in_interrupt(flags::SOFTIRQ, || self.pull(true));
        }
        if !cpu.is_idle() {
            self.schedule(&cpu.idle, Leave::Schedule);
        } else if self.machine.stop.load(Ordering::SeqCst) {
            return false;
        } else {
            let next_timer = self.timers.borrow().peek().map(|timer| timer.at);
            futex::wait(&cpu.bell, bell, next_timer);
        }
        true
    }

    /// Takes a waiting task from the busiest CPU.
    fn pull(&self, in_softirq: bool) {
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
