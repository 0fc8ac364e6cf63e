//! ptrace(2) and wait(2) as they are needed for children of the calling thread.

use std::io;

use utracefs::base::memory;

use libc::{c_int, c_long};

/// What a system-call stop says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Call {
    Enter { nr: i64, args: [u64; 6] },
    Exit { ret: i64 },
}

/// What became of a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// It waits to be resumed; the status as wait(2) gives it.
    Stopped(i32),
    /// It has ended. If it is ours by birth it is still to be waited for.
    Ended(i32),
}

/// ptrace(2) with an address and a number; both may be without meaning.
fn request(op: libc::c_uint, pid: i32, data: usize) -> io::Result<()> {
    // SAFETY: `data` is a number for all requests that come here, or the address of a live object of the size that the
    // request writes.
    let answer = unsafe { libc::ptrace(op as _, pid, std::ptr::null_mut::<u8>(), data) };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Everything that is to be heard of a child and its descendants; and they die with us.
pub(super) fn set_options(pid: i32) -> io::Result<()> {
    let options = libc::PTRACE_O_EXITKILL
        | libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_TRACEEXIT
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE;
    request(libc::PTRACE_SETOPTIONS as _, pid, options as usize)
}

/// Lets a stopped child go on to its next stop, with a signal if it is not 0. One that was killed meanwhile needs no help.
pub(super) fn resume(pid: i32, signal: i32) {
    let _ = request(libc::PTRACE_SYSCALL as _, pid, signal as usize);
}

/// What a stop of a `PTRACE_EVENT_…` has to say.
pub(super) fn event_message(pid: i32) -> Option<u64> {
    let mut message: libc::c_ulong = 0;
    request(
        libc::PTRACE_GETEVENTMSG as _,
        pid,
        (&raw mut message).addr(),
    )
    .ok()?;
    Some(message)
}

/// The signal that a child is about to take.
pub(super) fn signal_info(pid: i32) -> Option<libc::siginfo_t> {
    // SAFETY: siginfo_t is plain numbers.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    request(libc::PTRACE_GETSIGINFO as _, pid, (&raw mut info).addr()).ok()?;
    Some(info)
}

/// The system call at whose beginning or end a child stands.
pub(super) fn call(pid: i32) -> Option<Call> {
    /// `PTRACE_GET_SYSCALL_INFO` of linux/ptrace.h, the same on all processors.
    const GET_SYSCALL_INFO: libc::c_uint = 0x420e;
    // `struct ptrace_syscall_info`: what it is in the first byte, from the fourth word on the number and the arguments,
    // or the result.
    let mut info = [0u64; 11];
    let size = std::mem::size_of_val(&info);
    // SAFETY: the kernel writes at most `size` bytes to `info`.
    let len = unsafe { libc::ptrace(GET_SYSCALL_INFO as _, pid, size, info.as_mut_ptr()) };
    if len < 0 {
        return None;
    }
    match info[0].to_ne_bytes()[0] {
        1 => {
            let mut args = [0; 6];
            args.copy_from_slice(&info[4..10]);
            Some(Call::Enter {
                nr: info[3] as i64,
                args,
            })
        }
        2 => Some(Call::Exit {
            ret: info[3] as i64,
        }),
        _ => None,
    }
}

/// The text at an address, without its NUL; cut where the memory ends, or after a path's greatest length. Where there is
/// no memory, what the kernel's own events say then.
pub(super) fn read_text(pid: i32, address: u64) -> Vec<u8> {
    const PAGE: u64 = 4096;
    let mut text = Vec::new();
    while text.len() < libc::PATH_MAX as usize {
        let from = address.wrapping_add(text.len() as u64);
        // not across a page's end: behind it there may be nothing
        let mut part = [0; 256];
        let room = (PAGE - from % PAGE).min(part.len() as u64) as usize;
        let len = memory::read(pid, from, &mut part[..room]);
        if let Some(nul) = part[..len].iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&part[..nul]);
            break;
        }
        if len == 0 && text.is_empty() {
            return b"(fault)".to_vec();
        }
        text.extend_from_slice(&part[..len]);
        if len < room {
            break;
        }
    }
    text
}

/// Waits until something becomes of a child or tracee of the calling thread. `None`: it has none.
///
/// Children that have ended are left to be waited for, unless `reap` says that they are nobody's here.
pub(super) fn wait(reap: impl Fn(i32) -> bool) -> io::Result<Option<(i32, Change)>> {
    // SAFETY: siginfo_t is plain numbers.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WSTOPPED | libc::__WALL | libc::__WNOTHREAD;
    loop {
        // SAFETY: `info` is writable.
        let answer = unsafe { libc::waitid(libc::P_ALL, 0, &mut info, flags | libc::WNOWAIT) };
        if answer == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ECHILD) => return Ok(None),
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
    // SAFETY: after waitid(2) they are there.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let ended = match info.si_code {
        libc::CLD_EXITED => Some(status << 8),
        libc::CLD_KILLED => Some(status),
        libc::CLD_DUMPED => Some(status | 0x80),
        _ => None,
    };
    if let Some(status) = ended
        && !reap(pid)
    {
        return Ok(Some((pid, Change::Ended(status))));
    }
    let mut status = 0;
    // SAFETY: `status` is writable; the child waits already.
    let answer = unsafe { wait4(pid, &mut status, libc::__WALL | libc::__WNOTHREAD) };
    if answer != c_long::from(pid) {
        return Err(io::Error::last_os_error());
    }
    let change = if ended.is_some() || !libc::WIFSTOPPED(status) {
        Change::Ended(status)
    } else {
        Change::Stopped(status)
    };
    Ok(Some((pid, change)))
}

/// # Safety
/// `status` can be written to.
unsafe fn wait4(pid: i32, status: *mut c_int, flags: c_int) -> c_long {
    // SAFETY: the caller's promise.
    unsafe { libc::syscall(libc::SYS_wait4, pid, status, flags, 0usize) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_memory() {
        let pid = std::process::id() as i32;
        let check = |address: u64, expected: &[u8]| assert_eq!(read_text(pid, address), expected);
        check(c"/etc/passwd".as_ptr() as u64, b"/etc/passwd");
        check(c"".as_ptr() as u64, b"");
        check(0, b"(fault)");
        let mut long = vec![b'x'; 5000];
        long.push(0);
        // cut, after whole pieces, at or soon behind the greatest length
        let text = read_text(pid, long.as_ptr() as u64);
        assert!((4096..4352).contains(&text.len()) && long.starts_with(&text));
    }
}
