//! A seccomp filter for processes that stop again and again for calls that nobody wants.
//!
//! A filter stops a task at the calls that it names and lets all others run. It must come from the process itself, so at the end of
//! one of its calls the task is made to do four others: to map a page for the program, to renounce new privileges if it has to, to
//! put the filter in for all threads, and to give the page back; then its registers are as they were. No memory of the process's own
//! is written: what lies below a stack pointer may belong to somebody.
//!
//! What it costs: it cannot be taken out. Without a tracer the calls it names fail (ENOSYS), so such a task is never let go, and is
//! killed if we are (PTRACE_O_EXITKILL). Source: seccomp(2), ptrace(2), prctl(2).

use super::super::sys::{self, SyscallInfo};
use super::super::wire::Calls;
use super::stops::{Mode, Tracee};
use super::{Settings, Tracer};
use nix::unistd::geteuid;
use std::rc::Rc;
use utracefs::base::memory;

/// Calls for nothing, of two stops each, that have cost as much as a filter will, which takes 0.3 ms to put in: whoever waits so long
/// pays twice the better way at most, however many calls are still to come.
const PATIENCE: u32 = 40;
/// An ordinary user pays with privilege, too: a short script that ends in sudo gets there before.
const PATIENCE_OF_USERS: u32 = 200;
/// More calls are as good as all: every one makes the filter longer.
const MOST_CALLS: usize = 32;
/// The results of calls that the kernel will begin anew.
const RESTARTS: std::ops::RangeInclusive<i64> = -516..=-512;
const EACCES: i64 = -(libc::EACCES as i64);
/// What our filters say with a stop, so that it is not taken for one of the task's own.
const MARK: u32 = 0x7574;
const PAGE: u64 = 4096;
const TSYNC: u64 = 1;
const SET_MODE_FILTER: u64 = 1;

/// A filter on its way in.
pub struct Injection {
    /// As it was.
    regs: libc::user_regs_struct,
    mask: u64,
    calls: Rc<Calls>,
    step: Step,
    /// Where the page is.
    page: u64,
    /// The call of the step has been entered.
    entered: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Map,
    Filter,
    Renounce,
    FilterAgain,
    Unmap { done: bool },
}

/// The filter's program: struct sock_filter, eight bytes each.
fn program(calls: &Calls) -> Vec<u8> {
    // offsets in struct seccomp_data
    const NR: u32 = 0;
    const ARCH: u32 = 4;
    const X86_64: u32 = 0xc000_003e;
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let numbers: Vec<u32> = calls.iter().map(|nr| nr as u32).collect();
    let n = numbers.len() as u8;
    // (code, where to jump if so, if not, operand)
    let mut ops = vec![
        (load, 0, 0, ARCH),
        (equal, 0, n + 1, X86_64),
        (load, 0, 0, NR),
    ];
    for (i, nr) in numbers.iter().enumerate() {
        ops.push((equal, n - i as u8, 0, *nr));
    }
    ops.push((answer, 0, 0, libc::SECCOMP_RET_ALLOW));
    ops.push((answer, 0, 0, libc::SECCOMP_RET_TRACE | MARK));
    let bytes = ops.iter().flat_map(|(code, yes, no, k)| {
        let mut op = [0; 8];
        op[..2].copy_from_slice(&code.to_ne_bytes());
        (op[2], op[3]) = (*yes, *no);
        op[4..].copy_from_slice(&k.to_ne_bytes());
        op
    });
    bytes.collect()
}

/// What lies in the page: struct sock_fprog, and the program behind it.
fn image(calls: &Calls, page: u64) -> Vec<u8> {
    let program = program(calls);
    let mut bytes = vec![0; 16];
    bytes[..2].copy_from_slice(&((program.len() / 8) as u16).to_ne_bytes());
    bytes[8..].copy_from_slice(&(page + 16).to_ne_bytes());
    bytes.extend(program);
    bytes
}

/// Whether it is time, for a task at the end of a call.
fn is_time(tracee: &Tracee, settings: Settings, plan: &super::Plan) -> bool {
    settings.filter
        && tracee.unwanted >= PATIENCE
        && (tracee.unwanted >= PATIENCE_OF_USERS || geteuid().is_root())
        && !tracee.silent
        && plan.attach
        && !plan.every_call
        && (1..=MOST_CALLS).contains(&plan.watched.len())
}

impl Tracer {
    /// At the end of a call: begins if it is time. Returns whether the task is on its way.
    pub(super) fn inject(&mut self, tid: i32, info: &SyscallInfo) -> bool {
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return false;
        };
        if !is_time(tracee, self.settings, &self.plan) {
            return false;
        }
        tracee.unwanted = 0;
        if RESTARTS.contains(&(info.words[0] as i64)) {
            return false;
        }
        let (Ok(regs), Ok(mask)) = (sys::registers(tid), sys::signal_mask(tid)) else {
            return false;
        };
        // the instruction that it comes from is made again, if it is one of this machine's own
        let mut instruction = [0; 2];
        memory::read_parts(tid, &mut [(regs.rip.wrapping_sub(2), &mut instruction)]);
        if regs.cs != 0x33 || instruction != [0x0f, 0x05] {
            return false;
        }
        let mut calls = self.plan.watched;
        if let Some(old) = &tracee.filter {
            old.iter().for_each(|nr| calls.add(nr));
        }
        tracee.injection = Some(Box::new(Injection {
            regs,
            mask,
            calls: Rc::new(calls),
            step: Step::Map,
            page: 0,
            entered: false,
        }));
        // a filter that stops needs somebody to stop for, from its first moment
        let options = self.options(true);
        let set = sys::plain(libc::PTRACE_SETOPTIONS, tid, options as usize);
        if set.is_err() || sys::set_signal_mask(tid, u64::MAX).is_err() {
            self.tracees.entry(tid).and_modify(|t| t.injection = None);
            return false;
        }
        self.tracees.entry(tid).and_modify(|t| t.options = options);
        self.call_for(tid);
        true
    }

    /// Sends the task into the call of the step.
    fn call_for(&mut self, tid: i32) {
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        let Some(injection) = &mut tracee.injection else {
            return;
        };
        injection.entered = false;
        let page = injection.page;
        let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let access = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let (nr, args) = match injection.step {
            Step::Map => (libc::SYS_mmap, [0, PAGE, access, anonymous, u64::MAX, 0]),
            Step::Filter | Step::FilterAgain => {
                (libc::SYS_seccomp, [SET_MODE_FILTER, TSYNC, page, 0, 0, 0])
            }
            Step::Renounce => {
                let what = libc::PR_SET_NO_NEW_PRIVS as u64;
                (libc::SYS_prctl, [what, 1, 0, 0, 0, 0])
            }
            Step::Unmap { .. } => (libc::SYS_munmap, [page, PAGE, 0, 0, 0, 0]),
        };
        let mut regs = injection.regs;
        regs.rip = regs.rip.wrapping_sub(2);
        regs.rax = nr as u64;
        // not in a call: nothing is to be begun anew
        regs.orig_rax = u64::MAX;
        [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9] = args;
        let _ = sys::set_registers(tid, &regs);
        tracee.mode = Mode::Calls;
        let _ = sys::plain(libc::PTRACE_SYSCALL, tid, 0);
    }

    /// A task stands at a filter's behest: whether the filter is the task's own. Then the call fails as it does without a tracer.
    pub(super) fn is_own_filter(&mut self, tid: i32, info: &SyscallInfo) -> bool {
        if info.filter_data() == MARK {
            return false;
        }
        if let Ok(mut regs) = sys::registers(tid) {
            regs.orig_rax = u64::MAX;
            regs.rax = -i64::from(libc::ENOSYS) as u64;
            let _ = sys::set_registers(tid, &regs);
        }
        true
    }

    /// A task with a filter on its way has stopped. Whatever it is (SIGSTOP can come in between), it goes on until the call's end.
    pub(super) fn on_injected_stop(&mut self, tid: i32, signal: i32, event: i32) {
        self.mark(tid, false);
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        let Some(injection) = &mut tracee.injection else {
            return;
        };
        if signal == sys::SYSCALL_STOP {
            if injection.entered {
                return self.injected_call_ends(tid);
            }
            injection.entered = true;
        } else if event == 0 {
            // taken now, it will be sent again
            tracee.kept_signals.push(signal);
        } else if event == sys::EVENT_STOP && super::stops::is_stop_signal(signal) {
            tracee.kept_signals.push(libc::SIGSTOP);
        }
        let _ = sys::plain(libc::PTRACE_SYSCALL, tid, 0);
    }

    fn injected_call_ends(&mut self, tid: i32) {
        let result = sys::registers(tid).map_or(-1, |r| r.rax as i64);
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        let Some(injection) = &mut tracee.injection else {
            return;
        };
        let failed = result < 0;
        let after_page = Step::Unmap { done: false };
        injection.step = match injection.step {
            Step::Map if failed => return self.injected(tid, false),
            Step::Map => {
                injection.page = result as u64;
                let image = image(&injection.calls, injection.page);
                match memory::write(tid, injection.page, &image) {
                    true => Step::Filter,
                    false => after_page,
                }
            }
            Step::Filter if result == EACCES => Step::Renounce,
            Step::Renounce if !failed => Step::FilterAgain,
            Step::Renounce => after_page,
            // with TSYNC a thread that could not have it is a positive number
            Step::Filter | Step::FilterAgain => Step::Unmap { done: result == 0 },
            Step::Unmap { done } => return self.injected(tid, done),
        };
        self.call_for(tid);
    }

    /// All as it was, with a filter or without.
    fn injected(&mut self, tid: i32, done: bool) {
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        let Some(injection) = tracee.injection.take() else {
            return;
        };
        let _ = sys::set_registers(tid, &injection.regs);
        let _ = sys::set_signal_mask(tid, injection.mask);
        let kept = std::mem::take(&mut tracee.kept_signals);
        let tgid = self.queue.names.who(tid).tgid;
        if done {
            log::debug!("a filter is in process {tgid}");
            self.filtered(tid, tgid, &injection.calls);
        } else {
            // it will not work the next time either
            self.settings.filter = false;
            self.say_once(
                "no seccomp filter can be put into the command: every system call of it stops",
            );
        }
        for signal in kept {
            // SAFETY: no memory is involved
            unsafe { libc::syscall(libc::SYS_tgkill, tgid, tid, signal) };
        }
        self.resume(tid, 0);
    }

    /// A filter is in all threads of a process.
    fn filtered(&mut self, tid: i32, tgid: i32, calls: &Rc<Calls>) {
        let mut threads: Vec<i32> = crate::proc::threads(tgid);
        threads.push(tid);
        for thread in threads {
            let Some(tracee) = self.tracees.get_mut(&thread) else {
                continue;
            };
            // the options are set at their next stops; until then it is enough that one thread of the process dies with us
            tracee.filter = Some(calls.clone());
            tracee.unwanted = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program answers to a call.
    fn answer(program: &[u8], arch: u32, nr: u32) -> u32 {
        let (ops, _) = program.as_chunks::<8>();
        let (mut at, mut value) = (0, 0);
        loop {
            let op = ops[at];
            let code = u16::from_ne_bytes([op[0], op[1]]);
            let k = u32::from_ne_bytes([op[4], op[5], op[6], op[7]]);
            at += 1;
            match code {
                0x20 => value = if k == 4 { arch } else { nr },
                0x15 => at += usize::from(if value == k { op[2] } else { op[3] }),
                0x06 => return k,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn check(wanted: &[i64]) {
        let mut calls = Calls::NONE;
        wanted.iter().for_each(|nr| calls.add(*nr));
        let program = program(&calls);
        for nr in 0..512 {
            let expected = match calls.has(nr) {
                true => libc::SECCOMP_RET_TRACE | MARK,
                false => libc::SECCOMP_RET_ALLOW,
            };
            assert_eq!(answer(&program, 0xc000_003e, nr as u32), expected, "{nr}");
            assert_eq!(
                answer(&program, 0x4000_0003, nr as u32),
                libc::SECCOMP_RET_ALLOW
            );
        }
        assert!(image(&calls, 0).len() < PAGE as usize);
    }

    #[test]
    fn filters_stop_at_what_is_wanted() {
        check(&[257]);
        check(&[0, 1, 511]);
        check(&(100..132).collect::<Vec<_>>());
    }
}
