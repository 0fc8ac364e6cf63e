//! System calls: their entries and ends.

use super::super::perf::Perf;
use super::super::sys::{self, OP_ENTRY, OP_EXIT, OP_SECCOMP, SyscallInfo};
use super::super::wire::MAX_TEXT;
use super::super::wire::{CALLS, Path, What};
use super::plan::{KILLS, WAITS};
use super::signals::Sending;
use super::{Fact, Item, Tracer};
use crate::proc;
use utracefs::event::declare::{Class, section};

/// Bytes of a text that are read at first: most paths are shorter.
const AT_FIRST: usize = 256;

/// AUDIT_ARCH_… of this machine's own calls.
#[cfg(target_arch = "x86_64")]
const OWN_ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN_ARCH: u32 = 0xc000_00b7;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OWN_ARCH: u32 = 0;

/// A call that a task is in.
pub struct Call {
    nr: i64,
    foreign: bool,
    /// Where it was entered: the restartable-sequence area says the same at the end.
    cpu: Option<u32>,
    /// Something is to be done at its end.
    pub end: bool,
    /// The name that prctl(2) is to set.
    pub naming: bool,
    /// The signal that it sends.
    pub sending: Option<Sending>,
}
use utracefs::base::memory;

/// Which arguments of each call are paths, a bit each: as their events have it.
pub struct Paths([u8; CALLS]);

impl Default for Paths {
    fn default() -> Paths {
        let mut paths = [0; CALLS];
        for decl in section::declared() {
            if let Class::SyscallEnter(call) = decl.class
                && let Some(bits) = usize::try_from(call.nr)
                    .ok()
                    .and_then(|nr| paths.get_mut(nr))
            {
                let args = call.args.iter().take(6).enumerate();
                args.filter(|(_, a)| a.path)
                    .for_each(|(i, _)| *bits |= 1 << i);
            }
        }
        Paths(paths)
    }
}

impl Paths {
    fn of(&self, nr: i64) -> impl Iterator<Item = u8> {
        let bits = usize::try_from(nr)
            .ok()
            .and_then(|nr| self.0.get(nr).copied());
        (0..6).filter(move |i| bits.unwrap_or(0) >> i & 1 != 0)
    }
}

impl Tracer {
    /// A task stands at a call's entry, at its end, or at its entry because of a filter.
    pub(super) fn on_call(&mut self, tid: i32) {
        let Ok(info) = sys::syscall_info(tid) else {
            return self.resume(tid, 0);
        };
        let known = self.queue.len();
        let stays = match info.op {
            OP_ENTRY => self.enter(tid, &info),
            OP_SECCOMP if self.is_own_filter(tid, &info) => false,
            // with both kinds of stop, the other one was first
            OP_SECCOMP if self.tracees.get(&tid).is_some_and(|t| t.call.is_none()) => {
                self.enter(tid, &info)
            }
            OP_EXIT => {
                self.leave(tid, &info);
                self.inject(tid, &info)
            }
            _ => false,
        };
        if known == self.queue.len() {
            self.mark(tid, false);
        }
        if !stays {
            self.resume(tid, 0);
        }
    }

    /// Returns whether the task stays where it is.
    fn enter(&mut self, tid: i32, info: &SyscallInfo) -> bool {
        let (number, args) = (info.words[0], &info.words[1..]);
        let args: [u64; 6] = args.try_into().unwrap_or_default();
        let nr = number as i64;
        let foreign = info.arch != OWN_ARCH;
        let Some(tracee) = self.tracees.get(&tid) else {
            return false;
        };
        let silent = tracee.silent && !matches!(nr, libc::SYS_execve | libc::SYS_execveat);
        let wants = &self.plan.wants;
        let shown = !silent && (wants.raw_enter || (!foreign && wants.enter.has(nr)));
        let end_shown = !silent && (wants.raw_exit || (!foreign && wants.exit.has(nr)));
        let done = !silent && !foreign && self.plan.enter.has(nr) | self.plan.exit.has(nr);
        let mut call = Call {
            nr,
            foreign,
            cpu: None,
            end: end_shown,
            naming: false,
            sending: None,
        };
        let text = self.plan.wants.enter.has(nr) && !foreign;
        if shown || end_shown {
            let (cpu, paths) = self.look(tid, text.then_some(nr), &args);
            call.cpu = cpu;
            if shown {
                let enter = What::SysEnter {
                    nr,
                    foreign,
                    args,
                    paths,
                };
                self.see(tid, cpu, Some(info.ip), Fact::Plain(enter));
            }
        }
        let mut stays = false;
        if done {
            stays = self.serve(tid, info.ip, nr, &args, &mut call);
        }
        let watched = self.plan.every_call || done;
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            if !watched {
                tracee.unwanted = tracee.unwanted.saturating_add(1);
            }
            tracee.call = Some(call);
        }
        stays
    }

    /// Calls that other events come from. Returns whether the task stays where it is, or is gone from here.
    fn serve(&mut self, tid: i32, ip: u64, nr: i64, args: &[u64; 6], call: &mut Call) -> bool {
        use super::super::wire::Kind;
        let wants = &self.plan.wants;
        if WAITS.contains(&nr) && wants.has(Kind::Wait) {
            let pid = waited_for(tid, nr, args);
            let cpu = call.cpu.or_else(|| self.cpu_of(tid));
            self.see(tid, cpu, Some(ip), Fact::Waits { pid });
        } else if KILLS.contains(&nr) && wants.has(Kind::SignalGenerate) {
            call.cpu = call.cpu.or_else(|| self.cpu_of(tid));
            call.sending = Sending::of(tid, nr, args, call.cpu, ip);
            call.end |= call.sending.is_some();
        } else if nr == libc::SYS_prctl && args[0] == libc::PR_SET_NAME as u64 {
            call.naming = self.perf.is_none() && wants.has(Kind::Rename);
            call.end |= call.naming;
        } else if nr == libc::SYS_ptrace && self.settings.detach_debugged {
            return self.make_way(tid, args);
        }
        false
    }

    fn leave(&mut self, tid: i32, info: &SyscallInfo) {
        let ret = info.words[0] as i64;
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        let silent = tracee.silent;
        let call = tracee.call.take();
        let wants = &self.plan.wants;
        let foreign = call.as_ref().map_or(info.arch != OWN_ARCH, |c| c.foreign);
        // we came in the middle of it: the number is still to be had
        let nr = match &call {
            Some(call) => Some(call.nr),
            None => call_number(tid),
        };
        let Some(nr) = nr else { return };
        let shown = match &call {
            Some(call) => call.end,
            None => !silent,
        };
        if shown && (wants.raw_exit || (!foreign && wants.exit.has(nr))) {
            let cpu = match &call {
                Some(call) => call.cpu,
                None => self.cpu_of(tid),
            };
            let exit = What::SysExit { nr, foreign, ret };
            self.see(tid, cpu, Some(info.ip), Fact::Plain(exit));
        }
        let Some(call) = call else { return };
        if call.naming
            && ret == 0
            && let Some(comm) = proc::comm(tid)
        {
            self.see(
                tid,
                call.cpu,
                Some(info.ip),
                Fact::Renamed { comm, exec: false },
            );
        }
        if let Some(sending) = call.sending
            && ret == 0
        {
            self.sent(tid, &sending);
        }
    }

    /// What a task's memory tells at an entry: its CPU and the paths of the call.
    fn look(&mut self, tid: i32, nr: Option<i64>, args: &[u64; 6]) -> (Option<u32>, Vec<Path>) {
        let at_cpu = self.cpu_address(tid);
        let paths: Vec<u8> = nr.map_or(Vec::new(), |nr| self.paths.of(nr).collect());
        let Some((&first, others)) = paths.split_first() else {
            return (self.cpu_of(tid), Vec::new());
        };
        // the CPU and the first path at once
        let (mut cpu, mut text) = ([0; 4], [0; AT_FIRST]);
        let address = args[usize::from(first)];
        let room = to_page_end(address).min(AT_FIRST);
        let got = match at_cpu {
            Some(at) => {
                memory::read_parts(tid, &mut [(at, &mut cpu), (address, &mut text[..room])])
            }
            None => 4 + memory::read_parts(tid, &mut [(address, &mut text[..room])]),
        };
        let cpu = match at_cpu {
            Some(_) if got >= 4 => cpu_number(cpu),
            _ => self.cpu_of(tid),
        };
        let text = rest_of_text(tid, address, &text[..got.saturating_sub(4)]);
        let mut texts = vec![Path {
            arg: first,
            text: text.unwrap_or_else(|| b"(fault)".to_vec()),
        }];
        for arg in others {
            let text = text_at(tid, args[usize::from(*arg)]);
            let text = text.unwrap_or_else(|| b"(fault)".to_vec());
            texts.push(Path { arg: *arg, text });
        }
        (cpu, texts)
    }

    /// Whether perf tells when and where a task has come to stand still.
    fn sees_switches(&self) -> bool {
        self.perf.as_ref().is_some_and(Perf::has_switches)
    }

    /// Where a task that stands still has the number of its CPU (rseq(2)), unless perf tells it.
    fn cpu_address(&mut self, tid: i32) -> Option<u64> {
        if self.sees_switches() {
            return None;
        }
        let tracee = self.tracees.get_mut(&tid)?;
        if tracee.rseq == 0 {
            tracee.rseq = sys::rseq_address(tid).unwrap_or(0);
        }
        (tracee.rseq != 0).then(|| tracee.rseq + 4)
    }

    /// The CPU of a task that stands still, unless perf tells it.
    pub(super) fn cpu_of(&mut self, tid: i32) -> Option<u32> {
        if self.sees_switches() {
            return None;
        }
        let mut cpu = [0; 4];
        let at = self.cpu_address(tid);
        let got = at.map(|at| memory::read_parts(tid, &mut [(at, &mut cpu)]));
        if got == Some(4) {
            return cpu_number(cpu);
        }
        // no such area, or it is there no more: slower
        if let Some(tracee) = self.tracees.get_mut(&tid) {
            tracee.rseq = 0;
        }
        proc::stat(tid).map(|s| s.cpu)
    }

    /// Notes a fact as of a time that is past.
    pub(super) fn see_at(&mut self, time: u64, tid: i32, cpu: Option<u32>, ip: u64, fact: Fact) {
        self.note(Item {
            time,
            cpu,
            ip: Some(ip),
            tid,
            stop: None,
            anyone: false,
            fact,
        });
    }
}

/// The text at an address of a task; None: it cannot be read.
pub(super) fn text_at(tid: i32, address: u64) -> Option<Vec<u8>> {
    rest_of_text(tid, address, &[])
}

/// The same, of which this has been read. What is returned takes no more memory than it needs: it may wait long.
fn rest_of_text(tid: i32, address: u64, begun: &[u8]) -> Option<Vec<u8>> {
    let nul = |text: &[u8]| text.iter().position(|b| *b == 0);
    if let Some(end) = nul(begun) {
        return Some(begun[..end].to_vec());
    }
    let mut text = begun.to_vec();
    while text.len() < MAX_TEXT - 1 {
        let have = text.len();
        let next = address.checked_add(have as u64)?;
        let most = if have == 0 { AT_FIRST } else { MAX_TEXT - have };
        let room = to_page_end(next).min(most);
        text.resize(have + room, 0);
        let got = memory::read_parts(tid, &mut [(next, &mut text[have..])]);
        if got == 0 {
            return None;
        }
        text.truncate(have + got);
        if let Some(end) = nul(&text[have..]) {
            text.truncate(have + end);
            break;
        }
    }
    text.truncate(MAX_TEXT - 1);
    text.shrink_to_fit();
    Some(text)
}

fn to_page_end(address: u64) -> usize {
    (4096 - (address & 4095)) as usize
}

/// The kernel writes large numbers where there is none.
fn cpu_number(bytes: [u8; 4]) -> Option<u32> {
    let cpu = u32::from_ne_bytes(bytes);
    (cpu < 1 << 16).then_some(cpu)
}

/// The child or group that wait4(2) or waitid(2) is about, as sched_process_wait has it: 0 any, -1 not known.
fn waited_for(tid: i32, nr: i64, args: &[u64; 6]) -> i32 {
    let own_group =
        || nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(tid))).map_or(-1, |p| p.as_raw());
    if nr == libc::SYS_wait4 {
        return match args[0] as i32 {
            -1 => 0,
            0 => own_group(),
            pid => pid.checked_abs().unwrap_or(-1),
        };
    }
    match (args[0] as u32, args[1] as i32) {
        (libc::P_ALL, _) => 0,
        (libc::P_PID, pid) => pid,
        (libc::P_PGID, 0) => own_group(),
        (libc::P_PGID, pid) => pid,
        _ => -1,
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Tracer {
    /// Filters are put into programs of x86-64 only.
    fn inject(&mut self, _: i32, _: &SyscallInfo) -> bool {
        false
    }

    fn is_own_filter(&mut self, _: i32, _: &SyscallInfo) -> bool {
        false
    }
}

/// The number of the call that a task is in that stands still.
#[cfg(target_arch = "x86_64")]
fn call_number(tid: i32) -> Option<i64> {
    let nr = sys::registers(tid).ok()?.orig_rax as i64;
    (nr >= 0).then_some(nr)
}

#[cfg(not(target_arch = "x86_64"))]
fn call_number(_: i32) -> Option<i64> {
    None
}
