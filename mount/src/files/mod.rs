//! The control files, each in a module whose comment is the file's manual, and what they work on.
//!
//! The reference for all of them is tracefs of Linux 6.18 and Documentation/trace/ftrace.rst and events.rst. A file that
//! appears at several levels (`enable`, `trace`, `buffer_size_kb` …) is one module with a declaration for each.

mod available_events;
mod available_tracers;
mod buffer_size_kb;
mod buffer_total_size_kb;
mod context;
mod current_tracer;
mod enable;
mod error_log;
mod family;
mod filter;
mod format;
mod header_event;
mod header_page;
mod id;
mod option;
mod readme;
mod saved_cmdlines;
mod set_event;
mod stats;
mod trace;
mod trace_clock;
mod trace_marker;
mod trace_options;
mod trace_pipe;
mod trace_pipe_raw;
mod tracing_on;
mod waiting;

pub use available_events::AvailableEvents;
pub use available_tracers::AvailableTracers;
pub use buffer_size_kb::BufferSizeKb;
pub use buffer_total_size_kb::BufferTotalSizeKb;
pub use context::{Cpu, OneEvent, OneOption, System, Top, Tracefs};
pub use current_tracer::CurrentTracer;
pub use enable::Enable;
pub use error_log::ErrorLog;
pub use family::{Cpus, Events, Instances, OptionNames, Systems};
pub use filter::Filter;
pub use format::Format;
pub use header_event::HeaderEvent;
pub use header_page::HeaderPage;
pub use id::Id;
pub use option::OptionFile;
pub use readme::Readme;
pub use saved_cmdlines::SavedCmdlines;
pub use set_event::SetEvent;
pub use stats::Stats;
pub use trace::TraceFile;
pub use trace_clock::TraceClock;
pub use trace_marker::TraceMarker;
pub use trace_options::TraceOptions;
pub use trace_pipe::TracePipe;
pub use trace_pipe_raw::TracePipeRaw;
pub use tracing_on::TracingOn;

#[cfg(test)]
mod tests;
