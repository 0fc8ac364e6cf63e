//! `utracefs run`: a command and its children under observation.

pub mod wire;
