//! Waiting for what a buffer records.

use std::sync::Arc;

use utracefs::base::cpu;
use utracefs::instance::{TraceArray, TraceOption};
use utracefs::ring::{Buffer, Side, Want};

use crate::node::wait::{Awaited, Wait};

/// What is waited for.
#[derive(Clone, Copy)]
pub(super) enum For {
    /// Any event, of a CPU or of all.
    Any(Option<usize>),
    /// A CPU's buffer is filled so far that it is worth while: to `buffer_percent`.
    Filled { cpu: usize, percent: u8 },
    /// Any event in a CPU's snapshot: comes with a swap, which rings the bell.
    Snapshot(usize),
}

impl For {
    /// A CPU of an instance, filled as its `buffer_percent` wants it.
    pub(super) fn filled(array: &TraceArray, cpu: usize) -> For {
        let percent = array.percent();
        For::Filled { cpu, percent }
    }

    fn cpu(self) -> Option<usize> {
        match self {
            For::Any(cpu) => cpu,
            For::Filled { cpu, .. } | For::Snapshot(cpu) => Some(cpu),
        }
    }

    /// What the writers are to tell of, while it is not there.
    fn want(self, buffer: &Buffer) -> Want {
        match self {
            For::Any(_) | For::Snapshot(_) => Want::Any,
            // in a small buffer the page being written is enough, as soon as there is something in it
            For::Filled { cpu, percent } if buffer.is_filled(cpu, percent) => Want::Any,
            For::Filled { percent, .. } => Want::Percent(percent),
        }
    }

    fn is_there(self, buffer: &Buffer) -> bool {
        match self {
            For::Any(cpu) => buffer.has_data(cpu),
            For::Snapshot(cpu) => buffer.snapshot_has_data(Some(cpu)),
            For::Filled { cpu, percent } => {
                buffer.is_filled(cpu, percent) && buffer.has_data(Some(cpu))
            }
        }
    }
}

/// What poll(2) says: whether it is there, or that a read would wait and is not to be kept from it (the option `block`).
pub(super) fn is_there(array: &TraceArray, what: For) -> bool {
    array.options().get(TraceOption::Block) || what.is_there(array.buffer())
}

/// The wait for it. A poll waits for what comes from now on; if what it wants is there already, for more of it.
pub(super) fn wait(array: &TraceArray, what: For, poll: bool) -> Awaited {
    let buffer = array.buffer().clone();
    let wakes = buffer.wakes();
    let more = poll && what.is_there(&buffer);
    let recorded = if more { recorded(&buffer, what) } else { 0 };
    Arc::new(ForBuffer {
        buffer,
        what,
        wakes,
        more,
        recorded,
    })
}

/// Wakes who waits for a CPU's buffer, whatever there is.
pub(super) fn wake(array: &TraceArray, _cpu: usize) {
    array.buffer().wake_all();
}

struct ForBuffer {
    buffer: Arc<Buffer>,
    what: For,
    /// Calls to wake everybody that were before.
    wakes: u32,
    /// What is wanted is there: more than this many events make the difference.
    more: bool,
    recorded: u64,
}

impl Wait for ForBuffer {
    fn announce(&self) {
        let want = if self.more {
            Want::Any
        } else {
            self.what.want(&self.buffer)
        };
        self.buffer.announce(self.what.cpu(), want);
    }

    fn is_there(&self) -> bool {
        self.buffer.wakes() != self.wakes
            || match self.more {
                true => recorded(&self.buffer, self.what) != self.recorded,
                false => self.what.is_there(&self.buffer),
            }
    }
}

/// Events recorded on a CPU, or all, since the last clear.
fn recorded(buffer: &Buffer, what: For) -> u64 {
    let side = match what {
        For::Snapshot(_) => Side::Snapshot,
        _ => Side::Live,
    };
    let cpus = what.cpu().map_or(0..cpu::possible(), |cpu| cpu..cpu + 1);
    let of = |cpu| {
        let stats = buffer.stats_of(side, cpu);
        stats.entries + stats.overrun + stats.read
    };
    cpus.map(of).sum()
}
