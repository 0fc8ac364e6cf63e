//! Text that a record only points to (`char *`): read from the program's memory, at an address that may be any number.

/// Bytes looked at.
pub(super) const MAX: usize = 1024;

/// Up to [`MAX`] bytes at an address; fewer where the memory ends, none where there is none. Signal-safe.
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
pub(super) fn read(address: u64, into: &mut [u8; MAX]) -> &[u8] {
    let len = crate::base::memory::read_own(address, into);
    into.get(..len).unwrap_or(&[])
}

/// Nothing: no way is known to read at an address that may be wrong.
#[cfg(not(all(feature = "std", target_os = "linux", not(miri))))]
pub(super) fn read(_: u64, _: &mut [u8; MAX]) -> &[u8] {
    &[]
}
