//! Floor 1: the per-CPU ring buffer in the kernel's own page format.
//!
//! A [`Buffer`] has a ring for each CPU. Writers append finished records on the CPU they run on, without waiting for
//! anybody; a [`Consumer`] takes them record by record or as whole sub-buffers, an [`Iter`] walks without consuming.

mod append;
mod buffer;
mod control;
pub mod entry;
mod iter;
mod look;
#[cfg(all(test, loom))]
mod loom;
#[cfg(not(loom))]
mod memory;
mod page;
mod reader;
mod snapshot;
mod state;
mod table;
#[cfg(all(test, not(loom)))]
mod tests;
pub mod wait;

pub use append::Moment;
pub use buffer::{Buffer, Config, Consumer, Way};
pub use entry::header_event_text;
pub use iter::Iter;
pub use page::{
    COMMIT_BYTES, MAX_SUBBUF, MIN_SUBBUF, MIN_SUBBUFS, MISSED, MISSED_STORED, PAGE_HEADER,
    header_page_text, is_subbuf_size, kb_of, subbufs_for_kb,
};
pub use reader::{Rec, Stats, Totals};
pub use snapshot::Side;
pub use wait::{Bell, Want};
