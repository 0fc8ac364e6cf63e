//! fork(2): a child finds no lock held and no code half written, and its thread has its own number.

use super::patch;
use super::task::slot;

extern "C" fn prepare() {
    patch::lock::hold();
}

extern "C" fn parent() {
    patch::lock::let_go();
}

extern "C" fn child() {
    patch::lock::let_go();
    slot::after_fork();
}

extern "C" fn register() {
    // SAFETY: three functions that stay as long as this library: glibc forgets them when it is unloaded. Without memory
    // for them a fork goes on as if there were none, as in a library without these lines.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

/// Run when the library is loaded, before there are threads or events: registering may neither happen in a signal handler
/// nor after a fork that it should have seen.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static REGISTER: extern "C" fn() = register;
