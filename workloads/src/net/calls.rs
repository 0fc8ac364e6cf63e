//! The calls of tasks on sockets. They sleep where they have to wait.

use std::sync::Arc;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::wire::{IpAddress, IpEndpoint, Ipv4Address};

use super::conn::Conn;
use super::packet::End;
use super::sock::{ResetReason, Sock, ready, state};
use super::stack::{Host, Listening, Stack};
use crate::events::sock::{trace_sock_recv_length, trace_sock_send_length};
use crate::events::tcp::trace_tcp_destroy_sock;
use crate::figures::NET;

/// What a call that fails answers: an errno.
pub(super) type Errno = i32;

/// A socket that is connected; dropping it closes it.
pub(super) struct Stream {
    host: Arc<Host>,
    handle: SocketHandle,
    sock: Arc<Sock>,
}

/// A socket that connections are made to; dropping it closes it.
pub(super) struct Listener {
    host: Arc<Host>,
    port: u16,
    sock: Arc<Sock>,
}

/// A port that a connection will be made from.
pub(super) struct Bound {
    host: Arc<Host>,
    pub port: u16,
    remote: End,
}

impl Host {
    /// A port of its own for a connection to `remote`.
    pub fn bind(self: &Arc<Host>, remote: End) -> Result<Bound, Errno> {
        let port = self.with(Stack::free_port);
        Ok(Bound {
            host: self.clone(),
            port: port.ok_or(libc::EADDRNOTAVAIL)?,
            remote,
        })
    }

    /// Lets connections be made to a port; `backlog` and one more may wait to be accepted.
    pub fn listen(self: &Arc<Host>, port: u16, backlog: usize) -> Result<Listener, Errno> {
        let sock = self.with(|stack| {
            if stack.listeners.contains_key(&port) {
                return Err(libc::EADDRINUSE);
            }
            let local = End {
                address: [0; 4],
                port,
            };
            let remote = End {
                address: [0; 4],
                port: 0,
            };
            let sock = Arc::new(Sock::new(local, remote, state::CLOSE));
            sock.set_state(state::LISTEN);
            let listening = Listening {
                sock: sock.clone(),
                backlog,
                requests: 0,
                accept: Default::default(),
                overflows: 0,
            };
            stack.listeners.insert(port, listening);
            Ok(sock)
        })?;
        Ok(Listener {
            host: self.clone(),
            port,
            sock,
        })
    }

    /// Connections to a port that were asked for in vain because too many waited.
    pub fn listen_overflows(&self, port: u16) -> u64 {
        self.with(|stack| stack.listeners.get(&port).map_or(0, |l| l.overflows))
    }
}

impl Bound {
    /// Makes the connection.
    pub async fn connect(self) -> Result<Stream, Errno> {
        let Bound { host, port, remote } = self;
        let stream = host.with(|stack| {
            let local = End {
                address: stack.address,
                port,
            };
            let mut socket = Stack::new_socket();
            let to = IpEndpoint::new(
                IpAddress::Ipv4(Ipv4Address::from(remote.address)),
                remote.port,
            );
            let from = stack.endpoint(port);
            socket
                .connect(stack.iface.context(), to, from)
                .map_err(|_| libc::EINVAL)?;
            let sock = Arc::new(Sock::new(local, remote, state::CLOSE));
            let conn = Conn::new(local, remote, Some(sock.clone()));
            let handle = stack.add(socket, conn);
            Ok::<_, Errno>(Stream {
                host: host.clone(),
                handle,
                sock,
            })
        })?;
        let sock = &stream.sock;
        NET.connects.add(1);
        sock.wait.wait_event(|| sock.is_ready(ready::CONNECT)).await;
        match sock.take_error() {
            Some(errno) => Err(errno),
            None => Ok(stream),
        }
    }
}

impl Stream {
    /// Sends all of `data`. Fails if nothing of it could be sent.
    pub async fn send(&self, data: &[u8]) -> Result<usize, Errno> {
        let mut sent = 0;
        let result = loop {
            match self.try_send(&data[sent..]) {
                Ok(more) => sent += more,
                Err(_) if sent > 0 => break Ok(sent),
                Err(errno) => break Err(errno),
            }
            if sent == data.len() {
                break Ok(sent);
            }
            let sock = &self.sock;
            sock.wait.wait_event(|| sock.is_ready(ready::WRITE)).await;
        };
        NET.bytes_sent.add(result.unwrap_or(0) as u64);
        trace_sock_send_length(&self.sock, outcome(&result), 0);
        result
    }

    fn try_send(&self, data: &[u8]) -> Result<usize, Errno> {
        self.host.with(|stack| {
            if let Some(errno) = self.sock.take_error() {
                return Err(errno);
            }
            let sent = stack.socket(self.handle).send_slice(data);
            sent.map_err(|_| libc::EPIPE)
        })
    }

    /// Waits for data and takes what is there; 0 at its end.
    pub async fn recv(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let result = loop {
            let result = self.try_recv(buffer);
            if result != Err(libc::EAGAIN) {
                break result;
            }
            let sock = &self.sock;
            sock.wait.wait_event(|| sock.is_ready(ready::READ)).await;
        };
        NET.bytes_received.add(result.unwrap_or(0) as u64);
        trace_sock_recv_length(&self.sock, outcome(&result), 0);
        result
    }

    fn try_recv(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.host.with(|stack| {
            let Some(conn) = stack.conns.get_mut(&self.handle) else {
                return Ok(0);
            };
            let socket = stack.sockets.get_mut::<tcp::Socket>(self.handle);
            let copied = conn.received.copy(socket.recv_queue(), buffer);
            let mut left = copied;
            // The stack's own copy lies in a ring: two pieces at most.
            while left > 0 {
                let Ok(done) = socket.recv(|piece| {
                    let len = piece.len().min(left);
                    (len, len)
                }) else {
                    break;
                };
                left -= done;
            }
            if copied > 0 {
                Ok(copied)
            } else if let Some(errno) = self.sock.take_error() {
                Err(errno)
            } else if socket.may_recv() {
                Err(libc::EAGAIN)
            } else {
                Ok(0)
            }
        })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.host.with(|stack| stack.close(self.handle));
    }
}

impl Stack {
    /// The owner of a connection closes it.
    fn close(&mut self, handle: SocketHandle) {
        let Some(conn) = self.conns.get_mut(&handle) else {
            return;
        };
        conn.orphan = true;
        let socket = self.sockets.get_mut::<tcp::Socket>(handle);
        let unread = socket.recv_queue() > 0;
        std::mem::take(&mut conn.received).purge();
        match socket.state() {
            // Asked for, not answered: there is nobody to tell.
            tcp::State::SynSent => {
                if let Some(sock) = conn.sock.take() {
                    sock.set_state(state::CLOSE);
                    trace_tcp_destroy_sock(&sock);
                }
                self.forget(handle);
            }
            tcp::State::Established | tcp::State::CloseWait if unread => {
                conn.reset_reason = ResetReason::AbortOnClose;
                socket.abort();
            }
            _ => socket.close(),
        }
    }
}

impl Listener {
    /// Waits for a connection. `EINVAL`: the listener was shut down.
    pub async fn accept(&self) -> Result<Stream, Errno> {
        loop {
            let sock = &self.sock;
            sock.wait.wait_event(|| sock.is_ready(ready::READ)).await;
            let accepted = self.host.with(|stack| {
                let Some(listening) = stack.listeners.get_mut(&self.port) else {
                    return Some(Err(libc::EINVAL));
                };
                let handle = listening.accept.pop_front();
                if listening.accept.is_empty() {
                    listening.sock.set_ready(0);
                }
                let handle = handle?;
                let sock = stack.conns.get(&handle)?.sock.clone()?;
                Some(Ok(Stream {
                    host: self.host.clone(),
                    handle,
                    sock,
                }))
            });
            if let Some(result) = accepted {
                return result;
            }
        }
    }

    /// Ends the listening of another task, which learns it from `accept`.
    pub fn shut_down(host: &Host, port: u16) {
        host.with(|stack| stack.stop_listening(port));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.host.with(|stack| stack.stop_listening(self.port));
        trace_tcp_destroy_sock(&self.sock);
    }
}

impl Stack {
    /// Takes a listener away, with what was asked of it and what nobody has accepted.
    fn stop_listening(&mut self, port: u16) {
        let Some(listening) = self.listeners.remove(&port) else {
            return;
        };
        listening.sock.set_state(state::CLOSE);
        listening.sock.set_ready(ready::READ);
        let asked: Vec<_> = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.request.is_some() && conn.local.port == port)
            .map(|(handle, _)| *handle)
            .collect();
        asked.into_iter().for_each(|handle| self.forget(handle));
        for handle in listening.accept {
            if let Some(conn) = self.conns.get_mut(&handle) {
                conn.orphan = true;
                std::mem::take(&mut conn.received).purge();
                self.sockets.get_mut::<tcp::Socket>(handle).abort();
            }
        }
    }

    /// The host goes: nothing of any connection is left, and nobody is told.
    pub fn kill_all(&mut self) {
        while let Some((handle, conn)) = self.conns.iter_mut().next() {
            let handle = *handle;
            if let Some(sock) = conn.sock.take() {
                sock.set_state(state::CLOSE);
                trace_tcp_destroy_sock(&sock);
            }
            self.forget(handle);
        }
    }
}

fn outcome(result: &Result<usize, Errno>) -> i32 {
    match result {
        Ok(len) => *len as i32,
        Err(errno) => -errno,
    }
}
