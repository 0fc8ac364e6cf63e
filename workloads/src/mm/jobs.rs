//! What the jobs do. Each checks its own result and exits with 0 only if it is right.

use std::sync::Arc;

use super::fault::Window;
use super::gfp::Gfp;
use super::memory::{Block, PAGE};
use super::slab::{Kind, Object, Slab};
use super::space::Space;
use crate::machine::{compute, exec, fork, wait_pid};
use crate::rng::Rng;

/// Jobs of the same number are the same on every run.
const SEED: u64 = 0x5eed_0033_0000_0000;

/// Kinds of jobs, as `run` takes turns with them.
#[cfg(test)]
pub(super) const KINDS: u64 = 4;

/// What the jobs work with.
#[derive(Clone)]
pub(super) struct World {
    pub slab: Arc<Slab>,
    pub window: Arc<Window>,
}

/// Operation `op`.
pub(super) async fn run(world: World, op: u64) -> i32 {
    let rng = Rng::of(SEED, op);
    let done = match op % 4 {
        0 => sort(&world, rng).await,
        1 => find(&world, rng).await,
        2 => shell(&world, rng).await,
        _ => copy(&world, rng).await,
    };
    i32::from(done != Some(true))
}

/// The word that a program writes into a page.
fn mark(seed: u64, page: usize) -> u64 {
    seed.wrapping_add(page as u64)
        .wrapping_mul(0xd134_2543_de82_ef95)
        | 1
}

/// Whether as many faults were taken as expected. Processors that do not tell a read from a write take fewer.
fn faults_are(space: &Space, expected: u64) -> bool {
    space.faults() == expected || cfg!(not(target_arch = "x86_64"))
}

/// A program that finds its memory page by page: by reading it, by writing it, or first the one and then the other.
async fn sort(world: &World, mut rng: Rng) -> Option<bool> {
    exec("/usr/bin/sort");
    let space = Space::new(&world.slab, &world.window)?;
    let seed = rng.next();
    let mut words = Vec::new();
    let mut faults = 0;
    for page in 0..rng.within(6..17) as usize {
        let at = page * PAGE + rng.within(0..512) as usize * 8;
        let (reads, writes) =
            [(true, false), (false, true), (true, true)][rng.within(0..3) as usize];
        if reads && space.read(at).ok()? != 0 {
            return Some(false);
        }
        if writes {
            space.write(at, mark(seed, page)).ok()?;
        }
        words.push((at, if writes { mark(seed, page) } else { 0 }));
        faults += u64::from(reads) + u64::from(writes);
        if page % 4 == 3 {
            compute(seed, 20_000).await;
        }
    }
    let mut good = true;
    for (at, word) in words {
        good &= space.read(at).ok()? == word;
    }
    Some(good && faults_are(&space, faults) && !space.starved())
}

/// An entry of a directory. A function of its own, so that the events name who asks.
#[inline(never)]
fn d_alloc(slab: &Arc<Slab>, hash: u64) -> Option<Object> {
    let mut entry = slab.cached(Kind::Dentry, Gfp::KERNEL)?;
    entry.bytes()[..8].copy_from_slice(&hash.to_ne_bytes());
    Some(entry)
}

/// A file.
#[inline(never)]
fn alloc_inode(slab: &Arc<Slab>, number: u64) -> Option<Object> {
    let mut inode = slab.cached(Kind::Inode, Gfp::KERNEL)?;
    inode.bytes().fill(number as u8);
    Some(inode)
}

/// Room for anything.
#[inline(never)]
fn alloc_buffer(slab: &Arc<Slab>, len: usize) -> Option<Object> {
    slab.kmalloc(len, Gfp::KERNEL)
}

/// Gives an object back.
#[inline(never)]
fn release(object: Object) {
    drop(object);
}

/// A program that looks through directories: small objects of two sizes, freed in another order.
async fn find(world: &World, mut rng: Rng) -> Option<bool> {
    exec("/usr/bin/find");
    let slab = &world.slab;
    let mut buffer = alloc_buffer(slab, 4096)?;
    let mut entries: Vec<(u64, Object)> = Vec::new();
    let mut inodes: Vec<Object> = Vec::new();
    for number in 0..rng.within(12..30) {
        let hash = rng.next();
        let entry = d_alloc(slab, hash)?;
        // What readdir gives out.
        let at = number as usize * 8;
        buffer.bytes()[at..at + 8].copy_from_slice(&hash.to_ne_bytes());
        entries.push((hash, entry));
        if rng.within(0..3) == 0 {
            inodes.push(alloc_inode(slab, number)?);
        }
    }
    compute(rng.next(), 30_000).await;
    let mut good = true;
    for (number, (hash, entry)) in entries.iter_mut().enumerate() {
        let hash = hash.to_ne_bytes();
        good &= entry.bytes()[..8] == hash && buffer.bytes()[number * 8..number * 8 + 8] == hash;
    }
    for inode in &mut inodes {
        let first = inode.bytes()[0];
        good &= inode.bytes().iter().all(|byte| *byte == first);
    }
    while !entries.is_empty() {
        let next = rng.within(0..entries.len() as u64) as usize;
        release(entries.swap_remove(next).1);
    }
    inodes.into_iter().for_each(release);
    release(buffer);
    Some(good)
}

/// A program that forks: the child has its pages until one of them writes.
async fn shell(world: &World, mut rng: Rng) -> Option<bool> {
    exec("/bin/sh");
    let space = Space::new(&world.slab, &world.window)?;
    let (seed, pages) = (rng.next(), rng.within(4..10) as usize);
    for page in 0..pages {
        space.write(page * PAGE, mark(seed, page)).ok()?;
    }
    let theirs = space.fork()?;
    let child = fork(async move {
        exec("/usr/bin/env");
        let mut good = true;
        let mut faults = 0;
        for page in 0..pages {
            good &= theirs.read(page * PAGE).ok() == Some(mark(seed, page));
            if page % 2 == 1 {
                good &= theirs.write(page * PAGE, mark(!seed, page)).is_ok();
                faults += 1;
            }
        }
        compute(seed, 40_000).await;
        for page in (1..pages).step_by(2) {
            good &= theirs.read(page * PAGE).ok() == Some(mark(!seed, page));
        }
        i32::from(!(good && faults_are(&theirs, faults) && !theirs.starved()))
    });
    let child = child.await?;
    let mut good = wait_pid(child).await? == 0;
    for page in 0..pages {
        good &= space.read(page * PAGE).ok()? == mark(seed, page);
        space.write(page * PAGE + 8, seed).ok()?;
    }
    Some(good && faults_are(&space, 2 * pages as u64) && !space.starved())
}

/// Blocks of pages of one's own, given back when they are dropped.
struct Pages<'a> {
    slab: &'a Slab,
    block: Block,
}

impl Drop for Pages<'_> {
    fn drop(&mut self) {
        self.slab.memory.free(self.block);
    }
}

/// A program that copies files: buffers of all sizes, a few of them in use at any time.
async fn copy(world: &World, mut rng: Rng) -> Option<bool> {
    exec("/usr/bin/rsync");
    let slab = &world.slab;
    let order = rng.within(3..6) as u32;
    let block = slab.memory.alloc(order, Gfp::KERNEL.with(Gfp::COMP))?;
    let _window = Pages { slab, block };
    let mut in_use: Vec<(u8, Object)> = Vec::new();
    let mut good = true;
    let check = |(mark, mut object): (u8, Object)| {
        let good = object.bytes().iter().all(|byte| *byte == mark);
        release(object);
        good
    };
    for number in 0..rng.within(10..22) {
        let len = match rng.within(0..8) {
            0 => rng.within(8193..30_000),
            1 | 2 => rng.within(1000..8000),
            _ => rng.within(16..800),
        };
        let mut object = alloc_buffer(slab, len as usize)?;
        object.bytes().fill(number as u8);
        in_use.push((number as u8, object));
        if in_use.len() > 5 {
            good &= check(in_use.remove(0));
        }
        if number % 8 == 7 {
            compute(number, 20_000).await;
        }
    }
    in_use.into_iter().for_each(|object| good &= check(object));
    Some(good)
}
