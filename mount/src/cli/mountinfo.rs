//! /proc/self/mountinfo: what is mounted where, without asking a file system that may be dead.
//!
//! Source: proc(5), the table's columns and its octal escapes.

use super::FS_TYPE;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Device number of the mounted file system, as stat(2) tells it for its files.
    pub major: u32,
    /// See `major`.
    pub minor: u32,
    /// The directory of the file system that is the root of this mount; `/` unless it is a bind mount of a part.
    pub root: PathBuf,
    /// Where it is mounted, seen from this process's root.
    pub point: PathBuf,
    /// File system type with subtype, such as `fuse.tracefs`.
    pub fs_type: String,
    /// First column of /proc/mounts.
    pub source: String,
    /// Options of the file system (not of the mount), such as `rw,user_id=0`.
    pub super_options: String,
}

impl Entry {
    /// Whether this is a mount of utracefs, dead or alive.
    pub fn is_ours(&self) -> bool {
        self.fs_type == FS_TYPE
    }

    /// The user whose process opened /dev/fuse for it; None where it is no FUSE mount.
    pub fn user_id(&self) -> Option<u32> {
        self.super_options
            .split(',')
            .find_map(|o| o.strip_prefix("user_id="))
            .and_then(|n| n.parse().ok())
    }
}

/// The mounts of this process's namespace, oldest first.
///
/// # Errors
/// If /proc is not mounted.
pub fn read() -> io::Result<Vec<Entry>> {
    Ok(parse(&std::fs::read("/proc/self/mountinfo")?))
}

/// The mount on top of `point`, which must be absolute and without symbolic links; None if nothing is mounted just there.
pub fn top<'a>(table: &'a [Entry], point: &Path) -> Option<&'a Entry> {
    // the table lists mounts in the order of their making within one directory, so the last covers the others
    table.iter().rev().find(|e| e.point == point)
}

/// Reads the table; lines that it does not understand are left out.
pub fn parse(text: &[u8]) -> Vec<Entry> {
    text.split(|b| *b == b'\n').filter_map(line).collect()
}

fn line(bytes: &[u8]) -> Option<Entry> {
    let mut words = bytes.split(|b| *b == b' ');
    let device = std::str::from_utf8(words.nth(2)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let root = path(words.next()?);
    let point = path(words.next()?);
    // the options of the mount, then any number of optional fields up to a lone hyphen
    words.find(|w| *w == b"-")?;
    let fs_type = lossy(words.next()?);
    let source = lossy(words.next()?);
    let super_options = lossy(words.next().unwrap_or_default());
    Some(Entry {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        root,
        point,
        fs_type,
        source,
        super_options,
    })
}

fn lossy(word: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(word)).into_owned()
}

fn path(word: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(word)))
}

/// Undoes `\ooo`.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&b, tail)) = rest.split_first() {
        let code = (b == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .filter(|d| d.iter().all(|c| (b'0'..b'8').contains(c)));
        match code {
            Some(d) => {
                let value = d.iter().fold(0u32, |n, c| n * 8 + u32::from(c - b'0'));
                out.push(value as u8);
                rest = &tail[3..];
            }
            None => {
                out.push(b);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
40 27 0:52 / /tmp/with\\040blank rw,nosuid shared:3 master:1 - fuse.tracefs utracefs rw,user_id=1000,group_id=100,allow_other
41 27 0:53 / /t rw - tracefs nodev rw
42 27 0:54 /sub /t rw - fuse.tracefs x\\134y rw
garbage
43 27 nonsense / /x rw - a b c
";

    fn check(point: &str, expected: Option<(&str, &str, u32, Option<u32>)>) {
        let table = parse(TABLE.as_bytes());
        let got = top(&table, Path::new(point))
            .map(|e| (e.fs_type.as_str(), e.source.as_str(), e.minor, e.user_id()));
        assert_eq!(got, expected, "{point}");
    }

    #[test]
    fn lines_are_taken_apart() {
        assert_eq!(parse(TABLE.as_bytes()).len(), 4);
        check("/proc", Some(("proc", "proc", 21, None)));
        check(
            "/tmp/with blank",
            Some(("fuse.tracefs", "utracefs", 52, Some(1000))),
        );
        check("/t", Some(("fuse.tracefs", "x\\y", 54, None)));
        check("/x", None);
        check("/tmp", None);
    }

    #[test]
    fn escapes_are_undone() {
        for (word, plain) in [
            ("a\\040b", "a b"),
            ("\\134", "\\"),
            ("\\04", "\\04"),
            ("\\", "\\"),
            ("\\900", "\\900"),
        ] {
            assert_eq!(unescape(word.as_bytes()), plain.as_bytes(), "{word}");
        }
    }

    #[test]
    fn this_process_has_a_root_mount() {
        let table = read().unwrap();
        assert!(top(&table, Path::new("/")).is_some() || !table.is_empty());
    }
}
