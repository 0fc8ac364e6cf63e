//! Sockets.

use utracefs::define_event_trace;

use crate::net::Sock;

/// The address family of the internet.
pub(crate) const AF_INET: u16 = 2;
/// Its protocol TCP.
pub(crate) const IPPROTO_TCP: u16 = 6;

/// An IPv4 address as IPv6 has it: `::ffff:a.b.c.d`.
pub(super) fn mapped(address: [u8; 4]) -> [u8; 16] {
    let mut mapped = [0; 16];
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&address);
    mapped
}

define_event_trace!(
    /// A socket has an error for its owner: an errno.
    inet_sk_error_report,
    TP_system(sock),
    TP_PROTO(sk: &Sock, error: i32),
    TP_STRUCT__entry {
        error: i32,
        sport: u16 as "__u16",
        dport: u16 as "__u16",
        family: u16 as "__u16",
        protocol: u16 as "__u16",
        saddr: [u8; 4] as "__u8",
        daddr: [u8; 4] as "__u8",
        saddr_v6: [u8; 16] as "__u8",
        daddr_v6: [u8; 16] as "__u8",
    },
    TP_fast_assign {
        error: error,
        sport: sk.sport(),
        dport: sk.dport(),
        family: AF_INET,
        protocol: IPPROTO_TCP,
        saddr: sk.saddr(),
        daddr: sk.daddr(),
        saddr_v6: mapped(sk.saddr()),
        daddr_v6: mapped(sk.daddr()),
    },
    TP_ident(__entry),
    TP_printk(c: r#""family=%s protocol=%s sport=%hu dport=%hu saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c error=%d", __print_symbolic(REC->family, { 2, "AF_INET" }, { 10, "AF_INET6" }), __print_symbolic(REC->protocol, { 6, "IPPROTO_TCP" }, { 132, "IPPROTO_SCTP" }, { 262, "IPPROTO_MPTCP" }), REC->sport, REC->dport, REC->saddr, REC->daddr, REC->saddr_v6, REC->daddr_v6, REC->error"#)
);

define_event_trace!(
    /// A connection goes from one state to another.
    inet_sock_set_state,
    TP_system(sock),
    TP_PROTO(sk: &Sock, oldstate: i32, newstate: i32),
    TP_STRUCT__entry {
        skaddr: *const (),
        oldstate: i32,
        newstate: i32,
        sport: u16 as "__u16",
        dport: u16 as "__u16",
        family: u16 as "__u16",
        protocol: u16 as "__u16",
        saddr: [u8; 4] as "__u8",
        daddr: [u8; 4] as "__u8",
        saddr_v6: [u8; 16] as "__u8",
        daddr_v6: [u8; 16] as "__u8",
    },
    TP_fast_assign {
        skaddr: sk.addr(),
        oldstate: oldstate,
        newstate: newstate,
        sport: sk.sport(),
        dport: sk.dport(),
        family: AF_INET,
        protocol: IPPROTO_TCP,
        saddr: sk.saddr(),
        daddr: sk.daddr(),
        saddr_v6: mapped(sk.saddr()),
        daddr_v6: mapped(sk.daddr()),
    },
    TP_ident(__entry),
    TP_printk(c: r#""family=%s protocol=%s sport=%hu dport=%hu saddr=%pI4 daddr=%pI4 saddrv6=%pI6c daddrv6=%pI6c oldstate=%s newstate=%s", __print_symbolic(REC->family, { 2, "AF_INET" }, { 10, "AF_INET6" }), __print_symbolic(REC->protocol, { 6, "IPPROTO_TCP" }, { 132, "IPPROTO_SCTP" }, { 262, "IPPROTO_MPTCP" }), REC->sport, REC->dport, REC->saddr, REC->daddr, REC->saddr_v6, REC->daddr_v6, __print_symbolic(REC->oldstate, { 1, "TCP_ESTABLISHED" }, { 2, "TCP_SYN_SENT" }, { 3, "TCP_SYN_RECV" }, { 4, "TCP_FIN_WAIT1" }, { 5, "TCP_FIN_WAIT2" }, { 6, "TCP_TIME_WAIT" }, { 7, "TCP_CLOSE" }, { 8, "TCP_CLOSE_WAIT" }, { 9, "TCP_LAST_ACK" }, { 10, "TCP_LISTEN" }, { 11, "TCP_CLOSING" }, { 12, "TCP_NEW_SYN_RECV" }), __print_symbolic(REC->newstate, { 1, "TCP_ESTABLISHED" }, { 2, "TCP_SYN_SENT" }, { 3, "TCP_SYN_RECV" }, { 4, "TCP_FIN_WAIT1" }, { 5, "TCP_FIN_WAIT2" }, { 6, "TCP_TIME_WAIT" }, { 7, "TCP_CLOSE" }, { 8, "TCP_CLOSE_WAIT" }, { 9, "TCP_LAST_ACK" }, { 10, "TCP_LISTEN" }, { 11, "TCP_CLOSING" }, { 12, "TCP_NEW_SYN_RECV" })"#)
);

define_event_trace!(
    /// There is something to be read, or to be accepted: `func` wakes who waits for it.
    sk_data_ready,
    TP_system(sock),
    TP_PROTO(skaddr: *const (), family: u16, protocol: u16, func: usize),
    TP_STRUCT__entry {
        skaddr: *const (),
        family: u16 as "__u16",
        protocol: u16 as "__u16",
        ip: usize,
    },
    TP_fast_assign {
        skaddr: skaddr,
        family: family,
        protocol: protocol,
        ip: func,
    },
    TP_ident(__entry),
    TP_printk(c: r#""family=%u protocol=%u func=%ps", REC->family, REC->protocol, (void *)REC->ip"#)
);

define_event_trace!(
    /// A packet finds no room in a socket of the datagram kind: bytes that wait there, its own, and the limit.
    sock_rcvqueue_full,
    TP_system(sock),
    TP_PROTO(rmem_alloc: i32, truesize: u32, rcvbuf: i32),
    TP_STRUCT__entry {
        rmem_alloc: i32,
        truesize: u32 as "unsigned int",
        sk_rcvbuf: i32,
    },
    TP_fast_assign {
        rmem_alloc: rmem_alloc,
        truesize: truesize,
        sk_rcvbuf: rcvbuf,
    },
    TP_ident(__entry),
    TP_printk(c: r#""rmem_alloc=%d truesize=%u sk_rcvbuf=%d", REC->rmem_alloc, REC->truesize, REC->sk_rcvbuf"#)
);

/// The two ways that data goes.
macro_rules! length_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(sock),
            TP_PROTO(sk: &Sock, ret: i32, flags: i32),
            TP_STRUCT__entry {
                sk: *mut (),
                family: u16 as "__u16",
                protocol: u16 as "__u16",
                ret: i32,
                flags: i32,
            },
            TP_fast_assign {
                sk: sk.addr_mut(),
                family: AF_INET,
                protocol: IPPROTO_TCP,
                ret: ret,
                flags: flags,
            },
            TP_ident(__entry),
            TP_printk(c: r#""sk address = %p, family = %s protocol = %s, length = %d, error = %d, flags = 0x%x", REC->sk, __print_symbolic(REC->family, { 2, "AF_INET" }, { 10, "AF_INET6" }), __print_symbolic(REC->protocol, { 6, "IPPROTO_TCP" }, { 132, "IPPROTO_SCTP" }, { 262, "IPPROTO_MPTCP" }), !(REC->flags & 2) ? (REC->ret > 0 ? REC->ret : 0) : 0, REC->ret < 0 ? REC->ret : 0, REC->flags"#)
        );
    )*};
}

length_events!(
    /// A call has read so many bytes, or failed with this errno, negative.
    sock_recv_length,
    /// A call has written so many bytes, or failed with this errno, negative.
    sock_send_length
);
