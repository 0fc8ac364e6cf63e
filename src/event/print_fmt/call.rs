//! Calls in a `print fmt`: the helpers of trace events and a few plain functions.

use alloc::format;
use alloc::vec::Vec;

use super::CompileError;
use super::eval::Op;
use super::lexer::{At, Token};
use super::parse::Parser;
use super::tree::{Elem, Helper, Id, Node, Ty};
use crate::event::ctype::CInt;
use crate::event::field::FieldKind;

impl Parser<'_> {
    /// The operands of a call, its opening bracket passed.
    pub(super) fn call(&mut self, name: &str, position: usize) -> Result<Id, CompileError> {
        // Those that take the name of a dynamic field.
        let (plain, rel) = match name.strip_prefix("__get_rel_") {
            Some(rest) => (rest, true),
            None => (name.strip_prefix("__get_").unwrap_or(""), false),
        };
        if matches!(
            plain,
            "str" | "dynamic_array" | "dynamic_array_len" | "bitmask" | "cpumask" | "sockaddr"
        ) {
            let id = self.dynamic(plain, rel, position)?;
            self.expect(")")?;
            return Ok(id);
        }
        let id = match name {
            "__print_flags" | "__print_flags_u64" => {
                let value = self.number()?;
                self.expect(",")?;
                let delim = self.literal()?;
                self.expect(",")?;
                let table = self.table()?;
                self.helper(
                    Helper::Flags {
                        value,
                        delim,
                        table,
                    },
                    position,
                    &[value],
                )?
            }
            "__print_symbolic" | "__print_symbolic_u64" => {
                let value = self.number()?;
                self.expect(",")?;
                let table = self.table()?;
                self.helper(Helper::Symbolic { value, table }, position, &[value])?
            }
            "__print_hex" | "__print_hex_str" => {
                let bytes = self.slice()?;
                self.expect(",")?;
                let len = self.number()?;
                let separated = name == "__print_hex";
                self.helper(
                    Helper::Hex {
                        bytes,
                        len,
                        separated,
                    },
                    position,
                    &[bytes, len],
                )?
            }
            "__print_array" => {
                let bytes = self.slice()?;
                self.expect(",")?;
                let count = self.number()?;
                self.expect(",")?;
                let size = self.number()?;
                self.helper(
                    Helper::Array { bytes, count, size },
                    position,
                    &[bytes, count, size],
                )?
            }
            "__print_dynamic_array" => {
                let (offset, _) = self.dynamic_field(false)?;
                self.expect(",")?;
                let size = self.number()?;
                let bytes = self.tree.add(
                    Node::Dynamic { offset, rel: false },
                    Ty::Slice(Elem::VOID),
                    position,
                    &[],
                )?;
                let len = self.tree.add(
                    Node::DynamicLen { offset },
                    Ty::Int(CInt::ULONG),
                    position,
                    &[],
                )?;
                let divisor = self.tree.to(CInt::ULONG, size)?;
                let count = self
                    .tree
                    .emit(Op::DivU, len, divisor, CInt::ULONG, position)?;
                self.helper(
                    Helper::Array { bytes, count, size },
                    position,
                    &[bytes, count, size],
                )?
            }
            "__print_hex_dump" => {
                let prefix = self.literal()?;
                self.expect(",")?;
                // enum of include/linux/printk.h: none, address, offset
                let offsets = match self.peek() {
                    Token::Word("DUMP_PREFIX_OFFSET") => true,
                    Token::Word("DUMP_PREFIX_NONE" | "DUMP_PREFIX_ADDRESS") => false,
                    Token::Number(v, _) => *v == 2,
                    _ => return Err(self.fail("0, 1 or 2 expected")),
                };
                self.next();
                self.expect(",")?;
                let row = self.number()?;
                self.expect(",")?;
                let group = self.number()?;
                self.expect(",")?;
                let bytes = self.slice()?;
                self.expect(",")?;
                let len = self.number()?;
                self.expect(",")?;
                let ascii = self.number()?;
                let helper = Helper::Dump {
                    prefix,
                    offsets,
                    row,
                    group,
                    bytes,
                    len,
                    ascii,
                };
                self.helper(helper, position, &[row, group, bytes, len, ascii])?
            }
            "__builtin_expect" => {
                let value = self.expression()?;
                self.expect(",")?;
                self.expression()?;
                value
            }
            "__builtin_choose_expr" => {
                let cond = self.expression()?;
                self.expect(",")?;
                let yes = self.expression()?;
                self.expect(",")?;
                let no = self.expression()?;
                match self.tree.constant(cond) {
                    Some(value) => {
                        if value != 0 {
                            yes
                        } else {
                            no
                        }
                    }
                    None => return Err(CompileError::new("a constant expected", position)),
                }
            }
            "__builtin_constant_p" => {
                let operand = self.expression()?;
                let known = self.tree.constant(operand).is_some();
                self.tree.num(known.into(), CInt::INT, position)?
            }
            _ => self.function(name, position)?,
        };
        self.expect(")")?;
        Ok(id)
    }

    /// Functions of one number.
    fn function(&mut self, name: &str, position: usize) -> Result<Id, CompileError> {
        let order = cfg!(target_endian = "little");
        let swap = match name {
            "__builtin_bswap16" | "swab16" | "__swab16" | "__fswab16" => 2,
            "__builtin_bswap32" | "swab32" | "__swab32" | "__fswab32" => 4,
            "__builtin_bswap64" | "swab64" | "__swab64" | "__fswab64" => 8,
            "ntohs" | "htons" | "be16_to_cpu" | "cpu_to_be16" | "__be16_to_cpu"
            | "__cpu_to_be16"
                if order =>
            {
                2
            }
            "ntohl" | "htonl" | "be32_to_cpu" | "cpu_to_be32" | "__be32_to_cpu"
            | "__cpu_to_be32"
                if order =>
            {
                4
            }
            "be64_to_cpu" | "cpu_to_be64" | "__be64_to_cpu" | "__cpu_to_be64" if order => 8,
            "le16_to_cpu" | "cpu_to_le16" | "__le16_to_cpu" | "__cpu_to_le16" if !order => 2,
            "le32_to_cpu" | "cpu_to_le32" | "__le32_to_cpu" | "__cpu_to_le32" if !order => 4,
            "le64_to_cpu" | "cpu_to_le64" | "__le64_to_cpu" | "__cpu_to_le64" if !order => 8,
            "ntohs" | "htons" | "be16_to_cpu" | "cpu_to_be16" | "__be16_to_cpu"
            | "__cpu_to_be16" => 0,
            "ntohl" | "htonl" | "be32_to_cpu" | "cpu_to_be32" | "__be32_to_cpu"
            | "__cpu_to_be32" => 0,
            "be64_to_cpu" | "cpu_to_be64" | "__be64_to_cpu" | "__cpu_to_be64" => 0,
            "le16_to_cpu" | "cpu_to_le16" | "__le16_to_cpu" | "__cpu_to_le16" => 0,
            "le32_to_cpu" | "cpu_to_le32" | "__le32_to_cpu" | "__cpu_to_le32" => 0,
            "le64_to_cpu" | "cpu_to_le64" | "__le64_to_cpu" | "__cpu_to_le64" => 0,
            "__print_ns_to_secs" | "__print_ns_without_secs" => {
                let value = self.number()?;
                let value = self.tree.to(CInt::ULONG, value)?;
                let second = self.tree.num(1_000_000_000, CInt::ULONG, position)?;
                let op = if name == "__print_ns_to_secs" {
                    Op::DivU
                } else {
                    Op::RemU
                };
                return self.tree.emit(op, value, second, CInt::ULONG, position);
            }
            // HZ is 250, as the divisions in the kernel's own format files say.
            "jiffies_to_msecs" | "jiffies_to_usecs" => {
                let value = self.number()?;
                let value = self.tree.to(CInt::ULONG, value)?;
                let unit = self.tree.num(
                    if name == "jiffies_to_msecs" { 4 } else { 4000 },
                    CInt::ULONG,
                    position,
                )?;
                let product = self
                    .tree
                    .emit(Op::Mul, value, unit, CInt::ULONG, position)?;
                return self.tree.to(CInt::UINT, product);
            }
            _ => {
                return Err(CompileError::new(
                    format!("the function {name} is not known"),
                    position,
                ));
            }
        };
        let value = self.number()?;
        if swap == 0 {
            return Ok(value);
        }
        let int = CInt {
            size: swap,
            signed: false,
        };
        let value = self.tree.to(int, value)?;
        match self.tree.constant(value) {
            Some(v) => self
                .tree
                .num(v.swap_bytes() >> (64 - 8 * u32::from(swap)), int, position),
            None => self
                .tree
                .add(Node::Swap(swap, value), Ty::Int(int), position, &[value]),
        }
    }

    fn helper(
        &mut self,
        helper: Helper,
        position: usize,
        operands: &[Id],
    ) -> Result<Id, CompileError> {
        self.tree
            .add(Node::Helper(helper), Ty::Text, position, operands)
    }

    /// The name of a field with dynamic data, which comes next: where its word is, and the type of the elements.
    fn dynamic_field(&mut self, rel: bool) -> Result<(u16, Elem), CompileError> {
        let position = self.position();
        let field = self.field()?;
        let is_rel = match field.kind {
            FieldKind::DataLoc { .. } | FieldKind::Cpumask { rel: false } => false,
            FieldKind::RelLoc { .. } | FieldKind::Cpumask { rel: true } => true,
            _ => {
                return Err(CompileError::new(
                    "this field has no dynamic data",
                    position,
                ));
            }
        };
        if rel != is_rel {
            return Err(CompileError::new(
                "__data_loc and __rel_loc are not the same",
                position,
            ));
        }
        Ok((field.offset, Elem::of(field.elem())))
    }

    /// One of the helpers that take the name of a field with dynamic data.
    fn dynamic(&mut self, what: &str, rel: bool, position: usize) -> Result<Id, CompileError> {
        let (offset, elem) = self.dynamic_field(rel)?;
        if what == "dynamic_array_len" {
            return self.tree.add(
                Node::DynamicLen { offset },
                Ty::Int(CInt::INT),
                position,
                &[],
            );
        }
        let elem = match what {
            "str" => Elem::of(Some(CInt::U8)),
            // `void *` in C.
            "dynamic_array" => Elem::VOID,
            _ => elem,
        };
        let bytes = self.tree.add(
            Node::Dynamic { offset, rel },
            Ty::Slice(elem),
            position,
            &[],
        )?;
        if matches!(what, "bitmask" | "cpumask") {
            return self.helper(Helper::Bitmask { bytes }, position, &[bytes]);
        }
        Ok(bytes)
    }

    fn number(&mut self) -> Result<Id, CompileError> {
        let id = self.expression()?;
        self.tree.int(id)?;
        Ok(id)
    }

    fn slice(&mut self) -> Result<Id, CompileError> {
        let id = self.expression()?;
        match self.tree.get(id).ty {
            Ty::Slice(_) => Ok(id),
            _ => Err(CompileError::new(
                "an array in the record expected",
                self.tree.get(id).position,
            )),
        }
    }

    fn literal(&mut self) -> Result<Vec<u8>, CompileError> {
        match self.next() {
            At {
                token: Token::Text(text),
                ..
            } => Ok(text),
            other => Err(CompileError::new(
                "a text in quotes expected",
                other.position,
            )),
        }
    }

    /// `{ value, "name" }, …` up to the bracket that closes the call. A name of 0 ends it, as in the kernel. An entry
    /// whose value is a name that nobody knows is left out: what it stands for shows as a number.
    fn table(&mut self) -> Result<Vec<(u64, Vec<u8>)>, CompileError> {
        let mut table = Vec::new();
        let mut open = true;
        loop {
            self.expect("{")?;
            self.unknown = Some(false);
            let id = self.number()?;
            let value = match (self.unknown.take(), self.tree.constant(id)) {
                (Some(true), _) => None,
                (_, Some(value)) => Some(value),
                (_, None) => {
                    return Err(CompileError::new(
                        "a constant expected",
                        self.tree.get(id).position,
                    ));
                }
            };
            self.expect(",")?;
            let name = self.expression()?;
            match (&self.tree.get(name).node, value) {
                (Node::Literal(text), Some(value)) if open => table.push((value, text.clone())),
                (Node::Literal(_), _) => {}
                (Node::Num(0), _) => open = false,
                _ => {
                    return Err(CompileError::new(
                        "a text in quotes expected",
                        self.tree.get(name).position,
                    ));
                }
            }
            self.expect("}")?;
            if !self.take(",") || !self.is("{") {
                return Ok(table);
            }
        }
    }
}
