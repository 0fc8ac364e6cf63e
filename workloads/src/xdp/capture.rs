//! Packet sockets: they get what comes up from a device, for a task that reads it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::events::skb::trace_skb_copy_datagram_iovec;
use crate::events::sock::{trace_sk_data_ready, trace_sock_rcvqueue_full};
use crate::machine::WaitQueue;
use crate::net::{DropReason, Protocol, Skb, consume_skb, here, sk_skb_reason_drop};

const AF_PACKET: u16 = libc::AF_PACKET as u16;

/// Sees a packet for which there was no room.
type OnDrop = Box<dyn Fn(&[u8]) + Send + Sync>;

/// A packet socket.
pub(super) struct Capture {
    queue: Mutex<VecDeque<Box<Skb>>>,
    /// Memory that what is queued takes.
    allocated: AtomicUsize,
    limit: usize,
    closed: AtomicBool,
    wait: WaitQueue,
    on_drop: OnDrop,
}

impl Capture {
    /// A socket that holds so many bytes; `on_drop` sees what finds no room.
    pub fn new(limit: usize, on_drop: OnDrop) -> Arc<Capture> {
        Arc::new(Capture {
            queue: Mutex::default(),
            allocated: AtomicUsize::new(0),
            limit,
            closed: AtomicBool::new(false),
            wait: WaitQueue::new(),
            on_drop,
        })
    }

    /// Waits for a packet and copies it; says how long it is. `None`: the socket was closed.
    pub async fn recv(&self, buffer: &mut [u8]) -> Option<usize> {
        let ready = || self.allocated.load(Ordering::SeqCst) > 0 || self.is_closed();
        loop {
            self.wait.wait_event(ready).await;
            let skb = self.queue.lock().pop_front();
            if let Some(skb) = skb {
                return Some(self.copy(skb, buffer));
            }
            if self.is_closed() {
                return None;
            }
        }
    }

    fn copy(&self, skb: Box<Skb>, buffer: &mut [u8]) -> usize {
        let truesize = skb.truesize() as usize;
        let len = skb.data().len().min(buffer.len());
        buffer[..len].copy_from_slice(&skb.data()[..len]);
        trace_skb_copy_datagram_iovec(&skb, len as i32);
        consume_skb(skb, here!(Capture::copy));
        self.allocated.fetch_sub(truesize, Ordering::SeqCst);
        len
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Takes nothing any more; the reader gets what is there, and then the end.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wait.wake_up();
    }

    /// Throws away what nobody will read.
    pub fn purge(&self) {
        self.close();
        let left = std::mem::take(&mut *self.queue.lock());
        for skb in left {
            sk_skb_reason_drop(
                self.addr(),
                skb,
                here!(Capture::purge),
                DropReason::SocketClose,
            );
        }
    }

    /// Packets that wait to be read.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.queue.lock().len()
    }

    fn addr(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// Wakes the reader.
    fn sock_def_readable(&self) {
        self.wait.wake_up();
    }
}

impl Protocol for Capture {
    fn receive(&self, skb: Box<Skb>) {
        let truesize = skb.truesize();
        let allocated = self.allocated.load(Ordering::SeqCst);
        if allocated + truesize as usize > self.limit {
            trace_sock_rcvqueue_full(allocated as i32, truesize, self.limit as i32);
            (self.on_drop)(skb.data());
            let reason = DropReason::SocketRcvbuff;
            return sk_skb_reason_drop(self.addr(), skb, here!(Capture::receive), reason);
        }
        let refused = {
            let mut queue = self.queue.lock();
            if self.is_closed() {
                Some(skb)
            } else {
                self.allocated
                    .fetch_add(truesize as usize, Ordering::SeqCst);
                queue.push_back(skb);
                None
            }
        };
        if let Some(skb) = refused {
            let reason = DropReason::SocketClose;
            return sk_skb_reason_drop(self.addr(), skb, here!(Capture::receive), reason);
        }
        let wakes = Capture::sock_def_readable as *const () as usize;
        trace_sk_data_ready(self.addr(), AF_PACKET, 0, wakes);
        self.sock_def_readable();
    }
}
