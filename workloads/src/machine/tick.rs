//! The tick of a CPU: a timer of high resolution that expires with every jiffy while the CPU has something to do. It looks
//! after the timer wheel and the time on CPU. An idle CPU stops it until the wheel's next timer. Another such timer ends
//! the running task's slice where others wait.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use super::cpu::{Local, local};
use super::hrtimer::{Again, Hrtimer, Mode};
use super::softirq::SoftIrq;
use super::timer::{TICK_NS, jiffies};
use crate::events::timer::{trace_tick_stop, trace_timer_base_idle};
use crate::futex::now_ns;

/// Nothing keeps the tick from being stopped.
const NO_DEPENDENCY: i32 = 0;

/// A CPU's own timers; made on it.
pub(super) struct Tick {
    timer: Hrtimer,
    slice: Hrtimer,
    stopped: Cell<bool>,
    /// What the stopped timer was set to, if at all.
    wakes_at: Cell<Option<u64>>,
}

impl Tick {
    pub fn new() -> Tick {
        Tick {
            timer: Hrtimer::setup(tick_nohz_handler, (), Mode::AbsPinnedHard),
            slice: Hrtimer::setup(hrtick, (), Mode::AbsPinnedHard),
            stopped: Cell::new(true),
            wakes_at: Cell::new(None),
        }
    }
}

/// Every jiffy, in hard interrupt context.
fn tick_nohz_handler(_: &()) -> Again {
    let local = local();
    let now = now_ns();
    let next = local.cpu().wheel.lock().next_expiry();
    if next.is_some_and(|next| next <= now / TICK_NS) {
        local.raise_softirq(SoftIrq::Timer);
    }
    local.account(now);
    if local.tick().stopped.get() {
        local.tick().wakes_at.set(None);
        return None;
    }
    Some((now / TICK_NS + 1) * TICK_NS)
}

/// The running task has had its slice, if others wait.
fn hrtick(_: &()) -> Again {
    let local = local();
    local.account(now_ns());
    let queue = local.cpu().queue.lock();
    if queue.slice_is_over() {
        local.cpu().need_resched.store(true, Ordering::SeqCst);
        drop(queue);
        local.show_context();
        return None;
    }
    queue.slice_end()
}

impl Local {
    /// Before an idle CPU waits: no tick until there is something to do.
    pub(super) fn stop_tick(&self) {
        let tick = self.tick();
        let next = {
            let mut wheel = self.cpu().wheel.lock();
            let next = wheel.next_expiry();
            if next.is_some_and(|next| next <= jiffies() + 1) && !tick.stopped.get() {
                return;
            }
            if !std::mem::replace(&mut wheel.idle, true) {
                self.atomically(1, || trace_timer_base_idle(true, self.cpu().number));
            }
            next.map(|jiffy| jiffy * TICK_NS)
        };
        if !tick.stopped.replace(true) {
            self.atomically(0, || trace_tick_stop(1, NO_DEPENDENCY));
        } else if next == tick.wakes_at.get() {
            return;
        }
        tick.wakes_at.set(next);
        match next {
            Some(at) => tick.timer.start(at, Mode::AbsPinnedHard),
            None => {
                tick.timer.cancel();
            }
        }
    }

    /// An idle CPU has something to do.
    pub(super) fn restart_tick(&self) {
        let tick = self.tick();
        if !tick.stopped.replace(false) {
            return;
        }
        tick.wakes_at.set(None);
        self.cpu().wheel.lock().idle = false;
        self.atomically(0, || trace_timer_base_idle(false, self.cpu().number));
        tick.timer
            .start((jiffies() + 1) * TICK_NS, Mode::AbsPinnedHard);
    }

    /// The machine is switched off.
    pub(super) fn end_tick(&self) {
        self.tick().timer.cancel();
        self.tick().slice.cancel();
    }

    /// Sets or stops the timer that ends the running task's slice.
    pub(super) fn set_slice_timer(&self, at: Option<u64>) {
        let slice = &self.tick().slice;
        match at {
            Some(at) => slice.start(at, Mode::AbsPinnedHard),
            None => {
                slice.cancel();
            }
        }
    }

    pub(super) fn has_slice_timer(&self) -> bool {
        self.tick().slice.is_armed()
    }
}
