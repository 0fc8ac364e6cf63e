//! What the jobs do. Each checks its own result and exits with 0 only if it is right.

use std::sync::Arc;

use super::disk::Disk;
use super::medium::{FILLED, MISSING, SECTORS, stamp};
use super::request::{Bio, SECTOR};
use crate::events::block::OpFlags;
use crate::machine::{compute, exec};
use crate::rng::Rng;

/// Jobs of the same number are the same on every run.
const SEED: u64 = 0x5eed_b10c_0000_0000;

/// Kinds of jobs, as `run` takes turns with them.
#[cfg(test)]
pub(super) const KINDS: u64 = 4;

/// Sectors of a block of 4096 bytes.
const BLOCK: u32 = 8;
/// Bytes of it.
const BLOCK_LEN: usize = BLOCK as usize * SECTOR;
/// Where each job writes: a place of its own, behind what is there from the start. They come round after so many jobs.
const PLACES: u64 = 64;
const PLACE: u64 = 256;

/// Operation `op`.
pub(super) async fn run(disk: Arc<Disk>, op: u64) -> i32 {
    let rng = Rng::of(SEED, op);
    let place = FILLED + op % PLACES * PLACE;
    let done = match op % 4 {
        0 => dd(&disk, rng).await,
        1 => fio(&disk, rng).await,
        2 => cp(&disk, rng, place).await,
        _ => postgres(&disk, rng, place).await,
    };
    i32::from(done != Some(true))
}

/// Whether these are filled sectors of the partition, from `sector` on.
fn is_filled(data: &[u8], sector: u64) -> bool {
    data.chunks_exact(SECTOR)
        .zip(sector..)
        .all(|(bytes, sector)| bytes[..8] == stamp(sector).to_ne_bytes())
}

/// Reads what follows each other: one window while the next one is fetched, as a file is read.
async fn dd(disk: &Disk, mut rng: Rng) -> Option<bool> {
    exec("/usr/bin/dd");
    const WINDOW: u64 = 8;
    let start = rng.within(0..FILLED / u64::from(BLOCK) - 2 * WINDOW) * u64::from(BLOCK);
    let fetch = |window: u64, flags: OpFlags| -> Vec<(u64, Arc<Bio>)> {
        let mut plug = disk.plug();
        (0..WINDOW)
            .map(|block| start + (window * WINDOW + block) * u64::from(BLOCK))
            .map(|sector| (sector, disk.read(Some(&mut plug), flags, sector, BLOCK)))
            .collect()
    };
    let windows = [fetch(0, OpFlags::READ), fetch(1, OpFlags::RAHEAD)];
    let mut good = true;
    for (sector, bio) in windows.into_iter().flatten() {
        let data = bio.wait().await.ok()?;
        good &= is_filled(&data, sector);
        compute(sector, 2_000).await;
    }
    Some(good)
}

/// Reads blocks here and there, four at a time. Sometimes one where the medium has ended: an error.
async fn fio(disk: &Disk, mut rng: Rng) -> Option<bool> {
    exec("/usr/bin/fio");
    let bad = rng.within(0..3) == 0;
    let mut good = true;
    for round in 0..rng.within(1..3) {
        let bios: Vec<_> = (0..4)
            .map(|number| {
                let missing = bad && round == 0 && number == 2;
                let sector = if missing {
                    SECTORS - MISSING + rng.within(0..MISSING / 16) * 16
                } else {
                    rng.within(0..FILLED / u64::from(BLOCK)) * u64::from(BLOCK)
                };
                (
                    missing,
                    sector,
                    disk.read(None, OpFlags::READ, sector, BLOCK),
                )
            })
            .collect();
        for (missing, sector, bio) in bios {
            good &= match bio.wait().await {
                Ok(data) => !missing && is_filled(&data, sector),
                Err(error) => missing && error == -libc::EIO,
            };
        }
        compute(round, 10_000).await;
    }
    // Behind the partition's end the disk is not even asked.
    good &= disk.read(None, OpFlags::READ, SECTORS, BLOCK).wait().await == Err(-libc::EIO);
    Some(good)
}

/// Writes a file, its blocks in the order in which they happened to become dirty, then a large piece; brings it to stable
/// storage and reads some of it again.
async fn cp(disk: &Disk, mut rng: Rng, place: u64) -> Option<bool> {
    exec("/usr/bin/cp");
    let blocks = rng.within(6..12);
    let sector = |block: u64| place + block * u64::from(BLOCK);
    let seed = rng.next();
    let content = |block: u64| -> Vec<u8> {
        let word = seed.wrapping_add(block).to_ne_bytes();
        word.iter().copied().cycle().take(BLOCK_LEN).collect()
    };
    let large = rng.within(9..15);
    let mut bios = Vec::new();
    {
        let mut plug = disk.plug();
        // 0 2 1 3 5 4 ...: what lies between two others comes last.
        for group in (0..blocks).step_by(3) {
            for block in [group, group + 2, group + 1] {
                if block < blocks {
                    let data = content(block);
                    bios.push(disk.write(Some(&mut plug), OpFlags::SYNC, sector(block), data));
                }
            }
        }
        let data = (blocks..blocks + large).flat_map(content).collect();
        bios.push(disk.write(Some(&mut plug), OpFlags::SYNC, sector(blocks), data));
    }
    for bio in bios {
        bio.wait().await.ok()?;
    }
    disk.flush().wait().await.ok()?;
    compute(seed, 20_000).await;
    let mut good = true;
    for block in [0, blocks - 1, blocks + large - 1] {
        let bio = disk.read(None, OpFlags::READ, sector(block), BLOCK);
        good &= bio.wait().await.ok()? == content(block);
    }
    Some(good)
}

/// Appends to a log: each record is on stable storage before the next one.
async fn postgres(disk: &Disk, mut rng: Rng, place: u64) -> Option<bool> {
    exec("/usr/lib/postgresql/bin/postgres");
    let mut head = place;
    for record in 0..3 {
        let blocks = rng.within(1..3) as usize;
        let data = vec![record; blocks * BLOCK_LEN];
        let flags = OpFlags::SYNC.with(OpFlags::FUA);
        disk.write(None, flags, head, data).wait().await.ok()?;
        head += blocks as u64 * u64::from(BLOCK);
        compute(head, 10_000).await;
    }
    let sectors = (head - place) as u32;
    let log = disk.read(None, OpFlags::READ, place, sectors).wait().await;
    let log = log.ok()?;
    Some(log.is_sorted() && log[0] == 0 && log[log.len() - 1] == 2)
}
