//! The trace of the mm workload: what is handed out comes back, and a fault is an event.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use parking_lot::Mutex;
use utracefs::base::task;

use super::fault::Window;
use super::jobs::KINDS;
use super::memory::{Memory, PAGE};
use super::slab::Slab;
use super::space::{LEN, Space};
use crate::Manager;
use crate::figures::MM;

/// What an event says, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Record {
    event: Event,
    comm: String,
    flags: u8,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Event {
    Alloc { pfn: u64, order: u32 },
    ZoneLocked { order: u32 },
    Drain { order: u32 },
    Free { pfn: u64, order: u32 },
    Batched { pfn: u64 },
    Extfrag,
    Object { ptr: usize, cache: Option<String> },
    ObjectFree { ptr: usize, cache: Option<String> },
    Rss { mm: u32, size: i64 },
    Fault { address: u64, error_code: u64 },
}

static TRACE: Mutex<Vec<Record>> = Mutex::new(Vec::new());

fn push(event: Event) {
    let current = task::current();
    let comm = current.comm();
    let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    TRACE.lock().push(Record {
        event,
        comm: String::from_utf8_lossy(comm).into_owned(),
        flags: (current.head() >> 16) as u8,
    });
}

fn on_alloc(_: *const (), pfn: u64, order: u32, _gfp: u64, _kind: i32) {
    push(Event::Alloc { pfn, order });
}

fn on_zone_locked(_: *const (), _pfn: u64, order: u32, _kind: i32, _refill: bool) {
    push(Event::ZoneLocked { order });
}

fn on_extfrag(_: *const (), _: u64, order: i32, found: i32, kind: i32, other: i32, _: bool) {
    assert!(order <= found && kind != other);
    push(Event::Extfrag);
}

fn on_drain(_: *const (), _pfn: u64, order: u32, _kind: i32) {
    push(Event::Drain { order });
}

fn on_free(_: *const (), pfn: u64, order: u32) {
    push(Event::Free { pfn, order });
}

fn on_batched(_: *const (), pfn: u64) {
    push(Event::Batched { pfn });
}

fn on_kmalloc(_: *const (), site: u64, ptr: *const u8, req: u64, alloc: u64, _: u64, _: i32) {
    assert!(alloc >= req && alloc < 2 * req.max(8));
    assert_eq!(
        site != 0,
        cfg!(any(target_arch = "x86_64", target_arch = "aarch64"))
    );
    let ptr = ptr as usize;
    push(Event::Object { ptr, cache: None });
}

fn on_kfree(_: *const (), _site: u64, ptr: *const u8) {
    let ptr = ptr as usize;
    push(Event::ObjectFree { ptr, cache: None });
}

#[allow(clippy::too_many_arguments)] // the event's
fn on_cache_alloc(
    _: *const (),
    _site: u64,
    ptr: *const u8,
    name: &str,
    req: u64,
    alloc: u64,
    _gfp: u64,
    _accounted: bool,
) {
    assert!(alloc >= req);
    push(Event::Object {
        ptr: ptr as usize,
        cache: Some(name.into()),
    });
}

fn on_cache_free(_: *const (), _site: u64, ptr: *const u8, name: &str) {
    push(Event::ObjectFree {
        ptr: ptr as usize,
        cache: Some(name.into()),
    });
}

fn on_rss(_: *const (), mm: u32, _curr: bool, member: i32, size: i64) {
    assert_eq!(member, 1);
    push(Event::Rss { mm, size });
}

#[cfg(target_arch = "x86_64")]
fn on_fault(_: *const (), address: u64, ip: u64, error_code: u64) {
    assert_ne!(ip, 0);
    push(Event::Fault {
        address,
        error_code,
    });
}

macro_rules! with_probes {
    ($($(#[$attr:meta])* $module:ident $name:ident $probe:ident;)*) => { pastey::paste! {
        fn register() {
            $($(#[$attr])* crate::events::$module::[<register_trace_ $name>]($probe, std::ptr::null()).unwrap();)*
        }

        fn unregister() {
            $($(#[$attr])* crate::events::$module::[<unregister_trace_ $name>]($probe, std::ptr::null()).unwrap();)*
        }
    } };
}

with_probes! {
    kmem mm_page_alloc on_alloc;
    kmem mm_page_alloc_zone_locked on_zone_locked;
    kmem mm_page_alloc_extfrag on_extfrag;
    kmem mm_page_pcpu_drain on_drain;
    kmem mm_page_free on_free;
    kmem mm_page_free_batched on_batched;
    kmem kmalloc on_kmalloc;
    kmem kfree on_kfree;
    kmem kmem_cache_alloc on_cache_alloc;
    kmem kmem_cache_free on_cache_free;
    kmem rss_stat on_rss;
    #[cfg(target_arch = "x86_64")]
    exceptions page_fault_user on_fault;
}

/// Runs `work` and returns the events that came meanwhile.
fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Record>) {
    let _alone = crate::testing::alone();
    register();
    TRACE.lock().clear();
    let result = work();
    unregister();
    (result, std::mem::take(&mut *TRACE.lock()))
}

/// Everything that is handed out comes back once, and nothing else does.
fn check_balance(trace: &[Record]) {
    let mut pages: HashMap<u64, u32> = HashMap::new();
    let mut objects: HashMap<usize, Option<String>> = HashMap::new();
    let mut rss: HashMap<u32, i64> = HashMap::new();
    let mut freed_single: Vec<u64> = Vec::new();
    // Pages that are out of the zone, and those that CPUs do not keep come back to it at once.
    let mut out_of_zone = 0i64;
    for record in trace {
        match record.event.clone() {
            Event::Alloc { pfn, order } => {
                assert_ne!(pfn, u64::MAX);
                assert_eq!(pages.insert(pfn, order), None, "{record:?}");
            }
            Event::Free { pfn, order } => {
                assert_eq!(pages.remove(&pfn), Some(order), "{record:?}");
                freed_single.push(pfn);
                if order > 3 {
                    out_of_zone -= 1 << order;
                }
            }
            Event::Batched { pfn } => assert!(freed_single.contains(&pfn), "{record:?}"),
            Event::ZoneLocked { order } => out_of_zone += 1 << order,
            Event::Drain { order } => out_of_zone -= 1 << order,
            Event::Object { ptr, cache } => {
                assert_ne!(ptr, 0);
                assert_eq!(objects.insert(ptr, cache), None, "{record:?}");
            }
            Event::ObjectFree { ptr, cache } => {
                assert_eq!(objects.remove(&ptr), Some(cache), "{record:?}");
            }
            Event::Rss { mm, size } => {
                assert!(size >= 0 && size % PAGE as i64 == 0);
                rss.insert(mm, size);
            }
            Event::Extfrag | Event::Fault { .. } => {}
        }
    }
    assert_eq!(pages.len(), 0, "{pages:x?}");
    assert_eq!(objects.len(), 0, "{objects:x?}");
    assert_eq!(out_of_zone, 0);
    assert!(rss.values().all(|size| *size == 0), "{rss:?}");
}

/// How often each event came, and how often for each program.
fn counts(trace: &[Record]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for record in trace {
        let name = format!("{:?}", record.event);
        let name = name.split(' ').next().unwrap().to_string();
        // Which allocation finds a list empty depends on who is where.
        if !matches!(
            record.event,
            Event::ZoneLocked { .. } | Event::Drain { .. } | Event::Extfrag
        ) && record.comm != "mm"
            && !matches!(record.event, Event::Alloc { .. } | Event::Free { .. })
        {
            *counts.entry((record.comm.clone(), name)).or_default() += 1;
        }
    }
    counts
}

fn run(ops: u64) -> Vec<Record> {
    let figures = || {
        [
            MM.faults.get(),
            MM.pages_allocated.get(),
            MM.pages_freed.get(),
        ]
    };
    let (own, trace) = recorded(|| {
        let before = figures();
        let manager = Manager::new();
        manager.run("mm", ops, None).unwrap();
        let list = manager.list();
        let done = list.iter().find(|status| status.name == "mm").unwrap().ops;
        assert_eq!(done, ops);
        let after = figures();
        [0, 1, 2].map(|i| after[i] - before[i])
    });
    check_balance(&trace);
    let of = |what: fn(&Event) -> u64| trace.iter().map(|r| what(&r.event)).sum::<u64>();
    let pages = of(|event| match event {
        Event::Alloc { order, .. } => 1 << order,
        _ => 0,
    });
    assert_eq!(own[1..], [pages, pages]);
    if cfg!(target_arch = "x86_64") {
        let faults = of(|event| u64::from(matches!(event, Event::Fault { .. })));
        assert_eq!(own[0], faults);
    }
    trace
}

#[test]
fn jobs_are_exact_and_repeatable() {
    assert_eq!(run(0), []);
    let first = run(10 * KINDS);
    assert_eq!(counts(&first), counts(&run(10 * KINDS)));
    let comms = |wanted: fn(&Event) -> bool| {
        let mut comms: Vec<_> = first
            .iter()
            .filter(|r| wanted(&r.event))
            .map(|r| r.comm.as_str())
            .collect();
        comms.sort_unstable();
        comms.dedup();
        comms
    };
    if cfg!(target_arch = "x86_64") {
        assert_eq!(
            comms(|event| matches!(event, Event::Fault { .. })),
            ["env", "sh", "sort"]
        );
    }
    assert_eq!(
        comms(|event| matches!(event, Event::Batched { .. })),
        ["env", "sh", "sort"]
    );
    assert!(!comms(|event| matches!(event, Event::Extfrag)).is_empty());
    assert!(!comms(|event| matches!(event, Event::Drain { .. })).is_empty());
}

#[cfg(target_arch = "x86_64")]
#[test]
fn faults_say_what_the_processor_says() {
    use crate::events::flags::IRQS_OFF;

    let trace = run(4 * KINDS);
    let mut codes: BTreeMap<u64, usize> = BTreeMap::new();
    for record in &trace {
        if let Event::Fault {
            address,
            error_code,
        } = record.event
        {
            assert_eq!((address % 8, record.flags), (0, IRQS_OFF));
            *codes.entry(error_code).or_default() += 1;
        }
    }
    // Reading and writing what is not there, and writing what may only be read, always by a program (bit 2).
    assert_eq!(codes.keys().copied().collect::<Vec<_>>(), [4, 6, 7]);
}

fn world() -> (std::sync::Arc<Slab>, std::sync::Arc<Window>) {
    let memory = std::sync::Arc::new(Memory::new(1).unwrap());
    (
        std::sync::Arc::new(Slab::new(memory)),
        std::sync::Arc::new(Window::new().unwrap()),
    )
}

#[test]
fn memory_is_copied_only_when_it_is_written() {
    let _alone = crate::testing::alone();
    let (slab, window) = world();
    let space = Space::new(&slab, &window).unwrap();
    let last = LEN - 8;
    assert_eq!(space.read(16).unwrap(), 0);
    space.write(last, 7).unwrap();
    let child = space.fork().unwrap();
    assert_eq!((child.read(16).unwrap(), child.read(last).unwrap()), (0, 7));
    child.write(last, 8).unwrap();
    child.write(16, 9).unwrap();
    assert_eq!((space.read(16).unwrap(), space.read(last).unwrap()), (0, 7));
    drop(child);
    space.write(last, 10).unwrap();
    assert_eq!(space.read(last).unwrap(), 10);
    assert!(space.read(LEN).is_err() && space.read(3).is_err());
    assert!(!space.starved());
    if cfg!(target_arch = "x86_64") {
        assert_eq!(space.faults(), 3);
    }
    drop(space);
    // Without memory a program goes on, and is told.
    let mut hogs = Vec::new();
    while let Some(block) = slab.memory.alloc(0, super::gfp::Gfp::KERNEL) {
        hogs.push(block);
    }
    let space = Space::new(&slab, &window).unwrap();
    space.write(0, 1).unwrap();
    assert_eq!(space.read(0).unwrap(), 1);
    assert!(space.starved());
    drop(space);
    hogs.into_iter().for_each(|block| slab.memory.free(block));
}

#[test]
fn starting_and_stopping_loses_nothing() {
    let ((), trace) = recorded(|| {
        for _ in 0..5 {
            let manager = Manager::new();
            manager.start("mm", Some(1e5)).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            manager.stop("mm").unwrap();
        }
    });
    assert!(trace.len() > 100);
    check_balance(&trace);
}

utracefs::define_event_trace!(
    /// Its text is read from a program's memory while the record is made, as the text of a path is.
    mm_test_path,
    TP_system(mm_test),
    TP_PROTO(space: &Space, at: usize),
    TP_STRUCT__entry {
        word: u64,
    },
    TP_fast_assign {
        word: space.read(at).unwrap_or(u64::MAX),
    },
    TP_ident(__entry),
    TP_printk("word={}", __entry.word)
);

/// A fault in the middle of another event: both are whole, and the one that began later is there first.
#[test]
fn a_fault_while_an_event_is_written() {
    use utracefs::event::registry::Registry;
    use utracefs::instance::Tracing;
    use utracefs::output::TraceReader;
    use utracefs::ring::Way;

    let _alone = crate::testing::alone();
    for way in [Way::Auto, Way::Atomic] {
        let (slab, window) = world();
        let space = Space::new(&slab, &window).unwrap();
        let tracing = Tracing::new(Registry::build(20_000).unwrap(), way).unwrap();
        let top = tracing.top();
        let systems = ["mm_test", "exceptions", "kmem"];
        // Other processors' faults have no event.
        let systems = systems
            .into_iter()
            .filter(|system| *system != "exceptions" || cfg!(target_arch = "x86_64"));
        for system in systems {
            top.enable_all(Some(system), true).unwrap();
        }
        for page in 0..3 {
            trace_mm_test_path(&space, page * PAGE);
            space.write(page * PAGE, 7 + page as u64).unwrap();
            trace_mm_test_path(&space, page * PAGE);
        }
        top.enable_all(None, false).unwrap();
        let mut text = Vec::new();
        let mut reader = TraceReader::new(top, None);
        while reader.read(&mut text, 1 << 20) {}
        let text = String::from_utf8(text).unwrap();
        let names: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(": ").nth(1))
            .filter(|name| ["mm_test_path", "page_fault_user", "mm_page_alloc"].contains(name))
            .collect();
        if cfg!(target_arch = "x86_64") {
            let once = [
                "page_fault_user",
                "mm_test_path",
                "page_fault_user",
                "mm_page_alloc",
                "mm_test_path",
            ];
            assert_eq!(names, once.repeat(3), "{text}");
        }
        for word in ["word=0", "word=7", "word=8", "word=9"] {
            assert!(text.contains(word), "{text}");
        }
    }
}

/// Sites are written (which SIGTRAP answers) while pages fault (which SIGSEGV answers).
#[test]
fn faults_and_patches_do_not_disturb_each_other() {
    let _alone = crate::testing::alone();
    let manager = Manager::new();
    let before = (
        MM.faults.get(),
        MM.pages_allocated.get(),
        MM.pages_freed.get(),
    );
    let run = manager.begin("mm", 200 * KINDS, None).unwrap();
    let mut switched = 0;
    while run.wait_for(std::time::Duration::ZERO).is_none() {
        register();
        unregister();
        switched += 1;
    }
    run.wait().unwrap();
    TRACE.lock().clear();
    assert!(MM.faults.get() > before.0 && switched > 3, "{switched}");
    assert_eq!(
        MM.pages_allocated.get() - before.1,
        MM.pages_freed.get() - before.2
    );
}

/// Runs one of the tests below, which end their process, in a process of its own.
fn in_a_process(test: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("mm::tests::{test}"),
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .unwrap()
}

/// Takes a fault of ours.
fn take_one() {
    let (slab, window) = world();
    let space = Space::new(&slab, &window).unwrap();
    space.write(0, 1).unwrap();
    assert!(MM.faults.get() >= 1);
}

#[test]
#[ignore = "ends its process"]
fn overflow() {
    fn deeper(n: u64) -> u64 {
        let here = std::hint::black_box([n; 64]);
        if n == 0 {
            0
        } else {
            deeper(n - 1) + here[(n % 64) as usize]
        }
    }
    take_one();
    println!("{}", deeper(u64::MAX));
}

#[test]
#[ignore = "ends its process"]
fn stray() {
    take_one();
    // SAFETY: it is not: this is to end the process.
    println!("{}", unsafe {
        std::hint::black_box(16 as *const u8).read_volatile()
    });
}

extern "C" fn exit_with_7(_: libc::c_int) {
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(7) }
}

#[test]
#[ignore = "ends its process"]
fn chained() {
    // SAFETY: a handler that may run at any time.
    unsafe { libc::signal(libc::SIGSEGV, exit_with_7 as *const () as usize) };
    take_one();
    // SAFETY: it is not: the handler from before is to end the process.
    println!("{}", unsafe {
        std::hint::black_box(16 as *const u8).read_volatile()
    });
}

#[test]
fn other_faults_are_none_of_ours() {
    let output = in_a_process("overflow");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("has overflowed its stack"), "{text}");
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{text}");
    assert_eq!(in_a_process("stray").status.signal(), Some(libc::SIGSEGV));
    assert_eq!(in_a_process("chained").status.code(), Some(7));
}
