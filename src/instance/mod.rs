//! Floor 4: trace instances.
