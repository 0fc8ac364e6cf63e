//! Packet programs, and what their verdicts do to a frame that a card has received.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};

use crate::events::xdp::{
    trace_xdp_bulk_tx, trace_xdp_devmap_xmit, trace_xdp_exception, trace_xdp_redirect,
    trace_xdp_redirect_err,
};
use crate::figures::XDP;
use crate::net::Device;

/// What a program decides about a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It could not make sense of it: a mistake.
    Aborted,
    Drop,
    /// To the protocols.
    Pass,
    /// Back where it came from, as the program has left it.
    Tx,
    /// Out by the device in this slot of the map.
    Redirect(usize),
}

/// The number of the verdict `Aborted`.
const XDP_ABORTED: u32 = 0;
/// Most bytes of a frame that a device sends.
const MOST_BYTES: usize = 1514;

/// Numbers of programs and maps: each its own, over all that was ever made.
static NEXT_ID: AtomicI32 = AtomicI32::new(1);

fn next_id() -> i32 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// Devices that frames can be redirected to, by slot.
pub(crate) struct DevMap {
    id: i32,
    slots: Vec<Weak<Device>>,
}

impl DevMap {
    pub fn new<'a>(devices: impl IntoIterator<Item = &'a Arc<Device>>) -> DevMap {
        DevMap {
            id: next_id(),
            slots: devices.into_iter().map(Arc::downgrade).collect(),
        }
    }
}

/// Why the frame goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Dropped,
    Aborted,
    /// There is no way to where it was to go.
    NotRedirected,
    /// It was on its way out again, but the device did not take it.
    NotSent,
}

type Run = Box<dyn Fn(&mut [u8]) -> Verdict + Send + Sync>;
type OnEnd = Box<dyn Fn(&[u8], End) + Send + Sync>;

/// A program: what it decides, and who is told of frames that end with it.
pub(crate) struct Program {
    id: i32,
    run: Run,
    devices: DevMap,
    on_end: OnEnd,
}

impl Program {
    pub fn new(run: Run, devices: DevMap, on_end: OnEnd) -> Arc<Program> {
        Arc::new(Program {
            id: next_id(),
            run,
            devices,
            on_end,
        })
    }

    /// For the frames that `device` has received and hands over in one go.
    pub fn begin<'a>(self: Arc<Program>, device: &'a Arc<Device>) -> Batch<'a> {
        Batch {
            program: self,
            device,
            tx: Vec::new(),
            out: BTreeMap::new(),
        }
    }

    /// The device in a slot, if a frame of so many bytes can go out by it.
    fn target(&self, slot: usize, len: usize) -> Result<Arc<Device>, (i32, i32)> {
        let device = self.devices.slots.get(slot).and_then(Weak::upgrade);
        let device = device.ok_or((0, -libc::ENOENT))?;
        if !device.nic.is_open() {
            return Err((device.ifindex, -libc::ENETDOWN));
        }
        if len > MOST_BYTES {
            return Err((device.ifindex, -libc::EMSGSIZE));
        }
        Ok(device)
    }
}

/// Frames of one poll. Those that leave again do so together at its end.
pub(crate) struct Batch<'a> {
    program: Arc<Program>,
    device: &'a Arc<Device>,
    tx: Vec<Vec<u8>>,
    /// By slot.
    out: BTreeMap<usize, (Arc<Device>, Vec<Vec<u8>>)>,
}

impl Batch<'_> {
    /// Lets the program decide about a frame; gives it back if it passes.
    pub fn run(&mut self, mut frame: Vec<u8>) -> Option<Vec<u8>> {
        let verdict = (self.program.run)(&mut frame);
        XDP.seen.add(1);
        let counter = match verdict {
            Verdict::Aborted => &XDP.aborted,
            Verdict::Drop => &XDP.dropped,
            Verdict::Pass => &XDP.passed,
            Verdict::Tx => &XDP.sent_back,
            Verdict::Redirect(_) => &XDP.redirected,
        };
        counter.add(1);
        match verdict {
            Verdict::Pass => return Some(frame),
            Verdict::Drop => (self.program.on_end)(&frame, End::Dropped),
            Verdict::Aborted => {
                trace_xdp_exception(self.program.id, XDP_ABORTED, self.device.ifindex);
                (self.program.on_end)(&frame, End::Aborted);
            }
            Verdict::Tx => self.tx.push(frame),
            Verdict::Redirect(slot) => self.redirect(slot, frame),
        }
        None
    }

    fn redirect(&mut self, slot: usize, frame: Vec<u8>) {
        let (program, map) = (&self.program, &self.program.devices);
        let from = self.device.ifindex;
        match program.target(slot, frame.len()) {
            Ok(device) => {
                trace_xdp_redirect(program.id, from, device.ifindex, map.id as u32, slot as i32);
                let out = self.out.entry(slot).or_insert((device, Vec::new()));
                out.1.push(frame);
            }
            Err((to, error)) => {
                trace_xdp_redirect_err(program.id, from, to, error, map.id as u32, slot as i32);
                (program.on_end)(&frame, End::NotRedirected);
            }
        }
    }

    /// Sends frames by `device`; says how many and how many not, and why.
    fn send(&self, device: &Device, frames: &[Vec<u8>]) -> (i32, i32, i32) {
        let (mut sent, mut drops) = (0, 0);
        for frame in frames {
            if device.nic.transmit_frame(frame) {
                sent += 1;
            } else {
                drops += 1;
                (self.program.on_end)(frame, End::NotSent);
            }
        }
        let error = if drops > 0 { -libc::ENETDOWN } else { 0 };
        (sent, drops, error)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let from = self.device.ifindex;
        if !self.tx.is_empty() {
            let (sent, drops, error) = self.send(self.device, &self.tx);
            trace_xdp_bulk_tx(from, sent, drops, error);
        }
        for (device, frames) in self.out.values() {
            let (sent, drops, error) = self.send(device, frames);
            trace_xdp_devmap_xmit(from, device.ifindex, sent, drops, error);
        }
    }
}
