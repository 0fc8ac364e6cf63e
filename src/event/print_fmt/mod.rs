//! The C `print fmt`: the one truth about an event's text.
//!
//! A `print fmt` is what stands in `format` files (Documentation/trace/events.rst): a printf format and C expressions over
//! `REC->field`. It is compiled once per event ([`Program::compile`]) into a flat list of steps, and that list renders each
//! record ([`Program::render`]): without recursion, without allocating anything but the text, and whatever the bytes are.
//! The helpers are those of Linux's `include/trace/stages/stage3_trace_output.h`, the conversions those of
//! Documentation/core-api/printk-formats.rst.
//!
//! | module | holds |
//! | --- | --- |
//! | `lexer` | characters to tokens |
//! | `parse`, `call` | tokens to expressions |
//! | `tree` | expressions with their types, constants folded |
//! | `constant` | names that the kernel leaves in its format files |
//! | `spec` | one `%` conversion |
//! | `compile`, `code` | conversions to steps, expressions to instructions |
//! | `eval` | the value of an expression for a record |
//! | `program` | the steps, rendered |
//! | `fields` | a record without its `print fmt`, by its fields |
//! | `literal` | a Rust literal to C, while compiling |
//! | `display` | the helpers for texts made in Rust |
//! | `number`, `helper`, `pointer` | text of numbers, of the `__print_` helpers, of `%p` and its kin |

mod call;
mod code;
mod compile;
mod constant;
pub mod display;
mod eval;
mod fields;
mod helper;
mod lexer;
pub mod literal;
mod number;
mod parse;
mod pointer;
mod program;
mod spec;
#[cfg(all(test, feature = "std"))]
mod tests;
mod tree;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt;

pub use fields::render_fields;
pub use program::Program;

/// What stands in the text where the record is too short for the value.
pub const TRUNCATED: &[u8] = b"<truncated>";

/// Why a `print fmt` was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompileError {
    /// What is wrong.
    pub message: Cow<'static, str>,
    /// Where in the text, in bytes.
    pub position: usize,
}

impl CompileError {
    fn new(message: impl Into<Cow<'static, str>>, position: usize) -> CompileError {
        CompileError {
            message: message.into(),
            position,
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message, self.position)
    }
}

impl core::error::Error for CompileError {}

/// Where an address lies in its function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Within {
    /// Bytes from the function's start.
    pub offset: u64,
    /// The function's size in bytes.
    pub size: u64,
}

/// Names of addresses, for `%ps`, `%pS` and pointers to text.
pub trait Symbols: Sync {
    /// Appends the name of the function that an address is in; `None`, and nothing appended, if it is in none known.
    fn name(&self, address: u64, out: &mut Vec<u8>) -> Option<Within>;

    /// Appends the name of the module that the function is in; `false`, and nothing appended, for the program itself.
    fn module(&self, _address: u64, _out: &mut Vec<u8>) -> bool {
        false
    }

    /// Appends the text at an address, if it is known to be constant text; else `false`, and nothing appended.
    fn text(&self, _address: u64, _out: &mut Vec<u8>) -> bool {
        false
    }
}

/// Knows no address.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSymbols;

impl Symbols for NoSymbols {
    fn name(&self, _address: u64, _out: &mut Vec<u8>) -> Option<Within> {
        None
    }
}

/// What rendering needs beside the record.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// Whether `%p` shows a hash in place of the address (the option `hash-ptr`).
    pub hash_ptr: bool,
    /// Secret of that hash: the same as long as pointers are to be compared.
    pub hash_key: [u64; 2],
    /// Whether the arguments of system calls have their types before them (the option `verbose`).
    pub verbose: bool,
    /// Names of addresses.
    pub symbols: &'a dyn Symbols,
    /// What `jiffies` is in a `print fmt`: time now in units of 4 ms, as the format files assume.
    pub jiffies: u64,
}

impl Default for Env<'static> {
    fn default() -> Env<'static> {
        Env {
            hash_ptr: true,
            verbose: false,
            hash_key: [0x7574_7261_6365_6673, 0x686a_7369_6d70_6c65],
            symbols: &NoSymbols,
            jiffies: 0,
        }
    }
}

impl fmt::Debug for Env<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("hash_ptr", &self.hash_ptr)
            .field("jiffies", &self.jiffies)
            .finish_non_exhaustive()
    }
}
