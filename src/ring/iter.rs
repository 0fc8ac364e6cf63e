//! Walking through a CPU's entries without consuming them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;

use super::buffer::Buffer;
use super::entry::{Found, Position};
use super::page::PAGE_HEADER;
use super::reader::{Rec, Walk};
use super::snapshot::Side;

/// A position in one CPU's buffer, from its oldest unread entry on; works from copies of its own, a page at a time.
///
/// At the end, entries that came later are found by asking again. What is overwritten or consumed meanwhile is skipped;
/// after a clear or a swap with the snapshot it begins anew.
pub struct Iter {
    buffer: Arc<Buffer>,
    side: Side,
    cpu: usize,
    page: Box<[u8]>,
    bytes: usize,
    position: Position,
    /// Where the copy begins.
    walk: Walk,
    /// Entries of the copy that were given.
    given: u64,
    /// Entries lost before the next one.
    lost: u64,
    found: Option<Found>,
}

impl Iter {
    /// An iterator over the entries of `cpu`.
    pub fn new(buffer: &Arc<Buffer>, cpu: usize) -> Iter {
        Iter::of(buffer, Side::Live, cpu)
    }

    /// An iterator over the entries of one side of `cpu`; where there is no snapshot there are none.
    pub fn of(buffer: &Arc<Buffer>, side: Side, cpu: usize) -> Iter {
        Iter {
            buffer: buffer.clone(),
            side,
            cpu,
            page: Box::default(),
            bytes: 0,
            position: Position::default(),
            walk: Walk::default(),
            given: 0,
            lost: 0,
            found: None,
        }
    }

    /// Time of the next entry.
    #[inline]
    pub fn peek_time(&mut self) -> Option<u64> {
        if self.found.is_none() {
            self.find();
        }
        self.found.as_ref().map(|f| f.ts)
    }

    /// The next entry.
    #[expect(
        clippy::should_implement_trait,
        reason = "the record borrows from the iterator"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Rec<'_>> {
        self.peek_time()?;
        let found = self.found.take()?;
        self.position.pass(&found);
        self.given += 1;
        let payload = &self.page[PAGE_HEADER..][found.payload];
        Some(Rec {
            ts: found.ts,
            payload,
            lost: core::mem::take(&mut self.lost),
        })
    }

    fn find(&mut self) {
        loop {
            self.found = self
                .position
                .find(&self.page[self.page.len().min(PAGE_HEADER)..][..self.bytes]);
            if self.found.is_some() || !self.refill() {
                return;
            }
        }
    }

    #[cold]
    fn refill(&mut self) -> bool {
        let Some(mut reader) = self.buffer.side(self.side, self.cpu) else {
            (self.walk, self.bytes, self.position) = Default::default();
            return false;
        };
        let size = reader.ring().size();
        self.walk.at += self.position.at;
        self.walk.ts = self.position.ts;
        self.walk.index += self.given;
        (self.bytes, self.given, self.position) = (
            0,
            0,
            Position {
                at: 0,
                ts: self.walk.ts,
            },
        );
        if self.page.len() != size {
            self.page = vec![0; size].into_boxed_slice();
        }
        let Some((bytes, lost)) = reader.walk(&mut self.walk, &mut self.page) else {
            return false;
        };
        self.bytes = bytes;
        self.lost += lost;
        self.position = Position {
            at: 0,
            ts: self.walk.ts,
        };
        true
    }
}
