//! What readers of one CPU share: the ring, and the pages copied out of it that are not consumed yet.
//!
//! A page is copied, then claimed by moving the head; if that fails a writer has overtaken the reader and the copy is
//! thrown away. The page being written is copied as far as it goes and stays in the ring; how far it was copied is
//! remembered. Copies wait in a queue: usually one, all that was left of an older ring after a resize.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;

use super::control::{Ring, View};
use super::entry::{self, Found, Position};
use super::look::Seen;
use super::page::{self, PAGE_HEADER};
use crate::base::sync::Ordering;

/// How often a page that writers take from under the reader is tried before it looks as if there were none.
const TRIES: u32 = 1000;

/// A page, or a part of one, copied out of a ring.
pub(super) struct Copied {
    /// Header and entries.
    page: Box<[u8]>,
    /// Number of the page, counted over all rings of this CPU.
    number: u64,
    /// Where in the page's data it begins.
    from: usize,
    /// Bytes of entries.
    bytes: usize,
    entries: u64,
    /// Entries of this CPU before it.
    before: u64,
    /// Entries lost before it, until a reader was told.
    missed: u64,
    /// Whether it goes to the end of its page.
    whole: bool,
    /// Left over from an older ring: it counts as a page of the present one.
    archived: bool,
}

impl Copied {
    fn ts(&self) -> u64 {
        u64::from_ne_bytes(self.page[..8].try_into().unwrap_or_default())
    }

    fn data(&self) -> &[u8] {
        &self.page[PAGE_HEADER..PAGE_HEADER + self.bytes]
    }
}

/// How far the page at the head was copied while it was being written.
#[derive(Clone, Copy)]
struct Part {
    no: u64,
    bytes: usize,
    entries: u64,
    ts: u64,
}

/// An event's record, and what was lost before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rec<'a> {
    /// Its time, in units of the buffer's clock.
    pub ts: u64,
    /// From `common_type` on, rounded up to a multiple of 4.
    pub payload: &'a [u8],
    /// Events lost since the one before.
    pub lost: u64,
}

/// Counts since the last clear, as `per_cpu/cpuN/stats` shows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Events in the buffer, unread.
    pub entries: u64,
    /// Events overwritten before they were read.
    pub overrun: u64,
    /// Events that found no place because all pages were waiting for writers to finish.
    pub commit_overrun: u64,
    /// Bytes of unread events, their headers included.
    pub bytes: u64,
    /// Time of the oldest unread event; 0 if there is none.
    pub oldest_ts: u64,
    /// The time now.
    pub now_ts: u64,
    /// Events refused: the buffer was full and keeps the old ones, or the record was too long.
    pub dropped: u64,
    /// Events consumed.
    pub read: u64,
}

/// Counts since the buffer was made: all that was ever written is in one of them, or unread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Events consumed.
    pub read: u64,
    /// Events overwritten, of which a consumer was told.
    pub lost: u64,
    /// Events that clearing took, lost ones that nobody was told of among them.
    pub cleared: u64,
}

impl core::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.read += other.read;
        self.lost += other.lost;
        self.cleared += other.cleared;
    }
}

/// One CPU's readers' side.
pub(super) struct Reader {
    ring: Ring,
    copies: VecDeque<Copied>,
    /// How far the first copy is consumed, and how many entries of it.
    position: Position,
    taken: u64,
    part: Option<Part>,
    /// Entries of the ring that were copied, lost or cleared.
    seen: u64,
    /// Lost entries that the next copy will tell of.
    lost: u64,
    /// Time of the last entry of former rings: what comes is not shown earlier.
    floor: u64,
    /// Entries and pages of this CPU before the ring's first.
    entry_base: u64,
    page_base: u64,
    read: u64,
    overrun: u64,
    /// Refused entries of former rings, less those before the last clear.
    dropped: u64,
    stuck: u64,
    /// Changes with every clear; no other reader ever has the same.
    epoch: u64,
    totals: Totals,
    overwrite: bool,
    spare: Option<Box<[u8]>>,
}

/// Where a reader that does not consume is.
#[derive(Clone, Copy, Default)]
pub(super) struct Walk {
    started: bool,
    epoch: u64,
    number: u64,
    /// Byte in the page's data, time and number of the entry there.
    pub(super) at: usize,
    pub(super) ts: u64,
    pub(super) index: u64,
    /// Entries overwritten up to now.
    overrun: u64,
}

impl Reader {
    pub(super) fn new(ring: Ring, overwrite: bool) -> Reader {
        Reader {
            ring,
            copies: VecDeque::new(),
            position: Position::default(),
            taken: 0,
            part: None,
            seen: 0,
            lost: 0,
            floor: 0,
            entry_base: 0,
            page_base: 0,
            read: 0,
            overrun: 0,
            dropped: 0,
            stuck: 0,
            epoch: next_epoch(),
            totals: Totals::default(),
            overwrite,
            spare: None,
        }
    }

    /// The ring that is written now.
    pub(super) fn ring(&self) -> View {
        *self.ring
    }

    /// Counts since the buffer was made.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    // Consuming

    /// The next entry, not consumed; it lies in the first copy.
    pub(super) fn peek(&mut self) -> Option<Found> {
        loop {
            if let Some(first) = self.copies.front() {
                if let Some(found) = self.position.find(first.data()) {
                    return Some(found);
                }
                self.drop_first();
            } else if !self.fetch(true, false) {
                return None;
            }
        }
    }

    /// Consumes what [`peek`](Self::peek) found.
    pub(super) fn take(&mut self, found: &Found) -> Option<Rec<'_>> {
        self.position.pass(found);
        self.taken += 1;
        self.read += 1;
        let first = self.copies.front_mut()?;
        let lost = core::mem::take(&mut first.missed);
        self.totals.read += 1;
        self.totals.lost += lost;
        Some(Rec {
            ts: found.ts,
            payload: &first.data()[found.payload.clone()],
            lost,
        })
    }

    /// Consumes the rest of the first page into `out`, as trace_pipe_raw gives it; with `full` only if it is finished.
    /// Returns the bytes of a sub-buffer. `out` holds that many.
    pub(super) fn take_page(&mut self, out: &mut [u8], full: bool) -> Option<usize> {
        let out = out.get_mut(..self.ring.size())?;
        loop {
            let Some(first) = self.copies.front() else {
                if self.fetch(!full, false) {
                    continue;
                }
                return None;
            };
            let rest = &first.data()[self.position.at.min(first.bytes)..];
            if rest.is_empty() {
                self.drop_first();
                continue;
            }
            if full && !first.whole {
                return None;
            }
            out[PAGE_HEADER..PAGE_HEADER + rest.len()].copy_from_slice(rest);
            page::finish(out, self.position.ts, rest.len(), first.missed);
            let entries = first.entries - self.taken;
            self.read += entries;
            self.totals.read += entries;
            self.totals.lost += first.missed;
            self.taken = first.entries;
            self.drop_first();
            return Some(out.len());
        }
    }

    /// Drops the first copy, consumed or not.
    fn drop_first(&mut self) {
        let first = self.copies.pop_front();
        self.rewind();
        if let Some(first) = first {
            self.spare = Some(first.page);
            if first.archived {
                self.age();
            }
        }
    }

    /// Goes to the beginning of the first copy.
    fn rewind(&mut self) {
        let ts = self.copies.front().map_or(0, Copied::ts);
        (self.position, self.taken) = (Position { at: 0, ts }, 0);
    }

    /// Copies the next page with unread entries, `partial`: even if it is being written. `archived`: out of a ring that
    /// nobody writes any more.
    fn fetch(&mut self, partial: bool, archived: bool) -> bool {
        for _ in 0..TRIES {
            let no = self.ring.head();
            let look = match self.ring.look(no) {
                Seen::Page(look) => look,
                Seen::Changed => continue,
                Seen::Busy | Seen::Ahead => return false,
            };
            let part = self.part.filter(|p| p.no == no);
            let (from, counted) = part.map_or((0, 0), |p| (p.bytes, p.entries));
            if !look.closed && (!partial || look.bytes == from) {
                return false;
            }
            let Some(bytes) = look
                .bytes
                .checked_sub(from)
                .filter(|_| look.bytes <= self.ring.data())
            else {
                continue; // of another page
            };
            let mut page = self.spare.take().unwrap_or_default();
            if page.len() != self.ring.size() {
                page = vec![0; self.ring.size()].into_boxed_slice();
            }
            self.ring.copy_out(no, from, &mut page, bytes);
            let ours = if look.closed {
                self.ring.claim(no)
            } else {
                self.ring.head() == no
            };
            if !ours {
                self.spare = Some(page);
                continue;
            }
            let entries = look.entries - counted;
            let missed = (look.first + counted).wrapping_sub(self.seen);
            self.seen += missed + entries;
            self.overrun += missed;
            self.lost += missed;
            if let Some(part) = part {
                page[..8].copy_from_slice(&part.ts.to_ne_bytes());
            }
            let mut copied = Copied {
                page,
                number: self.page_base + no,
                from,
                bytes,
                entries,
                before: self.entry_base + look.first + counted,
                missed: 0,
                whole: look.closed,
                archived,
            };
            self.part = (!look.closed).then(|| Part {
                no,
                bytes: look.bytes,
                entries: look.entries,
                ts: last_time(&copied),
            });
            if bytes == 0 {
                self.spare = Some(copied.page);
                continue;
            }
            if copied.ts() < self.floor {
                let (ts, data) = (
                    copied.ts(),
                    &mut copied.page[PAGE_HEADER..PAGE_HEADER + bytes],
                );
                let ts = entry::raise(data, ts, self.floor);
                copied.page[..8].copy_from_slice(&ts.to_ne_bytes());
            }
            self.copies.push_back(Copied {
                missed: core::mem::take(&mut self.lost),
                ..copied
            });
            if self.copies.len() == 1 {
                self.rewind();
            }
            return true;
        }
        false
    }

    // Walking

    /// Copies what comes after `walk` into `out`, from its header on, and moves `walk` to the beginning of that. Returns
    /// the bytes of entries, and how many entries were overwritten in between.
    pub(super) fn walk(&mut self, walk: &mut Walk, out: &mut [u8]) -> Option<(usize, u64)> {
        self.age();
        let overrun = self.overrun + self.unnoticed();
        if !walk.started || walk.epoch != self.epoch {
            *walk = Walk {
                epoch: self.epoch,
                overrun,
                ..Walk::default()
            };
        }
        let (next, bytes) = match self.walk_copies(walk, out) {
            Some(found) => found,
            None => self.walk_ring(walk, out)?,
        };
        let lost = match walk.started {
            true => (next.index.saturating_sub(walk.index)).min(overrun - walk.overrun),
            false => 0,
        };
        *walk = Walk {
            started: true,
            epoch: self.epoch,
            overrun,
            ..next
        };
        Some((bytes, lost))
    }

    fn walk_copies(&self, walk: &Walk, out: &mut [u8]) -> Option<(Walk, usize)> {
        for (i, copied) in self.copies.iter().enumerate() {
            let begin = match i {
                0 => Walk {
                    at: copied.from + self.position.at,
                    ts: self.position.ts,
                    index: copied.before + self.taken,
                    ..*walk
                },
                _ => Walk {
                    at: copied.from,
                    ts: copied.ts(),
                    index: copied.before,
                    ..*walk
                },
            };
            let begin = Walk {
                number: copied.number,
                ..begin
            };
            let inside = walk.started && walk.number == copied.number && walk.at > begin.at;
            let begin = if inside { *walk } else { begin };
            let passed = walk.started && copied.number < walk.number;
            if passed || begin.at >= copied.from + copied.bytes {
                continue;
            }
            let data = &copied.data()[begin.at - copied.from..];
            out[PAGE_HEADER..PAGE_HEADER + data.len()].copy_from_slice(data);
            return Some((begin, data.len()));
        }
        None
    }

    fn walk_ring(&self, walk: &Walk, out: &mut [u8]) -> Option<(Walk, usize)> {
        let mut least = walk.number.saturating_sub(self.page_base);
        for _ in 0..TRIES {
            let no = self.ring.head().max(least);
            let look = match self.ring.look(no) {
                Seen::Page(look) => look,
                Seen::Changed => continue,
                Seen::Busy | Seen::Ahead => return None,
            };
            let number = self.page_base + no;
            let mut begin = Walk {
                number,
                at: 0,
                index: self.entry_base + look.first,
                ..*walk
            };
            if let Some(part) = self.part.filter(|p| p.no == no) {
                begin = Walk {
                    at: part.bytes,
                    ts: part.ts,
                    index: begin.index + part.entries,
                    ..begin
                };
            }
            if walk.started && walk.number == number && walk.at > begin.at {
                begin = *walk;
            }
            let Some(bytes) = look
                .bytes
                .checked_sub(begin.at)
                .filter(|_| look.bytes <= self.ring.data())
            else {
                continue;
            };
            if bytes == 0 {
                if !look.closed {
                    return None;
                }
                least = no + 1;
                continue;
            }
            self.ring.copy_out(no, begin.at, out, bytes);
            let ts = u64::from_ne_bytes(out[..8].try_into().unwrap_or_default());
            if ts < self.floor {
                // the times of a part follow from those before it
                self.ring.copy_out(no, 0, out, look.bytes);
            }
            if self.ring.head() > no {
                continue;
            }
            if ts < self.floor {
                let data = &mut out[PAGE_HEADER..PAGE_HEADER + look.bytes];
                let mut position = Position {
                    at: 0,
                    ts: entry::raise(data, ts, self.floor),
                };
                while position.at < begin.at
                    && let Some(found) = position.find(data)
                {
                    position.pass(&found);
                }
                begin.ts = position.ts;
                data.copy_within(begin.at.., 0);
            } else if begin.at == 0 {
                begin.ts = ts;
            }
            return Some((begin, bytes));
        }
        None
    }

    // The ring as a whole

    /// Entries before the oldest page of the ring.
    fn first(&self) -> u64 {
        for _ in 0..TRIES {
            let no = self.ring.head();
            if let Some(first) = self.ring.first(no)
                && self.ring.head() == no
            {
                return first;
            }
            super::control::relax();
        }
        self.seen
    }

    /// Entries that writers have overwritten and no reader has noticed yet.
    fn unnoticed(&self) -> u64 {
        self.first().saturating_sub(self.seen)
    }

    /// Whether there is an unread entry that can be read now.
    pub(super) fn has_data(&self) -> bool {
        let copied: u64 = self.copies.iter().map(|c| c.entries).sum();
        if copied > self.taken {
            return true;
        }
        let mut least = 0;
        for _ in 0..TRIES {
            let no = self.ring.head().max(least);
            match self.ring.look(no) {
                Seen::Page(look) => {
                    if look.entries > self.part.filter(|p| p.no == no).map_or(0, |p| p.entries) {
                        return true;
                    }
                    if !look.closed {
                        return false;
                    }
                    least = no + 1;
                }
                Seen::Changed => (),
                Seen::Busy | Seen::Ahead => return false,
            }
        }
        false
    }

    /// Unread finished pages.
    pub(super) fn full_pages(&mut self) -> u64 {
        self.age();
        let copies = self.copies.iter().filter(|c| c.whole).count() as u64;
        copies + self.ring.tail().no.saturating_sub(self.ring.head())
    }

    /// The counts, but for the time and what the buffer has refused.
    pub(super) fn stats(&mut self) -> Stats {
        self.age();
        let unnoticed = self.unnoticed();
        let copied: u64 = self.copies.iter().map(|c| c.entries).sum::<u64>() - self.taken;
        let mut bytes: usize =
            self.copies.iter().map(|c| c.bytes).sum::<usize>() - self.position.at;
        let tail = self.ring.tail();
        for no in self.ring.head()..=tail.no {
            if let Seen::Page(look) = self.ring.look(no) {
                let part = self.part.filter(|p| p.no == no).map_or(0, |p| p.bytes);
                bytes += look.bytes.saturating_sub(part);
            }
        }
        Stats {
            entries: copied + tail.written.saturating_sub(self.seen + unnoticed),
            overrun: self.overrun + unnoticed,
            commit_overrun: self.stuck.wrapping_add(self.ring.stuck()),
            bytes: bytes as u64,
            oldest_ts: self.oldest().unwrap_or(0),
            now_ts: 0,
            dropped: self.dropped.wrapping_add(self.ring.dropped()),
            read: self.read,
        }
    }

    /// Time of the oldest unread entry.
    fn oldest(&mut self) -> Option<u64> {
        let mut walk = Walk::default();
        let mut page = vec![0; self.ring.size()];
        let (bytes, _) = self.walk(&mut walk, &mut page)?;
        let data = page.get(PAGE_HEADER..PAGE_HEADER + bytes)?;
        Position { at: 0, ts: walk.ts }.find(data).map(|f| f.ts)
    }

    /// Forgets everything that was written until now and zeroes the counts. `end_page` ends the page being written, or
    /// says that it cannot.
    pub(super) fn clear(&mut self, end_page: impl FnOnce() -> bool) {
        self.forget_copies();
        let (tail, mut seen) = (self.ring.tail(), self.seen);
        self.give_up(tail.no);
        if !tail.used || end_page() {
            self.give_up(tail.no + u64::from(tail.used));
            self.part = None;
            self.seen = self.first().max(seen);
        } else {
            while self.fetch(true, false) {
                self.forget_copies();
            }
            seen = self.seen;
        }
        self.totals.cleared += self.lost + self.seen - seen;
        self.zero();
    }

    fn forget_copies(&mut self) {
        self.totals.cleared += self
            .copies
            .iter()
            .map(|c| c.entries + c.missed)
            .sum::<u64>()
            - self.taken;
        self.copies.clear();
        self.rewind();
    }

    fn zero(&mut self) {
        self.lost = 0;
        self.read = 0;
        self.overrun = 0;
        self.dropped = self.ring.dropped().wrapping_neg();
        self.stuck = self.ring.stuck().wrapping_neg();
        self.epoch = next_epoch();
    }

    /// Takes over a new ring and returns the old one, which nobody writes any more. `keep`: its newest pages stay readable, as many as the
    /// new ring has.
    pub(super) fn replace(&mut self, ring: Ring, keep: bool) -> Ring {
        let tail = self.ring.tail();
        let least = if keep {
            (tail.no + 1).saturating_sub(ring.slots())
        } else {
            tail.no
        };
        if least > self.ring.head() {
            self.give_up(least);
        }
        while self.fetch(true, true) {}
        // what was given up before a last page without entries, which is not fetched
        let missed = tail.written.saturating_sub(self.seen);
        self.overrun += missed;
        self.lost += missed;
        self.floor = self.floor.max(self.ring.last_time());
        self.entry_base += tail.written;
        self.page_base += tail.no + 1;
        self.dropped = self.dropped.wrapping_add(self.ring.dropped());
        self.stuck = self.stuck.wrapping_add(self.ring.stuck());
        let old = core::mem::replace(&mut self.ring, ring);
        self.seen = 0;
        self.part = None;
        self.spare = None;
        if !keep {
            self.forget_copies();
            self.totals.cleared += self.lost;
            self.floor = 0;
            self.zero();
        }
        self.fit();
        self.age();
        old
    }

    /// Whether the oldest entries give way to new ones.
    pub(super) fn set_overwrite(&mut self, overwrite: bool) {
        self.overwrite = overwrite;
        self.age();
        self.ring
            .control()
            .overwrite
            .store(u64::from(overwrite), Ordering::Relaxed);
    }

    /// Gives up the pages before `no`.
    fn give_up(&mut self, no: u64) {
        loop {
            let head = self.ring.head();
            if head >= no || self.ring.advance(head, no) {
                return;
            }
        }
    }

    /// Gives up what, together with the ring, is more than the ring's size: what is left of an older ring grows less as
    /// this one fills. Nobody can see that it happens only when somebody looks.
    ///
    /// Where the newest entries give way, the ring grows instead as that is read.
    fn age(&mut self) {
        let archived = self.copies.iter().filter(|c| c.archived).count() as u64;
        let slots = self.ring.slots();
        let room = if self.overwrite {
            slots
        } else {
            slots.saturating_sub(archived).max(1)
        };
        self.ring.control().room.store(room, Ordering::Relaxed);
        if self.overwrite && archived != 0 {
            self.fit();
        }
    }

    /// Gives up the oldest pages that are too many.
    fn fit(&mut self) {
        let tail = self.ring.tail();
        let used = tail.no.saturating_sub(self.ring.head()) + u64::from(tail.used);
        loop {
            let kept = self
                .copies
                .front()
                .is_some_and(|c| !c.archived || self.taken != 0);
            let most = self.ring.slots().saturating_sub(used) as usize + usize::from(kept);
            if self.copies.len() <= most {
                return;
            }
            let Some(old) = self.copies.remove(usize::from(kept)) else {
                return;
            };
            self.overrun += old.entries;
            let missed = old.missed + old.entries;
            match self.copies.get_mut(usize::from(kept)) {
                Some(next) => next.missed += missed,
                None => self.lost += missed,
            }
            if !kept {
                self.rewind();
            }
        }
    }
}

/// A number that was not given before: who walks sees that he stands before another reader than he did.
fn next_epoch() -> u64 {
    static LAST: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// Time of the last entry of a copy.
fn last_time(copied: &Copied) -> u64 {
    let mut position = Position {
        at: 0,
        ts: copied.ts(),
    };
    while let Some(found) = position.find(copied.data()) {
        position.pass(&found);
    }
    position.ts
}
