//! How often a trigger still acts.

use alloc::vec::Vec;

use crate::base::error::{Errno, Error, Result};
use crate::base::sync::{AtomicU64, Ordering};
use crate::base::text;

/// How often a trigger still acts. Taken without waiting, in probes.
pub(super) struct Count(AtomicU64);

impl Count {
    /// For ever.
    pub(super) const UNLIMITED: u64 = u64::MAX;

    pub(super) fn new(count: u64) -> Count {
        Count(AtomicU64::new(count))
    }

    /// Acts if it still does, and counts that if `act` says that it changed something. Of several threads, as many act
    /// as the count says.
    pub(super) fn spend(&self, act: impl FnOnce() -> bool) {
        let take = |n: u64| match n {
            0 => None,
            Count::UNLIMITED => Some(n),
            _ => Some(n - 1),
        };
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if let Ok(before) = taken
            && !act()
            && before != Count::UNLIMITED
        {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// `unlimited` or `count=N`.
    pub(super) fn show(&self, out: &mut Vec<u8>) {
        match self.0.load(Ordering::Relaxed) {
            Count::UNLIMITED => out.extend_from_slice(b"unlimited"),
            count => {
                out.extend_from_slice(b"count=");
                text::dec(out, count);
            }
        }
    }
}

/// A number with its base in front (`0x`, `0`), as the kernel reads counts. Too large: `ERANGE`.
pub(super) fn unsigned(text: &[u8]) -> Result<u64> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let (base, digits) = match text {
        [b'0', b'x' | b'X', first, ..] if first.is_ascii_hexdigit() => (16, &text[2..]),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let digits = digits.strip_suffix(b"\n").unwrap_or(digits);
    if digits.is_empty() {
        return Err(Error::new(Errno::EINVAL));
    }
    let mut value = Some(0u64);
    for digit in digits {
        let digit = char::from(*digit)
            .to_digit(base)
            .ok_or(Error::new(Errno::EINVAL))?;
        value = value.and_then(|v| v.checked_mul(base.into())?.checked_add(digit.into()));
    }
    value.ok_or(Error::new(Errno::ERANGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        fn check(text: &str, expected: core::result::Result<u64, Errno>) {
            assert_eq!(
                unsigned(text.as_bytes()).map_err(|e| e.errno),
                expected,
                "{text}"
            );
        }
        check("0", Ok(0));
        check("3", Ok(3));
        check("0x10", Ok(16));
        check("0X1f", Ok(31));
        check("010", Ok(8));
        check("99999999999", Ok(99_999_999_999));
        check("18446744073709551615", Ok(u64::MAX));
        check("18446744073709551616", Err(Errno::ERANGE));
        check("0xffffffffffffffff0", Err(Errno::ERANGE));
        for bad in ["", "x", "-1", "1x", "09", "0x", "0xg", "1 ", "++1"] {
            check(bad, Err(Errno::EINVAL));
        }
    }

    #[test]
    fn spent_only_by_what_changes() {
        let shown = |c: &Count| {
            let mut out = Vec::new();
            c.show(&mut out);
            alloc::string::String::from_utf8(out).unwrap()
        };
        let count = Count::new(2);
        let mut done = 0;
        for changes in [true, false, true, true] {
            count.spend(|| {
                done += 1;
                changes
            });
        }
        assert_eq!((done, shown(&count)), (3, "count=0".into()));
        let count = Count::new(Count::UNLIMITED);
        count.spend(|| true);
        assert_eq!(shown(&count), "unlimited");
    }
}
