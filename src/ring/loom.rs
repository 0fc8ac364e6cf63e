//! The atomic way and its reader, in every order that the memory model allows, as far as a few entries on tiny pages go:
//! what goes in comes out once and whole, or is counted.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --lib --release loom`; `LOOM_MAX_PREEMPTIONS` for deeper searches.

use super::append::model;
use super::control::{Ring, Shape, View};
use super::page::PAGE_HEADER;
use super::reader::Reader;
use crate::base::clock::Scale;

/// Bytes of an entry in the buffer: header, common fields, number.
const ENTRY: usize = 12;

/// Where the writers write; lives as long as the reader, which is dropped last.
#[derive(Clone, Copy)]
struct Writers(View);

// SAFETY: a ring's words are atomics here
unsafe impl Send for Writers {}

impl Writers {
    /// Appends `numbers` of writer `me`, at increasing times; how many were let in.
    fn write(self, me: u32, numbers: core::ops::Range<u32>) -> u64 {
        let mut done = 0;
        for number in numbers {
            let words = [me, number];
            // SAFETY: the words live during the call, and an entry fits a page
            done += u64::from(unsafe { model::append(self.0, &words, 1 + u64::from(number)) });
        }
        done
    }
}

/// Rings of `slots` pages with room for `entries` each.
fn reader(slots: usize, entries: usize, overwrite: bool) -> (Reader, Writers) {
    let shape = Shape {
        slots,
        size: PAGE_HEADER + entries * ENTRY,
        overwrite,
        reserved: true,
        scale: Scale { mult: 0, offset: 0 },
        now: 0,
    };
    let ring = Ring::new(&shape).unwrap();
    let reader = Reader::new(ring, overwrite);
    let writers = Writers(reader.ring());
    (reader, writers)
}

/// What was read, by writer and number.
#[derive(Default)]
struct Seen {
    last: [Option<u32>; 3],
    read: u64,
    lost: u64,
    time: u64,
}

impl Seen {
    /// Consumes what there is, at most `most` entries.
    fn take(&mut self, reader: &mut Reader, most: usize) {
        for _ in 0..most {
            let Some(found) = reader.peek() else { return };
            let record = reader.take(&found).unwrap();
            assert_eq!(record.payload.len(), 8, "torn");
            let word = |i: usize| u32::from_ne_bytes(record.payload[i..i + 4].try_into().unwrap());
            let (me, number) = (word(0) as usize, word(4));
            assert!(
                self.last[me].is_none_or(|l| l < number),
                "{me}: {number} after {:?}",
                self.last[me]
            );
            let (before, ts) = (self.time, record.ts);
            assert!(
                ts >= before && ts > u64::from(number),
                "{number} at {ts} after {before}"
            );
            self.last[me] = Some(number);
            self.time = record.ts;
            self.read += 1;
            self.lost += record.lost;
        }
    }

    /// Once nobody writes: all that was let in was read, or is counted as lost.
    fn settle(mut self, reader: &mut Reader, written: u64) {
        self.take(reader, usize::MAX);
        // the last ones may have been overwritten with nothing behind them to tell of it
        let stats = reader.stats();
        assert_eq!(stats.entries, 0, "unread");
        assert_eq!(self.read + stats.overrun, written, "in = out");
        assert!(self.lost <= stats.overrun);
    }
}

fn check(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.max_branches = 100_000;
    builder.check(f);
}

#[test]
fn loom_two_writers_on_one_page() {
    check(|| {
        let (mut reader, writers) = reader(2, 4, true);
        let other = ::loom::thread::spawn(move || writers.write(1, 0..2));
        let mut written = writers.write(0, 0..2);
        written += other.join().unwrap();
        assert_eq!(written, 4);
        Seen::default().settle(&mut reader, written);
    });
}

#[test]
fn loom_writers_that_overtake_each_other() {
    check(|| {
        let (mut reader, writers) = reader(2, 1, true);
        let other = ::loom::thread::spawn(move || writers.write(1, 0..2));
        let mut written = writers.write(0, 0..1);
        written += other.join().unwrap();
        let refused = 3 - written;
        assert_eq!(reader.stats().commit_overrun, refused);
        Seen::default().settle(&mut reader, written);
    });
}

#[test]
fn loom_reader_beside_a_writer() {
    check(|| {
        let (mut reader, writers) = reader(2, 2, true);
        let other = ::loom::thread::spawn(move || writers.write(0, 0..4));
        let mut seen = Seen::default();
        seen.take(&mut reader, 2);
        let written = other.join().unwrap();
        seen.settle(&mut reader, written);
    });
}

#[test]
fn loom_reader_beside_an_overwriting_writer() {
    check(|| {
        let (mut reader, writers) = reader(2, 1, true);
        let other = ::loom::thread::spawn(move || writers.write(0, 0..4));
        let mut seen = Seen::default();
        seen.take(&mut reader, 2);
        let written = other.join().unwrap();
        assert_eq!(written, 4);
        seen.settle(&mut reader, written);
    });
}

#[test]
fn loom_full_and_refused() {
    check(|| {
        let (mut reader, writers) = reader(2, 1, false);
        let other = ::loom::thread::spawn(move || writers.write(1, 0..2));
        let mut seen = Seen::default();
        let mut written = writers.write(0, 0..1);
        seen.take(&mut reader, 1);
        written += other.join().unwrap();
        let refused = 3 - written;
        let stats = reader.stats();
        assert_eq!(
            (stats.dropped + stats.commit_overrun, stats.overrun),
            (refused, 0)
        );
        seen.settle(&mut reader, written);
    });
}
