//! The family of tasks: fork, exec, exit, wait.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use super::cpu::{Leave, Local, local};
use super::hrtimer::Mode;
use super::sleep::{Alarm, preempt_point};
use super::task::{Body, DEFAULT_PRIO, Green, Group, Kind, Session, state};
use crate::events::sched::{
    trace_sched_prepare_exec, trace_sched_process_exec, trace_sched_process_exit,
    trace_sched_process_fork, trace_sched_process_wait,
};
use crate::events::signal::{Sent, trace_signal_generate};
use crate::pid;

/// Locks that Linux holds where it wakes a parent that waits for a child: the task list's, the signal handlers', the
/// wait queue's.
const HELD_AT_EXIT: u8 = 3;
/// And where it wakes one that is to handle SIGCHLD: the first two of them.
const HELD_AT_SIGNAL: u8 = 2;

/// All tasks but the idle ones, until they are reaped.
pub(super) struct TaskList {
    tasks: HashMap<i32, Node>,
}

struct Node {
    task: Arc<Green>,
    /// Who will wait for it; 0: nobody.
    parent: i32,
    children: Vec<i32>,
    /// What it sleeps in wait for.
    waits_for: Option<Child>,
    /// Status as wait(2) gives it, once it is a zombie.
    status: i32,
}

/// Which child to wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Child {
    Any,
    Pid(i32),
}

impl Child {
    fn is(self, pid: i32) -> bool {
        self == Child::Any || self == Child::Pid(pid)
    }

    /// The number that the event shows.
    fn number(self) -> i32 {
        match self {
            Child::Any => 0,
            Child::Pid(pid) => pid,
        }
    }
}

impl TaskList {
    pub fn new() -> TaskList {
        TaskList {
            tasks: HashMap::new(),
        }
    }

    pub fn first_of(&self, session: &Session) -> Option<Arc<Green>> {
        self.tasks
            .get(&session.first())
            .map(|node| node.task.clone())
    }

    fn insert(&mut self, task: Arc<Green>, parent: i32) {
        if let Some(parent) = self.tasks.get_mut(&parent) {
            parent.children.push(task.pid());
        }
        let node = Node {
            parent,
            children: Vec::new(),
            waits_for: None,
            status: 0,
            task,
        };
        self.tasks.insert(node.task.pid(), node);
    }

    /// A zombie among the children that `wanted` means. `Err`: there is no such child at all.
    fn zombie(&self, parent: i32, wanted: Child) -> Result<Option<i32>, ()> {
        let children = self
            .tasks
            .get(&parent)
            .map_or(&[][..], |node| &node.children);
        let mut any = false;
        for child in children.iter().copied().filter(|child| wanted.is(*child)) {
            any = true;
            if self
                .tasks
                .get(&child)
                .is_some_and(|c| c.task.exit_state.load(Ordering::SeqCst) == state::EXIT_ZOMBIE)
            {
                return Ok(Some(child));
            }
        }
        if any { Ok(None) } else { Err(()) }
    }

    /// Takes a zombie off the list; returns its status.
    fn reap(&mut self, parent: i32, child: i32) -> i32 {
        if let Some(parent) = self.tasks.get_mut(&parent) {
            parent.children.retain(|c| *c != child);
        }
        self.tasks.remove(&child).map_or(0, |node| {
            node.task
                .exit_state
                .store(state::EXIT_DEAD, Ordering::SeqCst);
            node.status
        })
    }

    /// Gives the children of a task that ends to `heir`; zombies that nobody is left to ask for go.
    fn leave_children(&mut self, pid: i32, heir: i32) {
        let children = self
            .tasks
            .get_mut(&pid)
            .map(|node| std::mem::take(&mut node.children))
            .unwrap_or_default();
        let heir = if heir != pid && self.tasks.contains_key(&heir) {
            heir
        } else {
            0
        };
        for child in children {
            let Some(node) = self.tasks.get_mut(&child) else {
                continue;
            };
            node.parent = heir;
            if heir != 0 {
                if let Some(heir) = self.tasks.get_mut(&heir) {
                    heir.children.push(child);
                }
            } else if node.task.exit_state.load(Ordering::SeqCst) == state::EXIT_ZOMBIE {
                self.reap(0, child);
            }
        }
    }
}

/// Makes a process that runs `body`; it has its parent's name until it calls `exec`. `None`: no pid is left.
pub(crate) async fn fork(body: impl Future<Output = i32> + Send + 'static) -> Option<i32> {
    let pid = {
        let local = local();
        let parent = local.current();
        let pid = pid::allocate()?;
        let group = Arc::new(Group {
            leader: pid,
            live: AtomicUsize::new(0),
        });
        local.make(
            &parent,
            pid,
            &parent.comm(),
            group,
            parent.pid(),
            Box::pin(body),
        );
        pid
    };
    preempt_point().await;
    Some(pid)
}

/// Makes a thread of the calling process. Nobody waits for it: it is gone when it ends.
pub(crate) async fn thread(body: impl Future<Output = i32> + Send + 'static) -> Option<i32> {
    let pid = {
        let local = local();
        let parent = local.current();
        let pid = pid::allocate()?;
        local.make(
            &parent,
            pid,
            &parent.comm(),
            parent.group.clone(),
            0,
            Box::pin(body),
        );
        pid
    };
    preempt_point().await;
    Some(pid)
}

impl Local {
    fn make(
        &self,
        maker: &Arc<Green>,
        pid: i32,
        comm: &[u8; 16],
        group: Arc<Group>,
        parent: i32,
        body: Body,
    ) {
        let session = maker.session.clone();
        session.task_made();
        let (prio, kind) = (maker.prio(), Kind::default());
        self.make_counted(maker, pid, comm, group, parent, session, prio, body, kind);
    }

    #[allow(clippy::too_many_arguments)] // one for every thing a task inherits or does not
    fn make_counted(
        &self,
        maker: &Arc<Green>,
        pid: i32,
        comm: &[u8],
        group: Arc<Group>,
        parent: i32,
        session: Arc<Session>,
        prio: i32,
        body: Body,
        kind: Kind,
    ) -> Arc<Green> {
        group.live.fetch_add(1, Ordering::SeqCst);
        let child = Arc::new(Green::new(
            pid,
            comm,
            prio,
            session,
            group,
            Some(body),
            kind,
        ));
        self.machine.tasks.lock().insert(child.clone(), parent);
        trace_sched_process_fork(maker, &child);
        self.wake_new(&child, 0);
        child
    }

    /// Makes a thread of the machine's own, as a child of the idle task. It ends with the machine. `None`: that is ending.
    pub(super) fn kthread(
        &self,
        comm: &str,
        prio: i32,
        kind: Kind,
        body: Body,
    ) -> Option<Arc<Green>> {
        let session = self.machine.kernel.clone();
        if !session.task_made_unless_killed() {
            return None;
        }
        let Some(pid) = pid::allocate() else {
            log::error!("no process numbers are left for the machine's threads");
            session.task_gone();
            return None;
        };
        let idle = &self.cpu().idle;
        Some(self.as_task(idle, || {
            let group = Arc::new(Group {
                leader: pid,
                live: AtomicUsize::new(0),
            });
            let comm = comm.as_bytes();
            self.make_counted(idle, pid, comm, group, 0, session, prio, body, kind)
        }))
    }
}

/// Makes the first task of a session: a child of the idle task, as the kernel's own first tasks are.
pub(super) fn boot(local: &Local, session: Arc<Session>, comm: &str, body: Body) {
    let Some(pid) = pid::allocate() else {
        log::error!("no process numbers are left for the sched workload");
        return session.task_gone();
    };
    session.set_first(pid);
    let idle = &local.cpu().idle;
    local.as_task(idle, || {
        let group = Arc::new(Group {
            leader: pid,
            live: AtomicUsize::new(0),
        });
        local.make_counted(
            idle,
            pid,
            comm.as_bytes(),
            group,
            0,
            session,
            DEFAULT_PRIO,
            body,
            Kind::default(),
        );
    });
}

/// Runs another program in the calling task: its name becomes the last part of `path`.
pub(crate) fn exec(path: &str) {
    let task = local().current();
    let name = path.rsplit('/').next().unwrap_or(path);
    trace_sched_prepare_exec(&task, path.as_bytes(), path.as_bytes());
    task.ctx.set_comm(&name.as_bytes()[..name.len().min(15)]);
    trace_sched_process_exec(&task, task.pid(), path.as_bytes());
}

/// The calling task's priority: 100 + nice for fair ones, below for real-time ones.
pub(crate) fn set_prio(prio: i32) {
    local().current().set_prio(prio);
}

/// Ends a task that runs on this CPU: it does not run again.
pub(super) fn exit(local: &Local, task: &Arc<Green>, status: i32) {
    task.state.store(state::RUNNING, Ordering::SeqCst);
    let group_dead = task.group.live.fetch_sub(1, Ordering::SeqCst) == 1;
    trace_sched_process_exit(task, group_dead);
    // Closes its pipes, which may wake others.
    drop(task.take_body());
    notify(local, task, status);
    task.state.store(state::DEAD, Ordering::SeqCst);
    local.schedule(task, Leave::Schedule);
}

fn notify(local: &Local, task: &Arc<Green>, status: i32) {
    let pid = task.pid();
    let mut list = local.machine.tasks.lock();
    list.leave_children(pid, task.session.first());
    let Some(node) = list.tasks.get_mut(&pid) else {
        return;
    };
    node.status = status;
    let parent_pid = node.parent;
    let Some(parent) = list.tasks.get_mut(&parent_pid) else {
        task.exit_state.store(state::EXIT_DEAD, Ordering::SeqCst);
        list.tasks.remove(&pid);
        return;
    };
    task.exit_state.store(state::EXIT_ZOMBIE, Ordering::SeqCst);
    let (waits, parent) = (
        parent.waits_for.is_some_and(|wanted| wanted.is(pid)),
        parent.task.clone(),
    );
    // Still under the list's lock: the parent looks for zombies under it before it sleeps.
    let sigchld = |sent| {
        let send =
            || trace_signal_generate(libc::SIGCHLD, 0, libc::CLD_EXITED, &parent, true, sent);
        local.atomically(HELD_AT_SIGNAL, send);
    };
    if waits {
        sigchld(Sent::Ignored);
        local.wake(&parent, HELD_AT_EXIT);
    } else if parent.wants_sigchld.load(Ordering::SeqCst) {
        // Linux wakes whoever is to handle it before the event
        local.wake(&parent, HELD_AT_SIGNAL);
        sigchld(Sent::Delivered);
    } else {
        sigchld(Sent::Ignored);
    }
}

/// Ends all tasks of a session: those asleep are woken to do it.
pub(super) fn kill(local: &Local, session: &Arc<Session>) {
    let tasks: Vec<Arc<Green>> = {
        let list = local.machine.tasks.lock();
        list.tasks
            .values()
            .filter(|n| Arc::ptr_eq(&n.task.session, session))
            .map(|n| n.task.clone())
            .collect()
    };
    for task in tasks {
        local.wake(&task, 0);
    }
}

/// Waits for the end of any child: its pid and status (wait(2)). `None`: there is no child.
pub(crate) async fn wait_any() -> Option<(i32, i32)> {
    wait(Child::Any).await
}

/// Waits for the end of one child: its status. `None`: no such child.
pub(crate) async fn wait_pid(pid: i32) -> Option<i32> {
    wait(Child::Pid(pid)).await.map(|(_, status)| status)
}

async fn wait(wanted: Child) -> Option<(i32, i32)> {
    trace_sched_process_wait(&local().current(), wanted.number());
    poll_fn(|_| {
        let local = local();
        let task = local.current();
        let mut list = local.machine.tasks.lock();
        let found = list.zombie(task.pid(), wanted);
        let asleep = matches!(found, Ok(None));
        if let Some(node) = list.tasks.get_mut(&task.pid()) {
            node.waits_for = asleep.then_some(wanted);
        }
        match found {
            Ok(Some(child)) => Poll::Ready(Some((child, list.reap(task.pid(), child)))),
            Err(()) => Poll::Ready(None),
            Ok(None) => {
                task.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
                Poll::Pending
            }
        }
    })
    .await
}

/// Whether a child of the calling task has ended and was not waited for.
pub(crate) fn has_zombie() -> bool {
    let local = local();
    let list = local.machine.tasks.lock();
    matches!(list.zombie(local.current().pid(), Child::Any), Ok(Some(_)))
}

/// Sleeps until `at` (ns, CLOCK_MONOTONIC), until a child has ended or until woken from outside; says whether a zombie is
/// there to be waited for. Behaves as nanosleep(2) does in a program that handles SIGCHLD.
pub(crate) async fn sleep_for_child_until(at: u64) -> bool {
    let mut alarm = Alarm::new(at, Mode::Abs);
    let mut slept = false;
    poll_fn(|_| {
        let local = local();
        let task = local.current();
        let list = local.machine.tasks.lock();
        let zombie = matches!(list.zombie(task.pid(), Child::Any), Ok(Some(_)));
        if slept || zombie {
            task.wants_sigchld.store(false, Ordering::SeqCst);
            return Poll::Ready(zombie);
        }
        slept = true;
        task.wants_sigchld.store(true, Ordering::SeqCst);
        task.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
        drop(list);
        alarm.is_over();
        Poll::Pending
    })
    .await
}
