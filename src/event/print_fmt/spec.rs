//! One `%` conversion of a format (printf(3); Documentation/core-api/printk-formats.rst).

use super::CompileError;
use crate::event::ctype::CInt;

/// A width or precision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dim {
    /// Not given.
    None,
    Fixed(u16),
    /// `*`: the next argument.
    Star,
}

/// How a number or text is dressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spec {
    pub left: bool,
    pub plus: bool,
    pub space: bool,
    pub alternate: bool,
    pub zero: bool,
    pub width: Dim,
    pub precision: Dim,
    /// Of `%d %u %x %o`: the type that the argument is brought to.
    pub int: CInt,
    pub base: u8,
    pub upper: bool,
}

/// What is converted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What<'a> {
    Int,
    Char,
    Text,
    /// `%p` with the letters and digits behind it.
    Pointer(&'a [u8]),
    /// `%%`
    Percent,
}

/// Widths beyond this are refused: nothing prints so wide, and a record must not be able to make the text huge.
pub(super) const MAX_WIDTH: u16 = 1024;

/// Reads the conversion that begins at `format[at]`, a `%`. Returns what, how, and where it ends.
pub(super) fn read(
    format: &[u8],
    at: usize,
    position: usize,
) -> Result<(What<'_>, Spec, usize), CompileError> {
    let fail = |message: &'static str| CompileError::new(message, position);
    let mut i = at + 1;
    let peek = |i: usize| format.get(i).copied().unwrap_or(0);
    let mut spec = Spec {
        left: false,
        plus: false,
        space: false,
        alternate: false,
        zero: false,
        width: Dim::None,
        precision: Dim::None,
        int: CInt::INT,
        base: 10,
        upper: false,
    };
    loop {
        match peek(i) {
            b'-' => spec.left = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alternate = true,
            b'0' => spec.zero = true,
            _ => break,
        }
        i += 1;
    }
    let dim = |i: &mut usize| -> Result<Dim, CompileError> {
        if peek(*i) == b'*' {
            *i += 1;
            return Ok(Dim::Star);
        }
        let start = *i;
        let mut value = 0u16;
        while peek(*i).is_ascii_digit() {
            value = value * 10 + u16::from(peek(*i) - b'0');
            if value > MAX_WIDTH {
                return Err(fail("a width or precision above 1024"));
            }
            *i += 1;
        }
        Ok(if *i == start {
            Dim::None
        } else {
            Dim::Fixed(value)
        })
    };
    spec.width = dim(&mut i)?;
    if peek(i) == b'.' {
        i += 1;
        spec.precision = match dim(&mut i)? {
            Dim::None => Dim::Fixed(0),
            given => given,
        };
    }
    let size = match (peek(i), peek(i + 1)) {
        (b'h', b'h') => (2, 1),
        (b'h', _) => (1, 2),
        (b'l', b'l') => (2, 8),
        (b'l' | b'L' | b'q' | b'j' | b'z' | b'Z' | b't', _) => (1, 8),
        _ => (0, 4),
    };
    i += size.0;
    let conversion = peek(i);
    i += 1;
    spec.int = CInt {
        size: size.1,
        signed: matches!(conversion, b'd' | b'i'),
    };
    let what = match conversion {
        b'd' | b'i' | b'u' => What::Int,
        b'x' | b'X' => {
            spec.base = 16;
            spec.upper = conversion == b'X';
            What::Int
        }
        b'o' => {
            spec.base = 8;
            What::Int
        }
        b'c' => What::Char,
        b's' => What::Text,
        b'%' => What::Percent,
        b'p' => {
            let start = i;
            while peek(i).is_ascii_alphanumeric() {
                i += 1;
            }
            return Ok((What::Pointer(&format[start..i]), spec, i));
        }
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => {
            return Err(fail("records hold no floating point numbers"));
        }
        b'n' => return Err(fail("%n writes to memory")),
        0 => return Err(fail("the conversion at the end is not complete")),
        _ => return Err(fail("a conversion that printf does not know")),
    };
    Ok((what, spec, i))
}
