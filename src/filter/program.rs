//! The compiled filter: tests in the order of the text, each with a result that leads to the next one and a place to go on
//! at if it is the other, and their evaluation.
//!
//! All jumps go forward, so a program ends after at most as many steps as it has tests.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::mem;

use super::memory;
use super::name::{self, Name};
use super::pattern::Pattern;
use crate::base::cpu;
use crate::base::task::{self, COMM_LEN};
use crate::event::field::{Load, dynamic};

/// The record is kept, or not: places behind every program.
const KEPT: u16 = u16::MAX;
const DROPPED: u16 = u16::MAX - 1;
/// Tests a program can have. A text is too short for as many.
const MOST: usize = DROPPED as usize;

/// What a filter can ask about besides the record.
pub trait Context {
    /// The CPU the event belongs to.
    fn cpu(&self) -> u32;
    /// The name of the task it belongs to, padded with NULs.
    fn comm(&self) -> [u8; COMM_LEN];
}

/// The task of the calling thread, and the CPU it is on or placed on.
#[derive(Default)]
pub struct Now {
    comm: Cell<Option<[u8; COMM_LEN]>>,
}

impl Context for Now {
    fn cpu(&self) -> u32 {
        let place = task::current().place();
        place
            .and_then(|p| p.cpu)
            .unwrap_or_else(|| cpu::current() as u32)
    }

    fn comm(&self) -> [u8; COMM_LEN] {
        self.comm.get().unwrap_or_else(|| {
            let task = task::current();
            task.refresh_comm();
            let comm = task.comm();
            self.comm.set(Some(comm));
            comm
        })
    }
}

/// Where a string is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Text {
    /// At a place of the record, up to a NUL or the end.
    Fixed { offset: u16, size: u16 },
    /// Where a `__data_loc` (or, with `rel`, `__rel_loc`) word points.
    Loc { offset: u16, rel: bool },
    /// From a place of the record to its end.
    Open { offset: u16 },
    /// In the program's memory.
    Pointer(Load),
    /// The task's name.
    Comm,
}

/// How two sets of CPUs are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sets {
    /// They are the same.
    Equal,
    /// They have a CPU in common.
    Meet,
}

/// CPUs as bits.
pub(super) type Set = Box<[u64]>;

/// One question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Test {
    /// Fields without a value of their own.
    Never,
    /// A number of 32 bits from `low` on, at most `span` above it, in the circle of 32-bit numbers.
    Range32 { offset: u16, low: u32, span: u32 },
    /// The same of 64 bits.
    Range64 { offset: u16, low: u64, span: u64 },
    /// The same of any number, which is extended to 64 bits.
    Range { load: Load, low: u64, span: u64 },
    /// A number that has one of these bits.
    Bits { load: Load, bits: u64 },
    /// A number that is a CPU of a set.
    Among { load: Load, set: u16 },
    /// The CPU's number, as in `Range`.
    Cpu { low: u64, span: u64 },
    /// The CPU is in a set.
    CpuAmong { set: u16 },
    /// The set of CPUs behind a `__data_loc` word.
    Mask {
        offset: u16,
        rel: bool,
        set: u16,
        how: Sets,
    },
    /// A string that fits a pattern.
    Text { text: Text, pattern: u16 },
    /// The same of 16 bytes in the record.
    Name { offset: u16, name: u16 },
}

impl Test {
    /// Whether a number is one of those from `low` on, at most `span` above it.
    pub(super) fn range(load: Load, (low, span): (u64, u64)) -> Test {
        let offset = load.offset;
        match load.int.size {
            // in its own width a number needs no sign; a whole circle would have no opposite
            4 if span < u32::MAX.into() => Test::Range32 {
                offset,
                low: low as u32,
                span: span as u32,
            },
            8 if span < u64::MAX => Test::Range64 { offset, low, span },
            _ => Test::Range { load, low, span },
        }
    }
}

impl Test {
    /// The opposite, where it is a test of the same kind: what is left of the circle of numbers.
    fn complement(self) -> Result<Test, Test> {
        match self {
            Test::Range32 { offset, low, span } => Ok(Test::Range32 {
                offset,
                low: low.wrapping_add(span).wrapping_add(1),
                span: u32::MAX.wrapping_sub(span).wrapping_sub(1),
            }),
            Test::Range64 { offset, low, span } => Ok(Test::Range64 {
                offset,
                low: low.wrapping_add(span).wrapping_add(1),
                span: u64::MAX.wrapping_sub(span).wrapping_sub(1),
            }),
            other => Err(other),
        }
    }
}

#[derive(Clone, Debug)]
struct Op {
    test: Test,
    /// If the test turns out so, the op behind it is next; behind the last one the record is kept. Always true for
    /// `Range32` and `Range64`.
    goes_on: bool,
    /// Else the op of this number, or an end.
    to: u16,
}

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Numbers of 32 bits that have to be so to begin with, as in `Range32`: the most usual filter is nothing else.
    first: Box<[(u16, u32, u32)]>,
    /// What follows.
    ops: Box<[Op]>,
    /// Bytes of a record that `Range32`, `Range64` and `Name` read.
    need: usize,
    sets: Box<[Set]>,
    patterns: Box<[Pattern]>,
    names: Box<[Name]>,
}

impl Filter {
    /// Whether a record passes. Any bytes will do: one that is too short for the numbers and names asked for does not pass,
    /// and tests fail on other strings that are not there.
    ///
    /// Safe in signal handlers, without memory of its own; takes at most one pass over the record for every test.
    #[inline(always)]
    pub fn matches(&self, record: &[u8], context: &impl Context) -> bool {
        if record.len() < self.need {
            return false;
        }
        // a branch for each test, so that the processor need not wait for one to begin with the next
        for &(offset, low, span) in &self.first {
            // SAFETY: `need` counts what the test reads
            if unsafe { !is_within32(record, offset, low, span) } {
                return false;
            }
        }
        let mut ops = &*self.ops;
        while let Some((op, behind)) = ops.split_first() {
            let goes_on = match op.test {
                // SAFETY: as above
                Test::Range32 { offset, low, span } => unsafe {
                    is_within32(record, offset, low, span)
                },
                // SAFETY: as above
                Test::Range64 { offset, low, span } => unsafe {
                    is_within64(record, offset, low, span)
                },
                // nothing above calls anything, so that these are jumps
                Test::Name { offset, name } if behind.is_empty() => {
                    return self.ends_with_name(op, offset, name, record);
                }
                _ => return self.go_on(ops, record, context),
            };
            ops = match goes_on {
                true => behind,
                false => match self.leave(op) {
                    Some(ops) => ops,
                    None => return false,
                },
            };
        }
        true
    }

    /// What comes of a program that has come to its last op, the test of a name.
    #[inline(never)]
    fn ends_with_name(&self, op: &Op, offset: u16, name: u16, record: &[u8]) -> bool {
        self.is_called(offset, name, record) == op.goes_on || op.to == KEPT
    }

    /// Whether a name of the record fits. The record is long enough for it.
    #[inline(always)]
    fn is_called(&self, offset: u16, name: u16, record: &[u8]) -> bool {
        // SAFETY: `need` counts what the test reads
        let text = unsafe { read::<[u64; 2]>(record, offset) };
        let name = self.names.get(usize::from(name));
        name.is_some_and(|n| n.matches(text))
    }

    /// The rest of the program, from a test on that is not one of the quick ones.
    #[inline(never)]
    fn go_on<'a>(&'a self, mut ops: &'a [Op], record: &[u8], context: &impl Context) -> bool {
        while let Some((op, behind)) = ops.split_first() {
            ops = match self.holds(&op.test, record, context) == op.goes_on {
                true => behind,
                false => match self.leave(op) {
                    Some(ops) => ops,
                    None => return false,
                },
            };
        }
        true
    }

    /// The ops at the place where a test leads that does not go on; `None`: the record is dropped.
    #[inline(always)]
    fn leave(&self, op: &Op) -> Option<&[Op]> {
        match op.to {
            KEPT => Some(&[]),
            to => self.ops.get(usize::from(to)..),
        }
    }

    #[inline]
    fn holds(&self, test: &Test, record: &[u8], context: &impl Context) -> bool {
        match *test {
            // SAFETY: `need` counts what the test reads
            Test::Range32 { offset, low, span } => unsafe {
                is_within32(record, offset, low, span)
            },
            // SAFETY: as above
            Test::Range64 { offset, low, span } => unsafe {
                is_within64(record, offset, low, span)
            },
            Test::Name { offset, name } => self.is_called(offset, name, record),
            Test::Range { load, low, span } => load
                .get(record)
                .is_some_and(|v| v.wrapping_sub(low) <= span),
            Test::Bits { load, bits } => load.get(record).is_some_and(|v| v & bits != 0),
            Test::Text {
                text: Text::Fixed { offset, size },
                pattern,
            } => {
                let offset = usize::from(offset);
                let text = record.get(offset..offset + usize::from(size));
                text.is_some_and(|t| self.fits(pattern, t))
            }
            Test::Text {
                text: Text::Loc { offset, rel },
                pattern,
            } => dynamic(record, usize::from(offset), rel)
                .and_then(|(at, len)| record.get(at..at + len))
                .is_some_and(|t| self.fits(pattern, t)),
            _ => self.holds_rare(test, record, context),
        }
    }

    #[inline(never)]
    fn holds_rare(&self, test: &Test, record: &[u8], context: &impl Context) -> bool {
        match test {
            Test::Cpu { low, span } => u64::from(context.cpu()).wrapping_sub(*low) <= *span,
            Test::CpuAmong { set } => self.among(*set, context.cpu().into()),
            Test::Among { load, set } => load.get(record).is_some_and(|v| self.among(*set, v)),
            Test::Mask {
                offset,
                rel,
                set,
                how,
            } => dynamic(record, usize::from(*offset), *rel)
                .and_then(|(at, len)| record.get(at..at + len))
                .is_some_and(|bytes| self.compare(*set, bytes, *how)),
            Test::Text { text, pattern } => match *text {
                Text::Comm => self.fits(*pattern, &context.comm()),
                Text::Open { offset } => record
                    .get(usize::from(offset)..)
                    .is_some_and(|t| self.fits(*pattern, t)),
                Text::Pointer(load) => load.get(record).is_some_and(|address| {
                    let mut bytes = [0; memory::MAX];
                    match memory::read(address, &mut bytes) {
                        [] => false,
                        text => self.fits(*pattern, text),
                    }
                }),
                // asked for above
                Text::Fixed { .. } | Text::Loc { .. } => false,
            },
            Test::Never
            | Test::Range32 { .. }
            | Test::Range64 { .. }
            | Test::Name { .. }
            | Test::Range { .. }
            | Test::Bits { .. } => false,
        }
    }

    #[inline]
    fn fits(&self, pattern: u16, text: &[u8]) -> bool {
        let pattern = self.patterns.get(usize::from(pattern));
        pattern.is_some_and(|p| p.matches(text))
    }

    fn among(&self, set: u16, cpu: u64) -> bool {
        let word = usize::try_from(cpu / 64).unwrap_or(usize::MAX);
        let word = self.sets.get(usize::from(set)).and_then(|s| s.get(word));
        word.is_some_and(|w| w >> (cpu % 64) & 1 != 0)
    }

    fn compare(&self, set: u16, bytes: &[u8], how: Sets) -> bool {
        let Some(set) = self.sets.get(usize::from(set)) else {
            return false;
        };
        let mut chunks = bytes.chunks(8);
        let mut meet = false;
        for word in set {
            let mut own = [0; 8];
            let chunk = chunks.next().unwrap_or(&[]);
            own[..chunk.len()].copy_from_slice(chunk);
            let own = u64::from_ne_bytes(own);
            if how == Sets::Equal && own != *word {
                return false;
            }
            meet |= own & word != 0;
        }
        match how {
            Sets::Equal => chunks.all(|c| c.iter().all(|b| *b == 0)),
            Sets::Meet => meet,
        }
    }
}

/// The number at a place of a record.
///
/// # Safety
/// All of it is in the record, and any bytes make a `T`.
#[inline(always)]
unsafe fn read<T>(record: &[u8], offset: u16) -> T {
    // SAFETY: the caller's promise
    unsafe {
        record
            .as_ptr()
            .add(offset.into())
            .cast::<T>()
            .read_unaligned()
    }
}

/// Whether the number at a place is one of those from `low` on, at most `span` above it.
///
/// # Safety
/// As [`read`].
#[inline(always)]
unsafe fn is_within32(record: &[u8], offset: u16, low: u32, span: u32) -> bool {
    // SAFETY: the caller's promise
    unsafe { read::<u32>(record, offset) }.wrapping_sub(low) <= span
}

/// The same of 64 bits.
///
/// # Safety
/// As [`read`].
#[inline(always)]
unsafe fn is_within64(record: &[u8], offset: u16, low: u64, span: u64) -> bool {
    // SAFETY: the caller's promise
    unsafe { read::<u64>(record, offset) }.wrapping_sub(low) <= span
}

/// A way out of an op that leads nowhere yet.
type Exit = (u16, bool);

/// The open ends of a part of the program: where it is left if it holds, and if not.
#[derive(Default)]
pub(super) struct Ends {
    yes: Vec<Exit>,
    no: Vec<Exit>,
}

impl Ends {
    /// The ends of the opposite.
    pub(super) fn not(self, invert: bool) -> Ends {
        if !invert {
            return self;
        }
        Ends {
            yes: self.no,
            no: self.yes,
        }
    }
}

/// What stands between two parentheses, as far as it has been read: operands of `||`, the last of them operands of `&&`.
#[derive(Default)]
pub(super) struct Group {
    /// The whole is to be negated.
    invert: bool,
    /// Ends of the finished operands of `||`.
    or_yes: Vec<Exit>,
    and: Ends,
}

impl Group {
    pub(super) fn new(invert: bool) -> Group {
        Group {
            invert,
            ..Group::default()
        }
    }

    /// The next operand.
    pub(super) fn operand(&mut self, ends: Ends) {
        join(&mut self.and.no, ends.no);
        self.and.yes = ends.yes;
    }

    /// `&&`: what holds goes on here.
    pub(super) fn and(&mut self, program: &mut Builder) {
        program.lead(mem::take(&mut self.and.yes));
    }

    /// `||`: what does not hold goes on here.
    pub(super) fn or(&mut self, program: &mut Builder) {
        join(&mut self.or_yes, mem::take(&mut self.and.yes));
        program.lead(mem::take(&mut self.and.no));
    }

    /// The ends of the whole.
    pub(super) fn close(self) -> Ends {
        let mut yes = self.or_yes;
        join(&mut yes, self.and.yes);
        Ends {
            yes,
            no: self.and.no,
        }
        .not(self.invert)
    }
}

fn join(to: &mut Vec<Exit>, mut from: Vec<Exit>) {
    if to.len() < from.len() {
        mem::swap(to, &mut from);
    }
    to.append(&mut from);
}

/// A program in the making.
#[derive(Default)]
pub(super) struct Builder {
    /// Tests, and where each goes on if it fails and if it holds.
    tests: Vec<(Test, [u16; 2])>,
    sets: Vec<Set>,
    patterns: Vec<Pattern>,
}

impl Builder {
    pub(super) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Adds a test; `None` if there are too many.
    pub(super) fn test(&mut self, test: Test) -> Option<Ends> {
        let at = u16::try_from(self.tests.len()).ok()?;
        if usize::from(at) >= MOST {
            return None;
        }
        self.tests.push((test, [DROPPED; 2]));
        Some(Ends {
            yes: Vec::from([(at, true)]),
            no: Vec::from([(at, false)]),
        })
    }

    /// The number of a set of CPUs.
    pub(super) fn set(&mut self, set: Set) -> u16 {
        self.sets.push(set);
        (self.sets.len() - 1) as u16
    }

    /// The number of a pattern.
    pub(super) fn pattern(&mut self, pattern: Pattern) -> u16 {
        self.patterns.push(pattern);
        (self.patterns.len() - 1) as u16
    }

    /// Lets these ends lead to the op that comes next.
    fn lead(&mut self, ends: Vec<Exit>) {
        let here = self.tests.len() as u16;
        self.lead_to(ends, here);
    }

    fn lead_to(&mut self, ends: Vec<Exit>, to: u16) {
        for (test, which) in ends {
            if let Some((_, next)) = self.tests.get_mut(usize::from(test)) {
                next[usize::from(which)] = to;
            }
        }
    }

    /// The program with these ends.
    pub(super) fn finish(mut self, ends: Ends) -> Filter {
        self.lead_to(ends.yes, KEPT);
        self.lead_to(ends.no, DROPPED);
        let mut names = Vec::new();
        for (test, _) in &mut self.tests {
            if let Test::Text {
                text: Text::Fixed { offset, size },
                pattern,
            } = *test
                && usize::from(size) == name::LEN
                && let Some(name) = self.patterns.get(usize::from(pattern)).and_then(Name::new)
            {
                *test = Test::Name {
                    offset,
                    name: names.len() as u16,
                };
                names.push(name);
            }
        }
        let end = |test: &Test| match test {
            Test::Range32 { offset, .. } => usize::from(*offset) + 4,
            Test::Range64 { offset, .. } => usize::from(*offset) + 8,
            Test::Name { offset, .. } => usize::from(*offset) + name::LEN,
            _ => 0,
        };
        let need = self.tests.iter().map(|(t, _)| end(t)).max().unwrap_or(0);
        let len = self.tests.len();
        let op = |(i, (test, [no, yes])): (usize, (Test, [u16; 2]))| {
            // whatever connective follows, one of a test's two ways leads to the test behind it; of the last, to the end
            let behind = if i + 1 < len { i as u16 + 1 } else { KEPT };
            match yes == behind {
                true => Op {
                    test,
                    goes_on: true,
                    to: no,
                },
                false => match test.complement() {
                    Ok(test) => Op {
                        test,
                        goes_on: true,
                        to: yes,
                    },
                    Err(test) => Op {
                        test,
                        goes_on: false,
                        to: yes,
                    },
                },
            }
        };
        let mut ops: Vec<Op> = self.tests.into_iter().enumerate().map(op).collect();
        let plain = |op: &Op| match op.test {
            Test::Range32 { offset, low, span } if op.to == DROPPED => Some((offset, low, span)),
            _ => None,
        };
        let first: Box<[_]> = ops.iter().map_while(plain).collect();
        ops.drain(..first.len());
        for op in &mut ops {
            if op.to < DROPPED {
                op.to -= first.len() as u16;
            }
        }
        Filter {
            first,
            ops: ops.into(),
            need,
            sets: self.sets.into(),
            patterns: self.patterns.into(),
            names: names.into(),
        }
    }
}
