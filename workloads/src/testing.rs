//! Recording events in unit tests, by probes of one's own. The events are the program's: one test at a time.

use parking_lot::{Mutex, MutexGuard};

/// Who runs a workload or counts threads holds this: the others' events and threads must not come between.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

/// Every wait for a CPU as the scheduler has measured it, with the task's pid.
pub(crate) static WAITS: Mutex<Vec<(i32, u64)>> = Mutex::new(Vec::new());

#[path = "testing/kernel.rs"]
pub(crate) mod kernel;
#[path = "testing/net.rs"]
pub(crate) mod net;

/// The scheduler's events.
pub(crate) mod sched {
    use parking_lot::Mutex;
    use utracefs::base::task;

    use crate::events::sched as events;
    use crate::subject::Subject;

    /// What an event says.
    #[derive(Clone, PartialEq, Eq, Debug)]
    #[allow(missing_docs)]
    pub(crate) enum Event {
        Switch {
            prev: i32,
            next: i32,
            prev_state: u32,
        },
        Waking {
            pid: i32,
            target: u32,
        },
        Wakeup {
            pid: i32,
            target: u32,
        },
        WakeupNew {
            pid: i32,
            target: u32,
        },
        Migrate {
            pid: i32,
            orig: u32,
            dest: u32,
        },
        Fork {
            parent: i32,
            child: i32,
        },
        Exec {
            pid: i32,
            filename: String,
        },
        Exit {
            pid: i32,
            group_dead: bool,
        },
        Wait {
            waiter: i32,
            pid: i32,
        },
        Runtime {
            pid: i32,
            ns: u64,
        },
        PrepareExec {
            pid: i32,
            filename: String,
            comm: String,
        },
        WakeIdle {
            cpu: i32,
        },
    }

    /// An event with its owner and its place.
    #[derive(Clone, Debug)]
    pub(crate) struct Record {
        pub event: Event,
        pub owner: i32,
        pub comm: String,
        pub cpu: u32,
        pub flags: u8,
        pub depth: u8,
        pub at: u64,
    }

    /// In the order of their happening.
    static TRACE: Mutex<Vec<Record>> = Mutex::new(Vec::new());

    fn push(event: Event) {
        let at = crate::futex::now_ns();
        let current = task::current();
        let head = current.head();
        let comm = current.comm();
        let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
        // SAFETY: no arguments.
        let cpu = unsafe { libc::sched_getcpu() } as u32;
        TRACE.lock().push(Record {
            event,
            owner: (head >> 32) as i32,
            comm: String::from_utf8_lossy(comm).into_owned(),
            cpu,
            flags: (head >> 16) as u8,
            depth: (head >> 24) as u8,
            at,
        });
    }

    fn on_switch(
        _: *const (),
        preempt: bool,
        prev: &dyn Subject,
        next: &dyn Subject,
        prev_state: u32,
    ) {
        assert_eq!(
            preempt,
            prev_state == crate::machine::state::REPORT_PREEMPTED
        );
        push(Event::Switch {
            prev: prev.pid(),
            next: next.pid(),
            prev_state,
        });
    }

    fn on_waking(_: *const (), task: &dyn Subject, target: u32) {
        push(Event::Waking {
            pid: task.pid(),
            target,
        });
    }

    fn on_wakeup(_: *const (), task: &dyn Subject, target: u32) {
        push(Event::Wakeup {
            pid: task.pid(),
            target,
        });
    }

    fn on_wakeup_new(_: *const (), task: &dyn Subject, target: u32) {
        push(Event::WakeupNew {
            pid: task.pid(),
            target,
        });
    }

    fn on_migrate(_: *const (), task: &dyn Subject, orig: u32, dest: u32) {
        push(Event::Migrate {
            pid: task.pid(),
            orig,
            dest,
        });
    }

    fn on_fork(_: *const (), parent: &dyn Subject, child: &dyn Subject) {
        push(Event::Fork {
            parent: parent.pid(),
            child: child.pid(),
        });
    }

    fn on_exec(_: *const (), task: &dyn Subject, _old_pid: i32, filename: &[u8]) {
        push(Event::Exec {
            pid: task.pid(),
            filename: String::from_utf8_lossy(filename).into_owned(),
        });
    }

    fn on_exit(_: *const (), task: &dyn Subject, group_dead: bool) {
        push(Event::Exit {
            pid: task.pid(),
            group_dead,
        });
    }

    fn on_wait(_: *const (), waiter: &dyn Subject, pid: i32) {
        push(Event::Wait {
            waiter: waiter.pid(),
            pid,
        });
    }

    fn on_runtime(_: *const (), task: &dyn Subject, ns: u64) {
        push(Event::Runtime {
            pid: task.pid(),
            ns,
        });
    }

    fn on_prepare_exec(_: *const (), task: &dyn Subject, interp: &[u8], filename: &[u8]) {
        assert_eq!(interp, filename);
        let comm = task.comm();
        let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
        push(Event::PrepareExec {
            pid: task.pid(),
            filename: String::from_utf8_lossy(filename).into_owned(),
            comm: String::from_utf8_lossy(comm).into_owned(),
        });
    }

    fn on_wake_idle(_: *const (), cpu: i32) {
        push(Event::WakeIdle { cpu });
    }

    macro_rules! with_probes {
        ($($register:ident $unregister:ident $probe:ident;)*) => {
            fn register() {
                $(events::$register($probe, std::ptr::null()).unwrap();)*
            }

            fn unregister() {
                $(events::$unregister($probe, std::ptr::null()).unwrap();)*
            }
        };
    }

    with_probes! {
        register_trace_sched_switch unregister_trace_sched_switch on_switch;
        register_trace_sched_waking unregister_trace_sched_waking on_waking;
        register_trace_sched_wakeup unregister_trace_sched_wakeup on_wakeup;
        register_trace_sched_wakeup_new unregister_trace_sched_wakeup_new on_wakeup_new;
        register_trace_sched_migrate_task unregister_trace_sched_migrate_task on_migrate;
        register_trace_sched_process_fork unregister_trace_sched_process_fork on_fork;
        register_trace_sched_process_exec unregister_trace_sched_process_exec on_exec;
        register_trace_sched_process_exit unregister_trace_sched_process_exit on_exit;
        register_trace_sched_process_wait unregister_trace_sched_process_wait on_wait;
        register_trace_sched_stat_runtime unregister_trace_sched_stat_runtime on_runtime;
        register_trace_sched_prepare_exec unregister_trace_sched_prepare_exec on_prepare_exec;
        register_trace_sched_wake_idle_without_ipi unregister_trace_sched_wake_idle_without_ipi on_wake_idle;
    }

    /// Runs `work` and returns the scheduler's events that came meanwhile, from the first to the last.
    pub(crate) fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
        let _alone = super::alone();
        register();
        TRACE.lock().clear();
        let result = work();
        unregister();
        (result, std::mem::take(&mut *TRACE.lock()))
    }
}

/// The events of system calls.
pub(crate) mod syscalls {
    use parking_lot::Mutex;
    use utracefs::base::task;
    use utracefs::event::syscall::{SyscallEnter, SyscallExit};

    use crate::events::{raw_syscalls, syscalls};

    /// What an event says.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub(crate) enum Event {
        RawEnter {
            id: i64,
            args: [u64; 6],
        },
        Enter {
            name: &'static str,
            id: i32,
            args: Vec<u64>,
            paths: Vec<String>,
        },
        RawExit {
            id: i64,
            ret: i64,
        },
        Exit {
            name: &'static str,
            ret: i64,
        },
    }

    /// An event with its owner.
    #[derive(Clone, Debug)]
    pub(crate) struct Record {
        pub event: Event,
        pub owner: i32,
        pub comm: String,
        pub flags_and_depth: u16,
    }

    static TRACE: Mutex<Vec<Record>> = Mutex::new(Vec::new());

    fn push(event: Event) {
        let current = task::current();
        let comm = current.comm();
        let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
        TRACE.lock().push(Record {
            event,
            owner: current.pid(),
            comm: String::from_utf8_lossy(comm).into_owned(),
            flags_and_depth: (current.head() >> 16) as u16,
        });
    }

    fn on_raw_enter(_: *const (), id: i64, args: &[u64; 6]) {
        push(Event::RawEnter { id, args: *args });
    }

    fn on_raw_exit(_: *const (), id: i64, ret: i64) {
        push(Event::RawExit { id, ret });
    }

    fn on_enter(_: *const (), enter: &SyscallEnter<'_>) {
        let paths = enter
            .paths
            .iter()
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect();
        push(Event::Enter {
            name: enter.call.name,
            id: enter.call.nr,
            args: enter.args.to_vec(),
            paths,
        });
    }

    fn on_exit(_: *const (), exit: &SyscallExit) {
        push(Event::Exit {
            name: exit.call.name,
            ret: exit.ret,
        });
    }

    /// Registers the probes or takes them away.
    fn listen(on: bool) {
        let data = std::ptr::null();
        if on {
            raw_syscalls::register_trace_sys_enter(on_raw_enter, data).unwrap();
            raw_syscalls::register_trace_sys_exit(on_raw_exit, data).unwrap();
        } else {
            raw_syscalls::unregister_trace_sys_enter(on_raw_enter, data).unwrap();
            raw_syscalls::unregister_trace_sys_exit(on_raw_exit, data).unwrap();
        }
        for nr in 0..512 {
            if syscalls::TABLE.find(nr).is_some() {
                syscalls::TABLE
                    .listen_enter(nr, on_enter, data, on)
                    .unwrap();
                syscalls::TABLE.listen_exit(nr, on_exit, data, on).unwrap();
            }
        }
    }

    /// Runs `work` and returns the events of system calls that came meanwhile.
    pub(crate) fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
        let _alone = super::alone();
        listen(true);
        TRACE.lock().clear();
        let result = work();
        listen(false);
        (result, std::mem::take(&mut *TRACE.lock()))
    }
}
