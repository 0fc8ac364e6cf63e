//! What the kernel knows of a connection beside the stack.

use std::sync::Arc;

use smoltcp::socket::tcp;

use super::packet::{End, Segment, before};
use super::receive::Received;
use super::sock::{Request, ResetReason, Sock, ready};
use crate::figures::NET;

/// What the kernel knows of a connection.
pub(super) struct Conn {
    pub local: End,
    pub remote: End,
    /// `None` until a listener's connection is made, and after TIME-WAIT has begun.
    pub sock: Option<Arc<Sock>>,
    /// The listener that was asked for it, until it is made.
    pub request: Option<(Box<Request>, Arc<Sock>)>,
    /// What was reported last.
    pub reported: tcp::State,
    /// The end of what was sent so far.
    sent: Option<u32>,
    pub received: Received,
    /// Why it was closed, for its owner.
    pub error: Option<i32>,
    /// Its owner has closed it.
    pub orphan: bool,
    pub reset_reason: ResetReason,
}

impl Conn {
    pub fn new(local: End, remote: End, sock: Option<Arc<Sock>>) -> Conn {
        Conn {
            local,
            remote,
            sock,
            request: None,
            reported: tcp::State::Closed,
            sent: None,
            received: Received::default(),
            error: None,
            orphan: false,
            reset_reason: ResetReason::State,
        }
    }

    /// Whether the listener's connection is made when the stack's socket comes to `state`.
    pub fn is_accepted_as(&self, state: tcp::State) -> bool {
        let made = matches!(state, tcp::State::Established | tcp::State::CloseWait);
        made && self.request.is_some()
    }

    /// The owner of a socket that was closed by somebody else learns why.
    pub fn report_error(&mut self) {
        if let Some(sock) = &self.sock
            && !self.orphan
        {
            let errno = self.error.take().unwrap_or(libc::ETIMEDOUT);
            // here and not where its owner learns it: the owner may be killed before that
            NET.refused.add(u64::from(errno == libc::ECONNREFUSED));
            sock.report_error(errno);
        }
    }

    pub fn set_ready(&self, socket: &tcp::Socket) {
        let Some(sock) = &self.sock else { return };
        let mut now = 0;
        if socket.state() != tcp::State::SynSent {
            now |= ready::CONNECT;
            if socket.recv_queue() > 0 || !socket.may_recv() || sock.has_error() {
                now |= ready::READ;
            }
            if socket.can_send() || !socket.may_send() {
                now |= ready::WRITE;
            }
        }
        sock.set_ready(now);
    }

    pub fn is_closed(&self) -> bool {
        self.reported == tcp::State::Closed
    }

    pub fn sock_addr(&self) -> *const () {
        self.sock
            .as_ref()
            .map_or(std::ptr::null(), |sock| sock.addr())
    }

    /// Notes what is sent; says whether some of it was sent before.
    pub fn sends(&mut self, segment: &Segment) -> bool {
        if segment.sequence_len() == 0 {
            return false;
        }
        let end = segment.seq.wrapping_add(segment.sequence_len());
        let again = self.sent.is_some_and(|sent| before(segment.seq, sent));
        if self.sent.is_none_or(|sent| before(sent, end)) {
            self.sent = Some(end);
        }
        again
    }
}
