//! A record by its fields, without its `print fmt`: the option `fields` (Documentation/trace/ftrace.rst).

use alloc::vec::Vec;

use super::{Env, TRUNCATED, helper, pointer};
use crate::base::text;
use crate::event::ctype::CInt;
use crate::event::field::{Field, FieldKind, load};

/// Appends ` name=value` for every field: text as it is, numbers as `0x3 (3)`, single bytes as `(3)` or `'a'(97)`.
pub fn render_fields(fields: &[Field], record: &[u8], env: &Env, out: &mut Vec<u8>) {
    for field in fields {
        out.push(b' ');
        out.extend_from_slice(field.name.as_bytes());
        out.push(b'=');
        if value(field, record, env, out).is_none() {
            out.extend_from_slice(TRUNCATED);
        }
    }
}

fn value(field: &Field, record: &[u8], env: &Env, out: &mut Vec<u8>) -> Option<()> {
    if field.is_string() {
        text::until_nul(out, field.bytes(record)?);
        return Some(());
    }
    let number = |size: u16, signed: bool| {
        load(
            record,
            field.offset.into(),
            CInt {
                size: size as u8,
                signed,
            },
        )
    };
    match (field.kind, field.size) {
        (FieldKind::Cpumask { .. }, _) => {
            let set = field.bytes(record)?;
            helper::bitmask(out, set, set.len() * 8);
        }
        (FieldKind::CharPtr, 8) => {
            let address = number(8, false)?;
            out.extend_from_slice(b"(0x");
            text::hex_zero(out, address, 16);
            let end = out.len();
            out.push(b':');
            if !env.symbols.text(address, out) {
                out.truncate(end);
            }
            out.push(b')');
        }
        (_, 1) => {
            let byte = number(1, false)? as u8;
            if byte.is_ascii_graphic() || byte == b' ' {
                out.extend_from_slice(&[b'\'', byte, b'\'']);
            }
            out.push(b'(');
            text::dec(out, byte.into());
            out.push(b')');
        }
        (_, size @ (2 | 4 | 8)) => {
            let bits = number(size, false)?;
            if size == 8 {
                pointer::symbol(out, bits, true, env);
            } else {
                out.extend_from_slice(b"0x");
                text::hex(out, bits);
            }
            out.extend_from_slice(b" (");
            // Of four and eight bytes the decimal number is signed, whatever the field is.
            match size {
                2 => text::dec(out, bits),
                _ => text::dec_signed(out, number(size, true)? as i64),
            }
            out.push(b')');
        }
        _ => out.extend_from_slice(b"<INVALID-SIZE>"),
    }
    Some(())
}
