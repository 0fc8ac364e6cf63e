//! Signals for readers that wait: the kernel's `FUSE_INTERRUPT`, taken out of the device's messages before fuser sees it.
//!
//! fuser answers these messages with `ENOSYS`, which makes the kernel never send another: from then on a reader that waits
//! cannot even be killed. But fuser reads the device by calling read(2) of the C library, and a function of that name
//! in the program itself takes the library's place at link time. The one here does what the library's does and looks at what
//! came, if it came from a device that is watched. It costs one comparison for each read(2) of the program.
//!
//! Where the program is put together so that fuser calls another read (a shared library loaded at run time), the
//! watched device sees no call of ours, [`watch`] says so, and [`signals`](super::signals) does the work instead.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::lot::Lot;

/// Most mounts that one process serves with interrupts; further ones have their readers' signals looked for.
const MOUNTS: usize = 16;
/// The message's number (linux/fuse.h).
const FUSE_INTERRUPT: u32 = 36;
/// Bytes of `fuse_in_header`.
const HEADER: usize = 40;
/// Not a descriptor.
const NONE: i32 = -1;

/// Descriptors that are watched. Read by every read(2) of the program: no lock.
static DEVICES: [AtomicI32; MOUNTS] = [const { AtomicI32::new(NONE) }; MOUNTS];
/// Whose readers wait there, at the same index.
static LOTS: [Mutex<Weak<Lot>>; MOUNTS] = [const { Mutex::new(Weak::new()) }; MOUNTS];

thread_local! {
    /// Whether this thread came through our read.
    static PASSED: Cell<bool> = const { Cell::new(false) };
}

/// A device whose interrupts are taken out; dropped, no longer.
pub(super) struct Watched(usize);

impl Drop for Watched {
    fn drop(&mut self) {
        DEVICES[self.0].store(NONE, Ordering::SeqCst);
        *LOTS[self.0].lock() = Weak::new();
    }
}

/// Takes interrupts out of the messages of `device` from now on and ends the reads they are for. `None`: it cannot be done
/// here. The descriptor must stay open as long as it is watched.
pub(super) fn watch(device: i32, lot: &Arc<Lot>) -> Option<Watched> {
    if !in_effect() {
        log::info!("reads of the device do not pass through this program's own read()");
        return None;
    }
    for (index, slot) in DEVICES.iter().enumerate() {
        // the lock first: whoever finds the descriptor finds the lot
        let mut of = LOTS[index].lock();
        if slot
            .compare_exchange(NONE, device, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            *of = Arc::downgrade(lot);
            return Some(Watched(index));
        }
    }
    None
}

/// Whether the calls that fuser makes come to our function: those of the same crate that it uses do.
fn in_effect() -> bool {
    PASSED.set(false);
    // the answer does not matter, only which way the call went
    if let Ok((reader, _writer)) = std::io::pipe() {
        let _ = nix::unistd::read(&reader, &mut []);
    }
    PASSED.get()
}

/// read(2), in the place of the C library's, for the whole program.
///
/// # Safety
/// `buffer` is writable for `size` bytes, as for read(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn read(fd: i32, buffer: *mut c_void, size: usize) -> isize {
    loop {
        // SAFETY: the caller's promise; syscall() sets errno as read() does
        let got = unsafe { libc::syscall(libc::SYS_read, fd, buffer, size) } as isize;
        if size == 0 {
            PASSED.set(true);
        }
        let watched = DEVICES.iter().position(|d| d.load(Ordering::Relaxed) == fd);
        let (Some(index), Ok(got @ 48..)) = (watched, usize::try_from(got)) else {
            return got;
        };
        // SAFETY: the kernel has just written that many bytes there
        let message = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), got) };
        let Some(request) = interrupted(message) else {
            return got as isize;
        };
        let lot = LOTS[index].lock().upgrade();
        if let Some(lot) = lot {
            lot.interrupted(request);
        }
    }
}

/// The number of the request that an interrupt is for; `None` if the message is not an interrupt.
fn interrupted(message: &[u8]) -> Option<u64> {
    let word = |at: usize| {
        message
            .get(at..at + 4)?
            .try_into()
            .ok()
            .map(u32::from_ne_bytes)
    };
    if word(4)? != FUSE_INTERRUPT {
        return None;
    }
    Some(u64::from_ne_bytes(
        message.get(HEADER..HEADER + 8)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let mut message = vec![0u8; 48];
        message[0] = 48;
        message[40..].copy_from_slice(&0x1234_5678_9abcu64.to_ne_bytes());
        assert_eq!(interrupted(&message), None);
        message[4] = 36;
        assert_eq!(interrupted(&message), Some(0x1234_5678_9abc));
        assert_eq!(interrupted(&message[..44]), None);
        assert_eq!(interrupted(&[]), None);
    }

    #[test]
    fn our_read_is_the_programs() {
        assert!(in_effect());
    }
}
