//! What expressions are made of: numbers, strings, the record's fields, `let`s, `if`.

use super::expr::{CHOICE, Rank, Ty, Val, int_type};
use super::spec::push_c;
use super::token::{Tok, TokKind, Unescape, Unescaped};
use super::{Translator, is_text, same};
use crate::event::declare::Kind;

impl<'a> Translator<'a> {
    pub(super) const fn primary(&mut self) -> Val {
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
        let suffix = Tok {
            kind: TokKind::Ident,
            from: tok.from + i,
            to: tok.to,
        };
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
            self.args
                .push(b"0123456789abcdef"[((value >> shift) & 15) as usize]);
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
            self.args
                .push(if self.is(tok, b"true") { b'1' } else { b'0' });
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
            return self.conversion_call(tok);
        }
        self.fail("C does not know this name: only the record's fields, numbers, `let`s and __print_… helpers", tok);
        Val::NONE
    }

    /// `u64::from(x)`.
    const fn conversion_call(&mut self, tok: Tok) -> Val {
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
        let Some((bits, signed)) = int_type(self.src, tok) else {
            return Val::NONE;
        };
        match val.ty {
            Ty::Int { bits: b, signed: s } if b == bits && s == signed => val,
            Ty::Int { .. } => {
                let val = self.narrow(val, start);
                self.cast_text(val, start, bits, signed)
            }
            Ty::Bool | Ty::Lit => Val {
                ty: Ty::Int { bits, signed },
                ..val
            },
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
            self.fail(
                "TP_STRUCT__entry has no such field",
                if name.is_ident() { name } else { tok },
            );
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
            Kind::Array(count) => Ty::Array {
                count,
                bits,
                signed,
            },
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
            (Ty::Lit, other) | (other, Ty::Lit) if matches!(other, Ty::Int { .. } | Ty::Lit) => {
                other
            }
            (Ty::Str, Ty::Str) => Ty::Str,
            (Ty::Bool, Ty::Bool) => Ty::Bool,
            (Ty::Pointer, Ty::Pointer) => Ty::Pointer,
            (Ty::Int { bits, signed }, Ty::Int { bits: b, signed: s })
                if bits == b && signed == s =>
            {
                yes.ty
            }
            _ => {
                self.fail("the branches of this `if` have no common C type", at);
                Ty::Lit
            }
        };
        Val {
            ty,
            rank: Rank::Choice,
            wide: yes.wide || no.wide,
            looseness: CHOICE,
        }
    }

    const fn branch(&mut self) -> Val {
        self.expect(b"{", "a branch of an `if` is one expression in braces");
        let start = self.args.len();
        let mut val = self.expression();
        if val.looseness != 0 {
            self.args.wrap(start, b"(", b")");
            val.rank = Rank::Atom;
        }
        self.expect(b"}", "a branch of an `if` is one expression in braces");
        val
    }
}
