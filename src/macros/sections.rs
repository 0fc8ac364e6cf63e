//! `define_event_trace!` section by section. Each macro takes one section, appends it to what was read so far and
//! hands on; its last arm says what it wanted.

/// `#[attributes] pub(…) name,`
#[doc(hidden)]
#[macro_export]
macro_rules! __event_name {
    ($(#[$($attr:tt)*])* pub $(($($vis:tt)*))? $name:ident, $($rest:tt)*) => {
        $crate::__event_kops! { { [$(#[$($attr)*])*] [pub $(($($vis)*))?] $name } $($rest)* }
    };
    ($(#[$($attr:tt)*])* $name:ident, $($rest:tt)*) => {
        $crate::__event_kops! { { [$(#[$($attr)*])*] [pub] $name } $($rest)* }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! {
            "define_event_trace! begins with the event's name and a comma: define_event_trace!(name, TP_system(…), …)"
        }
    };
}

/// `TP_kops(T),` if it is there. `TP_lock(…)`, which older trees have, means nothing here.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_kops {
    ($head:tt, $($rest:tt)*) => {
        $crate::__event_kops! { $head $($rest)* }
    };
    ($head:tt TP_lock $lock:tt $($rest:tt)*) => {
        $crate::__event_kops! { $head $($rest)* }
    };
    ($head:tt TP_kops($kops:ty $(,)?) $($rest:tt)*) => {
        $crate::__event_system! { $head [$kops] $($rest)* }
    };
    ($head:tt TP_kops $($other:tt)*) => {
        $crate::__private::compile_error! { "TP_kops(T) wants one type that implements utracefs::KernelTraceOps" }
    };
    ($head:tt $($rest:tt)*) => {
        $crate::__event_system! { $head [$crate::__private::CallingThread] $($rest)* }
    };
}

/// `TP_system(name),`
#[doc(hidden)]
#[macro_export]
macro_rules! __event_system {
    ($head:tt $kops:tt, $($rest:tt)*) => {
        $crate::__event_system! { $head $kops $($rest)* }
    };
    ($head:tt $kops:tt TP_system($($system:tt)+) $($rest:tt)*) => {
        $crate::__event_proto! { $head $kops [$($system)+] $($rest)* }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! {
            "define_event_trace!: expected TP_system(name) after the event's name (and TP_kops, if any)"
        }
    };
}

/// `TP_PROTO(a: A, b: &B),`, and Linux's `TP_ARGS(a, b)`, which says nothing new.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_proto {
    ($head:tt $kops:tt $system:tt, $($rest:tt)*) => {
        $crate::__event_proto! { $head $kops $system $($rest)* }
    };
    (
        $head:tt $kops:tt $system:tt
        TP_PROTO($($(#[$attr:meta])* $arg:ident: $type:ty),* $(,)?) $($rest:tt)*
    ) => {
        $crate::__event_entry! { $head $kops $system [$([$arg] [$type])*] $($rest)* }
    };
    ($head:tt $kops:tt $system:tt TP_PROTO $($other:tt)*) => {
        $crate::__private::compile_error! { "TP_PROTO takes `name: Type` pairs: TP_PROTO(pid: i32, name: &str)" }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! { "define_event_trace!: expected TP_PROTO(…) after TP_system(…)" }
    };
}

/// `TP_STRUCT__entry{ a: u32, pid: i32 as "pid_t" },`
#[doc(hidden)]
#[macro_export]
macro_rules! __event_entry {
    ($head:tt $kops:tt $system:tt $proto:tt, $($rest:tt)*) => {
        $crate::__event_entry! { $head $kops $system $proto $($rest)* }
    };
    ($head:tt $kops:tt $system:tt $proto:tt TP_ARGS $args:tt $($rest:tt)*) => {
        $crate::__event_entry! { $head $kops $system $proto $($rest)* }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt
        TP_STRUCT__entry { $($(#[$attr:meta])* $field:ident: $type:ty $(as $ctype:literal)?),* $(,)? } $($rest:tt)*
    ) => {
        $crate::__event_assign! { $head $kops $system $proto [$([$field] [$type] [$($ctype)?])*] $($rest)* }
    };
    ($head:tt $kops:tt $system:tt $proto:tt TP_STRUCT__entry ( $($fields:tt)* ) $($rest:tt)*) => {
        $crate::__event_entry! { $head $kops $system $proto TP_STRUCT__entry { $($fields)* } $($rest)* }
    };
    ($head:tt $kops:tt $system:tt $proto:tt TP_STRUCT__entry $($other:tt)*) => {
        $crate::__private::compile_error! {
            "TP_STRUCT__entry takes fields: TP_STRUCT__entry{ count: u32, pid: i32 as \"pid_t\" }"
        }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! { "define_event_trace!: expected TP_STRUCT__entry{…} after TP_PROTO(…)" }
    };
}

/// `TP_fast_assign{ a: a, pid: task.pid },`
#[doc(hidden)]
#[macro_export]
macro_rules! __event_assign {
    ($head:tt $kops:tt $system:tt $proto:tt $entry:tt, $($rest:tt)*) => {
        $crate::__event_assign! { $head $kops $system $proto $entry $($rest)* }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt
        TP_fast_assign { $($field:ident $(: $value:expr)?),* $(,)? } $($rest:tt)*
    ) => {
        $crate::__event_ident! { $head $kops $system $proto $entry [$([$field] [$($value)?])*] $($rest)* }
    };
    ($head:tt $kops:tt $system:tt $proto:tt $entry:tt TP_fast_assign ( $($fields:tt)* ) $($rest:tt)*) => {
        $crate::__event_assign! { $head $kops $system $proto $entry TP_fast_assign { $($fields)* } $($rest)* }
    };
    ($head:tt $kops:tt $system:tt $proto:tt $entry:tt TP_fast_assign $($other:tt)*) => {
        $crate::__private::compile_error! {
            "TP_fast_assign takes one `field: expression` for each field: TP_fast_assign{ count: count, pid: task.pid }"
        }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! { "define_event_trace!: expected TP_fast_assign{…} after TP_STRUCT__entry{…}" }
    };
}

/// `TP_ident(__entry),`
#[doc(hidden)]
#[macro_export]
macro_rules! __event_ident {
    ($head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt, $($rest:tt)*) => {
        $crate::__event_ident! { $head $kops $system $proto $entry $assign $($rest)* }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt
        TP_ident($ident:ident $(,)?), $($rest:tt)*
    ) => {
        $crate::__event_printk! { $head $kops $system $proto $entry $assign $ident $($rest)* }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt
        TP_ident($ident:ident $(,)?) $($rest:tt)*
    ) => {
        $crate::__event_printk! { $head $kops $system $proto $entry $assign $ident $($rest)* }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! {
            "define_event_trace!: expected TP_ident(__entry), the record's name in TP_printk, after TP_fast_assign{…}"
        }
    };
}

/// `TP_printk(…)`. A block may end up rendered in Rust, all else must have a C form.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_printk {
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt $ident:ident
        TP_printk({ $($block:tt)* } $(,)?) $(,)?
    ) => {
        $crate::__event_paste! { $head $kops $system $proto $entry $assign $ident [block { $($block)* }] }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt $ident:ident
        TP_printk { $($block:tt)* } $(,)?
    ) => {
        $crate::__event_paste! { $head $kops $system $proto $entry $assign $ident [block { $($block)* }] }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt $ident:ident
        TP_printk(format ! $args:tt $(,)?) $(,)?
    ) => {
        $crate::__event_paste! { $head $kops $system $proto $entry $assign $ident [block { format ! $args }] }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt $ident:ident
        TP_printk($($printk:tt)*) $(,)?
    ) => {
        $crate::__event_paste! { $head $kops $system $proto $entry $assign $ident [c $($printk)*] }
    };
    (
        $head:tt $kops:tt $system:tt $proto:tt $entry:tt $assign:tt $ident:ident
        TP_printk $printk:tt $($other:tt)+
    ) => {
        $crate::__private::compile_error! { "define_event_trace!: TP_printk(…) is the last section" }
    };
    ($($other:tt)*) => {
        $crate::__private::compile_error! { "define_event_trace!: expected TP_printk(…) after TP_ident(…)" }
    };
}

/// Makes the names, for which `macro_rules!` has no means.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_paste {
    ({ $attrs:tt $vis:tt $name:ident } $($sections:tt)*) => {
        $crate::__private::paste! {
            $crate::__event_emit! {
                [
                    [<trace_ $name>] [<trace_ $name _enabled>]
                    [<register_trace_ $name>] [<unregister_trace_ $name>]
                    [<__fire_trace_ $name>] [<__Fn_trace_ $name>]
                    [<__KEY_trace_ $name>] [<__TRACEPOINT_trace_ $name>]
                ]
                $attrs $vis $name $($sections)*
            }
        }
    };
}

/// The one expansion.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_emit {
    (
        [
            $trace:ident $enabled:ident $register:ident $unregister:ident
            $fire:ident $func:ident
            $key:ident $tracepoint:ident
        ]
        [$($attrs:tt)*] [$($vis:tt)+] $name:ident [$kops:ty] [$($system:tt)+]
        [$([$arg:ident] [$type:ty])*]
        [$([$field:ident] [$field_type:ty] [$($ctype:literal)?])*]
        [$([$assigned:ident] [$($value:expr)?])*]
        $entry:ident $print:tt
    ) => {
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static $key: $crate::__private::Key = $crate::__private::Key::new();

        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        static $tracepoint: $crate::__private::Tracepoint = $crate::__private::Tracepoint::new(
            $crate::__private::without_raw(stringify!($name)),
            &$key,
            $crate::__private::file!(),
            $crate::__private::line!(),
        );

        /// What listeners are.
        #[doc(hidden)]
        #[allow(non_camel_case_types, private_interfaces)]
        type $func = fn(*const () $(, $type)*);

        $($attrs)*
        #[doc = concat!("Fires the event `", stringify!($name), "`: one jump over nothing while nobody listens.")]
        #[inline(always)]
        #[allow(non_snake_case, private_interfaces, dead_code)]
        #[allow(clippy::too_many_arguments, clippy::not_unsafe_ptr_arg_deref)]
        $($vis)+ fn $trace($($arg: $type),*) {
            if $crate::__static_branch!($key) {
                $fire($crate::__private::DATA $(, $arg)*)
            }
        }

        #[doc = concat!("Whether anybody listens to `", stringify!($name), "`: guards the making of costly arguments.")]
        #[inline(always)]
        #[allow(non_snake_case, dead_code)]
        $($vis)+ fn $enabled() -> bool {
            $crate::__static_branch!($key)
        }

        #[doc = concat!("Has `func` called with `data` and the arguments whenever `", stringify!($name), "` fires.")]
        ///
        /// # Errors
        /// `EEXIST` if this function is registered with this data already.
        #[allow(non_snake_case, private_interfaces, dead_code, clippy::not_unsafe_ptr_arg_deref)]
        $($vis)+ fn $register(
            func: fn(*const () $(, $type)*),
            data: *const (),
        ) -> $crate::__private::Result<()> {
            // SAFETY: the type is the tracepoint's, and a safe function may be called with any pointer.
            unsafe { $crate::__private::register(&$tracepoint, func as *const (), data) }
        }

        #[doc = concat!("Undoes `register_trace_", stringify!($name), "`; when it returns, no call is running any more.")]
        ///
        /// # Errors
        /// `ENOENT` if this function is not registered with this data.
        #[allow(non_snake_case, private_interfaces, dead_code, clippy::not_unsafe_ptr_arg_deref)]
        $($vis)+ fn $unregister(
            func: fn(*const () $(, $type)*),
            data: *const (),
        ) -> $crate::__private::Result<()> {
            $crate::__private::unregister(&$tracepoint, func as *const (), data)
        }

        /// Takes values, so that the call site spills nothing while the event is off, each where probes want it.
        #[cold]
        #[inline(never)]
        #[allow(non_snake_case, dead_code, clippy::too_many_arguments)]
        fn $fire(_: $crate::__private::Data $(, $arg: $type)*) {
            /// Several probes, or the thread's first event.
            #[cold]
            #[inline(never)]
            #[allow(clippy::too_many_arguments)]
            fn all(guard: $crate::__private::Option<$crate::__private::rcu::Guard> $(, $arg: $type)*) {
                let guard = guard.unwrap_or_else($crate::__private::rcu::read);
                for probe in $tracepoint.probes(&guard) {
                    // SAFETY: only functions of this type are registered: by the functions above, and by event files
                    // with the probe below.
                    let func = unsafe { $crate::__private::transmute::<*const (), $func>(probe.func) };
                    func(probe.data $(, $arg)*);
                }
            }
            <$kops as $crate::KernelTraceOps>::with(|| {
                let Some(guard) = $crate::__private::rcu::try_read() else {
                    return all($crate::__private::Option::None $(, $arg)*);
                };
                match $tracepoint.sole_probe(&guard) {
                    $crate::__private::Option::Some(probe) => {
                        // SAFETY: as in `all`.
                        let func = unsafe { $crate::__private::transmute::<*const (), $func>(probe.func) };
                        func(probe.data $(, $arg)*);
                    }
                    $crate::__private::Option::None => all($crate::__private::Option::Some(guard) $(, $arg)*),
                }
            })
        }

        #[allow(non_snake_case, non_camel_case_types, unused, clippy::all, long_running_const_eval)]
        const _: () = {
            /// The record: a C structure behind the common fields.
            #[repr(C)]
            struct __Record {
                __head: [u32; 2],
                $($field: <$field_type as $crate::__private::FieldType>::Slot,)*
                __data: [u8; 0],
            }

            struct TP_fast_assign<'__a> {
                $($field: <$field_type as $crate::__private::FieldType>::Value<'__a>,)*
                __of: $crate::__private::PhantomData<&'__a ()>,
            }

            // SAFETY: every field of the structure is stored by its own type.
            unsafe impl $crate::__private::Entry for __Record {
                type Values<'__a> = TP_fast_assign<'__a>;
                const DATA: usize = $crate::__private::offset_of!(__Record, __data);
                const DYNAMIC: usize = 0 $(+ <$field_type as $crate::__private::FieldType>::DYNAMIC as usize)*;
                const HOLES: bool = 8 $(+ $crate::__private::size_of::<<$field_type as $crate::__private::FieldType>::Slot>())*
                    != $crate::__private::size_of::<__Record>();

                #[inline(always)]
                fn dynamic_len(values: &TP_fast_assign<'_>) -> usize {
                    0usize $(.saturating_add(<$field_type as $crate::__private::FieldType>::dynamic_len(&values.$field)))*
                }

                #[inline(always)]
                unsafe fn store(values: TP_fast_assign<'_>, record: *mut __Record, tail: &mut $crate::__private::Tail) {
                    // SAFETY: the caller vouches for the record and its tail.
                    unsafe {
                        $(<$field_type as $crate::__private::FieldType>::store(values.$field, &raw mut (*record).$field, tail);)*
                    }
                }
            }

            const _: () = assert!(
                $crate::__private::size_of::<__Record>() + <__Record as $crate::__private::Entry>::DYNAMIC
                    <= $crate::__private::MAX_PAYLOAD,
                "an event's fields must fit into one sub-buffer: at most 4072 bytes",
            );

            /// Records into an event file.
            fn __probe(file: *const () $(, $arg: $type)*) {
                // SAFETY: an event file registers this function with itself as the data, and outlives the
                // registration by a grace period.
                let file = unsafe { &*file.cast::<$crate::__private::EventFile>() };
                // SAFETY: tracepoints call their probes in a read section.
                let Some(head) = (unsafe { file.begin() }) else { return };
                match (TP_fast_assign {
                    $($assigned: $crate::__private::Assign::assign($crate::__assigned!($assigned $($value)?)),)*
                    __of: $crate::__private::PhantomData,
                }) {
                    // SAFETY: the length is that of the record.
                    values => unsafe {
                        $crate::__private::record::<__Record, { $crate::__private::size_of::<__Record>() }>(file, head, values)
                    },
                }
            }

            /// Records into the event files of several instances: the record is made once.
            fn __together(files: *const () $(, $arg: $type)*) {
                // SAFETY: called with a group, which lives as its list of probes does, of what `__probe` is registered
                // with.
                let files = unsafe { $crate::__private::EventFiles::of(files) };
                // SAFETY: tracepoints call their probes in a read section.
                let Some(head) = (unsafe { files.begin() }) else { return };
                match (TP_fast_assign {
                    $($assigned: $crate::__private::Assign::assign($crate::__assigned!($assigned $($value)?)),)*
                    __of: $crate::__private::PhantomData,
                }) {
                    // SAFETY: the length is that of the record.
                    values => unsafe {
                        $crate::__private::record::<__Record, { $crate::__private::size_of::<__Record>() }>(files, head, values)
                    },
                }
            }

            const __SYSTEM: &$crate::__private::str = $crate::__private::system_name(stringify!($($system)+));
            const __NAME: &$crate::__private::str = $crate::__private::without_raw(stringify!($name));
            const __FIELDS: &[$crate::__private::FieldDecl] = &[$(
                $crate::__private::FieldDecl::new(
                    stringify!($field),
                    <$field_type as $crate::__private::FieldType>::SHAPE,
                    $crate::__ctype!($($ctype)?),
                    $crate::__private::offset_of!(__Record, $field),
                    $crate::__private::size_of::<<$field_type as $crate::__private::FieldType>::Slot>(),
                )
            ),*];

            $crate::__event_print! { $print $entry [$([$field] [$field_type])*] }

            #[used]
            static __DECL: $crate::__private::EventDecl = $crate::__private::EventDecl {
                system: __SYSTEM,
                name: __NAME,
                fields: __FIELDS,
                size: $crate::__private::size_of::<__Record>() as u16,
                print: __PRINT,
                tracepoint: &$tracepoint,
                // Through the listeners' type: names may mean something else in here than outside.
                probe: (__probe as $func) as *const (),
                together: (__together as $func) as *const (),
                file: $crate::__private::file!(),
                line: $crate::__private::line!(),
                class: $crate::__private::Class::Plain,
                keep: __keep,
            };

            fn __keep() {
                $crate::__keep_event!(__DECL)
            }
        };
    };
}

/// `__PRINT` of an event.
#[doc(hidden)]
#[macro_export]
macro_rules! __event_print {
    ([c $($printk:tt)*] $entry:ident $fields:tt) => {
        const __OUTCOME: $crate::__private::Outcome = $crate::__private::translate($crate::__private::Source {
            text: stringify!($($printk)*),
            entry: stringify!($entry),
            fields: __FIELDS,
        });
        const __TEXT_LEN: usize = __OUTCOME.require(__SYSTEM, __NAME).len();
        const __TEXT: [u8; __TEXT_LEN] = __OUTCOME.text().exact();
        const __PRINT: $crate::__private::Print = $crate::__private::c_print(&__TEXT);
    };
    ([block $block:tt] $entry:ident [$([$field:ident] [$field_type:ty])*]) => {
        const __OUTCOME: $crate::__private::Outcome = $crate::__private::translate($crate::__private::Source {
            text: stringify!($block),
            entry: stringify!($entry),
            fields: __FIELDS,
        });
        const __TEXT: [u8; __OUTCOME.text().len()] = __OUTCOME.text().exact();
        const __PRINT: $crate::__private::Print = match __OUTCOME.is_c() {
            true => $crate::__private::c_print(&__TEXT),
            false => $crate::__private::Print::Rust(__render),
        };

        /// The record as the block sees it.
        struct TP_STRUCT__entry<'__a> {
            $($field: <$field_type as $crate::__private::FieldType>::View<'__a>,)*
            __of: $crate::__private::PhantomData<&'__a ()>,
        }

        fn __render(record: &[u8], out: &mut $crate::__private::Vec<u8>) {
            use $crate::{__print_array, __print_flags, __print_hex, __print_hex_str, __print_symbolic};
            // SAFETY: every slot is valid for any bytes.
            let raw: __Record = unsafe { $crate::__private::raw_record(record) };
            let $entry = &TP_STRUCT__entry {
                $($field: <$field_type as $crate::__private::FieldType>::view(raw.$field, record),)*
                __of: $crate::__private::PhantomData,
            };
            $crate::__private::append(out, $block);
        }
    };
}

/// A field's value: `field: value`, or just `field` for an argument of that name.
#[doc(hidden)]
#[macro_export]
macro_rules! __assigned {
    ($field:ident $value:expr) => {
        $value
    };
    ($field:ident) => {
        $field
    };
}

/// `as "pid_t"`, if it is there.
#[doc(hidden)]
#[macro_export]
macro_rules! __ctype {
    () => {
        $crate::__private::Option::None
    };
    ($ctype:literal) => {
        $crate::__private::Option::Some($ctype)
    };
}

/// Puts the address of a description into the link section. See `event/declare/section.rs`.
#[doc(hidden)]
#[macro_export]
#[cfg(target_pointer_width = "64")]
macro_rules! __keep_event {
    ($decl:path) => {
        $crate::__keep_pointer! { ".balign 8", ".quad {}", $decl }
    };
}

/// Puts the address of a description into the link section.
#[doc(hidden)]
#[macro_export]
#[cfg(not(target_pointer_width = "64"))]
macro_rules! __keep_event {
    ($decl:path) => {
        $crate::__keep_pointer! { ".balign 4", ".long {}", $decl }
    };
}

/// A pointer in the section, with the assembler's words for its width.
#[doc(hidden)]
#[macro_export]
macro_rules! __keep_pointer {
    ($align:literal, $pointer:literal, $decl:path) => {
        // SAFETY: directives only, no instruction.
        unsafe {
            $crate::__private::asm!(
                ".pushsection utracefs_events, \"awR\"",
                $align,
                $pointer,
                ".popsection",
                sym $decl,
                options(nomem, nostack, preserves_flags),
            )
        }
    };
}

/// Puts the addresses of the descriptions in an array into the link section.
#[doc(hidden)]
#[macro_export]
#[cfg(target_pointer_width = "64")]
macro_rules! __keep_events {
    ($decls:path, $count:expr) => {
        $crate::__keep_pointers! { ".balign 8", ".quad {decls} + .Lutracefs_at", $decls, $count }
    };
}

/// Puts the addresses of the descriptions in an array into the link section.
#[doc(hidden)]
#[macro_export]
#[cfg(not(target_pointer_width = "64"))]
macro_rules! __keep_events {
    ($decls:path, $count:expr) => {
        $crate::__keep_pointers! { ".balign 4", ".long {decls} + .Lutracefs_at", $decls, $count }
    };
}

/// Pointers to the elements of an array, one after the other.
#[doc(hidden)]
#[macro_export]
macro_rules! __keep_pointers {
    ($align:literal, $pointer:literal, $decls:path, $count:expr) => {
        // SAFETY: directives only, no instruction.
        unsafe {
            $crate::__private::asm!(
                ".pushsection utracefs_events, \"awR\"",
                $align,
                ".set .Lutracefs_at, 0",
                ".rept {count}",
                $pointer,
                ".set .Lutracefs_at, .Lutracefs_at + {size}",
                ".endr",
                ".popsection",
                decls = sym $decls,
                count = const $count,
                size = const $crate::__private::size_of::<$crate::__private::EventDecl>(),
                options(nomem, nostack, preserves_flags),
            )
        }
    };
}
