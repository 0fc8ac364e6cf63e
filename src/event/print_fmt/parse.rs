//! Tokens to typed expressions. Types, conversions and constants are settled here: what is left of a constant expression
//! (flag tables are full of them) is its value.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use super::lexer::{At, Token, tokens};
use super::{CompileError, constant};
use crate::event::ctype::{CInt, int_type_of_words, is_type_word};
use crate::event::field::{COMMON, Field, FieldKind, Load};

/// How deep brackets and operands may nest.
const MAX_DEPTH: u16 = 200;

/// How many expressions a `print fmt` may have before constants are folded.
const MAX_NODES: usize = 1 << 16;

/// An expression, by its place in [`Parser::nodes`].
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
    const VOID: Elem = Elem { size: 1, int: None };

    fn of(int: Option<CInt>) -> Elem {
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

/// Operators of two operands; those that care for the sign have two forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    DivS,
    DivU,
    RemS,
    RemU,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    Eq,
    Ne,
    LtS,
    LtU,
    LeS,
    LeU,
}

impl Op {
    /// The result for operands in canonical form (extended to 64 bits by their sign). Division by zero gives zero.
    #[inline(always)]
    pub(super) fn apply(self, a: u64, b: u64) -> u64 {
        let (sa, sb) = (a as i64, b as i64);
        match self {
            Op::Add => a.wrapping_add(b),
            Op::Sub => a.wrapping_sub(b),
            Op::Mul => a.wrapping_mul(b),
            Op::DivS if b == 0 => 0,
            Op::DivS => sa.wrapping_div(sb) as u64,
            Op::DivU => a.checked_div(b).unwrap_or(0),
            Op::RemS if b == 0 => 0,
            Op::RemS => sa.wrapping_rem(sb) as u64,
            Op::RemU => a.checked_rem(b).unwrap_or(0),
            Op::And => a & b,
            Op::Or => a | b,
            Op::Xor => a ^ b,
            Op::Shl => a << (b & 63),
            Op::ShrS => (sa >> (b & 63)) as u64,
            Op::ShrU => a >> (b & 63),
            Op::Eq => (a == b).into(),
            Op::Ne => (a != b).into(),
            Op::LtS => (sa < sb).into(),
            Op::LtU => (a < b).into(),
            Op::LeS => (sa <= sb).into(),
            Op::LeU => (a <= b).into(),
        }
    }
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
enum CType {
    Int(CInt),
    Bool,
    Ptr(Elem),
    /// A struct by its size.
    Struct(u32),
    Void,
}

/// A `print fmt`, read: its format and the expressions of its arguments.
pub(super) struct Parsed {
    pub format: Vec<u8>,
    pub args: Vec<Id>,
    pub nodes: Vec<Typed>,
}

/// Reads a `print fmt` against the fields of its event.
pub(super) fn parse(text: &str, fields: &[Field]) -> Result<Parsed, CompileError> {
    if u32::try_from(text.len()).is_err() {
        return Err(CompileError::new("too long", 0));
    }
    let tokens = tokens(text)?;
    let mut p = Parser {
        tokens,
        at: 0,
        fields,
        nodes: Vec::new(),
        nesting: 0,
        unknown: None,
    };
    let format = match p.next() {
        At {
            token: Token::Text(format),
            ..
        } => format,
        other => {
            return Err(CompileError::new(
                "the format, a text in quotes, expected",
                other.position,
            ));
        }
    };
    let mut args = Vec::new();
    while p.take(",") {
        args.push(p.expression()?);
    }
    match p.peek() {
        Token::End => Ok(Parsed {
            format,
            args,
            nodes: p.nodes,
        }),
        _ => Err(p.fail("an operator or a comma expected")),
    }
}

struct Parser<'a> {
    tokens: Vec<At<'a>>,
    at: usize,
    fields: &'a [Field],
    nodes: Vec<Typed>,
    nesting: u16,
    /// In a table: whether a name was met whose value nobody knows.
    unknown: Option<bool>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at].token
    }

    /// The token `n` further on.
    fn ahead(&self, n: usize) -> &Token<'a> {
        &self.tokens[(self.at + n).min(self.tokens.len() - 1)].token
    }

    fn position(&self) -> usize {
        self.tokens[self.at].position
    }

    fn fail(&self, message: impl Into<Cow<'static, str>>) -> CompileError {
        CompileError::new(message, self.position())
    }

    fn next(&mut self) -> At<'a> {
        let token = self.tokens[self.at].clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn is(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(m) if *m == mark)
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = self.is(mark);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, mark: &'static str) -> Result<(), CompileError> {
        if self.take(mark) {
            Ok(())
        } else {
            Err(self.fail(format!("`{mark}` expected")))
        }
    }

    /// Adds an expression of which `operands` are part.
    fn add(
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
        if depth > MAX_DEPTH || self.nodes.len() >= MAX_NODES {
            return Err(CompileError::new("the expression is too deep", position));
        }
        self.nodes.push(Typed {
            node,
            ty,
            position,
            depth,
        });
        Ok(self.nodes.len() as Id - 1)
    }

    fn get(&self, id: Id) -> &Typed {
        &self.nodes[id as usize]
    }

    fn constant(&self, id: Id) -> Option<u64> {
        match self.get(id).node {
            Node::Num(v) => Some(v),
            _ => None,
        }
    }

    fn num(&mut self, value: u64, int: CInt, position: usize) -> Result<Id, CompileError> {
        self.add(Node::Num(int.wrap(value)), Ty::Int(int), position, &[])
    }

    // Types of operands.

    /// An operand as a number; addresses count as `unsigned long`.
    fn int(&self, id: Id) -> Result<CInt, CompileError> {
        let e = self.get(id);
        match e.ty {
            Ty::Int(int) => Ok(int),
            Ty::Ptr(_) => Ok(CInt::ULONG),
            _ => Err(CompileError::new("a number expected", e.position)),
        }
    }

    /// An operand brought into a type.
    fn to(&mut self, int: CInt, id: Id) -> Result<Id, CompileError> {
        let from = self.int(id)?;
        let e = self.get(id);
        let position = e.position;
        let ty = Ty::Int(int);
        if let Node::Num(v) = e.node {
            return self.add(Node::Num(int.wrap(v)), ty, position, &[]);
        }
        let fits =
            int == from || int.size == 8 || int.size > from.size && (!from.signed || int.signed);
        if fits {
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
            && int.size <= load.int.size
        {
            let skip = if cfg!(target_endian = "big") {
                u16::from(load.int.size - int.size)
            } else {
                0
            };
            let load = Load {
                offset: load.offset.saturating_add(skip),
                int,
            };
            return self.add(Node::Load(load), ty, position, &[]);
        }
        self.add(Node::Wrap(int, id), ty, position, &[id])
    }

    /// An operand as a condition: constant where it is the address of something in the record, or text.
    fn truth(&mut self, id: Id) -> Result<Id, CompileError> {
        match self.get(id).ty {
            Ty::Int(_) | Ty::Ptr(_) => Ok(id),
            Ty::Slice(_) | Ty::Text => {
                let position = self.get(id).position;
                self.num(1, CInt::INT, position)
            }
        }
    }

    // Expressions, by rank.

    fn expression(&mut self) -> Result<Id, CompileError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(self.fail("brackets are nested too deep"));
        }
        let cond = self.binary(1)?;
        let result = if self.is("?") {
            self.choice(cond)
        } else {
            Ok(cond)
        };
        self.nesting -= 1;
        result
    }

    fn choice(&mut self, cond: Id) -> Result<Id, CompileError> {
        let position = self.next().position;
        let yes = if self.is(":") {
            cond
        } else {
            self.expression()?
        };
        self.expect(":")?;
        let no = self.expression()?;
        let cond = self.truth(cond)?;
        let (a, b) = (self.get(yes).ty, self.get(no).ty);
        let null = |p: &Self, id| p.constant(id) == Some(0);
        let (yes, no, ty) = match (a, b) {
            (Ty::Int(x), Ty::Int(y)) => {
                let int = x.common(y);
                (self.to(int, yes)?, self.to(int, no)?, Ty::Int(int))
            }
            (Ty::Slice(_), Ty::Slice(_)) => (yes, no, a),
            (Ty::Slice(_), _) if null(self, no) => (yes, no, a),
            (_, Ty::Slice(_)) if null(self, yes) => (yes, no, b),
            (Ty::Ptr(_), Ty::Ptr(_) | Ty::Int(_)) => (yes, no, a),
            (Ty::Int(_), Ty::Ptr(_)) => (yes, no, b),
            _ => (yes, no, Ty::Text),
        };
        if let Some(value) = self.constant(cond) {
            return Ok(if value != 0 { yes } else { no });
        }
        self.add(Node::Cond(cond, yes, no), ty, position, &[cond, yes, no])
    }

    /// Operators of two operands of at least this rank, from the left.
    fn binary(&mut self, least: u8) -> Result<Id, CompileError> {
        let mut left = self.unary()?;
        while let Token::Mark(mark) = *self.peek() {
            let rank = match mark {
                "||" => 1,
                "&&" => 2,
                "|" => 3,
                "^" => 4,
                "&" => 5,
                "==" | "!=" => 6,
                "<" | ">" | "<=" | ">=" => 7,
                "<<" | ">>" => 8,
                "+" | "-" => 9,
                "*" | "/" | "%" => 10,
                _ => break,
            };
            if rank < least {
                break;
            }
            let position = self.next().position;
            let right = self.binary(rank + 1)?;
            left = self.operate(mark, left, right, position)?;
        }
        Ok(left)
    }

    fn operate(
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
    fn emit(
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
    fn pointer_arithmetic(
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

    fn unary(&mut self) -> Result<Id, CompileError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(self.fail("brackets are nested too deep"));
        }
        let result = self.unary_inner();
        self.nesting -= 1;
        result
    }

    fn unary_inner(&mut self) -> Result<Id, CompileError> {
        let position = self.position();
        let mark = match *self.peek() {
            Token::Mark(mark) => mark,
            Token::Word("sizeof") => return self.size_of(),
            _ => return self.postfix(),
        };
        match mark {
            "-" | "+" | "~" => {
                self.next();
                let operand = self.unary()?;
                let int = self.int(operand)?.promoted();
                let operand = self.to(int, operand)?;
                match mark {
                    "+" => Ok(operand),
                    "-" => {
                        let zero = self.num(0, int, position)?;
                        self.emit(Op::Sub, zero, operand, int, position)
                    }
                    _ => {
                        let ones = self.num(u64::MAX, int, position)?;
                        self.emit(Op::Xor, operand, ones, int, position)
                    }
                }
            }
            "!" => {
                self.next();
                let operand = self.unary()?;
                let operand = self.truth(operand)?;
                let int = self.int(operand)?;
                let operand = self.to(int, operand)?;
                let zero = self.num(0, int, position)?;
                self.emit(Op::Eq, operand, zero, CInt::INT, position)
            }
            "&" => {
                self.next();
                let operand = self.unary()?;
                self.address_of(operand, position)
            }
            "*" => {
                self.next();
                let operand = self.unary()?;
                let zero = self.num(0, CInt::LONG, position)?;
                self.index(operand, zero, position)
            }
            "(" if self.type_ahead() => {
                self.next();
                let ctype = self.ctype()?;
                self.expect(")")?;
                let operand = self.unary()?;
                self.cast(ctype, operand, position)
            }
            _ => self.postfix(),
        }
    }

    /// `&` of a field or an element: what is in the record from there on.
    fn address_of(&mut self, operand: Id, position: usize) -> Result<Id, CompileError> {
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

    fn size_of(&mut self) -> Result<Id, CompileError> {
        let position = self.next().position;
        let size = if self.is("(") && self.type_ahead() {
            self.next();
            let ctype = self.ctype()?;
            self.expect(")")?;
            match ctype {
                CType::Int(int) => int.size.into(),
                CType::Ptr(_) => 8,
                CType::Struct(size) => size.into(),
                CType::Void | CType::Bool => 1,
            }
        } else {
            let operand = self.unary()?;
            let e = self.get(operand);
            match (&e.node, e.ty) {
                (Node::Fixed { len, .. }, _) if *len != u32::MAX => (*len).into(),
                (Node::Literal(text), _) => text.len() as u64 + 1,
                (_, Ty::Int(int)) => int.size.into(),
                _ => 8,
            }
        };
        if size == 0 {
            return Err(CompileError::new(
                "the size of this type is not known",
                position,
            ));
        }
        self.num(size, CInt::ULONG, position)
    }

    // Types.

    /// Whether a type in brackets begins here.
    fn type_ahead(&self) -> bool {
        let Token::Word(word) = *self.ahead(1) else {
            return false;
        };
        if is_type_word(word) {
            return true;
        }
        // A name that nobody knows is a type if an operand or a star and a bracket follow.
        if word == "REC" || constant::value(word).is_some() {
            return false;
        }
        matches!(
            (self.ahead(2), self.ahead(3)),
            (
                Token::Mark(")"),
                Token::Word(_) | Token::Number(..) | Token::Mark("(")
            ) | (Token::Mark("*"), Token::Mark(")" | "*"))
        )
    }

    fn ctype(&mut self) -> Result<CType, CompileError> {
        let position = self.position();
        let mut words: Vec<&str> = Vec::new();
        while let Token::Word(word) = *self.peek() {
            words.push(word);
            self.next();
        }
        words.retain(|w| {
            !matches!(
                *w,
                "const" | "volatile" | "__user" | "__force" | "__rcu" | "__iomem"
            )
        });
        let mut ctype = match words[..] {
            [] => return Err(CompileError::new("a type expected", position)),
            ["void"] => CType::Void,
            ["bool" | "_Bool"] => CType::Bool,
            ["struct" | "union", name] => {
                CType::Struct(constant::struct_size(name).unwrap_or(0) as u32)
            }
            _ => match int_type_of_words(words.iter().copied()) {
                Some(int) => CType::Int(int),
                // A type that only its kernel knows: as wide as a register.
                None if words.len() == 1 && !is_type_word(words[0]) => CType::Int(CInt::ULONG),
                None => return Err(CompileError::new("this type is not known", position)),
            },
        };
        loop {
            if self.take("*") {
                ctype = CType::Ptr(match ctype {
                    CType::Int(int) => Elem::of(Some(int)),
                    CType::Bool => Elem::of(Some(CInt::U8)),
                    CType::Ptr(_) => Elem::of(Some(CInt::ULONG)),
                    CType::Struct(size) => Elem { size, int: None },
                    CType::Void => Elem::VOID,
                });
            } else if matches!(
                self.peek(),
                Token::Word("const" | "volatile" | "__user" | "__rcu" | "__force")
            ) {
                self.next();
            } else {
                return Ok(ctype);
            }
        }
    }

    fn cast(&mut self, ctype: CType, operand: Id, position: usize) -> Result<Id, CompileError> {
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

    // Operands.

    fn postfix(&mut self) -> Result<Id, CompileError> {
        let mut base = self.primary()?;
        loop {
            let position = self.position();
            if self.take("[") {
                let index = self.expression()?;
                self.expect("]")?;
                base = self.index(base, index, position)?;
            } else if self.is("->") || self.is(".") {
                return Err(self.fail("only REC has members"));
            } else {
                return Ok(base);
            }
        }
    }

    /// Element of something in the record.
    fn index(&mut self, base: Id, index: Id, position: usize) -> Result<Id, CompileError> {
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

    fn primary(&mut self) -> Result<Id, CompileError> {
        let At { token, position } = self.next();
        match token {
            Token::Number(value, int) => self.num(value, int, position),
            Token::Text(text) => self.add(Node::Literal(text), Ty::Text, position, &[]),
            Token::Mark("(") => {
                // `(REC)->field`
                if matches!(self.peek(), Token::Word("REC"))
                    && matches!(self.ahead(1), Token::Mark(")"))
                {
                    self.next();
                    self.next();
                    return self.member(position);
                }
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Word("REC") => self.member(position),
            Token::Word(name) if self.is("(") => {
                self.next();
                self.call(name, position)
            }
            Token::Word("jiffies") => self.add(Node::Jiffies, Ty::Int(CInt::ULONG), position, &[]),
            Token::Word(name) => match constant::value(name) {
                Some(value) if value > i32::MAX as u64 => self.num(value, CInt::ULONG, position),
                Some(value) => self.num(value, CInt::INT, position),
                None if self.unknown.is_some() => {
                    self.unknown = Some(true);
                    self.num(0, CInt::INT, position)
                }
                None => Err(CompileError::new(
                    format!("the value of {name} is not known"),
                    position,
                )),
            },
            _ => Err(CompileError::new("an operand expected", position)),
        }
    }

    /// `->field` behind `REC`.
    fn member(&mut self, position: usize) -> Result<Id, CompileError> {
        self.expect("->")?;
        let field = self.field()?;
        let offset = field.offset;
        let (node, ty) = match field.kind {
            FieldKind::Int | FieldKind::Bool => {
                let int = CInt {
                    size: field.size as u8,
                    signed: field.signed,
                };
                (Node::Load(Load { offset, int }), Ty::Int(int))
            }
            FieldKind::Pointer | FieldKind::CharPtr => {
                let int = CInt {
                    size: field.size as u8,
                    signed: false,
                };
                if !matches!(int.size, 1 | 2 | 4 | 8) {
                    return Err(CompileError::new("a pointer of this size", position));
                }
                (Node::Load(Load { offset, int }), Ty::Ptr(Elem::VOID))
            }
            FieldKind::Chars | FieldKind::Array { .. } => {
                let elem = Elem::of(field.elem());
                (
                    Node::Fixed {
                        offset,
                        len: field.size.into(),
                    },
                    Ty::Slice(elem),
                )
            }
            FieldKind::Flex { .. } => (
                Node::Fixed {
                    offset,
                    len: u32::MAX,
                },
                Ty::Slice(Elem::of(field.elem())),
            ),
            FieldKind::Opaque => (
                Node::Fixed {
                    offset,
                    len: field.size.into(),
                },
                Ty::Slice(Elem {
                    size: field.size.into(),
                    int: None,
                }),
            ),
            // The word itself.
            FieldKind::DataLoc { .. } | FieldKind::RelLoc { .. } | FieldKind::Cpumask { .. } => (
                Node::Load(Load {
                    offset,
                    int: CInt::UINT,
                }),
                Ty::Int(CInt::UINT),
            ),
        };
        self.add(node, ty, position, &[])
    }

    /// A field by its name, which comes next.
    fn field(&mut self) -> Result<Field, CompileError> {
        let At { token, position } = self.next();
        let Token::Word(name) = token else {
            return Err(CompileError::new("the name of a field expected", position));
        };
        let common = COMMON;
        let found = self.fields.iter().chain(&common).find(|f| f.name == name);
        found
            .cloned()
            .ok_or_else(|| CompileError::new(format!("there is no field {name}"), position))
    }

    /// The operands of a call, its opening bracket passed.
    fn call(&mut self, name: &str, position: usize) -> Result<Id, CompileError> {
        // Those that take the name of a dynamic field.
        let (plain, rel) = match name.strip_prefix("__get_rel_") {
            Some(rest) => (rest, true),
            None => (name.strip_prefix("__get_").unwrap_or(""), false),
        };
        if matches!(
            plain,
            "str" | "dynamic_array" | "dynamic_array_len" | "bitmask" | "cpumask" | "sockaddr"
        ) {
            let id = self.dynamic(plain, rel, position)?;
            self.expect(")")?;
            return Ok(id);
        }
        let id = match name {
            "__print_flags" | "__print_flags_u64" => {
                let value = self.number()?;
                self.expect(",")?;
                let delim = self.literal()?;
                self.expect(",")?;
                let table = self.table()?;
                self.helper(
                    Helper::Flags {
                        value,
                        delim,
                        table,
                    },
                    position,
                    &[value],
                )?
            }
            "__print_symbolic" | "__print_symbolic_u64" => {
                let value = self.number()?;
                self.expect(",")?;
                let table = self.table()?;
                self.helper(Helper::Symbolic { value, table }, position, &[value])?
            }
            "__print_hex" | "__print_hex_str" => {
                let bytes = self.slice()?;
                self.expect(",")?;
                let len = self.number()?;
                let separated = name == "__print_hex";
                self.helper(
                    Helper::Hex {
                        bytes,
                        len,
                        separated,
                    },
                    position,
                    &[bytes, len],
                )?
            }
            "__print_array" => {
                let bytes = self.slice()?;
                self.expect(",")?;
                let count = self.number()?;
                self.expect(",")?;
                let size = self.number()?;
                self.helper(
                    Helper::Array { bytes, count, size },
                    position,
                    &[bytes, count, size],
                )?
            }
            "__print_dynamic_array" => {
                let (offset, _) = self.dynamic_field(false)?;
                self.expect(",")?;
                let size = self.number()?;
                let bytes = self.add(
                    Node::Dynamic { offset, rel: false },
                    Ty::Slice(Elem::VOID),
                    position,
                    &[],
                )?;
                let len = self.add(
                    Node::DynamicLen { offset },
                    Ty::Int(CInt::ULONG),
                    position,
                    &[],
                )?;
                let divisor = self.to(CInt::ULONG, size)?;
                let count = self.emit(Op::DivU, len, divisor, CInt::ULONG, position)?;
                self.helper(
                    Helper::Array { bytes, count, size },
                    position,
                    &[bytes, count, size],
                )?
            }
            "__print_hex_dump" => {
                let prefix = self.literal()?;
                self.expect(",")?;
                // enum of include/linux/printk.h: none, address, offset
                let offsets = match self.peek() {
                    Token::Word("DUMP_PREFIX_OFFSET") => true,
                    Token::Word("DUMP_PREFIX_NONE" | "DUMP_PREFIX_ADDRESS") => false,
                    Token::Number(v, _) => *v == 2,
                    _ => return Err(self.fail("0, 1 or 2 expected")),
                };
                self.next();
                self.expect(",")?;
                let row = self.number()?;
                self.expect(",")?;
                let group = self.number()?;
                self.expect(",")?;
                let bytes = self.slice()?;
                self.expect(",")?;
                let len = self.number()?;
                self.expect(",")?;
                let ascii = self.number()?;
                let helper = Helper::Dump {
                    prefix,
                    offsets,
                    row,
                    group,
                    bytes,
                    len,
                    ascii,
                };
                self.helper(helper, position, &[row, group, bytes, len, ascii])?
            }
            "__builtin_expect" => {
                let value = self.expression()?;
                self.expect(",")?;
                self.expression()?;
                value
            }
            "__builtin_choose_expr" => {
                let cond = self.expression()?;
                self.expect(",")?;
                let yes = self.expression()?;
                self.expect(",")?;
                let no = self.expression()?;
                match self.constant(cond) {
                    Some(value) => {
                        if value != 0 {
                            yes
                        } else {
                            no
                        }
                    }
                    None => return Err(CompileError::new("a constant expected", position)),
                }
            }
            "__builtin_constant_p" => {
                let operand = self.expression()?;
                let known = self.constant(operand).is_some();
                self.num(known.into(), CInt::INT, position)?
            }
            _ => self.function(name, position)?,
        };
        self.expect(")")?;
        Ok(id)
    }

    /// Functions of one number.
    fn function(&mut self, name: &str, position: usize) -> Result<Id, CompileError> {
        let order = cfg!(target_endian = "little");
        let swap = match name {
            "__builtin_bswap16" | "swab16" | "__swab16" | "__fswab16" => 2,
            "__builtin_bswap32" | "swab32" | "__swab32" | "__fswab32" => 4,
            "__builtin_bswap64" | "swab64" | "__swab64" | "__fswab64" => 8,
            "ntohs" | "htons" | "be16_to_cpu" | "cpu_to_be16" | "__be16_to_cpu"
            | "__cpu_to_be16"
                if order =>
            {
                2
            }
            "ntohl" | "htonl" | "be32_to_cpu" | "cpu_to_be32" | "__be32_to_cpu"
            | "__cpu_to_be32"
                if order =>
            {
                4
            }
            "be64_to_cpu" | "cpu_to_be64" | "__be64_to_cpu" | "__cpu_to_be64" if order => 8,
            "le16_to_cpu" | "cpu_to_le16" | "__le16_to_cpu" | "__cpu_to_le16" if !order => 2,
            "le32_to_cpu" | "cpu_to_le32" | "__le32_to_cpu" | "__cpu_to_le32" if !order => 4,
            "le64_to_cpu" | "cpu_to_le64" | "__le64_to_cpu" | "__cpu_to_le64" if !order => 8,
            "ntohs" | "htons" | "be16_to_cpu" | "cpu_to_be16" | "__be16_to_cpu"
            | "__cpu_to_be16" => 0,
            "ntohl" | "htonl" | "be32_to_cpu" | "cpu_to_be32" | "__be32_to_cpu"
            | "__cpu_to_be32" => 0,
            "be64_to_cpu" | "cpu_to_be64" | "__be64_to_cpu" | "__cpu_to_be64" => 0,
            "le16_to_cpu" | "cpu_to_le16" | "__le16_to_cpu" | "__cpu_to_le16" => 0,
            "le32_to_cpu" | "cpu_to_le32" | "__le32_to_cpu" | "__cpu_to_le32" => 0,
            "le64_to_cpu" | "cpu_to_le64" | "__le64_to_cpu" | "__cpu_to_le64" => 0,
            "__print_ns_to_secs" | "__print_ns_without_secs" => {
                let value = self.number()?;
                let value = self.to(CInt::ULONG, value)?;
                let second = self.num(1_000_000_000, CInt::ULONG, position)?;
                let op = if name == "__print_ns_to_secs" {
                    Op::DivU
                } else {
                    Op::RemU
                };
                return self.emit(op, value, second, CInt::ULONG, position);
            }
            // HZ is 250, as the divisions in the kernel's own format files say.
            "jiffies_to_msecs" | "jiffies_to_usecs" => {
                let value = self.number()?;
                let value = self.to(CInt::ULONG, value)?;
                let unit = self.num(
                    if name == "jiffies_to_msecs" { 4 } else { 4000 },
                    CInt::ULONG,
                    position,
                )?;
                let product = self.emit(Op::Mul, value, unit, CInt::ULONG, position)?;
                return self.to(CInt::UINT, product);
            }
            _ => {
                return Err(CompileError::new(
                    format!("the function {name} is not known"),
                    position,
                ));
            }
        };
        let value = self.number()?;
        if swap == 0 {
            return Ok(value);
        }
        let int = CInt {
            size: swap,
            signed: false,
        };
        let value = self.to(int, value)?;
        match self.constant(value) {
            Some(v) => self.num(v.swap_bytes() >> (64 - 8 * u32::from(swap)), int, position),
            None => self.add(Node::Swap(swap, value), Ty::Int(int), position, &[value]),
        }
    }

    fn helper(
        &mut self,
        helper: Helper,
        position: usize,
        operands: &[Id],
    ) -> Result<Id, CompileError> {
        self.add(Node::Helper(helper), Ty::Text, position, operands)
    }

    /// The name of a field with dynamic data, which comes next: where its word is, and the type of the elements.
    fn dynamic_field(&mut self, rel: bool) -> Result<(u16, Elem), CompileError> {
        let position = self.position();
        let field = self.field()?;
        let is_rel = match field.kind {
            FieldKind::DataLoc { .. } | FieldKind::Cpumask { rel: false } => false,
            FieldKind::RelLoc { .. } | FieldKind::Cpumask { rel: true } => true,
            _ => {
                return Err(CompileError::new(
                    "this field has no dynamic data",
                    position,
                ));
            }
        };
        if rel != is_rel {
            return Err(CompileError::new(
                "__data_loc and __rel_loc are not the same",
                position,
            ));
        }
        Ok((field.offset, Elem::of(field.elem())))
    }

    /// One of the helpers that take the name of a field with dynamic data.
    fn dynamic(&mut self, what: &str, rel: bool, position: usize) -> Result<Id, CompileError> {
        let (offset, elem) = self.dynamic_field(rel)?;
        if what == "dynamic_array_len" {
            return self.add(
                Node::DynamicLen { offset },
                Ty::Int(CInt::INT),
                position,
                &[],
            );
        }
        let elem = match what {
            "str" => Elem::of(Some(CInt::U8)),
            // `void *` in C.
            "dynamic_array" => Elem::VOID,
            _ => elem,
        };
        let bytes = self.add(
            Node::Dynamic { offset, rel },
            Ty::Slice(elem),
            position,
            &[],
        )?;
        if matches!(what, "bitmask" | "cpumask") {
            return self.helper(Helper::Bitmask { bytes }, position, &[bytes]);
        }
        Ok(bytes)
    }

    fn number(&mut self) -> Result<Id, CompileError> {
        let id = self.expression()?;
        self.int(id)?;
        Ok(id)
    }

    fn slice(&mut self) -> Result<Id, CompileError> {
        let id = self.expression()?;
        match self.get(id).ty {
            Ty::Slice(_) => Ok(id),
            _ => Err(CompileError::new(
                "an array in the record expected",
                self.get(id).position,
            )),
        }
    }

    fn literal(&mut self) -> Result<Vec<u8>, CompileError> {
        match self.next() {
            At {
                token: Token::Text(text),
                ..
            } => Ok(text),
            other => Err(CompileError::new(
                "a text in quotes expected",
                other.position,
            )),
        }
    }

    /// `{ value, "name" }, …` up to the bracket that closes the call. A name of 0 ends it, as in the kernel. An entry
    /// whose value is a name that nobody knows is left out: what it stands for shows as a number.
    fn table(&mut self) -> Result<Vec<(u64, Vec<u8>)>, CompileError> {
        let mut table = Vec::new();
        let mut open = true;
        loop {
            self.expect("{")?;
            self.unknown = Some(false);
            let id = self.number()?;
            let value = match (self.unknown.take(), self.constant(id)) {
                (Some(true), _) => None,
                (_, Some(value)) => Some(value),
                (_, None) => {
                    return Err(CompileError::new(
                        "a constant expected",
                        self.get(id).position,
                    ));
                }
            };
            self.expect(",")?;
            let name = self.expression()?;
            match (&self.get(name).node, value) {
                (Node::Literal(text), Some(value)) if open => table.push((value, text.clone())),
                (Node::Literal(_), _) => {}
                (Node::Num(0), _) => open = false,
                _ => {
                    return Err(CompileError::new(
                        "a text in quotes expected",
                        self.get(name).position,
                    ));
                }
            }
            self.expect("}")?;
            if !self.take(",") || !self.is("{") {
                return Ok(table);
            }
        }
    }
}
