//! The value of an expression for a record: a small stack machine, whose stack is counted at compile time.

use super::Env;
use crate::event::ctype::CInt;
use crate::event::field::{Load, dynamic, load};

/// How many values an expression may hold at once.
pub(super) const STACK: usize = 16;

/// Operators of two operands; those that care for the sign have two forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    DivS,
    DivU,
    RemS,
    RemU,
    And,
    Or,
    Xor,
    Shl,
    ShrS,
    ShrU,
    Eq,
    Ne,
    LtS,
    LtU,
    LeS,
    LeU,
}

impl Op {
    /// The result for operands in canonical form (extended to 64 bits by their sign). Division by zero gives zero.
    #[inline(always)]
    pub(super) fn apply(self, a: u64, b: u64) -> u64 {
        let (sa, sb) = (a as i64, b as i64);
        match self {
            Op::Add => a.wrapping_add(b),
            Op::Sub => a.wrapping_sub(b),
            Op::Mul => a.wrapping_mul(b),
            Op::DivS if b == 0 => 0,
            Op::DivS => sa.wrapping_div(sb) as u64,
            Op::DivU => a.checked_div(b).unwrap_or(0),
            Op::RemS if b == 0 => 0,
            Op::RemS => sa.wrapping_rem(sb) as u64,
            Op::RemU => a.checked_rem(b).unwrap_or(0),
            Op::And => a & b,
            Op::Or => a | b,
            Op::Xor => a ^ b,
            Op::Shl => a << (b & 63),
            Op::ShrS => (sa >> (b & 63)) as u64,
            Op::ShrU => a >> (b & 63),
            Op::Eq => (a == b).into(),
            Op::Ne => (a != b).into(),
            Op::LtS => (sa < sb).into(),
            Op::LtU => (a < b).into(),
            Op::LeS => (sa <= sb).into(),
            Op::LeU => (a <= b).into(),
        }
    }
}

/// One instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ins {
    Push(u64),
    Load(Load),
    /// Pops two values, pushes the result.
    Op(Op),
    /// The same with a constant on the right.
    OpConst(Op, u64),
    Wrap(CInt),
    /// Whether the value is not 0.
    Bool,
    /// Pops a value; goes there if it is 0.
    JumpIfZero(u32),
    Jump(u32),
    /// Slices: offset in the low half, length in the high half.
    Fixed {
        offset: u16,
        len: u32,
    },
    Dynamic {
        offset: u16,
        rel: bool,
    },
    DynamicLen {
        offset: u16,
    },
    /// Pops index and slice, pushes the number there.
    Index(CInt),
    /// Pops count and slice, pushes what is left of the slice that many elements on.
    Advance(u32),
    Swap(u8),
    Jiffies,
}

/// A slice as a value.
#[inline]
pub(super) fn slice(offset: usize, len: usize) -> u64 {
    offset as u64 | (len as u64) << 32
}

/// The bytes of a slice.
#[inline]
pub(super) fn bytes(record: &[u8], slice: u64) -> &[u8] {
    let (offset, len) = ((slice & 0xffff_ffff) as usize, (slice >> 32) as usize);
    record
        .get(offset..offset.saturating_add(len))
        .unwrap_or(&[])
}

/// Bytes at a fixed place, as many of them as the record has.
#[inline]
fn fixed(record: &[u8], offset: u16, len: u32) -> Option<u64> {
    let offset = usize::from(offset);
    let left = record.len().checked_sub(offset)?;
    Some(slice(offset, left.min(len as usize)))
}

/// Runs instructions; `None` if the record is too short for a value that was asked for.
pub(super) fn eval(code: &[Ins], record: &[u8], env: &Env) -> Option<u64> {
    // What most expressions are needs no stack.
    match *code {
        [Ins::Load(load)] => return load.get(record),
        [Ins::Load(load), Ins::OpConst(op, b)] => return Some(op.apply(load.get(record)?, b)),
        _ => {}
    }
    let mut stack = [0u64; STACK];
    // Index of the next free place. The compiler has counted; the mask only keeps the compiler from checking bounds.
    let mut top = 0usize;
    let mut at = 0usize;
    macro_rules! push {
        ($v:expr) => {{
            let v = $v;
            stack[top % STACK] = v;
            top += 1;
        }};
    }
    macro_rules! pop {
        () => {{
            top = top.wrapping_sub(1);
            stack[top % STACK]
        }};
    }
    while let Some(&ins) = code.get(at) {
        at += 1;
        match ins {
            Ins::Push(v) => push!(v),
            Ins::Load(load) => push!(load.get(record)?),
            Ins::Op(op) => {
                let b = pop!();
                let a = pop!();
                push!(op.apply(a, b));
            }
            Ins::OpConst(op, b) => {
                let a = pop!();
                push!(op.apply(a, b));
            }
            Ins::Wrap(int) => {
                let v = pop!();
                push!(int.wrap(v));
            }
            Ins::Bool => {
                let v = pop!();
                push!((v != 0).into());
            }
            Ins::JumpIfZero(to) => {
                if pop!() == 0 {
                    at = to as usize;
                }
            }
            Ins::Jump(to) => at = to as usize,
            Ins::Fixed { offset, len } => push!(fixed(record, offset, len)?),
            Ins::Dynamic { offset, rel } => {
                let (start, len) = dynamic(record, offset.into(), rel)?;
                push!(slice(start, len));
            }
            Ins::DynamicLen { offset } => push!(load(record, offset.into(), CInt::UINT)? >> 16),
            Ins::Index(int) => {
                let index = pop!();
                let from = pop!();
                let at = usize::try_from(index).ok()?.checked_mul(int.size.into())?;
                push!(load(bytes(record, from), at, int)?);
            }
            Ins::Advance(size) => {
                let count = pop!() as i64;
                let from = pop!();
                let step = count.checked_mul(size.into())?;
                let (offset, len) = ((from & 0xffff_ffff) as i64, (from >> 32) as i64);
                // Back to before the slice's start there may be other bytes of the record, in front of it there are none.
                let (offset, len) = (offset.checked_add(step)?, len.checked_sub(step)?);
                if offset < 0 || len < 0 || offset + len > record.len() as i64 {
                    return None;
                }
                push!(slice(offset as usize, len as usize));
            }
            Ins::Swap(size) => {
                let v = pop!();
                push!(v.swap_bytes() >> (64 - 8 * u32::from(size)));
            }
            Ins::Jiffies => push!(env.jiffies),
        }
    }
    Some(pop!())
}
