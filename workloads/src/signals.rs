//! Signals of the process are the main program's business, not a workload thread's.

/// Blocks all signals in the calling thread but those that report a fault of its own instructions: patched code
/// passes through SIGTRAP, and a fault that is blocked kills.
pub(crate) fn block() {
    // SAFETY: sigset_t is plain data; the set is initialised by sigfillset before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut set);
        for fault in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGSYS,
            libc::SIGPROF,
        ] {
            libc::sigdelset(&mut set, fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
}
