//! The text of an event's `format` file, written and read (Documentation/trace/events.rst, "Event formats").

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::field::{COMMON, Field};
use crate::base::text;

/// An event as its `format` file describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// The event's name.
    pub name: String,
    /// Its number: `common_type` of its records.
    pub id: u16,
    /// The fields above the empty line: those that every record has.
    pub common: Vec<Field>,
    /// The event's own fields.
    pub fields: Vec<Field>,
    /// What follows `print fmt: `, without the newline.
    pub print_fmt: String,
}

/// Why a text is not that of a `format` file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormatError {
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// The line, counted from 1.
    pub line: usize,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl core::error::Error for FormatError {}

/// The text of the `format` file of an event whose records begin with the common fields of [`COMMON`].
pub fn format_text(name: &str, id: u16, fields: &[Field], print_fmt: &str) -> String {
    format_text_with(name, id, &COMMON, fields, print_fmt)
}

/// As [`format_text`], with other common fields: records of another host may begin with more.
pub fn format_text_with(
    name: &str,
    id: u16,
    common: &[Field],
    fields: &[Field],
    print_fmt: &str,
) -> String {
    let mut out = String::with_capacity(256 + 64 * fields.len() + print_fmt.len());
    out.push_str("name: ");
    out.push_str(name);
    out.push_str("\nID: ");
    number(&mut out, id);
    out.push_str("\nformat:\n");
    for field in common {
        line(&mut out, field);
    }
    out.push('\n');
    for field in fields {
        line(&mut out, field);
    }
    out.push_str("\nprint fmt: ");
    out.push_str(print_fmt);
    out.push('\n');
    out
}

fn line(out: &mut String, field: &Field) {
    out.push_str("\tfield:");
    field.decl(out);
    out.push_str(";\toffset:");
    number(out, field.offset);
    out.push_str(";\tsize:");
    number(out, field.size);
    out.push_str(";\tsigned:");
    number(out, field.signed.into());
    out.push_str(";\n");
}

fn number(out: &mut String, value: u16) {
    let mut digits = [0; text::DEC_MAX];
    out.extend(
        text::digits(value.into(), &mut digits)
            .iter()
            .map(|&b| char::from(b)),
    );
}

/// Reads the text of a `format` file. Blank space at the ends of lines does not matter.
pub fn parse_format(text: &str) -> Result<Parsed, FormatError> {
    let mut parsed = Parsed {
        name: String::new(),
        id: 0,
        common: Vec::new(),
        fields: Vec::new(),
        print_fmt: String::new(),
    };
    let (mut named, mut numbered, mut in_common) = (false, false, true);
    let mut at = 0;
    for (number, raw) in text.split_inclusive('\n').enumerate() {
        let fail = |message: &'static str| FormatError {
            message: message.into(),
            line: number + 1,
        };
        let line = raw.trim();
        if let Some(name) = line.strip_prefix("name:") {
            parsed.name = name.trim().into();
            named = true;
        } else if let Some(id) = line.strip_prefix("ID:") {
            parsed.id = id
                .trim()
                .parse()
                .map_err(|_| fail("the ID is no number below 65536"))?;
            numbered = true;
        } else if let Some(field) = line.strip_prefix("field:") {
            let field = parse_field(field).map_err(fail)?;
            if in_common {
                parsed.common.push(field)
            } else {
                parsed.fields.push(field)
            }
        } else if line.starts_with("print fmt:") {
            if !named || !numbered {
                return Err(fail("name or ID is missing"));
            }
            // It may go on over lines: a newline in C text is white space.
            let rest = &text[at..];
            let start = rest.find("print fmt:").unwrap_or(0) + "print fmt:".len();
            parsed.print_fmt = rest[start..].trim().into();
            if parsed.common.len() + parsed.fields.len() == 0 {
                return Err(fail("no field"));
            }
            return Ok(parsed);
        } else if line.is_empty() {
            in_common &= parsed.common.is_empty();
        } else if line != "format:" {
            return Err(fail("not a line of a format file"));
        }
        at += raw.len();
    }
    Err(FormatError {
        message: "no print fmt".into(),
        line: text.lines().count(),
    })
}

/// The rest of a `field:` line.
fn parse_field(text: &str) -> Result<Field, &'static str> {
    let mut parts = text.split(';');
    let decl = parts.next().unwrap_or("").trim();
    let mut value = |key: &str| -> Option<u16> {
        let (name, value) = parts.next()?.trim().split_once(':')?;
        if name == key {
            value.trim().parse().ok()
        } else {
            None
        }
    };
    let offset = value("offset").ok_or("offset: and a number below 65536 expected")?;
    let size = value("size").ok_or("size: and a number below 65536 expected")?;
    let signed = value("signed").ok_or("signed:0 or signed:1 expected")?;
    let field = Field::new(decl, offset, size, signed != 0);
    if field.name.is_empty() || field.ctype.is_empty() {
        return Err("a C declaration with type and name expected");
    }
    Ok(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNAL: &str = "name: signal_deliver\nID: 260\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
        \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\
        \n\
        \tfield:int sig;\toffset:8;\tsize:4;\tsigned:1;\n\
        \tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n\
        \tfield:__data_loc char[] name;\toffset:28;\tsize:4;\tsigned:0;\n\
        \n\
        print fmt: \"sig=%d %s\", REC->sig, REC->comm\n";

    #[test]
    fn round_trip() {
        let parsed = parse_format(SIGNAL).unwrap();
        assert_eq!((parsed.name.as_str(), parsed.id), ("signal_deliver", 260));
        assert_eq!(parsed.common, COMMON);
        assert_eq!(parsed.print_fmt, "\"sig=%d %s\", REC->sig, REC->comm");
        assert_eq!(
            format_text(&parsed.name, parsed.id, &parsed.fields, &parsed.print_fmt),
            SIGNAL
        );
    }

    #[test]
    fn errors() {
        let check = |text: &str, line: usize, message: &str| {
            let error = parse_format(text).unwrap_err();
            assert_eq!((error.line, &*error.message), (line, message), "{text:?}");
        };
        check("", 0, "no print fmt");
        check("name: x\nID: 65536\n", 2, "the ID is no number below 65536");
        check(
            "name: x\nID: 1\nformat:\n\tfield:int x;\toffset:0;\n",
            4,
            "size: and a number below 65536 expected",
        );
        check(
            "name: x\nID: 1\nformat:\n\tfield:int;\toffset:0;\tsize:4;\tsigned:1;\n",
            4,
            "a C declaration with type and name expected",
        );
        check(
            "name: x\nID: 1\nformat:\n\nprint fmt: \"\"\n",
            5,
            "no field",
        );
        check(
            "name: x\nformat:\n\nprint fmt: \"\"\n",
            4,
            "name or ID is missing",
        );
        check("hello\n", 1, "not a line of a format file");
    }

    /// Every description of a real kernel comes out as it went in.
    #[test]
    #[cfg(feature = "std")]
    fn real_formats() {
        let mut count = 0;
        for system in
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/formats")).unwrap()
        {
            let system = system.unwrap().path();
            if !system.is_dir() {
                continue;
            }
            for event in std::fs::read_dir(&system).unwrap() {
                let path = event.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                let p = parse_format(&text).unwrap_or_else(|e| panic!("{path:?}: {e}"));
                assert_eq!(p.common, COMMON, "{path:?}");
                assert_eq!(
                    format_text(&p.name, p.id, &p.fields, &p.print_fmt),
                    text,
                    "{path:?}"
                );
                count += 1;
            }
        }
        assert_eq!(count, 977);
    }
}
