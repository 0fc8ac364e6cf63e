//! The events that the workloads fire: Linux 6.18's, field for field.

pub mod raw_syscalls;
pub mod sched;
pub mod signal;
pub mod syscalls;
pub mod task;

#[cfg(test)]
mod tests;

/// Bits of `common_flags` (Documentation/trace/ftrace.rst, "latency trace format").
pub mod flags {
    /// `d`: interrupts are off.
    pub const IRQS_OFF: u8 = 0x01;
    /// With the next one `N`: the running task is to be taken off its CPU.
    pub const NEED_RESCHED: u8 = 0x04;
    /// `h`: in a hard interrupt.
    pub const HARDIRQ: u8 = 0x08;
    /// `s`: in a soft interrupt.
    pub const SOFTIRQ: u8 = 0x10;
    /// See NEED_RESCHED.
    pub const PREEMPT_RESCHED: u8 = 0x20;
}
