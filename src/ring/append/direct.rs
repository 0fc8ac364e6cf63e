//! Reservation in one piece: what [`atomic`](super::atomic) does for an entry that fits the page being written, at a
//! time not long after the last one's. Everything else, and whatever another writer has changed meanwhile, is left to
//! that.
//!
//! The same two locked instructions: the first takes place and time, the second counts what was written.

use core::arch::asm;
use core::mem::offset_of;

use super::super::buffer::Buffer;
use super::super::control::{CONTROL, Control, Meta, Pair};
use super::super::page::{MAX_SUBBUF, PAGE_HEADER};
use super::super::state::{NUMBER, State};
use super::super::table::{Slot, Table};
use super::rseq::Outcome;

const MULT: usize = offset_of!(Control, mult);
const CLOCK: usize = offset_of!(Control, offset);
const DATA: usize = offset_of!(Control, data);
const HINT: usize = offset_of!(Control, hint);
const STATE: usize = offset_of!(Control, state);
const COMMIT: usize = CONTROL + offset_of!(Meta, commit);
const PAGE: usize = CONTROL + offset_of!(Meta, at);

// what the code below has in its addressing, and in its shifts and masks
const _: () = assert!(size_of::<Meta>() == 32 && PAGE_HEADER == 16);
const _: () = assert!(offset_of!(Pair, low) == 0 && offset_of!(Pair, high) == 8);
const _: () =
    assert!(size_of::<Slot>() == 16 && offset_of!(Slot, ring) == 0 && offset_of!(Slot, any) == 8);
const _: () = assert!(Table::RDPID & 2 != 0 && Table::RDTSCP & 2 == 0);
const _: () = {
    let all = State::new(0, (1 << 16) - 1, MAX_SUBBUF - 4);
    assert!(all.0 & 0x1_ffff == MAX_SUBBUF as u64 / 4 - 1 && all.0 < 1 << (NUMBER - 1));
    assert!(State(0).sealed().0 == 1 << (NUMBER - 1));
};

/// An attempt with the table in `rdi`, the body in `rsi`, how the CPU's number is learnt in `rdx`.
///
/// For `$room` and `$grown`: into `ebx` the bytes there will be in the page, and what is added to the state; `r11` is a
/// quarter of the bytes that are there. For `$copy`: `rax` the page, `r9d` the time since the last entry, shifted;
/// `[r8 + r10 + {commit}]` counts what is written.
macro_rules! direct {
    ([$($room:literal),* $(,)?], [$($grown:literal),* $(,)?], [$($copy:literal),* $(,)?], $($operands:tt)*) => {
        asm!(
            "test edx, 2",
            "jz 2f",
            "rdpid rcx",
            "rdtsc",
            "3: shl rdx, 32",
            "or rax, rdx",
            "and ecx, 0xfff",
            "cmp ecx, [rdi]",
            "jae {not}",
            "shl ecx, 4",
            "add rdi, rcx",
            "mov r8, [rdi + 16]",
            "mul qword ptr [r8 + {mult}]",
            "shrd rax, rdx, 32",
            "add rax, [r8 + {clock}]",
            "mov rcx, rax",
            "mov rax, [r8 + {state}]",
            "mov rdx, [r8 + {state} + 8]",
            "mov r9, rcx",
            "sub r9, rdx",
            "cmp r9, 0x7ffffff",
            "ja {not}", // or negative
            "mov r10, [r8 + {hint}]",
            "mov r11, r10",
            "xor r11, rax",
            "shr r11, 33",
            "jnz {not}", // another page, or this one is sealed
            "mov r11d, eax",
            "and r11d, 0x1ffff",
            // rbx cannot be an operand, but may be handed out as one: so every operand is named
            "push rbx",
            $($room,)*
            "cmp ebx, [r8 + {data}]",
            "ja 4f",
            $($grown,)*
            "add rbx, rax",
            "lock cmpxchg16b [r8 + {state}]",
            "pop rbx",
            "jne {not}",
            "mov r10d, r10d",
            "mov rax, [r8 + r10 + {page}]",
            "add rax, r8",
            // the counting below waits for the stores before it: let the lines of the next entries be there by then
            "prefetchw [rax + r11 * 4 + 256]",
            "shl r9d, 5",
            $($copy,)*
            "cmp dword ptr [rdi + 24], 0",
            "jne 9f",
            ".pushsection .text.unlikely, \"ax\"",
            "2: rdtscp",
            "jmp 3b",
            "4: pop rbx",
            "jmp {not}",
            "9: mov dword ptr [rdi + 24], 0",
            "jmp {wake}",
            ".popsection",
            out("r8") _, out("r10") _, out("r11") _, out("rax") _, out("rcx") _, out("xmm0") _,
            mult = const MULT, clock = const CLOCK, data = const DATA, hint = const HINT, state = const STATE,
            page = const PAGE, commit = const COMMIT,
            not = label { return Outcome::Again },
            wake = label { return Outcome::Wake },
            $($operands)*
        )
    };
}

/// # Safety
/// `table` is one of live rings and good up to its limit; `LEN` bytes, rounded up to words, at most 112, can be read at
/// `body`.
#[inline(always)]
pub(super) unsafe fn append<const LEN: usize>(
    table: *const Slot,
    body: *const u8,
    how: usize,
) -> Outcome {
    // SAFETY: writes only what the reservation has made this thread's, which is within the page, as was checked
    unsafe {
        direct!(["lea ebx, [r11 * 4 + {len} + 4]"],
            ["movabs rbx, {inc}"],
            [
                "or r9d, {kind}",
                "mov [rax + r11 * 4 + 16], r9d",
                ".irp o, 0,16,32,48,64,80,96,112",
                ".if \\o + 16 <= {len}",
                "movups xmm0, [rsi + \\o]",
                "movups [rax + r11 * 4 + 20 + \\o], xmm0",
                ".endif",
                ".endr",
                ".if {len} & 8",
                "mov rcx, [rsi + ({len} & -16)]",
                "mov [rax + r11 * 4 + 20 + ({len} & -16)], rcx",
                ".endif",
                ".if {len} & 4",
                "mov ecx, [rsi + ({len} & -8)]",
                "mov [rax + r11 * 4 + 20 + ({len} & -8)], ecx",
                ".endif",
                "lock add qword ptr [r8 + r10 + {commit}], {len} + 4",
            ],
            inout("rdx") how => _, out("r9") _, inout("rdi") table => _, in("rsi") body,
            inc = const State(0).grown(LEN.next_multiple_of(4) + 4).0,
            len = const LEN.next_multiple_of(4), kind = const LEN.div_ceil(4),
        );
    }
    Outcome::Done
}

/// # Safety
/// As above, with `len` bytes at `body`: at least 8, a multiple of 4, less than `MAX_SUBBUF`.
#[inline(always)]
unsafe fn append_any(
    table: *const Slot,
    body: *const u8,
    len: usize,
    type_len: u32,
    how: usize,
) -> Outcome {
    // SAFETY: as above
    unsafe {
        direct!(["lea ebx, [r11 * 4 + r12 + 20]"],
            [
                "lea ebx, [r12 + 20]",
                "shr ebx, 2",
                "add rbx, {one}",
            ],
            [
                "or r9d, r13d",
                "mov [rax + r11 * 4 + 16], r9d",
                "lea rax, [rax + r11 * 4 + 20]",
                "xor ecx, ecx",
                "test r12, r12",
                "js 8f",
                // steps of 16 bytes, the last one back from the end
                "jmp 5f",
                "7: movups xmm0, [rsi + rcx]",
                "movups [rax + rcx], xmm0",
                "add rcx, 16",
                "5: cmp rcx, r12",
                "jb 7b",
                "movups xmm0, [rsi + r12]",
                "movups [rax + r12], xmm0",
                "jmp 7f",
                // 8 or 12 bytes
                "8: mov rcx, [rsi]",
                "mov [rax], rcx",
                "mov ecx, [rsi + r12 + 12]",
                "mov [rax + r12 + 12], ecx",
                "7: lea rcx, [r12 + 20]",
                "lock add [r8 + r10 + {commit}], rcx",
            ],
            inout("rdx") how => _, out("r9") _, inout("rdi") table => _, in("rsi") body,
            in("r12") len as isize - 16, in("r13") type_len,
            one = const State(0).grown(0).0,
        );
    }
    Outcome::Done
}

impl Buffer {
    /// Appends `len` bytes of words to a buffer that is written by reservation; `how` the CPU's number is learnt.
    ///
    /// # Safety
    /// They can be read at `body`; at least 8 and a multiple of 4. The thread is in a read section.
    #[inline(never)]
    pub(super) unsafe fn append_direct_any(
        &self,
        body: *const u8,
        len: usize,
        type_len: u32,
        how: usize,
    ) -> bool {
        // longer ones must not come near 32 bits, nor near the 17 of the state
        let outcome = if len < MAX_SUBBUF {
            // SAFETY: as above
            unsafe { append_any(self.table.as_ptr(), body, len, type_len, how) }
        } else {
            Outcome::Again
        };
        match outcome {
            Outcome::Done => true,
            // SAFETY: the caller's promise
            other => unsafe { self.append_cold(body, len, type_len, other) },
        }
    }
}
