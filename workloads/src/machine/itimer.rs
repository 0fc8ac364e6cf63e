//! Interval timers of tasks: setitimer(2) with ITIMER_REAL, the SIGALRM it sends, and pause(2).

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use super::cpu::local;
use super::hrtimer::{Again, Hrtimer, Mode};
use super::task::{Green, state};
use crate::events::signal::{Sent, trace_signal_deliver, trace_signal_generate};
use crate::events::timer::{trace_itimer_expire, trace_itimer_state};
use crate::futex::now_ns;

/// The only kind: it counts the time of day, not time on CPU.
const ITIMER_REAL: i32 = 0;
/// What the signal's code says: the kernel has sent it.
const SI_KERNEL: i32 = 0x80;
/// Locks held where a signal is sent: that of the signal handlers.
const HELD: u8 = 1;

/// The interval timer of a task that handles SIGALRM.
pub(crate) struct Itimer {
    timer: Hrtimer,
    shared: Arc<Shared>,
    handler: fn(),
}

pub(super) struct Shared {
    task: Arc<Green>,
    /// When it expires, and how long after that again, ns; no interval: once.
    due: AtomicU64,
    interval: AtomicU64,
    /// SIGALRM was sent and not taken yet.
    pending: AtomicBool,
}

/// The timer has expired, in hard interrupt context: a signal is sent. It is started again when the signal is taken.
fn it_real_fn(shared: &Arc<Shared>) -> Again {
    let task = &shared.task;
    trace_itimer_expire(ITIMER_REAL, task.pid(), 0);
    let local = local();
    shared.pending.store(true, Ordering::SeqCst);
    // Linux wakes whoever is to handle it before the event.
    local.wake(task, HELD);
    local.atomically(HELD, || {
        trace_signal_generate(libc::SIGALRM, 0, SI_KERNEL, task, true, Sent::Delivered)
    });
    None
}

impl Itimer {
    /// That of the calling task; `handler` is called for every signal it takes.
    pub fn new(handler: fn()) -> Itimer {
        let shared = Arc::new(Shared {
            task: local().current(),
            due: AtomicU64::new(0),
            interval: AtomicU64::new(0),
            pending: AtomicBool::new(false),
        });
        Itimer {
            timer: Hrtimer::setup(it_real_fn, shared.clone(), Mode::Rel),
            shared,
            handler,
        }
    }

    /// Has it expire after `value` ns and then every `interval` ns; 0 stops it, or has it expire once.
    pub fn set(&self, value: u64, interval: u64) {
        self.timer.cancel();
        self.shared.interval.store(interval, Ordering::SeqCst);
        if value > 0 {
            let due = now_ns() + value;
            self.shared.due.store(due, Ordering::SeqCst);
            self.timer.start(due, Mode::Rel);
        }
        local().atomically(HELD, || {
            trace_itimer_state(ITIMER_REAL, 0, parts(value), parts(interval))
        });
    }

    /// Sleeps until SIGALRM comes, and handles it.
    pub async fn pause(&self) {
        poll_fn(|_| {
            let task = local().current();
            task.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
            if !self.shared.pending.swap(false, Ordering::SeqCst) {
                return Poll::Pending;
            }
            task.state.store(state::RUNNING, Ordering::SeqCst);
            Poll::Ready(())
        })
        .await;
        let interval = self.shared.interval.load(Ordering::SeqCst);
        if interval > 0 {
            // Periods that are over already are left out.
            let (due, now) = (self.shared.due.load(Ordering::SeqCst), now_ns());
            let late = now.saturating_sub(due);
            let due = due + (late + 1).next_multiple_of(interval);
            self.shared.due.store(due, Ordering::SeqCst);
            self.timer.start(due, Mode::Abs);
        }
        let handler = self.handler as *const () as u64;
        trace_signal_deliver(libc::SIGALRM, 0, SI_KERNEL, handler, 0);
        (self.handler)();
    }
}

/// Seconds and ns of a time.
fn parts(ns: u64) -> (i64, i64) {
    ((ns / 1_000_000_000) as i64, (ns % 1_000_000_000) as i64)
}
