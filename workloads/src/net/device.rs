//! Network devices: the way of a packet from the protocols through the queueing discipline to the driver.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::driver::Nic;
use super::skb::{DropReason, Skb, here, kfree_skb};
use crate::events::net::{trace_net_dev_queue, trace_net_dev_start_xmit, trace_net_dev_xmit};
use crate::events::qdisc::{
    trace_qdisc_create, trace_qdisc_dequeue, trace_qdisc_destroy, trace_qdisc_enqueue,
    trace_qdisc_reset,
};

/// The driver took the packet.
const NETDEV_TX_OK: i32 = 0;
/// Bit of a transmit queue's state: its driver has stopped it.
const DRV_XOFF: u32 = 1;
/// `TC_H_ROOT`: above this queueing discipline is nothing.
const ROOT: u32 = 0xffff_ffff;
/// Its own number, `1:` where tc(8) shows it.
const HANDLE: u32 = 0x1_0000;
/// Packets it holds.
pub(crate) const QUEUE_LIMIT: usize = 1000;

/// Where packets go that come up from a device.
pub(crate) trait Protocol: Send + Sync {
    /// Takes a packet.
    fn receive(&self, skb: Box<Skb>);
}

/// A network device.
pub(crate) struct Device {
    name: String,
    pub ifindex: i32,
    /// Its address on the link.
    pub mac: [u8; 6],
    qdisc: Qdisc,
    pub nic: Nic,
    protocol: OnceLock<Weak<dyn Protocol>>,
}

/// A device's transmit queue: its driver has stopped it while the device is down.
struct TxQueue {
    state: AtomicU32,
}

/// First in, first out, with a limit: the discipline called pfifo.
pub struct Qdisc {
    device: String,
    ifindex: i32,
    txq: TxQueue,
    queue: Mutex<VecDeque<Box<Skb>>>,
    limit: usize,
    /// Somebody passes packets on to the driver; one does it at a time, so they stay in order.
    running: AtomicBool,
}

/// The packet was not queued: there is no room, or the device is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NotQueued;

impl Device {
    pub fn new(
        name: &str,
        ifindex: i32,
        limit: usize,
        make_nic: impl FnOnce(&Weak<Device>) -> Nic,
    ) -> Arc<Device> {
        Arc::new_cyclic(|device| Device {
            name: name.into(),
            ifindex,
            mac: [2, 0, 0, 0, 0, ifindex as u8],
            qdisc: Qdisc {
                device: name.into(),
                ifindex,
                txq: TxQueue {
                    state: AtomicU32::new(DRV_XOFF),
                },
                queue: Mutex::default(),
                limit,
                running: AtomicBool::new(false),
            },
            nic: make_nic(device),
            protocol: OnceLock::new(),
        })
    }

    /// What its packets go up to; the first one stays.
    pub fn set_protocol(&self, protocol: Weak<dyn Protocol>) {
        let _ = self.protocol.set(protocol);
    }

    pub fn protocol(&self) -> Option<Arc<dyn Protocol>> {
        self.protocol.get().and_then(Weak::upgrade)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets packets in and out.
    pub fn open(&self) {
        self.nic.open();
        trace_qdisc_create(&self.qdisc);
        self.qdisc.txq.state.fetch_and(!DRV_XOFF, Ordering::SeqCst);
    }

    /// Throws away what is under way in it and lets nothing in or out any more.
    pub fn close(&self) {
        self.qdisc.txq.state.fetch_or(DRV_XOFF, Ordering::SeqCst);
        trace_qdisc_reset(&self.qdisc);
        let queued = std::mem::take(&mut *self.qdisc.queue.lock());
        for skb in queued {
            kfree_skb(skb, here!(Device::close), DropReason::QueuePurge);
        }
        trace_qdisc_destroy(&self.qdisc);
        self.nic.close();
    }

    /// Queues a packet that is ready to go out; `run_queue` sends it. It is gone in either case.
    pub fn queue_xmit(&self, skb: Box<Skb>) -> Result<(), NotQueued> {
        trace_net_dev_queue(&skb);
        let addr = skb.addr_mut();
        {
            let mut queue = self.qdisc.queue.lock();
            if self.qdisc.txq_state() == 0 && queue.len() < self.qdisc.limit {
                queue.push_back(skb);
                // Under the lock: nobody takes it off before the event says that it is there.
                trace_qdisc_enqueue(&self.qdisc, addr);
                return Ok(());
            }
        }
        kfree_skb(skb, here!(Device::queue_xmit), DropReason::QdiscOverlimit);
        Err(NotQueued)
    }

    /// Passes queued packets to the driver, unless somebody does already.
    pub fn run_queue(&self) {
        let qdisc = &self.qdisc;
        // Who finds it running has queued before, and the one who runs it looks again after it has let go.
        while !qdisc.queue.lock().is_empty() {
            if qdisc.running.swap(true, Ordering::SeqCst) {
                return;
            }
            while let Some(skb) = qdisc.dequeue() {
                self.hard_start_xmit(skb);
            }
            qdisc.running.store(false, Ordering::SeqCst);
        }
    }

    fn hard_start_xmit(&self, skb: Box<Skb>) {
        let (addr, len) = (skb.addr_mut(), skb.len());
        trace_net_dev_start_xmit(&skb);
        // It has room for any number: it copies the packet to the link at once.
        self.nic.start_xmit(skb);
        trace_net_dev_xmit(addr, len, NETDEV_TX_OK, &self.name);
    }
}

impl Qdisc {
    fn dequeue(&self) -> Option<Box<Skb>> {
        let skb = self.queue.lock().pop_front()?;
        trace_qdisc_dequeue(self, 1, &skb);
        Some(skb)
    }

    /// Name of its device.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// What kind it is.
    pub fn kind(&self) -> &'static str {
        "pfifo"
    }

    /// What it belongs to.
    pub fn parent(&self) -> u32 {
        ROOT
    }

    /// Its own number.
    pub fn handle(&self) -> u32 {
        HANDLE
    }

    /// Number of its device.
    pub fn ifindex(&self) -> i32 {
        self.ifindex
    }

    /// Where it is in memory.
    pub fn addr(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// Where its transmit queue is in memory.
    pub fn txq(&self) -> *const () {
        std::ptr::from_ref(&self.txq).cast()
    }

    /// The transmit queue's state bits.
    pub fn txq_state(&self) -> usize {
        self.txq.state.load(Ordering::SeqCst) as usize
    }
}
