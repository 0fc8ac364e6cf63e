//! The helpers of `print fmt`.

use super::expr::{Ty, Val};
use super::token::{Tok, TokKind};
use super::{Translator, same};
use crate::event::declare::Kind;

impl<'a> Translator<'a> {
    /// `__print_flags(…)` and its relatives, with or without the `!` of a macro.
    pub(super) const fn helper(&mut self, name: Tok) -> Val {
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
                Some(count) => self
                    .args
                    .push_number(if sized { count } else { count * bytes }),
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
            Ty::Dynamic {
                bits: field.shape.elem * 8,
            }
        } else {
            Ty::Int {
                bits: 32,
                signed: true,
            }
        })
    }
}
