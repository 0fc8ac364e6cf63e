//! Floor 2: events, their fields, their text and their tracepoints.

pub mod ctype;
pub mod declare;
pub mod field;
pub mod field_type;
pub mod format;
pub mod print_fmt;
pub mod record;
pub mod registry;
pub mod syscall;
pub mod tracepoint;
pub mod watch;
