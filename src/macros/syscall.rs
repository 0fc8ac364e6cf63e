//! The class of system call events.

/// Declares the two events of each of some system calls, `syscalls:sys_enter_NAME` and `syscalls:sys_exit_NAME`.
///
/// `[pub] mod NAME;`, then one entry for each call: `NAME = number (argument: "C type", path argument: path "C type", …)`.
/// Records, `format` and text follow from it and are the kernel's; the text of every `path` argument is recorded, too. A
/// negative number says that this machine does not have the call: then it has no events.
///
/// The module has, for all calls by their number,
///
/// * `enter(number, registers, texts of the paths)`, which fires `sys_enter_NAME`: while nobody listens to any of them
///   that is one 5-byte nop, otherwise the number is looked up in a table;
/// * `exit(number, result)`, which fires `sys_exit_NAME`, the result being a negative errno on failure; it costs the same;
/// * `enter_enabled()` and `exit_enabled()`: whether anybody listens to any of them;
/// * `CALLS`, the descriptions, and `TABLE`, which finds them and their listeners by number
///   ([`Table`](crate::event::syscall::table::Table)).
///
/// All system calls share their code; an entry costs its description.
///
/// ```
/// utracefs::define_syscall_trace! {
///     /// Some calls of Linux on x86-64.
///     mod calls;
///     openat = 257 (dfd: "int", filename: path "const char *", flags: "int", mode: "umode_t"),
///     close = 3 (fd: "unsigned int"),
///     getpid = 39 (),
/// }
///
/// let path = c"/etc/passwd";
/// let at_cwd = u64::from(-100i32 as u32);
/// calls::enter(257, &[at_cwd, path.as_ptr() as u64, 0x80000, 0, 0, 0], &[path.to_bytes()]);
/// calls::exit(257, 3);
/// calls::enter(3, &[3, 0, 0, 0, 0, 0], &[]);
/// calls::exit(3, 0);
/// ```
/// In `trace`:
/// ```text
///     sys_openat(dfd: 0xffffff9c, filename: 0x55d0… "/etc/passwd", flags: 0x80000, mode: 0)
///     sys_openat -> 0x3
/// ```
#[macro_export]
macro_rules! define_syscall_trace {
    (
        $(#[$attr:meta])* $vis:vis mod $module:ident;
        $($name:ident = $nr:literal ($($arg:ident: $($path:ident)? $ctype:literal),* $(,)?)),* $(,)?
    ) => {
        $(#[$attr])*
        #[allow(dead_code)]
        $vis mod $module {
            use $crate::__private as private;

            const LEN: usize = {
                let numbers: &[i32] = &[$($nr),*];
                numbers.len()
            };

            /// The calls.
            pub static CALLS: [private::SyscallDecl; LEN] = [$(private::SyscallDecl {
                name: private::stringify!($name),
                nr: $nr,
                args: &[$(private::SyscallArg {
                    name: private::stringify!($arg),
                    ctype: $ctype,
                    path: $crate::__is_path!($($path)?),
                }),*],
            }),*];

            static ENTER_KEY: private::Key = private::Key::new();
            static EXIT_KEY: private::Key = private::Key::new();
            static ANY_ENTER: private::AnyOf<private::Key> = private::AnyOf::new(&ENTER_KEY, &ENTER);
            static ANY_EXIT: private::AnyOf<private::Key> = private::AnyOf::new(&EXIT_KEY, &EXIT);

            static ENTER: [private::Tracepoint; LEN] = [$(private::Tracepoint::new(
                private::concat!("sys_enter_", private::stringify!($name)),
                &ANY_ENTER,
                private::file!(),
                private::line!(),
            )),*];
            static EXIT: [private::Tracepoint; LEN] = [$(private::Tracepoint::new(
                private::concat!("sys_exit_", private::stringify!($name)),
                &ANY_EXIT,
                private::file!(),
                private::line!(),
            )),*];

            /// The calls and their tracepoints by number.
            pub static TABLE: private::Table = private::Table::new(&CALLS, &ENTER, &EXIT);

            /// A thread enters call `nr` with these registers; `paths`: the texts of the arguments that are paths, in
            /// their order.
            #[inline(always)]
            pub fn enter(nr: i64, args: &[u64; private::MAX_ARGS], paths: &[&[u8]]) {
                if $crate::__static_branch!(ENTER_KEY) {
                    TABLE.fire_enter(nr, args, paths)
                }
            }

            /// It comes back from call `nr` with this result: a negative one is an errno.
            #[inline(always)]
            pub fn exit(nr: i64, ret: i64) {
                if $crate::__static_branch!(EXIT_KEY) {
                    TABLE.fire_exit(nr, ret)
                }
            }

            /// Whether anybody listens to any `sys_enter_NAME`.
            #[inline(always)]
            pub fn enter_enabled() -> bool {
                $crate::__static_branch!(ENTER_KEY)
            }

            /// Whether anybody listens to any `sys_exit_NAME`.
            #[inline(always)]
            pub fn exit_enabled() -> bool {
                $crate::__static_branch!(EXIT_KEY)
            }

            #[used]
            static DECLS: [private::EventDecl; 2 * LEN] =
                private::syscall_decls(&CALLS, &ENTER, &EXIT, keep);

            fn keep() {
                $crate::__keep_events!(DECLS, 2 * LEN)
            }
        }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! {
            "define_syscall_trace! takes `mod NAME;` and entries like \
             openat = 257 (dfd: \"int\", filename: path \"const char *\"),"
        }
    };
}

/// Whether an argument is a path.
#[doc(hidden)]
#[macro_export]
macro_rules! __is_path {
    () => {
        false
    };
    (path) => {
        true
    };
    ($other:ident) => {
        $crate::__private::compile_error! { "the only word before an argument's C type is `path`" }
    };
}
