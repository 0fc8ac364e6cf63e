//! The literal itself: `{}` and its relatives, made into `%d` and its relatives.

use super::expr::{Rank, Ty, Val};
use super::token::{Cursor, Tok, TokKind, Unescape, Unescaped};
use super::{Buf, MAX_NAMES, NO_NAME, Named, Translator, same};

/// What stands between the braces.
#[derive(Clone, Copy)]
pub(super) struct Spec {
    pub align: u8,
    pub fill: u8,
    pub plus: bool,
    pub alternate: bool,
    pub zero: bool,
    pub width: Size,
    pub precision: Size,
    /// `d` for Display, else the letter, `?` for Debug.
    pub kind: u8,
    /// `{:x?}`.
    pub debug_hex: u8,
}

/// A width or precision.
#[derive(Clone, Copy)]
pub(super) enum Size {
    None,
    Number(usize),
    /// The value of an argument.
    Arg(usize),
    /// The value of a name.
    Name {
        from: usize,
        to: usize,
    },
}

/// The arguments of the format call.
pub(super) struct Args {
    list: [Named; MAX_NAMES],
    used: [bool; MAX_NAMES],
    count: usize,
    /// What the next `{}` takes.
    next: usize,
}

impl<'a> Translator<'a> {
    /// `"literal", args` up to `close` (or to the end, if there is none).
    pub(super) const fn format_call(&mut self, close: &[u8]) {
        let literal = self.next();
        if !matches!(literal.kind, TokKind::Str) {
            self.fail("TP_printk wants a string literal first", literal);
            return;
        }
        let mut args = Args {
            list: [NO_NAME; MAX_NAMES],
            used: [false; MAX_NAMES],
            count: 0,
            next: 0,
        };
        while self.eat(b",") && !self.next_is(close) && !self.peek().is_end() {
            self.argument(&mut args);
            if self.failed() {
                return;
            }
        }
        let after = self.cursor;
        self.literal(literal, &mut args);
        self.cursor = after;
        let mut i = 0;
        while i < args.count && !self.failed() {
            if !args.used[i] {
                self.fail(
                    "argument never used",
                    Tok {
                        kind: TokKind::Ident,
                        from: args.list[i].from,
                        to: args.list[i].to,
                    },
                );
            }
            i += 1;
        }
    }

    /// `expression` or `name = expression`.
    const fn argument(&mut self, args: &mut Args) {
        let mut name = Tok::END;
        if self.peek().is_ident() && self.cursor.second(self.src).is(self.src, b"=") {
            name = self.next();
            self.next();
        }
        let from = self.peek().from;
        let to = self.cursor.skip_until(self.src, b",");
        if args.count == MAX_NAMES {
            self.fail("too many arguments", name);
            return;
        }
        args.list[args.count] = Named { name, from, to };
        args.count += 1;
    }

    /// Walks the literal.
    const fn literal(&mut self, tok: Tok, args: &mut Args) {
        let mut text = Buf::new();
        let mut reader = Unescape::new(self.src, tok);
        loop {
            match reader.next(self.src) {
                Unescaped::Byte(byte) => text.push(byte),
                Unescaped::End => break,
                Unescaped::Wrong => {
                    self.fail("unknown escape in a string", tok);
                    return;
                }
            }
        }
        let mut i = 0;
        while i < text.len() && !self.failed() {
            let byte = text.byte(i);
            let next = if i + 1 < text.len() {
                text.byte(i + 1)
            } else {
                0
            };
            if (byte == b'{' || byte == b'}') && next == byte {
                self.fmt.push(byte);
                i += 2;
            } else if byte == b'{' {
                i = self.placeholder(&text, i + 1, tok, args);
            } else if byte == b'}' {
                self.fail("a `}` without `{` in the literal (write `}}`)", tok);
            } else {
                if !push_c(&mut self.fmt, byte, true) {
                    self.fail("a control character that a print fmt cannot hold", tok);
                }
                i += 1;
            }
        }
    }

    /// What follows a `{`; returns where the text goes on.
    const fn placeholder(&mut self, text: &Buf, from: usize, tok: Tok, args: &mut Args) -> usize {
        let mut i = from;
        while i < text.len() && text.byte(i) != b'}' && text.byte(i) != b':' {
            i += 1;
        }
        let (name_from, name_to) = trim(text, from, i);
        let mut spec = Spec {
            align: 0,
            fill: b' ',
            plus: false,
            alternate: false,
            zero: false,
            width: Size::None,
            precision: Size::None,
            kind: b'd',
            debug_hex: 0,
        };
        if i < text.len() && text.byte(i) == b':' {
            i = self.spec(text, i + 1, tok, args, &mut spec);
        }
        if i >= text.len() || text.byte(i) != b'}' {
            self.fail("this placeholder has no C form or no end", tok);
        }
        if self.failed() {
            self.blame(text, from - 1, text.len(), tok);
            return text.len();
        }
        if name_from == name_to {
            let index = args.next;
            args.next += 1;
            self.conversion(Size::Arg(index), &spec, text, tok, args);
        } else if let Some(index) = number(text, name_from, name_to) {
            self.conversion(Size::Arg(index), &spec, text, tok, args);
        } else {
            self.conversion(
                Size::Name {
                    from: name_from,
                    to: name_to,
                },
                &spec,
                text,
                tok,
                args,
            );
        }
        self.blame(text, from - 1, i + 1, tok);
        i + 1
    }

    /// If the literal as a whole was found at fault, it is this piece of it.
    const fn blame(&mut self, text: &Buf, from: usize, to: usize, literal: Tok) {
        if let Some(problem) = &mut self.problem
            && problem.from == literal.from
        {
            problem.place_len = 0;
            while problem.place_len < problem.place.len() && from + problem.place_len < to {
                problem.place[problem.place_len] = text.byte(from + problem.place_len);
                problem.place_len += 1;
            }
        }
    }

    /// `[[fill]align]['+']['#']['0'][width]['.' precision][type]`; returns where it ends.
    const fn spec(
        &mut self,
        text: &Buf,
        from: usize,
        tok: Tok,
        args: &mut Args,
        spec: &mut Spec,
    ) -> usize {
        let mut i = from;
        if is_align(at(text, i + 1)) {
            spec.fill = at(text, i);
            spec.align = at(text, i + 1);
            i += 2;
        } else if is_align(at(text, i)) {
            spec.align = at(text, i);
            i += 1;
        } else if at(text, i) >= 0x80 {
            self.fail("C pads with spaces and zeros only", tok);
        }
        if at(text, i) == b'+' {
            spec.plus = true;
            i += 1;
        } else if at(text, i) == b'-' {
            i += 1;
        }
        if at(text, i) == b'#' {
            spec.alternate = true;
            i += 1;
        }
        // `0$` is an argument, not a flag.
        if at(text, i) == b'0' && at(text, i + 1) != b'$' {
            spec.zero = true;
            i += 1;
        }
        i = self.size(text, i, &mut spec.width);
        if at(text, i) == b'.' {
            i += 1;
            if at(text, i) == b'*' {
                spec.precision = Size::Arg(args.next);
                args.next += 1;
                i += 1;
            } else {
                i = self.size(text, i, &mut spec.precision);
            }
        }
        if (at(text, i) == b'x' || at(text, i) == b'X') && at(text, i + 1) == b'?' {
            spec.debug_hex = at(text, i);
            spec.kind = b'?';
            i += 2;
        } else if at(text, i) != b'}' && at(text, i) != 0 && !at(text, i).is_ascii_whitespace() {
            spec.kind = at(text, i);
            i += 1;
        }
        while at(text, i).is_ascii_whitespace() {
            i += 1;
        }
        i
    }

    /// `8`, `1$` or `width$`.
    const fn size(&mut self, text: &Buf, from: usize, size: &mut Size) -> usize {
        let mut i = from;
        while at(text, i).is_ascii_alphanumeric() || at(text, i) == b'_' {
            i += 1;
        }
        if i > from && at(text, i) == b'$' {
            *size = match number(text, from, i) {
                Some(index) => Size::Arg(index),
                None => Size::Name { from, to: i },
            };
            return i + 1;
        }
        i = from;
        while at(text, i).is_ascii_digit() {
            i += 1;
        }
        if i > from
            && let Some(n) = number(text, from, i)
        {
            *size = Size::Number(n);
        }
        i
    }

    /// A width or precision taken from an argument: C wants an int before the value.
    pub(super) const fn count(&mut self, size: Size, text: &Buf, tok: Tok, args: &mut Args) {
        self.args.push_all(b", ");
        let start = self.args.len();
        let val = self.resolve(size, text, tok, args);
        match val.ty {
            Ty::Int { bits: 32, .. } | Ty::Lit => {}
            Ty::Int { .. } => {
                if !matches!(val.rank, Rank::Atom) {
                    self.args.wrap(start, b"(", b")");
                }
                self.args.insert(start, b"(int)");
            }
            _ => self.fail("a width or precision is an integer", tok),
        }
    }

    /// Writes the expression that an argument stands for.
    pub(super) const fn resolve(
        &mut self,
        value: Size,
        text: &Buf,
        tok: Tok,
        args: &mut Args,
    ) -> Val {
        match value {
            Size::Arg(index) => {
                if index >= args.count {
                    self.fail("the literal has more placeholders than arguments", tok);
                    return Val::NONE;
                }
                args.used[index] = true;
                self.span(args.list[index].from, args.list[index].to)
            }
            Size::Name { from, to } => {
                let mut i = 0;
                while i < args.count {
                    let name = args.list[i].name;
                    if !name.is_end() && is_text_of(name.text(self.src), text, from, to) {
                        args.used[i] = true;
                        return self.span(args.list[i].from, args.list[i].to);
                    }
                    i += 1;
                }
                i = self.let_count;
                while i > 0 {
                    i -= 1;
                    if is_text_of(self.lets[i].name.text(self.src), text, from, to) {
                        return self.bound(i);
                    }
                }
                self.fail(
                    "a name in the literal is neither an argument nor a `let` of the block",
                    tok,
                );
                Val::NONE
            }
            Size::None | Size::Number(_) => Val::NONE,
        }
    }

    /// Translates the expression in a piece of source.
    const fn span(&mut self, from: usize, to: usize) -> Val {
        let before = self.cursor;
        self.cursor = Cursor { at: from, end: to };
        let val = self.expression();
        if !self.peek().is_end() {
            let rest = Tok {
                kind: TokKind::Ident,
                from,
                to,
            };
            self.fail("this expression has no C form", rest);
        }
        self.cursor = before;
        val
    }

    /// Translates what a `let` says; it sees the `let`s before it.
    pub(super) const fn bound(&mut self, index: usize) -> Val {
        let before = self.let_count;
        self.let_count = index;
        let val = self.span(self.lets[index].from, self.lets[index].to);
        self.let_count = before;
        val
    }
}

/// Puts a byte into a C string; `in_format` doubles percent signs. `false` if it cannot be there.
pub(super) const fn push_c(out: &mut Buf, byte: u8, in_format: bool) -> bool {
    match byte {
        b'\n' => out.push_all(b"\\n"),
        b'\t' => out.push_all(b"\\t"),
        b'\r' => out.push_all(b"\\r"),
        b'"' => out.push_all(b"\\\""),
        b'\\' => out.push_all(b"\\\\"),
        b'%' if in_format => out.push_all(b"%%"),
        0..=0x1f | 0x7f => return false,
        _ => out.push(byte),
    }
    true
}

const fn at(text: &Buf, i: usize) -> u8 {
    if i < text.len() { text.byte(i) } else { 0 }
}

const fn is_align(byte: u8) -> bool {
    matches!(byte, b'<' | b'^' | b'>')
}

/// The decimal number in a piece of the text.
const fn number(text: &Buf, from: usize, to: usize) -> Option<usize> {
    let mut n = 0usize;
    let mut i = from;
    while i < to {
        let digit = text.byte(i);
        if !digit.is_ascii_digit() || n > 99_999 {
            return None;
        }
        n = n * 10 + (digit - b'0') as usize;
        i += 1;
    }
    if to > from { Some(n) } else { None }
}

const fn trim(text: &Buf, mut from: usize, mut to: usize) -> (usize, usize) {
    while from < to && text.byte(from).is_ascii_whitespace() {
        from += 1;
    }
    while to > from && text.byte(to - 1).is_ascii_whitespace() {
        to -= 1;
    }
    (from, to)
}

/// Whether `name` reads as the piece of the text.
const fn is_text_of(name: &[u8], text: &Buf, from: usize, to: usize) -> bool {
    same(name, text.bytes.split_at(to).0.split_at(from).1)
}
