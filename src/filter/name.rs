//! Patterns for names: a `char[16]`, as most strings of tasks are, is two words. What a pattern says of a name is remembered,
//! since programs have few names and many events.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::pattern::Pattern;

/// Bytes of a name.
pub(super) const LEN: usize = 16;
/// Names that a pattern remembers.
const SEEN: usize = 64;

/// A pattern, made ready for names.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// It is, or begins with, these bytes.
    Plain(Masked),
    /// Everything else.
    Learned(Box<Learned>),
}

/// Bytes and a mask of those that matter, as they lie in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Masked {
    bytes: [u64; 2],
    mask: [u64; 2],
}

/// A pattern and what it has said.
#[derive(Debug)]
pub(super) struct Learned {
    pattern: Pattern,
    seen: [Seen; SEEN],
}

/// A name and the verdict over it. It is written once, by the first who has a name for this place: no reader ever meets half of
/// one, and a place that is in use is only read, by all CPUs.
#[derive(Debug, Default)]
struct Seen {
    words: [AtomicU64; 2],
    state: AtomicU8,
}

mod state {
    pub const FREE: u8 = 0;
    /// Being written, or its writer came to nothing.
    pub const TAKEN: u8 = 1;
    pub const NO: u8 = 2;
    pub const YES: u8 = 3;
}

impl Name {
    /// The pattern for names; `None` if none can be equal to it.
    pub(super) fn new(pattern: &Pattern) -> Option<Name> {
        let plain = |text: &[u8]| (text.len() <= LEN).then(|| Name::Plain(Masked::new(text)));
        match pattern {
            // no pattern has a NUL in it; one of full length is not followed by any
            Pattern::Exact(text) if text.len() == LEN => plain(text),
            Pattern::Exact(text) => plain(&[text, &[0][..]].concat()),
            Pattern::Prefix(text) => plain(text),
            other => Some(Name::Learned(Box::new(Learned::new(other.clone())))),
        }
    }

    /// Whether a name, which ends with a NUL or with its words, fits.
    #[inline(always)]
    pub(super) fn matches(&self, name: [u64; 2]) -> bool {
        match self {
            Name::Plain(bytes) => bytes.begins(name),
            Name::Learned(pattern) => pattern.matches(name),
        }
    }
}

impl Masked {
    fn new(text: &[u8]) -> Masked {
        let (mut bytes, mut mask) = ([0; LEN], [0; LEN]);
        bytes[..text.len()].copy_from_slice(text);
        mask[..text.len()].fill(0xff);
        Masked {
            bytes: words(bytes),
            mask: words(mask),
        }
    }

    #[inline(always)]
    fn begins(&self, [a, b]: [u64; 2]) -> bool {
        (a ^ self.bytes[0]) & self.mask[0] | (b ^ self.bytes[1]) & self.mask[1] == 0
    }
}

impl Learned {
    fn new(pattern: Pattern) -> Learned {
        Learned {
            pattern,
            seen: [const {
                Seen {
                    words: [const { AtomicU64::new(0) }; 2],
                    state: AtomicU8::new(state::FREE),
                }
            }; SEEN],
        }
    }

    #[inline(always)]
    fn matches(&self, name: [u64; 2]) -> bool {
        // the upper bits of a product depend on all bits of its factors
        let mixed = (name[0] ^ name[1].rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let seen = &self.seen[(mixed >> (u64::BITS - SEEN.ilog2())) as usize];
        let state = seen.state.load(Ordering::Acquire);
        let [a, b] = &seen.words;
        if state >= state::NO
            && a.load(Ordering::Relaxed) == name[0]
            && b.load(Ordering::Relaxed) == name[1]
        {
            return state == state::YES;
        }
        self.learn(seen, name)
    }

    /// Looks at the name, and remembers what comes of it if its place is free.
    #[cold]
    #[inline(never)]
    fn learn(&self, seen: &Seen, name: [u64; 2]) -> bool {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&name[0].to_ne_bytes());
        bytes[8..].copy_from_slice(&name[1].to_ne_bytes());
        let fits = self.pattern.matches(&bytes);
        let taken = seen.state.compare_exchange(
            state::FREE,
            state::TAKEN,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if taken.is_ok() {
            seen.words[0].store(name[0], Ordering::Relaxed);
            seen.words[1].store(name[1], Ordering::Relaxed);
            let verdict = if fits { state::YES } else { state::NO };
            seen.state.store(verdict, Ordering::Release);
        }
        fits
    }
}

impl Clone for Learned {
    /// Remembers nothing yet.
    fn clone(&self) -> Learned {
        Learned::new(self.pattern.clone())
    }
}

/// The words that these bytes are in memory.
fn words(bytes: [u8; LEN]) -> [u64; 2] {
    let word = |at: usize| u64::from_ne_bytes(core::array::from_fn(|i| bytes[at + i]));
    [word(0), word(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pattern says of every name what it says in general, and says it again.
    #[test]
    fn as_in_general() {
        let alphabet = *b"ab*?\0";
        let mut ready = 0;
        // all texts of up to six of these characters, by number
        for number in 0..5u32.pow(6) {
            let digits = (0..6).map(|i| alphabet[(number / 5u32.pow(i) % 5) as usize]);
            let text: Vec<u8> = digits.take_while(|b| *b != 0).collect();
            for pattern in [Pattern::new(&text).0, Pattern::Exact(text.clone().into())] {
                let Some(name) = Name::new(&pattern) else {
                    panic!("{pattern:?}");
                };
                ready += 1;
                for name_text in [
                    *b"a\0aaaaaaaaaaaaaa",
                    *b"ab\0bbbbbbbbbbbbb",
                    *b"aabb\0bbbbbbbbbbb",
                    *b"abababababababab",
                    *b"\0abababababababa",
                    *b"bbbbbbbbbbbbbbba",
                    *b"aaaaaaaaaaaaaaa\0",
                    *b"xxxxxxxabxxxxxxb",
                ] {
                    for _ in 0..2 {
                        assert_eq!(
                            name.matches(words(name_text)),
                            pattern.matches(&name_text),
                            "{pattern:?} {name_text:?}"
                        );
                    }
                }
            }
        }
        assert!(ready > 10_000);
    }

    /// More names than it remembers, from several threads at once.
    #[test]
    fn more_than_are_remembered() {
        let pattern = Pattern::new(b"*1?3*").0;
        let name = Name::new(&pattern).expect("it is one for names");
        let asked = |number: u32| {
            let mut bytes = [0; LEN];
            let text = alloc::format!("task/{number}");
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            assert_eq!(
                name.matches(words(bytes)),
                pattern.matches(&bytes),
                "{text}"
            );
        };
        let asked = &asked;
        std::thread::scope(|scope| {
            for start in 0..3 {
                scope.spawn(move || (0..20_000).for_each(|i| asked((start * 7_919 + i) % 5_000)));
            }
        });
        let Name::Learned(learned) = &name else {
            panic!("{name:?}");
        };
        let known = learned
            .seen
            .iter()
            .filter(|s| s.state.load(Ordering::Relaxed) >= state::NO);
        assert_eq!(known.count(), SEEN);
    }
}
