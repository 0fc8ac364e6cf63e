//! Tokens to expressions, by the grammar of C.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use super::eval::Op;
use super::lexer::{At, Token, tokens};
use super::tree::{CType, Elem, Id, MAX_DEPTH, Node, Tree, Ty};
use super::{CompileError, constant};
use crate::event::ctype::{CInt, int_type_of_words, is_type_word};
use crate::event::field::{COMMON, Field, FieldKind, Load};

/// The longest `print fmt`, in bytes; the kernel's own have up to 10,000.
const MAX_LEN: usize = 1 << 16;

/// A `print fmt`, read: its format and the expressions of its arguments.
pub(super) struct Parsed {
    pub format: Vec<u8>,
    pub args: Vec<Id>,
    pub tree: Tree,
}

/// Reads a `print fmt` against the fields of its event.
pub(super) fn parse(text: &str, fields: &[Field]) -> Result<Parsed, CompileError> {
    if text.len() > MAX_LEN {
        return Err(CompileError::new("too long", 0));
    }
    let tokens = tokens(text)?;
    let mut p = Parser {
        tokens,
        at: 0,
        fields,
        tree: Tree::default(),
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
            tree: p.tree,
        }),
        _ => Err(p.fail("an operator or a comma expected")),
    }
}

pub(super) struct Parser<'a> {
    tokens: Vec<At<'a>>,
    at: usize,
    fields: &'a [Field],
    pub(super) tree: Tree,
    nesting: u16,
    /// In a table: whether a name was met whose value nobody knows.
    pub(super) unknown: Option<bool>,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at].token
    }

    /// The token `n` further on.
    pub(super) fn ahead(&self, n: usize) -> &Token<'a> {
        &self.tokens[(self.at + n).min(self.tokens.len() - 1)].token
    }

    pub(super) fn position(&self) -> usize {
        self.tokens[self.at].position
    }

    pub(super) fn fail(&self, message: impl Into<Cow<'static, str>>) -> CompileError {
        CompileError::new(message, self.position())
    }

    pub(super) fn next(&mut self) -> At<'a> {
        let token = self.tokens[self.at].clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    pub(super) fn is(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(m) if *m == mark)
    }

    pub(super) fn take(&mut self, mark: &str) -> bool {
        let found = self.is(mark);
        if found {
            self.next();
        }
        found
    }

    pub(super) fn expect(&mut self, mark: &'static str) -> Result<(), CompileError> {
        if self.take(mark) {
            Ok(())
        } else {
            Err(self.fail(format!("`{mark}` expected")))
        }
    }

    // Types of operands.

    // Expressions, by rank.

    pub(super) fn expression(&mut self) -> Result<Id, CompileError> {
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

    pub(super) fn choice(&mut self, cond: Id) -> Result<Id, CompileError> {
        let position = self.next().position;
        let yes = if self.is(":") {
            cond
        } else {
            self.expression()?
        };
        self.expect(":")?;
        let no = self.expression()?;
        let cond = self.tree.truth(cond)?;
        let (a, b) = (self.tree.get(yes).ty, self.tree.get(no).ty);
        let null = |p: &Self, id| p.tree.constant(id) == Some(0);
        let (yes, no, ty) = match (a, b) {
            (Ty::Int(x), Ty::Int(y)) => {
                let int = x.common(y);
                (
                    self.tree.to(int, yes)?,
                    self.tree.to(int, no)?,
                    Ty::Int(int),
                )
            }
            (Ty::Slice(_), Ty::Slice(_)) => (yes, no, a),
            (Ty::Slice(_), _) if null(self, no) => (yes, no, a),
            (_, Ty::Slice(_)) if null(self, yes) => (yes, no, b),
            (Ty::Ptr(_), Ty::Ptr(_) | Ty::Int(_)) => (yes, no, a),
            (Ty::Int(_), Ty::Ptr(_)) => (yes, no, b),
            _ => (yes, no, Ty::Text),
        };
        if let Some(value) = self.tree.constant(cond) {
            return Ok(if value != 0 { yes } else { no });
        }
        self.tree
            .add(Node::Cond(cond, yes, no), ty, position, &[cond, yes, no])
    }

    /// Operators of two operands of at least this rank, from the left.
    pub(super) fn binary(&mut self, least: u8) -> Result<Id, CompileError> {
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
            left = self.tree.operate(mark, left, right, position)?;
        }
        Ok(left)
    }

    pub(super) fn unary(&mut self) -> Result<Id, CompileError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(self.fail("brackets are nested too deep"));
        }
        let result = self.unary_inner();
        self.nesting -= 1;
        result
    }

    pub(super) fn unary_inner(&mut self) -> Result<Id, CompileError> {
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
                let int = self.tree.int(operand)?.promoted();
                let operand = self.tree.to(int, operand)?;
                match mark {
                    "+" => Ok(operand),
                    "-" => {
                        let zero = self.tree.num(0, int, position)?;
                        self.tree.emit(Op::Sub, zero, operand, int, position)
                    }
                    _ => {
                        let ones = self.tree.num(u64::MAX, int, position)?;
                        self.tree.emit(Op::Xor, operand, ones, int, position)
                    }
                }
            }
            "!" => {
                self.next();
                let operand = self.unary()?;
                let operand = self.tree.truth(operand)?;
                let int = self.tree.int(operand)?;
                let operand = self.tree.to(int, operand)?;
                let zero = self.tree.num(0, int, position)?;
                self.tree.emit(Op::Eq, operand, zero, CInt::INT, position)
            }
            "&" => {
                self.next();
                let operand = self.unary()?;
                self.tree.address_of(operand, position)
            }
            "*" => {
                self.next();
                let operand = self.unary()?;
                let zero = self.tree.num(0, CInt::LONG, position)?;
                self.tree.index(operand, zero, position)
            }
            "(" if self.type_ahead() => {
                self.next();
                let ctype = self.ctype()?;
                self.expect(")")?;
                let operand = self.unary()?;
                self.tree.cast(ctype, operand, position)
            }
            _ => self.postfix(),
        }
    }

    pub(super) fn size_of(&mut self) -> Result<Id, CompileError> {
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
            let e = self.tree.get(operand);
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
        self.tree.num(size, CInt::ULONG, position)
    }

    // Types.

    /// Whether a type in brackets begins here.
    pub(super) fn type_ahead(&self) -> bool {
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

    pub(super) fn ctype(&mut self) -> Result<CType, CompileError> {
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

    // Operands.

    pub(super) fn postfix(&mut self) -> Result<Id, CompileError> {
        let mut base = self.primary()?;
        loop {
            let position = self.position();
            if self.take("[") {
                let index = self.expression()?;
                self.expect("]")?;
                base = self.tree.index(base, index, position)?;
            } else if self.is("->") || self.is(".") {
                return Err(self.fail("only REC has members"));
            } else {
                return Ok(base);
            }
        }
    }

    pub(super) fn primary(&mut self) -> Result<Id, CompileError> {
        let At { token, position } = self.next();
        match token {
            Token::Number(value, int) => self.tree.num(value, int, position),
            Token::Text(text) => self.tree.add(Node::Literal(text), Ty::Text, position, &[]),
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
            Token::Word("jiffies") => {
                self.tree
                    .add(Node::Jiffies, Ty::Int(CInt::ULONG), position, &[])
            }
            Token::Word(name) => match constant::value(name) {
                Some(value) if value > i32::MAX as u64 => {
                    self.tree.num(value, CInt::ULONG, position)
                }
                Some(value) => self.tree.num(value, CInt::INT, position),
                None if self.unknown.is_some() => {
                    self.unknown = Some(true);
                    self.tree.num(0, CInt::INT, position)
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
    pub(super) fn member(&mut self, position: usize) -> Result<Id, CompileError> {
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
        self.tree.add(node, ty, position, &[])
    }

    /// A field by its name, which comes next.
    pub(super) fn field(&mut self) -> Result<Field, CompileError> {
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
}
