//! Static keys switched while other threads run through their sites: no site is torn, no switching lost.
//!
//! `STRESS_TOGGLES` sets how often (100000). Each way of writing code is stressed; the ones that are not the usual get
//! fewer rounds.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;

use utracefs::base::patch::{Batch, Key, Switch, Way, set_way, way};

/// Sites of a key.
const SITES: u64 = 32;
/// Threads that run through the sites.
const RUNNERS: usize = 3;

static KEYS: [&Key; 2] = [&A, &B];
static A: Key = Key::new();
static B: Key = Key::new();

/// What was seen in one pass: per key, how many sites were taken, and how many were not.
#[derive(Clone, Copy, Default)]
struct Seen {
    on: [u64; 2],
    off: [u64; 2],
}

/// Passes all sites, those of the two keys by turns, at every alignment.
#[inline(never)]
fn pass() -> Seen {
    let mut seen = Seen::default();
    macro_rules! site {
        ($key:ident, $number:literal, $skip:expr) => {
            // SAFETY: nops
            unsafe { std::arch::asm!(".skip {}, 0x90", const $skip, options(nomem, nostack, preserves_flags)) };
            if utracefs::__static_branch!($key) {
                seen.on[$number] += 1;
            } else {
                seen.off[$number] += 1;
            }
        };
    }
    macro_rules! sites {
        ($($i:literal)*) => {$(
            site!(A, 0, $i + 1);
            site!(B, 1, 7 * $i % 32 + 1);
        )*};
    }
    sites!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    seen
}

/// Binds the calling thread to one of the machine's processors.
fn pin(number: usize) {
    // SAFETY: plain system calls on a set of the caller's
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(
            number % thread::available_parallelism().map_or(1, |n| n.get()),
            &mut set,
        );
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}

fn toggles() -> u64 {
    std::env::var("STRESS_TOGGLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000)
}

/// One test at a time: they share keys and way.
static ALONE: Mutex<()> = Mutex::new(());

/// Switches both keys `toggles` times altogether, each on a thread of its own. `prepare` is called on each runner.
fn stress(toggles: u64, prepare: fn(usize)) {
    /// Per key: even, it is at rest, `4 * n` off, `4 * n + 2` on; odd, it is being switched.
    static STATE: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, SeqCst);
    let passes = AtomicU64::new(0);
    thread::scope(|s| {
        for number in 0..RUNNERS {
            let passes = &passes;
            s.spawn(move || {
                prepare(number);
                let mut made = 0u64;
                while !STOP.load(Relaxed) {
                    let before = [0, 1].map(|k: usize| STATE[k].load(SeqCst));
                    let seen = pass();
                    let after = [0, 1].map(|k: usize| STATE[k].load(SeqCst));
                    for k in 0..2 {
                        assert_eq!(
                            seen.on[k] + seen.off[k],
                            SITES,
                            "torn: a site took both ways or none"
                        );
                        if before[k] == after[k] && before[k] % 2 == 0 {
                            let expected = if before[k] % 4 == 2 { SITES } else { 0 };
                            assert_eq!(seen.on[k], expected, "an old state was seen at rest");
                        }
                    }
                    made += 1;
                }
                passes.fetch_add(made, Relaxed);
            });
        }
        let togglers = [0, 1].map(|k: usize| {
            s.spawn(move || {
                for n in 0..toggles / 2 {
                    let on = n % 2 == 0;
                    STATE[k].fetch_add(1, SeqCst);
                    let mut batch = Batch::new();
                    KEYS[k].set(on, &mut batch);
                    batch.commit().expect("code can be written here");
                    STATE[k].fetch_add(1, SeqCst);
                    let seen = pass();
                    assert_eq!(
                        seen.on[k],
                        if on { SITES } else { 0 },
                        "a switching was lost"
                    );
                }
            })
        });
        let results = togglers.map(|t| t.join());
        STOP.store(true, SeqCst);
        for result in results {
            result.expect("the toggler saw nothing wrong");
        }
    });
    assert!(
        passes.load(Relaxed) > toggles / 100,
        "the runners did not run"
    );
}

#[track_caller]
fn check(wanted: Option<Way>, toggles: u64, prepare: fn(usize)) {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    set_way(wanted);
    let begin = std::time::Instant::now();
    // an even number each, so that both end off
    let toggles = toggles.next_multiple_of(4);
    stress(toggles, prepare);
    let each = begin.elapsed() / toggles as u32;
    println!("{wanted:?}: {toggles} toggles of {SITES} sites, {each:?} each");
    set_way(None);
}

#[test]
fn breakpoint() {
    check(Some(Way::Breakpoint), toggles(), pin);
}

#[test]
fn quiet() {
    check(Some(Way::Quiet), toggles() / 2, pin);
}

#[test]
fn pages() {
    check(Some(Way::Pages), toggles() / 10, pin);
}

#[test]
fn the_way_that_suits() {
    check(None, toggles() / 10, pin);
}

/// A breakpoint would end the process here.
#[test]
fn runners_that_block_all_signals() {
    check(None, toggles() / 10, |number| {
        pin(number);
        // SAFETY: plain calls on a set of the caller's
        unsafe {
            let mut all = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        }
        assert_ne!(way(), Way::Breakpoint);
    });
}
