//! What concerns the whole process: SIGTRAP, and fork while others switch.
#![cfg(target_arch = "x86_64")]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;

use utracefs::base::patch::{Way, set_way, way};

use crate::event::{change, trace_hit, trace_hit_enabled};
use crate::{alone, forked, in_own_process};

fn count(data: *const (), _a: u64, _b: u32) {
    // SAFETY: registered with a counter that lives for ever
    unsafe { &*data.cast::<AtomicU64>() }.fetch_add(1, Relaxed);
}

/// Switches the event once, so that the handler is installed.
fn toggle() {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let before = COUNT.load(Relaxed);
    let data = ptr::from_ref(&COUNT).cast();
    change(true, count, data);
    trace_hit(0, 0);
    change(false, count, data);
    trace_hit(0, 0);
    assert_eq!(COUNT.load(Relaxed), before + 1);
}

fn breakpoint() {
    // SAFETY: SIGTRAP is what is to be seen
    unsafe { std::arch::asm!("int3", options(nomem, nostack)) };
}

fn install(handler: usize, flags: i32) {
    // SAFETY: all-zero is a valid sigaction; the handlers below do what handlers may
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, ptr::null_mut()), 0);
    }
}

fn was_killed_by(status: i32, signal: i32) -> bool {
    libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == signal
}

/// Traps that are not ours go to who was there before.
#[test]
fn former_handler() {
    static TRAPS: AtomicU64 = AtomicU64::new(0);
    extern "C" fn former(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
        // SAFETY: the kernel's, handed on
        TRAPS.fetch_add(unsafe { (*info).si_signo } as u64, Relaxed);
        // SAFETY: the mask of the calling thread, into a set of the caller's
        let blocked = unsafe {
            let mut mask = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut mask);
            libc::sigismember(&mask, libc::SIGTRAP)
        };
        assert_eq!(blocked, 1, "blocked as it would have been");
    }
    if !in_own_process("process::former_handler") {
        return;
    }
    install(former as *const () as usize, libc::SA_SIGINFO);
    toggle();
    assert_eq!(way(), Way::Breakpoint);
    breakpoint();
    // SAFETY: to this thread
    unsafe { libc::raise(libc::SIGTRAP) };
    assert_eq!(TRAPS.load(Relaxed), 2 * libc::SIGTRAP as u64);
    assert_eq!(way(), Way::Breakpoint, "the mask is as before");
    toggle();
}

/// Nobody was there before: a foreign trap ends the process as if we were not there either.
#[test]
fn no_former_handler() {
    if !in_own_process("process::no_former_handler") {
        return;
    }
    toggle();
    assert!(was_killed_by(forked(breakpoint), libc::SIGTRAP));
    // SAFETY: to this thread
    let raise = || unsafe { assert_eq!(libc::raise(libc::SIGTRAP), 0) };
    assert!(was_killed_by(forked(raise), libc::SIGTRAP));
}

/// SIGTRAP was ignored: sent by a process it still is, caused by the processor it cannot be.
#[test]
fn ignored() {
    if !in_own_process("process::ignored") {
        return;
    }
    install(libc::SIG_IGN, 0);
    toggle();
    // SAFETY: to this thread
    unsafe { assert_eq!(libc::raise(libc::SIGTRAP), 0) };
    assert!(was_killed_by(forked(breakpoint), libc::SIGTRAP));
}

/// Another handler took our place: no breakpoints, then.
#[test]
fn replaced_handler() {
    extern "C" fn other(_signal: i32) {
        std::process::abort();
    }
    if !in_own_process("process::replaced_handler") {
        return;
    }
    toggle();
    assert_eq!(way(), Way::Breakpoint);
    install(other as *const () as usize, 0);
    assert_eq!(way(), Way::Quiet);
    switch_under_fire(2000);
}

/// A handler that was there before us and put itself behind us again: the two do not call each other for ever.
#[test]
fn circle_of_handlers() {
    static OURS: AtomicU64 = AtomicU64::new(0);
    extern "C" fn circle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        // SAFETY: the handler that was installed when this asked
        let ours = unsafe {
            std::mem::transmute::<usize, extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void)>(
                OURS.load(Relaxed) as usize,
            )
        };
        ours(signal, info, context);
    }
    if !in_own_process("process::circle_of_handlers") {
        return;
    }
    install(circle as *const () as usize, libc::SA_SIGINFO);
    toggle();
    // SAFETY: asks for the handler
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGTRAP, ptr::null(), &mut now);
        OURS.store(now.sa_sigaction as u64, Relaxed);
    }
    install(circle as *const () as usize, libc::SA_SIGINFO);
    assert!(was_killed_by(forked(breakpoint), libc::SIGTRAP));
}

fn switch_under_fire(rounds: u32) {
    static STOP: AtomicBool = AtomicBool::new(false);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    STOP.store(false, SeqCst);
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                while !STOP.load(Relaxed) {
                    trace_hit(0, 0);
                }
            });
        }
        for _ in 0..rounds {
            change(true, count, ptr::from_ref(&COUNT).cast());
            change(false, count, ptr::from_ref(&COUNT).cast());
        }
        STOP.store(true, SeqCst);
    });
}

/// Children forked at any moment of a switch, in parent's threads' sections: their code is whole, no lock is held, and
/// they can switch themselves.
#[test]
fn forks_while_others_switch() {
    static STOP: AtomicBool = AtomicBool::new(false);
    static COUNTS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
    let _alone = alone();
    for wanted in [Way::Breakpoint, Way::Quiet, Way::Pages] {
        set_way(Some(wanted));
        STOP.store(false, SeqCst);
        thread::scope(|s| {
            s.spawn(|| {
                while !STOP.load(Relaxed) {
                    trace_hit(0, 0);
                }
            });
            s.spawn(|| {
                while !STOP.load(Relaxed) {
                    change(true, count, ptr::from_ref(&COUNTS[0]).cast());
                    change(false, count, ptr::from_ref(&COUNTS[0]).cast());
                }
            });
            let child = || {
                forked(|| {
                    let data = ptr::from_ref(&COUNTS[1]).cast();
                    let hits = COUNTS[1].load(Relaxed);
                    change(true, count, data);
                    trace_hit(0, 0);
                    change(false, count, data);
                    trace_hit(0, 0);
                    assert_eq!(COUNTS[1].load(Relaxed), hits + 1);
                    // the other probe is still there, or not, as it was when we were forked
                    let others = COUNTS[0].load(Relaxed);
                    trace_hit(0, 0);
                    assert_eq!(
                        COUNTS[0].load(Relaxed) - others,
                        u64::from(trace_hit_enabled())
                    );
                })
            };
            let failed = (0..150).map(|_| child()).find(|status| *status != 0);
            // the threads end in any case
            STOP.store(true, SeqCst);
            assert_eq!(failed, None, "{wanted:?}");
        });
    }
    set_way(None);
}
