//! The threads' slots: where others find a thread's counter of read sections, and where its own task lies.
//!
//! A thread takes a slot at its first event, which may be in a signal handler or while it holds any lock: so there is no
//! lock here, no allocation and nothing to run when a thread ends. Slots are never given back to the system. Those of
//! threads that ended are found by asking the kernel when none is free, so their number stays that of the threads that
//! were alive together.

use core::mem::size_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::*};

use super::reader::Reader;
use super::{COMM_LEN, Task, tls};
use crate::base::membarrier;

/// One thread's own. Two cache lines, the unit that processors fetch ahead.
#[repr(C, align(128))]
pub(crate) struct Slot {
    task: Task,
    /// The read sections it is in.
    pub(crate) reader: Reader,
    /// `generation << 32 | thread id`, id 0: free. The generation counts owners.
    owner: AtomicU64,
}

const _: () = assert!(size_of::<Slot>() == 128);

/// Slots of one chunk: two pages with the link.
const PER_CHUNK: usize = 63;

#[repr(C)]
struct Chunk {
    slots: [Slot; PER_CHUNK],
    next: AtomicPtr<Chunk>,
}

static FIRST: Chunk = Chunk {
    slots: [const {
        Slot {
            task: Task::unborn(),
            reader: Reader::new(),
            owner: AtomicU64::new(0),
        }
    }; PER_CHUNK],
    next: AtomicPtr::new(ptr::null_mut()),
};

fn chunks() -> impl Iterator<Item = &'static Chunk> {
    // SAFETY: null or a chunk that `grow` published, never freed
    core::iter::successors(Some(&FIRST), |c| unsafe { c.next.load(Acquire).as_ref() })
}

/// All slots, free ones too.
pub(crate) fn all() -> impl Iterator<Item = &'static Slot> {
    chunks().flat_map(|c| &c.slots)
}

const fn tid_of(owner: u64) -> u32 {
    owner as u32
}

/// The same slot's next owner.
const fn succeed(owner: u64, tid: u32) -> u64 {
    ((owner >> 32) + 1) << 32 | tid as u64
}

fn gettid() -> u32 {
    // SAFETY: no arguments, cannot fail
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

fn getpid() -> i32 {
    // SAFETY: no arguments, cannot fail
    unsafe { libc::getpid() }
}

/// Whether no thread of this process has the number. One that ends while we ask counts as alive.
fn is_gone(tid: u32) -> bool {
    // SAFETY: plain numbers; signal 0 only asks
    let answer = unsafe { libc::syscall(libc::SYS_tgkill, getpid(), tid, 0) };
    // SAFETY: the calling thread's errno
    answer != 0 && unsafe { *libc::__errno_location() } == libc::ESRCH
}

impl Slot {
    /// Whether it has no owner any more: free, or its thread ended.
    pub(crate) fn is_abandoned(&self) -> bool {
        let tid = tid_of(self.owner.load(Acquire));
        tid == 0 || keep_errno(|| is_gone(tid))
    }

    fn pass(&self, from: u64, tid: u32) -> bool {
        self.owner
            .compare_exchange(from, succeed(from, tid), AcqRel, Relaxed)
            .is_ok()
    }

    /// Frees it if its thread ended.
    fn reclaim(&self) {
        let owner = self.owner.load(Acquire);
        if tid_of(owner) != 0 && is_gone(tid_of(owner)) {
            // fails if a new thread of the same number has taken it over meanwhile
            self.pass(owner, 0);
        }
    }

    /// Describes the calling thread.
    fn fill(&self, tid: u32) {
        self.task.head.store(u64::from(tid) << 32, Relaxed);
        self.task.tgid.store(getpid(), Relaxed);
        self.task.set_comm(thread_name());
    }
}

fn thread_name() -> [u8; COMM_LEN] {
    let mut name = [0u8; COMM_LEN];
    // SAFETY: the kernel writes at most 16 bytes (prctl(2))
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name
}

fn keep_errno<R>(f: impl FnOnce() -> R) -> R {
    // SAFETY: the calling thread's errno, valid as long as the thread
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above
    let saved = unsafe { errno.read() };
    let result = f();
    // SAFETY: as above
    unsafe { errno.write(saved) };
    result
}

/// Gives the calling thread its slot, and its own task as the current one.
///
/// A signal handler that comes in between and does the same arrives at the same slot with the same contents.
#[cold]
#[inline(never)]
pub(crate) fn first_use() -> &'static Slot {
    if let Some(slot) = tls::slot() {
        return slot;
    }
    keep_errno(|| {
        let tid = gettid();
        let slot = take(tid);
        slot.fill(tid);
        // in this order: who has a slot or a reader has a task
        if tls::task().is_null() {
            tls::set_task(&slot.task);
        }
        tls::set_slot(slot);
        if membarrier::readers_need_no_fence() {
            tls::set_reader(&slot.reader);
        }
        slot
    })
}

/// The current task of a thread that may not have one yet.
#[cold]
#[inline(never)]
pub(super) fn first_task() -> *const Task {
    first_use();
    tls::task()
}

fn take(tid: u32) -> &'static Slot {
    let mut reclaimed = false;
    loop {
        // what has our number is ours: a handler's that interrupted us here, or left by a dead thread
        let ours = |s: &&Slot| tid_of(s.owner.load(Acquire)) == tid;
        if let Some(slot) = all()
            .find(ours)
            .filter(|s| s.pass(s.owner.load(Acquire), tid))
        {
            slot.reader.reset();
            return slot;
        }
        for slot in all() {
            let owner = slot.owner.load(Acquire);
            if tid_of(owner) == 0 && slot.pass(owner, tid) {
                slot.reader.reset();
                return slot;
            }
        }
        if !reclaimed {
            all().for_each(Slot::reclaim);
            reclaimed = true;
        } else {
            grow();
        }
    }
}

/// Adds a chunk of free slots. Without memory for it the process ends, as it does when the allocator finds none.
fn grow() {
    // SAFETY: a new mapping, at no given address
    let new = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size_of::<Chunk>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if new == libc::MAP_FAILED {
        // SAFETY: async-signal-safe, does not return
        unsafe { libc::abort() };
    }
    // zeroed memory is a chunk of free slots without a next one
    let new: *mut Chunk = new.cast();
    let mut last = &FIRST;
    while let Err(next) = last
        .next
        .compare_exchange(ptr::null_mut(), new, AcqRel, Acquire)
    {
        // SAFETY: not null, so a chunk that another call published
        last = unsafe { &*next };
    }
}

/// Reads the calling thread's name again if `task` is its own.
pub(super) fn refresh_comm(task: &Task) {
    if tls::slot().is_some_and(|s| ptr::eq(&s.task, task)) {
        let name = keep_errno(thread_name);
        if name != task.comm() {
            task.set_comm(name);
        }
    }
}

/// In a forked child: there is one thread, with a new number; read sections it is in stay open.
pub(crate) fn after_fork() {
    let own = tls::slot();
    for slot in all() {
        let owner = slot.owner.load(Relaxed);
        if own.is_some_and(|s| ptr::eq(s, slot)) {
            let tid = gettid();
            slot.owner.store(succeed(owner, tid), Relaxed);
            slot.fill(tid);
        } else if tid_of(owner) != 0 {
            slot.reader.reset();
            slot.owner.store(succeed(owner, 0), Relaxed);
        }
    }
}
