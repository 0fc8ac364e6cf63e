//! Keys over the jump table of the `static_keys` crate, which knows the sites of each key. What it would write to them is
//! only collected here; `text` writes it.

use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::OnceLock;

use static_keys::RawStaticFalseKey;
use static_keys::code_manipulate::CodeManipulator;

use super::lock::Held;
use super::text;
use crate::base::error::{Errno, Error, Result};

/// Bytes of a site.
pub(super) const LEN: usize = 5;

/// New code for a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Site {
    pub(super) at: usize,
    pub(super) code: [u8; LEN],
}

/// A branch's switch, off at first.
#[repr(transparent)]
pub struct Key {
    key: RawStaticFalseKey<Collector>,
}

impl Key {
    /// A key that is off. Keys are statics; what is not has no sites.
    #[doc(hidden)]
    pub const fn new() -> Key {
        Key {
            key: static_keys::new_static_false_key_generic(),
        }
    }

    /// Whether it is on.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.key.is_enabled()
    }

    /// Changes the key's state; its sites go to the collector.
    fn toggle(&self, on: bool) {
        // SAFETY: the table is initialised and the lock held, by `switch`; and no code is written
        unsafe {
            if on {
                self.key.enable()
            } else {
                self.key.disable()
            }
        }
    }
}

/// Takes what `static_keys` writes. Only whoever holds the lock sets a place for it.
struct Collector;

static COLLECTED: AtomicPtr<Vec<Site>> = AtomicPtr::new(ptr::null_mut());

impl CodeManipulator for Collector {
    unsafe fn write_code<const L: usize>(at: *mut c_void, data: &[u8; L]) {
        // SAFETY: null, or the vector that `collect` keeps for the time of its call, under the lock
        let collected = unsafe { COLLECTED.load(Relaxed).as_mut() };
        if let (Some(collected), Ok(code)) = (collected, data.as_slice().try_into()) {
            collected.push(Site {
                at: at as usize,
                code,
            });
        }
    }
}

/// What switching the keys writes, in the order of the orders.
fn collect(keys: &[(&'static Key, bool)], _lock: &Held) -> Vec<Site> {
    let mut sites = Vec::new();
    COLLECTED.store(&mut sites, Relaxed);
    for (key, on) in keys {
        key.toggle(*on);
    }
    COLLECTED.store(ptr::null_mut(), Relaxed);
    sites
}

/// What is there now.
pub(super) fn code_at(at: usize) -> [u8; LEN] {
    // SAFETY: the address of a site: code of this program, which can be read
    unsafe { ptr::read_volatile(at as *const [u8; LEN]) }
}

pub(super) fn switch(keys: &[(&'static Key, bool)], lock: &Held) -> Result<()> {
    sites();
    let mut before: Vec<(&'static Key, bool)> = keys.iter().map(|(k, _)| (*k, k.is_on())).collect();
    let mut new = collect(keys, lock);
    // stable: of several orders for a site the last counts
    new.sort_by_key(|s| s.at);
    new.reverse();
    new.dedup_by_key(|s| s.at);
    new.reverse();
    new.retain(|s| code_at(s.at) != s.code);
    if new.is_empty() || text::write(&new, lock) {
        return Ok(());
    }
    before.reverse();
    collect(&before, lock);
    Err(Error::new(Errno::EPERM))
}

unsafe extern "C" {
    /// The jump table, from here: of each site the addresses of its code, its target and its key. The linker makes
    /// both symbols.
    #[link_name = "__start___static_keys"]
    static TABLE: [usize; 3];
    /// The end of the jump table.
    #[link_name = "__stop___static_keys"]
    static TABLE_END: [usize; 3];
}

static SITES: OnceLock<Vec<usize>> = OnceLock::new();

/// Addresses of all sites, sorted. The first call prepares the table.
pub(super) fn sites() -> &'static [usize] {
    SITES.get_or_init(|| {
        static_keys::global_init();
        let (start, end) = (&raw const TABLE, &raw const TABLE_END);
        // SAFETY: the linker's bounds of the section, which holds entries of three words; `global_init` made the
        // relative addresses absolute and nobody writes them again
        let table = unsafe { core::slice::from_raw_parts(start, end.offset_from(start) as usize) };
        let mut sites: Vec<usize> = table
            .iter()
            .map(|entry| entry[0])
            .filter(|&at| at != 0)
            .collect();
        sites.sort_unstable();
        sites
    })
}

/// Whether a site begins at `at`; false before the first batch. Async-signal-safe.
pub(super) fn is_site(at: usize) -> bool {
    SITES.get().is_some_and(|s| s.binary_search(&at).is_ok())
}
