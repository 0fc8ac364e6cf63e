//! Expressions over the record's fields, in C.
//!
//! Each function writes C text at the end of the arguments and says what it wrote. The text must mean the same to C and
//! to libtraceevent, which trace-cmd and perf read it with and which has its own ways (seen with 1.7.1): it takes
//! `a - b - c` from the right, so every operand that is not atomic has parentheses; it forgets them around the right
//! operand if that one's operator binds more loosely, so such an operand gets a cast, which it respects; it does not
//! know `^`, takes no operator in an index without a cast, and compares without signs, so `x < 0` looks at the sign bit.

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
    /// How loosely the outermost operator binds in C: 4 for `~x`, 6 for `a * b`, up to 16 for `a ? b : c`; 0 if there
    /// is none, or a cast.
    pub looseness: u8,
}

impl Val {
    pub const NONE: Val = Val {
        ty: Ty::Lit,
        rank: Rank::Atom,
        wide: false,
        looseness: 0,
    };

    pub const fn atom(ty: Ty) -> Val {
        Val {
            ty,
            rank: Rank::Atom,
            wide: false,
            looseness: 0,
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

/// How loosely a binary operator binds in C.
const fn looseness(op: &[u8]) -> u8 {
    match op {
        b"*" | b"/" | b"%" => 6,
        b"+" | b"-" => 7,
        b"<<" | b">>" => 8,
        b"<" | b">" | b"<=" | b">=" => 9,
        b"==" | b"!=" => 10,
        b"&" => 11,
        b"^" => 12,
        b"|" => 13,
        b"&&" => 14,
        b"||" => 15,
        _ => CHOICE,
    }
}

/// The bit that says whether a number is negative.
pub(super) const fn sign_bit(bits: u8) -> &'static [u8] {
    match bits {
        8 => b"0x80",
        16 => b"0x8000",
        32 => b"0x80000000",
        _ => b"0x8000000000000000",
    }
}

/// Where the two sides of an operator are written.
#[derive(Clone, Copy)]
struct Places {
    start: usize,
    left_end: usize,
    right_start: usize,
}

/// Looseness of `a ? b : c`.
pub(super) const CHOICE: u8 = 16;
/// Looseness of `~a` and `!a`.
const UNARY: u8 = 4;

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
            let left_end = self.args.len();
            self.args.push(b' ');
            self.args.push_all(op);
            self.args.push(b' ');
            let right_start = self.args.len();
            let mut right = self.binary(level + 1);
            // What stands for `^` has an `&` in it.
            if right.looseness > looseness(if matches!(op, b"^") { b"&" } else { op }) {
                right = self.shield(right, right_start, left.ty);
            }
            let right = self.operand(right, right_start, op);
            if self.failed() {
                return Val::NONE;
            }
            let places = Places {
                start,
                left_end,
                right_start,
            };
            left = if level == COMPARISON {
                self.compare(left, op, right, places, at)
            } else {
                self.combine(left, op, right, places, at)
            };
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

    /// Casts a value to what it is, so that nobody takes it apart; a number without a type becomes `other`.
    pub(super) const fn shield(&mut self, val: Val, start: usize, other: Ty) -> Val {
        let (bits, signed) = match (val.ty, other) {
            (Ty::Int { bits, signed }, _) | (Ty::Lit, Ty::Int { bits, signed }) => (bits, signed),
            _ => (32, true),
        };
        let ty = val.ty;
        Val {
            ty,
            ..self.cast_text(val, start, bits, signed)
        }
    }

    /// Cuts a result that other tools compute in 64 bits to its 32.
    pub(super) const fn narrow(&mut self, val: Val, start: usize) -> Val {
        match val.ty {
            Ty::Int { bits: 32, signed } if val.wide => self.cast_text(val, start, 32, signed),
            _ => val,
        }
    }

    /// `left op right`, which is written already.
    const fn compare(&mut self, left: Val, op: &[u8], right: Val, places: Places, at: Tok) -> Val {
        if !matches!(
            (left.ty, right.ty),
            (Ty::Int { .. } | Ty::Lit, Ty::Int { .. } | Ty::Lit) | (Ty::Bool, Ty::Bool)
        ) {
            self.fail("C compares numbers only", at);
        }
        let mut looseness = looseness(op);
        let zero =
            self.args.len() == places.right_start + 1 && self.args.byte(places.right_start) == b'0';
        if let (Ty::Int { bits, signed: true }, true, b"<" | b">=") = (left.ty, zero, op) {
            self.args.truncate(places.left_end);
            self.args.wrap(places.start, b"(", b" & ");
            self.args.push_all(sign_bit(bits));
            self.args
                .push_all(if op.len() == 1 { b") != 0" } else { b") == 0" });
            looseness = 10;
        }
        Val {
            ty: Ty::Bool,
            rank: Rank::Binary,
            wide: false,
            looseness,
        }
    }

    /// The same for operators with a value.
    const fn combine(&mut self, left: Val, op: &[u8], right: Val, places: Places, at: Tok) -> Val {
        let wide = left.wide || right.wide || matches!(op, b"+" | b"-" | b"*" | b"<<");
        let looseness = looseness(op);
        if let (Ty::Bool, Ty::Bool) = (left.ty, right.ty) {
            if !matches!(op, b"&&" | b"||" | b"&" | b"|" | b"^") {
                self.fail("not an operator of bool", at);
            }
            if matches!(op, b"^") {
                self.args.replace(places.left_end + 1, 1, b"!=");
            }
            return Val {
                ty: Ty::Bool,
                rank: Rank::Binary,
                wide: false,
                looseness,
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
            looseness,
        };
        if matches!(op, b"^") {
            return self.exclusive_or(val, places);
        }
        match ty {
            // C computes these as int; Rust wraps them.
            Ty::Int { bits, signed } if bits < 32 && matches!(op, b"+" | b"-" | b"*" | b"<<") => {
                self.cast_text(val, places.start, bits, signed)
            }
            _ => val,
        }
    }

    /// `a ^ b` as `(a | b) - (a & b)`.
    const fn exclusive_or(&mut self, val: Val, places: Places) -> Val {
        let written = self.args;
        self.args.truncate(places.start);
        self.args.push(b'(');
        self.args.push_part(&written, places.start, places.left_end);
        self.args.push_all(b" | ");
        self.args
            .push_part(&written, places.right_start, written.len());
        self.args.push_all(b") - (");
        let both = self.args.len();
        self.args.push_part(&written, places.start, places.left_end);
        self.args.push_all(b" & ");
        self.args
            .push_part(&written, places.right_start, written.len());
        self.shield(val, both, Ty::Lit);
        self.args.push(b')');
        Val {
            looseness: 7,
            ..val
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
            looseness: 0,
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
                        looseness: 0,
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
            Ty::Lit if val.rank as u8 == Rank::Atom as u8 => Val {
                ty: Ty::Int { bits, signed },
                ..val
            },
            Ty::Lit => self.cast_text(val, start, bits, signed),
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
                    looseness: 0,
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
        let minus = self.is(at, b"-");
        let mut val = val;
        if val.looseness > if minus { looseness(b"-") } else { UNARY } {
            val = self.shield(val, start, Ty::Lit);
        }
        if val.rank as u8 != Rank::Atom as u8 {
            self.args.wrap(start, b"(", b")");
        }
        match val.ty {
            Ty::Bool if !minus => {
                self.args.insert(start, b"!");
                Val {
                    ty: Ty::Bool,
                    rank: Rank::Unary,
                    wide: false,
                    looseness: UNARY,
                }
            }
            Ty::Int { .. } | Ty::Lit => {
                self.args.insert(start, if minus { b"-" } else { b"~" });
                let val = Val {
                    ty: val.ty,
                    rank: Rank::Unary,
                    wide: !matches!(val.ty, Ty::Lit),
                    looseness: if minus { looseness(b"-") } else { UNARY },
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
                val = self.index(val, at);
            } else if self.is(at, b"?") {
                self.fail("`?` has no C form", at);
            } else {
                return val;
            }
        }
    }

    const fn index(&mut self, val: Val, at: Tok) -> Val {
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
        let start = self.args.len();
        let index = self.expression();
        if !index.is_number() {
            self.fail("an index is a number", at);
        }
        if index.looseness != 0 {
            self.cast_text(index, start, 64, false);
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
