//! Demonstration workloads.
