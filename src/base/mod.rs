//! Floor 0: what every other floor stands on.

pub mod clock;
pub mod cpu;
pub mod error;
#[cfg(feature = "std")]
mod fork;
#[cfg(feature = "std")]
mod membarrier;
#[cfg(all(feature = "std", target_os = "linux", not(loom)))]
pub mod memory;
#[cfg(all(feature = "std", target_os = "linux", not(loom)))]
pub mod objects;
pub mod parse;
pub mod patch;
pub mod rcu;
#[cfg(feature = "std")]
pub mod rseq;
#[cfg(not(loom))]
pub mod stack;
#[cfg(not(loom))]
pub mod symbol;
pub mod sync;
pub mod system;
pub mod task;
pub mod text;
