//! A ring that perf writes and we read (perf_event_open(2), "MMAP layout").

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

const PAGE: usize = 4096;
/// struct perf_event_mmap_page: where `data_head` and `data_tail` lie.
const HEAD: usize = 1024;
const TAIL: usize = 1032;
/// The longest record: its size is 16 bits.
const LONGEST: usize = 1 << 16;

/// A mapped ring and its event.
pub struct Ring {
    event: OwnedFd,
    map: NonNull<u8>,
    pages: usize,
    cpu: i32,
    silent: bool,
    scratch: Vec<u8>,
}

impl Ring {
    /// The largest one that is allowed, of these numbers of pages (powers of two). `open` is told the number of bytes.
    ///
    /// # Errors
    /// What the last one was refused with.
    pub fn largest(
        pages: &[usize],
        mut open: impl FnMut(usize) -> io::Result<OwnedFd>,
    ) -> io::Result<Ring> {
        let mut refused = io::Error::from_raw_os_error(libc::EINVAL);
        for pages in pages {
            match Ring::map(open(pages * PAGE)?, *pages) {
                Ok(ring) => return Ok(ring),
                Err(e) => refused = e,
            }
        }
        Err(refused)
    }

    fn map(event: OwnedFd, pages: usize) -> io::Result<Ring> {
        let len = (pages + 1) * PAGE;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                access,
                libc::MAP_SHARED,
                event.as_raw_fd(),
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Ring {
            event,
            map: NonNull::new(map.cast()).ok_or(io::ErrorKind::Other)?,
            pages,
            cpu: -1,
            silent: false,
            scratch: vec![0; LONGEST],
        })
    }

    /// The same, of this CPU.
    pub fn on(mut self, cpu: i32) -> Ring {
        self.cpu = cpu;
        self
    }

    /// Whose it is.
    pub fn cpu(&self) -> i32 {
        self.cpu
    }

    /// The event's descriptor.
    pub fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Whether the descriptor is of no use any more.
    pub fn is_silent(&self) -> bool {
        self.silent
    }

    /// It is not.
    pub fn silence(&mut self) {
        self.silent = true;
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: the first page is mapped as long as we are, `at` is in it and aligned; the kernel changes it as one word
        unsafe { self.map.add(at).cast().as_ref() }
    }

    /// Takes the records that are there, whole.
    pub fn read(&mut self, mut take: impl FnMut(&[u8])) {
        let size = (self.pages * PAGE) as u64;
        let head = self.word(HEAD).load(Ordering::Acquire);
        let mut tail = self.word(TAIL).load(Ordering::Relaxed);
        while tail + 8 <= head {
            let mut header = [0; 8];
            self.copy(tail, &mut header);
            let len = usize::from(u16::from_ne_bytes([header[6], header[7]]));
            if len < 8 || tail + len as u64 > head || len as u64 > size {
                // not what the kernel writes: start afresh
                tail = head;
                break;
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            self.copy(tail, &mut scratch[..len]);
            take(&scratch[..len]);
            self.scratch = scratch;
            tail += len as u64;
        }
        self.word(TAIL).store(tail, Ordering::Release);
    }

    /// Copies out of the data pages, round the end.
    fn copy(&self, from: u64, to: &mut [u8]) {
        let size = self.pages * PAGE;
        let at = (from % size as u64) as usize;
        let first = to.len().min(size - at);
        let (one, two) = to.split_at_mut(first);
        // SAFETY: both pieces lie in the data pages, which are mapped behind the first page; the kernel does not write what lies
        // between tail and head
        unsafe {
            let data = self.map.add(PAGE);
            std::ptr::copy_nonoverlapping(data.add(at).as_ptr(), one.as_mut_ptr(), one.len());
            std::ptr::copy_nonoverlapping(data.as_ptr(), two.as_mut_ptr(), two.len());
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: made by `map`, and nothing refers to it any more
        unsafe { libc::munmap(self.map.as_ptr().cast(), (self.pages + 1) * PAGE) };
    }
}
