//! The lines before the first event of `trace`.

use alloc::vec::Vec;

use crate::base::cpu;
use crate::base::text;
use crate::instance::{TraceArray, TraceOption};

/// Column art for each combination of record-tgid and irq-info.
const TGID_FLAGS: &str = "\
#                                          _-----=> irqs-off/BH-disabled
#                                         / _----=> need-resched
#                                        | / _---=> hardirq/softirq
#                                        || / _--=> preempt-depth
#                                        ||| / _-=> migrate-disable
#                                        |||| /     delay
#           TASK-PID       TGID    CPU#  |||||  TIMESTAMP  FUNCTION
#              | |           |       |   |||||     |         |
";
const FLAGS: &str = "\
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |
";
const TGID: &str = "\
#           TASK-PID       TGID    CPU#     TIMESTAMP  FUNCTION
#              | |           |       |         |         |
";
const PLAIN: &str = "\
#           TASK-PID     CPU#     TIMESTAMP  FUNCTION
#              | |         |         |         |
";

/// Appends the header of `array`'s `trace` as its options want it.
pub(super) fn write(array: &TraceArray, out: &mut Vec<u8>) {
    let on = |option| array.options().get(option);
    out.extend_from_slice(b"# tracer: nop\n#\n");
    if !on(TraceOption::ContextInfo) {
        return;
    }
    let buffer = array.buffer();
    let (mut entries, mut overrun) = (0, 0);
    for cpu in 0..cpu::possible() {
        let stats = buffer.stats(cpu);
        entries += stats.entries;
        overrun += stats.overrun;
    }
    out.extend_from_slice(b"# entries-in-buffer/entries-written: ");
    text::dec(out, entries);
    out.push(b'/');
    text::dec(out, entries + overrun);
    out.extend_from_slice(b"   #P:");
    text::dec(out, cpu::online() as u64);
    out.extend_from_slice(b"\n#\n");
    let art = match (on(TraceOption::RecordTgid), on(TraceOption::IrqInfo)) {
        (true, true) => TGID_FLAGS,
        (false, true) => FLAGS,
        (true, false) => TGID,
        (false, false) => PLAIN,
    };
    out.extend_from_slice(art.as_bytes());
}
