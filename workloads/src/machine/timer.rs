//! Timers that count in jiffies: kept in their CPU's wheel, expiring in the soft interrupt TIMER.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Machine;
use super::callback::Callback;
use super::cpu::{Local, local, local_if_any};
use crate::events::timer::{
    trace_timer_cancel, trace_timer_expire_entry, trace_timer_expire_exit, trace_timer_init,
    trace_timer_start,
};
use crate::futex::now_ns;

/// Ticks per second, as the format files of Linux assume.
pub(crate) const HZ: u64 = 250;
/// A jiffy, ns.
pub(super) const TICK_NS: u64 = 1_000_000_000 / HZ;

/// Its function is called with interrupts off.
pub(crate) const TIMER_IRQSAFE: u32 = 0x0020_0000;
/// Where the bucket's number stands in a timer's flags.
const INDEX_SHIFT: u32 = 22;

/// Now, in jiffies since the host was started.
pub(crate) fn jiffies() -> u64 {
    now_ns() / TICK_NS
}

/// The jiffies that are not over before `ns` are.
pub(crate) fn nsecs_to_jiffies(ns: u64) -> u64 {
    ns.div_ceil(TICK_NS)
}

/// A timer; one that is dropped while it is pending is stopped.
pub(crate) struct Timer(Arc<Inner>);

pub(super) struct Inner {
    callback: Callback<()>,
    flags: u32,
    /// Who starts, stops or expires the timer holds this; taken before a wheel's lock.
    pending: Mutex<Option<Pending>>,
}

struct Pending {
    machine: Weak<Machine>,
    cpu: usize,
    index: usize,
    number: u64,
    expires: u64,
}

impl Timer {
    /// `function(&data)` is called when it expires.
    pub fn new<T: Send + Sync + 'static>(function: fn(&T), data: T) -> Timer {
        Timer::with_flags(function, data, 0)
    }

    /// The same with `TIMER_IRQSAFE`.
    pub fn with_flags<T: Send + Sync + 'static>(function: fn(&T), data: T, flags: u32) -> Timer {
        let timer = Timer(Arc::new(Inner {
            callback: Callback::new(function, data),
            flags,
            pending: Mutex::new(None),
        }));
        trace_timer_init(timer.0.address());
        timer
    }

    /// Starts it or moves it: it expires on the calling CPU in the jiffy `expires` or soon after. True: it was pending. A
    /// timer that is pending in the same bucket already stays there, without an event, as in Linux.
    pub fn mod_timer(&self, expires: u64) -> bool {
        let local = local();
        local.start_timer(&self.0, expires, local.index)
    }

    /// The same on a CPU of one's choice.
    pub fn start_on(&self, cpu_index: usize, expires: u64) -> bool {
        local().start_timer(&self.0, expires, cpu_index)
    }

    /// Stops it; false if it was not pending. Its function may be under way on another CPU.
    pub fn delete(&self) -> bool {
        let mut pending = self.0.pending.lock();
        let Some(was) = pending.take() else {
            return false;
        };
        was.remove();
        let event = || trace_timer_cancel(self.0.address());
        match local_if_any() {
            Some(local) => local.atomically(1, event),
            None => event(),
        }
        true
    }

    /// Whether it will expire.
    pub fn is_pending(&self) -> bool {
        self.0.pending.lock().is_some()
    }

    #[cfg(test)]
    pub(super) fn for_test() -> Timer {
        Timer::new(|_| (), ())
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> Arc<Inner> {
        self.0.clone()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.delete();
    }
}

impl Inner {
    fn address(&self) -> *mut () {
        std::ptr::from_ref(self) as *mut ()
    }
}

impl Pending {
    /// Takes it out of its wheel, if the CPU that expires it has not done so already; that one finds `pending` changed.
    fn remove(&self) {
        if let Some(machine) = self.machine.upgrade() {
            let mut wheel = machine.cpus[self.cpu].wheel.lock();
            wheel.remove(self.index, self.number);
        }
    }
}

impl Local {
    fn start_timer(&self, timer: &Arc<Inner>, expires: u64, cpu: usize) -> bool {
        let now = jiffies();
        let mut pending = timer.pending.lock();
        if let Some(was) = pending.as_mut().filter(|was| was.cpu == cpu) {
            let mut wheel = self.machine.cpus[cpu].wheel.lock();
            if was.expires == expires || wheel.place(expires, now).index == was.index {
                was.expires = expires;
                return true;
            }
        }
        let was_pending = pending.take().inspect(|was| {
            was.remove();
            self.atomically(1, || trace_timer_cancel(timer.address()));
        });
        let target = &self.machine.cpus[cpu];
        let mut wheel = target.wheel.lock();
        let place = wheel.place(expires, now);
        let number = wheel.insert(place, timer.clone());
        let flags = target.number | timer.flags | (place.index as u32) << INDEX_SHIFT;
        self.atomically(1, || {
            trace_timer_start(
                timer.address(),
                timer.callback.address(),
                expires,
                place.bucket_expiry,
                now,
                flags,
            )
        });
        let sleeps = wheel.idle;
        drop(wheel);
        *pending = Some(Pending {
            machine: Arc::downgrade(&self.machine),
            cpu,
            index: place.index,
            number,
            expires,
        });
        drop(pending);
        if sleeps && cpu != self.index {
            // Without a tick it would not notice.
            target.ring();
        }
        was_pending.is_some()
    }

    /// Expires what is due: the action of the soft interrupt TIMER.
    pub(super) fn run_timers(&self) {
        loop {
            let due = self.cpu().wheel.lock().expire(jiffies());
            let Some((base, timers)) = due else { return };
            for entry in timers {
                let timer = entry.timer;
                {
                    let mut pending = timer.pending.lock();
                    let ours = |p: &Pending| p.number == entry.number && p.cpu == self.index;
                    if !pending.as_ref().is_some_and(ours) {
                        continue;
                    }
                    *pending = None;
                    self.atomically(1, || trace_timer_cancel(timer.address()));
                }
                let call = || {
                    let (address, function) = (timer.address(), timer.callback.address());
                    trace_timer_expire_entry(address, jiffies(), function, base);
                    timer.callback.call();
                    trace_timer_expire_exit(address);
                };
                if timer.flags & TIMER_IRQSAFE != 0 {
                    self.atomically(0, call);
                } else {
                    call();
                }
            }
        }
    }
}
