//! The kernel's own text of one buffer, for each option: tests/golden/trace-by-option.txt.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::TraceReader;
use crate::base::{cpu, system};
use crate::event::registry::{PRINT_ID, RAW_DATA_ID, Registry};
use crate::instance::marker::mark_write_ip;
use crate::instance::{Options, TraceArray, TraceOption, Tracing};
use crate::ring::Way;

use crate::Chars;

crate::define_event_trace!(
    signal_generate,
    TP_system(golden),
    TP_PROTO(sig: i32),
    TP_STRUCT__entry{ sig: i32, errno: i32, code: i32, comm: Chars<16>, pid: i32, group: i32, result: i32 },
    TP_fast_assign{ sig: sig, errno: 0, code: 0, comm: "demo", pid: 13398, group: 1, result: 1 },
    TP_ident(__entry),
    TP_printk("sig={} errno={} code={} comm={} pid={} grp={} res={}",
        __entry.sig, __entry.errno, __entry.code, __entry.comm, __entry.pid, __entry.group, __entry.result)
);
crate::define_event_trace!(
    task_rename,
    TP_system(golden),
    TP_PROTO(oldcomm: &str, newcomm: &str),
    TP_STRUCT__entry{ pid: i32, oldcomm: Chars<16>, newcomm: Chars<16>, oom_score_adj: i16 },
    TP_fast_assign{ pid: 13398, oldcomm: oldcomm, newcomm: newcomm, oom_score_adj: 0 },
    TP_ident(__entry),
    TP_printk("pid={} oldcomm={} newcomm={} oom_score_adj={}",
        __entry.pid, __entry.oldcomm, __entry.newcomm, __entry.oom_score_adj)
);
crate::define_syscall_trace! {
    mod calls;
    kill = 62 (pid: "pid_t", sig: "int"),
}

const PID: i32 = 13398;
/// The kernel's ids of the events, and ours by these names.
const IDS: [(u16, &str, &str); 4] = [
    (251, "syscalls", "sys_enter_kill"),
    (261, "golden", "signal_generate"),
    (250, "syscalls", "sys_exit_kill"),
    (204, "golden", "task_rename"),
];

/// Times of the seven events and of the clear before them. Where only rounded times are known they fit these.
fn times(clock: &str) -> (u64, [u64; 7]) {
    match clock {
        "counter" => (42, [43, 44, 45, 46, 47, 48, 49]),
        "x86-tsc" => (
            11_835_162_442_893,
            [
                11_835_185_447_509,
                11_835_185_470_477,
                11_835_186_546_007,
                11_835_186_566_931,
                11_835_186_568_323,
                11_835_207_658_291,
                11_835_207_684_653,
            ],
        ),
        "uptime" => (
            423_663,
            [
                423_665, 423_665, 423_665, 423_665, 423_665, 423_666, 423_666,
            ],
        ),
        "tai" => {
            let micros = [
                0x6_60c1_23be_21f6,
                0x6_60c1_23be_2201,
                0x6_60c1_23be_238e,
                0x6_60c1_23be_2397,
                0x6_60c1_23be_2397,
                0x6_60c1_23be_40ad,
                0x6_60c1_23be_40b4u64,
            ];
            let mut ns = micros.map(|m| m * 1000);
            ns[3] -= 400;
            ns[4] += 300;
            ns[6] += 400;
            (ns[0] - 8_268_100, ns)
        }
        _ => (
            4_236_583_138_018,
            [
                4_236_631_430_718,
                4_236_631_446_355,
                4_236_631_779_881,
                4_236_631_786_185,
                4_236_631_786_487,
                4_236_639_287_179,
                4_236_639_294_413,
            ],
        ),
    }
}

/// A record's bytes: numbers of 4 bytes each, names of 16.
#[derive(Default)]
struct Record(Vec<u8>);

impl Record {
    fn new(flags: u8, preempt: u8, id: u16) -> Record {
        let head = u64::from(PID as u32) << 32
            | u64::from(preempt) << 24
            | u64::from(flags) << 16
            | u64::from(id);
        Record(head.to_le_bytes().to_vec())
    }

    fn words(mut self, words: &[u32]) -> Record {
        self.0.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        self
    }

    fn longs(mut self, longs: &[u64]) -> Record {
        self.0.extend(longs.iter().flat_map(|w| w.to_le_bytes()));
        self
    }

    fn text(mut self, text: &str, len: usize) -> Record {
        self.0.extend_from_slice(text.as_bytes());
        self.0.resize(self.0.len() + len - text.len(), 0);
        self
    }
}

/// Fills the instance with the events that the text is of; returns how much later they are here.
fn fill(array: &Arc<TraceArray>, clock: &str) -> u64 {
    array.set_clock(clock.as_bytes()).expect("a clock");
    let id = |i: usize| {
        let (_, system, name) = IDS[i];
        array
            .registry()
            .find(system, name)
            .expect("declared above")
            .id
    };
    let records = [
        Record::new(0, 1, PRINT_ID)
            .longs(&[mark_write_ip()])
            .text("hello\n", 8),
        Record::new(0, 1, RAW_DATA_ID)
            .words(&[0xcafe])
            .text("abcdesys", 8),
        Record::new(0, 0, id(0)).longs(&[62, PID as u64, 10]),
        Record::new(1, 1, id(1))
            .words(&[10, 0, 0])
            .text("demo", 16)
            .words(&[PID as u32, 1, 1]),
        Record::new(0, 0, id(2)).longs(&[62, 0]),
        Record::new(0, 0, id(3))
            .words(&[PID as u32])
            .text("demo", 16)
            .text("demo2", 16)
            .words(&[0]),
        Record::new(0, 0, id(3))
            .words(&[PID as u32])
            .text("demo2", 16)
            .text("demo", 16)
            .words(&[0]),
    ];
    let (start, times) = times(clock);
    // a buffer's times do not go back behind the clear, nor behind what its clock has been meanwhile
    let later = (array.buffer().now() + 1).saturating_sub(times[0]);
    for (record, time) in records.iter().zip(times) {
        assert!(
            array
                .buffer()
                .append_at(Some(0), Some(time + later), &record.0)
        );
    }
    array.set_start(start);
    later
}

/// The golden text with what is ours in place of what was that machine's.
fn localized(golden: &str, array: &TraceArray) -> String {
    let mut release = Vec::new();
    system::release(&mut release);
    let mut text = golden
        .replace("6.18.0", &String::from_utf8_lossy(&release))
        .replace("#P:2", &format!("#P:{}", cpu::online()))
        .replace("+0x8a/0x170", "+0x0/0x1")
        .replace("<ffffffff81498b1a>", &format!("<{:016x}>", mark_write_ip()))
        .replace("# ffffffff81498b1a", &format!("# {:x}", mark_write_ip()));
    for (theirs, system, name) in IDS {
        let ours = array
            .registry()
            .find(system, name)
            .expect("declared above")
            .id;
        text = text.replace(&format!("type: {theirs}\n"), &format!("type: {ours}\n"));
    }
    text
}

/// The bytes that a literal of Python stands for.
fn unescape(literal: &str) -> String {
    let mut out = Vec::new();
    let mut rest = literal.as_bytes();
    while let [first, tail @ ..] = rest {
        (rest, _) = match (first, tail) {
            (b'\\', [b'n', tail @ ..]) => (tail, out.push(b'\n')),
            (b'\\', [b'x', a, b, tail @ ..]) => {
                let digits = [*a, *b];
                let digits = core::str::from_utf8(&digits).expect("digits");
                (
                    tail,
                    out.push(u8::from_str_radix(digits, 16).expect("digits")),
                )
            }
            (byte, tail) => (tail, out.push(*byte)),
        };
    }
    // as the reader below does it
    String::from_utf8_lossy(&out).into_owned()
}

fn read(array: &Arc<TraceArray>, later: u64) -> String {
    let mut reader = TraceReader::new(array, None);
    reader.later = later;
    let mut out = Vec::new();
    while reader.read(&mut out, usize::MAX) {}
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn trace_by_option() {
    let registry = Registry::build(20000).expect("no duplicates");
    let tracing = Tracing::new(registry, Way::Auto).expect("memory");
    let top = tracing.top();
    top.cmdlines()
        .enter(PID, Some(*b"demo\0\0\0\0\0\0\0\0\0\0\0\0"), Some(PID));
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/trace-by-option.txt"
    );
    let golden = std::fs::read_to_string(path).expect("golden text");
    let (mut clock, mut later, mut sections) = (String::new(), 0, 0);
    for section in golden.split("\n==== ").skip(1) {
        let (title, text) = section.split_once('\n').expect("a title");
        for option in TraceOption::ALL {
            if *option != TraceOption::TestNopRefuse {
                top.set_option(*option, Options::top().get(*option))
                    .expect("takes it");
            }
        }
        let mut wanted = "local".to_string();
        let words = title.split([' ', '+', ',']).filter(|w| !w.is_empty());
        for word in words.take_while(|w| !w.starts_with('(')) {
            match word.strip_prefix("trace_clock=") {
                Some(name) => wanted = name.into(),
                None if word == "defaults" => (),
                None => top.write_options(word.as_bytes()).expect("an option"),
            }
        }
        if clock != wanted {
            clock = wanted;
            if cfg!(not(target_arch = "x86_64")) && clock == "x86-tsc" {
                continue;
            }
            later = fill(top, &clock);
        }
        let (expected, seen) = match text.strip_prefix("b'") {
            None => (localized(text, top), read(top, later)),
            Some(literal) => {
                let literal = literal.trim_end().strip_suffix('\'').expect("a literal");
                let seen = read(top, later);
                let header = seen.find("|         |\n").expect("a header");
                (
                    localized(&unescape(literal), top),
                    seen[header + 12..].to_string(),
                )
            }
        };
        assert_eq!(seen, expected, "==== {title}");
        sections += 1;
    }
    assert_eq!(sections, 32);
}
