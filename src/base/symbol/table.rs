//! What is loaded, and the symbols of each object.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use std::fs::File;
use std::sync::OnceLock;

use object::read::ReadCache;
use object::{Object, ObjectSymbol, SymbolKind};

use crate::base::objects::{self, Loaded};
use crate::base::sync::RwLock;
use crate::base::text;

/// One function.
struct Function {
    start: u64,
    size: u64,
    /// Bytes of the names.
    name: core::ops::Range<u32>,
}

/// The functions of an object, by where they start, as the file counts.
#[derive(Default)]
struct Functions {
    list: Vec<Function>,
    names: Vec<u8>,
}

struct Module {
    loaded: Loaded,
    functions: Arc<OnceLock<Functions>>,
}

/// A mapping from a file.
struct Mapping {
    range: core::ops::Range<u64>,
    path: Vec<u8>,
}

struct Table {
    version: objects::Version,
    /// By address.
    modules: Vec<Module>,
    /// Mappings of the process asked for last.
    mappings: Option<(u32, Vec<Mapping>)>,
}

static TABLE: RwLock<Table> = RwLock::new(Table {
    version: objects::Version::NONE,
    modules: Vec::new(),
    mappings: None,
});

pub(super) fn renew() {
    let version = objects::version();
    {
        let table = TABLE.read();
        if table.version == version && table.mappings.is_none() {
            return;
        }
    }
    let mut table = TABLE.write();
    table.mappings = None;
    if table.version == version {
        return;
    }
    let former = core::mem::take(&mut table.modules);
    let (version, mut loaded) = objects::all();
    loaded.sort_unstable_by_key(|l| l.text.start);
    table.version = version;
    table.modules = loaded
        .into_iter()
        .map(|loaded| {
            let known = former.iter().find(|m| m.loaded == loaded);
            Module {
                functions: known.map_or_else(Arc::default, |m| m.functions.clone()),
                loaded,
            }
        })
        .collect();
}

pub(super) fn name(address: u64, out: &mut Vec<u8>) -> Option<(u64, u64)> {
    let (functions, address) = {
        let table = TABLE.read();
        let after = table
            .modules
            .partition_point(|m| m.loaded.text.start <= address);
        let module = &table.modules[after.checked_sub(1)?];
        if !module.loaded.text.contains(&address) {
            return None;
        }
        let functions = module.functions.clone();
        functions.get_or_init(|| Functions::of(&module.loaded.path).unwrap_or_default());
        (functions, address.wrapping_sub(module.loaded.bias))
    };
    let functions = functions.get()?;
    let after = functions.list.partition_point(|f| f.start <= address);
    let function = &functions.list[after.checked_sub(1)?];
    let offset = address - function.start;
    if offset >= function.size {
        return None;
    }
    let name = functions
        .names
        .get(function.name.start as usize..function.name.end as usize)?;
    demangled(&String::from_utf8_lossy(name), out);
    Some((offset, function.size))
}

/// Appends a name as it was in the source.
fn demangled(name: &str, out: &mut Vec<u8>) {
    struct Bytes<'a>(&'a mut Vec<u8>);
    impl Write for Bytes<'_> {
        fn write_str(&mut self, s: &str) -> core::fmt::Result {
            self.0.extend_from_slice(s.as_bytes());
            Ok(())
        }
    }
    let start = out.len();
    if write!(Bytes(out), "{:#}", rustc_demangle::demangle(name)).is_err() {
        out.truncate(start);
        out.extend_from_slice(name.as_bytes());
    }
}

impl Functions {
    /// Reads those of a file; `None` if it is not an object.
    fn of(path: &str) -> Option<Functions> {
        let cache = ReadCache::new(File::open(path).ok()?);
        let file = object::File::parse(&cache).ok()?;
        let mut functions = Functions::default();
        functions.add(file.symbols());
        if functions.list.is_empty() {
            functions.add(file.dynamic_symbols());
        }
        functions.list.sort_by_key(|f| f.start);
        // of several names the first: the table has local ones before
        functions.list.dedup_by_key(|f| f.start);
        functions.list.shrink_to_fit();
        Some(functions)
    }

    fn add<'data>(&mut self, symbols: impl Iterator<Item: ObjectSymbol<'data>>) {
        for symbol in symbols {
            if symbol.kind() != SymbolKind::Text || symbol.is_undefined() || symbol.size() == 0 {
                continue;
            }
            let Ok(name) = symbol.name_bytes() else {
                continue;
            };
            let start = self.names.len();
            let (Ok(from), Ok(to)) = (start.try_into(), (start + name.len()).try_into()) else {
                return;
            };
            self.names.extend_from_slice(name);
            self.list.push(Function {
                start: symbol.address(),
                size: symbol.size(),
                name: from..to,
            });
        }
    }
}

pub(super) fn place(tgid: u32, address: u64, out: &mut Vec<u8>) -> bool {
    let known = {
        let table = TABLE.read();
        match &table.mappings {
            Some((of, mappings)) if *of == tgid => Some(find(mappings, address, out)),
            _ => None,
        }
    };
    known.unwrap_or_else(|| {
        let mappings = mappings(tgid);
        let found = find(&mappings, address, out);
        TABLE.write().mappings = Some((tgid, mappings));
        found
    })
}

fn find(mappings: &[Mapping], address: u64, out: &mut Vec<u8>) -> bool {
    let Some(mapping) = mappings.iter().find(|m| m.range.contains(&address)) else {
        return false;
    };
    out.extend_from_slice(&mapping.path);
    out.extend_from_slice(b"[+0x");
    text::hex(out, address - mapping.range.start);
    out.push(b']');
    true
}

/// The mappings from files of a process (proc(5), `/proc/pid/maps`); none if it is gone.
fn mappings(tgid: u32) -> Vec<Mapping> {
    let maps = std::fs::read(alloc::format!("/proc/{tgid}/maps")).unwrap_or_default();
    let mapping = |line: &[u8]| {
        let path = line.iter().position(|b| *b == b'/').map(|at| &line[at..])?;
        let range = core::str::from_utf8(line.split(|b| *b == b' ').next()?).ok()?;
        let (from, to) = range.split_once('-')?;
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        Some(Mapping {
            range: hex(from)?..hex(to)?,
            path: path.into(),
        })
    };
    maps.split(|b| *b == b'\n').filter_map(mapping).collect()
}
