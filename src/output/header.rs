//! The lines before the first event of `trace`.

use alloc::vec::Vec;

use super::style::Style;
use crate::base::cpu;
use crate::base::system;
use crate::base::text;
use crate::instance::TraceArray;

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

const RULE: &str = "# --------------------------------------------------------------------\n";
/// Blanks at the ends are the kernel's.
const LATENCY: &str = "\
#                    _------=> CPU#           \x20
#                   / _-----=> irqs-off/BH-disabled
#                  | / _----=> need-resched   \x20
#                  || / _---=> hardirq/softirq\x20
#                  ||| / _--=> preempt-depth  \x20
#                  |||| / _-=> migrate-disable\x20
#                  ||||| /     delay          \x20
#  cmd     pid     |||||| time  |   caller    \x20
#     \\   /        ||||||  \\    |    /      \x20
";

/// Appends the header of `array`'s `trace`, in which there is nothing if `empty`, as the options want it.
pub(super) fn write(array: &TraceArray, style: &Style, empty: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"# tracer: nop\n#\n");
    if !style.context {
        return;
    }
    let buffer = array.buffer();
    let (mut entries, mut overrun) = (0, 0);
    for cpu in 0..cpu::possible() {
        let stats = buffer.stats(cpu);
        entries += stats.entries;
        overrun += stats.overrun;
    }
    let counts = |out: &mut Vec<u8>| {
        text::dec(out, entries);
        out.push(b'/');
        text::dec(out, entries + overrun);
    };
    if style.latency {
        if empty {
            return;
        }
        out.extend_from_slice(b"# nop latency trace v1.1.5 on ");
        system::release(out);
        out.push(b'\n');
        out.extend_from_slice(RULE.as_bytes());
        out.extend_from_slice(b"# latency: 0 us, #");
        counts(out);
        out.extend_from_slice(b", CPU#0 | (M:PREEMPT(none) VP:0, KP:0, SP:0 HP:0 #P:");
        text::dec(out, cpu::online() as u64);
        out.extend_from_slice(
            b")\n#    -----------------\n#    | task: -0 (uid:0 nice:0 policy:0 rt_prio:0)\n#    -----------------\n#\n",
        );
        if !style.verbose {
            out.extend_from_slice(LATENCY.as_bytes());
        }
        return;
    }
    if style.verbose {
        return;
    }
    out.extend_from_slice(b"# entries-in-buffer/entries-written: ");
    counts(out);
    out.extend_from_slice(b"   #P:");
    text::dec(out, cpu::online() as u64);
    out.extend_from_slice(b"\n#\n");
    let art = match (style.tgid, style.irq_info) {
        (true, true) => TGID_FLAGS,
        (false, true) => FLAGS,
        (true, false) => TGID,
        (false, false) => PLAIN,
    };
    out.extend_from_slice(art.as_bytes());
}
