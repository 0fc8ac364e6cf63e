//! Page faults (arch/x86 has them; other processors do not say what `error_code` does).

use utracefs::define_event_trace;

define_event_trace!(
    /// A program reads, writes or runs memory in a way that it may not, or not yet. Bits of `error_code`: 0 the page is
    /// there, 1 a write, 2 by a program, 4 an instruction.
    page_fault_user,
    TP_system(exceptions),
    TP_PROTO(address: u64, ip: u64, error_code: u64),
    TP_STRUCT__entry {
        address: u64 as "unsigned long",
        ip: u64 as "unsigned long",
        error_code: u64 as "unsigned long",
    },
    TP_fast_assign {
        address: address,
        ip: ip,
        error_code: error_code,
    },
    TP_ident(__entry),
    TP_printk(c: r#""address=%ps ip=%ps error_code=0x%lx", (void *)REC->address, (void *)REC->ip, REC->error_code"#)
);
