//! Taking page faults: the program's own SIGSEGV, for memory that was reserved here, is the fault of a page that is not
//! there yet. All others are handed on to whoever answered SIGSEGV before; Rust's own handler, which tells a stack overflow
//! from other faults, among them.
//!
//! A fault comes from one instruction of ours ([`as_program`]), never from within an allocator or a lock: so the answer may
//! use both.

use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst, compiler_fence};

use parking_lot::Mutex;

use super::memory::PAGE;
use super::space::Space;

/// Bytes of the stack that faults are answered on: the system's usual one is too small for filters, triggers and stacks.
const STACK: usize = 256 * 1024;
/// Windows at a time: one for each workload under way.
const WINDOWS: usize = 32;

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Who answered before us.
static FORMER: OnceLock<libc::sigaction> = OnceLock::new();

/// Start and end of the memory that is ours; 0 and 0: nothing.
struct Range(AtomicUsize, AtomicUsize);

static RANGES: [Range; WINDOWS] =
    [const { Range(AtomicUsize::new(0), AtomicUsize::new(0)) }; WINDOWS];

thread_local! {
    /// Whose memory the instruction that may fault uses; null: none of ours.
    static CURRENT: Cell<*const Space> = const { Cell::new(ptr::null()) };
    static ALT_STACK: RefCell<Option<AltStack>> = const { RefCell::new(None) };
}

/// Runs `access`, which may use the memory of `space`, on a stack that a fault can be answered from.
pub(super) fn as_program<R>(space: &Space, access: impl FnOnce() -> R) -> R {
    struct Restore(*const Space);
    impl Drop for Restore {
        fn drop(&mut self) {
            compiler_fence(SeqCst);
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(space));
    // The handler reads it, which the compiler cannot see: it would leave out a store that is undone after the access.
    compiler_fence(SeqCst);
    access()
}

/// Makes sure that the calling thread has room to answer a fault.
pub(super) fn prepare_thread() -> io::Result<()> {
    ALT_STACK.with_borrow_mut(|stack| {
        if stack.is_none() {
            *stack = Some(AltStack::new()?);
        }
        Ok(())
    })
}

/// Reserved address space. Touching it is a fault.
pub(super) struct Window {
    base: usize,
    len: usize,
    /// Its place in `RANGES`.
    range: usize,
    /// Bits of the parts in use.
    used: Mutex<u64>,
}

/// Parts of a window, and pages of each.
const PARTS: usize = 64;
pub(super) const PART_PAGES: usize = 64;

impl Window {
    /// Reserves a window, and installs the handler if it is not.
    pub fn new() -> io::Result<Window> {
        static LOCK: Mutex<()> = Mutex::new(());
        let _one_at_a_time = LOCK.lock();
        install()?;
        let len = PARTS * PART_PAGES * PAGE;
        // SAFETY: a new mapping, where the system wants it; nobody may touch it yet.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mut window = Window {
            base: base as usize,
            len,
            range: WINDOWS,
            used: Mutex::new(0),
        };
        let free = RANGES.iter().position(|range| range.1.load(SeqCst) == 0);
        window.range = free.ok_or_else(|| {
            io::Error::other(format!("{WINDOWS} workloads with page faults run already"))
        })?;
        let range = &RANGES[window.range];
        range.0.store(window.base, SeqCst);
        range.1.store(window.base + len, SeqCst);
        Ok(window)
    }

    /// Takes a part: its address. `None`: all are in use.
    pub fn take(&self) -> Option<usize> {
        let mut used = self.used.lock();
        let part = used.trailing_ones() as usize;
        if part >= PARTS {
            return None;
        }
        *used |= 1 << part;
        Some(self.base + part * PART_PAGES * PAGE)
    }

    /// Gives one back. Nothing is mapped there any more.
    pub fn give(&self, address: usize) {
        *self.used.lock() &= !(1 << ((address - self.base) / (PART_PAGES * PAGE)));
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Some(range) = RANGES.get(self.range) {
            // The end first: it says whether there is a range.
            range.1.store(0, SeqCst);
            range.0.store(0, SeqCst);
        }
        // SAFETY: the mapping made by `new`; spaces in it keep this alive.
        unsafe { libc::munmap(self.base as *mut c_void, self.len) };
    }
}

/// Whether an address is in memory that was reserved here.
fn is_ours(address: usize) -> bool {
    RANGES
        .iter()
        .any(|range| address < range.1.load(SeqCst) && address >= range.0.load(SeqCst))
}

/// Our handler answers SIGSEGV from here on, and stays.
fn install() -> io::Result<()> {
    // SAFETY: all-zero is a valid sigaction.
    let mut now: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: only asks.
    if unsafe { libc::sigaction(libc::SIGSEGV, ptr::null(), &mut now) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if now.sa_sigaction == on_fault as *const () as usize {
        return Ok(());
    }
    if FORMER.set(now).is_err() {
        return Err(io::Error::other(
            "another handler has taken SIGSEGV: page faults would not be seen",
        ));
    }
    // SAFETY: as above.
    now = unsafe { mem::zeroed() };
    now.sa_sigaction = on_fault as *const () as usize;
    now.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: a handler of the type that SA_SIGINFO asks for.
    match unsafe { libc::sigaction(libc::SIGSEGV, &now, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What the processor says of a fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub address: usize,
    pub write: bool,
    /// Where, and the error code, if the processor gives one.
    #[cfg(target_arch = "x86_64")]
    pub ip: u64,
    #[cfg(target_arch = "x86_64")]
    pub error_code: u64,
}

impl Fault {
    /// # Safety
    /// `context` must be what the kernel handed to the handler.
    #[cfg(target_arch = "x86_64")]
    unsafe fn new(address: usize, context: *mut c_void) -> Fault {
        // SAFETY: the caller vouches for it.
        let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
        let error_code = registers[libc::REG_ERR as usize] as u64;
        Fault {
            address,
            write: error_code & 2 != 0,
            ip: registers[libc::REG_RIP as usize] as u64,
            error_code,
        }
    }

    /// Other processors say it elsewhere: every access counts as a write, which may do all that a read may.
    #[cfg(not(target_arch = "x86_64"))]
    unsafe fn new(address: usize, _context: *mut c_void) -> Fault {
        Fault {
            address,
            write: true,
        }
    }
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: what the kernel hands to a handler with SA_SIGINFO.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    if code > 0 && is_ours(address) {
        // While it is answered there is no other.
        let space = CURRENT.replace(ptr::null());
        compiler_fence(SeqCst);
        // SAFETY: the thread's own errno.
        let errno = unsafe { *libc::__errno_location() };
        // SAFETY: `as_program` borrows the space as long as its address is there; the context is the kernel's.
        let answered = !space.is_null() && unsafe { (*space).fault(Fault::new(address, context)) };
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
        compiler_fence(SeqCst);
        CURRENT.set(space);
        if answered {
            return;
        }
    }
    hand_on(signal, info, context, code > 0);
}

/// Does what would have been done without us.
fn hand_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, by_processor: bool) {
    let Some(former) = FORMER.get() else { return };
    match former.sa_sigaction {
        libc::SIG_IGN if !by_processor => {}
        libc::SIG_IGN | libc::SIG_DFL => default_action(signal, by_processor),
        handler => {
            // SAFETY: the handler that was installed, called as the kernel would have, with the signals blocked that it
            // asked for.
            unsafe {
                let mut before = mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, &former.sa_mask, &mut before);
                if former.sa_flags & libc::SA_SIGINFO != 0 {
                    mem::transmute::<usize, Handler>(handler)(signal, info, context);
                } else {
                    mem::transmute::<usize, extern "C" fn(c_int)>(handler)(signal);
                }
                libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
            }
        }
    }
}

/// Ends the process by the signal: the instruction, done again, meets nobody who would answer it.
fn default_action(signal: c_int, by_processor: bool) {
    // SAFETY: async-signal-safe calls with plain values.
    unsafe {
        let mut default: libc::sigaction = mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &default, ptr::null_mut());
        if !by_processor {
            libc::raise(signal);
        }
    }
}

/// A stack for the handler, and the one before it.
struct AltStack {
    mapping: *mut c_void,
    former: libc::stack_t,
}

impl AltStack {
    fn new() -> io::Result<AltStack> {
        // SAFETY: a new mapping; its lowest page stays out of reach and stops what grows too far.
        unsafe {
            let mapping = libc::mmap(
                ptr::null_mut(),
                STACK + PAGE,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            );
            if mapping == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let mut stack = AltStack {
                mapping,
                former: mem::zeroed(),
            };
            stack.former.ss_flags = libc::SS_DISABLE;
            let bottom = mapping.byte_add(PAGE);
            let ours = libc::stack_t {
                ss_sp: bottom,
                ss_flags: 0,
                ss_size: STACK,
            };
            // If one of these fails, dropping `stack` undoes the rest.
            if libc::mprotect(bottom, STACK, libc::PROT_READ | libc::PROT_WRITE) != 0
                || libc::sigaltstack(&ours, &mut stack.former) != 0
            {
                return Err(io::Error::last_os_error());
            }
            Ok(stack)
        }
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // SAFETY: the thread's own alternate stack, which it is not on; the former one is only put back where it is not
        // this one's place that somebody else has taken meanwhile: Rust takes its own away when a thread ends.
        unsafe {
            let mut now: libc::stack_t = mem::zeroed();
            if libc::sigaltstack(ptr::null(), &mut now) == 0
                && now.ss_sp == self.mapping.byte_add(PAGE)
            {
                libc::sigaltstack(&self.former, ptr::null_mut());
            }
            libc::munmap(self.mapping, STACK + PAGE);
        }
    }
}
