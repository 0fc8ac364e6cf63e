//! Random operations over the whole tree, by several threads, through the transport that needs no mount: no panic, no hang, no
//! growth, and a tree that can be tidied up afterwards.
//!
//! `UTRACEFS_FUZZ_OPS` says how many (some seconds' worth unless told; ten million is the long run),
//! `UTRACEFS_FUZZ_SEED` repeats a run's choices, `UTRACEFS_FUZZ_THREADS` is 4 unless told; 1 makes a run repeatable.

mod inputs;
mod rng;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rng::Rng;
use utracefs::base::error::{Errno, Result};
use utracefs::event::registry::Registry;
use utracefs::instance::Tracing;
use utracefs::ring::Way;
use utracefs::{DynStr, define_event_trace};
use utracefs_mount::node::wait::announced;
use utracefs_mount::node::{Got, Handle, How, Kind, Options, SetAttr};
use utracefs_mount::transport::local::Local;
use utracefs_mount::tree::tracefs;
use utracefs_workloads::ALL;

/// Operations of a run that is part of the tests.
const SHORT: u64 = 120_000;
/// An operation that takes longer hangs, on whatever machine.
const HANG: Duration = Duration::from_secs(60);
/// Instances that may be there at a time.
const INSTANCES: usize = 6;
/// Open handles of a thread.
const HANDLES: usize = 12;
/// Most memory, MiB: the buffers of all instances at their largest here, some text, and room.
const MEMORY: u64 = 700;
/// What may be left when all is tidied up, MiB.
const REST: u64 = 250;

define_event_trace!(
    fuzz_ints,
    TP_system(fuzz),
    TP_PROTO(a: u32, b: i64),
    TP_STRUCT__entry{ a: u32, b: i64, c: u8, d: i16, flag: bool },
    TP_fast_assign{ a: a, b: b, c: a as u8, d: b as i16, flag: a > 7 },
    TP_ident(__entry),
    TP_printk("a={} b={} c={} d={}", __entry.a, __entry.b, __entry.c, __entry.d)
);
define_event_trace!(
    fuzz_text,
    TP_system(fuzz),
    TP_PROTO(a: u32, name: &str, text: &str),
    TP_STRUCT__entry{ a: u32, name: DynStr, text: DynStr },
    TP_fast_assign{ a: a, name: name, text: text },
    TP_ident(__entry),
    TP_printk("a={} name={} text={}", __entry.a, __entry.name, __entry.text)
);
define_event_trace!(
    fuzz_wide,
    TP_system(fuzz),
    TP_PROTO(a: u64),
    TP_STRUCT__entry{ a: u64, b: u64, c: u64, d: u64 },
    TP_fast_assign{ a: a, b: a, c: a, d: a },
    TP_ident(__entry),
    TP_printk("{:x} {:x} {:x} {:x}", __entry.a, __entry.b, __entry.c, __entry.d)
);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| {
        v.parse()
            .unwrap_or_else(|_| panic!("{name}={v} is no number"))
    })
}

/// Resident memory of this process, MiB.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    let kib: u64 = line
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number");
    kib >> 10
}

/// Paths below the top level or an instance: files by kind, so that events do not crowd out the rest.
struct Paths {
    control: Vec<String>,
    of_cpus: Vec<String>,
    options: Vec<String>,
    events: Vec<String>,
    dirs: Vec<String>,
}

fn walk(local: &Local, dir: &str, files: &mut Vec<String>, dirs: &mut Vec<String>) {
    for name in local.ls(dir).unwrap_or_default() {
        let path = if dir.is_empty() {
            name
        } else {
            format!("{dir}/{name}")
        };
        match local.stat(&path) {
            Ok(attr) if attr.kind == Kind::Dir => {
                walk(local, &path, files, dirs);
                dirs.push(path);
            }
            Ok(_) => files.push(path),
            Err(_) => {}
        }
    }
}

impl Paths {
    fn new(local: &Local) -> Paths {
        let (mut files, mut dirs) = (vec![], vec![]);
        walk(local, "", &mut files, &mut dirs);
        let of = |wanted: &dyn Fn(&[&str]) -> bool| -> Vec<String> {
            let found = files
                .iter()
                .filter(|p| wanted(&p.split('/').collect::<Vec<_>>()));
            found.cloned().collect()
        };
        Paths {
            control: of(&|p| p.len() == 1),
            of_cpus: of(&|p| p[0] == "per_cpu"),
            options: of(&|p| p[0] == "options"),
            events: of(&|p| match *p {
                ["events", _] => true,
                ["events", system, _] => inputs::EVENTS.iter().any(|(s, _)| *s == system),
                ["events", system, event, _] => inputs::EVENTS.contains(&(system, event)),
                _ => false,
            }),
            dirs,
        }
    }

    fn file(&self, rng: &mut Rng, names: &[String]) -> String {
        let of = match rng.below(10) {
            0..5 => &self.control,
            5 => &self.of_cpus,
            6 => &self.options,
            _ => &self.events,
        };
        let path = rng.pick(of).clone();
        let path = if names.is_empty() || rng.per_mille(300) {
            path
        } else {
            format!("instances/{}/{path}", rng.pick(names))
        };
        if rng.per_mille(990) {
            return path;
        }
        // a name that is not there, or one too long
        match rng.below(3) {
            0 => format!("{path}x"),
            1 => format!("{path}/{}", "y".repeat(rng.below(300))),
            _ => path.chars().rev().collect(),
        }
    }
}

/// What all threads share.
struct World {
    local: Local,
    paths: Paths,
    names: Vec<String>,
    /// Operations still to do.
    left: AtomicU64,
    /// Writes that were taken, and those that were refused.
    taken: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
    /// What each thread does, since when.
    doing: Vec<Mutex<(Instant, String)>>,
}

struct Thread<'a> {
    world: &'a World,
    number: usize,
    rng: Rng,
    handles: Vec<(String, Handle, u64)>,
    note: String,
}

/// Answers that mean a mistake of ours, whatever was asked.
fn plausible<T>(result: Result<T>) {
    if let Err(e) = result {
        assert!(
            e.errno != Errno::EIO,
            "EIO is the answer to no operation on a control file"
        );
    }
}

impl Thread<'_> {
    fn run(&mut self) {
        while !self.world.stop.load(Relaxed) {
            let taken = self
                .world
                .left
                .fetch_update(Relaxed, Relaxed, |n| n.checked_sub(1));
            if taken.is_err() {
                return;
            }
            self.step();
        }
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.note.clear();
        let _ = self.note.write_fmt(what);
        let mut doing = self.world.doing[self.number].lock();
        doing.0 = Instant::now();
        std::mem::swap(&mut doing.1, &mut self.note);
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..22 => self.one_write(),
            22..32 => self.one_read(),
            32..42 => self.open(),
            42..72 => self.on_handle(),
            72..78 => self.close(),
            78..86 => self.fire(),
            86..89 => self.look(),
            89..91 => self.change_attributes(),
            91..93 => self.odd_directories(),
            93..96 => self.instance(),
            _ => self.whole(),
        }
    }

    fn path(&mut self) -> String {
        let world = self.world;
        world.paths.file(&mut self.rng, &world.names)
    }

    fn how(&mut self) -> How {
        let bits = self.rng.below(8);
        How {
            read: bits & 1 != 0,
            write: bits & 2 != 0,
            truncate: bits & 4 != 0,
            ..How::default()
        }
    }

    fn one_write(&mut self) {
        let path = self.path();
        let data = inputs::input(&mut self.rng, &path);
        let truncate = self.rng.per_mille(700);
        self.say(format_args!(
            "write {:?} to {path}, O_TRUNC {truncate}",
            String::from_utf8_lossy(&data)
        ));
        let how = How {
            write: true,
            truncate,
            ..How::default()
        };
        let Ok(handle) = self.world.local.open(&path, how) else {
            return;
        };
        let wrote = self.world.local.write(&handle, &data);
        self.wrote(&path, &data, wrote);
        handle.flush();
    }

    fn wrote(&self, path: &str, data: &[u8], wrote: Result<usize>) {
        match wrote {
            Ok(n) => {
                assert!(n <= data.len(), "{path} took {n} of {} bytes", data.len());
                self.world.taken.fetch_add(1, Relaxed);
            }
            e => {
                plausible(e);
                self.world.refused.fetch_add(1, Relaxed);
            }
        }
    }

    fn one_read(&mut self) {
        let path = self.path();
        self.say(format_args!("read {path}"));
        let how = How {
            read: true,
            ..How::default()
        };
        let Ok(handle) = self.world.local.open(&path, how) else {
            return;
        };
        let size = *self.rng.pick(&[1, 7, 100, 4096, 65536]);
        plausible(self.world.local.read(&handle, 0, size));
        handle.flush();
    }

    /// A file to its end, if it has one that is not far.
    fn whole(&mut self) {
        let path = self.path();
        if path.ends_with("trace") && !self.rng.per_mille(100) {
            return;
        }
        self.say(format_args!("read all of {path}"));
        let how = How {
            read: true,
            ..How::default()
        };
        let Ok(handle) = self.world.local.open(&path, how) else {
            return;
        };
        let mut at = 0;
        for _ in 0..200 {
            match self.world.local.read(&handle, at, 16384) {
                Ok(more) if more.is_empty() => break,
                Ok(more) => at += more.len() as u64,
                e => {
                    plausible(e);
                    break;
                }
            }
        }
        handle.flush();
    }

    fn open(&mut self) {
        if self.handles.len() >= HANDLES {
            return self.close();
        }
        let (path, how) = (self.path(), self.how());
        self.say(format_args!("open {path}, {how:?}"));
        let opened = self.world.local.open(&path, how);
        match opened {
            Ok(handle) => self.handles.push((path, handle, 0)),
            e => plausible(e),
        }
    }

    fn close(&mut self) {
        if self.handles.is_empty() {
            return;
        }
        let (path, handle, _) = self.handles.swap_remove(self.rng.below(self.handles.len()));
        self.say(format_args!("close {path}"));
        // without one: as if the descriptor had been lost on its way
        if self.rng.per_mille(950) {
            handle.flush();
        }
        drop(handle);
    }

    fn on_handle(&mut self) {
        if self.handles.is_empty() {
            return self.open();
        }
        let at = self.rng.below(self.handles.len());
        let (path, handle, offset) = self.handles.swap_remove(at);
        let offset = self.use_handle(&path, &handle, offset);
        self.handles.push((path, handle, offset));
    }

    fn use_handle(&mut self, path: &str, handle: &Handle, mut offset: u64) -> u64 {
        match self.rng.below(20) {
            0..8 => {
                if self.rng.per_mille(200) {
                    offset = match self.rng.below(4) {
                        0 => 0,
                        1 => self.rng.below(5000) as u64,
                        2 => i64::MAX as u64,
                        _ => self.rng.next(),
                    };
                }
                let size = *self.rng.pick(&[0, 1, 3, 16, 100, 4096, 8192, 131072]);
                self.say(format_args!("read {size} bytes of {path} at {offset}"));
                let mut got = 0;
                match handle.read(offset, size, &mut |bytes| got = bytes.len()) {
                    Ok(Got::Block(wait)) if self.rng.per_mille(200) => {
                        wait.announce();
                        announced();
                        let _ = wait.is_there();
                    }
                    Ok(_) => {
                        assert!(got <= size, "{path} gave {got} bytes to a read of {size}");
                        offset = offset.wrapping_add(got as u64);
                    }
                    e => plausible(e),
                }
            }
            8..16 => {
                let data = inputs::input(&mut self.rng, path);
                self.say(format_args!(
                    "write {:?} to {path}, open before",
                    String::from_utf8_lossy(&data)
                ));
                let wrote = self.world.local.write(handle, &data);
                self.wrote(path, &data, wrote);
            }
            16 => {
                self.say(format_args!("poll {path}"));
                let _ = handle.readable();
                if let Some(wait) = handle.changed() {
                    wait.announce();
                    announced();
                    let _ = wait.is_there();
                }
            }
            17 => {
                let command = self.rng.below(4) as u32 * 0x5401;
                self.say(format_args!("ioctl {command:#x} {path}"));
                plausible(handle.ioctl(command));
            }
            18 => {
                let size = *self.rng.pick(&[1, 4096, 8192, 65536]);
                self.say(format_args!("page of {size} bytes from {path}"));
                plausible(handle.read_page(size, &mut |page| assert_eq!(page.len(), size)));
            }
            _ if self.rng.per_mille(20) => {
                self.say(format_args!("close one of two descriptors of {path}"));
                handle.flush();
            }
            _ => {
                self.say(format_args!("flags of {path}"));
                let _ = (
                    handle.seek(),
                    handle.wants_flush(),
                    handle.is_parallel(),
                    handle.has_pages(),
                );
            }
        }
        offset
    }

    fn fire(&mut self) {
        self.say(format_args!("events"));
        let n = 1 + self.rng.below(20);
        let text = "some text, not short, 'quoted' \"twice\" \\ * [x]";
        for _ in 0..n {
            let number = self.rng.next();
            let end = self.rng.below(text.len());
            match number % 3 {
                0 => trace_fuzz_ints(number as u32 % 10, number as i64),
                1 => trace_fuzz_text(number as u32 % 10, &text[..end], text),
                _ => trace_fuzz_wide(number),
            }
        }
    }

    fn look(&mut self) {
        let path = match self.rng.below(3) {
            0 => self.rng.pick(&self.world.paths.dirs).clone(),
            1 => format!(
                "instances/{}/{}",
                self.rng.pick(&self.world.names),
                self.rng.pick(&self.world.paths.dirs)
            ),
            _ => self.path(),
        };
        self.say(format_args!("stat and list {path}"));
        plausible(self.world.local.stat(&path));
        plausible(self.world.local.ls(&path));
    }

    fn change_attributes(&mut self) {
        let path = self.path();
        let change = SetAttr {
            mode: self.rng.per_mille(500).then(|| self.rng.next() as u16),
            uid: self.rng.per_mille(300).then(|| self.rng.next() as u32),
            gid: self.rng.per_mille(300).then(|| self.rng.next() as u32),
            size: self.rng.per_mille(300).then(|| self.rng.next()),
            ..SetAttr::default()
        };
        self.say(format_args!("{change:?} on {path}"));
        if let Ok(attr) = self.world.local.stat(&path) {
            plausible(self.world.local.fs().set_attr(attr.id, &change));
        }
    }

    fn odd_directories(&mut self) {
        let local = &self.world.local;
        let path = match self.rng.below(2) {
            0 => self.rng.pick(&self.world.paths.dirs).clone(),
            _ => self.path(),
        };
        self.say(format_args!("mkdir, rmdir, rename, unlink {path}"));
        if path == "instances" || path.matches('/').count() == 1 && path.starts_with("instances/") {
            return;
        }
        let made = local.mkdir(&path);
        assert!(made.is_err(), "{path} was made");
        let removed = local.rmdir(&path);
        assert!(removed.is_err(), "{path} was removed");
        if let Ok(attr) = local.stat(path.rsplit_once('/').map_or("", |p| p.0)) {
            let name = path.rsplit('/').next().unwrap_or("");
            let _ = local.fs().refuse(attr.id, name.as_bytes());
        }
    }

    fn instance(&mut self) {
        let name = self.rng.pick(&self.world.names).clone();
        let path = format!("instances/{name}");
        if self.rng.per_mille(600) {
            self.say(format_args!("mkdir {path}"));
            plausible(self.world.local.mkdir(&path));
        } else {
            self.say(format_args!("rmdir {path}"));
            plausible(self.world.local.rmdir(&path));
        }
    }
}

/// Everything can be switched off, removed, and used again.
fn tidy(local: &Local) {
    for name in local.ls("instances").expect("instances") {
        local
            .rmdir(&format!("instances/{name}"))
            .unwrap_or_else(|e| panic!("instances/{name} cannot be removed: {e:?}"));
    }
    assert!(local.ls("instances").expect("instances").is_empty());
    let systems = local.ls("events").expect("events");
    // triggers as the kernel's own tests remove them: each line, cut at its status
    for system in &systems {
        for event in local.ls(&format!("events/{system}")).unwrap_or_default() {
            let path = format!("events/{system}/{event}/trigger");
            // enable_event and its kind before what they point to does not matter; twice, as the order may
            for _ in 0..2 {
                for line in local.cat(&path).unwrap_or_default().lines() {
                    if !line.starts_with('#') {
                        let line = line.split('[').next().unwrap_or("");
                        local
                            .append(&format!("!{line}"), &path)
                            .unwrap_or_else(|e| panic!("!{line} to {path}: {e:?}"));
                    }
                }
            }
            if let Ok(text) = local.cat(&path) {
                assert!(text.starts_with('#'), "{path} keeps {text}");
            }
        }
        let filter = format!("events/{system}/filter");
        if local.stat(&filter).is_ok() {
            local.echo("0", &filter).expect("a filter is removed");
        }
    }
    local.echo("0", "events/enable").expect("events are off");
    assert_eq!(local.cat("events/enable").expect("enable"), "0\n");
    assert_eq!(local.cat("set_event").expect("set_event"), "");
    for file in ["set_event_pid", "set_event_notrace_pid"] {
        if local.stat(file).is_ok() {
            local.truncate(file).expect("a list is emptied");
        }
    }
    for name in local.ls("options").expect("options") {
        let on = matches!(
            &*name,
            "context-info"
                | "markers"
                | "overwrite"
                | "annotate"
                | "irq-info"
                | "record-cmd"
                | "copy_trace_marker"
        );
        let value = if on { "1" } else { "0" };
        plausible(local.echo(value, &format!("options/{name}")));
    }
    if local.stat("tracing_cpumask").is_ok() {
        let all = "f".repeat(utracefs::base::cpu::possible().div_ceil(4));
        let mask = u128::MAX >> (128 - utracefs::base::cpu::possible().min(128));
        let mask = if utracefs::base::cpu::possible() <= 32 {
            format!("{mask:x}")
        } else {
            all
        };
        local.echo(&mask, "tracing_cpumask").expect("all CPUs");
    }
    for (file, value) in [
        ("buffer_size_kb", "100"),
        ("trace_clock", "local"),
        ("current_tracer", "nop"),
        ("tracing_on", "1"),
    ] {
        local
            .echo(value, file)
            .unwrap_or_else(|e| panic!("{value} to {file}: {e:?}"));
    }
    if local.stat("snapshot").is_ok() {
        local.echo("0", "snapshot").expect("a snapshot is freed");
    }
    local.truncate("trace").expect("cleared");
    local
        .put(b"at last\n", "trace_marker", false)
        .expect("a marker");
    let text = local.cat("trace").expect("trace");
    assert!(
        text.ends_with("tracing_mark_write: at last\n"),
        "trace reads {text}"
    );
    local
        .echo("1", "events/fuzz/enable")
        .expect("events are on");
    trace_fuzz_wide(0xabc);
    let text = local.cat("trace").expect("trace");
    assert!(
        text.ends_with("fuzz_wide: abc abc abc abc\n"),
        "trace reads {text}"
    );
    local
        .echo("0", "events/enable")
        .expect("events are off again");
    // every file there is answers
    let (mut files, mut dirs) = (vec![], vec![]);
    walk(local, "", &mut files, &mut dirs);
    for path in files {
        let how = How {
            read: true,
            ..How::default()
        };
        let handle = local
            .open(&path, how)
            .unwrap_or_else(|e| panic!("{path}: {e:?}"));
        plausible(local.read(&handle, 0, 4096));
    }
}

#[test]
fn random_operations() {
    let ops = number("UTRACEFS_FUZZ_OPS").unwrap_or(SHORT);
    let threads = number("UTRACEFS_FUZZ_THREADS").unwrap_or(4) as usize;
    let seed = number("UTRACEFS_FUZZ_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.map_or(1, |d| d.as_nanos() as u64)
    });
    println!("UTRACEFS_FUZZ_SEED={seed} UTRACEFS_FUZZ_OPS={ops} UTRACEFS_FUZZ_THREADS={threads}");
    let registry = Registry::build(20000).expect("the events");
    // Linux's own events come with the workloads
    assert!(!ALL.is_empty() && registry.find("sched", "sched_switch").is_some());
    let tracing = Tracing::new(registry, Way::Auto).expect("memory");
    let local = Local::new(tracefs(tracing, Options::default()));
    local.echo("100", "buffer_size_kb").expect("a small buffer");
    let names = (0..INSTANCES).map(|i| format!("fuzz {i}")).collect();
    let paths = Paths::new(&local);
    let world = World {
        local,
        paths,
        names,
        left: AtomicU64::new(ops),
        taken: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        doing: (0..threads)
            .map(|_| Mutex::new((Instant::now(), String::new())))
            .collect(),
    };
    let world = Arc::new(world);
    let start = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|number| {
            let world = world.clone();
            std::thread::spawn(move || {
                let mut thread = Thread {
                    world: &world,
                    number,
                    rng: Rng::new(seed.wrapping_add(number as u64 * 0x1234_5678_9abc_def1)),
                    handles: vec![],
                    note: String::new(),
                };
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| thread.run()));
                if done.is_err() {
                    world.stop.store(true, Relaxed);
                    let doing = &world.doing[number].lock().1;
                    eprintln!("seed {seed}, thread {number}: {doing}");
                }
                done.is_ok()
            })
        })
        .collect();
    let mut most = resident();
    let mut told = Instant::now();
    while workers.iter().any(|w| !w.is_finished()) {
        std::thread::sleep(Duration::from_millis(20));
        most = most.max(resident());
        assert!(
            most <= MEMORY,
            "seed {seed}: {most} MiB of memory; under way: {:#?}",
            world
                .doing
                .iter()
                .map(|d| d.lock().1.clone())
                .collect::<Vec<_>>()
        );
        for (number, doing) in world.doing.iter().enumerate() {
            let doing = doing.lock();
            if doing.0.elapsed() > HANG && !workers[number].is_finished() {
                eprintln!("seed {seed}, thread {number} hangs: {}", doing.1);
                std::process::abort();
            }
        }
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            println!("{} left, {} MiB", world.left.load(Relaxed), resident());
        }
    }
    let fine = workers
        .into_iter()
        .all(|w| w.join().expect("panics are caught"));
    assert!(fine, "seed {seed}: an operation panicked");
    let took = start.elapsed();
    tidy(&world.local);
    let rest = resident();
    println!(
        "{ops} operations in {:.1} s, {} writes taken, {} refused, at most {most} MiB, {rest} MiB left",
        took.as_secs_f64(),
        world.taken.load(Relaxed),
        world.refused.load(Relaxed)
    );
    assert!(
        rest <= REST,
        "seed {seed}: {rest} MiB are left when everything is tidied up"
    );
}
