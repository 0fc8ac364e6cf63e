//! Memory of a process, this one or another, at addresses that may be any number. Safe in signal handlers.
//!
//! By process_vm_readv(2); where that may not be called, as in most containers, by proc(5), which takes three calls
//! (and reads what is protected, too).

use core::ffi::{CStr, c_int};
use std::io::Write;

/// Parts of one read.
const PARTS: usize = 4;
/// No page is smaller, and memory begins and ends with one.
const PAGE: u64 = 4096;

/// Copies as much from an address on as is there: the number of bytes.
pub fn read(pid: i32, address: u64, into: &mut [u8]) -> usize {
    // a part is copied as a whole or up to its first page that is missing, as the kernel likes
    let first = into.len().min((PAGE - address % PAGE) as usize);
    let (first, second) = into.split_at_mut(first);
    let behind = address.saturating_add(first.len() as u64);
    read_parts(pid, &mut [(address, first), (behind, second)])
}

/// The same of this process.
pub fn read_own(address: u64, into: &mut [u8]) -> usize {
    // SAFETY: no memory is involved
    read(unsafe { libc::getpid() }, address, into)
}

/// Copies into parts, four at most, from the addresses beside them, one after the other. Returns how many bytes came: what follows a
/// place that cannot be read is missing.
pub fn read_parts(pid: i32, parts: &mut [(u64, &mut [u8])]) -> usize {
    keeping_errno(|| by_call(pid, parts).unwrap_or_else(|| by_file(pid, parts)))
}

/// Copies into another process; whether all of it was copied.
pub fn write(pid: i32, address: u64, bytes: &[u8]) -> bool {
    let own = vector(bytes.as_ptr().cast_mut(), bytes.len());
    let theirs = vector(at(address), bytes.len());
    keeping_errno(|| {
        // SAFETY: `own` describes `bytes`, which are only read; the kernel looks after `theirs`
        let put = unsafe { libc::process_vm_writev(pid, &own, 1, &theirs, 1, 0) };
        usize::try_from(put) == Ok(bytes.len())
            || put < 0
                && is_refused()
                && with_file(pid, libc::O_WRONLY, |fd| {
                    // SAFETY: the kernel reads `bytes`
                    let put = unsafe {
                        libc::pwrite64(fd, bytes.as_ptr().cast(), bytes.len(), address as i64)
                    };
                    usize::try_from(put).unwrap_or(0)
                }) == bytes.len()
    })
}

/// `None`: the call may not be made.
fn by_call(pid: i32, parts: &mut [(u64, &mut [u8])]) -> Option<usize> {
    let mut own = [vector(core::ptr::null_mut(), 0); PARTS];
    let mut theirs = own;
    let count = parts.len().min(PARTS);
    for (i, (address, bytes)) in parts.iter_mut().take(PARTS).enumerate() {
        own[i] = vector(bytes.as_mut_ptr(), bytes.len());
        theirs[i] = vector(at(*address), bytes.len());
    }
    let n = count as libc::c_ulong;
    // SAFETY: `own` describes the slices of `parts`, which are borrowed mutably; the kernel looks after `theirs`
    let got = unsafe { libc::process_vm_readv(pid, own.as_ptr(), n, theirs.as_ptr(), n, 0) };
    match usize::try_from(got) {
        Ok(n) => Some(n),
        Err(_) => (!is_refused()).then_some(0),
    }
}

fn by_file(pid: i32, parts: &mut [(u64, &mut [u8])]) -> usize {
    with_file(pid, libc::O_RDONLY, |fd| {
        let mut got = 0;
        for (address, bytes) in parts.iter_mut().take(PARTS) {
            // SAFETY: the kernel writes to `bytes` at most
            let n = unsafe {
                libc::pread64(fd, bytes.as_mut_ptr().cast(), bytes.len(), *address as i64)
            };
            let n = usize::try_from(n).unwrap_or(0);
            got += n;
            if n < bytes.len() {
                break;
            }
        }
        got
    })
}

/// Whether the last call failed because it may not be made at all, or not on this process.
fn is_refused() -> bool {
    matches!(errno(), libc::EPERM | libc::EACCES | libc::ENOSYS)
}

/// Nothing comes of it if the file cannot be opened.
fn with_file(pid: i32, flags: c_int, body: impl FnOnce(c_int) -> usize) -> usize {
    let mut path = [0; 32];
    // into the slice, without memory of its own
    let written = write!(&mut path[..], "/proc/{pid}/mem\0");
    let (Ok(()), Ok(path)) = (written, CStr::from_bytes_until_nul(&path)) else {
        return 0;
    };
    // SAFETY: a path that ends with its NUL
    let fd = unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) };
    if fd < 0 {
        return 0;
    }
    let result = body(fd);
    // SAFETY: opened above, and nobody else knows it
    unsafe { libc::close(fd) };
    result
}

fn vector(base: *mut u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: base.cast(),
        iov_len: len,
    }
}

/// An address of another process, or one that may be wrong: it is never followed here. One that is too large stays so.
fn at(address: u64) -> *mut u8 {
    core::ptr::without_provenance_mut(usize::try_from(address).unwrap_or(usize::MAX))
}

fn errno() -> c_int {
    // SAFETY: the thread's own
    unsafe { *libc::__errno_location() }
}

fn keeping_errno<R>(body: impl FnOnce() -> R) -> R {
    let before = errno();
    let result = body();
    // SAFETY: the thread's own
    unsafe { *libc::__errno_location() = before };
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    type Way = fn(i32, &mut [(u64, &mut [u8])]) -> usize;
    const WAYS: [Way; 3] = [
        |pid, parts| by_call(pid, parts).expect("it may be called"),
        by_file,
        read_parts,
    ];

    fn me() -> i32 {
        std::process::id() as i32
    }

    #[test]
    fn what_is_there() {
        let text = b"some text\0and more";
        for way in WAYS {
            let (mut one, mut two) = ([0; 9], [0; 3]);
            let from = text.as_ptr() as u64;
            let parts = &mut [(from, &mut one[..]), (from + 10, &mut two[..])];
            assert_eq!(way(me(), parts), 12);
            assert_eq!((&one, &two), (b"some text", b"and"));
            for address in [0, 8, u64::MAX, u64::MAX - 8, 1 << 63] {
                let parts = &mut [(address, &mut one[..]), (from, &mut two[..])];
                assert_eq!(way(me(), parts), 0, "{address:#x}");
            }
        }
        assert_eq!(read_own(0, &mut [0; 4]), 0);
        assert_eq!(read_own(u64::MAX, &mut [0; 4]), 0);
    }

    #[test]
    fn up_to_where_it_ends() {
        let mut into = [0; 1024];
        // SAFETY: two fresh pages, the second given back at once, the first at the end
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let rw = libc::PROT_READ | libc::PROT_WRITE;
            let pages = libc::mmap(core::ptr::null_mut(), 8192, rw, flags, -1, 0);
            assert_ne!(pages, libc::MAP_FAILED);
            libc::munmap(pages.add(4096), 4096);
            core::ptr::copy_nonoverlapping(b"end".as_ptr(), pages.cast::<u8>().add(4093), 3);
            let n = read_own(pages as u64 + 4093, &mut into);
            assert_eq!(&into[..n], b"end");
            let n = by_file(me(), &mut [(pages as u64 + 4093, &mut into)]);
            assert_eq!(&into[..n], b"end");
            libc::munmap(pages, 4096);
        }
    }

    #[test]
    fn written() {
        let mut there = [0u8; 4];
        let address = (&raw mut there).expose_provenance() as u64;
        assert!(write(me(), address, b"abcd"));
        // SAFETY: written behind the compiler's back
        assert_eq!(unsafe { (&raw const there).read_volatile() }, *b"abcd");
        assert!(!write(me(), 8, b"abcd"));
    }
}
