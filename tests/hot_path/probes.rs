//! Probes that come and go while events fire.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use utracefs::base::error::Errno;
use utracefs::base::rcu;
use utracefs::event::tracepoint::Changes;

use crate::event::{HIT, change, probe, trace_hit, trace_hit_enabled};
use crate::{alone, in_own_process};

const ALIVE: u32 = 0x600d_600d;
const DEAD: u32 = 0xdead_dead;

/// What a probe looks at. Never freed, so that one that comes too late sees it dead.
struct Data {
    life: AtomicU32,
    hits: AtomicU64,
}

impl Data {
    fn new() -> &'static Data {
        Box::leak(Box::new(Data {
            life: AtomicU32::new(ALIVE),
            hits: AtomicU64::new(0),
        }))
    }

    fn address(&'static self) -> *const () {
        ptr::from_ref(self).cast()
    }
}

/// Dies when it is dropped.
struct Life(&'static Data);

impl Drop for Life {
    fn drop(&mut self) {
        assert_eq!(self.0.life.swap(DEAD, SeqCst), ALIVE, "dropped twice");
    }
}

fn look(data: *const (), a: u64, b: u32) {
    // SAFETY: all probes of this function are registered with a `Data`
    let data = unsafe { &*data.cast::<Data>() };
    assert_eq!(
        data.life.load(Relaxed),
        ALIVE,
        "a probe ran after its data was dropped"
    );
    assert_eq!(a, u64::from(b) << 32 | u64::from(b), "arguments");
    data.hits.fetch_add(1, Relaxed);
}

fn fire(b: u32) {
    trace_hit(u64::from(b) << 32 | u64::from(b), b);
}

fn add(changes: &mut Changes, data: &'static Data) -> Result<(), Errno> {
    // SAFETY: `look` has the event's type; its data lives for ever
    unsafe { changes.register(&HIT, probe(look, data.address())) }.map_err(|e| e.errno)
}

fn remove(changes: &mut Changes, data: &'static Data) -> Result<(), Errno> {
    changes
        .unregister(&HIT, probe(look, data.address()))
        .map_err(|e| e.errno)
}

#[test]
fn registration() {
    let _alone = alone();
    let data = [Data::new(), Data::new(), Data::new()];
    let hits = || data.map(|d| d.hits.load(Relaxed));
    assert_eq!((HIT.is_on(), trace_hit_enabled()), (false, false));
    fire(1);

    let mut changes = Changes::new();
    assert_eq!(add(&mut changes, data[0]), Ok(()));
    assert_eq!(add(&mut changes, data[0]), Err(Errno::EEXIST));
    assert_eq!(remove(&mut changes, data[1]), Err(Errno::ENOENT));
    // SAFETY: is refused
    let nothing = unsafe { changes.register(&HIT, probe_without_function()) };
    assert_eq!(nothing.map_err(|e| e.errno), Err(Errno::EINVAL));
    assert!(!trace_hit_enabled(), "the code follows with the commit");
    changes.commit().expect("code can be written here");
    assert_eq!((HIT.is_on(), trace_hit_enabled()), (true, true));
    fire(2);
    assert_eq!(hits(), [1, 0, 0]);

    let mut changes = Changes::new();
    assert_eq!(
        (add(&mut changes, data[1]), add(&mut changes, data[2])),
        (Ok(()), Ok(()))
    );
    drop(changes);
    fire(3);
    assert_eq!(hits(), [2, 1, 1]);

    // off and on again in one step stays on
    let mut changes = Changes::new();
    assert_eq!(
        (remove(&mut changes, data[0]), remove(&mut changes, data[2])),
        (Ok(()), Ok(()))
    );
    assert_eq!(
        (remove(&mut changes, data[1]), add(&mut changes, data[0])),
        (Ok(()), Ok(()))
    );
    changes.commit().expect("code can be written here");
    fire(4);
    assert_eq!(hits(), [3, 1, 1]);

    change(false, look, data[0].address());
    assert_eq!((HIT.is_on(), trace_hit_enabled()), (false, false));
    fire(5);
    assert_eq!(hits(), [3, 1, 1]);
}

fn probe_without_function() -> utracefs::event::tracepoint::Probe {
    utracefs::event::tracepoint::Probe {
        func: ptr::null(),
        data: ptr::null(),
    }
}

/// Threads fire without a pause while others register and unregister probes, one of which is always there.
pub fn under_fire(rounds: u32) {
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, SeqCst);
    let constant = Data::new();
    change(true, look, constant.address());
    let fired = AtomicU64::new(0);
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                let mut b = 0;
                while !STOP.load(Relaxed) {
                    b += 1;
                    fire(b);
                }
                fired.fetch_add(u64::from(b), Relaxed);
            });
        }
        let changers = [0, 1].map(|_| {
            s.spawn(|| {
                for _ in 0..rounds {
                    let data = [Data::new(), Data::new()];
                    let mut changes = Changes::new();
                    data.iter().for_each(|d| add(&mut changes, d).expect("new"));
                    changes.commit().expect("code can be written here");
                    let before = data[0].hits.load(Relaxed);
                    fire(7);
                    assert!(
                        data[0].hits.load(Relaxed) > before,
                        "the probe is not called"
                    );
                    let mut changes = Changes::new();
                    data.iter()
                        .for_each(|d| remove(&mut changes, d).expect("registered"));
                    data.iter().for_each(|d| changes.defer(Life(d)));
                    changes.commit().expect("code can be written here");
                    data.iter().for_each(|d| {
                        assert_eq!(d.life.load(Relaxed), DEAD, "dropped by the commit")
                    });
                }
            })
        });
        let results = changers.map(|c| c.join());
        STOP.store(true, SeqCst);
        results
            .into_iter()
            .for_each(|r| r.expect("nothing wrong was seen"));
    });
    change(false, look, constant.address());
    let own = 2 * u64::from(rounds);
    assert_eq!(
        constant.hits.load(Relaxed),
        fired.load(Relaxed) + own,
        "every event reaches every probe"
    );
}

#[test]
fn come_and_go_under_fire() {
    let _alone = alone();
    under_fire(200);
}

/// The first probe on and off, so that the code changes each time.
#[test]
fn first_and_last_under_fire() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let _alone = alone();
    thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                while !STOP.load(Relaxed) {
                    fire(9);
                }
            });
        }
        for _ in 0..400 {
            let data = Data::new();
            change(true, look, data.address());
            fire(8);
            assert!(data.hits.load(Relaxed) > 0);
            let mut changes = Changes::new();
            remove(&mut changes, data).expect("registered");
            changes.defer(Life(data));
            changes.commit().expect("code can be written here");
            let after = data.hits.load(Relaxed);
            fire(8);
            assert_eq!(data.hits.load(Relaxed), after, "called after its end");
        }
        STOP.store(true, SeqCst);
    });
}

/// A probe that unregisters itself and registers another: it must not wait for itself.
#[test]
fn changes_from_within_a_probe() {
    static SECOND: AtomicU64 = AtomicU64::new(0);
    fn second(_data: *const (), _a: u64, _b: u32) {
        SECOND.fetch_add(1, Relaxed);
    }
    fn first(data: *const (), _a: u64, _b: u32) {
        assert!(rcu::in_read_section());
        // SAFETY: registered with a `Data` below
        let data = unsafe { &*data.cast::<Data>() };
        let mut changes = Changes::new();
        changes
            .unregister(&HIT, probe(first, data.address()))
            .expect("it runs, so it is registered");
        // SAFETY: of the event's type, without data
        unsafe { changes.register(&HIT, probe(second, ptr::null())) }.expect("new");
        changes.defer(Life(data));
        changes.commit().expect("code can be written here");
        assert_eq!(
            data.life.load(Relaxed),
            ALIVE,
            "dropped while the probe runs"
        );
    }
    let _alone = alone();
    let data = Data::new();
    change(true, first, data.address());
    fire(1);
    assert_eq!(SECOND.load(Relaxed), 0);
    fire(1);
    assert_eq!(SECOND.load(Relaxed), 1);
    change(false, second, ptr::null());
    assert_eq!(
        data.life.load(Relaxed),
        DEAD,
        "a later commit drops what a probe left"
    );
}

/// A grace period ends although threads enter section after section.
#[test]
fn synchronize_under_fire() {
    static STOP: AtomicBool = AtomicBool::new(false);
    fn busy(_data: *const (), _a: u64, _b: u32) {
        for _ in 0..2000 {
            std::hint::spin_loop();
        }
    }
    let _alone = alone();
    change(true, busy, ptr::null());
    let longest = thread::scope(|s| {
        for _ in 0..3 {
            s.spawn(|| {
                while !STOP.load(Relaxed) {
                    fire(1);
                }
            });
        }
        let one = |_| {
            let begin = Instant::now();
            rcu::synchronize().expect("not in a section");
            begin.elapsed()
        };
        let longest = (0..100).map(one).max();
        STOP.store(true, SeqCst);
        longest
    });
    change(false, busy, ptr::null());
    // it may wait for each of them to be given a CPU again, and the machine may be busy with others
    assert!(longest < Some(Duration::from_secs(5)), "{longest:?}");
}

/// Without membarrier(2), as in some containers: readers use fences, and pages are replaced.
#[test]
fn without_membarrier() {
    if !in_own_process("probes::without_membarrier") {
        return;
    }
    refuse(libc::SYS_membarrier);
    // SAFETY: plain numbers
    assert_eq!(unsafe { libc::syscall(libc::SYS_membarrier, 0, 0, 0) }, -1);
    #[cfg(target_arch = "x86_64")]
    assert_eq!(
        utracefs::base::patch::way(),
        utracefs::base::patch::Way::Pages
    );
    under_fire(100);
    crate::grace::replaced_under_a_reader();
}

/// Has the system call answered with ENOSYS from now on (seccomp(2)).
fn refuse(call: i64) {
    let op = |code: u32, jt, jf, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let mut program = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            call as u32,
        ),
        op(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32,
        ),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: a program that lives during the call; all threads get it
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let all_threads = libc::SECCOMP_FILTER_FLAG_TSYNC;
        assert_eq!(
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                all_threads,
                &filter
            ),
            0
        );
    }
}
