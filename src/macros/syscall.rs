//! The class of system call events.

/// Declares the two events of each of some system calls, `syscalls:sys_enter_NAME` and `syscalls:sys_exit_NAME`.
///
/// One entry is `NAME = number (argument: "C type", path argument: path "C type", …)`. Records, `format` and text follow
/// from it and are the kernel's; the text of every `path` argument is recorded, too. Defined are
///
/// * `trace_sys_enter_NAME(arguments…, texts of the paths…)`, where arguments are integers or raw pointers
///   ([`Word`](crate::event::syscall::Word)) and texts `&CStr`, `&str` or `&[u8]`;
/// * `trace_sys_exit_NAME(result)`, the result being a negative errno on failure;
/// * `trace_…_enabled()`, `register_trace_…()` and `unregister_trace_…()` for both, as for any event. Listeners get a
///   [`SyscallEnter`](crate::event::syscall::SyscallEnter) or [`SyscallExit`](crate::event::syscall::SyscallExit).
///
/// All system calls share their code; an entry costs little more than its description.
///
/// ```
/// # use std::ffi::CStr;
/// utracefs::define_syscall_trace! {
///     /// Opens a file.
///     openat = 257 (dfd: "int", filename: path "const char *", flags: "int", mode: "umode_t"),
///     close = 3 (fd: "unsigned int"),
///     getpid = 39 (),
/// }
///
/// let path = c"/etc/passwd";
/// trace_sys_enter_openat(-100, path.as_ptr(), 0x80000, 0, path);
/// trace_sys_exit_openat(3);
/// trace_sys_enter_close(3);
/// trace_sys_exit_close(0);
/// ```
/// In `trace`:
/// ```text
///     sys_openat(dfd: 0xffffff9c, filename: 0x55d0… "/etc/passwd", flags: 0x80000, mode: 0)
///     sys_openat -> 0x3
/// ```
#[macro_export]
macro_rules! define_syscall_trace {
    (
        $($(#[$($attr:tt)*])* $name:ident = $nr:literal ($($arg:ident: $($path:ident)? $ctype:literal),* $(,)?)),*
        $(,)?
    ) => { $(
        $crate::__private::paste! {
            $crate::__syscall_emit! {
                [
                    [<trace_sys_enter_ $name>] [<trace_sys_enter_ $name _enabled>]
                    [<register_trace_sys_enter_ $name>] [<unregister_trace_sys_enter_ $name>]
                    [<__KEY_trace_sys_enter_ $name>] [<__TRACEPOINT_trace_sys_enter_ $name>] [<sys_enter_ $name>]
                ]
                [
                    [<trace_sys_exit_ $name>] [<trace_sys_exit_ $name _enabled>]
                    [<register_trace_sys_exit_ $name>] [<unregister_trace_sys_exit_ $name>]
                    [<__KEY_trace_sys_exit_ $name>] [<__TRACEPOINT_trace_sys_exit_ $name>] [<sys_exit_ $name>]
                ]
                [<__CALL_ $name>] [$(#[$($attr)*])*] $name $nr [$($arg $ctype [$($path [<$arg _val>])?])*]
            }
        }
    )* };
    ($($other:tt)*) => {
        $crate::__private::compile_error! {
            "define_syscall_trace! takes entries like openat = 257 (dfd: \"int\", filename: path \"const char *\"),"
        }
    };
}

/// The expansion for one system call.
#[doc(hidden)]
#[macro_export]
macro_rules! __syscall_emit {
    (
        [
            $enter:ident $enter_enabled:ident $enter_register:ident $enter_unregister:ident
            $enter_key:ident $enter_tracepoint:ident $enter_name:ident
        ]
        [
            $exit:ident $exit_enabled:ident $exit_register:ident $exit_unregister:ident
            $exit_key:ident $exit_tracepoint:ident $exit_name:ident
        ]
        $call:ident [$($attrs:tt)*] $name:ident $nr:literal [$($arg:ident $ctype:literal [$($path:ident $val:ident)?])*]
    ) => {
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static $call: $crate::__private::SyscallDecl = $crate::__private::SyscallDecl {
            name: stringify!($name),
            nr: $nr,
            args: &[$($crate::__private::SyscallArg {
                name: stringify!($arg),
                ctype: $ctype,
                path: $crate::__is_path!($($path)?),
            }),*],
        };

        $($attrs)*
        #[doc = concat!("Fires `sys_enter_", stringify!($name), "`.")]
        #[inline(always)]
        #[allow(dead_code, clippy::too_many_arguments, clippy::extra_unused_lifetimes)]
        pub fn $enter<'__a>(
            $($arg: impl $crate::__private::Word,)*
            $($($val: impl $crate::__private::PathText<'__a>,)?)*
        ) {
            if $crate::__static_branch!($enter_key) {
                $crate::__private::fire_enter(
                    &$enter_tracepoint,
                    &$call,
                    &[$($crate::__private::Word::word($arg)),*],
                    &[$($($crate::__private::PathText::bytes($val),)?)*],
                )
            }
        }

        $($attrs)*
        #[doc = concat!("Fires `sys_exit_", stringify!($name), "`.")]
        #[inline(always)]
        #[allow(dead_code)]
        pub fn $exit(ret: i64) {
            if $crate::__static_branch!($exit_key) {
                $crate::__private::fire_exit(&$exit_tracepoint, &$call, ret)
            }
        }

        $crate::__syscall_event! {
            $call $enter_enabled $enter_register $enter_unregister $enter_key $enter_tracepoint $enter_name
            SyscallEnter [$crate::__private::SyscallEnter<'_>] enter_probe
        }
        $crate::__syscall_event! {
            $call $exit_enabled $exit_register $exit_unregister $exit_key $exit_tracepoint $exit_name
            SyscallExit [$crate::__private::SyscallExit] exit_probe
        }
    };
}

/// What both events of a system call have alike.
#[doc(hidden)]
#[macro_export]
macro_rules! __syscall_event {
    (
        $call:ident $enabled:ident $register:ident $unregister:ident $key:ident $tracepoint:ident $name:ident
        $class:ident [$data:ty] $probe:ident
    ) => {
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static $key: $crate::__private::Key = $crate::__private::Key::new();

        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static $tracepoint: $crate::__private::Tracepoint = $crate::__private::Tracepoint::new(
            stringify!($name),
            &$key,
            $crate::__private::file!(),
            $crate::__private::line!(),
        );

        #[doc = concat!("Whether anybody listens to `", stringify!($name), "`.")]
        #[inline(always)]
        #[allow(dead_code)]
        pub fn $enabled() -> bool {
            $crate::__static_branch!($key)
        }

        #[doc = concat!("Has `func` called with `data` whenever `", stringify!($name), "` fires.")]
        ///
        /// # Errors
        /// `EEXIST` if this function is registered with this data already.
        #[allow(dead_code, clippy::not_unsafe_ptr_arg_deref)]
        pub fn $register(
            func: fn(*const (), &$data),
            data: *const (),
        ) -> $crate::__private::Result<()> {
            // SAFETY: the type is the tracepoint's, and a safe function may be called with any pointer.
            unsafe { $crate::__private::register(&$tracepoint, func as *const (), data) }
        }

        #[doc = concat!("Undoes `", stringify!($register), "`.")]
        ///
        /// # Errors
        /// `ENOENT` if this function is not registered with this data.
        #[allow(dead_code, clippy::not_unsafe_ptr_arg_deref)]
        pub fn $unregister(
            func: fn(*const (), &$data),
            data: *const (),
        ) -> $crate::__private::Result<()> {
            $crate::__private::unregister(&$tracepoint, func as *const (), data)
        }

        const _: () = {
            #[used]
            static __DECL: $crate::__private::EventDecl = $crate::__private::EventDecl {
                system: "syscalls",
                name: stringify!($name),
                fields: &[],
                size: 0,
                print: $crate::__private::Print::Class,
                tracepoint: &$tracepoint,
                probe: ($crate::__private::$probe as fn(*const (), &$data)) as *const (),
                together: $crate::__private::null(),
                file: $crate::__private::file!(),
                line: $crate::__private::line!(),
                class: $crate::__private::Class::$class(&$call),
                keep: __keep,
            };

            fn __keep() {
                $crate::__keep_event!(__DECL)
            }
        };
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
