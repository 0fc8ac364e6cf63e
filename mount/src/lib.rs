//! utracefs as a filesystem: control files, tree, FUSE transport, daemon.

pub mod cli;
pub mod files;
pub mod node;
pub mod run;
pub mod transport;
pub mod tree;
