//! What the tasks do. Each checks what it gets and exits with 0 only if that is right.

use std::sync::Arc;

use super::calls::{Bound, Errno, Listener, Stream};
use super::link::Badly;
use super::{HTTP, Network, client_end, server_end};
use crate::machine::{exec, fork, has_zombie, sleep, wait_any, wait_pid};
use crate::rng::Rng;

/// Operations of the same number are the same on every run.
const SEED: u64 = 0x5eed_7c90_0000_0000;
/// Bytes of a request: the number of the operation, how long the answer is to be, what will happen then, padding.
const REQUEST: usize = 32;
/// Port that nobody listens on.
const CLOSED: u16 = 81;
/// First port of the servers that have their hands full, by operation.
const BUSY: u16 = 5000;
const BUSY_PORTS: u64 = 1000;
/// A busy server looks so often whether somebody was turned away, ns.
const LOOKS: u64 = 20_000_000;

/// Kinds of operations, as `run` takes turns with them.
pub(super) const KINDS: u64 = 5;

/// Who ends a connection, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// The server closes after its answer.
    Server = 0,
    /// The client closes when it has all of it.
    Client = 1,
    /// The client closes before that.
    Reset = 2,
}

/// What a client asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Order {
    op: u64,
    len: u32,
    ending: Ending,
}

impl Order {
    fn to_bytes(self) -> [u8; REQUEST] {
        let mut bytes = [0; REQUEST];
        bytes[..8].copy_from_slice(&self.op.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12] = self.ending as u8;
        bytes
    }

    fn from_bytes(bytes: &[u8; REQUEST]) -> Option<Order> {
        let (op, rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let ending = match rest[0] {
            0 => Ending::Server,
            1 => Ending::Client,
            2 => Ending::Reset,
            _ => return None,
        };
        Some(Order {
            op: u64::from_le_bytes(*op),
            len: u32::from_le_bytes(*len),
            ending,
        })
    }

    /// The answer: it depends on nothing but the order.
    fn answer(self) -> Vec<u8> {
        let mut rng = Rng::of(SEED ^ 1, self.op);
        let len = self.len as usize;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&rng.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// Operation `op`.
pub(super) async fn run(network: Arc<Network>, op: u64) -> i32 {
    let mut rng = Rng::of(SEED, op);
    let ending = if rng.next().is_multiple_of(2) {
        Ending::Server
    } else {
        Ending::Client
    };
    let order = |len, ending| Order {
        op,
        len: len as u32,
        ending,
    };
    let done = match op % KINDS {
        0 => transfer(&network, order(rng.within(500..9_000), ending)).await,
        1 => lossy_transfer(&network, order(rng.within(6_000..30_000), ending)).await,
        2 => reset(&network, order(rng.within(8_000..30_000), Ending::Reset)).await,
        3 => refused(&network).await,
        _ => overflow(&network, order(rng.within(500..3_000), ending)).await,
    };
    match done {
        Ok(true) => 0,
        Ok(false) => {
            log::error!("net: operation {op} came to a wrong result");
            1
        }
        Err(errno) => {
            log::error!("net: operation {op} failed: errno {errno}");
            2
        }
    }
}

/// All goes well.
async fn transfer(network: &Arc<Network>, order: Order) -> Result<bool, Errno> {
    exec("/usr/bin/curl");
    let bound = network.clients.bind(server_end(HTTP))?;
    fetch(network, bound, HTTP, order).await
}

/// Packets get lost.
async fn lossy_transfer(network: &Arc<Network>, order: Order) -> Result<bool, Errno> {
    exec("/usr/bin/wget");
    let bound = network.clients.bind(server_end(HTTP))?;
    let _bad_way: Badly = network.link.badly(bound.port, order.op, network.loss.get());
    fetch(network, bound, HTTP, order).await
}

/// The client has seen enough.
async fn reset(network: &Arc<Network>, order: Order) -> Result<bool, Errno> {
    exec("/usr/bin/head");
    let bound = network.clients.bind(server_end(HTTP))?;
    let port = bound.port;
    let stream = bound.connect().await?;
    stream.send(&order.to_bytes()).await?;
    // Less than a packet: something stays unread.
    let mut beginning = [0; 512];
    let len = stream.recv(&mut beginning).await?;
    let right = len > 0 && order.answer().starts_with(&beginning[..len]);
    drop(stream);
    wait_until_over(network, port, HTTP).await;
    Ok(right)
}

/// Nobody is there.
async fn refused(network: &Arc<Network>) -> Result<bool, Errno> {
    exec("/usr/bin/nc");
    let bound = network.clients.bind(server_end(CLOSED))?;
    match bound.connect().await {
        Ok(_) => Ok(false),
        Err(errno) => Ok(errno == libc::ECONNREFUSED),
    }
}

/// Two clients for a server that lets one of them wait: the second one has to ask again.
async fn overflow(network: &Arc<Network>, order: Order) -> Result<bool, Errno> {
    exec("/usr/bin/ab");
    let port = BUSY + (order.op / KINDS % BUSY_PORTS) as u16;
    let listener = network.servers.listen(port, 0)?;
    let server = fork(busy_server(network.clone(), listener, port)).await;
    let first = network.clients.bind(server_end(port))?;
    let first_port = first.port;
    let first = first.connect().await?;
    let second = {
        let network = network.clone();
        async move {
            let fetched = match network.clients.bind(server_end(port)) {
                Ok(bound) => fetch(&network, bound, port, order).await,
                Err(errno) => Err(errno),
            };
            i32::from(fetched != Ok(true))
        }
    };
    let second = fork(second).await.ok_or(libc::EAGAIN)?;
    let right = ask(&first, order).await?;
    drop(first);
    wait_until_over(network, first_port, port).await;
    let mut good = right && wait_pid(second).await == Some(0);
    if let Some(server) = server {
        good &= wait_pid(server).await == Some(0);
    }
    Ok(good)
}

/// The whole life of a client's connection.
async fn fetch(network: &Arc<Network>, bound: Bound, to: u16, order: Order) -> Result<bool, Errno> {
    let port = bound.port;
    let stream = bound.connect().await?;
    let right = ask(&stream, order).await?;
    drop(stream);
    wait_until_over(network, port, to).await;
    Ok(right)
}

/// Sends the request and compares the answer with what it has to be.
async fn ask(stream: &Stream, order: Order) -> Result<bool, Errno> {
    stream.send(&order.to_bytes()).await?;
    let expected = order.answer();
    let mut answer = Vec::new();
    let mut buffer = vec![0; 4096];
    while answer.len() < expected.len() || order.ending == Ending::Server {
        match stream.recv(&mut buffer).await? {
            0 => break,
            len => answer.extend_from_slice(&buffer[..len]),
        }
    }
    Ok(answer == expected)
}

/// Waits until both ends have forgotten the connection.
async fn wait_until_over(network: &Network, port: u16, to: u16) {
    network.clients.wait_until_over(port, server_end(to)).await;
    network.servers.wait_until_over(to, client_end(port)).await;
}

/// The server that is always there: one task for each connection.
pub(super) async fn server(listener: Listener) -> i32 {
    exec("/usr/sbin/httpd");
    let mut result = 0;
    while let Ok(stream) = listener.accept().await {
        if fork(serve(stream)).await.is_none() {
            result = 1;
        }
        while has_zombie() {
            result |= status(wait_any().await);
        }
    }
    loop {
        match wait_any().await {
            None => return result,
            child => result |= status(child),
        }
    }
}

fn status(child: Option<(i32, i32)>) -> i32 {
    i32::from(child.is_some_and(|(_, status)| status != 0))
}

/// A server that takes nobody in until somebody was turned away.
async fn busy_server(network: Arc<Network>, listener: Listener, port: u16) -> i32 {
    exec("/usr/bin/rsync");
    while network.servers.listen_overflows(port) == 0 {
        sleep(LOOKS).await;
    }
    let mut result = 0;
    for _ in 0..2 {
        result |= match listener.accept().await {
            Ok(stream) => serve(stream).await,
            Err(_) => 1,
        };
    }
    result
}

/// One connection, from the server's side.
async fn serve(stream: Stream) -> i32 {
    let mut request = [0; REQUEST];
    let mut len = 0;
    while len < REQUEST {
        match stream.recv(&mut request[len..]).await {
            Ok(more @ 1..) => len += more,
            // The client is gone before it has asked.
            _ => return 1,
        }
    }
    let Some(order) = Order::from_bytes(&request) else {
        return 1;
    };
    let sent = stream.send(&order.answer()).await;
    let all = sent == Ok(order.len as usize);
    let done = match order.ending {
        Ending::Server => all,
        Ending::Client => all && stream.recv(&mut request).await == Ok(0),
        Ending::Reset => !all || stream.recv(&mut request).await == Err(libc::ECONNRESET),
    };
    i32::from(!done)
}
