//! One line of a trace: its context and the event's own text, in the form that the options ask for
//! (Documentation/trace/ftrace.rst, "trace_options").

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::context::{self, Tasks};
use super::stack;
use super::style::{Form, Style};
use super::symbols::{OwnSymbols, symbol};
use crate::base::text;
use crate::event::print_fmt::{Env, render_fields};
use crate::event::registry::{KERNEL_STACK_ID, PRINT_ID, RAW_DATA_ID, Registry, USER_STACK_ID};
use crate::instance::TraceArray;

/// An event to be written.
pub(super) struct Line<'a> {
    pub(super) cpu: usize,
    pub(super) time: u64,
    /// Time of the event that comes after it; its own if there is none. Looked at in latency format only.
    pub(super) next: u64,
    /// Its number in this reading.
    pub(super) index: u64,
    pub(super) record: &'a [u8],
}

/// Writes lines as the options said when it was made or last [`renewed`](Self::renew).
pub(super) struct LineWriter {
    registry: Arc<Registry>,
    style: Style,
    tasks: Tasks,
}

impl LineWriter {
    pub(super) fn new(array: &TraceArray) -> LineWriter {
        let style = Style::of(array);
        LineWriter {
            registry: array.registry().clone(),
            tasks: Tasks::new(array.cmdlines().clone(), &style),
            style,
        }
    }

    /// Takes over what options, clock and task names are now. Whether it is latency format stays as it was.
    pub(super) fn renew(&mut self, array: &TraceArray) {
        self.style = Style {
            latency: self.style.latency,
            ..Style::of(array)
        };
        self.tasks.renew(&self.style);
        OwnSymbols::renew();
    }

    /// How lines look.
    pub(super) fn style(&self) -> &Style {
        &self.style
    }

    /// Appends a line.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, line: &Line<'_>) {
        let Some(head) = line.record.first_chunk::<8>() else {
            out.extend_from_slice(b"[RECORD WITHOUT HEADER]\n");
            return;
        };
        let head = u64::from_le_bytes(*head);
        let (id, pid) = (head as u16, (head >> 32) as i32);
        let start = out.len();
        if self.style.message_only && id == PRINT_ID {
            return message(out, line.record);
        }
        match self.style.form {
            Form::Text => {
                self.context(out, head, line);
                self.body(out, id, line.record);
            }
            Form::Fields => {
                self.context(out, head, line);
                self.fields(out, id, line.record);
            }
            Form::Raw => {
                if self.style.context {
                    context::raw(out, pid, line);
                }
                self.raw(out, id, line.record);
            }
            Form::Hex => {
                if self.style.context {
                    context::hex(out, pid, line);
                }
                self.type_number(out, id);
                out.push(b'\n');
            }
            Form::Bin => {
                if self.style.context {
                    context::bin(out, pid, line);
                }
                self.type_number(out, id);
            }
        }
        if id == RAW_DATA_ID {
            cut_raw(out, start);
        }
    }

    #[inline]
    fn context(&mut self, out: &mut Vec<u8>, head: u64, line: &Line<'_>) {
        if !self.style.context {
            return;
        }
        self.tasks.write(out, (head >> 32) as i32);
        let (flags, preempt) = ((head >> 16) as u8, (head >> 24) as u8);
        if self.style.latency {
            context::latency(out, &self.style, flags, preempt, line);
        } else {
            context::usual(out, &self.style, flags, preempt, line);
        }
    }

    #[inline]
    fn body(&self, out: &mut Vec<u8>, id: u16, record: &[u8]) {
        match id {
            PRINT_ID => self.print(out, record),
            KERNEL_STACK_ID => stack::kernel(out, &self.style, record),
            USER_STACK_ID => stack::user(out, &self.style, record),
            _ => {
                let Some(event) = self.registry.event(id) else {
                    return unknown(out, id);
                };
                event.render(record, &self.env(), out);
                out.push(b'\n');
            }
        }
    }

    fn env(&self) -> Env<'static> {
        Env {
            hash_ptr: self.style.hash_ptr,
            verbose: self.style.verbose,
            symbols: &OwnSymbols,
            ..Env::default()
        }
    }

    /// `name: field=value …`; ftrace's own events have no fields here, as in the kernel.
    fn fields(&self, out: &mut Vec<u8>, id: u16, record: &[u8]) {
        match self.registry.event(id) {
            None => unknown(out, id),
            Some(event) if !event.is_enableable() => {
                out.extend_from_slice(b"UNKNOWN TYPE ");
                text::dec(out, id.into());
                out.push(b'\n');
            }
            Some(event) => {
                out.extend_from_slice(event.name.as_bytes());
                out.push(b':');
                render_fields(&event.fields, record, &self.env(), out);
                out.push(b'\n');
            }
        }
    }

    /// Markers have a text in raw form, all others say of which type they are.
    fn raw(&self, out: &mut Vec<u8>, id: u16, record: &[u8]) {
        match id {
            PRINT_ID => {
                out.extend_from_slice(b"# ");
                text::hex(out, ip(record));
                out.push(b' ');
                message(out, record);
            }
            RAW_DATA_ID => self.body(out, id, record),
            _ if self.registry.event(id).is_some() => self.type_number(out, id),
            _ => {
                text::dec(out, id.into());
                out.extend_from_slice(b" ?\n");
            }
        }
    }

    fn type_number(&self, out: &mut Vec<u8>, id: u16) {
        if self.registry.event(id).is_some() {
            out.extend_from_slice(b"type: ");
            text::dec(out, id.into());
            out.push(b'\n');
        }
    }

    /// `ftrace:print`: the name of the function that wrote it, and its text, which brings its newline.
    fn print(&self, out: &mut Vec<u8>, record: &[u8]) {
        symbol(out, &self.style, ip(record), false);
        out.extend_from_slice(b": ");
        message(out, record);
    }
}

/// Cuts the line of a raw marker that begins at `start` to what the kernel makes a line in: whole bytes, and no newline.
fn cut_raw(out: &mut Vec<u8>, start: usize) {
    /// Two pages, less what describes them.
    const ROOM: usize = 8156;
    /// A blank and two digits.
    const BYTE: usize = 3;
    let len = out.len() - start - 1;
    if len >= ROOM {
        let over = (len + 1 - ROOM).div_ceil(BYTE);
        out.truncate(start + len - over * BYTE);
    }
}

fn unknown(out: &mut Vec<u8>, id: u16) {
    out.extend_from_slice(b"Unknown type ");
    text::dec(out, id.into());
    out.push(b'\n');
}

/// Where an `ftrace:print` comes from.
fn ip(record: &[u8]) -> u64 {
    record
        .get(8..16)
        .map_or(0, |b| b.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// What an `ftrace:print` says.
fn message(out: &mut Vec<u8>, record: &[u8]) {
    text::until_nul(out, record.get(16..).unwrap_or_default());
}
