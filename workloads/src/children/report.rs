//! What a child's stop says, as events that are the child's.

use super::ptrace::{self, Call};
use super::{Action, Family, Member, Seen};
use crate::events::raw_syscalls::{trace_sys_enter, trace_sys_exit};
use crate::events::sched::{
    trace_sched_process_exec, trace_sched_process_exit, trace_sched_process_free,
    trace_sched_process_wait,
};
use crate::events::signal::trace_signal_deliver;
use crate::events::syscalls;
use crate::events::task::trace_task_rename;
use crate::figures::call_is_back;
use crate::subject::Known;
use utracefs::base::memory;

/// A stop for a system call (`PTRACE_O_TRACESYSGOOD`).
const AT_CALL: i32 = libc::SIGTRAP | 0x80;

/// The calling thread as events show it.
pub(super) fn calling_thread() -> Known {
    let mut comm = [0u8; 16];
    let mut param = libc::sched_param { sched_priority: 0 };
    // SAFETY: PR_GET_NAME writes 16 bytes, `param` is writable, the others have no pointers.
    unsafe {
        libc::prctl(libc::PR_GET_NAME, comm.as_mut_ptr());
        libc::sched_getparam(0, &mut param);
        let nice = libc::getpriority(libc::PRIO_PROCESS, 0);
        // sched(7): real-time priorities are above all others, which have 120 and their nice value
        let prio = if param.sched_priority > 0 {
            99 - param.sched_priority
        } else {
            120 + nice
        };
        Known {
            pid: libc::syscall(libc::SYS_gettid) as i32,
            comm,
            prio,
        }
    }
}

/// Keeps the calling thread on the CPU where it is: children are born there and stay, so that what is reported here of them
/// has happened here.
pub(super) fn stay() {
    // SAFETY: the set is plain bits, initialised; without a CPU number nothing changes.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if let Ok(cpu) = usize::try_from(libc::sched_getcpu()) {
            libc::CPU_SET(cpu.min(libc::CPU_SETSIZE as usize - 1), &mut set);
            libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set);
        }
    }
}

/// A name, NUL-padded.
fn padded(name: &[u8]) -> [u8; 16] {
    let mut comm = [0; 16];
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let len = name.len().min(15);
    comm[..len].copy_from_slice(&name[..len]);
    comm
}

/// The name that a program has been given.
fn comm_of(pid: i32, filename: &[u8]) -> [u8; 16] {
    match std::fs::read(format!("/proc/{pid}/comm")) {
        Ok(text) => padded(text.trim_ascii_end()),
        Err(_) => padded(
            filename
                .rsplit(|byte| *byte == b'/')
                .next()
                .unwrap_or_default(),
        ),
    }
}

impl Member {
    fn rename(&mut self, comm: [u8; 16], oom_score_adj: i16) {
        let old = self.known.comm;
        self.task
            .run(|| trace_task_rename(self.known.pid, old, comm, oom_score_adj));
        self.known.comm = comm;
        self.task.set_comm(comm);
    }

    /// It enters a system call.
    fn enters(&mut self, nr: i64, args: [u64; 6]) {
        self.call = Some((nr, args));
        let pid = self.known.pid;
        match nr {
            libc::SYS_execve => self.filename = ptrace::read_text(pid, args[0]),
            libc::SYS_execveat => self.filename = ptrace::read_text(pid, args[1]),
            libc::SYS_rt_sigaction if args[1] != 0 => {
                let mut words = [0; 16];
                if memory::read(pid, args[1], &mut words) == words.len() {
                    let word = |at: usize| {
                        u64::from_ne_bytes(words[at..at + 8].try_into().unwrap_or_default())
                    };
                    let action = Action {
                        handler: word(0),
                        flags: word(8),
                    };
                    self.setting = Some((args[0] as i32, action));
                }
            }
            _ => {}
        }
        self.task.run(|| {
            trace_sys_enter(nr, &args);
            let enter = syscalls::TABLE.enter_tracepoint(nr);
            if syscalls::enter_enabled() && enter.is_some_and(|tracepoint| tracepoint.is_on()) {
                let call = syscalls::TABLE.find(nr);
                let paths = call.map_or(&[][..], |call| call.args).iter().zip(args);
                let texts: Vec<Vec<u8>> = paths
                    .filter(|(arg, _)| arg.path)
                    .map(|(_, address)| ptrace::read_text(pid, address))
                    .collect();
                let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
                syscalls::enter(nr, &args, &texts);
            }
            match (nr, args[0] as i32) {
                (libc::SYS_wait4, child) => trace_sched_process_wait(&self.known, child.max(0)),
                (libc::SYS_waitid, kind) => {
                    let child = if kind == libc::P_PID as i32 {
                        args[1] as i32
                    } else {
                        0
                    };
                    trace_sched_process_wait(&self.known, child)
                }
                _ => {}
            }
        });
    }

    /// It comes back from one. Returns whom it has waited for.
    fn returns(&mut self, ret: i64, oom_score_adj: i16) -> (bool, Option<i32>) {
        let setting = self.setting.take();
        let Some((nr, args)) = self.call.take() else {
            return (false, None);
        };
        let mut renamed = false;
        match nr {
            libc::SYS_rt_sigaction if ret == 0 => {
                if let Some((signal, action)) = setting {
                    self.actions.insert(signal, action);
                }
            }
            libc::SYS_prctl if ret == 0 && args[0] == libc::PR_SET_NAME as u64 => {
                let mut name = ptrace::read_text(self.known.pid, args[1]);
                name.truncate(15);
                self.rename(padded(&name), oom_score_adj);
                renamed = true;
            }
            _ => {}
        }
        call_is_back(ret);
        self.task.run(|| {
            trace_sys_exit(nr, ret);
            syscalls::exit(nr, ret);
        });
        let reaped = (nr == libc::SYS_wait4 && ret > 0).then_some(ret as i32);
        (renamed, reaped)
    }

    /// It is another program now.
    fn executes(&mut self, oom_score_adj: i16) {
        let pid = self.known.pid;
        let old_pid = ptrace::event_message(pid).map_or(pid, |old| old as i32);
        self.rename(comm_of(pid, &self.filename), oom_score_adj);
        // handlers are gone with the program; what was ignored stays so
        self.actions
            .retain(|_, action| action.handler == libc::SIG_IGN as u64);
        self.task
            .run(|| trace_sched_process_exec(&self.known, old_pid, &self.filename));
    }

    /// It takes a signal. Returns whether it is one that we have sent.
    fn takes(&mut self, signal: i32) -> bool {
        let (errno, code) = ptrace::signal_info(self.known.pid)
            .map_or((0, libc::SI_USER), |info| (info.si_errno, info.si_code));
        let Action { handler, flags } = self.actions.get(&signal).copied().unwrap_or_default();
        self.task
            .run(|| trace_signal_deliver(signal, errno, code, handler, flags));
        self.pending.remove(&signal)
    }
}

impl Family {
    /// A stop. `None`: it has nothing to say, and the child goes on.
    pub(super) fn stopped(&mut self, pid: i32, status: i32) -> Option<Seen> {
        let oom = self.oom_score_adj;
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        let member = self.members.get_mut(&pid)?;
        self.held = Some((pid, 0));
        if member.new && signal == libc::SIGSTOP {
            member.new = false;
            if member.parent == self.parent.pid
                && let Err(error) = ptrace::set_options(pid)
            {
                log::warn!("the children of {} are not seen: {error}", member.known.pid);
            }
            return None;
        }
        match (signal, event) {
            (AT_CALL, _) => match ptrace::call(pid) {
                Some(Call::Enter { nr, args }) => {
                    member.enters(nr, args);
                    Some(Seen::Enters { pid, nr })
                }
                Some(Call::Exit { ret }) => {
                    let (renamed, reaped) = member.returns(ret, oom);
                    self.counts.renames += u64::from(renamed);
                    if let Some(child) = reaped.and_then(|pid| self.members.remove(&pid)) {
                        self.counts.reaped += 1;
                        let task = self.members.get(&pid).map(|reaper| &reaper.task);
                        task.inspect(|task| task.run(|| trace_sched_process_free(&child.known)));
                    }
                    Some(Seen::Other)
                }
                None => None,
            },
            (_, libc::PTRACE_EVENT_EXEC) => {
                member.executes(oom);
                self.counts.execs += 1;
                self.counts.renames += 1;
                Some(Seen::Other)
            }
            (_, libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE) => {
                let child = ptrace::event_message(pid)? as i32;
                let (parent, actions) = (member.known, member.actions.clone());
                let flags = member
                    .call
                    .map_or(0, |(nr, args)| clone_flags(pid, nr, &args));
                let task = utracefs::base::task::Task::new(pid, pid, parent.comm);
                task.run(|| self.born(child, &parent, actions, flags));
                Some(Seen::Other)
            }
            (_, libc::PTRACE_EVENT_EXIT) => {
                let status = ptrace::event_message(pid)? as i32;
                self.ends(pid, status);
                Some(Seen::Ends { pid, status })
            }
            // stopped as a job by somebody else: it goes on
            (_, event) if event != 0 || ptrace::signal_info(pid).is_none() => None,
            _ => {
                self.counts.delivered += u64::from(member.takes(signal));
                self.held = Some((pid, signal));
                Some(Seen::Takes { pid, signal })
            }
        }
    }

    /// A task ends, once.
    pub(super) fn ends(&mut self, pid: i32, status: i32) {
        let Some(member) = self.members.get_mut(&pid) else {
            return;
        };
        if std::mem::replace(&mut member.ended, true) {
            return;
        }
        // SIGKILL is taken without a stop
        if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL {
            member
                .task
                .run(|| trace_signal_deliver(libc::SIGKILL, 0, libc::SI_USER, 0, 0));
            self.counts.delivered += u64::from(member.pending.remove(&libc::SIGKILL));
        }
        member
            .task
            .run(|| trace_sched_process_exit(&member.known, true));
        self.counts.exits += 1;
    }
}

/// The flags of a call that makes a task, without the signal of its end.
fn clone_flags(pid: i32, nr: i64, args: &[u64; 6]) -> u64 {
    const END_SIGNAL: u64 = 0xff;
    #[cfg(target_arch = "x86_64")]
    if nr == libc::SYS_vfork {
        return (libc::CLONE_VFORK | libc::CLONE_VM) as u64;
    }
    match nr {
        libc::SYS_clone => args[0] & !END_SIGNAL,
        libc::SYS_clone3 => {
            let mut flags = [0; 8];
            memory::read(pid, args[0], &mut flags);
            u64::from_ne_bytes(flags)
        }
        _ => 0,
    }
}
