//! The macros that declare events, and the facade that their expansions use.
//!
//! [`define_event_trace!`](crate::define_event_trace) takes its sections apart one by one, so that each can say what it
//! expected; `__event_emit!` is the one expansion behind all spellings. What an expansion contains is small: names,
//! types and the assignments. Everything that can be shared is a function of [`facade`].

pub mod facade;
mod sections;
mod syscall;

/// Whose events a call site fires: what `TP_kops(T)` names.
///
/// Without `TP_kops` an event belongs to the calling thread. A scheduler of green tasks, or a program that traces
/// others, implements this to say who it is instead:
///
/// ```
/// use utracefs::KernelTraceOps;
///
/// pub struct GreenTasks;
///
/// impl KernelTraceOps for GreenTasks {
///     fn with<R>(fire: impl FnOnce() -> R) -> R {
///         // let _entered = utracefs::base::task::enter(current_green_task());
///         fire()
///     }
/// }
/// ```
pub trait KernelTraceOps {
    /// Calls `fire`, which records the event, while the event's task is entered
    /// ([`enter`](crate::base::task::enter)). Runs only while somebody listens.
    fn with<R>(fire: impl FnOnce() -> R) -> R;
}

/// Declares a trace event; see the [crate's documentation](crate) for what an event is.
#[macro_export]
macro_rules! define_event_trace {
    ($($sections:tt)*) => {
        $crate::__event_name! { $($sections)* }
    };
}

#[cfg(test)]
mod tests;
