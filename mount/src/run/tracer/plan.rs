//! What it takes to observe what is wanted: the cheapest source that has it.

use super::super::Settings;
use super::super::perf::{Points, Records};
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

/// What there is beside ptrace(2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sources {
    /// perf's records of our own tasks.
    pub tasks: bool,
    /// … of all tasks, and the kernel's tracepoints.
    pub machine: bool,
}

impl Sources {
    /// The records to read.
    fn records(self, wants: &Wants) -> Option<Records> {
        let points = Kind::ALL.iter().copied().filter(|k| Points::has(*k));
        let points: Vec<Kind> = points.filter(|k| wants.has(*k)).collect();
        if self.machine && !points.is_empty() {
            return Some(Records::Machine(points));
        }
        let seen = self.tasks && PERF.iter().any(|k| wants.has(*k));
        seen.then(|| Records::Tasks {
            switches: wants.has(Kind::Switch),
        })
    }
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the daemon wants.
    pub wants: Wants,
    /// Which of perf's records are to be read.
    pub records: Option<Records>,
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
            records: None,
            attach: false,
            enter: Calls::NONE,
            exit: Calls::NONE,
            every_call: false,
            exit_stop: false,
            watched: Calls::NONE,
        }
    }

    /// How to get at what is wanted, with these sources.
    pub fn of(wants: &Wants, sources: Sources, settings: Settings) -> Plan {
        let any = |kinds: &[Kind]| kinds.iter().any(|k| wants.has(*k));
        let perf = sources.tasks || sources.machine;
        // nothing else tells of switches
        let instead = !perf && any(&PERF[1..]);
        let every_call = wants.raw_enter || wants.raw_exit;
        let mut plan = Plan {
            wants: *wants,
            records: sources.records(wants),
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

    const NONE: Sources = Sources {
        tasks: false,
        machine: false,
    };
    const TASKS: Sources = Sources {
        tasks: true,
        machine: false,
    };
    const ALL: Sources = Sources {
        tasks: true,
        machine: true,
    };

    /// Wants in words: kinds, `enter`, `exit`, `raw`; the plan in words.
    fn check(wanted: &str, sources: Sources, expected: &str) {
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
        let plan = Plan::of(&wants, sources, settings);
        let records = match &plan.records {
            None => String::new(),
            Some(Records::Tasks { switches: false }) => "tasks".into(),
            Some(Records::Tasks { switches: true }) => "tasks+switches".into(),
            Some(Records::Machine(kinds)) => format!("{kinds:?}").replace(", ", "+"),
        };
        let words = [
            (plan.records.is_some(), records.as_str()),
            (plan.attach, "attach"),
            (plan.stops_at_calls(), "calls"),
            (plan.every_call, "every"),
            (plan.exit_stop, "end"),
        ];
        let got: Vec<&str> = words.iter().filter(|w| w.0).map(|w| w.1).collect();
        assert_eq!(got.join(" "), expected, "{wanted}, {sources:?}");
    }

    #[test]
    fn the_cheapest_source_is_taken() {
        check("", ALL, "");
        check("Switch", TASKS, "tasks+switches");
        check("Switch", NONE, "");
        check("Switch Fork Exit", TASKS, "tasks+switches");
        check("Fork Exit Rename Free WakeupNew", TASKS, "tasks");
        check("Fork", NONE, "attach");
        check("Exit", NONE, "attach end");
        check("Rename", NONE, "attach calls");
        check("WakeupNew", NONE, "attach");
        check("Exec", TASKS, "attach");
        check("Exec Switch", TASKS, "tasks+switches attach");
        check("enter", TASKS, "attach calls");
        check("exit Fork", TASKS, "tasks attach calls");
        check("raw", TASKS, "attach calls every");
        check("Wait", TASKS, "attach calls");
        check("SignalGenerate", NONE, "attach calls");
        check("SignalDeliver", TASKS, "attach");
        // nobody can see these
        check("Waking Wakeup", TASKS, "");
        check("Waking Fork", NONE, "attach");
    }

    #[test]
    fn the_machine_is_looked_at_for_both_sides_only() {
        check("Fork Exit Rename Free", ALL, "tasks");
        check("Exec enter", ALL, "attach calls");
        check("Switch", ALL, "[Switch]");
        check("Wakeup Waking", ALL, "[Waking+Wakeup]");
        check("WakeupNew Switch Fork", ALL, "[Switch+WakeupNew]");
        check("Waking exit", ALL, "[Waking] attach calls");
    }
}
