//! The system below.

use alloc::vec::Vec;

/// Appends the release of the running kernel, as `uname -r` prints it; without an operating system the version of this crate.
pub fn release(out: &mut Vec<u8>) {
    #[cfg(feature = "std")]
    {
        let mut names = core::mem::MaybeUninit::<libc::utsname>::zeroed();
        // SAFETY: room for one; all zeros would be valid, too
        let names = unsafe {
            libc::uname(names.as_mut_ptr());
            names.assume_init()
        };
        let release = names.release.iter().map(|c| *c as u8);
        out.extend(release.take_while(|b| *b != 0));
    }
    #[cfg(not(feature = "std"))]
    out.extend_from_slice(env!("CARGO_PKG_VERSION").as_bytes());
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn is_the_running_kernels() {
        let mut out = Vec::new();
        release(&mut out);
        let expected = std::fs::read("/proc/sys/kernel/osrelease").expect("Linux");
        assert_eq!(out, expected.trim_ascii_end());
    }
}
