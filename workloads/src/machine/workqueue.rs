//! Work queues: work that tasks and interrupt handlers leave to workers, which may sleep.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::callback::Callback;
use super::cpu::{Local, local};
use super::pool::{Pool, pool_number};
use super::timer::{TIMER_IRQSAFE, Timer, jiffies};
use super::wait::WaitQueue;
use crate::events::workqueue::{
    trace_workqueue_activate_work, trace_workqueue_execute_end, trace_workqueue_execute_start,
    trace_workqueue_queue_work,
};

/// Work is done on the CPU where it is queued.
pub(crate) const WQ_BOUND: u32 = 0;
/// Work is done wherever there is time.
pub(crate) const WQ_UNBOUND: u32 = 1 << 1;
/// Workers are as urgent as fair tasks can be.
pub(crate) const WQ_HIGHPRI: u32 = 1 << 4;

/// What the event shows where no CPU was asked for: the kernel's number of CPUs that there may be.
const ANY_CPU: i32 = 8192;
/// Pieces of work of one queue that may be under way at once in one pool.
const MAX_ACTIVE: usize = 1024;

/// What a piece of work that may sleep gives its worker.
pub(crate) type WorkFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A queue; its name is in the events.
pub(crate) struct Workqueue(Arc<Queue>);

struct Queue {
    name: &'static str,
    flags: u32,
    max_active: usize,
    /// By the number of the pool whose lock guards the entry.
    shares: Mutex<BTreeMap<usize, Share>>,
    /// Queued or under way.
    in_flight: AtomicUsize,
    done: WaitQueue,
}

/// What one pool has of a queue.
#[derive(Default)]
struct Share {
    active: usize,
    inactive: VecDeque<Arc<Item>>,
}

/// Something to do. While it is queued, queueing it again changes nothing; it is never under way twice at once.
#[derive(Clone)]
pub(crate) struct Work(Arc<Item>);

/// Where delayed work goes: the queue, and the CPU if one was asked for.
type Target = (Arc<Queue>, Option<usize>);

/// Work that is queued after a while.
pub(crate) struct DelayedWork {
    work: Work,
    timer: Timer,
    to: Arc<Mutex<Option<Target>>>,
}

enum Function {
    Plain(Callback<()>),
    Sleeping(Callback<WorkFuture>),
}

pub(super) struct Item {
    function: Function,
    pending: AtomicBool,
    /// The queue that it is in, with the number of the pool that does it or did it last.
    place: Mutex<Option<(Arc<Queue>, usize)>>,
    /// Under way; written under the pool's lock.
    running: AtomicBool,
    /// Its turn came again while it was under way: it is that worker's next.
    again: AtomicBool,
    done: WaitQueue,
}

impl Workqueue {
    /// A queue with `WQ_BOUND` or others of the flags.
    pub fn new(name: &'static str, flags: u32) -> Workqueue {
        Workqueue::with_max_active(name, flags, MAX_ACTIVE)
    }

    /// One of whose work at most so many pieces are under way at once, per CPU if it is bound.
    pub fn with_max_active(name: &'static str, flags: u32, max_active: usize) -> Workqueue {
        Workqueue(Arc::new(Queue {
            name,
            flags,
            max_active: max_active.max(1),
            shares: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            done: WaitQueue::new(),
        }))
    }

    /// Waits until all that was queued is done. Not for work of the queue itself.
    pub async fn drain(&self) {
        self.0
            .done
            .wait_event(|| self.0.in_flight.load(Ordering::SeqCst) == 0)
            .await;
    }
}

/// Queues work; from any context on a machine's CPU. False: it was queued already.
pub(crate) fn queue_work(queue: &Workqueue, work: &Work) -> bool {
    local().queue_work(&queue.0, &work.0, None)
}

/// The same on a CPU of one's choice.
pub(crate) fn queue_work_on(cpu_index: usize, queue: &Workqueue, work: &Work) -> bool {
    local().queue_work(&queue.0, &work.0, Some(cpu_index))
}

impl Work {
    /// A worker calls `function(&data)`.
    pub fn new<T: Send + Sync + 'static>(function: fn(&T), data: T) -> Work {
        Work::with(Function::Plain(Callback::new(function, data)))
    }

    /// A worker does what `function(&data)` gives it, which may sleep.
    pub fn new_async<T: Send + Sync + 'static>(function: fn(&T) -> WorkFuture, data: T) -> Work {
        Work::with(Function::Sleeping(Callback::new(function, data)))
    }

    fn with(function: Function) -> Work {
        Work(Arc::new(Item {
            function,
            pending: AtomicBool::new(false),
            place: Mutex::new(None),
            running: AtomicBool::new(false),
            again: AtomicBool::new(false),
            done: WaitQueue::new(),
        }))
    }

    /// Whether it is queued and nobody has begun with it.
    pub fn is_pending(&self) -> bool {
        self.0.pending.load(Ordering::SeqCst)
    }

    /// Waits until it is neither queued nor under way.
    pub async fn flush(&self) {
        let item = &self.0;
        let busy = || item.pending.load(Ordering::SeqCst) || item.running.load(Ordering::SeqCst);
        item.done.wait_event(|| !busy()).await;
    }
}

impl DelayedWork {
    /// As `Work::new`.
    pub fn new<T: Send + Sync + 'static>(function: fn(&T), data: T) -> DelayedWork {
        DelayedWork::with(Work::new(function, data))
    }

    fn with(work: Work) -> DelayedWork {
        let to = Arc::default();
        let data = (work.clone(), Arc::clone(&to));
        DelayedWork {
            work,
            timer: Timer::with_flags(delayed_work_timer, data, TIMER_IRQSAFE),
            to,
        }
    }

    /// Queues it when `jiffies` are over. False: that was so already.
    pub fn queue(&self, queue: &Workqueue, delay: u64) -> bool {
        self.queue_at(queue, delay, None)
    }

    /// The same on a CPU of one's choice.
    pub fn queue_on(&self, cpu_index: usize, queue: &Workqueue, delay: u64) -> bool {
        self.queue_at(queue, delay, Some(cpu_index))
    }

    fn queue_at(&self, queue: &Workqueue, delay: u64, cpu: Option<usize>) -> bool {
        if self.timer.is_pending() {
            return false;
        }
        if delay == 0 {
            return local().queue_work(&queue.0, &self.work.0, cpu);
        }
        if self.work.0.pending.swap(true, Ordering::SeqCst) {
            return false;
        }
        queue.0.in_flight.fetch_add(1, Ordering::SeqCst);
        *self.to.lock() = Some((queue.0.clone(), cpu));
        let expires = jiffies() + delay;
        match cpu {
            Some(cpu) => self.timer.start_on(cpu, expires),
            None => self.timer.mod_timer(expires),
        };
        true
    }

    /// Gives it up if it is not queued yet: then true.
    pub fn cancel(&self) -> bool {
        let stopped = self.timer.delete();
        if stopped {
            self.work.0.pending.store(false, Ordering::SeqCst);
            if let Some((queue, _)) = self.to.lock().take() {
                queue.one_less();
            }
        }
        stopped
    }

    /// What it queues.
    pub fn work(&self) -> &Work {
        &self.work
    }
}

impl Drop for DelayedWork {
    fn drop(&mut self) {
        self.cancel();
    }
}

/// The delay is over.
fn delayed_work_timer((work, to): &(Work, Arc<Mutex<Option<Target>>>)) {
    if let Some((queue, cpu)) = to.lock().take() {
        local().put_work(&queue, &work.0, cpu);
    }
}

impl Queue {
    fn one_less(&self) {
        if self.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.done.wake_up();
        }
    }
}

impl Local {
    fn queue_work(&self, queue: &Arc<Queue>, item: &Arc<Item>, cpu: Option<usize>) -> bool {
        if item.pending.swap(true, Ordering::SeqCst) {
            return false;
        }
        queue.in_flight.fetch_add(1, Ordering::SeqCst);
        self.put_work(queue, item, cpu);
        true
    }

    /// Hands work that is marked as pending to a pool.
    fn put_work(&self, queue: &Arc<Queue>, item: &Arc<Item>, asked: Option<usize>) {
        let cpus = self.machine.cpus.len();
        let cpu = (queue.flags & WQ_UNBOUND == 0).then(|| asked.unwrap_or(self.index));
        let mut number = pool_number(cpus, cpu, queue.flags & WQ_HIGHPRI != 0);
        let mut place = item.place.lock();
        if let Some((_, last)) = &*place
            && item.running.load(Ordering::SeqCst)
        {
            // Under way there: done again by the same pool, after that.
            number = *last;
        }
        *place = Some((queue.clone(), number));
        drop(place);
        let pool = &self.machine.pools[number];
        let mut state = pool.state.lock();
        let shown = |cpu: usize| self.machine.cpus[cpu].number as i32;
        self.atomically(1, || {
            trace_workqueue_queue_work(
                item.address(),
                item.function(),
                queue.name,
                asked.map_or(ANY_CPU, shown),
                pool.cpu.map_or(-1, shown),
            )
        });
        let mut shares = queue.shares.lock();
        let share = shares.entry(number).or_default();
        if share.active >= queue.max_active {
            share.inactive.push_back(item.clone());
            return;
        }
        share.active += 1;
        drop(shares);
        self.atomically(1, || {
            trace_workqueue_activate_work(item.address(), item.function())
        });
        state.works.push_back(item.clone());
        self.kick_pool(pool, &mut state);
    }
}

/// Ends a piece of work in its queue and pool, also where its worker is killed in the middle.
struct Ending<'a> {
    item: &'a Arc<Item>,
    pool: &'a Arc<Pool>,
    queue: Arc<Queue>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let local = local();
        let mut state = self.pool.state.lock();
        {
            let mut shares = self.queue.shares.lock();
            let share = shares.entry(self.pool.number).or_default();
            match share.inactive.pop_front() {
                Some(next) => {
                    local.atomically(1, || {
                        trace_workqueue_activate_work(next.address(), next.function())
                    });
                    state.works.push_back(next);
                }
                None => share.active -= 1,
            }
        }
        self.item.running.store(false, Ordering::SeqCst);
        if self.item.again.swap(false, Ordering::SeqCst) {
            state.works.push_front(self.item.clone());
        }
        drop(state);
        self.item.done.wake_up();
        self.queue.one_less();
    }
}

impl Item {
    fn address(&self) -> *mut () {
        std::ptr::from_ref(self) as *mut ()
    }

    fn function(&self) -> *mut () {
        match &self.function {
            Function::Plain(callback) => callback.address(),
            Function::Sleeping(callback) => callback.address(),
        }
    }

    /// Marks it as under way, with its pool's lock held. False: it is, and comes again when that has ended.
    pub(super) fn begin(&self) -> bool {
        let begun = !self.running.swap(true, Ordering::SeqCst);
        if !begun {
            self.again.store(true, Ordering::SeqCst);
        }
        begun
    }

    /// Does the work, in a worker of `pool` that has begun with it.
    pub(super) async fn execute(self: &Arc<Item>, pool: &Arc<Pool>) {
        let queue = {
            let place = self.place.lock();
            self.pending.store(false, Ordering::SeqCst);
            place.as_ref().map(|(queue, _)| queue.clone())
        };
        let Some(queue) = queue else { return };
        let _ending = Ending {
            item: self,
            pool,
            queue,
        };
        trace_workqueue_execute_start(self.address(), self.function());
        match &self.function {
            Function::Plain(callback) => {
                callback.call();
            }
            Function::Sleeping(callback) => {
                if let Some(future) = callback.call() {
                    future.await;
                }
            }
        }
        trace_workqueue_execute_end(self.address(), self.function());
    }
}
