//! Tracepoints: named places in a program, each with a list of probes to call and a switch that keeps its sites from
//! looking at the list while it is empty.

use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::base::error::{Errno, Error, Result};
use crate::base::patch::lock::{Held, lock};
use crate::base::rcu::{Garbage, Guard};
use crate::event::watch;

pub use crate::base::patch::{Batch, Switch};

/// Somebody who wants to know when a tracepoint is passed.
///
/// `func` is a `fn(data: *const (), ARGS…)` with the arguments of the tracepoint; only its macro knows the type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// The function.
    pub func: *const (),
    /// Its first argument.
    pub data: *const (),
}

// SAFETY: two addresses; what may be done with them is the business of who registers and who calls
unsafe impl Send for Probe {}
// SAFETY: as above
unsafe impl Sync for Probe {}

/// A place in a program where probes can be called.
pub struct Tracepoint {
    name: &'static str,
    switch: &'static dyn Switch,
    /// Immutable; replaced under the lock.
    probes: AtomicPtr<List>,
    file: &'static str,
    line: u32,
}

impl Tracepoint {
    /// The tracepoint `name`, defined at `file:line`, whose sites `switch` switches.
    pub const fn new(
        name: &'static str,
        switch: &'static dyn Switch,
        file: &'static str,
        line: u32,
    ) -> Tracepoint {
        let probes = AtomicPtr::new(ptr::from_ref(&EMPTY).cast_mut());
        Tracepoint {
            name,
            switch,
            probes,
            file,
            line,
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The source file of its definition.
    pub const fn file(&self) -> &'static str {
        self.file
    }

    /// The line of its definition.
    pub const fn line(&self) -> u32 {
        self.line
    }

    /// Whether it has probes.
    pub fn is_on(&self) -> bool {
        !ptr::eq(self.probes.load(Ordering::Relaxed), &EMPTY)
    }

    /// The probes to call, in the order of their registration; neighbours of a kind as one.
    #[inline(always)]
    pub fn probes<'g>(&self, _guard: &'g Guard) -> &'g [Probe] {
        // SAFETY: the section keeps the list
        unsafe { List::probes(self.probes.load(Ordering::Acquire)) }
    }

    /// The probe to call if there is only one, as there mostly is.
    #[inline(always)]
    pub fn sole_probe<'g>(&self, _guard: &'g Guard) -> Option<&'g Probe> {
        let list = self.probes.load(Ordering::Acquire);
        // SAFETY: the section keeps the list, and it holds one probe
        unsafe { ((*list).len == 1).then(|| &*List::first(list)) }
    }

    /// The probes as registered now.
    fn registered<'l>(&self, _lock: &'l Held) -> &'l [Registered] {
        // SAFETY: lists are replaced under the lock only
        unsafe {
            (*self.probes.load(Ordering::Relaxed))
                .made_of
                .map_or(&[], |m| m.as_ref().registered.as_slice())
        }
    }

    /// Replaces the list; the former one goes to the garbage.
    fn replace(&self, registered: Vec<Registered>, garbage: &mut Garbage, _lock: &Held) {
        let new = if registered.is_empty() {
            ptr::from_ref(&EMPTY).cast_mut()
        } else {
            List::boxed(registered)
        };
        let old = self.probes.swap(new, Ordering::AcqRel);
        if !ptr::eq(old, &EMPTY) {
            garbage.add(Unlinked(old));
        }
    }
}

impl fmt::Debug for Tracepoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.name, self.file, self.line)
    }
}

/// A probe as it was registered.
#[derive(Clone, Copy)]
struct Registered {
    probe: Probe,
    /// What is called for all of a kind together, with a [`Group`]; or null.
    together: *const (),
}

/// The data of several probes of a kind: what their common function gets as its data.
pub struct Group {
    data: Vec<*const ()>,
}

impl Group {
    /// The data of each, in the order of their registration.
    #[inline(always)]
    pub fn data(&self) -> &[*const ()] {
        &self.data
    }
}

/// What a list of probes was made of.
struct MadeOf {
    registered: Vec<Registered>,
    /// Where calls for several probes point to.
    #[expect(clippy::vec_box, reason = "calls point to them")]
    _groups: Vec<Box<Group>>,
}

/// The head of a list of probes to call; they follow it.
#[repr(C)]
struct List {
    len: usize,
    made_of: Option<NonNull<MadeOf>>,
    probes: [Probe; 0],
}

// SAFETY: immutable, and as `Probe`
unsafe impl Sync for List {}

/// The list of a tracepoint without probes.
static EMPTY: List = List {
    len: 0,
    made_of: None,
    probes: [],
};

impl List {
    /// Room for a list, and where its first probe lies. The address space cannot hold a list for which this overflows.
    fn layout(len: usize) -> Layout {
        let size = size_of::<List>().saturating_add(len.saturating_mul(size_of::<Probe>()));
        Layout::from_size_align(size, align_of::<List>()).unwrap_or(Layout::new::<List>())
    }

    /// Neighbours of a kind become one call.
    fn boxed(registered: Vec<Registered>) -> *mut List {
        let (mut calls, mut groups) = (Vec::new(), Vec::new());
        let same =
            |a: &Registered, b: &Registered| !a.together.is_null() && a.together == b.together;
        for run in registered.chunk_by(same) {
            match run {
                [one] => calls.push(one.probe),
                [first, ..] => {
                    let group = Box::new(Group {
                        data: run.iter().map(|r| r.probe.data).collect(),
                    });
                    calls.push(Probe {
                        func: first.together,
                        data: ptr::from_ref(&*group).cast(),
                    });
                    groups.push(group);
                }
                [] => (),
            }
        }
        let made_of = Box::new(MadeOf {
            registered,
            _groups: groups,
        });
        let layout = List::layout(calls.len());
        // SAFETY: not of size 0; written in full before anybody sees it
        unsafe {
            let list: *mut List = alloc(layout).cast();
            if list.is_null() {
                handle_alloc_error(layout);
            }
            (&raw mut (*list).len).write(calls.len());
            (&raw mut (*list).made_of).write(Some(NonNull::from(Box::leak(made_of))));
            ptr::copy_nonoverlapping(calls.as_ptr(), List::first(list).cast_mut(), calls.len());
            list
        }
    }

    /// # Safety
    /// A list.
    #[inline(always)]
    unsafe fn first(list: *const List) -> *const Probe {
        // SAFETY: within the list or, of an empty one, its end
        unsafe { (&raw const (*list).probes).cast() }
    }

    /// # Safety
    /// A list that stays for `'l`.
    #[inline(always)]
    unsafe fn probes<'l>(list: *const List) -> &'l [Probe] {
        // SAFETY: the caller's promise; lists are immutable
        unsafe { core::slice::from_raw_parts(List::first(list), (*list).len) }
    }
}

/// A list that no reader will find any more.
struct Unlinked(*mut List);

// SAFETY: the only reference to memory that belongs to no thread
unsafe impl Send for Unlinked {}

impl Drop for Unlinked {
    fn drop(&mut self) {
        // SAFETY: from `List::boxed`, with this layout, and after a grace period nobody else's
        unsafe {
            if let Some(made_of) = (*self.0).made_of {
                drop(Box::from_raw(made_of.as_ptr()));
            }
            dealloc(self.0.cast(), List::layout((*self.0).len));
        }
    }
}

/// Registrations and their ends, several at once: the code is written once and there is one grace period for all.
///
/// Lists change at once, the code follows with [`commit`](Self::commit), at the latest when this is dropped. No lock is
/// held in between.
#[must_use = "code is rewritten when this is committed"]
#[derive(Default)]
pub struct Changes {
    touched: Vec<&'static Tracepoint>,
    garbage: Garbage,
}

impl Changes {
    /// No changes yet.
    pub const fn new() -> Changes {
        Changes {
            touched: Vec::new(),
            garbage: Garbage::new(),
        }
    }

    /// Adds a probe behind those of `tracepoint`. `EEXIST`: it is there already; `EINVAL`: it has no function.
    ///
    /// # Safety
    /// `probe.func` is a function of the type that the tracepoint calls, and may be called with `probe.data` from any
    /// thread until a grace period after it is unregistered (give what `data` points to to [`defer`](Self::defer)).
    pub unsafe fn register(&mut self, tracepoint: &'static Tracepoint, probe: Probe) -> Result<()> {
        // SAFETY: the caller's promise
        unsafe { self.register_together(tracepoint, probe, ptr::null()) }
    }

    /// The same for a probe that can be called together with others of its kind: `together`, if it is not null, gets the
    /// [`Group`] of their data instead.
    ///
    /// # Safety
    /// As [`register`](Self::register); `together` is of the same type, and all that are registered with it are of one
    /// kind.
    pub unsafe fn register_together(
        &mut self,
        tracepoint: &'static Tracepoint,
        probe: Probe,
        together: *const (),
    ) -> Result<()> {
        if probe.func.is_null() {
            return Err(Error::new(Errno::EINVAL));
        }
        let lock = lock();
        let mut registered = tracepoint.registered(&lock).to_vec();
        if registered.iter().any(|r| r.probe == probe) {
            return Err(Error::new(Errno::EEXIST));
        }
        registered.push(Registered { probe, together });
        tracepoint.replace(registered, &mut self.garbage, &lock);
        self.touched.push(tracepoint);
        Ok(())
    }

    /// Takes a probe away. `ENOENT`: it is not there. It may still be running, on any thread, for a grace period.
    pub fn unregister(&mut self, tracepoint: &'static Tracepoint, probe: Probe) -> Result<()> {
        let lock = lock();
        let mut registered = tracepoint.registered(&lock).to_vec();
        let before = registered.len();
        registered.retain(|r| r.probe != probe);
        if registered.len() == before {
            return Err(Error::new(Errno::ENOENT));
        }
        tracepoint.replace(registered, &mut self.garbage, &lock);
        self.touched.push(tracepoint);
        Ok(())
    }

    /// Drops `garbage` when no probe that ran before the commit runs any more.
    pub fn defer<T: Send + 'static>(&mut self, garbage: T) {
        self.garbage.add(garbage);
    }

    /// Switches the tracepoints that have got their first probe or lost their last, waits until no probe runs that was
    /// unregistered, and drops what was deferred.
    ///
    /// From within a probe it does not wait: what was deferred is dropped by a later commit. `EPERM`: the system does
    /// not let us switch; probes of tracepoints that are off will not be called.
    pub fn commit(mut self) -> Result<()> {
        self.finish()
    }

    fn finish(&mut self) -> Result<()> {
        let switched = self.switch();
        core::mem::take(&mut self.garbage).retire();
        switched
    }

    fn switch(&mut self) -> Result<()> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let lock = lock();
        let mut batch = Batch::new();
        // by the lists as they are now: others may have changed them since, and whoever comes last has the last word
        for tracepoint in self.touched.drain(..) {
            tracepoint.switch.set(tracepoint.is_on(), &mut batch);
        }
        let switched = batch.commit_holding(&lock);
        drop(lock);
        watch::tell();
        switched
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        // who wants to know whether it worked commits
        let _ = self.finish();
    }
}
