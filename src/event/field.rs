//! The description of one field of a record, made from its C declaration, and bounds-checked access to its value.
//!
//! A field is what one `field:` line of a `format` file says (Documentation/trace/events.rst, "Event formats"). Records are
//! bytes from anywhere: every access may find too few of them and then answers `None`.

use alloc::borrow::Cow;
use alloc::string::String;

use super::ctype::{CInt, int_type};

/// Text that is static for declared events and owned for those made at run time.
pub type Str = Cow<'static, str>;

/// Where a field's value is and what it means, derived from its C type; [`Field::new`] is the one place that does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A number of 1, 2, 4 or 8 bytes.
    Int,
    /// A `bool`.
    Bool,
    /// An address.
    Pointer,
    /// An address of text (`char *`), not of this record.
    CharPtr,
    /// Text in place, up to a NUL or the array's end (`char[N]`).
    Chars,
    /// Numbers in place.
    Array {
        /// Bytes of one of them.
        elem: u8,
        /// Whether they have a sign.
        signed: bool,
    },
    /// `__data_loc`: a `u32` whose low half is the offset of the data from the record's start, whose high half is its length.
    DataLoc {
        /// Bytes of one element.
        elem: u8,
        /// Whether elements have a sign.
        signed: bool,
        /// Text that ends with a NUL.
        string: bool,
    },
    /// `__rel_loc`: as `__data_loc`, the offset counted from behind the `u32` itself.
    RelLoc {
        /// Bytes of one element.
        elem: u8,
        /// Whether elements have a sign.
        signed: bool,
        /// Text that ends with a NUL.
        string: bool,
    },
    /// A set of CPUs behind a `__data_loc` (or `__rel_loc`) word.
    Cpumask {
        /// Whether the word is a `__rel_loc`.
        rel: bool,
    },
    /// The record's open end (`char buf[]`).
    Flex {
        /// Bytes of one element.
        elem: u8,
        /// Whether elements have a sign.
        signed: bool,
        /// Text that ends with a NUL.
        string: bool,
    },
    /// A struct, or anything else that has no value of its own.
    Opaque,
}

/// One field of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name.
    pub name: Str,
    /// C text in front of the name: `pid_t`, `char`, `__data_loc char[]`, `const char *`.
    pub ctype: Str,
    /// C text behind the name: `[16]`, `[]` or nothing.
    pub array: Str,
    /// Bytes from the record's start.
    pub offset: u16,
    /// Bytes in the record's fixed part; 0 for an open end.
    pub size: u16,
    /// What the `format` file says of the sign: of the value, of an array's elements; never of what a `__data_loc` points to.
    pub signed: bool,
    /// What the C type means.
    pub kind: FieldKind,
}

/// A field's place as a number, for programs that load it often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// Bytes from the record's start.
    pub offset: u16,
    /// How wide, and whether the sign is carried to 64 bits.
    pub int: CInt,
}

impl Load {
    /// The number, extended to 64 bits with or without its sign; `None` if the record is too short.
    #[inline(always)]
    pub fn get(self, record: &[u8]) -> Option<u64> {
        load(record, usize::from(self.offset), self.int)
    }

    /// The part of the number that a narrower (or as wide) type keeps.
    pub(crate) fn narrow(self, int: CInt) -> Option<Load> {
        let more = self.int.size.checked_sub(int.size)?;
        let skip = if cfg!(target_endian = "big") {
            more.into()
        } else {
            0
        };
        Some(Load {
            offset: self.offset.checked_add(skip)?,
            int,
        })
    }
}

/// The number at a place of a record, in the machine's byte order, extended to 64 bits; `None` outside the record.
#[inline(always)]
pub fn load(record: &[u8], offset: usize, int: CInt) -> Option<u64> {
    #[inline(always)]
    fn at<const N: usize>(record: &[u8], offset: usize) -> Option<[u8; N]> {
        record.get(offset..offset.checked_add(N)?)?.try_into().ok()
    }
    Some(match (int.size, int.signed) {
        (1, false) => u64::from(*record.get(offset)?),
        (1, true) => *record.get(offset)? as i8 as u64,
        (2, false) => u64::from(u16::from_ne_bytes(at(record, offset)?)),
        (2, true) => i16::from_ne_bytes(at(record, offset)?) as u64,
        (4, false) => u64::from(u32::from_ne_bytes(at(record, offset)?)),
        (4, true) => i32::from_ne_bytes(at(record, offset)?) as u64,
        (8, _) => u64::from_ne_bytes(at(record, offset)?),
        _ => return None,
    })
}

/// The data that a `__data_loc` (or, with `rel`, `__rel_loc`) word at `offset` points to, as (offset, length); only if all
/// of it is in the record.
#[inline]
pub fn dynamic(record: &[u8], offset: usize, rel: bool) -> Option<(usize, usize)> {
    let word = load(record, offset, CInt::UINT)? as u32;
    let (mut start, len) = ((word & 0xffff) as usize, (word >> 16) as usize);
    if rel {
        start += offset + 4;
    }
    (start + len <= record.len()).then_some((start, len))
}

/// Bytes up to the first NUL.
#[inline]
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    &bytes[..len]
}

impl Field {
    /// The field of a C declaration such as `pid_t prev_pid`, `char comm[16]`, `__data_loc char[] name`.
    ///
    /// `offset`, `size` and `signed` are as a `format` file states them.
    pub fn new(decl: &str, offset: u16, size: u16, signed: bool) -> Field {
        let (ctype, name, array) = split(decl);
        let kind = kind_of(ctype, array, size, signed);
        let own = |s: &str| Cow::Owned(String::from(s));
        Field {
            name: own(name),
            ctype: own(ctype),
            array: own(array),
            offset,
            size,
            signed,
            kind,
        }
    }

    /// A field whose parts are known already; `kind` must be what [`kind_of`] says of them.
    pub const fn from_parts(
        name: &'static str,
        ctype: &'static str,
        array: &'static str,
        (offset, size, signed): (u16, u16, bool),
        kind: FieldKind,
    ) -> Field {
        Field {
            name: Cow::Borrowed(name),
            ctype: Cow::Borrowed(ctype),
            array: Cow::Borrowed(array),
            offset,
            size,
            signed,
            kind,
        }
    }

    /// Appends the declaration as a `format` file has it.
    pub fn decl(&self, out: &mut String) {
        out.push_str(&self.ctype);
        out.push(' ');
        out.push_str(&self.name);
        out.push_str(&self.array);
    }

    /// The number in this field, or `None` if it does not hold a single one (arrays, text, dynamic data, structs).
    pub fn int(&self) -> Option<Load> {
        match self.kind {
            FieldKind::Int | FieldKind::Bool | FieldKind::Pointer | FieldKind::CharPtr => {
                Some(Load {
                    offset: self.offset,
                    int: CInt {
                        size: self.size as u8,
                        signed: self.signed,
                    },
                })
            }
            _ => None,
        }
    }

    /// The number in this field, extended by its own sign; `None` if it is not one or the record is too short.
    #[inline]
    pub fn load_u64(&self, record: &[u8]) -> Option<u64> {
        self.int()?.get(record)
    }

    /// As [`Field::load_u64`], read as a signed number.
    #[inline]
    pub fn load_i64(&self, record: &[u8]) -> Option<i64> {
        self.load_u64(record).map(|v| v as i64)
    }

    /// Where this field's data is in the record, as (offset, length): the field itself, or what it points to in the record.
    pub fn place(&self, record: &[u8]) -> Option<(usize, usize)> {
        let offset = usize::from(self.offset);
        match self.kind {
            FieldKind::DataLoc { .. } | FieldKind::Cpumask { rel: false } => {
                dynamic(record, offset, false)
            }
            FieldKind::RelLoc { .. } | FieldKind::Cpumask { rel: true } => {
                dynamic(record, offset, true)
            }
            FieldKind::Flex { .. } => Some((offset, record.len().checked_sub(offset)?)),
            _ => {
                let size = usize::from(self.size);
                (offset + size <= record.len()).then_some((offset, size))
            }
        }
    }

    /// This field's data.
    pub fn bytes<'r>(&self, record: &'r [u8]) -> Option<&'r [u8]> {
        let (offset, len) = self.place(record)?;
        record.get(offset..offset + len)
    }

    /// Whether this field's data is text in the record.
    pub fn is_string(&self) -> bool {
        matches!(
            self.kind,
            FieldKind::Chars
                | FieldKind::DataLoc { string: true, .. }
                | FieldKind::RelLoc { string: true, .. }
                | FieldKind::Flex { string: true, .. }
        )
    }

    /// This field's text, up to its NUL; `None` if it holds none or the record is too short.
    pub fn text<'r>(&self, record: &'r [u8]) -> Option<&'r [u8]> {
        if self.is_string() {
            self.bytes(record).map(until_nul)
        } else {
            None
        }
    }

    /// The type of the elements of an array in the record.
    pub fn elem(&self) -> Option<CInt> {
        match self.kind {
            FieldKind::Chars => Some(CInt {
                size: 1,
                signed: self.signed,
            }),
            FieldKind::Array { elem, signed }
            | FieldKind::DataLoc { elem, signed, .. }
            | FieldKind::RelLoc { elem, signed, .. }
            | FieldKind::Flex { elem, signed, .. } => {
                matches!(elem, 1 | 2 | 4 | 8).then_some(CInt { size: elem, signed })
            }
            FieldKind::Cpumask { .. } => Some(CInt::ULONG),
            _ => None,
        }
    }
}

/// A declaration cut into the text before the name, the name, and the text behind it.
fn split(decl: &str) -> (&str, &str, &str) {
    let decl = decl.trim();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut end = decl.len();
    // Brackets behind the name; those of `__data_loc char[] name` are in front of it.
    while decl[..end].ends_with(']') {
        match decl[..end].rfind('[') {
            Some(open) => end = open,
            None => break,
        }
    }
    let start = decl[..end].rfind(|c| !word(c)).map_or(0, |i| {
        i + decl[i..].chars().next().map_or(1, char::len_utf8)
    });
    (decl[..start].trim_end(), &decl[start..end], &decl[end..])
}

/// What a C type means: `ctype` in front of the name, `array` behind it, `size` and `signed` of the `format` file.
pub fn kind_of(ctype: &str, array: &str, size: u16, signed: bool) -> FieldKind {
    for (prefix, rel) in [("__data_loc", false), ("__rel_loc", true)] {
        let Some(target) = ctype.strip_prefix(prefix) else {
            continue;
        };
        let target = target.trim();
        if target.starts_with("cpumask_t") {
            return FieldKind::Cpumask { rel };
        }
        let target = target.trim_end_matches(['[', ']', ' ']);
        let int = if target.contains('*') {
            Some(CInt::ULONG)
        } else {
            int_type(target)
        };
        let (elem, signed) = int.map_or((0, false), |i| (i.size, i.signed));
        let string = target == "char";
        return if rel {
            FieldKind::RelLoc {
                elem,
                signed,
                string,
            }
        } else {
            FieldKind::DataLoc {
                elem,
                signed,
                string,
            }
        };
    }
    let pointer = ctype.contains('*');
    let bare = ctype.strip_prefix("const ").unwrap_or(ctype).trim();
    if !array.is_empty() {
        let int = if pointer {
            Some(CInt::ULONG)
        } else {
            int_type(ctype)
        };
        let (elem, signed) = int.map_or((0, false), |i| {
            (
                i.size,
                i.signed || signed && i.size > 1 || signed && bare == "char",
            )
        });
        return match array {
            "[]" => FieldKind::Flex {
                elem,
                signed,
                string: bare == "char",
            },
            _ if bare == "char" => FieldKind::Chars,
            _ if elem == 0 => FieldKind::Opaque,
            _ => FieldKind::Array { elem, signed },
        };
    }
    if pointer {
        let target = bare.strip_suffix("const").unwrap_or(bare).trim();
        return if target == "char *" || target == "char*" {
            FieldKind::CharPtr
        } else {
            FieldKind::Pointer
        };
    }
    match size {
        1 if bare == "bool" || bare == "_Bool" => FieldKind::Bool,
        1 | 2 | 4 | 8 if !ctype.starts_with("struct ") && !ctype.starts_with("union ") => {
            FieldKind::Int
        }
        _ => FieldKind::Opaque,
    }
}

/// The fields that begin every record (`struct trace_entry`): event id, flags, preemption depth, thread.
pub const COMMON: [Field; 4] = [
    Field::from_parts(
        "common_type",
        "unsigned short",
        "",
        (0, 2, false),
        FieldKind::Int,
    ),
    Field::from_parts(
        "common_flags",
        "unsigned char",
        "",
        (2, 1, false),
        FieldKind::Int,
    ),
    Field::from_parts(
        "common_preempt_count",
        "unsigned char",
        "",
        (3, 1, false),
        FieldKind::Int,
    ),
    Field::from_parts("common_pid", "int", "", (4, 4, true), FieldKind::Int),
];

#[cfg(test)]
mod tests;
