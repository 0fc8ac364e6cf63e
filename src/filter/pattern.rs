//! What a string is compared with: the whole of it (`==`), or a pattern of `*`, `?`, `[a-z]` and `\` (`~`).

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A string or a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Pattern {
    /// This text.
    Exact(Box<[u8]>),
    /// `text*`.
    Prefix(Box<[u8]>),
    /// `*text`.
    Suffix(Box<[u8]>),
    /// `*text*`.
    Middle(Box<[u8]>),
    /// Everything else with a special character in it.
    Glob(Box<Glob>),
}

impl Pattern {
    /// The pattern of `~ "text"`, and whether a `!` in front negates it.
    pub(super) fn new(text: &[u8]) -> (Pattern, bool) {
        let (text, not) = match text.strip_prefix(b"!") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let is_plain = |text: &[u8]| !text.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b'\\'));
        let (front, back) = (text.starts_with(b"*"), text.ends_with(b"*"));
        let inner = match text {
            b"*" => &[],
            [b'*', inner @ .., b'*'] => inner,
            [b'*', inner @ ..] | [inner @ .., b'*'] => inner,
            _ => text,
        };
        let pattern = match (front, back) {
            _ if !is_plain(inner) => Pattern::Glob(Box::new(Glob::new(text))),
            (false, false) => Pattern::Exact(text.into()),
            (false, true) => Pattern::Prefix(inner.into()),
            (true, false) => Pattern::Suffix(inner.into()),
            (true, true) => Pattern::Middle(inner.into()),
        };
        (pattern, not)
    }

    /// Whether the string in `bytes`, which ends with a NUL or with them, fits as a whole.
    #[inline]
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            // no filter has a NUL in it: these end before one in the bytes
            Pattern::Exact(p) => bytes.starts_with(p) && bytes.get(p.len()).is_none_or(|b| *b == 0),
            Pattern::Prefix(p) => starts(bytes, p),
            Pattern::Suffix(p) => string(bytes).ends_with(p),
            Pattern::Middle(p) => contains(string(bytes), p),
            Pattern::Glob(glob) => glob.matches(string(bytes)),
        }
    }
}

/// Bytes up to the first NUL.
#[inline]
fn string(bytes: &[u8]) -> &[u8] {
    position(bytes, 0).map_or(bytes, |end| &bytes[..end])
}

/// Where a byte is first, looked for in eight bytes at once.
#[inline]
fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    let splat = ONES * u64::from(wanted);
    // the lowest high bit of the result is that of the first byte that is zero once the wanted one is taken off
    let hit = |eight: [u8; 8]| {
        let word = u64::from_le_bytes(eight) ^ splat;
        let zeros = word.wrapping_sub(ONES) & !word & HIGHS;
        (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
    };
    let (eights, rest) = bytes.as_chunks::<8>();
    for (i, eight) in eights.iter().enumerate() {
        if let Some(at) = hit(*eight) {
            return Some(i * 8 + at);
        }
    }
    if rest.is_empty() {
        return None;
    }
    // the last eight, of which some have been looked at
    match bytes.last_chunk::<8>() {
        Some(eight) => hit(*eight).map(|at| bytes.len() - 8 + at),
        None => rest.iter().position(|b| *b == wanted),
    }
}

/// The first eight bytes, the first lowest; what is missing is 0.
#[inline(always)]
fn eight(text: &[u8]) -> u64 {
    if let Some(eight) = text.first_chunk::<8>() {
        return u64::from_le_bytes(*eight);
    }
    let four = |at: usize| {
        let four = text.get(at..).and_then(|t| t.first_chunk::<4>());
        u64::from(u32::from_le_bytes(four.copied().unwrap_or_default()))
    };
    let len = text.len();
    if len >= 4 {
        // the last four lie over the first
        return four(0) | four(len - 4) << (8 * (len - 4));
    }
    let byte = |at: usize| u64::from(text.get(at).copied().unwrap_or(0));
    byte(0) | byte(1) << 8 | byte(2) << 16
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else {
        return true;
    };
    let mut text = text;
    while let Some(i) = position(text, *first) {
        text = &text[i + 1..];
        if starts(text, rest) {
            return true;
        }
    }
    false
}

/// `starts_with` for a few bytes, eight at once, without a call.
#[inline]
fn starts(text: &[u8], part: &[u8]) -> bool {
    let Some(text) = text.get(..part.len()) else {
        return false;
    };
    match (text.last_chunk::<8>(), part.last_chunk::<8>()) {
        (Some(a), Some(b)) => {
            let (texts, parts) = (text.as_chunks::<8>().0, part.as_chunks::<8>().0);
            a == b && texts.iter().zip(parts).all(|(a, b)| a == b)
        }
        _ => text.iter().zip(part).fold(0, |d, (a, b)| d | a ^ b) == 0,
    }
}

/// A shell pattern, cut at its stars.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Glob {
    /// Before the first star: what the text begins with.
    head: Part,
    /// What follows in this order, anywhere, and what the text ends with; `None`: there is no star.
    rest: Option<(Box<[Part]>, Part)>,
}

/// What stands between two stars.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Part {
    /// Characters it stands for.
    len: usize,
    /// The bits of the first eight, the first lowest, and those that matter: all of a character, or none of one that may be
    /// any.
    first: (u64, u64),
    /// The same of each that follows.
    more: Box<[(u8, u8)]>,
    /// Characters that are one of a set, as bits.
    classes: Box<[(usize, [u64; 4])]>,
    /// The first that stands for one character, and that, to be looked for.
    anchor: Option<(usize, u8)>,
}

impl Glob {
    fn new(pattern: &[u8]) -> Glob {
        const ANY: (u8, u8) = (0, 0);
        let mut parts = Vec::new();
        let (mut ones, mut classes) = (Vec::new(), Vec::new());
        let mut p = 0;
        while let Some(&c) = pattern.get(p) {
            p += 1;
            ones.push(match c {
                b'*' => {
                    parts.push(Part::new(&mut ones, &mut classes));
                    continue;
                }
                b'?' => ANY,
                b'\\' => {
                    p += 1;
                    match pattern.get(p - 1) {
                        Some(b) => (*b, 0xff),
                        // an escape without a character is none
                        None => {
                            classes.push((ones.len(), [0; 4]));
                            ANY
                        }
                    }
                }
                b'[' => match class(pattern, p) {
                    Some((bits, next)) => {
                        p = next;
                        classes.push((ones.len(), bits));
                        ANY
                    }
                    // never closed: a bracket like any other character
                    None => (b'[', 0xff),
                },
                literal => (literal, 0xff),
            });
        }
        let tail = Part::new(&mut ones, &mut classes);
        let mut parts = parts.into_iter();
        match parts.next() {
            None => Glob {
                head: tail,
                rest: None,
            },
            Some(head) => {
                let middle = parts.filter(|p| p.len > 0).collect();
                Glob {
                    head,
                    rest: Some((middle, tail)),
                }
            }
        }
    }

    /// Whether all of `text` fits. Each part is looked for where the one before ended, which takes at most the product of
    /// both lengths.
    fn matches(&self, text: &[u8]) -> bool {
        if !self.head.begins(text) {
            return false;
        }
        let text = &text[self.head.len..];
        let Some((middle, tail)) = &self.rest else {
            return text.is_empty();
        };
        let Some(end) = text.len().checked_sub(tail.len) else {
            return false;
        };
        if !tail.begins(&text[end..]) {
            return false;
        }
        let mut text = &text[..end];
        middle.iter().all(|part| match part.find(text) {
            Some(at) => {
                text = &text[at + part.len..];
                true
            }
            None => false,
        })
    }
}

impl Part {
    /// Takes what was gathered.
    fn new(ones: &mut Vec<(u8, u8)>, classes: &mut Vec<(usize, [u64; 4])>) -> Part {
        let ones = core::mem::take(ones);
        let byte = |(i, (byte, mask)): (usize, &(u8, u8))| (*mask != 0).then_some((i, *byte));
        let (first, more) = ones.split_at(ones.len().min(8));
        let word = |of: fn(&(u8, u8)) -> u8| {
            let shifted = |(i, one)| u64::from(of(one)) << (8 * i);
            first.iter().enumerate().map(shifted).sum()
        };
        Part {
            len: ones.len(),
            first: (word(|one| one.0), word(|one| one.1)),
            more: more.into(),
            anchor: ones.iter().enumerate().find_map(byte),
            classes: core::mem::take(classes).into(),
        }
    }

    /// Whether `text` is as long or longer, and begins with it.
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> bool {
        text.len() >= self.len
            && (eight(text) ^ self.first.0) & self.first.1 == 0
            && (self.more.is_empty() || {
                let mut pairs = self.more.iter().zip(&text[8..]);
                pairs.all(|((byte, mask), c)| (byte ^ c) & mask == 0)
            })
            && self.classes.iter().all(|(at, bits)| {
                let c = text.get(*at).copied().unwrap_or(0);
                bits[usize::from(c >> 6)] >> (c & 63) & 1 != 0
            })
    }

    /// Where it is first in `text`.
    #[inline]
    fn find(&self, text: &[u8]) -> Option<usize> {
        let last = text.len().checked_sub(self.len)?;
        let Some((before, byte)) = self.anchor else {
            return (0..=last).find(|at| self.begins(&text[*at..]));
        };
        let mut at = 0;
        while at <= last {
            at += position(&text[at + before..=last + before], byte)?;
            if self.begins(&text[at..]) {
                return Some(at);
            }
            at += 1;
        }
        None
    }
}

/// A class behind its bracket, and where it ends. A `]` that comes first is one of it.
fn class(pattern: &[u8], from: usize) -> Option<([u64; 4], usize)> {
    let not = pattern.get(from) == Some(&b'!');
    let mut p = from + usize::from(not);
    let mut bits = [0; 4];
    let mut first = true;
    loop {
        let low = *pattern.get(p)?;
        if low == b']' && !first {
            return Some((if not { bits.map(|w| !w) } else { bits }, p + 1));
        }
        first = false;
        p += 1;
        let mut high = low;
        if pattern.get(p) == Some(&b'-') && pattern.get(p + 1).is_some_and(|b| *b != b']') {
            high = pattern[p + 1];
            p += 2;
        }
        for c in low..=high {
            bits[usize::from(c >> 6)] |= 1 << (c & 63);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that threads were given on Linux 6.18 while `task_rename` was filtered.
    const NAMES: [&str; 18] = [
        "abc",
        "xabc",
        "abcx",
        "xabcx",
        "",
        "a*c",
        "aac",
        "!abc",
        "a[b]c",
        "a-c",
        "a]c",
        "a\\c",
        "abcabcabcabcabc",
        "ABC",
        "a^c",
        "[abc",
        "*",
        "a!c",
    ];

    #[test]
    fn patterns() {
        let check = |pattern: &str, expected: &[&str]| {
            let (compiled, not) = Pattern::new(pattern.as_bytes());
            let fits = |name: &&&str| compiled.matches(name.as_bytes()) != not;
            let got: Vec<_> = NAMES.iter().filter(fits).copied().collect();
            assert_eq!(got, expected, "{pattern}");
        };
        let but = |some: &[&'static str]| -> Vec<&'static str> {
            NAMES
                .iter()
                .filter(|n| !some.contains(n))
                .copied()
                .collect()
        };
        let one_between = ["abc", "a*c", "aac", "a-c", "a]c", "a\\c", "a^c", "a!c"];
        check("abc", &["abc"]);
        check("abc*", &["abc", "abcx", "abcabcabcabcabc"]);
        check("*abc", &["abc", "xabc", "!abc", "abcabcabcabcabc", "[abc"]);
        check(
            "*abc*",
            &[
                "abc",
                "xabc",
                "abcx",
                "xabcx",
                "!abc",
                "abcabcabcabcabc",
                "[abc",
            ],
        );
        for all in ["*", "**", "***"] {
            check(all, &NAMES);
        }
        check("", &[""]);
        check("!", &but(&[""]));
        check("!abc", &but(&["abc"]));
        check("!!abc", &but(&["!abc"]));
        check("\\!abc", &["!abc"]);
        check("a?c", &one_between);
        check("!a?c", &but(&one_between));
        check("a[b]c", &["abc"]);
        check("a[a-z]c", &["abc", "aac"]);
        check(
            "a[!b]c",
            &["a*c", "aac", "a-c", "a]c", "a\\c", "a^c", "a!c"],
        );
        check("a[^b]c", &["abc", "a^c"]);
        check("a[]]c", &["a]c"]);
        check(
            "a[!]]c",
            &["abc", "a*c", "aac", "a-c", "a\\c", "a^c", "a!c"],
        );
        check("a[b-]c", &["abc", "a-c"]);
        check("a[-b]c", &["abc", "a-c"]);
        check("a[]-a]c", &["aac", "a]c", "a^c"]);
        check("a[z-a]c", &[]);
        check("a[\\*]c", &["a*c", "a\\c"]);
        check("a[*]c", &["a*c"]);
        check("[abc", &["[abc"]);
        for none in ["[", "a[", "a[b", "a\\", "abc\\*", "a\\*"] {
            check(none, &[]);
        }
        check("\\abc", &["abc"]);
        check("a\\*c", &["a*c"]);
        check("a\\\\c", &["a\\c"]);
        for star in ["a*c", "a**c"] {
            check(
                star,
                &[
                    "abc",
                    "a*c",
                    "aac",
                    "a[b]c",
                    "a-c",
                    "a]c",
                    "a\\c",
                    "abcabcabcabcabc",
                    "a^c",
                    "a!c",
                ],
            );
        }
        check("*[b]c", &["abc", "xabc", "!abc", "abcabcabcabcabc", "[abc"]);
        check("*\\*", &["*"]);
        check("?", &["*"]);
        check("??c", &one_between);
    }

    #[test]
    fn positions() {
        for len in 0..40 {
            for at in 0..len {
                for (wanted, other) in [(0, 1), (b'a', b'b'), (0x80, 0), (0xff, 0x7f), (1, 0)] {
                    let mut bytes = alloc::vec![other; len];
                    assert_eq!(position(&bytes, wanted), None);
                    bytes[at..].fill(wanted);
                    assert_eq!(position(&bytes, wanted), Some(at), "{wanted} of {len}");
                }
            }
        }
    }

    #[test]
    fn eights() {
        for len in 0..12 {
            let bytes: Vec<u8> = (1..=len).collect();
            let mut padded = bytes.clone();
            padded.resize(16, 0);
            let expected = u64::from_le_bytes(*padded.first_chunk().expect("long"));
            assert_eq!(eight(&bytes), expected, "{len}");
        }
    }

    #[test]
    fn long_parts() {
        let check = |pattern: &str, text: &str, fits: bool| {
            let (pattern, _) = Pattern::new(pattern.as_bytes());
            assert_eq!(
                pattern.matches(text.as_bytes()),
                fits,
                "{pattern:?} on {text}"
            );
        };
        let text = "0123456789abcdef0123456789abcdef";
        check("0?23456789[a-f]bcdef*0?23456789abcde[f]", text, true);
        check("0?23456789[a-f]bcdef*0?23456789abcde[g]", text, false);
        check("*?123456789ab?de*", text, true);
        check("*?123456789ab?dd*", text, false);
        check("*f?12345678[9]a*cdef", text, true);
        check("0123456789abcdef?123456789abcdef0*?", text, false);
    }

    #[test]
    fn a_glob_takes_its_time_only_once() {
        let text = [b'a'; 4000];
        let mut pattern = b"?".to_vec();
        for _ in 0..100 {
            pattern.extend_from_slice(b"*a");
        }
        pattern.push(b'b');
        assert!(!Pattern::new(&pattern).0.matches(&text));
    }
}
