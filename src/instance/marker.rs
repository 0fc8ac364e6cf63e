//! `trace_marker`: text from programs, recorded as `ftrace:print` (Documentation/trace/ftrace.rst).

use super::event_file::EventFile;
use crate::base::error::{Errno, Error, Result};
use crate::base::task::{self, Task};
use crate::event::registry::PRINT_ID;
use crate::ring::Buffer;

/// Longest text of one event: a sub-buffer of 4 KiB less its header, an event header, the fields before the text, and
/// the newline and NUL behind it. Longer writes are cut to it, the caller's loop writes the rest.
pub const MAX_TEXT: usize = 4096 - 16 - 8 - FIELDS - 2;
/// Bytes of `ftrace:print` before its text: the common fields and `ip`.
const FIELDS: usize = 16;
/// Flags of a record made by a system call's own code: preemption depth 1.
const PREEMPT_COUNT: u64 = 1;

/// The address that `ip` of a marker holds: its symbol is what `trace` shows as the event's name. Not called.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn tracing_mark_write() {
    core::hint::black_box(());
}

/// Address of the symbol `tracing_mark_write`.
pub fn mark_write_ip() -> u64 {
    tracing_mark_write as *const () as usize as u64
}

/// Records `text` for `writer`, on the CPU and at the time its place gives or here and now. Returns the bytes taken.
///
/// Text up to a NUL counts; a newline is added where it is missing. A buffer that does not record: `EBADF`.
/// The triggers of `print`, the event's file, see the text as it was written.
pub(super) fn write(
    buffer: &Buffer,
    print: &EventFile,
    writer: &Task,
    text: &[u8],
) -> Result<usize> {
    if !buffer.is_recording() {
        return Err(Error::new(Errno::EBADF));
    }
    let text = &text[..text.len().min(MAX_TEXT)];
    let mut record = [0u8; 4096];
    let head = writer.head() & !0xff00_0000 | PREEMPT_COUNT << 24 | u64::from(PRINT_ID);
    record[..8].copy_from_slice(&head.to_ne_bytes());
    record[8..16].copy_from_slice(&mark_write_ip().to_ne_bytes());
    record[FIELDS..FIELDS + text.len()].copy_from_slice(text);
    let mut len = FIELDS + text.len();
    let _writer = task::enter(writer);
    let section = print.triggers().section();
    let fired = print
        .triggers()
        .fire(print, &record[..len + 1], || true, &section);
    if text.last() != Some(&b'\n') {
        record[len] = b'\n';
        len += 1;
    }
    len += 1; // the NUL
    let place = writer.place().unwrap_or_default();
    let done = buffer.append_at(
        place.cpu.map(|c| c as usize),
        place.time,
        &record[..len.next_multiple_of(4)],
    );
    fired.finish(print);
    match done {
        true => Ok(text.len()),
        false => Err(Error::new(Errno::EBADF)),
    }
}
