//! Work that worker threads do for others (Documentation/core-api/workqueue.rst).

use utracefs::define_event_trace;
use utracefs::event::field_type::DynStr;

define_event_trace!(
    /// A piece of work is put on a work queue. `req_cpu`: the CPU asked for, 8192 if none; `cpu`: that of the workers that
    /// will do it, -1 if they belong to none.
    workqueue_queue_work,
    TP_system(workqueue),
    TP_PROTO(work: *mut (), function: *mut (), workqueue: &str, req_cpu: i32, cpu: i32),
    TP_STRUCT__entry {
        work: *mut (),
        function: *mut (),
        workqueue: DynStr,
        req_cpu: i32,
        cpu: i32,
    },
    TP_fast_assign {
        work: work,
        function: function,
        workqueue: workqueue,
        req_cpu: req_cpu,
        cpu: cpu,
    },
    TP_ident(__entry),
    TP_printk(c: "work struct=%p function=%ps workqueue=%s req_cpu=%d cpu=%d",
        REC->work, REC->function, __get_str(workqueue), REC->req_cpu, REC->cpu)
);

define_event_trace!(
    /// It may be done now: no more work of its queue is under way than the queue allows.
    workqueue_activate_work,
    TP_system(workqueue),
    TP_PROTO(work: *mut (), function: *mut ()),
    TP_STRUCT__entry {
        work: *mut (),
        function: *mut (),
    },
    TP_fast_assign {
        work: work,
        function: function,
    },
    TP_ident(__entry),
    TP_printk(c: "work struct %p function=%ps ", REC->work, REC->function)
);

/// The two events of doing it have the same fields.
macro_rules! execute_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(workqueue),
            TP_PROTO(work: *mut (), function: *mut ()),
            TP_STRUCT__entry {
                work: *mut (),
                function: *mut (),
            },
            TP_fast_assign {
                work: work,
                function: function,
            },
            TP_ident(__entry),
            TP_printk(c: r#""work struct %p: function %ps", REC->work, REC->function"#)
        );
    )*};
}

execute_events!(
    /// A worker begins with it.
    workqueue_execute_start,
    /// It is done. What the pointer points to may be gone.
    workqueue_execute_end
);
