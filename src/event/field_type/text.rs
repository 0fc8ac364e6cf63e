//! Text and dynamic arrays as fields.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt;
use core::marker::PhantomData;

use super::{Assign, Element, FieldType};
use crate::event::declare::{Kind, Shape};
use crate::event::field::until_nul;
use crate::event::record::{Tail, dynamic};

/// `char[N]`: text of at most N bytes that ends at the first NUL, such as the name of a task (`Chars<16>`).
///
/// Assigned from a `&str`, `&[u8]` or `&CStr` it keeps the first N - 1 bytes; from `[u8; N]` all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Chars<const N: usize>(pub [u8; N]);

impl<const N: usize> Chars<N> {
    /// The text of `bytes`, cut to N - 1 bytes, the rest zero.
    #[inline]
    pub fn new(bytes: &[u8]) -> Chars<N> {
        let mut all = [0; N];
        let len = bytes.len().min(N.saturating_sub(1));
        all[..len].copy_from_slice(&bytes[..len]);
        Chars(all)
    }

    /// The text's bytes, up to the first NUL.
    pub fn as_bytes(&self) -> &[u8] {
        until_nul(&self.0)
    }

    /// The text up to where it is no UTF-8 any more.
    pub fn as_str(&self) -> &str {
        utf8(self.as_bytes())
    }
}

/// The longest beginning that is UTF-8.
fn utf8(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

impl<const N: usize> fmt::Display for Chars<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<const N: usize> fmt::Debug for Chars<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

// SAFETY: the slot is an array of bytes.
unsafe impl<const N: usize> FieldType for Chars<N> {
    type Slot = [u8; N];
    type Value<'a> = Chars<N>;
    type View<'a> = Chars<N>;
    const SHAPE: Shape = Shape {
        ctype: "char",
        kind: Kind::Chars(N),
        elem: 1,
        signed: false,
    };

    #[inline(always)]
    unsafe fn store(value: Chars<N>, slot: *mut [u8; N], _tail: &mut Tail) {
        // SAFETY: the caller vouches for `slot`.
        unsafe { slot.write(value.0) }
    }

    fn view(slot: [u8; N], _record: &[u8]) -> Chars<N> {
        Chars(slot)
    }
}

macro_rules! chars_from {
    ($($from:ty: |$value:ident| $bytes:expr;)*) => { $(
        impl<const N: usize> Assign<Chars<N>> for $from {
            #[inline(always)]
            fn assign(self) -> Chars<N> {
                let $value = self;
                $bytes
            }
        }
    )* };
}

chars_from! {
    Chars<N>: |chars| chars;
    &Chars<N>: |chars| *chars;
    [u8; N]: |bytes| Chars(bytes);
    &[u8; N]: |bytes| Chars(*bytes);
    &[u8]: |bytes| Chars::new(bytes);
    &str: |text| Chars::new(text.as_bytes());
    &String: |text| Chars::new(text.as_bytes());
    &CStr: |text| Chars::new(text.to_bytes());
}

/// `__data_loc char[]`: a string that takes as much room in the record as it needs.
///
/// Assigned from `&str`, `&String`, `&[u8]` or `&CStr`. A string that would not fit into a sub-buffer is cut.
pub struct DynStr {
    _no_value: (),
}

/// The bytes of a string for a [`DynStr`] field, without a NUL.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a [u8]);

// SAFETY: the slot is a u32, written whole.
unsafe impl FieldType for DynStr {
    type Slot = u32;
    type Value<'a> = Bytes<'a>;
    type View<'a> = Text<'a>;
    const SHAPE: Shape = Shape {
        ctype: "char",
        kind: Kind::DynStr,
        elem: 1,
        signed: false,
    };
    const DYNAMIC: bool = true;

    #[inline(always)]
    fn dynamic_len(value: &Bytes<'_>) -> usize {
        value.0.len() + 1
    }

    #[inline(always)]
    unsafe fn store(value: Bytes<'_>, slot: *mut u32, tail: &mut Tail) {
        let loc = tail.put(value.0, 1, true);
        // SAFETY: the caller vouches for `slot`.
        unsafe { slot.write(loc) }
    }

    fn view(slot: u32, record: &[u8]) -> Text<'_> {
        Text(until_nul(dynamic(slot, record)))
    }
}

macro_rules! bytes_from {
    ($($from:ty: |$value:ident| $bytes:expr;)*) => { $(
        impl<'a> Assign<Bytes<'a>> for $from {
            #[inline(always)]
            fn assign(self) -> Bytes<'a> {
                let $value = self;
                Bytes($bytes)
            }
        }
    )* };
}

bytes_from! {
    &'a str: |text| text.as_bytes();
    &'a String: |text| text.as_bytes();
    &'a [u8]: |bytes| bytes;
    &'a Vec<u8>: |bytes| bytes;
    &'a CStr: |text| text.to_bytes();
    Text<'a>: |text| text.0;
}

impl<'a, const N: usize> Assign<Bytes<'a>> for &'a [u8; N] {
    #[inline(always)]
    fn assign(self) -> Bytes<'a> {
        Bytes(self)
    }
}

impl<'a, const N: usize> Assign<Bytes<'a>> for &'a Chars<N> {
    #[inline(always)]
    fn assign(self) -> Bytes<'a> {
        Bytes(self.as_bytes())
    }
}

/// A recorded string, as a text made in Rust sees it. Bytes that are no UTF-8 show as U+FFFD.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// The string's bytes.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The string up to where it is no UTF-8 any more.
    pub fn as_str(&self) -> &'a str {
        utf8(self.0)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&String::from_utf8_lossy(self.0))
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.0), f)
    }
}

/// `__data_loc T[]`: an array that takes as much room in the record as it needs; assigned from `&[T]`, `&Vec<T>` or
/// `&[T; N]`. What would not fit into a sub-buffer is cut off.
pub struct DynArray<T> {
    _no_value: PhantomData<T>,
}

// SAFETY: the slot is a u32, written whole.
unsafe impl<E: Element> FieldType for DynArray<E> {
    type Slot = u32;
    type Value<'a> = &'a [E];
    type View<'a> = Elements<'a, E>;
    const SHAPE: Shape = Shape {
        kind: Kind::DynArray,
        ..E::SHAPE
    };
    const DYNAMIC: bool = true;

    #[inline(always)]
    fn dynamic_len(value: &&[E]) -> usize {
        size_of_val(*value)
    }

    #[inline(always)]
    unsafe fn store(value: &[E], slot: *mut u32, tail: &mut Tail) {
        // SAFETY: elements have no padding, so their bytes can be read.
        let bytes =
            unsafe { core::slice::from_raw_parts(value.as_ptr().cast::<u8>(), size_of_val(value)) };
        let loc = tail.put(bytes, size_of::<E>(), false);
        // SAFETY: the caller vouches for `slot`.
        unsafe { slot.write(loc) }
    }

    fn view(slot: u32, record: &[u8]) -> Elements<'_, E> {
        Elements {
            bytes: dynamic(slot, record),
            of: PhantomData,
        }
    }
}

macro_rules! elements_from {
    ($([$($generic:tt)*] $from:ty;)*) => { $(
        impl<'a, E: Element, $($generic)*> Assign<&'a [E]> for $from {
            #[inline(always)]
            fn assign(self) -> &'a [E] {
                self
            }
        }
    )* };
}

elements_from! {
    [] &'a [E];
    [] &'a Vec<E>;
    [const N: usize] &'a [E; N];
}

/// A recorded array, as a text made in Rust sees it.
#[derive(Clone, Copy)]
pub struct Elements<'a, E> {
    bytes: &'a [u8],
    of: PhantomData<E>,
}

impl<'a, E: Element> Elements<'a, E> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.bytes.len() / size_of::<E>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One element.
    pub fn get(&self, index: usize) -> Option<E> {
        let at = index.checked_mul(size_of::<E>())?;
        let bytes = self.bytes.get(at..)?.get(..size_of::<E>())?;
        // SAFETY: the bytes are there, and any bytes are an element.
        Some(unsafe { bytes.as_ptr().cast::<E>().read_unaligned() })
    }

    /// All elements.
    pub fn iter(&self) -> impl Iterator<Item = E> + use<'a, E> {
        let all = Elements {
            bytes: self.bytes,
            of: PhantomData,
        };
        (0..self.len()).map_while(move |i| all.get(i))
    }
}

impl<E: Element> fmt::Debug for Elements<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
