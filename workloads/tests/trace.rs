//! The workloads' events through the whole core: recorded by an instance, read back as the text of `trace`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use utracefs::event::registry::Registry;
use utracefs::instance::Tracing;
use utracefs::output::TraceReader;
use utracefs::ring::Way;
use utracefs_workloads::Manager;

/// Events are the program's: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A line of `trace`.
struct Line {
    comm: String,
    pid: i32,
    cpu: u32,
    flags: String,
    text: String,
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let (task, rest) = line.split_once(" [")?;
        let (comm, pid) = task.trim().rsplit_once('-')?;
        let (cpu, rest) = rest.split_once("] ")?;
        let (flags, rest) = rest.split_once(' ')?;
        let (_, text) = rest.split_once(": ")?;
        Some(Line {
            comm: comm.into(),
            pid: pid.trim().parse().ok()?,
            cpu: cpu.parse().ok()?,
            flags: flags.into(),
            text: text.into(),
        })
    }

    fn name(&self) -> &str {
        self.text
            .split_once([':', '(', ' '])
            .map_or("", |(name, _)| name)
    }

    /// What stands behind `key=`.
    fn value(&self, key: &str) -> &str {
        let at = self
            .text
            .find(&format!(" {key}="))
            .unwrap_or_else(|| panic!("no {key} in {}", self.text));
        let value = &self.text[at + key.len() + 2..];
        value.split(' ').next().unwrap_or(value)
    }
}

/// Runs `ops` operations with the events of `systems` on, and returns all lines.
fn traced(workload: &str, ops: u64, systems: &[&str]) -> Vec<Line> {
    let registry = Registry::build(20_000).expect("a registry");
    let tracing: Arc<Tracing> = Tracing::new(registry, Way::Auto).expect("buffers");
    let top = tracing.top();
    for system in systems {
        top.enable_all(Some(system), true).expect("enabled");
    }
    Manager::new().run(workload, ops, None).expect("run");
    for system in systems {
        top.enable_all(Some(system), false).expect("disabled");
    }
    let mut text = Vec::new();
    let mut reader = TraceReader::new(top, None);
    while reader.read(&mut text, 1 << 20) {}
    let text = String::from_utf8(text).expect("UTF-8");
    let (header, lines): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let lines: Vec<Line> = lines
        .into_iter()
        .map(|line| Line::parse(line).unwrap_or_else(|| panic!("{line}")))
        .collect();
    let count = format!("# entries-in-buffer/entries-written: {0}/{0} ", lines.len());
    assert!(
        header.iter().any(|line| line.starts_with(&count)),
        "{count}: {header:?}"
    );
    lines
}

#[test]
fn the_scheduler_as_text() {
    let _alone = alone();
    let lines = traced("sched", 40, &["sched", "signal"]);
    let execs: HashMap<_, _> = lines
        .iter()
        .filter(|line| line.name() == "sched_process_exec")
        .map(|line| {
            (
                line.pid,
                line.value("filename").rsplit('/').next().unwrap_or(""),
            )
        })
        .collect();
    let mut running: HashMap<u32, String> = HashMap::new();
    let mut count: HashMap<String, u32> = HashMap::new();
    for line in &lines {
        *count.entry(line.name().into()).or_default() += 1;
        if line.name() != "sched_switch" {
            continue;
        }
        assert_eq!(line.flags, "d..2.");
        assert_eq!(line.value("prev_pid"), line.pid.to_string());
        // a task that was preempted on its way to exec is shown with the name that it got there
        let name = if line.pid == 0 {
            "<idle>"
        } else {
            line.value("prev_comm")
        };
        assert!(
            line.comm == name || execs.get(&line.pid) == Some(&&*line.comm),
            "{}: {}",
            line.comm,
            line.text
        );
        if line.pid == 0 {
            assert_eq!(line.value("prev_comm"), format!("swapper/{}", line.cpu));
        }
        let before = running
            .insert(line.cpu, line.value("next_pid").into())
            .unwrap_or("0".into());
        assert_eq!(line.value("prev_pid"), before, "{}", line.text);
    }
    assert!(running.values().all(|pid| pid == "0"), "{running:?}");
    // Ten rounds of four jobs, and init.
    assert_eq!(count["sched_process_fork"], 151);
    assert_eq!(count["sched_process_exit"], 151);
    assert_eq!(count["sched_process_free"], 151);
    // Each process tells its parent; init's is the idle task, and threads tell nobody.
    assert_eq!(count["signal_generate"], 130);
    let signal = lines.iter().find(|l| l.name() == "signal_generate");
    let signal = signal.expect("just counted");
    assert_eq!(signal.flags, "d..2.", "{}", signal.text);
    assert!(
        signal
            .text
            .starts_with("signal_generate: sig=17 errno=0 code=1 comm="),
        "{}",
        signal.text
    );
    assert_eq!(count["sched_process_exec"], 130);
    assert_eq!(count["sched_process_wait"], 130);
    assert_eq!(count["sched_wakeup_new"], 151);
    assert_eq!(count["sched_waking"], count["sched_wakeup"]);
    let execs = lines
        .iter()
        .filter(|line| line.name() == "sched_process_exec");
    for line in execs {
        assert_eq!(
            line.value("filename").rsplit('/').next(),
            Some(line.comm.as_str()),
            "{}",
            line.text
        );
    }
}

#[test]
fn system_calls_as_text() {
    let _alone = alone();
    let mut lines = traced("syscalls", 12, &["syscalls", "raw_syscalls"]);
    assert!(lines.iter().all(|line| line.flags == "....."));
    let has = |part: &str| lines.iter().any(|line| line.text.contains(part));
    assert!(has("/app\", argv: 0x"), "a program is run");
    // the children's lines come between
    let own = lines.first().map_or(0, |line| line.pid);
    lines.retain(|line| line.pid == own);
    assert!(lines.iter().all(|line| line.comm == "syscalls"));
    assert!(
        lines.len() > 12 * 4 * 4 && lines.len().is_multiple_of(4),
        "{}",
        lines.len()
    );
    for call in lines.chunks(4) {
        let texts: Vec<&str> = call.iter().map(|line| line.text.as_str()).collect();
        let name = texts[1]
            .split_once('(')
            .map(|(name, _)| name)
            .expect("an enter");
        assert!(
            texts[0].starts_with("sys_enter: NR ") && texts[2].starts_with("sys_exit: NR "),
            "{texts:?}"
        );
        let decimal: i64 = texts[2]
            .rsplit(' ')
            .next()
            .and_then(|ret| ret.parse().ok())
            .expect("a result");
        assert_eq!(texts[3], format!("{name} -> {decimal:#x}"), "{texts:?}");
    }
    let has = |part: &str| lines.iter().any(|line| line.text.contains(part));
    assert!(has(" \"app.log\", flags: 0x80441, mode: 0x1a4)"));
    assert!(has("\"/etc/utracefs-demo.conf\""));
    assert!(has("sys_openat -> 0xfffffffffffffffe"));
    assert!(has("sys_renameat2(olddfd: "));
}

#[test]
fn processes_as_text() {
    let _alone = alone();
    let lines = traced("process", 16, &["sched", "task", "signal"]);
    let mut count: HashMap<&str, usize> = HashMap::new();
    for line in &lines {
        *count.entry(line.name()).or_default() += 1;
    }
    for name in ["task_newtask", "sched_process_exit", "sched_process_free"] {
        assert_eq!(count[name], count["sched_process_fork"], "{name}");
    }
    assert!(count["sched_process_fork"] >= 16);
    let of = |name: &'static str| lines.iter().filter(move |line| line.name() == name);
    for line in of("signal_deliver").filter(|line| line.value("sig") == "10") {
        assert_ne!(line.value("sa_handler"), "0", "{}", line.text);
    }
    for line in of("sched_process_exec") {
        let comm = line.value("filename").rsplit('/').next();
        assert_eq!(comm, Some(&*line.comm), "{}", line.text);
        assert_eq!(line.value("pid"), line.pid.to_string(), "{}", line.text);
    }
    for line in of("task_rename").filter(|line| line.value("newcomm").starts_with("worker/")) {
        assert_eq!(line.value("oldcomm"), "process", "{}", line.text);
    }
    let sent = of("signal_generate")
        .filter(|line| line.value("res") == "0")
        .count();
    assert_eq!(of("signal_deliver").count(), sent);
    assert_eq!(
        of("signal_generate").count(),
        sent + 2,
        "two are sent twice"
    );
}
