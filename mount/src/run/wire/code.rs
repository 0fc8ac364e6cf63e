//! How values lie in a frame: little-endian, lists behind a count, variants behind a byte.

use super::{Known, MAX_LIST, MAX_TEXT, Malformed, Path, Record, Sent};

/// What of a frame is not read yet.
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// A value in a frame.
pub trait Code: Sized {
    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it.
    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed>;
}

macro_rules! numbers {
    ($($type:ident)*) => { $(
        impl Code for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                let bytes = from.take(size_of::<$type>())?;
                Ok($type::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
            }
        }
    )* };
}

numbers! { u8 u32 u64 i16 i32 i64 }

impl Code for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        match u8::get(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }
}

impl<T: Code> Code for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(match bool::get(from)? {
            true => Some(T::get(from)?),
            false => None,
        })
    }
}

impl<T: Code> Code for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        T::get(from).map(Box::new)
    }
}

impl<T: Code + Copy + Default, const N: usize> Code for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.put(out));
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let mut values = [T::default(); N];
        for value in &mut values {
            *value = T::get(from)?;
        }
        Ok(values)
    }
}

impl Code for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        let text = &self[..self.len().min(MAX_TEXT)];
        (text.len() as u32).put(out);
        out.extend_from_slice(text);
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let len = u32::get(from)? as usize;
        if len > MAX_TEXT {
            return Err(Malformed);
        }
        Ok(from.take(len)?.to_vec())
    }
}

impl Code for String {
    fn put(&self, out: &mut Vec<u8>) {
        let mut end = self.len().min(MAX_TEXT);
        while !self.is_char_boundary(end) {
            end -= 1;
        }
        self.as_bytes()[..end].to_vec().put(out);
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        String::from_utf8(Vec::<u8>::get(from)?).map_err(|_| Malformed)
    }
}

/// Lists with at most so many members: what is longer is cut when it is sent, and refused when it comes.
macro_rules! lists {
    ($($type:ty: $most:expr;)*) => { $(
        impl Code for Vec<$type> {
            fn put(&self, out: &mut Vec<u8>) {
                let members = &self[..self.len().min($most)];
                (members.len() as u32).put(out);
                members.iter().for_each(|member| member.put(out));
            }

            fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                let count = u32::get(from)? as usize;
                // every member takes at least a byte, so no count makes us reserve more than the frame has
                if count > $most || count > from.0.len() {
                    return Err(Malformed);
                }
                let mut members = Vec::new();
                for _ in 0..count {
                    members.push(<$type>::get(from)?);
                }
                Ok(members)
            }
        }
    )* };
}

lists! {
    String: MAX_LIST;
    Path: MAX_LIST;
    Record: usize::MAX;
}

impl Code for Known {
    fn put(&self, out: &mut Vec<u8>) {
        self.pid.put(out);
        self.comm.put(out);
        self.prio.put(out);
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        Ok(Known {
            pid: Code::get(from)?,
            comm: Code::get(from)?,
            prio: Code::get(from)?,
        })
    }
}

impl Code for Sent {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u8).put(out);
    }

    fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
        match u8::get(from)? {
            0 => Ok(Sent::Delivered),
            1 => Ok(Sent::Ignored),
            _ => Err(Malformed),
        }
    }
}

/// Structures, member by member, and enums with the byte that each variant has; `by Kind`: with an enum of the variants' names.
macro_rules! coded {
    ($(#[$attr:meta])* pub struct $name:ident {
        $($(#[$doc:meta])* $vis:vis $member:ident: $type:ty,)*
    }) => {
        $(#[$attr])*
        pub struct $name { $($(#[$doc])* $vis $member: $type,)* }

        impl Code for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$member.put(out);)*
            }

            fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                Ok($name { $($member: Code::get(from)?,)* })
            }
        }
    };
    ($(#[$attr:meta])* pub enum $name:ident $(by $kind:ident)? {
        $($(#[$doc:meta])* $variant:ident = $byte:literal {
            $($(#[$member_doc:meta])* $member:ident: $type:ty,)*
        },)*
    }) => {
        $(#[$attr])*
        pub enum $name { $($(#[$doc])* $variant { $($(#[$member_doc])* $member: $type,)* },)* }

        impl Code for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$variant { $($member),* } => {
                        out.push($byte);
                        $($member.put(out);)*
                    })*
                }
            }

            fn get(from: &mut Cursor<'_>) -> Result<Self, Malformed> {
                match u8::get(from)? {
                    $($byte => Ok($name::$variant { $($member: Code::get(from)?),* }),)*
                    _ => Err(Malformed),
                }
            }
        }

        coded! { @kinds $name [$($kind)?] $($variant = $byte, $(#[$doc])*;)* }
    };
    (@kinds $name:ident [] $($rest:tt)*) => {};
    (@kinds $name:ident [$kind:ident] $($variant:ident = $byte:literal, $(#[$doc:meta])*;)*) => {
        /// What may happen: the names of the variants.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $kind { $($(#[$doc])* $variant = $byte,)* }

        impl $kind {
            /// All of them.
            pub const ALL: &[$kind] = &[$($kind::$variant),*];
        }

        impl $name {
            /// Which one it is.
            pub fn kind(&self) -> $kind {
                match self {
                    $($name::$variant { .. } => $kind::$variant,)*
                }
            }
        }
    };
}

pub(super) use coded;
