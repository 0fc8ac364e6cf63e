//! Floor 6: the text of traces.
