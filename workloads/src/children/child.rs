//! What a child does between its birth and its exec or end.
//!
//! It is a copy of one thread of a program that has many: locks may be held for ever by threads that are not there. So it
//! makes system calls and nothing else: no memory is allocated, nothing is logged, no event is fired.

use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_int, c_long};

use super::programs::Command;

/// A child that is not done after so many seconds is killed by its own timer.
const MAX_SECONDS: libc::time_t = 20;
/// What shells report of a program that is not there.
const NOT_FOUND: i32 = 127;
/// And of one that cannot be run.
const NOT_RUN: i32 = 126;

/// What a child is for.
#[derive(Clone, Copy)]
pub(crate) enum Role<'a> {
    /// Runs a program. `argv` ends with a null pointer.
    Program {
        path: &'a CStr,
        argv: &'a [*const c_char],
    },
    /// Handles SIGUSR1 so many times, ignores SIGUSR2, and ends with that number as its status.
    Handler(u32),
    /// Has so many children, which take names and end with statuses 1, 2, …; ends with the sum of what it hears of them.
    Parent(u32),
}

impl<'a> Role<'a> {
    /// Runs this program.
    pub fn program(command: &'a Command) -> Role<'a> {
        Role::Program {
            path: command.path(),
            argv: command.argv(),
        }
    }
}

/// A child's beginning.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub role: Role<'a>,
    pub stdin: i32,
    pub stdout: i32,
}

/// # Safety
/// As the system call's.
macro_rules! sys {
    ($nr:ident $(, $arg:expr)*) => {
        libc::syscall(libc::$nr $(, $arg)*)
    };
}

/// The child's life. `parent`: the process it comes from.
///
/// # Safety
/// Called in a child that is a copy of its parent (clone(2) without `CLONE_VM`), and the pointers of `plan` are good.
pub(super) unsafe fn live(plan: &Plan<'_>, parent: i32) -> ! {
    // SAFETY: system calls on our own memory; those after the stop are what the parent sees.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if sys!(SYS_getppid) != c_long::from(parent) {
            end(NOT_RUN);
        }
        for signal in 1..32 {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        let limit = libc::itimerval {
            it_interval: libc::timeval {
                tv_sec: 0,
                tv_usec: 0,
            },
            it_value: libc::timeval {
                tv_sec: MAX_SECONDS,
                tv_usec: 0,
            },
        };
        sys!(
            SYS_setitimer,
            0,
            &raw const limit,
            std::ptr::null::<libc::itimerval>()
        );
        close_all_but(plan.stdin, plan.stdout);
        if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) < 0 {
            end(NOT_RUN);
        }
        sys!(SYS_kill, sys!(SYS_getpid), libc::SIGSTOP);
    }
    // SAFETY: as above; the memory is a copy of the parent's.
    unsafe {
        sys!(SYS_dup3, plan.stdin, 0, 0);
        sys!(SYS_dup3, plan.stdout, 1, 0);
        sys!(SYS_dup3, plan.stdout, 2, 0);
        match plan.role {
            Role::Program { path, argv } => {
                let no_environment = [std::ptr::null::<c_char>()];
                sys!(
                    SYS_execve,
                    path.as_ptr(),
                    argv.as_ptr(),
                    no_environment.as_ptr()
                );
                let found = *libc::__errno_location() != libc::ENOENT;
                end(if found { NOT_RUN } else { NOT_FOUND })
            }
            Role::Handler(times) => handle(times),
            Role::Parent(children) => raise(children),
        }
    }
}

/// A child that only finds out whether it may be traced: ends with the errno.
pub(super) fn probe() -> ! {
    // SAFETY: no memory is touched but errno, which is always there.
    let errno = unsafe {
        match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
            0 => 0,
            _ => *libc::__errno_location(),
        }
    };
    end(errno)
}

fn end(status: i32) -> ! {
    loop {
        // SAFETY: does not come back.
        unsafe { sys!(SYS_exit_group, status) };
    }
}

/// Closes what belongs to the program that this is a copy of.
///
/// # Safety
/// Nothing that is closed is used again: in a child.
unsafe fn close_all_but(a: i32, b: i32) {
    let (low, high) = (a.min(b), a.max(b));
    for (first, last) in [(3, low - 1), (low + 1, high - 1), (high + 1, i32::MAX)] {
        let first = first.max(3);
        if first > last {
            continue;
        }
        // SAFETY: the caller's promise.
        unsafe {
            // older kernels do not have it: nobody has that many files open
            if sys!(SYS_close_range, first, last, 0) < 0 {
                for fd in first..last.min(4096) {
                    sys!(SYS_close, fd);
                }
            }
        }
    }
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(_signal: c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// # Safety
/// In a child.
unsafe fn handle(times: u32) -> ! {
    HANDLED.store(0, Ordering::Relaxed);
    // SAFETY: the handler does nothing but count; no memory but our own.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = libc::SIG_IGN;
        libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut());
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        while HANDLED.load(Ordering::Relaxed) < times {
            sys!(SYS_ppoll, 0usize, 0usize, 0usize, 0usize, 0usize);
        }
    }
    end(times as i32)
}

/// # Safety
/// In a child.
unsafe fn raise(children: u32) -> ! {
    let mut sum = 0;
    // SAFETY: the set is initialised before it is used. Otherwise a child's end would make clone(2) begin anew.
    unsafe {
        let mut block: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut block);
        libc::sigaddset(&mut block, libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_BLOCK, &block, std::ptr::null_mut());
    }
    for number in 1..=children {
        // SAFETY: a copy of this process, which goes on with its own copy of everything.
        let pid = unsafe { sys!(SYS_clone, libc::SIGCHLD, 0usize, 0usize, 0usize, 0usize) };
        if pid == 0 {
            let mut name = *b"worker/0\0";
            name[7] += number as u8;
            // SAFETY: the name ends with a NUL.
            unsafe { sys!(SYS_prctl, libc::PR_SET_NAME, name.as_ptr()) };
            end(number as i32);
        }
    }
    for _ in 0..children {
        let mut status: c_int = 0;
        // SAFETY: `status` is writable.
        let pid = unsafe { sys!(SYS_wait4, -1, &raw mut status, 0, 0usize) };
        if pid > 0 {
            sum += libc::WEXITSTATUS(status);
        }
    }
    end(sum)
}
