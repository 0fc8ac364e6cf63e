//! What the text of an event costs: a compiled `print fmt` beside `write!` of the standard library, in alternating rounds.
//!
//! `cargo bench --bench print`. Nanoseconds per body (what follows `EVENT: ` in a line of `trace`); the least and the median
//! of all rounds.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

use utracefs::event::field::Field;
use utracefs::event::format::parse_format;
use utracefs::event::print_fmt::{Env, Program};

const ROUNDS: usize = 31;
const RECORDS: usize = 4096;
const REPEAT: usize = 10;

/// A record with the common fields, and what follows them.
fn record(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 0x39, 0x30, 0, 0];
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

struct Case {
    name: &'static str,
    program: Program,
    records: Vec<Vec<u8>>,
    plain: fn(&[u8], &mut String),
}

fn two_numbers() -> Case {
    let fields = [
        Field::new("u32 a", 8, 4, false),
        Field::new("u32 b", 12, 4, false),
    ];
    let program =
        Program::compile("\"a=%u b=%u\", REC->a, REC->b", &fields).expect("a plain format");
    let value = |i: usize| (i as u32).wrapping_mul(2654435761);
    let records = (0..RECORDS)
        .map(|i| record(&[&(i as u32).to_ne_bytes(), &value(i).to_ne_bytes()]))
        .collect();
    Case {
        name: "two u32",
        program,
        records,
        plain: |r, out| write!(out, "a={} b={}", u32_at(r, 8), u32_at(r, 12)).expect("memory"),
    }
}

fn sched_switch() -> Case {
    let text = include_str!("../tests/golden/formats/sched/sched_switch");
    let format = parse_format(text).expect("a format file");
    let program = Program::compile(&format.print_fmt, &format.fields).expect("a kernel's format");
    let comms: [&[u8; 16]; 3] = [
        b"swapper/0\0\0\0\0\0\0\0",
        b"kworker/u8:3\0\0\0\0",
        b"bash\0\0\0\0\0\0\0\0\0\0\0\0",
    ];
    let records = (0..RECORDS)
        .map(|i| {
            let state = [0u64, 1, 2, 0x100][i % 4];
            let pid = |i: usize| ((i * 37 % 40000) as i32).to_ne_bytes();
            record(&[
                comms[i % 3],
                &pid(i),
                &120i32.to_ne_bytes(),
                &state.to_ne_bytes(),
                comms[(i + 1) % 3],
                &pid(i + 1),
                &120i32.to_ne_bytes(),
            ])
        })
        .collect();
    fn plain(r: &[u8], out: &mut String) {
        let comm = |at: usize| {
            let bytes = &r[at..at + 16];
            std::str::from_utf8(&bytes[..bytes.iter().position(|b| *b == 0).unwrap_or(16)])
                .expect("plain letters")
        };
        let state = u32_at(r, 32);
        let letter = ["R", "S", "D", "?"][(state & 0xff).min(3) as usize];
        let more = if state & 0x100 != 0 { "+" } else { "" };
        write!(
            out,
            "prev_comm={} prev_pid={} prev_prio={} prev_state={letter}{more} ==> next_comm={} next_pid={} next_prio={}",
            comm(8),
            u32_at(r, 24),
            u32_at(r, 28),
            comm(40),
            u32_at(r, 56),
            u32_at(r, 60),
        )
        .expect("memory");
    }
    Case {
        name: "sched_switch",
        program,
        records,
        plain,
    }
}

fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(record[at..at + 4].try_into().expect("four bytes"))
}

/// Nanoseconds per record of one round.
fn time(records: &[Vec<u8>], mut each: impl FnMut(&[u8])) -> f64 {
    let start = Instant::now();
    for _ in 0..REPEAT {
        for record in records {
            each(black_box(record));
        }
    }
    start.elapsed().as_nanos() as f64 / (REPEAT * records.len()) as f64
}

fn main() {
    let env = Env::default();
    println!(
        "{:14} {:>6} {:>22} {:>22} {:>22}",
        "ns per body", "bytes", "compiled", "write!", "copied"
    );
    for case in [two_numbers(), sched_switch()] {
        let mut bytes = Vec::new();
        let mut string = String::new();
        for record in &case.records {
            let (from, plain) = (bytes.len(), string.len());
            case.program.render(record, &env, &mut bytes);
            (case.plain)(record, &mut string);
            assert_eq!(
                &bytes[from..],
                &string.as_bytes()[plain..],
                "both write the same"
            );
        }
        let average = bytes.len() / case.records.len();
        let body = bytes[..average].to_vec();
        let mut rounds = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            bytes.clear();
            rounds[0].push(time(&case.records, |r| {
                if bytes.len() > 1 << 16 {
                    bytes.clear();
                }
                case.program.render(r, &env, &mut bytes);
            }));
            string.clear();
            rounds[1].push(time(&case.records, |r| {
                if string.len() > 1 << 16 {
                    string.clear();
                }
                (case.plain)(r, &mut string);
            }));
            bytes.clear();
            rounds[2].push(time(&case.records, |_| {
                if bytes.len() > 1 << 16 {
                    bytes.clear();
                }
                bytes.extend_from_slice(black_box(&body));
            }));
        }
        print!("{:14} {average:6}", case.name);
        for times in &mut rounds {
            times.sort_by(f64::total_cmp);
            print!(" {:8.1} (median {:5.1})", times[0], times[ROUNDS / 2]);
        }
        println!();
    }
}
