//! Interrupts: of devices, the work that is put off until right after them, and tasklets
//! (Documentation/core-api/genericirq.rst, Documentation/kernel-hacking/locking.rst).

use utracefs::define_event_trace;
use utracefs::event::field_type::DynStr;

define_event_trace!(
    /// A device's handler begins.
    irq_handler_entry,
    TP_system(irq),
    TP_PROTO(irq: i32, name: &str),
    TP_STRUCT__entry {
        irq: i32,
        name: DynStr,
    },
    TP_fast_assign {
        irq: irq,
        name: name,
    },
    TP_ident(__entry),
    TP_printk(c: "irq=%d name=%s", REC->irq, __get_str(name))
);

define_event_trace!(
    /// It has ended; `ret`: 1 if it had something to do.
    irq_handler_exit,
    TP_system(irq),
    TP_PROTO(irq: i32, ret: i32),
    TP_STRUCT__entry {
        irq: i32,
        ret: i32,
    },
    TP_fast_assign {
        irq: irq,
        ret: ret,
    },
    TP_ident(__entry),
    TP_printk(c: r#""irq=%d ret=%s", REC->irq, REC->ret ? "handled" : "unhandled""#)
);

/// The three events of a soft interrupt have the same field.
macro_rules! softirq_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(irq),
            TP_PROTO(vec: u32),
            TP_STRUCT__entry {
                vec: u32 as "unsigned int",
            },
            TP_fast_assign {
                vec: vec,
            },
            TP_ident(__entry),
            TP_printk(c: r#""vec=%u [action=%s]", REC->vec, __print_symbolic(REC->vec, { 0, "HI" }, { 1, "TIMER" }, { 2, "NET_TX" }, { 3, "NET_RX" }, { 4, "BLOCK" }, { 5, "IRQ_POLL" }, { 6, "TASKLET" }, { 7, "SCHED" }, { 8, "HRTIMER" }, { 9, "RCU" })"#)
        );
    )*};
}

softirq_events!(
    /// The action of a soft interrupt begins.
    softirq_entry,
    /// It has ended.
    softirq_exit,
    /// A soft interrupt is to be served on this CPU soon; raised again before that, it is served once.
    softirq_raise
);

/// The two events of a tasklet have the same fields.
macro_rules! tasklet_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(irq),
            TP_PROTO(tasklet: *mut (), func: *mut ()),
            TP_STRUCT__entry {
                tasklet: *mut (),
                func: *mut (),
            },
            TP_fast_assign {
                tasklet: tasklet,
                func: func,
            },
            TP_ident(__entry),
            TP_printk(c: r#""tasklet=%ps function=%ps", REC->tasklet, REC->func"#)
        );
    )*};
}

tasklet_events!(
    /// A tasklet's function begins.
    tasklet_entry,
    /// It has ended.
    tasklet_exit
);
