//! The workloads' events through the whole core: recorded by an instance, read back as the text of `trace`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use utracefs::event::registry::Registry;
use utracefs::instance::Tracing;
use utracefs::output::TraceReader;
use utracefs::ring::Way;
use utracefs_workloads::Manager;
use utracefs_workloads::figures::{BLOCK, MM};

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
    /// Its time.
    us: u64,
    text: String,
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let (task, rest) = line.split_once(" [")?;
        let (comm, pid) = task.trim().rsplit_once('-')?;
        let (cpu, rest) = rest.split_once("] ")?;
        let (flags, rest) = rest.split_once(' ')?;
        let (time, text) = rest.split_once(": ")?;
        let (seconds, us) = time.trim().split_once('.')?;
        Some(Line {
            comm: comm.into(),
            pid: pid.trim().parse().ok()?,
            cpu: cpu.parse().ok()?,
            flags: flags.into(),
            us: seconds.parse::<u64>().ok()? * 1_000_000 + us.parse::<u64>().ok()?,
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

/// Sector and length, as the block events show them.
fn extent(text: &str) -> &str {
    let plus = text.find(" + ").expect("an extent");
    let from = text[..plus].rfind(' ').map_or(0, |at| at + 1);
    let to = text[plus + 3..]
        .find(' ')
        .map_or(text.len(), |at| plus + 3 + at);
    &text[from..to]
}

#[test]
fn the_block_layer_as_text() {
    let _alone = alone();
    let before = (
        BLOCK.requests.get(),
        BLOCK.latency_ns.get(),
        BLOCK.errors.get(),
    );
    let lines = traced("block", 24, &["block"]);
    let own = (
        BLOCK.requests.get() - before.0,
        BLOCK.latency_ns.get() - before.1,
        BLOCK.errors.get() - before.2,
    );
    // What a script would do: the time from the issue to the completion of the same extent.
    let mut issued: HashMap<&str, Vec<u64>> = HashMap::new();
    let (mut requests, mut errors, mut latency) = (0, 0, 0);
    for line in &lines {
        match line.name() {
            "block_rq_issue" => {
                assert!(
                    line.text.contains(&format!(" none,0,0 [{}", line.comm)),
                    "{}",
                    line.text
                );
                issued.entry(extent(&line.text)).or_default().push(line.us);
            }
            "block_rq_complete" => {
                assert!(line.flags.contains('s'), "{}", line.flags);
                let begin = issued
                    .get_mut(extent(&line.text))
                    .and_then(|begins| begins.pop());
                latency += line.us - begin.unwrap_or_else(|| panic!("not issued: {}", line.text));
                requests += 1;
            }
            "block_rq_error" => {
                assert!(line.text.ends_with("[-5]"), "{}", line.text);
                errors += 1;
            }
            _ => {}
        }
    }
    assert_eq!((requests, errors), (own.0, own.2));
    let apart = latency.abs_diff(own.1 / 1000);
    assert!(
        apart < 200 * requests,
        "{latency} us shown, {} ns measured",
        own.1
    );
    let has = |part: &str| lines.iter().any(|line| line.text.contains(part));
    assert!(has("block_bio_remap: 240,0 R "));
    assert!(has(" <- (240,1) "));
    assert!(has("block_bio_queue: 240,0 FWS 0 + 0 [cp]"));
    assert!(has("block_rq_issue: 240,0 FF 0 () 0 + 0 none,0,0 ["));
    assert!(has("block_plug: [dd]"));
    assert!(has("block_unplug: [dd] 1"));
    assert!(has("block_rq_insert: 240,0 RA 32768 () "));
}

#[test]
fn memory_as_text() {
    let _alone = alone();
    let faults = MM.faults.get();
    let systems: &[&str] = if cfg!(target_arch = "x86_64") {
        &["kmem", "exceptions"]
    } else {
        &["kmem"]
    };
    let lines = traced("mm", 12, systems);
    let faults = MM.faults.get() - faults;
    let mut shown = 0;
    for line in &lines {
        match line.name() {
            "page_fault_user" => {
                assert!(["sort", "sh", "env"].contains(&line.comm.as_str()));
                assert_eq!(line.flags, "d....");
                assert!(line.value("address").starts_with("0x7"), "{}", line.text);
                assert!(
                    line.value("ip").contains("mm::space::Space::"),
                    "{}",
                    line.text
                );
                assert!(
                    ["0x4", "0x6", "0x7"].contains(&line.value("error_code")),
                    "{}",
                    line.text
                );
                shown += 1;
            }
            "kmalloc" | "kmem_cache_alloc" | "kfree" | "kmem_cache_free" => {
                let known = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));
                assert!(
                    line.value("call_site").contains("::mm::") || !known,
                    "{}",
                    line.text
                );
            }
            _ => {}
        }
    }
    assert!(
        shown == faults || cfg!(not(target_arch = "x86_64")),
        "{shown} of {faults}"
    );
    let has = |part: &str| lines.iter().any(|line| line.text.contains(part));
    assert!(has(
        " order=0 migratetype=1 gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_ZERO"
    ));
    assert!(has(
        " name=dentry bytes_req=192 bytes_alloc=192 gfp_flags=GFP_KERNEL node=-1 accounted=true"
    ));
    assert!(has("jobs::d_alloc+0x"));
    assert!(has(" curr=1 type=MM_ANONPAGES size=4096B"));
    assert!(has(" curr=0 type=MM_ANONPAGES size=0B"));
}

/// What stands behind `key=`, without what encloses it.
fn function(line: &Line) -> &str {
    line.value("function").trim()
}

#[test]
fn interrupts_as_text() {
    let _alone = alone();
    let lines = traced("irq", 8, &["irq"]);
    let of = |name: &'static str| lines.iter().filter(move |line| line.name() == name);
    assert_eq!(of("irq_handler_entry").count(), 10);
    for line in of("irq_handler_entry") {
        assert_eq!(line.value("name"), "sensor");
        let flags = line.flags.as_bytes();
        assert_eq!((flags[0], flags[2]), (b'd', b'h'), "{}", line.flags);
    }
    let unhandled = of("irq_handler_exit").filter(|line| line.value("ret") == "unhandled");
    assert_eq!(unhandled.count(), 2);
    for line in of("tasklet_entry") {
        assert!(
            function(line).ends_with("irq::driver::evaluate"),
            "{}",
            line.text
        );
        let flags = line.flags.as_bytes();
        assert_eq!((flags[0], flags[2]), (b'.', b's'), "{}", line.flags);
    }
    for action in ["HI", "TASKLET", "IRQ_POLL"] {
        let is_it = |line: &&Line| line.text.ends_with(&format!("[action={action}]"));
        for name in ["softirq_raise", "softirq_entry", "softirq_exit"] {
            assert_eq!(of(name).filter(is_it).count(), 2, "{name} {action}");
        }
    }
}

#[test]
fn timers_as_text() {
    let _alone = alone();
    let lines = traced("timer", 10, &["timer"]);
    let of = |name: &'static str| lines.iter().filter(move |line| line.name() == name);
    assert_eq!(of("timer_init").count(), 6);
    assert_eq!(of("timer_start").count(), 14);
    for line in of("timer_start") {
        assert!(
            function(line).ends_with("timer::jobs::alarm_expired"),
            "{}",
            line.text
        );
        assert_eq!(line.value("cpu"), line.cpu.to_string());
        let number = |key| -> i64 { line.value(key).trim_matches(['[', ']']).parse().unwrap() };
        let timeout = line
            .text
            .split("[timeout=")
            .nth(1)
            .and_then(|t| t.split(']').next());
        let timeout: i64 = timeout.expect("a timeout").parse().unwrap();
        assert!(
            number("bucket_expiry") >= number("expires") && timeout > 0,
            "{}",
            line.text
        );
    }
    let ends = |name: &'static str, end: &'static str| {
        of(name)
            .filter(move |line| function(line).ends_with(end))
            .count()
    };
    assert_eq!(ends("timer_expire_entry", "timer::jobs::alarm_expired"), 4);
    assert_eq!(ends("hrtimer_expire_entry", "timer::jobs::period_over"), 10);
    assert_eq!(
        ends("hrtimer_expire_entry", "machine::itimer::it_real_fn"),
        6
    );
    assert!(ends("hrtimer_expire_entry", "machine::sleep::hrtimer_wakeup") >= 4);
    assert!(ends("hrtimer_start", "machine::tick::tick_nohz_handler") > 0);
    assert!(of("hrtimer_setup").any(|l| l.text.ends_with("clockid=CLOCK_MONOTONIC mode=REL")));
    assert!(of("hrtimer_setup").any(|l| l.text.ends_with("mode=ABS|PINNED|HARD")));
    assert!(of("tick_stop").any(|l| l.text == "tick_stop: success=1 dependency=NONE"));
    assert_eq!(of("itimer_expire").count(), 6);
    assert!(of("itimer_state").any(|l| l.text.ends_with("it_value=0.000000 it_interval=0.000000")));
}

#[test]
fn work_as_text() {
    let _alone = alone();
    let lines = traced("workqueue", 8, &["workqueue"]);
    let of = |name: &'static str| lines.iter().filter(move |line| line.name() == name);
    for name in [
        "workqueue_queue_work",
        "workqueue_activate_work",
        "workqueue_execute_start",
        "workqueue_execute_end",
    ] {
        assert_eq!(of(name).count(), 14, "{name}");
    }
    let ordered: Vec<&Line> = of("workqueue_queue_work")
        .filter(|line| line.value("workqueue") == "demo_log")
        .collect();
    assert_eq!(ordered.len(), 6);
    for line in ordered {
        assert!(
            function(line).ends_with("workqueue::jobs::add_up"),
            "{}",
            line.text
        );
        assert!(line.text.ends_with("req_cpu=8192 cpu=-1"), "{}", line.text);
    }
    for line in of("workqueue_execute_start") {
        assert!(
            line.comm.starts_with("kworker/"),
            "{}: {}",
            line.comm,
            line.text
        );
        assert_eq!(line.flags, ".....");
    }
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

#[test]
fn connections_as_text() {
    let _alone = alone();
    let figures = &utracefs_workloads::figures::NET;
    let (connects, retransmits, resets) = (
        figures.connects.get(),
        figures.retransmits.get(),
        figures.resets.get(),
    );
    let systems = ["sock", "tcp", "net", "skb", "qdisc", "napi"];
    let lines = traced("net", 10, &systems);
    let count = |name: &str, part: &str| {
        let is = |line: &&Line| line.name() == name && line.text.contains(part);
        lines.iter().filter(is).count() as u64
    };
    // Five kinds take turns; the fifth makes two connections.
    assert_eq!(figures.connects.get() - connects, 12);
    assert_eq!(
        count(
            "inet_sock_set_state",
            "oldstate=TCP_CLOSE newstate=TCP_SYN_SENT"
        ),
        12
    );
    assert_eq!(
        count(
            "inet_sock_set_state",
            "oldstate=TCP_SYN_RECV newstate=TCP_ESTABLISHED"
        ),
        10
    );
    let again = count("tcp_retransmit_skb", " err=0") + count("tcp_retransmit_synack", "");
    assert_eq!(again, figures.retransmits.get() - retransmits);
    assert_eq!(count("tcp_send_reset", ""), figures.resets.get() - resets);
    let has = |text: &str| {
        assert!(lines.iter().any(|line| line.text.contains(text)), "{text}");
    };
    has(
        "family=AF_INET protocol=IPPROTO_TCP sport=32768 dport=80 saddr=10.0.0.1 daddr=10.0.0.2 \
         saddrv6=::ffff:10.0.0.1 daddrv6=::ffff:10.0.0.2 oldstate=TCP_CLOSE newstate=TCP_SYN_SENT",
    );
    has(
        "sport=80 dport=0 saddr=0.0.0.0 daddr=0.0.0.0 saddrv6=::ffff:0.0.0.0 daddrv6=::ffff:0.0.0.0 \
         oldstate=TCP_CLOSE newstate=TCP_LISTEN",
    );
    has(" src=10.0.0.2:81 dest=10.0.0.1:");
    has(" state=UNKNOWN reason=NO_SOCKET");
    has(" state=TCP_CLOSE reason=TCP_ABORT_ON_CLOSE");
    has(" reason: TCP_LISTEN_OVERFLOW");
    has(" for device (no_device) work ");
    has("netif_receive_skb_entry: dev=eth1 napi_id=0x");
    has("qdisc_create: dev=eth0 kind=pfifo parent=ffff:ffff");
    for line in lines.iter().filter(|line| line.name() == "consume_skb") {
        assert!(
            line.value("location").contains("utracefs_workloads::net::"),
            "{}",
            line.text
        );
    }
}

#[test]
fn verdicts_as_text() {
    let _alone = alone();
    let figures = &utracefs_workloads::figures::XDP;
    let (aborted, redirected) = (figures.aborted.get(), figures.redirected.get());
    let lines = traced("xdp", 30, &["xdp"]);
    let count = |name: &str| lines.iter().filter(|line| line.name() == name).count() as u64;
    assert_eq!(count("xdp_exception"), figures.aborted.get() - aborted);
    assert_eq!(
        count("xdp_redirect") + count("xdp_redirect_err"),
        figures.redirected.get() - redirected
    );
    let has = |text: &str| {
        assert!(lines.iter().any(|line| line.text.contains(text)), "{text}");
    };
    has(" action=ABORTED ifindex=11");
    has(" action=REDIRECT ifindex=11 to_ifindex=12 err=0 map_id=");
    has(" action=REDIRECT ifindex=11 to_ifindex=14 err=-100 map_id=");
    has("xdp_bulk_tx: ifindex=11 action=TX sent=");
    has("xdp_devmap_xmit: ndo_xdp_xmit from_ifindex=11 to_ifindex=12 action=REDIRECT sent=");
    assert!(lines.iter().all(|line| line.flags.contains('s')));
}
