//! Sockets as events show them, and the kernel's names for the states of a connection.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use smoltcp::socket::tcp;

use super::packet::End;
use crate::events::sock::{trace_inet_sk_error_report, trace_inet_sock_set_state};
use crate::machine::WaitQueue;

/// States of a connection with the kernel's numbers (include/net/tcp_states.h).
#[allow(missing_docs)] // the names say it
pub mod state {
    pub const ESTABLISHED: i32 = 1;
    pub const SYN_SENT: i32 = 2;
    pub const SYN_RECV: i32 = 3;
    pub const FIN_WAIT1: i32 = 4;
    pub const FIN_WAIT2: i32 = 5;
    pub const CLOSE: i32 = 7;
    pub const CLOSE_WAIT: i32 = 8;
    pub const LAST_ACK: i32 = 9;
    pub const LISTEN: i32 = 10;
    pub const CLOSING: i32 = 11;
}

/// Why a reset is sent, with the kernel's numbers (include/net/rstreason.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum ResetReason {
    NotSpecified = 0,
    NoSocket = 1,
    InvalidAckSequence = 2,
    AbortOnData = 8,
    AbortOnClose = 11,
    State = 14,
}

/// What a task may wait for on a socket; written under the host's lock.
pub(super) mod ready {
    /// Data, the end of it, a connection to accept, or an error.
    pub const READ: u32 = 1;
    /// Room for data, or an error.
    pub const WRITE: u32 = 2;
    /// The connection is made, or will not be.
    pub const CONNECT: u32 = 4;
}

/// A socket: what is left of it when the stack's part is taken away.
pub struct Sock {
    local: End,
    remote: End,
    cookie: u64,
    state: AtomicI32,
    error: AtomicI32,
    ready: AtomicU32,
    pub(super) wait: WaitQueue,
}

impl Sock {
    /// A socket in this state. One that comes from a listener has the listener's.
    pub(super) fn new(local: End, remote: End, state: i32) -> Sock {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Sock {
            local,
            remote,
            cookie: NEXT.fetch_add(1, Ordering::Relaxed),
            state: AtomicI32::new(state),
            error: AtomicI32::new(0),
            ready: AtomicU32::new(0),
            wait: WaitQueue::new(),
        }
    }

    /// Its state.
    pub fn state(&self) -> i32 {
        self.state.load(Ordering::SeqCst)
    }

    pub(super) fn set_state(&self, new: i32) {
        let old = self.state.swap(new, Ordering::SeqCst);
        trace_inet_sock_set_state(self, old, new);
    }

    /// Something went wrong; the owner's next call fails with this errno.
    pub(super) fn report_error(&self, errno: i32) {
        self.error.store(errno, Ordering::SeqCst);
        trace_inet_sk_error_report(self, errno);
    }

    /// The error that was not told yet, if any; it is told once.
    pub(super) fn take_error(&self) -> Option<i32> {
        match self.error.swap(0, Ordering::SeqCst) {
            0 => None,
            errno => Some(errno),
        }
    }

    pub(super) fn has_error(&self) -> bool {
        self.error.load(Ordering::SeqCst) != 0
    }

    /// Whether any of these has come; looks at nothing but the socket.
    pub(super) fn is_ready(&self, wanted: u32) -> bool {
        self.ready() & wanted != 0
    }

    pub(super) fn ready(&self) -> u32 {
        self.ready.load(Ordering::SeqCst)
    }

    /// Says what is there; wakes those who wait if it is more than before.
    pub(super) fn set_ready(&self, now: u32) {
        let before = self.ready.swap(now, Ordering::SeqCst);
        if now & !before != 0 {
            self.wait.wake_up();
        }
    }

    /// Where it is in memory.
    pub fn addr(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// The same as a field that does not promise to leave it alone.
    pub fn addr_mut(&self) -> *mut () {
        self.addr().cast_mut()
    }

    /// Its number: no other socket has it.
    pub fn cookie(&self) -> u64 {
        self.cookie
    }

    /// This end's port.
    pub fn sport(&self) -> u16 {
        self.local.port
    }

    /// The other end's port; 0 for a listener.
    pub fn dport(&self) -> u16 {
        self.remote.port
    }

    /// This end's address.
    pub fn saddr(&self) -> [u8; 4] {
        self.local.address
    }

    /// The other end's address; zero for a listener.
    pub fn daddr(&self) -> [u8; 4] {
        self.remote.address
    }
}

/// A connection that a listener has been asked for and that is not made yet.
pub struct Request {
    pub(super) local: End,
    pub(super) peer: End,
}

impl Request {
    /// Where it is in memory.
    pub fn addr(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// The address that was asked for.
    pub fn local_address(&self) -> [u8; 4] {
        self.local.address
    }

    /// The address of the one who asks.
    pub fn peer_address(&self) -> [u8; 4] {
        self.peer.address
    }

    /// The port of the one who asks.
    pub fn peer_port(&self) -> u16 {
        self.peer.port
    }
}

/// The kernel's states on the way from one state of the stack's socket to another, which one packet may bring. A socket in
/// TIME-WAIT is none any more to the kernel: what stays is not a socket.
pub(super) fn steps(from: tcp::State, to: tcp::State) -> &'static [i32] {
    use tcp::State::*;
    match (from, to) {
        (SynReceived, CloseWait) => &[state::SYN_RECV, state::ESTABLISHED, state::CLOSE_WAIT],
        (SynReceived, Established) => &[state::SYN_RECV, state::ESTABLISHED],
        (FinWait1, TimeWait) => &[state::FIN_WAIT2, state::CLOSE],
        (TimeWait, _) | (SynReceived, _) | (_, Listen | SynReceived) => &[],
        (_, Established) => &[state::ESTABLISHED],
        (_, SynSent) => &[state::SYN_SENT],
        (_, FinWait1) => &[state::FIN_WAIT1],
        (_, FinWait2) => &[state::FIN_WAIT2],
        (_, CloseWait) => &[state::CLOSE_WAIT],
        (_, LastAck) => &[state::LAST_ACK],
        (_, Closing) => &[state::CLOSING],
        (_, Closed | TimeWait) => &[state::CLOSE],
    }
}
