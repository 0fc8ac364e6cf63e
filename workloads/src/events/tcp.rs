//! TCP: what a connection suffers.

use utracefs::define_event_trace;

use super::sock::{AF_INET, mapped};
use crate::net::{Request, ResetReason, Skb, Sock};

define_event_trace!(
    /// A segment was damaged on its way. The skb is the received one.
    tcp_bad_csum,
    TP_system(tcp),
    TP_PROTO(skb: &Skb, saddr: [u8; 28], daddr: [u8; 28]),
    TP_STRUCT__entry {
        skbaddr: *const (),
        saddr: [u8; 28] as "__u8",
        daddr: [u8; 28] as "__u8",
    },
    TP_fast_assign {
        skbaddr: skb.addr(),
        saddr: saddr,
        daddr: daddr,
    },
    TP_ident(__entry),
    TP_printk(c: r#""skbaddr=%p src=%pISpc dest=%pISpc", REC->skbaddr, REC->saddr, REC->daddr"#)
);

/// What happens to a socket as a whole.
macro_rules! socket_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(tcp),
            TP_PROTO(sk: &Sock),
            TP_STRUCT__entry {
                skaddr: *const (),
                sport: u16 as "__u16",
                dport: u16 as "__u16",
                family: u16 as "__u16",
                saddr: [u8; 4] as "__u8",
                daddr: [u8; 4] as "__u8",
                saddr_v6: [u8; 16] as "__u8",
                daddr_v6: [u8; 16] as "__u8",
                sock_cookie: u64 as "__u64",
            },
            TP_fast_assign {
                skaddr: sk.addr(),
                sport: sk.sport(),
                dport: sk.dport(),
                family: AF_INET,
                saddr: sk.saddr(),
                daddr: sk.daddr(),
                saddr_v6: mapped(sk.saddr()),
                daddr_v6: mapped(sk.daddr()),
                sock_cookie: sk.cookie(),
            },
            TP_ident(__entry),
            TP_printk(c: r#""family=%s sport=%hu dport=%hu saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c sock_cookie=%llx", __print_symbolic(REC->family, { 2, "AF_INET" }, { 10, "AF_INET6" }), REC->sport, REC->dport, REC->saddr, REC->daddr, REC->saddr_v6, REC->daddr_v6, REC->sock_cookie"#)
        );
    )*};
}

socket_events!(
    /// A socket goes.
    tcp_destroy_sock,
    /// The other end has reset the connection, or refused it.
    tcp_receive_reset
);

define_event_trace!(
    /// Something is sent that was sent before; `err` if it did not get to the device.
    tcp_retransmit_skb,
    TP_system(tcp),
    TP_PROTO(skbaddr: *const (), sk: &Sock, err: i32),
    TP_STRUCT__entry {
        skbaddr: *const (),
        skaddr: *const (),
        state: i32,
        sport: u16 as "__u16",
        dport: u16 as "__u16",
        family: u16 as "__u16",
        saddr: [u8; 4] as "__u8",
        daddr: [u8; 4] as "__u8",
        saddr_v6: [u8; 16] as "__u8",
        daddr_v6: [u8; 16] as "__u8",
        err: i32,
    },
    TP_fast_assign {
        skbaddr: skbaddr,
        skaddr: sk.addr(),
        state: sk.state(),
        sport: sk.sport(),
        dport: sk.dport(),
        family: AF_INET,
        saddr: sk.saddr(),
        daddr: sk.daddr(),
        saddr_v6: mapped(sk.saddr()),
        daddr_v6: mapped(sk.daddr()),
        err: err,
    },
    TP_ident(__entry),
    TP_printk(c: r#""skbaddr=%p skaddr=%p family=%s sport=%hu dport=%hu saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c state=%s err=%d", REC->skbaddr, REC->skaddr, __print_symbolic(REC->family, { 2, "AF_INET" }, { 10, "AF_INET6" }), REC->sport, REC->dport, REC->saddr, REC->daddr, REC->saddr_v6, REC->daddr_v6, __print_symbolic(REC->state, { TCP_ESTABLISHED, "TCP_ESTABLISHED" }, { TCP_SYN_SENT, "TCP_SYN_SENT" }, { TCP_SYN_RECV, "TCP_SYN_RECV" }, { TCP_FIN_WAIT1, "TCP_FIN_WAIT1" }, { TCP_FIN_WAIT2, "TCP_FIN_WAIT2" }, { TCP_TIME_WAIT, "TCP_TIME_WAIT" }, { TCP_CLOSE, "TCP_CLOSE" }, { TCP_CLOSE_WAIT, "TCP_CLOSE_WAIT" }, { TCP_LAST_ACK, "TCP_LAST_ACK" }, { TCP_LISTEN, "TCP_LISTEN" }, { TCP_CLOSING, "TCP_CLOSING" }, { TCP_NEW_SYN_RECV, "TCP_NEW_SYN_RECV" }), REC->err"#)
);

define_event_trace!(
    /// A listener answers a connection request once more.
    tcp_retransmit_synack,
    TP_system(tcp),
    TP_PROTO(sk: &Sock, req: &Request),
    TP_STRUCT__entry {
        skaddr: *const (),
        req: *const (),
        sport: u16 as "__u16",
        dport: u16 as "__u16",
        family: u16 as "__u16",
        saddr: [u8; 4] as "__u8",
        daddr: [u8; 4] as "__u8",
        saddr_v6: [u8; 16] as "__u8",
        daddr_v6: [u8; 16] as "__u8",
    },
    TP_fast_assign {
        skaddr: sk.addr(),
        req: req.addr(),
        sport: sk.sport(),
        dport: req.peer_port(),
        family: AF_INET,
        saddr: req.local_address(),
        daddr: req.peer_address(),
        saddr_v6: mapped(req.local_address()),
        daddr_v6: mapped(req.peer_address()),
    },
    TP_ident(__entry),
    TP_printk(c: r#""family=%s sport=%hu dport=%hu saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c", __print_symbolic(REC->family, { 2, "AF_INET" }, { 10, "AF_INET6" }), REC->sport, REC->dport, REC->saddr, REC->daddr, REC->saddr_v6, REC->daddr_v6"#)
);

define_event_trace!(
    /// A reset is sent: for the segment `skb`, which came for `sk` or for no socket at all, or because `sk` is closed so.
    tcp_send_reset,
    TP_system(tcp),
    TP_PROTO(skb: *const (), sk: *const (), state: i32, reason: ResetReason, saddr: [u8; 28], daddr: [u8; 28]),
    TP_STRUCT__entry {
        skbaddr: *const (),
        skaddr: *const (),
        state: i32,
        reason: u32 as "enum sk_rst_reason",
        saddr: [u8; 28] as "__u8",
        daddr: [u8; 28] as "__u8",
    },
    TP_fast_assign {
        skbaddr: skb,
        skaddr: sk,
        state: state,
        reason: reason as u32,
        saddr: saddr,
        daddr: daddr,
    },
    TP_ident(__entry),
    TP_printk(c: r#""skbaddr=%p skaddr=%p src=%pISpc dest=%pISpc state=%s reason=%s", REC->skbaddr, REC->skaddr, REC->saddr, REC->daddr, REC->state ? __print_symbolic(REC->state, { TCP_ESTABLISHED, "TCP_ESTABLISHED" }, { TCP_SYN_SENT, "TCP_SYN_SENT" }, { TCP_SYN_RECV, "TCP_SYN_RECV" }, { TCP_FIN_WAIT1, "TCP_FIN_WAIT1" }, { TCP_FIN_WAIT2, "TCP_FIN_WAIT2" }, { TCP_TIME_WAIT, "TCP_TIME_WAIT" }, { TCP_CLOSE, "TCP_CLOSE" }, { TCP_CLOSE_WAIT, "TCP_CLOSE_WAIT" }, { TCP_LAST_ACK, "TCP_LAST_ACK" }, { TCP_LISTEN, "TCP_LISTEN" }, { TCP_CLOSING, "TCP_CLOSING" }, { TCP_NEW_SYN_RECV, "TCP_NEW_SYN_RECV" }) : "UNKNOWN", __print_symbolic(REC->reason, { 0, "NOT_SPECIFIED" }, { 1, "NO_SOCKET" }, { 2, "TCP_INVALID_ACK_SEQUENCE" }, { 3, "TCP_RFC7323_PAWS" }, { 4, "TCP_TOO_OLD_ACK" }, { 5, "TCP_ACK_UNSENT_DATA" }, { 6, "TCP_FLAGS" }, { 7, "TCP_OLD_ACK" }, { 8, "TCP_ABORT_ON_DATA" }, { 9, "TCP_TIMEWAIT_SOCKET" }, { 10, "INVALID_SYN" }, { 11, "TCP_ABORT_ON_CLOSE" }, { 12, "TCP_ABORT_ON_LINGER" }, { 13, "TCP_ABORT_ON_MEMORY" }, { 14, "TCP_STATE" }, { 15, "TCP_KEEPALIVE_TIMEOUT" }, { 16, "TCP_DISCONNECT_WITH_DATA" }, { 17, "MPTCP_RST_EUNSPEC" }, { 18, "MPTCP_RST_EMPTCP" }, { 19, "MPTCP_RST_ERESOURCE" }, { 20, "MPTCP_RST_EPROHIBIT" }, { 21, "MPTCP_RST_EWQ2BIG" }, { 22, "MPTCP_RST_EBADPERF" }, { 23, "MPTCP_RST_EMIDDLEBOX" }, { 24, "ERROR" }, { 25, "MAX" })"#)
);
