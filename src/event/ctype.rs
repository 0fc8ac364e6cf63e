//! C integer types by name: how wide they are and whether they have a sign, on a 64-bit (LP64) kernel.
//!
//! The sizes are those of Linux's own headers (`include/uapi/asm-generic/int-ll64.h`, `posix_types.h`, `types.h`). Plain
//! `char` has no sign: kernels are built with `-funsigned-char` since 6.2.

/// An integer type: bytes and sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CInt {
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Whether it has a sign.
    pub signed: bool,
}

impl CInt {
    /// `int`
    pub const INT: CInt = CInt {
        size: 4,
        signed: true,
    };
    /// `unsigned int`
    pub const UINT: CInt = CInt {
        size: 4,
        signed: false,
    };
    /// `long`
    pub const LONG: CInt = CInt {
        size: 8,
        signed: true,
    };
    /// `unsigned long`
    pub const ULONG: CInt = CInt {
        size: 8,
        signed: false,
    };
    /// `unsigned char`
    pub const U8: CInt = CInt {
        size: 1,
        signed: false,
    };

    /// What an operand of this type becomes in arithmetic: anything narrower than `int` becomes `int`.
    pub fn promoted(self) -> CInt {
        if self.size < 4 { CInt::INT } else { self }
    }

    /// C's usual arithmetic conversions: the type that both operands are brought to.
    pub fn common(self, other: CInt) -> CInt {
        let (a, b) = (self.promoted(), other.promoted());
        match a.size.cmp(&b.size) {
            core::cmp::Ordering::Greater => a,
            core::cmp::Ordering::Less => b,
            core::cmp::Ordering::Equal => CInt {
                size: a.size,
                signed: a.signed && b.signed,
            },
        }
    }

    /// Whether every value of another type is one of this type, or is brought into it by [`CInt::wrap`] as it is.
    pub fn holds(self, other: CInt) -> bool {
        self == other || self.size == 8 || self.size > other.size && (!other.signed || self.signed)
    }

    /// Brings a value into this type and back to 64 bits, with or without the sign.
    #[inline]
    pub fn wrap(self, value: u64) -> u64 {
        let shift = 64 - 8 * u32::from(self.size.clamp(1, 8));
        if self.signed {
            (((value << shift) as i64) >> shift) as u64
        } else {
            (value << shift) >> shift
        }
    }
}

/// Types that have a name of their own.
const NAMED: &[(&str, u8, bool)] = &[
    ("bool", 1, false),
    ("_Bool", 1, false),
    ("u8", 1, false),
    ("__u8", 1, false),
    ("uint8_t", 1, false),
    ("unchar", 1, false),
    ("s8", 1, true),
    ("__s8", 1, true),
    ("int8_t", 1, true),
    ("u16", 2, false),
    ("__u16", 2, false),
    ("uint16_t", 2, false),
    ("ushort", 2, false),
    ("__be16", 2, false),
    ("__le16", 2, false),
    ("__sum16", 2, false),
    ("s16", 2, true),
    ("__s16", 2, true),
    ("int16_t", 2, true),
    ("umode_t", 2, false),
    ("sa_family_t", 2, false),
    ("u32", 4, false),
    ("__u32", 4, false),
    ("uint32_t", 4, false),
    ("uint", 4, false),
    ("__be32", 4, false),
    ("__le32", 4, false),
    ("__wsum", 4, false),
    ("s32", 4, true),
    ("__s32", 4, true),
    ("int32_t", 4, true),
    ("pid_t", 4, true),
    ("__kernel_pid_t", 4, true),
    ("key_t", 4, true),
    ("key_serial_t", 4, true),
    ("clockid_t", 4, true),
    ("timer_t", 4, true),
    ("mqd_t", 4, true),
    ("rwf_t", 4, true),
    ("qid_t", 4, false),
    ("uid_t", 4, false),
    ("gid_t", 4, false),
    ("kuid_t", 4, false),
    ("kgid_t", 4, false),
    ("projid_t", 4, false),
    ("qsize_t", 8, true),
    ("dev_t", 4, false),
    ("gfp_t", 4, false),
    ("fmode_t", 4, false),
    ("slab_flags_t", 4, false),
    ("isolate_mode_t", 4, false),
    ("vm_fault_t", 4, false),
    ("blk_opf_t", 4, false),
    ("blk_mode_t", 4, false),
    ("blk_status_t", 1, false),
    ("errseq_t", 4, false),
    ("xfs_agnumber_t", 4, false),
    ("u64", 8, false),
    ("__u64", 8, false),
    ("uint64_t", 8, false),
    ("__be64", 8, false),
    ("__le64", 8, false),
    ("ulong", 8, false),
    ("size_t", 8, false),
    ("__kernel_size_t", 8, false),
    ("uintptr_t", 8, false),
    ("sector_t", 8, false),
    ("blkcnt_t", 8, false),
    ("ino_t", 8, false),
    ("pgoff_t", 8, false),
    ("dma_addr_t", 8, false),
    ("phys_addr_t", 8, false),
    ("resource_size_t", 8, false),
    ("aio_context_t", 8, false),
    ("sigset_t", 8, false),
    ("cap_user_header_t", 8, false),
    ("cap_user_data_t", 8, false),
    ("s64", 8, true),
    ("__s64", 8, true),
    ("int64_t", 8, true),
    ("ssize_t", 8, true),
    ("ptrdiff_t", 8, true),
    ("intptr_t", 8, true),
    ("off_t", 8, true),
    ("loff_t", 8, true),
    ("ktime_t", 8, true),
    ("time64_t", 8, true),
    ("clock_t", 8, true),
    ("__kernel_old_time_t", 8, true),
];

/// Whether a word can begin or go on with the name of an integer type in C.
pub fn is_type_word(word: &str) -> bool {
    matches!(
        word,
        "unsigned"
            | "signed"
            | "int"
            | "long"
            | "short"
            | "char"
            | "const"
            | "volatile"
            | "struct"
            | "union"
            | "enum"
            | "void"
            | "__user"
    ) || NAMED.iter().any(|n| n.0 == word)
}

/// The integer type that a C type text names; `None` if it names none that is known (pointers, structs, strange names).
/// An `enum` is an `unsigned int`, as compilers make it without negative members.
pub fn int_type(text: &str) -> Option<CInt> {
    int_type_of_words(text.split_ascii_whitespace())
}

/// As [`int_type`], of the words of the type.
pub fn int_type_of_words<'a>(words: impl Iterator<Item = &'a str>) -> Option<CInt> {
    let (mut unsigned, mut signed, mut char, mut short, mut long, mut int) =
        (false, false, false, false, false, false);
    let mut words = words.filter(|w| !matches!(*w, "const" | "volatile" | "__user"));
    while let Some(word) = words.next() {
        match word {
            "unsigned" => unsigned = true,
            "signed" => signed = true,
            "char" => char = true,
            "short" => short = true,
            "long" => long = true,
            "int" => int = true,
            "enum" => {
                return words
                    .next()
                    .and(words.next().map_or(Some(CInt::UINT), |_| None));
            }
            _ if unsigned || signed || char || short || long || int => return None,
            _ => {
                let named = NAMED.iter().find(|n| n.0 == word)?;
                return words.next().map_or(
                    Some(CInt {
                        size: named.1,
                        signed: named.2,
                    }),
                    |_| None,
                );
            }
        }
    }
    let size = match (char, short, long) {
        (true, false, false) => return Some(CInt { size: 1, signed }),
        (false, true, false) => 2,
        (false, false, true) => 8,
        (false, false, false) if int || unsigned || signed => 4,
        _ => return None,
    };
    Some(CInt {
        size,
        signed: !unsigned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |text: &str, want: Option<(u8, bool)>| {
            assert_eq!(int_type(text).map(|t| (t.size, t.signed)), want, "{text:?}");
        };
        check("int", Some((4, true)));
        check("unsigned", Some((4, false)));
        check("long unsigned int", Some((8, false)));
        check("unsigned long long", Some((8, false)));
        check("long long", Some((8, true)));
        check("short", Some((2, true)));
        check("unsigned short int", Some((2, false)));
        check("char", Some((1, false)));
        check("signed char", Some((1, true)));
        check("unsigned char", Some((1, false)));
        check("const clockid_t", Some((4, true)));
        check("pid_t", Some((4, true)));
        check("dev_t", Some((4, false)));
        check("gfp_t", Some((4, false)));
        check("__u8", Some((1, false)));
        check("sector_t", Some((8, false)));
        check("size_t", Some((8, false)));
        check("loff_t", Some((8, true)));
        check("enum hrtimer_mode", Some((4, false)));
        check("const enum landlock_rule_type", Some((4, false)));
        check("struct page", None);
        check("void", None);
        check("char *", None);
        check("u32 u32", None);
        check("unsigned u32", None);
        check("enum", None);
        check("enum a b", None);
        check("", None);
    }

    #[test]
    fn conversions() {
        let u16 = CInt {
            size: 2,
            signed: false,
        };
        let u32 = CInt::UINT;
        assert_eq!(u16.common(u16), CInt::INT);
        assert_eq!(CInt::INT.common(u32), u32);
        assert_eq!(CInt::LONG.common(u32), CInt::LONG);
        assert_eq!(CInt::LONG.common(CInt::ULONG), CInt::ULONG);
        assert_eq!(CInt::INT.wrap(0xffff_ffff), u64::MAX);
        assert_eq!(u32.wrap(u64::MAX), 0xffff_ffff);
        assert_eq!(CInt::LONG.wrap(u64::MAX), u64::MAX);
        assert_eq!(
            CInt {
                size: 1,
                signed: true
            }
            .wrap(0x80),
            (-128i64) as u64
        );
    }
}
