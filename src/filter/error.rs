//! Why a filter is refused: an errno, for most reasons a sentence, and the place.

use alloc::vec::Vec;

use crate::base::error::{Caret, Errno, Error};

/// A filter that cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The answer to the write.
    pub errno: Errno,
    /// What is wrong; `None` where the kernel has no words for it.
    pub message: Option<&'static str>,
    /// Byte offset into the text, sometimes one behind it.
    pub position: usize,
}

impl Refused {
    /// What a system's filter is for those of its events that cannot take it.
    pub const NOT_APPLICABLE: Refused = Refused {
        errno: Errno::EINVAL,
        message: Some("Couldn't find or set field in one of a subsystem's events"),
        position: 0,
    };

    pub(super) fn new(errno: Errno, message: &'static str, position: usize) -> Refused {
        Refused {
            errno,
            message: Some(message),
            position,
        }
    }

    /// `EINVAL`, as most errors are.
    pub(super) fn invalid(message: &'static str, position: usize) -> Refused {
        Refused::new(Errno::EINVAL, message, position)
    }

    /// An error without words.
    pub(super) const fn silent(errno: Errno) -> Refused {
        Refused {
            errno,
            message: None,
            position: 0,
        }
    }

    /// What the `filter` file reads after `text` was refused, without the newline of every filter: the text, a caret below
    /// the place, the reason.
    pub fn show(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::from(text);
        out.push(b'\n');
        match self.message {
            Some(message) => {
                let caret = self.position.min(text.len());
                out.resize(out.len() + caret, b' ');
                out.extend_from_slice(b"^\nparse_error: ");
                out.extend_from_slice(message.as_bytes());
                out.push(b'\n');
            }
            None => out.extend_from_slice(b"Error: (0)\n"),
        }
        out
    }

    /// What `error_log` says of it.
    pub fn caret(&self) -> Caret {
        Caret {
            location: "event filter parse error".into(),
            message: self.message.unwrap_or("Error").into(),
            position: self.position,
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        Error {
            errno: refused.errno,
            caret: Some(refused.caret()),
        }
    }
}
