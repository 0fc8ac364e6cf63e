//! membarrier(2): a barrier on every core that runs this process, paid for by the one who asks.
//!
//! Everything here is async-signal-safe: the first event of a thread may come from a signal handler.

use core::sync::atomic::{AtomicU8, Ordering};

/// Commands of membarrier(2): to use one, a process must have registered for it.
struct Command {
    register: i32,
    run: i32,
    state: AtomicU8,
}

const UNKNOWN: u8 = 0;
const READY: u8 = 1;
const REFUSED: u8 = 2;

/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED`: a full memory barrier.
static MEMORY: Command = Command {
    register: 1 << 4,
    run: 1 << 3,
    state: AtomicU8::new(UNKNOWN),
};
/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE`: an instruction that serialises fetched code.
static SYNC_CORE: Command = Command {
    register: 1 << 6,
    run: 1 << 5,
    state: AtomicU8::new(UNKNOWN),
};

fn membarrier(command: i32) -> bool {
    // SAFETY: the system call takes plain numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

impl Command {
    fn is_ready(&self) -> bool {
        match self.state.load(Ordering::Relaxed) {
            UNKNOWN => {
                let state = if membarrier(self.register) {
                    READY
                } else {
                    REFUSED
                };
                // the first answer stays: readers were told which way they go
                let _ = self.state.compare_exchange(
                    UNKNOWN,
                    state,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                self.state.load(Ordering::Relaxed) == READY
            }
            state => state == READY,
        }
    }

    fn run(&self) -> bool {
        // a process may have lost its registration, as with an exotic way of cloning: register again, once
        self.is_ready()
            && (membarrier(self.run) || (membarrier(self.register) && membarrier(self.run)))
    }
}

/// Whether [`memory`] will work, so that readers need no fence of their own. The answer never changes.
pub(crate) fn readers_need_no_fence() -> bool {
    MEMORY.is_ready()
}

/// A full memory barrier on every thread of the process that runs; those that do not run had one when they were
/// switched out. False: refused, nothing is ordered.
pub(crate) fn memory() -> bool {
    MEMORY.run()
}

/// Every thread of the process executes a serialising instruction before its next one. False: refused.
pub(crate) fn sync_core() -> bool {
    SYNC_CORE.run()
}
