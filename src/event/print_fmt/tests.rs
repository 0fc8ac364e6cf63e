//! Records against expected text: taken from real kernels, made by hand (`cases`, `language`), and random (`fuzz`).

mod cases;
mod fuzz;
mod language;

use std::fs;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::event::format::{Parsed, parse_format};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// All files below a folder that are no notes.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_none() {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Parsed {
    parse_format(&fs::read_to_string(path).unwrap()).unwrap_or_else(|e| panic!("{path:?}: {e}"))
}

/// The format of an event of Linux 6.18.
fn event(name: &str) -> Parsed {
    read(&golden().join("formats").join(name))
}

/// What is known of a kernel's addresses.
#[derive(Default)]
struct Known {
    /// Start, size, name and module.
    functions: Vec<(u64, u64, String)>,
    texts: Vec<(u64, String)>,
}

impl Known {
    fn read(root: &Path) -> Known {
        let lines = |file: &str| fs::read_to_string(root.join(file)).unwrap();
        let hex = |word: &str| u64::from_str_radix(word, 16).unwrap();
        let mut known = Known::default();
        for line in lines("symbols.txt").lines() {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().unwrap();
            known
                .functions
                .push((hex(word()), hex(word()), word().to_string()));
        }
        for line in lines("texts.txt").lines() {
            let (address, text) = line.split_once(' ').unwrap();
            known.texts.push((hex(address), text.to_string()));
        }
        known
    }

    fn find(&self, address: u64) -> Option<&(u64, u64, String)> {
        self.functions
            .iter()
            .find(|f| address.wrapping_sub(f.0) < f.1)
    }
}

impl Symbols for Known {
    fn name(&self, address: u64, out: &mut Vec<u8>) -> Option<Within> {
        let (start, size, name) = self.find(address)?;
        out.extend_from_slice(name.split(' ').next().unwrap().as_bytes());
        Some(Within {
            offset: address - start,
            size: *size,
        })
    }

    fn module(&self, address: u64, out: &mut Vec<u8>) -> bool {
        let module = self.find(address).and_then(|f| f.2.split_once(' '));
        out.extend_from_slice(module.map_or("", |m| m.1).as_bytes());
        module.is_some()
    }

    fn text(&self, address: u64, out: &mut Vec<u8>) -> bool {
        let text = self.texts.iter().find(|t| t.0 == address);
        out.extend_from_slice(text.map_or("", |t| &t.1).as_bytes());
        text.is_some()
    }
}

/// Hashed pointers differ from machine to machine.
fn without_hashes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("00000000") {
        let number = &rest[at..];
        let len = number
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(number.len());
        out.push_str(&rest[..at]);
        out.push_str(if len == 16 && &number[8..16] != "00000000" {
            "(hash)"
        } else {
            &number[..len]
        });
        rest = &number[len..];
    }
    out + rest
}

/// Texts that real kernels made of real records.
#[test]
fn real_records() {
    let mut count = 0;
    for kernel in ["6.1", "6.12"] {
        let root = golden().join("print").join(kernel);
        let known = Known::read(&root);
        // With the option `fields`, that kernel named no functions.
        let texts = Known {
            texts: known.texts.clone(),
            ..Known::default()
        };
        for line in fs::read_to_string(root.join("lines.tsv")).unwrap().lines() {
            let mut columns = line.split('\t');
            let mut column = || columns.next().unwrap();
            let (name, record, text, fields) = (column(), column(), column(), column());
            let record: Vec<u8> = (0..record.len() / 2)
                .map(|i| u8::from_str_radix(&record[2 * i..2 * i + 2], 16).unwrap())
                .collect();
            let format = read(&root.join("formats").join(name));
            let env = Env {
                symbols: &known,
                ..Env::default()
            };
            let mut out = Vec::new();
            if !text.is_empty() {
                Program::compile(&format.print_fmt, &format.fields)
                    .unwrap()
                    .render(&record, &env, &mut out);
                let got = String::from_utf8(out.clone()).unwrap();
                assert_eq!(
                    without_hashes(&got),
                    without_hashes(text),
                    "{kernel} {name}"
                );
                count += 1;
            }
            if !fields.is_empty() {
                out.clear();
                render_fields(
                    &format.fields,
                    &record,
                    &Env {
                        symbols: &texts,
                        ..Env::default()
                    },
                    &mut out,
                );
                let got = String::from_utf8(out).unwrap();
                assert_eq!(got, fields, "{kernel} {name}");
                count += 1;
            }
        }
    }
    assert!(count > 300, "{count}");
}

/// Every `print fmt` of a real kernel compiles.
#[test]
fn real_formats() {
    let mut count = 0;
    for path in files(&golden().join("formats")) {
        let format = read(&path);
        if let Err(e) = Program::compile(&format.print_fmt, &format.fields) {
            panic!("{path:?}: {e}");
        }
        count += 1;
    }
    assert_eq!(count, 977);
}
