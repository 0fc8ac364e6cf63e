//! Ways for requests to reach the tree.
//!
//! A transport turns what its callers ask for into calls of [`Fs`](crate::node::Fs) and [`Handle`](crate::node::Handle).
//! It keeps open handles, answers errors as errno values, and does what no file knows about: a read that finds
//! nothing comes back as [`Got::Block`](crate::node::Got::Block), and then it is the transport that answers `EAGAIN` or lets
//! the reader wait, wakes it and ends its wait when a signal comes.

pub mod fuse;
pub mod local;
