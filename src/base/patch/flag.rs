//! Keys where code is not rewritten: a flag.

use super::lock::Held;
use crate::base::error::Result;
use core::sync::atomic::{AtomicBool, Ordering};

/// A branch's switch, off at first.
pub struct Key {
    on: AtomicBool,
}

impl Key {
    /// A key that is off. Keys are statics.
    #[doc(hidden)]
    pub const fn new() -> Key {
        Key {
            on: AtomicBool::new(false),
        }
    }

    /// Whether it is on.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }
}

pub(super) fn switch(keys: &[(&'static Key, bool)], _lock: &Held) -> Result<()> {
    for (key, on) in keys {
        key.on.store(*on, Ordering::Release);
    }
    Ok(())
}
