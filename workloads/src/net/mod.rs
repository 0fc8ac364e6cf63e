//! The `net` workload: two hosts on an in-memory link that loses packets, each with a TCP/IP stack of its own (smoltcp), devices,
//! drivers and queues around it, and tasks that make connections.
//!
//! A packet's way: a task's call or a timer lets the stack make it (`stack`); it is queued at the device (`device`) and given to
//! the driver (`driver`), which copies it to the link (`link`). The card at the other end interrupts; its driver has it
//! polled in the softirq NET_RX, or puts it on the CPU's backlog for it (`softnet`); the other stack takes it (`receive`) and wakes
//! who waits for what is in it (`calls`).

mod calls;
mod conn;
mod device;
mod driver;
mod jobs;
mod link;
mod packet;
mod phy;
mod receive;
pub(crate) mod skb;
mod sock;
mod softnet;
mod stack;
#[cfg(test)]
pub(crate) mod tests;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::jobs::{Make, family, perform};
use crate::load::Load;
use crate::machine::{Machine, Owner, fork, sleep, wait_pid};
use crate::{Engine, Setting, Shared, Workload};

pub use device::Qdisc;
pub(crate) use device::{Device, Protocol, QUEUE_LIMIT};
pub(crate) use driver::{Kind, Nic};
pub(crate) use link::{LOSS_UNIT, Link};
pub use skb::{DropReason, Skb};
pub(crate) use skb::{consume_skb, here, sk_skb_reason_drop};
pub use sock::{Request, ResetReason, Sock};
#[cfg(test)]
pub(crate) use softnet::netif_receive_skb;
pub(crate) use softnet::start as start_receiving;

use calls::Listener;
use packet::End;
use stack::Host;

/// The row in `ALL`.
pub(crate) const WORKLOAD: Workload = Workload {
    name: "net",
    about: "TCP connections between two hosts on an in-memory link, with the events of sockets, TCP, queueing disciplines, \
            devices and packets. One operation is the life of a connection; five kinds take turns: a transfer, a transfer \
            on a way that loses packets (setting loss), one that the client resets half-way, one that is refused, and two \
            to a listener that has its hands full at the second one",
    rate: 0.5,
    open,
};

/// How many packets get lost on the bad way.
pub(crate) const LOSS: Setting = Setting {
    workload: WORKLOAD.name,
    name: "loss",
    about: "per cent of the packets that get lost on the bad way, 0 to 30; 5 if nothing is chosen",
    apply: |shared, text| shared.net_loss.set(text),
    show: |shared| shared.net_loss.show(),
};

/// What gets lost if nothing is chosen: 5 %.
const DEFAULT_LOSS: u64 = 500;
/// More cannot get lost: connections have to come to an end.
const MOST_LOSS: f64 = 30.0;
/// Operations that may be under way at once.
const JOBS: usize = 8;
/// Seed of the hosts' sequence numbers.
const SEED: u64 = 0x5eed_0e70_0000_0000;
/// Address of the clients' host, and of the servers'.
const CLIENTS: [u8; 4] = [10, 0, 0, 1];
const SERVERS: [u8; 4] = [10, 0, 0, 2];
/// Port of the server that is always there.
const HTTP: u16 = 80;
/// Connections that may wait for it.
const HTTP_BACKLOG: usize = 128;

/// The two hosts and what is between them.
struct Network {
    link: Arc<Link>,
    clients: Arc<Host>,
    servers: Arc<Host>,
    /// On the bad way.
    loss: Loss,
}

/// Packets that get lost, of LOSS_UNIT.
#[derive(Clone, Debug)]
pub(crate) struct Loss(Arc<AtomicU64>);

impl Default for Loss {
    fn default() -> Loss {
        Loss(Arc::new(AtomicU64::new(DEFAULT_LOSS)))
    }
}

impl Loss {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes per cent as text.
    fn set(&self, text: &str) -> Result<(), String> {
        match text.parse::<f64>() {
            Ok(percent) if (0.0..=MOST_LOSS).contains(&percent) => {
                let parts = (percent / 100.0 * LOSS_UNIT as f64).round() as u64;
                self.0.store(parts, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(format!(
                "'{text}' is not a loss: give a percentage from 0 to {MOST_LOSS}"
            )),
        }
    }

    fn show(&self) -> String {
        (self.get() as f64 * 100.0 / LOSS_UNIT as f64).to_string()
    }
}

impl Network {
    fn new(machine: &Arc<Machine>, cpus: usize, loss: Loss) -> Network {
        // Two hosts, but one list of devices: each has a name and a number of its own.
        let device = |name, ifindex, kind, cpu| {
            Device::new(name, ifindex, QUEUE_LIMIT, |device| {
                Nic::new(name, kind, machine, cpu, device)
            })
        };
        let eth0 = device("eth0", 2, Kind::Old, 0);
        let eth1 = device("eth1", 3, Kind::Polled, 1 % cpus);
        let link = Link::between([&eth0, &eth1]);
        let network = Network {
            link,
            clients: Host::new(&eth0, CLIENTS, eth1.mac, SEED),
            servers: Host::new(&eth1, SERVERS, eth0.mac, SEED + 1),
            loss,
        };
        eth0.open();
        eth1.open();
        network
    }

    /// Closes what is open and waits until nothing of it is under way any more, as the kernel does with a network namespace.
    async fn take_down(self: Arc<Network>) -> i32 {
        for host in [&self.clients, &self.servers] {
            host.with(stack::Stack::kill_all);
            host.device.close();
        }
        for host in [&self.clients, &self.servers] {
            unregister(&host.device).await;
        }
        0
    }
}

/// Waits until nobody has the device any more but its owner: packets do.
pub(crate) async fn unregister(device: &Arc<Device>) {
    while Arc::strong_count(device) > 1 {
        sleep(1_000_000).await;
    }
}

struct Net {
    machine: Arc<Owner>,
    loss: Loss,
}

fn open(shared: &Shared) -> io::Result<Box<dyn Engine>> {
    let machine = Owner::shared(&shared.machine)?;
    start_receiving(&machine);
    Ok(Box::new(Net {
        machine,
        loss: shared.net_loss.clone(),
    }))
}

impl Engine for Net {
    fn run(self: Box<Self>, load: &Arc<Load>) -> io::Result<()> {
        let network = Arc::new(OnceLock::new());
        let first = {
            let (network, load) = (network.clone(), load.clone());
            let (machine, cpus) = (self.machine.machine().clone(), self.machine.cpus());
            let loss = self.loss.clone();
            async move {
                let made = || Arc::new(Network::new(&machine, cpus, loss.clone()));
                init(network.get_or_init(made).clone(), load).await
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

/// The first task: starts the server and does the jobs.
async fn init(network: Arc<Network>, load: Arc<Load>) -> i32 {
    let Ok(listener) = network.servers.listen(HTTP, HTTP_BACKLOG) else {
        return 1;
    };
    let Some(server) = fork(jobs::server(listener)).await else {
        log::error!("no process number is left for the net workload");
        return 1;
    };
    let make: Make = {
        let network = network.clone();
        Arc::new(move |op| Box::pin(jobs::run(network.clone(), op)))
    };
    perform(WORKLOAD.name, make, JOBS, load).await;
    Listener::shut_down(&network.servers, HTTP);
    wait_pid(server)
        .await
        .map_or(1, |status| i32::from(status != 0))
}

/// The other end of a connection to a server.
fn server_end(port: u16) -> End {
    End {
        address: SERVERS,
        port,
    }
}

fn client_end(port: u16) -> End {
    End {
        address: CLIENTS,
        port,
    }
}
