//! The objects that make up this process: the program and its libraries, as the dynamic linker has them
//! (dl_iterate_phdr(3)). Not for signal handlers: the linker takes locks.

use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::{CStr, c_int, c_void};
use core::ops::Range;

/// Changes with every object that is loaded or unloaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version {
    loaded: u64,
    unloaded: u64,
}

impl Version {
    /// Of nothing that was ever loaded.
    pub const NONE: Version = Version {
        loaded: 0,
        unloaded: 0,
    };
}

/// A loaded object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loaded {
    /// Its file.
    pub path: String,
    /// What is added to the addresses in the file.
    pub bias: u64,
    /// From its first executable segment to its last, in memory.
    pub text: Range<u64>,
    /// `.eh_frame_hdr` and what follows it in the same segment, in memory; empty if there is none.
    pub unwind: Range<u64>,
    /// The segment that the above lies in.
    pub segment: Range<u64>,
}

/// The version of what is loaded now.
pub fn version() -> Version {
    let mut found = Version::NONE;
    // SAFETY: the callback gets the address of `found` and stops at the first object
    unsafe {
        libc::dl_iterate_phdr(Some(first), (&raw mut found).cast());
    }
    found
}

/// What is loaded now.
pub fn all() -> (Version, Vec<Loaded>) {
    let mut found = (Version::NONE, Vec::new());
    // SAFETY: the callback gets the address of `found`
    unsafe {
        libc::dl_iterate_phdr(Some(each), (&raw mut found).cast());
    }
    found
}

unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: the linker's object is valid during the call, `data` is what `version` handed over
    let (info, found) = unsafe { (&*info, &mut *data.cast::<Version>()) };
    *found = version_of(info);
    1
}

fn version_of(info: &libc::dl_phdr_info) -> Version {
    Version {
        loaded: info.dlpi_adds,
        unloaded: info.dlpi_subs,
    }
}

unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
    // SAFETY: as above, from `all`
    let (info, found) = unsafe { (&*info, &mut *data.cast::<(Version, Vec<Loaded>)>()) };
    found.0 = version_of(info);
    // SAFETY: the linker's pointer and count
    let headers = unsafe { core::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    // SAFETY: the linker's string, never null
    let name = unsafe { CStr::from_ptr(info.dlpi_name) };
    let range = |h: &libc::Elf64_Phdr| {
        let start = info.dlpi_addr.wrapping_add(h.p_vaddr);
        start..start.saturating_add(h.p_memsz)
    };
    let loads = || headers.iter().filter(|h| h.p_type == libc::PT_LOAD);
    let text = loads().filter(|h| h.p_flags & libc::PF_X != 0).map(range);
    let Some(text) = text.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)) else {
        return 0;
    };
    let unwind = headers.iter().find(|h| h.p_type == libc::PT_GNU_EH_FRAME);
    let unwind = unwind.map_or(0, |h| range(h).start);
    let segment = loads()
        .map(range)
        .find(|r| r.contains(&unwind))
        .unwrap_or(0..0);
    found.1.push(Loaded {
        // the program itself has no name here
        path: match name.to_string_lossy() {
            name if name.is_empty() && found.1.is_empty() => "/proc/self/exe".into(),
            name => name.into_owned(),
        },
        bias: info.dlpi_addr,
        text,
        unwind: if segment.is_empty() {
            0..0
        } else {
            unwind..segment.end
        },
        segment,
    });
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_is_among_them() {
        let (before, loaded) = all();
        assert_ne!(before, Version::NONE);
        let here = all as *const () as u64;
        let this: Vec<_> = loaded.iter().filter(|l| l.text.contains(&here)).collect();
        assert_eq!(this.len(), 1, "{loaded:?}");
        assert_eq!(this[0].path, "/proc/self/exe");
        assert!(!this[0].unwind.is_empty(), "{this:?}");
    }
}
