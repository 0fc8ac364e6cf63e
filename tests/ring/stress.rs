//! The ring buffer under everything at once: more threads than CPUs, signal handlers that write, threads moved from CPU to
//! CPU, page faults in the middle of a write, records for other CPUs and at given times, a consumer, a walker, clears,
//! resizes, swaps, clocks. Every record carries its writer and number: none may be torn, out of order or earlier than
//! the call that wrote it, and in = read + lost + cleared, exactly.
//!
//! A short version by default; `UTRACEFS_STRESS_SECONDS=60` for each of its parts.
#![allow(missing_docs)]

use std::cell::Cell;
use std::env;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use utracefs::base::clock::ClockId;
use utracefs::base::cpu;
use utracefs::ring::entry::Position;
use utracefs::ring::{
    Buffer, COMMIT_BYTES, Config, Iter, MISSED, MISSED_STORED, PAGE_HEADER, Side, Want, Way,
};

const THREADS: usize = 8;

static BUFFER: AtomicPtr<Buffer> = AtomicPtr::new(ptr::null_mut());
static STOP: AtomicBool = AtomicBool::new(false);
static PAUSE: AtomicBool = AtomicBool::new(false);
/// Records that went in, and that were refused.
static IN: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
static FROM_HANDLERS: AtomicU64 = AtomicU64::new(0);
/// Whether stamps can be compared with the time of the call.
static TIMED: AtomicBool = AtomicBool::new(false);
/// [`Plan::changes`].
static CHANGES: AtomicBool = AtomicBool::new(false);
/// Writers, in handlers too, swap the buffer with its snapshot now and then; how often they did.
static SWAPS: AtomicBool = AtomicBool::new(false);
static SWAPPED: AtomicU64 = AtomicU64::new(0);
/// Goes up before and after the clock is changed.
static CLOCKS: AtomicU64 = AtomicU64::new(0);
static TIDS: [AtomicU64; THREADS] = [const { AtomicU64::new(0) }; THREADS];

#[derive(Clone, Copy, Default)]
struct Done {
    written: u64,
    refused: u64,
}

thread_local! {
    static ME: Cell<u32> = const { Cell::new(u32::MAX) };
    /// Of the handler.
    static NEXT: Cell<u32> = const { Cell::new(0) };
    static DONE: Cell<Done> = const { Cell::new(Done { written: 0, refused: 0 }) };
}

/// What must stand at word `i` of a record.
fn word(id: u32, number: u32, i: usize) -> u32 {
    (number ^ id << 24)
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add((i as u32).wrapping_mul(0x85eb_ca6b))
        .rotate_left(13)
}

/// 24 to 144 bytes, now and then longer: id, length and number, time of the call, then words that follow from them.
fn put(id: u32, number: u32) -> bool {
    let mut record = [0u32; 1100];
    let pick = number as usize * 7 + id as usize;
    let len = if pick.is_multiple_of(1009) {
        4000
    } else {
        24 + 4 * (pick % 31)
    };
    let body = &mut record[2..2 + len / 4];
    // SAFETY: set before the writers start, reset after they have ended
    let buffer = unsafe { &*BUFFER.load(Relaxed) };
    if number % 509 == 100 && SWAPS.load(Relaxed) {
        let cpu = (number.is_multiple_of(2)).then_some(number as usize / 1018 % buffer.cpus());
        SWAPPED.fetch_add(u64::from(buffer.swap(cpu)), Relaxed);
    }
    let now = buffer.now();
    body[0] = id << 24 | len as u32;
    body[1] = number;
    body[2] = now as u32;
    body[3] = (now >> 32) as u32;
    (4..len / 4).for_each(|i| body[i] = word(id, number, i));
    let at = body.as_mut_ptr().cast::<u8>();
    match number % 512 {
        7 => buffer.append_at(
            Some(number as usize / 512 % buffer.cpus()),
            None,
            as_bytes(body),
        ),
        // a time of another clock would be one far ahead
        13 if !CHANGES.load(Relaxed) => buffer.append_at(None, Some(now), as_bytes(body)),
        // SAFETY: 8 bytes before and more than 4 behind it
        _ if len == 24 => unsafe { buffer.append::<24>(at, 24) },
        // SAFETY: as above
        _ => unsafe { buffer.append::<0>(at, len) },
    }
}

fn as_bytes(words: &[u32]) -> &[u8] {
    // SAFETY: the same memory
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 4) }
}

extern "C" fn on_signal(_: i32) {
    let me = ME.get();
    if me == u32::MAX {
        return;
    }
    for _ in 0..2 {
        let number = NEXT.get();
        NEXT.set(number + 1);
        let mut done = DONE.get();
        if put(me + 64, number) {
            done.written += 1
        } else {
            done.refused += 1
        }
        DONE.set(done);
    }
}

fn writer(me: usize) {
    // SAFETY: no operands
    TIDS[me].store(unsafe { libc::gettid() } as u64, Relaxed);
    ME.set(me as u32);
    let (mut number, mut done) = (0, Done::default());
    while !STOP.load(Relaxed) {
        if put(me as u32, number) {
            done.written += 1
        } else {
            done.refused += 1
        }
        number += 1;
        while PAUSE.load(Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
    }
    TIDS[me].store(0, Relaxed);
    ME.set(u32::MAX);
    let handled = DONE.get();
    IN.fetch_add(done.written + handled.written, Relaxed);
    REFUSED.fetch_add(done.refused + handled.refused, Relaxed);
    FROM_HANDLERS.fetch_add(handled.written, Relaxed);
}

/// A small generator of random numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

/// Sends signals to the writers, moves them about, stops them for longer than a delta can say, and makes their pages
/// fault.
fn disturb(cpus: usize) -> (u64, u64) {
    let (mut dice, mut signals, mut moves) = (Dice(0x1234_5678_9abc), 0, 0);
    let mut last_pause = Instant::now();
    while !STOP.load(Relaxed) {
        thread::sleep(Duration::from_micros(20));
        if last_pause.elapsed() > Duration::from_millis(700) {
            PAUSE.store(true, Relaxed);
            thread::sleep(Duration::from_millis(150));
            PAUSE.store(false, Relaxed);
            last_pause = Instant::now();
        }
        if dice.roll(500) == 0 {
            // SAFETY: the child leaves at once; until then our pages are copied when they are written
            unsafe {
                match libc::fork() {
                    0 => libc::_exit(0),
                    child => _ = libc::waitpid(child, ptr::null_mut(), 0),
                }
            }
        }
        let tid = TIDS[dice.roll(THREADS as u64) as usize].load(Relaxed) as i32;
        if tid == 0 {
            continue;
        }
        // SAFETY: plain system calls; a thread that is gone is an error
        unsafe {
            if dice.roll(2) == 0 {
                libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGUSR1);
                signals += 1;
            } else {
                let mut set: libc::cpu_set_t = std::mem::zeroed();
                if dice.roll(8) == 0 {
                    (0..cpus).for_each(|c| libc::CPU_SET(c, &mut set));
                } else {
                    libc::CPU_SET(dice.roll(cpus as u64) as usize, &mut set);
                }
                libc::sched_setaffinity(tid, size_of_val(&set), &set);
                moves += 1;
            }
        }
    }
    (signals, moves)
}

/// Looks at what comes out of one CPU's buffer.
struct Judge {
    cpu: usize,
    /// Whether what comes is in order: not where swaps come in between.
    ordered: bool,
    read: u64,
    lost: u64,
    /// Pages that said events were missed and had no room to say how many.
    untold: u64,
    time: u64,
    numbers: [i64; 128],
    wrong: Vec<String>,
}

impl Judge {
    fn new(cpu: usize) -> Judge {
        Judge {
            cpu,
            ordered: !SWAPS.load(Relaxed),
            read: 0,
            lost: 0,
            untold: 0,
            time: 0,
            numbers: [-1; 128],
            wrong: vec![],
        }
    }

    /// The clock has changed.
    fn new_clock(&mut self) {
        self.time = 0;
    }

    fn record(&mut self, ts: u64, payload: &[u8]) {
        let at = |i: usize| u32::from_ne_bytes(payload[4 * i..4 * i + 4].try_into().unwrap());
        self.read += 1;
        let (id, len, number) = (at(0) >> 24, at(0) as usize & 0xffff, at(1));
        let called = u64::from(at(2)) | u64::from(at(3)) << 32;
        let cpu = self.cpu;
        let mut wrong = |text: String| {
            if self.wrong.len() < 5 {
                self.wrong.push(format!("cpu {cpu}: {text}"));
            }
        };
        if id as usize >= 128
            || len != payload.len()
            || (4..len / 4).any(|i| at(i) != word(id, number, i))
        {
            return wrong(format!("torn: {payload:x?}"));
        }
        // an earlier one for this CPU from elsewhere may come after a later one of the same thread: not on one CPU
        if self.ordered && i64::from(number) <= self.numbers[id as usize] {
            wrong(format!(
                "writer {id}: {number} after {}",
                self.numbers[id as usize]
            ));
        }
        if self.ordered && ts < self.time {
            wrong(format!("time {ts} after {}", self.time));
        }
        if TIMED.load(Relaxed) && ts < called {
            wrong(format!("time {ts}, but it was called at {called}"));
        }
        self.numbers[id as usize] = i64::from(number);
        self.time = ts;
    }

    /// A sub-buffer as trace_pipe_raw gives it.
    fn page(&mut self, page: &[u8]) {
        let commit = u32::from_ne_bytes(page[8..12].try_into().unwrap());
        let bytes = (commit & COMMIT_BYTES) as usize;
        let mut end = PAGE_HEADER + bytes;
        if commit & MISSED != 0 {
            assert!(commit & MISSED_STORED != 0 || end + 8 > page.len());
            if commit & MISSED_STORED != 0 {
                self.lost += u64::from_ne_bytes(page[end..end + 8].try_into().unwrap());
                end += 8;
            } else {
                self.untold += 1;
            }
        }
        if page[end..].iter().any(|b| *b != 0) {
            self.wrong.push("something behind the data".into());
        }
        let data = &page[PAGE_HEADER..PAGE_HEADER + bytes];
        let mut position = Position {
            at: 0,
            ts: u64::from_ne_bytes(page[..8].try_into().unwrap()),
        };
        while let Some(found) = position.find(data) {
            self.record(found.ts, &data[found.payload.clone()]);
            position.pass(&found);
        }
        if position.at != bytes {
            self.wrong
                .push(format!("{bytes} bytes, entries up to {}", position.at));
        }
    }
}

/// Consumes what there is of one CPU, in one way or another; false: nothing.
fn consume(
    buffer: &Buffer,
    side: Side,
    judge: &mut Judge,
    dice: &mut Dice,
    page: &mut [u8],
) -> bool {
    let Some(mut consumer) = buffer.consumer_of(side, judge.cpu) else {
        return false;
    };
    match dice.roll(3) {
        0 => match consumer.take_page(page, true) {
            Some(size) => judge.page(&page[..size]),
            None => return false,
        },
        1 => match consumer.take_page(page, false) {
            Some(size) => judge.page(&page[..size]),
            None => return false,
        },
        _ => {
            for i in 0..dice.roll(300) {
                let Some(record) = consumer.take() else {
                    return i != 0;
                };
                judge.lost += record.lost;
                judge.record(record.ts, record.payload);
            }
        }
    }
    true
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    way: Way,
    overwrite: bool,
    clock: ClockId,
    /// Clears, resizes, other sizes of sub-buffers, clocks.
    changes: bool,
    /// There is a snapshot, and writers swap.
    swaps: bool,
}

fn run(plan: Plan, seconds: f64) {
    let cpus = cpu::possible();
    let config = Config {
        cpus,
        subbufs: 9,
        subbuf_size: 4096,
        overwrite: plan.overwrite,
        clock: plan.clock,
        way: plan.way,
    };
    let buffer = Arc::new(Buffer::new(&config).unwrap());
    BUFFER.store(Arc::as_ptr(&buffer).cast_mut(), Relaxed);
    for count in [&IN, &REFUSED, &FROM_HANDLERS] {
        count.store(0, Relaxed);
    }
    STOP.store(false, Relaxed);
    CHANGES.store(plan.changes, Relaxed);
    TIMED.store(!plan.changes && plan.clock != ClockId::Counter, Relaxed);
    SWAPS.store(plan.swaps, Relaxed);
    SWAPPED.store(0, Relaxed);
    if plan.swaps {
        buffer.make_snapshot().unwrap();
    }
    let mut judges: Vec<Judge> = (0..cpus).map(Judge::new).collect();
    let mut walked: Vec<Judge> = (0..cpus).map(Judge::new).collect();
    let (mut dropped, mut changes) = (0, 0u64);
    let mut page = vec![0; 1 << 19];
    let (signals, moves) = thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|me| scope.spawn(move || writer(me)))
            .collect();
        let disturber = scope.spawn(|| disturb(cpus));
        let walker = scope.spawn(|| {
            while !STOP.load(Relaxed) {
                for judge in &mut walked {
                    // another order than the consumer's: it begins at the oldest again and again
                    judge.new_clock();
                    judge.numbers = [-1; 128];
                    let clocks = CLOCKS.load(SeqCst);
                    let side = if plan.swaps && judge.read % 2 == 0 {
                        Side::Snapshot
                    } else {
                        Side::Live
                    };
                    let mut iter = Iter::of(&buffer, side, judge.cpu);
                    let mut left = 3000;
                    while let Some(record) = iter.next() {
                        if !clocks.is_multiple_of(2) || CLOCKS.load(SeqCst) != clocks {
                            judge.new_clock();
                        }
                        judge.record(record.ts, record.payload);
                        left -= 1;
                        if left == 0 {
                            break;
                        }
                    }
                }
                thread::sleep(Duration::from_micros(500));
            }
        });
        let start = Instant::now();
        let mut dice = Dice(0xfeed_beef_0123);
        while start.elapsed().as_secs_f64() < seconds {
            for judge in &mut judges {
                let side = if plan.swaps && dice.roll(3) == 0 {
                    Side::Snapshot
                } else {
                    Side::Live
                };
                for _ in 0..40 {
                    if !consume(&buffer, side, judge, &mut dice, &mut page) {
                        break;
                    }
                }
            }
            if plan.changes && dice.roll(4) == 0 {
                let cpu = (dice.roll(3) != 0).then(|| dice.roll(cpus as u64) as usize);
                match dice.roll(16) {
                    0..4 if plan.swaps => buffer.reset_snapshot(cpu),
                    4 if plan.swaps => assert!(buffer.swap_waiting(cpu)),
                    0..8 => buffer.reset(cpu),
                    8..14 => buffer.resize(cpu, 2 + dice.roll(20) as usize).unwrap(),
                    14 => buffer.set_subbuf_size(4096 << dice.roll(3)).unwrap(),
                    _ => {
                        // what was read so far must not be compared with what comes
                        CLOCKS.fetch_add(1, SeqCst);
                        let clock = ClockId::ALL[dice.roll(ClockId::ALL.len() as u64) as usize];
                        buffer.set_clock(clock).unwrap();
                        CLOCKS.fetch_add(1, SeqCst);
                        judges.iter_mut().for_each(Judge::new_clock);
                    }
                }
                changes += 1;
            }
            if dice.roll(4) == 0 {
                buffer.wait(None, Want::Any, Some(Duration::from_millis(1)));
            }
        }
        STOP.store(true, Relaxed);
        writers.into_iter().for_each(|w| w.join().unwrap());
        walker.join().unwrap();
        disturber.join().unwrap()
    });
    let mut left = 0;
    for judge in &mut judges {
        let before = judge.read;
        for _ in 0..1 + u32::from(plan.swaps) {
            // one more for each CPU and side brings what was lost before it to light
            IN.fetch_add(1, Relaxed);
            while consume(&buffer, Side::Live, judge, &mut Dice(1), &mut page) {}
            let mut last = [0u32; 8];
            (last[0], last[1]) = (63 << 24 | 32, u32::MAX >> 1);
            (4..8).for_each(|i| last[i] = word(63, u32::MAX >> 1, i));
            assert!(buffer.append_at(Some(judge.cpu), None, as_bytes(&last)));
            while let Some(record) = buffer.consumer(judge.cpu).take() {
                judge.lost += record.lost;
                judge.record(record.ts, record.payload);
            }
            let stats = buffer.stats(judge.cpu);
            dropped += stats.dropped + stats.commit_overrun;
            assert_eq!((stats.entries, stats.bytes), (0, 0), "{plan:?}");
            assert_eq!(buffer.swap(Some(judge.cpu)), plan.swaps);
        }
        left += judge.read - before;
    }
    BUFFER.store(ptr::null_mut(), Relaxed);
    let sum = |f: &dyn Fn(&Judge) -> u64| judges.iter().map(f).sum::<u64>();
    let (read, told, untold) = (sum(&|j| j.read), sum(&|j| j.lost), sum(&|j| j.untold));
    let totals: Vec<_> = (0..cpus).map(|cpu| buffer.totals(cpu)).collect();
    let (lost, cleared) = (
        totals.iter().map(|t| t.lost).sum::<u64>(),
        totals.iter().map(|t| t.cleared).sum::<u64>(),
    );
    let all = IN.load(Relaxed);
    let refused = REFUSED.load(Relaxed);
    let walks: u64 = walked.iter().map(|j| j.read).sum();
    let wrong: Vec<&String> = judges
        .iter()
        .chain(&walked)
        .flat_map(|j| &j.wrong)
        .collect();
    println!(
        "{plan:?}: in {all} ({} by {signals} signals, {moves} moves, {changes} changes) = read {read} + lost {lost} + \
         cleared {cleared} (the last {left}), walked {walks}; refused {refused}, counted {dropped}, {} swaps",
        FROM_HANDLERS.load(Relaxed),
        SWAPPED.load(Relaxed)
    );
    assert!(wrong.is_empty(), "{plan:?}: {wrong:#?}");
    assert_eq!(all, read + lost + cleared, "{plan:?}: in = out");
    assert_eq!(
        read,
        totals.iter().map(|t| t.read).sum(),
        "{plan:?}: what was read is what was counted"
    );
    assert!(
        told == lost || untold > 0 && told < lost,
        "{plan:?}: told of {told}, lost {lost}"
    );
    if !plan.changes {
        assert_eq!(refused, dropped, "{plan:?}: every refusal is counted");
    }
    assert!(all > 1000 && read > 1000 && walks > 1000);
    assert!(!plan.swaps || SWAPPED.load(Relaxed) > 100);
}

#[test]
fn nothing_is_lost() {
    // SAFETY: the handler only does what a writer does
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut());
    }
    let seconds = env::var("UTRACEFS_STRESS_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1.5);
    let only = env::var("UTRACEFS_STRESS_WAY").ok();
    for way in [Way::Rseq, Way::Atomic] {
        if only
            .as_ref()
            .is_some_and(|o| !o.eq_ignore_ascii_case(&format!("{way:?}")))
        {
            continue;
        }
        let plan = Plan {
            way,
            overwrite: true,
            clock: ClockId::Local,
            changes: false,
            swaps: false,
        };
        if Buffer::new(&Config {
            cpus: 1,
            subbufs: 2,
            subbuf_size: 4096,
            overwrite: true,
            clock: ClockId::Local,
            way,
        })
        .is_err()
        {
            println!("skipped: no {way:?} in this process");
            continue;
        }
        run(plan, seconds);
        run(
            Plan {
                overwrite: false,
                ..plan
            },
            seconds,
        );
        run(
            Plan {
                clock: ClockId::Mono,
                ..plan
            },
            seconds,
        );
        run(
            Plan {
                clock: ClockId::Counter,
                ..plan
            },
            seconds,
        );
        run(
            Plan {
                changes: true,
                ..plan
            },
            seconds,
        );
        run(
            Plan {
                changes: true,
                overwrite: false,
                ..plan
            },
            seconds,
        );
        for (changes, overwrite) in [(false, true), (false, false), (true, true), (true, false)] {
            run(
                Plan {
                    swaps: true,
                    changes,
                    overwrite,
                    ..plan
                },
                seconds,
            );
        }
    }
}
