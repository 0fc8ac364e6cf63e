//! Timers of high resolution: each on the CPU that starts it, expiring in hard interrupt context.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use super::callback::Callback;
use super::cpu::{Local, local_if_any};
use super::{Cpu, Machine};
use crate::events::timer::{
    trace_hrtimer_cancel, trace_hrtimer_expire_entry, trace_hrtimer_expire_exit,
    trace_hrtimer_setup, trace_hrtimer_start,
};

/// How a time is meant; the bits are the kernel's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Mode {
    /// A point in time.
    Abs = 0,
    /// From now on. The event shows the point in time that this gives.
    Rel = 1,
    /// A point in time on this CPU, in hard interrupt context whatever the kernel's flavour.
    AbsPinnedHard = 10,
}

/// A timer; one that is dropped while it is armed is stopped.
pub(crate) struct Hrtimer(Arc<Inner>);

/// What its function answers: when it is to expire again, ns.
pub(crate) type Again = Option<u64>;

pub(super) struct Inner {
    callback: Callback<Again>,
    /// Who cancels, starts or expires the timer holds this; taken before a base's lock.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    armed: Option<Armed>,
    /// Nobody has it any more: its function cannot start it again.
    dropped: bool,
}

/// On which CPU, and which of the entries made there.
#[derive(Clone)]
struct Armed {
    machine: Arc<Machine>,
    cpu: usize,
    entry: u64,
}

/// A CPU's armed timers, the earliest last.
#[derive(Default)]
pub(super) struct Base {
    queue: Vec<Entry>,
    entries: u64,
}

struct Entry {
    at: u64,
    number: u64,
    timer: Arc<Inner>,
}

impl Hrtimer {
    /// `function(&data)` is called when it expires, on the CPU where it was started.
    pub fn setup<T: Send + Sync + 'static>(
        function: fn(&T) -> Again,
        data: T,
        mode: Mode,
    ) -> Hrtimer {
        let timer = Hrtimer(Arc::new(Inner {
            callback: Callback::new(function, data),
            state: Mutex::default(),
        }));
        trace_hrtimer_setup(timer.0.address(), libc::CLOCK_MONOTONIC, mode as u32);
        timer
    }

    /// Arms it for `at` (ns, CLOCK_MONOTONIC) on the calling CPU, wherever it was armed before.
    pub fn start(&self, at: u64, mode: Mode) {
        super::cpu::local().start_hrtimer(&self.0, at, mode);
    }

    /// Stops it; false if it was not armed. Its function may be under way on another CPU.
    pub fn cancel(&self) -> bool {
        self.stop(false)
    }

    fn stop(&self, dropped: bool) -> bool {
        let mut state = self.0.state.lock();
        state.dropped |= dropped;
        let Some(was) = state.armed.take() else {
            return false;
        };
        was.remove();
        let event = || trace_hrtimer_cancel(self.0.address());
        match local_if_any() {
            Some(local) => local.atomically(1, event),
            None => event(),
        }
        true
    }

    /// Whether it will expire.
    pub fn is_armed(&self) -> bool {
        self.0.state.lock().armed.is_some()
    }
}

impl Drop for Hrtimer {
    fn drop(&mut self) {
        self.stop(true);
    }
}

impl Inner {
    fn address(&self) -> *mut () {
        std::ptr::from_ref(self) as *mut ()
    }
}

impl Armed {
    /// Takes it out of the base, if the one that expires it has not done so already; that one finds `armed` changed.
    fn remove(&self) {
        let cpu = &self.machine.cpus[self.cpu];
        let mut base = cpu.hrtimers.lock();
        base.queue.retain(|entry| entry.number != self.entry);
        base.publish(cpu);
    }
}

impl Base {
    fn insert(&mut self, at: u64, timer: Arc<Inner>) -> u64 {
        self.entries += 1;
        // Behind its equals from the end on: they expire in the order of their starts.
        let place = self.queue.partition_point(|entry| entry.at > at);
        let number = self.entries;
        self.queue.insert(place, Entry { at, number, timer });
        number
    }

    fn pop_due(&mut self, now: u64) -> Option<Entry> {
        self.queue.pop_if(|entry| entry.at <= now)
    }

    /// Tells those who do not hold the lock when to look.
    fn publish(&self, cpu: &Cpu) {
        let next = self.queue.last().map_or(u64::MAX, |entry| entry.at);
        cpu.next_event.store(next, Ordering::SeqCst);
    }
}

impl Local {
    fn start_hrtimer(&self, timer: &Arc<Inner>, at: u64, mode: Mode) {
        let mut state = timer.state.lock();
        if state.dropped {
            return;
        }
        let was_armed = state.armed.take().inspect(Armed::remove).is_some();
        let cpu = self.cpu();
        let mut base = cpu.hrtimers.lock();
        let entry = base.insert(at, timer.clone());
        base.publish(cpu);
        state.armed = Some(Armed {
            machine: self.machine.clone(),
            cpu: self.index,
            entry,
        });
        let (expires, function) = (at as i64, timer.callback.address());
        self.atomically(1, || {
            trace_hrtimer_start(
                timer.address(),
                function,
                expires,
                expires,
                mode as u32,
                was_armed,
            )
        });
    }

    /// Expires what is due, in hard interrupt context.
    pub(super) fn expire_hrtimers(&self, now: u64) {
        let cpu = self.cpu();
        loop {
            let due = {
                let mut base = cpu.hrtimers.lock();
                let due = base.pop_due(now);
                base.publish(cpu);
                due
            };
            let Some(Entry { number, timer, .. }) = due else {
                return;
            };
            {
                let mut state = timer.state.lock();
                let ours = |armed: &Armed| armed.entry == number && armed.cpu == self.index;
                if !state.armed.as_ref().is_some_and(ours) {
                    continue;
                }
                state.armed = None;
                self.atomically(1, || trace_hrtimer_cancel(timer.address()));
            }
            trace_hrtimer_expire_entry(timer.address(), now as i64, timer.callback.address());
            let again = timer.callback.call().flatten();
            trace_hrtimer_expire_exit(timer.address());
            if let Some(at) = again {
                self.start_hrtimer(&timer, at, Mode::Abs);
            }
        }
    }
}
