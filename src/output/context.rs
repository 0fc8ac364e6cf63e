//! What stands before an event's text: task, CPU, flags and time.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::line::Line;
use super::style::Style;
use crate::base::text;
use crate::instance::cmdlines::{Cmdlines, comm_text};

/// Entries of the cache of task columns; a power of two.
const CACHED: usize = 64;
/// Longest task column: 16 of the name, `-`, 10 digits and sign, blank; tgid column 12.
const TASK_COLUMN: usize = 48;
/// Bytes of a name in latency format.
const SHORT_NAME: usize = 8;

/// `comm-pid` and tgid of one task as text.
#[derive(Clone, Copy)]
struct TaskColumn {
    pid: i32,
    len: u8,
    text: [u8; TASK_COLUMN],
}

/// The columns that say whose an event is.
pub(super) struct Tasks {
    cmdlines: Arc<Cmdlines>,
    columns: Columns,
    tgid: bool,
    tasks: [Option<TaskColumn>; CACHED],
}

/// How a task is written.
#[derive(Clone, Copy)]
enum Columns {
    Usual,
    Latency,
    LatencyVerbose,
}

impl Tasks {
    pub(super) fn new(cmdlines: Arc<Cmdlines>, style: &Style) -> Tasks {
        let mut tasks = Tasks {
            cmdlines,
            columns: Columns::Usual,
            tgid: false,
            tasks: [None; CACHED],
        };
        tasks.renew(style);
        tasks
    }

    /// Forgets names; from now on as `style` says.
    pub(super) fn renew(&mut self, style: &Style) {
        self.columns = match (style.latency, style.verbose) {
            (false, _) => Columns::Usual,
            (true, false) => Columns::Latency,
            (true, true) => Columns::LatencyVerbose,
        };
        self.tgid = style.tgid;
        self.tasks = [None; CACHED];
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>, pid: i32) {
        let slot = pid as usize & (CACHED - 1);
        if self.tasks[slot].is_none_or(|t| t.pid != pid) {
            self.tasks[slot] = Some(self.column(pid));
        }
        if let Some(t) = &self.tasks[slot] {
            out.extend_from_slice(&t.text[..t.len as usize]);
        }
    }

    #[cold]
    fn column(&self, pid: i32) -> TaskColumn {
        let saved = self.cmdlines.get(pid);
        let comm: &[u8] = match &saved {
            _ if pid == 0 => b"<idle>",
            Some(s) if s.comm[0] != 0 => comm_text(&s.comm),
            _ => b"<...>",
        };
        let mut text = Vec::with_capacity(TASK_COLUMN);
        match self.columns {
            Columns::Usual => {
                text::right(&mut text, comm, 16);
                text.push(b'-');
                text::dec_signed_left(&mut text, pid.into(), 7);
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
            }
            Columns::Latency => {
                text::right(&mut text, &comm[..comm.len().min(SHORT_NAME)], SHORT_NAME);
                text.push(b'-');
                text::dec_signed_left(&mut text, pid.into(), 7);
                text.push(b' ');
            }
            Columns::LatencyVerbose => {
                text::right(&mut text, comm, 16);
                text.push(b' ');
                text::dec_signed_right(&mut text, pid.into(), 7);
                text.push(b' ');
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
}

/// `[000] ....1  4236.631431: `, behind the task.
#[inline]
pub(super) fn usual(out: &mut Vec<u8>, style: &Style, flag: u8, preempt: u8, line: &Line<'_>) {
    out.push(b'[');
    text::dec_right(out, line.cpu as u64, 3, b'0');
    out.extend_from_slice(b"] ");
    if style.irq_info {
        out.extend_from_slice(&flags(flag, preempt));
    }
    out.push(b' ');
    if style.ns {
        // the kernel rounds to the nearest microsecond
        text::seconds(out, line.time.saturating_add(500), 5);
    } else {
        text::dec_right(out, line.time, 12, b' ');
    }
    out.extend_from_slice(b": ");
}

/// CPU, flags, time since the last clear and how far off the next event is, behind the task.
pub(super) fn latency(out: &mut Vec<u8>, style: &Style, flag: u8, preempt: u8, line: &Line<'_>) {
    let since = line.time.wrapping_sub(style.start);
    let until = line.next.wrapping_sub(line.time);
    text::dec_right(out, line.cpu as u64, 3, b' ');
    if style.verbose {
        out.push(b' ');
        text::dec(out, flag.into());
        out.push(b' ');
        text::hex_zero(out, (preempt & 15).into(), 8);
        out.push(b' ');
        text::hex_zero(out, line.index, 8);
        out.extend_from_slice(b" [");
        if style.ns {
            text::hex_zero(out, micros(line.time), 8);
            out.extend_from_slice(b"] ");
            millis(out, micros(since));
            out.extend_from_slice(b" (+");
            millis(out, micros(until));
        } else {
            text::hex_zero(out, line.time, 16);
            out.extend_from_slice(b"] ");
            text::dec_signed(out, since as i64);
            out.extend_from_slice(b" (+");
            text::dec_signed(out, until as i64);
        }
        out.extend_from_slice(b"): ");
    } else {
        out.extend_from_slice(&flags(flag, preempt));
        out.push(b' ');
        if style.ns {
            text::dec_signed_right(out, micros(since) as i64, 4);
            out.extend_from_slice(b"us");
            out.push(mark(micros(until)));
        } else {
            text::dec_signed_right(out, since as i64, 4);
        }
        out.extend_from_slice(b": ");
    }
}

/// `pid cpu time `.
pub(super) fn raw(out: &mut Vec<u8>, pid: i32, line: &Line<'_>) {
    text::dec_signed(out, pid.into());
    out.push(b' ');
    text::dec(out, line.cpu as u64);
    out.push(b' ');
    text::dec(out, line.time);
    out.push(b' ');
}

/// The same, hexadecimal, all digits.
pub(super) fn hex(out: &mut Vec<u8>, pid: i32, line: &Line<'_>) {
    text::hex_zero(out, (pid as u32).into(), 8);
    out.push(b' ');
    text::hex_zero(out, line.cpu as u64, 8);
    out.push(b' ');
    text::hex_zero(out, line.time, 16);
    out.push(b' ');
}

/// The same, as the machine has it.
pub(super) fn bin(out: &mut Vec<u8>, pid: i32, line: &Line<'_>) {
    out.extend_from_slice(&pid.to_ne_bytes());
    out.extend_from_slice(&(line.cpu as u32).to_ne_bytes());
    out.extend_from_slice(&line.time.to_ne_bytes());
}

/// Nanoseconds in microseconds, to the nearest.
fn micros(ns: u64) -> u64 {
    ns.wrapping_add(500) / 1000
}

/// `48.293ms`.
fn millis(out: &mut Vec<u8>, micros: u64) {
    text::dec(out, micros / 1000);
    out.push(b'.');
    text::dec_right(out, micros % 1000, 3, b'0');
    out.extend_from_slice(b"ms");
}

/// The character for a distance.
fn mark(micros: u64) -> u8 {
    match micros {
        1_000_001.. => b'$',
        100_001.. => b'@',
        10_001.. => b'*',
        1_001.. => b'#',
        101.. => b'!',
        11.. => b'+',
        _ => b' ',
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
    fn marks() {
        fn check(micros: u64, expected: &[u8; 1]) {
            assert_eq!(mark(micros), expected[0], "{micros}");
        }
        check(10, b" ");
        check(11, b"+");
        check(100, b"+");
        check(101, b"!");
        check(1001, b"#");
        check(10_000, b"#");
        check(10_001, b"*");
        check(100_001, b"@");
        check(1_000_001, b"$");
    }

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
