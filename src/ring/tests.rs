//! The buffer as a whole, written both ways.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::entry::Position;
use super::*;
use crate::base::clock::ClockId;
use crate::base::cpu::{self, CpuMask};
use crate::base::sync::Ordering;

/// The ways this process has.
fn ways() -> Vec<Way> {
    let rseq = Buffer::new(&Config {
        way: Way::Rseq,
        ..config(1, 2)
    })
    .is_ok();
    if rseq {
        vec![Way::Rseq, Way::Atomic]
    } else {
        vec![Way::Atomic]
    }
}

fn config(cpus: usize, subbufs: usize) -> Config {
    Config {
        cpus,
        subbufs,
        subbuf_size: 4096,
        overwrite: true,
        clock: ClockId::Local,
        way: Way::Auto,
    }
}

/// A buffer of one CPU's worth of sub-buffers for each CPU there is, and the CPU that the thread is pinned to.
fn buffer(way: Way, subbufs: usize, overwrite: bool) -> Arc<Buffer> {
    Arc::new(
        Buffer::new(&Config {
            way,
            overwrite,
            ..config(cpu::possible(), subbufs)
        })
        .unwrap(),
    )
}

/// Runs `f` on CPU 0, where it stays.
fn on_cpu_0(f: impl FnOnce()) {
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    cpu::on(0, f).unwrap();
    #[cfg(not(all(feature = "std", target_os = "linux", not(miri))))]
    f();
}

/// A record of `len` bytes with a number in it.
fn put(buffer: &Buffer, number: u32, len: usize) -> bool {
    let mut record = vec![0u8; len + 8];
    record[4..6].copy_from_slice(&300u16.to_ne_bytes());
    record[8..12].copy_from_slice(&number.to_ne_bytes());
    for (i, b) in record[12..len + 4].iter_mut().enumerate() {
        *b = (number as usize + i) as u8;
    }
    // SAFETY: 4 bytes before, and more than 3 behind
    unsafe { buffer.append::<0>(record.as_mut_ptr().add(4), len) }
}

fn number(payload: &[u8]) -> u32 {
    assert_eq!(payload[..2], 300u16.to_ne_bytes());
    u32::from_ne_bytes(payload[4..8].try_into().unwrap())
}

/// What is consumed record by record: numbers, and how many were lost.
fn consume(buffer: &Buffer) -> (Vec<u32>, u64) {
    let (mut numbers, mut lost, mut last) = (vec![], 0, 0);
    let mut consumer = buffer.consumer(0);
    while let Some(time) = consumer.peek_time() {
        let rec = consumer.take().unwrap();
        assert!(rec.ts == time && time >= last, "{time} after {last}");
        last = time;
        lost += rec.lost;
        numbers.push(number(rec.payload));
    }
    (numbers, lost)
}

fn walk(iter: &mut Iter) -> (Vec<u32>, u64) {
    let (mut numbers, mut lost, mut last) = (vec![], 0, 0);
    while let Some(time) = iter.peek_time() {
        let rec = iter.next().unwrap();
        assert!(rec.ts == time && time >= last);
        last = time;
        lost += rec.lost;
        numbers.push(number(rec.payload));
    }
    (numbers, lost)
}

/// Numbers of the entries of a page as readers get it, missed events if any were, bytes of entries.
fn page_numbers(page: &[u8]) -> (Vec<u32>, Option<u64>, usize) {
    let commit = u32::from_ne_bytes(page[8..12].try_into().unwrap());
    let bytes = (commit & COMMIT_BYTES) as usize;
    let data = &page[PAGE_HEADER..PAGE_HEADER + bytes];
    let mut position = Position {
        at: 0,
        ts: u64::from_ne_bytes(page[..8].try_into().unwrap()),
    };
    let mut numbers = vec![];
    while let Some(found) = position.find(data) {
        numbers.push(number(&data[found.payload.clone()]));
        position.pass(&found);
    }
    assert_eq!(position.at, bytes, "all of it is entries");
    let mut end = PAGE_HEADER + bytes;
    let missed = match commit & (MISSED | MISSED_STORED) {
        0 => None,
        MISSED => Some(u64::MAX),
        _ => {
            end += 8;
            Some(u64::from_ne_bytes(page[end - 8..end].try_into().unwrap()))
        }
    };
    assert!(page[end..].iter().all(|b| *b == 0), "zeros behind");
    (numbers, missed, bytes)
}

#[test]
fn what_goes_in_comes_out() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 8, true);
            assert!(!buffer.has_data(None));
            let lengths = [
                8, 12, 16, 20, 24, 28, 32, 33, 47, 108, 111, 112, 113, 116, 120, 500,
            ];
            for (i, len) in lengths.iter().enumerate() {
                assert!(put(&buffer, i as u32, *len));
            }
            assert!(buffer.has_data(Some(0)));
            let mut iter = Iter::new(&buffer, 0);
            for (i, len) in lengths.iter().enumerate() {
                let rec = iter.next().unwrap();
                assert_eq!(
                    (number(rec.payload), rec.payload.len()),
                    (i as u32, len.next_multiple_of(4)),
                    "{way:?}"
                );
                let text = rec.payload[8..*len].iter().enumerate();
                assert!(
                    text.clone().all(|(k, b)| *b == (i + k) as u8),
                    "{way:?} {len}: {:?}",
                    rec.payload
                );
                assert!(rec.payload[*len..].iter().all(|b| *b == 0));
            }
            assert!(iter.next().is_none());
            let all: Vec<u32> = (0..lengths.len() as u32).collect();
            assert_eq!(consume(&buffer), (all, 0));
            assert!(!buffer.has_data(None));
            // the iterator goes on with what comes
            put(&buffer, 99, 16);
            assert_eq!(walk(&mut iter), (vec![99], 0));
            assert_eq!(consume(&buffer), (vec![99], 0));
        });
    }
}

#[test]
fn known_lengths() {
    macro_rules! check {
        ($($len:literal)*) => {
            for way in ways() {
                on_cpu_0(|| {
                    let buffer = buffer(way, 4, true);
                    $({
                        let mut record = [0u8; 8 + $len + 4];
                        record.iter_mut().enumerate().for_each(|(i, b)| *b = i as u8 ^ 0x5a);
                        let mut expected = record[8..8 + $len].to_vec();
                        expected.resize($len.next_multiple_of(4), 0);
                        // SAFETY: 8 bytes before and 4 behind
                        assert!(unsafe { buffer.append::<$len>(record.as_mut_ptr().add(8), $len) });
                        assert_eq!(buffer.consumer(0).take().unwrap().payload, expected, "{way:?} {}", $len);
                    })*
                });
            }
        };
    }
    check!(8usize 10usize 12usize 16usize 20usize 24usize 28usize 32usize 36usize 44usize 48usize 60usize 64usize);
    check!(68usize 80usize 96usize 100usize 108usize 109usize 110usize 111usize 112usize 113usize 116usize 200usize);
}

#[test]
fn overwrites_the_oldest() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 2, true);
            // 32 bytes each with their header: 127 a page
            (0..1000).for_each(|i| assert!(put(&buffer, i, 28)));
            let stats = buffer.stats(0);
            assert_eq!(
                (stats.entries, stats.overrun, stats.bytes),
                (238, 762, 7616),
                "{way:?} as Linux counts"
            );
            assert_eq!((stats.dropped, stats.commit_overrun, stats.read), (0, 0, 0));
            assert!(stats.oldest_ts > 0 && stats.oldest_ts <= stats.now_ts);
            let mut iter = Iter::new(&buffer, 0);
            assert_eq!(walk(&mut iter).0, (762..1000).collect::<Vec<_>>());
            let (numbers, lost) = consume(&buffer);
            assert_eq!((numbers, lost), ((762..1000).collect(), 762));
            let stats = buffer.stats(0);
            assert_eq!(
                (stats.entries, stats.overrun, stats.read, stats.bytes),
                (0, 762, 238, 0),
                "{way:?}"
            );
            assert_eq!(stats.oldest_ts, 0);
        });
    }
}

#[test]
fn keeps_the_oldest() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 3, false);
            let kept = (0..1000).filter(|i| put(&buffer, *i, 28)).count();
            assert_eq!(kept, 3 * 127, "{way:?}");
            let stats = buffer.stats(0);
            assert_eq!((stats.entries, stats.overrun, stats.dropped), (381, 0, 619));
            assert_eq!(consume(&buffer), ((0..381).collect(), 0));
            // there is room again
            assert!(put(&buffer, 5000, 28));
            assert_eq!(consume(&buffer), (vec![5000], 0));
        });
    }
}

#[test]
fn pages_as_the_kernel_gives_them() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 4, true);
            let mut page = vec![0xee; 4096];
            assert_eq!(buffer.consumer(0).take_page(&mut page, false), None);
            put(&buffer, 0, 28);
            // the page being written is given as far as it goes, but not as a full one
            assert_eq!(buffer.consumer(0).take_page(&mut page, true), None);
            assert_eq!(buffer.consumer(0).take_page(&mut page, false), Some(4096));
            assert_eq!(page_numbers(&page), (vec![0], None, 32));
            (1..1000).for_each(|i| _ = put(&buffer, i, 28));
            // overwritten, but not what was read: the first event of that page
            page.fill(0xee);
            assert_eq!(buffer.consumer(0).take_page(&mut page, true), Some(4096));
            let (numbers, missed, bytes) = page_numbers(&page);
            assert_eq!(
                (numbers[0], numbers.len(), bytes),
                (508, 127, 4064),
                "{way:?}"
            );
            assert_eq!(missed, Some(507));
            // consumed record by record up to the middle of a page, the rest as a page
            for i in 0..27 {
                assert_eq!(number(buffer.consumer(0).take().unwrap().payload), 635 + i);
            }
            assert_eq!(buffer.consumer(0).take_page(&mut page, true), Some(4096));
            let (numbers, missed, bytes) = page_numbers(&page);
            assert_eq!(
                (numbers[0], numbers.len(), missed, bytes),
                (662, 100, None, 3200)
            );
            assert_eq!(buffer.consumer(0).take_page(&mut page, true), Some(4096));
            assert_eq!(buffer.consumer(0).take_page(&mut page, true), None);
            assert_eq!(buffer.consumer(0).take_page(&mut page, false), Some(4096));
            assert_eq!(page_numbers(&page).0, (889..1000).collect::<Vec<_>>());
            let stats = buffer.stats(0);
            assert_eq!(
                (stats.entries, stats.overrun, stats.read, stats.bytes),
                (0, 507, 493, 0),
                "{way:?}"
            );
            assert_eq!(buffer.consumer(0).take_page(&mut page[..100], false), None);
        });
    }
}

#[test]
fn longest_and_too_long() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 3, true);
            assert!(put(&buffer, 1, 4072) && put(&buffer, 2, 4072), "{way:?}");
            assert!(put(&buffer, 3, 4069));
            assert!(!put(&buffer, 4, 4073) && !put(&buffer, 5, 4076) && !put(&buffer, 6, 600_000));
            assert!(!buffer.append_at(None, None, &[0; 4073]));
            assert_eq!(consume(&buffer), (vec![1, 2, 3], 0));
            let stats = buffer.stats(0);
            assert_eq!(
                (stats.dropped, stats.read, stats.entries),
                (4, 3, 0),
                "{way:?}"
            );
        });
    }
}

/// What is in the ring when it is exchanged is counted, also if the page being written is still empty.
#[test]
fn exchanged_behind_an_empty_page() {
    for way in ways() {
        for keep in [false, true] {
            let buffer = buffer(way, 3, true);
            on_cpu_0(|| {
                // two finished pages and an empty one
                for number in 0..2 {
                    put(&buffer, number, 100);
                    assert!(buffer.end_page(0));
                }
                match keep {
                    true => buffer.resize(Some(0), 2).unwrap(),
                    false => buffer.set_clock(ClockId::Mono).unwrap(),
                }
            });
            let (numbers, lost) = consume(&buffer);
            let totals = buffer.totals(0);
            assert_eq!(
                numbers.len() as u64 + lost + totals.cleared,
                2,
                "{way:?} {keep}"
            );
            assert_eq!(totals.cleared, if keep { 0 } else { 2 }, "{way:?}");
        }
    }
}

/// A record that happened before others that are there already.
#[test]
fn a_moment_ago() {
    for way in ways() {
        let buffer = buffer(way, 3, true);
        on_cpu_0(|| {
            put(&buffer, 0, 28);
            let moment = Moment::now();
            put(&buffer, 1, 28);
            put(&buffer, 2, 28);
            for number in [3u32, 4] {
                let mut record = [0u32; 8];
                (record[1], record[2]) = (300, number);
                // SAFETY: 4 bytes before the payload, which is 16 bytes long, and more than 4 behind it
                let done = unsafe {
                    let payload = record.as_mut_ptr().add(1).cast();
                    rcu_section(|| buffer.append_then::<16>(payload, 16, moment))
                };
                assert!(done);
            }
        });
        assert_eq!(consume(&buffer), (vec![0, 1, 2, 3, 4], 0), "{way:?}");
    }
}

fn rcu_section<T>(f: impl FnOnce() -> T) -> T {
    let _section = crate::base::rcu::read();
    f()
}

#[test]
fn clears() {
    for way in ways() {
        on_cpu_0(|| {
            for (overwrite, before) in [
                (true, 1000),
                (true, 1),
                (false, 1000),
                (true, 0),
                (false, 5),
            ] {
                let buffer = buffer(way, 2, overwrite);
                (0..before).for_each(|i| _ = put(&buffer, i, 28));
                let mut iter = Iter::new(&buffer, 0);
                iter.peek_time();
                buffer.consumer(0).take();
                buffer.reset(Some(0));
                let stats = buffer.stats(0);
                let zeros = (
                    stats.entries,
                    stats.overrun,
                    stats.dropped,
                    stats.read,
                    stats.bytes,
                    stats.oldest_ts,
                );
                assert_eq!(zeros, (0, 0, 0, 0, 0, 0), "{way:?} {overwrite} {before}");
                assert!(!buffer.has_data(None));
                assert_eq!(consume(&buffer), (vec![], 0));
                // all of it is free again
                let kept = (0..254).filter(|i| put(&buffer, *i, 28)).count();
                assert_eq!(kept, 254);
                let stats = buffer.stats(0);
                assert_eq!(
                    (stats.entries, stats.overrun, stats.dropped),
                    (254, 0, 0),
                    "{way:?} {overwrite} {before}"
                );
                // what the iterator had copied it still gives
                let skip = usize::from(before > 0);
                assert_eq!(
                    walk(&mut iter).0[skip..]
                        .iter()
                        .rev()
                        .take(254)
                        .rev()
                        .count(),
                    254
                );
                assert_eq!(consume(&buffer), ((0..254).collect(), 0));
            }
        });
    }
}

#[test]
fn resized() {
    for way in ways() {
        on_cpu_0(|| {
            for overwrite in [true, false] {
                let buffer = buffer(way, 4, overwrite);
                (0..300).for_each(|i| _ = put(&buffer, i, 28));
                // greater: everything stays, before what comes
                buffer.resize(None, 6).unwrap();
                assert_eq!(buffer.subbufs(0), 6);
                let mut iter = Iter::new(&buffer, 0);
                assert_eq!(walk(&mut iter), ((0..300).collect(), 0), "{way:?}");
                (300..310).for_each(|i| assert!(put(&buffer, i, 28)));
                assert_eq!(walk(&mut iter), ((300..310).collect(), 0), "{way:?}");
                let stats = buffer.stats(0);
                assert_eq!(
                    (stats.entries, stats.overrun, stats.bytes),
                    (310, 0, 310 * 32)
                );
                // smaller: the newest that fit
                buffer.resize(Some(0), 1).unwrap();
                assert_eq!(buffer.subbufs(0), 2);
                let stats = buffer.stats(0);
                // pages held 0..127, 127..254, 254..300, 300..310
                assert_eq!((stats.entries, stats.overrun), (56, 254), "{way:?}");
                assert_eq!(
                    walk(&mut Iter::new(&buffer, 0)).0,
                    (254..310).collect::<Vec<_>>()
                );
                let kept = (310..2000).filter(|i| put(&buffer, *i, 28)).count() as u64;
                let stats = buffer.stats(0);
                match overwrite {
                    true => assert_eq!((stats.entries + stats.overrun, kept), (2000, 1690)),
                    false => assert_eq!((stats.entries, stats.dropped), (56 + kept, 1690 - kept)),
                }
                assert!(stats.entries <= 56 + 254, "{stats:?}");
                let (numbers, lost) = consume(&buffer);
                assert_eq!(
                    numbers.len() as u64 + lost,
                    310 + kept,
                    "{way:?} {overwrite}"
                );
                assert!(numbers.is_sorted());
                // what is left of the page being written, and the other one
                (0..127).for_each(|i| assert!(put(&buffer, i, 28)));
                assert_eq!(consume(&buffer), ((0..127).collect(), 0));
            }
            assert!(
                buffer(way, 2, true)
                    .resize(None, usize::MAX / 4096)
                    .is_err()
            );
        });
    }
}

#[test]
fn other_sizes_and_clocks() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 354, true);
            put(&buffer, 1, 28);
            for bad in [0, 4095, 5000, 2048, 1 << 20] {
                assert!(buffer.set_subbuf_size(bad).is_err());
            }
            buffer.set_subbuf_size(65536).unwrap();
            assert_eq!((buffer.subbuf_size(), buffer.subbufs(0)), (65536, 23));
            assert_eq!(buffer.stats(0).entries, 0);
            assert!(
                put(&buffer, 2, 60_000) && put(&buffer, 3, 65512) && !put(&buffer, 4, 65513),
                "{way:?}"
            );
            assert_eq!(consume(&buffer), (vec![2, 3], 0));
            for clock in ClockId::ALL {
                buffer.set_clock(*clock).unwrap();
                assert_eq!(buffer.clock(), *clock);
                assert_eq!(buffer.stats(0).entries, 0);
                let before = buffer.now();
                (0..5000).for_each(|i| assert!(put(&buffer, i, 28)));
                let mut iter = Iter::new(&buffer, 0);
                let times: Vec<u64> = core::iter::from_fn(|| iter.next().map(|r| r.ts)).collect();
                assert!(
                    times[0] >= before && *times.last().unwrap() <= buffer.now(),
                    "{way:?} {clock:?}"
                );
                assert!(times.is_sorted() && times.len() == 5000);
                if *clock == ClockId::Counter {
                    assert!(times.windows(2).all(|w| w[0] < w[1]));
                }
                assert_eq!(consume(&buffer), ((0..5000).collect(), 0));
            }
        });
    }
}

#[test]
fn recording_off_and_masked() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 4, true);
            buffer.set_recording(false);
            assert!(
                !put(&buffer, 1, 28)
                    && !buffer.append_at(Some(0), None, &[0; 8])
                    && !buffer.is_recording()
            );
            buffer.set_recording(true);
            assert!(put(&buffer, 2, 28));
            buffer.set_cpu_mask(&CpuMask::none(buffer.cpus()));
            assert!(
                !put(&buffer, 3, 28) && !buffer.append_at(Some(0), None, &[0; 8]),
                "{way:?}"
            );
            assert_eq!(buffer.stats(0).entries, 1);
            // a masked CPU keeps what it has, and can be changed
            buffer.resize(None, 9).unwrap();
            assert!(!put(&buffer, 3, 28));
            buffer.set_cpu_mask(&CpuMask::all(buffer.cpus()));
            assert!(put(&buffer, 4, 28));
            assert_eq!(consume(&buffer), (vec![2, 4], 0));
            assert_eq!(buffer.stats(0).dropped, 0, "what is not wanted is not lost");
        });
    }
}

#[test]
fn given_times_never_go_back() {
    for way in ways() {
        on_cpu_0(|| {
            let buffer = buffer(way, 4, true);
            let record = |n: u32| {
                let mut r = [0u8; 16];
                r[..2].copy_from_slice(&300u16.to_ne_bytes());
                r[4..8].copy_from_slice(&n.to_ne_bytes());
                r
            };
            let base = buffer.now() + 1_000_000_000_000;
            let given = [
                base,
                base + 5,
                base + 3,
                base + (1 << 27) + 4,
                base + (1 << 27) + 5,
                7,
                base + (1 << 45),
            ];
            for (i, t) in given.iter().enumerate() {
                assert!(buffer.append_at(Some(0), Some(*t), &record(i as u32)));
            }
            // by the clock: that is earlier
            assert!(put(&buffer, 7, 28));
            assert!(buffer.append_at(None, None, &record(8)[..13]));
            let mut times = vec![];
            let mut consumer = buffer.consumer(0);
            while let Some(rec) = consumer.take() {
                assert_eq!(number(rec.payload), times.len() as u32);
                times.push(rec.ts - base);
            }
            let last = 1 << 45;
            assert_eq!(
                times,
                [
                    0,
                    5,
                    5,
                    (1 << 27) + 4,
                    (1 << 27) + 5,
                    (1 << 27) + 5,
                    last,
                    last,
                    last
                ],
                "{way:?}"
            );
        });
    }
}

#[cfg(not(miri))]
#[test]
fn other_cpus() {
    for way in ways() {
        let buffer = buffer(way, 4, true);
        let mut record = [0u8; 16];
        record[..2].copy_from_slice(&300u16.to_ne_bytes());
        for cpu in 0..buffer.cpus() {
            for i in 0..300u32 {
                record[4..8].copy_from_slice(&i.to_ne_bytes());
                assert!(buffer.append_at(Some(cpu), None, &record), "{way:?}");
            }
        }
        for cpu in 0..buffer.cpus() {
            let mut consumer = buffer.consumer(cpu);
            let numbers: Vec<u32> =
                core::iter::from_fn(|| consumer.take().map(|r| number(r.payload))).collect();
            assert_eq!(numbers, (0..300).collect::<Vec<_>>(), "{way:?}");
        }
        assert!(!buffer.append_at(Some(buffer.cpus()), None, &record));
    }
}

/// Who announces himself when the bell has rung, and before the next page, is not forgotten.
#[test]
fn announced_after_the_bell() {
    for way in ways() {
        let buffer = buffer(way, 16, true);
        let pages = &buffer.table.slot(0).pages;
        buffer.announce(Some(0), Want::Percent(50));
        let wanted = pages.load(Ordering::SeqCst);
        assert!((1..u32::MAX).contains(&wanted), "{wanted}");
        // the writer that rings leaves it so
        pages.store(0, Ordering::SeqCst);
        buffer.announce(Some(0), Want::Percent(50));
        assert_eq!(pages.load(Ordering::SeqCst), wanted);
        // the least of several
        buffer.announce(Some(0), Want::FullPage);
        buffer.announce(Some(0), Want::Percent(50));
        assert_eq!(pages.load(Ordering::SeqCst), 1);
    }
}
