//! Floor 1: the per-CPU ring buffer in the kernel's own page format.
