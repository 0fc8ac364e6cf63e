//! Text of `%p` and the conversions that begin with it (Documentation/core-api/printk-formats.rst).

use alloc::vec::Vec;

use super::spec::{Dim, Spec, What};
use super::{Env, TRUNCATED, helper};
use crate::base::text;
use crate::event::ctype::CInt;
use crate::event::field::load;

/// What `%p` is to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pointer {
    /// `%p`: hashed.
    Hashed,
    /// `%px`: as it is.
    Raw,
    /// `%ps`, and with offset and size `%pS`.
    Symbol { offset: bool },
    /// `%pe`: a number below 0 in place of an address.
    Error,
    /// `%pI4`: how the four bytes lie, and whether each has three digits.
    Ip4 { swap: bool, zeros: bool },
    /// `%pI6`: compressed, or in full with or without colons.
    Ip6 { compressed: bool, colons: bool },
    /// `%pIS`: a `struct sockaddr`.
    Sockaddr {
        compressed: bool,
        port: bool,
        flow: bool,
        scope: bool,
        swap: bool,
    },
    /// `%pM`, `%pm`, and with `R` backwards.
    Mac {
        separator: Option<u8>,
        reversed: bool,
    },
    /// `%pU`
    Uuid { little: bool, upper: bool },
    /// `%ph`, as many bytes as its width says.
    Hex { separator: Option<u8> },
    /// `%pb`, `%pbl`: as many bits as its width says.
    Bits { list: bool },
    /// `%pE`: as many bytes as its width says, odd ones escaped.
    Escaped { hex: bool },
    /// `%pa`: a physical address in the record.
    Physical,
}

impl Pointer {
    /// What the letters behind `%p` ask for. Those that need more memory than the record (`%pd`, `%pV`, `%pg` …) show the
    /// hashed address.
    pub(super) fn read(letters: &[u8]) -> Pointer {
        let has = |b: u8| letters.get(1..).unwrap_or(&[]).contains(&b);
        match letters {
            [b'x', ..] => Pointer::Raw,
            [b'S' | b'F' | b'B', ..] => Pointer::Symbol { offset: true },
            [b's' | b'f', ..] => Pointer::Symbol { offset: false },
            [b'e', ..] => Pointer::Error,
            [b'I' | b'i', b'4', rest @ ..] => Pointer::Ip4 {
                swap: swaps(rest),
                zeros: letters[0] == b'i',
            },
            [b'I', b'6', rest @ ..] => Pointer::Ip6 {
                compressed: rest.contains(&b'c'),
                colons: true,
            },
            [b'i', b'6', ..] => Pointer::Ip6 {
                compressed: false,
                colons: false,
            },
            [b'I' | b'i', b'S', rest @ ..] => Pointer::Sockaddr {
                compressed: rest.contains(&b'c'),
                port: rest.contains(&b'p'),
                flow: rest.contains(&b'f'),
                scope: rest.contains(&b's'),
                swap: swaps(rest),
            },
            [b'M', ..] => Pointer::Mac {
                separator: Some(if has(b'F') { b'-' } else { b':' }),
                reversed: has(b'R'),
            },
            [b'm', ..] => Pointer::Mac {
                separator: None,
                reversed: has(b'R'),
            },
            [b'U', ..] => Pointer::Uuid {
                little: has(b'l') || has(b'L'),
                upper: has(b'B') || has(b'L'),
            },
            [b'h', ..] => Pointer::Hex {
                separator: match letters.get(1) {
                    Some(b'C') => Some(b':'),
                    Some(b'D') => Some(b'-'),
                    Some(b'N') => None,
                    _ => Some(b' '),
                },
            },
            [b'b', ..] => Pointer::Bits { list: has(b'l') },
            [b'E', ..] => Pointer::Escaped {
                hex: has(b'h') && !has(b'o'),
            },
            [b'a', ..] => Pointer::Physical,
            _ => Pointer::Hashed,
        }
    }

    /// Whether it shows what the pointer points to, not the pointer.
    pub(super) fn follows(self) -> bool {
        !matches!(
            self,
            Pointer::Hashed | Pointer::Raw | Pointer::Symbol { .. } | Pointer::Error
        )
    }

    /// Whether its width counts bytes or bits of the argument.
    pub(super) fn counts(self) -> bool {
        matches!(
            self,
            Pointer::Hex { .. } | Pointer::Bits { .. } | Pointer::Escaped { .. }
        )
    }
}

/// Whether the address is in the order of this (little endian) machine instead of the network's.
fn swaps(letters: &[u8]) -> bool {
    let little = cfg!(target_endian = "little");
    letters.iter().any(|b| *b == b'l' || *b == b'h' && little)
}

/// `%p` of an address. Null and error pointers hide nothing and are shown as they are.
pub(super) fn address(out: &mut Vec<u8>, value: u64, pointer: Pointer, env: &Env) {
    match pointer {
        Pointer::Symbol { offset } => symbol(out, value, offset, env),
        Pointer::Raw => text::hex_zero(out, value, 16),
        Pointer::Error if value >= 4096u64.wrapping_neg() => text::dec_signed(out, value as i64),
        _ if env.hash_ptr && value != 0 && value < 4096u64.wrapping_neg() => {
            text::hex_zero(out, hash(env.hash_key, value) & 0xffff_ffff, 16);
        }
        _ => text::hex_zero(out, value, 16),
    }
}

/// `func+0x1c/0x90 [module]`, or the number of an address in no function.
pub(super) fn symbol(out: &mut Vec<u8>, address: u64, offset: bool, env: &Env) {
    let Some(within) = env.symbols.name(address, out) else {
        out.extend_from_slice(b"0x");
        return text::hex(out, address);
    };
    if offset {
        out.extend_from_slice(b"+0x");
        text::hex(out, within.offset);
        out.extend_from_slice(b"/0x");
        text::hex(out, within.size);
    }
    let end = out.len();
    out.extend_from_slice(b" [");
    if env.symbols.module(address, out) {
        out.push(b']');
    } else {
        out.truncate(end);
    }
}

/// SipHash-2-4 of one number.
fn hash(key: [u64; 2], value: u64) -> u64 {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let round = |v: &mut [u64; 4]| {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    };
    for word in [value, 8 << 56] {
        v[3] ^= word;
        round(&mut v);
        round(&mut v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for _ in 0..4 {
        round(&mut v);
    }
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

/// A conversion that shows bytes of the record; `count` is its width where that counts.
pub(super) fn contents(out: &mut Vec<u8>, bytes: &[u8], pointer: Pointer, count: Option<usize>) {
    let shown = match pointer {
        Pointer::Ip4 { swap, zeros } => bytes.first_chunk().map(|b| ip4(out, *b, swap, zeros)),
        Pointer::Ip6 { compressed, colons } => bytes
            .first_chunk()
            .map(|b| ip6(out, *b, compressed, colons)),
        Pointer::Sockaddr { .. } => sockaddr(out, bytes, pointer),
        Pointer::Mac {
            separator,
            reversed,
        } => bytes.first_chunk::<6>().map(|b| {
            let mut mac = *b;
            if reversed {
                mac.reverse();
            }
            helper::hex(out, &mac, separator);
        }),
        Pointer::Uuid { little, upper } => {
            bytes.first_chunk().map(|b| uuid(out, *b, little, upper))
        }
        Pointer::Physical => load(bytes, 0, CInt::ULONG).map(|v| {
            out.extend_from_slice(b"0x");
            text::hex_zero(out, v, 16);
        }),
        Pointer::Hex { separator } => bytes
            .get(..count.unwrap_or(1).clamp(1, 64))
            .map(|b| helper::hex(out, b, separator)),
        Pointer::Escaped { hex } => bytes
            .get(..count.unwrap_or(1))
            .map(|b| escaped(out, b, hex)),
        Pointer::Bits { list } => {
            let bits = count.unwrap_or(0);
            (bits <= bytes.len() * 8).then(|| {
                if list {
                    helper::bit_list(out, bytes, bits)
                } else {
                    helper::bitmask(out, bytes, bits)
                }
            })
        }
        Pointer::Hashed | Pointer::Raw | Pointer::Symbol { .. } | Pointer::Error => None,
    };
    if shown.is_none() {
        out.extend_from_slice(TRUNCATED);
    }
}

fn ip4(out: &mut Vec<u8>, mut ip: [u8; 4], swap: bool, zeros: bool) {
    if swap {
        ip.reverse();
    }
    for (i, b) in ip.into_iter().enumerate() {
        if i != 0 {
            out.push(b'.');
        }
        text::dec_right(out, b.into(), if zeros { 3 } else { 0 }, b'0');
    }
}

fn ip6(out: &mut Vec<u8>, ip: [u8; 16], compressed: bool, colons: bool) {
    let word = |i: usize| u16::from_be_bytes([ip[2 * i], ip[2 * i + 1]]);
    if !compressed {
        for i in 0..8 {
            if i != 0 && colons {
                out.push(b':');
            }
            text::hex_zero(out, word(i).into(), 4);
        }
        return;
    }
    // Addresses that hold an IPv4 one show it so: mapped (::ffff:) and ISATAP.
    let mapped = (0..5).all(|i| word(i) == 0) && word(5) == 0xffff;
    let isatap = word(4) & !0x0200 == 0 && word(5) == 0x5efe;
    let words = if mapped || isatap { 6 } else { 8 };
    // The first of the longest runs of zeros; a single zero stays.
    let (mut run, mut run_len) = (words, 1);
    let mut i = 0;
    while i < words {
        let start = i;
        while i < words && word(i) == 0 {
            i += 1;
        }
        if i - start > run_len {
            (run, run_len) = (start, i - start);
        }
        i += usize::from(i == start);
    }
    let mut colon = false;
    let mut i = 0;
    while i < words {
        if i == run {
            if colon || i == 0 {
                out.push(b':');
            }
            out.push(b':');
            colon = false;
            i += run_len;
            continue;
        }
        if colon {
            out.push(b':');
        }
        text::hex(out, word(i).into());
        colon = true;
        i += 1;
    }
    if words == 6 {
        if colon {
            out.push(b':');
        }
        ip4(out, [ip[12], ip[13], ip[14], ip[15]], false, false);
    }
}

fn sockaddr(out: &mut Vec<u8>, bytes: &[u8], pointer: Pointer) -> Option<()> {
    const AF_INET: u64 = 2;
    const AF_INET6: u64 = 10;
    let Pointer::Sockaddr {
        compressed,
        port,
        flow,
        scope,
        swap,
    } = pointer
    else {
        return None;
    };
    let be16 = |at: usize| {
        bytes
            .get(at..)?
            .first_chunk()
            .map(|b| u16::from_be_bytes(*b))
    };
    let number = |out: &mut Vec<u8>| {
        out.push(b':');
        be16(2).map(|v| text::dec(out, v.into()))
    };
    match load(
        bytes,
        0,
        CInt {
            size: 2,
            signed: false,
        },
    )? {
        AF_INET => {
            ip4(out, *bytes.get(4..)?.first_chunk()?, swap, false);
            if port {
                number(out)?;
            }
        }
        AF_INET6 => {
            let dressed = port || flow || scope;
            if dressed {
                out.push(b'[');
            }
            ip6(out, *bytes.get(8..)?.first_chunk()?, compressed, true);
            if dressed {
                out.push(b']');
            }
            if port {
                number(out)?;
            }
            if flow {
                out.push(b'/');
                let info = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
                text::dec(out, (info & 0x0fff_ffff).into());
            }
            if scope {
                out.push(b'%');
                text::dec(out, load(bytes, 24, CInt::UINT)?);
            }
        }
        _ => out.extend_from_slice(b"(einval)"),
    }
    Some(())
}

fn uuid(out: &mut Vec<u8>, id: [u8; 16], little: bool, upper: bool) {
    let order: [usize; 16] = if little {
        [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
    } else {
        core::array::from_fn(|i| i)
    };
    let start = out.len();
    for (i, at) in order.into_iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        text::hex_zero(out, id[at].into(), 2);
    }
    if upper {
        out[start..].make_ascii_uppercase();
    }
}

/// Bytes that cannot be printed are escaped; all others, the backslash too, stand for themselves.
fn escaped(out: &mut Vec<u8>, bytes: &[u8], hex: bool) {
    for &b in bytes {
        let letter = match b {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            12 => b'f',
            7 => b'a',
            27 => b'e',
            0 => b'0',
            _ if b.is_ascii_graphic() || b == b' ' => {
                out.push(b);
                continue;
            }
            _ if hex => {
                out.extend_from_slice(b"\\x");
                text::hex_zero(out, b.into(), 2);
                continue;
            }
            _ => {
                out.extend_from_slice(&[
                    b'\\',
                    b'0' + (b >> 6),
                    b'0' + (b >> 3 & 7),
                    b'0' + (b & 7),
                ]);
                continue;
            }
        };
        if hex {
            out.extend_from_slice(b"\\x");
            text::hex_zero(out, b.into(), 2);
        } else {
            out.extend_from_slice(&[b'\\', letter]);
        }
    }
}

/// Whether a conversion is a plain one, without width: no need to look at its end.
pub(super) fn is_plain(what: What<'_>, spec: &Spec) -> bool {
    matches!(what, What::Pointer(_) | What::Text)
        && spec.width == Dim::None
        && spec.precision == Dim::None
}
