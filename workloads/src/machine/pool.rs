//! Workers: tasks `kworker/N:M` that do what is queued, one at a time per CPU as long as none of them sleeps, and those
//! of no CPU, `kworker/uN:M`, as many as there is work (Documentation/core-api/workqueue.rst).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use parking_lot::Mutex;

use super::cpu::{Local, local};
use super::task::{DEFAULT_PRIO, Green, Kind, state};
use super::workqueue::Item;

/// Locks held while a pool wakes a worker: its own.
const HELD: u8 = 1;
/// Priority of workers for urgent work: nice -20.
const URGENT_PRIO: i32 = 100;

/// Workers with the work for them.
pub(super) struct Pool {
    /// Its place in the machine's list.
    pub number: usize,
    /// Index of its CPU; `None`: its workers run anywhere.
    pub cpu: Option<usize>,
    urgent: bool,
    /// What stands before the colon in its workers' names.
    label: String,
    pub state: Mutex<State>,
}

/// What a pool's lock guards; that of the queues whose work it does as well.
#[derive(Default)]
pub(super) struct State {
    pub works: VecDeque<Arc<Item>>,
    idle: Vec<Arc<Green>>,
    /// Workers that are at work and do not sleep. Not counted where there is no CPU to keep busy.
    running: usize,
    made: u32,
}

/// What a worker's task has to know it by.
pub(super) struct Worker {
    pool: Arc<Pool>,
    /// Counted as running, or would be if it did not sleep.
    at_work: AtomicBool,
    asleep: AtomicBool,
}

/// All pools of a machine: two per CPU, two for work without one.
pub(super) fn pools(cpus: &[u32]) -> Vec<Arc<Pool>> {
    let pool = |number, cpu, urgent, label| {
        Arc::new(Pool {
            number,
            cpu,
            urgent,
            label,
            state: Mutex::default(),
        })
    };
    let bound = cpus.iter().enumerate().flat_map(|(index, cpu)| {
        [false, true].map(|urgent| (Some(index), urgent, format!("kworker/{cpu}")))
    });
    // Numbered behind those of the CPUs, as the kernel does it.
    let free = [false, true].map(|urgent| (None, urgent, format!("kworker/u{}", cpus.len() * 2)));
    bound
        .chain(free)
        .enumerate()
        .map(|(number, (cpu, urgent, label))| pool(number, cpu, urgent, label))
        .collect()
}

/// The number of the pool for work of this kind.
pub(super) fn pool_number(cpus: usize, cpu: Option<usize>, urgent: bool) -> usize {
    cpu.unwrap_or(cpus) * 2 + usize::from(urgent)
}

impl State {
    fn next(&mut self) -> Option<Arc<Item>> {
        while let Some(item) = self.works.pop_front() {
            if item.begin() {
                return Some(item);
            }
        }
        None
    }
}

impl Pool {
    fn needs_worker(&self, state: &State) -> bool {
        !state.works.is_empty() && (self.cpu.is_none() || state.running == 0)
    }
}

impl Local {
    /// Makes sure that somebody does the work of a pool. Called with its lock held.
    pub(super) fn kick_pool(&self, pool: &Arc<Pool>, state: &mut State) {
        if !pool.needs_worker(state) {
            return;
        }
        while let Some(worker) = state.idle.pop() {
            if self.wake(&worker, HELD) {
                return;
            }
        }
        let mark = if pool.urgent { "H" } else { "" };
        let name = format!("{}:{}{mark}", pool.label, state.made);
        let worker = Arc::new(Worker {
            pool: pool.clone(),
            at_work: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
        });
        let prio = if pool.urgent {
            URGENT_PRIO
        } else {
            DEFAULT_PRIO
        };
        let kind = Kind {
            pinned: pool.cpu,
            worker: Some(worker.clone()),
        };
        if self
            .kthread(&name, prio, kind, Box::pin(work(worker)))
            .is_some()
        {
            state.made += 1;
        }
    }

    /// A worker that is about to sleep leaves the CPU to the next one.
    pub(super) fn worker_sleeps(&self, worker: &Worker) {
        if worker.at_work.load(Ordering::SeqCst) && !worker.asleep.swap(true, Ordering::SeqCst) {
            let mut state = worker.pool.state.lock();
            if worker.pool.cpu.is_some() {
                state.running -= 1;
            }
            self.kick_pool(&worker.pool, &mut state);
        }
    }
}

impl Worker {
    /// It has got its CPU back.
    pub(super) fn runs(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) && self.pool.cpu.is_some() {
            self.pool.state.lock().running += 1;
        }
    }

    /// Stops being counted, also where its task is killed at work.
    fn rests(&self, state: &mut State) {
        let counted = self.pool.cpu.is_some();
        if self.at_work.swap(false, Ordering::SeqCst)
            && !self.asleep.swap(false, Ordering::SeqCst)
            && counted
        {
            state.running -= 1;
        }
    }
}

/// Leaves its pool in order however the worker ends.
struct Leaving(Arc<Worker>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let pool = &self.0.pool;
        let local = local();
        let task = local.current();
        let mut state = pool.state.lock();
        state.idle.retain(|idle| !Arc::ptr_eq(idle, &task));
        self.0.rests(&mut state);
        local.kick_pool(pool, &mut state);
    }
}

/// The life of a worker.
async fn work(worker: Arc<Worker>) -> i32 {
    let leaving = Leaving(worker);
    let worker = &leaving.0;
    let pool = &worker.pool;
    loop {
        let mut item = poll_fn(|_| {
            let task = local().current();
            let mut state = pool.state.lock();
            let item = if pool.needs_worker(&state) {
                state.next()
            } else {
                None
            };
            let Some(item) = item else {
                if !state.idle.iter().any(|idle| Arc::ptr_eq(idle, &task)) {
                    state.idle.push(task.clone());
                }
                // Under the pool's lock, which whoever queues work takes.
                task.state.store(state::IDLE, Ordering::SeqCst);
                return Poll::Pending;
            };
            state.idle.retain(|idle| !Arc::ptr_eq(idle, &task));
            worker.at_work.store(true, Ordering::SeqCst);
            if pool.cpu.is_some() {
                state.running += 1;
            }
            Poll::Ready(item)
        })
        .await;
        loop {
            item.execute(pool).await;
            let mut state = pool.state.lock();
            // Another worker may have begun while this one slept.
            let alone = pool.cpu.is_none() || state.running <= 1;
            let next = if alone { state.next() } else { None };
            let Some(next) = next else {
                worker.rests(&mut state);
                break;
            };
            item = next;
        }
    }
}
