use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use utracefs::base::clock::monotonic;
use utracefs::event::registry::Registry;
use utracefs::instance::Tracing;
use utracefs::ring::Way;

use super::Tracers;
use crate::node::Options;
use crate::run::wire::{
    FromTracer, Kind, Known, Path, Record, ToTracer, VERSION, Wants, What, Who, encode_records,
    read_frame,
};
use crate::transport::local::Local;
use crate::tree::tracefs;

/// A tree whose requests go around `tracers`. One test at a time: events are fired for all that have them enabled.
struct Host {
    local: Local,
    tracers: Arc<Tracers>,
    _one: MutexGuard<'static, ()>,
}

fn host(patience: Duration) -> Host {
    let one = crate::ONE_TREE.lock();
    let registry = Registry::build(20_000).expect("no duplicates");
    let tracing = Tracing::new(registry, Way::Auto).expect("memory");
    let tracers = Tracers::with_patience(tracing.registry(), patience);
    let fs = tracefs(tracing, Options::default());
    fs.set_around(tracers.clone());
    Host {
        local: Local::new(fs),
        tracers,
        _one: one,
    }
}

const LONG: Duration = Duration::from_secs(60);

impl Host {
    fn trace(&self) -> Vec<String> {
        let text = self.local.cat("trace").expect("a trace");
        let lines = text.lines().filter(|l| !l.starts_with('#'));
        lines.map(String::from).collect()
    }

    /// The events' texts.
    fn events(&self) -> Vec<String> {
        let body = |line: String| match line.split_once(": ") {
            Some((_, body)) => body.to_string(),
            None => line,
        };
        self.trace().into_iter().map(body).collect()
    }

    fn echo(&self, text: &str, path: &str) {
        self.local
            .echo(text, path)
            .unwrap_or_else(|e| panic!("echo {text} > {path}: {e:?}"));
    }

    fn wait_for(&self, attached: usize) {
        let until = Instant::now() + LONG;
        while self
            .tracers
            .attached
            .load(std::sync::atomic::Ordering::SeqCst)
            != attached
        {
            assert!(Instant::now() < until, "{attached} tracers are not to be");
            std::thread::yield_now();
        }
    }
}

/// What a tracer of a test is told to do.
enum Order {
    /// These have happened; it holds them until it is asked.
    Hold(Vec<Record>),
    /// These have happened, and it says so at once.
    Send(Vec<Record>),
    /// From now on it hears nothing.
    Hang,
    /// It goes on.
    GoOn,
    /// These bytes are sent as they are.
    Raw(Vec<u8>),
    /// It ends.
    End,
}

/// A tracer that does as it is told, and answers as it should.
struct Fake {
    orders: Sender<Order>,
    wants: Arc<Mutex<Vec<Wants>>>,
    thread: Option<JoinHandle<()>>,
    done: Receiver<()>,
}

impl Fake {
    fn attach(host: &Host) -> Fake {
        let (here, there) = UnixStream::pair().expect("sockets");
        host.tracers.attach(there).expect("a thread");
        let (orders, ordered) = channel();
        let (says, done) = channel();
        let wants = Arc::new(Mutex::new(vec![]));
        let heard = wants.clone();
        let thread = std::thread::spawn(move || live(here, &ordered, &heard, &says));
        let fake = Fake {
            orders,
            wants,
            thread: Some(thread),
            done,
        };
        // the greeting is answered by what is wanted and a question
        fake.done.recv_timeout(LONG).expect("wants");
        fake
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("it lives");
        self.done.recv_timeout(LONG).expect("it has done so");
    }

    fn wants(&self) -> Wants {
        *self.wants.lock().last().expect("the first wants")
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it has not panicked");
        }
    }
}

fn live(
    mut socket: UnixStream,
    orders: &Receiver<Order>,
    heard: &Mutex<Vec<Wants>>,
    says: &Sender<()>,
) {
    let mut out = vec![];
    FromTracer::Hello {
        version: VERSION,
        cmd_pid: 1,
        notes: vec!["a fake".into()],
    }
    .encode(&mut out);
    socket.write_all(&out).expect("sent");
    socket
        .set_read_timeout(Some(Duration::from_millis(1)))
        .expect("set");
    let (mut held, mut hangs, mut frame) = (vec![], false, vec![]);
    let mut first = true;
    loop {
        match orders.try_recv() {
            Ok(Order::Hold(records)) => held.extend(records),
            Ok(Order::Send(records)) => {
                let mut out = vec![];
                encode_records(&records, &mut out);
                socket.write_all(&out).expect("sent");
            }
            Ok(Order::Hang) => hangs = true,
            Ok(Order::GoOn) => hangs = false,
            Ok(Order::Raw(bytes)) => socket.write_all(&bytes).expect("sent"),
            Ok(Order::End) => return,
            Err(_) => {
                if hangs {
                    std::thread::yield_now();
                    continue;
                }
                match read_frame(&mut socket, &mut frame) {
                    Ok(true) => (),
                    Ok(false) => {
                        // cut off; orders are still taken
                        hangs = true;
                        continue;
                    }
                    Err(_) => continue,
                }
                let mut out = vec![];
                match ToTracer::decode(&frame).expect("a message") {
                    ToTracer::Wants { wants } => {
                        heard.lock().push(*wants);
                        continue;
                    }
                    ToTracer::Flush { seq } => {
                        encode_records(&held, &mut out);
                        held.clear();
                        FromTracer::Flushed { seq }.encode(&mut out);
                    }
                }
                // who is cut off hears so at the next read
                let _ = socket.write_all(&out);
                if !std::mem::take(&mut first) {
                    continue;
                }
            }
        }
        says.send(()).expect("the test goes on");
    }
}

fn comm(name: &str) -> [u8; 16] {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name.as_bytes());
    comm
}

fn who(pid: i32) -> Who {
    Who {
        pid,
        tgid: pid,
        comm: comm("cmd"),
    }
}

fn record(time_ns: u64, pid: i32, what: What) -> Record {
    Record {
        time_ns,
        cpu: Some(0),
        ip: None,
        task: who(pid),
        what,
    }
}

fn fork(time_ns: u64, parent: i32, child: i32) -> Record {
    record(time_ns, parent, What::Fork { child: who(child) })
}

fn openat(time_ns: u64, path: &str) -> Record {
    let at_cwd = u64::from(-100i32 as u32);
    let path = Path {
        arg: 1,
        text: path.into(),
    };
    record(
        time_ns,
        100,
        What::SysEnter {
            nr: libc::SYS_openat,
            foreign: false,
            args: [at_cwd, 0x7f00, 0x80000, 0, 0, 0],
            paths: vec![path],
        },
    )
}

const FORK: &str = "events/sched/sched_process_fork/enable";
const OPENAT: &str = "events/syscalls/sys_enter_openat/enable";

#[test]
fn what_is_enabled_is_wanted_when_the_command_returns() {
    let host = host(LONG);
    let fake = Fake::attach(&host);
    assert!(!fake.wants().has(Kind::Fork));
    host.echo("1", FORK);
    assert!(fake.wants().has(Kind::Fork) && !fake.wants().has(Kind::Exit));
    host.echo("1", OPENAT);
    assert!(fake.wants().enter.has(libc::SYS_openat) && !fake.wants().enter.has(libc::SYS_close));
    host.echo("1", "events/raw_syscalls/sys_exit/enable");
    assert!(fake.wants().raw_exit && !fake.wants().raw_enter);
    // one who comes later hears it at once
    let second = Fake::attach(&host);
    assert_eq!(second.wants(), fake.wants());
    for enable in [FORK, OPENAT, "events/raw_syscalls/sys_exit/enable"] {
        host.echo("0", enable);
    }
    assert!(fake.wants().is_nothing() && second.wants().is_nothing());
    // a trigger's target is hooked, and so is the trigger's event
    host.echo(
        "enable_event:sched:sched_switch",
        "events/sched/sched_process_exec/trigger",
    );
    assert!(fake.wants().has(Kind::Switch) && fake.wants().has(Kind::Exec));
    host.echo(
        "!enable_event:sched:sched_switch",
        "events/sched/sched_process_exec/trigger",
    );
    assert!(fake.wants().is_nothing());
    // and so are followers of tasks
    host.echo("1", "options/event-fork");
    assert!(fake.wants().has(Kind::Fork) && fake.wants().has(Kind::Free));
    host.echo("0", "options/event-fork");
    assert!(fake.wants().is_nothing());
    // instances count, and go
    host.local.mkdir("instances/traced").expect("made");
    host.echo("1", &format!("instances/traced/{FORK}"));
    assert!(fake.wants().has(Kind::Fork));
    host.local.rmdir("instances/traced").expect("removed");
    assert!(fake.wants().is_nothing());
}

#[test]
fn what_happened_before_a_read_is_in_what_it_shows() {
    let host = host(LONG);
    let fake = Fake::attach(&host);
    host.echo("mono", "trace_clock");
    host.echo("1", FORK);
    host.echo("1", OPENAT);
    let start = monotonic();
    fake.order(Order::Hold(vec![
        fork(start, 100, 101),
        openat(start + 1_000, "/etc/passwd"),
    ]));
    let seen = host.trace();
    assert_eq!(
        host.events(),
        [
            "sched_process_fork: comm=cmd pid=100 child_comm=cmd child_pid=101",
            "sys_openat(dfd: 0xffffff9c, filename: 0x7f00 \"/etc/passwd\", flags: 0x80000, mode: 0)",
        ],
        "{seen:?}"
    );
    assert!(seen[0].contains(" cmd-100 ") && seen[0].contains(" [000] "));
    let stamp = |ns: u64| {
        let us = (ns + 500) / 1_000;
        format!(" {}.{:06}: ", us / 1_000_000, us % 1_000_000)
    };
    assert!(seen[0].contains(&stamp(start)), "{seen:?}");
    assert!(seen[1].contains(&stamp(start + 1_000)), "{seen:?}");
    // what it sends by itself is there without being asked for, and what happens later is not lost by switching off
    fake.order(Order::Send(vec![fork(monotonic(), 100, 102)]));
    fake.order(Order::Hold(vec![fork(monotonic(), 100, 103)]));
    host.echo("0", FORK);
    fake.order(Order::Send(vec![fork(monotonic(), 100, 104)]));
    host.echo("1", FORK);
    let events = host.events();
    assert_eq!(events.len(), 4, "{events:?}");
    assert!(events[2].ends_with("child_pid=102") && events[3].ends_with("child_pid=103"));
}

#[test]
fn several_tracers_are_merged_by_time() {
    let host = host(LONG);
    let (one, two) = (Fake::attach(&host), Fake::attach(&host));
    host.echo("1", FORK);
    let start = monotonic();
    let odd = (0..50).map(|i| fork(start + 2 * i + 1, 100, 1001 + 2 * i as i32));
    let even = (0..50).map(|i| fork(start + 2 * i, 200, 1000 + 2 * i as i32));
    // one says at once what the other holds back
    two.order(Order::Hold(even.collect()));
    one.order(Order::Send(odd.collect()));
    let children: Vec<i32> = host
        .events()
        .iter()
        .filter_map(|e| e.rsplit_once("child_pid=")?.1.parse().ok())
        .collect();
    assert_eq!(children, (1000..1100).collect::<Vec<_>>());
    // and without anybody reading
    one.order(Order::Send(vec![fork(monotonic(), 100, 1)]));
    drop(one);
    drop(two);
    host.wait_for(0);
    assert_eq!(host.events().len(), 101);
}

#[test]
fn what_two_tracers_see_happens_once() {
    let host = host(LONG);
    let (one, two) = (Fake::attach(&host), Fake::attach(&host));
    host.echo("1", "events/sched/sched_waking/enable");
    let start = monotonic() - 5_000_000;
    let waking = |time, pid, cpu| {
        let who = Known {
            pid,
            comm: comm("other"),
            prio: 120,
        };
        let target_cpu = cpu;
        record(time, 100, What::Waking { who, target_cpu })
    };
    // a task of one wakes one of the other, twice, and each tracer has its own stamps; what is not the same is not
    one.order(Order::Hold(vec![
        waking(start, 201, 0),
        waking(start + 10_000, 201, 0),
        waking(start + 20_000, 202, 0),
        waking(start + 21_000, 203, 0),
        waking(start + 22_000, 203, 0),
        waking(start + 30_000, 204, 0),
    ]));
    two.order(Order::Hold(vec![
        waking(start + 700, 201, 0),
        waking(start + 10_800, 201, 0),
        waking(start + 20_000, 202, 1),
        waking(start + 1_000_000, 204, 0),
    ]));
    let pids = host.events().into_iter().filter_map(|e| {
        let (_, rest) = e.split_once("pid=")?;
        Some(rest.split(' ').next()?.to_string())
    });
    let pids: Vec<String> = pids.collect();
    let mut sorted = pids.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        ["201", "201", "202", "202", "203", "203", "204", "204"],
        "{pids:?}"
    );
}

#[test]
fn what_was_sent_before_the_end_is_seen() {
    let host = host(LONG);
    host.echo("1", FORK);
    for round in 0..50 {
        let fake = Fake::attach(&host);
        let start = monotonic();
        let forks = (0..2_000).map(|i| fork(start + i, 100, 1_000 + i as i32));
        let forks: Vec<Record> = forks.filter(|r| r.time_ns <= start + round * 40).collect();
        let sent = forks.len();
        fake.order(Order::Send(forks));
        // it closes its end; the daemon may still be reading
        drop(fake);
        assert_eq!(host.events().len(), sent, "round {round}");
        host.local.truncate("trace").unwrap();
    }
}

#[test]
fn triggers_act_in_the_order_of_time() {
    let host = host(LONG);
    let fake = Fake::attach(&host);
    host.echo("1", OPENAT);
    host.echo("traceoff:1", "events/sched/sched_process_fork/trigger");
    let start = monotonic();
    fake.order(Order::Hold(vec![
        openat(start, "before"),
        fork(start + 1, 100, 101),
        openat(start + 2, "after"),
    ]));
    assert_eq!(host.local.cat("tracing_on").unwrap(), "0\n");
    let events = host.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].contains("before"));
    assert!(
        host.local.echo("no", "trace_marker").is_err(),
        "later than traceoff"
    );
    host.echo("1", "tracing_on");
    host.echo("!traceoff", "events/sched/sched_process_fork/trigger");
    // an event that another switches on
    host.echo("0", OPENAT);
    host.echo(
        "enable_event:syscalls:sys_enter_openat:1",
        "events/sched/sched_process_fork/trigger",
    );
    assert_eq!(host.local.cat(OPENAT).unwrap(), "0*\n");
    let start = monotonic();
    fake.order(Order::Hold(vec![
        openat(start, "too early"),
        fork(start + 1, 100, 101),
        openat(start + 2, "in time"),
    ]));
    assert_eq!(host.local.cat(OPENAT).unwrap(), "1*\n");
    let events = host.events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[1].contains("in time"));
    host.echo(
        "!enable_event:syscalls:sys_enter_openat",
        "events/sched/sched_process_fork/trigger",
    );
}

#[test]
fn lists_of_pids_follow_real_tasks() {
    let host = host(LONG);
    let fake = Fake::attach(&host);
    host.echo("100", "set_event_pid");
    host.echo("1", "options/event-fork");
    host.echo("1", "events/sched/sched_switch/enable");
    let known = |pid: i32| Known {
        pid,
        comm: comm("cmd"),
        prio: 120,
    };
    let out = |pid: i32| {
        record(
            monotonic(),
            pid,
            What::Switch {
                prev: known(pid),
                prev_state: 3,
                preempt: false,
                next: Known::UNKNOWN,
            },
        )
    };
    let into = |pid: i32| Record {
        task: Who::UNKNOWN,
        ..record(
            monotonic(),
            -1,
            What::Switch {
                prev: Known::UNKNOWN,
                prev_state: u32::MAX,
                preempt: false,
                next: known(pid),
            },
        )
    };
    let gone = |pid: i32| Record {
        task: Who::UNKNOWN,
        ..record(monotonic(), -1, What::Free { who: known(pid) })
    };
    fake.order(Order::Hold(vec![
        out(100),
        out(101),
        fork(monotonic(), 100, 101),
        out(101),
        into(101),
        into(102),
        gone(101),
        out(101),
    ]));
    let list = host.local.cat("set_event_pid").unwrap();
    assert_eq!(list, "100\n");
    assert_eq!(
        host.events(),
        [
            "sched_switch: prev_comm=cmd prev_pid=100 prev_prio=120 prev_state=S|D ==> next_comm=<...> next_pid=-1 next_prio=-1",
            "sched_switch: prev_comm=cmd prev_pid=101 prev_prio=120 prev_state=S|D ==> next_comm=<...> next_pid=-1 next_prio=-1",
            "sched_switch: prev_comm=<...> prev_pid=-1 prev_prio=-1 prev_state=S|D|T|t|X|Z|P|I+ ==> next_comm=cmd next_pid=101 next_prio=120",
        ]
    );
    let names = host.local.cat("saved_cmdlines").unwrap();
    assert_eq!(names, "100 cmd\n101 cmd\n");
    host.echo("0", "options/event-fork");
}

#[test]
fn who_hangs_is_waited_for_once() {
    let host = host(Duration::from_millis(300));
    let fake = Fake::attach(&host);
    let other = Fake::attach(&host);
    host.echo("1", FORK);
    fake.order(Order::Hang);
    other.order(Order::Hold(vec![fork(monotonic(), 100, 101)]));
    let start = Instant::now();
    assert_eq!(host.events().len(), 1, "the other's");
    assert!(start.elapsed() >= Duration::from_millis(300));
    let start = Instant::now();
    for i in 0..20 {
        host.echo(&(i % 2).to_string(), FORK);
        other.order(Order::Hold(vec![fork(monotonic(), 100, 101)]));
        host.events();
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    // once it answers it counts again
    fake.order(Order::GoOn);
    let until = Instant::now() + LONG;
    loop {
        host.echo("1", FORK);
        fake.order(Order::Hold(vec![fork(monotonic(), 200, 201)]));
        if host.events().iter().any(|e| e.contains("child_pid=201")) {
            break;
        }
        assert!(Instant::now() < until);
    }
}

#[test]
fn rubbish_ends_a_connection_and_nothing_else() {
    let host = host(LONG);
    host.echo("1", FORK);
    let good = Fake::attach(&host);
    for bytes in [
        vec![0xff; 8],
        vec![1, 0, 0, 0, 9],
        // an answer that nobody asked for
        {
            let mut out = vec![];
            FromTracer::Flushed { seq: 1 << 60 }.encode(&mut out);
            out
        },
        // a second greeting
        {
            let mut out = vec![];
            FromTracer::Hello {
                version: VERSION,
                cmd_pid: 2,
                notes: vec![],
            }
            .encode(&mut out);
            out
        },
    ] {
        let bad = Fake::attach(&host);
        host.wait_for(2);
        bad.order(Order::Raw(bytes));
        host.wait_for(1);
    }
    // of a time to come, a CPU that there is not, an unknown call and a task that cannot be
    let mut strange = fork(u64::MAX, i32::MIN, i32::MAX);
    strange.cpu = Some(u32::MAX);
    let call = What::SysEnter {
        nr: i64::MIN,
        foreign: true,
        args: [u64::MAX; 6],
        paths: vec![],
    };
    good.order(Order::Hold(vec![strange, record(0, 0, call)]));
    good.order(Order::Hold(vec![fork(monotonic(), 100, 101)]));
    let events = host.events();
    assert_eq!(events.len(), 2, "{events:?}");
    host.echo("after", "trace_marker");
    let after = host.trace();
    let time = |line: &String| -> f64 {
        let (_, time) = line.split(": ").next().unwrap().rsplit_once(' ').unwrap();
        time.parse().unwrap()
    };
    assert!(after.iter().all(|l| time(l) < 1e9), "{after:?}");
}

#[test]
fn without_tracers_and_with_nothing_wanted_nobody_is_asked() {
    let host = host(LONG);
    let fake = Fake::attach(&host);
    fake.order(Order::Hang);
    let start = Instant::now();
    for _ in 0..100 {
        host.local.cat("tracing_on").unwrap();
    }
    assert!(start.elapsed() < LONG);
    drop(fake);
    host.wait_for(0);
    host.echo("1", FORK);
    assert!(host.events().is_empty());
}
