//! The events of interrupts, timers and work queues.

use std::collections::HashMap;

use parking_lot::Mutex;
use utracefs::base::task;

use crate::events::flags::{BH_OFF, HARDIRQ, IRQS_OFF, SOFTIRQ};
use crate::events::{irq, timer, workqueue};
use crate::futex::now_ns;

/// An event with its arguments: numbers and addresses in their order, and the text if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub name: &'static str,
    pub args: Vec<u64>,
    pub text: String,
    pub owner: i32,
    pub comm: String,
    pub cpu: u32,
    pub flags: u8,
    pub depth: u8,
    pub at: u64,
}

trait Argument {
    fn add_to(self, record: &mut Record);
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl Argument for $type {
            fn add_to(self, record: &mut Record) {
                record.args.push(self as u64);
            }
        }
    )* };
}

numbers! { i32 u32 i64 u64 bool }

impl Argument for *mut () {
    fn add_to(self, record: &mut Record) {
        record.args.push(self as usize as u64);
    }
}

impl Argument for (i64, i64) {
    fn add_to(self, record: &mut Record) {
        record.args.extend([self.0 as u64, self.1 as u64]);
    }
}

impl Argument for &str {
    fn add_to(self, record: &mut Record) {
        record.text = self.into();
    }
}

/// In the order of their happening.
static TRACE: Mutex<Vec<Record>> = Mutex::new(Vec::new());

fn record(name: &'static str) -> Record {
    let current = task::current();
    let head = current.head();
    let comm = current.comm();
    let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    // SAFETY: no arguments.
    let cpu = unsafe { libc::sched_getcpu() } as u32;
    Record {
        name,
        args: Vec::new(),
        text: String::new(),
        owner: (head >> 32) as i32,
        comm: String::from_utf8_lossy(comm).into_owned(),
        cpu,
        flags: (head >> 16) as u8,
        depth: (head >> 24) as u8,
        at: now_ns(),
    }
}

macro_rules! with_probes {
    ($($system:ident: $name:ident($($arg:ident: $type:ty),*);)*) => { pastey::paste! {
        mod probes {
            use super::{Argument, TRACE, record};

            $(
                #[allow(clippy::too_many_arguments)] // the event's
                pub fn $name(_: *const (), $($arg: $type),*) {
                    let mut record = record(stringify!($name));
                    $($arg.add_to(&mut record);)*
                    TRACE.lock().push(record);
                }
            )*
        }

        /// The names of all of them.
        pub(crate) const NAMES: &[(&str, &str)] = &[$((stringify!($system), stringify!($name))),*];

        fn register() {
            $($system::[<register_trace_ $name>](probes::$name, std::ptr::null()).unwrap();)*
        }

        fn unregister() {
            $($system::[<unregister_trace_ $name>](probes::$name, std::ptr::null()).unwrap();)*
        }
    } };
}

with_probes! {
    irq: irq_handler_entry(irq: i32, name: &str);
    irq: irq_handler_exit(irq: i32, ret: i32);
    irq: softirq_raise(vec: u32);
    irq: softirq_entry(vec: u32);
    irq: softirq_exit(vec: u32);
    irq: tasklet_entry(tasklet: *mut (), func: *mut ());
    irq: tasklet_exit(tasklet: *mut (), func: *mut ());
    timer: timer_init(timer: *mut ());
    timer: timer_start(timer: *mut (), function: *mut (), expires: u64, bucket_expiry: u64, now: u64, flags: u32);
    timer: timer_cancel(timer: *mut ());
    timer: timer_expire_entry(timer: *mut (), now: u64, function: *mut (), baseclk: u64);
    timer: timer_expire_exit(timer: *mut ());
    timer: timer_base_idle(is_idle: bool, cpu: u32);
    timer: tick_stop(success: i32, dependency: i32);
    timer: hrtimer_setup(hrtimer: *mut (), clockid: i32, mode: u32);
    timer: hrtimer_start(
        hrtimer: *mut (), function: *mut (), expires: i64, softexpires: i64, mode: u32, was_armed: bool
    );
    timer: hrtimer_cancel(hrtimer: *mut ());
    timer: hrtimer_expire_entry(hrtimer: *mut (), now: i64, function: *mut ());
    timer: hrtimer_expire_exit(hrtimer: *mut ());
    timer: itimer_state(which: i32, expires: u64, value: (i64, i64), interval: (i64, i64));
    timer: itimer_expire(which: i32, pid: i32, now: u64);
    workqueue: workqueue_queue_work(work: *mut (), function: *mut (), workqueue: &str, req_cpu: i32, cpu: i32);
    workqueue: workqueue_activate_work(work: *mut (), function: *mut ());
    workqueue: workqueue_execute_start(work: *mut (), function: *mut ());
    workqueue: workqueue_execute_end(work: *mut (), function: *mut ());
}

/// Runs `work` and returns the events that came meanwhile.
pub(crate) fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
    let _alone = super::alone();
    register();
    TRACE.lock().clear();
    let result = work();
    unregister();
    (result, std::mem::take(&mut *TRACE.lock()))
}

/// How often each event came.
#[derive(Default, Debug)]
pub(crate) struct Counts(HashMap<&'static str, usize>);

impl Counts {
    pub fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }
}

/// What the trace has said of a piece of work so far.
#[derive(Default)]
struct Piece {
    queued: bool,
    active: bool,
    running: bool,
    cpu: i32,
}

/// Follows a machine's life from its making to its end: every event is possible where it comes, and nothing is left open.
#[derive(Default)]
struct Follower {
    /// Per CPU: what has begun and not ended, in the order of beginning.
    open: HashMap<u32, Vec<(&'static str, u64)>>,
    /// Per CPU: soft interrupts raised and not served.
    pending: HashMap<u32, u64>,
    /// Timers of both kinds: whether they are started.
    timers: HashMap<u64, bool>,
    work: HashMap<u64, Piece>,
}

/// Checks a trace of the whole life of a machine and counts.
pub(crate) fn follow(trace: &[Record]) -> Counts {
    let mut follower = Follower::default();
    let mut counts = Counts::default();
    for r in trace {
        follower.follow(r);
        *counts.0.entry(r.name).or_default() += 1;
    }
    assert!(
        follower.open.values().all(|open| open.is_empty()),
        "something has no end"
    );
    assert!(
        follower.pending.values().all(|pending| *pending == 0),
        "a softirq was lost"
    );
    assert!(
        follower.timers.values().all(|started| !started),
        "a timer is still started"
    );
    let is_done = |work: &Piece| !work.queued && !work.active && !work.running;
    assert!(follower.work.values().all(is_done), "work was not done");
    counts
}

impl Follower {
    fn begin(&mut self, r: &Record, name: &'static str) {
        let what = r.args[0];
        self.open.entry(r.cpu).or_default().push((name, what));
    }

    fn end(&mut self, r: &Record, name: &'static str) {
        let open = self.open.entry(r.cpu).or_default().pop();
        assert_eq!(open, Some((name, r.args[0])), "{r:?}");
    }

    fn follow(&mut self, r: &Record) {
        let first = r.args[0];
        let interrupt = r.flags & (HARDIRQ | SOFTIRQ);
        match r.name {
            "irq_handler_entry" | "irq_handler_exit" => {
                assert_eq!(r.flags & (HARDIRQ | IRQS_OFF), HARDIRQ | IRQS_OFF, "{r:?}");
                if r.name == "irq_handler_entry" {
                    self.begin(r, "irq");
                } else {
                    self.end(r, "irq");
                }
            }
            "softirq_raise" => {
                assert_ne!(r.flags & IRQS_OFF, 0, "{r:?}");
                *self.pending.entry(r.cpu).or_default() |= 1 << first;
            }
            "softirq_entry" => {
                assert_eq!(
                    (interrupt, r.flags & (IRQS_OFF | BH_OFF)),
                    (SOFTIRQ, 0),
                    "{r:?}"
                );
                let pending = self.pending.entry(r.cpu).or_default();
                assert_ne!(*pending >> first & 1, 0, "nobody has raised it: {r:?}");
                *pending &= !(1 << first);
                self.begin(r, "softirq");
            }
            "softirq_exit" => self.end(r, "softirq"),
            "tasklet_entry" => {
                let open = self.open.entry(r.cpu).or_default().last().copied();
                assert!(matches!(open, Some(("softirq", 0 | 6))), "{r:?}");
                self.begin(r, "tasklet");
            }
            "tasklet_exit" => self.end(r, "tasklet"),
            "timer_init" | "hrtimer_setup" => {
                let started = self.timers.insert(first, false);
                assert_ne!(started, Some(true), "it was started: {r:?}");
            }
            "timer_start" => self.start(r, false),
            "hrtimer_start" => self.start(r, r.args[5] == 1),
            "timer_cancel" | "hrtimer_cancel" => {
                assert_eq!(self.timers.insert(first, false), Some(true), "{r:?}");
            }
            "timer_expire_entry" => {
                assert_eq!(self.timers.get(&first), Some(&false), "{r:?}");
                let open = self.open.entry(r.cpu).or_default().last().copied();
                assert_eq!(open, Some(("softirq", 1)), "{r:?}");
                self.begin(r, "timer");
            }
            "timer_expire_exit" => self.end(r, "timer"),
            "hrtimer_expire_entry" => {
                assert_eq!(self.timers.get(&first), Some(&false), "{r:?}");
                assert_eq!(r.flags & (HARDIRQ | IRQS_OFF), HARDIRQ | IRQS_OFF, "{r:?}");
                self.begin(r, "hrtimer");
            }
            "hrtimer_expire_exit" => self.end(r, "hrtimer"),
            "itimer_state" => {
                assert_eq!((first, interrupt, r.flags), (0, 0, IRQS_OFF), "{r:?}");
            }
            "itimer_expire" => {
                let open = self.open.entry(r.cpu).or_default().last().copied();
                assert!(matches!(open, Some(("hrtimer", _))), "{r:?}");
            }
            "tick_stop" | "timer_base_idle" => assert_eq!((r.owner, interrupt), (0, 0), "{r:?}"),
            _ => self.work(r),
        }
    }

    fn start(&mut self, r: &Record, was_armed: bool) {
        let before = self.timers.insert(r.args[0], true);
        assert_eq!(before, Some(was_armed), "{r:?}");
    }

    fn work(&mut self, r: &Record) {
        let work = self.work.entry(r.args[0]).or_default();
        let expected = (work.queued, work.active);
        match r.name {
            "workqueue_queue_work" => {
                assert_eq!(expected, (false, false), "{r:?}");
                (work.queued, work.cpu) = (true, r.args[3] as i32);
            }
            "workqueue_activate_work" => {
                assert_eq!(expected, (true, false), "{r:?}");
                work.active = true;
            }
            "workqueue_execute_start" => {
                assert_eq!((expected, work.running), ((true, true), false), "{r:?}");
                assert!(r.comm.starts_with("kworker/"), "{r:?}");
                assert_eq!(work.cpu < 0, r.comm.starts_with("kworker/u"), "{r:?}");
                assert!(work.cpu < 0 || work.cpu == r.cpu as i32, "{r:?}");
                assert_eq!((r.flags, r.depth), (0, 0), "{r:?}");
                *work = Piece {
                    running: true,
                    ..Piece::default()
                };
            }
            "workqueue_execute_end" => {
                assert!(std::mem::take(&mut work.running), "{r:?}");
            }
            name => panic!("{name} is not followed"),
        }
    }
}
