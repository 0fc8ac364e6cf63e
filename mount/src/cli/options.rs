//! `-o`: the options that tracefs itself takes, with the kernel's idea of what is well formed.
//!
//! Source: Documentation/filesystems/tracefs (mount options) and the answers of Linux 6.18: `uid=` and `gid=` are numbers in
//! decimal, 0x or 0 notation, never -1; `mode=` is octal and cut to 07777; the last of several counts; anything else is refused.

use super::failure::{Failure, status};

/// The options of one mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// Owner of everything in the tree; None: the user who mounts.
    pub uid: Option<u32>,
    /// Group of everything in the tree; None: the group of the user who mounts.
    pub gid: Option<u32>,
    /// Permissions of the root directory; None: 0700.
    pub mode: Option<u32>,
    /// Writes answer EROFS.
    pub read_only: bool,
}

impl MountOptions {
    /// Reads comma-separated lists as mount(8) takes them.
    ///
    /// # Errors
    /// An unknown option or a malformed value, with mount(8)'s status 32.
    pub fn parse(lists: &[String]) -> Result<MountOptions, Failure> {
        let mut o = MountOptions::default();
        for word in lists.iter().flat_map(|l| l.split(',')) {
            let (key, value) = word
                .split_once('=')
                .map_or((word, None), |(k, v)| (k, Some(v)));
            match (key, value) {
                ("uid", Some(v)) => {
                    o.uid = Some(id(v).ok_or_else(|| bad(word, "a number, as id -u prints it"))?)
                }
                ("gid", Some(v)) => {
                    o.gid = Some(id(v).ok_or_else(|| bad(word, "a number, as id -g prints it"))?)
                }
                ("mode", Some(v)) => {
                    o.mode = Some(mode(v).ok_or_else(|| bad(word, "octal, such as 755"))?)
                }
                ("uid" | "gid" | "mode", None) => return Err(bad(word, "a value")),
                ("ro", None) => o.read_only = true,
                ("rw", None) => o.read_only = false,
                // what mount(8) hands to every file system; a tree without programs and devices needs none of it
                ("" | "defaults" | "nosuid" | "nodev" | "noexec" | "relatime", None) => {}
                _ => {
                    return Err(Failure::new(format!("bad option `{word}`"))
                        .status(status::MOUNT)
                        .remedy("tracefs takes uid=N, gid=N, mode=OCTAL, ro and rw"));
                }
            }
        }
        Ok(o)
    }
}

fn bad(word: &str, wanted: &str) -> Failure {
    let key = word.split('=').next().unwrap_or(word);
    Failure::new(format!("bad option `{word}`: {key}= wants {wanted}")).status(status::MOUNT)
}

/// A user or group number in C's notation; (uid_t)-1 is nobody's.
fn id(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    number(digits, radix).filter(|n| *n != u32::MAX)
}

fn mode(text: &str) -> Option<u32> {
    number(text, 8).map(|m| m & 0o7777)
}

/// Digits only: from_str_radix would take a sign.
fn number(digits: &str, radix: u32) -> Option<u32> {
    if digits.starts_with(['+', '-']) {
        None
    } else {
        u32::from_str_radix(digits, radix).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed = (Option<u32>, Option<u32>, Option<u32>, bool);

    fn check(input: &str, expected: Option<Parsed>) {
        let got = MountOptions::parse(&[input.to_string()]);
        assert_eq!(
            got.as_ref()
                .ok()
                .map(|o| (o.uid, o.gid, o.mode, o.read_only)),
            expected,
            "{input}"
        );
        if let Err(f) = got {
            assert_eq!(f.status, 32, "{input}");
        }
    }

    #[test]
    fn options_are_tracefs_own() {
        check("", Some((None, None, None, false)));
        check("uid=0", Some((Some(0), None, None, false)));
        check("uid=0x10", Some((Some(16), None, None, false)));
        check("uid=010", Some((Some(8), None, None, false)));
        check(
            "uid=4294967294",
            Some((Some(u32::MAX - 1), None, None, false)),
        );
        check("gid=1,gid=2", Some((None, Some(2), None, false)));
        check(
            "mode=755,uid=5,gid=6",
            Some((Some(5), Some(6), Some(0o755), false)),
        );
        check("mode=0755", Some((None, None, Some(0o755), false)));
        check("mode=17777", Some((None, None, Some(0o7777), false)));
        check("ro", Some((None, None, None, true)));
        check("ro,rw,defaults", Some((None, None, None, false)));
        for wrong in [
            "uid",
            "gid",
            "mode",
            "uid=",
            "mode=",
            "uid=abc",
            "gid=-1",
            "uid=4294967295",
            "uid=4294967296",
            "uid=+1",
            "mode=999",
            "mode=0o700",
            "mode=-1",
            "uid=08",
            "uid=0x",
            "nosuch",
            "nosuch=1",
            "ro=1",
            "uid=1 ",
            "size=4",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn several_lists_are_one() {
        let o = MountOptions::parse(&["uid=1,mode=700".into(), "uid=2".into()]).unwrap();
        assert_eq!((o.uid, o.gid, o.mode), (Some(2), None, Some(0o700)));
    }
}
