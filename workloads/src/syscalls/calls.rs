//! The system calls, each performed between its two events.
//!
//! An `int` goes to the kernel, and into the event, as compilers pass it: the upper half of the register is zero.
//! What comes back is what the kernel left in the result register: negative values are errno values.

use std::ffi::{CStr, c_long};
use std::sync::atomic::AtomicU32;

use crate::events::syscalls as events;

/// A value as it is in a register.
trait Word: Copy {
    fn word(self) -> u64;
}

impl Word for i32 {
    fn word(self) -> u64 {
        u64::from(self as u32)
    }
}

impl Word for u32 {
    fn word(self) -> u64 {
        u64::from(self)
    }
}

impl Word for i64 {
    fn word(self) -> u64 {
        self as u64
    }
}

impl Word for usize {
    fn word(self) -> u64 {
        self as u64
    }
}

impl<T> Word for *const T {
    fn word(self) -> u64 {
        self as u64
    }
}

impl<T> Word for *mut T {
    fn word(self) -> u64 {
        self as u64
    }
}

/// Performs call `nr` on what `args` are in registers.
///
/// # Safety
/// The pointers among the arguments are good for what the call does with them.
unsafe fn perform(nr: c_long, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(nr, a, b, c, d, e, f) };
    if result == -1 {
        return -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO));
    }
    result
}

/// One call: `NAME` of the events and their arguments, in the order of the call.
macro_rules! call {
    ($name:ident, $nr:expr $(, $arg:expr)*) => {{
        let nr = $nr;
        let mut args = [0u64; 6];
        let mut slots = args.iter_mut();
        $( if let Some(slot) = slots.next() { *slot = $arg.word(); } )*
        let _ = slots;
        events::raw::enter(nr, &args);
        events::$name::enter(&args);
        // SAFETY: the pointers come from live references and slices of at least the length that is passed with them.
        let ret = unsafe { perform(nr, args) };
        events::raw::exit(nr, ret);
        events::$name::exit(ret);
        ret
    }};
}

