//! The machine by itself: what tasks may rely on.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use super::task::state;
use super::*;
use crate::testing::sched::{Event, Record, recorded};

/// Runs `body` as the first task of a machine with the CPUs given and returns its result and the trace.
fn run_on(cpus: &[u32], body: impl Future<Output = i32> + Send + 'static) -> (i32, Vec<Record>) {
    let (result, trace) = recorded(|| {
        let owner = Owner::new(cpus).unwrap();
        let (done, result) = mpsc::channel();
        let (empty, ended) = mpsc::channel();
        let first = async move {
            let code = body.await;
            done.send(code).unwrap();
            code
        };
        let on_empty = Mutex::new(empty);
        let session = owner.boot(
            "first",
            Box::pin(first),
            Box::new(move || on_empty.lock().send(()).unwrap()),
        );
        ended
            .recv_timeout(Duration::from_secs(20))
            .expect("the machine hangs");
        assert_eq!(session.alive(), 0);
        result
            .try_recv()
            .expect("the first task did not end by itself")
    });
    (result, trace)
}

pub(super) fn one() -> Vec<u32> {
    allowed_cpus().unwrap()[..1].to_vec()
}

fn switches_out(trace: &[Record], pid: i32, reported: u32) -> usize {
    let left = |r: &&Record| matches!(r.event, Event::Switch { prev, prev_state, .. } if prev == pid && prev_state == reported);
    trace.iter().filter(left).count()
}

#[test]
fn waiting() {
    let (code, _) = run_on(&one(), async {
        assert_eq!(wait_any().await, None);
        assert_eq!(wait_pid(1).await, None);
        let quick = fork(async { 3 }).await.unwrap();
        let slow = fork(async {
            sleep(2_000_000).await;
            4
        });
        let slow = slow.await.unwrap();
        assert!(!has_zombie() || wait_pid(quick).await.is_none());
        assert_eq!(wait_pid(slow).await, Some(4 << 8));
        assert!(has_zombie());
        assert!(sleep_for_child_until(u64::MAX / 2).await);
        assert_eq!(wait_any().await, Some((quick, 3 << 8)));
        assert!(!has_zombie());
        assert_eq!(wait_pid(quick).await, None);
        // The child's end interrupts the sleep.
        let child = fork(async {
            sleep_on_io(1_000_000).await;
            0
        });
        let child = child.await.unwrap();
        assert!(sleep_for_child_until(u64::MAX / 2).await);
        assert_eq!(wait_any().await, Some((child, 0)));
        // Nothing does here but time.
        let begin = now_ns();
        assert!(!sleep_for_child_until(begin + 3_000_000).await);
        assert!(now_ns() >= begin + 3_000_000);
        7
    });
    assert_eq!(code, 7);
}

#[test]
fn orphans_go_to_the_first_task() {
    let (code, trace) = run_on(&one(), async {
        let parent = fork(async {
            fork(async {
                sleep(2_000_000).await;
                5
            })
            .await;
            0
        });
        let parent = parent.await.unwrap();
        let (first, _) = wait_any().await.unwrap();
        let (orphan, status) = wait_any().await.unwrap();
        assert!(first == parent && orphan != parent && status == 5 << 8);
        0
    });
    assert_eq!(code, 0);
    let exits = trace
        .iter()
        .filter(|r| {
            matches!(
                r.event,
                Event::Exit {
                    group_dead: true,
                    ..
                }
            )
        })
        .count();
    assert_eq!(exits, 3);
}

#[test]
fn a_panic_ends_the_task_alone() {
    let (code, _) = run_on(&one(), async {
        let child = fork(async { panic!("meant to be") }).await.unwrap();
        assert_eq!(wait_pid(child).await, Some(libc::SIGABRT));
        1
    });
    assert_eq!(code, 1);
}

#[test]
fn pipes_close() {
    let (code, _) = run_on(&one(), async {
        let (sender, mut receiver) = pipe(1);
        let other = sender.clone();
        let writer = fork(async move {
            for number in 0..10 {
                if other.send(number).await.is_err() {
                    return 1;
                }
            }
            0
        });
        let writer = writer.await.unwrap();
        drop(sender);
        let mut sum = 0;
        while let Some(number) = receiver.recv().await {
            sum += number;
        }
        assert_eq!(wait_pid(writer).await, Some(0));
        // The reader goes while the writer sleeps.
        let (sender, receiver) = pipe(1);
        let writer = fork(async move {
            while sender.send(()).await.is_ok() {}
            9
        });
        let writer = writer.await.unwrap();
        sleep(1_000_000).await;
        drop(receiver);
        assert_eq!(wait_pid(writer).await, Some(9 << 8));
        sum
    });
    assert_eq!(code, 45);
}

#[test]
fn a_more_urgent_reader_preempts_the_writer() {
    let (reader_and_writer, told) = mpsc::channel();
    let (code, trace) = run_on(&one(), async move {
        let (sender, mut receiver) = pipe(1);
        let reader = fork(async move {
            set_prio(50);
            let mut count = 0;
            while receiver.recv().await.is_some() {
                count += 1;
            }
            count
        });
        let reader = reader.await.unwrap();
        let writer = fork(async move {
            for _ in 0..5 {
                sender.send(()).await.unwrap();
            }
            0
        });
        let writer = writer.await.unwrap();
        reader_and_writer.send(writer).unwrap();
        wait_pid(writer).await;
        wait_pid(reader).await.unwrap() >> 8
    });
    assert_eq!(code, 5);
    let writer = told.recv().unwrap();
    // Each item is taken before the writer goes on; it never sleeps for room.
    assert_eq!(switches_out(&trace, writer, state::REPORT_PREEMPTED), 5);
    assert_eq!(switches_out(&trace, writer, state::INTERRUPTIBLE), 0);
}

#[test]
fn slices_end_only_where_others_wait() {
    let alone_and_together = |tasks: usize| {
        let (code, trace) = run_on(&one(), async move {
            for _ in 0..tasks {
                fork(async {
                    compute(1, 5_000_000).await;
                    0
                })
                .await;
            }
            while wait_any().await.is_some() {}
            0
        });
        assert_eq!(code, 0);
        trace
            .iter()
            .filter(|r| {
                matches!(
                    r.event,
                    Event::Switch {
                        prev: 1..,
                        prev_state: state::RUNNING,
                        ..
                    }
                )
            })
            .count()
    };
    assert_eq!(alone_and_together(1), 0);
    let turns = alone_and_together(2);
    assert!(turns >= 4, "{turns}");
}

#[test]
fn idle_cpus_take_over() {
    let cpus = allowed_cpus().unwrap();
    if cpus.len() < 2 {
        return;
    }
    let (code, trace) = run_on(&cpus[..2], async {
        for _ in 0..6 {
            fork(async {
                compute(2, 1_500_000).await;
                sleep(200_000).await;
                compute(3, 1_500_000).await;
                0
            })
            .await;
        }
        while wait_any().await.is_some() {}
        0
    });
    assert_eq!(code, 0);
    for cpu in &cpus[..2] {
        let ran = trace
            .iter()
            .any(|r| r.cpu == *cpu && matches!(r.event, Event::Switch { next: 1.., .. }));
        assert!(ran, "CPU {cpu} had nothing to do");
    }
}

#[test]
fn killing_reaches_tasks_wherever_they_are() {
    let ((), trace) = recorded(|| {
        let owner = Owner::new(&allowed_cpus().unwrap()).unwrap();
        let (empty, ended) = mpsc::channel();
        let on_empty = Mutex::new(empty);
        let first = async {
            for _ in 0..3 {
                fork(async {
                    loop {
                        compute(1, 100_000).await;
                    }
                })
                .await;
                fork(async {
                    sleep(u64::MAX / 4).await;
                    0
                })
                .await;
                let (_sender, mut receiver) = pipe::<()>(1);
                thread(async move {
                    receiver.recv().await;
                    sleep_on_io(u64::MAX / 4).await;
                    0
                })
                .await;
            }
            wait_any().await;
            0
        };
        let session = owner.boot(
            "first",
            Box::pin(first),
            Box::new(move || on_empty.lock().send(()).unwrap()),
        );
        std::thread::sleep(Duration::from_millis(5));
        owner.kill(&session);
        ended
            .recv_timeout(Duration::from_secs(20))
            .expect("a task was not killed");
        assert_eq!(session.alive(), 0);
    });
    let count = |wanted: fn(&Event) -> bool| trace.iter().filter(|r| wanted(&r.event)).count();
    let forks = count(|event| matches!(event, Event::Fork { .. }));
    assert!(forks >= 1);
    assert_eq!(forks, count(|event| matches!(event, Event::Exit { .. })));
}

#[test]
fn killing_meets_a_task_on_its_way_to_sleep() {
    let _alone = crate::testing::alone();
    let cpus = allowed_cpus().unwrap();
    if cpus.len() < 2 {
        return;
    }
    let owner = Owner::new(&cpus[..2]).unwrap();
    let (awake, is_awake) = mpsc::channel();
    let (empty, ended) = mpsc::channel();
    let on_empty = Mutex::new(empty);
    let first = async move {
        // On the other CPU, as this one is taken.
        fork(async move {
            let mut slept = false;
            std::future::poll_fn(|_| {
                let task = cpu::local().current();
                if std::mem::replace(&mut slept, true) {
                    return std::task::Poll::Ready(0);
                }
                awake.send(()).unwrap();
                // Until its parent has been killed: so the killer has been here, too, and found nobody asleep.
                while task.session.alive() > 1 {
                    std::hint::spin_loop();
                }
                task.state.store(state::INTERRUPTIBLE, Ordering::SeqCst);
                std::task::Poll::Pending
            })
            .await
        })
        .await;
        wait_any().await;
        0
    };
    let session = owner.boot(
        "first",
        Box::pin(first),
        Box::new(move || on_empty.lock().send(()).unwrap()),
    );
    is_awake
        .recv_timeout(Duration::from_secs(20))
        .expect("the child runs");
    owner.kill(&session);
    ended
        .recv_timeout(Duration::from_secs(20))
        .expect("a task was not killed");
}
