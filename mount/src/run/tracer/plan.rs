//! What it takes to observe what is wanted: the cheapest source that has it.

use super::super::Settings;
use super::super::wire::{Calls, Kind, Wants};

/// Kinds that perf_event_open(2) reports without stopping anybody.
const PERF: [Kind; 6] = [
    Kind::Switch,
    Kind::Fork,
    Kind::Exit,
    Kind::Rename,
    Kind::WakeupNew,
    Kind::Free,
];
/// Kinds that need ptrace(2), besides system calls.
const PTRACE: [Kind; 5] = [
    Kind::NewTask,
    Kind::Exec,
    Kind::Wait,
    Kind::SignalDeliver,
    Kind::SignalGenerate,
];
/// Calls that wait for a child.
pub const WAITS: [i64; 2] = [libc::SYS_wait4, libc::SYS_waitid];
/// Calls that send a signal.
pub const KILLS: [i64; 6] = [
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
];

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the daemon wants.
    pub wants: Wants,
    /// perf's records are to be read.
    pub perf: bool,
    /// All tasks are to be attached to.
    pub attach: bool,
    /// Calls at whose entry something is to be done.
    pub enter: Calls,
    /// Calls at whose end something is to be done.
    pub exit: Calls,
    /// Every call stops.
    pub every_call: bool,
    /// A task's end is to be seen by ptrace.
    pub exit_stop: bool,
    /// The calls at which something is done.
    pub watched: Calls,
}

impl Plan {
    /// Nothing at all.
    pub fn nothing() -> Plan {
        Plan {
            wants: Wants::NOTHING,
            perf: false,
            attach: false,
            enter: Calls::NONE,
            exit: Calls::NONE,
            every_call: false,
            exit_stop: false,
            watched: Calls::NONE,
        }
    }

    /// How to get at what is wanted, with or without perf.
    pub fn of(wants: &Wants, perf: bool, settings: Settings) -> Plan {
        let any = |kinds: &[Kind]| kinds.iter().any(|k| wants.has(*k));
        let seen_by_perf = any(&PERF);
        // nothing else tells of switches
        let instead = !perf && any(&PERF[1..]);
        let every_call = wants.raw_enter || wants.raw_exit;
        let mut plan = Plan {
            wants: *wants,
            perf: perf && seen_by_perf,
            attach: false,
            enter: wants.enter,
            exit: wants.exit,
            every_call,
            exit_stop: !perf && any(&[Kind::Exit, Kind::Free]),
            watched: Calls::NONE,
        };
        if wants.has(Kind::Wait) {
            WAITS.iter().for_each(|nr| plan.enter.add(*nr));
        }
        if wants.has(Kind::SignalGenerate) {
            for nr in KILLS {
                plan.enter.add(nr);
                plan.exit.add(nr);
            }
        }
        if wants.has(Kind::Rename) && !perf {
            plan.enter.add(libc::SYS_prctl);
            plan.exit.add(libc::SYS_prctl);
        }
        plan.attach = instead || any(&PTRACE) || plan.stops_at_calls();
        if plan.attach && settings.detach_debugged {
            plan.enter.add(libc::SYS_ptrace);
        }
        plan.watched = plan.enter;
        plan.exit.iter().for_each(|nr| plan.watched.add(nr));
        plan
    }

    /// Whether some calls have to stop.
    pub fn stops_at_calls(&self) -> bool {
        self.every_call || !self.enter.is_empty() || !self.exit.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wants in words: kinds, `enter`, `exit`, `raw`; the plan in words.
    fn check(wanted: &str, perf: bool, expected: &str) {
        let mut wants = Wants::NOTHING;
        for word in wanted.split_whitespace() {
            match word {
                "enter" => wants.enter.add(libc::SYS_openat),
                "exit" => wants.exit.add(libc::SYS_openat),
                "raw" => wants.raw_exit = true,
                kind => wants.add(
                    *Kind::ALL
                        .iter()
                        .find(|k| format!("{k:?}") == kind)
                        .expect("a kind"),
                ),
            }
        }
        let settings = Settings {
            filter: true,
            detach_debugged: false,
        };
        let plan = Plan::of(&wants, perf, settings);
        let words = [
            (plan.perf, "perf"),
            (plan.attach, "attach"),
            (plan.stops_at_calls(), "calls"),
            (plan.every_call, "every"),
            (plan.exit_stop, "end"),
        ];
        let got: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
        assert_eq!(got.join(" "), expected, "{wanted}, perf: {perf}");
    }

    #[test]
    fn the_cheapest_source_is_taken() {
        check("", true, "");
        check("Switch", true, "perf");
        check("Switch", false, "");
        check("Switch Fork Exit Rename Free WakeupNew", true, "perf");
        check("Fork", false, "attach");
        check("Exit", false, "attach end");
        check("Rename", false, "attach calls");
        check("Exec", true, "attach");
        check("Exec Switch", true, "perf attach");
        check("enter", true, "attach calls");
        check("exit Fork", true, "perf attach calls");
        check("raw", true, "attach calls every");
        check("Wait", true, "attach calls");
        check("SignalGenerate", false, "attach calls");
        check("SignalDeliver", true, "attach");
        // nobody can see these
        check("Waking Wakeup", true, "");
    }
}
