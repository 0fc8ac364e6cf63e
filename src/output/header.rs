//! The lines before the first event of `trace`.

use alloc::vec::Vec;

use super::style::Style;
use crate::base::cpu;
use crate::base::system;
use crate::base::text;
use crate::instance::TraceArray;
use crate::ring::Side;

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

/// Before a snapshot that is empty.
const HELP: &str = "\
# Snapshot commands:
# echo 0 > snapshot : forgets it and gives its memory back
# echo 1 > snapshot : swaps the main buffer with it; it is allocated first if it is not
# echo 2 > snapshot : forgets what is in it, keeps its memory; so does any other number
";
const CPU_HELP: &str = "\
# Snapshot commands:
# echo 0 > snapshot : refused, only the main snapshot file gives memory back
# echo 1 > snapshot : swaps this CPU's buffer with it; all are allocated first if they are not
# echo 2 > snapshot : forgets what is in this CPU's; so does any other number
";

/// What a header is about: `trace` or `snapshot` of an instance, of a CPU or all.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) array: &'a TraceArray,
    pub(super) side: Side,
    pub(super) cpu: Option<usize>,
}

/// Appends a header, as the options want it; `empty`: there are no events.
pub(super) fn write(whose: Whose<'_>, style: &Style, empty: bool, out: &mut Vec<u8>) {
    let Whose { array, side, cpu } = whose;
    out.extend_from_slice(b"# tracer: nop\n#\n");
    if side == Side::Snapshot && empty {
        let state = match array.buffer().has_snapshot() {
            true => "#\n# * Snapshot is allocated *\n#\n",
            false => "#\n# * Snapshot is freed *\n#\n",
        };
        let help = if cpu.is_some() { CPU_HELP } else { HELP };
        out.extend_from_slice(state.as_bytes());
        out.extend_from_slice(help.as_bytes());
        return;
    }
    if !style.context {
        return;
    }
    let buffer = array.buffer();
    let (mut entries, mut overrun) = (0, 0);
    for cpu in 0..cpu::possible() {
        let stats = buffer.stats_of(side, cpu);
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
