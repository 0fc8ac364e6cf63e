//! What timers are used for. Each job checks that none came too early and none is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::futex::now_ns;
use crate::machine::{Again, Hrtimer, Itimer, Mode, Timer, WaitQueue, exec, jiffies, sleep};
use crate::rng::Rng;

/// Jobs of the same number are the same on every run.
const SEED: u64 = 0x5eed_713e_0000_0000;
/// Kinds of jobs, as `run` takes turns with them.
#[cfg(test)]
pub(super) const KINDS: u64 = 5;
/// How often the keepalive is put off, to so many jiffies from then: some seconds, and never in the same bucket.
pub(super) const PUT_OFF: [u64; 4] = [600, 1000, 1500, 3000];
/// Expiries of the period.
pub(super) const PERIODS: usize = 5;
/// Alarms of the interval timer.
pub(super) const ALARMS: usize = 3;

/// Operation `op`.
pub(super) async fn run(op: u64) -> i32 {
    let rng = Rng::of(SEED, op);
    let good = match op % 5 {
        0 => one_shot(rng).await,
        1 => keepalive(rng).await,
        2 => timeout(rng).await,
        3 => period(rng).await,
        _ => alarms(rng).await,
    };
    i32::from(!good)
}

/// How often a timer has expired, and when last; tasks wait for it.
#[derive(Default)]
pub(super) struct Alarm {
    times: AtomicUsize,
    last: AtomicU64,
    waiters: WaitQueue,
}

impl Alarm {
    fn ring(&self, now: u64) -> usize {
        self.last.store(now, Ordering::SeqCst);
        let times = self.times.fetch_add(1, Ordering::SeqCst) + 1;
        self.waiters.wake_up();
        times
    }

    async fn rung(&self, times: usize) -> u64 {
        let enough = || self.times.load(Ordering::SeqCst) >= times;
        self.waiters.wait_event(enough).await;
        self.last.load(Ordering::SeqCst)
    }
}

/// The function of timers that count in jiffies.
pub(super) fn alarm_expired(alarm: &Arc<Alarm>) {
    alarm.ring(jiffies());
}

async fn one_shot(mut rng: Rng) -> bool {
    exec("/usr/bin/sleep");
    let alarm = Arc::new(Alarm::default());
    let timer = Timer::new(alarm_expired, alarm.clone());
    let expires = jiffies() + rng.within(1..5);
    timer.mod_timer(expires);
    // In the jiffy behind the one asked for at the earliest.
    alarm.rung(1).await > expires && !timer.is_pending()
}

async fn keepalive(mut rng: Rng) -> bool {
    exec("/usr/sbin/sshd");
    let alarm = Arc::new(Alarm::default());
    let timer = Timer::new(alarm_expired, alarm.clone());
    let mut good = true;
    for (time, delay) in PUT_OFF.into_iter().enumerate() {
        good &= timer.mod_timer(jiffies() + delay) == (time > 0);
        sleep(rng.within(50_000..200_000)).await;
    }
    let expires = jiffies() + rng.within(1..4);
    good &= timer.mod_timer(expires);
    good & (alarm.rung(1).await > expires)
}

async fn timeout(mut rng: Rng) -> bool {
    exec("/usr/bin/curl");
    let alarm = Arc::new(Alarm::default());
    let timer = Timer::new(alarm_expired, alarm.clone());
    timer.mod_timer(jiffies() + 2500);
    sleep(rng.within(100_000..500_000)).await;
    timer.delete() && !timer.delete() && alarm.times.load(Ordering::SeqCst) == 0
}

pub(super) struct Period {
    alarm: Alarm,
    length: u64,
    next: AtomicU64,
    early: AtomicUsize,
}

/// The function of the period's timer.
pub(super) fn period_over(period: &Arc<Period>) -> Again {
    let now = now_ns();
    let due = period.next.fetch_add(period.length, Ordering::SeqCst);
    if now < due {
        period.early.fetch_add(1, Ordering::SeqCst);
    }
    (period.alarm.ring(now) < PERIODS).then_some(due + period.length)
}

async fn period(mut rng: Rng) -> bool {
    exec("/usr/bin/aplay");
    let (length, now) = (rng.within(300_000..900_000), now_ns());
    let period = Arc::new(Period {
        alarm: Alarm::default(),
        length,
        next: AtomicU64::new(now + length),
        early: AtomicUsize::new(0),
    });
    let timer = Hrtimer::setup(period_over, period.clone(), Mode::Rel);
    timer.start(now + length, Mode::Rel);
    period.alarm.rung(PERIODS).await;
    period.early.load(Ordering::SeqCst) == 0 && !timer.is_armed()
}

/// The handler of SIGALRM.
fn on_alarm() {}

async fn alarms(mut rng: Rng) -> bool {
    exec("/usr/bin/vmstat");
    let (first, interval) = (rng.within(300_000..900_000), rng.within(300_000..900_000));
    let (timer, begin) = (Itimer::new(on_alarm), now_ns());
    timer.set(first, interval);
    for _ in 0..ALARMS {
        timer.pause().await;
    }
    timer.set(0, 0);
    now_ns() >= begin + first + (ALARMS as u64 - 1) * interval
}
