//! Keys, batches and the handler of SIGTRAP, each way of writing.

use super::*;

/// Sixteen sites that are never on a page of others' alone: how many are taken.
macro_rules! taken {
    ($key:ident $($i:literal)*) => {{
        let mut n = 0;
        $( if $crate::__static_branch!($key) { n += $i; } )*
        n
    }};
}

static A: Key = Key::new();
static B: Key = Key::new();
static NO_SITES: Key = Key::new();

#[inline(never)]
fn a() -> u32 {
    taken!(A 1 2 4 8 16 32 64 128)
}

#[inline(never)]
fn b() -> u32 {
    taken!(B 1 2 4 8 16 32 64 128)
}

/// Tests that look at the same keys.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn batches() {
    let _alone = ALONE.lock();
    #[track_caller]
    fn check(orders: &[(&'static Key, bool)], expected: (bool, bool)) {
        let mut batch = Batch::new();
        for (key, on) in orders {
            key.set(*on, &mut batch);
        }
        batch
            .commit()
            .expect("the test machine lets code be written");
        assert_eq!((A.is_on(), B.is_on()), expected);
        let sum = |on| if on { 255 } else { 0 };
        assert_eq!((a(), b()), (sum(expected.0), sum(expected.1)));
    }
    for way in [Way::Breakpoint, Way::Quiet, Way::Pages]
        .map(Some)
        .into_iter()
        .chain([None])
    {
        set_way(way);
        check(&[], (false, false));
        check(&[(&A, true)], (true, false));
        check(&[(&A, true)], (true, false));
        check(&[(&B, true), (&NO_SITES, true)], (true, true));
        check(&[(&A, false), (&B, false)], (false, false));
        check(&[(&A, true), (&A, false)], (false, false));
        check(&[(&A, true), (&A, false), (&A, true)], (true, false));
        check(&[(&A, false), (&A, true)], (true, false));
        check(&[(&A, false), (&NO_SITES, false)], (false, false));
    }
}

#[test]
fn instructions() {
    #[track_caller]
    fn check(at: usize, target: usize, on: bool, expected: [u8; code::LEN]) {
        assert_eq!(code::instruction(at, target, on), expected);
    }
    check(0x1000, 0x1005, false, [0x0f, 0x1f, 0x44, 0, 0]);
    check(0x1000, 0x1005, true, [0xe9, 0, 0, 0, 0]);
    check(0x1000, 0x1207, true, [0xe9, 2, 2, 0, 0]);
    // In a loop the way for "on" may lie before its site.
    check(0x1000, 0x0fff, true, [0xe9, 0xfa, 0xff, 0xff, 0xff]);
}
