//! Restartable sequences that write a ring: no locked instruction, no half-written entry.
//!
//! The kernel sends a thread that is preempted, migrated or interrupted inside a sequence to its abort handler. So
//! everything before the last instruction may be done twice or for nothing, and only the last one, a store, counts:
//! between a ring's CPU number being read and that store nothing else has written this ring.

use core::arch::asm;
use core::mem::offset_of;

use super::super::control::{Control, Meta};
use super::super::page::PAGE_HEADER;
use super::super::table::Slot;
use super::{NOW, Request};
use crate::base::rseq::{Area, SIGNATURE};

/// How a sequence ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It committed.
    Done,
    /// It committed, and a reader waits for that; he is not marked as waiting any more.
    Wake,
    /// It was restarted, or somebody else has done it.
    Again,
    /// The page has no room, or the ring has no page.
    Full,
    /// The delta does not fit the header, or is negative.
    Gap,
    /// The table's limit refuses this CPU, or the thread has none.
    NoCpu,
    /// Nobody may write here.
    Off,
}

const CUR: usize = offset_of!(Control, cur);
const LAST: usize = offset_of!(Control, last);
const MULT: usize = offset_of!(Control, mult);
const CLOCK: usize = offset_of!(Control, offset);
const DATA: usize = offset_of!(Control, data);
const SHIFT: usize = offset_of!(Control, shift);
const SLOTS: usize = offset_of!(Control, slots);
const METAS: usize = offset_of!(Control, metas);
const PAGES: usize = offset_of!(Control, pages);
const ROOM: usize = offset_of!(Control, room);
const OVERWRITE: usize = offset_of!(Control, overwrite);
const DROPPED: usize = offset_of!(Control, dropped);
const HEAD: usize = offset_of!(Control, head);
const TIME: usize = offset_of!(Request, time);
const BODY: usize = offset_of!(Request, body);
const WORDS: usize = offset_of!(Request, words);
const TOTAL: usize = offset_of!(Request, total);
const TYPE: usize = offset_of!(Request, type_len);
const LENGTH: usize = offset_of!(Request, length);
const TAIL: usize = offset_of!(Request, tail);
const HAS_TAIL: usize = offset_of!(Request, has_tail);
const ONLY: usize = offset_of!(Request, only);
/// Committing an entry turns the parity and counts one.
const ONE: u64 = (1 << 63) + (1 << 32);

// what the code below has in its addressing
const _: () = assert!(size_of::<Meta>() == 32 && offset_of!(Meta, page) == 0);
const _: () =
    assert!(size_of::<Slot>() == 16 && offset_of!(Slot, ring) == 0 && offset_of!(Slot, any) == 8);
const _: () = assert!(offset_of!(Slot, pages) == 12 && NOW == u64::MAX);
const _: () = assert!(PAGE_HEADER == 16 && CUR == 0);
const _: () = assert!(
    offset_of!(Area, cpu_id) == 4 && offset_of!(Area, rseq_cs) == 8 && SIGNATURE == 0x5305_3053
);

/// Descriptor and abort handler, then the sequence's beginning: `e` becomes the address 16 bytes before the CPU's slot of
/// the table, `c` the ring. `limit` is the place of the table's first slot that says below which number CPUs may write.
macro_rules! sequence {
    ($limit:literal, [$($code:literal),* $(,)?], [$($after:literal),* $(,)?], $($operands:tt)*) => {
        asm!(
            // the descriptor is relocated, so its section is writable
            ".pushsection __rseq_cs, \"aw\"",
            ".balign 32",
            "5: .long 0, 0",
            ".quad 3f, 4f - 3f, 6f",
            ".popsection",
            ".pushsection __rseq_failure, \"ax\"",
            ".byte 0x0f, 0xb9, 0x3d", // ud1: the signature disassembles as its operand
            ".long 0x53053053",
            "6: jmp {again}",
            ".popsection",
            "lea rax, [rip + 5b]",
            "mov [{area} + 8], rax",
            "3:",
            // read inside the sequence, so that it needs no second look; above any limit if the area is not registered
            "mov {e:e}, [{area} + 4]",
            concat!("cmp {e:e}, [{table} + ", $limit, "]"),
            "jae {nocpu}",
            "shl {e}, 4",
            "add {e}, {table}",
            "mov {c}, [{e} + 16]",
            $($code,)*
            "4:",
            $($after,)*
            e = out(reg) _, c = out(reg) _, out("rax") _, out("rdx") _,
            again = label { return Outcome::Again },
            nocpu = label { return Outcome::NoCpu },
            $($operands)*
        )
    };
}

/// The beginning of both fast sequences. With an offset of the ring: `rax` the time since the last entry, `p` the page,
/// `st` its commit word, `t` the bytes in it; the time stands where the commit will make it valid. `$cycles` puts the time
/// stamp counter into `rax`.
macro_rules! append {
    ([$($cycles:literal),*], [$($room:literal),*], [$($copy:literal),* $(,)?], $($operands:tt)*) => {
        sequence!("0", [
            "mov {p}, [{c}]",
            "add {p}, {c}",
            $($cycles,)*
            "mul qword ptr [{c} + {mult}]",
            "shrd rax, rdx, 32",
            "add rax, [{c} + {clock}]",
            "mov {st}, [{p} + 8]",
            "mov {t}, {st}",
            "shr {t}, 63",
            "mov rdx, [{c} + {t} * 8 + {last}]",
            "xor {t:e}, 1",
            "mov [{c} + {t} * 8 + {last}], rax", // nobody looks at this one until the commit
            "sub rax, rdx",
            "mov {t:e}, {st:e}",
            $($room,)*
            "cmp edx, [{c} + {data}]",
            "ja {full}",
            "mov rdx, rax",
            "shr rdx, 27",
            "jnz {gap}", // or negative
            "shl eax, 5",
            $($copy,)*
            "mov [{p} + 8], {st}",
        ],
        [
            "cmp dword ptr [{e} + 24], 0",
            "je 9f",
            "mov dword ptr [{e} + 24], 0",
            "jmp {wake}",
            "9:",
        ],
            p = out(reg) _, st = out(reg) _, t = out(reg) _, x = out(xmm_reg) _,
            mult = const MULT, clock = const CLOCK, last = const LAST, data = const DATA,
            full = label { return Outcome::Full },
            gap = label { return Outcome::Gap },
            wake = label { return Outcome::Wake },
            $($operands)*
            options(nostack),
        )
    };
}

/// The sequence of an entry of `LEN` bytes.
macro_rules! append_known {
    ($len:expr, $body:ident, $area:ident, $table:ident, [$($cycles:literal),*], $($operands:tt)*) => {
        append!([$($cycles),*], ["lea edx, [{t} + {len} + 4]"],
            [
                "or eax, {kind}",
                "mov [{p} + {t} + 16], eax",
                // steps of 16, then 8, then 4 bytes: nothing behind the entry is touched
                ".irp o, 0,16,32,48,64,80,96,112",
                ".if \\o + 16 <= {len}",
                "movups {x}, [{body} + \\o]",
                "movups [{p} + {t} + 20 + \\o], {x}",
                ".endif",
                ".endr",
                ".if {len} & 8",
                "mov rax, [{body} + ({len} & -16)]",
                "mov [{p} + {t} + 20 + ({len} & -16)], rax",
                ".endif",
                ".if {len} & 4",
                "mov eax, [{body} + ({len} & -8)]",
                "mov [{p} + {t} + 20 + ({len} & -8)], eax",
                ".endif",
                "add {st}, {inc}",
            ],
            area = in(reg) $area, table = in(reg) $table, body = in(reg) $body,
            inc = in(reg) ONE + 4 + $len.next_multiple_of(4) as u64,
            len = const $len.next_multiple_of(4), kind = const $len.div_ceil(4),
            $($operands)*
        )
    };
}

/// One attempt to append an entry of `LEN` bytes at `body`, at most 112, rounded up to whole words.
///
/// # Safety
/// `area` is the calling thread's, `table` one of live rings and good up to its limit; `body` can be read.
#[inline(always)]
pub(super) unsafe fn append<const LEN: usize>(
    area: *mut Area,
    table: *const Slot,
    body: *const u8,
) -> Outcome {
    // SAFETY: writes the area's pointer to the descriptor, and the ring of the CPU it runs on, as the module says;
    // the page has room for what is written before anything is
    unsafe {
        append_known!(
            LEN,
            body,
            area,
            table,
            ["rdtsc", "shl rdx, 32", "or rax, rdx"],
        );
    }
    Outcome::Done
}

/// The same for an entry that happened when the time stamp counter was at `cycles`.
///
/// # Safety
/// As above.
#[inline(always)]
pub(super) unsafe fn append_then<const LEN: usize>(
    area: *mut Area,
    table: *const Slot,
    body: *const u8,
    cycles: u64,
) -> Outcome {
    // SAFETY: as above
    unsafe {
        append_known!(LEN, body, area, table, ["mov rax, {cycles}"], cycles = in(reg) cycles,);
    }
    Outcome::Done
}

/// The same for any words behind the header, `len` bytes at `body`: at least 8 and a multiple of 4.
///
/// # Safety
/// As above.
#[inline(always)]
pub(super) unsafe fn append_any(
    area: *mut Area,
    table: *const Slot,
    body: *const u8,
    len: usize,
    type_len: u32,
) -> Outcome {
    // SAFETY: as above
    unsafe {
        append!(["rdtsc", "shl rdx, 32", "or rax, rdx"], ["lea edx, [{t} + {rest} + 20]"],
            [
                "or eax, {kind:e}",
                "mov [{p} + {t} + 16], eax",
                "lea rdx, [{p} + {t} + 20]",
                "xor eax, eax",
                "test {rest}, {rest}",
                "js 8f",
                // steps of 16 bytes, the last one back from the end
                "jmp 9f",
                "7: movups {x}, [{body} + rax]",
                "movups [rdx + rax], {x}",
                "add rax, 16",
                "9: cmp rax, {rest}",
                "jb 7b",
                "movups {x}, [{body} + {rest}]",
                "movups [rdx + {rest}], {x}",
                "jmp 7f",
                // 8 or 12 bytes
                "8: mov rax, [{body}]",
                "mov [rdx], rax",
                "mov eax, [{body} + {rest} + 12]",
                "mov [rdx + {rest} + 12], eax",
                "7: lea rax, [{rest} + 20]",
                "add {st}, rax",
                "add {st}, {one}",
            ],
            area = in(reg) area, table = in(reg) table, body = in(reg) body, rest = in(reg) len as isize - 16,
            kind = in(reg) type_len, one = in(reg) ONE,
        );
    }
    Outcome::Done
}

/// One attempt to append at a given time or now, wherever the clock stands: a time before the last entry's becomes that,
/// a long delta gets an entry of its own.
///
/// # Safety
/// As above.
#[cold]
#[inline(never)]
pub(super) unsafe fn append_slow(
    area: *mut Area,
    table: *const Slot,
    request: &Request,
) -> Outcome {
    // SAFETY: as above
    unsafe {
        sequence!("8", [
            "mov rax, [{request} + {only}]",
            "test rax, rax",
            "jz 7f",
            "cmp rax, {e}",
            "jne {nocpu}",
            "7: mov {p}, [{c}]",
            "add {p}, {c}",
            "mov rax, [{request} + {time}]",
            "cmp rax, -1",
            "jne 7f",
            "rdtsc",
            "shl rdx, 32",
            "or rax, rdx",
            "mul qword ptr [{c} + {mult}]",
            "shrd rax, rdx, 32",
            "add rax, [{c} + {clock}]",
            "7: mov {st}, [{p} + 8]",
            "mov {t}, {st}",
            "shr {t}, 63",
            "mov rdx, [{c} + {t} * 8 + {last}]",
            "cmp rax, rdx",
            "cmovb rax, rdx", // never backwards
            "xor {t:e}, 1",
            "mov [{c} + {t} * 8 + {last}], rax",
            "sub rax, rdx",
            "mov {t:e}, {st:e}",
            "mov rdx, [{request} + {total}]",
            "lea edx, [{t} + rdx + 4]",
            "mov rcx, rax",
            "shr rcx, 27",
            "jz 8f",
            "add edx, 8",
            "cmp edx, [{c} + {data}]",
            "ja {full}",
            "mov [{p} + {t} + 20], ecx",
            "shl eax, 5",
            "or eax, 30",
            "mov [{p} + {t} + 16], eax",
            "add {t:e}, 8",
            "xor eax, eax",
            "jmp 9f",
            "8: cmp edx, [{c} + {data}]",
            "ja {full}",
            "9: shl eax, 5",
            "or eax, [{request} + {kind}]",
            "mov [{p} + {t} + 16], eax",
            "lea rdi, [{p} + {t} + 20]",
            "mov eax, [{request} + {length}]",
            "test eax, eax",
            "jz 7f",
            "stosd",
            "7: mov rsi, [{request} + {body}]",
            "mov rcx, [{request} + {words}]",
            "sub rcx, 4",
            "jb 2f",
            "7: movups {x}, [rsi]",
            "movups [rdi], {x}",
            "add rsi, 16",
            "add rdi, 16",
            "sub rcx, 4",
            "jae 7b",
            "2: add rcx, 4",
            "rep movsd", // fewer than 4
            "cmp dword ptr [{request} + {has_tail}], 0",
            "je 8f",
            "mov eax, [{request} + {tail}]",
            "stosd",
            "8:",
            "mov eax, {st:e}",
            "sub edx, eax",
            "add {st}, rdx", // the bytes, header and long delta among them
            "mov eax, 1",
            "shl rax, 32",
            "add {st}, rax",
            "btc {st}, 63",
            "mov [{p} + 8], {st}",
        ],
        [
            "cmp dword ptr [{e} + 24], 0",
            "je 9f",
            "mov dword ptr [{e} + 24], 0",
            "jmp {wake}",
            "9:",
        ],
            area = in(reg) area, table = in(reg) table, request = in(reg) request,
            p = out(reg) _, st = out(reg) _, t = out(reg) _, x = out(xmm_reg) _,
            out("rcx") _, out("rsi") _, out("rdi") _,
            mult = const MULT, clock = const CLOCK, last = const LAST, data = const DATA, only = const ONLY,
            time = const TIME, body = const BODY, words = const WORDS, total = const TOTAL, kind = const TYPE,
            length = const LENGTH, tail = const TAIL, has_tail = const HAS_TAIL,
            full = label { return Outcome::Full },
            wake = label { return Outcome::Wake },
            options(nostack),
        );
    }
    Outcome::Done
}

/// Goes on to the next page unless `request` fits this one, a long delta included: then [`Outcome::Again`].
/// [`Outcome::Full`]: the oldest page is unread and is not to be overwritten.
///
/// # Safety
/// As above.
#[cold]
#[inline(never)]
pub(super) unsafe fn next_page(area: *mut Area, table: *const Slot, request: &Request) -> Outcome {
    // SAFETY: as above
    unsafe {
        sequence!("8", [
            "cmp qword ptr [{c} + {slots}], 0",
            "je {off}",
            "mov rax, [{request} + {only}]",
            "test rax, rax",
            "jz 7f",
            "cmp rax, {e}",
            "jne {nocpu}",
            "7: mov {p}, [{c}]",
            "mov {st}, [{c} + {p} + 8]",
            "mov rax, [{request} + {total}]",
            "lea eax, [rax + {st} + 12]",
            "cmp eax, [{c} + {data}]",
            "jbe {again}",
            "sub {p}, [{c} + {pages}]",
            "mov rcx, [{c} + {shift}]",
            "shr {p}, cl", // the slot
            "mov {m}, {p}",
            "shl {m}, 5",
            "add {m}, [{c} + {metas}]",
            "mov {no}, [{c} + {m}]",
            "inc {no}",
            "lea {first}, [{st} + {st}]",
            "shr {first}, 33", // entries of this page, and those before it
            "add {first}, [{c} + {m} + 8]",
            "mov rax, [{c} + {head}]",
            "mov {m}, {no}",
            "sub {m}, rax",
            "cmp {m}, [{c} + {room}]",
            "jb 7f",
            "cmp qword ptr [{c} + {overwrite}], 0",
            "je {full}",
            "lea rdx, [rax + 1]",
            "lock cmpxchg [{c} + {head}], rdx", // fails only if the reader has just taken that page
            "7: mov rax, [{request} + {time}]",
            "cmp rax, -1",
            "jne 8f",
            "rdtsc",
            "shl rdx, 32",
            "or rax, rdx",
            "mul qword ptr [{c} + {mult}]",
            "shrd rax, rdx, 32",
            "add rax, [{c} + {clock}]",
            "8: shr {st}, 63",
            "mov rdx, [{c} + {st} * 8 + {last}]",
            "cmp rax, rdx",
            "cmovb rax, rdx",
            "xor {st:e}, 1",
            "mov [{c} + {st} * 8 + {last}], rax",
            "shl {st}, 63",
            "xor edx, edx",
            "inc {p}",
            "cmp {p}, [{c} + {slots}]",
            "cmove {p}, rdx",
            "mov {m}, {p}",
            "shl {m}, 5",
            "add {m}, [{c} + {metas}]",
            "mov [{c} + {m}], {no}",
            "mov [{c} + {m} + 8], {first}",
            "shl {p}, cl",
            "add {p}, [{c} + {pages}]",
            "mov [{c} + {p}], rax",
            "mov [{c} + {p} + 8], {st}",
            "mov [{c}], {p}",
        ],
        [
            // one page more: is it the one that somebody waits for?
            "cmp dword ptr [{e} + 28], -1",
            "je 9f",
            "lock dec dword ptr [{e} + 28]",
            "jz {wake}",
            "9:",
        ],
            area = in(reg) area, table = in(reg) table, request = in(reg) request,
            p = out(reg) _, st = out(reg) _, m = out(reg) _, no = out(reg) _, first = out(reg) _, out("rcx") _,
            data = const DATA, pages = const PAGES, shift = const SHIFT, metas = const METAS, slots = const SLOTS,
            head = const HEAD, room = const ROOM, overwrite = const OVERWRITE, mult = const MULT,
            clock = const CLOCK, last = const LAST, only = const ONLY, time = const TIME, total = const TOTAL,
            full = label { return Outcome::Full },
            wake = label { return Outcome::Wake },
            off = label { return Outcome::Off },
            options(nostack),
        );
    }
    Outcome::Done
}

/// Counts an entry that was refused.
///
/// # Safety
/// As above.
#[cold]
#[inline(never)]
pub(super) unsafe fn count_dropped(area: *mut Area, table: *const Slot) -> Outcome {
    // a counting store must be the last instruction, so this is a sequence of its own
    // SAFETY: as above
    unsafe {
        sequence!("8", [
            "cmp qword ptr [{c} + {slots}], 0",
            "je {off}",
            "add qword ptr [{c} + {dropped}], 1",
        ], [],
            area = in(reg) area, table = in(reg) table, dropped = const DROPPED, slots = const SLOTS,
            off = label { return Outcome::Off },
            options(nostack),
        );
    }
    Outcome::Done
}
