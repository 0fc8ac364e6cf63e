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

/// Figures of the machine's scheduler, over all workloads with green tasks.
#[derive(Debug)]
pub struct Sched {
    /// Time that tasks had a CPU, ns.
    pub runtime_ns: Counter,
    /// How often a task got a CPU after it had waited on a run queue: was woken, or had lost the CPU without sleeping.
    pub waits: Counter,
    /// How long these waits were, all together, ns.
    pub run_delay_ns: Counter,
}

/// Those of the scheduler.
pub static SCHED: Sched = Sched {
    runtime_ns: Counter::new(),
    waits: Counter::new(),
    run_delay_ns: Counter::new(),
};

/// Figures of the `mm` workload.
#[derive(Debug)]
pub struct Mm {
    /// Pages handed out by the page allocator.
    pub pages_allocated: Counter,
    /// Pages given back to it.
    pub pages_freed: Counter,
    /// Page faults taken.
    pub faults: Counter,
}

/// Those of the `mm` workload.
pub static MM: Mm = Mm {
    pages_allocated: Counter::new(),
    pages_freed: Counter::new(),
    faults: Counter::new(),
};

/// Figures of the `block` workload.
#[derive(Debug)]
pub struct Block {
    /// Requests that came back from the device, those it refused included.
    pub requests: Counter,
    /// Those that it refused.
    pub errors: Counter,
    /// From the moment a request goes to the device until its end is known, ns, of all requests together.
    pub latency_ns: Counter,
    /// Bytes that the device has really read.
    pub bytes_read: Counter,
    /// Bytes that it has really written.
    pub bytes_written: Counter,
    /// How often it had to bring all to stable storage (fdatasync(2)).
    pub flushes: Counter,
}

/// Those of the `block` workload.
pub static BLOCK: Block = Block {
    requests: Counter::new(),
    errors: Counter::new(),
    latency_ns: Counter::new(),
    bytes_read: Counter::new(),
    bytes_written: Counter::new(),
    flushes: Counter::new(),
};

/// Figures of the `net` workload. Those of the link are told from the frames that it carries, whatever the ends think.
#[derive(Debug)]
pub struct Net {
    /// Connections that clients asked for.
    pub connects: Counter,
    /// Those that were refused.
    pub refused: Counter,
    /// Bytes that tasks sent.
    pub bytes_sent: Counter,
    /// Bytes that tasks received.
    pub bytes_received: Counter,
    /// Frames that the link was given.
    pub frames: Counter,
    /// Those that it lost.
    pub frames_lost: Counter,
    /// Those that it damaged.
    pub frames_damaged: Counter,
    /// Segments of which some was on the link before.
    pub retransmits: Counter,
    /// Resets.
    pub resets: Counter,
}

/// Those of the `net` workload.
pub static NET: Net = Net {
    connects: Counter::new(),
    refused: Counter::new(),
    bytes_sent: Counter::new(),
    bytes_received: Counter::new(),
    frames: Counter::new(),
    frames_lost: Counter::new(),
    frames_damaged: Counter::new(),
    retransmits: Counter::new(),
    resets: Counter::new(),
};

/// Figures of the `xdp` workload.
#[derive(Debug)]
pub struct Xdp {
    /// Packets that the program has seen.
    pub seen: Counter,
    /// Those that it let pass.
    pub passed: Counter,
    /// Those that it dropped.
    pub dropped: Counter,
    /// Those that it sent back.
    pub sent_back: Counter,
    /// Those that it redirected, whether that worked or not.
    pub redirected: Counter,
    /// Those that it gave up on.
    pub aborted: Counter,
}

/// Those of the `xdp` workload.
pub static XDP: Xdp = Xdp {
    seen: Counter::new(),
    passed: Counter::new(),
    dropped: Counter::new(),
    sent_back: Counter::new(),
    redirected: Counter::new(),
    aborted: Counter::new(),
};
