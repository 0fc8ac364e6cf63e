//! Bytes of a sub-buffer (Documentation/trace/ring-buffer-design.rst; `events/header_page`).
//!
//! A time stamp, the commit word, then entries. As readers get it, the commit word holds the bytes of entries and two
//! flags; while a page is being written its owner keeps more there (see `control`).

use alloc::format;
use alloc::string::String;

/// Bytes before the entries of a sub-buffer.
pub const PAGE_HEADER: usize = 16;
/// Smallest sub-buffer; the others are this shifted left.
pub const MIN_SUBBUF: usize = 4096;
/// Largest sub-buffer: 128 pages, as the kernel has it.
pub const MAX_SUBBUF: usize = MIN_SUBBUF << 7;
/// Fewest sub-buffers of a CPU.
pub const MIN_SUBBUFS: usize = 2;

/// Events were lost before this sub-buffer.
pub const MISSED: u32 = 1 << 31;
/// How many stands behind the entries.
pub const MISSED_STORED: u32 = 1 << 30;
/// Bits of the commit word that hold the bytes of entries.
pub const COMMIT_BYTES: u32 = (1 << 20) - 1;

/// What `events/header_page` reads for sub-buffers of that size.
pub fn header_page_text(subbuf_size: usize) -> String {
    let data = subbuf_size - PAGE_HEADER;
    format!(
        "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n\
         \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n\
         \tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n\
         \tfield: char data;\toffset:16;\tsize:{data};\tsigned:0;\n"
    )
}

/// Sub-buffers of `subbuf_size` bytes that hold `kb` KiB of entries; `None` if that is beyond any memory.
pub fn subbufs_for_kb(kb: u64, subbuf_size: usize) -> Option<usize> {
    let subbufs = kb
        .checked_mul(1024)?
        .div_ceil((subbuf_size - PAGE_HEADER) as u64);
    Some(usize::try_from(subbufs).ok()?.max(MIN_SUBBUFS))
}

/// KiB of entries that so many sub-buffers hold, rounded down.
pub fn kb_of(subbufs: usize, subbuf_size: usize) -> u64 {
    subbufs as u64 * (subbuf_size - PAGE_HEADER) as u64 / 1024
}

/// Whether sub-buffers can have that size.
pub fn is_subbuf_size(bytes: usize) -> bool {
    bytes.is_power_of_two() && (MIN_SUBBUF..=MAX_SUBBUF).contains(&bytes)
}

/// Finishes a sub-buffer for a reader: `page` begins with its header and holds `bytes` of entries. Says what was missed
/// before it, and clears what is behind.
pub(super) fn finish(page: &mut [u8], ts: u64, bytes: usize, missed: u64) {
    let mut commit = bytes as u32;
    let mut end = PAGE_HEADER + bytes;
    if missed != 0 {
        commit |= MISSED;
        if let Some(count) = page.get_mut(end..end + 8) {
            commit |= MISSED_STORED;
            count.copy_from_slice(&missed.to_ne_bytes());
            end += 8;
        }
    }
    page[..8].copy_from_slice(&ts.to_ne_bytes());
    // the kernel's word is a signed 32 bit value that was widened
    page[8..16].copy_from_slice(&i64::from(commit as i32).to_ne_bytes());
    page[end..].fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |kb, size, expected: (usize, u64)| {
            let n = subbufs_for_kb(kb, size).unwrap();
            assert_eq!((n, kb_of(n, size)), expected, "{kb} KiB of {size}");
        };
        check(1408, 4096, (354, 1410));
        check(16, 4096, (5, 19));
        check(100, 4096, (26, 103));
        check(200, 4096, (51, 203));
        check(1, 4096, (2, 7));
        check(10, 4096, (3, 11));
        check(1408, 8192, (177, 1413));
        assert_eq!(subbufs_for_kb(u64::MAX, 4096), None);
    }

    #[test]
    fn header() {
        assert!(
            header_page_text(4096)
                .ends_with("\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n")
        );
        assert_eq!(header_page_text(4096).lines().count(), 4);
    }

    #[test]
    fn finished() {
        let mut page = [0xaa; 64];
        finish(&mut page, 7, 24, 0);
        assert_eq!(
            (&page[..8], &page[8..16]),
            (&7u64.to_ne_bytes()[..], &24u64.to_ne_bytes()[..])
        );
        assert!(page[16..40].iter().all(|b| *b == 0xaa) && page[40..].iter().all(|b| *b == 0));
        // as the kernel writes it: the flags sign-extend
        finish(&mut page, 7, 24, 580);
        assert_eq!(page[8..16], 0xffff_ffff_c000_0018u64.to_ne_bytes());
        assert_eq!(page[40..48], 580u64.to_ne_bytes());
        assert!(page[48..].iter().all(|b| *b == 0));
        // no room for the count
        finish(&mut page, 7, 44, 580);
        assert_eq!(page[8..16], 0xffff_ffff_8000_002cu64.to_ne_bytes());
        assert!(page[60..].iter().all(|b| *b == 0));
    }
}
