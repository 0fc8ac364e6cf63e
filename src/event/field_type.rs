//! Rust types as fields of a record: how they lie in it, what they are in C, what they may be assigned from and what
//! a reader in Rust sees.
//!
//! The fixed part of a record is a C structure of [`FieldType::Slot`]s behind the common fields. Dynamic strings and
//! arrays have a `u32` there (offset in the low, length in the high half, `__data_loc`), and their bytes behind it.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt;
use core::marker::PhantomData;

use crate::event::declare::{Kind, Shape};
use crate::event::record::{Tail, dynamic};

/// A type that a field of a trace event can have.
///
/// # Safety
/// `Slot` must be valid for any bytes and have no padding, and `store` must initialise all of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a trace event",
    label = "not a field type",
    note = "fields are integers, bool, pointers, arrays of these, `Chars<N>`, `DynStr` and `DynArray<T>`",
    note = "`utracefs::field_type!` makes a field type of an integer-like type of your own"
)]
pub unsafe trait FieldType {
    /// Its bytes in the fixed part.
    type Slot: Copy + 'static;
    /// What `TP_fast_assign` hands over, once converted.
    type Value<'a>;
    /// What `__entry.field` is where the text is made in Rust.
    type View<'a>;
    /// What it is in C.
    const SHAPE: Shape;
    /// Whether it has bytes behind the fixed part.
    const DYNAMIC: bool = false;

    /// Bytes this value wants behind the fixed part.
    #[inline(always)]
    fn dynamic_len(_value: &Self::Value<'_>) -> usize {
        0
    }

    /// Writes the value.
    ///
    /// # Safety
    /// `slot` must be valid for writes, and `tail` must describe the record that holds it.
    unsafe fn store(value: Self::Value<'_>, slot: *mut Self::Slot, tail: &mut Tail);

    /// Reads the value of a record, which may come from outside and be wrong in any way.
    fn view(slot: Self::Slot, record: &[u8]) -> Self::View<'_>;
}

/// What may be written on the right of a field in `TP_fast_assign`.
#[diagnostic::on_unimplemented(
    message = "a value of type `{Self}` cannot be assigned to this field",
    label = "expected something that becomes `{V}`"
)]
pub trait Assign<V> {
    /// The value as the record wants it.
    fn assign(self) -> V;
}

/// A scalar that arrays can be made of.
///
/// # Safety
/// Every bit pattern must be a value, and there must be no padding.
pub unsafe trait Element: Copy + fmt::Debug + 'static {
    /// Its shape as a field.
    const SHAPE: Shape;
}

macro_rules! integers {
    ($($type:ty => $ctype:literal;)*) => { $(
        // SAFETY: integers are valid for any bytes and have no padding.
        unsafe impl Element for $type {
            const SHAPE: Shape =
                Shape { ctype: $ctype, kind: Kind::Int, elem: size_of::<$type>() as u8, signed: <$type>::MIN != 0 };
        }

        // SAFETY: as above; the slot is the value.
        unsafe impl FieldType for $type {
            type Slot = $type;
            type Value<'a> = $type;
            type View<'a> = $type;
            const SHAPE: Shape = <$type as Element>::SHAPE;

            #[inline(always)]
            unsafe fn store(value: $type, slot: *mut $type, _tail: &mut Tail) {
                // SAFETY: the caller vouches for `slot`.
                unsafe { slot.write(value) }
            }

            fn view(slot: $type, _record: &[u8]) -> $type {
                slot
            }
        }

        impl Assign<$type> for $type {
            #[inline(always)]
            fn assign(self) -> $type {
                self
            }
        }
    )* };
}

integers! {
    u8 => "u8";
    u16 => "u16";
    u32 => "u32";
    u64 => "u64";
    usize => "unsigned long";
    i8 => "s8";
    i16 => "s16";
    i32 => "int";
    i64 => "s64";
    isize => "long";
}

// SAFETY: the slot is a u8, written whole.
unsafe impl FieldType for bool {
    type Slot = u8;
    type Value<'a> = bool;
    type View<'a> = bool;
    const SHAPE: Shape = Shape { ctype: "bool", kind: Kind::Bool, elem: 1, signed: false };

    #[inline(always)]
    unsafe fn store(value: bool, slot: *mut u8, _tail: &mut Tail) {
        // SAFETY: the caller vouches for `slot`.
        unsafe { slot.write(u8::from(value)) }
    }

    fn view(slot: u8, _record: &[u8]) -> bool {
        slot != 0
    }
}

impl Assign<bool> for bool {
    #[inline(always)]
    fn assign(self) -> bool {
        self
    }
}

macro_rules! pointers {
    ($($pointer:ty => $ctype:literal, from $($from:ty),*;)*) => { $(
        // SAFETY: the slot is the address; any address is a value of a raw pointer.
        unsafe impl<T: 'static> FieldType for $pointer {
            type Slot = usize;
            type Value<'a> = $pointer;
            type View<'a> = $pointer;
            const SHAPE: Shape =
                Shape { ctype: $ctype, kind: Kind::Pointer, elem: size_of::<usize>() as u8, signed: false };

            #[inline(always)]
            unsafe fn store(value: $pointer, slot: *mut usize, _tail: &mut Tail) {
                // SAFETY: the caller vouches for `slot`.
                unsafe { slot.write(value as usize) }
            }

            fn view(slot: usize, _record: &[u8]) -> $pointer {
                slot as $pointer
            }
        }

        $(impl<T> Assign<$pointer> for $from {
            #[inline(always)]
            fn assign(self) -> $pointer {
                self
            }
        })*
    )* };
}

pointers! {
    *const T => "const void *", from *const T, *mut T, &T, &mut T;
    *mut T => "void *", from *mut T, &mut T;
}

// SAFETY: an array of elements is valid for any bytes and has no padding.
unsafe impl<E: Element, const N: usize> FieldType for [E; N] {
    type Slot = [E; N];
    type Value<'a> = [E; N];
    type View<'a> = [E; N];
    const SHAPE: Shape = Shape { kind: Kind::Array(N), ..E::SHAPE };

    #[inline(always)]
    unsafe fn store(value: [E; N], slot: *mut [E; N], _tail: &mut Tail) {
        // SAFETY: the caller vouches for `slot`.
        unsafe { slot.write(value) }
    }

    fn view(slot: [E; N], _record: &[u8]) -> [E; N] {
        slot
    }
}

impl<E: Element, const N: usize> Assign<[E; N]> for [E; N] {
    #[inline(always)]
    fn assign(self) -> [E; N] {
        self
    }
}

impl<E: Element, const N: usize> Assign<[E; N]> for &[E; N] {
    #[inline(always)]
    fn assign(self) -> [E; N] {
        *self
    }
}

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
}

/// The bytes before the first NUL.
fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len())]
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
    const SHAPE: Shape = Shape { ctype: "char", kind: Kind::Chars(N), elem: 1, signed: false };

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
    const SHAPE: Shape = Shape { ctype: "char", kind: Kind::DynStr, elem: 1, signed: false };
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
    const SHAPE: Shape = Shape { kind: Kind::DynArray, ..E::SHAPE };
    const DYNAMIC: bool = true;

    #[inline(always)]
    fn dynamic_len(value: &&[E]) -> usize {
        size_of_val(*value)
    }

    #[inline(always)]
    unsafe fn store(value: &[E], slot: *mut u32, tail: &mut Tail) {
        // SAFETY: elements have no padding, so their bytes can be read.
        let bytes = unsafe { core::slice::from_raw_parts(value.as_ptr().cast::<u8>(), size_of_val(value)) };
        let loc = tail.put(bytes, size_of::<E>(), false);
        // SAFETY: the caller vouches for `slot`.
        unsafe { slot.write(loc) }
    }

    fn view(slot: u32, record: &[u8]) -> Elements<'_, E> {
        Elements { bytes: dynamic(slot, record), of: PhantomData }
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
        let all = Elements { bytes: self.bytes, of: PhantomData };
        (0..self.len()).map_while(move |i| all.get(i))
    }
}

impl<E: Element> fmt::Debug for Elements<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Makes an integer-like type of one's own a field type: the record holds the integer, `TP_fast_assign` takes the
/// type, and a text made in Rust sees the type again.
///
/// ```
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// pub struct InodeMode(u32);
///
/// utracefs::field_type!(InodeMode: u32 as "umode32_t", to |mode| mode.0, from |raw| InodeMode(raw));
/// ```
///
/// The C type may be left out; it is then the integer's. C knows nothing of the type's `Debug` or `Display`: a
/// `TP_printk` that shows such a field must be a `{ format!(…) }` block (which then renders in Rust) or cast nothing.
#[macro_export]
macro_rules! field_type {
    ($type:ty: $int:ty $(as $ctype:literal)?, to |$value:ident| $to:expr, from |$raw:ident| $from:expr $(,)?) => {
        // SAFETY: the slot is an integer, written whole.
        unsafe impl $crate::event::field_type::FieldType for $type {
            type Slot = $int;
            type Value<'a> = $type;
            type View<'a> = $type;
            const SHAPE: $crate::event::declare::Shape = {
                let mut shape = $crate::event::declare::FieldDecl::new(
                    "",
                    <$int as $crate::event::field_type::Element>::SHAPE,
                    {
                        let _ctype: Option<&'static str> = None;
                        $(let _ctype = Some($ctype);)?
                        _ctype
                    },
                    0,
                    0,
                ).shape;
                shape.kind = $crate::event::declare::Kind::Opaque;
                shape
            };

            #[inline(always)]
            unsafe fn store(
                $value: $type,
                slot: *mut $int,
                _tail: &mut $crate::event::record::Tail,
            ) {
                let raw: $int = $to;
                // SAFETY: the caller vouches for `slot`.
                unsafe { slot.write(raw) }
            }

            fn view($raw: $int, _record: &[u8]) -> $type {
                $from
            }
        }

        impl $crate::event::field_type::Assign<$type> for $type {
            #[inline(always)]
            fn assign(self) -> $type {
                self
            }
        }
    };
}
