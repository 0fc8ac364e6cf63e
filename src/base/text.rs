//! Digits and padding, appended to text by hand: four times as fast as `write!`, and that is most of what a trace line costs.

use alloc::vec::Vec;

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

/// Text that is appended in pieces, again and again: copied 16 bytes at a time, without a call.
#[derive(Clone, Default)]
pub struct Pool {
    /// The pieces and, once there is one, `PAD` bytes more.
    bytes: Vec<u8>,
}

/// A piece of a [`Pool`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Where it begins.
    pub start: u32,
    /// Its length.
    pub len: u32,
}

impl Pool {
    const PAD: usize = 16;

    /// An empty one.
    pub const fn new() -> Pool {
        Pool { bytes: Vec::new() }
    }

    /// Adds a piece, or finds it among the first ones.
    ///
    /// # Panics
    /// If there are 4 GiB of pieces.
    pub fn add(&mut self, text: &[u8]) -> Span {
        const LOOK: usize = 4096;
        let used = self.bytes.len().saturating_sub(Pool::PAD);
        let found = if text.is_empty() {
            Some(0)
        } else {
            self.bytes[..used.min(LOOK)].windows(text.len()).position(|w| w == text)
        };
        if self.bytes.is_empty() {
            self.bytes.resize(Pool::PAD, 0);
        }
        let start = found.unwrap_or_else(|| {
            self.bytes.truncate(used);
            self.bytes.extend_from_slice(text);
            self.bytes.resize(self.bytes.len() + Pool::PAD, 0);
            used
        });
        Span {
            start: u32::try_from(start).expect("less than 4 GiB of text"),
            len: text.len() as u32,
        }
    }

    /// The bytes of a piece; nothing for one that is not of this pool.
    pub fn get(&self, span: Span) -> &[u8] {
        self.bytes
            .get(span.start as usize..span.start as usize + span.len as usize)
            .unwrap_or(&[])
    }

    /// Appends a piece.
    #[inline(always)]
    pub fn append(&self, out: &mut Vec<u8>, span: Span) {
        let to = room(out, span.len as usize + Pool::PAD);
        if self.holds(span) {
            // SAFETY: room was made for the piece, which is ours, and PAD bytes; as many bytes are initialised as `copy` says.
            unsafe {
                let n = self.copy(to, span);
                out.set_len(out.len() + n);
            }
        }
    }

    /// Whether a piece is one of this pool.
    pub fn holds(&self, span: Span) -> bool {
        span.start as usize + span.len as usize + Pool::PAD <= self.bytes.len()
    }

    /// Copies a piece, in steps of 16 bytes, and returns its length.
    ///
    /// # Safety
    /// The pool holds the piece; `span.len + PAD` bytes from `to` on are writable, outside of this pool.
    #[inline(always)]
    unsafe fn copy(&self, to: *mut u8, span: Span) -> usize {
        let (start, len) = (span.start as usize, span.len as usize);
        debug_assert!(self.holds(span));
        // SAFETY: 16 bytes at `start + at` are inside `bytes` as `at <= len` and PAD (16) bytes follow; the caller's for `to`.
        unsafe {
            let from = self.bytes.as_ptr().add(start);
            let mut at = 0;
            loop {
                to.add(at).cast::<[u8; 16]>().write(from.add(at).cast::<[u8; 16]>().read());
                at += 16;
                if at >= len {
                    return len;
                }
            }
        }
    }
}

/// Writes text behind the end of a `Vec` without asking for room piece by piece: whoever makes it says how much will come.
pub struct Tail<'v> {
    out: &'v mut Vec<u8>,
    /// Where the next byte goes; the length of `out` is brought up to it by [`Tail::slow`] and [`Tail::end`].
    at: *mut u8,
    /// The room that was asked for ends here.
    #[cfg(debug_assertions)]
    limit: *mut u8,
}

impl<'v> Tail<'v> {
    /// Bytes behind the room that may be written for speed's sake, and are not part of the text.
    const MARGIN: usize = 32;

    /// Room for `room` bytes of text.
    #[inline(always)]
    pub fn new(out: &'v mut Vec<u8>, len: usize) -> Tail<'v> {
        let at = room(out, len + Tail::MARGIN);
        Tail {
            out,
            at,
            #[cfg(debug_assertions)]
            // SAFETY: `room` made that much writable.
            limit: unsafe { at.add(len) },
        }
    }

    /// The length of the text.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.at as usize - self.out.as_ptr() as usize
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn sync(&mut self) {
        let len = self.len();
        // SAFETY: all bytes up to `at` have been written, inside the capacity.
        unsafe { self.out.set_len(len) };
    }

    /// Brings the `Vec` up to date.
    #[inline(always)]
    pub fn end(mut self) {
        self.sync();
    }

    /// Lets `f` append what it likes, and makes room for `len` bytes anew.
    #[inline(always)]
    pub fn slow<R>(&mut self, len: usize, f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.sync();
        let result = f(self.out);
        self.at = room(self.out, len + Tail::MARGIN);
        #[cfg(debug_assertions)]
        {
            // SAFETY: `room` made that much writable.
            self.limit = unsafe { self.at.add(len) };
        }
        result
    }

    /// Moves on by `n` bytes that have been written.
    ///
    /// # Safety
    /// They have, and are inside the room.
    #[inline(always)]
    unsafe fn advance(&mut self, n: usize) {
        // SAFETY: the caller's.
        self.at = unsafe { self.at.add(n) };
        #[cfg(debug_assertions)]
        debug_assert!(self.at <= self.limit, "more text than there was said to come");
    }

    /// Appends a piece of a pool.
    ///
    /// # Safety
    /// The pool holds the piece ([`Pool::holds`]), and there is room for `span.len` bytes.
    #[inline(always)]
    pub unsafe fn literal(&mut self, pool: &Pool, span: Span) {
        // SAFETY: the caller's; MARGIN is more than the 16 bytes that may be written behind the piece.
        unsafe {
            let n = pool.copy(self.at, span);
            self.advance(n);
        }
    }

    /// Appends a decimal number.
    ///
    /// # Safety
    /// There is room for 20 bytes.
    #[inline(always)]
    pub unsafe fn dec(&mut self, v: u64) {
        // SAFETY: 24 bytes at most are written: MARGIN alone is more.
        unsafe {
            let n = put_dec(self.at, v);
            self.advance(n);
        }
    }

    /// Appends a decimal number with its sign.
    ///
    /// # Safety
    /// There is room for 20 bytes.
    #[inline(always)]
    pub unsafe fn dec_signed(&mut self, v: i64) {
        let minus = usize::from(v < 0);
        // SAFETY: 25 bytes at most are written: MARGIN alone is more. The sign is overwritten if there is none.
        unsafe {
            self.at.write(b'-');
            let n = put_dec(self.at.add(minus), v.unsigned_abs());
            self.advance(minus + n);
        }
    }

    /// Appends a hexadecimal number.
    ///
    /// # Safety
    /// There is room for 16 bytes.
    #[inline(always)]
    pub unsafe fn hex(&mut self, v: u64) {
        let n = hex_len(v);
        // SAFETY: 17 bytes at most are written: MARGIN alone is more.
        unsafe {
            put_hex(self.at, v, n);
            self.advance(n);
        }
    }

    /// Appends bytes up to the first NUL.
    ///
    /// # Safety
    /// There is room for `text.len()` bytes.
    #[inline(always)]
    pub unsafe fn until_nul(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some((word, behind)) = rest.split_first_chunk::<8>() {
            let (len, all) = before_nul(*word);
            // SAFETY: the word's eight bytes are part of `text`, for which there is room.
            unsafe {
                self.at.cast::<[u8; 8]>().write(*word);
                self.advance(len);
            }
            if !all {
                return;
            }
            rest = behind;
        }
        for &b in rest {
            if b == 0 {
                return;
            }
            // SAFETY: room for this byte of `text`.
            unsafe {
                self.at.write(b);
                self.advance(1);
            }
        }
    }
}

/// How many of eight bytes are in front of the first NUL, and whether there is none.
#[inline(always)]
fn before_nul(bytes: [u8; 8]) -> (usize, bool) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_le_bytes(bytes);
    // The lowest marked byte is a NUL.
    let marked = word.wrapping_sub(ONES) & !word & (ONES << 7);
    ((marked | 1 << 63).trailing_zeros() as usize / 8 + usize::from(marked == 0), marked == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    fn text(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::from(*b"<");
        f(&mut out);
        String::from_utf8(out).unwrap()[1..].into()
    }

    #[test]
    fn numbers() {
        let mut values: Vec<u64> = (0..64).flat_map(|s| [u64::MAX >> s, 1 << s]).collect();
        let mut power = 1u64;
        for _ in 0..20 {
            values.extend([power.wrapping_sub(1), power, power.wrapping_add(1)]);
            power = power.wrapping_mul(10);
        }
        values.extend((0..2000).map(|i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (i % 64)));
        for v in values {
            assert_eq!(text(|o| dec(o, v)), format!("{v}"));
            assert_eq!(text(|o| dec_signed(o, v as i64)), format!("{}", v as i64));
            assert_eq!(text(|o| hex(o, v)), format!("{v:x}"));
            assert_eq!(text(|o| hex_zero(o, v, 7)), format!("{v:07x}"));
            assert_eq!(digits(v, &mut [0; DEC_MAX]), format!("{v}").as_bytes());
        }
    }

    #[test]
    fn padding() {
        let check = |got: String, want: &str| assert_eq!(got, want);
        check(text(|o| dec_right(o, 42, 5, b' ')), "   42");
        check(text(|o| dec_right(o, 42, 5, b'0')), "00042");
        check(text(|o| dec_right(o, 123_456, 5, b'0')), "123456");
        check(text(|o| dec_signed_left(o, -1, 7)), "-1     ");
        check(text(|o| dec_signed_right(o, -1, 7)), "     -1");
        check(text(|o| seconds(o, 4_236_631_431_999, 5)), " 4236.631431");
        check(text(|o| seconds(o, 999, 5)), "    0.000000");
        check(text(|o| seconds(o, 1_795_230_585_945_638_000, 5)), "1795230585.945638");
        check(text(|o| right(o, b"bash", 6)), "  bash");
        check(text(|o| right(o, b"bash", 2)), "bash");
        check(text(|o| left(o, b"bash", 6)), "bash  ");
        check(text(|o| hex_zero(o, 0, 16)), "0000000000000000");
        check(text(|o| hex_zero(o, 0, 99)), "0000000000000000");
    }

    #[test]
    fn nul() {
        for len in 0..20 {
            for end in 0..=len {
                let mut bytes = [0xffu8, 0x80, 0x01, 0x7f, b'a'].repeat(4);
                bytes.truncate(len);
                let mut out = Vec::new();
                until_nul(&mut out, &bytes);
                assert_eq!(out, bytes);
                if end < len {
                    bytes[end] = 0;
                    bytes[len - 1] = 0;
                }
                out.clear();
                until_nul(&mut out, &bytes);
                assert_eq!(out, bytes[..end]);
            }
        }
    }

    #[test]
    fn pool() {
        let mut pool = Pool::new();
        let empty = pool.add(b"");
        assert_eq!(text(|o| pool.append(o, empty)), "");
        let long = "a long piece of text, longer than 2 * 16 bytes";
        let pieces = [
            "=",
            "0123456789abcdef",
            "0123456789abcdef0",
            long,
            "",
            "piece",
        ];
        let spans: Vec<Span> = pieces.iter().map(|p| pool.add(p.as_bytes())).collect();
        for (piece, span) in pieces.iter().zip(&spans) {
            assert_eq!(pool.get(*span), piece.as_bytes());
            assert_eq!(text(|o| pool.append(o, *span)), *piece);
        }
        let foreign = Span { start: 90, len: 90 };
        assert_eq!(text(|o| pool.append(o, foreign)), "");
        assert_eq!(pool.get(foreign), b"");
    }
}
