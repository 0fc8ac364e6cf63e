//! The `xdp` workload: a packet program on the receive side of a network card, and a generator that sends it packets.
//!
//! ```text
//! pkt0 ----- xdp0 (the program)    pass: up to a packet socket; tx: back to pkt0
//!            xdp1 ----- pkt1       redirect: out by xdp1
//!            xdp2 (down)           redirect to it fails
//! ```

mod capture;
mod packet;
mod program;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use crate::futex::now_ns;
use crate::jobs::family;
use crate::load::{Load, Next};
use crate::machine::{
    Machine, Owner, WaitQueue, exec, fork, sleep_for_child_until, wait_any, with_bh_disabled,
};
use crate::net::{
    Device, Kind, Link, Nic, Protocol, QUEUE_LIMIT, Skb, start_receiving, unregister,
};
use crate::rng::Rng;
use crate::{Engine, Shared, Workload};

use capture::Capture;
use packet::Number;
use program::DevMap;
pub(crate) use program::{Program, Verdict};

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "xdp",
    about: "a packet program where a network card receives, with the xdp events and those of devices and packets. One \
            operation is a burst of 4 to 11 packets, done when the last one is read, dropped or lost; the program passes, \
            drops, sends back or redirects them, gives up on those that it cannot read, and redirects some to a device \
            that is down",
    rate: 0.5,
    open,
};

/// Operations of the same number are the same on every run.
const SEED: u64 = 0x5eed_0d90_0000_0000;
/// Packets of a burst.
const BURST: std::ops::Range<u64> = 4..12;
/// Bytes that a packet socket holds (net.core.rmem_default).
const RECEIVE_BUFFER: usize = 212_992;
/// The generator looks around at least so often, ns; it keeps no timer for longer.
const LONGEST_SLEEP: u64 = 60_000_000_000;

/// What the program does, by port.
const PASSED: u16 = 53;
const DROPPED: u16 = 19;
const SENT_BACK: u16 = 7;
const REDIRECTED: u16 = 80;
const TO_NOWHERE: u16 = 81;
/// For one that is not of the internet at all: its type is one for experiments (IEEE 802).
const UNREADABLE: u16 = 0;
const EXPERIMENTAL: [u8; 2] = [0x88, 0xb5];

/// Slots of the program's map of devices.
const TO_XDP1: usize = 0;
const TO_XDP2: usize = 1;

/// Packets under way, by operation.
#[derive(Default)]
struct Ledger {
    under_way: Mutex<HashMap<u64, u64>>,
    all_done: WaitQueue,
}

impl Ledger {
    fn open(&self, op: u64, packets: u64) {
        self.under_way.lock().insert(op, packets);
    }

    /// A packet has come to its end.
    fn strike(&self, packet: &[u8]) {
        let Some(Number { op, .. }) = packet::number(packet) else {
            return;
        };
        let mut under_way = self.under_way.lock();
        if let Some(left) = under_way.get_mut(&op) {
            *left -= 1;
            if *left == 0 {
                under_way.remove(&op);
                drop(under_way);
                self.all_done.wake_up();
            }
        }
    }

    async fn wait(&self, op: u64) {
        let done = || !self.under_way.lock().contains_key(&op);
        self.all_done.wait_event(done).await;
    }
}

/// The devices and the sockets.
struct Network {
    pkt0: Arc<Device>,
    xdp0: Arc<Device>,
    xdp1: Arc<Device>,
    pkt1: Arc<Device>,
    /// There to be down.
    xdp2: Arc<Device>,
    /// What came back, passed, and was redirected.
    captures: [Arc<Capture>; 3],
    ledger: Arc<Ledger>,
}

impl Network {
    fn new(machine: &Arc<Machine>, cpus: usize) -> Network {
        let device = |name, ifindex, kind, cpu: usize| {
            Device::new(name, ifindex, QUEUE_LIMIT, |device| {
                Nic::new(name, kind, machine, cpu % cpus, device)
            })
        };
        let pkt0 = device("pkt0", 10, Kind::Old, 0);
        let xdp0 = device("xdp0", 11, Kind::Polled, 1);
        let xdp1 = device("xdp1", 12, Kind::Polled, 1);
        let pkt1 = device("pkt1", 13, Kind::Polled, 0);
        let xdp2 = device("xdp2", 14, Kind::Polled, 1);
        Link::between([&pkt0, &xdp0]);
        Link::between([&pkt1, &xdp1]);
        let ledger = Arc::new(Ledger::default());
        let strike = {
            let ledger = ledger.clone();
            move |packet: &[u8]| ledger.strike(packet)
        };
        let capture = |device: &Arc<Device>| {
            let capture = Capture::new(RECEIVE_BUFFER, Box::new(strike.clone()));
            let protocol: Weak<dyn Protocol> =
                Arc::downgrade(&(capture.clone() as Arc<dyn Protocol>));
            device.set_protocol(protocol);
            capture
        };
        let captures = [&pkt0, &xdp0, &pkt1].map(capture);
        let devices = DevMap::new([&xdp1, &xdp2]);
        let on_end = Box::new(move |frame: &[u8], _| strike(frame));
        xdp0.nic
            .set_program(Some(Program::new(Box::new(decide), devices, on_end)));
        for device in [&pkt0, &xdp0, &xdp1, &pkt1] {
            device.open();
        }
        Network {
            pkt0,
            xdp0,
            xdp1,
            pkt1,
            xdp2,
            captures,
            ledger,
        }
    }

    async fn take_down(self: Arc<Network>) -> i32 {
        for device in [&self.pkt0, &self.xdp0, &self.xdp1, &self.pkt1] {
            device.close();
        }
        self.captures.iter().for_each(|capture| capture.purge());
        self.xdp0.nic.set_program(None);
        for device in [&self.pkt0, &self.xdp0, &self.xdp1, &self.pkt1, &self.xdp2] {
            unregister(device).await;
        }
        0
    }

    /// Sends the packets of an operation.
    fn send_burst(&self, op: u64) {
        let burst = burst(op);
        self.ledger.open(op, burst.len() as u64);
        with_bh_disabled(|| {
            for (index, (port, len)) in (0..).zip(burst) {
                let number = Number { op, index };
                let (from, to) = (self.pkt0.mac, self.xdp0.mac);
                let mut frame = packet::make(from, to, port, number, len);
                if port == UNREADABLE {
                    frame[12..14].copy_from_slice(&EXPERIMENTAL);
                }
                let skb = Skb::outgoing(frame.clone(), &self.pkt0);
                if self.pkt0.queue_xmit(skb).is_err() {
                    self.ledger.strike(&frame);
                }
            }
            self.pkt0.run_queue();
        });
    }
}

/// The packets of an operation: their ports, and how much is in them.
fn burst(op: u64) -> Vec<(u16, usize)> {
    let mut rng = Rng::of(SEED, op);
    let packets = rng.within(BURST);
    let packet = |_| {
        let port = match rng.within(0..12) {
            0..4 => PASSED,
            4..6 => DROPPED,
            6..8 => SENT_BACK,
            8..10 => REDIRECTED,
            10 => TO_NOWHERE,
            _ => UNREADABLE,
        };
        (port, rng.within(6..1400) as usize)
    };
    (0..packets).map(packet).collect()
}

/// The program.
fn decide(frame: &mut [u8]) -> Verdict {
    match packet::port(frame) {
        Some(PASSED) => Verdict::Pass,
        Some(SENT_BACK) => {
            packet::turn_round(frame);
            Verdict::Tx
        }
        Some(REDIRECTED) => Verdict::Redirect(TO_XDP1),
        Some(TO_NOWHERE) => Verdict::Redirect(TO_XDP2),
        Some(_) => Verdict::Drop,
        None => Verdict::Aborted,
    }
}

struct Xdp {
    machine: Arc<Owner>,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let machine = Owner::shared(&shared.machine)?;
    start_receiving(&machine);
    Ok(Box::new(Xdp { machine }))
}

impl Engine for Xdp {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let network = Arc::new(OnceLock::new());
        let first = {
            let (network, load) = (network.clone(), load.clone());
            let (machine, cpus) = (self.machine.machine().clone(), self.machine.cpus());
            async move {
                let made = || Arc::new(Network::new(&machine, cpus));
                generate(network.get_or_init(made).clone(), load).await
            }
        };
        family(&self.machine, load, "init", Box::pin(first), true);
        if let Some(network) = network.get() {
            let take_down = network.clone().take_down();
            family(&self.machine, load, "ip", Box::pin(take_down), false);
        }
        Ok(())
    }
}

/// The first task: starts the readers and sends a burst whenever one is due.
async fn generate(network: Arc<Network>, load: Arc<Load>) -> i32 {
    for capture in &network.captures {
        if fork(read(capture.clone(), network.ledger.clone()))
            .await
            .is_none()
        {
            log::error!("the xdp workload has used up its process numbers and ends");
            return 1;
        }
    }
    exec("/usr/sbin/pktgen");
    loop {
        match load.next() {
            Next::Now(op) => {
                network.send_burst(op);
                network.ledger.wait(op).await;
                load.complete();
            }
            Next::At(due) => {
                sleep_for_child_until(due.min(now_ns() + LONGEST_SLEEP)).await;
            }
            Next::End => break,
        }
    }
    network.captures.iter().for_each(|capture| capture.close());
    while wait_any().await.is_some() {}
    0
}

/// Reads what comes to a socket.
async fn read(capture: Arc<Capture>, ledger: Arc<Ledger>) -> i32 {
    exec("/usr/bin/tcpdump");
    let mut buffer = vec![0; 2048];
    while let Some(len) = capture.recv(&mut buffer).await {
        ledger.strike(&buffer[..len]);
    }
    0
}
