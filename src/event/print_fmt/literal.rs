//! A Rust format literal, translated into the C `print fmt` while the program is compiled.
//!
//! The event macros hand over the tokens of `TP_printk(…)` as text; everything here is `const fn`. Three spellings
//! are translated, the same as the field uses them: `"literal", args`, `format_args!("literal", args)` and
//! `{ let …; format!("literal", args) }` (the `let`s are put in place of their names). A fourth, `c: …`, is C already.
//!
//! The C text must mean the same as the Rust one: for every record both give the same bytes. Where C has no words for
//! it, there is a [`Problem`], which the macros turn into a compile error or, for a `format!` block, into rendering
//! in Rust. Arithmetic needs care: C computes small integers as `int`, and trace-cmd and perf compute everything in 64
//! bits, so results that Rust would wrap get a cast.

use crate::event::declare::{FieldDecl, Kind, same};

mod c_text;
mod conversion;
mod expr;
mod helper;
mod primary;
mod spec;
mod token;

use token::{Cursor, Tok};

/// Longest `print fmt`, in bytes.
const MAX: usize = 8192;
/// Most `let`s and arguments.
const MAX_NAMES: usize = 64;

/// What there is to translate.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What stands in `TP_printk(…)`.
    pub text: &'a str,
    /// The name that `TP_ident` gave to the record.
    pub entry: &'a str,
    /// The fields.
    pub fields: &'a [FieldDecl],
}

/// Text of limited length, made at compile time.
#[derive(Clone, Copy)]
pub struct Buf {
    bytes: [u8; MAX],
    len: usize,
    overflow: bool,
}

impl Buf {
    pub(crate) const fn new() -> Buf {
        Buf {
            bytes: [0; MAX],
            len: 0,
            overflow: false,
        }
    }

    pub(crate) const fn push(&mut self, byte: u8) {
        if self.len < MAX {
            self.bytes[self.len] = byte;
            self.len += 1;
        } else {
            self.overflow = true;
        }
    }

    pub(crate) const fn push_all(&mut self, bytes: &[u8]) {
        let mut i = 0;
        while i < bytes.len() {
            self.push(bytes[i]);
            i += 1;
        }
    }

    const fn push_number(&mut self, number: usize) {
        if number >= 10 {
            self.push_number(number / 10);
        }
        self.push(b'0' + (number % 10) as u8);
    }

    /// Inserts `what` at `at`.
    const fn insert(&mut self, at: usize, what: &[u8]) {
        let old = self.len;
        self.push_all(what);
        if self.overflow {
            return;
        }
        let mut i = old;
        while i > at {
            i -= 1;
            self.bytes[i + what.len()] = self.bytes[i];
        }
        i = 0;
        while i < what.len() {
            self.bytes[at + i] = what[i];
            i += 1;
        }
    }

    /// Forgets what was written behind `len`.
    const fn truncate(&mut self, len: usize) {
        self.len = len;
    }

    /// Appends the bytes between two places of another text.
    const fn push_part(&mut self, other: &Buf, from: usize, to: usize) {
        let mut i = from;
        while i < to {
            self.push(other.bytes[i]);
            i += 1;
        }
    }

    /// Puts `what` in place of `len` bytes, of which it must have at least as many.
    const fn replace(&mut self, at: usize, len: usize, what: &[u8]) {
        self.insert(at + len, what.split_at(len).1);
        let mut i = 0;
        while i < len {
            self.bytes[at + i] = what[i];
            i += 1;
        }
    }

    /// Puts `open` before what was written since `at` and `close` behind it.
    const fn wrap(&mut self, at: usize, open: &[u8], close: &[u8]) {
        self.insert(at, open);
        self.push_all(close);
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    const fn byte(&self, i: usize) -> u8 {
        self.bytes[i]
    }

    /// The bytes, exactly `N` of them.
    pub const fn exact<const N: usize>(&self) -> [u8; N] {
        let mut all = [0; N];
        let mut i = 0;
        while i < N {
            all[i] = self.bytes[i];
            i += 1;
        }
        all
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// Why there is no C text.
#[derive(Clone, Copy)]
pub struct Problem {
    /// A sentence for the programmer.
    pub what: &'static str,
    /// The place, as it was written.
    place: [u8; 80],
    place_len: usize,
    /// Where that is in the source.
    from: usize,
}

impl Problem {
    /// The piece of source that the sentence is about.
    pub const fn place(&self) -> &str {
        match core::str::from_utf8(self.place.split_at(self.place_len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

/// The `print fmt`, or why there is none.
#[derive(Clone, Copy)]
pub struct Outcome {
    text: Buf,
    problem: Option<Problem>,
}

impl Outcome {
    /// Whether C can say it.
    pub const fn is_c(&self) -> bool {
        self.problem.is_none()
    }

    /// Why not.
    pub const fn problem(&self) -> Option<Problem> {
        self.problem
    }

    /// The `print fmt`, empty if there is a problem.
    pub const fn text(&self) -> &Buf {
        &self.text
    }

    /// The `print fmt`.
    ///
    /// # Panics
    /// With the problem, which is a compile error where the macros call it.
    pub const fn require(&self, system: &str, event: &str) -> &Buf {
        if let Some(problem) = &self.problem {
            let mut message = Buf::new();
            message.push_all(b"event ");
            message.push_all(system.as_bytes());
            message.push(b':');
            message.push_all(event.as_bytes());
            message.push_all(b": ");
            message.push_all(problem.what.as_bytes());
            if problem.place_len != 0 {
                message.push_all(b": `");
                message.push_all(problem.place().as_bytes());
                message.push(b'`');
            }
            panic!("{}", message.as_str());
        }
        &self.text
    }
}

/// Translates what stands in `TP_printk(…)`.
pub const fn translate(source: Source<'_>) -> Outcome {
    let mut t = Translator::new(source);
    t.printk();
    t.finish()
}

/// A name and the tokens that it stands for.
#[derive(Clone, Copy)]
struct Named {
    name: Tok,
    from: usize,
    to: usize,
}

const NO_NAME: Named = Named {
    name: Tok::END,
    from: 0,
    to: 0,
};

struct Translator<'a> {
    src: &'a [u8],
    entry: &'a [u8],
    fields: &'a [FieldDecl],
    cursor: Cursor,
    /// Between the quotes.
    fmt: Buf,
    /// Behind them.
    args: Buf,
    lets: [Named; MAX_NAMES],
    /// Those in scope: a `let` sees the ones before it.
    let_count: usize,
    depth: usize,
    problem: Option<Problem>,
}

impl<'a> Translator<'a> {
    const fn new(source: Source<'a>) -> Translator<'a> {
        let src = source.text.as_bytes();
        Translator {
            src,
            entry: source.entry.as_bytes(),
            fields: source.fields,
            cursor: Cursor {
                at: 0,
                end: src.len(),
            },
            fmt: Buf::new(),
            args: Buf::new(),
            lets: [NO_NAME; MAX_NAMES],
            let_count: 0,
            depth: 0,
            problem: None,
        }
    }

    const fn finish(mut self) -> Outcome {
        if self.problem.is_none() && (self.fmt.overflow || self.args.overflow) {
            self.fail(
                "the text is too long: a print fmt has at most 8192 bytes",
                Tok::END,
            );
        }
        if self.problem.is_some() {
            return Outcome {
                text: Buf::new(),
                problem: self.problem,
            };
        }
        Outcome {
            text: self.fmt,
            problem: None,
        }
    }

    /// Notes the first problem; everything that follows runs idle.
    const fn fail(&mut self, what: &'static str, at: Tok) {
        if self.problem.is_some() {
            return;
        }
        let mut place = [0; 80];
        let mut len = 0;
        while len < place.len() && at.from + len < at.to {
            place[len] = self.src[at.from + len];
            len += 1;
        }
        // Not through the middle of a character.
        while len > 0 && at.from + len < at.to && (self.src[at.from + len] & 0xc0) == 0x80 {
            len -= 1;
        }
        self.problem = Some(Problem {
            what,
            place,
            place_len: len,
            from: at.from,
        });
    }

    const fn failed(&self) -> bool {
        self.problem.is_some()
    }

    const fn peek(&self) -> Tok {
        self.cursor.peek(self.src)
    }

    const fn next(&mut self) -> Tok {
        self.cursor.next(self.src)
    }

    const fn is(&self, tok: Tok, text: &[u8]) -> bool {
        tok.is(self.src, text)
    }

    const fn next_is(&self, text: &[u8]) -> bool {
        self.is(self.peek(), text)
    }

    /// Takes the next token if it is `text`.
    const fn eat(&mut self, text: &[u8]) -> bool {
        let there = self.next_is(text);
        if there {
            self.next();
        }
        there
    }

    const fn expect(&mut self, text: &[u8], what: &'static str) {
        if !self.eat(text) {
            let at = self.peek();
            self.fail(what, at);
        }
    }

    /// `TP_printk(…)` in any of its spellings.
    const fn printk(&mut self) {
        if self.next_is(b"c") && self.cursor.second(self.src).is(self.src, b":") {
            self.next();
            self.next();
            self.c_text();
            return;
        }
        let mut block = 0;
        while self.eat(b"{") {
            block += 1;
            while self.next_is(b"let") {
                self.binding();
                if self.failed() {
                    return;
                }
            }
        }
        let opener = self.formatter();
        if opener != 0 {
            let close = match opener {
                b'(' => b")",
                b'[' => b"]",
                _ => b"}",
            };
            self.format_call(close);
            self.expect(close, "there is something behind the format's arguments");
        } else {
            self.format_call(b"");
        }
        while block > 0 {
            self.expect(b"}", "a TP_printk block is `let`s and one `format!(…)`");
            block -= 1;
        }
        self.eat(b",");
        let rest = self.peek();
        if !rest.is_end() {
            self.fail("TP_printk takes a literal with arguments, format_args!(…) or { let …; format!(…) }", rest);
        }
        if self.failed() {
            return;
        }
        // The two halves become one: "fmt", args
        self.fmt.insert(0, b"\"");
        self.fmt.push(b'"');
        if self.args.len != 0 {
            let mut i = 0;
            while i < self.args.len {
                self.fmt.push(self.args.byte(i));
                i += 1;
            }
        }
    }

    /// `let name[: type] = expression;`
    const fn binding(&mut self) {
        self.next();
        self.eat(b"mut");
        let name = self.next();
        if !name.is_ident() {
            self.fail("only `let name = expression;` has a C form", name);
        }
        if self.eat(b":") {
            // `Vec<u8>` and the like: up to the `=`, which no type contains.
            while !self.next_is(b"=") && !self.peek().is_end() {
                self.next();
            }
        }
        self.expect(b"=", "only `let name = expression;` has a C form");
        let from = self.peek().from;
        let to = self.cursor.skip_until(self.src, b";");
        if !self.eat(b";") {
            self.fail("a `let` ends with a semicolon", name);
        }
        if self.let_count == MAX_NAMES {
            self.fail("too many `let`s", name);
        }
        if self.failed() {
            return;
        }
        self.lets[self.let_count] = Named { name, from, to };
        self.let_count += 1;
    }

    /// `format!(`, `alloc::format!(`, `format_args!(` …: the opening delimiter, or 0 if there is none of them.
    const fn formatter(&mut self) -> u8 {
        let start = self.cursor;
        let mut tok = self.next();
        self_path(&mut self.cursor, self.src, &mut tok);
        if (self.is(tok, b"format") || self.is(tok, b"format_args")) && self.eat(b"!") {
            let open = self.next();
            if self.is(open, b"(") || self.is(open, b"[") || self.is(open, b"{") {
                return self.src[open.from];
            }
        }
        self.cursor = start;
        0
    }

    /// The field called `name`.
    const fn field(&self, name: Tok) -> Option<FieldDecl> {
        let mut i = 0;
        while i < self.fields.len() {
            if name.is_name(self.src, self.fields[i].name.as_bytes()) {
                return Some(self.fields[i]);
            }
            i += 1;
        }
        None
    }
}

/// Walks `a::b::c` to its last segment.
const fn self_path(cursor: &mut Cursor, src: &[u8], tok: &mut Tok) {
    if tok.is(src, b"::") {
        *tok = cursor.next(src);
    }
    while tok.is_ident() && cursor.peek(src).is(src, b"::") {
        cursor.next(src);
        *tok = cursor.next(src);
    }
}

/// Whether values of the field are shown with `%s`.
const fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Chars(_) | Kind::DynStr)
}

/// Whether two token texts are the same.
const fn is_same(a: &[u8], b: &[u8]) -> bool {
    same(a, b)
}

#[cfg(test)]
mod tests;
