//! Queueing disciplines.

use utracefs::define_event_trace;
use utracefs::event::field_type::DynStr;

use crate::net::{Qdisc, Skb};

define_event_trace!(
    /// A device gets its queueing discipline.
    qdisc_create,
    TP_system(qdisc),
    TP_PROTO(qdisc: &Qdisc),
    TP_STRUCT__entry {
        dev: DynStr,
        kind: DynStr,
        parent: u32,
    },
    TP_fast_assign {
        dev: qdisc.device(),
        kind: qdisc.kind(),
        parent: qdisc.parent(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""dev=%s kind=%s parent=%x:%x", __get_str(dev), __get_str(kind), ((REC->parent)&(0xFFFF0000U)) >> 16, ((REC->parent)&(0x0000FFFFU))"#)
);

define_event_trace!(
    /// A packet leaves the queue for the driver.
    qdisc_dequeue,
    TP_system(qdisc),
    TP_PROTO(qdisc: &Qdisc, packets: i32, skb: &Skb),
    TP_STRUCT__entry {
        qdisc: *const () as "struct Qdisc *",
        txq: *const () as "const struct netdev_queue *",
        packets: i32,
        skbaddr: *mut (),
        ifindex: i32,
        handle: u32,
        parent: u32,
        txq_state: usize,
    },
    TP_fast_assign {
        qdisc: qdisc.addr(),
        txq: qdisc.txq(),
        packets: packets,
        skbaddr: skb.addr_mut(),
        ifindex: qdisc.ifindex(),
        handle: qdisc.handle(),
        parent: qdisc.parent(),
        txq_state: qdisc.txq_state(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""dequeue ifindex=%d qdisc handle=0x%X parent=0x%X txq_state=0x%lX packets=%d skbaddr=%p", REC->ifindex, REC->handle, REC->parent, REC->txq_state, REC->packets, REC->skbaddr"#)
);

/// What becomes of a whole queueing discipline.
macro_rules! end_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(qdisc),
            TP_PROTO(qdisc: &Qdisc),
            TP_STRUCT__entry {
                dev: DynStr,
                kind: DynStr,
                parent: u32,
                handle: u32,
            },
            TP_fast_assign {
                dev: qdisc.device(),
                kind: qdisc.kind(),
                parent: qdisc.parent(),
                handle: qdisc.handle(),
            },
            TP_ident(__entry),
            TP_printk(c: r#""dev=%s kind=%s parent=%x:%x handle=%x:%x", __get_str(dev), __get_str(kind), ((REC->parent)&(0xFFFF0000U)) >> 16, ((REC->parent)&(0x0000FFFFU)), ((REC->handle)&(0xFFFF0000U)) >> 16, ((REC->handle)&(0x0000FFFFU))"#)
        );
    )*};
}

end_events!(
    /// The device goes down, its queueing discipline with it.
    qdisc_destroy,
    /// What is still queued is thrown away.
    qdisc_reset
);

define_event_trace!(
    /// A packet waits for its turn.
    qdisc_enqueue,
    TP_system(qdisc),
    TP_PROTO(qdisc: &Qdisc, skbaddr: *mut ()),
    TP_STRUCT__entry {
        qdisc: *const () as "struct Qdisc *",
        txq: *const () as "const struct netdev_queue *",
        skbaddr: *mut (),
        ifindex: i32,
        handle: u32,
        parent: u32,
    },
    TP_fast_assign {
        qdisc: qdisc.addr(),
        txq: qdisc.txq(),
        skbaddr: skbaddr,
        ifindex: qdisc.ifindex(),
        handle: qdisc.handle(),
        parent: qdisc.parent(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""enqueue ifindex=%d qdisc handle=0x%X parent=0x%X skbaddr=%p", REC->ifindex, REC->handle, REC->parent, REC->skbaddr"#)
);
