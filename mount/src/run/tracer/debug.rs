//! `--detach-debugged`: whoever is to be traced by somebody else is let go.

use super::super::sys;
use super::Tracer;

const TRACEME: u64 = 0;
const ATTACH: u64 = 16;
const SEIZE: u64 = 0x4206;

impl Tracer {
    /// At the entry of ptrace(2). Returns whether the task stays there, or is gone from here.
    pub(super) fn make_way(&mut self, tid: i32, args: &[u64; 6]) -> bool {
        let target = match args[0] {
            TRACEME => tid,
            ATTACH | SEIZE => args[1] as i32,
            _ => return false,
        };
        let Some(tracee) = self.tracees.get_mut(&target) else {
            return false;
        };
        if tracee.filter.is_some() {
            self.say_once(
                "a process that a seccomp filter is in cannot be debugged: see --no-filter",
            );
            return false;
        }
        if target == tid {
            self.let_go(tid, 0);
            return true;
        }
        tracee.leave = true;
        self.held.push((target, tid));
        if sys::plain(libc::PTRACE_INTERRUPT, target, 0).is_err() {
            // it is ending: the call may find that out itself
            self.held.pop();
            return false;
        }
        true
    }

    /// This task is no more ours, or no more: whoever waits for that goes on.
    pub(super) fn let_go_of_holders(&mut self, target: i32) {
        if self.held.is_empty() {
            return;
        }
        let (free, held) = self.held.drain(..).partition(|(t, _)| *t == target);
        self.held = held;
        let free: Vec<(i32, i32)> = free;
        for (_, holder) in free {
            self.resume(holder, 0);
        }
    }
}
