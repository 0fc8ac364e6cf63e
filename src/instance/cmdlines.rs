//! `saved_cmdlines` and `saved_tgids`: the names behind the pids of a trace (Documentation/trace/ftrace.rst).
//!
//! A task is entered when it has recorded an event; a full table forgets the entry made longest ago. Entering happens
//! on the event's own path, maybe in a signal handler: nothing is allocated and nobody is waited for. Who finds the table
//! taken goes on without, and the task's next event tries again.

use alloc::boxed::Box;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use super::trace_array::TraceArray;
use crate::base::error::{Errno, Error, Result};
use crate::base::sync::{AtomicBool, AtomicU32, Mutex, Ordering};

/// Bytes of a task's name with its NUL (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;
/// Slots of a new table and the least a resize leaves, as Linux 6.18 has it with this size of a page.
pub const DEFAULT_SLOTS: usize = 6552;
/// Most slots `saved_cmdlines_size` accepts.
pub const MAX_SLOTS: usize = 32768;

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Slot {
    pid: i32,
    tgid: i32,
    comm: [u8; COMM_LEN],
    next: u32,
    used: bool,
}

struct Table {
    slots: Box<[Slot]>,
    heads: Box<[u32]>,
    /// The slot to be filled next: the oldest entry once all are used.
    oldest: usize,
}

/// One remembered task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Saved {
    /// Thread id.
    pub pid: i32,
    /// Process id; 0 if it was not recorded.
    pub tgid: i32,
    /// Name, NUL-padded.
    pub comm: [u8; COMM_LEN],
}

impl Saved {
    /// The name without padding.
    pub fn comm(&self) -> &[u8] {
        comm_text(&self.comm)
    }
}

/// A task name without its padding.
pub fn comm_text(comm: &[u8; COMM_LEN]) -> &[u8] {
    &comm[..comm.iter().position(|b| *b == 0).unwrap_or(COMM_LEN - 1)]
}

impl Table {
    fn new(slots: usize) -> Table {
        let empty = Slot {
            pid: 0,
            tgid: 0,
            comm: [0; COMM_LEN],
            next: NONE,
            used: false,
        };
        Table {
            slots: alloc::vec![empty; slots].into(),
            heads: alloc::vec![NONE; (slots * 2).next_power_of_two()].into(),
            oldest: 0,
        }
    }

    fn bucket(&self, pid: i32) -> usize {
        (pid as u32).wrapping_mul(0x9e37_79b1) as usize & (self.heads.len() - 1)
    }

    fn find(&self, pid: i32) -> Option<usize> {
        let mut at = self.heads[self.bucket(pid)];
        while at != NONE {
            let slot = &self.slots[at as usize];
            if slot.pid == pid {
                return Some(at as usize);
            }
            at = slot.next;
        }
        None
    }

    fn unlink(&mut self, index: usize) {
        let bucket = self.bucket(self.slots[index].pid);
        let next = self.slots[index].next;
        if self.heads[bucket] == index as u32 {
            self.heads[bucket] = next;
            return;
        }
        let mut at = self.heads[bucket];
        while at != NONE {
            let slot = &mut self.slots[at as usize];
            if slot.next == index as u32 {
                slot.next = next;
                return;
            }
            at = slot.next;
        }
    }

    fn enter(&mut self, pid: i32, name: Option<[u8; COMM_LEN]>, tgid: Option<i32>) {
        let index = match self.find(pid) {
            Some(index) => index,
            None => {
                let index = self.oldest;
                self.oldest = (index + 1) % self.slots.len();
                if self.slots[index].used {
                    self.unlink(index);
                }
                let bucket = self.bucket(pid);
                self.slots[index] = Slot {
                    pid,
                    tgid: 0,
                    comm: [0; COMM_LEN],
                    next: self.heads[bucket],
                    used: true,
                };
                self.heads[bucket] = index as u32;
                index
            }
        };
        let slot = &mut self.slots[index];
        if let Some(name) = name {
            slot.comm = name;
        }
        if let Some(tgid) = tgid {
            slot.tgid = tgid;
        }
    }

    /// Used slots in the order of caching.
    fn entries(&self) -> impl Iterator<Item = &Slot> {
        let (new, old) = self.slots.split_at(self.oldest);
        old.iter().chain(new).filter(|s| s.used)
    }
}

/// The table of remembered tasks, shared by all instances.
pub struct Cmdlines {
    taken: AtomicBool,
    table: UnsafeCell<Table>,
    generation: AtomicU32,
    /// The instances, whose event files keep the generation.
    arrays: Mutex<Vec<Weak<TraceArray>>>,
}

// SAFETY: `table` is only touched by who has set `taken`.
unsafe impl Sync for Cmdlines {}
// SAFETY: the table owns plain data.
unsafe impl Send for Cmdlines {}

/// Generations are unique in the process, so that a task entered in one table is not taken for entered in another.
fn next_generation() -> u32 {
    static LAST: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
    loop {
        let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if next != 0 && next != Cmdlines::NO_GENERATION {
            return next;
        }
    }
}

impl Default for Cmdlines {
    fn default() -> Self {
        Cmdlines {
            taken: AtomicBool::new(false),
            table: UnsafeCell::new(Table::new(DEFAULT_SLOTS)),
            generation: AtomicU32::new(next_generation()),
            arrays: Mutex::default(),
        }
    }
}

impl Cmdlines {
    /// What no generation ever is.
    pub const NO_GENERATION: u32 = u32::MAX;

    fn try_with<R>(&self, f: impl FnOnce(&mut Table) -> R) -> Option<R> {
        if self
            .taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            return None;
        }
        // SAFETY: the flag was free and is ours until it is cleared below; nothing in `f` fires events or unwinds.
        let result = f(unsafe { &mut *self.table.get() });
        self.taken.store(false, Ordering::Release);
        Some(result)
    }

    /// For readers of control files: waits for the few instructions that an event holds the table.
    fn with<R>(&self, mut f: impl FnMut(&mut Table) -> R) -> R {
        loop {
            if let Some(result) = self.try_with(&mut f) {
                return result;
            }
            core::hint::spin_loop();
            #[cfg(feature = "std")]
            std::thread::yield_now();
        }
    }

    /// Changes whenever tasks that were entered must enter themselves again; never 0.
    #[inline(always)]
    pub fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Makes every task enter itself again with its next event, as after `record-tgid` is switched on.
    pub fn refresh(&self) {
        self.generation.store(next_generation(), Ordering::Relaxed);
        let arrays: Vec<_> = self
            .arrays
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        for array in arrays {
            array.settle();
        }
    }

    /// Tells `array` of new generations from now on.
    pub(super) fn tell(&self, array: &Arc<TraceArray>) {
        let mut arrays = self.arrays.lock();
        arrays.retain(|a| a.strong_count() > 0);
        arrays.push(Arc::downgrade(array));
        drop(arrays);
        array.settle();
    }

    /// Enters or updates a task; `None` leaves that part as it is. A number below 0 is nobody's. False: the table was taken,
    /// try again with the next event.
    pub fn enter(&self, pid: i32, name: Option<[u8; COMM_LEN]>, tgid: Option<i32>) -> bool {
        // pid 0 is the idle task: its name is printed without being saved
        pid <= 0 || self.try_with(|t| t.enter(pid, name, tgid)).is_some()
    }

    /// What is remembered of a pid.
    pub fn get(&self, pid: i32) -> Option<Saved> {
        self.with(|t| t.find(pid).map(|i| saved(&t.slots[i])))
    }

    /// All entries in the order of caching, into memory that was taken before the table.
    pub fn entries(&self) -> Vec<Saved> {
        let mut all = Vec::new();
        loop {
            let wanted = self.with(|t| {
                let used = t.entries().count();
                if used <= all.capacity() {
                    all.clear();
                    all.extend(t.entries().map(saved));
                    return None;
                }
                Some(used)
            });
            match wanted {
                None => return all,
                Some(used) => all.reserve_exact(used),
            }
        }
    }

    /// Number of slots: what `saved_cmdlines_size` reads.
    pub fn slots(&self) -> usize {
        self.with(|t| t.slots.len())
    }

    /// Changes the number of slots (at least [`DEFAULT_SLOTS`]) and forgets all names, but not the processes. 0 or too
    /// many: `EINVAL`.
    pub fn resize(&self, slots: u64) -> Result<()> {
        if slots == 0 || slots > MAX_SLOTS as u64 {
            return Err(Error::new(Errno::EINVAL));
        }
        let mut table = Table::new((slots as usize).max(DEFAULT_SLOTS));
        self.with(|t| {
            for slot in t.entries().filter(|s| s.tgid != 0) {
                table.enter(slot.pid, None, Some(slot.tgid));
            }
            core::mem::swap(t, &mut table);
        });
        self.refresh();
        Ok(())
    }
}

fn saved(slot: &Slot) -> Saved {
    Saved {
        pid: slot.pid,
        tgid: slot.tgid,
        comm: slot.comm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(s: &str) -> [u8; COMM_LEN] {
        let mut c = [0; COMM_LEN];
        c[..s.len()].copy_from_slice(s.as_bytes());
        c
    }

    #[test]
    fn remembers_and_forgets_the_oldest() {
        let c = Cmdlines::default();
        for pid in 1..=DEFAULT_SLOTS as i32 {
            assert!(c.enter(pid, Some(name("task")), None));
        }
        assert!(c.enter(2, Some(name("renamed")), Some(7)));
        assert_eq!(
            c.get(2),
            Some(Saved {
                pid: 2,
                tgid: 7,
                comm: name("renamed")
            })
        );
        assert!(c.enter(1_000_000, Some(name("new")), None));
        assert_eq!(c.get(1), None, "the first entry made room");
        assert_eq!(c.get(1_000_000).unwrap().comm(), b"new");
        let all = c.entries();
        assert_eq!(all.len(), DEFAULT_SLOTS);
        assert_eq!((all[0].pid, all.last().unwrap().pid), (2, 1_000_000));
    }

    #[test]
    fn resize() {
        let c = Cmdlines::default();
        let g = c.generation();
        c.enter(5, Some(name("five")), None);
        assert_eq!(c.resize(0).unwrap_err().errno, Errno::EINVAL);
        assert_eq!(c.resize(32769).unwrap_err().errno, Errno::EINVAL);
        assert_eq!((c.slots(), c.generation()), (DEFAULT_SLOTS, g));
        c.resize(10000).unwrap();
        assert_eq!((c.slots(), c.get(5)), (10000, None));
        assert_ne!(c.generation(), g);
        c.resize(1).unwrap();
        assert_eq!(c.slots(), DEFAULT_SLOTS);
    }

    #[test]
    fn same_bucket() {
        // against a model: a table of few slots where chains are long and slots are taken over all the time
        let mut t = Table::new(8);
        t.heads = alloc::vec![NONE; 2].into();
        let mut model: Vec<(i32, i32)> = Vec::new();
        let mut x = 1u32;
        for i in 0..10_000 {
            x = x.wrapping_mul(1664525).wrapping_add(1013904223);
            let pid = (x >> 24) as i32 % 20 + 1;
            t.enter(pid, None, Some(i));
            match model.iter_mut().find(|m| m.0 == pid) {
                Some(m) => m.1 = i,
                None => {
                    if model.len() == 8 {
                        model.remove(0);
                    }
                    model.push((pid, i));
                }
            }
            for pid in 1..=20 {
                let found = t.find(pid).map(|i| t.slots[i].tgid);
                assert_eq!(found, model.iter().find(|m| m.0 == pid).map(|m| m.1));
            }
            assert!(t.entries().map(|s| s.pid).eq(model.iter().map(|m| m.0)));
        }
    }
}
