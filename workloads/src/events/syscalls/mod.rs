//! The two events of every system call, by the call's number.

mod table;
#[cfg(test)]
mod tests;

pub use table::calls::{CALLS, TABLE, enter, enter_enabled, exit, exit_enabled};
