//! Expressions over the record's fields, in C.
//!
//! Each function writes C text at the end of the arguments and says what it wrote. An operand that is not atomic gets
//! parentheses whatever the precedences are: trace-cmd, perf and C agree on those.

use super::token::{Tok, TokKind, Unescape, Unescaped};
use super::{Translator, is_text, same};
use crate::event::declare::Kind;

use super::spec::push_c;

/// Deepest nesting of an expression.
const MAX_DEPTH: usize = 64;

/// The type of a value.
#[derive(Clone, Copy)]
pub(super) enum Ty {
    Int { bits: u8, signed: bool },
    /// A number without a suffix: whatever the other side is.
    Lit,
    Bool,
    Str,
    Pointer,
    Array { count: usize, bits: u8, signed: bool },
    Dynamic { bits: u8 },
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
    wide: bool,
}

impl Val {
    pub const NONE: Val = Val { ty: Ty::Lit, rank: Rank::Atom, wide: false };

    const fn atom(ty: Ty) -> Val {
        Val { ty, rank: Rank::Atom, wide: false }
    }

    const fn is_number(&self) -> bool {
        matches!(self.ty, Ty::Int { .. } | Ty::Lit)
    }
}

/// Binary operators from loose to tight, as Rust binds them.
const LEVELS: [&[&str]; 8] =
    [&["||"], &["&&"], &["==", "!=", "<", ">", "<=", ">="], &["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"]];
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
        let set = if level < LEVELS.len() { LEVELS[level] } else { &["*", "/", "%"] };
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
    const fn operand(&mut self, val: Val, start: usize, op: &[u8]) -> Val {
        // Sums, products and masks give the same low bits however wide they are computed; the rest does not.
        let modular = matches!(op, b"+" | b"-" | b"*" | b"&" | b"|" | b"^" | b"<<");
        let mut val = if modular { val } else { self.narrow(val, start) };
        if val.rank as u8 != Rank::Atom as u8 {
            self.args.wrap(start, b"(", b")");
            val.rank = Rank::Atom;
        }
        val
    }

    /// Cuts a result that other tools compute in 64 bits to its 32.
    const fn narrow(&mut self, val: Val, start: usize) -> Val {
        match val.ty {
            Ty::Int { bits: 32, signed } if val.wide => self.cast_text(val, start, 32, signed),
            _ => val,
        }
    }

    const fn combine(&mut self, left: Val, op: &[u8], right: Val, start: usize, at: Tok, comparison: bool) -> Val {
        let wide = left.wide || right.wide || matches!(op, b"+" | b"-" | b"*" | b"<<");
        if comparison {
            if !matches!(
                (left.ty, right.ty),
                (Ty::Int { .. } | Ty::Lit, Ty::Int { .. } | Ty::Lit) | (Ty::Bool, Ty::Bool)
            ) {
                self.fail("C compares numbers only", at);
            }
            return Val { ty: Ty::Bool, rank: Rank::Binary, wide: false };
        }
        if let (Ty::Bool, Ty::Bool) = (left.ty, right.ty) {
            if !matches!(op, b"&&" | b"||" | b"&" | b"|" | b"^") {
                self.fail("not an operator of bool", at);
            }
            return Val { ty: Ty::Bool, rank: Rank::Binary, wide: false };
        }
        if !left.is_number() || !right.is_number() || matches!(op, b"&&" | b"||") {
            self.fail("this operator has no C form for these types", at);
            return Val::NONE;
        }
        let shift = matches!(op, b"<<" | b">>");
        let ty = match (left.ty, right.ty) {
            (Ty::Lit, other) if !shift => other,
            (Ty::Int { bits: a, signed: s }, Ty::Int { bits: b, signed: t }) if !shift && (a != b || s != t) => {
                self.fail("the two sides of this operator have different types", at);
                return Val::NONE;
            }
            (mine, _) => mine,
        };
        let val = Val { ty, rank: Rank::Binary, wide };
        match ty {
            // C computes these as int; Rust wraps them.
            Ty::Int { bits, signed } if bits < 32 && matches!(op, b"+" | b"-" | b"*" | b"<<") => {
                self.cast_text(val, start, bits, signed)
            }
            _ => val,
        }
    }

    /// Writes `(u8)` and the like before what stands since `start`.
    const fn cast_text(&mut self, val: Val, start: usize, bits: u8, signed: bool) -> Val {
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
        Val { ty: Ty::Int { bits, signed }, rank: Rank::Unary, wide: false }
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
                    Val { ty: Ty::Pointer, rank: Rank::Unary, wide: false }
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
            self.fail("C knows the casts to Rust's integer types and pointers", name);
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
            Ty::Lit => Val { ty: Ty::Int { bits, signed }, ..val },
            // In C it is 0 or 1 already.
            Ty::Bool => Val { ty: Ty::Int { bits, signed }, ..val },
            Ty::Pointer if bits == 64 => {
                if val.rank as u8 != Rank::Atom as u8 {
                    self.args.wrap(start, b"(", b")");
                }
                self.args.insert(start, if signed { b"(long)" } else { b"(unsigned long)" });
                Val { ty: Ty::Int { bits, signed }, rank: Rank::Unary, wide: false }
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
                Val { ty: Ty::Bool, rank: Rank::Unary, wide: false }
            }
            Ty::Int { .. } | Ty::Lit => {
                self.args.insert(start, if minus { b"-" } else { b"~" });
                let val = Val { ty: val.ty, rank: Rank::Unary, wide: !matches!(val.ty, Ty::Lit) };
                match val.ty {
                    Ty::Int { bits, signed } if bits < 32 => self.cast_text(val, start, bits, signed),
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
                if matches!(val.ty, Ty::Str) && (self.is(name, b"as_str") || self.is(name, b"as_bytes")) {
                    self.expect(b"(", "a method is called with ()");
                    self.expect(b")", "a method is called with ()");
                } else if (self.is(name, b"clone") || self.is(name, b"to_owned")) && self.next_is(b"(") {
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
        let Ty::Array { bits, signed, count } = val.ty else {
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

    const fn primary(&mut self) -> Val {
        let tok = self.next();
        match tok.kind {
            TokKind::Int => self.number(tok),
            TokKind::Str => self.string(tok),
            TokKind::Ident => self.word(tok),
            TokKind::Float => {
                self.fail("trace events know no floating point", tok);
                Val::NONE
            }
            TokKind::Punct if self.is(tok, b"(") => {
                let val = self.expression();
                self.expect(b")", "this parenthesis is not closed");
                val
            }
            TokKind::Punct if self.is(tok, b"{") => {
                let val = self.expression();
                self.expect(b"}", "C has no blocks within an expression");
                val
            }
            _ => {
                self.fail("this expression has no C form", tok);
                Val::NONE
            }
        }
    }

    /// An integer literal: Rust's and C's octal, binary, underscores and suffixes differ.
    const fn number(&mut self, tok: Tok) -> Val {
        let text = tok.text(self.src);
        let (radix, digits) = match text {
            [b'0', b'x', ..] => (16, 2),
            [b'0', b'o', ..] => (8, 2),
            [b'0', b'b', ..] => (2, 2),
            _ => (10, 0),
        };
        let mut i = digits;
        let mut value = 0u128;
        let mut plain = true;
        while i < text.len() && (text[i] == b'_' || (text[i] as char).is_digit(radix)) {
            if text[i] == b'_' {
                plain = false;
            } else if let Some(digit) = (text[i] as char).to_digit(radix) {
                value = value * radix as u128 + digit as u128;
            }
            if value > u64::MAX as u128 {
                self.fail("this number does not fit into 64 bits", tok);
                return Val::NONE;
            }
            i += 1;
        }
        let suffix = Tok { kind: TokKind::Ident, from: tok.from + i, to: tok.to };
        let ty = if i == text.len() {
            Ty::Lit
        } else if let Some((bits, signed)) = int_type(self.src, suffix) {
            Ty::Int { bits, signed }
        } else {
            self.fail("trace events know integers only", tok);
            Ty::Lit
        };
        match radix {
            // As it was written: 0x00000001 stays so.
            16 if plain => self.args.push_all(text.split_at(i).0),
            10 => self.args.push_number(value as usize),
            _ => self.hex(value as u64),
        }
        Val::atom(ty)
    }

    const fn hex(&mut self, value: u64) {
        self.args.push_all(b"0x");
        let mut shift = 60;
        while shift > 0 && (value >> shift) == 0 {
            shift -= 4;
        }
        loop {
            self.args.push(b"0123456789abcdef"[((value >> shift) & 15) as usize]);
            if shift == 0 {
                return;
            }
            shift -= 4;
        }
    }

    /// A string as a value.
    pub(super) const fn string(&mut self, tok: Tok) -> Val {
        self.args.push(b'"');
        let mut reader = Unescape::new(self.src, tok);
        loop {
            match reader.next(self.src) {
                Unescaped::Byte(byte) => {
                    if !push_c(&mut self.args, byte, false) {
                        self.fail("a control character that a print fmt cannot hold", tok);
                        break;
                    }
                }
                Unescaped::End => break,
                Unescaped::Wrong => {
                    self.fail("unknown escape in a string", tok);
                    break;
                }
            }
        }
        self.args.push(b'"');
        Val::atom(Ty::Str)
    }

    /// A name: the record, a `let`, a keyword, a helper.
    const fn word(&mut self, tok: Tok) -> Val {
        if same(tok.text(self.src), self.entry) {
            return self.record_field(tok);
        }
        let mut i = self.let_count;
        while i > 0 {
            i -= 1;
            if tok.is_like(self.src, self.lets[i].name) {
                return self.bound(i);
            }
        }
        if self.is(tok, b"true") || self.is(tok, b"false") {
            self.args.push(if self.is(tok, b"true") { b'1' } else { b'0' });
            return Val::atom(Ty::Bool);
        }
        if self.is(tok, b"if") {
            return self.choice();
        }
        let text = tok.text(self.src);
        if text.len() > 2 && text[0] == b'_' && text[1] == b'_' {
            return self.helper(tok);
        }
        if let (Some(_), true) = (int_type(self.src, tok), self.next_is(b"::")) {
            return self.from_call(tok);
        }
        self.fail("C does not know this name: only the record's fields, numbers, `let`s and __print_… helpers", tok);
        Val::NONE
    }

    /// `u64::from(x)`.
    const fn from_call(&mut self, tok: Tok) -> Val {
        self.next();
        let method = self.next();
        if !self.is(method, b"from") {
            self.fail("this function has no C form", method);
        }
        self.expect(b"(", "this function has no C form");
        let start = self.args.len();
        let val = self.expression();
        self.expect(b")", "this parenthesis is not closed");
        if self.failed() {
            return Val::NONE;
        }
        let Some((bits, signed)) = int_type(self.src, tok) else { return Val::NONE };
        match val.ty {
            Ty::Int { bits: b, signed: s } if b == bits && s == signed => val,
            Ty::Int { .. } => {
                let val = self.narrow(val, start);
                self.cast_text(val, start, bits, signed)
            }
            Ty::Bool | Ty::Lit => Val { ty: Ty::Int { bits, signed }, ..val },
            _ => {
                self.fail("this function has no C form", method);
                Val::NONE
            }
        }
    }

    /// `__entry.field`.
    const fn record_field(&mut self, tok: Tok) -> Val {
        self.expect(b".", "of the record only its fields can be shown");
        let name = self.next();
        let Some(field) = self.field(name) else {
            self.fail("TP_STRUCT__entry has no such field", if name.is_ident() { name } else { tok });
            return Val::NONE;
        };
        let bits = field.shape.elem * 8;
        let signed = field.shape.signed;
        match field.shape.kind {
            Kind::DynStr => self.args.push_all(b"__get_str("),
            Kind::DynArray => self.args.push_all(b"__get_dynamic_array("),
            _ => self.args.push_all(b"REC->"),
        }
        self.args.push_all(field.name.as_bytes());
        if matches!(field.shape.kind, Kind::DynStr | Kind::DynArray) {
            self.args.push(b')');
        }
        Val::atom(match field.shape.kind {
            kind if is_text(kind) => Ty::Str,
            Kind::Int => Ty::Int { bits, signed },
            Kind::Bool => Ty::Bool,
            Kind::Pointer => Ty::Pointer,
            Kind::Array(count) => Ty::Array { count, bits, signed },
            Kind::DynArray => Ty::Dynamic { bits },
            _ => Ty::Opaque,
        })
    }

    /// `if a { b } else { c }`, which is `a ? b : c`.
    const fn choice(&mut self) -> Val {
        let start = self.args.len();
        let at = self.peek();
        let condition = self.expression();
        let condition = self.operand(condition, start, b"?");
        if !matches!(condition.ty, Ty::Bool) {
            self.fail("a condition is a bool", at);
        }
        self.args.push_all(b" ? ");
        let yes = self.branch();
        self.args.push_all(b" : ");
        self.expect(b"else", "an `if` within an expression has an `else`");
        let no_start = self.args.len();
        let no = if self.eat(b"if") {
            let val = self.choice();
            self.args.wrap(no_start, b"(", b")");
            val
        } else {
            self.branch()
        };
        let ty = match (yes.ty, no.ty) {
            (Ty::Lit, other) | (other, Ty::Lit) if matches!(other, Ty::Int { .. } | Ty::Lit) => other,
            (Ty::Str, Ty::Str) => Ty::Str,
            (Ty::Bool, Ty::Bool) => Ty::Bool,
            (Ty::Pointer, Ty::Pointer) => Ty::Pointer,
            (Ty::Int { bits, signed }, Ty::Int { bits: b, signed: s }) if bits == b && signed == s => yes.ty,
            _ => {
                self.fail("the branches of this `if` have no common C type", at);
                Ty::Lit
            }
        };
        Val { ty, rank: Rank::Choice, wide: yes.wide || no.wide }
    }

    const fn branch(&mut self) -> Val {
        self.expect(b"{", "a branch of an `if` is one expression in braces");
        let start = self.args.len();
        let mut val = self.expression();
        if val.rank as u8 == Rank::Choice as u8 {
            self.args.wrap(start, b"(", b")");
            val.rank = Rank::Atom;
        }
        self.expect(b"}", "a branch of an `if` is one expression in braces");
        val
    }

    /// `__print_flags(…)` and its relatives, with or without the `!` of a macro.
    const fn helper(&mut self, name: Tok) -> Val {
        self.eat(b"!");
        self.expect(b"(", "C does not know this name: only the record's fields, numbers, `let`s and __print_… helpers");
        if self.failed() {
            return Val::NONE;
        }
        let text = name.text(self.src);
        let is_flags = self.is(name, b"__print_flags");
        if is_flags || self.is(name, b"__print_symbolic") {
            self.args.push_all(text);
            self.args.push(b'(');
            self.table(is_flags, name);
        } else if self.is(name, b"__print_hex") || self.is(name, b"__print_hex_str") {
            self.args.push_all(text);
            self.args.push(b'(');
            self.dump(false, name);
        } else if self.is(name, b"__print_array") {
            self.args.push_all(text);
            self.args.push(b'(');
            self.dump(true, name);
        } else if self.is(name, b"__get_str")
            || self.is(name, b"__get_dynamic_array")
            || self.is(name, b"__get_dynamic_array_len")
        {
            return self.getter(name);
        } else {
            self.fail("not a helper of print fmt that is known here", name);
        }
        self.eat(b",");
        self.expect(b")", "this helper has arguments that do not belong to it");
        self.args.push(b')');
        Val::atom(Ty::Str)
    }

    /// `value, "delimiter", {1, "A"}, …`
    const fn table(&mut self, delimiter: bool, at: Tok) {
        let start = self.args.len();
        let val = self.expression();
        if !val.is_number() {
            self.fail("flags and symbols are made of an integer", at);
        }
        self.narrow(val, start);
        if delimiter {
            self.expect(b",", "__print_flags wants a delimiter");
            self.args.push_all(b", ");
            let tok = self.next();
            if !matches!(tok.kind, TokKind::Str) {
                self.fail("the delimiter of __print_flags is a string", tok);
                return;
            }
            self.string(tok);
        }
        while self.eat(b",") && !self.next_is(b")") && !self.failed() {
            let close: &[u8] = if self.eat(b"{") {
                b"}"
            } else if self.eat(b"(") {
                b")"
            } else {
                let tok = self.peek();
                self.fail("a flag or symbol is written {1, \"NAME\"}", tok);
                return;
            };
            self.args.push_all(b", { ");
            let val = self.expression();
            if !val.is_number() {
                self.fail("a flag or symbol is written {1, \"NAME\"}", at);
            }
            self.expect(b",", "a flag or symbol is written {1, \"NAME\"}");
            self.args.push_all(b", ");
            let tok = self.next();
            if !matches!(tok.kind, TokKind::Str) {
                self.fail("a flag or symbol is written {1, \"NAME\"}", tok);
                return;
            }
            self.string(tok);
            self.eat(b",");
            self.expect(close, "a flag or symbol is written {1, \"NAME\"}");
            self.args.push_all(b" }");
        }
    }

    /// `array[, count[, size of an element]]`; what is left out follows from the field.
    const fn dump(&mut self, sized: bool, at: Tok) {
        let field_at = self.cursor;
        let val = self.expression();
        let (fixed, bits) = match val.ty {
            Ty::Array { count, bits, .. } => (Some(count), bits),
            Ty::Dynamic { bits, .. } => (None, bits),
            _ => {
                self.fail("this helper shows a field that is an array", at);
                return;
            }
        };
        let bytes = (bits / 8) as usize;
        self.args.push_all(b", ");
        if self.next_is(b",") && !self.cursor.second(self.src).is(self.src, b")") {
            self.next();
            let count = self.expression();
            if !count.is_number() {
                self.fail("the length is a number", at);
            }
        } else {
            // __print_hex counts bytes, __print_array elements.
            match fixed {
                Some(count) => self.args.push_number(if sized { count } else { count * bytes }),
                None => {
                    let after = self.cursor;
                    self.cursor = field_at;
                    let name = self.field_name();
                    self.cursor = after;
                    self.args.push_all(b"__get_dynamic_array_len(");
                    let text = name.text(self.src);
                    self.args.push_all(text);
                    self.args.push(b')');
                    if sized && bytes > 1 {
                        self.args.push_all(b" / ");
                        self.args.push_number(bytes);
                    }
                }
            }
        }
        if sized {
            self.args.push_all(b", ");
            if self.next_is(b",") && !self.cursor.second(self.src).is(self.src, b")") {
                self.next();
                let size = self.expression();
                if !size.is_number() {
                    self.fail("the size of an element is a number", at);
                }
            } else {
                self.args.push_number(bytes);
            }
        }
    }

    /// The field's name in `__entry.f`, `&__entry.f`, `f` or `__get_dynamic_array(f)`.
    const fn field_name(&mut self) -> Tok {
        self.eat(b"&");
        let mut name = self.next();
        if same(name.text(self.src), self.entry) && self.eat(b".") {
            name = self.next();
        } else if self.is(name, b"__get_dynamic_array") {
            self.eat(b"!");
            self.eat(b"(");
            return self.field_name();
        }
        if name.is_ident() && self.field(name).is_none() {
            self.fail("TP_STRUCT__entry has no such field", name);
        }
        name
    }

    /// `__get_str(f)`, where `f` may also be written `__entry.f`.
    const fn getter(&mut self, helper: Tok) -> Val {
        let name = self.field_name();
        self.expect(b")", "this helper takes the name of a dynamic field");
        let Some(field) = self.field(name) else {
            self.fail("this helper takes the name of a dynamic field", name);
            return Val::NONE;
        };
        if !matches!(field.shape.kind, Kind::DynStr | Kind::DynArray) {
            self.fail("this helper takes the name of a dynamic field", name);
        }
        let text = helper.text(self.src);
        self.args.push_all(text);
        self.args.push(b'(');
        self.args.push_all(field.name.as_bytes());
        self.args.push(b')');
        Val::atom(if self.is(helper, b"__get_str") {
            Ty::Str
        } else if self.is(helper, b"__get_dynamic_array") {
            Ty::Dynamic { bits: field.shape.elem * 8 }
        } else {
            Ty::Int { bits: 32, signed: true }
        })
    }
}

/// Bits and sign of Rust's integer types, on the machine that is compiled for.
const fn int_type(src: &[u8], name: Tok) -> Option<(u8, bool)> {
    const WORD: u8 = (size_of::<usize>() * 8) as u8;
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
