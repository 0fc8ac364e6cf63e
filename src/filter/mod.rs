//! Floor 3: filters, which decide about a record while it still lies on the writer's stack
//! (Documentation/trace/events.rst, "Event filtering").
//!
//! A filter's text is cut into predicates ([`parse`]), each checked against the event's fields and turned into a test
//! ([`predicate`]); the tests and their connectives become a flat program in which every test knows where to go on when
//! it holds and when it does not ([`program`]). Nothing recurses: nesting is bounded by the length of the text only.

mod cpulist;
mod error;
mod memory;
mod name;
mod parse;
mod pattern;
mod predicate;
mod program;

pub use error::Refused;
pub use program::{Context, Filter, Now};

use crate::base::parse::c_str;

/// Bytes a written filter may have, at most one less.
pub const MAX_TEXT: usize = 4096;

/// White space between the words of a filter: the kernel's `isspace`, which knows Latin-1.
fn is_space(b: u8) -> bool {
    crate::base::parse::is_space(b) || b == 0xa0
}

/// What names and numbers are made of, `_` apart: the kernel's `isalnum`, which knows Latin-1.
fn is_alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b >= 0xc0 && b != 0xd7 && b != 0xf7
}

/// The text of a filter in what was written: a C string without the white space at its end.
pub fn text(input: &[u8]) -> &[u8] {
    let mut text = c_str(input);
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Whether this text takes a filter away: `0`, white space around it.
pub fn is_none(text: &[u8]) -> bool {
    let first = text.iter().position(|b| !is_space(*b));
    first.is_some_and(|i| &text[i..] == b"0")
}

#[cfg(test)]
mod tests;
