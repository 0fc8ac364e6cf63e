//! What the options `stacktrace` and `userstacktrace` record after an event: where in the program it was.
//!
//! The kernel's first kind of stack ends where a program entered the kernel, its second begins there. Here both are the
//! stack of the thread that traced: the first is shown by names, as deep as there is room, the second by addresses and places
//! in files, as many as its format has.

use crate::base::stack::Here;
use crate::base::task::Current;
use crate::event::registry::{KERNEL_STACK_ID, USER_STACK_ID};
use crate::ring::Buffer;

/// Most frames of a kernel stack's record.
const FRAMES: usize = 64;
/// Frames of a user stack's record: what its `format` says.
const USER_FRAMES: usize = 8;
/// Calls at the inner end that are tracing's own: what a tracepoint does when it is on, and the event's probe. The kernel's
/// stack shows their like; the user's begins in the instrumented code.
const OWN: usize = 2;
/// Bytes before the addresses: common fields, how many frames or whose, and padding.
const CALLERS: usize = 16;
/// Bytes before a record that appending may write to, and behind it that it may read; the first keeps it aligned.
const MARGIN: usize = 16;

/// Where a stack begins.
pub(super) enum Stack {
    /// In the calling thread.
    Here(Here),
    /// In another program, of which this address is all that is known.
    At(u64),
    /// In another program that has been told of: its kernel stack is not known, and of its own this address at most.
    Told(Option<u64>),
}

impl Stack {
    /// Of an event of `task`, for which the calling thread stands `here`.
    pub(super) fn of(task: Current, here: Here) -> Stack {
        match task.place() {
            None => Stack::Here(here),
            Some(place) => Stack::Told(place.ip),
        }
    }
}

/// A record being made.
#[repr(align(16))]
struct Record([u8; MARGIN + CALLERS + 8 * FRAMES + MARGIN]);

/// Records a stack, in one form or both, for a task whose event was just recorded.
#[cold]
#[inline(never)]
pub(super) fn record(buffer: &Buffer, task: Current, stack: &Stack, kernel: bool, user: bool) {
    let mut frames = [0; FRAMES];
    let found = match stack {
        Stack::Here(here) => here.walk(&mut frames),
        Stack::At(address) => {
            frames[0] = *address;
            1
        }
        Stack::Told(_) => 0,
    };
    let frames = &frames[..found];
    let told = matches!(stack, Stack::Told(_));
    if kernel && (told || !frames.is_empty()) {
        // of a task in another program the title says that there was one
        append(buffer, task, KERNEL_STACK_ID, frames.len() as u32, frames);
    }
    if user {
        let mut callers = [0; USER_FRAMES];
        for (to, from) in callers.iter_mut().zip(frames.iter().skip(OWN)) {
            *to = *from;
        }
        let process = match stack {
            Stack::Told(ip) => {
                callers[0] = ip.unwrap_or(0);
                task.tgid() as u32
            }
            _ => process(),
        };
        append(buffer, task, USER_STACK_ID, process, &callers);
    }
}

/// Appends a record; `word` is its field before the addresses.
fn append(buffer: &Buffer, task: Current, id: u16, word: u32, callers: &[u64]) {
    let mut record = Record([0; _]);
    let bytes = &mut record.0[MARGIN..];
    bytes[..8].copy_from_slice(&(task.head() | u64::from(id)).to_ne_bytes());
    bytes[8..12].copy_from_slice(&word.to_ne_bytes());
    for (to, from) in bytes[CALLERS..].chunks_exact_mut(8).zip(callers) {
        to.copy_from_slice(&from.to_ne_bytes());
    }
    let len = CALLERS + 8 * callers.len();
    match task.place() {
        Some(place) => {
            buffer.append_placed(place, &bytes[..len]);
        }
        None => {
            let payload = bytes.as_mut_ptr();
            // SAFETY: a complete record, aligned to 8, with `MARGIN` bytes before it and behind the longest
            unsafe { buffer.append::<0>(payload, len) };
        }
    }
}

/// Whose addresses they are.
fn process() -> u32 {
    #[cfg(feature = "std")]
    return std::process::id();
    #[cfg(not(feature = "std"))]
    0
}
