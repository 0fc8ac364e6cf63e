//! Interrupts, timers and work queues: what workloads may rely on, and what their events say of it.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use super::tests::one;
use super::*;
use crate::events::flags::{BH_OFF, HARDIRQ, IRQS_OFF, SOFTIRQ};
use crate::testing::kernel::{NAMES, Record, follow, recorded};

/// Runs a task on a machine with these CPUs and returns its result and the events, from the machine's making to its end.
fn run_on<F>(cpus: &[u32], body: impl FnOnce(Arc<Machine>) -> F) -> (i32, Vec<Record>)
where
    F: Future<Output = i32> + Send + 'static,
{
    recorded(|| {
        let owner = Owner::new(cpus).unwrap();
        let (done, result) = mpsc::channel();
        let (empty, ended) = mpsc::channel();
        let body = body(owner.machine().clone());
        let first = async move {
            let code = body.await;
            done.send(code).unwrap();
            code
        };
        let on_empty = Mutex::new(empty);
        owner.boot(
            "first",
            Box::pin(first),
            Box::new(move || on_empty.lock().send(()).unwrap()),
        );
        ended
            .recv_timeout(Duration::from_secs(20))
            .expect("the machine hangs");
        result.try_recv().expect("the first task was ended")
    })
}

fn of<'a>(trace: &'a [Record], name: &str) -> Vec<&'a Record> {
    trace.iter().filter(|r| r.name == name).collect()
}

#[test]
fn a_device_with_a_tasklet() {
    fn bottom(count: &Arc<AtomicUsize>) {
        count.fetch_add(1, Ordering::SeqCst);
    }
    let (code, trace) = run_on(&one(), |machine| async move {
        let count = Arc::new(AtomicUsize::new(0));
        let tasklet = Tasklet::new(bottom, count.clone());
        let waiters = Arc::new(WaitQueue::new());
        let (seen, served) = (waiters.clone(), Arc::new(AtomicUsize::new(0)));
        let done = served.clone();
        let device = request_irq(
            "device",
            Arc::new(move || {
                tasklet.schedule();
                done.fetch_add(1, Ordering::SeqCst);
                seen.wake_up();
                IrqReturn::Handled
            }),
        );
        let other = request_irq("other", Arc::new(|| IrqReturn::None));
        assert!(device.number() >= 24 && other.number() == device.number() + 1);
        for round in 1..=3 {
            device.raise(&machine, 0);
            other.raise(&machine, 0);
            waiters
                .wait_event(|| served.load(Ordering::SeqCst) == round)
                .await;
            assert_eq!(count.load(Ordering::SeqCst), round);
        }
        let number = device.number();
        drop(device);
        let again = request_irq("again", Arc::new(|| IrqReturn::Handled));
        // The handler may be under way in the loop above, so the number may not be free yet.
        assert!(again.number() >= number);
        7
    });
    assert_eq!(code, 7);
    let count = follow(&trace);
    assert_eq!(count.of("irq_handler_entry"), 6);
    assert_eq!(count.of("tasklet_entry"), 3);
    for r in of(&trace, "irq_handler_entry") {
        assert_eq!(r.flags & (HARDIRQ | IRQS_OFF | SOFTIRQ), HARDIRQ | IRQS_OFF);
    }
    let rets: Vec<u64> = of(&trace, "irq_handler_exit")
        .iter()
        .map(|r| r.args[1])
        .collect();
    assert_eq!(rets, [1, 0, 1, 0, 1, 0]);
    for r in of(&trace, "tasklet_entry") {
        assert_eq!(r.flags & (HARDIRQ | IRQS_OFF | SOFTIRQ), SOFTIRQ);
        let mut name = Vec::new();
        utracefs::base::symbol::renew();
        utracefs::base::symbol::name(r.args[1], &mut name).expect("a function");
        let name = String::from_utf8(name).unwrap();
        assert!(name.ends_with("::bottom"), "{name}");
    }
    // Right after the handler that raised it.
    let order: Vec<&str> = trace
        .iter()
        .filter(|r| !r.name.contains("timer") && !r.name.starts_with("tick"))
        .map(|r| r.name)
        .take(7)
        .collect();
    assert_eq!(
        order,
        [
            "irq_handler_entry",
            "softirq_raise",
            "irq_handler_exit",
            "softirq_entry",
            "tasklet_entry",
            "tasklet_exit",
            "softirq_exit"
        ]
    );
}

#[test]
fn softirqs_of_tasks() {
    let (code, trace) = run_on(&one(), |machine| async move {
        let ran = Arc::new(AtomicUsize::new(0));
        let times = ran.clone();
        let action = move || {
            // Twelve in a row are too many for one interrupt.
            if times.fetch_add(1, Ordering::SeqCst) < 12 {
                raise_softirq(SoftIrq::NetRx);
            }
        };
        machine.open_softirq(SoftIrq::NetRx, Arc::new(action));
        // Raised by a task: ksoftirqd's.
        raise_softirq(SoftIrq::NetRx);
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        sleep(1_000_000).await;
        assert_eq!(ran.load(Ordering::SeqCst), 13);
        // Held back: at the end of the section.
        with_bh_disabled(|| {
            raise_softirq(SoftIrq::NetRx);
            assert_eq!(ran.load(Ordering::SeqCst), 13);
        });
        assert_eq!(ran.load(Ordering::SeqCst), 14);
        0
    });
    assert_eq!(code, 0);
    follow(&trace);
    let entries: Vec<_> = of(&trace, "softirq_entry")
        .into_iter()
        .filter(|r| r.args[0] == 3)
        .collect();
    assert_eq!(entries.len(), 14);
    let daemon = format!("ksoftirqd/{}", one()[0]);
    assert!(entries[..13].iter().all(|r| r.comm == daemon));
    assert_eq!(entries[13].comm, "first");
    let raises = of(&trace, "softirq_raise");
    let held = raises.iter().filter(|r| r.flags & BH_OFF != 0).count();
    assert_eq!(held, 1);
}

#[test]
fn timers_expire_in_time_and_in_order() {
    type Log = Arc<Mutex<Vec<(u64, u64)>>>;
    fn note((log, mark): &(Log, u64)) {
        log.lock().push((*mark, jiffies()));
    }
    let (code, trace) = run_on(&one(), |_| async move {
        let log = Arc::new(Mutex::new(Vec::new()));
        let timer = |mark| Timer::new(note, (log.clone(), mark));
        let begin = jiffies();
        let timers: Vec<Timer> = (0..4).map(timer).collect();
        assert!(!timers[0].mod_timer(begin + 6));
        assert!(!timers[1].mod_timer(begin + 2));
        assert!(!timers[2].mod_timer(begin + 3));
        assert!(!timers[3].mod_timer(begin + 1000));
        assert!(timers[1].mod_timer(begin + 4));
        assert!(timers[2].delete() && !timers[2].delete());
        assert!(timers[3].is_pending());
        sleep(12 * 4_000_000).await;
        let log = log.lock().clone();
        assert_eq!(
            log.iter().map(|(mark, _)| *mark).collect::<Vec<_>>(),
            [1, 0]
        );
        assert!(
            log[0].1 > begin + 4 && log[1].1 > begin + 6,
            "{begin} {log:?}"
        );
        0
    });
    assert_eq!(code, 0);
    let count = follow(&trace);
    assert_eq!(count.of("timer_init"), 4);
    assert_eq!(count.of("timer_start"), 5);
    assert_eq!(count.of("timer_expire_entry"), 2);
    for r in of(&trace, "timer_expire_entry") {
        assert_eq!(r.flags & (HARDIRQ | IRQS_OFF | SOFTIRQ), SOFTIRQ, "{r:?}");
        assert!(r.args[1] >= r.args[3], "{r:?}");
    }
    for r in of(&trace, "timer_start") {
        assert_eq!(r.flags & (HARDIRQ | IRQS_OFF), IRQS_OFF);
        assert!(r.args[3] > r.args[2] && r.args[5] & 0x3ffff == u64::from(r.cpu));
    }
}

#[test]
fn work_is_done() {
    fn count_up(count: &Arc<AtomicUsize>) {
        count.fetch_add(1, Ordering::SeqCst);
    }
    fn slow(count: &Arc<AtomicUsize>) -> WorkFuture {
        let count = count.clone();
        Box::pin(async move {
            sleep(500_000).await;
            count.fetch_add(1, Ordering::SeqCst);
        })
    }
    let cpus = allowed_cpus().unwrap();
    let last = cpus.len() - 1;
    let (code, trace) = run_on(&cpus, move |_| async move {
        let bound = Workqueue::new("bound", WQ_BOUND);
        let ordered = Workqueue::with_max_active("ordered", WQ_UNBOUND, 1);
        let urgent = Workqueue::new("urgent", WQ_HIGHPRI);
        let count = Arc::new(AtomicUsize::new(0));
        let quick = Work::new(count_up, count.clone());
        assert!(queue_work_on(last, &bound, &quick));
        quick.flush().await;
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let sleeping: Vec<Work> = (0..4)
            .map(|_| Work::new_async(slow, count.clone()))
            .collect();
        for work in &sleeping {
            assert!(queue_work(&ordered, work));
        }
        ordered.drain().await;
        assert_eq!(count.load(Ordering::SeqCst), 5);
        // They sleep at the same time: one CPU's workers are several then.
        for work in &sleeping {
            assert!(queue_work_on(0, &bound, work));
            assert!(!queue_work_on(0, &bound, work));
        }
        assert!(queue_work(&urgent, &quick));
        bound.drain().await;
        urgent.drain().await;
        assert_eq!(count.load(Ordering::SeqCst), 10);
        let later = DelayedWork::new(count_up, count.clone());
        let never = DelayedWork::new(count_up, count.clone());
        assert!(later.queue(&bound, 2) && !later.queue(&bound, 1));
        assert!(never.queue_on(last, &bound, 100) && never.cancel() && !never.cancel());
        bound.drain().await;
        assert!(!later.work().is_pending());
        assert_eq!(count.load(Ordering::SeqCst), 11);
        0
    });
    assert_eq!(code, 0);
    follow(&trace);
    let starts = of(&trace, "workqueue_execute_start");
    assert_eq!(starts[0].comm, format!("kworker/{}:0", cpus[last]));
    let unbound = format!("kworker/u{}:0", cpus.len() * 2);
    assert!(starts[1..5].iter().all(|r| r.comm == unbound));
    let workers: std::collections::HashSet<&str> =
        starts[5..10].iter().map(|r| r.comm.as_str()).collect();
    assert_eq!(workers.len(), 5, "{workers:?}");
    let queued: Vec<(u64, i32, i32)> = of(&trace, "workqueue_queue_work")
        .iter()
        .map(|r| (r.args[0], r.args[2] as i32, r.args[3] as i32))
        .collect();
    assert_eq!(queued.len(), 11);
    assert_eq!(
        (queued[0].1, queued[0].2),
        (cpus[last] as i32, cpus[last] as i32)
    );
    assert_eq!((queued[1].1, queued[1].2), (8192, -1));
    // One at a time in the ordered queue: each may begin when the one before has ended.
    let order: Vec<&str> = trace
        .iter()
        .filter(|r| r.name.starts_with("workqueue") && r.name != "workqueue_queue_work")
        .map(|r| r.name)
        .collect();
    assert_eq!(
        order[3..6],
        [
            "workqueue_activate_work",
            "workqueue_execute_start",
            "workqueue_execute_end"
        ]
    );
}

#[test]
fn sleeps_are_timers() {
    let (code, trace) = run_on(&one(), |_| async {
        sleep(2_000_000).await;
        0
    });
    assert_eq!(code, 0);
    follow(&trace);
    let mine: Vec<&Record> = trace.iter().filter(|r| r.comm == "first").collect();
    assert_eq!(mine[0].name, "hrtimer_setup");
    let timer = mine[0].args[0];
    let story: Vec<&Record> = trace
        .iter()
        .filter(|r| r.name.starts_with("hrtimer") && r.args[0] == timer)
        .collect();
    let names: Vec<&str> = story.iter().map(|r| r.name).collect();
    assert_eq!(
        names,
        [
            "hrtimer_setup",
            "hrtimer_start",
            "hrtimer_cancel",
            "hrtimer_expire_entry",
            "hrtimer_expire_exit"
        ]
    );
    assert!(story[3].args[1] >= story[1].args[2], "not early");
    assert_eq!(story[3].flags & (HARDIRQ | IRQS_OFF), HARDIRQ | IRQS_OFF);
    assert_eq!(
        (story[3].owner, story[3].depth),
        (0, 1),
        "the idle task was interrupted"
    );
    assert_eq!((story[1].flags, story[1].depth), (IRQS_OFF, 1));
}

#[test]
fn every_event_is_followed() {
    let registry = utracefs::event::registry::Registry::build(20_000).unwrap();
    for system in ["irq", "timer", "workqueue"] {
        let mut declared: Vec<&str> = registry.of_system(system).map(|e| &*e.name).collect();
        let probed = |(of, name): &(&str, &'static str)| (*of == system).then_some(*name);
        let mut probed: Vec<&str> = NAMES.iter().filter_map(probed).collect();
        declared.sort_unstable();
        probed.sort_unstable();
        assert_eq!(declared, probed);
    }
}

#[test]
fn nothing_is_left_of_a_machine() {
    fn nothing(_: &()) {}
    let (told, machine) = mpsc::channel();
    let (code, trace) = run_on(&one(), move |machine| async move {
        let queue = Workqueue::new("queue", WQ_BOUND);
        let work = Work::new(nothing, ());
        queue_work(&queue, &work);
        work.flush().await;
        // Its worker sleeps now, ksoftirqd has been there, and a timer is given up.
        raise_softirq(SoftIrq::NetTx);
        let timer = Timer::new(nothing, ());
        timer.mod_timer(jiffies() + 100);
        sleep(100_000).await;
        let worker = machine.pools[0].clone();
        told.send((Arc::downgrade(&machine), Arc::downgrade(&worker)))
            .unwrap();
        0
    });
    assert_eq!(code, 0);
    follow(&trace);
    let (machine, pool) = machine.recv().unwrap();
    assert!(machine.upgrade().is_none() && pool.upgrade().is_none());
}
