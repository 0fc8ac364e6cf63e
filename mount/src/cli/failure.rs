//! What went wrong and what to do about it.

use std::fmt;

/// Exit statuses of `utracefs` itself, those of mount(8) and env(1).
pub mod status {
    /// The command did not do its work.
    pub const FAILED: u8 = 1;
    /// mount(8) and umount(8): the mount or unmount failed.
    pub const MOUNT: u8 = 32;
    /// `exec`: utracefs failed before it could start the command.
    pub const EXEC: u8 = 125;
    /// `exec`: the command was found but could not be run.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// `exec`: the command was not found.
    pub const NOT_FOUND: u8 = 127;
}

/// A command's failure: its exit status, the cause, and what the user can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The process's exit status.
    pub status: u8,
    /// One sentence without a full stop: what was tried and what the system said.
    pub cause: String,
    /// What to do, one way a line; may be empty.
    pub remedies: Vec<String>,
}

impl Failure {
    /// A failure with status [`status::FAILED`] and no remedy.
    pub fn new(cause: impl Into<String>) -> Failure {
        Failure {
            status: status::FAILED,
            cause: cause.into(),
            remedies: Vec::new(),
        }
    }

    /// The same failure with another exit status.
    #[must_use]
    pub fn status(mut self, status: u8) -> Failure {
        self.status = status;
        self
    }

    /// The same failure with one more thing to do about it.
    #[must_use]
    pub fn remedy(mut self, text: impl Into<String>) -> Failure {
        self.remedies.push(text.into());
        self
    }

    /// Writes the failure to standard error.
    pub fn print(&self) {
        eprintln!("{self}");
    }

    /// One line per part, to pass it to another process; [`Failure::decode`] reads it back.
    pub fn encode(&self) -> String {
        let mut text = format!("{}\n{}\n", self.status, flat(&self.cause));
        for r in &self.remedies {
            text += &flat(r);
            text.push('\n');
        }
        text
    }

    /// Reads what [`Failure::encode`] wrote; None if it is something else.
    pub fn decode(text: &str) -> Option<Failure> {
        let mut lines = text.lines();
        let status = lines.next()?.parse().ok()?;
        let cause = lines.next()?.to_string();
        Some(Failure {
            status,
            cause,
            remedies: lines.map(str::to_string).collect(),
        })
    }
}

fn flat(text: &str) -> String {
    text.replace('\n', " ")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "utracefs: {}", self.cause)?;
        for r in &self.remedies {
            write!(f, "\n  {r}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_way_through_a_pipe() {
        for f in [
            Failure::new("no"),
            Failure::new("two\nlines")
                .status(32)
                .remedy("do a")
                .remedy("do b"),
            Failure::new("").status(255),
        ] {
            let back = Failure::decode(&f.encode()).unwrap();
            assert_eq!(back.status, f.status);
            assert_eq!(back.cause, f.cause.replace('\n', " "));
            assert_eq!(back.remedies, f.remedies);
        }
        assert_eq!(Failure::decode("nonsense"), None);
        assert_eq!(Failure::decode(""), None);
    }
}
