//! Digits and padding, appended to text by hand: four times as fast as `write!`, and that is most of what a trace line costs.

mod tail;

use alloc::vec::Vec;

pub use tail::{Pool, Span, Tail};

/// The longest decimal number of 64 bits.
pub const DEC_MAX: usize = 20;

/// Bytes that a raw write may need behind the end of the text: three groups of eight digits and a sign.
const NUMBER_ROOM: usize = 32;

/// Room for `n` bytes behind the end, and a pointer to it.
#[inline(always)]
fn room(out: &mut Vec<u8>, n: usize) -> *mut u8 {
    if out.capacity() - out.len() < n {
        grow(out, n);
    }
    // SAFETY: `len <= capacity`, so that the pointer is inside the allocation or at its end.
    unsafe { out.as_mut_ptr().add(out.len()) }
}

#[cold]
#[inline(never)]
fn grow(out: &mut Vec<u8>, n: usize) {
    out.reserve(n.max(256));
}

/// Eight digits of a number below 10^8, a byte each, the first one lowest.
#[inline(always)]
fn eight(v: u32) -> u64 {
    let x = u64::from(v / 10_000) | u64::from(v % 10_000) << 32;
    let hundreds = ((x * 10486) >> 20) & 0x0000_007f_0000_007f;
    let x = hundreds | (x - 100 * hundreds) << 16;
    let tens = ((x * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (x - 10 * tens) << 8
}

const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);

/// Writes a decimal number and returns its length.
///
/// # Safety
/// `NUMBER_ROOM` bytes from `p` on are writable.
#[inline(always)]
unsafe fn put_dec(p: *mut u8, v: u64) -> usize {
    const GROUP: u64 = 100_000_000;
    // The first group without its leading zeros, at `p`; its last digit stands even if it is 0.
    #[inline(always)]
    unsafe fn first(p: *mut u8, v: u32) -> usize {
        let digits = eight(v);
        let zeros = (digits | 1 << 56).trailing_zeros() / 8;
        // SAFETY: the caller gives at least 8 bytes.
        unsafe {
            p.cast::<[u8; 8]>()
                .write(((digits + ZEROS) >> (8 * zeros)).to_le_bytes())
        };
        8 - zeros as usize
    }
    #[inline(always)]
    unsafe fn next(p: *mut u8, v: u32) {
        // SAFETY: the caller gives at least 8 bytes.
        unsafe { p.cast::<[u8; 8]>().write((eight(v) + ZEROS).to_le_bytes()) };
    }
    // SAFETY: at most 8 + 8 + 8 bytes are written from `p` on, fewer than `NUMBER_ROOM`.
    unsafe {
        if v < GROUP {
            first(p, v as u32)
        } else if v < GROUP * GROUP {
            let n = first(p, (v / GROUP) as u32);
            next(p.add(n), (v % GROUP) as u32);
            n + 8
        } else {
            let n = first(p, (v / (GROUP * GROUP)) as u32);
            let rest = v % (GROUP * GROUP);
            next(p.add(n), (rest / GROUP) as u32);
            next(p.add(n + 8), (rest % GROUP) as u32);
            n + 16
        }
    }
}

/// The two hexadecimal digits of every byte.
static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = [digits[i >> 4], digits[i & 15]];
        i += 1;
    }
    table
};

/// How many hexadecimal digits a number has.
#[inline(always)]
fn hex_len(v: u64) -> usize {
    (67 - (v | 1).leading_zeros() as usize) / 4
}

/// Writes the lowest `n` hexadecimal digits of a number; up to `n + 1` bytes are touched.
///
/// # Safety
/// 17 bytes from `p` on are writable, `n <= 16`.
#[inline(always)]
unsafe fn put_hex(p: *mut u8, mut v: u64, n: usize) {
    let mut at = n;
    while at >= 2 {
        at -= 2;
        // SAFETY: `at + 2 <= n <= 16`.
        unsafe { p.add(at).cast::<[u8; 2]>().write(HEX[(v & 0xff) as usize]) };
        v >>= 8;
    }
    if at == 1 {
        // SAFETY: the first byte is inside.
        unsafe { p.write(HEX[(v & 0xf) as usize][1]) };
    }
}

/// Appends a decimal number.
#[inline(always)]
pub fn dec(out: &mut Vec<u8>, v: u64) {
    let p = room(out, NUMBER_ROOM);
    // SAFETY: `room` made NUMBER_ROOM bytes writable, of which put_dec initialises as many as it returns.
    unsafe {
        let n = put_dec(p, v);
        out.set_len(out.len() + n);
    }
}

/// Appends a decimal number with its sign.
#[inline(always)]
pub fn dec_signed(out: &mut Vec<u8>, v: i64) {
    let p = room(out, NUMBER_ROOM);
    let minus = usize::from(v < 0);
    // SAFETY: the sign takes one byte, the digits at most 24: fewer than NUMBER_ROOM. The sign is overwritten if there is none.
    unsafe {
        p.write(b'-');
        let n = minus + put_dec(p.add(minus), v.unsigned_abs());
        out.set_len(out.len() + n);
    }
}

/// Appends a hexadecimal number in small letters, without prefix.
#[inline(always)]
pub fn hex(out: &mut Vec<u8>, v: u64) {
    hex_digits(out, v, hex_len(v));
}

/// Appends a hexadecimal number of at least `width` digits (16 at most), filled with zeros.
#[inline(always)]
pub fn hex_zero(out: &mut Vec<u8>, v: u64, width: usize) {
    hex_digits(out, v, hex_len(v).max(width.min(16)));
}

#[inline(always)]
fn hex_digits(out: &mut Vec<u8>, v: u64, n: usize) {
    let p = room(out, NUMBER_ROOM);
    // SAFETY: NUMBER_ROOM is more than 17; `n` is at most 16; put_hex initialises `n` bytes.
    unsafe {
        put_hex(p, v, n);
        out.set_len(out.len() + n);
    }
}

/// Appends nanoseconds as `SECONDS.MICROSECONDS`, the seconds right-aligned in `width`, what is below a microsecond cut.
#[inline]
pub fn seconds(out: &mut Vec<u8>, ns: u64, width: usize) {
    let micros = ns / 1000;
    dec_right(out, micros / 1_000_000, width, b' ');
    let p = room(out, 8);
    // The point comes in place of the second of two leading zeros.
    let digits = ((eight((micros % 1_000_000) as u32) + ZEROS) >> 8).to_le_bytes();
    // SAFETY: `room` made 8 bytes writable, all of which are initialised; 7 of them are the text.
    unsafe {
        p.cast::<[u8; 8]>().write(digits);
        p.write(b'.');
        out.set_len(out.len() + 7);
    }
}

/// The digits of a decimal number, in a buffer of the caller.
pub fn digits(mut v: u64, buffer: &mut [u8; DEC_MAX]) -> &[u8] {
    let mut at = DEC_MAX;
    loop {
        at -= 1;
        buffer[at] = b'0' + (v % 10) as u8;
        v /= 10;
        if v == 0 {
            return &buffer[at..];
        }
    }
}

/// Appends a decimal number, `fill` in front until it is `width` wide.
#[inline]
pub fn dec_right(out: &mut Vec<u8>, v: u64, width: usize, fill: u8) {
    let start = out.len();
    dec(out, v);
    shift_right(out, start, width, fill);
}

/// Appends a decimal number with its sign, blanks in front until it is `width` wide.
#[inline]
pub fn dec_signed_right(out: &mut Vec<u8>, v: i64, width: usize) {
    let start = out.len();
    dec_signed(out, v);
    shift_right(out, start, width, b' ');
}

/// Appends a decimal number with its sign, blanks behind until it is `width` wide.
#[inline]
pub fn dec_signed_left(out: &mut Vec<u8>, v: i64, width: usize) {
    let start = out.len();
    dec_signed(out, v);
    pad_to(out, start + width, b' ');
}

/// Appends bytes up to the first NUL.
#[inline]
pub fn until_nul(out: &mut Vec<u8>, text: &[u8]) {
    let mut tail = Tail::new(out, text.len());
    // SAFETY: that much room was made.
    unsafe { tail.until_nul(text) };
    tail.end();
}

/// Appends text, blanks in front until it is `width` wide.
#[inline]
pub fn right(out: &mut Vec<u8>, text: &[u8], width: usize) {
    fill(out, b' ', width.saturating_sub(text.len()));
    out.extend_from_slice(text);
}

/// Appends text, blanks behind until it is `width` wide.
#[inline]
pub fn left(out: &mut Vec<u8>, text: &[u8], width: usize) {
    let start = out.len();
    out.extend_from_slice(text);
    pad_to(out, start + width, b' ');
}

/// Appends a byte `n` times.
#[inline]
pub fn fill(out: &mut Vec<u8>, byte: u8, n: usize) {
    if n != 0 {
        out.resize(out.len() + n, byte);
    }
}

/// Appends a byte until the whole text is `len` long.
#[inline]
pub fn pad_to(out: &mut Vec<u8>, len: usize, byte: u8) {
    if out.len() < len {
        out.resize(len, byte);
    }
}

/// Moves what stands from `start` on to the right, so that it is `width` wide.
#[inline]
pub fn shift_right(out: &mut Vec<u8>, start: usize, width: usize, byte: u8) {
    let len = out.len() - start;
    if len < width {
        fill(out, byte, width - len);
        out[start..].rotate_right(width - len);
    }
}

#[cfg(test)]
mod tests;
