//! Floor 0: what every other floor stands on.

pub mod clock;
pub mod cpu;
pub mod error;
pub mod parse;
#[cfg(feature = "std")]
pub mod patch;
pub mod rcu;
#[cfg(feature = "std")]
pub mod rseq;
pub mod sync;
pub mod task;
pub mod text;
