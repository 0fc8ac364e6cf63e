//! All events of a tracefs: those that macros declared anywhere in the program, and ftrace's own.
//!
//! The link section's order differs from build to build, so events are sorted by system and name before they get their
//! ids; the ids are then the same for every run of the same program. The kernel registers event after event and lists
//! the newest first: here, too, `available_events` and whatever follows its order go from the highest id to the lowest.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::base::text;
use crate::event::declare::{Class, EventDecl, Print, SyscallDecl, section};
use crate::event::field::{Field, Str};
use crate::event::format::format_text;
use crate::event::print_fmt::{CompileError, Env, Program};
use crate::event::syscall;

mod builtin;

/// The system of ftrace's own events.
pub const FTRACE: &str = "ftrace";
/// `ftrace:kernel_stack`.
pub const KERNEL_STACK_ID: u16 = 4;
/// `ftrace:print`: what writing to `trace_marker` records.
pub const PRINT_ID: u16 = 5;
/// `ftrace:user_stack`.
pub const USER_STACK_ID: u16 = 13;
/// `ftrace:raw_data`: what writing to `trace_marker_raw` records.
pub const RAW_DATA_ID: u16 = 19;
/// The first id that is not one of ftrace's own.
pub const FIRST_FREE_ID: u16 = 21;
/// The highest id: KernelShark keeps ids in 16 signed bits.
pub const LAST_ID: u16 = 32767;

/// One event.
pub struct Event {
    /// `id`, `ID:` in `format`, and `common_type` in its records.
    pub id: u16,
    /// Its system.
    pub system: Str,
    /// Its name.
    pub name: Str,
    /// Its fields, without the common ones.
    pub fields: Vec<Field>,
    /// What stands behind `print fmt:`.
    pub print_fmt: Str,
    /// How its records become text.
    pub renderer: Renderer,
    /// Length of the fixed part of a record, in bytes.
    pub size: u16,
    /// What its macro left behind; `None` for ftrace's own.
    pub decl: Option<&'static EventDecl>,
}

/// How the records of an event become text.
#[expect(
    clippy::large_enum_variant,
    reason = "one for each event, and nearly all are programs"
)]
pub enum Renderer {
    /// The compiled `print fmt`.
    Program(Program),
    /// A function of the event, for what C cannot say.
    Rust(fn(&[u8], &mut Vec<u8>)),
    /// `sys_NAME(argument: value, …)`.
    SyscallEnter(&'static SyscallDecl),
    /// `sys_NAME -> value`.
    SyscallExit(&'static SyscallDecl),
    /// The records of `trace_marker_raw`: `# id buf: bytes`.
    RawData,
}

impl Event {
    /// The text of the `format` file.
    pub fn format(&self) -> String {
        format_text(&self.name, self.id, &self.fields, &self.print_fmt)
    }

    /// Whether it can be enabled: ftrace's own events cannot.
    pub fn is_enableable(&self) -> bool {
        self.decl.is_some()
    }

    /// Appends what a line of `trace` shows behind the time stamp: for most events `name: text`. No newline.
    pub fn render(&self, record: &[u8], env: &Env<'_>, out: &mut Vec<u8>) {
        match &self.renderer {
            Renderer::Program(program) => {
                self.title(out);
                program.render(record, env, out);
            }
            Renderer::Rust(render) => {
                self.title(out);
                render(record, out);
            }
            Renderer::SyscallEnter(call) => syscall::render_enter(call, record, env.verbose, out),
            Renderer::SyscallExit(call) => syscall::render_exit(call, record, out),
            Renderer::RawData => raw_data(record, out),
        }
    }

    fn title(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(b": ");
    }

    /// The event of a declaration.
    fn declared(decl: &'static EventDecl, id: u16) -> Result<Event, BuildError> {
        let fields = match decl.class {
            Class::SyscallEnter(call) => syscall::enter_fields(call),
            Class::SyscallExit(_) => syscall::exit_fields(),
            Class::Plain => {
                let field = |f: &crate::event::declare::FieldDecl| {
                    Field::new(&f.declaration(), f.offset, f.size, f.signed())
                };
                decl.fields.iter().map(field).collect()
            }
        };
        let (print_fmt, rust): (Str, _) = match (decl.class, decl.print) {
            (Class::SyscallEnter(call), _) => (syscall::enter_print_fmt(call).into(), None),
            (Class::SyscallExit(_), _) => (syscall::EXIT_PRINT_FMT.into(), None),
            (Class::Plain, Print::C(text)) => (text.into(), None),
            (Class::Plain, Print::Rust(render)) => (plain_print_fmt(decl).into(), Some(render)),
            (Class::Plain, Print::Class) => ("\"\"".into(), None),
        };
        // Also what is not used here has to be C that tools can read.
        let program =
            Program::compile(&print_fmt, &fields).map_err(|error| BuildError::PrintFmt {
                event: Place::of(decl),
                error: Arc::new(error),
            })?;
        let renderer = match (decl.class, rust) {
            (Class::SyscallEnter(call), _) => Renderer::SyscallEnter(call),
            (Class::SyscallExit(call), _) => Renderer::SyscallExit(call),
            (Class::Plain, Some(render)) => Renderer::Rust(render),
            (Class::Plain, None) => Renderer::Program(program),
        };
        let size = match decl.class {
            Class::Plain => decl.size,
            _ => fields.last().map_or(8, |f| f.offset + f.size),
        };
        Ok(Event {
            id,
            system: decl.system.into(),
            name: decl.name.into(),
            fields,
            print_fmt,
            renderer,
            size,
            decl: Some(decl),
        })
    }

    /// One of ftrace's own.
    fn builtin(b: &builtin::Builtin) -> Event {
        let fields: Vec<_> = b
            .fields
            .iter()
            .map(|&(decl, offset, size, signed)| Field::new(decl, offset, size, signed))
            .collect();
        let renderer = match Program::compile(b.print_fmt, &fields) {
            _ if b.id == RAW_DATA_ID => Renderer::RawData,
            Ok(program) => Renderer::Program(program),
            // A test sees to it that this is never reached.
            Err(_) => Renderer::Rust(|_, _| {}),
        };
        Event {
            id: b.id,
            system: FTRACE.into(),
            name: b.name.into(),
            size: fields.last().map_or(8, |f| f.offset + f.size),
            fields,
            print_fmt: b.print_fmt.into(),
            renderer,
            decl: None,
        }
    }
}

/// The bytes of a raw marker, in whole words as the kernel shows them.
fn raw_data(record: &[u8], out: &mut Vec<u8>) {
    let id = record
        .get(8..12)
        .map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
    out.extend_from_slice(b"# ");
    text::hex(out, u64::from(id));
    out.extend_from_slice(b" buf:");
    for byte in record.get(12..).unwrap_or_default() {
        let digit = |n: u8| b"0123456789abcdef"[usize::from(n)];
        out.extend_from_slice(&[b' ', digit(byte >> 4), digit(byte & 15)]);
    }
}

/// `name=%d …` for every field, for events whose text C cannot make.
fn plain_print_fmt(decl: &EventDecl) -> String {
    use crate::event::declare::Kind;
    let (mut format, mut args) = (String::from("\""), String::new());
    for (i, field) in decl.fields.iter().enumerate() {
        let (name, shape) = (field.name, field.shape);
        let long = if shape.elem == 8 { "l" } else { "" };
        if i > 0 {
            format.push(' ');
        }
        let (conversion, value) = match shape.kind {
            Kind::Chars(_) => ("%s".into(), alloc::format!("REC->{name}")),
            Kind::DynStr => ("%s".into(), alloc::format!("__get_str({name})")),
            Kind::Pointer => ("%p".into(), alloc::format!("REC->{name}")),
            Kind::Array(n) => (
                "%s".into(),
                alloc::format!("__print_array(REC->{name}, {n}, {})", shape.elem),
            ),
            Kind::DynArray => (
                "%s".into(),
                alloc::format!(
                    "__print_array(__get_dynamic_array({name}), __get_dynamic_array_len({name}) / {size}, {size})",
                    size = shape.elem
                ),
            ),
            Kind::Int | Kind::Bool | Kind::Opaque => {
                let letter = if shape.signed { "d" } else { "u" };
                (
                    alloc::format!("%{long}{letter}"),
                    alloc::format!("REC->{name}"),
                )
            }
        };
        format.push_str(&alloc::format!("{name}={conversion}"));
        args.push_str(&alloc::format!(", {value}"));
    }
    format + "\"" + &args
}

/// Where an event was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `system:name`.
    pub event: String,
    /// `file:line`.
    pub source: String,
}

impl Place {
    fn of(decl: &EventDecl) -> Place {
        Place {
            event: alloc::format!("{}:{}", decl.system, decl.name),
            source: decl.place(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.event, self.source)
    }
}

/// Why the declared events make no registry.
#[derive(Clone, Debug)]
pub enum BuildError {
    /// Two declarations of one event.
    Duplicate {
        /// `system:name`.
        event: String,
        /// `file:line` of both.
        sources: [String; 2],
    },
    /// A declaration in ftrace's own system.
    Reserved(Place),
    /// A `print fmt` that is not C.
    PrintFmt {
        /// Whose.
        event: Place,
        /// What is wrong.
        error: Arc<CompileError>,
    },
    /// No ids left below 32768.
    TooMany {
        /// Declared events.
        events: usize,
        /// The first id that was to be given.
        first_id: u16,
    },
    /// The ids from there on belong to ftrace's own events.
    FirstId(u16),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Duplicate {
                event,
                sources: [a, b],
            } => write!(f, "event {event} is declared twice: {a} and {b}"),
            BuildError::Reserved(place) => {
                write!(f, "event {place}: the system {FTRACE} is ftrace's own")
            }
            BuildError::PrintFmt { event, error } => write!(f, "event {event}: print fmt: {error}"),
            BuildError::TooMany { events, first_id } => {
                write!(
                    f,
                    "{events} events from id {first_id} on do not end before {LAST_ID}"
                )
            }
            BuildError::FirstId(id) => write!(
                f,
                "ids of declared events begin at {FIRST_FREE_ID}, not {id}"
            ),
        }
    }
}

impl core::error::Error for BuildError {}

/// The events by id, by name, and in the order of `available_events`.
pub struct Registry {
    /// Ascending ids.
    events: Vec<Arc<Event>>,
    by_name: BTreeMap<(Str, Str), Arc<Event>>,
}

impl Registry {
    /// All events that are declared in this program, numbered from `first_id`, and ftrace's own.
    ///
    /// # Errors
    /// Says which events, and where in the source, stand in the way.
    pub fn build(first_id: u16) -> Result<Registry, BuildError> {
        Registry::from_decls(section::declared(), first_id)
    }

    /// As [`build`](Registry::build), from given declarations. One that appears several times counts once.
    ///
    /// # Errors
    /// As there.
    pub fn from_decls(
        decls: impl IntoIterator<Item = &'static EventDecl>,
        first_id: u16,
    ) -> Result<Registry, BuildError> {
        if first_id < FIRST_FREE_ID {
            return Err(BuildError::FirstId(first_id));
        }
        let mut decls: Vec<&'static EventDecl> = decls.into_iter().collect();
        // The address makes the order total; it decides nothing but which of two duplicates is named first.
        let key = |d: &&'static EventDecl| {
            (
                d.system,
                d.name,
                d.file,
                d.line,
                core::ptr::from_ref(*d) as usize,
            )
        };
        decls.sort_unstable_by_key(key);
        decls.dedup_by_key(|d| core::ptr::from_ref(*d));
        if let Some(pair) = decls
            .windows(2)
            .find(|p| (p[0].system, p[0].name) == (p[1].system, p[1].name))
        {
            return Err(BuildError::Duplicate {
                event: Place::of(pair[0]).event,
                sources: [pair[0].place(), pair[1].place()],
            });
        }
        if let Some(decl) = decls.iter().find(|d| d.system == FTRACE) {
            return Err(BuildError::Reserved(Place::of(decl)));
        }
        if decls.len() > usize::from((LAST_ID + 1).saturating_sub(first_id)) {
            return Err(BuildError::TooMany {
                events: decls.len(),
                first_id,
            });
        }
        let mut events: Vec<Arc<Event>> = builtin::BUILTIN
            .iter()
            .map(|b| Arc::new(Event::builtin(b)))
            .collect();
        for (id, decl) in (first_id..).zip(decls) {
            events.push(Arc::new(Event::declared(decl, id)?));
        }
        let by_name = events
            .iter()
            .map(|e| ((e.system.clone(), e.name.clone()), e.clone()))
            .collect();
        Ok(Registry { events, by_name })
    }

    /// The event with this id.
    #[inline]
    pub fn event(&self, id: u16) -> Option<&Arc<Event>> {
        // Declared ids are consecutive and last, so the place can be computed from the end.
        let last = self.events.last()?;
        let back = usize::from(last.id.checked_sub(id)?);
        if let Some(event) = self
            .events
            .len()
            .checked_sub(1 + back)
            .and_then(|i| self.events.get(i))
            && event.id == id
        {
            return Some(event);
        }
        let found = self.events.binary_search_by_key(&id, |e| e.id).ok()?;
        self.events.get(found)
    }

    /// The event of this name.
    pub fn find(&self, system: &str, name: &str) -> Option<&Arc<Event>> {
        self.by_name
            .get(&(Cow::Owned(system.into()), Cow::Owned(name.into())))
    }

    /// What `available_events` lists, in its order: all but ftrace's own, newest (highest id) first.
    pub fn available(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.iter().rev().filter(|e| e.is_enableable())
    }

    /// All events, with ftrace's own, by ascending id.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.iter()
    }

    /// The events of one system, in the order of `available_events`.
    pub fn of_system<'a>(&'a self, system: &'a str) -> impl Iterator<Item = &'a Arc<Event>> {
        self.events.iter().rev().filter(move |e| e.system == system)
    }

    /// The systems' names, ftrace's among them, sorted.
    pub fn systems(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.by_name.keys().map(|(system, _)| &**system).collect();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests;
