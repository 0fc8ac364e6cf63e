//! The medium: a file without a name, which is gone when nobody uses it any more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::request::SECTOR;

/// Sectors before the partition.
pub(super) const START: u64 = 2048;
/// Sectors of the partition; all of the disk behind `START`.
pub(super) const SECTORS: u64 = 65_536;
/// As many at its end are not there: the medium is smaller than the disk says, as an image is that was cut off.
pub(super) const MISSING: u64 = 1024;
/// Sectors at the partition's beginning that have something in them from the start.
pub(super) const FILLED: u64 = 2048;

/// Makes the file below `dir`.
pub(super) fn make(dir: &Path) -> io::Result<File> {
    let file = nameless(dir)?;
    file.set_len((START + SECTORS - MISSING) * SECTOR as u64)?;
    let mut data = vec![0; FILLED as usize * SECTOR];
    for (sector, bytes) in data.chunks_exact_mut(SECTOR).enumerate() {
        bytes[..8].copy_from_slice(&stamp(sector as u64).to_ne_bytes());
    }
    file.write_all_at(&data, START * SECTOR as u64)?;
    Ok(file)
}

/// What the first 8 bytes of a filled sector of the partition are.
pub(super) fn stamp(sector: u64) -> u64 {
    (sector + 1).wrapping_mul(0xd134_2543_de82_ef95)
}

fn nameless(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(dir) {
        // Not every file system knows files without a name.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)
            ) =>
        {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Relaxed);
            let name = format!("utracefs-block.{}.{count}", std::process::id());
            let path = dir.join(name);
            let file = options.create_new(true).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_medium_ends_too_early_and_leaves_nothing() {
        let dir = std::env::temp_dir().join(format!("utracefs-medium-test.{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let file = make(&dir).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        let mut word = [0; 8];
        file.read_exact_at(&mut word, (START + 5) * 512).unwrap();
        assert_eq!(u64::from_ne_bytes(word), stamp(5));
        let last = (START + SECTORS - MISSING) * 512;
        assert!(file.read_exact_at(&mut word, last - 8).is_ok());
        assert!(file.read_exact_at(&mut word, last).is_err());
        fs::remove_dir(&dir).unwrap();
    }
}
