//! Waiting for data without a thread.
//!
//! A read that finds nothing says what it waits for; the transport's one waiting thread announces that for all of them,
//! sleeps on the bell that writers ring, and looks again. Writers are the traced code itself, even in a signal
//! handler, so all they do is to look at a word and ring ([`utracefs::ring::wait`]).

use std::sync::Arc;

pub use utracefs::ring::wait::{BELL, announced};

/// What a reader waits for.
pub trait Wait: Send + Sync {
    /// Asks the writers to ring the [`BELL`] when it may have come. They do so once. To be followed by [`announced`] and
    /// a last look.
    fn announce(&self);

    /// Whether it is there, or may be: who looks for nothing asks for another wait.
    fn is_there(&self) -> bool;
}

/// A [`Wait`] of whatever kind.
pub type Awaited = Arc<dyn Wait>;
