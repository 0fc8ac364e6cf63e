//! Patterns for names: a `char[16]`, as most strings of tasks are, is two words, and all of it is looked at at once.

use alloc::boxed::Box;

use super::pattern::{Glob, Part, Pattern};

/// Bytes of a name.
pub(super) const LEN: usize = 16;
/// Bytes of the part of a pattern that may be anywhere, or at the end.
const PART: usize = 8;

/// A pattern, made ready for names.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// It is, or begins with, these bytes.
    Plain(Masked),
    /// These are somewhere in it; none of them may be any.
    Within(Middle),
    /// Everything else.
    Parts(Box<Parts>),
}

/// Bytes, the first lowest, and a mask of those that matter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Masked {
    bytes: u128,
    mask: u128,
}

impl Masked {
    fn new(text: &[u8]) -> Masked {
        text.iter()
            .enumerate()
            .fold(Masked::default(), |m, (i, b)| Masked {
                bytes: m.bytes | u128::from(*b) << (8 * i),
                mask: m.mask | 0xff << (8 * i),
            })
    }

    #[inline(always)]
    fn begins(&self, text: u128) -> bool {
        (text ^ self.bytes) & self.mask == 0
    }
}

/// What stands before the first star, between the stars and behind the last.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    head: Masked,
    head_len: u32,
    /// Without a star the head is all there is.
    star: bool,
    middle: Box<[Middle]>,
    /// Its bytes and their mask.
    tail: (u64, u64),
    tail_len: u32,
}

/// What stands between two stars.
#[derive(Clone, Debug)]
pub(super) struct Middle {
    len: u32,
    bytes: u64,
    mask: u64,
    /// The first character that is not a `?`, eight times, and where it stands; and the last. The latter may be the same one.
    anchors: [(u64, u32); 2],
}

impl Name {
    /// The pattern for names; `None` if it is too long or asks for characters of a class.
    pub(super) fn new(pattern: &Pattern) -> Option<Name> {
        let literal = |text: &[u8]| (text.len() <= LEN).then(|| Name::Plain(Masked::new(text)));
        match pattern {
            // no pattern has a NUL in it; one of full length is not followed by any
            Pattern::Exact(text) if text.len() == LEN => literal(text),
            Pattern::Exact(text) => literal(&[text, &[0][..]].concat()),
            Pattern::Prefix(text) => literal(text),
            Pattern::Suffix(text) => Name::parts(&Glob::ending(text)),
            Pattern::Middle(text) if text.is_empty() => literal(text),
            Pattern::Middle(text) if text.len() > PART => None,
            Pattern::Middle(text) => Some(Name::Within(Middle::new(&Part::of(text)))),
            Pattern::Glob(glob) => Name::parts(glob),
        }
    }

    fn parts(glob: &Glob) -> Option<Name> {
        let (middle, tail) = match &glob.rest {
            Some((middle, tail)) => (&**middle, tail),
            None => (&[][..], &Part::default()),
        };
        let plain = |part: &Part, most| part.len <= most && part.classes.is_empty();
        if !plain(&glob.head, LEN) || !plain(tail, PART) || !middle.iter().all(|p| plain(p, PART)) {
            return None;
        }
        let more = |i: usize, byte: u8| u128::from(byte) << (8 * (PART + i));
        let all = |first: u64, of: fn(&(u8, u8)) -> u8| {
            let more = glob
                .head
                .more
                .iter()
                .enumerate()
                .map(|(i, one)| more(i, of(one)));
            more.fold(u128::from(first), |all, one| all | one)
        };
        Some(Name::Parts(Box::new(Parts {
            head: Masked {
                bytes: all(glob.head.first.0, |one| one.0),
                mask: all(glob.head.first.1, |one| one.1),
            },
            head_len: glob.head.len as u32,
            star: glob.rest.is_some(),
            middle: middle.iter().map(Middle::new).collect(),
            tail: tail.first,
            tail_len: tail.len as u32,
        })))
    }

    /// Whether a name, which ends with a NUL or with its words, fits.
    #[inline(always)]
    pub(super) fn matches(&self, name: [u64; 2]) -> bool {
        let text = u128::from(u64::from_le(name[0])) | u128::from(u64::from_le(name[1])) << 64;
        match self {
            Name::Plain(bytes) => bytes.begins(text),
            Name::Within(part) => part.is_within(text),
            Name::Parts(parts) => parts.head.begins(text) && parts.rest_matches(text),
        }
    }
}

impl Parts {
    fn rest_matches(&self, text: u128) -> bool {
        let len = (equal(text, 0) | 1 << LEN).trailing_zeros();
        if !self.star {
            return len == self.head_len;
        }
        let Some(end) = len.checked_sub(self.tail_len) else {
            return false;
        };
        // without a tail the mask is empty, whatever is compared
        let last = (text >> (8 * end.min(LEN as u32 - 1))) as u64;
        if end < self.head_len || (last ^ self.tail.0) & self.tail.1 != 0 {
            return false;
        }
        let mut at = self.head_len;
        self.middle
            .iter()
            .all(|part| match part.find(text, at, end) {
                Some(found) => {
                    at = found + part.len;
                    true
                }
                None => false,
            })
    }
}

impl Middle {
    fn new(part: &Part) -> Middle {
        let (bytes, mask) = part.first;
        let anchor = |at: u32| {
            let byte = (bytes >> (8 * at)) as u8;
            (u64::from_ne_bytes([byte; 8]), at)
        };
        Middle {
            len: part.len as u32,
            bytes,
            mask,
            // without any the mask is empty
            anchors: [
                anchor(mask.trailing_zeros().min(63) / 8),
                anchor((63 - mask.leading_zeros().min(63)) / 8),
            ],
        }
    }

    /// Where it is first, between two places.
    #[inline(always)]
    fn find(&self, text: u128, from: u32, to: u32) -> Option<u32> {
        let last = to.checked_sub(self.len)?;
        // bits `from` to `last`
        let places = ((2 << last) - 1) >> from << from;
        match self.mask {
            0 => self.first(text, places),
            _ => self.first(text, places & self.candidates(text)),
        }
    }

    /// Whether it is anywhere in a name, if all its characters matter: none of them is a NUL.
    #[inline(always)]
    fn is_within(&self, text: u128) -> bool {
        let ends = equal(text, 0);
        let before_the_end = ends.wrapping_sub(1) & !ends;
        self.first(text, self.candidates(text) & before_the_end)
            .is_some()
    }

    /// Bits for the places where both anchors fit.
    #[inline(always)]
    fn candidates(&self, text: u128) -> u32 {
        let [(first, before), (second, behind)] = self.anchors;
        equal(text, first) >> before & equal(text, second) >> behind
    }

    /// The first of these places where it is.
    #[inline(always)]
    fn first(&self, text: u128, mut found: u32) -> Option<u32> {
        while found != 0 {
            let at = found.trailing_zeros();
            if ((text >> (8 * at)) as u64 ^ self.bytes) & self.mask == 0 {
                return Some(at);
            }
            found &= found - 1;
        }
        None
    }
}

/// A bit for each byte of `text` that is the one in `eight`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
fn equal(text: u128, eight: u64) -> u32 {
    use core::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi64x};
    // SAFETY: the processors that this is compiled for have SSE2
    unsafe {
        let text = _mm_set_epi64x((text >> 64) as i64, text as i64);
        _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi64x(eight as i64))) as u32
    }
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
#[inline(always)]
fn equal(text: u128, eight: u64) -> u32 {
    const LOWS: u64 = u64::MAX / 0xff * 0x7f;
    let bits = |word: u64| {
        let other = word ^ eight;
        // the high bit of each byte that is zero, without carries between them
        let zeros = !((other & LOWS) + LOWS | other | LOWS);
        // brings bit 8i + 7 to bit 56 + i
        ((zeros >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    };
    bits(text as u64) | bits((text >> 64) as u64) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found() {
        let text = u128::from_le_bytes(*b"anchors-bench\0\0a");
        for byte in 0..=255 {
            let expected = (0..16).filter(|i| text.to_le_bytes()[*i] == byte);
            let expected = expected.fold(0, |bits, i| bits | 1 << i);
            assert_eq!(
                equal(text, u64::from_ne_bytes([byte; 8])),
                expected,
                "{byte}"
            );
        }
    }

    /// Every pattern says of every name what it says in general.
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
                    let words = [0, 8].map(|at| {
                        u64::from_ne_bytes(name_text[at..at + 8].try_into().expect("eight"))
                    });
                    assert_eq!(
                        name.matches(words),
                        pattern.matches(&name_text),
                        "{pattern:?} {name_text:?}"
                    );
                }
            }
        }
        assert!(ready > 10_000);
    }
}
