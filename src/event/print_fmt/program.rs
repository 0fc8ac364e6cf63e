//! A compiled `print fmt`: steps that each append some constant text and then one value.

use alloc::vec::Vec;

use super::eval::{Ins, bytes, eval};
use super::helper::{self, Dump, Table, first};
use super::number::{Dress, number};
use super::pointer::{self, Pointer};
use super::spec::{MAX_WIDTH, Spec};
use super::{CompileError, Env, TRUNCATED, compile};
use crate::base::text::{self, Pool, Span, Tail};
use crate::event::ctype::CInt;
use crate::event::field::{Field, Load, dynamic, load};

/// A width or precision of a conversion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Size {
    None,
    Fixed(u16),
    /// The value of an expression.
    Code(u16),
}

/// A conversion with all that may stand between `%` and its letter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dressing {
    pub spec: Spec,
    pub width: Size,
    pub precision: Size,
}

/// A conversion that shows what its argument points to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents {
    pub code: u16,
    pub pointer: Pointer,
    pub count: Size,
}

/// What a step appends. Numbers in it are offsets into the record, or places in the program's lists.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Nothing,
    DecU32(u16),
    DecI32(u16),
    DecU64(u16),
    DecI64(u16),
    HexU32(u16),
    HexU64(u16),
    Dec(Load),
    DecSigned(Load),
    Hex(Load),
    Number {
        code: u16,
        dressing: u16,
    },
    Char {
        code: u16,
    },
    Chars {
        offset: u16,
        len: u16,
    },
    /// Text up to the record's end.
    Rest {
        offset: u16,
    },
    DynamicText {
        offset: u16,
        rel: bool,
    },
    SliceText {
        code: u16,
    },
    /// Text outside the record.
    PointerText {
        code: u16,
    },
    Flags {
        code: u16,
        table: u16,
    },
    Symbolic {
        code: u16,
        table: u16,
    },
    HexBytes {
        bytes: u16,
        len: u16,
        separated: bool,
    },
    Array {
        bytes: u16,
        count: u16,
        size: u16,
    },
    Dump {
        dump: u16,
        bytes: u16,
        len: u16,
    },
    Bitmask {
        bytes: u16,
    },
    Address {
        code: u16,
        pointer: u16,
    },
    Contents {
        contents: u16,
    },
    /// One of two constant texts.
    Choose {
        code: u16,
        choice: u16,
    },
    Jump {
        to: u16,
    },
    /// `end` is where to go on if there is no value.
    JumpIfZero {
        code: u16,
        to: u16,
        end: u16,
    },
    /// What follows, up to `Dress`, gets a width or precision.
    Mark,
    Dress {
        dressing: u16,
    },
}

/// Constant text, and a value behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub literal: Span,
    pub act: Act,
}

const _: () = assert!(size_of::<Step>() == 16, "four steps to a cache line");

/// A compiled `print fmt`.
#[derive(Clone, Default)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    pub(super) pool: Pool,
    pub(super) code: Vec<Ins>,
    /// Start and length of each expression in `code`.
    pub(super) codes: Vec<(u32, u32)>,
    pub(super) dressings: Vec<Dressing>,
    pub(super) tables: Vec<Table>,
    pub(super) dumps: Vec<Dump>,
    pub(super) pointers: Vec<Pointer>,
    pub(super) contents: Vec<Contents>,
    pub(super) choices: Vec<[Span; 2]>,
    /// The most text that one record can make of the steps that are not `slow`.
    bound: u32,
}

impl core::fmt::Debug for Program {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Program")
            .field("steps", &self.steps)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl Program {
    /// Compiles a `print fmt` as it stands in `format` files, against the event's own fields.
    ///
    /// # Errors
    /// If the text is not C that can be computed from a record: unknown fields, functions or constants, conversions
    /// without argument or of the wrong kind, nesting that is too deep.
    pub fn compile(print_fmt: &str, fields: &[Field]) -> Result<Program, CompileError> {
        compile::compile(print_fmt, fields)
    }

    /// Appends the text of a record, which begins with `common_type`. Whatever the record's bytes are, there is text:
    /// [`TRUNCATED`] stands for what it is too short for.
    pub fn render(&self, record: &[u8], env: &Env, out: &mut Vec<u8>) {
        let number = |offset: u16, int: CInt| load(record, offset.into(), int);
        let mut at = 0;
        let bound = self.bound as usize;
        let mut tail = Tail::new(out, bound);
        let mut mark = tail.len();
        while let Some(&Step { literal, act }) = self.steps.get(at) {
            at += 1;
            // SAFETY: `finish` made `bound` the sum of what all steps append to `tail`, jumps go forward only, so that no step
            // comes twice, and after `slow` there is room for all again. It also saw to it that the pool holds all pieces.
            let shown = unsafe {
                tail.literal(&self.pool, literal);
                match act {
                    Act::Nothing => Some(()),
                    Act::DecU32(offset) => number(offset, CInt::UINT).map(|v| tail.dec(v)),
                    Act::DecI32(offset) => {
                        number(offset, CInt::INT).map(|v| tail.dec_signed(v as i64))
                    }
                    Act::DecU64(offset) => number(offset, CInt::ULONG).map(|v| tail.dec(v)),
                    Act::DecI64(offset) => {
                        number(offset, CInt::LONG).map(|v| tail.dec_signed(v as i64))
                    }
                    Act::HexU32(offset) => number(offset, CInt::UINT).map(|v| tail.hex(v)),
                    Act::HexU64(offset) => number(offset, CInt::ULONG).map(|v| tail.hex(v)),
                    Act::Dec(load) => load.get(record).map(|v| tail.dec(v)),
                    Act::DecSigned(load) => load.get(record).map(|v| tail.dec_signed(v as i64)),
                    Act::Hex(load) => load.get(record).map(|v| tail.hex(v)),
                    Act::Chars { offset, len } => {
                        let (offset, len) = (usize::from(offset), usize::from(len));
                        record.get(offset..offset + len).map(|b| tail.until_nul(b))
                    }
                    Act::Choose { code, choice } => {
                        let piece = self.choose(code, choice, record, env);
                        piece.map(|p| tail.literal(&self.pool, p))
                    }
                    Act::Jump { to } => {
                        at = to.into();
                        Some(())
                    }
                    Act::JumpIfZero { code, to, end } => match self.condition(code, record, env) {
                        Some(0) => {
                            at = to.into();
                            Some(())
                        }
                        Some(_) => Some(()),
                        None => {
                            at = end.into();
                            None
                        }
                    },
                    Act::Mark => {
                        mark = tail.len();
                        Some(())
                    }
                    _ => tail.slow(bound, |out| self.act(act, record, env, mark, out)),
                }
            };
            if shown.is_none() {
                tail.slow(bound, |out| out.extend_from_slice(TRUNCATED));
            }
        }
        tail.end();
    }

    // Apart, so that `render` need not keep everything at hand that these need.

    #[inline(never)]
    fn condition(&self, code: u16, record: &[u8], env: &Env) -> Option<u64> {
        self.eval(code, record, env)
    }

    #[inline(never)]
    fn choose(&self, code: u16, choice: u16, record: &[u8], env: &Env) -> Option<Span> {
        let [yes, no] = *self.choices.get(usize::from(choice))?;
        Some(if self.eval(code, record, env)? != 0 {
            yes
        } else {
            no
        })
    }

    /// The steps that are not so common.
    #[inline(never)]
    fn act(
        &self,
        act: Act,
        record: &[u8],
        env: &Env,
        mark: usize,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        match act {
            Act::Dress { dressing } => self.dress(dressing, record, env, mark, out),
            Act::DynamicText { offset, rel } => {
                let (start, len) = dynamic(record, offset.into(), rel)?;
                text::until_nul(out, record.get(start..start + len)?);
            }
            Act::Number { code, dressing } => {
                let value = self.eval(code, record, env)?;
                let dressing = self.dressings.get(usize::from(dressing))?;
                number(
                    out,
                    value,
                    &dressing.spec,
                    self.sizes(dressing, record, env),
                );
            }
            Act::Char { code } => out.push(self.eval(code, record, env)? as u8),
            Act::Rest { offset } => text::until_nul(out, record.get(usize::from(offset)..)?),
            Act::SliceText { code } => {
                text::until_nul(out, bytes(record, self.eval(code, record, env)?))
            }
            Act::PointerText { code } => {
                let address = self.eval(code, record, env)?;
                if address == 0 {
                    out.extend_from_slice(b"(null)");
                } else if !env.symbols.text(address, out) {
                    out.extend_from_slice(b"(0x");
                    text::hex_zero(out, address, 16);
                    out.push(b')');
                }
            }
            Act::Flags { code, table } => {
                helper::flags(
                    out,
                    &self.pool,
                    self.tables.get(usize::from(table))?,
                    self.eval(code, record, env)?,
                );
            }
            Act::Symbolic { code, table } => {
                helper::symbolic(
                    out,
                    &self.pool,
                    self.tables.get(usize::from(table))?,
                    self.eval(code, record, env)?,
                );
            }
            Act::HexBytes {
                bytes: from,
                len,
                separated,
            } => {
                let (part, whole) = self.part(from, len, record, env)?;
                helper::hex(out, part, separated.then_some(b' '));
                return whole.then_some(());
            }
            Act::Array {
                bytes: from,
                count,
                size,
            } => {
                let from = bytes(record, self.eval(from, record, env)?);
                let (count, size) = (
                    self.eval(count, record, env)? as i64,
                    self.eval(size, record, env)?,
                );
                helper::array(out, from, count.max(0) as u64, size);
            }
            Act::Dump {
                dump,
                bytes: from,
                len,
            } => {
                let (part, whole) = self.part(from, len, record, env)?;
                helper::dump(out, &self.pool, *self.dumps.get(usize::from(dump))?, part);
                return whole.then_some(());
            }
            Act::Bitmask { bytes: from } => {
                let set = bytes(record, self.eval(from, record, env)?);
                helper::bitmask(out, set, set.len() * 8);
            }
            Act::Address { code, pointer } => {
                let address = self.eval(code, record, env)?;
                pointer::address(out, address, *self.pointers.get(usize::from(pointer))?, env);
            }
            Act::Contents { contents } => {
                let Contents {
                    code,
                    pointer,
                    count,
                } = *self.contents.get(usize::from(contents))?;
                let from = bytes(record, self.eval(code, record, env)?);
                let count = match count {
                    Size::None => None,
                    Size::Fixed(n) => Some(n.into()),
                    Size::Code(code) => Some(
                        (self.eval(code, record, env)? as i64).clamp(0, u16::MAX.into()) as usize,
                    ),
                };
                pointer::contents(out, from, pointer, count);
            }
            // The others are `render`'s.
            _ => debug_assert!(false, "{act:?}"),
        }
        Some(())
    }

    /// The first bytes of a slice, as many as an expression says, and whether there are so many.
    fn part<'r>(
        &self,
        from: u16,
        len: u16,
        record: &'r [u8],
        env: &Env,
    ) -> Option<(&'r [u8], bool)> {
        let from = bytes(record, self.eval(from, record, env)?);
        let len = (self.eval(len, record, env)? as i64).max(0) as u64;
        Some(first(from, len))
    }

    /// To be called when all steps are there: sees to it that what `render` relies on is so. `None` if it cannot be.
    pub(super) fn finish(&mut self) -> Option<()> {
        let mut bound = 0u32;
        for (i, step) in self.steps.iter().enumerate() {
            if !self.pool.holds(step.literal) {
                return None;
            }
            let forward = |to: u16| usize::from(to) > i && usize::from(to) <= self.steps.len();
            let most = match step.act {
                Act::DecU32(_)
                | Act::DecI32(_)
                | Act::DecU64(_)
                | Act::DecI64(_)
                | Act::Dec(_)
                | Act::DecSigned(_) => 20,
                Act::HexU32(_) | Act::HexU64(_) | Act::Hex(_) => 16,
                Act::Chars { len, .. } => len.into(),
                Act::Choose { choice, .. } => {
                    let [yes, no] = *self.choices.get(usize::from(choice))?;
                    if !self.pool.holds(yes) || !self.pool.holds(no) {
                        return None;
                    }
                    yes.len.max(no.len)
                }
                Act::Jump { to } if !forward(to) => return None,
                Act::JumpIfZero { to, end, .. } if !forward(to) || !forward(end) => return None,
                _ => 0,
            };
            bound = bound.checked_add(most)?.checked_add(step.literal.len)?;
        }
        self.bound = bound;
        Some(())
    }

    /// The instructions of an expression.
    pub(super) fn code(&self, code: u16) -> &[Ins] {
        let Some(&(start, len)) = self.codes.get(usize::from(code)) else {
            return &[];
        };
        self.code
            .get(start as usize..start as usize + len as usize)
            .unwrap_or(&[])
    }

    #[inline]
    fn eval(&self, code: u16, record: &[u8], env: &Env) -> Option<u64> {
        eval(self.code(code), record, env)
    }

    /// Width and precision; a negative width means left, a negative precision none (printf(3)).
    fn sizes(&self, dressing: &Dressing, record: &[u8], env: &Env) -> Dress {
        let value = |size: Size| -> Option<i64> {
            match size {
                Size::None => None,
                Size::Fixed(n) => Some(n.into()),
                Size::Code(code) => self.eval(code, record, env).map(|v| v as i64),
            }
        };
        let width = value(dressing.width).unwrap_or(0);
        let precision = value(dressing.precision).filter(|p| *p >= 0);
        let limit = |v: i64| v.unsigned_abs().min(MAX_WIDTH.into()) as usize;
        Dress {
            width: limit(width),
            precision: precision.map(limit),
            left: dressing.spec.left || width < 0,
        }
    }

    /// Cuts and pads what was appended from `mark` on.
    fn dress(&self, dressing: u16, record: &[u8], env: &Env, mark: usize, out: &mut Vec<u8>) {
        let Some(dressing) = self.dressings.get(usize::from(dressing)) else {
            return;
        };
        let dress = self.sizes(dressing, record, env);
        if let Some(precision) = dress.precision {
            out.truncate(out.len().min(mark + precision));
        }
        if dress.left {
            text::pad_to(out, mark + dress.width, b' ');
        } else {
            text::shift_right(out, mark, dress.width, b' ');
        }
    }
}
