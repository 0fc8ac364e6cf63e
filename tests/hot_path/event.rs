//! An event without a record: what the event macros make of a call site, by hand.

use utracefs::base::patch::Key;
use utracefs::base::rcu;
use utracefs::event::tracepoint::{Changes, Probe, Tracepoint};

/// What a probe of [`trace_hit`] is called with besides its data.
pub type Func = fn(*const (), u64, u32);

static KEY: Key = Key::new();

/// The event's tracepoint.
pub static HIT: Tracepoint = Tracepoint::new("hit", &KEY, file!(), line!());

/// The site.
#[inline(always)]
pub fn trace_hit(a: u64, b: u32) {
    if utracefs::__static_branch!(KEY) {
        fire(a, b);
    }
}

/// Whether the site is on.
#[inline]
pub fn trace_hit_enabled() -> bool {
    utracefs::__static_branch!(KEY)
}

#[cold]
#[inline(never)]
fn fire(a: u64, b: u32) {
    if let Some(guard) = rcu::try_read()
        && let Some(probe) = HIT.sole_probe(&guard)
    {
        return call(probe, a, b);
    }
    fire_all(a, b);
}

#[cold]
#[inline(never)]
fn fire_all(a: u64, b: u32) {
    let guard = rcu::read();
    for probe in HIT.probes(&guard) {
        call(probe, a, b);
    }
}

#[inline(always)]
fn call(probe: &Probe, a: u64, b: u32) {
    // SAFETY: `register` below lets no other type in
    let func = unsafe { std::mem::transmute::<*const (), Func>(probe.func) };
    func(probe.data, a, b);
}

/// A probe of the right type.
pub fn probe(func: Func, data: *const ()) -> Probe {
    Probe {
        func: func as *const (),
        data,
    }
}

/// Registers or unregisters one probe.
pub fn change(on: bool, func: Func, data: *const ()) {
    let mut changes = Changes::new();
    let done = match on {
        // SAFETY: the type is right; the tests' data outlives the program or is deferred
        true => unsafe { changes.register(&HIT, probe(func, data)) },
        false => changes.unregister(&HIT, probe(func, data)),
    };
    done.expect("each test registers its own probe once");
    changes.commit().expect("code can be written here");
}
