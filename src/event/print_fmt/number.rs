//! Numbers with flags, width and precision, as the kernel's printf writes them. It differs from C's in three places: `%#x`
//! of 0 is `0x0`, a precision of 0 still shows a 0, and the flag `0` counts beside a precision too.

use alloc::vec::Vec;

use super::spec::Spec;
use crate::base::text;

/// Width and precision, their `*` resolved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dress {
    pub width: usize,
    pub precision: Option<usize>,
    pub left: bool,
}

/// Appends a number that is in `spec.int` already.
pub(super) fn number(out: &mut Vec<u8>, value: u64, spec: &Spec, dress: Dress) {
    let negative = spec.int.signed && (value as i64) < 0;
    let magnitude = if negative {
        value.wrapping_neg()
    } else {
        value
    };
    let sign: &[u8] = match (negative, spec.plus, spec.space) {
        (true, ..) => b"-",
        (_, true, _) if spec.int.signed => b"+",
        (_, _, true) if spec.int.signed => b" ",
        _ => b"",
    };
    let prefix: &[u8] = match (spec.alternate, spec.base, spec.upper) {
        (true, 16, false) => b"0x",
        (true, 16, true) => b"0X",
        (true, 8, _) if magnitude != 0 => b"0",
        _ => b"",
    };
    // Digits of 64 bits in base 8 are 22 at most.
    let mut digits = [0u8; 22];
    let mut at = digits.len();
    let mut rest = magnitude;
    loop {
        at -= 1;
        let base = u64::from(spec.base);
        let letters = if spec.upper {
            b"0123456789ABCDEF"
        } else {
            b"0123456789abcdef"
        };
        digits[at] = letters[(rest % base) as usize];
        rest /= base;
        if rest == 0 {
            break;
        }
    }
    let digits = &digits[at..];
    let zeros = dress.precision.unwrap_or(0).saturating_sub(digits.len());
    let pad = dress
        .width
        .saturating_sub(sign.len() + prefix.len() + zeros + digits.len());
    let zero = spec.zero && !dress.left;
    let start = out.len();
    if !zero && !dress.left {
        text::fill(out, b' ', pad);
    }
    out.extend_from_slice(sign);
    out.extend_from_slice(prefix);
    text::fill(out, b'0', if zero { pad + zeros } else { zeros });
    out.extend_from_slice(digits);
    if dress.left {
        text::pad_to(out, start + dress.width, b' ');
    }
}
