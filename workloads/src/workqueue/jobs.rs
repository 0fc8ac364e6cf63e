//! What is left to workers. Each job checks that its work was done, as often as it was queued.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::machine::{
    DelayedWork, WQ_BOUND, WQ_HIGHPRI, WQ_UNBOUND, Work, WorkFuture, Workqueue, current_cpu, exec,
    jiffies, queue_work, queue_work_on, sleep,
};
use crate::rng::Rng;

/// Jobs of the same number are the same on every run.
const SEED: u64 = 0x5eed_3039_0000_0000;
/// Pieces of work per operation, by its kind.
#[cfg(test)]
pub(super) const PIECES: [usize; 4] = [1, 3, 1, 2];

/// The queues of the workload.
pub(super) struct Queues {
    events: Workqueue,
    ordered: Workqueue,
    urgent: Workqueue,
    later: Workqueue,
}

impl Queues {
    pub fn new() -> Queues {
        Queues {
            events: Workqueue::new("demo_events", WQ_BOUND),
            ordered: Workqueue::with_max_active("demo_log", WQ_UNBOUND, 1),
            urgent: Workqueue::new("demo_urgent", WQ_HIGHPRI),
            later: Workqueue::new("demo_later", WQ_BOUND),
        }
    }
}

/// Waits until all work is done.
pub(super) async fn drain(queues: Arc<Queues>) -> i32 {
    let Queues {
        events,
        ordered,
        urgent,
        later,
    } = &*queues;
    for queue in [events, ordered, urgent, later] {
        queue.drain().await;
    }
    0
}

/// Operation `op` on a machine of so many CPUs.
pub(super) async fn run(op: u64, queues: Arc<Queues>, cpus: usize) -> i32 {
    let rng = Rng::of(SEED, op);
    let good = match op % 4 {
        0 => on_a_cpu(rng, &queues, (op / 4) as usize % cpus).await,
        1 => in_order(rng, &queues.ordered).await,
        2 => after_a_while(rng, &queues.later).await,
        _ => sleeping(rng, &queues.events).await,
    };
    i32::from(!good)
}

/// A sum that work adds to, and where it was done last.
struct Sum {
    steps: u64,
    value: AtomicU64,
    cpu: AtomicU64,
}

impl Sum {
    fn new(steps: u64) -> Arc<Sum> {
        Arc::new(Sum {
            steps,
            value: AtomicU64::new(0),
            cpu: AtomicU64::new(u64::MAX),
        })
    }

    fn value(&self) -> u64 {
        self.value.load(Ordering::SeqCst)
    }
}

/// A piece of work: adds up.
fn add_up(sum: &Arc<Sum>) {
    let more = (1..=sum.steps).map(std::hint::black_box).sum();
    sum.value.fetch_add(more, Ordering::SeqCst);
    sum.cpu.store(current_cpu() as u64, Ordering::SeqCst);
}

/// The same, waiting for something in between.
fn add_up_slowly(sum: &Arc<Sum>) -> WorkFuture {
    let sum = sum.clone();
    Box::pin(async move {
        sleep(sum.steps * 500).await;
        add_up(&sum);
    })
}

fn sum_to(steps: u64) -> u64 {
    steps * (steps + 1) / 2
}

async fn on_a_cpu(mut rng: Rng, queues: &Queues, cpu: usize) -> bool {
    exec("/usr/sbin/irqbalance");
    let sum = Sum::new(rng.within(1_000..20_000));
    let work = Work::new(add_up, sum.clone());
    let queue = if rng.within(0..4) == 0 {
        &queues.urgent
    } else {
        &queues.events
    };
    let queued = queue_work_on(cpu, queue, &work);
    work.flush().await;
    queued && sum.value() == sum_to(sum.steps) && sum.cpu.load(Ordering::SeqCst) == cpu as u64
}

async fn in_order(mut rng: Rng, queue: &Workqueue) -> bool {
    exec("/usr/sbin/rsyslogd");
    let sum = Sum::new(rng.within(500..5_000));
    let pieces: Vec<Work> = (0..3).map(|_| Work::new(add_up, sum.clone())).collect();
    let mut good = true;
    for piece in &pieces {
        good &= queue_work(queue, piece);
    }
    for piece in &pieces {
        piece.flush().await;
    }
    good && sum.value() == 3 * sum_to(sum.steps)
}

async fn after_a_while(mut rng: Rng, queue: &Workqueue) -> bool {
    exec("/usr/sbin/cron");
    let sum = Sum::new(rng.within(100..1_000));
    let work = DelayedWork::new(add_up, sum.clone());
    let (begin, delay) = (jiffies(), rng.within(1..4));
    let mut start = || match rng.next() % 2 {
        0 => work.queue(queue, delay),
        _ => work.queue_on(current_cpu(), queue, delay),
    };
    let queued = start() && work.work().is_pending() && !start();
    work.work().flush().await;
    queued && jiffies() > begin + delay && sum.value() == sum_to(sum.steps)
}

async fn sleeping(mut rng: Rng, queue: &Workqueue) -> bool {
    exec("/usr/bin/sync");
    let sum = Sum::new(rng.within(200..1_000));
    let cpu = current_cpu();
    let pieces: Vec<Work> = (0..2)
        .map(|_| Work::new_async(add_up_slowly, sum.clone()))
        .collect();
    let mut good = true;
    for piece in &pieces {
        good &= queue_work_on(cpu, queue, piece);
    }
    for piece in &pieces {
        piece.flush().await;
    }
    good && sum.value() == 2 * sum_to(sum.steps)
}
