//! `TP_printk(c: …)`: text that is C already, for events taken from Linux.
//!
//! Either one raw string that holds the whole `print fmt`, quotes and all, and is kept byte for byte; or a string
//! with the arguments as C tokens, where `__entry->x` may be written for `REC->x`.

use super::spec::push_c;
use super::token::{Tok, TokKind, Unescape, Unescaped};
use super::{Translator, is_same};

impl<'a> Translator<'a> {
    pub(super) const fn c_text(&mut self) {
        let first = self.peek();
        if !matches!(first.kind, TokKind::Str) {
            self.fail("TP_printk(c: …) wants a string first", first);
            return;
        }
        let alone = {
            let second = self.cursor.second(self.src);
            second.is_end() || (second.is(self.src, b",") && self.is_last_comma())
        };
        if alone && self.starts_with_quote(first) {
            self.copy(first, false);
            return;
        }
        let mut before = Tok::END;
        loop {
            let tok = self.next();
            if tok.is_end() || self.failed() {
                return;
            }
            let trailing = self.is(tok, b",") && self.peek().is_end();
            if trailing {
                return;
            }
            if self.wants_space(before, tok) {
                self.fmt.push(b' ');
            }
            if matches!(tok.kind, TokKind::Str) {
                self.fmt.push(b'"');
                self.copy(tok, true);
                self.fmt.push(b'"');
            } else if tok.is_ident()
                && self.next_is(b"->")
                && (is_same(tok.text(self.src), self.entry) || self.is(tok, b"__entry"))
            {
                self.fmt.push_all(b"REC");
            } else {
                let text = tok.text(self.src);
                self.fmt.push_all(text);
            }
            before = tok;
        }
    }

    const fn is_last_comma(&self) -> bool {
        let mut ahead = self.cursor;
        ahead.next(self.src);
        ahead.next(self.src);
        ahead.peek(self.src).is_end()
    }

    /// A space where the source had one, whatever its kind and number.
    const fn wants_space(&self, before: Tok, tok: Tok) -> bool {
        !before.is_end() && tok.from > before.to && !self.is(tok, b",")
    }

    const fn starts_with_quote(&self, tok: Tok) -> bool {
        let mut reader = Unescape::new(self.src, tok);
        matches!(reader.next(self.src), Unescaped::Byte(b'"'))
    }

    /// Copies what a string literal means, as a C string's inside if `quoted`.
    const fn copy(&mut self, tok: Tok, quoted: bool) {
        let mut reader = Unescape::new(self.src, tok);
        loop {
            match reader.next(self.src) {
                Unescaped::Byte(byte) if quoted => {
                    if !push_c(&mut self.fmt, byte, false) {
                        self.fail("a control character that a print fmt cannot hold", tok);
                        return;
                    }
                }
                Unescaped::Byte(b'\n' | 0) => {
                    self.fail("a print fmt is one line", tok);
                    return;
                }
                Unescaped::Byte(byte) => self.fmt.push(byte),
                Unescaped::End => return,
                Unescaped::Wrong => {
                    self.fail("unknown escape in a string", tok);
                    return;
                }
            }
        }
    }
}
