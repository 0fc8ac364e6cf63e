//! The events of packets, sockets and packet programs.

use parking_lot::Mutex;
use utracefs::base::task;

use crate::events::{napi, net, qdisc, skb, sock, tcp, xdp};
use crate::net::{DropReason, Qdisc, Request, ResetReason, Skb, Sock};

/// Which socket: its number, and its two ports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Who {
    pub cookie: u64,
    pub sport: u16,
    pub dport: u16,
}

/// What an event says. Packets are their addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    DevQueue {
        skb: usize,
        len: u32,
    },
    StartXmit {
        skb: usize,
        len: u32,
    },
    Xmit {
        skb: usize,
        len: u32,
        rc: i32,
    },
    Rx {
        skb: usize,
    },
    RxExit {
        ret: i32,
    },
    ReceiveEntry {
        skb: usize,
        napi_id: u32,
    },
    Receive {
        skb: usize,
        len: u32,
    },
    ReceiveExit {
        ret: i32,
    },
    NapiPoll {
        device: String,
        work: i32,
        budget: i32,
    },
    Qdisc {
        what: &'static str,
    },
    Enqueue {
        skb: usize,
    },
    Dequeue {
        skb: usize,
        packets: i32,
    },
    Consume {
        skb: usize,
    },
    Kfree {
        skb: usize,
        reason: DropReason,
    },
    Copy {
        skb: usize,
        len: i32,
    },
    State {
        who: Who,
        old: i32,
        new: i32,
    },
    Error {
        who: Who,
        errno: i32,
    },
    Ready {
        sk: usize,
    },
    RcvqueueFull,
    Sent {
        who: Who,
        ret: i32,
    },
    Received {
        who: Who,
        ret: i32,
    },
    BadCsum {
        skb: usize,
    },
    Destroy {
        who: Who,
    },
    ReceiveReset {
        who: Who,
    },
    Retransmit {
        who: Who,
        state: i32,
        err: i32,
    },
    RetransmitSynack {
        listener: u16,
        peer: u16,
    },
    SendReset {
        sk: usize,
        state: i32,
        reason: ResetReason,
    },
    BulkTx {
        ifindex: i32,
        sent: i32,
        drops: i32,
        err: i32,
    },
    DevmapXmit {
        from: i32,
        to: i32,
        sent: i32,
        drops: i32,
        err: i32,
    },
    Exception {
        act: u32,
        ifindex: i32,
    },
    Redirect {
        from: i32,
        to: i32,
        index: i32,
    },
    RedirectErr {
        from: i32,
        to: i32,
        err: i32,
        index: i32,
    },
}

/// An event with its owner and context.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub event: Event,
    pub owner: i32,
    pub comm: String,
    pub flags: u8,
}

/// In the order of their happening.
static TRACE: Mutex<Vec<Record>> = Mutex::new(Vec::new());

fn push(event: Event) {
    let current = task::current();
    let head = current.head();
    let comm = current.comm();
    let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    TRACE.lock().push(Record {
        event,
        owner: (head >> 32) as i32,
        comm: String::from_utf8_lossy(comm).into_owned(),
        flags: (head >> 16) as u8,
    });
}

fn who(sk: &Sock) -> Who {
    Who {
        cookie: sk.cookie(),
        sport: sk.sport(),
        dport: sk.dport(),
    }
}

fn at(skb: &Skb) -> usize {
    skb.addr() as usize
}

/// A probe for each event, and all of them registered and unregistered.
macro_rules! probes {
    ($($module:ident $name:ident ($($arg:ident: $type:ty),*) $event:expr;)*) => { pastey::paste! {
        $(#[allow(unused_variables)]
        fn [<on_ $name>](_: *const (), $($arg: $type),*) {
            use Event::*;
            push($event);
        })*

        fn register() {
            $($module::[<register_trace_ $name>]([<on_ $name>], std::ptr::null()).unwrap();)*
        }

        fn unregister() {
            $($module::[<unregister_trace_ $name>]([<on_ $name>], std::ptr::null()).unwrap();)*
        }
    } };
}

probes! {
    net net_dev_queue(skb: &Skb) DevQueue { skb: at(skb), len: skb.len() };
    net net_dev_start_xmit(skb: &Skb) StartXmit { skb: at(skb), len: skb.len() };
    net net_dev_xmit(skb: *mut (), len: u32, rc: i32, device: &str) Xmit { skb: skb as usize, len, rc };
    net netif_rx(skb: &Skb) Rx { skb: at(skb) };
    net netif_rx_exit(ret: i32) RxExit { ret };
    net netif_receive_skb_entry(skb: &Skb) ReceiveEntry { skb: at(skb), napi_id: skb.napi_id() };
    net netif_receive_skb(skb: &Skb) Receive { skb: at(skb), len: skb.len() };
    net netif_receive_skb_exit(ret: i32) ReceiveExit { ret };
    napi napi_poll(napi: *const (), device: &str, work: i32, budget: i32)
        NapiPoll { device: device.into(), work, budget };
    qdisc qdisc_create(qdisc: &Qdisc) Qdisc { what: "create" };
    qdisc qdisc_reset(qdisc: &Qdisc) Qdisc { what: "reset" };
    qdisc qdisc_destroy(qdisc: &Qdisc) Qdisc { what: "destroy" };
    qdisc qdisc_enqueue(qdisc: &Qdisc, skb: *mut ()) Enqueue { skb: skb as usize };
    qdisc qdisc_dequeue(qdisc: &Qdisc, packets: i32, skb: &Skb) Dequeue { skb: at(skb), packets };
    skb consume_skb(skb: &Skb, location: *mut ()) Consume { skb: at(skb) };
    skb kfree_skb(skb: &Skb, location: *mut (), sk: *mut (), reason: DropReason) Kfree { skb: at(skb), reason };
    skb skb_copy_datagram_iovec(skb: &Skb, len: i32) Copy { skb: at(skb), len };
    sock inet_sock_set_state(sk: &Sock, old: i32, new: i32) State { who: who(sk), old, new };
    sock inet_sk_error_report(sk: &Sock, errno: i32) Error { who: who(sk), errno };
    sock sk_data_ready(sk: *const (), family: u16, protocol: u16, func: usize) Ready { sk: sk as usize };
    sock sock_rcvqueue_full(allocated: i32, truesize: u32, limit: i32) RcvqueueFull;
    sock sock_send_length(sk: &Sock, ret: i32, flags: i32) Sent { who: who(sk), ret };
    sock sock_recv_length(sk: &Sock, ret: i32, flags: i32) Received { who: who(sk), ret };
    tcp tcp_bad_csum(skb: &Skb, from: [u8; 28], to: [u8; 28]) BadCsum { skb: at(skb) };
    tcp tcp_destroy_sock(sk: &Sock) Destroy { who: who(sk) };
    tcp tcp_receive_reset(sk: &Sock) ReceiveReset { who: who(sk) };
    tcp tcp_retransmit_skb(skb: *const (), sk: &Sock, err: i32) Retransmit { who: who(sk), state: sk.state(), err };
    tcp tcp_retransmit_synack(sk: &Sock, req: &Request)
        RetransmitSynack { listener: sk.sport(), peer: req.peer_port() };
    tcp tcp_send_reset(
        skb: *const (), sk: *const (), state: i32, reason: ResetReason, from: [u8; 28], to: [u8; 28]
    ) SendReset { sk: sk as usize, state, reason };
    xdp xdp_bulk_tx(ifindex: i32, sent: i32, drops: i32, err: i32) BulkTx { ifindex, sent, drops, err };
    xdp xdp_devmap_xmit(from: i32, to: i32, sent: i32, drops: i32, err: i32)
        DevmapXmit { from, to, sent, drops, err };
    xdp xdp_exception(prog: i32, act: u32, ifindex: i32) Exception { act, ifindex };
    xdp xdp_redirect(prog: i32, from: i32, to: i32, map: u32, index: i32) Redirect { from, to, index };
    xdp xdp_redirect_err(prog: i32, from: i32, to: i32, err: i32, map: u32, index: i32)
        RedirectErr { from, to, err, index };
}

/// Runs `work` and returns these events that came meanwhile.
pub(crate) fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
    let _alone = super::alone();
    recorded_alone(work)
}

/// The same for a caller that is alone already.
pub(crate) fn recorded_alone<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
    register();
    TRACE.lock().clear();
    let result = work();
    unregister();
    (result, std::mem::take(&mut *TRACE.lock()))
}
