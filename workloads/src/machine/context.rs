//! What the running code is inside of (interrupts, locks), which every event it fires shows.

use utracefs::base::task;

use super::cpu::{Local, local_if_any};
use crate::events::flags;

/// Interrupt bits as events show them, and reasons not to be preempted beyond the idle task's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Context {
    flags: u8,
    depth: u8,
}

/// Puts the context before back, also where a function of ours panics.
struct Back<'a> {
    local: &'a Local,
    before: Context,
}

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.local.context.set(self.before);
        self.local.show_context();
    }
}

/// Does `work` with interrupts off and `depth` more reasons (locks held) not to be preempted, as its events show. On a CPU
/// of a machine; elsewhere it is just done.
pub(crate) fn atomically<R>(depth: u8, work: impl FnOnce() -> R) -> R {
    match local_if_any() {
        Some(local) => local.atomically(depth, work),
        None => work(),
    }
}

/// Does `work` with `depth` locks held, interrupts as they are.
pub(crate) fn locked<R>(depth: u8, work: impl FnOnce() -> R) -> R {
    match local_if_any() {
        Some(local) => local.held(depth, work),
        None => work(),
    }
}

impl Local {
    /// Tells the events to come.
    pub(super) fn show_context(&self) {
        let context = self.context.get();
        if context == Context::default() {
            return task::current().set_flags(0, 0);
        }
        let resched = if self.need_resched() {
            flags::NEED_RESCHED | flags::PREEMPT_RESCHED
        } else {
            0
        };
        let idle = u8::from(self.current_is_idle());
        task::current().set_flags(context.flags | resched, context.depth + idle);
    }

    fn under<R>(&self, context: Context, work: impl FnOnce() -> R) -> R {
        let before = self.context.replace(context);
        self.show_context();
        let _back = Back {
            local: self,
            before,
        };
        work()
    }

    /// Does `work` with interrupts off and `depth` more reasons not to be preempted.
    pub fn atomically<R>(&self, depth: u8, work: impl FnOnce() -> R) -> R {
        let Context { flags, depth: held } = self.context.get();
        let context = Context {
            flags: flags | flags::IRQS_OFF,
            depth: held + depth,
        };
        self.under(context, work)
    }

    fn held<R>(&self, depth: u8, work: impl FnOnce() -> R) -> R {
        let Context { flags, depth: held } = self.context.get();
        let depth = held + depth;
        self.under(Context { flags, depth }, work)
    }

    /// Does `work` as the handler of a hard interrupt.
    pub(super) fn in_hardirq<R>(&self, work: impl FnOnce() -> R) -> R {
        let Context { flags, depth } = self.context.get();
        let flags = flags | flags::HARDIRQ | flags::IRQS_OFF;
        self.under(Context { flags, depth }, work)
    }

    /// Does `work` as the action of a soft interrupt: interrupts are on.
    pub(super) fn in_softirq<R>(&self, work: impl FnOnce() -> R) -> R {
        let depth = self.context.get().depth;
        let flags = flags::SOFTIRQ;
        self.under(Context { flags, depth }, work)
    }

    /// Does `work` with soft interrupts held back; those raised meanwhile are served at its end.
    pub(super) fn bh_off<R>(&self, work: impl FnOnce() -> R) -> R {
        let Context { flags, depth } = self.context.get();
        let flags = flags | flags::BH_OFF;
        self.under(Context { flags, depth }, work)
    }

    /// In a hard or soft interrupt, or with soft interrupts held back: they are served when that ends.
    pub(super) fn in_interrupt(&self) -> bool {
        self.context.get().flags & (flags::HARDIRQ | flags::SOFTIRQ | flags::BH_OFF) != 0
    }
}
