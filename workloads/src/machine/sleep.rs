//! What a task calls to give its CPU away: computing in steps, sleeping, yielding.

use std::cmp::Ordering as Order;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use super::cpu::{Leave, local};
use super::task::{Green, state};
use crate::futex::now_ns;

/// Steps of `compute` between two looks at the clock: some ten microseconds.
const STEPS: u64 = 16_384;

/// A task that is to be woken at a time.
pub(super) struct Timer {
    pub at: u64,
    task: Arc<Green>,
    /// Set when the task no longer waits for it.
    over: Arc<AtomicBool>,
}

impl Timer {
    /// The task to wake, if it still waits.
    pub fn expire(self) -> Option<Arc<Green>> {
        (!self.over.swap(true, Ordering::SeqCst)).then_some(self.task)
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Timer) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Timer) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    /// The earliest is the greatest, as `BinaryHeap` gives out the greatest first.
    fn cmp(&self, other: &Timer) -> Order {
        other.at.cmp(&self.at)
    }
}

/// A timer armed on the CPU where it is made; gone with its guard.
pub(super) struct Armed(Arc<AtomicBool>);

impl Armed {
    pub fn until(at: u64) -> Armed {
        let local = local();
        let over = Arc::new(AtomicBool::new(false));
        local.timers.borrow_mut().push(Timer {
            at,
            task: local.current(),
            over: over.clone(),
        });
        Armed(over)
    }

    pub fn expired(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
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
    let at = now_ns() + ns;
    let timer = Armed::until(at);
    poll_fn(|_| {
        let task = local().current();
        // State first, then the condition: a waker in between finds the task asleep.
        task.state.store(kind, Ordering::SeqCst);
        if timer.expired() {
            task.state.store(state::RUNNING, Ordering::SeqCst);
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

/// Where the running task may be taken off its CPU if that is due: serves interrupts first.
pub(super) fn resched_point(leave: Leave) -> impl Future<Output = ()> {
    leave_once(move || {
        let local = local();
        local.interrupts();
        (local.need_resched() || local.current().session.killed()).then_some(leave)
    })
}

/// The end of a section that must not be preempted: if it woke someone more urgent, that one runs now.
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
