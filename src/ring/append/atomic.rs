//! Reservation: the same pages written with two locked instructions an entry, from any thread on any CPU.
//!
//! The first, on `state`, takes a place and the time in one step, so that places and times have one order. The second
//! adds to the slot's count of committed bytes. Nothing is ever waited for: a page into which somebody who was
//! preempted still writes is passed over when its slot comes round again.

use super::super::control::View;
use super::super::entry::{self, DELTA_LIMIT, EXTEND};
use super::super::state::State;
use super::{NOW, Request};
use crate::base::clock;
use crate::base::sync::{Ordering, fence};

/// How an append by reservation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reserved {
    /// The entry is in the ring.
    Done,
    /// The same, as the first of its page: a page was finished.
    NewPage,
    /// There is no room; counted.
    Refused,
}

/// Appends an entry. If no time is given the clock is read as the ring says.
///
/// # Safety
/// The request's body can be read, and the entry fits a page.
#[inline]
pub(super) unsafe fn append(ring: View, request: &Request) -> Reserved {
    let control = ring.control();
    let len = request.total;
    let mut passed = 0;
    loop {
        // before the state: the page being written is never far behind the head
        let head = control.head.0.load(Ordering::Acquire);
        let old = control.state.0.load();
        let state = State(old.0);
        let now = match request.time {
            NOW => clock::scaled(control.mult, control.offset),
            given => given,
        };
        let now = now.max(old.1);
        if state.is_sealed() {
            // SAFETY: as for this function
            match unsafe { cross(ring, head, old, now, request, &mut passed) } {
                Some(done) => return done,
                None => continue,
            }
        }
        let delta = now - old.1;
        let long = delta >= DELTA_LIMIT;
        let grow = 4 + len + if long { EXTEND } else { 0 };
        let at = state.bytes();
        if at + grow > ring.data() {
            seal(ring, state.no(head), old);
            continue;
        }
        if !control.state.0.swap(old, (state.grown(grow).0, now)) {
            continue;
        }
        let slot = ring.current_slot(state.no(head));
        // SAFETY: the place is ours and within the page, as was checked
        unsafe {
            if long {
                ring.put(slot, at, entry::extend(delta).as_ptr().cast(), EXTEND);
                write(ring, slot, at + EXTEND, 0, request);
            } else {
                write(ring, slot, at, delta, request);
            }
        }
        ring.meta_at(slot)
            .commit
            .fetch_add(grow as u64, Ordering::SeqCst);
        return Reserved::Done;
    }
}

/// Writes header and body of an entry.
///
/// # Safety
/// The place from `at` on is reserved by the caller, and as in `append`.
#[inline(always)]
unsafe fn write(ring: View, slot: u64, mut at: usize, delta: u64, request: &Request) {
    let mut put = |from: *const u8, len: usize| {
        // SAFETY: the caller's promise
        unsafe { ring.put(slot, at, from, len) };
        at += len;
    };
    let header = entry::header(request.type_len, delta);
    put((&raw const header).cast(), 4);
    if request.length != 0 {
        put((&raw const request.length).cast(), 4);
    }
    put(request.body, 4 * request.words);
    if request.has_tail != 0 {
        put((&raw const request.tail).cast(), 4);
    }
}

/// Ends page `no`, whose state is `old`; whether it was this call that did.
fn seal(ring: View, no: u64, old: (u64, u64)) -> bool {
    let state = State(old.0);
    let sealed = ring.control().state.0.swap(old, (state.sealed().0, old.1));
    if sealed {
        // what is not used counts as committed
        ring.meta(no)
            .commit
            .fetch_add((ring.data() - state.bytes()) as u64, Ordering::SeqCst);
    }
    sealed
}

/// Ends the page being written, unless nothing is in it.
pub(super) fn end_page(ring: View) {
    let head = ring.control().head.0.load(Ordering::Acquire);
    let old = ring.control().state.0.snapshot();
    let state = State(old.0);
    if !state.is_sealed() && state.bytes() != 0 && !seal(ring, state.no(head), old) {
        // somebody has appended or ended it: once more, for the entries that there are by now
        let old = ring.control().state.0.snapshot();
        if !State(old.0).is_sealed() {
            seal(ring, State(old.0).no(head), old);
        }
    }
}

/// Goes on from the sealed page whose state is `old` to the next one, with the entry as its first. `None`: look again.
///
/// # Safety
/// As for `append`.
#[cold]
#[inline(never)]
unsafe fn cross(
    ring: View,
    head: u64,
    old: (u64, u64),
    now: u64,
    request: &Request,
    passed: &mut u64,
) -> Option<Reserved> {
    let control = ring.control();
    let len = request.total;
    let no = State(old.0).no(head);
    let new = no + 1;
    ring.publish(no, State(old.0));
    let used = new.wrapping_sub(head);
    if used as i64 >= control.room.load(Ordering::Relaxed) as i64 {
        if control.overwrite.load(Ordering::Relaxed) != 0 {
            // fails if somebody else, writer or reader, has just done it
            let _ = control.head.0.compare_exchange(
                head,
                head + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            return None;
        }
        let current =
            control.state.0.load() == old && control.head.0.load(Ordering::Acquire) == head;
        if current {
            control.dropped.fetch_add(1, Ordering::Relaxed);
        }
        return current.then_some(Reserved::Refused);
    }
    let slot = ring.slot(new);
    let meta = ring.meta_at(slot);
    if meta.commit.load(Ordering::Acquire) != new / ring.slots() * ring.data() as u64 {
        // somebody still writes into this slot's former page: pass over it
        if *passed == ring.slots() {
            control.stuck.fetch_add(1, Ordering::Relaxed);
            return Some(Reserved::Refused);
        }
        if control
            .state
            .0
            .swap(old, (State::new(new, 0, 0).sealed().0, old.1))
        {
            meta.commit.fetch_add(ring.data() as u64, Ordering::SeqCst);
            *passed += 1;
        }
        return None;
    }
    if !control
        .state
        .0
        .swap(old, (State::new(new, 1, 4 + len).0, now))
    {
        return None;
    }
    // a reader that has copied what is written now must also see that the head has passed the slot's former page
    fence(Ordering::Release);
    if cfg!(not(loom)) {
        ring.new_slot(new);
    }
    ring.stamp(slot, now);
    // SAFETY: the page is new and its beginning ours
    unsafe { write(ring, slot, 0, 0, request) };
    meta.commit.fetch_add(4 + len as u64, Ordering::SeqCst);
    Some(Reserved::NewPage)
}
