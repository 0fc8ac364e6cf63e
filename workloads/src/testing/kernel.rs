//! The events of interrupts, timers and work queues.

use parking_lot::Mutex;
use utracefs::base::task;

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
