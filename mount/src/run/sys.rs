//! ptrace(2) and wait4(2), as far as the tracer uses them.

use std::io;
use std::mem::MaybeUninit;
use std::os::raw::{c_int, c_long, c_uint};

/// A ptrace request: libc's headers do not agree on the type.
pub type Request = c_uint;

/// `PTRACE_EVENT_STOP` of a status: the task was seized, interrupted or stopped by a signal.
pub const EVENT_STOP: c_int = 128;
/// The signal of a system call's stop.
pub const SYSCALL_STOP: c_int = libc::SIGTRAP | 0x80;
/// What GET_SYSCALL_INFO says where the entry of a call is.
pub const OP_ENTRY: u8 = 1;
/// … its end.
pub const OP_EXIT: u8 = 2;
/// … a filter's stop at the entry.
pub const OP_SECCOMP: u8 = 3;

/// What PTRACE_GET_SYSCALL_INFO fills in (linux/ptrace.h).
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub struct SyscallInfo {
    /// What kind of stop: [`OP_ENTRY`], [`OP_EXIT`], [`OP_SECCOMP`] or 0.
    pub op: u8,
    pad: [u8; 3],
    /// `AUDIT_ARCH_…` of the call's table.
    pub arch: u32,
    /// Where the task goes on.
    pub ip: u64,
    /// Its stack.
    pub sp: u64,
    /// At an entry: number and arguments; at an end: result.
    pub words: [u64; 7],
    more: [u64; 2],
}

impl SyscallInfo {
    /// What the filter says that has stopped the task.
    #[cfg(target_arch = "x86_64")]
    pub fn filter_data(&self) -> u32 {
        self.more[0] as u32
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waited {
    /// This one has something to say: its wait status.
    Status(i32, c_int),
    /// Nobody has.
    Nobody,
    /// There is nobody left to wait for.
    NoChild,
}

fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// A request without memory of ours: SEIZE, INTERRUPT, CONT, SYSCALL, LISTEN, DETACH, SETOPTIONS.
///
/// # Errors
/// ESRCH if the task is gone or does not stand still, EPERM.
pub fn plain(request: Request, tid: i32, data: usize) -> io::Result<()> {
    // SAFETY: the kernel takes these words by value
    check(unsafe { libc::ptrace(request as _, tid, 0usize, data) }).map(drop)
}

/// What a stop at a system call is about.
///
/// # Errors
/// ESRCH.
pub fn syscall_info(tid: i32) -> io::Result<SyscallInfo> {
    let mut info = SyscallInfo::default();
    let size = size_of::<SyscallInfo>();
    // SAFETY: the kernel writes at most `size` bytes to `info`, for which all bytes are valid
    check(unsafe { libc::ptrace(0x420e as _, tid, size, &raw mut info) })?;
    Ok(info)
}

/// The number that comes with an event: the new task's, the one before an exec, the exit status.
///
/// # Errors
/// ESRCH.
pub fn event_message(tid: i32) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    // SAFETY: the kernel writes an unsigned long
    check(unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG as _, tid, 0usize, &raw mut message) })?;
    Ok(message)
}

/// The signal that a task is about to take.
///
/// # Errors
/// ESRCH; EINVAL if it is stopped for another reason.
pub fn signal_info(tid: i32) -> io::Result<libc::siginfo_t> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the kernel writes a siginfo_t, for which zeros are valid
    unsafe {
        check(libc::ptrace(
            libc::PTRACE_GETSIGINFO as _,
            tid,
            0usize,
            info.as_mut_ptr(),
        ))?;
        Ok(info.assume_init())
    }
}

/// Address of the task's restartable-sequence area; 0: it has none.
///
/// # Errors
/// ESRCH; EIO where the kernel does not know the request.
pub fn rseq_address(tid: i32) -> io::Result<u64> {
    // struct ptrace_rseq_configuration
    let mut words = [0u64; 3];
    let size = size_of_val(&words);
    // SAFETY: the kernel writes at most `size` bytes to `words`
    check(unsafe { libc::ptrace(0x420f as _, tid, size, words.as_mut_ptr()) })?;
    Ok(words[0])
}

/// The registers of a task that stands still.
#[cfg(target_arch = "x86_64")]
pub fn registers(tid: i32) -> io::Result<libc::user_regs_struct> {
    let mut regs = MaybeUninit::<libc::user_regs_struct>::zeroed();
    // SAFETY: the kernel writes a user_regs_struct, for which zeros are valid
    unsafe {
        check(libc::ptrace(
            libc::PTRACE_GETREGS as _,
            tid,
            0usize,
            regs.as_mut_ptr(),
        ))?;
        Ok(regs.assume_init())
    }
}

/// Sets the registers of a task that stands still.
#[cfg(target_arch = "x86_64")]
pub fn set_registers(tid: i32, regs: &libc::user_regs_struct) -> io::Result<()> {
    // SAFETY: the kernel reads a user_regs_struct
    check(unsafe {
        libc::ptrace(
            libc::PTRACE_SETREGS as _,
            tid,
            0usize,
            std::ptr::from_ref(regs),
        )
    })
    .map(drop)
}

/// The signals that a task that stands still blocks.
#[cfg(target_arch = "x86_64")]
pub fn signal_mask(tid: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    // SAFETY: the kernel writes the eight bytes that it is told of
    check(unsafe { libc::ptrace(libc::PTRACE_GETSIGMASK as _, tid, 8usize, &raw mut mask) })?;
    Ok(mask)
}

/// Sets them.
#[cfg(target_arch = "x86_64")]
pub fn set_signal_mask(tid: i32, mask: u64) -> io::Result<()> {
    // SAFETY: the kernel reads the eight bytes that it is told of
    check(unsafe { libc::ptrace(libc::PTRACE_SETSIGMASK as _, tid, 8usize, &raw const mask) })
        .map(drop)
}

/// A child or traced task that has changed state, without waiting for one.
pub fn wait_any() -> Waited {
    const FLAGS: c_int = libc::__WALL | libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes an int
        match unsafe { libc::waitpid(-1, &raw mut status, FLAGS) } {
            0 => return Waited::Nobody,
            tid if tid > 0 => return Waited::Status(tid, status),
            _ if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            _ => return Waited::NoChild,
        }
    }
}

/// Sends a signal; whether there was somebody to send it to (0: only looks).
pub fn kill(pid: i32, signal: c_int) -> bool {
    // SAFETY: no memory is involved
    unsafe { libc::kill(pid, signal) == 0 }
}

/// Whether no task has this number, not even one that nobody has waited for.
pub fn is_gone(pid: i32) -> bool {
    !kill(pid, 0) && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH)
}

/// CLOCK_MONOTONIC in ns.
pub fn now() -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes a timespec
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
