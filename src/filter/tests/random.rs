//! Random expressions on random records, beside an evaluator that walks the expression as a tree; and random text.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

use super::*;
use crate::filter::{MAX_TEXT, text};

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Seed and rounds, from `FILTER_SEED` and `FILTER_ROUNDS` if they are set.
fn rounds(default: u64) -> (Random, u64) {
    #[cfg(feature = "std")]
    let set = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    #[cfg(not(feature = "std"))]
    let set = |_: &str| None;
    let seed = set("FILTER_SEED").unwrap_or(0x9e37_79b9_7f4a_7c15u64);
    (Random(seed | 1), set("FILTER_ROUNDS").unwrap_or(default))
}

const INTS: [(&str, u16, bool); 8] = [
    ("u8 i0", 1, false),
    ("s8 i1", 1, true),
    ("u16 i2", 2, false),
    ("short i3", 2, true),
    ("u32 i4", 4, false),
    ("int i5", 4, true),
    ("u64 i6", 8, false),
    ("long i7", 8, true),
];
const OFFSETS: [usize; 8] = [8, 9, 10, 12, 16, 20, 24, 32];
const STRINGS: [(&str, u16, u16); 3] = [
    ("char s0[4]", 40, 4),
    ("__data_loc char[] s1", 44, 4),
    ("__rel_loc char[] s2", 48, 4),
];
const FIXED: usize = 52;

fn fields() -> Vec<Field> {
    let ints = INTS
        .iter()
        .zip(OFFSETS)
        .map(|((decl, size, signed), at)| Field::new(decl, at as u16, *size, *signed));
    let strings = STRINGS
        .iter()
        .map(|(decl, at, size)| Field::new(decl, *at, *size, false));
    ints.chain(strings).collect()
}

/// What the record says, as it was made up.
struct Values {
    ints: [i128; 8],
    strings: [Vec<u8>; 3],
    cpu: u32,
    comm: &'static str,
}

const WORDS: [&str; 8] = ["", "a", "ab", "abc", "aab", "b*", "ba", "a]b"];

fn values(random: &mut Random) -> (Values, Vec<u8>) {
    let mut record = alloc::vec![0; FIXED];
    let ints = core::array::from_fn(|i| {
        let (_, size, signed) = INTS[i];
        let n = match random.below(4) {
            0 => random.next(),
            1 => (random.below(5) as u64).wrapping_sub(2),
            2 => 1 << random.below(64),
            _ => (1u64 << random.below(64)).wrapping_sub(1),
        };
        let bytes = n.to_le_bytes();
        let mut own = [if signed && bytes[usize::from(size) - 1] > 127 {
            255
        } else {
            0
        }; 16];
        own[..usize::from(size)].copy_from_slice(&bytes[..usize::from(size)]);
        let value = i128::from_le_bytes(own);
        let bytes = match size {
            1 => (n as u8).to_ne_bytes().to_vec(),
            2 => (n as u16).to_ne_bytes().to_vec(),
            4 => (n as u32).to_ne_bytes().to_vec(),
            _ => n.to_ne_bytes().to_vec(),
        };
        record[OFFSETS[i]..][..bytes.len()].copy_from_slice(&bytes);
        value
    });
    let strings: [Vec<u8>; 3] = core::array::from_fn(|_| random.one(&WORDS).into());
    record[40..40 + strings[0].len()].copy_from_slice(&strings[0]);
    for (string, at, base) in [(&strings[1], 44, 0), (&strings[2], 48, 52)] {
        let word = (string.len() as u32 + 1) << 16 | (record.len() as u32 - base);
        record[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        record.extend_from_slice(string);
        record.push(0);
    }
    let values = Values {
        ints,
        strings,
        cpu: random.below(4) as u32,
        comm: random.one(&WORDS),
    };
    (values, record)
}

enum Tree {
    Not(Box<Tree>),
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Int(usize, &'static str, i128),
    Cpu(&'static str, i32),
    Text(usize, &'static str, String),
}

fn tree(random: &mut Random, depth: usize) -> Tree {
    let some = |random: &mut Random| {
        (0..2 + random.below(3))
            .map(|_| tree(random, depth - 1))
            .collect()
    };
    match if depth == 0 {
        3 + random.below(7)
    } else {
        random.below(7)
    } {
        0 => Tree::Not(tree(random, depth - 1).into()),
        1 => Tree::And(some(random)),
        2 => Tree::Or(some(random)),
        3..6 => {
            let field = random.below(8);
            let signed = INTS[field].2;
            let n = match random.below(3) {
                0 => random.next() as i64,
                1 => random.below(5) as i64 - 2,
                _ => 1i64 << random.below(64),
            };
            let n = if signed { n.into() } else { (n as u64).into() };
            Tree::Int(
                field,
                random.one(&["==", "!=", "<", "<=", ">", ">=", "&"]),
                n,
            )
        }
        6 => Tree::Cpu(
            random.one(&["==", "!=", "<", "<=", ">", ">="]),
            random.below(6) as i32 - 1,
        ),
        _ => {
            let op = random.one(&["==", "!=", "~"]);
            let parts = ["a", "b", "c", "*", "?", "[ab]", "[!a]", "]", "[", "\\*"];
            let word = match random.below(2) {
                0 => random.one(&WORDS).to_string(),
                _ => (0..random.below(5)).map(|_| random.one(&parts)).collect(),
            };
            Tree::Text(random.below(4), op, word)
        }
    }
}

/// The text of a tree that stands below a connective of this strength (0: `||`, 1: `&&`, 2: `!`).
fn print(tree: &Tree, above: u8, random: &mut Random, out: &mut String) {
    let blank = |random: &mut Random, out: &mut String| {
        if random.below(3) == 0 {
            out.push_str(random.one(&[" ", "  ", "\t"]));
        }
    };
    let own = match tree {
        Tree::Or(_) => 0,
        Tree::And(_) => 1,
        _ => 2,
    };
    let parens = own < above || random.below(8) == 0;
    if parens {
        out.push('(');
        blank(random, out);
    }
    match tree {
        Tree::Not(of) => {
            out.push('!');
            blank(random, out);
            print(of, 2, random, out);
        }
        Tree::And(all) | Tree::Or(all) => {
            for (i, one) in all.iter().enumerate() {
                if i > 0 {
                    blank(random, out);
                    out.push_str(if own == 1 { "&&" } else { "||" });
                    blank(random, out);
                }
                print(one, own + 1, random, out);
            }
        }
        Tree::Int(field, op, n) => {
            let n = match random.below(3) {
                0 if *n >= 0 => format!("{n:#x}"),
                1 if *n >= 0 && *n < 1 << 50 => format!("0{n:o}"),
                _ => n.to_string(),
            };
            out.push_str(&format!("i{field}"));
            blank(random, out);
            out.push_str(op);
            blank(random, out);
            out.push_str(&n);
        }
        Tree::Cpu(op, n) => out.push_str(&format!("CPU {op} {n}")),
        Tree::Text(field, op, word) => {
            let name = ["s0", "s1", "s2", "COMM"][*field];
            let quote = random.one(&["\"", "'"]);
            out.push_str(&format!("{name}{op}{quote}{word}{quote}"));
        }
    }
    if parens {
        blank(random, out);
        out.push(')');
    }
}

fn compare(op: &str, a: i128, b: i128) -> bool {
    match op {
        "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        _ => a & b != 0,
    }
}

/// A constant as the field's type has it.
fn cut(field: usize, n: i128) -> i128 {
    let (_, size, signed) = INTS[field];
    let width = 1i128 << (8 * size);
    let n = n.rem_euclid(width);
    if signed && n >= width / 2 {
        n - width
    } else {
        n
    }
}

fn naive(tree: &Tree, values: &Values) -> bool {
    match tree {
        Tree::Not(of) => !naive(of, values),
        Tree::And(all) => all.iter().all(|t| naive(t, values)),
        Tree::Or(all) => all.iter().any(|t| naive(t, values)),
        Tree::Int(field, op, n) => {
            let (own, n) = (values.ints[*field], cut(*field, *n));
            // common bits are those of the field
            let mask = (1i128 << (8 * INTS[*field].1)) - 1;
            match *op {
                "&" => own & n & mask != 0,
                op => compare(op, own, n),
            }
        }
        Tree::Cpu(op, n) => compare(op, values.cpu.into(), (*n).into()),
        Tree::Text(field, op, word) => {
            let own = match field {
                3 => values.comm.as_bytes(),
                n => &values.strings[*n],
            };
            match *op {
                "==" => own == word.as_bytes(),
                "!=" => own != word.as_bytes(),
                _ => match word.strip_prefix('!') {
                    Some(rest) => !naive_glob(rest.as_bytes(), own),
                    None => naive_glob(word.as_bytes(), own),
                },
            }
        }
    }
}

/// By trying everything.
fn naive_glob(pattern: &[u8], text: &[u8]) -> bool {
    let Some((p, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    let one = |fits: bool, rest: &[u8]| fits && naive_glob(rest, &text[1..]);
    match p {
        b'*' => (0..=text.len()).any(|i| naive_glob(rest, &text[i..])),
        _ if text.is_empty() => false,
        b'?' => one(true, rest),
        b'\\' => !rest.is_empty() && one(rest[0] == text[0], &rest[1..]),
        b'[' => {
            let (not, class) = match rest.strip_prefix(b"!") {
                Some(class) => (true, class),
                None => (false, rest),
            };
            // the first character is one of the class, even a bracket
            let end = class.iter().skip(1).position(|c| *c == b']');
            match end {
                // only single characters are made here
                Some(end) => one(
                    class[..end + 1].contains(&text[0]) != not,
                    &class[end + 2..],
                ),
                None => one(text[0] == b'[', rest),
            }
        }
        c => one(*c == text[0], rest),
    }
}

#[test]
fn as_the_naive_evaluator() {
    let (mut random, rounds) = rounds(20_000);
    let fields = fields();
    let (mut kept, mut asked) = (0, 0);
    for _ in 0..rounds {
        let depth = random.below(5);
        let tree = tree(&mut random, depth);
        let mut text = String::new();
        print(&tree, 0, &mut random, &mut text);
        if text.len() >= MAX_TEXT {
            continue;
        }
        let filter = match Filter::compile(text.as_bytes(), &fields) {
            Ok(filter) => filter,
            Err(refused) => panic!("{text}\n{refused:?}"),
        };
        for _ in 0..4 {
            let (values, record) = values(&mut random);
            let expected = naive(&tree, &values);
            let context = Fixed {
                cpu: values.cpu,
                comm: values.comm,
            };
            assert_eq!(
                filter.matches(&record, &context),
                expected,
                "{text}\n{:?} {:?} CPU {} COMM {:?}",
                values.ints,
                values.strings,
                values.cpu,
                values.comm
            );
            asked += 1;
            kept += u64::from(expected);
        }
    }
    assert!(
        kept > asked / 10 && kept < asked / 10 * 9,
        "{kept} of {asked}"
    );
}

#[test]
fn any_text() {
    let (mut random, rounds) = rounds(100_000);
    let fields = fields();
    let words = [
        "i0",
        "i5",
        "s0",
        "s1",
        "COMM",
        "CPU",
        "stacktrace",
        "==",
        "!=",
        "<",
        ">=",
        "&",
        "~",
        "&&",
        "||",
        "!",
        "(",
        ")",
        "\"",
        "'",
        "a*",
        "[",
        "]",
        "CPUS{",
        "0-1",
        "}",
        "0",
        "-1",
        "0x",
        "7",
        ".ustring",
        ".function",
        " ",
        "\t",
        "\u{0}",
        "\u{a0}",
        "\u{e9}",
        "{",
        ",",
        ":",
        "N",
        "all",
    ];
    let mut taken = 0u64;
    for _ in 0..rounds {
        let mut input = Vec::new();
        let depth = random.below(3);
        let mut valid = String::new();
        print(&tree(&mut random, depth), 0, &mut random, &mut valid);
        match random.below(3) {
            // words of the grammar in any order
            0 => (0..random.below(24)).for_each(|_| {
                input.extend_from_slice(random.one(&words).as_bytes());
            }),
            // a right one with something wrong in it
            1 => {
                input.extend_from_slice(valid.as_bytes());
                for _ in 0..1 + random.below(3) {
                    let at = random.below(input.len() + 1);
                    match random.below(4) {
                        0 => input.truncate(at),
                        1 if at < input.len() => _ = input.remove(at),
                        2 if at < input.len() => input[at] = random.next() as u8,
                        _ => drop(input.splice(at..at, random.one(&words).bytes())),
                    }
                }
            }
            // anything
            _ => (0..random.below(40)).for_each(|_| input.push(random.next() as u8)),
        }
        let text = text(&input);
        match Filter::compile(text, &fields) {
            Ok(filter) => {
                taken += 1;
                let mut record: Vec<u8> =
                    (0..random.below(90)).map(|_| random.next() as u8).collect();
                let context = Fixed {
                    cpu: random.next() as u32,
                    comm: "some",
                };
                filter.matches(&record, &context);
                record = values(&mut random).1;
                filter.matches(&record, &context);
            }
            Err(refused) => {
                assert!(refused.position <= text.len() + 2, "{input:?}: {refused:?}");
                assert!(refused.show(text).starts_with(text));
            }
        }
    }
    assert!(taken > rounds / 50, "{taken}");
}
