//! `trace_marker` and `trace_marker_raw`: text and data from programs, recorded as `ftrace:print` and `ftrace:raw_data`
//! (Documentation/trace/ftrace.rst).

use super::event_file::EventFile;
use super::stacks::Stack;
use super::triggers::Happened;
use crate::base::error::{Errno, Error, Result};
use crate::base::task::Task;
use crate::event::registry::{PRINT_ID, RAW_DATA_ID};
use crate::ring::Buffer;

/// Longest text of one event: a sub-buffer of 4 KiB less its header, an event header, the fields before the text, and
/// the newline and NUL behind it. Longer writes are cut to it, the caller's loop writes the rest.
pub const MAX_TEXT: usize = 4096 - 16 - 8 - FIELDS - 2;
/// Bytes of `ftrace:print` before its text: the common fields and `ip`.
const FIELDS: usize = 16;
/// Most bytes of a raw marker, its id among them.
pub const MAX_RAW: usize = 4064;
/// Bytes of `ftrace:raw_data` before its id: the common fields.
const COMMON: usize = 8;
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
///
/// The triggers of `print`, the event's file, see the text as it was written.
pub(super) fn write(
    buffer: &Buffer,
    print: &EventFile,
    writer: &Task,
    text: &[u8],
) -> Result<usize> {
    let text = &text[..text.len().min(MAX_TEXT)];
    let mut record = [0u8; 4096];
    record[8..16].copy_from_slice(&mark_write_ip().to_ne_bytes());
    record[FIELDS..FIELDS + text.len()].copy_from_slice(text);
    let mut len = FIELDS + text.len();
    begin(buffer, writer, PRINT_ID, &mut record)?;
    // as a call that has not returned
    let happened = Happened::new(print, Stack::At(mark_write_ip() + 1));
    let section = print.triggers().section();
    let fire = || {
        let text = &record[..len + 1];
        print.triggers().fire(&happened, text, || true, &section)
    };
    let fired = writer.run(fire);
    if text.last() != Some(&b'\n') {
        record[len] = b'\n';
        len += 1;
    }
    len += 1; // the NUL
    let done = append(buffer, writer, &record[..len.next_multiple_of(4)]);
    writer.run(|| fired.finish(&happened));
    done.map(|()| text.len())
}

/// Records `data`, an id of 4 bytes and what follows it, for `writer`. Shorter or longer than can be: `EINVAL`.
pub(super) fn write_raw(buffer: &Buffer, writer: &Task, data: &[u8]) -> Result<usize> {
    if !(size_of::<u32>()..=MAX_RAW).contains(&data.len()) {
        return Err(Error::new(Errno::EINVAL));
    }
    let mut record = [0u8; COMMON + MAX_RAW];
    record[COMMON..COMMON + data.len()].copy_from_slice(data);
    let len = COMMON + data.len().next_multiple_of(4);
    begin(buffer, writer, RAW_DATA_ID, &mut record)?;
    append(buffer, writer, &record[..len])?;
    Ok(data.len())
}

/// Fills in the common fields. A buffer that does not record: `EBADF`.
fn begin(buffer: &Buffer, writer: &Task, id: u16, record: &mut [u8]) -> Result<()> {
    if !buffer.is_recording() {
        return Err(Error::new(Errno::EBADF));
    }
    let head = writer.head() & !0xff00_0000 | PREEMPT_COUNT << 24 | u64::from(id);
    record[..COMMON].copy_from_slice(&head.to_ne_bytes());
    Ok(())
}

/// Records. A buffer that does not take it: `EBADF`.
fn append(buffer: &Buffer, writer: &Task, record: &[u8]) -> Result<()> {
    let place = writer.place().unwrap_or_default();
    match buffer.append_placed(place, record) {
        true => Ok(()),
        false => Err(Error::new(Errno::EBADF)),
    }
}
