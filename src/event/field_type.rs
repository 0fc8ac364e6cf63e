//! Rust types as fields of a record: how they lie in it, what they are in C, what they may be assigned from and what
//! a reader in Rust sees.
//!
//! The fixed part of a record is a C structure of [`FieldType::Slot`]s behind the common fields. Dynamic strings and
//! arrays have a `u32` there (offset in the low, length in the high half, `__data_loc`), and their bytes behind it.

use core::fmt;

use crate::event::declare::{Kind, Shape};
use crate::event::record::Tail;

mod text;

pub use text::{Bytes, Chars, DynArray, DynStr, Elements, Text};

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
    const SHAPE: Shape = Shape {
        ctype: "bool",
        kind: Kind::Bool,
        elem: 1,
        signed: false,
    };

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
    const SHAPE: Shape = Shape {
        kind: Kind::Array(N),
        ..E::SHAPE
    };

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
