//! What is different where the mounts are made in a container's own mount namespace.

use super::super::attach::{open_device, plain};
use super::super::daemon::Workloads;
use super::super::failure::Failure;
use super::super::say;
use super::super::{DEBUG_TRACING, TRACING};
use std::io::IsTerminal;

/// The bit of CAP_SYS_ADMIN. Source: capabilities(7), linux/capability.h.
const SYS_ADMIN: u32 = 21;

/// Finds out what was not given to the container, before anything is tried, and names all of it at once.
///
/// # Errors
/// What is missing and how to start the container.
pub fn check() -> Result<(), Failure> {
    let capable = std::fs::read_to_string("/proc/self/status")
        .map(|s| has_capability(&s, SYS_ADMIN))
        .map_err(|e| Failure::new(format!("cannot read /proc/self/status: {}", plain(&e))))?;
    let device = open_device().map(drop);
    missing(device, capable, nix::unistd::geteuid().is_root())
}

/// The failure that says what is missing, if anything is.
fn missing(device: Result<(), Failure>, capable: bool, root: bool) -> Result<(), Failure> {
    let mut causes = Vec::new();
    if let Err(f) = &device {
        causes.push(f.cause.clone());
    }
    if !capable {
        causes.push("this container may not mount (CAP_SYS_ADMIN is missing)".into());
    }
    if causes.is_empty() {
        return Ok(());
    }
    let f = Failure::new(causes.join(", and ")).remedy(
        "start it with: docker run --device /dev/fuse --cap-add SYS_ADMIN …, \
         and if AppArmor confines containers also --security-opt apparmor=unconfined",
    );
    let f = if root {
        f
    } else {
        f.remedy("and as root: without --user, which takes the capability away")
    };
    let no_device = device.is_err_and(|d| d.cause.contains("No such file"));
    Err(if no_device {
        f.remedy(
            "if there is no /dev/fuse on the host either, load the module there: modprobe fuse",
        )
    } else {
        f
    })
}

/// Whether the text of a `status` file has this capability in its effective set.
fn has_capability(status: &str, bit: u32) -> bool {
    status
        .lines()
        .find_map(|l| l.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|set| set >> bit & 1 == 1)
}

/// Tells the user of the shell that comes next where it is and what to try; nothing if nobody looks.
pub fn greet(workloads: &Workloads) {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return;
    }
    say(&format!(
        "utracefs: ready on {TRACING} and {DEBUG_TRACING} ({}); the container ends with this shell\n\
         Three things to try:\n\
         \x20 cat available_events\n\
         \x20 echo 1 > events/sched/enable; cat trace_pipe\n\
         \x20 utracefs workload list",
        workloads.describe()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_status() {
        for (status, expected) in [
            ("Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\n", true),
            ("CapEff:\t0000000000200000\n", true),
            ("CapEff:\t00000000a80425fb\n", false),
            ("CapPrm:\t000001ffffffffff\nCapEff:\t0\n", false),
            ("CapEff:\tnonsense\n", false),
            ("", false),
        ] {
            assert_eq!(has_capability(status, SYS_ADMIN), expected, "{status:?}");
        }
    }

    fn check(device: Option<&str>, capable: bool, root: bool, expected: &[&str]) {
        let device = device.map_or(Ok(()), |d| Err(Failure::new(d)));
        match missing(device, capable, root) {
            Ok(()) => assert!(expected.is_empty()),
            Err(f) => {
                let text = f.to_string();
                assert!(!expected.is_empty(), "{text}");
                for e in expected {
                    assert!(text.contains(e), "{e}: {text}");
                }
                assert_eq!(text.contains("--user"), !root, "{text}");
            }
        }
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let gone = Some("cannot open /dev/fuse: No such file or directory");
        let denied = Some("cannot open /dev/fuse: Operation not permitted");
        let options = "--device /dev/fuse --cap-add SYS_ADMIN";
        check(None, true, true, &[]);
        check(None, false, true, &["CAP_SYS_ADMIN is missing", options]);
        check(None, false, false, &["CAP_SYS_ADMIN", options, "as root"]);
        check(gone, true, true, &["No such file", options, "modprobe"]);
        check(denied, true, true, &["not permitted", options]);
        check(gone, false, true, &["No such file", "CAP_SYS_ADMIN is"]);
    }
}
