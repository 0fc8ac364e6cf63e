//! Text that a record only points to (`char *`): read from the program's memory, at an address that may be any number.

/// Bytes looked at.
pub(super) const MAX: usize = 1024;

/// Up to [`MAX`] bytes at an address; fewer where the memory ends, none where there is none. Signal-safe.
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub(super) fn read(address: u64, into: &mut [u8; MAX]) -> &[u8] {
    /// No page is smaller, and memory begins and ends with one.
    const PAGE: usize = 4096;
    let Ok(address) = usize::try_from(address) else {
        return &[];
    };
    let first = (PAGE - address % PAGE).min(MAX);
    let Some(second) = address.checked_add(first) else {
        return &[];
    };
    let local = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: MAX,
    };
    let part = |at: usize, len: usize| libc::iovec {
        iov_base: at as *mut libc::c_void,
        iov_len: len,
    };
    let remote = [part(address, first), part(second, MAX - first)];
    // SAFETY: writes at most `MAX` bytes to `into`; the kernel checks the addresses it reads from
    let read = unsafe {
        let location = libc::__errno_location();
        let errno = *location;
        let read = libc::process_vm_readv(libc::getpid(), &local, 1, remote.as_ptr(), 2, 0);
        *location = errno;
        read
    };
    into.get(..usize::try_from(read).unwrap_or(0))
        .unwrap_or(&[])
}

/// Nothing: no way is known to read at an address that may be wrong.
#[cfg(not(all(feature = "std", target_os = "linux", not(miri))))]
pub(super) fn read(_: u64, _: &mut [u8; MAX]) -> &[u8] {
    &[]
}

#[cfg(all(test, feature = "std", target_os = "linux", not(miri)))]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_there() {
        let mut into = [0; MAX];
        let text = b"some text\0and more";
        assert!(read(text.as_ptr() as u64, &mut into).starts_with(text));
        for address in [0, 8, u64::MAX, u64::MAX - 8, 1 << 63] {
            assert!(read(address, &mut into).is_empty(), "{address:#x}");
        }
        // the last bytes before memory that may not be read
        // SAFETY: two fresh pages, the second taken away again, both given back
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let rw = libc::PROT_READ | libc::PROT_WRITE;
            let pages = libc::mmap(core::ptr::null_mut(), 8192, rw, flags, -1, 0);
            assert_ne!(pages, libc::MAP_FAILED);
            libc::mprotect(pages.add(4096), 4096, libc::PROT_NONE);
            core::ptr::copy_nonoverlapping(b"end".as_ptr(), pages.cast::<u8>().add(4093), 3);
            assert_eq!(read(pages as u64 + 4093, &mut into), b"end");
            libc::munmap(pages, 8192);
        }
    }
}
