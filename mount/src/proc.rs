//! What /proc tells about tasks.

use std::fs;

/// What /proc/TID/stat tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// A letter: R, S, D, T, t, Z, X, …
    pub state: u8,
    /// Priority as the scheduler's events have it: 120 for nice 0.
    pub prio: i32,
    /// The CPU that it runs on or ran on last.
    pub cpu: u32,
}

/// Reads /proc/TID/stat; None if the task is gone.
pub fn stat(tid: i32) -> Option<Stat> {
    parse_stat(&fs::read(format!("/proc/{tid}/stat")).ok()?)
}

fn parse_stat(text: &[u8]) -> Option<Stat> {
    // the name, field 2, may contain anything but ends with the last bracket
    let end = text.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(&text[end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let prio: i32 = fields.nth(14)?.parse().ok()?;
    let cpu = fields.nth(20)?.parse().ok()?;
    Some(Stat {
        state,
        prio: prio + 100,
        cpu,
    })
}

/// Whether a task stands still, stopped by a signal or for its tracer.
pub fn is_stopped(tid: i32) -> bool {
    stat(tid).is_some_and(|s| matches!(s.state, b'T' | b't'))
}

/// The name of a task, NUL-padded.
pub fn comm(tid: i32) -> Option<[u8; 16]> {
    let text = fs::read(format!("/proc/{tid}/comm")).ok()?;
    Some(padded(text.strip_suffix(b"\n").unwrap_or(&text)))
}

/// A name as events have it: NUL-padded, the last byte NUL.
pub fn padded(name: &[u8]) -> [u8; 16] {
    let mut comm = [0; 16];
    let name = name.split(|b| *b == 0).next().unwrap_or_default();
    let n = name.len().min(15);
    comm[..n].copy_from_slice(&name[..n]);
    comm
}

/// Lines `NAME:\tVALUE` of /proc/TID/status.
pub struct Status(String);

impl Status {
    /// Reads them; None if the task is gone.
    pub fn read(tid: i32) -> Option<Status> {
        let text = fs::read(format!("/proc/{tid}/status")).ok()?;
        Some(Status(String::from_utf8_lossy(&text).into_owned()))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    }

    /// Number of its process.
    pub fn tgid(&self) -> Option<i32> {
        self.value("Tgid")?.parse().ok()
    }

    /// Whether a seccomp filter is in it.
    pub fn is_filtered(&self) -> bool {
        self.value("Seccomp") == Some("2")
    }

    /// Whether the set `SigIgn` or `SigCgt` has the signal.
    pub fn has_signal(&self, set: &str, signal: i32) -> bool {
        let bits = self
            .value(set)
            .and_then(|v| u64::from_str_radix(v, 16).ok());
        bits.is_some_and(|b| (1..=64).contains(&signal) && b >> (signal - 1) & 1 != 0)
    }
}

/// `oom_score_adj`; 0, the default, if it cannot be read.
pub fn oom_score_adj(tid: i32) -> i16 {
    let text = fs::read_to_string(format!("/proc/{tid}/oom_score_adj")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// A value of the auxiliary vector, say AT_EXECFN's address.
pub fn aux(pid: i32, kind: u64) -> Option<u64> {
    let bytes = fs::read(format!("/proc/{pid}/auxv")).ok()?;
    let (pairs, _) = bytes.as_chunks::<16>();
    pairs.iter().find_map(|pair| {
        let word = |at: usize| pair[at..at + 8].try_into().map(u64::from_ne_bytes).ok();
        (word(0)? == kind).then(|| word(8))?
    })
}

/// Threads of a process.
pub fn threads(pid: i32) -> Vec<i32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    let names = entries.into_iter().flatten().flatten();
    names
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect()
}

/// Processes that this thread has made and that are still its children.
fn children(pid: i32, tid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).unwrap_or_default();
    text.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// All threads of all processes below `root`, with their processes. Whoever is born meanwhile may be missing.
pub fn tree(root: i32) -> Vec<(i32, i32)> {
    let mut found = Vec::new();
    let mut processes = vec![root];
    while let Some(pid) = processes.pop() {
        for tid in threads(pid) {
            if pid != root {
                found.push((tid, pid));
            }
            processes.extend(children(pid, tid));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u8, i32, u32)>) {
        let got = parse_stat(text.as_bytes()).map(|s| (s.state, s.prio, s.cpu));
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn stat_is_read() {
        let rest = "S 1 2 3 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 3 0 0";
        check(&format!("7 (sh) {rest}\n"), Some((b'S', 120, 3)));
        check(&format!("7 (a) b (c) {rest}"), Some((b'S', 120, 3)));
        check(
            &format!("7 (rt) {}", rest.replace(" 20 0 1 ", " -2 0 1 ")),
            Some((b'S', 98, 3)),
        );
        check("7 (sh) S 1 2", None);
        check("", None);
    }

    #[test]
    fn this_process_is_found() {
        let pid = std::process::id() as i32;
        assert_eq!(Status::read(pid).and_then(|s| s.tgid()), Some(pid));
        assert!(threads(pid).contains(&pid));
        assert!(stat(pid).is_some_and(|s| s.prio >= 0));
        assert_eq!(comm(i32::MAX), None);
        assert_eq!(padded(b"a name that is too long"), *b"a name that is \0");
        assert_eq!(padded(b"sh\0rubbish")[..3], *b"sh\0");
        // AT_PAGESZ
        assert_eq!(aux(pid, 6), Some(4096));
    }
}
