//! The walk itself.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ops::Range;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{
    ExplicitModuleSectionInfo, FrameAddress, Module, MustNotAllocateDuringUnwind, Unwinder,
};

use crate::base::memory::read_own as read;
use crate::base::objects::{self, Loaded, Version};
use crate::base::sync::{AtomicBool, AtomicPtr, Mutex, Ordering};
use crate::base::{cpu, rcu};

/// Bytes of the stack that are read at once; a power of two.
const PIECE: usize = 4096;

type Tables = UnwinderX86_64<Arc<[u8]>, MustNotAllocateDuringUnwind>;

/// All that walks need.
struct Walker {
    tables: Tables,
    /// Where signal handlers return to; 0 if that is not known.
    restorer: u64,
    /// For as many walks as there may be at a time, and one that interrupts another.
    desks: Box<[Desk]>,
}

/// What one walk works with.
struct Desk {
    taken: AtomicBool,
    work: UnsafeCell<Work>,
}

struct Work {
    cache: CacheX86_64<MustNotAllocateDuringUnwind>,
    piece: Piece,
}

// SAFETY: `work` is only touched by who has set `taken`.
unsafe impl Sync for Desk {}

/// A part of the stack.
struct Piece {
    start: u64,
    bytes: Box<[u8; PIECE]>,
}

static WALKER: AtomicPtr<Walker> = AtomicPtr::new(core::ptr::null_mut());
/// What the walker knows of.
static KNOWN: Mutex<Version> = Mutex::new(Version::NONE);

pub(super) fn is_prepared() -> bool {
    !WALKER.load(Ordering::Relaxed).is_null()
}

pub(super) fn prepare() {
    let mut known = KNOWN.lock();
    if *known == objects::version() && is_prepared() {
        return;
    }
    let (version, loaded) = objects::all();
    let mut tables = Tables::new();
    for object in &loaded {
        tables.add_module(module(object));
    }
    let desk = |_| Desk {
        taken: AtomicBool::new(false),
        work: UnsafeCell::new(Work {
            cache: CacheX86_64::new_in(),
            piece: Piece {
                start: u64::MAX,
                bytes: Box::new([0; PIECE]),
            },
        }),
    };
    let walker = Box::new(Walker {
        tables,
        restorer: restorer(),
        desks: (0..=cpu::possible()).map(desk).collect(),
    });
    let old = WALKER.swap(Box::into_raw(walker), Ordering::AcqRel);
    *known = version;
    // walks are in read sections; where one cannot wait for them the old tables stay
    if !old.is_null() && rcu::synchronize().is_ok() {
        // SAFETY: a box that was swapped out, and nobody walks with it any more
        drop(unsafe { Box::from_raw(old) });
    }
}

/// Where handlers return to, on their way back to what they interrupted: the C library gives all of them the same
/// (rt_sigaction(2)). 0 before there is a handler.
fn restorer() -> u64 {
    /// As the kernel has it: handler, flags, restorer, mask.
    #[derive(Default)]
    #[repr(C)]
    struct Action([u64; 4]);
    (1..=64)
        .find_map(|signal| {
            let mut action = Action::default();
            // SAFETY: asks, and there is room for the answer
            let asked =
                unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, 0, &raw mut action, 8) };
            (asked == 0 && action.0[2] != 0).then_some(action.0[2])
        })
        .unwrap_or(0)
}

/// The registers at which a handler interrupted a thread, of the frame that the kernel made: `sp` is at its `ucontext`.
fn interrupted(sp: u64, word: &mut impl FnMut(u64) -> Result<u64, ()>) -> Option<[u64; 3]> {
    /// Words before the general registers, and which of them are meant (`REG_RIP`, `REG_RSP`, `REG_RBP`).
    const GREGS: u64 = 5;
    let mut register = |n: libc::c_int| word(sp.checked_add(8 * (GREGS + n as u64))?).ok();
    Some([
        register(libc::REG_RIP)?,
        register(libc::REG_RSP)?,
        register(libc::REG_RBP)?,
    ])
}

/// An object with a copy of its tables: the object may be unloaded at any time.
fn module(object: &Loaded) -> Module<Arc<[u8]>> {
    let stated =
        |r: &Range<u64>| r.start.wrapping_sub(object.bias)..r.end.wrapping_sub(object.bias);
    let mut sections = ExplicitModuleSectionInfo::default();
    if let Some(frames) = frames(object)
        && let (Some(header), Some(data)) = (copy(&object.unwind), copy(&frames))
    {
        sections.eh_frame_hdr_svma = Some(stated(&object.unwind));
        sections.eh_frame_hdr = Some(header);
        sections.eh_frame_svma = Some(stated(&frames));
        sections.eh_frame = Some(data);
    }
    Module::new(
        object.path.clone(),
        object.text.clone(),
        object.bias,
        sections,
    )
}

/// Where `.eh_frame` is: its header says where it begins, its own end mark where it ends.
fn frames(object: &Loaded) -> Option<Range<u64>> {
    /// Relative to where it stands, 4 bytes with a sign: what all linkers write.
    const PCREL_SDATA4: u8 = 0x1b;
    let mut header = [0; 8];
    if object.unwind.end - object.unwind.start < 8 || read(object.unwind.start, &mut header) != 8 {
        return None;
    }
    let [1, PCREL_SDATA4, _, _, offset @ ..] = header else {
        return None;
    };
    let at = object.unwind.start + 4;
    let start = at.wrapping_add_signed(i32::from_ne_bytes(offset).into());
    object
        .segment
        .contains(&start)
        .then_some(start..object.segment.end)
}

fn copy(range: &Range<u64>) -> Option<Arc<[u8]>> {
    let mut bytes: Vec<u8> = vec![0; (range.end - range.start).try_into().ok()?];
    (read(range.start, &mut bytes) == bytes.len()).then(|| bytes.into())
}

impl Piece {
    /// The word of the stack at an address.
    fn word(&mut self, address: u64) -> Result<u64, ()> {
        let start = address & !(PIECE as u64 - 1);
        let at = (address - start) as usize;
        if start != self.start {
            self.start = u64::MAX;
            if read(start, &mut self.bytes[..]) != PIECE {
                return Err(());
            }
            self.start = start;
        }
        let word = self.bytes.get(at..at + 8).ok_or(())?;
        Ok(u64::from_ne_bytes(word.try_into().map_err(drop)?))
    }
}

pub(super) fn walk([ip, sp, bp]: [u64; 3], frames: &mut [u64]) -> usize {
    // the system calls of a walk are nobody's business
    let errno = Errno::save();
    let section = rcu::read();
    // SAFETY: freed a grace period after it was swapped out, and this is a read section
    let walker = unsafe { WALKER.load(Ordering::Acquire).as_ref() };
    let mut found = 0;
    if let Some(walker) = walker
        && let Some(desk) = walker.desks.iter().find(|d| d.take())
    {
        // SAFETY: just taken
        let Work { cache, piece } = unsafe { &mut *desk.work.get() };
        piece.start = u64::MAX;
        let mut word = |address| piece.word(address);
        let mut registers = UnwindRegsX86_64::new(ip, sp, bp);
        let mut at = FrameAddress::from_instruction_pointer(ip);
        while let Some(frame) = frames.get_mut(found)
            && let Ok(Some(address)) =
                walker
                    .tables
                    .unwind_frame(at, &mut registers, cache, &mut word)
        {
            *frame = address;
            found += 1;
            if address == walker.restorer
                && let Some([ip, sp, bp]) = interrupted(registers.sp(), &mut word)
            {
                // what was interrupted did not call: it goes on at `ip` itself, which stands for the kernel's frame
                *frame = ip;
                registers = UnwindRegsX86_64::new(ip, sp, bp);
                at = FrameAddress::from_instruction_pointer(ip);
                continue;
            }
            match FrameAddress::from_return_address(address) {
                Some(next) => at = next,
                None => break,
            }
        }
        desk.taken.store(false, Ordering::Release);
    }
    drop(section);
    drop(errno);
    found
}

impl Desk {
    fn take(&self) -> bool {
        !self.taken.load(Ordering::Relaxed) && !self.taken.swap(true, Ordering::Acquire)
    }
}

/// Puts `errno` back.
struct Errno(i32);

impl Errno {
    fn save() -> Errno {
        // SAFETY: the thread's own word
        Errno(unsafe { *libc::__errno_location() })
    }
}

impl Drop for Errno {
    fn drop(&mut self) {
        // SAFETY: as above
        unsafe { *libc::__errno_location() = self.0 }
    }
}
