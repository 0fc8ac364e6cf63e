//! Who an event belongs to: the calling thread, or a task that it has entered.
//!
//! A [`Task`] is what a record says about its maker: process id, thread group, name, flags. Every thread has one, made at
//! its first event; a program with green tasks, a marker written for another process or the events of a traced program
//! bring their own, which the thread enters with [`Task::run`] or [`enter`].

#[cfg(not(feature = "std"))]
mod host;
#[cfg(feature = "std")]
pub(crate) mod reader;
#[cfg(feature = "std")]
pub(crate) mod slot;
#[cfg(feature = "std")]
pub(crate) mod tls;

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

#[cfg(not(feature = "std"))]
pub use host::{Host, set_host};

/// Bytes of a name with its NUL (`TASK_COMM_LEN`).
pub const COMM_LEN: usize = 16;

/// Where and when an event took place, if not here and now: what is known of an event that others have told of.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Place {
    /// The CPU into whose buffer it goes; `None`: the one that runs.
    pub cpu: Option<u32>,
    /// Its time, ns of CLOCK_MONOTONIC, which every buffer converts to its own clock; `None`: now.
    pub time: Option<u64>,
    /// The address in the program at which the task was; `None`: nothing tells.
    pub ip: Option<u64>,
}

/// The owner of events: a thread, a green task, or somebody given.
#[repr(C)]
pub struct Task {
    /// `pid << 32 | preempt_count << 24 | flags << 16`: or-ed with an event's id these are a record's first 8 bytes.
    head: AtomicU64,
    comm: [AtomicU64; COMM_LEN / 8],
    tgid: AtomicI32,
    saved: AtomicU32,
    /// What `saved` is, but 0 for a task that is placed.
    plain: AtomicU32,
    place: Place,
}

impl Task {
    /// The task `pid` of the thread group (process) `tgid`. The first 15 bytes of `comm` up to a NUL are its name.
    pub fn new(pid: i32, tgid: i32, comm: impl AsRef<[u8]>) -> Task {
        let task = Task::unborn();
        task.head.store(u64::from(pid as u32) << 32, Relaxed);
        task.tgid.store(tgid, Relaxed);
        task.set_comm(comm);
        task
    }

    const fn unborn() -> Task {
        Task {
            head: AtomicU64::new(0),
            comm: [const { AtomicU64::new(0) }; COMM_LEN / 8],
            tgid: AtomicI32::new(0),
            saved: AtomicU32::new(0),
            plain: AtomicU32::new(0),
            place: Place {
                cpu: None,
                time: None,
                ip: None,
            },
        }
    }

    /// The same task, its events at `place`.
    pub fn with_place(mut self, place: Place) -> Task {
        self.set_saved(0);
        self.place = place;
        self
    }

    /// Gives the events to come another place.
    pub fn set_place(&mut self, place: Place) {
        self.place = place;
        self.set_saved(self.saved());
    }

    /// A record's first 8 bytes without the event's id: `common_type` (0), `common_flags`, `common_preempt_count` and
    /// `common_pid`.
    #[inline(always)]
    pub fn head(&self) -> u64 {
        self.head.load(Relaxed)
    }

    /// Process id as the kernel uses the word: the thread's or green task's own number.
    #[inline]
    pub fn pid(&self) -> i32 {
        (self.head() >> 32) as i32
    }

    /// The number of the process it belongs to.
    #[inline]
    pub fn tgid(&self) -> i32 {
        self.tgid.load(Relaxed)
    }

    /// The name, padded with NULs; the last byte is NUL.
    pub fn comm(&self) -> [u8; COMM_LEN] {
        let mut bytes = [0; COMM_LEN];
        for (to, word) in bytes.chunks_exact_mut(8).zip(&self.comm) {
            to.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        bytes
    }

    /// Sets the name: the first 15 bytes of `comm` up to a NUL.
    pub fn set_comm(&self, comm: impl AsRef<[u8]>) {
        let comm = comm.as_ref();
        let len = comm
            .iter()
            .position(|&b| b == 0)
            .unwrap_or(comm.len())
            .min(COMM_LEN - 1);
        let mut bytes = [0; COMM_LEN];
        bytes[..len].copy_from_slice(&comm[..len]);
        for (from, word) in bytes.chunks_exact(8).zip(&self.comm) {
            let mut eight = [0; 8];
            eight.copy_from_slice(from);
            word.store(u64::from_ne_bytes(eight), Relaxed);
        }
        self.set_saved(0);
    }

    /// Sets `common_flags` (bits of `TRACE_FLAG_*`) and `common_preempt_count` of the events to come.
    pub fn set_flags(&self, flags: u8, preempt_count: u8) {
        let head =
            self.head() & !0xffff_0000 | u64::from(preempt_count) << 24 | u64::from(flags) << 16;
        self.head.store(head, Relaxed);
    }

    /// Whether its events take place elsewhere or at another time.
    pub fn is_placed(&self) -> bool {
        self.place != Place::default()
    }

    /// Where and when its events take place; `None`: here and now.
    pub fn place(&self) -> Option<Place> {
        self.is_placed().then_some(self.place)
    }

    /// The generation of the table of names in which this task was last entered; 0: in none.
    #[inline(always)]
    pub fn saved(&self) -> u32 {
        self.saved.load(Relaxed)
    }

    /// Whether there is nothing special about its events: they take place here and now, and its name is in the table of
    /// names of this generation (not 0). One comparison for the hot path.
    #[inline(always)]
    pub fn is_plain(&self, generation: u32) -> bool {
        self.plain.load(Relaxed) == generation
    }

    /// Remembers in which generation of the table of names the task is entered.
    pub fn set_saved(&self, generation: u32) {
        self.saved.store(generation, Relaxed);
        let plain = if self.is_placed() { 0 } else { generation };
        self.plain.store(plain, Relaxed);
    }

    /// Runs `f` as this task: the calling thread's events belong to it meanwhile. Nests.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: the guard lives in this frame, under the borrow of `self`, and frames end in reverse order.
        let _entered = unsafe { enter(self) };
        f()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comm = self.comm();
        let name = comm.split(|&b| b == 0).next().unwrap_or_default();
        write!(
            f,
            "{}-{}",
            alloc::string::String::from_utf8_lossy(name),
            self.pid()
        )
    }
}

/// The task that the calling thread's events belong to now.
///
/// A token, not a pointer: each method looks at whoever is entered when it is called.
#[derive(Clone, Copy)]
pub struct Current {
    /// The thread has had its first event.
    #[cfg_attr(not(feature = "std"), expect(dead_code, reason = "the host knows"))]
    known: bool,
    not_send: PhantomData<*const ()>,
}

/// The task that the calling thread's events belong to.
#[inline(always)]
pub fn current() -> Current {
    Current {
        known: false,
        not_send: PhantomData,
    }
}

/// [`current`] without asking whether the thread has a task yet.
///
/// # Safety
/// The calling thread is in a read section (`rcu::read`), as probes are, or has called a method of [`current`] before.
#[inline(always)]
pub unsafe fn current_in_section() -> Current {
    Current {
        known: true,
        not_send: PhantomData,
    }
}

impl Current {
    #[inline(always)]
    fn task(&self) -> &Task {
        #[cfg(feature = "std")]
        let task = match tls::task() {
            task if !self.known && task.is_null() => slot::first_task(),
            task => task,
        };
        #[cfg(not(feature = "std"))]
        let task = host::current();
        // SAFETY: not null: a thread that has been in a read section, or here, has a task. Its own is never freed, an
        // entered one is borrowed until it is left, and the reference does not outlive the method that asks for it.
        unsafe { &*task }
    }

    /// Calls `f` with the task.
    #[inline(always)]
    pub fn with<R>(self, f: impl FnOnce(&Task) -> R) -> R {
        f(self.task())
    }

    /// [`Task::head`].
    #[inline(always)]
    pub fn head(self) -> u64 {
        self.task().head()
    }

    /// [`Task::pid`].
    #[inline]
    pub fn pid(self) -> i32 {
        self.task().pid()
    }

    /// [`Task::tgid`].
    #[inline]
    pub fn tgid(self) -> i32 {
        self.task().tgid()
    }

    /// [`Task::comm`].
    pub fn comm(self) -> [u8; COMM_LEN] {
        self.task().comm()
    }

    /// [`Task::is_placed`].
    pub fn is_placed(self) -> bool {
        self.task().is_placed()
    }

    /// [`Task::place`].
    pub fn place(self) -> Option<Place> {
        self.task().place()
    }

    /// [`Task::saved`].
    #[inline(always)]
    pub fn saved(self) -> u32 {
        self.task().saved()
    }

    /// [`Task::is_plain`].
    #[inline(always)]
    pub fn is_plain(self, generation: u32) -> bool {
        self.task().is_plain(generation)
    }

    /// [`Task::set_saved`].
    #[inline]
    pub fn set_saved(self, generation: u32) {
        self.task().set_saved(generation);
    }

    /// [`Task::set_flags`].
    #[inline]
    pub fn set_flags(self, flags: u8, preempt_count: u8) {
        self.task().set_flags(flags, preempt_count);
    }

    /// Reads the thread's name again (prctl(2), `PR_GET_NAME`): it may have been given one since its first event. An
    /// entered task keeps its name.
    pub fn refresh_comm(self) {
        #[cfg(feature = "std")]
        slot::refresh_comm(self.task());
    }
}

/// Makes the calling thread's events belong to `task` until the guard is dropped. For schedulers whose turn does not fit
/// into a closure; all others use [`Task::run`].
///
/// # Safety
/// The guard is dropped before `'a` ends (not forgotten), and guards are dropped in the reverse order of their making.
pub unsafe fn enter(task: &Task) -> Entered<'_> {
    // first its own, so that there always is one to return to
    current().head();
    #[cfg(feature = "std")]
    let former = tls::set_task(task);
    #[cfg(not(feature = "std"))]
    let former = host::set_current(task);
    Entered {
        former,
        task: PhantomData,
    }
}

/// While it exists, the thread's events belong to the task given to [`enter`].
#[must_use = "the task is left when this is dropped"]
pub struct Entered<'a> {
    former: *const Task,
    task: PhantomData<(&'a Task, *const ())>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        #[cfg(feature = "std")]
        tls::set_task(self.former);
        #[cfg(not(feature = "std"))]
        host::set_current(self.former);
    }
}
