//! Names of addresses in this process: the function, for the ways a symbol is shown in a trace, or the file.
//!
//! What is loaded is asked of the dynamic linker; an object's symbol table is read from its file when the first address in
//! it is to be named. Not for probes: all of this allocates.

#[cfg(all(feature = "std", target_os = "linux"))]
mod table;

use alloc::vec::Vec;

/// Finds out about objects that were loaded or unloaded since. Cheap if there were none.
pub fn renew() {
    #[cfg(all(feature = "std", target_os = "linux"))]
    table::renew();
}

/// Appends the name of the function that an address of this process is in, demangled; returns how far in, and the
/// function's size. `None`, and nothing appended, if it is in none.
pub fn name(address: u64, out: &mut Vec<u8>) -> Option<(u64, u64)> {
    #[cfg(all(feature = "std", target_os = "linux"))]
    return table::name(address, out);
    #[cfg(not(all(feature = "std", target_os = "linux")))]
    {
        _ = (address, out);
        None
    }
}

/// Appends `PATH[+0xOFFSET]` for an address of process `tgid` that is mapped from a file: how far it is from the mapping's
/// start. `false`, and nothing appended, for others and where the process is gone.
pub fn place(tgid: u32, address: u64, out: &mut Vec<u8>) -> bool {
    #[cfg(all(feature = "std", target_os = "linux"))]
    return table::place(tgid, address, out);
    #[cfg(not(all(feature = "std", target_os = "linux")))]
    {
        _ = (tgid, address, out);
        false
    }
}

#[cfg(all(test, feature = "std", target_os = "linux"))]
mod tests {
    use super::*;

    #[inline(never)]
    fn here() -> u64 {
        core::hint::black_box(here as *const () as u64)
    }

    fn shown(address: u64) -> Option<(alloc::string::String, u64, u64)> {
        let mut out = Vec::new();
        let (offset, size) = name(address, &mut out)?;
        Some((
            alloc::string::String::from_utf8(out).expect("UTF-8"),
            offset,
            size,
        ))
    }

    #[test]
    fn functions() {
        renew();
        let (name, offset, size) = shown(here() + 1).expect("a function of the test");
        assert!(name.ends_with("base::symbol::tests::here"), "{name}");
        assert!(offset == 1 && size > 1, "{offset} of {size}");
        // of a library, which may have nothing but its dynamic symbols
        let (name, offset, _) =
            shown(libc::getppid as *const () as u64).expect("a function of libc");
        assert!(name.contains("getppid") && offset == 0, "{name}+{offset}");
        for nowhere in [0, 1, 4095, u64::MAX, &name as *const _ as u64] {
            assert_eq!(shown(nowhere), None, "{nowhere:x}");
        }
    }

    #[test]
    fn places() {
        renew();
        let mut out = Vec::new();
        assert!(place(std::process::id(), here(), &mut out));
        let text = alloc::string::String::from_utf8_lossy(&out).into_owned();
        let program = std::env::current_exe().expect("a path");
        let offset = text
            .strip_prefix(&*program.to_string_lossy())
            .expect("our path");
        assert!(
            offset.starts_with("[+0x") && offset.ends_with(']'),
            "{text}"
        );
        out.clear();
        let variable = 0;
        assert!(!place(
            std::process::id(),
            &variable as *const i32 as u64,
            &mut out
        ));
        assert!(!place(u32::MAX, here(), &mut out) && out.is_empty());
    }
}
