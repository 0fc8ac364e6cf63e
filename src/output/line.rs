//! One line of a trace: task, CPU, flags, time, and the event's own text.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::base::text;
use crate::event::print_fmt::{Env, Symbols, Within};
use crate::event::registry::{PRINT_ID, Registry};
use crate::instance::cmdlines::{Cmdlines, comm_text};
use crate::instance::marker::mark_write_ip;
use crate::instance::{Options, TraceArray, TraceOption};

/// Entries of the cache of task columns; a power of two.
const CACHED: usize = 64;
/// Longest task column: 16 of the name, `-`, 10 digits and sign, blank; tgid column 12.
const TASK_COLUMN: usize = 48;

/// `comm-pid` and tgid of one task as text.
#[derive(Clone, Copy)]
struct TaskColumn {
    pid: i32,
    len: u8,
    text: [u8; TASK_COLUMN],
}

/// Writes lines as the options said when it was made or last [`renewed`](Self::renew).
pub(super) struct LineWriter {
    registry: Arc<Registry>,
    cmdlines: Arc<Cmdlines>,
    context: bool,
    irq_info: bool,
    tgid: bool,
    ns: bool,
    hash_ptr: bool,
    sym_offset: bool,
    sym_addr: bool,
    tasks: [Option<TaskColumn>; CACHED],
}

/// The addresses that stand in records and have names.
struct OwnSymbols;

impl Symbols for OwnSymbols {
    fn name(&self, address: u64, out: &mut Vec<u8>) -> Option<Within> {
        (address == mark_write_ip()).then(|| {
            out.extend_from_slice(b"tracing_mark_write");
            Within { offset: 0, size: 1 }
        })
    }
}

impl LineWriter {
    pub(super) fn new(array: &TraceArray) -> LineWriter {
        let mut w = LineWriter {
            registry: array.registry().clone(),
            cmdlines: array.cmdlines().clone(),
            context: true,
            irq_info: true,
            tgid: false,
            ns: true,
            hash_ptr: true,
            sym_offset: false,
            sym_addr: false,
            tasks: [None; CACHED],
        };
        w.renew(array);
        w
    }

    /// Takes over what options, clock and task names are now.
    pub(super) fn renew(&mut self, array: &TraceArray) {
        let options: &Options = array.options();
        self.context = options.get(TraceOption::ContextInfo);
        self.irq_info = options.get(TraceOption::IrqInfo);
        self.tgid = options.get(TraceOption::RecordTgid);
        self.hash_ptr = options.get(TraceOption::HashPtr);
        self.sym_offset = options.get(TraceOption::SymOffset);
        self.sym_addr = options.get(TraceOption::SymAddr);
        self.ns = array.buffer().clock().is_ns();
        self.tasks = [None; CACHED];
    }

    /// Appends the line of `record`, recorded on `cpu` at `time`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, cpu: usize, time: u64, record: &[u8]) {
        let Some(head) = record.first_chunk::<8>() else {
            out.extend_from_slice(b"[RECORD WITHOUT HEADER]\n");
            return;
        };
        let head = u64::from_le_bytes(*head);
        if self.context {
            self.task(out, (head >> 32) as i32);
            out.push(b'[');
            text::dec_right(out, cpu as u64, 3, b'0');
            out.extend_from_slice(b"] ");
            if self.irq_info {
                out.extend_from_slice(&flags((head >> 16) as u8, (head >> 24) as u8));
            }
            out.push(b' ');
            if self.ns {
                // the kernel rounds to the nearest microsecond
                text::seconds(out, time.saturating_add(500), 5);
            } else {
                text::dec_right(out, time, 12, b' ');
            }
            out.extend_from_slice(b": ");
        }
        self.body(out, head as u16, record);
    }

    fn task(&mut self, out: &mut Vec<u8>, pid: i32) {
        let slot = pid as usize & (CACHED - 1);
        if self.tasks[slot].is_none_or(|t| t.pid != pid) {
            self.tasks[slot] = Some(self.task_column(pid));
        }
        if let Some(t) = &self.tasks[slot] {
            out.extend_from_slice(&t.text[..t.len as usize]);
        }
    }

    #[cold]
    fn task_column(&self, pid: i32) -> TaskColumn {
        let saved = self.cmdlines.get(pid);
        let comm: &[u8] = match &saved {
            _ if pid == 0 => b"<idle>",
            _ if pid < 0 => b"<XXX>",
            Some(s) if s.comm[0] != 0 => comm_text(&s.comm),
            _ => b"<...>",
        };
        let mut text = Vec::with_capacity(TASK_COLUMN);
        text.resize(16usize.saturating_sub(comm.len()), b' ');
        text.extend_from_slice(comm);
        text.push(b'-');
        let digits = text.len();
        text::dec_signed(&mut text, i64::from(pid));
        text.resize(text.len().max(digits + 7), b' ');
        text.push(b' ');
        if self.tgid {
            match saved.map_or(0, |s| s.tgid) {
                0 => text.extend_from_slice(b"(-------) "),
                tgid => {
                    text.push(b'(');
                    text::dec_right(&mut text, tgid as u64, 7, b' ');
                    text.extend_from_slice(b") ");
                }
            }
        }
        let mut column = TaskColumn {
            pid,
            len: text.len().min(TASK_COLUMN) as u8,
            text: [0; TASK_COLUMN],
        };
        column.text[..column.len as usize].copy_from_slice(&text[..column.len as usize]);
        column
    }

    fn body(&self, out: &mut Vec<u8>, id: u16, record: &[u8]) {
        if id == PRINT_ID {
            return self.print(out, record);
        }
        let Some(event) = self.registry.event(id) else {
            out.extend_from_slice(b"Unknown type ");
            text::dec(out, u64::from(id));
            out.push(b'\n');
            return;
        };
        let env = Env {
            hash_ptr: self.hash_ptr,
            symbols: &OwnSymbols,
            ..Env::default()
        };
        event.render(record, &env, out);
        out.push(b'\n');
    }

    /// `ftrace:print`: the name of the function that wrote it, and its text, which brings its newline.
    fn print(&self, out: &mut Vec<u8>, record: &[u8]) {
        let ip = record
            .get(8..16)
            .map_or(0, |b| b.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
        match OwnSymbols.name(ip, out) {
            None => {
                out.extend_from_slice(b"0x");
                text::hex(out, ip);
            }
            Some(within) => {
                if self.sym_offset {
                    out.extend_from_slice(b"+0x");
                    text::hex(out, within.offset);
                    out.extend_from_slice(b"/0x");
                    text::hex(out, within.size);
                }
                if self.sym_addr {
                    out.extend_from_slice(b" <");
                    text::hex_zero(out, ip, 16);
                    out.push(b'>');
                }
            }
        }
        out.extend_from_slice(b": ");
        let text = record.get(16..).unwrap_or(&[]);
        out.extend_from_slice(&text[..text.iter().position(|b| *b == 0).unwrap_or(text.len())]);
    }
}

/// The five characters for `common_flags` and `common_preempt_count`.
fn flags(flags: u8, preempt: u8) -> [u8; 5] {
    const IRQS_OFF: u8 = 1;
    const LAZY: u8 = 2;
    const RESCHED: u8 = 4;
    const HARDIRQ: u8 = 8;
    const SOFTIRQ: u8 = 16;
    const PREEMPT_RESCHED: u8 = 32;
    const NMI: u8 = 64;
    const BH_OFF: u8 = 128;
    let nibble = |n: u8| {
        if n == 0 {
            b'.'
        } else {
            b"0123456789abcdef"[n as usize & 15]
        }
    };
    [
        match (flags & IRQS_OFF != 0, flags & BH_OFF != 0) {
            (true, true) => b'D',
            (true, false) => b'd',
            (false, true) => b'b',
            (false, false) => b'.',
        },
        match (
            flags & RESCHED != 0,
            flags & PREEMPT_RESCHED != 0,
            flags & LAZY != 0,
        ) {
            (true, true, true) => b'B',
            (true, true, false) => b'N',
            (false, true, true) => b'L',
            (true, false, true) => b'b',
            (true, false, false) => b'n',
            (false, false, true) => b'l',
            (false, true, false) => b'p',
            (false, false, false) => b'.',
        },
        match (flags & NMI != 0, flags & HARDIRQ != 0, flags & SOFTIRQ != 0) {
            (true, true, _) => b'Z',
            (true, false, _) => b'z',
            (false, true, true) => b'H',
            (false, true, false) => b'h',
            (false, false, true) => b's',
            (false, false, false) => b'.',
        },
        nibble(preempt & 15),
        nibble(preempt >> 4),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_characters() {
        fn check(f: u8, p: u8, expected: &[u8; 5]) {
            assert_eq!(&flags(f, p), expected);
        }
        check(0, 0, b".....");
        check(1, 2, b"d..2.");
        check(0x81, 0, b"D....");
        check(0x80 | 0x24 | 0x18, 0x1f, b"bNHf1");
        check(0x48, 0, b"..Z..");
        check(0x02, 0, b".l...");
    }
}
