//! What the NET_RX softirq does on every CPU: polls the devices that have asked for it, and serves the backlog of those that
//! cannot be polled.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::skb::{DropReason, Skb, here, kfree_skb};
use crate::events::napi::trace_napi_poll;
use crate::events::net::{
    trace_netif_receive_skb, trace_netif_receive_skb_entry, trace_netif_receive_skb_exit,
    trace_netif_rx, trace_netif_rx_entry, trace_netif_rx_exit,
};
use crate::machine::{Owner, SoftIrq, raise_softirq};

/// Packets that one device may take from its ring before the next one has its turn.
const WEIGHT: usize = 64;
/// Packets of one softirq; what is left waits for the next one.
const BUDGET: usize = 300;
/// Packets that may wait in a CPU's backlog.
pub(crate) const MAX_BACKLOG: usize = 1000;
/// `netif_rx` and `netif_receive_skb` answer that all is well.
const NET_RX_SUCCESS: i32 = 0;
/// The packet was dropped.
const NET_RX_DROP: i32 = 1;
/// Numbers of polled devices begin here: smaller ones are CPUs to the kernel.
const FIRST_NAPI_ID: u32 = 8193;

type Poll = Box<dyn Fn(&Arc<Napi>, usize) -> usize + Send + Sync>;

/// Something that is polled: a device's receive queue, or a CPU's backlog.
pub(crate) struct Napi {
    pub id: u32,
    device: String,
    /// On a CPU's list, or being polled.
    scheduled: AtomicBool,
    /// Takes at most so many packets; says how many it took.
    poll: Poll,
}

impl Napi {
    pub fn new(
        device: &str,
        poll: impl Fn(&Arc<Napi>, usize) -> usize + Send + Sync + 'static,
    ) -> Arc<Napi> {
        static NEXT: AtomicU32 = AtomicU32::new(FIRST_NAPI_ID);
        Arc::new(Napi {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            device: device.into(),
            scheduled: AtomicBool::new(false),
            poll: Box::new(poll),
        })
    }

    /// Has it polled by this CPU's next NET_RX, if it is not to be already.
    pub fn schedule(self: &Arc<Napi>) {
        if !self.scheduled.swap(true, Ordering::SeqCst) {
            SOFTNET.with_borrow_mut(|softnet| softnet.poll_list.push_back(self.clone()));
            raise_softirq(SoftIrq::NetRx);
        }
    }

    /// It has nothing left and may be scheduled again.
    pub fn complete(&self) {
        self.scheduled.store(false, Ordering::SeqCst);
    }
}

/// What a CPU has to do.
#[derive(Default)]
struct Softnet {
    poll_list: VecDeque<Arc<Napi>>,
    backlog: VecDeque<Box<Skb>>,
    backlog_napi: Option<Arc<Napi>>,
}

thread_local! {
    static SOFTNET: RefCell<Softnet> = RefCell::default();
}

/// Makes `machine` receive packets.
pub(crate) fn start(machine: &Owner) {
    machine
        .machine()
        .open_softirq(SoftIrq::NetRx, Arc::new(net_rx_action));
}

/// The softirq.
fn net_rx_action() {
    let mut left = BUDGET;
    let mut again = Vec::new();
    while let Some(napi) = SOFTNET.with_borrow_mut(|softnet| softnet.poll_list.pop_front()) {
        let weight = WEIGHT.min(left);
        let work = (napi.poll)(&napi, weight);
        trace_napi_poll(
            Arc::as_ptr(&napi).cast(),
            &napi.device,
            work as i32,
            weight as i32,
        );
        left -= work;
        if work == weight {
            again.push(napi);
        }
        if left == 0 {
            break;
        }
    }
    SOFTNET.with_borrow_mut(|softnet| softnet.poll_list.extend(again));
    if SOFTNET.with_borrow(|softnet| !softnet.poll_list.is_empty()) {
        raise_softirq(SoftIrq::NetRx);
    }
}

/// A driver that cannot be polled has received a packet: puts it on this CPU's backlog.
pub(crate) fn netif_rx(skb: Box<Skb>) {
    trace_netif_rx_entry(&skb);
    trace_netif_rx(&skb);
    let result = enqueue_to_backlog(skb);
    trace_netif_rx_exit(result);
}

fn enqueue_to_backlog(skb: Box<Skb>) -> i32 {
    let (refused, napi) = SOFTNET.with_borrow_mut(|softnet| {
        let napi = softnet
            .backlog_napi
            .get_or_insert_with(|| Napi::new("(no_device)", process_backlog))
            .clone();
        if softnet.backlog.len() >= MAX_BACKLOG {
            return (Some(skb), napi);
        }
        softnet.backlog.push_back(skb);
        (None, napi)
    });
    napi.schedule();
    let Some(skb) = refused else {
        return NET_RX_SUCCESS;
    };
    kfree_skb(skb, here!(enqueue_to_backlog), DropReason::CpuBacklog);
    NET_RX_DROP
}

fn process_backlog(napi: &Arc<Napi>, budget: usize) -> usize {
    for work in 0..budget {
        let Some(skb) = SOFTNET.with_borrow_mut(|softnet| softnet.backlog.pop_front()) else {
            napi.complete();
            return work;
        };
        receive(skb);
    }
    budget
}

/// A driver that is polled has received a packet.
pub(crate) fn netif_receive_skb(skb: Box<Skb>) {
    trace_netif_receive_skb_entry(&skb);
    receive(skb);
    trace_netif_receive_skb_exit(NET_RX_SUCCESS);
}

/// To the protocols.
fn receive(skb: Box<Skb>) {
    trace_netif_receive_skb(&skb);
    match skb.up() {
        Some(protocol) => protocol.receive(skb),
        None => kfree_skb(skb, here!(receive), DropReason::UnhandledProto),
    }
}
