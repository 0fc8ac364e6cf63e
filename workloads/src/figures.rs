//! What workloads have counted and measured themselves since the process began, to be compared with what their events
//! say.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }
}

/// Declares the figures of a workload: the type, the one value of it, and their list.
macro_rules! figures {
    ($(#[$doc:meta])* $Type:ident, $NAME:ident, $workload:literal { $($(#[$about:meta])* $figure:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $Type {
            $($(#[$about])* pub $figure: Counter,)*
        }

        #[doc = concat!("Those of the `", $workload, "` workload.")]
        pub static $NAME: $Type = $Type {
            $($figure: Counter::new(),)*
        };

        impl $Type {
            /// Their names and values.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($figure), self.$figure.get())),*]
            }
        }
    };
}

/// The figures of a workload by its name; `None`: it counts nothing but its operations.
pub fn of(workload: &str) -> Option<Vec<(&'static str, u64)>> {
    Some(match workload {
        "sched" => SCHED.list(),
        "syscalls" => SYSCALLS.list(),
        "block" => BLOCK.list(),
        "net" => NET.list(),
        "xdp" => XDP.list(),
        "mm" => MM.list(),
        _ => return None,
    })
}

figures! {
    /// Figures of the machine's scheduler, over all workloads with green tasks.
    Sched, SCHED, "sched" {
        /// Tasks made.
        forks,
        /// Programs run.
        execs,
        /// Tasks ended.
        exits,
        /// Time that tasks had a CPU, ns.
        runtime_ns,
        /// How often a task got a CPU after it had waited on a run queue: was woken, or had lost the CPU without sleeping.
        waits,
        /// How long these waits were, all together, ns.
        run_delay_ns,
    }
}

figures! {
    /// Figures of the `syscalls` workload; calls of the children of `process` count too.
    Syscalls, SYSCALLS, "syscalls" {
        /// Calls that have come back, those of child processes included.
        calls,
        /// Those that failed.
        failed,
    }
}

figures! {
    /// Figures of the `block` workload.
    Block, BLOCK, "block" {
        /// Requests that came back from the device, those it refused included.
        requests,
        /// Those that it refused.
        errors,
        /// From the moment a request goes to the device until its end is known, ns, of all requests together.
        latency_ns,
        /// Bytes that the device has really read.
        bytes_read,
        /// Bytes that it has really written.
        bytes_written,
        /// How often it had to bring all to stable storage (fdatasync(2)).
        flushes,
    }
}

figures! {
    /// Figures of the `net` workload. Those of the link are told from the frames that it carries, whatever the ends think.
    Net, NET, "net" {
        /// Connections that clients asked for.
        connects,
        /// Those that were refused.
        refused,
        /// Bytes that tasks sent.
        bytes_sent,
        /// Bytes that tasks received.
        bytes_received,
        /// Frames that the link was given.
        frames,
        /// Those that it lost.
        frames_lost,
        /// Those that it damaged.
        frames_damaged,
        /// Segments of which some was on the link before.
        retransmits,
        /// Resets.
        resets,
    }
}

figures! {
    /// Figures of the `xdp` workload.
    Xdp, XDP, "xdp" {
        /// Packets that the program has seen.
        seen,
        /// Those that it let pass.
        passed,
        /// Those that it dropped.
        dropped,
        /// Those that it sent back.
        sent_back,
        /// Those that it redirected, whether that worked or not.
        redirected,
        /// Those that it gave up on.
        aborted,
    }
}

figures! {
    /// Figures of the `mm` workload.
    Mm, MM, "mm" {
        /// Pages handed out by the page allocator.
        pages_allocated,
        /// Pages given back to it.
        pages_freed,
        /// Page faults taken.
        faults,
    }
}

/// A system call has come back with `ret`.
pub(crate) fn call_is_back(ret: i64) {
    SYSCALLS.calls.add(1);
    SYSCALLS.failed.add(u64::from((-4095..0).contains(&ret)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_of_workloads() {
        let with_figures = crate::ALL.iter().filter(|w| of(w.name).is_some());
        assert_eq!(with_figures.count(), 6);
        assert_eq!(of("nosuch"), None);
        assert_eq!(MM.list()[2].0, "faults");
    }
}
