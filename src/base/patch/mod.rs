//! Static keys: a branch that costs one no-operation while its key is off, because the code itself is rewritten when the
//! key is switched.
//!
//! A site is a 5-byte nop, or the jump that takes its place. Keys are switched in batches: however many sites a batch
//! has, the cores are synchronised three times. Where code cannot be rewritten (other processors than x86-64, no
//! operating system) a key is a flag that sites read.

use alloc::vec::Vec;

use crate::base::error::Result;
use crate::base::sync::{AtomicBool, Ordering};

pub(crate) mod lock;

/// Where keys rewrite code.
#[cfg(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
))]
mod code;
#[cfg(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
))]
mod text;
#[cfg(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
))]
mod trap;

#[cfg(not(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
)))]
mod flag;
#[cfg(not(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
)))]
use flag as code;

pub use code::Key;
#[cfg(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
))]
pub use text::{Way, set_way, way};

#[doc(hidden)]
#[cfg(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
))]
pub use static_keys;

/// What "somebody listens" and "nobody listens any more" do to a tracepoint's sites. A static key is one way to answer, a
/// flag another.
pub trait Switch: Sync {
    /// Makes the sites see `on` once the batch is committed.
    fn set(&'static self, on: bool, batch: &mut Batch);
}

/// A flag that sites read; switched at once.
impl Switch for AtomicBool {
    fn set(&'static self, on: bool, _batch: &mut Batch) {
        self.store(on, Ordering::Release);
    }
}

impl Switch for Key {
    fn set(&'static self, on: bool, batch: &mut Batch) {
        batch.keys.push((self, on));
    }
}

/// Keys to be switched together. Nothing happens before [`commit`](Self::commit); of several orders for one key the last
/// counts.
#[must_use = "nothing is switched before it is committed"]
#[derive(Default)]
pub struct Batch {
    keys: Vec<(&'static Key, bool)>,
}

impl Batch {
    /// An empty batch.
    pub const fn new() -> Batch {
        Batch { keys: Vec::new() }
    }

    /// Switches the keys. Afterwards every thread sees the new state at every site.
    ///
    /// `EPERM`: the system refuses to have code rewritten; the keys are as before.
    pub fn commit(self) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        self.commit_holding(&lock::lock())
    }

    /// [`commit`](Self::commit) for who holds the lock already.
    pub(crate) fn commit_holding(self, lock: &lock::Held) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        code::switch(&self.keys, lock)
    }
}

/// Whether the key is on, as a branch that is laid out for "off".
///
/// One 5-byte nop while it is. Nothing but the flags is clobbered, so that the code around it stays as it is without.
#[doc(hidden)]
#[macro_export]
#[cfg(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
))]
macro_rules! __static_branch {
    ($key:path) => {
        '__site: {
            // SAFETY: a nop or a jump to the label, recorded in the jump table with its key. The nop may be a `test`
            // for a moment, so the flags are not preserved.
            unsafe {
                ::core::arch::asm!(
                    $crate::base::patch::static_keys::arch_static_key_init_nop_asm_template!(),
                    label { break '__site true; },
                    sym $key,
                    const 0usize,
                    options(nomem, nostack),
                );
            }
            false
        }
    };
}

/// Whether the key is on.
#[doc(hidden)]
#[macro_export]
#[cfg(not(all(
    feature = "std",
    target_os = "linux",
    target_arch = "x86_64",
    not(miri)
)))]
macro_rules! __static_branch {
    ($key:path) => {
        $key.is_on()
    };
}

#[cfg(test)]
mod tests;
