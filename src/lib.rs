//! The tracing core of utracefs: tracepoints, event macros, the ftrace ring buffer and trace instances in user space.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod base;
pub mod event;
pub mod filter;
pub mod instance;
#[macro_use]
mod macros;
pub mod output;
pub mod ring;

pub use event::field_type::{Chars, DynArray, DynStr};
pub use macros::KernelTraceOps;
#[doc(hidden)]
pub use macros::facade as __private;

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
