//! Four words of every thread, reached without a call, also in a shared library that was loaded late.
//!
//! All zero in a new thread. The crate's own block of thread storage instead of `thread_local!`, because that one calls
//! `__tls_get_addr` from shared libraries, which costs as much as half an event and may allocate in a signal handler.
//! Its offset from the thread pointer is fixed when the library is loaded (the initial-exec model of "ELF Handling For
//! Thread-Local Storage", section 4.4.6); libraries loaded late take it from the room that glibc keeps for such
//! blocks.

use super::Task;
use super::reader::Reader;
use super::slot::Slot;

/// The task whose events these are, null before the first event.
const TASK: usize = 0;
/// The reader of the thread's slot if plain stores suffice for it, else null: see `rcu`.
const READER: usize = 1;
/// The thread's slot, null before the first event.
const SLOT: usize = 2;
/// The context of a foreign trap that is being handed on: see `patch::trap`.
const TRAP: usize = 3;

#[inline(always)]
pub(super) fn task() -> *const Task {
    word::get::<TASK>() as *const Task
}

/// Returns the former one.
pub(super) fn set_task(task: *const Task) -> *const Task {
    let former = self::task();
    word::set::<TASK>(task as usize);
    former
}

#[inline(always)]
pub(crate) fn reader() -> *const Reader {
    word::get::<READER>() as *const Reader
}

pub(super) fn set_reader(reader: &'static Reader) {
    word::set::<READER>(core::ptr::from_ref(reader) as usize);
}

pub(crate) fn slot() -> Option<&'static Slot> {
    // SAFETY: null or what `set_slot` got
    unsafe { (word::get::<SLOT>() as *const Slot).as_ref() }
}

pub(super) fn set_slot(slot: &'static Slot) {
    word::set::<SLOT>(core::ptr::from_ref(slot) as usize);
}

/// Returns the former one.
#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux", not(miri))),
    expect(dead_code)
)]
pub(crate) fn set_trap(context: usize) -> usize {
    let former = word::get::<TRAP>();
    word::set::<TRAP>(context);
    former
}

#[cfg(all(
    target_arch = "x86_64",
    target_os = "linux",
    target_env = "gnu",
    not(miri)
))]
mod word {
    use core::arch::{asm, global_asm};

    /// The block's symbol carries the version: another version of the crate in the same program has its own.
    macro_rules! symbol {
        () => {
            concat!(
                "utracefs_thread_",
                env!("CARGO_PKG_VERSION_MAJOR"),
                "_",
                env!("CARGO_PKG_VERSION_MINOR"),
                "_",
                env!("CARGO_PKG_VERSION_PATCH")
            )
        };
    }

    global_asm!(
        ".pushsection .tbss.utracefs_thread, \"awT\", @nobits",
        ".balign 32",
        concat!(".globl ", symbol!()),
        concat!(".hidden ", symbol!()),
        concat!(".type ", symbol!(), ", @object"),
        concat!(".size ", symbol!(), ", 32"),
        concat!(symbol!(), ":"),
        ".zero 32",
        ".popsection",
    );

    /// The block's distance from the thread pointer, the same in all threads.
    #[inline(always)]
    fn offset() -> usize {
        let offset: usize;
        // SAFETY: loads a word that the loader has filled in for good (in an executable the linker makes it a constant)
        unsafe {
            asm!(
                concat!("mov {}, qword ptr [rip + ", symbol!(), "@GOTTPOFF]"),
                out(reg) offset,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        offset
    }

    #[inline(always)]
    pub(super) fn get<const I: usize>() -> usize {
        let value: usize;
        // SAFETY: reads a word of the calling thread's own block
        unsafe {
            asm!(
                "mov {}, qword ptr fs:[{} + {}]",
                out(reg) value,
                in(reg) offset(),
                const I * 8,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        value
    }

    #[inline(always)]
    pub(super) fn set<const I: usize>(value: usize) {
        // SAFETY: writes a word of the calling thread's own block, which nothing else in Rust refers to
        unsafe {
            asm!(
                "mov qword ptr fs:[{} + {}], {}",
                in(reg) offset(),
                const I * 8,
                in(reg) value,
                options(nostack, preserves_flags)
            );
        }
    }
}

#[cfg(not(all(
    target_arch = "x86_64",
    target_os = "linux",
    target_env = "gnu",
    not(miri)
)))]
mod word {
    use core::cell::Cell;

    std::thread_local!(static BLOCK: [Cell<usize>; 4] = const { [const { Cell::new(0) }; 4] });

    #[inline(always)]
    pub(super) fn get<const I: usize>() -> usize {
        BLOCK.with(|b| b[I].get())
    }

    #[inline(always)]
    pub(super) fn set<const I: usize>(value: usize) {
        BLOCK.with(|b| b[I].set(value));
    }
}
