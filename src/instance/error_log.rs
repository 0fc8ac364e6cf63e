//! `error_log`: the last errors of an instance's commands, each with the command and a caret below its bad place
//! (Documentation/trace/ftrace.rst).

use alloc::borrow::Cow;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::base::error::Caret;
use crate::base::text;

/// Entries kept; older ones go.
const KEPT: usize = 8;

struct Entry {
    /// Nanoseconds of the local clock.
    time: u64,
    location: Cow<'static, str>,
    message: Cow<'static, str>,
    position: usize,
    command: Vec<u8>,
}

/// The last eight errors of one instance, oldest first.
#[derive(Default)]
pub struct ErrorLog {
    entries: VecDeque<Entry>,
}

impl ErrorLog {
    /// Adds what `caret` says about `command`, at `time` nanoseconds of the local clock.
    pub fn add(&mut self, time: u64, caret: &Caret, command: &[u8]) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            time,
            location: caret.location.clone(),
            message: caret.message.clone(),
            position: caret.position,
            command: command.strip_suffix(b"\n").unwrap_or(command).into(),
        });
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The text of each entry.
    pub fn entries(&self) -> Vec<Vec<u8>> {
        let text = |e: &Entry| {
            let mut out = Vec::new();
            out.push(b'[');
            text::seconds(&mut out, e.time, 5);
            out.extend_from_slice(b"] ");
            out.extend_from_slice(e.location.as_bytes());
            out.extend_from_slice(b": error: ");
            out.extend_from_slice(e.message.as_bytes());
            out.extend_from_slice(b"\n  Command: ");
            out.extend_from_slice(&e.command);
            out.push(b'\n');
            out.resize(out.len() + 11 + e.position, b' ');
            out.extend_from_slice(b"^\n");
            out
        };
        self.entries.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_last_eight() {
        let mut log = ErrorLog::default();
        for i in 0..9 {
            let caret = Caret {
                location: "event filter parse error".into(),
                message: "Field not found".into(),
                position: i,
            };
            log.add(2_961_998_582_000, &caret, b"bad4==1\n");
        }
        let text = alloc::string::String::from_utf8(log.entries().concat()).unwrap();
        assert_eq!(text.lines().count(), 24);
        let first = "[ 2961.998582] event filter parse error: error: Field not found\n  Command: bad4==1\n            ^\n";
        assert!(text.starts_with(first), "{text}");
        log.clear();
        assert!(log.entries().is_empty());
    }
}
