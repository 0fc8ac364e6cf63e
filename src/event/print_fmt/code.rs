//! Expressions to the instructions that [`eval`](super::eval) runs.

use alloc::vec::Vec;

use super::CompileError;
use super::eval::{Ins, STACK};
use super::tree::{Id, Node, Tree, Ty};
use crate::event::ctype::CInt;

/// The instructions for a value, brought into a type if one is given.
pub(super) fn instructions(
    tree: &Tree,
    id: Id,
    int: Option<CInt>,
) -> Result<Vec<Ins>, CompileError> {
    let mut g = Generator {
        tree,
        code: Vec::new(),
        height: 0,
    };
    g.value(id)?;
    match (int, tree.get(id).ty) {
        (Some(int), Ty::Int(from)) => g.wrap(from, int),
        (Some(int), Ty::Ptr(_)) => g.wrap(CInt::ULONG, int),
        _ => {}
    }
    Ok(g.code)
}

/// Makes the instructions of one expression.
struct Generator<'a> {
    tree: &'a Tree,
    code: Vec<Ins>,
    height: usize,
}

impl Generator<'_> {
    /// Counts what the stack holds after an instruction that takes some values and leaves one.
    fn push(&mut self, ins: Ins, takes: usize, position: usize) -> Result<(), CompileError> {
        self.code.push(ins);
        self.height = self.height + 1 - takes;
        if self.height > STACK || self.code.len() > usize::from(u16::MAX) {
            return Err(CompileError::new("the expression is too deep", position));
        }
        Ok(())
    }

    /// Brings the value on top from one type into another, if that can change it.
    fn wrap(&mut self, from: CInt, int: CInt) {
        if int.holds(from) {
            return;
        }
        let narrowed = match self.code[..] {
            [Ins::Push(v)] => Some(Ins::Push(int.wrap(v))),
            [Ins::Load(load)] => load.narrow(int).map(Ins::Load),
            _ => None,
        };
        match narrowed {
            Some(ins) => self.code[0] = ins,
            None => self.code.push(Ins::Wrap(int)),
        }
    }

    fn value(&mut self, id: Id) -> Result<(), CompileError> {
        let e = self.tree.get(id);
        let at = e.position;
        match e.node {
            Node::Num(v) => self.push(Ins::Push(v), 0, at),
            Node::Load(load) => self.push(Ins::Load(load), 0, at),
            Node::Fixed { offset, len } => self.push(Ins::Fixed { offset, len }, 0, at),
            Node::Dynamic { offset, rel } => self.push(Ins::Dynamic { offset, rel }, 0, at),
            Node::DynamicLen { offset } => self.push(Ins::DynamicLen { offset }, 0, at),
            Node::Jiffies => self.push(Ins::Jiffies, 0, at),
            Node::Binary(op, a, b) => {
                self.value(a)?;
                if let Node::Num(v) = self.tree.get(b).node {
                    return self.push(Ins::OpConst(op, v), 1, at);
                }
                self.value(b)?;
                self.push(Ins::Op(op), 2, at)
            }
            Node::Wrap(int, a) => {
                self.value(a)?;
                self.push(Ins::Wrap(int), 1, at)
            }
            Node::Swap(size, a) => {
                self.value(a)?;
                self.push(Ins::Swap(size), 1, at)
            }
            Node::Index(int, base, index) => {
                self.value(base)?;
                self.value(index)?;
                self.push(Ins::Index(int), 2, at)
            }
            Node::Advance(size, base, index) => {
                self.value(base)?;
                self.value(index)?;
                self.push(Ins::Advance(size), 2, at)
            }
            Node::AndAnd(a, b) | Node::OrOr(a, b) => {
                let and = matches!(e.node, Node::AndAnd(..));
                self.value(a)?;
                let branch = self.jump_if_zero();
                if and {
                    self.value(b)?;
                    self.push(Ins::Bool, 1, at)?;
                } else {
                    self.push(Ins::Push(1), 0, at)?;
                }
                let leave = self.jump();
                self.code[branch] = Ins::JumpIfZero(self.code.len() as u32);
                if and {
                    self.push(Ins::Push(0), 0, at)?;
                } else {
                    self.value(b)?;
                    self.push(Ins::Bool, 1, at)?;
                }
                self.code[leave] = Ins::Jump(self.code.len() as u32);
                Ok(())
            }
            Node::Cond(cond, yes, no) => {
                self.value(cond)?;
                let branch = self.jump_if_zero();
                self.value(yes)?;
                let leave = self.jump();
                self.code[branch] = Ins::JumpIfZero(self.code.len() as u32);
                self.value(no)?;
                self.code[leave] = Ins::Jump(self.code.len() as u32);
                Ok(())
            }
            Node::Literal(_) | Node::Helper(_) => Err(CompileError::new("a number expected", at)),
        }
    }

    /// To be filled in.
    fn jump_if_zero(&mut self) -> usize {
        self.code.push(Ins::JumpIfZero(0));
        self.height -= 1;
        self.code.len() - 1
    }

    /// To be filled in; what follows is the other branch, for which the stack is as it was.
    fn jump(&mut self) -> usize {
        self.code.push(Ins::Jump(0));
        self.height -= 1;
        self.code.len() - 1
    }
}
