//! Soft interrupts: work that an interrupt handler puts off until right after it, when interrupts are on again.
//!
//! Raised in an interrupt, they are served when the outermost one ends; raised in a section that holds them back, at its
//! end; raised by a task, by the CPU's `ksoftirqd`. That one also takes over what does not come to an end.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use parking_lot::Mutex;

use super::Machine;
use super::callback::survive;
use super::cpu::{Leave, Local, local};
use super::sleep::resched_point;
use super::task::{DEFAULT_PRIO, Green, Kind, state};
use crate::events::irq::{trace_softirq_entry, trace_softirq_exit, trace_softirq_raise};
use crate::futex::now_ns;

/// Soft interrupts are served at most this often and this long in a row before the rest is left to `ksoftirqd`.
const MAX_RESTARTS: u32 = 10;
const MAX_NS: u64 = 2_000_000;

/// The kinds of soft interrupts, the most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
#[allow(missing_docs)]
pub(crate) enum SoftIrq {
    Hi,
    Timer,
    NetTx,
    NetRx,
    Block,
    IrqPoll,
    Tasklet,
    Sched,
    Hrtimer,
    Rcu,
}

impl SoftIrq {
    const ALL: [SoftIrq; 10] = [
        SoftIrq::Hi,
        SoftIrq::Timer,
        SoftIrq::NetTx,
        SoftIrq::NetRx,
        SoftIrq::Block,
        SoftIrq::IrqPoll,
        SoftIrq::Tasklet,
        SoftIrq::Sched,
        SoftIrq::Hrtimer,
        SoftIrq::Rcu,
    ];
}

/// What a soft interrupt does; called on the CPU where it was raised.
pub(crate) type Action = Arc<dyn Fn() + Send + Sync>;

/// The actions that are not the machine's own.
#[derive(Default)]
pub(super) struct Actions([Mutex<Option<Action>>; SoftIrq::ALL.len()]);

/// A CPU's `ksoftirqd`, made when it is needed first.
#[derive(Default)]
pub(super) struct Daemon {
    task: Option<Arc<Green>>,
}

impl Machine {
    /// Says what a soft interrupt does from now on. The machine lives as long as somebody uses it: an action must not keep it.
    /// HI, TASKLET, TIMER, IRQ_POLL and SCHED are the machine's own.
    pub fn open_softirq(&self, vec: SoftIrq, action: Action) {
        self.softirqs.set(vec, action);
    }
}

impl Actions {
    fn set(&self, vec: SoftIrq, action: Action) {
        let before = self.0[vec as usize].lock().replace(action);
        drop(before);
    }

    fn get(&self, vec: SoftIrq) -> Option<Action> {
        self.0[vec as usize].lock().clone()
    }
}

/// Asks for a soft interrupt on the calling CPU.
pub(crate) fn raise_softirq(vec: SoftIrq) {
    local().raise_softirq(vec);
}

/// Does `work` with soft interrupts held back on the calling CPU: those that it raises are served at its end.
pub(crate) fn with_bh_disabled<R>(work: impl FnOnce() -> R) -> R {
    let local = local();
    let result = local.bh_off(work);
    local.softirqs_if_outermost();
    result
}

impl Local {
    pub(super) fn raise_softirq(&self, vec: SoftIrq) {
        self.atomically(0, || {
            trace_softirq_raise(vec as u32);
            self.pending.set(self.pending.get() | 1 << vec as u32);
        });
        if !self.in_interrupt() {
            self.wake_ksoftirqd();
        }
    }

    /// Runs `handler` as a hard interrupt; at its end what was raised is served.
    pub(super) fn hard_interrupt(&self, handler: impl FnOnce()) {
        self.in_hardirq(handler);
        self.softirqs_if_outermost();
    }

    fn softirqs_if_outermost(&self) {
        if self.pending.get() != 0 && !self.in_interrupt() {
            self.serve_softirqs();
        }
    }

    fn serve_softirqs(&self) {
        let begin = now_ns();
        for _ in 0..MAX_RESTARTS {
            let pending = self.pending.replace(0);
            self.in_softirq(|| {
                for vec in SoftIrq::ALL {
                    if pending >> vec as u32 & 1 == 1 {
                        trace_softirq_entry(vec as u32);
                        survive(|| self.softirq_action(vec));
                        trace_softirq_exit(vec as u32);
                    }
                }
            });
            if self.pending.get() == 0 {
                return;
            }
            if self.need_resched() || now_ns() - begin > MAX_NS {
                break;
            }
        }
        self.wake_ksoftirqd();
    }

    fn softirq_action(&self, vec: SoftIrq) {
        match vec {
            SoftIrq::Hi | SoftIrq::Tasklet => self.run_tasklets(vec),
            SoftIrq::Timer => self.run_timers(),
            SoftIrq::IrqPoll => self.run_polls(),
            SoftIrq::Sched => {
                if self.cpu().is_idle() {
                    self.pull(true);
                }
            }
            _ => {
                if let Some(action) = self.machine.softirqs.get(vec) {
                    action();
                }
            }
        }
    }

    fn wake_ksoftirqd(&self) {
        let known = self.daemon.borrow().task.clone();
        if let Some(task) = known {
            self.wake(&task, 0);
            return;
        }
        let name = format!("ksoftirqd/{}", self.cpu().number);
        let kind = Kind {
            pinned: Some(self.index),
            worker: None,
        };
        let task = self.kthread(&name, DEFAULT_PRIO, kind, Box::pin(ksoftirqd()));
        self.daemon.borrow_mut().task = task;
    }
}

/// Serves what is left over, in turn with other tasks.
async fn ksoftirqd() -> i32 {
    loop {
        poll_fn(|_| {
            let local = local();
            let task = local.current();
            task.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
            if local.pending.get() == 0 {
                return Poll::Pending;
            }
            task.state.store(state::RUNNING, Ordering::SeqCst);
            Poll::Ready(())
        })
        .await;
        local().serve_softirqs();
        resched_point(Leave::Schedule).await;
    }
}
