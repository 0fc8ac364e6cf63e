//! The link between two network cards. It loses and damages some of the frames of those connections that go a bad way.
//!
//! What becomes of a frame depends on the connection's seed and on what the frame is to the connection (the direction, the
//! place in the sequence, how often it was sent before), not on when it comes: the same connections suffer the same losses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::device::Device;
use super::packet::{Segment, before};
use super::skb::LINK_HEADER;
use crate::figures::NET;
use crate::rng::Rng;

/// What losses are in parts of.
pub(crate) const LOSS_UNIT: u64 = 10_000;
/// For so many frames lost one is damaged.
const LOST_FOR_DAMAGED: u64 = 8;

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Arrives,
    Lost,
    /// One bit, far enough behind to be TCP's, is turned round.
    Damaged,
}

/// The link. End 0 is the clients', end 1 the servers'.
#[derive(Default)]
pub(crate) struct Link {
    ends: [OnceLock<Weak<Device>>; 2],
    /// By the client's port.
    bad_ways: Mutex<HashMap<u16, BadWay>>,
    /// How far each direction of a connection has come on the link, by the client's port.
    passed: [Mutex<HashMap<u16, u32>>; 2],
}

/// What the link knows of a connection that goes a bad way.
struct BadWay {
    seed: u64,
    /// Parts of LOSS_UNIT.
    loss: u64,
    /// The first sequence number of each direction.
    first: [Option<u32>; 2],
    seen: HashMap<u64, u64>,
}

/// The connection goes a bad way as long as this lives.
pub(crate) struct Badly {
    link: Arc<Link>,
    port: u16,
}

impl Link {
    /// Connects two devices.
    pub fn between(ends: [&Arc<Device>; 2]) -> Arc<Link> {
        let link = Arc::new(Link::default());
        for (end, device) in ends.into_iter().enumerate() {
            let _ = link.ends[end].set(Arc::downgrade(device));
            device.nic.plug(&link, end);
        }
        link
    }

    /// Lets the connection of a client's port suffer.
    pub fn badly(self: &Arc<Link>, port: u16, seed: u64, loss: u64) -> Badly {
        let way = BadWay {
            seed,
            loss,
            first: [None; 2],
            seen: HashMap::new(),
        };
        self.bad_ways.lock().insert(port, way);
        Badly {
            link: self.clone(),
            port,
        }
    }

    /// Takes a frame from one end to the other, or not.
    pub fn carry(&self, from: usize, frame: &[u8]) {
        let segment = frame.get(LINK_HEADER..).and_then(Segment::parse);
        let fate = match &segment {
            Some(segment) => self.fate(from, segment),
            None => Fate::Arrives,
        };
        if let Some(segment) = &segment {
            self.count(from, segment, fate);
        }
        #[cfg(test)]
        super::tests::tap(fate, frame);
        let mut frame = frame.to_vec();
        match fate {
            Fate::Lost => return,
            Fate::Damaged => {
                if let Some(last) = frame.last_mut() {
                    *last ^= 1;
                }
            }
            Fate::Arrives => {}
        }
        if let Some(device) = self.ends[1 - from].get().and_then(Weak::upgrade) {
            device.nic.deliver(frame);
        }
    }

    fn fate(&self, from: usize, segment: &Segment) -> Fate {
        match self.bad_ways.lock().get_mut(&client_port(from, segment)) {
            Some(way) => way.fate(from, segment),
            None => Fate::Arrives,
        }
    }

    /// Tells from a segment and those before it whether some of it was here before.
    fn count(&self, from: usize, segment: &Segment, fate: Fate) {
        NET.frames.add(1);
        NET.frames_lost.add(u64::from(fate == Fate::Lost));
        NET.frames_damaged.add(u64::from(fate == Fate::Damaged));
        NET.resets.add(u64::from(segment.rst()));
        if segment.sequence_len() == 0 {
            return;
        }
        let end = segment.seq.wrapping_add(segment.sequence_len());
        let mut passed = self.passed[from].lock();
        let furthest = passed.entry(client_port(from, segment));
        let new = matches!(furthest, Entry::Vacant(_));
        let furthest = furthest.or_insert(end);
        // A SYN that is not the last one again begins another connection between the same ports.
        let begins = segment.syn() && *furthest != end;
        if !new && !begins && before(segment.seq, *furthest) {
            NET.retransmits.add(1);
        }
        if begins || before(*furthest, end) {
            *furthest = end;
        }
    }
}

fn client_port(from: usize, segment: &Segment) -> u16 {
    [segment.from.port, segment.to.port][from]
}

impl BadWay {
    fn fate(&mut self, from: usize, segment: &Segment) -> Fate {
        if segment.syn() {
            self.first[from] = Some(segment.seq);
        }
        let relative = |number: u32, end: usize| {
            u64::from(number.wrapping_sub(self.first[end].unwrap_or(number)))
        };
        let occupies = segment.sequence_len() > 0;
        let place = if occupies {
            relative(segment.seq, from)
        } else {
            relative(segment.ack, 1 - from)
        };
        let what = place << 2 | (from as u64) << 1 | u64::from(occupies);
        let times = self.seen.entry(what).or_default();
        *times += 1;
        let roll = Rng::of(self.seed, what ^ *times << 40).within(0..LOSS_UNIT);
        if roll < self.loss {
            Fate::Lost
        } else if roll < self.loss + self.loss / LOST_FOR_DAMAGED {
            Fate::Damaged
        } else {
            Fate::Arrives
        }
    }
}

impl Drop for Badly {
    fn drop(&mut self) {
        self.link.bad_ways.lock().remove(&self.port);
    }
}
