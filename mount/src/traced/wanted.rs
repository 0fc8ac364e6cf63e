//! Which of the events that tracers can report somebody listens to.

use utracefs::event::registry::Registry;
use utracefs::event::tracepoint::Tracepoint;
use utracefs_workloads::events::syscalls;

use crate::run::wire::{Kind, Wants};

/// The events of each kind but system calls.
const EVENTS: &[(Kind, &str, &str)] = &[
    (Kind::Switch, "sched", "sched_switch"),
    (Kind::Fork, "sched", "sched_process_fork"),
    (Kind::NewTask, "task", "task_newtask"),
    (Kind::Exec, "sched", "sched_process_exec"),
    (Kind::Rename, "task", "task_rename"),
    (Kind::Exit, "sched", "sched_process_exit"),
    (Kind::Wait, "sched", "sched_process_wait"),
    (Kind::Free, "sched", "sched_process_free"),
    (Kind::WakeupNew, "sched", "sched_wakeup_new"),
    (Kind::Waking, "sched", "sched_waking"),
    (Kind::Wakeup, "sched", "sched_wakeup"),
    (Kind::SignalDeliver, "signal", "signal_deliver"),
    (Kind::SignalGenerate, "signal", "signal_generate"),
];

/// What a tracepoint's listeners want to hear of.
#[derive(Clone, Copy)]
enum Want {
    Kind(Kind),
    RawEnter,
    RawExit,
}

/// The tracepoints to look at.
pub(super) struct Wanted {
    points: Vec<(&'static Tracepoint, Want)>,
}

impl Wanted {
    /// Among the events of `registry`.
    pub(super) fn new(registry: &Registry) -> Wanted {
        let mut points = Vec::new();
        let raw = [
            (Want::RawEnter, "raw_syscalls", "sys_enter"),
            (Want::RawExit, "raw_syscalls", "sys_exit"),
        ];
        let kinds = EVENTS
            .iter()
            .map(|(kind, system, name)| (Want::Kind(*kind), *system, *name));
        for (want, system, name) in kinds.chain(raw) {
            let decl = registry.find(system, name).and_then(|event| event.decl);
            points.extend(decl.map(|decl| (decl.tracepoint, want)));
        }
        Wanted { points }
    }

    /// What somebody listens to now.
    pub(super) fn now(&self) -> Wants {
        let mut wants = Wants::NOTHING;
        for (_, want) in self.points.iter().filter(|(point, _)| point.is_on()) {
            match want {
                Want::Kind(kind) => wants.add(*kind),
                Want::RawEnter => wants.raw_enter = true,
                Want::RawExit => wants.raw_exit = true,
            }
        }
        let is_on = |point: Option<&'static Tracepoint>| point.is_some_and(Tracepoint::is_on);
        for call in syscalls::CALLS.iter().filter(|call| call.exists()) {
            let nr = i64::from(call.nr);
            if is_on(syscalls::TABLE.enter_tracepoint(nr)) {
                wants.enter.add(nr);
            }
            if is_on(syscalls::TABLE.exit_tracepoint(nr)) {
                wants.exit.add(nr);
            }
        }
        wants
    }
}
