//! Wait queues: tasks that wait for a condition, and whoever makes it true.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Poll;

use parking_lot::Mutex;

use super::cpu::{local, local_if_any};
use super::task::{Green, state};
use super::{Machine, Request};

/// Locks held while a wait queue wakes: its own.
const HELD: u8 = 1;

/// Tasks that sleep until something has changed.
#[derive(Default)]
pub(crate) struct WaitQueue(Mutex<Vec<Waiter>>);

struct Waiter {
    task: Arc<Green>,
    machine: Weak<Machine>,
}

/// Takes the task off the queue however its wait ends.
struct Waiting<'a> {
    queue: &'a WaitQueue,
    task: Arc<Green>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiters = self.queue.0.lock();
        waiters.retain(|waiter| !Arc::ptr_eq(&waiter.task, &self.task));
    }
}

impl WaitQueue {
    /// A queue without waiters.
    pub fn new() -> WaitQueue {
        WaitQueue::default()
    }

    /// Sleeps (`S`) until `condition` holds, which is asked first and again after every wake-up.
    pub async fn wait_event(&self, condition: impl FnMut() -> bool) {
        self.wait_in(state::INTERRUPTIBLE, condition).await;
    }

    /// The same in state `D`, as one waits for a disk.
    pub async fn wait_event_io(&self, condition: impl FnMut() -> bool) {
        self.wait_in(state::UNINTERRUPTIBLE, condition).await;
    }

    pub(super) async fn wait_in(&self, kind: u32, mut condition: impl FnMut() -> bool) {
        let mut waiting = None;
        poll_fn(|_| {
            if condition() {
                return Poll::Ready(());
            }
            let local = local();
            let task = local.current();
            {
                let mut waiters = self.0.lock();
                if !waiters.iter().any(|w| Arc::ptr_eq(&w.task, &task)) {
                    let machine = Arc::downgrade(&local.machine);
                    let task = task.clone();
                    waiters.push(Waiter { task, machine });
                }
            }
            waiting.get_or_insert_with(|| Waiting {
                queue: self,
                task: task.clone(),
            });
            // State first, then the condition: a waker in between finds the task asleep.
            task.state.store(kind, Ordering::SeqCst);
            if condition() {
                task.state.store(state::RUNNING, Ordering::SeqCst);
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Wakes all who wait. From any context on a machine's CPU, and from other threads: then a CPU does it as soon as it can.
    pub fn wake_up(&self) {
        let mut waiters = self.0.lock();
        if waiters.is_empty() {
            return;
        }
        let local = local_if_any();
        for waiter in waiters.drain(..) {
            match &local {
                Some(local) => {
                    local.wake(&waiter.task, HELD);
                }
                None => {
                    if let Some(machine) = waiter.machine.upgrade() {
                        let cpu = waiter.task.cpu.load(Ordering::SeqCst);
                        machine.cpus[cpu].request(Request::Wake(waiter.task));
                    }
                }
            }
        }
    }
}
