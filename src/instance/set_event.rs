//! The words of `set_event`: which events they mean (Documentation/trace/events.rst, section 2.1).

use super::event_file::EventFile;

/// A word's two sides; `None` stands for any.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub(super) enum Which<'a> {
    /// `SYSTEM:EVENT` with `*` or nothing as any.
    Both(Option<&'a [u8]>, Option<&'a [u8]>),
    /// One name alone: a system or an event.
    Either(&'a [u8]),
}

impl<'a> Which<'a> {
    /// `None` if the word names nothing.
    pub(super) fn parse(word: &'a [u8]) -> Option<Which<'a>> {
        let any = |s: &'a [u8]| {
            if s.is_empty() || s == b"*" {
                None
            } else {
                Some(s)
            }
        };
        match word.iter().position(|b| *b == b':') {
            None => Some(Which::Either(word)),
            Some(at) => {
                let (system, event) = (&word[..at], &word[at + 1..]);
                (!event.contains(&b':')).then(|| Which::Both(any(system), any(event)))
            }
        }
    }

    pub(super) fn matches(&self, file: &EventFile) -> bool {
        let event = file.event();
        let (system, name) = (event.system.as_bytes(), event.name.as_bytes());
        match self {
            Which::Both(s, e) => s.is_none_or(|s| s == system) && e.is_none_or(|e| e == name),
            Which::Either(word) => *word == system || *word == name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        fn check(word: &str, expected: Option<Which>) {
            assert_eq!(Which::parse(word.as_bytes()), expected, "{word}");
        }
        check(
            "sched:sched_switch",
            Some(Which::Both(Some(b"sched"), Some(b"sched_switch"))),
        );
        check("sched:*", Some(Which::Both(Some(b"sched"), None)));
        check("sched:", Some(Which::Both(Some(b"sched"), None)));
        check(":", Some(Which::Both(None, None)));
        check("*:x", Some(Which::Both(None, Some(b"x"))));
        check("sched", Some(Which::Either(b"sched")));
        check("*", Some(Which::Either(b"*")));
        check("a:b:c", None);
    }
}
