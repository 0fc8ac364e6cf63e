//! A small seeded generator: the same seed gives the same jobs on every machine.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The generator of operation `op` of the workload that `seed` stands for; operations do not depend on each other.
    pub(crate) fn of(seed: u64, op: u64) -> Rng {
        let mut rng = Rng(seed ^ op.wrapping_mul(0xd134_2543_de82_ef95));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `range`, end excluded. The range must not be empty.
    pub(crate) fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_and_differs() {
        let take = |seed, op| {
            let mut rng = Rng::of(seed, op);
            [rng.next(), rng.next(), rng.within(10..20)]
        };
        assert_eq!(take(1, 5), take(1, 5));
        assert_ne!(take(1, 5), take(1, 6));
        assert_ne!(take(1, 5), take(2, 5));
        for op in 0..1000 {
            assert!((3..9).contains(&Rng::of(7, op).within(3..9)));
        }
    }
}
