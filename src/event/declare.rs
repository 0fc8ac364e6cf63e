//! What the event macros leave behind for every event: a static description, found through a link section.
//!
//! The macros know Rust types; everything above floor 2 wants C declarations, offsets and a `print fmt`. An
//! [`EventDecl`] is the hand-over: constant data, made by the compiler, read by the registry.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::print_fmt::literal::Buf;
use crate::event::record::MAX_PAYLOAD;
use crate::event::tracepoint::Tracepoint;

pub mod section;

/// One event as its macro declared it.
pub struct EventDecl {
    /// The system (`events/SYSTEM`).
    pub system: &'static str,
    /// The event (`events/SYSTEM/EVENT`).
    pub name: &'static str,
    /// The fields after the common ones, in the order of their offsets. Empty for the syscall classes, whose fields
    /// follow from [`Class`].
    pub fields: &'static [FieldDecl],
    /// Length of the fixed part, common fields included, in bytes.
    pub size: u16,
    /// How a record becomes text.
    pub print: Print,
    /// What listeners attach to.
    pub tracepoint: &'static Tracepoint,
    /// The probe that records into an event file: `fn(*const EventFile, ARGS…)`, to be attached with the event file
    /// as its data.
    pub probe: *const (),
    /// The same for the event files of several instances at once, with a
    /// [`Group`](super::tracepoint::Group) as its data; null: there is none.
    pub together: *const (),
    /// Source file of the declaration.
    pub file: &'static str,
    /// Line of the declaration.
    pub line: u32,
    /// Plain event or member of a class.
    pub class: Class,
    /// Does nothing; its body puts this description into the link section, so the two cannot be torn apart.
    pub keep: fn(),
}

// SAFETY: all of it is constant; `probe` and `together` are functions' addresses.
unsafe impl Sync for EventDecl {}
// SAFETY: as above.
unsafe impl Send for EventDecl {}

impl EventDecl {
    /// Where the event was declared, as the compiler writes it: `src/x.rs:12`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// How the text of a record is made.
#[derive(Clone, Copy)]
pub enum Print {
    /// The `print fmt` itself: `"a=%u", REC->a`.
    C(&'static str),
    /// C cannot say it; this function writes the text of a record. `format` lists the plain fields.
    Rust(fn(&[u8], &mut Vec<u8>)),
    /// Made from the class.
    Class,
}

/// The event class that a declaration belongs to.
#[derive(Clone, Copy)]
pub enum Class {
    /// A class of its own.
    Plain,
    /// `sys_enter_NAME`.
    SyscallEnter(&'static SyscallDecl),
    /// `sys_exit_NAME`.
    SyscallExit(&'static SyscallDecl),
}

impl Class {
    /// Whether this machine can have events of the class.
    fn exists(&self) -> bool {
        match self {
            Class::Plain => true,
            Class::SyscallEnter(call) | Class::SyscallExit(call) => call.exists(),
        }
    }
}

/// One system call: both its events follow from this.
pub struct SyscallDecl {
    /// Name without `sys_`.
    pub name: &'static str,
    /// Number (`__syscall_nr`); negative: this machine does not have the call, and there are no events.
    pub nr: i32,
    /// The arguments, at most six.
    pub args: &'static [SyscallArg],
}

impl SyscallDecl {
    /// Whether this machine has the call.
    pub const fn exists(&self) -> bool {
        self.nr >= 0
    }

    /// How many arguments are paths.
    pub fn paths(&self) -> usize {
        self.args.iter().filter(|arg| arg.path).count()
    }
}

/// One argument of a system call.
pub struct SyscallArg {
    /// Its name, e.g. `dfd`.
    pub name: &'static str,
    /// Its C type, e.g. `umode_t`.
    pub ctype: &'static str,
    /// Whether it points to a path, whose text is recorded too (`__NAME_val`).
    pub path: bool,
}

/// What a Rust type is as a field: given by [`FieldType::SHAPE`](crate::event::field_type::FieldType::SHAPE).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// C type, of the element where there are several.
    pub ctype: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// Size of one element, in bytes.
    pub elem: u8,
    /// Whether one element is signed.
    pub signed: bool,
}

/// What a field is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// An integer.
    Int,
    /// A `bool`.
    Bool,
    /// A pointer.
    Pointer,
    /// An integer that Rust shows in a way of its own (see `field_type!`).
    Opaque,
    /// `[T; N]`.
    Array(usize),
    /// `char[N]`.
    Chars(usize),
    /// `__data_loc char[]`.
    DynStr,
    /// `__data_loc T[]`.
    DynArray,
}

/// One declared field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldDecl {
    /// Its name.
    pub name: &'static str,
    /// What it is, with the C type as `format` shows it.
    pub shape: Shape,
    /// Bytes from the start of the record.
    pub offset: u16,
    /// Bytes in the fixed part.
    pub size: u16,
}

impl FieldDecl {
    /// A field of the given shape; `ctype` replaces the C type (`as "pid_t"`).
    ///
    /// # Panics
    /// At compile time, when a well-known C type of another size is asked for.
    pub const fn new(
        name: &'static str,
        mut shape: Shape,
        ctype: Option<&'static str>,
        offset: usize,
        size: usize,
    ) -> FieldDecl {
        assert!(
            offset + size <= MAX_PAYLOAD,
            "the fixed part of an event must fit into one sub-buffer: at most 4072 bytes"
        );
        if let Some(ctype) = ctype {
            check_ctype(name, ctype, shape.elem, shape.signed);
            shape.ctype = ctype;
            if let (Kind::Array(n), true) = (shape.kind, same(ctype.as_bytes(), b"char")) {
                shape.kind = Kind::Chars(n);
            }
        }
        FieldDecl {
            name: without_raw(name),
            shape,
            offset: offset as u16,
            size: size as u16,
        }
    }

    /// The C declaration as `format` has it after `field:`: `pid_t pid`, `char comm[16]`, `__data_loc char[] name`.
    pub fn declaration(&self) -> String {
        let (ctype, name) = (self.shape.ctype, self.name);
        match self.shape.kind {
            Kind::Array(n) | Kind::Chars(n) => format!("{ctype} {name}[{n}]"),
            Kind::DynStr | Kind::DynArray => format!("__data_loc {ctype}[] {name}"),
            _ => format!("{ctype} {name}"),
        }
    }

    /// What `signed:` says: arrays count as their elements, strings and places of dynamic data are unsigned.
    pub fn signed(&self) -> bool {
        !matches!(
            self.shape.kind,
            Kind::Chars(_) | Kind::DynStr | Kind::DynArray
        ) && self.shape.signed
    }
}

/// An identifier without the `r#` that keywords need.
pub const fn without_raw(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// The last segment of `a::b`, without quotes and `r#`: what `TP_system(…)` names.
pub const fn system_name(text: &'static str) -> &'static str {
    let bytes = text.as_bytes();
    let (mut from, mut to) = (0, bytes.len());
    let mut i = 0;
    while i < to {
        if matches!(bytes[i], b':' | b' ' | b'"') && i + 1 < to {
            from = i + 1;
        }
        i += 1;
    }
    if to > from && bytes[to - 1] == b'"' {
        to -= 1;
    }
    let name = without_raw(text.split_at(to).0.split_at(from).1);
    check_name(name);
    name
}

/// Refuses what cannot be a directory in `events` nor a word of `set_event`.
const fn check_name(name: &str) {
    let bytes = name.as_bytes();
    assert!(
        !bytes.is_empty() && bytes.len() < 64,
        "a name of an event or system has 1 to 63 characters"
    );
    let mut i = 0;
    while i < bytes.len() {
        assert!(
            bytes[i].is_ascii_alphanumeric() || matches!(bytes[i], b'_' | b'-'),
            "names of events and systems are made of letters, digits, _ and -"
        );
        i += 1;
    }
}

/// Compares bytes at compile time.
pub(crate) const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// C types of the kernel whose size and sign everybody knows: `(name, bytes, signed)`; 0 bytes: as wide as a pointer.
const C_TYPES: &[(&str, u8, bool)] = &[
    ("char", 1, false),
    ("signed char", 1, true),
    ("unsigned char", 1, false),
    ("bool", 1, false),
    ("s8", 1, true),
    ("u8", 1, false),
    ("short", 2, true),
    ("unsigned short", 2, false),
    ("s16", 2, true),
    ("u16", 2, false),
    ("umode_t", 2, false),
    ("int", 4, true),
    ("unsigned int", 4, false),
    ("unsigned", 4, false),
    ("s32", 4, true),
    ("u32", 4, false),
    ("pid_t", 4, true),
    ("uid_t", 4, false),
    ("gid_t", 4, false),
    ("dev_t", 4, false),
    ("gfp_t", 4, false),
    ("long", 0, true),
    ("unsigned long", 0, false),
    ("long long", 8, true),
    ("unsigned long long", 8, false),
    ("s64", 8, true),
    ("u64", 8, false),
    ("size_t", 0, false),
    ("ssize_t", 0, true),
    ("loff_t", 8, true),
    ("sector_t", 8, false),
    ("ino_t", 0, false),
    ("ktime_t", 8, true),
];

/// Refuses `i32 as "long"`: tools read the size from the type's name.
const fn check_ctype(field: &str, ctype: &str, elem: u8, signed: bool) {
    let mut i = 0;
    while i < C_TYPES.len() {
        let (name, size, sign) = C_TYPES[i];
        // A Rust i8 or u8 may both be called char; the kernel shows it as unsigned.
        let sign_matters = elem != 1 || !same(name.as_bytes(), b"char");
        let size = if size == 0 {
            size_of::<usize>() as u8
        } else {
            size
        };
        if same(name.as_bytes(), ctype.as_bytes()) {
            if size != elem {
                refuse(field, ctype, "has another size than the Rust type");
            }
            if sign_matters && sign != signed {
                refuse(field, ctype, "has another sign than the Rust type");
            }
            return;
        }
        i += 1;
    }
}

/// A compile error about `field: … as "ctype"`.
const fn refuse(field: &str, ctype: &str, why: &str) -> ! {
    let mut message = Buf::new();
    message.push_all(b"field `");
    message.push_all(field.as_bytes());
    message.push_all(b"`: C's `");
    message.push_all(ctype.as_bytes());
    message.push_all(b"` ");
    message.push_all(why.as_bytes());
    panic!("{}", message.as_str());
}
