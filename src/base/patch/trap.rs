//! The answer to SIGTRAP while breakpoints hold threads off sites that are being written.

use core::ffi::{c_int, c_void};
use core::mem;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::OnceLock;

use super::code::{LEN, is_site};
use super::lock::Held;
use crate::base::task::tls;

const INT3: u8 = 0xcc;
/// `si_code` of a signal that the processor caused, as far as the kernel says no more (sigaction(2)).
const SI_KERNEL: c_int = 0x80;
/// The breakpoint's number among the processor's exceptions.
const BREAKPOINT: i64 = 3;

/// Breakpoints of ours are in the code.
static EXPECTED: AtomicBool = AtomicBool::new(false);
/// Who answered before us.
static FORMER: OnceLock<libc::sigaction> = OnceLock::new();

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Tells the handler whether breakpoints of ours may be hit.
pub(super) fn expect(on: bool) {
    EXPECTED.store(on, SeqCst);
}

/// Whether our handler answers SIGTRAP. It is installed at the first call; should another take its place later, it is
/// not taken back.
pub(super) fn is_ready(_lock: &Held) -> bool {
    // SAFETY: all-zero is a valid sigaction
    let mut now: libc::sigaction = unsafe { mem::zeroed() };
    // SAFETY: only asks
    if unsafe { libc::sigaction(libc::SIGTRAP, ptr::null(), &mut now) } != 0 {
        return false;
    }
    if FORMER.get().is_none() {
        // first, for the handler may be called at once
        let _ = FORMER.set(now);
        stay_loaded();
        // SAFETY: all-zero is a valid sigaction
        now = unsafe { mem::zeroed() };
        now.sa_sigaction = on_trap as *const () as usize;
        // NODEFER: a handler that interrupts ours may run into a site too
        now.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART | libc::SA_NODEFER;
        // SAFETY: a handler of the type that SA_SIGINFO asks for, which does only what a signal handler may
        return unsafe { libc::sigaction(libc::SIGTRAP, &now, ptr::null_mut()) } == 0;
    }
    now.sa_sigaction == on_trap as *const () as usize
}

/// Keeps the library that holds the handler, if it is one that can be unloaded.
fn stay_loaded() {
    // SAFETY: all-zero is a valid Dl_info, dladdr fills it; the name is the loader's own. RTLD_NOLOAD loads nothing.
    unsafe {
        let mut info: libc::Dl_info = mem::zeroed();
        if libc::dladdr(on_trap as *const c_void, &mut info) != 0 && !info.dli_fname.is_null() {
            libc::dlopen(
                info.dli_fname,
                libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE,
            );
        }
    }
}

fn is_breakpoint(at: usize) -> bool {
    // SAFETY: the address of a site: code of this program, which can be read
    unsafe { ptr::read_volatile(at as *const u8) == INT3 }
}

/// Where the thread that hit the breakpoint at `at` goes on; `None`: the breakpoint is not ours.
fn way_on(at: usize) -> Option<usize> {
    if !is_site(at) {
        return None;
    }
    if is_breakpoint(at) {
        if EXPECTED.load(SeqCst) {
            // being switched on: not yet; being switched off: already
            return Some(at + LEN);
        }
        if is_breakpoint(at) {
            return None;
        }
    }
    // written meanwhile: what is there now
    Some(at)
}

extern "C" fn on_trap(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: what the kernel hands to a handler with SA_SIGINFO
    let (code, registers) = unsafe {
        let context = context.cast::<libc::ucontext_t>();
        ((*info).si_code, &mut (*context).uc_mcontext.gregs)
    };
    if code == SI_KERNEL && registers[libc::REG_TRAPNO as usize] == BREAKPOINT {
        let behind = &mut registers[libc::REG_RIP as usize];
        if let Some(to) = way_on(*behind as usize - 1) {
            *behind = to as i64;
            return;
        }
    }
    hand_on(signal, info, context, code > 0);
}

/// Does what would have been done without us.
fn hand_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, by_processor: bool) {
    let Some(former) = FORMER.get() else { return };
    match former.sa_sigaction {
        // an exception cannot be ignored
        libc::SIG_IGN if !by_processor => {}
        libc::SIG_IGN | libc::SIG_DFL => default_action(signal),
        handler => {
            // a handler that was there before us and has installed itself again behind us may hand it back
            let outer = tls::set_trap(context as usize);
            if outer == context as usize {
                tls::set_trap(outer);
                return default_action(signal);
            }
            // SAFETY: the handler that the program installed, called as the kernel would have, with the signals
            // blocked that it asked for
            unsafe {
                let mut mask = former.sa_mask;
                if former.sa_flags & libc::SA_NODEFER == 0 {
                    libc::sigaddset(&mut mask, signal);
                }
                let mut before = mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, &mask, &mut before);
                if former.sa_flags & libc::SA_SIGINFO != 0 {
                    mem::transmute::<usize, Handler>(handler)(signal, info, context);
                } else {
                    mem::transmute::<usize, extern "C" fn(c_int)>(handler)(signal);
                }
                libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut());
            }
            tls::set_trap(outer);
        }
    }
}

/// Ends the process by the signal.
fn default_action(signal: c_int) {
    // SAFETY: async-signal-safe calls with plain values
    unsafe {
        let mut default: libc::sigaction = mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &default, ptr::null_mut());
        libc::raise(signal);
    }
}
