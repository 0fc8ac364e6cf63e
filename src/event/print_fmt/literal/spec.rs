//! The literal itself: `{}` and its relatives, made into `%d` and its relatives.

use super::expr::{Rank, Ty, Val};
use super::token::{Cursor, Tok, TokKind, Unescape, Unescaped};
use super::{Buf, MAX_NAMES, NO_NAME, Named, Translator, same};

/// What stands between the braces.
#[derive(Clone, Copy)]
struct Spec {
    align: u8,
    fill: u8,
    plus: bool,
    alternate: bool,
    zero: bool,
    width: Size,
    precision: Size,
    /// `d` for Display, else the letter, `?` for Debug.
    kind: u8,
    /// `{:x?}`.
    debug_hex: u8,
}

/// A width or precision.
#[derive(Clone, Copy)]
enum Size {
    None,
    Number(usize),
    /// The value of an argument.
    Arg(usize),
    /// The value of a name.
    Name { from: usize, to: usize },
}

/// The arguments of the format call.
struct Args {
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
        let mut args = Args { list: [NO_NAME; MAX_NAMES], used: [false; MAX_NAMES], count: 0, next: 0 };
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
                self.fail("argument never used", Tok { kind: TokKind::Ident, from: args.list[i].from, to: args.list[i].to });
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
            let next = if i + 1 < text.len() { text.byte(i + 1) } else { 0 };
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
            self.conversion(Size::Name { from: name_from, to: name_to }, &spec, text, tok, args);
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
    const fn spec(&mut self, text: &Buf, from: usize, tok: Tok, args: &mut Args, spec: &mut Spec) -> usize {
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

    /// Writes the C conversion of a value and the value.
    const fn conversion(&mut self, value: Size, spec: &Spec, text: &Buf, tok: Tok, args: &mut Args) {
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
                self.text(&Spec { kind: if spec.kind == b'?' { b'd' } else { spec.kind }, ..*spec }, tok);
            }
            Ty::Str => self.text(spec, tok),
            Ty::Pointer => {
                if !matches!(spec.kind, b'p' | b'?') || spec.alternate || spec.zero {
                    self.fail("a pointer is shown with {:p}, or as a number with `as u64`", tok);
                }
                self.flags(spec, false, tok);
                self.fmt.push(b'p');
            }
            Ty::Array { .. } | Ty::Dynamic { .. } => {
                self.fail("C shows arrays with __print_array(…) or __print_hex(…) only", tok);
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

    /// A width or precision taken from an argument: C wants an int before the value.
    const fn count(&mut self, size: Size, text: &Buf, tok: Tok, args: &mut Args) {
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
    const fn resolve(&mut self, value: Size, text: &Buf, tok: Tok, args: &mut Args) -> Val {
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
                self.fail("a name in the literal is neither an argument nor a `let` of the block", tok);
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
            let rest = Tok { kind: TokKind::Ident, from, to };
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
            self.fail("C has no quoted, escaped strings: use {} instead of {:?}", tok);
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
    const fn integer(&mut self, val: Val, bits: u8, signed: bool, spec: &Spec, start: usize, tok: Tok) {
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
        // Two's complement in as many bits as the Rust type has; C would widen a small one to int.
        if !decimal && signed && bits < 32 {
            if !matches!(val.rank, Rank::Atom) {
                self.args.wrap(start, b"(", b")");
            }
            self.args.insert(start, if bits == 8 { b"(u8)" } else { b"(u16)" });
        }
        // `{:0>8}` is `{:08}` where there is no sign.
        let zero_fill = spec.fill == b'0' && spec.align == b'>' && (!signed || !decimal) && !spec.plus && !spec.alternate;
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
        let plus = spec.plus;
        let mut long = bits == 64;
        if plus && !signed && decimal {
            if bits == 32 {
                // As a long it has a sign to show.
                if !matches!(val.rank, Rank::Atom) {
                    self.args.wrap(start, b"(", b")");
                }
                self.args.insert(start, b"(long)");
                long = true;
            } else if bits == 64 {
                if has_width {
                    self.fail("C cannot put a + before an unsigned number that it pads", tok);
                }
                self.fmt.push(b'+');
            }
        } else if plus && !decimal {
            // Rust puts it before the prefix, which is written already.
            self.fail("C has no + for hexadecimal numbers", tok);
        }
        self.fmt.push(b'%');
        if left {
            self.fmt.push(b'-');
        }
        if plus && decimal && (signed || bits < 64) {
            self.fmt.push(b'+');
        }
        if zero && !matches!(width, Size::None) {
            self.fmt.push(b'0');
        }
        self.width(width);
        if long {
            self.fmt.push(b'l');
        }
        let shown_signed = signed || (plus && bits < 64);
        self.fmt.push(match letter {
            b'd' if shown_signed => b'd',
            b'd' => b'u',
            other => other,
        });
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
