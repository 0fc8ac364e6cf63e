//! A set of process ids that tracepoints look into, and change when tasks fork and end.
//!
//! Ids go up to 2^30 - 1, so the bits lie in chunks that exist where there are ids, below two tables of pointers. Looking
//! takes no lock and works in a signal handler. Changes by tracepoints allocate nothing: they use chunks that writers of
//! control files, or ids that went, have left.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// Ids are below this.
pub const END: u32 = 1 << 30;

/// Ids of a chunk.
const CHUNK: usize = 1 << 12;
/// Chunks of a middle table.
const MIDDLE: usize = 1 << 9;
/// Middle tables.
const TOP: usize = END as usize / CHUNK / MIDDLE;
/// Spare chunks and middle tables that a writer leaves behind.
const SPARE: (usize, usize) = (8, 2);
/// Ids that are put in at a time.
const BATCH: usize = 1024;
/// How often a tracepoint tries to get at the list while another changes it.
const PATIENCE: u32 = 10_000;

struct Chunk([AtomicU64; CHUNK / 64]);

struct Middle([AtomicPtr<Chunk>; MIDDLE]);

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk([const { AtomicU64::new(0) }; CHUNK / 64])
    }
}

impl Default for Middle {
    fn default() -> Middle {
        Middle([const { AtomicPtr::new(ptr::null_mut()) }; MIDDLE])
    }
}

/// Where the bit of an id lies.
struct Place {
    top: usize,
    middle: usize,
    word: usize,
    bit: u64,
}

fn place(pid: u32) -> Place {
    let pid = pid as usize;
    Place {
        top: pid / CHUNK / MIDDLE,
        middle: pid / CHUNK % MIDDLE,
        word: pid % CHUNK / 64,
        bit: 1 << (pid % 64),
    }
}

/// What only who has taken the list touches.
#[derive(Default)]
struct State {
    ids: usize,
    /// Vectors do not grow in tracepoints: they have room for all chunks and tables there are.
    #[expect(clippy::vec_box, reason = "what is boxed is handed out, not copied")]
    chunks: Vec<Box<Chunk>>,
    middles: Vec<Box<Middle>>,
    /// Chunks in use, and spare ones.
    total: usize,
}

/// A set of process ids.
pub struct PidList {
    taken: AtomicBool,
    /// Odd while a chunk changes its place.
    moves: AtomicU32,
    state: UnsafeCell<State>,
    top: [AtomicPtr<Middle>; TOP],
}

// SAFETY: `state` is only touched by who has set `taken`; the tables are atomics, and what they point at lives as long
// as the list.
unsafe impl Sync for PidList {}
// SAFETY: the list owns plain data.
unsafe impl Send for PidList {}

impl Default for PidList {
    fn default() -> PidList {
        PidList {
            taken: AtomicBool::new(false),
            moves: AtomicU32::new(0),
            state: UnsafeCell::default(),
            top: [const { AtomicPtr::new(ptr::null_mut()) }; TOP],
        }
    }
}

impl Drop for PidList {
    fn drop(&mut self) {
        for middle in &self.top {
            let middle = middle.load(Ordering::Relaxed);
            if middle.is_null() {
                continue;
            }
            // SAFETY: made from a box by `put`, and nobody's after this
            let middle = unsafe { Box::from_raw(middle) };
            for chunk in &middle.0 {
                let chunk = chunk.load(Ordering::Relaxed);
                if !chunk.is_null() {
                    // SAFETY: as above
                    drop(unsafe { Box::from_raw(chunk) });
                }
            }
        }
    }
}

impl PidList {
    fn try_with<R>(&self, f: impl FnOnce(&mut State) -> R) -> Option<R> {
        if self
            .taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return None;
        }
        // SAFETY: the flag was free and is ours until it is cleared below; nothing in `f` fires events or unwinds.
        let result = f(unsafe { &mut *self.state.get() });
        self.taken.store(false, Ordering::Release);
        Some(result)
    }

    /// For control files: waits for the few instructions that a tracepoint holds the list.
    fn with<R>(&self, mut f: impl FnMut(&mut State) -> R) -> R {
        loop {
            if let Some(result) = self.try_with(&mut f) {
                return result;
            }
            core::hint::spin_loop();
            #[cfg(feature = "std")]
            std::thread::yield_now();
        }
    }

    /// For tracepoints: does without rather than wait for whom they have interrupted.
    fn soon(&self, mut f: impl FnMut(&mut State)) {
        for _ in 0..PATIENCE {
            if self.try_with(&mut f).is_some() {
                return;
            }
            core::hint::spin_loop();
        }
    }

    fn middle(&self, at: &Place) -> Option<&Middle> {
        // SAFETY: null, or from a box that the list owns and never gives back before it is dropped
        unsafe { self.top[at.top].load(Ordering::Acquire).as_ref() }
    }

    fn chunk(&self, at: &Place) -> Option<&Chunk> {
        let chunk = self.middle(at)?.0[at.middle].load(Ordering::Acquire);
        // SAFETY: null, or from a box that the list owns; a spare one is still its own
        unsafe { chunk.as_ref() }
    }

    /// Whether an id is in the list.
    pub fn has(&self, pid: u32) -> bool {
        if pid >= END {
            return false;
        }
        let at = place(pid);
        let mut found = false;
        // a chunk that moved meanwhile held somebody else's bits; who moves them all the time is not waited for
        for _ in 0..8 {
            let moves = self.moves.load(Ordering::Acquire);
            found = self
                .chunk(&at)
                .is_some_and(|c| c.0[at.word].load(Ordering::Relaxed) & at.bit != 0);
            fence(Ordering::Acquire);
            if moves.is_multiple_of(2) && self.moves.load(Ordering::Relaxed) == moves {
                break;
            }
        }
        found
    }

    /// Puts an id in. False: there is no spare memory.
    fn put(&self, state: &mut State, pid: u32) -> bool {
        let at = place(pid);
        if self.middle(&at).is_none() {
            let Some(middle) = state.middles.pop() else {
                return false;
            };
            self.top[at.top].store(Box::into_raw(middle), Ordering::Release);
        }
        if self.chunk(&at).is_none() {
            let (Some(middle), Some(chunk)) = (self.middle(&at), state.chunks.pop()) else {
                return false;
            };
            middle.0[at.middle].store(Box::into_raw(chunk), Ordering::Release);
        }
        if let Some(chunk) = self.chunk(&at)
            && chunk.0[at.word].fetch_or(at.bit, Ordering::Relaxed) & at.bit == 0
        {
            state.ids += 1;
        }
        true
    }

    fn take(&self, state: &mut State, pid: u32) {
        let at = place(pid);
        let (Some(middle), Some(chunk)) = (self.middle(&at), self.chunk(&at)) else {
            return;
        };
        if chunk.0[at.word].fetch_and(!at.bit, Ordering::Relaxed) & at.bit == 0 {
            return;
        }
        state.ids -= 1;
        if chunk.0.iter().all(|w| w.load(Ordering::Relaxed) == 0) {
            self.moves.fetch_add(1, Ordering::AcqRel);
            let chunk = middle.0[at.middle].swap(ptr::null_mut(), Ordering::AcqRel);
            // SAFETY: from a box, and no longer in the table; who still looks at it sees what it becomes
            state.chunks.push(unsafe { Box::from_raw(chunk) });
            self.moves.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Puts ids in, all below [`END`]. Not for tracepoints.
    pub fn add(&self, pids: &[u32]) {
        for batch in pids.chunks(BATCH) {
            let mut left = batch;
            while !left.is_empty() {
                self.provide();
                left = self.with(|state| {
                    let put = left.iter().take_while(|pid| self.put(state, **pid)).count();
                    &left[put..]
                });
            }
        }
        self.provide();
    }

    /// Sees to it that there is spare memory.
    fn provide(&self) {
        let missing = self.with(|state| {
            let chunks = SPARE.0.saturating_sub(state.chunks.len());
            let middles = SPARE.1.saturating_sub(state.middles.len());
            (chunks, middles, state.total + chunks)
        });
        if (missing.0, missing.1) == (0, 0) {
            return;
        }
        let mut chunks: Vec<Box<Chunk>> = (0..missing.0).map(|_| Box::default()).collect();
        let mut middles: Vec<Box<Middle>> = (0..missing.1).map(|_| Box::default()).collect();
        // every chunk may come back, and finds room
        let mut room: Vec<Box<Chunk>> = Vec::with_capacity(missing.2.next_power_of_two());
        self.with(|state| {
            state.total += chunks.len();
            if state.chunks.capacity() < state.total && room.capacity() >= state.total {
                room.append(&mut state.chunks);
                core::mem::swap(&mut room, &mut state.chunks);
            }
            if state.chunks.capacity() >= state.total {
                state.chunks.append(&mut chunks);
            } else {
                state.total -= chunks.len();
            }
            state.middles.append(&mut middles);
        });
    }

    /// A task of the list makes another: that is in the list too.
    pub fn forked(&self, parent: u32, child: u32) {
        if child < END && self.has(parent) {
            self.soon(|state| _ = self.put(state, child));
        }
    }

    /// A task is gone.
    pub fn freed(&self, pid: u32) {
        if self.has(pid) {
            self.soon(|state| self.take(state, pid));
        }
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.with(|state| state.ids)
    }

    /// Whether there are none: they may all have gone.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lowest id from `from` on.
    pub fn next(&self, from: u32) -> Option<u32> {
        self.with(|_| {
            let mut pid = from;
            while pid < END {
                let at = place(pid);
                let Some(chunk) = self.chunk(&at) else {
                    let step = match self.middle(&at) {
                        Some(_) => CHUNK,
                        None => CHUNK * MIDDLE,
                    } as u32;
                    pid = (pid / step + 1) * step;
                    continue;
                };
                let left = chunk.0[at.word].load(Ordering::Relaxed) & !(at.bit - 1);
                if left != 0 {
                    return Some(pid / 64 * 64 + left.trailing_zeros());
                }
                pid = (pid / 64 + 1) * 64;
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    fn all(list: &PidList) -> Vec<u32> {
        let mut pids = Vec::new();
        while let Some(pid) = list.next(pids.last().map_or(0, |p| p + 1)) {
            pids.push(pid);
        }
        assert_eq!(pids.len(), list.len());
        pids
    }

    #[test]
    fn holds_what_was_put_in() {
        let list = PidList::default();
        assert!(list.is_empty() && !list.has(0) && list.next(0).is_none());
        let edges = [0, 63, 64, 4095, 4096, 2_097_151, 2_097_152, END - 1];
        list.add(&edges);
        list.add(&edges[2..4]);
        assert_eq!(all(&list), edges);
        for pid in edges {
            assert!(list.has(pid) && !list.has(pid ^ 2), "{pid}");
        }
        assert!(!list.has(END) && !list.has(u32::MAX));
        // more chunks and tables than are spare
        let list = PidList::default();
        let spread: Vec<u32> = (0..5000).map(|i| i * 200_003).collect();
        list.add(&spread);
        assert_eq!(all(&list), spread);
    }

    #[test]
    fn follows_tasks() {
        let list = PidList::default();
        list.add(&[10]);
        list.forked(11, 12);
        assert_eq!(all(&list), [10]);
        list.forked(10, 20_000);
        list.forked(20_000, END);
        list.freed(10);
        list.freed(10);
        assert_eq!(all(&list), [20_000]);
        // a line of heirs for ever needs no memory: chunks that are left are used again
        let (mut pid, middles) = (20_000, 2 * (CHUNK * MIDDLE) as u32);
        while pid < middles {
            list.forked(pid, pid + 1000);
            list.freed(pid);
            pid += 1000;
        }
        assert_eq!(all(&list), [pid]);
        list.freed(pid);
        assert!(list.is_empty());
    }

    #[test]
    fn agrees_with_a_model() {
        let (list, mut model, mut x) = (PidList::default(), BTreeSet::new(), 1u32);
        list.add(&[1]);
        model.insert(1);
        for _ in 0..20_000 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let pid = (x >> 16) % 30_000;
            match x >> 13 & 3 {
                0 => {
                    list.freed(pid);
                    model.remove(&pid);
                }
                1 => {
                    list.add(&[pid]);
                    model.insert(pid);
                }
                _ => {
                    let child = pid / 2;
                    list.forked(pid, child);
                    if model.contains(&pid) {
                        model.insert(child);
                    }
                }
            }
        }
        assert!(all(&list).into_iter().eq(model));
    }

    #[cfg(feature = "std")]
    #[test]
    fn looked_at_while_it_changes() {
        use std::sync::atomic::AtomicBool;
        let (list, stop) = (PidList::default(), AtomicBool::new(false));
        list.add(&[5, 1_000_000]);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        assert!(list.has(5) && list.has(1_000_000) && !list.has(6));
                    }
                });
            }
            for i in 0..20_000u32 {
                // chunks come and go beside it
                let pid = 8192 + (i % 5) * 4096 + 6;
                list.forked(5, pid);
                assert!(list.has(pid));
                list.freed(pid);
                assert!(!list.has(pid));
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(all(&list), [5, 1_000_000]);
    }
}
