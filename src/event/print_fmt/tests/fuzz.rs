//! Random records and random changes to real texts: there may be errors and odd text, but no panic and no end of text.

use std::string::String;
use std::vec;
use std::vec::Vec;
use std::{format, fs};

use super::{files, golden};
use crate::event::format::{Parsed, parse_format};
use crate::event::print_fmt::{Env, Program, render_fields};

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 11) as usize % n.max(1)
    }
}

/// All formats, of three kernels.
fn formats() -> Vec<String> {
    let mut paths = files(&golden().join("formats"));
    paths.extend(files(&golden().join("print")));
    paths
        .iter()
        .map(|p| fs::read_to_string(p).unwrap())
        .collect()
}

/// A record with odd numbers, of an odd length.
fn record(random: &mut Random, format: &Parsed) -> Vec<u8> {
    let end = format
        .fields
        .iter()
        .map(|f| usize::from(f.offset) + usize::from(f.size))
        .max()
        .unwrap_or(8);
    let mut record = vec![0; random.below(end + 80)];
    let style = random.below(4);
    for b in &mut record {
        *b = match style {
            0 => random.next() as u8,
            1 => [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            2 => b' ' + random.below(95) as u8,
            _ => 0xff,
        };
    }
    // Words that point into the record, or nearly.
    for field in &format.fields {
        let at = usize::from(field.offset);
        if field.ctype.contains("_loc") && random.below(4) != 0 {
            let (start, len) = (random.below(record.len() + 2), random.below(40));
            if let Some(word) = record.get_mut(at..at + 4) {
                word.copy_from_slice(&(start as u32 | (len as u32) << 16).to_ne_bytes());
            }
        }
    }
    record
}

fn render(random: &mut Random, format: &Parsed, program: &Program, times: usize) {
    let env = Env::default();
    for _ in 0..times {
        let record = record(random, format);
        let mut out = Vec::new();
        program.render(&record, &env, &mut out);
        render_fields(&format.fields, &record, &env, &mut out);
        // Widths are at most 1024, a byte of the record makes a few bytes of text, a table its names.
        let most =
            2048 * (format.fields.len() + 20) + 64 * record.len() + 4 * format.print_fmt.len();
        assert!(
            out.len() <= most,
            "{} bytes of text: {}",
            out.len(),
            format.print_fmt
        );
        // As it is in the middle of other text.
        let mut again = Vec::from(*b"text");
        again.shrink_to_fit();
        program.render(&record, &env, &mut again);
        assert_eq!(again[4..], out[..again.len() - 4]);
    }
}

#[test]
fn random_records() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for text in formats() {
        let format = parse_format(&text).unwrap();
        let program = Program::compile(&format.print_fmt, &format.fields).unwrap();
        render(&mut random, &format, &program, 20);
    }
}

/// Bytes that matter to the language.
const SPICE: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "%",
    "*",
    "&",
    "->",
    "REC->",
    "? ",
    ": ",
    "/ ",
    "0",
    "-1",
    "1 << ",
    "%s",
    "%*d",
    "%-5.3s",
    "%pI6c",
    "%*ph",
    "\\",
    "(u8 *)",
    "(char *)",
    "(long)",
    "sizeof ",
    "__get_str(",
    "__get_dynamic_array(",
    "__print_hex(",
    "NULL",
    "!",
    "~",
    "18446744073709551615",
    "é",
    "\n",
    "\0",
];

fn change(random: &mut Random, text: &str) -> String {
    let mut text = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(12)).min(text.len());
        match random.below(6) {
            0 => drop(text.drain(at..end)),
            1 => {
                let piece = text[at..end].to_vec();
                let to = random.below(text.len() + 1);
                drop(text.splice(to..to, piece));
            }
            2 => text.truncate(at.max(8)),
            3 if at < text.len() => text[at] ^= 1 << random.below(7),
            _ => drop(text.splice(at..at, SPICE[random.below(SPICE.len())].bytes())),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn random_texts() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut taken, mut refused) = (0, 0);
    for text in formats() {
        let format = parse_format(&text).unwrap();
        for _ in 0..12 {
            let changed = Parsed {
                print_fmt: change(&mut random, &format.print_fmt),
                ..format.clone()
            };
            match Program::compile(&changed.print_fmt, &changed.fields) {
                Ok(program) => {
                    taken += 1;
                    render(&mut random, &changed, &program, 3);
                }
                Err(e) => {
                    refused += 1;
                    assert!(
                        e.position <= changed.print_fmt.len(),
                        "{e}: {}",
                        changed.print_fmt
                    );
                    assert!(!format!("{e}").is_empty());
                }
            }
            // The whole file too: fields of odd places and sizes.
            if let Ok(changed) = parse_format(&change(&mut random, &text))
                && let Ok(program) = Program::compile(&changed.print_fmt, &changed.fields)
            {
                render(&mut random, &changed, &program, 2);
            }
        }
    }
    assert!(
        taken > 1000 && refused > 1000,
        "{taken} taken, {refused} refused"
    );
}
