//! Polling of devices by the NET_RX softirq.

use utracefs::define_event_trace;
use utracefs::event::field_type::DynStr;

define_event_trace!(
    /// A device was polled: `work` packets, of `budget` that it may have at a time.
    napi_poll,
    TP_system(napi),
    TP_PROTO(napi: *const (), device: &str, work: i32, budget: i32),
    TP_STRUCT__entry {
        napi: *const () as "struct napi_struct *",
        dev_name: DynStr,
        work: i32,
        budget: i32,
    },
    TP_fast_assign {
        napi: napi,
        dev_name: device,
        work: work,
        budget: budget,
    },
    TP_ident(__entry),
    TP_printk(c: r#""napi poll on napi struct %p for device %s work %d budget %d", REC->napi, __get_str(dev_name), REC->work, REC->budget"#)
);
