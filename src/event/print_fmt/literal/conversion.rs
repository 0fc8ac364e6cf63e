//! One placeholder as a C conversion: `%d`, `%lu`, `0x%x`, `%-16s` …

use super::expr::{Rank, Ty, Val, sign_bit};
use super::spec::{Args, Size, Spec};
use super::token::Tok;
use super::{Buf, Translator};

impl<'a> Translator<'a> {
    /// Writes the C conversion of a value and the value.
    pub(super) const fn conversion(
        &mut self,
        value: Size,
        spec: &Spec,
        text: &Buf,
        tok: Tok,
        args: &mut Args,
    ) {
        let dynamic_width = matches!(spec.width, Size::Arg(_) | Size::Name { .. });
        if dynamic_width {
            self.count(spec.width, text, tok, args);
        }
        let start_of_precision = self.args.len();
        let dynamic_precision = matches!(spec.precision, Size::Arg(_) | Size::Name { .. });
        if dynamic_precision {
            self.count(spec.precision, text, tok, args);
        }
        self.args.push_all(b", ");
        let start = self.args.len();
        let val = self.resolve(value, text, tok, args);
        if self.failed() {
            return;
        }
        match val.ty {
            Ty::Int { bits, signed } => {
                if dynamic_precision {
                    // Rust ignores the precision of an integer; C does not.
                    let len = start - 2 - start_of_precision;
                    self.cut_args(start_of_precision, len);
                    self.integer(val, bits, signed, spec, start - len, tok);
                } else {
                    self.integer(val, bits, signed, spec, start, tok);
                }
            }
            Ty::Lit => self.integer(val, 32, true, spec, start, tok),
            Ty::Bool => {
                self.boolean(val, start);
                // A bool has the same words in Debug.
                self.text(
                    &Spec {
                        kind: if spec.kind == b'?' { b'd' } else { spec.kind },
                        ..*spec
                    },
                    tok,
                );
            }
            Ty::Str => self.text(spec, tok),
            Ty::Pointer => {
                if !matches!(spec.kind, b'p' | b'?') || spec.alternate || spec.zero {
                    self.fail(
                        "a pointer is shown with {:p}, or as a number with `as u64`",
                        tok,
                    );
                }
                self.flags(spec, false, tok);
                self.fmt.push(b'p');
            }
            Ty::Array { .. } | Ty::Dynamic { .. } => {
                self.fail(
                    "C shows arrays with __print_array(…) or __print_hex(…) only",
                    tok,
                );
            }
            Ty::Opaque => {
                self.fail("C does not know how this type shows itself: record an integer, or use { format!(…) }", tok);
            }
        }
    }

    /// Takes `len` bytes out of the arguments at `from`.
    const fn cut_args(&mut self, from: usize, len: usize) {
        let mut i = from;
        while i + len < self.args.len {
            self.args.bytes[i] = self.args.bytes[i + len];
            i += 1;
        }
        self.args.len -= len;
    }

    /// `%` and the flags, width and precision of text or a pointer.
    const fn flags(&mut self, spec: &Spec, left: bool, tok: Tok) {
        if spec.fill != b' ' && !matches!(spec.width, Size::None) {
            self.fail("C pads with spaces and zeros only", tok);
        }
        self.fmt.push(b'%');
        match spec.align {
            b'^' if !matches!(spec.width, Size::None) => self.fail("C cannot centre", tok),
            b'<' if !matches!(spec.width, Size::None) => self.fmt.push(b'-'),
            b'>' => {}
            _ if left && !matches!(spec.width, Size::None) => self.fmt.push(b'-'),
            _ => {}
        }
        self.width(spec.width);
    }

    const fn width(&mut self, width: Size) {
        match width {
            Size::None => {}
            Size::Number(0) => {}
            Size::Number(n) => self.fmt.push_number(n),
            Size::Arg(_) | Size::Name { .. } => self.fmt.push(b'*'),
        }
    }

    /// `%s`.
    const fn text(&mut self, spec: &Spec, tok: Tok) {
        if spec.kind == b'?' {
            self.fail(
                "C has no quoted, escaped strings: use {} instead of {:?}",
                tok,
            );
        }
        if spec.kind != b'd' {
            self.fail("text is shown with {}", tok);
        }
        if spec.zero {
            self.fail("C cannot pad text with zeros", tok);
        }
        self.flags(spec, true, tok);
        if !matches!(spec.precision, Size::None) {
            self.fmt.push(b'.');
            match spec.precision {
                Size::Number(0) => self.fmt.push(b'0'),
                other => self.width(other),
            }
        }
        self.fmt.push(b's');
    }

    /// A bool as the words that Rust shows.
    const fn boolean(&mut self, val: Val, start: usize) {
        if !matches!(val.rank, Rank::Atom | Rank::Unary) {
            self.args.wrap(start, b"(", b")");
        }
        self.args.push_all(b" ? \"true\" : \"false\"");
    }

    /// `%d`, `%lu`, `0x%x` …
    const fn integer(
        &mut self,
        val: Val,
        bits: u8,
        signed: bool,
        spec: &Spec,
        start: usize,
        tok: Tok,
    ) {
        let letter = match (spec.kind, spec.debug_hex) {
            (b'?', 0) | (b'd', _) => b'd',
            (b'?', hex) => hex,
            (b'x' | b'X' | b'o', _) => spec.kind,
            (b'b', _) => {
                self.fail("C has no binary numbers: use {:#x}", tok);
                return;
            }
            (b'e' | b'E', _) => {
                self.fail("C has no exponents for integers", tok);
                return;
            }
            (b'p', _) => {
                self.fail("{:p} is for pointers", tok);
                return;
            }
            _ => {
                self.fail("unknown kind of placeholder", tok);
                return;
            }
        };
        let has_width = !matches!(spec.width, Size::None);
        let decimal = letter == b'd';
        // `{:0>8}` is `{:08}` where there is no sign.
        let zero_fill = spec.fill == b'0'
            && spec.align == b'>'
            && (!signed || !decimal)
            && !spec.plus
            && !spec.alternate;
        let zero = has_width && (spec.zero || zero_fill);
        if has_width && !zero {
            if spec.fill != b' ' {
                self.fail("C pads with spaces and zeros only", tok);
            }
            if spec.align == b'^' {
                self.fail("C cannot centre", tok);
            }
        }
        let left = has_width && !zero && spec.align == b'<';
        let mut width = spec.width;
        if spec.alternate && !decimal {
            // C's own # writes 0 without the prefix.
            self.fmt.push(b'0');
            self.fmt.push(if letter == b'o' { b'o' } else { b'x' });
            width = match spec.width {
                Size::Number(n) if zero || left => Size::Number(n.saturating_sub(2)),
                Size::None => Size::None,
                _ => {
                    self.fail("C cannot pad before the 0x: use {:#010x}, or 0x{:x}", tok);
                    Size::None
                }
            };
            if matches!(width, Size::Number(0)) {
                width = Size::None;
            }
        }
        if spec.plus && !decimal {
            // Rust puts it before the prefix, which is written already.
            self.fail("C has no + for hexadecimal numbers", tok);
        } else if spec.plus && has_width {
            self.fail(
                "trace-cmd knows no + in a print fmt, so the width would be off",
                tok,
            );
        } else if spec.plus && signed {
            self.fmt.push_all(b"%s");
            let value = self.args;
            if val.rank as u8 != Rank::Atom as u8 {
                self.args.wrap(start, b"(", b")");
            }
            self.args.insert(start, b"(");
            self.args.push_all(b" & ");
            self.args.push_all(sign_bit(bits));
            self.args.push_all(b") ? \"\" : \"+\", ");
            self.args.push_part(&value, start, value.len());
        } else if spec.plus {
            self.fmt.push(b'+');
        }
        self.fmt.push(b'%');
        if left {
            self.fmt.push(b'-');
        }
        if zero && !matches!(width, Size::None) {
            self.fmt.push(b'0');
        }
        self.width(width);
        match bits {
            64 => self.fmt.push(b'l'),
            // As wide as it is: C would show the sign of what it makes an int of first.
            16 if signed => self.fmt.push(b'h'),
            8 if signed => self.fmt.push_all(b"hh"),
            _ => {}
        }
        self.fmt.push(match letter {
            b'd' if signed => b'd',
            b'd' => b'u',
            other => other,
        });
    }
}
