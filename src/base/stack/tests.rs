use alloc::string::String;
use alloc::vec::Vec;

use super::{Here, prepare};
use crate::base::symbol;

fn names(frames: &[u64]) -> Vec<String> {
    symbol::renew();
    let name = |address: &u64| {
        let mut out = Vec::new();
        symbol::name(address.saturating_sub(1), &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    frames.iter().map(name).collect()
}

#[inline(never)]
fn leaf(frames: &mut [u64]) -> usize {
    let n = Here::new().walk(frames);
    core::hint::black_box(n)
}

#[inline(never)]
fn middle(depth: u32, frames: &mut [u64]) -> usize {
    let n = match depth {
        0 => leaf(frames),
        _ => middle(depth - 1, frames),
    };
    core::hint::black_box(n)
}

#[test]
fn calls() {
    prepare();
    let mut frames = [0; 64];
    let n = middle(3, &mut frames);
    let names = names(&frames[..n]);
    assert!(n > 6, "{names:?}");
    for name in &names[..4] {
        assert!(name.ends_with("stack::tests::middle"), "{names:?}");
    }
    assert!(names[4].contains("stack::tests::calls"), "{names:?}");
    // down to where the thread began
    assert!(
        names.iter().any(|n| n.ends_with("thread_start")),
        "{names:?}"
    );
    // no more than there is room for
    assert_eq!(middle(3, &mut frames[..2]), 2);
    assert_eq!(middle(1000, &mut frames), 64);
}

#[test]
fn wrong_registers_end_the_walk() {
    prepare();
    let mut frames = [0; 16];
    let Here {
        registers: [ip, sp, bp],
    } = Here::new();
    for wrong in [0, 1, 8, sp ^ 1 << 60, u64::MAX, u64::MAX - 7] {
        for registers in [
            [ip, wrong, bp],
            [ip, wrong, wrong],
            [wrong, sp, bp],
            [wrong; 3],
        ] {
            let n = Here { registers }.walk(&mut frames);
            assert!(n <= 16);
        }
    }
}

#[test]
fn in_a_signal_handler() {
    use core::sync::atomic::{AtomicUsize, Ordering};
    static FOUND: AtomicUsize = AtomicUsize::new(0);
    static FRAMES: [core::sync::atomic::AtomicU64; 64] =
        [const { core::sync::atomic::AtomicU64::new(0) }; 64];
    extern "C" fn handler(_: i32) {
        let mut frames = [0; 64];
        let n = leaf(&mut frames);
        for (to, from) in FRAMES.iter().zip(frames) {
            to.store(from, Ordering::Relaxed);
        }
        FOUND.store(n, Ordering::Relaxed);
    }
    prepare();
    // SAFETY: the handler does what handlers may; SIGUSR2 is nobody else's in these tests
    unsafe {
        libc::signal(libc::SIGUSR2, handler as extern "C" fn(i32) as usize);
        libc::raise(libc::SIGUSR2);
    }
    let n = FOUND.load(Ordering::Relaxed);
    let frames: Vec<u64> = FRAMES[..n]
        .iter()
        .map(|f| f.load(Ordering::Relaxed))
        .collect();
    let names = names(&frames);
    // past the frame that the kernel made
    assert!(names[0].contains("handler"), "{names:?}");
    assert!(
        names
            .iter()
            .any(|n| n.contains("in_a_signal_handler") && !n.contains("handler::handler")),
        "{names:?}"
    );
}
