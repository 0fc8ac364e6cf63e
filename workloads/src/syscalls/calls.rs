//! The system calls, each performed between its two events.
//!
//! An `int` goes to the kernel, and into the event, as compilers pass it: the upper half of the register is zero.
//! What comes back is what the kernel left in the result register: negative values are errno values.

use std::convert::Infallible;
use std::ffi::CStr;
use std::sync::atomic::AtomicU32;

use utracefs::event::syscall::Word;

use crate::events::raw_syscalls::{trace_sys_enter, trace_sys_exit};
use crate::events::sched::trace_sched_process_wait;
use crate::events::syscalls as events;
use crate::figures::call_is_back;
use crate::subject::Known;

/// Performs call `nr` on what `args` are in registers.
///
/// # Safety
/// The pointers among the arguments are good for what the call does with them.
unsafe fn perform(nr: i64, args: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = args;
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(nr, a, b, c, d, e, f) };
    if result == -1 {
        return -i64::from(
            std::io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        );
    }
    result
}

/// One call: its number, its arguments in the order of the call, and the texts of its paths.
macro_rules! call {
    ($nr:ident, ($($arg:expr),*) $(, $path:expr)*) => {{
        let mut args = [0u64; 6];
        for (slot, word) in args.iter_mut().zip([$($arg.word()),*]) {
            *slot = word;
        }
        // SAFETY: the pointers come from live references and slices of at least the length that is passed with them.
        unsafe { traced(libc::$nr, args, &[$($path.to_bytes()),*]) }
    }};
}

/// Performs call `nr` between its events; `paths`: the texts of its paths.
///
/// # Safety
/// As [`perform`].
unsafe fn traced(nr: i64, args: [u64; 6], paths: &[&[u8]]) -> i64 {
    entered(nr, &args, paths);
    // SAFETY: the caller's promise.
    let ret = unsafe { perform(nr, args) };
    left(nr, ret);
    ret
}

/// The calling thread is in call `nr`.
#[inline(always)]
fn entered(nr: i64, args: &[u64; 6], paths: &[&[u8]]) {
    trace_sys_enter(nr, args);
    events::enter(nr, args, paths);
}

/// It is not any more.
#[inline(always)]
fn left(nr: i64, ret: i64) {
    call_is_back(ret);
    trace_sys_exit(nr, ret);
    events::exit(nr, ret);
}

pub(crate) fn openat(dir: i32, path: &CStr, flags: i32, mode: u32) -> i64 {
    call!(SYS_openat, (dir, path.as_ptr(), flags, mode), path)
}

pub(crate) fn read(fd: i32, buf: &mut [u8]) -> i64 {
    call!(SYS_read, (fd, buf.as_mut_ptr(), buf.len()))
}

pub(crate) fn write(fd: i32, buf: &[u8]) -> i64 {
    call!(SYS_write, (fd, buf.as_ptr(), buf.len()))
}

pub(crate) fn close(fd: i32) -> i64 {
    call!(SYS_close, (fd))
}

pub(crate) fn lseek(fd: i32, offset: i64, whence: i32) -> i64 {
    call!(SYS_lseek, (fd, offset, whence))
}

pub(crate) fn newfstat(fd: i32, stat: &mut libc::stat) -> i64 {
    call!(SYS_fstat, (fd, std::ptr::from_mut(stat)))
}

pub(crate) fn newfstatat(dir: i32, path: &CStr, stat: &mut libc::stat, flags: i32) -> i64 {
    let stat = std::ptr::from_mut(stat);
    call!(SYS_newfstatat, (dir, path.as_ptr(), stat, flags), path)
}

pub(crate) fn mkdirat(dir: i32, path: &CStr, mode: u32) -> i64 {
    call!(SYS_mkdirat, (dir, path.as_ptr(), mode), path)
}

pub(crate) fn unlinkat(dir: i32, path: &CStr, flags: i32) -> i64 {
    call!(SYS_unlinkat, (dir, path.as_ptr(), flags), path)
}

pub(crate) fn renameat2(old_dir: i32, old: &CStr, new_dir: i32, new: &CStr, flags: u32) -> i64 {
    let (old_name, new_name) = (old.as_ptr(), new.as_ptr());
    call!(
        SYS_renameat2,
        (old_dir, old_name, new_dir, new_name, flags),
        old,
        new
    )
}

/// Of the old calls, only some machines have this one; elsewhere it is renameat2(2), as in the C library.
pub(crate) fn rename(old: &CStr, new: &CStr) -> i64 {
    #[cfg(target_arch = "x86_64")]
    return call!(SYS_rename, (old.as_ptr(), new.as_ptr()), old, new);
    #[cfg(not(target_arch = "x86_64"))]
    return renameat2(libc::AT_FDCWD, old, libc::AT_FDCWD, new, 0);
}

pub(crate) fn getdents64(fd: i32, buf: &mut [u64]) -> i64 {
    call!(
        SYS_getdents64,
        (fd, buf.as_mut_ptr(), std::mem::size_of_val(buf))
    )
}

pub(crate) fn pipe2(fds: &mut [i32; 2], flags: i32) -> i64 {
    call!(SYS_pipe2, (fds.as_mut_ptr(), flags))
}

pub(crate) fn nanosleep(time: &libc::timespec) -> i64 {
    let rest = std::ptr::null::<libc::timespec>();
    call!(SYS_nanosleep, (std::ptr::from_ref(time), rest))
}

pub(crate) fn clock_nanosleep(clock: i32, flags: i32, time: &libc::timespec) -> i64 {
    let (time, rest) = (std::ptr::from_ref(time), std::ptr::null::<libc::timespec>());
    call!(SYS_clock_nanosleep, (clock, flags, time, rest))
}

/// Waits while `word` holds `seen`, at most until `deadline` (CLOCK_MONOTONIC).
pub(crate) fn futex_wait(word: &AtomicU32, seen: u32, deadline: &libc::timespec) -> i64 {
    let op = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG;
    let (deadline, none) = (std::ptr::from_ref(deadline), std::ptr::null::<u32>());
    call!(
        SYS_futex,
        (
            word.as_ptr(),
            op,
            seen,
            deadline,
            none,
            libc::FUTEX_BITSET_MATCH_ANY
        )
    )
}

pub(crate) fn faccessat(dir: i32, path: &CStr, mode: i32) -> i64 {
    call!(SYS_faccessat, (dir, path.as_ptr(), mode), path)
}

pub(crate) fn fchmod(fd: i32, mode: u32) -> i64 {
    call!(SYS_fchmod, (fd, mode))
}

pub(crate) fn utimensat(dir: i32, path: &CStr, times: &[libc::timespec; 2], flags: i32) -> i64 {
    call!(
        SYS_utimensat,
        (dir, path.as_ptr(), times.as_ptr(), flags),
        path
    )
}

pub(crate) fn symlinkat(target: &CStr, dir: i32, path: &CStr) -> i64 {
    call!(
        SYS_symlinkat,
        (target.as_ptr(), dir, path.as_ptr()),
        target,
        path
    )
}

pub(crate) fn readlinkat(dir: i32, path: &CStr, buf: &mut [u8]) -> i64 {
    call!(
        SYS_readlinkat,
        (dir, path.as_ptr(), buf.as_mut_ptr(), buf.len()),
        path
    )
}

/// A new process, as fork(2) makes it; `child` is its life, `born` is called in the parent before the call returns.
pub(crate) fn clone(child: impl FnOnce() -> Infallible, born: impl FnOnce(i32)) -> i64 {
    let args = [libc::SIGCHLD as u64, 0, 0, 0, 0, 0];
    entered(libc::SYS_clone, &args, &[]);
    // SAFETY: without CLONE_VM the child has a copy of everything.
    let ret = unsafe { perform(libc::SYS_clone, args) };
    if ret == 0 {
        child();
    }
    if ret > 0 {
        born(ret as i32);
    }
    left(libc::SYS_clone, ret);
    ret
}

/// `sent` is called before the call returns if there was somebody to send the signal to.
pub(crate) fn kill(pid: i32, signal: i32, sent: impl FnOnce()) -> i64 {
    let args = [pid.word(), signal.word(), 0, 0, 0, 0];
    entered(libc::SYS_kill, &args, &[]);
    // SAFETY: two numbers.
    let ret = unsafe { perform(libc::SYS_kill, args) };
    if ret == 0 {
        sent();
    }
    left(libc::SYS_kill, ret);
    ret
}

/// Waits for a child; `waiter`: the calling thread.
pub(crate) fn wait4(pid: i32, status: &mut i32, waiter: &Known) -> i64 {
    let status = std::ptr::from_mut(status);
    let args = [pid.word(), status.word(), 0, 0, 0, 0];
    entered(libc::SYS_wait4, &args, &[]);
    trace_sched_process_wait(waiter, pid);
    let ret = loop {
        // SAFETY: `status` is writable.
        let ret = unsafe { perform(libc::SYS_wait4, args) };
        // a signal that has a handler restarts the call
        if ret != -i64::from(libc::EINTR) {
            break ret;
        }
    };
    left(libc::SYS_wait4, ret);
    ret
}
