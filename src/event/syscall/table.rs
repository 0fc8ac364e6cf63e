//! The system calls of a machine, found by number: as in Linux, where entering and leaving the kernel are two places for
//! all calls, and a table says which of them anybody wants to hear of.

use core::mem::transmute;

use super::{MAX_ARGS, NUMBERS, SyscallEnter, SyscallExit};
use crate::base::error::{Errno, Error, Result};
use crate::base::rcu;
use crate::event::declare::SyscallDecl;
use crate::event::tracepoint::{Batch, Changes, Probe, Switch, Tracepoint};

/// Stands for "no call has this number".
const NONE: u16 = u16::MAX;

/// System calls and their tracepoints side by side.
pub struct Table {
    calls: &'static [SyscallDecl],
    enter: &'static [Tracepoint],
    exit: &'static [Tracepoint],
    /// Places in the other three.
    by_number: [u16; NUMBERS],
}

impl Table {
    /// The table of these calls. Calls with a negative number do not exist on this machine.
    ///
    /// # Panics
    /// At compile time, if a number is too high or there twice, a call has too many arguments, or the three do not
    /// belong together.
    pub const fn new(
        calls: &'static [SyscallDecl],
        enter: &'static [Tracepoint],
        exit: &'static [Tracepoint],
    ) -> Table {
        assert!(calls.len() == enter.len() && calls.len() == exit.len());
        let mut by_number = [NONE; NUMBERS];
        let mut i = 0;
        while i < calls.len() {
            assert!(
                calls[i].args.len() <= MAX_ARGS,
                "a system call has at most six arguments"
            );
            if calls[i].exists() {
                let nr = calls[i].nr as usize;
                assert!(nr < NUMBERS, "numbers of system calls are below 512");
                assert!(by_number[nr] == NONE, "two system calls of one number");
                by_number[nr] = i as u16;
            }
            i += 1;
        }
        Table {
            calls,
            enter,
            exit,
            by_number,
        }
    }

    fn place(&self, nr: i64) -> Option<usize> {
        let place = *self.by_number.get(usize::try_from(nr).ok()?)?;
        (place != NONE).then_some(usize::from(place))
    }

    /// The call with this number.
    pub fn find(&self, nr: i64) -> Option<&'static SyscallDecl> {
        self.calls.get(self.place(nr)?)
    }

    /// The tracepoint of a call's `sys_enter_NAME`.
    pub fn enter_tracepoint(&self, nr: i64) -> Option<&'static Tracepoint> {
        self.enter.get(self.place(nr)?)
    }

    /// The tracepoint of a call's `sys_exit_NAME`.
    pub fn exit_tracepoint(&self, nr: i64) -> Option<&'static Tracepoint> {
        self.exit.get(self.place(nr)?)
    }

    /// Calls the listeners of the call's `sys_enter_NAME`. `paths`: the texts of its arguments that are paths, in their
    /// order; missing ones are empty.
    #[cold]
    #[inline(never)]
    pub fn fire_enter(&self, nr: i64, args: &[u64; MAX_ARGS], paths: &[&[u8]]) {
        let Some(place) = self.place(nr) else { return };
        let (call, tracepoint) = (&self.calls[place], &self.enter[place]);
        if !tracepoint.is_on() {
            return;
        }
        let mut texts: [&[u8]; MAX_ARGS] = [&[]; MAX_ARGS];
        texts.iter_mut().zip(paths).for_each(|(t, path)| *t = path);
        let enter = SyscallEnter {
            call,
            args: &args[..call.args.len()],
            paths: &texts[..call.paths()],
        };
        let guard = rcu::read();
        for probe in tracepoint.probes(&guard) {
            // SAFETY: only functions of this type are registered with tracepoints of this class.
            let func =
                unsafe { transmute::<*const (), fn(*const (), &SyscallEnter<'_>)>(probe.func) };
            func(probe.data, &enter);
        }
    }

    /// Calls the listeners of the call's `sys_exit_NAME`.
    #[cold]
    #[inline(never)]
    pub fn fire_exit(&self, nr: i64, ret: i64) {
        let Some(place) = self.place(nr) else { return };
        let (call, tracepoint) = (&self.calls[place], &self.exit[place]);
        if !tracepoint.is_on() {
            return;
        }
        let exit = SyscallExit { call, ret };
        let guard = rcu::read();
        for probe in tracepoint.probes(&guard) {
            // SAFETY: only functions of this type are registered with tracepoints of this class.
            let func = unsafe { transmute::<*const (), fn(*const (), &SyscallExit)>(probe.func) };
            func(probe.data, &exit);
        }
    }

    /// Adds (`on`) or takes away a listener of a call's `sys_enter_NAME`.
    ///
    /// # Errors
    /// `ENOSYS`: no call has this number; `EEXIST`: it is registered with this data already; `ENOENT`: it is not.
    #[expect(
        clippy::not_unsafe_ptr_arg_deref,
        reason = "the listener's pointer, only passed on"
    )]
    pub fn listen_enter(
        &self,
        nr: i64,
        func: fn(*const (), &SyscallEnter<'_>),
        data: *const (),
        on: bool,
    ) -> Result<()> {
        let tracepoint = self.enter_tracepoint(nr);
        // SAFETY: the type is the tracepoint's, and a safe function may be called with any pointer.
        unsafe { listen(tracepoint, func as *const (), data, on) }
    }

    /// The same for `sys_exit_NAME`.
    ///
    /// # Errors
    /// As [`listen_enter`](Self::listen_enter).
    #[expect(clippy::not_unsafe_ptr_arg_deref, reason = "as above")]
    pub fn listen_exit(
        &self,
        nr: i64,
        func: fn(*const (), &SyscallExit),
        data: *const (),
        on: bool,
    ) -> Result<()> {
        let tracepoint = self.exit_tracepoint(nr);
        // SAFETY: as above.
        unsafe { listen(tracepoint, func as *const (), data, on) }
    }
}

/// # Safety
/// `func` must be a function of the tracepoint's type, and one that may be called with `data` at any time, by any thread.
unsafe fn listen(
    tracepoint: Option<&'static Tracepoint>,
    func: *const (),
    data: *const (),
    on: bool,
) -> Result<()> {
    let tracepoint = tracepoint.ok_or(Error::new(Errno::ENOSYS))?;
    let (mut changes, probe) = (Changes::new(), Probe { func, data });
    if on {
        // SAFETY: the caller's promise.
        unsafe { changes.register(tracepoint, probe)? };
    } else {
        changes.unregister(tracepoint, probe)?;
    }
    changes.commit()
}

/// One switch for the sites of many tracepoints: on while any of them has a listener.
pub struct AnyOf<S: 'static> {
    switch: &'static S,
    tracepoints: &'static [Tracepoint],
}

impl<S: Switch> AnyOf<S> {
    /// Switches `switch` for all of `tracepoints`.
    pub const fn new(switch: &'static S, tracepoints: &'static [Tracepoint]) -> AnyOf<S> {
        AnyOf {
            switch,
            tracepoints,
        }
    }
}

impl<S: Switch> Switch for AnyOf<S> {
    fn set(&'static self, on: bool, batch: &mut Batch) {
        // Lists are changed before switches are set, so the lists know.
        let any = on || self.tracepoints.iter().any(Tracepoint::is_on);
        self.switch.set(any, batch);
    }
}
