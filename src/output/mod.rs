//! Floor 6: the text of traces: headers, lines, the CPUs merged by time (Documentation/trace/ftrace.rst, "Output format").

mod header;
mod line;
mod pipe;
mod trace;
#[cfg(all(test, feature = "std"))]
mod tests;

pub use pipe::{PipeReader, Piped};
pub use trace::TraceReader;
