//! The slab allocator: objects of one size in blocks of pages. The free ones of a block are chained through their own
//! memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::gfp::Gfp;
use super::memory::{Block, FRAMES, Memory, PAGE};
use crate::events::kmem::{
    trace_kfree, trace_kmalloc, trace_kmem_cache_alloc, trace_kmem_cache_free,
};

/// Objects of this many bytes and more are whole blocks of pages.
const LARGE: usize = 8192;
/// Blocks without an object in use that a cache keeps for later.
const KEPT: usize = 2;
/// The largest block that a cache uses, and how many objects it wants in one.
const MOST_ORDER: u32 = 3;
const WANTED: usize = 8;
/// No object: the end of a chain.
const NONE: u32 = u32::MAX;
/// In `owner`: a block of pages of its own, its order in the lower bits.
const OWN: u32 = 1 << 16;

/// The code that asks: an address in the function that this is inlined into. Unknown, 0, on other processors.
#[inline(always)]
pub(super) fn here() -> u64 {
    #[allow(unused_mut, unused_assignments)]
    let mut address = 0u64;
    // SAFETY: reads the program counter and nothing else.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("lea {}, [rip]", out(reg) address, options(nomem, nostack, preserves_flags))
    };
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("adr {}, .", out(reg) address, options(nomem, nostack, preserves_flags))
    };
    address
}

/// A cache of objects.
struct Cache {
    name: &'static str,
    /// Bytes that an object has, and the bytes it takes.
    object: usize,
    size: usize,
    order: u32,
    /// What its pages are, beside what each allocation says.
    gfp: Gfp,
    state: Mutex<State>,
}

/// Its blocks, by first page.
#[derive(Default)]
struct State {
    blocks: BTreeMap<u32, Chain>,
    /// Those with a free object; the last one is used next.
    partial: Vec<u32>,
}

struct Chain {
    first: u32,
    used: u32,
}

/// Caches other than those of kmalloc: what they are called, bytes of an object, what their pages are.
const NAMED: [(&str, usize, Gfp); 3] = [
    ("dentry", 192, Gfp::RECLAIMABLE.with(Gfp::ACCOUNT)),
    ("inode_cache", 608, Gfp::RECLAIMABLE.with(Gfp::ACCOUNT)),
    ("vm_area_struct", 152, Gfp::ACCOUNT),
];

/// Their places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Dentry = 0,
    Inode = 1,
    VmArea = 2,
}

/// Those of kmalloc, smallest first.
const SIZES: [(&str, usize); 13] = [
    ("kmalloc-8", 8),
    ("kmalloc-16", 16),
    ("kmalloc-32", 32),
    ("kmalloc-64", 64),
    ("kmalloc-96", 96),
    ("kmalloc-128", 128),
    ("kmalloc-192", 192),
    ("kmalloc-256", 256),
    ("kmalloc-512", 512),
    ("kmalloc-1k", 1024),
    ("kmalloc-2k", 2048),
    ("kmalloc-4k", 4096),
    ("kmalloc-8k", LARGE),
];

/// All caches over one memory.
pub(super) struct Slab {
    pub memory: Arc<Memory>,
    caches: Vec<Cache>,
    /// By page: 0 nobody's, else the cache's place and 1, or `OWN` and the order.
    owner: Box<[AtomicU32]>,
}

/// An object in use, given back when it is dropped.
pub(super) struct Object {
    slab: Arc<Slab>,
    address: *mut u8,
    len: usize,
    /// From a named cache, not by kmalloc.
    named: bool,
}

// SAFETY: the memory behind `address` is this object's alone.
unsafe impl Send for Object {}

impl Cache {
    fn new(name: &'static str, object: usize, gfp: Gfp) -> Cache {
        let size = object.next_multiple_of(8);
        let order = (0..MOST_ORDER)
            .find(|order| (PAGE << order) / size >= WANTED)
            .unwrap_or(MOST_ORDER);
        Cache {
            name,
            object,
            size,
            order,
            gfp,
            state: Mutex::default(),
        }
    }

    fn objects(&self) -> u32 {
        ((PAGE << self.order) / self.size) as u32
    }
}

impl Slab {
    pub fn new(memory: Arc<Memory>) -> Slab {
        let named = NAMED.map(|(name, size, gfp)| Cache::new(name, size, gfp));
        let sized = SIZES.map(|(name, size)| Cache::new(name, size, Gfp(0)));
        Slab {
            memory,
            caches: named.into_iter().chain(sized).collect(),
            owner: (0..FRAMES).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// An object of a named cache.
    #[inline(always)]
    pub fn cached(self: &Arc<Slab>, kind: Kind, gfp: Gfp) -> Option<Object> {
        self.cached_for(here(), kind, gfp)
    }

    /// Memory of `len` bytes.
    #[inline(always)]
    pub fn kmalloc(self: &Arc<Slab>, len: usize, gfp: Gfp) -> Option<Object> {
        self.kmalloc_for(here(), len, gfp)
    }

    #[inline(never)]
    fn cached_for(self: &Arc<Slab>, site: u64, kind: Kind, gfp: Gfp) -> Option<Object> {
        let cache = &self.caches[kind as usize];
        let address = self.take(kind as usize, gfp.with(cache.gfp));
        trace_kmem_cache_alloc(
            site,
            address.unwrap_or(std::ptr::null_mut()),
            cache.name,
            cache.object as u64,
            cache.size as u64,
            gfp.0,
            cache.gfp.has(Gfp::ACCOUNT),
        );
        self.object(address?, cache.object, true)
    }

    #[inline(never)]
    fn kmalloc_for(self: &Arc<Slab>, site: u64, len: usize, gfp: Gfp) -> Option<Object> {
        let (address, given) = match SIZES.iter().position(|(_, size)| *size >= len) {
            Some(place) => (self.take(NAMED.len() + place, gfp), SIZES[place].1),
            None => {
                let order = len.div_ceil(PAGE).next_power_of_two().ilog2();
                (self.take_pages(order, gfp), PAGE << order)
            }
        };
        let shown = address.unwrap_or(std::ptr::null_mut());
        trace_kmalloc(site, shown, len as u64, given as u64, gfp.0, -1);
        self.object(address?, len, false)
    }

    fn object(self: &Arc<Slab>, address: *mut u8, len: usize, named: bool) -> Option<Object> {
        Some(Object {
            slab: self.clone(),
            address,
            len,
            named,
        })
    }

    fn take_pages(&self, order: u32, gfp: Gfp) -> Option<*mut u8> {
        let block = self.memory.alloc(order, gfp.with(Gfp::COMP))?;
        self.set_owner(block, OWN | order);
        Some(self.memory.address(block.frame))
    }

    fn set_owner(&self, block: Block, owner: u32) {
        for frame in block.frame..block.frame + (1 << block.order) {
            self.owner[frame as usize].store(owner, Ordering::Relaxed);
        }
    }

    /// Takes an object out of a cache.
    fn take(&self, place: usize, gfp: Gfp) -> Option<*mut u8> {
        let cache = &self.caches[place];
        let mut state = cache.state.lock();
        let first = match state.partial.last() {
            Some(first) => *first,
            None => {
                let first = self.grow(place, gfp)?;
                state.blocks.insert(first, Chain { first: 0, used: 0 });
                state.partial.push(first);
                first
            }
        };
        let chain = state.blocks.get_mut(&first)?;
        let object = self
            .memory
            .address(first)
            .wrapping_add(chain.first as usize * cache.size);
        // SAFETY: a free object of this cache: its first bytes are the chain's.
        chain.first = unsafe { object.cast::<u32>().read() };
        chain.used += 1;
        if chain.first == NONE {
            state.partial.pop();
        }
        Some(object)
    }

    /// A new block for a cache, its objects chained.
    fn grow(&self, place: usize, gfp: Gfp) -> Option<u32> {
        let cache = &self.caches[place];
        let mut gfp = gfp.with(Gfp::NOWARN).with(Gfp::NORETRY);
        if cache.order > 0 {
            gfp = gfp.with(Gfp::COMP);
        }
        let block = self.memory.alloc(cache.order, gfp)?;
        self.set_owner(block, place as u32 + 1);
        let objects = cache.objects();
        for object in 0..objects {
            let next = if object + 1 < objects {
                object + 1
            } else {
                NONE
            };
            let at = self
                .memory
                .address(block.frame)
                .wrapping_add(object as usize * cache.size);
            // SAFETY: in the block that was just handed to us; objects are multiples of 8 bytes.
            unsafe { at.cast::<u32>().write(next) };
        }
        Some(block.frame)
    }

    #[inline(never)]
    fn give(&self, site: u64, address: *mut u8, named: bool) {
        let frame = self.memory.frame_of(address);
        let owner = self.owner[frame as usize].load(Ordering::Relaxed);
        let name = (owner & OWN == 0).then(|| self.caches[owner as usize - 1].name);
        match name {
            Some(name) if named => trace_kmem_cache_free(site, address, name),
            _ => trace_kfree(site, address),
        }
        if owner & OWN != 0 {
            let block = Block {
                frame,
                order: owner & !OWN,
            };
            self.set_owner(block, 0);
            return self.memory.free(block);
        }
        let place = owner as usize - 1;
        let cache = &self.caches[place];
        let first = frame & !((1 << cache.order) - 1);
        let object = (address as usize - self.memory.address(first) as usize) / cache.size;
        let mut state = cache.state.lock();
        let Some(chain) = state.blocks.get_mut(&first) else {
            debug_assert!(false, "an object without a block");
            return;
        };
        // SAFETY: the object is free from here on, and its first bytes are the chain's.
        unsafe { address.cast::<u32>().write(chain.first) };
        let was_full = std::mem::replace(&mut chain.first, object as u32) == NONE;
        chain.used -= 1;
        if chain.used == 0 && state.partial.len() + usize::from(was_full) > KEPT {
            state.partial.retain(|block| *block != first);
            self.shrink_one(&mut state, cache, first);
        } else if was_full {
            state.partial.push(first);
        }
    }

    fn shrink_one(&self, state: &mut State, cache: &Cache, first: u32) {
        state.blocks.remove(&first);
        let block = Block {
            frame: first,
            order: cache.order,
        };
        self.set_owner(block, 0);
        self.memory.free(block);
    }

    /// Gives the pages back that no object is in.
    pub fn shrink(&self) {
        for cache in &self.caches {
            let mut state = cache.state.lock();
            let empty: Vec<u32> = state
                .blocks
                .iter()
                .filter(|(_, chain)| chain.used == 0)
                .map(|(first, _)| *first)
                .collect();
            state.partial.retain(|first| !empty.contains(first));
            for first in empty {
                self.shrink_one(&mut state, cache, first);
            }
        }
    }
}

impl Object {
    /// Its memory.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the object is this many bytes of the arena, ours until it is dropped; any bytes are bytes.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.len) }
    }
}

impl Drop for Object {
    #[inline]
    fn drop(&mut self) {
        self.slab.give(here(), self.address, self.named);
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::ALL;
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn sizes_are_in_order() {
        assert!(SIZES.is_sorted_by_key(|(_, size)| *size));
        for (name, size) in SIZES {
            let cache = Cache::new(name, size, Gfp(0));
            assert_eq!(cache.size, size);
            assert!(cache.objects() >= 4, "{name}");
        }
    }

    #[test]
    fn code_is_known_by_its_address() {
        let a = here();
        let b = here();
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
            assert!(a != b && a.abs_diff(b) < 4096);
        }
    }

    #[test]
    fn objects_do_not_overlap_and_come_back() {
        let _alone = crate::testing::alone();
        let memory = Arc::new(Memory::new(1).unwrap());
        let slab = Arc::new(Slab::new(memory.clone()));
        let mut rng = Rng::of(3, 4);
        let mut held: Vec<(u8, Object)> = Vec::new();
        for step in 0..5000u32 {
            if rng.within(0..5) < 3 {
                let mut object = match rng.within(0..4) {
                    0 => slab.cached(Kind::Dentry, Gfp::KERNEL).unwrap(),
                    1 => slab.cached(Kind::Inode, Gfp::KERNEL).unwrap(),
                    2 => slab
                        .kmalloc(rng.within(1..300) as usize, Gfp::KERNEL)
                        .unwrap(),
                    _ => match slab.kmalloc(rng.within(1..20_000) as usize, Gfp::KERNEL) {
                        Some(object) => object,
                        None => continue,
                    },
                };
                object.bytes().fill(step as u8);
                held.push((step as u8, object));
            } else if !held.is_empty() {
                let (mark, mut object) =
                    held.swap_remove(rng.within(0..held.len() as u64) as usize);
                assert!(object.bytes().iter().all(|byte| *byte == mark));
            }
            if held.len() > 300 {
                held.truncate(50);
            }
        }
        drop(held);
        slab.shrink();
        memory.drain();
        assert_eq!(memory.free_pages(), ALL);
    }
}
