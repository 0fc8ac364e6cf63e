//! The word that says what is reserved of a page, for rings written by reservation.

/// `bytes / 4 | entries << 17 | sealed << 33 | no << 34`. The number is that of the page modulo 2^30.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State(pub(super) u64);

const ENTRIES: u32 = 17;
const SEALED: u32 = 33;
/// Where the page's number begins; what is below it of an unsealed page's state is less than `1 << SEALED`.
pub(super) const NUMBER: u32 = 34;
const NUMBER_BITS: u32 = 64 - NUMBER;

// a page of the largest size with the shortest entries must not overflow its fields
const _: () = assert!(super::page::MAX_SUBBUF / 4 <= 1 << ENTRIES);
const _: () =
    assert!(super::page::MAX_SUBBUF / (super::entry::MIN_PAYLOAD + 4) < 1 << (SEALED - ENTRIES));

impl State {
    /// Page `no` with what is reserved of it.
    #[inline(always)]
    pub(super) const fn new(no: u64, entries: u64, bytes: usize) -> State {
        State((bytes as u64 / 4) | entries << ENTRIES | no << NUMBER)
    }

    /// With one more entry of `bytes`.
    #[inline(always)]
    pub(super) const fn grown(self, bytes: usize) -> State {
        State(self.0 + (1 << ENTRIES) + bytes as u64 / 4)
    }

    /// With nothing more to come.
    #[inline(always)]
    pub(super) const fn sealed(self) -> State {
        State(self.0 | 1 << SEALED)
    }

    #[inline(always)]
    pub(super) fn is_sealed(self) -> bool {
        self.0 >> SEALED & 1 != 0
    }

    #[inline(always)]
    pub(super) fn bytes(self) -> usize {
        (self.0 as usize & ((1 << ENTRIES) - 1)) * 4
    }

    #[inline(always)]
    pub(super) fn entries(self) -> u64 {
        self.0 >> ENTRIES & ((1 << (SEALED - ENTRIES)) - 1)
    }

    /// The page's full number; `near` is less than 2^29 pages off.
    #[inline(always)]
    pub(super) fn no(self, near: u64) -> u64 {
        let off = (self.0 >> NUMBER).wrapping_sub(near) << (64 - NUMBER_BITS);
        near.wrapping_add_signed(off as i64 >> (64 - NUMBER_BITS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let check = |no: u64, near, entries, bytes| {
            let state = State::new(no, entries, bytes);
            assert_eq!(
                (state.no(near), state.entries(), state.bytes()),
                (no, entries, bytes)
            );
            assert!(!state.is_sealed() && state.sealed().is_sealed());
            let state = state.sealed();
            assert_eq!(
                (state.no(near), state.entries(), state.bytes()),
                (no, entries, bytes)
            );
        };
        check(0, 0, 0, 0);
        check(5, 0, 7, 4080);
        check(5, 6, 1, 12);
        check((1 << 30) + 3, (1 << 30) - 2, 43689, (512 << 10) - 16);
        check((7 << 30) - 1, 7 << 30, 3, 100);
        let grown = State::new(9, 0, 0).grown(20).grown(12);
        assert_eq!((grown.entries(), grown.bytes(), grown.no(9)), (2, 32, 9));
    }
}
