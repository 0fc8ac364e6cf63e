//! The `__print_` helpers as Rust values, for texts that are made in Rust because C cannot say the rest of them.
//!
//! In `TP_printk({ let …; format!(…) })` they are written as macros (`__print_flags!(…)`), which need no import. A block
//! that is translated into C does not get here; both give the same text.

use core::fmt::{self, Display, Formatter};

use crate::event::field_type::{Element, Elements};

/// `__print_flags`.
pub struct Flags<'a> {
    /// The flags, extended with their sign.
    pub value: u64,
    /// What stands between two names.
    pub delimiter: &'a str,
    /// `(mask, name)`.
    pub names: &'a [(u64, &'a str)],
}

impl Display for Flags<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut left = self.value;
        let mut delimiter = "";
        for (mask, name) in self.names {
            if left == 0 {
                break;
            }
            if left & mask == *mask {
                left &= !mask;
                write!(f, "{delimiter}{name}")?;
                delimiter = self.delimiter;
            }
        }
        if left != 0 {
            write!(f, "{delimiter}{left:#x}")?;
        }
        Ok(())
    }
}

/// `__print_symbolic`.
pub struct Symbolic<'a> {
    /// The number, extended with its sign.
    pub value: u64,
    /// `(number, name)`.
    pub names: &'a [(u64, &'a str)],
}

impl Display for Symbolic<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.names.iter().find(|(number, _)| *number == self.value) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{:#x}", self.value),
        }
    }
}

/// A field that is an array.
pub trait ArrayView {
    /// Its elements, as numbers without a sign, of `SIZE` bytes each.
    fn numbers(&self) -> impl Iterator<Item = u64>;
    /// Bytes of an element.
    fn element_size(&self) -> usize;
}

fn number<E: Element>(element: E) -> u64 {
    // SAFETY: an element is an integer of `elem` bytes, which is at most 8.
    unsafe {
        let at = &raw const element;
        match size_of::<E>() {
            1 => at.cast::<u8>().read().into(),
            2 => at.cast::<u16>().read().into(),
            4 => at.cast::<u32>().read().into(),
            _ => at.cast::<u64>().read(),
        }
    }
}

impl<E: Element, const N: usize> ArrayView for [E; N] {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.iter().map(|e| number(*e))
    }
    fn element_size(&self) -> usize {
        size_of::<E>()
    }
}

impl<E: Element> ArrayView for Elements<'_, E> {
    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.iter().map(number)
    }
    fn element_size(&self) -> usize {
        size_of::<E>()
    }
}

/// `__print_hex` and `__print_hex_str`.
pub struct Hex<'a, A> {
    /// The field.
    pub array: &'a A,
    /// How many of its bytes.
    pub bytes: usize,
    /// What stands between two bytes.
    pub separator: &'a str,
}

impl<A: ArrayView> Display for Hex<'_, A> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let size = self.array.element_size();
        let bytes = self.array.numbers().flat_map(|n| {
            let all = n.to_ne_bytes();
            let from = if cfg!(target_endian = "little") {
                0
            } else {
                8 - size
            };
            (from..from + size).map(move |i| all[i])
        });
        for (i, byte) in bytes.take(self.bytes).enumerate() {
            let separator = if i == 0 { "" } else { self.separator };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

/// `__print_array`.
pub struct Array<'a, A> {
    /// The field.
    pub array: &'a A,
    /// How many of its elements.
    pub count: usize,
}

impl<A: ArrayView> Display for Array<'_, A> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, n) in self.array.numbers().take(self.count).enumerate() {
            write!(f, "{}{n:#x}", if i == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

/// `__print_flags!(value, "|", {mask, "NAME"}, …)` in a `TP_printk` block.
#[doc(hidden)]
#[macro_export]
macro_rules! __print_flags {
    ($value:expr, $delimiter:expr $(, $entry:tt)* $(,)?) => {
        $crate::__private::Flags {
            value: $value as i128 as u64,
            delimiter: $delimiter,
            names: &[$($crate::__name_entry!($entry)),*],
        }
    };
}

/// `__print_symbolic!(value, {number, "NAME"}, …)` in a `TP_printk` block.
#[doc(hidden)]
#[macro_export]
macro_rules! __print_symbolic {
    ($value:expr $(, $entry:tt)* $(,)?) => {
        $crate::__private::Symbolic { value: $value as i128 as u64, names: &[$($crate::__name_entry!($entry)),*] }
    };
}

/// `{1, "NAME"}` or `(1, "NAME")`.
#[doc(hidden)]
#[macro_export]
macro_rules! __name_entry {
    ({ $value:expr, $name:expr $(,)? }) => {
        ($value as i128 as u64, $name)
    };
    (($value:expr, $name:expr $(,)?)) => {
        ($value as i128 as u64, $name)
    };
}

/// `__print_hex!(array[, bytes])` in a `TP_printk` block.
#[doc(hidden)]
#[macro_export]
macro_rules! __print_hex {
    ($array:expr $(,)?) => {
        $crate::__private::Hex {
            array: &$array,
            bytes: usize::MAX,
            separator: " ",
        }
    };
    ($array:expr, $bytes:expr $(,)?) => {
        $crate::__private::Hex {
            array: &$array,
            bytes: $bytes as usize,
            separator: " ",
        }
    };
}

/// `__print_hex_str!(array[, bytes])` in a `TP_printk` block.
#[doc(hidden)]
#[macro_export]
macro_rules! __print_hex_str {
    ($array:expr $(,)?) => {
        $crate::__private::Hex {
            array: &$array,
            bytes: usize::MAX,
            separator: "",
        }
    };
    ($array:expr, $bytes:expr $(,)?) => {
        $crate::__private::Hex {
            array: &$array,
            bytes: $bytes as usize,
            separator: "",
        }
    };
}

/// `__print_array!(array[, count[, size of an element]])` in a `TP_printk` block.
#[doc(hidden)]
#[macro_export]
macro_rules! __print_array {
    ($array:expr $(,)?) => {
        $crate::__private::Array {
            array: &$array,
            count: usize::MAX,
        }
    };
    ($array:expr, $count:expr $(, $size:expr)? $(,)?) => {
        $crate::__private::Array {
            array: &$array,
            count: $count as usize,
        }
    };
}
