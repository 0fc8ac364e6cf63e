//! Bytes of the entries of a sub-buffer (Documentation/trace/ring-buffer-design.rst; `events/header_event`).
//!
//! An entry begins with a word `type_len | time_delta << 5`. Types 1 to 28 are data of so many words; 0 is data whose
//! length stands in a second word; 29 is padding, 30 a long delta, 31 an absolute time.

use core::ops::Range;

/// Longest payload whose length fits the entry's first word.
pub const MAX_SMALL: usize = 28 * 4;
/// Deltas from here on need an entry of their own.
pub const DELTA_LIMIT: u64 = 1 << DELTA_BITS;
/// Shortest payload: the common fields.
pub const MIN_PAYLOAD: usize = 8;
/// Bytes of an entry with a long delta.
pub const EXTEND: usize = 8;

const DELTA_BITS: u32 = 27;
const PADDING: u32 = 29;
const TIME_EXTEND: u32 = 30;
const TIME_STAMP: u32 = 31;
/// An absolute time stamp holds so many bits, the others come from the sub-buffer's.
const STAMP_BITS: u32 = 59;

/// What `events/header_event` reads.
pub const HEADER_EVENT: &str = "# compressed entry header\n\
    \ttype_len    :    5 bits\n\
    \ttime_delta  :   27 bits\n\
    \tarray       :   32 bits\n\
    \n\
    \tpadding     : type == 29\n\
    \ttime_extend : type == 30\n\
    \ttime_stamp : type == 31\n\
    \tdata max type_len  == 28\n";

/// What `events/header_event` reads.
pub fn header_event_text() -> alloc::string::String {
    HEADER_EVENT.into()
}

/// The first word of an entry with `type_len` and a delta below [`DELTA_LIMIT`].
#[inline(always)]
pub const fn header(type_len: u32, delta: u64) -> u32 {
    (delta as u32) << 5 | type_len
}

/// The two words of an entry that adds `delta` to the time.
pub const fn extend(delta: u64) -> [u32; 2] {
    [header(TIME_EXTEND, delta), (delta >> DELTA_BITS) as u32]
}

/// How a payload of `len` bytes, a multiple of 4, is stored: the header's type, and bytes before the payload but for
/// the header (the length word).
#[inline(always)]
pub const fn form(len: usize) -> (u32, usize) {
    if len <= MAX_SMALL {
        (len as u32 / 4, 0)
    } else {
        (0, 4)
    }
}

/// A data entry that was found in a sub-buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its time.
    pub ts: u64,
    /// Where the payload lies in the sub-buffer's data.
    pub payload: Range<usize>,
    /// Where the next entry begins.
    pub next: usize,
}

/// A position between the entries of a sub-buffer, and the time of what is before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// Byte in the data.
    pub at: usize,
    /// Time of the last entry before, at the beginning that of the sub-buffer.
    pub ts: u64,
}

impl Position {
    /// The next data entry of `data`, whatever bytes these are; `None` at the end, or where entries make no sense.
    #[inline]
    pub fn find(self, data: &[u8]) -> Option<Found> {
        let Position { mut at, mut ts } = self;
        loop {
            let word = word(data, at)?;
            let delta = u64::from(word >> 5);
            at += 4;
            let length = match word & 31 {
                0 => {
                    let length = word_at(data, at)?.checked_sub(4)?;
                    at += 4;
                    length
                }
                PADDING if delta == 0 => return None,
                PADDING => {
                    at = at.checked_add(word_at(data, at)?)?;
                    ts = ts.wrapping_add(delta);
                    continue;
                }
                TIME_EXTEND => {
                    ts = ts.wrapping_add(delta | (word_at(data, at)? as u64) << DELTA_BITS);
                    at += 4;
                    continue;
                }
                TIME_STAMP => {
                    let low = delta | (word_at(data, at)? as u64) << DELTA_BITS;
                    ts = ts >> STAMP_BITS << STAMP_BITS | low;
                    at += 4;
                    continue;
                }
                words => 4 * words as usize,
            };
            let end = at.checked_add(length)?;
            if end > data.len() {
                return None;
            }
            let next = end.checked_next_multiple_of(4)?;
            return Some(Found {
                ts: ts.wrapping_add(delta),
                payload: at..end,
                next,
            });
        }
    }

    /// Goes behind `found`.
    pub fn pass(&mut self, found: &Found) {
        *self = Position {
            at: found.next,
            ts: found.ts,
        };
    }
}

/// Raises the times of the entries of `data` that are before `least` to that; `ts` is the time of what is before them.
/// Returns what it is then. Order and lengths stay.
pub fn raise(data: &mut [u8], ts: u64, least: u64) -> u64 {
    let (mut at, mut real, mut shown) = (0, ts, least);
    // once the true time is reached nothing more changes
    while real < least {
        let Some(head) = word(data, at) else { break };
        let (kind, delta) = (head & 31, u64::from(head >> 5));
        let more = word_at(data, at.saturating_add(4)).unwrap_or(0);
        let (long, length) = match kind {
            0 => (0, more),
            TIME_EXTEND => ((more as u64) << DELTA_BITS, 4),
            // nothing of ours
            PADDING | TIME_STAMP => break,
            words => (0, 4 * words as usize),
        };
        real = real.saturating_add(delta | long);
        let step = real.max(least) - shown;
        shown += step;
        let words = match kind {
            TIME_EXTEND => extend(step),
            _ => [header(kind, step), more as u32],
        };
        // a delta never grows, so it fits as it did
        let end = if kind == TIME_EXTEND { 8 } else { 4 };
        if let Some(bytes) = data.get_mut(at..at + end) {
            bytes.copy_from_slice(&words.map(u32::to_ne_bytes).as_flattened()[..end]);
        }
        match at
            .checked_add(4 + length)
            .and_then(|a| a.checked_next_multiple_of(4))
        {
            Some(next) => at = next,
            None => break,
        }
    }
    ts.max(least)
}

#[inline(always)]
fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn word_at(data: &[u8], at: usize) -> Option<usize> {
    word(data, at).map(|w| w as usize)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn check(words: &[u32], ts: u64, expected: &[(u64, usize, usize)]) {
        let data: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
        let mut position = Position { at: 0, ts };
        let mut got = Vec::new();
        while let Some(found) = position.find(&data) {
            got.push((found.ts, found.payload.start, found.payload.len()));
            position.pass(&found);
        }
        assert_eq!(got, expected, "{words:x?}");
    }

    #[test]
    fn entries() {
        check(&[], 5, &[]);
        check(
            &[header(2, 0), 1, 2, header(1, 7), 3],
            100,
            &[(100, 4, 8), (107, 16, 4)],
        );
        // a length word; lengths that are no multiple of 4 are rounded up
        check(&[0, 12, 1, 2, header(1, 1), 9], 0, &[(0, 8, 8), (1, 20, 4)]);
        check(&[0, 9, 1, 2, header(1, 1), 9], 0, &[(0, 8, 5), (1, 20, 4)]);
        // long delta, absolute time
        let [a, b] = extend((5 << 27) + 3);
        check(
            &[a, b, header(1, 1), 9],
            1000,
            &[(1000 + (5 << 27) + 4, 12, 4)],
        );
        check(
            &[header(31, 3), 5, header(1, 1), 9],
            7 << 59 | 1,
            &[(7 << 59 | ((5 << 27) + 4), 12, 4)],
        );
        // padding: to the end, and of some bytes
        check(&[header(29, 0), 8, header(1, 1), 9], 0, &[]);
        check(&[header(29, 1), 8, 0, header(1, 1), 9], 0, &[(2, 16, 4)]);
    }

    #[test]
    fn raised() {
        let check = |words: &[u32], ts, least, base, times: &[u64]| {
            let mut data: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            assert_eq!(raise(&mut data, ts, least), base);
            let mut position = Position { at: 0, ts: base };
            let mut got = Vec::new();
            while let Some(found) = position.find(&data) {
                got.push(found.ts);
                position.pass(&found);
            }
            assert_eq!(
                (got.as_slice(), position.at),
                (times, data.len()),
                "{words:x?} from {ts}, {least}"
            );
        };
        let [a, b] = extend((1 << 27) + 5);
        let words = [
            header(1, 0),
            9,
            header(1, 10),
            9,
            0,
            8,
            9,
            a,
            b,
            header(1, 0),
            9,
            header(1, 7),
            9,
        ];
        let far = 115 + (1 << 27);
        check(&words, 100, 90, 100, &[100, 110, 110, far, far + 7]);
        check(&words, 100, 100, 100, &[100, 110, 110, far, far + 7]);
        check(&words, 100, 105, 105, &[105, 110, 110, far, far + 7]);
        check(&words, 100, 111, 111, &[111, 111, 111, far, far + 7]);
        check(
            &words,
            100,
            far - 1,
            far - 1,
            &[far - 1, far - 1, far - 1, far, far + 7],
        );
        check(
            &words,
            100,
            far + 3,
            far + 3,
            &[far + 3, far + 3, far + 3, far + 3, far + 7],
        );
        check(&words, 100, far * 2, far * 2, &[far * 2; 5]);
        for cut in 0..words.len() * 4 {
            let mut data: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            data.truncate(cut);
            assert_eq!(raise(&mut data, 100, far * 2), far * 2);
        }
        assert_eq!(raise(&mut [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 1, 2), 2);
    }

    #[test]
    fn nonsense_ends() {
        check(&[0], 0, &[]);
        check(&[0, 3], 0, &[]);
        check(&[0, u32::MAX], 0, &[]);
        check(&[header(29, 1), u32::MAX], 0, &[]);
        check(&[header(28, 1), 1], 0, &[]);
        check(&[header(30, 1)], 0, &[]);
        assert_eq!(
            Position {
                at: usize::MAX,
                ts: 0
            }
            .find(&[0; 8]),
            None
        );
        assert_eq!(Position { at: 0, ts: 0 }.find(&[1, 0, 0]), None);
    }
}
