//! The link section `utracefs_events`: one pointer to an [`EventDecl`] for every event in the program.
//!
//! Nothing refers to an event that never fires, so three parts keep it. `#[used]` on the description makes the compiler
//! keep it and, for a library, makes rustc's link step pull its object file out of the archive. The description holds the
//! address of a function that contains the directives below: assembled with the function, they cannot be separated
//! from it by link-time optimisation, which knows the operand and may rename it. And the section's retain flag (`R`,
//! SHF_GNU_RETAIN) keeps the linker's garbage collection away, which would not count `__start_…` as a reference (lld).
//!
//! A shared library has a section of its own: events are found by the copy of this crate that they were linked with.

use super::EventDecl;

#[cfg(not(miri))]
unsafe extern "C" {
    #[link_name = "__start_utracefs_events"]
    static START: [*const (); 0];
    #[link_name = "__stop_utracefs_events"]
    static STOP: [*const (); 0];
}

/// The events that are linked into this program, in no particular order. An event may come up more than once.
#[cfg(miri)]
pub fn declared() -> impl Iterator<Item = &'static EventDecl> {
    // Interpreted, there is no linker.
    core::iter::empty()
}

/// The events that are linked into this program, in no particular order. An event may come up more than once.
#[cfg(not(miri))]
pub fn declared() -> impl Iterator<Item = &'static EventDecl> {
    // A null pointer, so that the section is there even in a program without events.
    // SAFETY: directives only, no instruction.
    unsafe {
        core::arch::asm!(
            ".pushsection utracefs_events, \"awR\"",
            ".balign {size}",
            ".zero {size}",
            ".popsection",
            size = const size_of::<*const ()>(),
            options(nomem, nostack, preserves_flags),
        )
    };
    let (start, stop) = (&raw const START, &raw const STOP);
    // SAFETY: the linker puts both symbols around the pointers that this module and `__keep_event!` lay down, each null
    // or the address of a static.
    let all = unsafe {
        let len = stop
            .cast::<*const EventDecl>()
            .offset_from_unsigned(start.cast());
        core::slice::from_raw_parts(start.cast::<*const EventDecl>(), len)
    };
    // SAFETY: as above.
    all.iter()
        .filter_map(|decl| unsafe { decl.as_ref() })
        .filter(|decl| decl.class.exists())
}
