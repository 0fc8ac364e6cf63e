//! What the expansions of the macros name. Not for use by hand: no promise is made about it.

use core::mem::MaybeUninit;
use core::ptr;

pub use alloc::vec::Vec;
pub use core::arch::asm;
pub use core::marker::PhantomData;
pub use core::mem::{offset_of, size_of, transmute};
pub use core::option::Option;
pub use core::primitive::str;
pub use core::ptr::null;
pub use core::{compile_error, concat, file, line, stringify};
pub use pastey::paste;

pub use crate::base::error::Result;
pub use crate::base::patch::Key;
pub use crate::base::rcu;
pub use crate::event::declare::{
    Class, EventDecl, FieldDecl, Print, SyscallArg, SyscallDecl, system_name, without_raw,
};
pub use crate::event::field_type::{Assign, FieldType};
use crate::event::field_type::{Bytes, DynStr};
pub use crate::event::print_fmt::display::{Array, Flags, Hex, Symbolic};
pub use crate::event::print_fmt::literal::{Outcome, Source, translate};
pub use crate::event::record::{MAX_PAYLOAD, Tail};
pub use crate::event::syscall::table::{AnyOf, Table};
pub use crate::event::syscall::{MAX_ARGS, SyscallEnter, SyscallExit};
pub use crate::event::tracepoint::{Changes, Group, Probe, Tracepoint};
pub use crate::instance::event_file::EventFile;
use crate::ring::Moment;

use super::KernelTraceOps;
use crate::event::syscall;

/// Stands in a call where probes have their data, with no value: so the arguments need not move on their way.
pub type Data = MaybeUninit<*const ()>;

/// A [`Data`].
pub const DATA: Data = MaybeUninit::uninit();

/// Bytes of the buffer on the stack in which a record with dynamic data is made, if it fits.
const SMALL: usize = 512;

/// The calling thread is the owner of the event: no `TP_kops`.
pub struct CallingThread;

impl KernelTraceOps for CallingThread {
    #[inline(always)]
    fn with<R>(fire: impl FnOnce() -> R) -> R {
        fire()
    }
}

/// The record of an event: what its macro knows about it.
///
/// # Safety
/// The type must be a `repr(C)` structure that starts with the 8 bytes of the common fields and is valid for any
/// bytes; `store` must initialise all the rest but holes.
pub unsafe trait Entry: Sized {
    /// One value for each field.
    type Values<'a>;
    /// Where dynamic data begins.
    const DATA: usize;
    /// Number of dynamic fields.
    const DYNAMIC: usize;
    /// Whether C's alignment leaves bytes that belong to no field.
    const HOLES: bool;

    /// Bytes of dynamic data.
    fn dynamic_len(values: &Self::Values<'_>) -> usize;

    /// Writes all fields.
    ///
    /// # Safety
    /// `record` must be valid for writes, `tail` describe the same record.
    unsafe fn store(values: Self::Values<'_>, record: *mut Self, tail: &mut Tail);
}

/// A record in the making, as the ring buffer wants it: 8 bytes before it are writable, 16 behind it readable.
#[repr(C, align(8))]
struct Frame<const N: usize> {
    before: [MaybeUninit<u8>; 8],
    payload: [MaybeUninit<u8>; N],
    behind: [MaybeUninit<u8>; 16],
}

/// Where a record goes.
pub trait Commit: Copy {
    /// [`EventFile::commit`].
    ///
    /// # Safety
    /// As there.
    unsafe fn commit<const LEN: usize>(self, payload: *mut u8, len: usize);
}

impl Commit for &EventFile {
    #[inline(always)]
    unsafe fn commit<const LEN: usize>(self, payload: *mut u8, len: usize) {
        // SAFETY: the caller's promise
        unsafe { EventFile::commit::<LEN>(self, payload, len) }
    }
}

/// An event's files in several instances.
#[derive(Clone, Copy)]
pub struct EventFiles<'g>(&'g Group);

impl<'g> EventFiles<'g> {
    /// The files that a group holds.
    ///
    /// # Safety
    /// `group` points to a [`Group`] of event files that live for `'g`, as a probe is called with it.
    #[inline(always)]
    pub unsafe fn of(group: *const ()) -> EventFiles<'g> {
        // SAFETY: the caller's promise
        EventFiles(unsafe { &*group.cast::<Group>() })
    }

    #[inline(always)]
    fn files(self) -> impl Iterator<Item = &'g EventFile> {
        // SAFETY: as `of` was promised
        self.0
            .data()
            .iter()
            .map(|file| unsafe { &*file.cast::<EventFile>() })
    }

    /// Begins a record unless no file wants it.
    ///
    /// # Safety
    /// As [`EventFile::begin`].
    #[inline(always)]
    pub unsafe fn begin(self) -> Option<u64> {
        // SAFETY: the caller's promise
        self.files().find_map(|file| unsafe { file.begin() })
    }
}

impl Commit for EventFiles<'_> {
    #[inline(always)]
    unsafe fn commit<const LEN: usize>(self, payload: *mut u8, len: usize) {
        let moment = Moment::now();
        for file in self.files() {
            // SAFETY: the caller's promise
            unsafe {
                if file.begin().is_some() {
                    file.commit_then::<LEN>(payload, len, moment);
                }
            }
        }
    }
}

/// Makes a record on the stack and commits it to the event file.
///
/// # Safety
/// `LEN` must be the size of `E`.
#[inline(always)]
pub unsafe fn record<E: Entry, const LEN: usize>(
    file: impl Commit,
    head: u64,
    values: E::Values<'_>,
) {
    if E::DYNAMIC == 0 {
        // SAFETY: a record without dynamic data is `LEN` bytes long.
        unsafe { fill::<E, LEN, LEN>(file, head, values) };
    } else if LEN.saturating_add(E::dynamic_len(&values)) <= SMALL {
        // SAFETY: it fits.
        unsafe { fill::<E, SMALL, 0>(file, head, values) };
    } else {
        // SAFETY: what does not fit is cut.
        unsafe { fill_large::<E>(file, head, values) };
    }
}

/// Strings that the small buffer does not hold.
///
/// # Safety
/// As [`fill`].
#[cold]
#[inline(never)]
unsafe fn fill_large<E: Entry>(file: impl Commit, head: u64, values: E::Values<'_>) {
    // SAFETY: the fixed part was checked against this limit when it was declared.
    unsafe { fill::<E, MAX_PAYLOAD, 0>(file, head, values) };
}

/// # Safety
/// `CAP` must be at least the size of `E` plus a byte for each dynamic field; `LEN` the size of `E`, or 0 if it has
/// dynamic fields.
#[inline(always)]
unsafe fn fill<E: Entry, const CAP: usize, const LEN: usize>(
    file: impl Commit,
    head: u64,
    values: E::Values<'_>,
) {
    let mut frame = MaybeUninit::<Frame<CAP>>::uninit();
    // SAFETY: the frame is at least as long as the record (the caller), aligned to 8 as the record is at most, and
    // whatever of it is committed has been written before: head and fields here, holes by zeroing, the dynamic data by
    // the tail, the slack that C's trailing padding adds to the length by the second zeroing.
    unsafe {
        let payload = (&raw mut (*frame.as_mut_ptr()).payload).cast::<u8>();
        if E::HOLES {
            ptr::write_bytes(payload, 0, size_of::<E>());
        }
        payload.cast::<u64>().write(head);
        let slack = size_of::<E>() - E::DATA;
        let mut tail = Tail::new(payload, E::DATA, CAP - slack, E::DYNAMIC);
        E::store(values, payload.cast::<E>(), &mut tail);
        if E::DYNAMIC == 0 {
            file.commit::<LEN>(payload, size_of::<E>());
        } else {
            ptr::write_bytes(payload.add(tail.end()), 0, slack);
            file.commit::<0>(payload, tail.end() + slack);
        }
    }
}

/// The fixed part of a record that may be too short: what is missing is zero.
///
/// # Safety
/// Any bytes must be a value of `E`.
pub unsafe fn raw_record<E>(record: &[u8]) -> E {
    let mut raw = MaybeUninit::<E>::zeroed();
    let len = record.len().min(size_of::<E>());
    // SAFETY: both are at least `len` bytes long, and any bytes are a value (the caller).
    unsafe {
        ptr::copy_nonoverlapping(record.as_ptr(), raw.as_mut_ptr().cast::<u8>(), len);
        raw.assume_init()
    }
}

/// Appends a text made in Rust.
pub fn append(out: &mut Vec<u8>, text: impl AsRef<str>) {
    out.extend_from_slice(text.as_ref().as_bytes());
}

/// The C text of an event.
pub const fn c_print(text: &'static [u8]) -> Print {
    match core::str::from_utf8(text) {
        Ok(text) => Print::C(text),
        Err(_) => panic!("the literal's translation is UTF-8"),
    }
}

/// Attaches one probe.
///
/// # Safety
/// `func` must be a function of the tracepoint's type, and one that may be called with `data` at any time, by any thread.
pub unsafe fn register(
    tracepoint: &'static Tracepoint,
    func: *const (),
    data: *const (),
) -> Result<()> {
    let mut changes = Changes::new();
    // SAFETY: the caller's promise.
    unsafe { changes.register(tracepoint, Probe { func, data })? };
    changes.commit()
}

/// Detaches one probe.
pub fn unregister(tracepoint: &'static Tracepoint, func: *const (), data: *const ()) -> Result<()> {
    let mut changes = Changes::new();
    changes.unregister(tracepoint, Probe { func, data })?;
    changes.commit()
}

/// The descriptions of both events of each call of a table, `M` being twice `N`.
pub const fn syscall_decls<const N: usize, const M: usize>(
    calls: &'static [SyscallDecl; N],
    enter: &'static [Tracepoint; N],
    exit: &'static [Tracepoint; N],
    keep: fn(),
) -> [EventDecl; M] {
    assert!(M == 2 * N);
    let mut decls = MaybeUninit::<[EventDecl; M]>::uninit();
    let mut i = 0;
    while i < M {
        let call = &calls[i / 2];
        let (tracepoint, probe, class) = if i % 2 == 0 {
            let probe = enter_probe as fn(*const (), &SyscallEnter<'_>) as *const ();
            (&enter[i / 2], probe, Class::SyscallEnter(call))
        } else {
            let probe = exit_probe as fn(*const (), &SyscallExit) as *const ();
            (&exit[i / 2], probe, Class::SyscallExit(call))
        };
        let decl = EventDecl {
            system: "syscalls",
            name: tracepoint.name(),
            fields: &[],
            size: 0,
            print: Print::Class,
            tracepoint,
            probe,
            together: null(),
            file: tracepoint.file(),
            line: tracepoint.line(),
            class,
            keep,
        };
        // SAFETY: within the array.
        unsafe { decls.as_mut_ptr().cast::<EventDecl>().add(i).write(decl) };
        i += 1;
    }
    // SAFETY: all written above.
    unsafe { decls.assume_init() }
}

/// Records every `sys_enter_NAME` into an event file, which is the data.
pub fn enter_probe(file: *const (), enter: &SyscallEnter<'_>) {
    // SAFETY: an event file registers this function with itself as the data, and outlives the registration.
    let file = unsafe { &*file.cast::<EventFile>() };
    // SAFETY: tracepoints call their probes in a read section.
    let Some(head) = (unsafe { file.begin() }) else {
        return;
    };
    let dynamic = enter
        .paths
        .iter()
        .fold(0usize, |sum, path| sum.saturating_add(path.len() + 1));
    let size = syscall::enter_size(enter.args.len(), enter.paths.len());
    if size.saturating_add(dynamic) <= SMALL {
        fill_enter::<SMALL>(file, head, enter);
    } else {
        fill_enter_large(file, head, enter);
    }
}

/// Long paths.
#[cold]
#[inline(never)]
fn fill_enter_large(file: &EventFile, head: u64, enter: &SyscallEnter<'_>) {
    fill_enter::<MAX_PAYLOAD>(file, head, enter);
}

#[inline(always)]
fn fill_enter<const CAP: usize>(file: &EventFile, head: u64, enter: &SyscallEnter<'_>) {
    let (args, paths) = (enter.args, enter.paths);
    let size = syscall::enter_size(args.len(), paths.len());
    assert!(args.len() <= syscall::MAX_ARGS && paths.len() <= args.len());
    const {
        assert!(
            syscall::enter_size(syscall::MAX_ARGS, syscall::MAX_ARGS) + syscall::MAX_ARGS <= SMALL
        )
    };
    let mut frame = MaybeUninit::<Frame<CAP>>::uninit();
    // SAFETY: the fixed part fits (above) and is written here as a whole: head, number, the hole behind it, arguments
    // and places of paths; the tail keeps to `CAP`.
    unsafe {
        let payload = (&raw mut (*frame.as_mut_ptr()).payload).cast::<u8>();
        payload.cast::<u64>().write(head);
        payload.add(8).cast::<[i32; 2]>().write([enter.call.nr, 0]);
        ptr::copy_nonoverlapping(args.as_ptr(), payload.add(syscall::ARGS).cast(), args.len());
        let mut tail = Tail::new(payload, size, CAP, paths.len());
        for (i, path) in paths.iter().enumerate() {
            let place = payload.add(syscall::ARGS + 8 * args.len() + 4 * i).cast();
            DynStr::store(Bytes(path), place, &mut tail);
        }
        file.commit::<0>(payload, tail.end());
    }
}

/// Records every `sys_exit_NAME` into an event file, which is the data.
pub fn exit_probe(file: *const (), exit: &SyscallExit) {
    // SAFETY: an event file registers this function with itself as the data, and outlives the registration.
    let file = unsafe { &*file.cast::<EventFile>() };
    // SAFETY: tracepoints call their probes in a read section.
    let Some(head) = (unsafe { file.begin() }) else {
        return;
    };
    let mut frame = MaybeUninit::<Frame<{ syscall::EXIT_SIZE }>>::uninit();
    // SAFETY: three words: head, number with the hole behind it, result.
    unsafe {
        let payload = (&raw mut (*frame.as_mut_ptr()).payload).cast::<u8>();
        payload.cast::<u64>().write(head);
        payload.add(8).cast::<[i32; 2]>().write([exit.call.nr, 0]);
        payload.add(16).cast::<i64>().write(exit.ret);
        file.commit::<{ syscall::EXIT_SIZE }>(payload, syscall::EXIT_SIZE);
    }
}
