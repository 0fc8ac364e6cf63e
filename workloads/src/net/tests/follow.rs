//! What a trace of packets and sockets must not say, event by event; and what a wire has carried, counted on its own.

use std::collections::{BTreeMap, HashMap};

use super::Carried;
use crate::net::DropReason;
use crate::net::packet::Segment;
use crate::net::sock::state::*;
use crate::testing::net::{Event, Record, Who};

/// How far a packet has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Queued,
    Enqueued,
    Dequeued,
    Started,
    Backlog,
    Polled,
    Received,
}

/// The packets of a trace, by their address.
#[derive(Default)]
pub(crate) struct Packets {
    alive: HashMap<usize, Stage>,
    lens: HashMap<usize, u32>,
    freed: u64,
    pub sent: u64,
    pub came_in: u64,
    pub copied: u64,
    pub bad_sums: u64,
}

impl Packets {
    fn step(&mut self, r: &Record, skb: usize, from: &[Stage], to: Stage) {
        let before = self.alive.insert(skb, to);
        assert!(
            before.is_some_and(|stage| from.contains(&stage)),
            "{before:?}: {r:?}"
        );
    }

    fn comes(&mut self, r: &Record, skb: usize, stage: Stage) {
        assert_eq!(self.alive.insert(skb, stage), None, "{r:?}");
    }

    pub fn follow(&mut self, r: &Record) {
        use Stage::*;
        match r.event {
            Event::DevQueue { skb, len } => {
                self.comes(r, skb, Queued);
                self.lens.insert(skb, len);
            }
            Event::Enqueue { skb } => self.step(r, skb, &[Queued], Enqueued),
            Event::Dequeue { skb, packets } => {
                assert_eq!(packets, 1);
                self.step(r, skb, &[Enqueued], Dequeued);
            }
            Event::StartXmit { skb, len } => {
                assert_eq!(self.lens[&skb], len);
                self.step(r, skb, &[Dequeued], Started);
            }
            Event::Xmit { rc, .. } => {
                // The driver has freed it, and its address may be another packet's by now.
                assert_eq!(rc, 0);
                self.sent += 1;
            }
            Event::Rx { skb } => {
                self.comes(r, skb, Backlog);
                self.came_in += 1;
            }
            Event::ReceiveEntry { skb, napi_id } => {
                assert!(napi_id > 8192, "{r:?}");
                self.comes(r, skb, Polled);
                self.came_in += 1;
            }
            Event::Receive { skb, .. } => self.step(r, skb, &[Backlog, Polled], Received),
            Event::Copy { skb, len } => {
                assert_eq!(self.alive.get(&skb), Some(&Received), "{r:?}");
                self.copied += len as u64;
            }
            Event::BadCsum { skb } => {
                assert_eq!(self.alive.get(&skb), Some(&Received), "{r:?}");
                self.bad_sums += 1;
            }
            Event::Consume { skb } => {
                let before = self.alive.remove(&skb);
                assert!(
                    matches!(before, Some(Started | Received)),
                    "{before:?}: {r:?}"
                );
                self.freed += 1;
            }
            Event::Kfree { skb, reason } => {
                let before = self.alive.remove(&skb);
                let fits = match reason {
                    DropReason::QdiscOverlimit => before == Some(Queued),
                    DropReason::QueuePurge => before == Some(Enqueued),
                    DropReason::CpuBacklog => before == Some(Backlog),
                    _ => before == Some(Received),
                };
                assert!(fits, "{before:?}: {r:?}");
                self.freed += 1;
            }
            Event::RxExit { ret } | Event::ReceiveExit { ret } => assert_eq!(ret, 0),
            Event::NapiPoll { work, budget, .. } => assert!(work >= 0 && work <= budget),
            _ => {}
        }
    }

    /// `made`: packets that there were.
    pub fn end(&self, made: u64) {
        assert!(self.alive.is_empty(), "never freed: {:?}", self.alive);
        assert_eq!(self.freed, made, "packets freed and made");
    }
}

/// What the trace has said of a socket so far.
#[derive(Default, Debug)]
struct Life {
    state: i32,
    path: Vec<i32>,
    destroyed: bool,
    sent: u64,
    received: u64,
    failed: bool,
}

/// The sockets of a trace.
#[derive(Default)]
pub(super) struct Sockets {
    lives: BTreeMap<Who, Life>,
    pub listeners: u64,
    pub clients: u64,
    pub refused: u64,
    /// Connections without a reset, and the bytes that tasks sent and received by them.
    pub whole: u64,
    pub sent_whole: u64,
    pub received_whole: u64,
    pub sent: u64,
    pub received: u64,
}

/// Where a state may lead, as the kernel's events have it.
fn may_follow(old: i32) -> &'static [i32] {
    match old {
        CLOSE => &[SYN_SENT, LISTEN],
        LISTEN => &[SYN_RECV, CLOSE],
        SYN_SENT => &[ESTABLISHED, CLOSE],
        SYN_RECV => &[ESTABLISHED],
        ESTABLISHED => &[FIN_WAIT1, CLOSE_WAIT, CLOSE],
        FIN_WAIT1 => &[FIN_WAIT2, CLOSING, CLOSE],
        FIN_WAIT2 | CLOSING | LAST_ACK => &[CLOSE],
        CLOSE_WAIT => &[LAST_ACK, CLOSE],
        _ => &[],
    }
}

impl Sockets {
    pub fn follow(&mut self, r: &Record) {
        match r.event {
            Event::State { who, old, new } => {
                let listens = |life: &Life| life.state == LISTEN;
                let from_listener = self
                    .lives
                    .iter()
                    .any(|(w, life)| w.sport == who.sport && w.dport == 0 && listens(life));
                let life = self.lives.entry(who).or_insert_with(|| {
                    // A connection that was accepted begins as a copy of its listener.
                    assert!(old == CLOSE || (old == LISTEN && from_listener), "{r:?}");
                    Life {
                        state: old,
                        path: vec![old],
                        ..Life::default()
                    }
                });
                assert_eq!(life.state, old, "{r:?}");
                assert!(may_follow(old).contains(&new), "{r:?}");
                assert!(!life.destroyed, "{r:?}");
                life.state = new;
                life.path.push(new);
            }
            Event::Destroy { who } => {
                let life = self
                    .lives
                    .get_mut(&who)
                    .expect("a socket that was heard of");
                assert_eq!(life.state, CLOSE, "{r:?}");
                assert!(!std::mem::replace(&mut life.destroyed, true), "{r:?}");
            }
            Event::Error { who, errno } => {
                let life = self
                    .lives
                    .get_mut(&who)
                    .expect("a socket that was heard of");
                assert_eq!(life.state, CLOSE, "{r:?}");
                life.failed = true;
                self.refused += u64::from(errno == libc::ECONNREFUSED);
            }
            Event::ReceiveReset { who } => {
                let life = self
                    .lives
                    .get_mut(&who)
                    .expect("a socket that was heard of");
                assert_ne!(life.state, CLOSE, "{r:?}");
                life.failed = true;
            }
            Event::Retransmit { who, state, .. } => {
                assert_eq!(self.lives[&who].state, state, "{r:?}");
                assert!(state != CLOSE && state != LISTEN, "{r:?}");
            }
            Event::Sent {
                who,
                ret: ret @ 1..,
            } => {
                self.lives.get_mut(&who).expect("connected").sent += ret as u64;
            }
            Event::Received {
                who,
                ret: ret @ 1..,
            } => {
                self.lives.get_mut(&who).expect("connected").received += ret as u64;
            }
            _ => {}
        }
    }

    pub fn end(&mut self) {
        for (who, life) in &self.lives {
            assert!(life.state == CLOSE && life.destroyed, "{who:?} {life:?}");
            self.received += life.received;
            self.sent += life.sent;
            if who.dport == 0 {
                assert_eq!(life.path, [CLOSE, LISTEN, CLOSE]);
                self.listeners += 1;
            } else if life.path[0] == CLOSE {
                self.clients += 1;
                let peer = peer(&self.lives, who);
                if let Some(server) = peer.filter(|server| !life.failed && !server.failed) {
                    let there = life.sent == server.received && life.sent > 0;
                    let back = server.sent == life.received;
                    self.whole += u64::from(there && back);
                    self.sent_whole += life.sent + server.sent;
                    self.received_whole += life.received + server.received;
                }
            }
        }
    }

    /// Whether nothing went wrong with the connection between these ports.
    fn is_whole(&self, sport: u16, dport: u16) -> bool {
        let ends = self.lives.iter().filter(|(who, _)| {
            (who.sport, who.dport) == (sport, dport) || (who.dport, who.sport) == (sport, dport)
        });
        ends.clone().count() == 2
            && ends
                .clone()
                .all(|(_, life)| !life.failed && life.path.contains(&ESTABLISHED))
    }

    /// What each end of each connection sent and received where no chance is involved, in order.
    pub fn transfers(&self) -> Vec<(u64, u64)> {
        let mut transfers: Vec<_> = self
            .lives
            .iter()
            .filter(|(who, life)| {
                who.dport != 0 && !life.failed && self.is_whole(who.sport, who.dport)
            })
            .map(|(_, life)| (life.sent, life.received))
            .collect();
        transfers.sort_unstable();
        transfers
    }
}

/// What the wire has carried, told from the frames alone.
#[derive(Default)]
pub(super) struct Wire {
    /// Segments of which some was on the wire before.
    pub sent_again: u64,
    pub resets: u64,
    /// Bytes of payload, each counted once however often it was sent.
    pub payload_once: u64,
    /// By the ports, from and to.
    by_ports: HashMap<(u16, u16), Direction>,
}

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    /// The number of its SYN, and for every place behind it whether it was sent.
    first: u32,
    places: Vec<bool>,
    syn_and_fin: u64,
}

/// The other end of a client.
fn peer<'a>(lives: &'a BTreeMap<Who, Life>, client: &Who) -> Option<&'a Life> {
    let is_peer = |who: &Who| who.sport == client.dport && who.dport == client.sport;
    let mut peers = lives.iter().filter(|(who, _)| is_peer(who));
    let peer = peers.next().map(|(_, life)| life);
    assert!(peers.next().is_none(), "two other ends of one connection");
    peer
}

impl Wire {
    pub fn of(carried: &[Carried]) -> Wire {
        let mut wire = Wire::default();
        for Carried { frame, .. } in carried {
            let segment = Segment::parse(&frame[14..]).expect("TCP");
            wire.resets += u64::from(segment.rst());
            wire.add(&segment);
        }
        let directions = wire.by_ports.values();
        wire.payload_once = directions.map(Direction::payload).sum();
        wire
    }

    fn add(&mut self, segment: &Segment) {
        let key = (segment.from.port, segment.to.port);
        let direction = self.by_ports.entry(key).or_default();
        if segment.syn() && direction.places.is_empty() {
            direction.first = segment.seq;
        }
        let begin = segment.seq.wrapping_sub(direction.first) as usize;
        let end = begin + segment.sequence_len() as usize;
        if begin == end {
            return;
        }
        assert!(end < 1 << 20, "far from its SYN: {segment:?}");
        if direction.places.len() < end {
            direction.places.resize(end, false);
        }
        let before = direction.places[begin..end]
            .iter()
            .filter(|sent| **sent)
            .count();
        self.sent_again += u64::from(before > 0);
        direction.places[begin..end].fill(true);
        if segment.syn() {
            direction.syn_and_fin |= 1;
        }
        if segment.fin() {
            direction.syn_and_fin |= 2;
        }
    }

    /// Bytes of payload of the connections that nothing went wrong with.
    pub fn payload_once_of_whole(&self, sockets: &Sockets) -> u64 {
        self.by_ports
            .iter()
            .filter(|((from, to), _)| sockets.is_whole(*from, *to))
            .map(|(_, direction)| direction.payload())
            .sum()
    }
}

impl Direction {
    fn payload(&self) -> u64 {
        let places = self.places.iter().filter(|sent| **sent).count() as u64;
        places - u64::from(self.syn_and_fin.count_ones())
    }
}
