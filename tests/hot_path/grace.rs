//! Grace periods, without probes around them: many more of them, and less that hides a missing barrier.

use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use utracefs::base::rcu;

/// Something that readers find through a pointer.
#[repr(align(64))]
struct Thing {
    alive: AtomicBool,
}

/// A reader looks up things without a pause while they are replaced: a hundred thousand times, or as often as five seconds
/// allow where processors are scarce.
pub fn replaced_under_a_reader() {
    static STOP: AtomicBool = AtomicBool::new(false);
    static SHARED: AtomicPtr<Thing> = AtomicPtr::new(ptr::null_mut());
    static THINGS: [Thing; 2] = [const {
        Thing {
            alive: AtomicBool::new(true),
        }
    }; 2];
    static DEAD: AtomicU64 = AtomicU64::new(0);
    let thing = |n: u32| &THINGS[n as usize % 2];
    STOP.store(false, SeqCst);
    thing(0).alive.store(true, SeqCst);
    SHARED.store(ptr::from_ref(thing(0)).cast_mut(), SeqCst);
    thread::scope(|s| {
        s.spawn(|| {
            // stores that miss the cache hold up the one that opens the section: time to be seen without it
            let cold: Vec<AtomicU8> = (0..16 << 20).map(|_| AtomicU8::new(0)).collect();
            let mut at = 0usize;
            while !STOP.load(Relaxed) {
                for _ in 0..8 {
                    at = at
                        .wrapping_mul(0x5851_f42d_4c95_7f2d)
                        .wrapping_add(0x1405_7b7e_f767_814f);
                    cold[(at >> 33) % cold.len()].store(1, Relaxed);
                }
                let guard = rcu::read();
                // SAFETY: points to one of two statics
                let found = unsafe { &*SHARED.load(Acquire) };
                for _ in 0..300 {
                    if !found.alive.load(Relaxed) {
                        DEAD.fetch_add(1, Relaxed);
                    }
                }
                drop(guard);
            }
            black_box(cold);
        });
        let begin = Instant::now();
        for n in 1..=100_000 {
            // at any moment of the reader's round
            (0..n * 7919 % 512).for_each(|_| std::hint::spin_loop());
            thing(n).alive.store(true, Release);
            SHARED.store(ptr::from_ref(thing(n)).cast_mut(), Release);
            rcu::synchronize().expect("not in a section");
            thing(n - 1).alive.store(false, Relaxed);
            if begin.elapsed() > Duration::from_secs(5) {
                break;
            }
        }
        STOP.store(true, SeqCst);
    });
    assert_eq!(DEAD.load(Relaxed), 0, "found after the grace period");
}

#[test]
fn with_membarrier() {
    replaced_under_a_reader();
}

/// Threads that end in a section are not waited for, and their slots serve others.
#[test]
fn readers_that_end() {
    for _ in 0..300 {
        thread::spawn(|| std::mem::forget(rcu::read()))
            .join()
            .expect("nothing wrong");
        rcu::synchronize().expect("not in a section");
    }
    // more than there are slots at first
    for _ in 0..100 {
        let run = || {
            assert!(!rcu::in_read_section(), "inherited from a dead thread");
            std::mem::forget(rcu::read());
        };
        thread::spawn(run).join().expect("nothing wrong");
    }
    rcu::synchronize().expect("not in a section");
    let guard = rcu::read();
    assert_eq!(rcu::synchronize(), Err(rcu::Refused::InReadSection));
    drop(guard);
}
