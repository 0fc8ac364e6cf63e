//! The timer wheel's arithmetic: nine levels of 64 buckets, each level eight times as coarse as the one below.
//!
//! A timer goes into one bucket and stays there until it expires, up to an eighth later than asked for, never
//! earlier: nothing is moved from level to level as time goes by.

use std::sync::Arc;

use super::timer::Inner;

const BUCKETS: usize = 64;
const LEVELS: usize = 9;
/// Bits by which a level is coarser than the one below.
const COARSER: u32 = 3;
/// Delays from here on count as this: some twelve days.
const LONGEST: u64 = (BUCKETS as u64 - 1) << (COARSER * (LEVELS as u32 - 1));

/// One timer in a bucket, and which of the entries made in this wheel.
pub(super) struct Entry {
    pub number: u64,
    pub timer: Arc<Inner>,
}

/// The wheel of one CPU.
pub(super) struct Wheel {
    /// Jiffy up to which buckets have been emptied.
    clk: u64,
    buckets: Vec<Vec<Entry>>,
    /// When each bucket that is not empty is due.
    due: Vec<u64>,
    occupied: [u64; LEVELS],
    entries: u64,
    /// It stands still: its CPU has no tick.
    pub idle: bool,
}

/// Where a timer was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub index: usize,
    /// When its bucket is due.
    pub bucket_expiry: u64,
}

impl Wheel {
    pub fn new(now: u64) -> Wheel {
        Wheel {
            clk: now,
            buckets: std::iter::repeat_with(Vec::new)
                .take(LEVELS * BUCKETS)
                .collect(),
            due: vec![0; LEVELS * BUCKETS],
            occupied: [0; LEVELS],
            entries: 0,
            idle: true,
        }
    }

    /// Where a timer goes that expires at `expires`, if it is put in at `now`.
    pub fn place(&mut self, expires: u64, now: u64) -> Place {
        self.catch_up(now);
        let delay = expires.saturating_sub(self.clk);
        if expires < self.clk {
            // Already past: with the next tick.
            return Place {
                index: self.clk as usize % BUCKETS,
                bucket_expiry: self.clk,
            };
        }
        let expires = self.clk + delay.min(LONGEST);
        let level = (0..LEVELS - 1)
            .find(|level| delay < (BUCKETS as u64 - 1) << (COARSER * *level as u32))
            .unwrap_or(LEVELS - 1);
        let shift = COARSER * level as u32;
        // Rounded up by more than nothing: not early even if asked for just before a tick.
        let unit = (expires >> shift) + 1;
        Place {
            index: level * BUCKETS + unit as usize % BUCKETS,
            bucket_expiry: unit << shift,
        }
    }

    /// Puts a timer there; returns its entry's number.
    pub fn insert(&mut self, place: Place, timer: Arc<Inner>) -> u64 {
        self.entries += 1;
        let number = self.entries;
        self.buckets[place.index].push(Entry { number, timer });
        self.due[place.index] = place.bucket_expiry;
        self.occupied[place.index / BUCKETS] |= 1 << (place.index % BUCKETS);
        number
    }

    /// Takes an entry out, if it is still in its bucket.
    pub fn remove(&mut self, index: usize, number: u64) {
        let bucket = &mut self.buckets[index];
        bucket.retain(|entry| entry.number != number);
        if bucket.is_empty() {
            self.occupied[index / BUCKETS] &= !(1 << (index % BUCKETS));
        }
    }

    /// When the next bucket is due. `None`: the wheel is empty.
    pub fn next_expiry(&self) -> Option<u64> {
        self.indices().map(|index| self.due[index]).min()
    }

    fn indices(&self) -> impl Iterator<Item = usize> {
        let levels = self.occupied.iter().enumerate();
        levels.flat_map(|(level, bits)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                let bucket = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bucket < BUCKETS).then_some(level * BUCKETS + bucket)
            })
        })
    }

    /// Empties the buckets of the next jiffy that is not after `now` and has any; returns that jiffy and the timers.
    pub fn expire(&mut self, now: u64) -> Option<(u64, Vec<Entry>)> {
        let next = self.next_expiry().filter(|next| *next <= now)?;
        let due: Vec<usize> = self
            .indices()
            .filter(|index| self.due[*index] == next)
            .collect();
        let mut timers = Vec::new();
        // The coarse ones have waited longest.
        for index in due.into_iter().rev() {
            timers.append(&mut self.buckets[index]);
            self.occupied[index / BUCKETS] &= !(1 << (index % BUCKETS));
        }
        self.clk = self.clk.max(next + 1);
        Some((next, timers))
    }

    /// Lets the clock run up to `now`, but past no bucket that is not empty.
    fn catch_up(&mut self, now: u64) {
        let until = self.next_expiry().map_or(now, |next| next.min(now));
        self.clk = self.clk.max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::super::timer::Timer;
    use super::*;

    #[test]
    fn places() {
        // The wheel's clock, what is asked for, and: level, when it is due.
        let check = |now: u64, expires: u64, level: usize, due: u64| {
            let place = Wheel::new(now).place(expires, now);
            assert_eq!(
                (place.index / BUCKETS, place.bucket_expiry),
                (level, due),
                "{now} {expires}"
            );
            let unit = due >> (COARSER * level as u32);
            assert_eq!(place.index % BUCKETS, unit as usize % BUCKETS);
        };
        check(1000, 1000, 0, 1001);
        check(1000, 1001, 0, 1002);
        check(1000, 1062, 0, 1063);
        // From 63 jiffies on, steps of 8.
        check(1000, 1063, 1, 1064);
        check(1000, 1064, 1, 1072);
        check(1000, 1503, 1, 1504);
        check(1000, 1504, 2, 1536);
        // Past, and beyond the wheel.
        check(1000, 999, 0, 1000);
        check(1000, 0, 0, 1000);
        check(0, u64::MAX, 8, 64 << 24);
        for delay in 0..200_000 {
            let place = Wheel::new(777).place(777 + delay, 777);
            let late = place.bucket_expiry - (777 + delay);
            assert!(late >= 1 && late <= 1 + delay / 7, "{delay}: {late} late");
        }
    }

    #[test]
    fn expiring_in_order() {
        let mut wheel = Wheel::new(100);
        let put = |wheel: &mut Wheel, expires| {
            let place = wheel.place(expires, 100);
            (wheel.insert(place, Timer::for_test().inner()), place)
        };
        let (first, _) = put(&mut wheel, 110);
        let (second, _) = put(&mut wheel, 100);
        let (late, _) = put(&mut wheel, 1_000);
        let (gone, place) = put(&mut wheel, 120);
        wheel.remove(place.index, gone);
        assert_eq!(wheel.next_expiry(), Some(101));
        let mut order = Vec::new();
        assert!(wheel.expire(100).is_none());
        while let Some((at, timers)) = wheel.expire(5_000) {
            order.extend(timers.into_iter().map(|entry| (at, entry.number)));
        }
        assert_eq!(order, [(101, second), (111, first), (1_024, late)]);
        assert_eq!(wheel.next_expiry(), None);
        // Nothing holds the clock now.
        let place = wheel.place(6_001, 6_000);
        assert_eq!(place.bucket_expiry, 6_002);
    }
}
