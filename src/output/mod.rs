//! Floor 6: the text of traces: headers, lines, the CPUs merged by time (Documentation/trace/ftrace.rst, "Output format").

mod context;
#[cfg(all(test, feature = "std"))]
mod golden;
mod header;
mod line;
mod pipe;
mod stack;
mod style;
mod symbols;
#[cfg(all(test, feature = "std"))]
mod tests;
mod trace;

pub use pipe::{PipeReader, Piped};
pub use trace::TraceReader;
