//! What a string is compared with: the whole of it (`==`), or a pattern of `*`, `?`, `[a-z]` and `\` (`~`).

use alloc::boxed::Box;

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
    Glob(Box<[u8]>),
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
            _ if !is_plain(inner) => Pattern::Glob(text.into()),
            (false, false) => Pattern::Exact(text.into()),
            (false, true) => Pattern::Prefix(inner.into()),
            (true, false) => Pattern::Suffix(inner.into()),
            (true, true) => Pattern::Middle(inner.into()),
        };
        (pattern, not)
    }

    /// Whether all of `text` fits.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        match self {
            Pattern::Exact(p) => text == &**p,
            Pattern::Prefix(p) => text.starts_with(p),
            Pattern::Suffix(p) => text.ends_with(p),
            Pattern::Middle(p) => contains(text, p),
            Pattern::Glob(p) => glob(p, text),
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else {
        return true;
    };
    let mut text = text;
    while let Some(i) = text.iter().position(|b| b == first) {
        text = &text[i + 1..];
        if text.starts_with(rest) {
            return true;
        }
    }
    false
}

/// Whether all of `text` fits a shell pattern. Goes back to the last `*` only, so it takes at most the product of both
/// lengths.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            back = Some((p, t));
            continue;
        }
        let Some(&c) = text.get(t) else {
            return p == pattern.len();
        };
        match one(pattern, p, c) {
            Some(next) => (p, t) = (next, t + 1),
            None => match &mut back {
                // the star takes one more
                Some((after, from)) => {
                    *from += 1;
                    (p, t) = (*after, *from);
                }
                None => return false,
            },
        }
    }
}

/// Whether one character fits what stands at `p`, which is no star; then where the pattern goes on.
fn one(pattern: &[u8], p: usize, c: u8) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'\\' => {
            // one at the end stands for the end, which no character is
            (*pattern.get(p + 1)? == c).then_some(p + 2)
        }
        b'[' => match class(pattern, p + 1, c) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            // never closed: a bracket like any other character
            None => (c == b'[').then_some(p + 1),
        },
        literal => (literal == c).then_some(p + 1),
    }
}

/// A class behind its bracket: whether `c` is in it, and where it ends. A `]` that comes first is one of it.
fn class(pattern: &[u8], from: usize, c: u8) -> Option<(bool, usize)> {
    let not = pattern.get(from) == Some(&b'!');
    let mut p = from + usize::from(not);
    let mut found = false;
    let mut first = true;
    loop {
        let low = *pattern.get(p)?;
        if low == b']' && !first {
            return Some((found != not, p + 1));
        }
        first = false;
        p += 1;
        let mut high = low;
        if pattern.get(p) == Some(&b'-') && pattern.get(p + 1).is_some_and(|b| *b != b']') {
            high = pattern[p + 1];
            p += 2;
        }
        found |= (low..=high).contains(&c);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

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
    fn a_glob_takes_its_time_only_once() {
        let text = [b'a'; 4000];
        let mut pattern = Vec::new();
        for _ in 0..100 {
            pattern.extend_from_slice(b"*a");
        }
        pattern.push(b'b');
        assert!(!glob(&pattern, &text));
    }
}
