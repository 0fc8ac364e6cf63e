//! Green tasks: futures with a pid, a name, a priority and a family.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use parking_lot::Mutex;
use utracefs::base::task::Task;

use super::pool::Worker;

/// Task states and exit states, with the bits that `prev_state` of sched_switch shows (proc_pid_stat(5) has the letters).
pub mod state {
    /// Running or waiting for a CPU: `R`.
    pub const RUNNING: u32 = 0;
    /// Asleep until woken or killed: `S`.
    pub const INTERRUPTIBLE: u32 = 0x01;
    /// Waits for a device, not for a person: `D`.
    pub const UNINTERRUPTIBLE: u32 = 0x02;
    /// Gone, nobody will ask: `X`.
    pub const EXIT_DEAD: u32 = 0x10;
    /// Gone, the parent has not asked yet: `Z`.
    pub const EXIT_ZOMBIE: u32 = 0x20;
    /// Ended: matches no wake-up.
    pub const DEAD: u32 = 0x80;
    /// What sched_switch says of a task that was taken off its CPU: `R+`.
    pub const REPORT_PREEMPTED: u32 = 0x100;
    /// Asleep as one who is not to be counted as waiting: a worker without work.
    pub const IDLE: u32 = 0x402;
    /// What sched_switch says of that: `I`.
    pub const REPORT_IDLE: u32 = 0x80;
    /// Woken, but its CPU has not queued it yet.
    pub const WAKING: u32 = 0x200;
    /// Made, but never woken.
    pub const NEW: u32 = 0x800;
}

/// Priority of nice 0; 100 to 139 are fair tasks, below are real-time ones (sched(7), as the kernel numbers them).
pub const DEFAULT_PRIO: i32 = 120;
/// Fair tasks begin here.
pub const MAX_RT_PRIO: i32 = 100;
/// Lowest priority.
pub const MIN_PRIO: i32 = 139;

/// What a task does; its result is the exit code.
pub type Body = Pin<Box<dyn Future<Output = i32> + Send>>;

/// What sets a kernel thread apart from other tasks.
#[derive(Default)]
pub(super) struct Kind {
    /// Index of the only CPU that it runs on.
    pub pinned: Option<usize>,
    /// It does the work of work queues.
    pub worker: Option<Arc<Worker>>,
}

/// One green task.
pub struct Green {
    /// The identity that its events carry.
    pub ctx: Task,
    pid: i32,
    prio: AtomicI32,
    /// Written by the task itself before it sleeps, and by its waker under the lock of the queue it is on.
    pub(super) state: AtomicU32,
    /// Zero, EXIT_ZOMBIE or EXIT_DEAD; written under the task list's lock.
    pub(super) exit_state: AtomicU32,
    /// Index of its CPU. Written by its waker while it sleeps, by a stealing CPU while it is on no queue.
    pub(super) cpu: AtomicUsize,
    /// Whether its CPU's queue knows it, running or waiting. Written under that queue's lock.
    pub(super) on_rq: AtomicBool,
    /// One waker at a time.
    pub(super) wake_lock: Mutex<()>,
    /// Weighted run time, ns; relative to the queue's while it is on none. Written under the queue's lock.
    pub(super) vruntime: AtomicI64,
    /// Time on CPU in all, ns.
    pub(super) runtime: AtomicU64,
    /// Since when it waits for its CPU (ns, CLOCK_MONOTONIC), if it does.
    pub(super) waiting_since: AtomicU64,
    /// Also woken by the end of a child, whatever it sleeps for: as by a handler of SIGCHLD.
    pub(super) wants_sigchld: AtomicBool,
    body: Mutex<Option<Body>>,
    pub(super) kind: Kind,
    pub(super) session: Arc<Session>,
    pub(super) group: Arc<Group>,
}

impl Green {
    pub(super) fn new(
        pid: i32,
        comm: &[u8],
        prio: i32,
        session: Arc<Session>,
        group: Arc<Group>,
        body: Option<Body>,
        kind: Kind,
    ) -> Green {
        Green {
            ctx: Task::new(pid, group.leader, comm),
            pid,
            prio: AtomicI32::new(prio),
            state: AtomicU32::new(state::NEW),
            exit_state: AtomicU32::new(0),
            cpu: AtomicUsize::new(0),
            on_rq: AtomicBool::new(false),
            wake_lock: Mutex::new(()),
            vruntime: AtomicI64::new(0),
            runtime: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
            wants_sigchld: AtomicBool::new(false),
            body: Mutex::new(body),
            kind,
            session,
            group,
        }
    }

    /// Its number; 0 for the idle task of any CPU.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its name, NUL-padded.
    pub fn comm(&self) -> [u8; 16] {
        self.ctx.comm()
    }

    /// Its priority, smaller is more urgent.
    pub fn prio(&self) -> i32 {
        self.prio.load(Ordering::Relaxed)
    }

    /// The idle task's number is no other task's.
    pub fn is_idle(&self) -> bool {
        self.pid == 0
    }

    pub(super) fn set_prio(&self, prio: i32) {
        self.prio.store(prio.clamp(0, MIN_PRIO), Ordering::Relaxed);
    }

    pub(super) fn is_asleep(&self) -> bool {
        matches!(
            self.state.load(Ordering::SeqCst),
            state::INTERRUPTIBLE | state::UNINTERRUPTIBLE | state::IDLE
        )
    }

    /// Takes the body out to poll it; `None` once it has ended.
    pub(super) fn take_body(&self) -> Option<Body> {
        self.body.lock().take()
    }

    pub(super) fn put_body(&self, body: Body) {
        *self.body.lock() = Some(body);
    }
}

/// The threads of one process.
pub(super) struct Group {
    /// Its tgid.
    pub leader: i32,
    pub live: AtomicUsize,
}

/// A task started from outside the machine with all its descendants: what ends together.
pub struct Session {
    killed: AtomicBool,
    first: AtomicI32,
    alive: Mutex<usize>,
    /// Told when the last task has left its CPU.
    on_empty: Box<dyn Fn() + Send + Sync>,
}

impl Session {
    pub(super) fn new(on_empty: Box<dyn Fn() + Send + Sync>) -> Session {
        Session {
            killed: AtomicBool::new(false),
            first: AtomicI32::new(0),
            alive: Mutex::new(0),
            on_empty,
        }
    }

    /// Pid of the task that it was started with; 0 before that.
    pub fn first(&self) -> i32 {
        self.first.load(Ordering::SeqCst)
    }

    pub(super) fn set_first(&self, pid: i32) {
        self.first.store(pid, Ordering::SeqCst);
    }

    pub(super) fn kill(&self) {
        let _alive = self.alive.lock();
        self.killed.store(true, Ordering::SeqCst);
    }

    /// Every task of it ends at its next chance.
    pub fn killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    pub(super) fn task_made(&self) {
        *self.alive.lock() += 1;
    }

    /// False, and nothing counted, if all of it is to end. Whoever kills it and then finds nobody alive is the last.
    pub(super) fn task_made_unless_killed(&self) -> bool {
        let mut alive = self.alive.lock();
        let made = !self.killed();
        *alive += usize::from(made);
        made
    }

    pub(super) fn task_gone(&self) {
        let mut alive = self.alive.lock();
        *alive -= 1;
        if *alive == 0 {
            (self.on_empty)();
        }
    }

    /// Tasks that have not left their CPU for the last time.
    pub fn alive(&self) -> usize {
        *self.alive.lock()
    }
}
