//! Packets in memory. Each is made once and ends once: consumed, or dropped for a reason.

use std::sync::Arc;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};

use super::device::{Device, Protocol};
use crate::events::skb::{trace_consume_skb, trace_kfree_skb};

/// Bytes of a link header: two addresses and a type.
pub(crate) const LINK_HEADER: usize = 14;
/// Type of a packet of the internet protocol.
pub(crate) const IPV4: u16 = 0x0800;

/// Packets made so far.
#[cfg(test)]
pub(crate) static MADE: AtomicU64 = AtomicU64::new(0);

/// Why a packet is dropped, with the kernel's numbers (include/net/dropreason-core.h).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names say it
pub enum DropReason {
    NotSpecified = 2,
    NoSocket = 3,
    SocketClose = 4,
    SocketRcvbuff = 6,
    TcpCsum = 10,
    OtherHost = 13,
    IpHeader = 15,
    TcpAbortOnData = 31,
    TcpOldData = 33,
    TcpOverWindow = 34,
    TcpOfoMerge = 35,
    TcpListenOverflow = 40,
    TcpReset = 45,
    QdiscOverlimit = 65,
    CpuBacklog = 71,
    Xdp = 72,
    UnhandledProto = 74,
    QueuePurge = 104,
}

/// A packet: one piece of memory with everything from the link header on.
pub struct Skb {
    frame: Vec<u8>,
    /// Where it begins for whoever has it at the moment: the link header on the way down, the next one on the way up.
    data: usize,
    /// Where the transport header is, once somebody has looked.
    transport: Option<usize>,
    device: Arc<Device>,
    /// Who polled it; 0 if nobody did.
    napi_id: u32,
}

impl Skb {
    fn new(frame: Vec<u8>, data: usize, device: &Arc<Device>) -> Box<Skb> {
        #[cfg(test)]
        MADE.fetch_add(1, Ordering::SeqCst);
        Box::new(Skb {
            frame,
            data,
            transport: None,
            device: device.clone(),
            napi_id: 0,
        })
    }

    /// A frame that goes out by `device`, complete with its link header.
    pub(crate) fn outgoing(frame: Vec<u8>, device: &Arc<Device>) -> Box<Skb> {
        let mut skb = Skb::new(frame, 0, device);
        if skb.protocol() == IPV4 {
            let words = skb.frame.get(LINK_HEADER).map_or(0, |first| first & 15);
            skb.transport = Some(LINK_HEADER + usize::from(words) * 4);
        }
        skb
    }

    /// A frame that `device` has received; its link header is taken off.
    pub(crate) fn incoming(frame: Vec<u8>, device: &Arc<Device>, napi_id: u32) -> Box<Skb> {
        let mut skb = Skb::new(frame, LINK_HEADER, device);
        skb.napi_id = napi_id;
        skb
    }

    /// What is in it for whoever has it at the moment.
    pub(crate) fn data(&self) -> &[u8] {
        self.frame.get(self.data..).unwrap_or_default()
    }

    /// All of it.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Whom its device gives packets to.
    pub(crate) fn up(&self) -> Option<Arc<dyn Protocol>> {
        self.device.protocol()
    }

    /// Address that the link header says it is for.
    pub(crate) fn link_destination(&self) -> &[u8] {
        self.frame.get(..6).unwrap_or_default()
    }

    /// Where it is in memory.
    pub fn addr(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    /// The same as a field that does not promise to leave it alone.
    pub fn addr_mut(&self) -> *mut () {
        self.addr().cast_mut()
    }

    /// Bytes in it for whoever has it at the moment.
    pub fn len(&self) -> u32 {
        self.data().len() as u32
    }

    /// Name of the device that it came by or goes out by.
    pub fn device(&self) -> &str {
        self.device.name()
    }

    /// The device's number of polling; 0 for one that is not polled.
    pub fn napi_id(&self) -> u32 {
        self.napi_id
    }

    /// What the link header says is in it.
    pub fn protocol(&self) -> u16 {
        match self.frame[..] {
            [_, _, _, _, _, _, _, _, _, _, _, _, high, low, ..] => u16::from_be_bytes([high, low]),
            _ => 0,
        }
    }

    /// Memory that it takes.
    pub fn truesize(&self) -> u32 {
        (self.frame.capacity() + size_of::<Skb>()) as u32
    }

    /// Where the link header is, relative to `data`; `None` while there is none.
    pub fn mac_header(&self) -> Option<i32> {
        Some(-(self.data as i32))
    }

    /// Where the network header is, relative to `data`.
    pub fn network_offset(&self) -> i32 {
        LINK_HEADER as i32 - self.data as i32
    }

    /// Where the transport header is, relative to `data`, if there is one.
    pub fn transport_offset(&self) -> Option<i32> {
        self.transport.map(|at| at as i32 - self.data as i32)
    }
}

/// The packet has served its purpose.
#[inline(never)]
pub(crate) fn consume_skb(skb: Box<Skb>, at: Site) {
    trace_consume_skb(&skb, at.0);
}

/// The packet is dropped.
#[inline(never)]
pub(crate) fn kfree_skb(skb: Box<Skb>, at: Site, reason: DropReason) {
    sk_skb_reason_drop(std::ptr::null(), skb, at, reason);
}

/// The packet, which came for the socket at `sk`, is dropped.
#[inline(never)]
pub(crate) fn sk_skb_reason_drop(sk: *const (), skb: Box<Skb>, at: Site, reason: DropReason) {
    trace_kfree_skb(&skb, at.0, sk.cast_mut(), reason);
}

/// The function that a packet ends in.
#[derive(Clone, Copy)]
pub(crate) struct Site(*mut ());

impl Site {
    pub fn of(function: *const ()) -> Site {
        Site(function.cast_mut())
    }
}

/// The place in the code where a packet ends, as `location` shows it: `here!(function)`.
macro_rules! here {
    ($function:expr) => {
        $crate::net::skb::Site::of($function as *const ())
    };
}
pub(crate) use here;
