//! Rust tokens in a text, one after the other, at compile time.

use crate::event::declare::same;

/// A token: its kind and place.
#[derive(Clone, Copy)]
pub(super) struct Tok {
    pub kind: TokKind,
    pub from: usize,
    pub to: usize,
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokKind {
    End,
    Ident,
    Int,
    Float,
    Str,
    Char,
    Punct,
}

impl Tok {
    pub const END: Tok = Tok {
        kind: TokKind::End,
        from: 0,
        to: 0,
    };

    pub const fn is_end(&self) -> bool {
        matches!(self.kind, TokKind::End)
    }

    pub const fn is_ident(&self) -> bool {
        matches!(self.kind, TokKind::Ident)
    }

    /// Whether the token reads `text`. A string never does.
    pub const fn is(&self, src: &[u8], text: &[u8]) -> bool {
        if text.is_empty()
            || !matches!(self.kind, TokKind::Ident | TokKind::Punct)
            || self.to - self.from != text.len()
        {
            return false;
        }
        let mut i = 0;
        while i < text.len() {
            if src[self.from + i] != text[i] {
                return false;
            }
            i += 1;
        }
        true
    }

    /// Whether it is the identifier `name`, be it written `r#name`.
    pub const fn is_name(&self, src: &[u8], name: &[u8]) -> bool {
        let raw = self.to - self.from > 2 && src[self.from] == b'r' && src[self.from + 1] == b'#';
        let bare = Tok {
            kind: self.kind,
            from: if raw { self.from + 2 } else { self.from },
            to: self.to,
        };
        self.is_ident() && bare.is(src, name)
    }

    /// Its bytes.
    pub const fn text<'a>(&self, src: &'a [u8]) -> &'a [u8] {
        src.split_at(self.to).0.split_at(self.from).1
    }

    /// Whether the two read the same.
    pub const fn is_like(&self, src: &[u8], other: Tok) -> bool {
        same(self.text(src), other.text(src))
    }
}

/// A piece of source that is being read.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    pub at: usize,
    pub end: usize,
}

impl Cursor {
    const fn byte(&self, src: &[u8], i: usize) -> u8 {
        if i < self.end { src[i] } else { 0 }
    }

    /// The next token, which stays.
    pub const fn peek(&self, src: &[u8]) -> Tok {
        let mut ahead = *self;
        ahead.next(src)
    }

    /// The one after the next.
    pub const fn second(&self, src: &[u8]) -> Tok {
        let mut ahead = *self;
        ahead.next(src);
        ahead.next(src)
    }

    /// Takes a token.
    pub const fn next(&mut self, src: &[u8]) -> Tok {
        self.skip_space(src);
        let from = self.at;
        if from >= self.end {
            return Tok {
                kind: TokKind::End,
                from: self.end,
                to: self.end,
            };
        }
        let (a, b, c) = (
            src[from],
            self.byte(src, from + 1),
            self.byte(src, from + 2),
        );
        let kind = if a == b'"' {
            self.string(src, from);
            TokKind::Str
        } else if a == b'r' && (b == b'"' || (b == b'#' && (c == b'"' || c == b'#'))) {
            self.raw_string(src, from + 1);
            TokKind::Str
        } else if a == b'\'' {
            self.char(src);
            TokKind::Char
        } else if a.is_ascii_digit() {
            self.number(src)
        } else if is_word(a) {
            self.at += if a == b'r' && b == b'#' { 2 } else { 0 };
            while is_word(self.byte(src, self.at)) {
                self.at += 1;
            }
            TokKind::Ident
        } else {
            let two = matches!(
                (a, b),
                (b'<', b'<' | b'=')
                    | (b'>', b'>' | b'=')
                    | (b'=' | b'!', b'=')
                    | (b'=' | b'-', b'>')
                    | (b'&', b'&')
                    | (b'|', b'|')
                    | (b':', b':')
                    | (b'.', b'.')
            );
            self.at += if two { 2 } else { 1 };
            TokKind::Punct
        };
        if self.at > self.end {
            self.at = self.end;
        }
        Tok {
            kind,
            from,
            to: self.at,
        }
    }

    const fn skip_space(&mut self, src: &[u8]) {
        while self.at < self.end && src[self.at].is_ascii_whitespace() {
            self.at += 1;
        }
    }

    const fn string(&mut self, src: &[u8], quote: usize) {
        self.at = quote + 1;
        while self.at < self.end && src[self.at] != b'"' {
            self.at += if src[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    const fn raw_string(&mut self, src: &[u8], hashes: usize) {
        self.at = hashes;
        while self.byte(src, self.at) == b'#' {
            self.at += 1;
        }
        let count = self.at - hashes;
        self.at += 1;
        while self.at < self.end {
            if src[self.at] == b'"' {
                let mut n = 0;
                while n < count && self.byte(src, self.at + 1 + n) == b'#' {
                    n += 1;
                }
                if n == count {
                    self.at += 1 + count;
                    return;
                }
            }
            self.at += 1;
        }
    }

    /// `'x'`, `'\n'`, or the lifetime `'x`.
    const fn char(&mut self, src: &[u8]) {
        self.at += 1;
        if self.byte(src, self.at) == b'\\' {
            self.at += 2;
        }
        while self.at < self.end && src[self.at] != b'\'' {
            self.at += 1;
        }
        self.at += 1;
    }

    const fn number(&mut self, src: &[u8]) -> TokKind {
        while is_word(self.byte(src, self.at)) {
            self.at += 1;
        }
        // `1.5` but not `1.max(2)`, `1..2` or the `.1` of `x.0.1`.
        if self.byte(src, self.at) == b'.' && self.byte(src, self.at + 1).is_ascii_digit() {
            self.at += 1;
            while is_word(self.byte(src, self.at)) {
                self.at += 1;
            }
            return TokKind::Float;
        }
        TokKind::Int
    }

    /// Goes to the next `stop` that is in no bracket and returns where the token before it ended; the end if there
    /// is none.
    pub const fn skip_until(&mut self, src: &[u8], stop: &[u8]) -> usize {
        let mut depth = 0usize;
        let mut to = self.at;
        loop {
            let tok = self.peek(src);
            if tok.is_end() || (depth == 0 && tok.is(src, stop)) {
                return to;
            }
            if tok.is(src, b"(") || tok.is(src, b"[") || tok.is(src, b"{") {
                depth += 1;
            } else if tok.is(src, b")") || tok.is(src, b"]") || tok.is(src, b"}") {
                if depth == 0 {
                    return to;
                }
                depth -= 1;
            }
            self.next(src);
            to = tok.to;
        }
    }
}

/// A letter, digit, underscore, or part of a character beyond ASCII.
const fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

/// A string literal being read: what its bytes mean.
#[derive(Clone, Copy)]
pub(super) struct Unescape {
    at: usize,
    end: usize,
    raw: bool,
    /// Bytes of a `\u{…}` still to give.
    pending: [u8; 4],
    pending_len: usize,
    pending_at: usize,
}

/// The next thing in a string literal.
#[derive(Clone, Copy)]
pub(super) enum Unescaped {
    Byte(u8),
    End,
    Wrong,
}

impl Unescape {
    /// Reads the literal `tok`, which must be a [`TokKind::Str`].
    pub const fn new(src: &[u8], tok: Tok) -> Unescape {
        let mut at = tok.from;
        let raw = src[at] == b'r';
        if raw {
            at += 1;
        }
        let mut hashes = 0;
        while at < tok.to && src[at] == b'#' {
            at += 1;
            hashes += 1;
        }
        let end = if tok.to > at + 1 + hashes {
            tok.to - 1 - hashes
        } else {
            at + 1
        };
        Unescape {
            at: at + 1,
            end,
            raw,
            pending: [0; 4],
            pending_len: 0,
            pending_at: 0,
        }
    }

    pub const fn next(&mut self, src: &[u8]) -> Unescaped {
        if self.pending_at < self.pending_len {
            self.pending_at += 1;
            return Unescaped::Byte(self.pending[self.pending_at - 1]);
        }
        if self.at >= self.end {
            return Unescaped::End;
        }
        let byte = src[self.at];
        self.at += 1;
        if self.raw || byte != b'\\' {
            return Unescaped::Byte(byte);
        }
        if self.at >= self.end {
            return Unescaped::Wrong;
        }
        let escape = src[self.at];
        self.at += 1;
        match escape {
            b'n' => Unescaped::Byte(b'\n'),
            b't' => Unescaped::Byte(b'\t'),
            b'r' => Unescaped::Byte(b'\r'),
            b'0' => Unescaped::Byte(0),
            b'\\' | b'"' | b'\'' => Unescaped::Byte(escape),
            b'x' if self.at + 2 <= self.end => {
                let byte = hex(src[self.at]) * 16 + hex(src[self.at + 1]);
                self.at += 2;
                Unescaped::Byte(byte)
            }
            b'u' => {
                let mut code = 0u32;
                self.at += 1;
                while self.at < self.end && src[self.at] != b'}' {
                    if src[self.at] != b'_' {
                        code = (code << 4) | hex(src[self.at]) as u32;
                    }
                    self.at += 1;
                }
                self.at += 1;
                match char::from_u32(code) {
                    Some(c) => {
                        self.pending_len = c.encode_utf8(&mut self.pending).len();
                        self.pending_at = 0;
                        self.next(src)
                    }
                    None => Unescaped::Wrong,
                }
            }
            // The end of the line is left out, and so is the indentation of the next one.
            b'\n' | b'\r' => {
                while self.at < self.end && src[self.at].is_ascii_whitespace() {
                    self.at += 1;
                }
                self.next(src)
            }
            _ => Unescaped::Wrong,
        }
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}
