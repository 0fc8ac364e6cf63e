//! Packet programs that run where packets come in. `act` is the verdict: 0 aborted, 1 drop, 2 pass, 3 tx, 4 redirect.

use utracefs::define_event_trace;

const XDP_TX: u32 = 3;
const XDP_REDIRECT: u32 = 4;

define_event_trace!(
    /// A driver has sent back what programs told it to.
    xdp_bulk_tx,
    TP_system(xdp),
    TP_PROTO(ifindex: i32, sent: i32, drops: i32, err: i32),
    TP_STRUCT__entry {
        ifindex: i32,
        act: u32,
        drops: i32,
        sent: i32,
        err: i32,
    },
    TP_fast_assign {
        ifindex: ifindex,
        act: XDP_TX,
        drops: drops,
        sent: sent,
        err: err,
    },
    TP_ident(__entry),
    TP_printk(c: r#""ifindex=%d action=%s sent=%d drops=%d err=%d", REC->ifindex, __print_symbolic(REC->act, { 0, "ABORTED" }, { 1, "DROP" }, { 2, "PASS" }, { 3, "TX" }, { 4, "REDIRECT" }, { -1, ((void *)0) }), REC->sent, REC->drops, REC->err"#)
);

define_event_trace!(
    /// A batch went out on another device.
    xdp_devmap_xmit,
    TP_system(xdp),
    TP_PROTO(from_ifindex: i32, to_ifindex: i32, sent: i32, drops: i32, err: i32),
    TP_STRUCT__entry {
        from_ifindex: i32,
        act: u32,
        to_ifindex: i32,
        drops: i32,
        sent: i32,
        err: i32,
    },
    TP_fast_assign {
        from_ifindex: from_ifindex,
        act: XDP_REDIRECT,
        to_ifindex: to_ifindex,
        drops: drops,
        sent: sent,
        err: err,
    },
    TP_ident(__entry),
    TP_printk(c: r#""ndo_xdp_xmit from_ifindex=%d to_ifindex=%d action=%s sent=%d drops=%d err=%d", REC->from_ifindex, REC->to_ifindex, __print_symbolic(REC->act, { 0, "ABORTED" }, { 1, "DROP" }, { 2, "PASS" }, { 3, "TX" }, { 4, "REDIRECT" }, { -1, ((void *)0) }), REC->sent, REC->drops, REC->err"#)
);

define_event_trace!(
    /// A packet is dropped because a program failed, or its verdict could not be carried out.
    xdp_exception,
    TP_system(xdp),
    TP_PROTO(prog_id: i32, act: u32, ifindex: i32),
    TP_STRUCT__entry {
        prog_id: i32,
        act: u32,
        ifindex: i32,
    },
    TP_fast_assign {
        prog_id: prog_id,
        act: act,
        ifindex: ifindex,
    },
    TP_ident(__entry),
    TP_printk(c: r#""prog_id=%d action=%s ifindex=%d", REC->prog_id, __print_symbolic(REC->act, { 0, "ABORTED" }, { 1, "DROP" }, { 2, "PASS" }, { 3, "TX" }, { 4, "REDIRECT" }, { -1, ((void *)0) }), REC->ifindex"#)
);

define_event_trace!(
    /// A packet is to leave elsewhere: `map_index` of the map says where.
    xdp_redirect,
    TP_system(xdp),
    TP_PROTO(prog_id: i32, ifindex: i32, to_ifindex: i32, map_id: u32, map_index: i32),
    TP_STRUCT__entry {
        prog_id: i32,
        act: u32,
        ifindex: i32,
        err: i32,
        to_ifindex: i32,
        map_id: u32,
        map_index: i32,
    },
    TP_fast_assign {
        prog_id: prog_id,
        act: XDP_REDIRECT,
        ifindex: ifindex,
        err: 0,
        to_ifindex: to_ifindex,
        map_id: map_id,
        map_index: map_index,
    },
    TP_ident(__entry),
    TP_printk(c: r#""prog_id=%d action=%s ifindex=%d to_ifindex=%d err=%d map_id=%d map_index=%d", REC->prog_id, __print_symbolic(REC->act, { 0, "ABORTED" }, { 1, "DROP" }, { 2, "PASS" }, { 3, "TX" }, { 4, "REDIRECT" }, { -1, ((void *)0) }), REC->ifindex, REC->to_ifindex, REC->err, REC->map_id, REC->map_index"#)
);

define_event_trace!(
    /// It cannot: `err` is an errno, negative.
    xdp_redirect_err,
    TP_system(xdp),
    TP_PROTO(prog_id: i32, ifindex: i32, to_ifindex: i32, err: i32, map_id: u32, map_index: i32),
    TP_STRUCT__entry {
        prog_id: i32,
        act: u32,
        ifindex: i32,
        err: i32,
        to_ifindex: i32,
        map_id: u32,
        map_index: i32,
    },
    TP_fast_assign {
        prog_id: prog_id,
        act: XDP_REDIRECT,
        ifindex: ifindex,
        err: err,
        to_ifindex: to_ifindex,
        map_id: map_id,
        map_index: map_index,
    },
    TP_ident(__entry),
    TP_printk(c: r#""prog_id=%d action=%s ifindex=%d to_ifindex=%d err=%d map_id=%d map_index=%d", REC->prog_id, __print_symbolic(REC->act, { 0, "ABORTED" }, { 1, "DROP" }, { 2, "PASS" }, { 3, "TX" }, { 4, "REDIRECT" }, { -1, ((void *)0) }), REC->ifindex, REC->to_ifindex, REC->err, REC->map_id, REC->map_index"#)
);
