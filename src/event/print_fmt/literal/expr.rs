//! Expressions over the record's fields, in C.
//!
//! Each function writes C text at the end of the arguments and says what it wrote. An operand that is not atomic gets
//! parentheses whatever the precedences are: trace-cmd, perf and C agree on those.

use super::Translator;
use super::token::{Tok, TokKind};

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 64;

/// The type of a value.
#[derive(Clone, Copy)]
pub(super) enum Ty {
    Int {
        bits: u8,
        signed: bool,
    },
    /// A number without a suffix: whatever the other side is.
    Lit,
    Bool,
    Str,
    Pointer,
    Array {
        count: usize,
        bits: u8,
        signed: bool,
    },
    Dynamic {
        bits: u8,
    },
    Opaque,
}

/// How tightly the C text holds together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    Choice,
    Binary,
    Unary,
    Atom,
}

/// What was written.
#[derive(Clone, Copy)]
pub(super) struct Val {
    pub ty: Ty,
    pub rank: Rank,
    /// A 32-bit result that a 64-bit machine may have left with more bits.
    pub wide: bool,
}

impl Val {
    pub const NONE: Val = Val {
        ty: Ty::Lit,
        rank: Rank::Atom,
        wide: false,
    };

    pub const fn atom(ty: Ty) -> Val {
        Val {
            ty,
            rank: Rank::Atom,
            wide: false,
        }
    }

    pub const fn is_number(&self) -> bool {
        matches!(self.ty, Ty::Int { .. } | Ty::Lit)
    }
}

/// Binary operators from loose to tight, as Rust binds them.
const LEVELS: [&[&str]; 8] = [
    &["||"],
    &["&&"],
    &["==", "!=", "<", ">", "<=", ">="],
    &["|"],
    &["^"],
    &["&"],
    &["<<", ">>"],
    &["+", "-"],
];
const COMPARISON: usize = 2;

impl<'a> Translator<'a> {
    /// Any expression.
    pub(super) const fn expression(&mut self) -> Val {
        if self.depth >= MAX_DEPTH {
            let at = self.peek();
            self.fail("this expression is nested too deeply", at);
        }
        if self.failed() {
            return Val::NONE;
        }
        self.depth += 1;
        let val = self.binary(0);
        self.depth -= 1;
        val
    }

    /// The operator of this level that comes next.
    const fn operator(&self, level: usize) -> Option<&'static [u8]> {
        let tok = self.peek();
        let set = if level < LEVELS.len() {
            LEVELS[level]
        } else {
            &["*", "/", "%"]
        };
        let mut i = 0;
        while i < set.len() {
            if self.is(tok, set[i].as_bytes()) {
                return Some(set[i].as_bytes());
            }
            i += 1;
        }
        None
    }

    const fn binary(&mut self, level: usize) -> Val {
        if level > LEVELS.len() {
            return self.cast();
        }
        let start = self.args.len();
        let mut left = self.binary(level + 1);
        while let Some(op) = self.operator(level) {
            let at = self.next();
            left = self.operand(left, start, op);
            self.args.push(b' ');
            self.args.push_all(op);
            self.args.push(b' ');
            let right_start = self.args.len();
            let right = self.binary(level + 1);
            let right = self.operand(right, right_start, op);
            if self.failed() {
                return Val::NONE;
            }
            left = self.combine(left, op, right, start, at, level == COMPARISON);
        }
        left
    }

    /// Makes a value fit to be an operand.
    pub(super) const fn operand(&mut self, val: Val, start: usize, op: &[u8]) -> Val {
        // Sums, products and masks give the same low bits however wide they are computed; the rest does not.
        let modular = matches!(op, b"+" | b"-" | b"*" | b"&" | b"|" | b"^" | b"<<");
        let mut val = if modular {
            val
        } else {
            self.narrow(val, start)
        };
        if val.rank as u8 != Rank::Atom as u8 {
            self.args.wrap(start, b"(", b")");
            val.rank = Rank::Atom;
        }
        val
    }

    /// Cuts a result that other tools compute in 64 bits to its 32.
    pub(super) const fn narrow(&mut self, val: Val, start: usize) -> Val {
        match val.ty {
            Ty::Int { bits: 32, signed } if val.wide => self.cast_text(val, start, 32, signed),
            _ => val,
        }
    }

    const fn combine(
        &mut self,
        left: Val,
        op: &[u8],
        right: Val,
        start: usize,
        at: Tok,
        comparison: bool,
    ) -> Val {
        let wide = left.wide || right.wide || matches!(op, b"+" | b"-" | b"*" | b"<<");
        if comparison {
            if !matches!(
                (left.ty, right.ty),
                (Ty::Int { .. } | Ty::Lit, Ty::Int { .. } | Ty::Lit) | (Ty::Bool, Ty::Bool)
            ) {
                self.fail("C compares numbers only", at);
            }
            return Val {
                ty: Ty::Bool,
                rank: Rank::Binary,
                wide: false,
            };
        }
        if let (Ty::Bool, Ty::Bool) = (left.ty, right.ty) {
            if !matches!(op, b"&&" | b"||" | b"&" | b"|" | b"^") {
                self.fail("not an operator of bool", at);
            }
            return Val {
                ty: Ty::Bool,
                rank: Rank::Binary,
                wide: false,
            };
        }
        if !left.is_number() || !right.is_number() || matches!(op, b"&&" | b"||") {
            self.fail("this operator has no C form for these types", at);
            return Val::NONE;
        }
        let shift = matches!(op, b"<<" | b">>");
        let ty = match (left.ty, right.ty) {
            (Ty::Lit, other) if !shift => other,
            (Ty::Int { bits: a, signed: s }, Ty::Int { bits: b, signed: t })
                if !shift && (a != b || s != t) =>
            {
                self.fail("the two sides of this operator have different types", at);
                return Val::NONE;
            }
            (mine, _) => mine,
        };
        let val = Val {
            ty,
            rank: Rank::Binary,
            wide,
        };
        match ty {
            // C computes these as int; Rust wraps them.
            Ty::Int { bits, signed } if bits < 32 && matches!(op, b"+" | b"-" | b"*" | b"<<") => {
                self.cast_text(val, start, bits, signed)
            }
            _ => val,
        }
    }

    /// Writes `(u8)` and the like before what stands since `start`.
    pub(super) const fn cast_text(
        &mut self,
        val: Val,
        start: usize,
        bits: u8,
        signed: bool,
    ) -> Val {
        if val.rank as u8 != Rank::Atom as u8 {
            self.args.wrap(start, b"(", b")");
        }
        let name: &[u8] = match (bits, signed) {
            (8, false) => b"(u8)",
            (16, false) => b"(u16)",
            (32, false) => b"(u32)",
            (_, false) => b"(u64)",
            (8, true) => b"(s8)",
            (16, true) => b"(s16)",
            (32, true) => b"(s32)",
            (_, true) => b"(s64)",
        };
        self.args.insert(start, name);
        Val {
            ty: Ty::Int { bits, signed },
            rank: Rank::Unary,
            wide: false,
        }
    }

    /// `value as T as U`.
    const fn cast(&mut self) -> Val {
        let start = self.args.len();
        let mut val = self.unary();
        while self.next_is(b"as") && !self.failed() {
            let at = self.next();
            val = self.cast_to(val, start, at);
        }
        val
    }

    const fn cast_to(&mut self, val: Val, start: usize, at: Tok) -> Val {
        if self.eat(b"*") {
            // `as *const T`: the address stays the same.
            self.next();
            self.pointee();
            return match val.ty {
                Ty::Pointer => val,
                Ty::Int { bits: 64, .. } => {
                    if val.rank as u8 != Rank::Atom as u8 {
                        self.args.wrap(start, b"(", b")");
                    }
                    self.args.insert(start, b"(void *)");
                    Val {
                        ty: Ty::Pointer,
                        rank: Rank::Unary,
                        wide: false,
                    }
                }
                _ => {
                    self.fail("only 64-bit integers become pointers", at);
                    Val::NONE
                }
            };
        }
        let name = self.next();
        let Some((bits, signed)) = int_type(self.src, name) else {
            if self.is(name, b"_") && matches!(val.ty, Ty::Int { .. }) {
                self.fail("`as _` does not say the type", name);
            }
            self.fail(
                "C knows the casts to Rust's integer types and pointers",
                name,
            );
            return Val::NONE;
        };
        match val.ty {
            Ty::Int { bits: b, signed: s } if b == bits && s == signed => val,
            // The cast itself cuts or keeps the low bits.
            Ty::Int { .. } if bits <= 32 => self.cast_text(val, start, bits, signed),
            Ty::Int { .. } => {
                let val = self.narrow(val, start);
                self.cast_text(val, start, bits, signed)
            }
            Ty::Lit => Val {
                ty: Ty::Int { bits, signed },
                ..val
            },
            // In C it is 0 or 1 already.
            Ty::Bool => Val {
                ty: Ty::Int { bits, signed },
                ..val
            },
            Ty::Pointer if bits == 64 => {
                if val.rank as u8 != Rank::Atom as u8 {
                    self.args.wrap(start, b"(", b")");
                }
                self.args.insert(
                    start,
                    if signed {
                        b"(long)"
                    } else {
                        b"(unsigned long)"
                    },
                );
                Val {
                    ty: Ty::Int { bits, signed },
                    rank: Rank::Unary,
                    wide: false,
                }
            }
            _ => {
                self.fail("this cast has no C form", at);
                Val::NONE
            }
        }
    }

    /// The type behind `*const`.
    const fn pointee(&mut self) {
        while self.eat(b"*") {
            self.next();
        }
        if self.eat(b"(") {
            self.eat(b")");
            return;
        }
        if self.next_is(b"_") {
            self.next();
            return;
        }
        let mut tok = self.next();
        super::self_path(&mut self.cursor, self.src, &mut tok);
    }

    /// `-x`, `!x`, `&x`, `*x`.
    const fn unary(&mut self) -> Val {
        let at = self.peek();
        if self.is(at, b"&") || self.is(at, b"&&") {
            self.next();
            self.eat(b"mut");
            return self.unary();
        }
        if self.is(at, b"*") {
            self.next();
            return self.unary();
        }
        if !self.is(at, b"-") && !self.is(at, b"!") {
            return self.postfix();
        }
        self.next();
        if self.depth >= MAX_DEPTH {
            self.fail("this expression is nested too deeply", at);
            return Val::NONE;
        }
        let start = self.args.len();
        self.depth += 1;
        let val = self.unary();
        self.depth -= 1;
        if self.failed() {
            return Val::NONE;
        }
        if val.rank as u8 != Rank::Atom as u8 {
            self.args.wrap(start, b"(", b")");
        }
        let minus = self.is(at, b"-");
        match val.ty {
            Ty::Bool if !minus => {
                self.args.insert(start, b"!");
                Val {
                    ty: Ty::Bool,
                    rank: Rank::Unary,
                    wide: false,
                }
            }
            Ty::Int { .. } | Ty::Lit => {
                self.args.insert(start, if minus { b"-" } else { b"~" });
                let val = Val {
                    ty: val.ty,
                    rank: Rank::Unary,
                    wide: !matches!(val.ty, Ty::Lit),
                };
                match val.ty {
                    Ty::Int { bits, signed } if bits < 32 => {
                        self.cast_text(val, start, bits, signed)
                    }
                    _ => val,
                }
            }
            _ => {
                self.fail("this operator has no C form for this type", at);
                Val::NONE
            }
        }
    }

    /// A primary with `.field`, `[index]` and the few methods that have a C form.
    const fn postfix(&mut self) -> Val {
        let start = self.args.len();
        let mut val = self.primary();
        loop {
            if self.failed() {
                return Val::NONE;
            }
            let at = self.peek();
            if self.is(at, b".") {
                self.next();
                let name = self.next();
                if matches!(val.ty, Ty::Str)
                    && (self.is(name, b"as_str") || self.is(name, b"as_bytes"))
                {
                    self.expect(b"(", "a method is called with ()");
                    self.expect(b")", "a method is called with ()");
                } else if (self.is(name, b"clone") || self.is(name, b"to_owned"))
                    && self.next_is(b"(")
                {
                    self.next();
                    self.expect(b")", "a method is called with ()");
                } else {
                    self.fail("this method has no C form", name);
                }
            } else if self.is(at, b"[") {
                self.next();
                val = self.index(val, start, at);
            } else if self.is(at, b"?") {
                self.fail("`?` has no C form", at);
            } else {
                return val;
            }
        }
    }

    const fn index(&mut self, val: Val, _start: usize, at: Tok) -> Val {
        let Ty::Array {
            bits,
            signed,
            count,
        } = val.ty
        else {
            self.fail("C indexes arrays of a fixed length only", at);
            return Val::NONE;
        };
        self.args.push(b'[');
        let from = self.peek();
        let index = self.expression();
        if !index.is_number() {
            self.fail("an index is a number", at);
        }
        if matches!(from.kind, TokKind::Int) && self.next_is(b"]") {
            let mut n = 0usize;
            let mut i = from.from;
            while i < from.to && self.src[i].is_ascii_digit() && n < 100_000 {
                n = n * 10 + (self.src[i] - b'0') as usize;
                i += 1;
            }
            if n >= count {
                self.fail("this index is beyond the end of the array", from);
            }
        }
        self.expect(b"]", "this index has no end");
        self.args.push(b']');
        Val::atom(Ty::Int { bits, signed })
    }
}

/// Bits and sign of Rust's integer types, on the machine that is compiled for.
pub(super) const fn int_type(src: &[u8], name: Tok) -> Option<(u8, bool)> {
    const WORD: u8 = usize::BITS as u8;
    Some(match name.text(src) {
        b"u8" => (8, false),
        b"u16" => (16, false),
        b"u32" => (32, false),
        b"u64" => (64, false),
        b"usize" => (WORD, false),
        b"i8" => (8, true),
        b"i16" => (16, true),
        b"i32" => (32, true),
        b"i64" => (64, true),
        b"isize" => (WORD, true),
        _ => return None,
    })
}
