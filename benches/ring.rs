//! What the ring buffer costs beside the time stamp counter alone: appending both ways, with other clocks, to a full
//! buffer; reading.
#![allow(missing_docs)]

mod harness;

use std::hint::black_box;

use harness::{Options, Variant, bench, passes};
use utracefs::base::clock::ClockId;
use utracefs::base::cpu;
use utracefs::ring::{Buffer, Config, Way};

/// Common fields and two u32, with the 4 bytes before it that longer payloads need.
#[repr(C, align(8))]
struct Two {
    before: u64,
    head: u64,
    a: u32,
    b: u32,
}

/// Common fields, `__data_loc`, text.
#[repr(C, align(8))]
struct Text {
    before: u64,
    head: u64,
    location: u32,
    text: [u8; 128],
}

#[inline(always)]
fn two(buffer: &Buffer, a: u32, b: u32) -> bool {
    let mut record = Two {
        before: 0,
        head: 300 | 4711 << 32,
        a,
        b,
    };
    // SAFETY: 8 bytes before it, and its length is a multiple of 4
    unsafe { buffer.append::<16>((&raw mut record.head).cast(), 16) }
}

#[inline(always)]
fn text(buffer: &Buffer, s: &[u8]) -> bool {
    let mut record = std::mem::MaybeUninit::<Text>::uninit();
    let at = record.as_mut_ptr();
    let n = s.len().min(120);
    // SAFETY: all within the record, which has 4 bytes before the payload and behind it
    unsafe {
        (*at).head = 301 | 4711 << 32;
        (*at).location = 12 | (n as u32 + 1) << 16;
        std::ptr::copy_nonoverlapping(s.as_ptr(), (&raw mut (*at).text).cast(), n);
        (&raw mut (*at).text).cast::<u8>().add(n).write(0);
        buffer.append::<0>((&raw mut (*at).head).cast(), 12 + n + 1)
    }
}

/// What a call site calls: for the disassembly.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn ring_append_two(buffer: &Buffer, a: u32, b: u32) -> bool {
    two(buffer, a, b)
}

/// The same.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn ring_append_text(buffer: &Buffer, s: &[u8]) -> bool {
    text(buffer, s)
}

fn buffer(way: Way, subbufs: usize, overwrite: bool, clock: ClockId) -> Option<Buffer> {
    let config = Config {
        cpus: cpu::possible(),
        subbufs,
        subbuf_size: 4096,
        overwrite,
        clock,
        way,
    };
    Buffer::new(&config).ok()
}

const STRING: &[u8] = b"0123456789abcdef0123456789abcde";

fn main() {
    let mut o = Options::from_args(160_000, 21);
    let of = |way, subbufs, overwrite, clock| {
        &*Box::leak(Box::new(buffer(way, subbufs, overwrite, clock)))
    };
    let (rseq, atomic) = (
        of(Way::Rseq, 354, true, ClockId::Local),
        of(Way::Atomic, 354, true, ClockId::Local),
    );
    let raw = of(Way::Rseq, 354, true, ClockId::X86Tsc);
    let mono = of(Way::Auto, 354, true, ClockId::Mono);
    let full = of(Way::Auto, 2, false, ClockId::Local);
    let off = of(Way::Auto, 354, true, ClockId::Local);
    off.iter().for_each(|b| b.set_recording(false));
    let looped = || Variant::new("loop", |n| passes(n, |_, _| ()));
    // SAFETY: reads a counter
    let tsc = || {
        Variant::new("rdtsc", |n| {
            passes(n, |_, _| {
                // SAFETY: reads a counter
                _ = black_box(unsafe { core::arch::x86_64::_rdtsc() })
            })
        })
    };
    for threads in 1..=if o.once.is_some() { 1 } else { 2 } {
        o.threads = threads;
        let mut variants = vec![looped(), tsc()];
        let mut add = |name, buffer: &'static Option<Buffer>| {
            if let Some(b) = buffer {
                variants.push(Variant::new(name, move |n| {
                    passes(n, |x, i| _ = two(b, x as u32, i as u32))
                }));
            }
        };
        add("sequence", rseq);
        add("sequence, x86-tsc", raw);
        add("reservation", atomic);
        add("mono", mono);
        add("full, discarded", full);
        add("off", off);
        if let Some(b) = rseq {
            variants.push(Variant::new("sequence, called", move |n| {
                passes(n, |x, i| _ = ring_append_two(b, x as u32, i as u32))
            }));
        }
        bench("Common fields and two u32", &o, &variants, Some("rdtsc"));
        let mut variants = vec![looped(), tsc()];
        for (name, b) in [("sequence", rseq), ("reservation", atomic)] {
            if let Some(b) = b {
                variants.push(Variant::new(name, move |n| {
                    passes(n, |_, _| _ = text(b, black_box(STRING)))
                }));
            }
        }
        bench("A string of 31 characters", &o, &variants, Some("rdtsc"));
    }
    black_box(ring_append_text as fn(&Buffer, &[u8]) -> bool);
}
