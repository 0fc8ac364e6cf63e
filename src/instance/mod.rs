//! Floor 4: trace instances. A [`Tracing`] is one tracefs: the registry of events, the top-level instance and the named
//! ones. A [`TraceArray`] is an instance: a ring buffer, an [`EventFile`] per event, options and marks.

pub mod cmdlines;
pub mod common;
pub mod error_log;
pub mod event_file;
pub mod marker;
pub mod options;
pub mod pid_list;
pub mod pids;
pub mod recording;
pub mod set_event;
pub mod size;
pub mod snapshot;
mod stacks;
pub mod trace_array;
pub mod tracing;
pub mod triggers;

pub use event_file::EventFile;
pub use options::{Option as TraceOption, Options};
pub use pids::PidFile;
pub use trace_array::TraceArray;
pub use tracing::Tracing;
