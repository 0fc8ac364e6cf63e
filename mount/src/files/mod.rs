//! The control files, each in a module whose comment is the file's manual, and what they work on.
//!
//! The reference for all of them is tracefs of Linux 6.18 and Documentation/trace/ftrace.rst and events.rst. A file that
//! appears at several levels (`enable`, `trace`, `buffer_size_kb` …) is one module with a declaration for each.

mod available_events;
mod available_tracers;
mod buffer_percent;
mod buffer_size_kb;
mod buffer_subbuf_size_kb;
mod buffer_total_size_kb;
mod context;
mod current_tracer;
mod enable;
mod error_log;
mod family;
mod filter;
mod format;
mod free_buffer;
mod header_event;
mod header_page;
mod id;
mod option;
mod printk_formats;
mod readme;
mod saved_cmdlines;
mod saved_cmdlines_size;
mod saved_tgids;
mod set_event;
mod set_event_pid;
mod stats;
mod timestamp_mode;
mod trace;
mod trace_clock;
mod trace_marker;
mod trace_marker_raw;
mod trace_options;
mod trace_pipe;
mod trace_pipe_raw;
mod tracing_cpumask;
mod tracing_on;
mod tracing_thresh;
mod waiting;

pub use available_events::AvailableEvents;
pub use available_tracers::AvailableTracers;
pub use buffer_percent::BufferPercent;
pub use buffer_size_kb::BufferSizeKb;
pub use buffer_subbuf_size_kb::BufferSubbufSizeKb;
pub use buffer_total_size_kb::BufferTotalSizeKb;
pub use context::{Cpu, OneEvent, OneOption, System, Top, Tracefs};
pub use current_tracer::CurrentTracer;
pub use enable::Enable;
pub use error_log::ErrorLog;
pub use family::{Cpus, Events, Instances, OptionNames, Systems};
pub use filter::Filter;
pub use format::Format;
pub use free_buffer::FreeBuffer;
pub use header_event::HeaderEvent;
pub use header_page::HeaderPage;
pub use id::Id;
pub use option::OptionFile;
pub use printk_formats::PrintkFormats;
pub use readme::Readme;
pub use saved_cmdlines::SavedCmdlines;
pub use saved_cmdlines_size::SavedCmdlinesSize;
pub use saved_tgids::SavedTgids;
pub use set_event::SetEvent;
pub use set_event_pid::{SetEventNotracePid, SetEventPid};
pub use stats::Stats;
pub use timestamp_mode::TimestampMode;
pub use trace::TraceFile;
pub use trace_clock::TraceClock;
pub use trace_marker::TraceMarker;
pub use trace_marker_raw::TraceMarkerRaw;
pub use trace_options::TraceOptions;
pub use trace_pipe::TracePipe;
pub use trace_pipe_raw::TracePipeRaw;
pub use tracing_cpumask::TracingCpumask;
pub use tracing_on::TracingOn;
pub use tracing_thresh::TracingThresh;

#[cfg(test)]
mod tests;
