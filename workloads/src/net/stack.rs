//! A host: its protocol stack (smoltcp's), what the kernel knows of each socket beside it, and the way out of it.
//!
//! Everything about a host happens under its lock, for one packet or one call of a task at a time: the stack does its part,
//! `settle` reports what became of the sockets and hands what it wants to send to the device. The device passes that on
//! after the lock is gone, because its driver interrupts the other end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpListenEndpoint, Ipv4Address};

use super::conn::Conn;
use super::device::{Device, Protocol};
use super::packet::{End, Segment, framed};
use super::phy::Phy;
use super::skb::Skb;
use super::sock::{ResetReason, Sock, ready, state, steps};
use crate::events::sock::{AF_INET, IPPROTO_TCP, trace_sk_data_ready};
use crate::events::tcp::{
    trace_tcp_destroy_sock, trace_tcp_retransmit_skb, trace_tcp_retransmit_synack,
    trace_tcp_send_reset,
};
use crate::futex::now_ns;
use crate::machine::{Timer, WaitQueue, nsecs_to_jiffies, with_bh_disabled};

/// Room for what has come in and was not read. No transfer is larger: the window never closes.
pub(crate) const RECEIVE_BUFFER: usize = 48 * 1024;
const SEND_BUFFER: usize = 16 * 1024;
/// A connection whose other end is silent for so long while something is owed is given up.
const USER_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections in TIME-WAIT; the oldest goes when there are more.
const MOST_IN_TIME_WAIT: usize = 64;
/// Ports of clients, as the kernel's net.ipv4.ip_local_port_range has them.
const EPHEMERAL: std::ops::Range<u16> = 32768..60999;

/// One of the hosts.
pub(crate) struct Host {
    pub device: Arc<Device>,
    /// The other end's address on the link.
    neighbour: [u8; 6],
    stack: Mutex<Stack>,
    /// Those who wait until a connection is over.
    over: WaitQueue,
    /// For what the stack wants to do later: retransmit, acknowledge, forget.
    timer: Timer,
}

/// What a host's lock protects.
pub(super) struct Stack {
    pub address: [u8; 4],
    pub iface: Interface,
    pub sockets: SocketSet<'static>,
    pub phy: Phy,
    pub conns: BTreeMap<SocketHandle, Conn>,
    /// By this end's port and the other end.
    pub known: HashMap<(u16, End), SocketHandle>,
    pub listeners: HashMap<u16, Listening>,
    time_wait: VecDeque<SocketHandle>,
    next_port: u16,
}

/// A socket that connections can be made to.
pub(super) struct Listening {
    pub sock: Arc<Sock>,
    pub backlog: usize,
    /// Asked for and not made yet.
    pub requests: usize,
    /// Made and not accepted yet.
    pub accept: VecDeque<SocketHandle>,
    /// Connections that were asked for in vain so far.
    pub overflows: u64,
}

/// What came in and is being looked at.
#[derive(Clone, Copy)]
pub(super) struct Cause {
    pub skb: *const (),
    pub segment: Segment,
}

impl Host {
    pub fn new(device: &Arc<Device>, address: [u8; 4], neighbour: [u8; 6], seed: u64) -> Arc<Host> {
        let mut phy = Phy::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut iface = Interface::new(config, &mut phy, now());
        let ip = Ipv4Address::from(address);
        iface.update_ip_addrs(|addresses| {
            // There is room for the first one.
            let _ = addresses.push(IpCidr::new(IpAddress::Ipv4(ip), 24));
        });
        let host = Arc::new_cyclic(|host: &Weak<Host>| Host {
            device: device.clone(),
            neighbour,
            over: WaitQueue::new(),
            stack: Mutex::new(Stack {
                address,
                iface,
                sockets: SocketSet::new(Vec::new()),
                phy,
                conns: BTreeMap::new(),
                known: HashMap::new(),
                listeners: HashMap::new(),
                time_wait: VecDeque::new(),
                next_port: EPHEMERAL.start,
            }),
            timer: Timer::new(tcp_timer, host.clone()),
        });
        let protocol: Weak<dyn Protocol> = Arc::downgrade(&(host.clone() as Arc<dyn Protocol>));
        device.set_protocol(protocol);
        host
    }

    /// Does `work` on the stack and what follows from it.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Stack) -> R) -> R {
        with_bh_disabled(|| {
            let result = {
                let mut stack = self.stack.lock();
                let result = work(&mut stack);
                self.settle(&mut stack, None);
                self.set_timer(&mut stack);
                result
            };
            self.device.run_queue();
            result
        })
    }

    /// Reports what became of the sockets and queues all that the stack wants to send. `cause`: what came in.
    pub(super) fn settle(&self, stack: &mut Stack, cause: Option<Cause>) {
        loop {
            stack.report();
            while let Some(packet) = stack.phy.output.pop_front() {
                self.transmit(stack, &packet, cause);
            }
            let Stack {
                iface,
                phy,
                sockets,
                ..
            } = stack;
            if matches!(iface.poll_egress(now(), phy, sockets), PollResult::None) {
                break;
            }
        }
        stack.report();
        if stack.sweep() {
            self.over.wake_up();
        }
    }

    /// Waits until nothing is left of the connection between this port and `remote` but its TIME-WAIT.
    pub async fn wait_until_over(&self, port: u16, remote: End) {
        let is_over = || {
            let stack = self.stack.lock();
            let handle = stack.known.get(&(port, remote));
            let conn = handle.and_then(|handle| stack.conns.get(handle));
            conn.is_none_or(|conn| conn.sock.is_none() && conn.request.is_none())
        };
        self.over.wait_event(is_over).await;
    }

    /// The way of a packet down to the device, with what TCP has to say about it.
    fn transmit(&self, stack: &mut Stack, packet: &[u8], cause: Option<Cause>) {
        let frame = framed(packet, self.device.mac, self.neighbour);
        let skb = Skb::outgoing(frame, &self.device);
        let Some(segment) = Segment::parse(packet) else {
            // Nothing but TCP goes out here; if it did, it would go as it is.
            let _ = self.device.queue_xmit(skb);
            return;
        };
        let known = stack.known.get(&(segment.from.port, segment.to)).copied();
        let conn = known.and_then(|handle| stack.conns.get_mut(&handle));
        let addr = skb.addr();
        let (from, to) = (segment.from.sockaddr(), segment.to.sockaddr());
        if segment.rst() {
            let answers =
                cause.filter(|c| c.segment.from == segment.to && c.segment.to == segment.from);
            match (answers, conn) {
                (Some(cause), conn) if !conn.as_ref().is_some_and(|c| c.is_closed()) => {
                    let sk = conn.and_then(|conn| conn.sock.clone());
                    let (sk, state, reason) = match &sk {
                        Some(sk) => (sk.addr(), sk.state(), ResetReason::InvalidAckSequence),
                        None => (std::ptr::null(), 0, ResetReason::NoSocket),
                    };
                    trace_tcp_send_reset(cause.skb, sk, state, reason, from, to);
                    let _ = self.device.queue_xmit(skb);
                }
                (_, conn) => {
                    let _ = self.device.queue_xmit(skb);
                    let (sk, reason) = match &conn {
                        Some(conn) => (conn.sock_addr(), conn.reset_reason),
                        None => (std::ptr::null(), ResetReason::NotSpecified),
                    };
                    trace_tcp_send_reset(std::ptr::null(), sk, state::CLOSE, reason, from, to);
                }
            }
            return;
        }
        let error = match self.device.queue_xmit(skb) {
            Ok(()) => 0,
            Err(_) => -libc::ENOBUFS,
        };
        let Some(conn) = conn else { return };
        if !conn.sends(&segment) {
            return;
        }
        match (&conn.request, &conn.sock) {
            (Some((request, listener)), _) => trace_tcp_retransmit_synack(listener, request),
            (None, Some(sock)) => trace_tcp_retransmit_skb(addr, sock, error),
            (None, None) => {}
        }
    }

    fn set_timer(&self, stack: &mut Stack) {
        let now = now();
        match stack.iface.poll_at(now, &stack.sockets) {
            Some(at) => {
                let ns = at.max(now).total_micros() as u64 * 1000;
                self.timer.mod_timer(nsecs_to_jiffies(ns));
            }
            None => {
                self.timer.delete();
            }
        }
    }
}

impl Protocol for Host {
    fn receive(&self, skb: Box<Skb>) {
        self.with(|stack| self.tcp_v4_rcv(stack, skb));
    }
}

/// The host's timer has expired.
fn tcp_timer(host: &Weak<Host>) {
    if let Some(host) = host.upgrade() {
        // What is due is what `settle` does anyway.
        host.with(|_| ());
    }
}

impl Stack {
    /// A socket of smoltcp's that nothing is known of yet.
    pub fn new_socket() -> tcp::Socket<'static> {
        let buffer = |size| tcp::SocketBuffer::new(vec![0; size]);
        let mut socket = tcp::Socket::new(buffer(RECEIVE_BUFFER), buffer(SEND_BUFFER));
        socket.set_timeout(Some(USER_TIMEOUT));
        socket.set_congestion_control(tcp::CongestionControl::Reno);
        socket
    }

    pub fn add(&mut self, socket: tcp::Socket<'static>, conn: Conn) -> SocketHandle {
        let key = (conn.local.port, conn.remote);
        let handle = self.sockets.add(socket);
        self.conns.insert(handle, conn);
        self.known.insert(key, handle);
        handle
    }

    pub fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// A port that no connection has, wherever it goes.
    pub fn free_port(&mut self) -> Option<u16> {
        for _ in EPHEMERAL {
            let port = self.next_port;
            self.next_port = if port + 1 < EPHEMERAL.end {
                port + 1
            } else {
                EPHEMERAL.start
            };
            if self.known.keys().all(|(taken, _)| *taken != port) {
                return Some(port);
            }
        }
        None
    }

    /// Where a listener's packets come to.
    pub fn endpoint(&self, port: u16) -> IpListenEndpoint {
        IpListenEndpoint {
            addr: Some(IpAddress::Ipv4(Ipv4Address::from(self.address))),
            port,
        }
    }

    /// Says what has become of the sockets since the last time.
    fn report(&mut self) {
        let mut made = Vec::new();
        for (handle, conn) in &mut self.conns {
            let socket = self.sockets.get::<tcp::Socket>(*handle);
            let (old, new) = (conn.reported, socket.state());
            if old != new {
                conn.reported = new;
                if conn.is_accepted_as(new) {
                    made.push(*handle);
                    let (local, remote) = (conn.local, conn.remote);
                    conn.sock = Some(Arc::new(Sock::new(local, remote, state::LISTEN)));
                }
                if let Some(sock) = &conn.sock {
                    steps(old, new)
                        .iter()
                        .for_each(|step| sock.set_state(*step));
                }
                match new {
                    tcp::State::Closed => conn.report_error(),
                    tcp::State::TimeWait => self.time_wait.push_back(*handle),
                    _ => {}
                }
            }
            conn.set_ready(socket);
        }
        for handle in made {
            self.connection_made(handle);
        }
    }

    /// A listener has a new connection to be accepted.
    fn connection_made(&mut self, handle: SocketHandle) {
        let Some(conn) = self.conns.get_mut(&handle) else {
            return;
        };
        conn.request = None;
        if let Some(listening) = self.listeners.get_mut(&conn.local.port) {
            listening.requests -= 1;
            listening.accept.push_back(handle);
            data_ready(&listening.sock);
            listening.sock.set_ready(ready::READ);
        }
    }

    /// Forgets what nobody will ask for any more; says whether a connection has come to its end.
    fn sweep(&mut self) -> bool {
        let mut ended = false;
        let mut over = Vec::new();
        for (handle, conn) in &mut self.conns {
            let socket = self.sockets.get::<tcp::Socket>(*handle);
            let closed = matches!(socket.state(), tcp::State::Closed | tcp::State::TimeWait);
            if conn.orphan
                && closed
                && let Some(sock) = conn.sock.take()
            {
                trace_tcp_destroy_sock(&sock);
                ended = true;
            }
            let refused = conn.request.is_some() && socket.state() != tcp::State::SynReceived;
            // One that was aborted keeps its other end until the reset is out.
            let silent = socket.local_endpoint().is_none();
            if refused || (conn.orphan && socket.state() == tcp::State::Closed && silent) {
                over.push(*handle);
            }
        }
        ended |= !over.is_empty();
        over.into_iter().for_each(|handle| self.forget(handle));
        while self.time_wait.len() > MOST_IN_TIME_WAIT {
            if let Some(oldest) = self.time_wait.pop_front() {
                self.forget(oldest);
            }
        }
        ended
    }

    /// Takes everything about a connection away.
    pub fn forget(&mut self, handle: SocketHandle) {
        let Some(conn) = self.conns.remove(&handle) else {
            return;
        };
        if conn.request.is_some()
            && let Some(listening) = self.listeners.get_mut(&conn.local.port)
        {
            listening.requests -= 1;
        }
        self.time_wait.retain(|waiting| *waiting != handle);
        self.known.remove(&(conn.local.port, conn.remote));
        self.sockets.remove(handle);
        conn.received.purge();
    }
}

/// There is something for the socket's owner.
pub(super) fn data_ready(sock: &Sock) {
    let wakes = sock_def_readable as *const () as usize;
    trace_sk_data_ready(sock.addr(), AF_INET, IPPROTO_TCP, wakes);
    sock_def_readable(sock);
}

/// Wakes the socket's owner. What is there to be read says `set_ready`.
fn sock_def_readable(sock: &Sock) {
    sock.set_ready(sock.ready() | ready::READ);
}

/// The time as the stack counts it.
pub(super) fn now() -> Instant {
    Instant::from_micros((now_ns() / 1000) as i64)
}
