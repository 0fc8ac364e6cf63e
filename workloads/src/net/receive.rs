//! TCP packets that come in: what the stack makes of each, and what becomes of the packet.

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;

use super::conn::Conn;
use super::packet::{Segment, before, checksum_is_right};
use super::skb::{DropReason, IPV4, Skb, consume_skb, here, kfree_skb, sk_skb_reason_drop};
use super::sock::{Request, ResetReason};
use super::stack::{Cause, Host, RECEIVE_BUFFER, Stack, data_ready, now};
use crate::events::skb::trace_skb_copy_datagram_iovec;
use crate::events::tcp::{trace_tcp_bad_csum, trace_tcp_receive_reset};

/// The packets of a connection whose bytes were not read yet, those out of order included.
#[derive(Default)]
pub(super) struct Received {
    /// Place in the sequence of the next byte to be read.
    copied: u32,
    /// By their place in the sequence.
    skbs: Vec<Queued>,
}

struct Queued {
    begin: u32,
    end: u32,
    /// Where the bytes are in the packet.
    at: usize,
    skb: Box<Skb>,
}

impl Host {
    /// A packet has come up from the device.
    pub(super) fn tcp_v4_rcv(&self, stack: &mut Stack, skb: Box<Skb>) {
        if skb.link_destination() != self.device.mac {
            return kfree_skb(skb, here!(Host::tcp_v4_rcv), DropReason::OtherHost);
        }
        if skb.protocol() != IPV4 {
            return kfree_skb(skb, here!(Host::tcp_v4_rcv), DropReason::UnhandledProto);
        }
        let Some(segment) = Segment::parse(skb.data()) else {
            return kfree_skb(skb, here!(Host::tcp_v4_rcv), DropReason::IpHeader);
        };
        if !checksum_is_right(skb.data()) {
            trace_tcp_bad_csum(&skb, segment.from.sockaddr(), segment.to.sockaddr());
            return kfree_skb(skb, here!(Host::tcp_v4_rcv), DropReason::TcpCsum);
        }
        let known = stack.known.get(&(segment.to.port, segment.from)).copied();
        let handle = match known {
            None if segment.syn() && !segment.has_ack() => match stack.conn_request(&segment) {
                Ok(handle) => handle,
                Err(listener) => {
                    let reason = DropReason::TcpListenOverflow;
                    return sk_skb_reason_drop(listener, skb, here!(Stack::conn_request), reason);
                }
            },
            known => known,
        };
        let waiting = handle.map_or(0, |handle| stack.socket(handle).recv_queue());
        let cause = Cause {
            skb: skb.addr(),
            segment,
        };
        let Stack {
            iface,
            phy,
            sockets,
            ..
        } = stack;
        phy.input = Some(skb.data().to_vec());
        let _ = iface.poll_ingress_single(now(), phy, sockets);
        match handle {
            Some(handle) => {
                stack.after(handle, &segment, waiting, skb);
                self.settle(stack, Some(cause));
            }
            None => {
                self.settle(stack, Some(cause));
                kfree_skb(skb, here!(Host::tcp_v4_rcv), DropReason::NoSocket);
            }
        }
    }
}

impl Stack {
    /// A SYN asks for a new connection. `Ok(None)`: nobody listens. `Err`: the listener, at this address, has its hands full.
    fn conn_request(&mut self, segment: &Segment) -> Result<Option<SocketHandle>, *const ()> {
        let endpoint = self.endpoint(segment.to.port);
        let Some(listening) = self.listeners.get_mut(&segment.to.port) else {
            return Ok(None);
        };
        if listening.accept.len() + listening.requests > listening.backlog {
            listening.overflows += 1;
            return Err(listening.sock.addr());
        }
        let mut socket = Stack::new_socket();
        if socket.listen(endpoint).is_err() {
            return Ok(None);
        }
        listening.requests += 1;
        let request = Box::new(Request {
            local: segment.to,
            peer: segment.from,
        });
        let listener = listening.sock.clone();
        let mut conn = Conn::new(segment.to, segment.from, None);
        conn.request = Some((request, listener));
        conn.reported = tcp::State::Listen;
        Ok(Some(self.add(socket, conn)))
    }

    /// The stack has seen a packet; `waiting` bytes were there to be read before.
    fn after(&mut self, handle: SocketHandle, segment: &Segment, waiting: usize, skb: Box<Skb>) {
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        let Some(conn) = self.conns.get_mut(&handle) else {
            return kfree_skb(skb, here!(Stack::after), DropReason::NoSocket);
        };
        let sk = conn
            .sock
            .as_ref()
            .map_or(std::ptr::null(), |sock| sock.addr());
        let drop = |skb, reason| sk_skb_reason_drop(sk, skb, here!(Stack::after), reason);
        if segment.rst() {
            if socket.state() == tcp::State::Closed
                && conn.reported != tcp::State::Closed
                && let Some(sock) = &conn.sock
            {
                trace_tcp_receive_reset(sock);
                conn.error = Some(match conn.reported {
                    tcp::State::SynSent => libc::ECONNREFUSED,
                    tcp::State::CloseWait => libc::EPIPE,
                    _ => libc::ECONNRESET,
                });
            }
            return drop(skb, DropReason::TcpReset);
        }
        // One that comes again says nothing new.
        if segment.syn() && matches!(conn.reported, tcp::State::Listen | tcp::State::SynSent) {
            conn.received.copied = segment.seq.wrapping_add(1);
        }
        if segment.payload == 0 {
            return consume_skb(skb, here!(Stack::after));
        }
        let arrived = socket.recv_queue().saturating_sub(waiting);
        if conn.orphan {
            // Nobody will read it: the other end is to stop.
            if arrived > 0 {
                conn.reset_reason = ResetReason::AbortOnData;
                socket.abort();
            }
            return drop(skb, DropReason::TcpAbortOnData);
        }
        match conn.received.queue(segment, waiting, arrived, skb) {
            Ok(()) if arrived > 0 => conn.sock.iter().for_each(|sock| data_ready(sock)),
            Ok(()) => {}
            Err((skb, reason)) => drop(skb, reason),
        }
    }
}

impl Received {
    /// Keeps a packet whose bytes the stack has taken, or gives it back with the reason why not. `waiting` bytes could be read
    /// before, `arrived` more can now.
    fn queue(
        &mut self,
        segment: &Segment,
        waiting: usize,
        arrived: usize,
        skb: Box<Skb>,
    ) -> Result<(), (Box<Skb>, DropReason)> {
        let (begin, end) = (segment.seq, segment.seq.wrapping_add(segment.payload));
        let expected = self.copied.wrapping_add(waiting as u32);
        let reason = if !before(expected, end) {
            DropReason::TcpOldData
        } else if !before(begin, self.copied.wrapping_add(RECEIVE_BUFFER as u32)) {
            DropReason::TcpOverWindow
        } else if !before(expected, begin) && arrived == 0 {
            DropReason::NotSpecified
        } else if self.has(begin, end) {
            DropReason::TcpOfoMerge
        } else {
            let behind = self
                .skbs
                .partition_point(|queued| !before(begin, queued.begin));
            let queued = Queued {
                begin,
                end,
                at: segment.payload_at,
                skb,
            };
            self.skbs.insert(behind, queued);
            return Ok(());
        };
        Err((skb, reason))
    }

    /// Whether what is queued has all of these bytes.
    fn has(&self, begin: u32, end: u32) -> bool {
        let mut at = begin;
        for queued in &self.skbs {
            if !before(at, queued.begin) && before(at, queued.end) {
                at = queued.end;
            }
        }
        !before(at, end)
    }

    /// Copies the next bytes, `readable` of them at most, and frees the packets that are used up.
    pub fn copy(&mut self, readable: usize, buffer: &mut [u8]) -> usize {
        let wanted = readable.min(buffer.len());
        let mut done = 0;
        while done < wanted {
            let at = self.copied;
            let has = |queued: &&Queued| !before(at, queued.begin) && before(at, queued.end);
            let Some(queued) = self.skbs.iter().find(has) else {
                log::error!("net: {} received bytes are in no packet", wanted - done);
                break;
            };
            let len = (queued.end.wrapping_sub(at) as usize).min(wanted - done);
            let from = queued.at + at.wrapping_sub(queued.begin) as usize;
            let Some(bytes) = queued.skb.data().get(from..from + len) else {
                break;
            };
            buffer[done..done + len].copy_from_slice(bytes);
            trace_skb_copy_datagram_iovec(&queued.skb, len as i32);
            done += len;
            self.copied = at.wrapping_add(len as u32);
            self.free_read();
        }
        done
    }

    fn free_read(&mut self) {
        let copied = self.copied;
        for queued in self
            .skbs
            .extract_if(.., |queued| !before(copied, queued.end))
        {
            consume_skb(queued.skb, here!(Received::free_read));
        }
    }

    /// The reader is gone.
    pub fn purge(self) {
        for queued in self.skbs {
            kfree_skb(queued.skb, here!(Received::purge), DropReason::SocketClose);
        }
    }
}
