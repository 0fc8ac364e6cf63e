//! Placeholder.

use crate::base::error::Result;

/// Placeholder.
pub struct Probe {
    /// Placeholder.
    pub func: *const (),
    /// Placeholder.
    pub data: *const (),
}

/// Placeholder.
pub struct Tracepoint {
    /// Placeholder.
    pub name: &'static str,
}
