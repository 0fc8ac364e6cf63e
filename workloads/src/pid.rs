//! Process numbers of tasks that the host does not know.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

/// The highest pid_max of 64-bit Linux (proc_pid(5)): it may be raised to this while we run.
const PID_MAX_LIMIT: i32 = 1 << 22;
/// Numbers end here: tools take more for something else than a pid.
const END: i32 = 1 << 30;

/// A pid above all of the host's, never given out twice by this process. `None` when there are none left.
pub(crate) fn allocate() -> Option<i32> {
    static NEXT: OnceLock<AtomicI32> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        AtomicI32::new(first(
            std::fs::read_to_string("/proc/sys/kernel/pid_max").ok(),
        ))
    });
    next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |pid| {
        (pid < END).then_some(pid + 1)
    })
    .ok()
}

fn first(pid_max: Option<String>) -> i32 {
    let host = pid_max
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(PID_MAX_LIMIT);
    host.clamp(PID_MAX_LIMIT, END - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_the_hosts() {
        let check = |text: Option<&str>, expected| {
            assert_eq!(first(text.map(String::from)), expected, "{text:?}")
        };
        check(None, 4_194_305);
        check(Some("32768\n"), 4_194_305);
        check(Some("5000000\n"), 5_000_001);
        check(Some("nonsense"), 4_194_305);
        check(Some("99999999999"), 4_194_305);
        let (a, b) = (allocate().unwrap(), allocate().unwrap());
        assert!(a > PID_MAX_LIMIT && a < b && b < END);
    }
}
