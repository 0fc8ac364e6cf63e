//! The memory of one CPU's ring: control block, marks of the pages, pages, in one piece.
//!
//! Everything in it is found by offsets, so that it can lie in a memfd that several processes map at different places.

use core::ptr::NonNull;

use crate::base::error::{Errno, Error, Result};

/// Zeroed memory, aligned to 4 KiB. Its bytes are written by others at any time: they are only reached through raw
/// pointers.
pub(super) struct Memory {
    at: NonNull<u8>,
    bytes: usize,
}

// SAFETY: plain memory that is not tied to a thread
unsafe impl Send for Memory {}
// SAFETY: only hands out a raw pointer
unsafe impl Sync for Memory {}

impl Memory {
    /// Anonymous memory of this process; a child of fork(2) gets a copy. More than there is: `ENOMEM`.
    pub(super) fn new(bytes: usize) -> Result<Memory> {
        os::allocate(bytes)
            .map(|at| Memory { at, bytes })
            .ok_or(Error::new(Errno::ENOMEM))
    }

    /// The memory of a file descriptor (memfd_create(2)) that is at least so long, shared with whoever maps it.
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for producers in other processes")
    )]
    pub(super) fn shared(fd: std::os::fd::BorrowedFd<'_>, bytes: usize) -> Result<Memory> {
        os::map(bytes, Some(fd))
            .map(|at| Memory { at, bytes })
            .ok_or(Error::new(Errno::ENOMEM))
    }

    /// Its beginning.
    pub(super) fn start(&self) -> *mut u8 {
        self.at.as_ptr()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        os::free(self.at, self.bytes);
    }
}

#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
mod os {
    use core::ptr::NonNull;
    use std::os::fd::{AsRawFd, BorrowedFd};

    pub(super) fn allocate(bytes: usize) -> Option<NonNull<u8>> {
        // populating more than there is would call the OOM killer, not fail
        if bytes as u64 > available().unwrap_or(u64::MAX) {
            None
        } else {
            map(bytes, None)
        }
    }

    pub(super) fn map(bytes: usize, fd: Option<BorrowedFd<'_>>) -> Option<NonNull<u8>> {
        let (number, kind) = match fd {
            Some(fd) => (fd.as_raw_fd(), libc::MAP_SHARED),
            None => (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS),
        };
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            kind | libc::MAP_POPULATE,
        );
        // SAFETY: a new mapping, nowhere in particular
        let at = unsafe { libc::mmap(core::ptr::null_mut(), bytes, access, flags, number, 0) };
        if at == libc::MAP_FAILED {
            None
        } else {
            NonNull::new(at.cast())
        }
    }

    pub(super) fn free(at: NonNull<u8>, bytes: usize) {
        // SAFETY: the mapping of `map`; its owner is gone
        unsafe { libc::munmap(at.as_ptr().cast(), bytes) };
    }

    /// Bytes that the system can give without pushing others out.
    fn available() -> Option<u64> {
        let info = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        line.trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    }
}

#[cfg(not(all(feature = "std", target_os = "linux", not(miri))))]
mod os {
    use core::alloc::Layout;
    use core::ptr::NonNull;

    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, 4096)
            .ok()
            .filter(|l| l.size() != 0)
    }

    pub(super) fn allocate(bytes: usize) -> Option<NonNull<u8>> {
        // SAFETY: the size is not 0
        NonNull::new(unsafe { alloc::alloc::alloc_zeroed(layout(bytes)?) })
    }

    pub(super) fn free(at: NonNull<u8>, bytes: usize) {
        if let Some(layout) = layout(bytes) {
            // SAFETY: from `allocate` with the same layout
            unsafe { alloc::alloc::dealloc(at.as_ptr(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroed_and_aligned() {
        let memory = Memory::new(3 * 4096).unwrap();
        assert_eq!(memory.start() as usize % 4096, 0);
        // SAFETY: nobody else has it
        let bytes = unsafe { core::slice::from_raw_parts(memory.start(), 3 * 4096) };
        assert!(bytes.iter().all(|b| *b == 0));
    }

    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    #[test]
    fn too_much_is_refused() {
        assert_eq!(
            Memory::new(1 << 46).err().map(|e| e.errno),
            Some(Errno::ENOMEM)
        );
    }

    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    #[test]
    fn shared_memory_is_one() {
        use std::os::fd::{AsFd, FromRawFd, OwnedFd};
        // SAFETY: a new descriptor that nobody else closes
        let fd = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"ring".as_ptr(), 0)) };
        std::fs::File::from(fd.try_clone().unwrap())
            .set_len(8192)
            .unwrap();
        let (a, b) = (
            Memory::shared(fd.as_fd(), 8192).unwrap(),
            Memory::shared(fd.as_fd(), 8192).unwrap(),
        );
        assert_ne!(a.start(), b.start());
        // SAFETY: within the mappings, which nobody else has
        unsafe { a.start().add(5000).write_volatile(7) };
        // SAFETY: as above
        assert_eq!(unsafe { b.start().add(5000).read_volatile() }, 7);
    }
}
