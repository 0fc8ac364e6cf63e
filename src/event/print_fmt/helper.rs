//! Text of the `__print_` helpers (include/linux/trace_seq.h, Documentation/trace/events.rst).

use alloc::vec::Vec;

use super::TRUNCATED;
use crate::base::text::{self, Pool, Span};
use crate::event::ctype::CInt;
use crate::event::field::load;

/// Values and their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub delim: Span,
    /// Of flags: what stands for 0.
    pub none: Span,
    pub entries: Vec<(u64, Span)>,
}

/// `__print_flags`: the names of all masks that are fully in the value, in the table's order; what is left in hexadecimal.
pub(super) fn flags(out: &mut Vec<u8>, pool: &Pool, table: &Table, mut value: u64) {
    if value == 0 {
        return pool.append(out, table.none);
    }
    let mut first = true;
    for &(mask, name) in &table.entries {
        if value == 0 {
            break;
        }
        if value & mask != mask {
            continue;
        }
        value &= !mask;
        if !first {
            pool.append(out, table.delim);
        }
        first = false;
        pool.append(out, name);
    }
    if value != 0 {
        if !first {
            pool.append(out, table.delim);
        }
        out.extend_from_slice(b"0x");
        text::hex(out, value);
    }
}

/// `__print_symbolic`: the name of the first equal value, else the value in hexadecimal.
pub(super) fn symbolic(out: &mut Vec<u8>, pool: &Pool, table: &Table, value: u64) {
    match table.entries.iter().find(|e| e.0 == value) {
        Some(&(_, name)) => pool.append(out, name),
        None => {
            out.extend_from_slice(b"0x");
            text::hex(out, value);
        }
    }
}

/// `__print_hex`: pairs of digits, a blank between them if `separated`.
pub(super) fn hex(out: &mut Vec<u8>, bytes: &[u8], separator: Option<u8>) {
    for (i, &b) in bytes.iter().enumerate() {
        if let (Some(separator), true) = (separator, i != 0) {
            out.push(separator);
        }
        text::hex_zero(out, b.into(), 2);
    }
}

/// The first `len` bytes; a marker is due if there are fewer.
pub(super) fn first(bytes: &[u8], len: u64) -> (&[u8], bool) {
    match usize::try_from(len).ok().and_then(|n| bytes.get(..n)) {
        Some(part) => (part, true),
        None => (bytes, false),
    }
}

/// `__print_array`: `{0x1,0x2}`.
pub(super) fn array(out: &mut Vec<u8>, bytes: &[u8], count: u64, size: u64) {
    let int = CInt {
        size: size as u8,
        signed: false,
    };
    out.push(b'{');
    let mut i = 0;
    while i < count {
        if i != 0 {
            out.push(b',');
        }
        if !matches!(size, 1 | 2 | 4 | 8) {
            out.extend_from_slice(b"BAD SIZE:");
            text::dec(out, size);
            break;
        }
        let Some(value) = (i as usize)
            .checked_mul(size as usize)
            .and_then(|at| load(bytes, at, int))
        else {
            out.extend_from_slice(TRUNCATED);
            break;
        };
        out.extend_from_slice(b"0x");
        text::hex(out, value);
        i += 1;
    }
    out.push(b'}');
}

/// Bits as 32-bit words in hexadecimal, the highest first (`%*pb`, `__get_bitmask`).
pub(super) fn bitmask(out: &mut Vec<u8>, bytes: &[u8], bits: usize) {
    let bits = bits.min(bytes.len() * 8);
    let words = bits.div_ceil(32);
    for word in (0..words).rev() {
        let mut value = 0u64;
        for byte in (0..4).rev() {
            value = value << 8 | u64::from(byte_of(bytes, word * 4 + byte));
        }
        let in_word = (bits - word * 32).min(32);
        value &= u64::MAX >> (64 - in_word);
        text::hex_zero(out, value, in_word.div_ceil(4));
        if word != 0 {
            out.push(b',');
        }
    }
}

/// Bits as a list: `0-3,8` (`%*pbl`).
pub(super) fn bit_list(out: &mut Vec<u8>, bytes: &[u8], bits: usize) {
    let bits = bits.min(bytes.len() * 8);
    let is_set = |bit: usize| bit < bits && byte_of(bytes, bit / 8) >> (bit % 8) & 1 != 0;
    let (mut bit, mut first) = (0, true);
    while bit < bits {
        if !is_set(bit) {
            bit += 1;
            continue;
        }
        let start = bit;
        while is_set(bit) {
            bit += 1;
        }
        if !first {
            out.push(b',');
        }
        first = false;
        text::dec(out, start as u64);
        if bit - start > 1 {
            out.push(b'-');
            text::dec(out, bit as u64 - 1);
        }
    }
}

/// The byte with bits `8 * i ..` of a bit set, which is made of `unsigned long`s.
fn byte_of(bytes: &[u8], i: usize) -> u8 {
    let i = if cfg!(target_endian = "big") {
        i ^ 7
    } else {
        i
    };
    bytes.get(i).copied().unwrap_or(0)
}

/// How `__print_hex_dump` shows bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dump {
    pub prefix: Span,
    /// Whether each row begins with its offset.
    pub offsets: bool,
    pub row: u64,
    pub group: u64,
    pub ascii: bool,
}

/// `__print_hex_dump`: rows of bytes in hexadecimal, as print_hex_dump of the kernel writes them.
pub(super) fn dump(out: &mut Vec<u8>, pool: &Pool, dump: Dump, bytes: &[u8]) {
    let row = if dump.row == 32 { 32 } else { 16 };
    let group = match dump.group {
        n @ (2 | 4 | 8) if (bytes.len() as u64).is_multiple_of(n) => n as usize,
        _ => 1,
    };
    for (i, line) in bytes.chunks(row).enumerate() {
        pool.append(out, dump.prefix);
        if dump.offsets {
            text::hex_zero(out, (i * row) as u64, 8);
            out.extend_from_slice(b": ");
        }
        let start = out.len();
        for (j, part) in line.chunks(group).enumerate() {
            if j != 0 {
                out.push(b' ');
            }
            let int = CInt {
                size: group as u8,
                signed: false,
            };
            text::hex_zero(out, load(part, 0, int).unwrap_or(0), 2 * group);
        }
        if dump.ascii {
            text::pad_to(out, start + 2 * row + row / group + 1, b' ');
            out.extend(line.iter().map(|&b| {
                if b.is_ascii_graphic() || b == b' ' {
                    b
                } else {
                    b'.'
                }
            }));
        }
        out.push(b'\n');
    }
}
