//! From text to a program: parentheses, `!`, `&&` before `||`, and predicates between them.

use alloc::vec::Vec;

use super::error::Refused;
use super::is_space;
use super::predicate::{self, Predicate};
use super::program::{Builder, Filter, Group};
use crate::base::error::Errno;
use crate::event::field::Field;

impl Filter {
    /// Compiles `text` for records with these fields behind the common ones.
    pub fn compile(text: &[u8], fields: &[Field]) -> Result<Filter, Refused> {
        balance(text)?;
        let mut program = Builder::default();
        // the whole, and in it the groups that are open
        let mut whole = Group::default();
        let mut open: Vec<Group> = Vec::new();
        let mut at = 0;
        loop {
            // an operand is wanted
            let mut invert = false;
            loop {
                at = skip_space(text, at);
                match text.get(at) {
                    Some(b'!') => invert = !invert,
                    Some(b'(') => {
                        open.push(Group::new(invert));
                        invert = false;
                    }
                    Some(_) => break,
                    None if program.is_empty() => {
                        return Err(Refused::invalid("No filter found", at));
                    }
                    None => return Err(Refused::invalid("Meaningless filter expression", at)),
                }
                at += 1;
            }
            let (Predicate { test, not }, end) = predicate::parse(text, at, fields, &mut program)?;
            let ends = program
                .test(test)
                .ok_or(Refused::silent(Errno::EINVAL))?
                .not(invert != not);
            open.last_mut().unwrap_or(&mut whole).operand(ends);
            at = end;
            // an operator is wanted, or an end
            loop {
                at = skip_space(text, at);
                let rest = &text[at..];
                let group = open.last_mut().unwrap_or(&mut whole);
                if rest.is_empty() {
                    return Ok(program.finish(whole.close()));
                } else if rest.starts_with(b"&&") {
                    group.and(&mut program);
                    at += 2;
                    break;
                } else if rest.starts_with(b"||") {
                    group.or(&mut program);
                    at += 2;
                    break;
                } else if rest[0] == b')' {
                    let Some(group) = open.pop() else {
                        return Err(too_few(at));
                    };
                    let ends = group.close();
                    open.last_mut().unwrap_or(&mut whole).operand(ends);
                    at += 1;
                } else {
                    let message = "Too many terms in predicate expression";
                    return Err(Refused::new(Errno::EPERM, message, at));
                }
            }
        }
    }
}

pub(super) fn skip_space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or(&[]);
    at + rest.iter().take_while(|b| is_space(**b)).count()
}

fn too_few(at: usize) -> Refused {
    Refused::new(Errno::EPERM, "Too few '('", at)
}

/// What is looked at first: that quotes and parentheses close, and that there is anything besides the latter.
fn balance(text: &[u8]) -> Result<(), Refused> {
    let mut open = Vec::new();
    let mut empty = true;
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match b {
            b'(' => open.push(at),
            b')' => drop(open.pop().ok_or(too_few(at))?),
            b'"' | b'\'' => {
                let rest = &text[at + 1..];
                let Some(len) = rest.iter().position(|c| *c == b) else {
                    return Err(Refused::new(Errno::ESRCH, "Missing matching quote", at));
                };
                at += len + 1;
                empty = false;
            }
            b if is_space(b) => (),
            _ => empty = false,
        }
        at += 1;
    }
    match open.last() {
        Some(&at) => Err(Refused::new(Errno::ENOENT, "Too many '('", at)),
        None if empty => Err(Refused::silent(Errno::EINVAL)),
        None => Ok(()),
    }
}
