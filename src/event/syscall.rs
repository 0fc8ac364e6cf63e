//! The class of system call events: records, `format` and text as the kernel has them (Documentation/trace/events.rst
//! and what `events/syscalls` shows), with the paths of newer kernels.
//!
//! `sys_enter_NAME`: the number at 8, every argument 8 bytes wide from 16 on, then a `__data_loc` for the text of each
//! argument that is a path. `sys_exit_NAME`: the number at 8, the result at 16.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::declare::SyscallDecl;
use super::field::{Field, dynamic, load, until_nul};
use crate::base::text;
use crate::event::ctype::CInt;

pub mod table;

/// Where the arguments begin.
pub const ARGS: usize = 16;
/// Most arguments that a system call has.
pub const MAX_ARGS: usize = 6;
/// Numbers of system calls are below this.
pub const NUMBERS: usize = 512;
/// Length of the record of `sys_exit_NAME`.
pub const EXIT_SIZE: usize = 24;
/// The `print fmt` of `sys_exit_NAME`.
pub const EXIT_PRINT_FMT: &str = "\"0x%lx\", REC->ret";

/// Length of the fixed part of the record of `sys_enter_NAME`.
pub const fn enter_size(args: usize, paths: usize) -> usize {
    ARGS + 8 * args + 4 * paths
}

/// What fires `sys_enter_NAME`.
#[derive(Clone, Copy)]
pub struct SyscallEnter<'a> {
    /// The call.
    pub call: &'static SyscallDecl,
    /// The arguments as the registers hold them, as many as the call has.
    pub args: &'a [u64],
    /// The texts of the arguments that are paths, one for each.
    pub paths: &'a [&'a [u8]],
}

/// What fires `sys_exit_NAME`.
#[derive(Clone, Copy)]
pub struct SyscallExit {
    /// The call.
    pub call: &'static SyscallDecl,
    /// The result, negative errno for failure.
    pub ret: i64,
}

/// A value as a register holds it.
///
/// An `int` goes into the record as compilers pass it: the upper half of the register is zero.
pub trait Word: Copy {
    /// The register.
    fn word(self) -> u64;
}

macro_rules! words {
    ($($type:ty: |$value:ident| $word:expr;)*) => { $(
        impl Word for $type {
            #[inline(always)]
            fn word(self) -> u64 {
                let $value = self;
                $word
            }
        }
    )* };
}

words! {
    u64: |value| value;
    i64: |value| value as u64;
    usize: |value| value as u64;
    isize: |value| value as u64;
    u32: |value| value.into();
    i32: |value| (value as u32).into();
    u16: |value| value.into();
}

impl<T> Word for *const T {
    #[inline(always)]
    fn word(self) -> u64 {
        self as u64
    }
}

impl<T> Word for *mut T {
    #[inline(always)]
    fn word(self) -> u64 {
        self as u64
    }
}

fn number_field() -> Field {
    Field::new("int __syscall_nr", 8, 4, true)
}

/// The fields of `sys_enter_NAME`.
pub fn enter_fields(call: &SyscallDecl) -> Vec<Field> {
    let mut fields = vec![number_field()];
    let mut offset = ARGS as u16;
    for arg in call.args {
        fields.push(Field::new(
            &alloc::format!("{} {}", arg.ctype, arg.name),
            offset,
            8,
            false,
        ));
        offset += 8;
    }
    for arg in call.args.iter().filter(|a| a.path) {
        fields.push(Field::new(
            &alloc::format!("__data_loc char[] __{}_val", arg.name),
            offset,
            4,
            false,
        ));
        offset += 4;
    }
    fields
}

/// The fields of `sys_exit_NAME`.
pub fn exit_fields() -> Vec<Field> {
    vec![number_field(), Field::new("long ret", 16, 8, true)]
}

/// The `print fmt` of `sys_enter_NAME`.
pub fn enter_print_fmt(call: &SyscallDecl) -> String {
    let (mut format, mut args) = (String::from("\""), String::new());
    for (i, arg) in call.args.iter().enumerate() {
        let name = arg.name;
        if i > 0 {
            format.push_str(", ");
        }
        format.push_str(&alloc::format!("{name}: 0x%08lx"));
        args.push_str(&alloc::format!(", ((unsigned long)(REC->{name}))"));
        if arg.path {
            format.push_str(" \\\"%s\\\"");
            args.push_str(&alloc::format!(", __get_str(__{name}_val)"));
        }
    }
    format + "\"" + &args
}

/// Appends `sys_NAME(argument: value, path: value "text")`; `types`: each argument's type before it.
pub fn render_enter(call: &SyscallDecl, record: &[u8], types: bool, out: &mut Vec<u8>) {
    name(call, out);
    out.push(b'(');
    let mut path_at = ARGS + 8 * call.args.len();
    for (i, arg) in call.args.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        if types {
            out.extend_from_slice(arg.ctype.as_bytes());
            out.push(b' ');
        }
        out.extend_from_slice(arg.name.as_bytes());
        out.extend_from_slice(b": ");
        value(load(record, ARGS + 8 * i, CInt::ULONG).unwrap_or(0), out);
        if arg.path {
            out.extend_from_slice(b" \"");
            let (at, len) = dynamic(record, path_at, false).unwrap_or((0, 0));
            out.extend_from_slice(until_nul(record.get(at..at + len).unwrap_or_default()));
            out.push(b'"');
            path_at += 4;
        }
    }
    out.push(b')');
}

/// Appends `sys_NAME -> value`.
pub fn render_exit(call: &SyscallDecl, record: &[u8], out: &mut Vec<u8>) {
    name(call, out);
    out.extend_from_slice(b" -> 0x");
    text::hex(out, load(record, 16, CInt::ULONG).unwrap_or(0));
}

fn name(call: &SyscallDecl, out: &mut Vec<u8>) {
    out.extend_from_slice(b"sys_");
    out.extend_from_slice(call.name.as_bytes());
}

/// One digit is the same in both bases.
fn value(value: u64, out: &mut Vec<u8>) {
    if value > 9 {
        out.extend_from_slice(b"0x");
    }
    text::hex(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::declare::SyscallArg;
    use crate::event::format::format_text;

    const fn arg(name: &'static str, ctype: &'static str) -> SyscallArg {
        SyscallArg {
            name,
            ctype,
            path: false,
        }
    }

    static GETPID: SyscallDecl = SyscallDecl {
        name: "getpid",
        nr: 39,
        args: &[],
    };
    static READ: SyscallDecl = SyscallDecl {
        name: "read",
        nr: 0,
        args: &[
            arg("fd", "unsigned int"),
            arg("buf", "char *"),
            arg("count", "size_t"),
        ],
    };
    static OPENAT: SyscallDecl = SyscallDecl {
        name: "openat",
        nr: 257,
        args: &[
            arg("dfd", "int"),
            SyscallArg {
                name: "filename",
                ctype: "const char *",
                path: true,
            },
            arg("flags", "int"),
            arg("mode", "umode_t"),
        ],
    };

    #[test]
    fn formats_are_the_kernels() {
        let golden = |name: &str| {
            let path = alloc::format!(
                "{}/tests/golden/formats/syscalls/{name}",
                env!("CARGO_MANIFEST_DIR")
            );
            std::fs::read_to_string(path).expect("golden format")
        };
        let check = |name: &str, fields: &[Field], print_fmt: &str| {
            let golden = golden(name);
            let id = golden
                .lines()
                .nth(1)
                .and_then(|l| l.strip_prefix("ID: "))
                .expect("id");
            assert_eq!(
                format_text(name, id.parse().expect("number"), fields, print_fmt),
                golden
            );
        };
        check(
            "sys_enter_getpid",
            &enter_fields(&GETPID),
            &enter_print_fmt(&GETPID),
        );
        check(
            "sys_enter_read",
            &enter_fields(&READ),
            &enter_print_fmt(&READ),
        );
        check("sys_exit_openat", &exit_fields(), EXIT_PRINT_FMT);
    }

    #[test]
    fn paths_have_their_text() {
        let format = format_text(
            "sys_enter_openat",
            1,
            &enter_fields(&OPENAT),
            &enter_print_fmt(&OPENAT),
        );
        assert!(format.ends_with(
            "\tfield:umode_t mode;\toffset:40;\tsize:8;\tsigned:0;\n\
             \tfield:__data_loc char[] __filename_val;\toffset:48;\tsize:4;\tsigned:0;\n\n\
             print fmt: \"dfd: 0x%08lx, filename: 0x%08lx \\\"%s\\\", flags: 0x%08lx, mode: 0x%08lx\", \
             ((unsigned long)(REC->dfd)), ((unsigned long)(REC->filename)), __get_str(__filename_val), \
             ((unsigned long)(REC->flags)), ((unsigned long)(REC->mode))\n"
        ), "{format}");
    }

    #[test]
    fn texts() {
        let words = |words: &[u64]| {
            words
                .iter()
                .flat_map(|w| w.to_ne_bytes())
                .collect::<Vec<u8>>()
        };
        let check = |text: &dyn Fn(&[u8], &mut Vec<u8>), record: &[u8], expected: &str| {
            let mut out = vec![];
            text(record, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(
            &|r, o| render_enter(&GETPID, r, true, o),
            &words(&[0, 39]),
            "sys_getpid()",
        );
        check(
            &|r, o| render_enter(&READ, r, false, o),
            &words(&[0, 0, 9, 10, 0xffff_ffff_ffff_ffff]),
            "sys_read(fd: 9, buf: 0xa, count: 0xffffffffffffffff)",
        );
        check(
            &|r, o| render_exit(&READ, r, o),
            &words(&[0, 0, -2i64 as u64]),
            "sys_read -> 0xfffffffffffffffe",
        );
        check(
            &|r, o| render_exit(&READ, r, o),
            &words(&[0]),
            "sys_read -> 0x0",
        );
        let mut open = words(&[0, 257, 0xffff_ff9c, 0x7f00, 0x80000, 0]);
        open.extend_from_slice(&(52u32 | 12 << 16).to_ne_bytes());
        open.extend_from_slice(b"/etc/passwd\0");
        check(
            &|r, o| render_enter(&OPENAT, r, false, o),
            &open,
            "sys_openat(dfd: 0xffffff9c, filename: 0x7f00 \"/etc/passwd\", flags: 0x80000, mode: 0)",
        );
        check(
            &|r, o| render_enter(&OPENAT, r, true, o),
            &open,
            "sys_openat(int dfd: 0xffffff9c, const char * filename: 0x7f00 \"/etc/passwd\", int flags: 0x80000, umode_t mode: 0)",
        );
        open.truncate(60);
        check(
            &|r, o| render_enter(&OPENAT, r, false, o),
            &open,
            "sys_openat(dfd: 0xffffff9c, filename: 0x7f00 \"\", flags: 0x80000, mode: 0)",
        );
    }
}
