//! `FIELD OPERATOR VALUE`, checked against the fields of the event.

use super::error::Refused;
use super::parse::skip_space;
use super::pattern::Pattern;
use super::program::{Builder, Set, Sets, Test, Text};
use super::{cpulist, is_alnum, is_space};
use crate::base::cpu;
use crate::base::error::Errno;
use crate::event::ctype::CInt;
use crate::event::field::{COMMON, Field, FieldKind, Load};

/// Characters of a number.
const MOST_DIGITS: usize = 23;
/// Characters of a string.
const MOST_TEXT: usize = 255;

const INVALID_OPERATOR: &str = "Invalid operator";
const ILLEGAL_OPERATION: &str = "Illegal operation for field type";
const INVALID_VALUE: &str = "Invalid value (did you forget quotes)?";
const ILLEGAL_INTEGER: &str = "Illegal integer value";
const TOO_LONG: &str = "Operand too long";
const NO_FUNCTION: &str = "Function not found";

/// A test, or its opposite.
pub(super) struct Predicate {
    pub(super) test: Test,
    pub(super) not: bool,
}

impl Predicate {
    fn is(test: Test) -> Predicate {
        Predicate { test, not: false }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Eq,
    Ne,
    Like,
    Le,
    Lt,
    Ge,
    Gt,
    And,
}

/// The longer ones first.
const OPS: [(&[u8], Op); 8] = [
    (b"==", Op::Eq),
    (b"!=", Op::Ne),
    (b"<=", Op::Le),
    (b">=", Op::Ge),
    (b"~", Op::Like),
    (b"<", Op::Lt),
    (b">", Op::Gt),
    (b"&", Op::And),
];

/// What a name stands for.
#[derive(Clone, Copy)]
enum Operand {
    Number(Load),
    Text(Text),
    /// A set of CPUs behind a `__data_loc` or `__rel_loc` word, which counts as a number where a number is wanted.
    Mask {
        offset: u16,
        rel: bool,
    },
    Cpu,
    /// An array, a struct: taken as a number that is never the right one.
    Nothing {
        signed: bool,
    },
    /// As `Nothing`, but no CPU either.
    Stack,
}

/// The predicate that begins at `from`, and where it ends.
pub(super) fn parse(
    text: &[u8],
    from: usize,
    fields: &[Field],
    program: &mut Builder,
) -> Result<(Predicate, usize), Refused> {
    // positions count from behind the predicate's first character
    let invalid = |message, at: usize| Err(Refused::invalid(message, at + 1));
    let mut at = from + count(text, from, |b| is_alnum(b) || b == b'_');
    if at == from {
        return Err(Refused::silent(Errno::EPERM));
    }
    let Some((operand, size)) = find(&text[from..at], fields) else {
        return invalid("Field not found", at);
    };
    // whose memory a pointer leads to makes no difference here
    if text[at..].starts_with(b".ustring") {
        at += b".ustring".len();
    }
    let function = text[at..].starts_with(b".function");
    if function {
        at += b".function".len();
    }
    at = skip_space(text, at);
    let Some((word, op)) = OPS.into_iter().find(|(w, _)| text[at..].starts_with(w)) else {
        return invalid(INVALID_OPERATOR, at);
    };
    at = skip_space(text, at + word.len());

    if function {
        if size != 8 {
            return invalid(ILLEGAL_OPERATION, at);
        }
        if !matches!(op, Op::Eq | Op::Ne) {
            return invalid(INVALID_OPERATOR, at);
        }
        // there is no table of functions, so none has this name and no address lies in one
        let end = at + count(text, at, |b| !is_space(b));
        let is_number = text.get(at).is_some_and(u8::is_ascii_digit);
        if is_number && number(&text[at..end], false).is_none() {
            return invalid(INVALID_VALUE, end);
        }
        return invalid(NO_FUNCTION, end);
    }

    let value = at;
    match text.get(at) {
        _ if text[at..].starts_with(b"CPUS") => {
            if !matches!(
                operand,
                Operand::Number(_) | Operand::Mask { .. } | Operand::Cpu | Operand::Nothing { .. }
            ) || !matches!(op, Op::Eq | Op::Ne | Op::And)
            {
                return invalid(ILLEGAL_OPERATION, value);
            }
            at += b"CPUS".len();
            if text.get(at) != Some(&b'{') {
                return invalid("Missing '{'", at + 1);
            }
            at += 1;
            let end = at + count(text, at, |b| b != b'}');
            if end == text.len() {
                return invalid("Missing '}'", end);
            }
            let cpus = cpu::possible();
            let mask = (end > at)
                .then(|| cpulist::parse(&text[at..end], cpus))
                .flatten();
            let Some(mask) = mask else {
                return invalid("Invalid cpulist", end);
            };
            let mut set: Set = core::iter::repeat_n(0, cpus.div_ceil(64)).collect();
            for cpu in (0..cpus).filter(|c| mask.has(*c)) {
                set[cpu / 64] |= 1 << (cpu % 64);
            }
            Ok((of_set(operand, op, set, cpus, program), end + 1))
        }
        Some(&quote @ (b'"' | b'\'')) => {
            let Operand::Text(source) = operand else {
                return invalid("Expecting numeric field", value);
            };
            if !matches!(op, Op::Eq | Op::Ne | Op::Like) {
                return invalid(ILLEGAL_OPERATION, value);
            }
            at += 1;
            let end = at + count(text, at, |b| b != quote);
            if end == text.len() {
                return Err(Refused::new(Errno::ESRCH, "Missing matching quote", value));
            }
            let string = &text[at..end];
            if string.len() > MOST_TEXT {
                return invalid(TOO_LONG, end);
            }
            let (pattern, not) = match op {
                Op::Like => Pattern::new(string),
                _ => (Pattern::Exact(string.into()), op == Op::Ne),
            };
            let test = Test::Text {
                text: source,
                pattern: program.pattern(pattern),
            };
            Ok((Predicate { test, not }, end + 1))
        }
        Some(b) if *b == b'-' || b.is_ascii_digit() => {
            if matches!(operand, Operand::Text(_)) {
                return invalid("Expecting string field", value);
            }
            if op == Op::Like {
                return invalid(ILLEGAL_OPERATION, value);
            }
            let sign = usize::from(*b == b'-');
            let end = at + sign + count(text, at + sign, is_alnum);
            if end - at > MOST_DIGITS {
                return invalid(TOO_LONG, end);
            }
            let signed = match operand {
                Operand::Number(load) => load.int.signed,
                Operand::Nothing { signed } => signed,
                Operand::Cpu => true,
                Operand::Text(_) | Operand::Mask { .. } | Operand::Stack => false,
            };
            let Some(number) = number(&text[at..end], signed) else {
                return invalid(ILLEGAL_INTEGER, value);
            };
            Ok((of_number(operand, op, number), end))
        }
        _ => invalid(INVALID_VALUE, value),
    }
}

/// How many characters from `from` on are of this kind.
fn count(text: &[u8], from: usize, kind: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or(&[]);
    rest.iter().take_while(|b| kind(**b)).count()
}

/// A number in C's notation: `0x` for hexadecimal, `0` for octal.
fn number(text: &[u8], signed: bool) -> Option<u64> {
    let (text, negative) = match text.strip_prefix(b"-") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    if negative && !signed {
        return None;
    }
    let (text, radix) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (rest, 16),
        [b'0', rest @ ..] if !rest.is_empty() => (rest, 8),
        _ => (text, 10),
    };
    if text.is_empty() {
        return None;
    }
    let digit = |n: u64, b: &u8| {
        let digit = char::from(*b).to_digit(radix)?;
        n.checked_mul(radix.into())?.checked_add(digit.into())
    };
    let n = text.iter().try_fold(0, digit)?;
    match (signed, negative) {
        (true, true) if n <= 1 << 63 => Some(n.wrapping_neg()),
        (true, false) if n < 1 << 63 => Some(n),
        (false, false) => Some(n),
        _ => None,
    }
}

/// What stands behind a name, and its size.
fn find(name: &[u8], fields: &[Field]) -> Option<(Operand, u16)> {
    let called = |f: &&Field| f.name.as_bytes() == name;
    if let Some(field) = fields.iter().find(called).or(COMMON.iter().find(called)) {
        return Some((operand(field, fields), field.size));
    }
    let operand = match name {
        b"CPU" | b"cpu" | b"common_cpu" => Operand::Cpu,
        b"COMM" | b"comm" => Operand::Text(Text::Comm),
        b"stacktrace" | b"STACKTRACE" => Operand::Stack,
        _ => return None,
    };
    Some((operand, 0))
}

fn operand(field: &Field, fields: &[Field]) -> Operand {
    let Field {
        offset,
        size,
        signed,
        ..
    } = *field;
    match field.kind {
        FieldKind::CharPtr => Operand::Text(pointer(field, fields)),
        FieldKind::Chars => Operand::Text(Text::Fixed { offset, size }),
        FieldKind::DataLoc { string: true, .. } => Operand::Text(Text::Loc { offset, rel: false }),
        FieldKind::RelLoc { string: true, .. } => Operand::Text(Text::Loc { offset, rel: true }),
        FieldKind::Flex { string: true, .. } => Operand::Text(Text::Open { offset }),
        FieldKind::Cpumask { rel } => Operand::Mask { offset, rel },
        // of everything else the bytes in the record's fixed part are the number, if a number has as many
        _ if matches!(size, 1 | 2 | 4 | 8) => {
            let size = size as u8;
            Operand::Number(Load {
                offset,
                int: CInt { size, signed },
            })
        }
        _ => Operand::Nothing { signed },
    }
}

/// The text of a `char *`: where a system call's event has recorded it beside (`__NAME_val`), or else in memory.
fn pointer(field: &Field, fields: &[Field]) -> Text {
    let beside = fields.iter().find(|f| {
        let name = f
            .name
            .strip_prefix("__")
            .and_then(|n| n.strip_suffix("_val"));
        name == Some(&*field.name)
    });
    match beside.map(|f| (f.kind, f.offset)) {
        Some((FieldKind::DataLoc { string: true, .. }, offset)) => Text::Loc { offset, rel: false },
        _ => Text::Pointer(Load {
            offset: field.offset,
            int: CInt {
                size: field.size as u8,
                signed: false,
            },
        }),
    }
}

/// The numbers of a type that are in this relation to one of them: from where on, how far, or all others. `None`: none.
fn range(op: Op, n: u64, int: CInt) -> (Option<(u64, u64)>, bool) {
    let bits = u32::from(int.size) * 8;
    let (least, most) = match int.signed {
        true => (int.wrap(1 << (bits - 1)), u64::MAX >> (65 - bits)),
        false => (0, u64::MAX >> (64 - bits)),
    };
    let below = (n != least).then(|| (least, n.wrapping_sub(1).wrapping_sub(least)));
    let above = (n != most).then(|| (n.wrapping_add(1), most.wrapping_sub(n.wrapping_add(1))));
    match op {
        Op::Lt => (below, false),
        Op::Ge => (below, true),
        Op::Gt => (above, false),
        Op::Le => (above, true),
        Op::Ne => (Some((n, 0)), true),
        Op::Eq | Op::Like | Op::And => (Some((n, 0)), false),
    }
}

fn of_number(operand: Operand, op: Op, n: u64) -> Predicate {
    let load = match operand {
        Operand::Number(load) => load,
        // the word that says where the set is
        Operand::Mask { offset, .. } => Load {
            offset,
            int: CInt::UINT,
        },
        Operand::Cpu if op != Op::And => {
            let (range, not) = range(op, CInt::INT.wrap(n), CInt::INT);
            let test = range.map_or(Test::Never, |(low, span)| Test::Cpu { low, span });
            return Predicate { test, not };
        }
        _ => return Predicate::is(Test::Never),
    };
    let n = load.int.wrap(n);
    if op == Op::And {
        return Predicate::is(Test::Bits { load, bits: n });
    }
    let (range, not) = range(op, n, load.int);
    let test = range.map_or(Test::Never, |r| Test::range(load, r));
    Predicate { test, not }
}

fn of_set(operand: Operand, op: Op, set: Set, cpus: usize, program: &mut Builder) -> Predicate {
    if let Operand::Mask { offset, rel } = operand {
        let how = match op {
            Op::And => Sets::Meet,
            _ => Sets::Equal,
        };
        let test = Test::Mask {
            offset,
            rel,
            set: program.set(set),
            how,
        };
        return Predicate {
            test,
            not: op == Op::Ne,
        };
    }
    // one CPU is a number like any other
    let weight: u32 = set.iter().map(|w| w.count_ones()).sum();
    if weight == 1 {
        let one = (0..cpus).find(|c| set[c / 64] >> (c % 64) & 1 != 0);
        let op = if op == Op::And { Op::Eq } else { op };
        return of_number(operand, op, one.unwrap_or(0) as u64);
    }
    // no number is several, every CPU differs from several, and what is no CPU does neither
    let span = (cpus - 1) as u64;
    Predicate::is(match (operand, op) {
        (Operand::Number(load), Op::And) => Test::Among {
            load,
            set: program.set(set),
        },
        (Operand::Number(load), Op::Ne) => Test::range(load, (0, span)),
        (Operand::Cpu, Op::And) => Test::CpuAmong {
            set: program.set(set),
        },
        (Operand::Cpu, Op::Ne) => Test::Cpu { low: 0, span },
        _ => Test::Never,
    })
}
