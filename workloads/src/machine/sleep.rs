//! What a task calls to give its CPU away: computing in steps, sleeping, yielding.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use super::cpu::{Leave, local};
use super::hrtimer::{Again, Hrtimer, Mode};
use super::task::{Green, state};
use crate::futex::now_ns;

/// Steps of `compute` between two looks at the clock: some ten microseconds.
const STEPS: u64 = 16_384;

/// What a sleeping task leaves with its timer.
struct Sleeper {
    task: Arc<Green>,
    /// The task need not wait for it any more.
    over: AtomicBool,
}

/// The time is over: the task goes on. In hard interrupt context.
fn hrtimer_wakeup(sleeper: &Arc<Sleeper>) -> Again {
    sleeper.over.store(true, Ordering::SeqCst);
    local().wake(&sleeper.task, 0);
    None
}

/// The calling task's alarm; stopped when it is dropped.
pub(super) struct Alarm {
    timer: Hrtimer,
    sleeper: Arc<Sleeper>,
    at: u64,
    mode: Mode,
    started: bool,
}

impl Alarm {
    /// One for `at` (ns, CLOCK_MONOTONIC); `mode`: how the time was given.
    pub fn new(at: u64, mode: Mode) -> Alarm {
        let sleeper = Arc::new(Sleeper {
            task: local().current(),
            over: AtomicBool::new(false),
        });
        Alarm {
            timer: Hrtimer::setup(hrtimer_wakeup, sleeper.clone(), mode),
            sleeper,
            at,
            mode,
            started: false,
        }
    }

    /// Starts it if it was not started; says whether it has gone off. Called when the task's state is set.
    pub fn is_over(&mut self) -> bool {
        if !std::mem::replace(&mut self.started, true) {
            self.timer.start(self.at, self.mode);
        }
        self.sleeper.over.load(Ordering::SeqCst)
    }
}

/// Works through `steps` steps of a small hash, from `seed`: the result depends on nothing else. Between steps the task
/// lets others run if its slice is over or someone more urgent was woken.
pub(crate) async fn compute(seed: u64, steps: u64) -> u64 {
    let mut value = seed;
    let mut left = steps;
    while left > 0 {
        for _ in 0..left.min(STEPS) {
            value = (value ^ (value >> 29))
                .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                .rotate_left(17);
        }
        left = left.saturating_sub(STEPS);
        resched_point(Leave::Schedule).await;
    }
    value
}

/// Sleeps, `S`.
pub(crate) async fn sleep(ns: u64) {
    sleep_in(state::INTERRUPTIBLE, ns).await;
}

/// Sleeps as one does who waits for a disk, `D`.
pub(crate) async fn sleep_on_io(ns: u64) {
    sleep_in(state::UNINTERRUPTIBLE, ns).await;
}

async fn sleep_in(kind: u32, ns: u64) {
    let mut alarm = Alarm::new(now_ns().saturating_add(ns), Mode::Rel);
    poll_fn(|_| {
        let task = local().current();
        // State first, then the condition: a waker in between finds the task asleep.
        task.state.store(kind, Ordering::SeqCst);
        if alarm.is_over() {
            task.state.store(state::RUNNING, Ordering::SeqCst);
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await
}

/// Where the running task may be taken off its CPU if that is due: serves interrupts first.
pub(super) fn resched_point(leave: Leave) -> impl Future<Output = ()> {
    leave_once(move || {
        let local = local();
        local.interrupts();
        (local.need_resched() || local.current().session.killed()).then_some(leave)
    })
}

/// The end of a section that must not be preempted: if it woke someone more urgent, that one runs now. For tasks.
pub(super) fn preempt_point() -> impl Future<Output = ()> {
    leave_once(|| local().need_resched().then_some(Leave::Preempt))
}

fn leave_once(mut whether: impl FnMut() -> Option<Leave>) -> impl Future<Output = ()> {
    let mut left = false;
    poll_fn(move |_| {
        if !left && let Some(leave) = whether() {
            left = true;
            local().leave.set(leave);
            return Poll::Pending;
        }
        Poll::Ready(())
    })
}
