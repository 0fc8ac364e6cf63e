//! Everything at once on a real mount: writers, readers of `trace`, `trace_pipe` and `trace_pipe_raw`, a toggler of
//! events and a maker of instances. No crash, no lost count, no stuck process, memory flat.
//!
//! `UTRACEFS_STRESS_SECONDS` says how long (10 unless told).

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const INSTANCE: &str = "instances/stress";
const WRITERS: usize = 2;

struct Mount {
    dir: PathBuf,
    daemon: Child,
}

impl Mount {
    fn new() -> Mount {
        let dir = std::env::temp_dir().join(format!("utracefs-stress-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a temporary directory");
        let mut daemon = Command::new(env!("CARGO_BIN_EXE_utracefs"))
            .args(["mount", "--workloads", "all"])
            .arg(&dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let mut byte = [0];
        daemon
            .stdout
            .as_mut()
            .expect("piped")
            .read_exact(&mut byte)
            .expect("the ready line");
        Mount { dir, daemon }
    }

    /// Resident memory of the daemon in KiB.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.daemon.id()))
            .expect("the daemon lives");
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        line.trim()
            .trim_end_matches(" kB")
            .parse()
            .expect("a number")
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(self.daemon.id() as i32, libc::SIGTERM) };
        let _ = self.daemon.wait();
        let _ = fs::remove_dir(&self.dir);
    }
}

fn nonblocking(path: &Path) -> File {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    opened.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Reads until there is nothing now; gives each piece to `take`.
fn drain(file: &mut File, piece: &mut [u8], mut take: impl FnMut(&[u8])) {
    loop {
        match file.read(piece) {
            Ok(0) => return,
            Ok(n) => take(&piece[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return,
            Err(e) => panic!("reading: {e}"),
        }
    }
}

/// Sum over the CPUs of a line of `stats`.
fn stat(instance: &Path, name: &str) -> u64 {
    let cpus = fs::read_dir(instance.join("per_cpu"))
        .expect("per_cpu")
        .flatten();
    cpus.map(|cpu| {
        let text = fs::read_to_string(cpu.path().join("stats")).expect("stats");
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        line.trim_start_matches(':')
            .trim()
            .parse::<u64>()
            .expect("a number")
    })
    .sum()
}

/// Records of a raw page, checked against its commit field.
fn records(page: &[u8]) -> u64 {
    let word = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().expect("four bytes"));
    let end = 16 + (word(8) & 0xf_ffff) as usize;
    assert!(end <= page.len(), "commit {end} beyond the page");
    let (mut at, mut n) = (16, 0);
    while at < end {
        let head = word(at);
        at += match head & 31 {
            0 => 4 + word(at + 4) as usize,
            29 if head >> 5 == 0 => break,
            29 => 4 + word(at + 4) as usize,
            30 | 31 => 8,
            len => 4 + 4 * len as usize,
        };
        n += u64::from(head & 31 < 29);
    }
    assert!(at <= end, "a record crosses the end of the data");
    n
}

#[test]
fn everything_at_once() {
    // SAFETY: plain geteuid.
    if unsafe { libc::geteuid() } != 0 || !Path::new("/dev/fuse").exists() {
        println!("skipped: needs root and /dev/fuse");
        return;
    }
    let seconds = std::env::var("UTRACEFS_STRESS_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(10);
    let mount = Mount::new();
    let top = mount.dir.clone();
    let instance = top.join(INSTANCE);
    fs::create_dir(&instance).expect("an instance");
    fs::write(instance.join("buffer_size_kb"), "64").expect("a small buffer, so that it overflows");

    let (stop, written) = (AtomicBool::new(false), AtomicU64::new(0));
    let (piped, raw, lost_lines) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let mut memory = vec![];
    std::thread::scope(|s| {
        for w in 0..WRITERS {
            let (stop, written, instance) = (&stop, &written, &instance);
            s.spawn(move || {
                let mut marker = OpenOptions::new()
                    .write(true)
                    .open(instance.join("trace_marker"))
                    .expect("trace_marker");
                let mut seq = 0;
                while !stop.load(Relaxed) {
                    marker
                        .write_all(format!("writer {w} seq {seq}\n").as_bytes())
                        .expect("a marker");
                    written.fetch_add(1, Relaxed);
                    seq += 1;
                }
            });
        }
        s.spawn(|| {
            // text, consumed: one line per event, in each writer's order
            let mut pipe = nonblocking(&instance.join("trace_pipe"));
            let (mut piece, mut text) = (vec![0; 64 << 10], Vec::new());
            let mut last = [-1i64; WRITERS];
            while !stop.load(Relaxed) {
                drain(&mut pipe, &mut piece, |b| text.extend_from_slice(b));
                let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
                for line in String::from_utf8_lossy(&text[..whole]).lines() {
                    if line.starts_with("CPU:") {
                        lost_lines.fetch_add(1, Relaxed);
                        continue;
                    }
                    let (_, what) = line
                        .split_once("tracing_mark_write: writer ")
                        .unwrap_or_else(|| panic!("line {line:?}"));
                    let (w, seq) = what
                        .split_once(" seq ")
                        .unwrap_or_else(|| panic!("line {line:?}"));
                    let (w, seq): (usize, i64) =
                        (w.parse().expect("writer"), seq.parse().expect("seq"));
                    // a writer that moves between CPUs may be shown late once, but never twice
                    assert_ne!(last[w], seq, "writer {w}: {seq} twice");
                    last[w] = seq;
                    piped.fetch_add(1, Relaxed);
                }
                text.drain(..whole);
                std::thread::yield_now();
            }
        });
        s.spawn(|| {
            let mut pages = nonblocking(&instance.join("per_cpu/cpu0/trace_pipe_raw"));
            let mut page = vec![0; 4096];
            while !stop.load(Relaxed) {
                drain(&mut pages, &mut page, |p| {
                    _ = raw.fetch_add(records(p), Relaxed)
                });
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        s.spawn(|| {
            while !stop.load(Relaxed) {
                let text = fs::read_to_string(top.join("trace")).expect("trace");
                assert!(
                    text.starts_with("# tracer: nop\n"),
                    "{}",
                    &text[..text.len().min(200)]
                );
                let text = fs::read(instance.join("trace")).expect("trace of the instance");
                assert!(text.starts_with(b"# tracer: nop\n"));
            }
        });
        s.spawn(|| {
            let mut on = false;
            while !stop.load(Relaxed) {
                on = !on;
                fs::write(top.join("events/enable"), if on { "1" } else { "0" }).expect("toggle");
            }
            fs::write(top.join("events/enable"), "0").expect("off");
        });
        s.spawn(|| {
            let dir = top.join("instances/coming-and-going");
            while !stop.load(Relaxed) {
                fs::create_dir(&dir).expect("mkdir");
                fs::write(dir.join("events/sched/enable"), "1")
                    .expect("enable in the new instance");
                fs::remove_dir(&dir).expect("rmdir");
            }
        });
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(250));
            memory.push(mount.resident());
        }
        stop.store(true, Relaxed);
    });

    // what is left over: everything that went in came out, was counted as lost, or is still there
    let written = written.load(Relaxed);
    let counted: u64 = ["entries", "overrun", "dropped events", "read events"]
        .iter()
        .map(|n| stat(&instance, n))
        .sum();
    assert_eq!(
        counted, written,
        "entries + overrun + dropped + read events"
    );
    let read = stat(&instance, "read events");
    let (piped, raw) = (piped.load(Relaxed), raw.load(Relaxed));
    // the pipe reader may have stopped with half a page of text made but not delivered
    assert!(
        piped + raw <= read && read <= piped + raw + 400,
        "{piped} piped and {raw} raw of {read} read"
    );
    assert!(
        piped > 0 && raw > 0,
        "{piped} piped, {raw} raw: a reader got nothing"
    );
    fs::remove_dir(&instance).expect("the instance is free again");
    // memory: the second half's least is not above the first half's most by more than a buffer of an instance
    let (first, second) = memory.split_at(memory.len() / 2);
    let (most, least) = (
        first.iter().max().expect("samples"),
        second.iter().min().expect("samples"),
    );
    assert!(
        *least < most + 8 * 1024,
        "resident memory grew from {most} to {least} KiB"
    );
    println!(
        "{written} markers, {piped} piped, {raw} raw, {} losses told, {most} KiB",
        lost_lines.load(Relaxed)
    );
}
