//! The event macros.
