//! Floor 0: what every other floor stands on.

pub mod clock;
pub mod cpu;
pub mod error;
#[cfg(feature = "std")]
mod fork;
#[cfg(feature = "std")]
mod membarrier;
pub mod parse;
pub mod patch;
pub mod rcu;
#[cfg(feature = "std")]
pub mod rseq;
pub mod sync;
pub mod task;
pub mod text;
