//! Expressions and conversions to the steps of a [`Program`].

use alloc::vec::Vec;
use core::mem::take;

use super::code::instructions;
use super::eval::Ins;
use super::helper::{Dump, Table};
use super::parse::{Parsed, parse};
use super::pointer::{Pointer, is_plain};
use super::program::{Act, Contents, Dressing, Program, Size, Step};
use super::spec::{Dim, Spec, What, read};
use super::tree::{Helper, Id, Node, Ty};
use super::{CompileError, pointer};
use crate::event::ctype::CInt;
use crate::event::field::{Field, Load};

/// The program for a `print fmt` and the fields of its event.
pub(super) fn compile(text: &str, fields: &[Field]) -> Result<Program, CompileError> {
    let parsed = parse(text, fields)?;
    let start = text.len() - text.trim_start().len();
    let mut c = Compiler {
        parsed,
        program: Program::default(),
        literal: Vec::new(),
        next_arg: 0,
        position: start,
    };
    let format = take(&mut c.parsed.format);
    let mut at = 0;
    while at < format.len() {
        if format[at] != b'%' {
            let end = format[at..]
                .iter()
                .position(|&b| b == b'%')
                .map_or(format.len(), |n| at + n);
            c.literal.extend_from_slice(&format[at..end]);
            at = end;
            continue;
        }
        let (what, spec, end) = read(&format, at, start)?;
        c.conversion(what, spec)?;
        at = end;
    }
    c.flush()?;
    let mut program = c.program;
    program
        .finish()
        .ok_or_else(|| CompileError::new("too long", start))?;
    Ok(program)
}

struct Compiler {
    parsed: Parsed,
    program: Program,
    /// Constant text that the next step is to begin with.
    literal: Vec<u8>,
    next_arg: usize,
    /// Where the format begins: the place of errors in it.
    position: usize,
}

impl Compiler {
    fn too_long(&self) -> CompileError {
        CompileError::new("too long", self.position)
    }

    /// A place in one of the program's lists.
    fn place(&self, index: usize) -> Result<u16, CompileError> {
        u16::try_from(index).map_err(|_| self.too_long())
    }

    fn step(&mut self, act: Act) -> Result<usize, CompileError> {
        let literal = self.program.pool.add(&take(&mut self.literal));
        self.place(self.program.steps.len())?;
        self.program.steps.push(Step { literal, act });
        Ok(self.program.steps.len() - 1)
    }

    /// Constant text must not slip behind a place that is jumped to.
    fn flush(&mut self) -> Result<(), CompileError> {
        if !self.literal.is_empty() {
            self.step(Act::Nothing)?;
        }
        Ok(())
    }

    fn label(&mut self) -> Result<u16, CompileError> {
        self.flush()?;
        self.place(self.program.steps.len())
    }

    fn ty(&self, id: Id) -> Ty {
        self.parsed.tree.get(id).ty
    }

    fn node(&self, id: Id) -> &Node {
        &self.parsed.tree.get(id).node
    }

    fn fail(&self, id: Id, message: &'static str) -> CompileError {
        CompileError::new(message, self.parsed.tree.get(id).position)
    }

    fn arg(&mut self) -> Result<Id, CompileError> {
        let arg = self.parsed.args.get(self.next_arg).copied();
        self.next_arg += 1;
        arg.ok_or_else(|| {
            CompileError::new("there are more conversions than arguments", self.position)
        })
    }

    fn number_arg(&mut self) -> Result<Id, CompileError> {
        let id = self.arg()?;
        match self.ty(id) {
            Ty::Int(_) | Ty::Ptr(_) => Ok(id),
            _ => Err(self.fail(id, "a number expected")),
        }
    }

    fn size(&mut self, dim: Dim) -> Result<Size, CompileError> {
        Ok(match dim {
            Dim::None => Size::None,
            Dim::Fixed(n) => Size::Fixed(n),
            Dim::Star => {
                let id = self.number_arg()?;
                Size::Code(self.code(id, Some(CInt::INT))?)
            }
        })
    }

    fn dressing(&mut self, spec: Spec, width: Size, precision: Size) -> Result<u16, CompileError> {
        let dressing = Dressing {
            spec,
            width,
            precision,
        };
        let list = &mut self.program.dressings;
        let index = list.iter().position(|d| *d == dressing).unwrap_or_else(|| {
            list.push(dressing);
            list.len() - 1
        });
        self.place(index)
    }

    fn conversion(&mut self, what: What<'_>, spec: Spec) -> Result<(), CompileError> {
        if what == What::Percent {
            self.literal.push(b'%');
            return Ok(());
        }
        let (width, precision) = (self.size(spec.width)?, self.size(spec.precision)?);
        if what == What::Int {
            let id = self.number_arg()?;
            return self.integer(id, spec, width, precision);
        }
        let dressed = !is_plain(what, &spec);
        if let What::Pointer(letters) = what {
            let pointer = Pointer::read(letters);
            let id = self.arg()?;
            if pointer.counts() {
                return self.pointer(id, pointer, width);
            }
            if dressed {
                self.step(Act::Mark)?;
            }
            self.pointer(id, pointer, Size::None)?;
        } else if what == What::Char {
            let id = self.number_arg()?;
            let plain = width == Size::None;
            if let (&Node::Num(value), true) = (self.node(id), plain) {
                self.literal.push(value as u8);
                return Ok(());
            }
            if !plain {
                self.step(Act::Mark)?;
            }
            let code = self.code(id, None)?;
            self.step(Act::Char { code })?;
            if plain {
                return Ok(());
            }
        } else {
            let id = self.arg()?;
            if dressed {
                self.step(Act::Mark)?;
            }
            self.text(id)?;
        }
        if dressed {
            let dressing = self.dressing(spec, width, precision)?;
            self.step(Act::Dress { dressing })?;
        }
        Ok(())
    }

    /// A number: a step of its own for the common plain ones of fields.
    fn integer(
        &mut self,
        id: Id,
        spec: Spec,
        width: Size,
        precision: Size,
    ) -> Result<(), CompileError> {
        let code = self.code(id, Some(spec.int))?;
        let plain = width == Size::None
            && precision == Size::None
            && !spec.plus
            && !spec.space
            && !spec.alternate
            && !spec.upper;
        let load = match self.program.code(code) {
            [Ins::Load(load)] if plain && spec.base != 8 => Some(*load),
            [Ins::Push(value)] => {
                // A constant is part of the text.
                if let (true, false) = (plain, spec.base == 8) {
                    let mut text = Vec::new();
                    match (spec.base, spec.int.signed) {
                        (16, _) => crate::base::text::hex(&mut text, *value),
                        (_, true) => crate::base::text::dec_signed(&mut text, *value as i64),
                        (_, false) => crate::base::text::dec(&mut text, *value),
                    }
                    self.literal.append(&mut text);
                    return Ok(());
                }
                None
            }
            _ => None,
        };
        let act = match load {
            Some(Load { offset, int }) => {
                match (spec.base, spec.int.signed, int.size, int.signed) {
                    (16, _, 4, false) => Act::HexU32(offset),
                    (16, _, 8, _) => Act::HexU64(offset),
                    (16, ..) => Act::Hex(Load { offset, int }),
                    (_, _, 4, false) => Act::DecU32(offset),
                    (_, true, 4, true) => Act::DecI32(offset),
                    (_, false, 8, _) => Act::DecU64(offset),
                    (_, true, 8, _) => Act::DecI64(offset),
                    (_, true, ..) => Act::DecSigned(Load { offset, int }),
                    (_, false, ..) => Act::Dec(Load { offset, int }),
                }
            }
            None => Act::Number {
                code,
                dressing: self.dressing(spec, width, precision)?,
            },
        };
        self.step(act)?;
        Ok(())
    }

    fn pointer(&mut self, id: Id, pointer: Pointer, count: Size) -> Result<(), CompileError> {
        let in_record = matches!(self.ty(id), Ty::Slice(_));
        match self.ty(id) {
            Ty::Slice(_) if pointer.follows() => {
                let code = self.code(id, None)?;
                self.program.contents.push(Contents {
                    code,
                    pointer,
                    count,
                });
                let contents = self.place(self.program.contents.len() - 1)?;
                self.step(Act::Contents { contents })?;
            }
            // The address of something in the record, or of constant text, is not known here.
            Ty::Slice(_) | Ty::Text => self.literal.extend_from_slice(b"(____ptrval____)"),
            Ty::Int(_) | Ty::Ptr(_) => {
                debug_assert!(!in_record);
                // What it points to is out of reach: its address is shown.
                let pointer = if pointer.follows() {
                    pointer::Pointer::Hashed
                } else {
                    pointer
                };
                let code = self.code(id, None)?;
                self.program.pointers.push(pointer);
                let pointer = self.place(self.program.pointers.len() - 1)?;
                self.step(Act::Address { code, pointer })?;
            }
        }
        Ok(())
    }

    /// The argument of `%s`.
    fn text(&mut self, id: Id) -> Result<(), CompileError> {
        let ty = self.ty(id);
        let act = match self.node(id).clone() {
            Node::Literal(text) => {
                self.literal.extend_from_slice(until_nul(&text));
                return Ok(());
            }
            Node::Helper(helper) => self.helper(helper)?,
            Node::Cond(cond, yes, no) => return self.choice(cond, yes, no),
            Node::Fixed {
                offset,
                len: u32::MAX,
            } => Act::Rest { offset },
            Node::Fixed { offset, len } => Act::Chars {
                offset,
                len: self.place(len as usize)?,
            },
            Node::Dynamic { offset, rel } => Act::DynamicText { offset, rel },
            // A null pointer.
            Node::Num(0) => {
                self.literal.extend_from_slice(b"(null)");
                return Ok(());
            }
            _ => match ty {
                Ty::Slice(_) => Act::SliceText {
                    code: self.code(id, None)?,
                },
                Ty::Ptr(_) => Act::PointerText {
                    code: self.code(id, None)?,
                },
                _ => return Err(self.fail(id, "text expected")),
            },
        };
        self.step(act)?;
        Ok(())
    }

    /// `condition ? text : text`.
    fn choice(&mut self, cond: Id, yes: Id, no: Id) -> Result<(), CompileError> {
        let code = self.code(cond, None)?;
        if let (Node::Literal(a), Node::Literal(b)) = (self.node(yes), self.node(no)) {
            let pair =
                [until_nul(a).to_vec(), until_nul(b).to_vec()].map(|t| self.program.pool.add(&t));
            self.program.choices.push(pair);
            let choice = self.place(self.program.choices.len() - 1)?;
            self.step(Act::Choose { code, choice })?;
            return Ok(());
        }
        // `flags ? __print_flags(flags, …) : "none"` is one step.
        if let (
            Node::Helper(Helper::Flags {
                value,
                delim,
                table,
            }),
            Node::Literal(none),
        ) = (self.node(yes), self.node(no))
        {
            let (value, delim, table, none) = (*value, delim.clone(), table.clone(), none.clone());
            let flags = self.code(value, Some(CInt::ULONG))?;
            if self.program.code(flags) == self.program.code(code) {
                let table = self.table(&delim, &table, &none)?;
                self.step(Act::Flags { code, table })?;
                return Ok(());
            }
        }
        let branch = self.step(Act::Nothing)?;
        self.text(yes)?;
        let leave = self.step(Act::Nothing)?;
        let other = self.label()?;
        self.text(no)?;
        let end = self.label()?;
        self.program.steps[branch].act = Act::JumpIfZero {
            code,
            to: other,
            end,
        };
        self.program.steps[leave].act = Act::Jump { to: end };
        Ok(())
    }

    fn table(
        &mut self,
        delim: &[u8],
        entries: &[(u64, Vec<u8>)],
        none: &[u8],
    ) -> Result<u16, CompileError> {
        let pool = &mut self.program.pool;
        let entries = entries
            .iter()
            .map(|(v, name)| (*v, pool.add(until_nul(name))))
            .collect();
        let table = Table {
            delim: pool.add(until_nul(delim)),
            none: pool.add(until_nul(none)),
            entries,
        };
        self.program.tables.push(table);
        self.place(self.program.tables.len() - 1)
    }

    fn helper(&mut self, helper: Helper) -> Result<Act, CompileError> {
        Ok(match helper {
            Helper::Flags {
                value,
                delim,
                table,
            } => Act::Flags {
                code: self.code(value, Some(CInt::ULONG))?,
                table: self.table(&delim, &table, b"")?,
            },
            Helper::Symbolic { value, table } => Act::Symbolic {
                code: self.code(value, Some(CInt::ULONG))?,
                table: self.table(b"", &table, b"")?,
            },
            Helper::Hex {
                bytes,
                len,
                separated,
            } => Act::HexBytes {
                bytes: self.code(bytes, None)?,
                len: self.code(len, Some(CInt::INT))?,
                separated,
            },
            Helper::Array { bytes, count, size } => Act::Array {
                bytes: self.code(bytes, None)?,
                count: self.code(count, Some(CInt::INT))?,
                size: self.code(size, Some(CInt::ULONG))?,
            },
            Helper::Dump {
                prefix,
                offsets,
                row,
                group,
                bytes,
                len,
                ascii,
            } => {
                let fixed = |c: &Self, id: Id| match c.node(id) {
                    Node::Num(v) => Ok(*v),
                    _ => Err(c.fail(id, "a constant expected")),
                };
                let prefix = self.program.pool.add(until_nul(&prefix));
                let (row, group, ascii) = (
                    fixed(self, row)?,
                    fixed(self, group)?,
                    fixed(self, ascii)? != 0,
                );
                self.program.dumps.push(Dump {
                    prefix,
                    offsets,
                    row,
                    group,
                    ascii,
                });
                let dump = self.place(self.program.dumps.len() - 1)?;
                Act::Dump {
                    dump,
                    bytes: self.code(bytes, None)?,
                    len: self.code(len, Some(CInt::ULONG))?,
                }
            }
            Helper::Bitmask { bytes } => Act::Bitmask {
                bytes: self.code(bytes, None)?,
            },
        })
    }

    // Values.

    /// The instructions for a value, brought into a type if one is given.
    fn code(&mut self, id: Id, int: Option<CInt>) -> Result<u16, CompileError> {
        let code = instructions(&self.parsed.tree, id, int)?;
        // Among the first ones only: there may be very many.
        let known =
            (0..self.program.codes.len().min(64)).find(|i| self.program.code(*i as u16) == code);
        if let Some(known) = known {
            return self.place(known);
        }
        let start = u32::try_from(self.program.code.len()).map_err(|_| self.too_long())?;
        // Jumps count from the start of their code.
        self.program.code.extend_from_slice(&code);
        self.program.codes.push((start, code.len() as u32));
        self.place(self.program.codes.len() - 1)
    }
}

/// C text ends at a NUL.
fn until_nul(text: &[u8]) -> &[u8] {
    crate::event::field::until_nul(text)
}
