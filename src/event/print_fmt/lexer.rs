//! Characters of a `print fmt` to tokens.

use alloc::vec::Vec;

use super::CompileError;
use crate::event::ctype::CInt;

/// A token of C.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token<'a> {
    Word(&'a str),
    Number(u64, CInt),
    /// A string literal; adjacent ones are one.
    Text(Vec<u8>),
    /// An operator or a bracket, of one or two characters (`->`, `<<`, `==` …).
    Mark(&'a str),
    End,
}

/// A token and where it begins.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub token: Token<'a>,
    pub position: usize,
}

const LONG_MARKS: [&str; 10] = ["->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "##"];

/// All tokens of a text, with an [`Token::End`] behind them.
pub(super) fn tokens(text: &str) -> Result<Vec<At<'_>>, CompileError> {
    let bytes = text.as_bytes();
    let mut found: Vec<At<'_>> = Vec::new();
    let mut at = 0;
    loop {
        while bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_whitespace() || *b == b'\x0b')
        {
            at += 1;
        }
        let start = at;
        let Some(&first) = bytes.get(at) else {
            found.push(At {
                token: Token::End,
                position: at,
            });
            return Ok(found);
        };
        let token = match first {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
                {
                    at += 1;
                }
                Token::Word(&text[start..at])
            }
            b'0'..=b'9' => number(text, &mut at)?,
            b'"' => {
                let mut literal = Vec::new();
                at += 1;
                while let Some(b) = character(text, &mut at, b'"', start)? {
                    literal.push(b);
                }
                if let Some(At {
                    token: Token::Text(before),
                    ..
                }) = found.last_mut()
                {
                    before.append(&mut literal);
                    continue;
                }
                Token::Text(literal)
            }
            b'\'' => {
                at += 1;
                let value = character(text, &mut at, b'\'', start)?;
                let (Some(value), Some(b'\'')) = (value, bytes.get(at)) else {
                    return Err(CompileError::new(
                        "one character expected between the quotes",
                        start,
                    ));
                };
                at += 1;
                Token::Number(value.into(), CInt::INT)
            }
            _ => {
                let mark = LONG_MARKS
                    .into_iter()
                    .find(|m| text[start..].starts_with(m));
                at += mark.map_or(1, str::len);
                match text.get(start..at) {
                    Some(mark) if first.is_ascii_punctuation() => Token::Mark(mark),
                    _ => return Err(CompileError::new("a character that C does not know", start)),
                }
            }
        };
        found.push(At {
            token,
            position: start,
        });
    }
}

/// The next character of a quoted text, escapes resolved; `None` at the closing quote, which is passed.
fn character(
    text: &str,
    at: &mut usize,
    quote: u8,
    start: usize,
) -> Result<Option<u8>, CompileError> {
    let bytes = text.as_bytes();
    let open = || CompileError::new("the closing quote is missing", start);
    let b = *bytes.get(*at).ok_or_else(open)?;
    *at += 1;
    if b == quote {
        return Ok(None);
    }
    if b != b'\\' {
        return Ok(Some(b));
    }
    let escape = *bytes.get(*at).ok_or_else(open)?;
    *at += 1;
    Ok(Some(match escape {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'v' => 11,
        b'e' => 27,
        b'\\' | b'"' | b'\'' | b'?' => escape,
        b'x' => {
            let from = *at;
            let mut value = 0u32;
            while let Some(digit) = bytes.get(*at).and_then(|b| char::from(*b).to_digit(16)) {
                value = value << 4 | digit;
                *at += 1;
                if value > 0xff {
                    return Err(CompileError::new("an escape above \\xff", from - 2));
                }
            }
            if *at == from {
                return Err(CompileError::new(
                    "hexadecimal digits expected after \\x",
                    from,
                ));
            }
            value as u8
        }
        b'0'..=b'7' => {
            let from = *at - 1;
            let mut value = u32::from(escape - b'0');
            while let (Some(digit), true) = (
                bytes.get(*at).and_then(|b| char::from(*b).to_digit(8)),
                *at - from < 3,
            ) {
                value = value << 3 | digit;
                *at += 1;
            }
            u8::try_from(value).map_err(|_| CompileError::new("an escape above \\377", from - 1))?
        }
        _ => return Err(CompileError::new("an escape that C does not know", *at - 2)),
    }))
}

/// An integer literal with its type: the first of int, (unsigned,) long, unsigned long that holds it and its suffix allows.
fn number<'a>(text: &'a str, at: &mut usize) -> Result<Token<'a>, CompileError> {
    let start = *at;
    let end = text[start..]
        .find(|c: char| !c.is_ascii_alphanumeric())
        .map_or(text.len(), |n| start + n);
    let word = &text[start..end];
    let fail = |message: &'static str| CompileError::new(message, start);
    let prefixed = |p: [&str; 2]| word.strip_prefix(p[0]).or_else(|| word.strip_prefix(p[1]));
    let (radix, digits) = if let Some(rest) = prefixed(["0x", "0X"]) {
        (16, rest)
    } else if let Some(rest) = prefixed(["0b", "0B"]) {
        (2, rest)
    } else if word.len() > 1 && word.starts_with('0') {
        (8, &word[1..])
    } else {
        (10, word)
    };
    let count = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(count);
    if digits.is_empty() && radix != 8 {
        return Err(fail("digits expected"));
    }
    let value = if digits.is_empty() {
        0
    } else {
        u64::from_str_radix(digits, radix).map_err(|_| fail("a number beyond 64 bits"))?
    };
    let (unsigned, long) = match suffix.as_bytes() {
        b"" => (false, false),
        b"u" | b"U" => (true, false),
        b"l" | b"L" | b"ll" | b"LL" => (false, true),
        b"ul" | b"UL" | b"Ul" | b"uL" | b"ull" | b"ULL" | b"Ull" | b"uLL" => (true, true),
        b"lu" | b"LU" | b"Lu" | b"lU" | b"llu" | b"LLU" | b"LLu" | b"llU" => (true, true),
        _ => return Err(fail("not a number")),
    };
    *at = end;
    let either = unsigned || radix != 10;
    let int = if !unsigned && !long && value <= i32::MAX as u64 {
        CInt::INT
    } else if either && !long && value <= u32::MAX.into() {
        CInt::UINT
    } else if !unsigned && value <= i64::MAX as u64 {
        CInt::LONG
    } else {
        CInt::ULONG
    };
    Ok(Token::Number(value, int))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    #[test]
    fn texts() {
        let check = |text: &str, want: &str| {
            let got = match tokens(text) {
                Ok(list) => list
                    .iter()
                    .map(|t| match &t.token {
                        Token::Word(w) => format!("{w} "),
                        Token::Number(v, t) => {
                            format!("{v}:{}{} ", if t.signed { 'i' } else { 'u' }, 8 * t.size)
                        }
                        Token::Text(t) => format!("{:?} ", String::from_utf8_lossy(t)),
                        Token::Mark(m) => format!("{m} "),
                        Token::End => String::from("."),
                    })
                    .collect(),
                Err(e) => format!("{e}"),
            };
            assert_eq!(got, want, "{text:?}");
        };
        check("", ".");
        check("REC->a, b_1", "REC -> a , b_1 .");
        check("a<<b>>c<=d||!e", "a << b >> c <= d || ! e .");
        check(
            "0 1 2147483647 2147483648 0x7fffffff 0x80000000",
            "0:i32 1:i32 2147483647:i32 2147483648:i64 2147483647:i32 2147483648:u32 .",
        );
        check(
            "1U 1L 1UL 1ULL 1ll 0x100000000 0xffffffffffffffff",
            "1:u32 1:i64 1:u64 1:u64 1:i64 4294967296:i64 18446744073709551615:u64 .",
        );
        check("017 0b101 00 0u", "15:i32 5:i32 0:i32 0:u32 .");
        check(
            "'F' ' ' '\\n' '\\'' '\\0'",
            "70:i32 32:i32 10:i32 39:i32 0:i32 .",
        );
        check(r#""a" "b\n" "\x41\101\"""#, "\"ab\\nAA\\\"\" .");
        check("\"a\", \"b\"", "\"a\" , \"b\" .");
        check("\"a", "the closing quote is missing at byte 0");
        check("x \"a\\", "the closing quote is missing at byte 2");
        check("''", "one character expected between the quotes at byte 0");
        check(
            "'ab'",
            "one character expected between the quotes at byte 0",
        );
        check("\"\\q\"", "an escape that C does not know at byte 1");
        check("\"\\x\"", "hexadecimal digits expected after \\x at byte 3");
        check("\"\\x100\"", "an escape above \\xff at byte 1");
        check("\"\\777\"", "an escape above \\377 at byte 1");
        check("0x", "digits expected at byte 0");
        check("09", "not a number at byte 0");
        check("1.5", "1:i32 . 5:i32 .");
        check("1abc", "not a number at byte 0");
        check("99999999999999999999", "a number beyond 64 bits at byte 0");
        check("aé", "a character that C does not know at byte 1");
        check("\u{7f}", "a character that C does not know at byte 0");
    }
}
