//! Drivers of two kinds of network cards at the ends of a link: one that is polled, and an old one that hands over each packet
//! in its interrupt handler.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, RwLock};

use super::device::Device;
use super::link::Link;
use super::skb::{Skb, consume_skb, here};
use super::softnet::{Napi, netif_receive_skb, netif_rx};
use crate::machine::{Irq, IrqReturn, Machine, request_irq};
use crate::xdp::Program;

/// Frames that a card holds until its driver takes them; more are lost, as those are that come while it is off.
pub(crate) const RX_RING: usize = 512;

/// How a card is driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Its handler only asks for polling; no more interrupts until the ring is empty.
    Polled,
    /// Its handler takes the frames to the CPU's backlog.
    Old,
}

/// A network card with its driver's state.
pub(crate) struct Nic {
    kind: Kind,
    /// What has come in.
    ring: Mutex<VecDeque<Vec<u8>>>,
    open: AtomicBool,
    /// The card may interrupt; it does so once.
    armed: AtomicBool,
    irq: Irq,
    machine: Weak<Machine>,
    /// CPU that its interrupts go to.
    cpu: usize,
    napi: Arc<Napi>,
    link: OnceLock<(Arc<Link>, usize)>,
    program: RwLock<Option<Arc<Program>>>,
}

impl Nic {
    pub fn new(
        name: &'static str,
        kind: Kind,
        machine: &Arc<Machine>,
        cpu: usize,
        device: &Weak<Device>,
    ) -> Nic {
        let handler = {
            let device = device.clone();
            move || {
                device
                    .upgrade()
                    .map_or(IrqReturn::None, |device| device.nic.interrupt(&device))
            }
        };
        let poll = {
            let device = device.clone();
            move |napi: &Arc<Napi>, budget| {
                device
                    .upgrade()
                    .map_or(0, |device| device.nic.poll(&device, napi, budget))
            }
        };
        Nic {
            kind,
            ring: Mutex::default(),
            open: AtomicBool::new(false),
            armed: AtomicBool::new(true),
            irq: request_irq(name, Arc::new(handler)),
            machine: Arc::downgrade(machine),
            cpu,
            napi: Napi::new(name, poll),
            link: OnceLock::new(),
            program: RwLock::default(),
        }
    }

    /// Plugs the card in as one of the two ends.
    pub fn plug(&self, link: &Arc<Link>, end: usize) {
        let _ = self.link.set((link.clone(), end));
    }

    /// Has a program look at everything that comes in; polled cards only.
    pub fn set_program(&self, program: Option<Arc<Program>>) {
        *self.program.write() = program;
    }

    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    pub fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        self.ring.lock().clear();
    }

    /// Sends a packet: the card has it on the link before this returns.
    pub fn start_xmit(&self, skb: Box<Skb>) {
        if let Some((link, end)) = self.link.get() {
            link.carry(*end, skb.frame());
        }
        consume_skb(skb, here!(Nic::start_xmit));
    }

    /// Sends a frame that is not in a packet of ours; false if the card cannot.
    pub fn transmit_frame(&self, frame: &[u8]) -> bool {
        match self.link.get() {
            Some((link, end)) if self.is_open() => {
                link.carry(*end, frame);
                true
            }
            _ => false,
        }
    }

    /// A frame comes in from the link; on any CPU.
    pub fn deliver(&self, frame: Vec<u8>) {
        {
            let mut ring = self.ring.lock();
            if !self.is_open() || ring.len() >= RX_RING {
                return;
            }
            ring.push_back(frame);
        }
        // The ring first, then the switch; who switches on looks at the ring afterwards.
        if self.armed.swap(false, Ordering::SeqCst)
            && let Some(machine) = self.machine.upgrade()
        {
            self.irq.raise(&machine, self.cpu);
        }
    }

    fn take(&self) -> Option<Vec<u8>> {
        self.ring.lock().pop_front()
    }

    /// The interrupt handler.
    fn interrupt(&self, device: &Arc<Device>) -> IrqReturn {
        match self.kind {
            Kind::Polled => {
                self.napi.schedule();
                IrqReturn::Handled
            }
            Kind::Old => {
                self.armed.store(true, Ordering::SeqCst);
                let mut result = IrqReturn::None;
                while let Some(frame) = self.take() {
                    netif_rx(Skb::incoming(frame, device, 0));
                    result = IrqReturn::Handled;
                }
                result
            }
        }
    }

    fn poll(&self, device: &Arc<Device>, napi: &Arc<Napi>, budget: usize) -> usize {
        let program = self.program.read().clone();
        let mut batch = program.map(|program| program.begin(device));
        let mut work = 0;
        while work < budget
            && let Some(frame) = self.take()
        {
            work += 1;
            let passed = match &mut batch {
                Some(batch) => batch.run(frame),
                None => Some(frame),
            };
            if let Some(frame) = passed {
                netif_receive_skb(Skb::incoming(frame, device, napi.id));
            }
        }
        drop(batch);
        if work < budget {
            napi.complete();
            self.armed.store(true, Ordering::SeqCst);
            // What came in between has not interrupted.
            if !self.ring.lock().is_empty() && self.armed.swap(false, Ordering::SeqCst) {
                napi.schedule();
            }
        }
        work
    }
}
