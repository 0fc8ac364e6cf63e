//! A machine of green tasks on virtual CPUs that are the real CPUs.
//!
//! One OS thread is pinned to every CPU of the process's allowed set. It takes tasks (futures) from its run queue and
//! polls them; a task goes on until it sleeps, ends, or, at a point of its own choosing, finds that its slice is over or
//! that a more urgent task was woken. An idle CPU takes a waiting task from the busiest queue, else its thread sleeps in
//! futex(2) until a timer is due or another CPU has something for it. What each step does is reported by the event that
//! Linux has for it, on the CPU where it happens, as the task that does it.
//!
//! Context of the events, as the kernel has it: devices, timers and requests of other CPUs are served in hard interrupt
//! context, between two steps of a task or of the idle task, and soft interrupts right after them; the preemption depth
//! counts the locks held, one more for a waker, which must not be moved, and one more for the idle task.
//!
//! What a kernel has for those who write drivers is here, too, under its own names: interrupt lines, soft interrupts, tasklets,
//! polling, timers of both kinds, work queues with their workers, wait queues. The machine itself uses them: a
//! sleeping task has armed a timer of high resolution, and so have the tick and the end of a slice.
//!
//! Locks, in this order: a worker pool's, a work queue's, a wait queue's or pipe's, the task list's, a task's wake lock, a
//! run queue's, a timer's, that of a CPU's timers. No two of a kind at once.

mod callback;
mod channel;
mod context;
mod cpu;
mod hrtimer;
mod irq;
mod irq_poll;
mod itimer;
#[cfg(test)]
mod kernel_tests;
mod pool;
mod process;
mod queue;
mod sleep;
mod softirq;
mod task;
mod tasklet;
#[cfg(test)]
mod tests;
mod tick;
mod timer;
mod wait;
mod wake;
mod wheel;
mod workqueue;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::Mutex;

pub(crate) use channel::pipe;
pub(crate) use context::{atomically, locked};
pub(crate) use cpu::{current_cpu, this_cpu};
pub(crate) use hrtimer::{Again, Hrtimer, Mode};
pub(crate) use irq::{Irq, IrqReturn, request_irq};
pub(crate) use irq_poll::IrqPoll;
pub(crate) use itimer::Itimer;
pub(crate) use process::{
    exec, fork, has_zombie, set_prio, sleep_for_child_until, thread, wait_any, wait_pid,
};
pub(crate) use sleep::{compute, sleep, sleep_on_io};
pub(crate) use softirq::{SoftIrq, raise_softirq, with_bh_disabled};
pub use task::{Body, DEFAULT_PRIO, Green, Session, state};
pub(crate) use tasklet::Tasklet;
pub(crate) use timer::{HZ, Timer, jiffies, nsecs_to_jiffies};
pub(crate) use wait::WaitQueue;
pub(crate) use workqueue::{
    DelayedWork, WQ_BOUND, WQ_HIGHPRI, WQ_UNBOUND, Work, WorkFuture, Workqueue, queue_work,
    queue_work_on,
};

use crate::futex::{self, now_ns};
use pool::Pool;
use process::TaskList;
use queue::RunQueue;
use task::{Group, Kind};
use wheel::Wheel;

/// Slice of a fair task on one CPU, ns; grows with the number of CPUs as the kernel's `base_slice_ns` does.
const BASE_SLICE_NS: u64 = 700_000;

/// What other threads share of a CPU.
pub(crate) struct Cpu {
    /// Its real number.
    pub number: u32,
    queue: Mutex<RunQueue>,
    /// Tasks on its queue and running; a hint for those who do not hold the queue's lock.
    load: AtomicUsize,
    need_resched: AtomicBool,
    /// What others want done on this CPU, in interrupt context.
    requests: Mutex<Vec<Request>>,
    interrupted: AtomicBool,
    /// Its armed timers of high resolution, and when the first of them is due; `u64::MAX` if there is none.
    hrtimers: Mutex<hrtimer::Base>,
    next_event: AtomicU64,
    /// Its pending timers that count in jiffies.
    wheel: Mutex<Wheel>,
    /// Sent for to take over a waiting task, and has not looked yet.
    called: AtomicBool,
    /// Changes with every request; what the idle thread waits on.
    bell: AtomicU32,
    /// BUSY, AWAKE or ASLEEP.
    idling: AtomicU8,
    idle: Arc<Green>,
}

/// A CPU runs a task.
const BUSY: u8 = 0;
/// Its idle task looks around.
const AWAKE: u8 = 1;
/// It waits for the bell.
const ASLEEP: u8 = 2;

/// What a CPU was doing when its bell rang.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rung {
    /// It ran a task, and looks when that can be interrupted.
    Busy,
    /// It had nothing to do and was about to look.
    Awake,
    /// It was woken.
    Asleep,
}

/// Something to be done on a CPU.
enum Request {
    /// Queue this task, which is in state WAKING.
    Activate(Arc<Green>),
    /// Wake it if it sleeps.
    Wake(Arc<Green>),
    /// The first task of a session.
    Boot(Arc<Session>, &'static str, Body),
    Kill(Arc<Session>),
    /// A device wants to be served.
    Device(Arc<irq::Action>),
}

/// The CPUs and the tasks.
pub(crate) struct Machine {
    cpus: Vec<Cpu>,
    tasks: Mutex<TaskList>,
    softirqs: softirq::Actions,
    pools: Vec<Arc<Pool>>,
    /// What the machine's own threads belong to.
    kernel: Arc<Session>,
    /// Changes when the last of them has ended.
    kernel_gone: Arc<AtomicU32>,
    stop: AtomicBool,
}

/// Keeps a machine's threads running; they end when it is dropped, and its users have ended their sessions before.
pub(crate) struct Owner {
    machine: Arc<Machine>,
    threads: Vec<JoinHandle<()>>,
}

impl Owner {
    /// The machine in `slot`, or a new one if nobody uses it.
    pub fn shared(slot: &Mutex<Weak<Owner>>) -> io::Result<Arc<Owner>> {
        let mut slot = slot.lock();
        if let Some(owner) = slot.upgrade() {
            return Ok(owner);
        }
        let owner = Arc::new(Owner::new(&allowed_cpus()?)?);
        *slot = Arc::downgrade(&owner);
        Ok(owner)
    }

    fn new(numbers: &[u32]) -> io::Result<Owner> {
        let slice = BASE_SLICE_NS * u64::from(1 + numbers.len().clamp(1, 8).ilog2());
        let cpus = numbers
            .iter()
            .map(|number| Cpu::new(*number, slice))
            .collect();
        let tasks = Mutex::new(TaskList::new());
        let kernel_gone = Arc::new(AtomicU32::new(0));
        let gone = kernel_gone.clone();
        let machine = Arc::new(Machine {
            cpus,
            tasks,
            softirqs: softirq::Actions::default(),
            pools: pool::pools(numbers),
            kernel: Arc::new(Session::new(Box::new(move || futex::poke(&gone)))),
            kernel_gone,
            stop: AtomicBool::new(false),
        });
        let mut owner = Owner {
            machine: machine.clone(),
            threads: Vec::new(),
        };
        for (index, number) in numbers.iter().enumerate() {
            let machine = machine.clone();
            let (ready, pinned) = std::sync::mpsc::channel();
            let body = move || {
                let result = pin(machine.cpus[index].number);
                let failed = result.is_err();
                let _ = ready.send(result);
                if !failed {
                    crate::signals::block();
                    cpu::run(machine, index);
                }
            };
            // If this fails, dropping `owner` ends the threads made so far.
            owner.threads.push(
                std::thread::Builder::new()
                    .name(format!("sched/{number}"))
                    .spawn(body)?,
            );
            pinned
                .recv()
                .unwrap_or_else(|_| Err(io::Error::other("a CPU's thread ended early")))?;
        }
        Ok(owner)
    }

    /// Starts a task without a parent; `on_empty` is called when it and all that came from it are gone.
    pub fn boot(
        &self,
        comm: &'static str,
        body: Body,
        on_empty: Box<dyn Fn() + Send + Sync>,
    ) -> Arc<Session> {
        let session = Arc::new(Session::new(on_empty));
        session.task_made();
        self.machine.cpus[0].request(Request::Boot(session.clone(), comm, body));
        session
    }

    /// Ends all tasks of a session; its `on_empty` is called when they are gone.
    pub fn kill(&self, session: &Arc<Session>) {
        session.kill();
        self.machine.cpus[0].request(Request::Kill(session.clone()));
    }

    /// Wakes the first task of a session if it sleeps.
    pub fn wake_first(&self, session: &Arc<Session>) {
        if let Some(task) = self.machine.tasks.lock().first_of(session) {
            self.machine.cpus[0].request(Request::Wake(task));
        }
    }

    /// Runs a task and waits until it and all that came from it are gone.
    pub fn run_to_end(&self, comm: &'static str, body: Body) {
        let gone = Arc::new(AtomicU32::new(0));
        let on_empty = {
            let gone = gone.clone();
            Box::new(move || futex::poke(&gone))
        };
        let session = self.boot(comm, body, on_empty);
        loop {
            let seen = gone.load(Ordering::SeqCst);
            if session.alive() == 0 {
                return;
            }
            futex::wait(&gone, seen, None);
        }
    }

    /// The machine, for those who raise interrupts.
    pub fn machine(&self) -> &Arc<Machine> {
        &self.machine
    }

    /// CPUs of the machine.
    pub fn cpus(&self) -> usize {
        self.machine.cpus.len()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let kernel = &self.machine.kernel;
        kernel.kill();
        self.machine.cpus[0].request(Request::Kill(kernel.clone()));
        loop {
            let gone = self.machine.kernel_gone.load(Ordering::SeqCst);
            if kernel.alive() == 0 {
                break;
            }
            futex::wait(&self.machine.kernel_gone, gone, None);
        }
        self.machine.stop.store(true, Ordering::SeqCst);
        for cpu in &self.machine.cpus {
            cpu.ring();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Machine {
    /// How many CPUs it has.
    pub fn cpu_count(&self) -> usize {
        self.cpus.len()
    }
}

impl Cpu {
    fn new(number: u32, slice: u64) -> Cpu {
        let session = Arc::new(Session::new(Box::new(|| ())));
        let group = Arc::new(Group {
            leader: 0,
            live: AtomicUsize::new(1),
        });
        let idle = Arc::new(Green::new(
            0,
            format!("swapper/{number}").as_bytes(),
            DEFAULT_PRIO,
            session,
            group,
            None,
            Kind::default(),
        ));
        idle.state.store(state::RUNNING, Ordering::SeqCst);
        Cpu {
            number,
            queue: Mutex::new(RunQueue::new(idle.clone(), slice, now_ns())),
            load: AtomicUsize::new(0),
            need_resched: AtomicBool::new(false),
            requests: Mutex::new(Vec::new()),
            interrupted: AtomicBool::new(false),
            hrtimers: Mutex::default(),
            next_event: AtomicU64::new(u64::MAX),
            wheel: Mutex::new(Wheel::new(timer::jiffies())),
            called: AtomicBool::new(false),
            bell: AtomicU32::new(0),
            idling: AtomicU8::new(AWAKE),
            idle,
        }
    }

    fn is_idle(&self) -> bool {
        self.load.load(Ordering::SeqCst) == 0
    }

    /// Idle, and no other CPU has just given it something.
    fn is_free(&self) -> bool {
        self.is_idle() && !self.interrupted.load(Ordering::SeqCst)
    }

    fn request(&self, request: Request) -> Rung {
        self.requests.lock().push(request);
        self.interrupted.store(true, Ordering::SeqCst);
        self.ring()
    }

    /// Makes an idle thread look around.
    fn ring(&self) -> Rung {
        self.bell.fetch_add(1, Ordering::SeqCst);
        match self.idling.load(Ordering::SeqCst) {
            BUSY => Rung::Busy,
            AWAKE => Rung::Awake,
            _ => {
                futex::wake(&self.bell);
                Rung::Asleep
            }
        }
    }
}

/// Numbers of the CPUs this process may use.
fn allowed_cpus() -> io::Result<Vec<u32>> {
    let mut mask = [0u64; 128];
    // SAFETY: the kernel writes at most the size given, into a buffer of that size.
    let written = unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            0,
            std::mem::size_of_val(&mask),
            mask.as_mut_ptr(),
        )
    };
    if written < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((0..mask.len() as u32 * 64)
        .filter(|n| mask[*n as usize / 64] >> (n % 64) & 1 == 1)
        .collect())
}

/// Keeps the calling thread on one CPU.
fn pin(number: u32) -> io::Result<()> {
    let mut mask = [0u64; 128];
    mask[number as usize / 64] |= 1 << (number % 64);
    // SAFETY: the kernel reads a buffer of the size given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            0,
            std::mem::size_of_val(&mask),
            mask.as_ptr(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
