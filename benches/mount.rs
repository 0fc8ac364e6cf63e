//! What reading and listing cost over a mount: `trace` of a full buffer, the whole tree, a control file; where the real
//! tracefs can be mounted (root), beside it in the same rounds.
#![allow(missing_docs)]

#[path = "harness/mod.rs"]
mod harness;

use std::fs;
use std::hint::black_box;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::{median, min};

/// A tracefs to measure: the kernel's or ours.
struct Side {
    name: &'static str,
    dir: PathBuf,
    /// The daemon, whose CPU time counts.
    daemon: Option<Child>,
}

/// CPU seconds of a process so far, from /proc/PID/stat in clock ticks.
fn process_cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = stat.rsplit_once(") ").map_or("", |s| s.1);
    let ticks: f64 = after
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum();
    // SAFETY: plain sysconf.
    ticks / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

/// Nanoseconds of CPU of a process, finer than ticks: the sum of its threads' schedstat.
fn daemon_ns(pid: u32) -> f64 {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        sum += text
            .split(' ')
            .next()
            .and_then(|n| n.parse::<f64>().ok())
            .unwrap_or(0.0);
    }
    if sum == 0.0 {
        process_cpu(pid) * 1e9
    } else {
        sum
    }
}

impl Side {
    fn cpu_ns(&self) -> f64 {
        harness::clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
            + self.daemon.as_ref().map_or(0.0, |d| daemon_ns(d.id()))
    }

    fn set(&self, file: &str, text: &str) {
        fs::write(self.dir.join(file), text)
            .unwrap_or_else(|e| panic!("{}/{file}: {e}", self.dir.display()));
    }

    /// The bench's own instance.
    fn instance(&self) -> PathBuf {
        self.dir.join("instances/utracefs-bench")
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let _ = fs::remove_dir(self.instance());
        if let Some(daemon) = &mut self.daemon {
            // SAFETY: our own child, not yet waited for.
            unsafe { libc::kill(daemon.id() as i32, libc::SIGTERM) };
            let _ = daemon.wait();
        } else {
            let _ = Command::new("umount").arg(&self.dir).status();
        }
        let _ = fs::remove_dir(&self.dir);
    }
}

fn temporary(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("utracefs-bench-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a temporary directory");
    dir
}

fn ours() -> Side {
    let dir = temporary("mount");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_utracefs"))
        .args(["mount", "--workloads", "none"])
        .arg(&dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the daemon starts");
    let mut line = [0; 1];
    daemon
        .stdout
        .as_mut()
        .expect("piped")
        .read_exact(&mut line)
        .expect("the daemon says that it is ready");
    Side {
        name: "utracefs",
        dir,
        daemon: Some(daemon),
    }
}

/// The kernel's, in a mount namespace of our own so that nobody else sees it.
fn kernels() -> Option<Side> {
    let dir = temporary("kernel");
    let mounted = Command::new("mount")
        .args(["-t", "tracefs", "nodev"])
        .arg(&dir)
        .stderr(Stdio::null())
        .status();
    if mounted.is_ok_and(|s| s.success()) {
        return Some(Side {
            name: "the kernel's tracefs",
            dir,
            daemon: None,
        });
    }
    let _ = fs::remove_dir(&dir);
    None
}

/// Reads a file to its end in pieces of 128 KiB, as cat does; bytes and lines.
fn read_all(path: &Path) -> (usize, usize) {
    let mut file = fs::File::open(path).expect("the file opens");
    let (mut bytes, mut lines, mut buffer) = (0, 0, vec![0; 128 << 10]);
    loop {
        match file.read(&mut buffer).expect("the file reads") {
            0 => return (bytes, lines),
            n => {
                bytes += n;
                lines += buffer[..n].iter().filter(|b| **b == b'\n').count();
            }
        }
    }
}

/// Fills the bench's instance with two-field events of this process: markers on both sides.
fn fill(side: &Side, events: usize) {
    let instance = side.instance();
    let _ = fs::remove_dir(&instance);
    fs::create_dir(&instance).expect("an instance");
    side.set("instances/utracefs-bench/buffer_size_kb", "16384");
    let mut marker = fs::OpenOptions::new()
        .write(true)
        .open(instance.join("trace_marker"))
        .expect("trace_marker");
    for i in 0..events {
        use std::io::Write;
        marker
            .write_all(format!("event {i} with some text in it\n").as_bytes())
            .expect("a marker");
    }
    side.set("instances/utracefs-bench/tracing_on", "0");
}

fn walk(dir: &Path, files: &mut usize) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            walk(&entry.path(), files);
        } else {
            *files += 1;
        }
    }
}

fn main() {
    // SAFETY: a mount namespace of our own, made before any thread; private, so that nothing of it gets out.
    let private = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            ) == 0
    };
    let mut sides = vec![ours()];
    match private.then(kernels).flatten() {
        Some(side) => sides.push(side),
        None => println!("the kernel's tracefs cannot be mounted here: its rows are left out"),
    }
    const EVENTS: usize = 50_000;
    const ROUNDS: usize = 7;
    for side in &sides {
        fill(side, EVENTS);
    }
    type Job<'a> = (&'a str, &'a str, fn(&Side) -> usize);
    let jobs: [Job; 4] = [
        ("cat trace, 50,000 markers", "event", |s| {
            read_all(&s.instance().join("trace")).1
        }),
        ("find over the tree", "file", |s| {
            let mut files = 0;
            walk(&s.dir, &mut files);
            files
        }),
        ("read every format of sched", "file", |s| {
            let events = fs::read_dir(s.dir.join("events/sched"))
                .expect("sched")
                .flatten();
            let formats = events.map(|e| e.path().join("format"));
            formats
                .filter(|f| f.is_file())
                .map(|f| _ = black_box(read_all(&f)))
                .fold(0, |n, ()| n + 1)
        }),
        (
            "echo 1, echo 0 > events/sched/enable of an instance",
            "event",
            |s| {
                s.set("instances/utracefs-bench/events/sched/enable", "1");
                s.set("instances/utracefs-bench/events/sched/enable", "0");
                let events = fs::read_dir(s.dir.join("events/sched"))
                    .expect("sched")
                    .flatten();
                events.filter(|e| e.path().is_dir()).count()
            },
        ),
    ];
    for (title, unit, job) in jobs {
        let mut ns = vec![vec![]; sides.len()];
        for round in 0..ROUNDS + 1 {
            for (i, side) in sides.iter().enumerate() {
                let start = side.cpu_ns();
                let n = job(side).max(1);
                if round > 0 {
                    ns[i].push((side.cpu_ns() - start) / n as f64);
                }
            }
        }
        println!("\n### {title}\n\n{ROUNDS} rounds, CPU time of client and daemon together\n");
        println!("| | ns per {unit}: median | min | ratio |\n| --- | ---: | ---: | ---: |");
        for (i, side) in sides.iter().enumerate() {
            let last = &ns[ns.len() - 1];
            let ratio = median(
                &ns[i]
                    .iter()
                    .zip(last)
                    .map(|(a, b)| a / b)
                    .collect::<Vec<_>>(),
            );
            println!(
                "| {} | {:.0} | {:.0} | {ratio:.3} |",
                side.name,
                median(&ns[i]),
                min(&ns[i])
            );
        }
    }
}
