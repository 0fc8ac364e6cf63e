//! Waiting for a word of memory to change (futex(2)), and the clock the waits are measured against.

use std::sync::atomic::{AtomicU32, Ordering};

/// Nanoseconds of CLOCK_MONOTONIC: the time base of deadlines in this crate.
pub(crate) fn now_ns() -> u64 {
    let mut ts = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `ts` is a timespec of ours, and CLOCK_MONOTONIC exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// The deadline in the form futex(2) and clock_nanosleep(2) take.
pub(crate) fn timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (ns % 1_000_000_000) as libc::c_long,
    }
}

/// Waits while `word` holds `seen`, at most until `deadline`. May return early; the caller looks again.
pub(crate) fn wait(word: &AtomicU32, seen: u32, deadline: Option<u64>) {
    let ts = deadline.map(timespec);
    let ts_ptr = ts.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // FUTEX_WAIT_BITSET because its timeout is a point in time, so that a late start does not lengthen the wait.
    // SAFETY: the word and the timespec outlive the call; the other arguments are plain numbers.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
            seen,
            ts_ptr,
            0usize,
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
}

/// Changes `word` and wakes whoever waits for it.
pub(crate) fn poke(word: &AtomicU32) {
    word.fetch_add(1, Ordering::SeqCst);
    wake(word);
}

/// Wakes whoever waits for `word`, which was changed.
pub(crate) fn wake(word: &AtomicU32) {
    // SAFETY: the word is a live atomic; waking has no other memory effect.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            i32::MAX,
        );
    }
}
