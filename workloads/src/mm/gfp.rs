//! What an allocation asks for (include/linux/gfp_types.h has the names; the events show them).

/// Flags of one allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gfp(pub u64);

impl Gfp {
    pub const MOVABLE: Gfp = Gfp(1 << 3);
    pub const RECLAIMABLE: Gfp = Gfp(1 << 4);
    pub const ZERO: Gfp = Gfp(1 << 8);
    pub const NOWARN: Gfp = Gfp(1 << 13);
    pub const NORETRY: Gfp = Gfp(1 << 16);
    pub const COMP: Gfp = Gfp(1 << 18);
    pub const ACCOUNT: Gfp = Gfp(1 << 22);

    const HIGHMEM: Gfp = Gfp(1 << 1);
    const IO: Gfp = Gfp(1 << 6);
    const FS: Gfp = Gfp(1 << 7);
    const RECLAIM: Gfp = Gfp(1 << 10 | 1 << 11);
    const HARDWALL: Gfp = Gfp(1 << 20);

    /// For the kernel's own use, by a task that can wait.
    pub const KERNEL: Gfp = Gfp::RECLAIM.with(Gfp::IO).with(Gfp::FS);
    /// For a program's memory.
    pub const HIGHUSER_MOVABLE: Gfp = Gfp::KERNEL
        .with(Gfp::HARDWALL)
        .with(Gfp::HIGHMEM)
        .with(Gfp::MOVABLE);

    pub const fn with(self, other: Gfp) -> Gfp {
        Gfp(self.0 | other.0)
    }

    pub const fn has(self, flag: Gfp) -> bool {
        self.0 & flag.0 != 0
    }

    /// Which pages it is to come from.
    pub fn migratetype(self) -> Type {
        if self.has(Gfp::MOVABLE) {
            Type::Movable
        } else if self.has(Gfp::RECLAIMABLE) {
            Type::Reclaimable
        } else {
            Type::Unmovable
        }
    }
}

/// Pages are kept apart by what can be done with them later: `migratetype`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Unmovable = 0,
    Movable = 1,
    Reclaimable = 2,
}

/// How many there are.
pub(super) const TYPES: usize = 3;

impl Type {
    pub const ALL: [Type; TYPES] = [Type::Unmovable, Type::Movable, Type::Reclaimable];

    /// The number that events show.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// Where to look when there is nothing left of this type.
    pub fn fallbacks(self) -> [Type; 2] {
        match self {
            Type::Unmovable => [Type::Reclaimable, Type::Movable],
            Type::Movable => [Type::Reclaimable, Type::Unmovable],
            Type::Reclaimable => [Type::Unmovable, Type::Movable],
        }
    }
}
