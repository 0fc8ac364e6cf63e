//! What is written to the files: what they take, what they nearly take, and noise.

use crate::rng::Rng;

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "16",
    "50",
    "100",
    "101",
    "010",
    "0x10",
    "+1",
    "-1",
    "64",
    "128",
    "1408",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "99999999999999999999999",
    "1 ",
    " 1",
    "1\n0",
    "",
    "x",
    "1.0",
];
const CLOCKS: &[&str] = &[
    "local", "global", "counter", "uptime", "perf", "mono", "mono_raw", "boot", "tai", "x86-tsc",
    "nothing", "[local]",
];
const OPTIONS: &[&str] = &[
    "print-parent",
    "sym-offset",
    "sym-addr",
    "verbose",
    "raw",
    "hex",
    "bin",
    "block",
    "fields",
    "trace_printk",
    "annotate",
    "userstacktrace",
    "sym-userobj",
    "printk-msg-only",
    "context-info",
    "latency-format",
    "record-cmd",
    "record-tgid",
    "overwrite",
    "disable_on_free",
    "irq-info",
    "markers",
    "event-fork",
    "trace_printk_dest",
    "copy_trace_marker",
    "pause-on-trace",
    "hash-ptr",
    "stacktrace",
    "bitmask-list",
    "nothing",
];
/// Systems and events of this test and of Linux.
pub const EVENTS: &[(&str, &str)] = &[
    ("fuzz", "fuzz_ints"),
    ("fuzz", "fuzz_text"),
    ("fuzz", "fuzz_wide"),
    ("sched", "sched_switch"),
    ("sched", "sched_process_fork"),
    ("sched", "sched_waking"),
    ("raw_syscalls", "sys_enter"),
    ("ftrace", "print"),
    ("nothing", "sched_switch"),
];
const FIELDS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "flag",
    "name",
    "text",
    "wide",
    "list",
    "prev_pid",
    "prev_comm",
    "next_pid",
    "pid",
    "id",
    "args",
    "common_pid",
    "common_type",
    "common_flags",
    "common_preempt_count",
    "CPU",
    "cpu",
    "COMM",
    "comm",
    "common_cpu",
    "stacktrace",
    "buf",
    "ip",
    "nothing",
    "name.ustring",
    "a.function",
    "",
];
/// What every event takes, or every event of this test.
const GOOD: &[&str] = &[
    "common_pid > 0",
    "common_pid == 0x10",
    "common_type & 3",
    "common_flags != 1",
    "common_preempt_count < 3",
    "CPU == 0",
    "CPU & CPUS{0-1}",
    "cpu != CPUS{1}",
    "COMM ~ \"fuzz*\"",
    "COMM != 'x'",
    "comm ~ \"*[a-z]?*\"",
    "a > 3",
    "a == 7",
    "a & 5",
    "a <= 9",
];
const OPERATORS: &[&str] = &[
    "==", "!=", "<", "<=", ">", ">=", "&", "~", "=", "===", "!~", "<>", "|", " ",
];
const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "5",
    "0x10",
    "010",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "99999999999999999999",
    "\"x\"",
    "'x'",
    "\"*x*\"",
    "\"?[a-z]*\\\\\"",
    "\"!no\"",
    "\"\"",
    "\"[\"",
    "\"unfinished",
    "bash",
    "CPUS{0-1}",
    "CPUS{1",
    "CPUS{}",
    "CPUS{x}",
    "CPUS{0-99999}",
    "(1)",
    "",
];

/// A filter, mostly one that is well formed.
fn filter(rng: &mut Rng, depth: usize, out: &mut String) {
    let terms = 1 + rng.below(if depth == 0 { 6 } else { 2 });
    for term in 0..terms {
        if term > 0 {
            let known = if rng.per_mille(30) { 6 } else { 4 };
            out.push_str(rng.word(&[" && ", " || ", "&&", "||", " & ", " "][..known]));
        }
        while rng.per_mille(100) {
            out.push_str(rng.word(&["!", "! "]));
        }
        if depth < 6 && rng.per_mille(250) {
            out.push('(');
            filter(rng, depth + 1, out);
            if !rng.per_mille(10) {
                out.push(')');
            }
        } else if rng.per_mille(800) {
            out.push_str(rng.word(GOOD));
        } else {
            out.push_str(rng.word(FIELDS));
            out.push(' ');
            let known = if rng.per_mille(950) {
                &OPERATORS[..8]
            } else {
                OPERATORS
            };
            out.push_str(rng.word(known));
            out.push(' ');
            out.push_str(rng.word(VALUES));
        }
    }
}

fn trigger(rng: &mut Rng) -> String {
    let mut out = String::from(rng.word(&["", "", "!", "!", "! "]));
    let command = rng.word(&[
        "traceon",
        "traceoff",
        "snapshot",
        "stacktrace",
        "enable_event",
        "disable_event",
        "hist:keys=common_pid",
        "nothing",
        "",
    ]);
    out.push_str(command);
    if command.ends_with("_event") && !rng.per_mille(30) {
        let (system, event) = rng.pick(EVENTS);
        out.push_str(&format!(":{system}:{event}"));
    }
    if rng.per_mille(400) {
        out.push(if rng.per_mille(900) { ':' } else { ' ' });
        out.push_str(rng.word(NUMBERS));
    }
    if rng.per_mille(300) {
        out.push_str(" if ");
        filter(rng, 1, &mut out);
    }
    out
}

fn events(rng: &mut Rng) -> String {
    let mut out = String::new();
    for _ in 0..1 + rng.below(3) {
        let (system, event) = rng.pick(EVENTS);
        out.push_str(rng.word(&["", "", "!"]));
        match rng.below(8) {
            0 => out.push_str(system),
            1 => out.push_str(event),
            2 => out.push_str(&format!("{system}:*")),
            3 => out.push_str(&format!("*:{event}")),
            4 if rng.per_mille(50) => out.push_str("*:*"),
            _ => out.push_str(&format!("{system}:{event}")),
        }
        out.push_str(rng.word(&[" ", "\n", "", ",", "\0"]));
    }
    out
}

fn pids(rng: &mut Rng) -> String {
    let mut out = String::new();
    let most = if rng.per_mille(5) { 3000 } else { 6 };
    for _ in 0..rng.below(most) {
        match rng.below(12) {
            0 => out.push_str(rng.word(NUMBERS)),
            1 => out.push_str(&std::process::id().to_string()),
            2 => out.push_str(&(rng.next() % 0x4000_0000).to_string()),
            _ => out.push_str(&rng.below(70000).to_string()),
        }
        out.push_str(rng.word(&[" ", "\n", "\t"]));
    }
    out
}

/// Something that the file called `name` may take.
fn fitting(rng: &mut Rng, name: &str, in_options: bool) -> Vec<u8> {
    let text = match name {
        "trace_clock" => rng.word(CLOCKS).to_string(),
        "current_tracer" => rng
            .word(&["nop", "nop", "function", " nop ", "nothing"])
            .to_string(),
        "trace_options" => format!("{}{}", rng.word(&["", "no"]), rng.word(OPTIONS)),
        "set_event" => events(rng),
        "set_event_pid" | "set_event_notrace_pid" => pids(rng),
        "filter" => {
            let mut out = String::new();
            match rng.below(5) {
                0 => out.push('0'),
                _ => filter(rng, 0, &mut out),
            }
            out
        }
        "trigger" => trigger(rng),
        "tracing_cpumask" => rng
            .word(&[
                "0",
                "1",
                "2",
                "3",
                "f",
                "0,1",
                "00000003",
                "ffffffff,ffffffff",
                "x",
                "",
                "3\n",
            ])
            .to_string(),
        "buffer_subbuf_size_kb" => rng
            .word(&[
                "1",
                "4",
                "4",
                "8",
                "8",
                "16",
                "64",
                "0",
                "1000",
                "4294967296",
                "-1",
            ])
            .to_string(),
        "trace_marker" => {
            let most = *rng.pick(&[10, 10, 100, 5000, 70000]);
            return rng.bytes(most);
        }
        "trace_marker_raw" => {
            let most = *rng.pick(&[8, 40, 5000]);
            return rng.bytes(most);
        }
        "enable" => rng.word(&["0", "0", "1", "1", "2", "x", ""]).to_string(),
        _ if in_options => rng.word(&["0", "1", "2", ""]).to_string(),
        _ => rng.word(NUMBERS).to_string(),
    };
    text.into_bytes()
}

/// Bytes of no kind, or those of another file, or fitting ones, perhaps mutated.
pub fn input(rng: &mut Rng, path: &str) -> Vec<u8> {
    const NAMES: &[&str] = &[
        "filter",
        "trigger",
        "set_event",
        "trace_options",
        "trace_clock",
        "tracing_cpumask",
        "set_event_pid",
    ];
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut data = match rng.below(20) {
        0 => rng.bytes(60),
        1 => {
            let most = *rng.pick(&[300, 4095, 4096, 4097, 9000]);
            let byte = rng.next() as u8;
            vec![byte; rng.below(most + 1)]
        }
        2 => {
            let other = rng.word(NAMES);
            fitting(rng, other, false)
        }
        _ => fitting(rng, name, dir.ends_with("options")),
    };
    if rng.per_mille(700) {
        data.push(b'\n');
    }
    while rng.per_mille(150) {
        mutate(rng, &mut data);
    }
    if bounded(name) {
        tame(&mut data);
    }
    data
}

fn mutate(rng: &mut Rng, data: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\0\n\t !:&|()\"'\\*?[]-{}0x19,~=<>\xff\x80\r";
    let at = rng.below(data.len() + 1);
    match rng.below(5) {
        0 if at < data.len() => data[at] ^= 1 << rng.below(8),
        1 => data.truncate(at),
        2 if at < data.len() => _ = data.remove(at),
        3 if data.len() < 3000 => data.extend_from_within(at..),
        _ => data.insert(at, *rng.pick(BYTES)),
    }
}

/// Files where root may ask for as much memory as there is; that is no mistake, but nothing to do here.
fn bounded(name: &str) -> bool {
    matches!(
        name,
        "buffer_size_kb" | "buffer_subbuf_size_kb" | "saved_cmdlines_size"
    )
}

/// Numbers that mean gigabytes become small; those that nobody can have stay.
fn tame(data: &mut Vec<u8>) {
    // what stands behind a NUL is not read
    let digits = data.iter().take_while(|b| **b != 0);
    let digits = digits.filter(|b| b.is_ascii_digit()).count();
    if (4..17).contains(&digits) && data != b"1408" && data != b"1408\n" {
        *data = b"300".to_vec();
    }
}
