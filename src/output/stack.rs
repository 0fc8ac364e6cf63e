//! The records of the options `stacktrace` and `userstacktrace`: a title and a line for each frame.

use alloc::vec::Vec;

use super::style::Style;
use super::symbols::symbol;
use crate::base::symbol;
use crate::base::text;
use crate::event::ctype::CInt;
use crate::event::field::load;

/// Where the addresses begin, in both kinds of record.
const CALLERS: usize = 16;

/// `ftrace:kernel_stack`: names of functions.
pub(super) fn kernel(out: &mut Vec<u8>, style: &Style, record: &[u8]) {
    out.extend_from_slice(b"<stack trace>\n");
    let frames = load(record, 8, CInt::UINT).unwrap_or(0) as usize;
    for address in callers(record).take(frames) {
        out.extend_from_slice(b" => ");
        symbol(out, style, address, true);
        out.push(b'\n');
    }
}

/// `ftrace:user_stack`: addresses, or with `sym-userobj` places in files.
pub(super) fn user(out: &mut Vec<u8>, style: &Style, record: &[u8]) {
    out.extend_from_slice(b"<user stack trace>\n");
    let tgid = load(record, 8, CInt::UINT).unwrap_or(0) as u32;
    for address in callers(record).take_while(|a| *a != 0) {
        out.extend_from_slice(b" => ");
        let file = style.sym_userobj && symbol::place(tgid, address, out);
        if !file || style.sym_addr {
            out.extend_from_slice(b" <");
            text::hex_zero(out, address, 16);
            out.push(b'>');
        }
        out.push(b'\n');
    }
}

fn callers(record: &[u8]) -> impl Iterator<Item = u64> {
    let mut at = CALLERS;
    core::iter::from_fn(move || {
        let address = load(record, at, CInt::ULONG)?;
        at += 8;
        Some(address)
    })
}
