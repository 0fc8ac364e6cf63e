//! The tracing core of utracefs: tracepoints, event macros, the ftrace ring buffer and trace instances in user space.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod base;
#[cfg(not(loom))]
pub mod event;
#[cfg(not(loom))]
pub mod filter;
#[cfg(not(loom))]
pub mod instance;
#[cfg(not(loom))]
#[macro_use]
mod macros;
#[cfg(not(loom))]
pub mod output;
pub mod ring;
#[cfg(not(loom))]
pub mod trigger;

#[cfg(not(loom))]
pub use event::field_type::{Chars, DynArray, DynStr};
#[cfg(not(loom))]
pub use macros::KernelTraceOps;
#[doc(hidden)]
#[cfg(not(loom))]
pub use macros::facade as __private;

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
