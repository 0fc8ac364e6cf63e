//! The elevator: requests in the order of their sectors, a batch of one direction at a time, but none much later than its
//! deadline (Documentation/block/deadline-iosched.rst).

use std::collections::{BTreeMap, VecDeque};

use super::request::{Part, Request, Side};
use crate::events::block::{Io, OpFlags};

/// When a request should be with the device, ns after it came.
const READ_EXPIRE: u64 = 500_000_000;
const WRITE_EXPIRE: u64 = 5_000_000_000;
/// Requests of one direction in a row.
const FIFO_BATCH: u32 = 16;
/// How often writes wait for reads.
const WRITES_STARVED: u32 = 2;

const READ: usize = 0;
const WRITE: usize = 1;

/// By sector, and for those of the same one by arrival.
type Key = (u64, u64);

/// The requests of one direction.
#[derive(Default)]
struct Direction {
    sorted: BTreeMap<Key, Request>,
    /// Numbers of requests in the order of their arrival; some of them are gone.
    arrivals: VecDeque<u64>,
    /// Behind the one that went to the device last.
    position: u64,
}

/// Requests that are not with the device.
#[derive(Default)]
pub(super) struct Elevator {
    directions: [Direction; 2],
    /// Not sorted: flushes, and what the device had no room for.
    first: VecDeque<Request>,
    arrived: u64,
    /// Direction of the batch under way, and what has gone of it.
    batch: (usize, u32),
    /// How often writes have waited for reads.
    starved: u32,
}

/// When a request that comes now is late.
pub(super) fn deadline(op: OpFlags, now: u64) -> u64 {
    now + match op.op() {
        OpFlags::READ => READ_EXPIRE,
        _ => WRITE_EXPIRE,
    }
}

fn direction(op: OpFlags) -> usize {
    if op.op() == OpFlags::READ {
        READ
    } else {
        WRITE
    }
}

impl Direction {
    /// Takes out the request that follows `request`, or that it follows.
    fn neighbour(&mut self, request: &Request, side: Side) -> Option<(Key, Request)> {
        let key = self
            .sorted
            .iter()
            .find(|(_, other)| request.side(&other.io, other.parts.len()) == Some(side))
            .map(|(key, _)| *key)?;
        Some((key, self.sorted.remove(&key)?))
    }

    /// The one that has waited longest.
    fn oldest(&mut self) -> Option<Key> {
        while let Some(number) = self.arrivals.front() {
            let key = self.sorted.keys().find(|key| key.1 == *number);
            if key.is_some() {
                return key.copied();
            }
            self.arrivals.pop_front();
        }
        None
    }

    /// The next one in the order of sectors.
    fn next(&self) -> Option<Key> {
        let mut rest = self.sorted.range((self.position, 0)..);
        rest.next().map(|(key, _)| *key)
    }

    fn take(&mut self, key: Key) -> Option<Request> {
        let request = self.sorted.remove(&key)?;
        self.position = request.end();
        Some(request)
    }
}

impl Elevator {
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.directions.iter().all(|d| d.sorted.is_empty())
    }

    /// Puts a request before all others: the device had no room for it.
    pub fn put_back(&mut self, request: Request) {
        self.first.push_front(request);
    }

    /// A flush has no place to be sorted by.
    pub fn insert_flush(&mut self, request: Request) {
        self.first.push_back(request);
    }

    /// Sorts a request in. If it follows one that waits here, it becomes part of that: then it is returned as it was.
    pub fn insert(&mut self, request: Request) -> Option<Io> {
        let io = request.io;
        let direction = &mut self.directions[direction(io.op)];
        if let Some((key, mut former)) = direction.neighbour(&request, Side::Front) {
            former.absorb(request);
            direction.sorted.insert(key, former);
            return Some(io);
        }
        self.arrived += 1;
        direction.arrivals.push_back(self.arrived);
        direction.sorted.insert((io.sector, self.arrived), request);
        None
    }

    /// Where a bio could be added to a request that waits here.
    pub fn side(&self, io: &Io) -> Option<Side> {
        let requests = &self.directions[direction(io.op)].sorted;
        requests.values().find_map(|request| request.side(io, 1))
    }

    /// Adds it there. Where that closes the gap to another request, the later one of the two becomes part of the other: it
    /// is returned as it was.
    pub fn merge(&mut self, part: Part) -> Option<Io> {
        let direction = &mut self.directions[direction(part.io.op)];
        let found = direction
            .sorted
            .iter()
            .find_map(|(key, request)| Some((*key, request.side(&part.io, 1)?)));
        let (key, side) = found?;
        let mut request = direction.sorted.remove(&key)?;
        request.add(part, side);
        let neighbour = direction.neighbour(&request, side);
        let (key, request, absorbed) = match (side, neighbour) {
            (_, None) => ((request.io.sector, key.1), request, None),
            (Side::Back, Some((_, next))) => {
                let io = next.io;
                request.absorb(next);
                (key, request, Some(io))
            }
            (Side::Front, Some((former_key, mut former))) => {
                let io = request.io;
                former.absorb(request);
                (former_key, former, Some(io))
            }
        };
        direction.sorted.insert(key, request);
        absorbed
    }

    /// Takes out the request that is to go to the device.
    pub fn pop(&mut self, now: u64) -> Option<Request> {
        if let Some(request) = self.first.pop_front() {
            return Some(request);
        }
        let (direction, done) = self.batch;
        if done < FIFO_BATCH
            && done > 0
            && let Some(key) = self.directions[direction].next()
        {
            self.batch.1 += 1;
            return self.directions[direction].take(key);
        }
        let [reads, writes] = [READ, WRITE].map(|d| !self.directions[d].sorted.is_empty());
        let direction = match (reads, writes) {
            (false, false) => return None,
            (true, true) if self.starved < WRITES_STARVED => {
                self.starved += 1;
                READ
            }
            (true, false) => READ,
            (_, true) => {
                self.starved = 0;
                WRITE
            }
        };
        self.batch = (direction, 1);
        let direction = &mut self.directions[direction];
        let oldest = direction.oldest()?;
        let late = direction.sorted[&oldest].deadline <= now;
        let key = match direction.next() {
            Some(next) if !late => next,
            _ => oldest,
        };
        direction.take(key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::request;
    use super::*;

    const R: OpFlags = OpFlags::READ;
    const W: OpFlags = OpFlags::WRITE;

    fn filled(requests: &[(OpFlags, u64, u64)]) -> Elevator {
        let mut elevator = Elevator::default();
        for (op, sector, deadline) in requests {
            assert_eq!(elevator.insert(request(*op, *sector, 8, *deadline)), None);
        }
        elevator
    }

    fn drain(mut elevator: Elevator, now: u64) -> Vec<u64> {
        let order = std::iter::from_fn(|| elevator.pop(now))
            .map(|request| request.io.sector)
            .collect();
        assert!(elevator.is_empty());
        order
    }

    #[test]
    fn order() {
        let check = |requests: &[_], now, expected: &[u64]| {
            assert_eq!(drain(filled(requests), now), expected, "{requests:?}")
        };
        check(&[], 0, &[]);
        check(&[(R, 80, 9), (R, 0, 9), (R, 40, 9)], 0, &[0, 40, 80]);
        // A batch of reads before the writes; the late one first, and on from there.
        check(&[(W, 0, 9), (R, 80, 9), (R, 40, 9)], 0, &[40, 80, 0]);
        check(&[(R, 80, 9), (R, 0, 9), (R, 160, 9)], 9, &[80, 160, 0]);
        // Writes wait for two batches of reads.
        let reads: Vec<_> = (0..40).map(|i| (R, 1000 + 16 * i, 99)).collect();
        let order = drain(filled(&[&[(W, 5, 99)], &reads[..]].concat()), 0);
        assert_eq!(order.iter().position(|sector| *sector == 5), Some(32));
        let mut elevator = filled(&[(R, 0, 9), (R, 16, 9)]);
        elevator.insert_flush(request(OpFlags::FLUSH, 7, 0, 9));
        let rejected = elevator.pop(0).unwrap();
        assert_eq!(rejected.io.sector, 7);
        elevator.put_back(rejected);
        assert_eq!(drain(elevator, 0), [7, 0, 16]);
    }

    #[test]
    fn merging() {
        let part = |op, sector| request(op, sector, 8, 0).parts.pop().unwrap();
        let mut elevator = filled(&[(R, 0, 9), (R, 24, 9), (W, 100, 9)]);
        assert_eq!(elevator.side(&part(W, 8).io), None);
        assert_eq!(elevator.side(&part(R, 8).io), Some(Side::Back));
        assert_eq!(elevator.merge(part(R, 8)), None);
        // Both ends meet.
        assert_eq!(elevator.side(&part(R, 16).io), Some(Side::Back));
        assert_eq!(elevator.merge(part(R, 16)).map(|io| io.sector), Some(24));
        assert_eq!(elevator.side(&part(W, 92).io), Some(Side::Front));
        assert_eq!(elevator.merge(part(W, 92)), None);
        assert_eq!(
            elevator.insert(request(W, 108, 8, 9)).map(|io| io.sector),
            Some(108)
        );
        // In front, with the gap before it closed.
        assert_eq!(elevator.insert(request(W, 76, 8, 9)), None);
        let absorbed = elevator.merge(part(W, 84));
        assert_eq!(absorbed.map(|io| (io.sector, io.sectors)), Some((92, 24)));
        let sizes: Vec<_> = std::iter::from_fn(|| elevator.pop(0))
            .map(|request| (request.io.sector, request.io.sectors, request.parts.len()))
            .collect();
        assert_eq!(sizes, [(0, 32, 4), (76, 40, 5)]);
    }
}
