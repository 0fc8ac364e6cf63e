//! The buddy allocator: free blocks of 2^order pages, by order and type of page. Two free buddies become one block.

use super::gfp::{TYPES, Type};

/// The largest block.
pub(super) const MAX_ORDER: u32 = 10;
/// The type of a page is that of the whole block of this order that it is in.
pub(super) const PAGEBLOCK_ORDER: u32 = 9;

const ORDERS: usize = MAX_ORDER as usize + 1;
const NONE: u32 = u32::MAX;

/// A page frame of the zone. Only the first one of a free block is on a list.
#[derive(Clone, Copy)]
struct Frame {
    next: u32,
    prev: u32,
    /// Of the free block that begins here; `None`: none does.
    free: Option<(u8, Type)>,
}

/// The free pages. It never allocates memory itself.
pub(super) struct Zone {
    frames: Box<[Frame]>,
    heads: [[u32; ORDERS]; TYPES],
    /// Type of each page block.
    types: Box<[Type]>,
    free: usize,
}

/// A block that was taken where there was none of the type wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fallback {
    /// First page of the block that was found.
    pub frame: u32,
    pub order: u32,
    pub kind: Type,
    /// The page block is of the type wanted from now on.
    pub change_ownership: bool,
}

impl Zone {
    /// A zone of `frames` free pages, all movable. Their number must be a multiple of that of a largest block.
    pub fn new(frames: u32) -> Zone {
        let empty = Frame {
            next: NONE,
            prev: NONE,
            free: None,
        };
        let mut zone = Zone {
            frames: vec![empty; frames as usize].into(),
            heads: [[NONE; ORDERS]; TYPES],
            types: vec![Type::Movable; (frames >> PAGEBLOCK_ORDER) as usize].into(),
            free: 0,
        };
        // The lowest comes first off the list.
        for frame in (0..frames).step_by(1 << MAX_ORDER).rev() {
            zone.push(frame, MAX_ORDER, Type::Movable);
        }
        zone
    }

    /// Free pages.
    #[cfg(test)]
    pub fn free(&self) -> usize {
        self.free
    }

    /// Type of the page block that a page is in.
    pub fn type_of(&self, frame: u32) -> Type {
        self.types[(frame >> PAGEBLOCK_ORDER) as usize]
    }

    /// Takes a block; with what was done if another type's pages had to be used.
    pub fn take(&mut self, order: u32, kind: Type) -> Option<(u32, Option<Fallback>)> {
        if let Some(frame) = self.take_of(order, kind) {
            return Some((frame, None));
        }
        let fallback = self.fall_back(order, kind)?;
        let from = if fallback.change_ownership {
            kind
        } else {
            fallback.kind
        };
        let frame = self.take_of(order, from)?;
        Some((frame, Some(fallback)))
    }

    /// The smallest block that is large enough; what is too much of it goes back.
    fn take_of(&mut self, order: u32, kind: Type) -> Option<u32> {
        let found = (order..=MAX_ORDER).find(|o| self.heads[kind as usize][*o as usize] != NONE)?;
        let frame = self.heads[kind as usize][found as usize];
        self.unlink(frame);
        for half in (order..found).rev() {
            self.push(frame + (1 << half), half, kind);
        }
        Some(frame)
    }

    /// Finds a block of another type. The largest first, to make all of its page block the type wanted, so that this seldom
    /// happens; where too little of the page block is free, the smallest is borrowed.
    fn fall_back(&mut self, order: u32, kind: Type) -> Option<Fallback> {
        let (found, other) = (order..=MAX_ORDER)
            .rev()
            .find_map(|o| Some((o, self.other_with(o, kind)?)))?;
        let frame = self.heads[other as usize][found as usize];
        if found >= PAGEBLOCK_ORDER {
            for block in 0..1 << (found - PAGEBLOCK_ORDER) {
                self.types[(frame >> PAGEBLOCK_ORDER) as usize + block] = kind;
            }
            self.move_block(frame, found, kind);
        } else if !self.claim(frame & !((1 << PAGEBLOCK_ORDER) - 1), kind) {
            let (found, other) =
                (order..=MAX_ORDER).find_map(|o| Some((o, self.other_with(o, kind)?)))?;
            return Some(Fallback {
                frame: self.heads[other as usize][found as usize],
                order: found,
                kind: other,
                change_ownership: false,
            });
        }
        Some(Fallback {
            frame,
            order: found,
            kind: other,
            change_ownership: true,
        })
    }

    /// The first type to fall back to that has a block of exactly this order.
    fn other_with(&self, order: u32, kind: Type) -> Option<Type> {
        kind.fallbacks()
            .into_iter()
            .find(|other| self.heads[*other as usize][order as usize] != NONE)
    }

    /// Makes a page block another type's, with the free blocks in it, if half of it is free.
    fn claim(&mut self, start: u32, kind: Type) -> bool {
        let free: u32 = self.free_blocks(start).map(|(_, order)| 1 << order).sum();
        if free < 1 << (PAGEBLOCK_ORDER - 1) {
            return false;
        }
        self.types[(start >> PAGEBLOCK_ORDER) as usize] = kind;
        let mut frame = start;
        while frame < start + (1 << PAGEBLOCK_ORDER) {
            frame += match self.frames[frame as usize].free {
                Some((order, _)) => {
                    self.move_block(frame, order.into(), kind);
                    1 << order
                }
                None => 1,
            };
        }
        true
    }

    /// Free blocks in a page block: first page and order.
    fn free_blocks(&self, start: u32) -> impl Iterator<Item = (u32, u32)> + use<'_> {
        (start..start + (1 << PAGEBLOCK_ORDER)).filter_map(|frame| {
            self.frames[frame as usize]
                .free
                .map(|(order, _)| (frame, order.into()))
        })
    }

    fn move_block(&mut self, frame: u32, order: u32, kind: Type) {
        self.unlink(frame);
        self.push(frame, order, kind);
    }

    /// Gives a block back.
    pub fn give(&mut self, mut frame: u32, mut order: u32) {
        while order < MAX_ORDER {
            let buddy = frame ^ (1 << order);
            let whole =
                matches!(self.frames[buddy as usize].free, Some((o, _)) if u32::from(o) == order);
            // Blocks of more than a page block would have two types.
            if !whole || order >= PAGEBLOCK_ORDER && self.type_of(buddy) != self.type_of(frame) {
                break;
            }
            self.unlink(buddy);
            frame &= buddy;
            order += 1;
        }
        self.push(frame, order, self.type_of(frame));
    }

    fn push(&mut self, frame: u32, order: u32, kind: Type) {
        let head = std::mem::replace(&mut self.heads[kind as usize][order as usize], frame);
        self.frames[frame as usize] = Frame {
            next: head,
            prev: NONE,
            free: Some((order as u8, kind)),
        };
        if head != NONE {
            self.frames[head as usize].prev = frame;
        }
        self.free += 1 << order;
    }

    fn unlink(&mut self, frame: u32) {
        let Frame { next, prev, free } = self.frames[frame as usize];
        let Some((order, kind)) = free else {
            debug_assert!(false, "page {frame} is on no list");
            return;
        };
        match prev {
            NONE => self.heads[kind as usize][order as usize] = next,
            prev => self.frames[prev as usize].next = next,
        }
        if next != NONE {
            self.frames[next as usize].prev = prev;
        }
        self.frames[frame as usize].free = None;
        self.free -= 1 << order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const ALL: u32 = 4 << MAX_ORDER;

    #[test]
    fn blocks_are_split_and_joined() {
        let mut zone = Zone::new(ALL);
        let (a, fallback) = zone.take(0, Type::Movable).unwrap();
        assert_eq!((a, fallback, zone.free()), (0, None, ALL as usize - 1));
        // The halves lie ready, the smallest is used first.
        assert_eq!(zone.take(0, Type::Movable), Some((1, None)));
        assert_eq!(zone.take(3, Type::Movable), Some((8, None)));
        assert_eq!(zone.take(0, Type::Movable), Some((2, None)));
        for (frame, order) in [(8, 3), (1, 0), (0, 0), (2, 0)] {
            zone.give(frame, order);
        }
        assert_eq!(zone.take(MAX_ORDER, Type::Movable), Some((0, None)));
        zone.give(0, MAX_ORDER);
        assert_eq!(zone.free(), ALL as usize);
    }

    #[test]
    fn another_types_pages_are_used_when_there_are_none() {
        let mut zone = Zone::new(ALL);
        let (frame, fallback) = zone.take(0, Type::Unmovable).unwrap();
        let expected = Fallback {
            frame: 0,
            order: MAX_ORDER,
            kind: Type::Movable,
            change_ownership: true,
        };
        assert_eq!((frame, fallback), (0, Some(expected)));
        assert_eq!(zone.type_of(1), Type::Unmovable);
        assert_eq!(zone.type_of(1 << MAX_ORDER), Type::Movable);
        // Now there are some.
        assert_eq!(zone.take(0, Type::Unmovable), Some((1, None)));
        // Everything taken: single blocks are borrowed, page blocks stay whose they are.
        let mut zone = Zone::new(1 << MAX_ORDER);
        let taken: Vec<u32> = std::iter::from_fn(|| zone.take(0, Type::Movable))
            .map(|(frame, _)| frame)
            .collect();
        assert_eq!(taken.len(), 1 << MAX_ORDER);
        assert_eq!(zone.take(0, Type::Unmovable), None);
        zone.give(7, 0);
        let (frame, fallback) = zone.take(0, Type::Unmovable).unwrap();
        assert_eq!(frame, 7);
        assert!(!fallback.unwrap().change_ownership);
        assert_eq!(zone.type_of(7), Type::Movable);
    }

    #[test]
    fn nothing_is_lost_or_given_twice() {
        let mut zone = Zone::new(ALL);
        let mut rng = Rng::of(1, 2);
        let mut held: Vec<(u32, u32)> = Vec::new();
        let mut owned = vec![false; ALL as usize];
        for _ in 0..20_000 {
            if rng.within(0..5) < 3 {
                let order = rng.within(0..6) as u32;
                let kind = Type::ALL[rng.within(0..TYPES as u64) as usize];
                let Some((frame, _)) = zone.take(order, kind) else {
                    assert!(zone.free() < 32 * 1024);
                    continue;
                };
                assert_eq!(frame % (1 << order), 0);
                for page in frame..frame + (1 << order) {
                    assert!(!std::mem::replace(&mut owned[page as usize], true));
                }
                held.push((frame, order));
            } else if !held.is_empty() {
                let (frame, order) = held.swap_remove(rng.within(0..held.len() as u64) as usize);
                for page in frame..frame + (1 << order) {
                    assert!(std::mem::replace(&mut owned[page as usize], false));
                }
                zone.give(frame, order);
            }
            let taken: usize = held.iter().map(|(_, order)| 1 << order).sum();
            assert_eq!(zone.free() + taken, ALL as usize);
        }
        for (frame, order) in held {
            zone.give(frame, order);
        }
        assert_eq!(zone.free(), ALL as usize);
        // Free neighbours of one type are joined.
        let joined = |zone: &Zone| {
            (0..ALL).all(|frame| match zone.frames[frame as usize].free {
                Some((order, _)) if u32::from(order) < PAGEBLOCK_ORDER => {
                    let buddy = zone.frames[(frame ^ (1 << order)) as usize].free;
                    !matches!(buddy, Some((o, _)) if o == order)
                }
                _ => true,
            })
        };
        assert!(joined(&zone));
    }
}
