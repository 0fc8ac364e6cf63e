//! A record in the making: the common fields, the fixed part, and behind it the dynamic data.
//!
//! Records have the layout that the `format` file states. Making one costs no allocation: it lies on the stack until the
//! ring buffer copies it.

use core::ptr;

/// Largest payload of a record: what a 4 KiB sub-buffer can hold (16 bytes page header, 8 bytes of entry header).
pub const MAX_PAYLOAD: usize = 4072;

/// Bytes of the common fields at the start of every record.
pub const HEAD: usize = 8;

/// Where dynamic data goes: behind the fixed part, field after field.
pub struct Tail {
    record: *mut u8,
    at: usize,
    /// End of what may be written.
    limit: usize,
    /// Dynamic fields still to come, each of which is sure of one byte.
    left: usize,
}

impl Tail {
    /// The tail of `record`, whose dynamic data starts at `at` and ends before `limit`, for `left` dynamic fields.
    ///
    /// # Safety
    /// `record` must be valid for writes of `limit` bytes, and `at + left <= limit <= 65535`.
    #[inline(always)]
    pub unsafe fn new(record: *mut u8, at: usize, limit: usize, left: usize) -> Tail {
        debug_assert!(at + left <= limit && limit <= 0xffff);
        Tail {
            record,
            at,
            limit,
            left,
        }
    }

    /// Where the dynamic data ends so far.
    #[inline(always)]
    pub fn end(&self) -> usize {
        self.at
    }

    /// Appends the data and, for strings, a NUL; cuts to whole elements of what fits. Returns the `__data_loc`.
    #[inline(always)]
    pub(crate) fn put(&mut self, data: &[u8], elem: usize, nul: bool) -> u32 {
        self.left -= 1;
        let room = self.limit - self.at - self.left - usize::from(nul);
        let len = if data.len() <= room {
            data.len()
        } else {
            room / elem * elem
        };
        let at = self.at;
        // SAFETY: `at + len + nul <= limit - left`, and the record is writable up to the limit (`new`). The data cannot
        // overlap a record that nobody else has seen.
        unsafe {
            ptr::copy_nonoverlapping(data.as_ptr(), self.record.add(at), len);
            if nul {
                *self.record.add(at + len) = 0;
            }
        }
        let len = len + usize::from(nul);
        self.at += len;
        (at as u32) | ((len as u32) << 16)
    }
}

/// The bytes that a `__data_loc` points to; nothing if it points outside of the record.
pub(crate) fn dynamic(loc: u32, record: &[u8]) -> &[u8] {
    let (at, len) = ((loc & 0xffff) as usize, (loc >> 16) as usize);
    record.get(at..at + len).unwrap_or_default()
}
