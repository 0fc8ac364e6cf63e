//! The macros that declare events, and the facade that their expansions use.
//!
//! [`define_event_trace!`](crate::define_event_trace) takes its sections apart one by one, so that each can say what it
//! expected; `__event_emit!` is the one expansion behind all spellings. What an expansion contains is small: names,
//! types and the assignments. Everything that can be shared is a function of [`facade`].

pub mod facade;
mod sections;
mod syscall;

/// Whose events a call site fires: what `TP_kops(T)` names.
///
/// Without `TP_kops` an event belongs to the calling thread. A scheduler of green tasks, or a program that traces
/// others, implements this to say who it is instead:
///
/// ```
/// use utracefs::KernelTraceOps;
///
/// pub struct GreenTasks;
///
/// impl KernelTraceOps for GreenTasks {
///     fn with<R>(fire: impl FnOnce() -> R) -> R {
///         // let _entered = utracefs::base::task::enter(current_green_task());
///         fire()
///     }
/// }
/// ```
pub trait KernelTraceOps {
    /// Calls `fire`, which records the event, while the event's task is entered
    /// ([`enter`](crate::base::task::enter)). Runs only while somebody listens.
    fn with<R>(fire: impl FnOnce() -> R) -> R;
}

/// Declares a trace event: its record, its `format`, its text, and the functions that fire it and listen to it.
///
/// ```
/// use utracefs::define_event_trace;
///
/// define_event_trace!(
///     /// Somebody took a buffer out of a pool.
///     pool_take,
///     TP_system(demo_pool),
///     TP_PROTO(pool: u32, wait_ns: u64),
///     TP_STRUCT__entry{ pool: u32, wait_ns: u64 },
///     TP_fast_assign{ pool: pool, wait_ns: wait_ns },
///     TP_ident(__entry),
///     TP_printk("pool={} wait={}", __entry.pool, __entry.wait_ns)
/// );
///
/// trace_pool_take(3, 120);
/// ```
///
/// This is `events/demo_pool/pool_take` in every tracefs of the program, whether it ever fires or not. Its `format` says
/// `field:u32 pool`, `field:u64 wait_ns` and `print fmt: "pool=%u wait=%lu", REC->pool, REC->wait_ns`. `use` the
/// functions from wherever they are needed, also from other crates:
///
/// | function | does |
/// | --- | --- |
/// | `trace_NAME(args)` | fires the event. While nobody listens that is one 5-byte nop (on x86-64 Linux), but the arguments are evaluated |
/// | `trace_NAME_enabled()` | whether anybody listens: guards the making of costly arguments |
/// | `register_trace_NAME(func, data)` | has `func(data, args)` called whenever the event fires |
/// | `unregister_trace_NAME(func, data)` | undoes that; when it returns, no call is running any more |
///
/// # The sections
///
/// In this order, separated by commas (the last may be left out), with any white space:
///
/// ```text
/// [#[attributes]] [pub | pub(…)] NAME,
/// [TP_kops(Type),]
/// TP_system(name),
/// TP_PROTO(name: Type, …),
/// TP_STRUCT__entry{ field: FieldType [as "C type"], … },
/// TP_fast_assign{ field: expression, … },
/// TP_ident(name),
/// TP_printk(text)
/// ```
///
/// Attributes and documentation go to `trace_NAME`. Without `pub` the functions are `pub`.
///
/// **`TP_kops(Type)`** says whose event it is, by [`KernelTraceOps`](crate::KernelTraceOps); without it, it is the
/// calling thread's.
///
/// **`TP_system(name)`** is the directory below `events`: an identifier, a path (its last segment counts) or a string.
///
/// **`TP_PROTO(…)`** are the arguments: any types that are `Copy`, references among them. None is allowed, and an argument
/// need not be recorded.
///
/// **`TP_STRUCT__entry{…}`** are the fields. The record is laid out as C would lay out a structure of them behind the 8
/// bytes that all records have in common. It may be empty.
///
/// | Rust | C | assigned from |
/// | --- | --- | --- |
/// | `u8` `u16` `u32` `u64` `usize` | `u8` `u16` `u32` `u64` `unsigned long` | the same type |
/// | `i8` `i16` `i32` `i64` `isize` | `s8` `s16` `int` `s64` `long` | the same type |
/// | `bool` | `bool` | `bool` |
/// | `*const T`, `*mut T` | `const void *`, `void *` | pointers and references |
/// | `[T; N]` of integers | `T name[N]` | `[T; N]`, `&[T; N]` |
/// | [`Chars<N>`](crate::Chars) | `char name[N]` | `&str`, `&[u8]`, `&CStr` (cut to N - 1 bytes), `[u8; N]` |
/// | [`DynStr`](crate::DynStr) | `__data_loc char[] name` | `&str`, `&[u8]`, `&CStr` |
/// | [`DynArray<T>`](crate::DynArray) | `__data_loc T[] name` | `&[T]`, `&Vec<T>` |
/// | a type of your own | its integer's | itself, see [`field_type!`](crate::field_type) |
///
/// `as "pid_t"` puts another C type of the same size in place, for arrays the elements' (`[u8; 8] as "char"` is text),
/// for pointers the whole (`*const u8 as "const char *"`). A record has at most 4072 bytes: fixed fields that do not fit
/// are a compile error, strings and dynamic arrays are cut.
///
/// **`TP_fast_assign{…}`** gives every field its value. The expressions are evaluated once per event and instance that
/// records it, in the order in which they stand; `field` alone means `field: field`. Nothing allocates memory but what
/// they do themselves.
///
/// **`TP_ident(name)`** is what `TP_printk` calls the record, usually `__entry`.
///
/// **`TP_printk(…)`** is the text, in one of four spellings.
///
/// # A literal, `format_args!`, and what C can say
///
/// The text of an event is a C `print fmt`, which trace-cmd and perf read in `format` and from which `trace` is made, too.
/// A Rust literal is translated into it while the program is compiled:
///
/// ```
/// # use utracefs::{Chars, DynArray, DynStr, define_event_trace};
/// define_event_trace!(
///     request_done,
///     TP_system(demo_io),
///     TP_PROTO(comm: &[u8; 16], path: &str, sectors: &[u32], flags: u32, result: i32, at: *const u8),
///     TP_STRUCT__entry{
///         comm: Chars<16>,
///         path: DynStr,
///         sectors: DynArray<u32>,
///         flags: u32,
///         result: i32,
///         late: bool,
///         at: *const u8,
///     },
///     TP_fast_assign{ comm, path, sectors, flags, result, late: flags & 4 != 0, at },
///     TP_ident(__entry),
///     TP_printk(
///         format_args!(
///             "{:<16} {path} {} flags={} {:#06x} result={:+} {} late={} at={:p} {}",
///             __entry.comm,
///             __print_array(__entry.sectors),
///             __print_flags(__entry.flags, "|", {0x1, "READ"}, {0x2, "SYNC"}, {0x4, "LATE"}),
///             __entry.flags & 0xff,
///             __entry.result,
///             if __entry.result < 0 { "failed" } else { "ok" },
///             __entry.late,
///             __entry.at,
///             (__entry.flags as u64 + 1) * 512,
///             path = __entry.path,
///         )
///     )
/// );
/// ```
///
/// Placeholders may have numbers, names, width, `<`, `>`, zero padding, `+`, precision, and the forms `{}`, `{:?}`
/// (not of text), `{:x}`, `{:X}`, `{:#x}`, `{:o}`, `{:p}`. Pointers are shown as the kernel shows them: hashed, unless the option
/// `hash-ptr` is off.
///
/// Arguments may be fields, numbers, operators, casts to integers, indices into arrays, `if … { } else { }`, and the
/// helpers of `print fmt`, with or without a `!`: `__print_flags(value, "|", {mask, "NAME"}, …)`,
/// `__print_symbolic(value, {number, "NAME"}, …)`, `__print_hex(array)`, `__print_hex_str(array)`,
/// `__print_array(array)`. Both renderings give the same text, also where C would compute in more bits than Rust.
/// Everything else (methods, constants, `{:b}`, centring …) is a compile error that says so.
///
/// # A block
///
/// `{ let …; format!(…) }` is translated likewise, the `let`s being put in place of their names. If C cannot say it, it is
/// no error: the text is then made by that Rust code, `__entry.field` being the field's value, and `format` lists the plain
/// fields.
///
/// ```
/// # use utracefs::define_event_trace;
/// const SLOW: u64 = 1_000_000;
///
/// define_event_trace!(
///     pool_slow,
///     TP_system(demo_pool),
///     TP_PROTO(pool: u32, wait_ns: u64),
///     TP_STRUCT__entry{ pool: u32, wait_ns: u64 },
///     TP_fast_assign{ pool, wait_ns },
///     TP_ident(__entry),
///     TP_printk({
///         let wait = __entry.wait_ns;
///         let how = match wait { 0 => "at once", SLOW.. => "slowly", _ => "quickly" };
///         format!("pool={} got it {how} in {:?}", __entry.pool, std::time::Duration::from_nanos(wait))
///     })
/// );
/// ```
///
/// # C as it is
///
/// Events taken from Linux bring their C text: a string and its arguments, where `__entry->field` may stand for
/// `REC->field`, or one raw string that is kept byte for byte.
///
/// ```
/// # use utracefs::{Chars, define_event_trace};
/// define_event_trace!(
///     sched_process_exit,
///     TP_system(sched),
///     TP_PROTO(comm: &[u8; 16], pid: i32, prio: i32, group_dead: bool),
///     TP_STRUCT__entry{ comm: Chars<16>, pid: i32 as "pid_t", prio: i32, group_dead: bool },
///     TP_fast_assign{ comm, pid, prio, group_dead },
///     TP_ident(__entry),
///     TP_printk(c: "comm=%s pid=%d prio=%d group_dead=%s",
///         __entry->comm, __entry->pid, __entry->prio, __entry->group_dead ? "true" : "false")
/// );
///
/// define_event_trace!(
///     sched_wake_idle_without_ipi,
///     TP_system(sched),
///     TP_PROTO(cpu: i32),
///     TP_STRUCT__entry{ cpu: i32 },
///     TP_fast_assign{ cpu },
///     TP_ident(__entry),
///     TP_printk(c: r#""cpu=%d", REC->cpu"#)
/// );
/// ```
///
/// # Listening
///
/// ```
/// # use utracefs::define_event_trace;
/// # use std::sync::atomic::{AtomicU64, Ordering};
/// # define_event_trace!(pool_give, TP_system(demo_pool), TP_PROTO(pool: u32, bytes: u64),
/// #     TP_STRUCT__entry{ pool: u32 }, TP_fast_assign{ pool: pool }, TP_ident(__entry), TP_printk("{}", __entry.pool));
/// static BYTES: AtomicU64 = AtomicU64::new(0);
///
/// fn count(_data: *const (), _pool: u32, bytes: u64) {
///     BYTES.fetch_add(bytes, Ordering::Relaxed);
/// }
///
/// register_trace_pool_give(count, std::ptr::null())?;
/// assert!(trace_pool_give_enabled());
/// trace_pool_give(3, 4096);
/// unregister_trace_pool_give(count, std::ptr::null())?;
/// trace_pool_give(3, 4096);
/// assert_eq!(BYTES.load(Ordering::Relaxed), 4096);
/// # Ok::<(), utracefs::base::error::Error>(())
/// ```
///
/// Listeners run on the thread that fires the event, possibly in a signal handler, inside a read section: they must not
/// wait for anything.
#[macro_export]
macro_rules! define_event_trace {
    ($($sections:tt)*) => {
        $crate::__event_name! { $($sections)* }
    };
}

#[cfg(test)]
mod tests;
