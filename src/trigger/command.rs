//! The grammar of a command: `NAME[:PARAMETERS][ if FILTER]`.
//!
//! Words are cut as the kernel cuts them: one separator ends a word, and what follows it counts.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::count::{Count, unsigned};
use crate::base::clock::ClockId;
use crate::base::error::{Errno, Error, Result};
use crate::filter::{Filter, Now};
use crate::instance::triggers::{Kind, Trigger};
use crate::instance::{EventFile, TraceArray};

/// One row of the table of commands.
pub(super) trait Command: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it does, which an event has set only once.
    fn group(&self) -> &'static str {
        self.name()
    }

    /// Whether it works on another event: `SYSTEM:EVENT` comes first.
    fn has_target(&self) -> bool {
        false
    }

    /// The trigger that does it, in `array` for `file`. Before it, whatever it needs.
    fn make(
        &self,
        array: &TraceArray,
        common: Common,
        target: Option<Arc<EventFile>>,
    ) -> Result<Arc<dyn Trigger>>;
}

/// Up to the first of the separators, and what is behind it.
pub(super) fn split<'a>(text: &'a [u8], separators: &[u8]) -> (&'a [u8], Option<&'a [u8]>) {
    match text.iter().position(|b| separators.contains(b)) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Without white space at the beginning.
pub(super) fn skip_spaces(text: &[u8]) -> &[u8] {
    let spaces = text
        .iter()
        .take_while(|b| crate::base::parse::is_space(**b));
    &text[spaces.count()..]
}

/// A command taken apart; number and filter are not looked at yet.
pub(super) struct Parsed<'a> {
    command: &'static dyn Command,
    target: Option<Arc<EventFile>>,
    number: Option<&'a [u8]>,
    filter: Option<&'a [u8]>,
}

impl<'a> Parsed<'a> {
    /// `rest` is what follows the name. A target that is not there: `EINVAL`.
    pub(super) fn new(
        command: &'static dyn Command,
        array: &TraceArray,
        rest: Option<&'a [u8]>,
    ) -> Result<Parsed<'a>> {
        let mut parsed = Parsed {
            command,
            target: None,
            number: None,
            filter: None,
        };
        let invalid = Error::new(Errno::EINVAL);
        let Some(rest) = rest else {
            return match command.has_target() {
                true => Err(invalid),
                false => Ok(parsed),
            };
        };
        if !command.has_target() && !rest.first().is_some_and(u8::is_ascii_digit) {
            parsed.filter = Some(rest);
            return Ok(parsed);
        }
        let (parameters, filter) = split(rest, b" \t");
        parsed.filter = filter.map(skip_spaces).filter(|f| !f.is_empty());
        parsed.number = Some(parameters);
        if command.has_target() {
            let (system, event) = split(parameters, b":");
            let (event, number) = split(event.ok_or(invalid.clone())?, b":");
            let name = |bytes| core::str::from_utf8(bytes).ok();
            let found = name(system)
                .zip(name(event))
                .and_then(|(system, event)| array.registry().find(system, event))
                .and_then(|event| array.file(event.id));
            parsed.target = Some(found.ok_or(invalid)?.clone());
            parsed.number = number;
        }
        Ok(parsed)
    }

    /// Which trigger it means.
    pub(super) fn kind(&self) -> Kind {
        Kind {
            name: self.command.group(),
            target: self.target.as_ref().map_or(0, |t| t.event().id),
        }
    }

    /// The trigger that it asks for.
    pub(super) fn make(self, array: &TraceArray, file: &EventFile) -> Result<Arc<dyn Trigger>> {
        let count = match self.number {
            None => Count::UNLIMITED,
            Some(number) => unsigned(split(number, b":").0)?,
        };
        let filter = self.filter.map(|f| condition(array, file, f)).transpose()?;
        let common = Common {
            kind: self.kind(),
            name: self.command.name(),
            count: Count::new(count),
            filter,
        };
        self.command.make(array, common, self.target)
    }
}

/// A filter and its text.
struct Condition {
    filter: Filter,
    text: Vec<u8>,
}

/// `if FILTER`; errors go to the instance's log, with the filter as the command.
fn condition(array: &TraceArray, file: &EventFile, text: &[u8]) -> Result<Condition> {
    let (word, Some(text)) = split(text, b" \t") else {
        return Err(Error::new(Errno::EINVAL));
    };
    if word != b"if" {
        return Err(Error::new(Errno::EINVAL));
    }
    match Filter::compile(text, &file.event().fields) {
        Ok(filter) => Ok(Condition {
            filter,
            text: text.into(),
        }),
        Err(refused) => {
            let now = ClockId::Local.now();
            array.errors().lock().add(now, &refused.caret(), text);
            Err(Error::new(refused.errno))
        }
    }
}

/// What all triggers have.
pub(super) struct Common {
    kind: Kind,
    name: &'static str,
    pub(super) count: Count,
    filter: Option<Condition>,
}

impl Common {
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    pub(super) fn passes(&self, record: &[u8]) -> bool {
        let matches = |c: &Condition| c.filter.matches(record, &Now::default());
        self.filter.as_ref().is_none_or(matches)
    }

    /// `NAME[:SYSTEM:EVENT]:COUNT[ if FILTER]`
    pub(super) fn show(&self, target: Option<&EventFile>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        if let Some(target) = target {
            for part in [&*target.event().system, &*target.event().name] {
                out.push(b':');
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.push(b':');
        self.count.show(out);
        if let Some(condition) = &self.filter {
            out.extend_from_slice(b" if ");
            out.extend_from_slice(&condition.text);
        }
    }
}

/// What [`Trigger`] has in common for those that hold a [`Common`] in `common`.
macro_rules! common {
    () => {
        fn is_filtered(&self) -> bool {
            self.common.is_filtered()
        }

        fn passes(&self, record: &[u8]) -> bool {
            self.common.passes(record)
        }

        fn kind(&self) -> Kind {
            self.common.kind()
        }
    };
}
pub(super) use common;
