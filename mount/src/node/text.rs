//! What a control file shows: bytes, gathered line by line.

use std::fmt::{self, Display, Write};

/// The text of a control file while it is made.
#[derive(Default)]
pub struct Text(Vec<u8>);

impl Text {
    /// Adds `what` and a newline.
    pub fn line(&mut self, what: impl Display) {
        self.add(what);
        self.0.push(b'\n');
    }

    /// Adds `what` as it is.
    pub fn add(&mut self, what: impl Display) {
        // writing to a vector cannot fail, and a failing Display has nothing to add
        let _ = write!(self, "{what}");
    }

    /// Adds bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The vector behind, for those who append to one.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Forgets the text, keeps its memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets the first `n` bytes.
    pub fn drop_front(&mut self, n: usize) {
        self.0.drain(..n);
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0.extend_from_slice(s.as_bytes());
        Ok(())
    }
}
