//! Keys over the jump table of the `static_keys` crate, which knows the sites of each key. What is to be written to them
//! is only collected here; `text` writes it.

use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::OnceLock;

use static_keys::StaticFalseKey;

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
#[repr(C)]
pub struct Key {
    /// The jump table names keys by their address. Never toggled: the crate cannot make a jump to lower addresses.
    key: StaticFalseKey,
    on: AtomicBool,
}

impl Key {
    /// A key that is off. Keys are statics; what is not has no sites.
    #[doc(hidden)]
    pub const fn new() -> Key {
        Key {
            key: static_keys::new_static_false_key(),
            on: AtomicBool::new(false),
        }
    }

    /// Whether it is on.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }
}

/// A line of the jump table, addresses absolute.
#[repr(C)]
struct Entry {
    code: usize,
    target: usize,
    /// The lowest bit is the crate's.
    key: usize,
}

/// The 5 bytes of a site: a nop, or a jump.
pub(super) fn instruction(at: usize, target: usize, on: bool) -> [u8; LEN] {
    if !on {
        return [0x0f, 0x1f, 0x44, 0, 0];
    }
    // within one object file's code, so less than 2 GiB either way
    let distance = target.wrapping_sub(at + LEN) as u32;
    let [a, b, c, d] = distance.to_le_bytes();
    [0xe9, a, b, c, d]
}

/// Sets the keys' states; the result is what that writes, in the order of the orders.
fn collect(keys: &[(&'static Key, bool)], _lock: &Held) -> Vec<Site> {
    let (table, mut sites) = (table(), Vec::new());
    for (key, on) in keys {
        key.on.store(*on, Relaxed);
        let address = (&raw const key.key).addr();
        let first = table.partition_point(|e| e.key & !1 < address);
        let own = table[first..].iter().take_while(|e| e.key & !1 == address);
        sites.extend(own.filter(|e| e.code != 0).map(|e| Site {
            at: e.code,
            code: instruction(e.code, e.target, *on),
        }));
    }
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
    /// The jump table, from here. The linker makes both symbols. Mutable, because it is made ready at run time.
    #[link_name = "__start___static_keys"]
    static mut TABLE: Entry;
    /// The end of the jump table.
    #[link_name = "__stop___static_keys"]
    static mut TABLE_END: Entry;
}

/// The jump table, sorted by key. Made ready by the first `sites`.
fn table() -> &'static [Entry] {
    let (start, end) = (&raw const TABLE, &raw const TABLE_END);
    // SAFETY: the linker's bounds of the section, which holds entries of three words; who calls this has called `sites`,
    // so `global_init` has made the relative addresses absolute, and nobody writes them again
    unsafe { core::slice::from_raw_parts(start, end.offset_from(start) as usize) }
}

static SITES: OnceLock<Vec<usize>> = OnceLock::new();

/// Addresses of all sites, sorted. The first call prepares the table.
pub(super) fn sites() -> &'static [usize] {
    SITES.get_or_init(|| {
        static_keys::global_init();
        let codes = table().iter().map(|entry| entry.code);
        let mut sites: Vec<usize> = codes.filter(|&at| at != 0).collect();
        sites.sort_unstable();
        sites
    })
}

/// Whether a site begins at `at`; false before the first batch. Async-signal-safe.
pub(super) fn is_site(at: usize) -> bool {
    SITES.get().is_some_and(|s| s.binary_search(&at).is_ok())
}
