//! Pieces of constant text, and writing many things behind a text without asking for room each time.

use alloc::vec::Vec;

use super::{hex_len, put_dec, put_hex, room};

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
            self.bytes[..used.min(LOOK)]
                .windows(text.len())
                .position(|w| w == text)
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
                to.add(at)
                    .cast::<[u8; 16]>()
                    .write(from.add(at).cast::<[u8; 16]>().read());
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
        debug_assert!(
            self.at <= self.limit,
            "more text than there was said to come"
        );
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
        // Names have 16 bytes at most: all of them at once, without a branch that depends on their length.
        while let Some((bytes, behind)) = rest.split_first_chunk::<16>() {
            let (len, all) = before_nul(*bytes);
            // SAFETY: the sixteen bytes are part of `text`, for which there is room.
            unsafe {
                self.at.cast::<[u8; 16]>().write(*bytes);
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

/// How many of sixteen bytes are in front of the first NUL, and whether there is none.
#[inline(always)]
fn before_nul(bytes: [u8; 16]) -> (usize, bool) {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let all = u128::from_le_bytes(bytes);
    // The lowest marked byte is a NUL; one behind the last stands for none.
    let marked = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let (low, high) = (marked(all as u64), marked((all >> 64) as u64));
    let place = if low != 0 {
        low.trailing_zeros()
    } else {
        64 + high.trailing_zeros()
    };
    (place as usize / 8, low | high == 0)
}
