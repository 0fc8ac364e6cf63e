//! utracefs as a filesystem: control files, tree, FUSE transport, daemon.

pub mod cli;
pub mod files;
pub mod node;
mod proc;
pub mod run;
pub mod traced;
pub mod transport;
pub mod tree;

/// Tests that enable events have the process to themselves one after another: an event is fired for every tree.
#[cfg(test)]
pub(crate) static ONE_TREE: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
