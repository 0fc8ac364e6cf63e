//! Signals: sent by system calls that are seen, taken at stops.

use super::super::sys;
use super::super::wire::{Kind, Sent, What};
use super::{Fact, Tracer};
use crate::proc::Status;
use std::os::raw::c_int;

const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TKILL: i32 = -6;

/// A signal that a task is about to send. The event is the sender's, at the time of the call; that there will be one is known when the
/// call succeeds or somebody takes the signal, whatever is seen first.
#[derive(Clone, Debug)]
pub struct Sending {
    sig: i32,
    code: i32,
    /// The one that it is for; None: a group, or nothing tells.
    to: Option<i32>,
    group: bool,
    time: u64,
    cpu: Option<u32>,
    ip: u64,
    /// Told already for these.
    told: Vec<i32>,
}
use utracefs::base::memory;

impl Sending {
    /// The signal of a call, by its number and arguments; None: it only asks whether it could.
    pub fn of(sender: i32, nr: i64, args: &[u64; 6], cpu: Option<u32>, ip: u64) -> Option<Sending> {
        let arg = |i: usize| args[i] as i32;
        let (sig, code, to, group) = match nr {
            libc::SYS_kill => (arg(1), SI_USER, Some(arg(0)), true),
            libc::SYS_tkill => (arg(1), SI_TKILL, Some(arg(0)), false),
            libc::SYS_tgkill => (arg(2), SI_TKILL, Some(arg(1)), false),
            libc::SYS_rt_sigqueueinfo => (arg(1), code_at(sender, args[2]), Some(arg(0)), true),
            libc::SYS_rt_tgsigqueueinfo => (arg(2), code_at(sender, args[3]), Some(arg(1)), false),
            libc::SYS_pidfd_send_signal => (arg(1), SI_USER, pidfd(sender, arg(0)), true),
            _ => return None,
        };
        (sig > 0).then_some(Sending {
            sig,
            code,
            to: to.filter(|pid| *pid > 0),
            group,
            time: sys::now(),
            cpu,
            ip,
            told: Vec::new(),
        })
    }
}

/// `si_code` of a siginfo_t in a task's memory.
fn code_at(tid: i32, address: u64) -> i32 {
    let mut code = [0; 4];
    let got = memory::read_parts(tid, &mut [(address.wrapping_add(8), &mut code)]);
    if got == 4 {
        i32::from_ne_bytes(code)
    } else {
        SI_QUEUE
    }
}

/// The process that a descriptor of a task stands for.
fn pidfd(tid: i32, fd: i32) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("Pid:"))?;
    line.trim().parse().ok()
}

impl Tracer {
    /// A call that sends a signal has succeeded.
    pub(super) fn sent(&mut self, sender: i32, sending: &Sending) {
        if let Some(to) = sending.to
            && !sending.told.contains(&to)
        {
            let ignored = match Status::read(to) {
                Some(status) => is_ignored(&status, sending.sig),
                None => false,
            };
            self.tell_sending(sender, sending, to, ignored);
        }
    }

    fn tell_sending(&mut self, sender: i32, sending: &Sending, to: i32, ignored: bool) {
        let fact = Fact::Sends {
            sig: sending.sig,
            errno: 0,
            code: sending.code,
            to,
            group: sending.group,
            result: if ignored {
                Sent::Ignored
            } else {
                Sent::Delivered
            },
        };
        self.see_at(sending.time, sender, sending.cpu, sending.ip, fact);
    }

    /// A task is about to take a signal.
    pub(super) fn on_signal(&mut self, tid: i32, signal: c_int) {
        let wants = &self.plan.wants;
        let (generate, deliver) = (
            wants.has(Kind::SignalGenerate),
            wants.has(Kind::SignalDeliver),
        );
        let silent = self.tracees.get(&tid).is_some_and(|t| t.silent);
        if silent || !(generate || deliver) {
            self.mark(tid, false);
            return self.resume(tid, signal);
        }
        let Ok(info) = sys::signal_info(tid) else {
            return self.resume(tid, signal);
        };
        let status = Status::read(tid);
        let ignored = status.as_ref().is_some_and(|s| is_ignored(s, signal));
        let handled = status.is_some_and(|s| s.has_signal("SigCgt", signal));
        if generate {
            self.generated(tid, signal, &info, ignored);
        }
        // a task without a tracer would not have got it
        if deliver && !ignored {
            let what = What::SignalDeliver {
                sig: signal,
                errno: info.si_errno,
                code: info.si_code,
                sa_handler: if handled { u64::MAX } else { 0 },
                sa_flags: u64::MAX,
            };
            let cpu = self.cpu_of(tid);
            self.see(tid, cpu, None, Fact::Plain(what));
        } else {
            self.mark(tid, false);
        }
        self.resume(tid, signal);
    }

    /// Somebody has sent this signal: tells so unless it has been.
    fn generated(&mut self, tid: i32, signal: c_int, info: &libc::siginfo_t, ignored: bool) {
        let from_task = matches!(info.si_code, SI_USER | SI_QUEUE | SI_TKILL);
        // SAFETY: these codes come with a sender, and so does SIGCHLD; of others the number is not used
        let sender = unsafe { info.si_pid() };
        let tgid = self.queue.names.who(tid).tgid;
        if from_task && sender > 0 {
            // by a call that has not come back, or one that has and was told then
            let threads: Vec<i32> = self.tracees.keys().copied().collect();
            let mut seen = false;
            for thread in threads {
                if self.queue.names.who(thread).tgid != sender {
                    continue;
                }
                seen = true;
                let call = self.tracees.get_mut(&thread).and_then(|t| t.call.as_mut());
                let Some(sending) = call.and_then(|c| c.sending.as_mut()) else {
                    continue;
                };
                if sending.sig != signal {
                    continue;
                }
                // a process takes it with whatever thread
                let to = match sending.to {
                    Some(to) if to == tid || to == tgid => to,
                    None => tgid,
                    _ => continue,
                };
                if !sending.told.contains(&to) {
                    sending.told.push(to);
                    let sending = sending.clone();
                    return self.tell_sending(thread, &sending, to, ignored);
                }
                return;
            }
            if seen {
                return;
            }
        }
        let synchronous = matches!(
            signal,
            libc::SIGSEGV
                | libc::SIGBUS
                | libc::SIGFPE
                | libc::SIGILL
                | libc::SIGTRAP
                | libc::SIGSYS
                | libc::SIGPIPE
        );
        let by = match signal {
            _ if from_task && sender > 0 => sender,
            libc::SIGCHLD if sender > 0 => sender,
            _ if synchronous => tid,
            _ => -1,
        };
        let group = !synchronous && info.si_code != SI_TKILL;
        let fact = Fact::Sends {
            sig: signal,
            errno: info.si_errno,
            code: info.si_code,
            to: if group { tgid } else { tid },
            group,
            result: if ignored {
                Sent::Ignored
            } else {
                Sent::Delivered
            },
        };
        let cpu = if by == tid { self.cpu_of(tid) } else { None };
        self.note(super::Item {
            time: sys::now(),
            cpu,
            ip: None,
            tid: by,
            stop: None,
            anyone: false,
            fact,
        });
    }
}

/// Whether a process without a tracer would never get the signal.
fn is_ignored(status: &Status, signal: c_int) -> bool {
    let by_default = matches!(
        signal,
        libc::SIGCHLD | libc::SIGCONT | libc::SIGURG | libc::SIGWINCH
    );
    status.has_signal("SigIgn", signal) || (by_default && !status.has_signal("SigCgt", signal))
}
