//! The mount table that commands of `exec` read as /proc/mounts.

use super::super::{DEBUG_TRACING, TRACING};

const DEBUG: &str = "/sys/kernel/debug";

/// A copy of the table that begins with a tracefs and a debugfs, without any other of these types, and without the lines of what is
/// really mounted at those places.
pub fn with_tracefs(table: &[u8]) -> Vec<u8> {
    let mut out = format!("tracefs {TRACING} tracefs rw,nosuid,nodev,noexec,relatime 0 0\ndebugfs {DEBUG} debugfs rw,nosuid,nodev,noexec,relatime 0 0\n").into_bytes();
    for line in table.split_inclusive(|b| *b == b'\n') {
        let mut words = line.split(|b| *b == b' ');
        let (_, point, fs_type) = (
            words.next(),
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let ours = [TRACING, DEBUG, DEBUG_TRACING]
            .iter()
            .any(|p| p.as_bytes() == point);
        if !ours && fs_type != b"tracefs" && fs_type != b"debugfs" {
            out.extend_from_slice(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[&str]) {
        let out = String::from_utf8(with_tracefs(input.as_bytes())).unwrap();
        let points: Vec<&str> = out.lines().map(|l| l.split(' ').nth(1).unwrap()).collect();
        assert_eq!(&points[..2], [TRACING, DEBUG]);
        assert_eq!(&points[2..], expected, "{input}");
        assert!(out.ends_with('\n'));
    }

    #[test]
    fn the_first_tracefs_is_ours_and_the_only_one() {
        check("", &[]);
        check("proc /proc proc rw 0 0\n", &["/proc"]);
        check(
            "nodev /sys/kernel/tracing tracefs rw 0 0\nx / ext4 rw 0 0\nnodev /t tracefs rw 0 0\n",
            &["/"],
        );
        check(
            "debugfs /sys/kernel/debug debugfs rw 0 0\nd /d debugfs rw 0 0\n",
            &[],
        );
        check(
            "utracefs /tmp/t fuse.tracefs rw 0 0\nutracefs /sys/kernel/tracing fuse.tracefs rw 0 0\n",
            &["/tmp/t"],
        );
        check(
            "utracefs /sys/kernel/debug tmpfs rw 0 0\nutracefs /sys/kernel/debug/tracing fuse.tracefs rw 0 0\n",
            &[],
        );
    }
}
