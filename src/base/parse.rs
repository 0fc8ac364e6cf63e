//! Words and numbers the way the kernel's control files read them.
//!
//! Numbers follow the strict parser of `tracing_on`, `enable` and their like (kstrtoull(9) with base 10); `set_event`
//! and its like take one white-space delimited word at a time.

use super::error::{Errno, Error, Result};

/// White space as the kernel's `isspace` has it (ASCII, and vertical tab).
pub fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The input up to its first NUL: what a C string of it holds.
pub fn c_str(input: &[u8]) -> &[u8] {
    &input[..input.iter().position(|b| *b == 0).unwrap_or(input.len())]
}

/// The C string in `input` without surrounding white space.
pub fn trim(input: &[u8]) -> &[u8] {
    let mut s = c_str(input);
    while let [first, rest @ ..] = s
        && is_space(*first)
    {
        s = rest;
    }
    while let [rest @ .., last] = s
        && is_space(*last)
    {
        s = rest;
    }
    s
}

/// A decimal number: optional `+`, digits, at most one newline. Else `EINVAL`; above 2^64 - 1 `ERANGE`.
pub fn number(input: &[u8]) -> Result<u64> {
    let s = c_str(input);
    let s = s.strip_suffix(b"\n").unwrap_or(s);
    let s = s.strip_prefix(b"+").unwrap_or(s);
    if s.is_empty() {
        return Err(Error::new(Errno::EINVAL));
    }
    let mut n = Some(0u64);
    for b in s {
        if !b.is_ascii_digit() {
            return Err(Error::new(Errno::EINVAL));
        }
        n = n.and_then(|n| n.checked_mul(10)?.checked_add(u64::from(b - b'0')));
    }
    n.ok_or(Error::new(Errno::ERANGE))
}

/// [`number`] that may only be 0 or 1.
pub fn flag(input: &[u8]) -> Result<bool> {
    match number(input)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::new(Errno::EINVAL)),
    }
}

/// Takes one word off the front of `input`: `(word, bytes taken)`, the delimiter after the word taken too, or `None` if
/// there is only white space. NUL and white space delimit.
pub fn word(input: &[u8]) -> Option<(&[u8], usize)> {
    let start = input.iter().position(|b| !is_space(*b))?;
    let rest = &input[start..];
    let len = rest
        .iter()
        .position(|b| is_space(*b) || *b == 0)
        .unwrap_or(rest.len());
    Some((&rest[..len], (start + len + 1).min(input.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        fn check(input: &[u8], expected: core::result::Result<u64, Errno>) {
            assert_eq!(
                number(input).map_err(|e| e.errno),
                expected,
                "{:?}",
                input.escape_ascii().to_string()
            );
        }
        for one in ["1", "1\n", "1\0", "+1", "01"] {
            check(one.as_bytes(), Ok(1));
        }
        check(b"010", Ok(10));
        check(b"18446744073709551615", Ok(u64::MAX));
        check(b"18446744073709551616", Err(Errno::ERANGE));
        for bad in [
            "0x1",
            "0b1",
            "1.0",
            "Y",
            "on",
            "abc",
            "1abc",
            "1 ",
            " 1",
            "\t1",
            "1 \n",
            "1\n\n",
            "1 2",
            "1\n0\n",
            "-1",
            "",
            "\n",
            "\0",
            "+",
            "++1",
            "99999999999999999999x",
        ] {
            check(bad.as_bytes(), Err(Errno::EINVAL));
        }
    }

    #[test]
    fn words() {
        fn check(input: &str, expected: Option<(&str, usize)>) {
            assert_eq!(
                word(input.as_bytes()),
                expected.map(|(w, n)| (w.as_bytes(), n)),
                "{input:?}"
            );
        }
        check(
            "sched:sched_switch irq:x\n",
            Some(("sched:sched_switch", 19)),
        );
        check("  a", Some(("a", 3)));
        check("a\0b", Some(("a", 2)));
        check(" \n", None);
        check("", None);
        check("\0", Some(("", 1)));
    }

    #[test]
    fn trims() {
        fn check(input: &str, expected: &str) {
            assert_eq!(trim(input.as_bytes()), expected.as_bytes());
        }
        check(" nop \n", "nop");
        check("uptime\0", "uptime");
        check("\n", "");
        check("a b", "a b");
    }
}
