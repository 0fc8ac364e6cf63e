//! Names of the addresses that stand in records.

use alloc::vec::Vec;

use super::style::Style;
use crate::base::stack;
use crate::base::symbol;
use crate::base::text;
use crate::event::print_fmt::{Symbols, Within};
use crate::instance::marker::mark_write_ip;

/// The functions of this program and its libraries.
pub(super) struct OwnSymbols;

impl OwnSymbols {
    /// Finds out about libraries that were loaded or unloaded.
    pub(super) fn renew() {
        symbol::renew();
        stack::renew();
    }
}

impl Symbols for OwnSymbols {
    fn name(&self, address: u64, out: &mut Vec<u8>) -> Option<Within> {
        if address == mark_write_ip() {
            // also where the program has no symbols
            out.extend_from_slice(b"tracing_mark_write");
            return Some(Within { offset: 0, size: 1 });
        }
        let (offset, size) = symbol::name(address, out)?;
        Some(Within { offset, size })
    }
}

/// Appends `name`, with `sym-offset` `name+0x8a/0x170`, with `sym-addr` the address behind. `behind`: the address is one that a
/// call returns to, which may be the first of another function.
pub(super) fn symbol(out: &mut Vec<u8>, style: &Style, address: u64, behind: bool) {
    let before = u64::from(behind && address != 0);
    match OwnSymbols.name(address - before, out) {
        None => {
            out.extend_from_slice(b"0x");
            text::hex_zero(out, address, 8);
        }
        Some(within) if style.sym_offset => {
            out.extend_from_slice(b"+0x");
            text::hex(out, within.offset + before);
            out.extend_from_slice(b"/0x");
            text::hex(out, within.size);
        }
        Some(_) => (),
    }
    if style.sym_addr {
        out.extend_from_slice(b" <");
        text::hex_zero(out, address, 16);
        out.push(b'>');
    }
}
