//! Pipes between tasks: bounded, several writers, one reader, closed when one side is gone.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use parking_lot::Mutex;

use super::cpu::{Local, local};
use super::sleep::preempt_point;
use super::task::{Green, state};

/// Locks held while a pipe wakes: its own.
const HELD: u8 = 1;

struct Pipe<T> {
    items: VecDeque<T>,
    capacity: usize,
    writers: usize,
    reader: bool,
    sleeping_writers: VecDeque<Arc<Green>>,
    sleeping_reader: Option<Arc<Green>>,
}

/// The writing end.
pub(crate) struct Sender<T>(Arc<Mutex<Pipe<T>>>);

/// The reading end.
pub(crate) struct Receiver<T>(Arc<Mutex<Pipe<T>>>);

/// A pipe that holds `capacity` items, at least one.
pub(crate) fn pipe<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let pipe = Arc::new(Mutex::new(Pipe {
        items: VecDeque::new(),
        capacity: capacity.max(1),
        writers: 1,
        reader: true,
        sleeping_writers: VecDeque::new(),
        sleeping_reader: None,
    }));
    (Sender(pipe.clone()), Receiver(pipe))
}

impl<T> Pipe<T> {
    fn wake_reader(&mut self, local: &Local) {
        if let Some(reader) = self.sleeping_reader.take() {
            local.wake(&reader, HELD);
        }
    }

    /// Wakes the writer that has waited longest; one that was killed meanwhile does not count.
    fn wake_writer(&mut self, local: &Local) {
        while let Some(writer) = self.sleeping_writers.pop_front() {
            if local.wake(&writer, HELD) {
                return;
            }
        }
    }
}

impl<T> Sender<T> {
    /// Puts an item in, sleeping while the pipe is full. Gives it back if the reader is gone.
    pub async fn send(&self, item: T) -> Result<(), T> {
        let mut item = Some(item);
        let result = poll_fn(|_| {
            let local = local();
            let mut pipe = self.0.lock();
            if !pipe.reader {
                return Poll::Ready(item.take().map_or(Ok(()), Err));
            }
            if pipe.items.len() < pipe.capacity {
                pipe.items.extend(item.take());
                pipe.wake_reader(&local);
                return Poll::Ready(Ok(()));
            }
            let task = local.current();
            // Under the pipe's lock, which the reader takes before it looks for sleepers.
            task.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
            if !pipe.sleeping_writers.iter().any(|t| Arc::ptr_eq(t, &task)) {
                pipe.sleeping_writers.push_back(task);
            }
            Poll::Pending
        })
        .await;
        preempt_point().await;
        result
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.0.lock().writers += 1;
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut pipe = self.0.lock();
        pipe.writers -= 1;
        if pipe.writers == 0 && pipe.sleeping_reader.is_some() {
            pipe.wake_reader(&local());
        }
    }
}

impl<T> Receiver<T> {
    /// Takes an item out, sleeping while the pipe is empty. `None`: it is empty and all writers are gone.
    pub async fn recv(&mut self) -> Option<T> {
        let result = poll_fn(|_| {
            let local = local();
            let mut pipe = self.0.lock();
            if let Some(item) = pipe.items.pop_front() {
                pipe.wake_writer(&local);
                return Poll::Ready(Some(item));
            }
            if pipe.writers == 0 {
                return Poll::Ready(None);
            }
            let task = local.current();
            task.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
            pipe.sleeping_reader = Some(task);
            Poll::Pending
        })
        .await;
        preempt_point().await;
        result
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut pipe = self.0.lock();
        pipe.reader = false;
        if !pipe.sleeping_writers.is_empty() {
            let local = local();
            while !pipe.sleeping_writers.is_empty() {
                pipe.wake_writer(&local);
            }
        }
    }
}
