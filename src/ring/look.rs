//! What a reader sees of a ring, whichever way it is written.

use super::control::View;
use super::state::State;
use crate::base::sync::Ordering;

/// What there is of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Look {
    /// Entries of the ring before this page.
    pub(super) first: u64,
    /// Entries that can be read.
    pub(super) entries: u64,
    /// Bytes of those.
    pub(super) bytes: usize,
    /// Whether nothing more comes.
    pub(super) closed: bool,
}

/// What came of looking at a page. It holds if the head has not passed the page when one looks at it afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// What can be read.
    Page(Look),
    /// Somebody writes into it, and what is complete cannot be told: it can be read when he has finished.
    Busy,
    /// It has not been begun.
    Ahead,
    /// It changed meanwhile: look again.
    Changed,
}

/// Where a ring ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tail {
    /// The page being written.
    pub(super) no: u64,
    /// Entries written since the ring was made.
    pub(super) written: u64,
    /// Whether the page has entries.
    pub(super) used: bool,
}

impl View {
    /// Number of the oldest unread page.
    pub(super) fn head(&self) -> u64 {
        self.control().head.0.load(Ordering::Acquire)
    }

    /// Takes page `no`, the oldest; false: a writer has overwritten it.
    pub(super) fn claim(&self, no: u64) -> bool {
        self.advance(no, no + 1)
    }

    /// Gives up the pages from `from`, the oldest, up to `to`.
    pub(super) fn advance(&self, from: u64, to: u64) -> bool {
        self.control()
            .head
            .0
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }

    /// Entries that were refused.
    pub(super) fn dropped(&self) -> u64 {
        self.control().dropped.load(Ordering::Relaxed)
    }

    /// Entries that found no page because others had not finished with theirs.
    pub(super) fn stuck(&self) -> u64 {
        self.control().stuck.load(Ordering::Relaxed)
    }

    /// Time of the last entry of a ring that nobody writes any more.
    pub(super) fn last_time(&self) -> u64 {
        let control = self.control();
        if control.reserved != 0 {
            return control.state.0.high.load(Ordering::Acquire);
        }
        // one of the two is what an attempt that was restarted left behind: it may be later, never earlier
        control
            .last
            .iter()
            .map(|l| l.load(Ordering::Acquire))
            .max()
            .unwrap_or(0)
    }

    /// Looks at page `no`, which is not before the head.
    pub(super) fn look(&self, no: u64) -> Seen {
        if self.control().reserved != 0 {
            self.look_reserved(no)
        } else {
            self.look_sequence(no)
        }
    }

    /// Where the ring ends now.
    pub(super) fn tail(&self) -> Tail {
        loop {
            let tail = if self.control().reserved != 0 {
                self.tail_reserved()
            } else {
                self.tail_sequence()
            };
            match tail {
                Some(tail) => return tail,
                None => super::control::relax(),
            }
        }
    }

    #[cfg(not(loom))]
    fn look_sequence(&self, no: u64) -> Seen {
        let Some(tail) = self.tail_sequence() else {
            return Seen::Changed;
        };
        if no > tail.no {
            return Seen::Ahead;
        }
        let meta = self.meta(no);
        let word = self.commit_word(self.slot(no)).load(Ordering::Acquire);
        let first = meta.page.high.load(Ordering::Acquire);
        if meta.page.low.load(Ordering::Acquire) != no {
            return Seen::Changed;
        }
        let closed = no < tail.no;
        Seen::Page(Look {
            first,
            entries: word << 1 >> 33,
            bytes: word as u32 as usize,
            closed,
        })
    }

    #[cfg(not(loom))]
    fn tail_sequence(&self) -> Option<Tail> {
        let control = self.control();
        let cur = control.cur.load(Ordering::Acquire);
        let slot = (cur - control.pages) >> control.shift;
        let meta = self.meta_at(slot);
        let no = meta.page.low.load(Ordering::Acquire);
        let first = meta.page.high.load(Ordering::Acquire);
        let entries = self.commit_word(slot).load(Ordering::Acquire) << 1 >> 33;
        // if it is still being written, all of that belongs together
        let same = control.cur.load(Ordering::Acquire) == cur
            && meta.page.low.load(Ordering::Acquire) == no;
        same.then_some(Tail {
            no,
            written: first + entries,
            used: entries != 0,
        })
    }

    #[cfg(loom)]
    fn look_sequence(&self, _no: u64) -> Seen {
        Seen::Ahead
    }

    #[cfg(loom)]
    fn tail_sequence(&self) -> Option<Tail> {
        None
    }

    fn look_reserved(&self, no: u64) -> Seen {
        let control = self.control();
        let meta = self.meta(no);
        // before the state: whoever has committed by now, his reservation is seen below
        let commit = meta.commit.load(Ordering::Acquire);
        let state = State(control.state.0.snapshot().0);
        let tail = state.no(no);
        if tail < no {
            return Seen::Ahead;
        }
        let lap = no / self.slots() * self.data() as u64;
        if tail == no && !state.is_sealed() {
            let Some(first) = self.entries_before(no) else {
                return Seen::Changed;
            };
            let (entries, bytes) = (state.entries(), state.bytes());
            return match commit == lap + bytes as u64 {
                true => Seen::Page(Look {
                    first,
                    entries,
                    bytes,
                    closed: false,
                }),
                false => Seen::Busy,
            };
        }
        if tail == no {
            self.publish(no, state);
        }
        let (word, first) = meta.page.snapshot();
        let state = State(word);
        if !state.is_sealed() || state.no(no) != no {
            return Seen::Changed;
        }
        let (entries, bytes) = (state.entries(), state.bytes());
        match bytes == 0 || commit == lap + self.data() as u64 {
            true => Seen::Page(Look {
                first,
                entries,
                bytes,
                closed: true,
            }),
            false => Seen::Busy,
        }
    }

    fn tail_reserved(&self) -> Option<Tail> {
        let control = self.control();
        let head = self.head();
        let state = State(control.state.0.snapshot().0);
        let no = state.no(head);
        let first = self.entries_before(no)?;
        Some(Tail {
            no,
            written: first + state.entries(),
            used: state.entries() != 0,
        })
    }

    /// Entries before page `no`, which is not before the head. `None`: it is by now.
    pub(super) fn first(&self, no: u64) -> Option<u64> {
        let (low, high) = self.meta(no).page.snapshot();
        if self.control().reserved == 0 {
            return (low == no).then_some(high);
        }
        let state = State(low);
        if state.is_sealed() && state.no(no) == no {
            return Some(high);
        }
        // the page before it may be the last and not have its mark yet
        let last = State(self.control().state.0.snapshot().0);
        if last.is_sealed() && last.no(no) + 1 == no {
            self.publish(no - 1, last);
        }
        self.entries_before(no)
    }

    /// Entries before page `no`, the one being written. `None`: it is not any more.
    fn entries_before(&self, no: u64) -> Option<u64> {
        let Some(before) = no.checked_sub(1) else {
            return Some(0);
        };
        let (word, first) = self.meta(before).page.snapshot();
        let state = State(word);
        (state.is_sealed() && state.no(before) == before).then(|| first + state.entries())
    }

    /// Writes the mark of page `no`, which was sealed as `state`, unless somebody has.
    pub(super) fn publish(&self, no: u64, state: State) {
        let meta = self.meta(no);
        // read first: if the ring goes on meanwhile somebody has published, and the exchange below fails
        let old = meta.page.load();
        let there = State(old.0);
        if there.is_sealed() && there.no(no) >= no {
            // this page's, or that of a later lap
            return;
        }
        if let Some(first) = self.entries_before(no) {
            meta.page.swap(old, (state.0, first));
        }
    }
}
