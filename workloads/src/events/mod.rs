//! The events that the workloads fire: Linux 6.18's, field for field.

pub mod block;
#[cfg(target_arch = "x86_64")]
pub mod exceptions;
pub mod irq;
pub mod kmem;
pub mod napi;
pub mod net;
pub mod qdisc;
pub mod raw_syscalls;
pub mod sched;
pub mod signal;
pub mod skb;
pub mod sock;
pub mod syscalls;
pub mod task;
pub mod tcp;
pub mod timer;
pub mod workqueue;
pub mod xdp;

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
    /// `b`, with the first one `D`: soft interrupts are not served here until this section ends.
    pub const BH_OFF: u8 = 0x80;
}
