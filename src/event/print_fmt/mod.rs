//! The C `print fmt`: the one truth about an event's text.

pub mod literal;
pub mod parse;
pub mod program;
