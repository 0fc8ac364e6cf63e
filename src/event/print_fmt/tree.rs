//! Typed expressions. Types, conversions and constants are settled as expressions are put together: what is left of a
//! constant expression (flag tables are full of them) is its value.

use alloc::vec::Vec;

use super::CompileError;
use super::eval::Op;
use crate::event::ctype::CInt;
use crate::event::field::Load;

/// How deep brackets and operands may nest.
pub(super) const MAX_DEPTH: u16 = 200;

/// How many expressions a `print fmt` may have before constants are folded.
const MAX_NODES: usize = 1 << 16;

/// An expression, by its place in its [`Tree`].
pub(super) type Id = u32;

/// What a pointer points to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Elem {
    /// Its size in bytes; 0 if not known.
    pub size: u32,
    /// Its type if it is a number.
    pub int: Option<CInt>,
}

impl Elem {
    pub(super) const VOID: Elem = Elem { size: 1, int: None };

    pub(super) fn of(int: Option<CInt>) -> Elem {
        Elem {
            size: int.map_or(0, |i| i.size.into()),
            int,
        }
    }
}

/// The type of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ty {
    /// A number.
    Int(CInt),
    /// An address of something outside the record.
    Ptr(Elem),
    /// Bytes of the record; at run time their offset in the low half, their length in the high half.
    Slice(Elem),
    /// Text that is written where it stands: a literal, a `__print_` helper, a choice between such.
    Text,
}

/// One expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Num(u64),
    Literal(Vec<u8>),
    Load(Load),
    /// Bytes at a fixed place; a length of `u32::MAX` reaches to the record's end.
    Fixed {
        offset: u16,
        len: u32,
    },
    /// Bytes that a `__data_loc` or `__rel_loc` word points to.
    Dynamic {
        offset: u16,
        rel: bool,
    },
    /// Their length.
    DynamicLen {
        offset: u16,
    },
    Binary(Op, Id, Id),
    /// The operand brought into this type.
    Wrap(CInt, Id),
    /// Whether both, or any, are not zero; the second is only looked at if it matters.
    AndAnd(Id, Id),
    OrOr(Id, Id),
    Cond(Id, Id, Id),
    /// The number in a slice, by index.
    Index(CInt, Id, Id),
    /// A slice further on (or back) by a number of elements of the size.
    Advance(u32, Id, Id),
    /// Bytes reversed: of 2, 4 or 8.
    Swap(u8, Id),
    Jiffies,
    Helper(Helper),
}

/// A `__print_` helper with its operands.
#[derive(Clone, Debug)]
pub(super) enum Helper {
    Flags {
        value: Id,
        delim: Vec<u8>,
        table: Vec<(u64, Vec<u8>)>,
    },
    Symbolic {
        value: Id,
        table: Vec<(u64, Vec<u8>)>,
    },
    Hex {
        bytes: Id,
        len: Id,
        separated: bool,
    },
    Array {
        bytes: Id,
        count: Id,
        size: Id,
    },
    Dump {
        prefix: Vec<u8>,
        offsets: bool,
        row: Id,
        group: Id,
        bytes: Id,
        len: Id,
        ascii: Id,
    },
    Bitmask {
        bytes: Id,
    },
}

/// An expression with what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub node: Node,
    pub ty: Ty,
    pub position: usize,
    depth: u16,
}

/// A C type in a cast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CType {
    Int(CInt),
    Bool,
    Ptr(Elem),
    /// A struct by its size.
    Struct(u32),
    Void,
}

/// The expressions of a `print fmt`; each refers to others by their place.
#[derive(Default)]
pub(super) struct Tree {
    nodes: Vec<Typed>,
}

impl Tree {
    /// Adds an expression of which `operands` are part.
    pub(super) fn add(
        &mut self,
        node: Node,
        ty: Ty,
        position: usize,
        operands: &[Id],
    ) -> Result<Id, CompileError> {
        let depth = operands
            .iter()
            .map(|o| self.get(*o).depth)
            .max()
            .unwrap_or(0)
            + 1;
        if depth > MAX_DEPTH {
            return Err(CompileError::new("the expression is too deep", position));
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(CompileError::new("too long", position));
        }
        self.nodes.push(Typed {
            node,
            ty,
            position,
            depth,
        });
        Ok(self.nodes.len() as Id - 1)
    }

    pub(super) fn get(&self, id: Id) -> &Typed {
        &self.nodes[id as usize]
    }

    pub(super) fn constant(&self, id: Id) -> Option<u64> {
        match self.get(id).node {
            Node::Num(v) => Some(v),
            _ => None,
        }
    }

    pub(super) fn num(
        &mut self,
        value: u64,
        int: CInt,
        position: usize,
    ) -> Result<Id, CompileError> {
        self.add(Node::Num(int.wrap(value)), Ty::Int(int), position, &[])
    }

    /// An operand as a number; addresses count as `unsigned long`.
    pub(super) fn int(&self, id: Id) -> Result<CInt, CompileError> {
        let e = self.get(id);
        match e.ty {
            Ty::Int(int) => Ok(int),
            Ty::Ptr(_) => Ok(CInt::ULONG),
            _ => Err(CompileError::new("a number expected", e.position)),
        }
    }

    /// An operand brought into a type.
    pub(super) fn to(&mut self, int: CInt, id: Id) -> Result<Id, CompileError> {
        let from = self.int(id)?;
        let e = self.get(id);
        let position = e.position;
        let ty = Ty::Int(int);
        if let Node::Num(v) = e.node {
            return self.add(Node::Num(int.wrap(v)), ty, position, &[]);
        }
        if int.holds(from) {
            if e.ty == ty {
                return Ok(id);
            }
            let node = e.node.clone();
            let depth = e.depth;
            // The same value under another type: operands keep their depth.
            self.nodes.push(Typed {
                node,
                ty,
                position,
                depth,
            });
            return Ok(self.nodes.len() as Id - 1);
        }
        if let Node::Load(load) = e.node
            && let Some(part) = load.narrow(int)
        {
            return self.add(Node::Load(part), ty, position, &[]);
        }
        self.add(Node::Wrap(int, id), ty, position, &[id])
    }

    /// An operand as a condition: constant where it is the address of something in the record, or text.
    pub(super) fn truth(&mut self, id: Id) -> Result<Id, CompileError> {
        match self.get(id).ty {
            Ty::Int(_) | Ty::Ptr(_) => Ok(id),
            Ty::Slice(_) | Ty::Text => {
                let position = self.get(id).position;
                self.num(1, CInt::INT, position)
            }
        }
    }

    pub(super) fn operate(
        &mut self,
        mark: &str,
        left: Id,
        right: Id,
        position: usize,
    ) -> Result<Id, CompileError> {
        if matches!(mark, "&&" | "||") {
            let (a, b) = (self.truth(left)?, self.truth(right)?);
            let and = mark == "&&";
            let ty = Ty::Int(CInt::INT);
            return match (self.constant(a), self.constant(b)) {
                (Some(x), Some(y)) => {
                    let value = if and {
                        x != 0 && y != 0
                    } else {
                        x != 0 || y != 0
                    };
                    self.num(value.into(), CInt::INT, position)
                }
                (Some(x), None) if (x != 0) != and => self.num((!and).into(), CInt::INT, position),
                _ if and => self.add(Node::AndAnd(a, b), ty, position, &[a, b]),
                _ => self.add(Node::OrOr(a, b), ty, position, &[a, b]),
            };
        }
        if let Some(done) = self.pointer_arithmetic(mark, left, right, position)? {
            return Ok(done);
        }
        let (a, b) = (self.int(left)?, self.int(right)?);
        if matches!(mark, "<<" | ">>") {
            let int = a.promoted();
            let (left, right) = (self.to(int, left)?, self.to(CInt::ULONG, right)?);
            // A processor looks at the lowest bits of the count only.
            let mask = self.num(u64::from(int.size) * 8 - 1, CInt::ULONG, position)?;
            let right = self.emit(Op::And, right, mask, CInt::ULONG, position)?;
            let op = match (mark, int.signed) {
                ("<<", _) => Op::Shl,
                (_, true) => Op::ShrS,
                (_, false) => Op::ShrU,
            };
            return self.emit(op, left, right, int, position);
        }
        let int = a.common(b);
        let (mut left, mut right) = (self.to(int, left)?, self.to(int, right)?);
        if matches!(mark, ">" | ">=") {
            core::mem::swap(&mut left, &mut right);
        }
        let pick = |signed, unsigned| if int.signed { signed } else { unsigned };
        let op = match mark {
            "+" => Op::Add,
            "-" => Op::Sub,
            "*" => Op::Mul,
            "/" => pick(Op::DivS, Op::DivU),
            "%" => pick(Op::RemS, Op::RemU),
            "&" => Op::And,
            "|" => Op::Or,
            "^" => Op::Xor,
            "==" => Op::Eq,
            "!=" => Op::Ne,
            "<" | ">" => pick(Op::LtS, Op::LtU),
            _ => pick(Op::LeS, Op::LeU),
        };
        let result = if matches!(op, Op::Eq | Op::Ne | Op::LtS | Op::LtU | Op::LeS | Op::LeU) {
            CInt::INT
        } else {
            int
        };
        self.emit(op, left, right, result, position)
    }

    /// An operation on operands that have its type already, folded if they are constants; `int` is the result's type.
    pub(super) fn emit(
        &mut self,
        op: Op,
        left: Id,
        right: Id,
        int: CInt,
        position: usize,
    ) -> Result<Id, CompileError> {
        let divides = matches!(op, Op::DivS | Op::DivU | Op::RemS | Op::RemU);
        if divides && self.constant(right) == Some(0) {
            return Err(CompileError::new("division by zero", position));
        }
        if let (Some(a), Some(b)) = (self.constant(left), self.constant(right)) {
            return self.num(op.apply(a, b), int, position);
        }
        let id = self.add(
            Node::Binary(op, left, right),
            Ty::Int(int),
            position,
            &[left, right],
        )?;
        let overflows = matches!(op, Op::Add | Op::Sub | Op::Mul | Op::Shl | Op::DivS);
        if overflows && int.size < 8 {
            return self.add(Node::Wrap(int, id), Ty::Int(int), position, &[id]);
        }
        Ok(id)
    }

    /// Addition and subtraction with an address, in steps of what it points to; comparison with one.
    pub(super) fn pointer_arithmetic(
        &mut self,
        mark: &str,
        left: Id,
        right: Id,
        position: usize,
    ) -> Result<Option<Id>, CompileError> {
        let (a, b) = (self.get(left).ty, self.get(right).ty);
        let (base, step, elem) = match (a, b) {
            (Ty::Ptr(elem) | Ty::Slice(elem), Ty::Int(_)) => (left, right, elem),
            (Ty::Int(_), Ty::Ptr(elem) | Ty::Slice(elem)) if mark == "+" => (right, left, elem),
            (Ty::Ptr(elem), Ty::Ptr(_)) if mark == "-" => {
                let size = self.num(elem.size.max(1).into(), CInt::LONG, position)?;
                let (x, y) = (self.to(CInt::LONG, left)?, self.to(CInt::LONG, right)?);
                let bytes = self.emit(Op::Sub, x, y, CInt::LONG, position)?;
                return self
                    .emit(Op::DivS, bytes, size, CInt::LONG, position)
                    .map(Some);
            }
            _ => return Ok(None),
        };
        if !matches!(mark, "+" | "-") {
            return Ok(None);
        }
        if elem.size == 0 {
            return Err(CompileError::new("a step of unknown size", position));
        }
        let mut step = self.to(CInt::LONG, step)?;
        if mark == "-" {
            let zero = self.num(0, CInt::LONG, position)?;
            step = self.emit(Op::Sub, zero, step, CInt::LONG, position)?;
        }
        if let Ty::Slice(_) = self.get(base).ty {
            let ty = Ty::Slice(elem);
            return self
                .add(
                    Node::Advance(elem.size, base, step),
                    ty,
                    position,
                    &[base, step],
                )
                .map(Some);
        }
        let size = self.num(elem.size.into(), CInt::LONG, position)?;
        let bytes = self.emit(Op::Mul, step, size, CInt::LONG, position)?;
        let base = self.to(CInt::ULONG, base)?;
        let sum = self.emit(Op::Add, base, bytes, CInt::ULONG, position)?;
        self.cast(CType::Ptr(elem), sum, position).map(Some)
    }

    /// `&` of a field or an element: what is in the record from there on.
    pub(super) fn address_of(&mut self, operand: Id, position: usize) -> Result<Id, CompileError> {
        let e = self.get(operand);
        match e.node {
            Node::Load(load) => {
                let elem = Elem::of(Some(load.int));
                self.add(
                    Node::Fixed {
                        offset: load.offset,
                        len: u32::MAX,
                    },
                    Ty::Slice(elem),
                    position,
                    &[],
                )
            }
            Node::Index(int, base, step) => {
                let ty = Ty::Slice(Elem::of(Some(int)));
                self.add(
                    Node::Advance(int.size.into(), base, step),
                    ty,
                    position,
                    &[base, step],
                )
            }
            Node::Fixed { .. } | Node::Dynamic { .. } => Ok(operand),
            _ => Err(CompileError::new(
                "only what is in the record has an address",
                position,
            )),
        }
    }

    pub(super) fn cast(
        &mut self,
        ctype: CType,
        operand: Id,
        position: usize,
    ) -> Result<Id, CompileError> {
        let from = self.get(operand).ty;
        match (ctype, from) {
            (CType::Int(int), Ty::Int(_) | Ty::Ptr(_)) => self.to(int, operand),
            // Whether there is any bit.
            (CType::Bool, Ty::Int(_) | Ty::Ptr(_)) => {
                let int = self.int(operand)?;
                let (operand, zero) = (self.to(int, operand)?, self.num(0, int, position)?);
                let id = self.emit(Op::Ne, operand, zero, CInt::INT, position)?;
                self.to(CInt::U8, id)
            }
            (CType::Ptr(elem), Ty::Int(_) | Ty::Ptr(_)) => {
                let id = self.to(CInt::ULONG, operand)?;
                let Typed { node, depth, .. } = self.get(id).clone();
                self.nodes.push(Typed {
                    node,
                    ty: Ty::Ptr(elem),
                    position,
                    depth,
                });
                Ok(self.nodes.len() as Id - 1)
            }
            (CType::Ptr(elem), Ty::Slice(_)) => {
                let Typed { node, depth, .. } = self.get(operand).clone();
                self.nodes.push(Typed {
                    node,
                    ty: Ty::Slice(elem),
                    position,
                    depth,
                });
                Ok(self.nodes.len() as Id - 1)
            }
            (CType::Ptr(_), Ty::Text) => Ok(operand),
            _ => Err(CompileError::new("this cannot be cast so", position)),
        }
    }

    /// Element of something in the record.
    pub(super) fn index(
        &mut self,
        base: Id,
        index: Id,
        position: usize,
    ) -> Result<Id, CompileError> {
        let Ty::Slice(elem) = self.get(base).ty else {
            return Err(CompileError::new(
                "what this points to is not in the record",
                position,
            ));
        };
        let Some(int) = elem.int else {
            return Err(CompileError::new("an element of unknown type", position));
        };
        let index = self.to(CInt::LONG, index)?;
        if let (Node::Fixed { offset, len }, Some(at)) =
            (&self.get(base).node, self.constant(index))
        {
            let (start, size) = (at.checked_mul(int.size.into()), u64::from(int.size));
            if let Some(start) = start.filter(|s| {
                s.checked_add(size)
                    .is_some_and(|end| end <= u64::from(*len))
            }) && let Ok(offset) = u16::try_from(u64::from(*offset) + start)
            {
                return self.add(
                    Node::Load(Load { offset, int }),
                    Ty::Int(int),
                    position,
                    &[],
                );
            }
        }
        self.add(
            Node::Index(int, base, index),
            Ty::Int(int),
            position,
            &[base, index],
        )
    }
}
