//! The `utracefs` command.

fn main() {}
