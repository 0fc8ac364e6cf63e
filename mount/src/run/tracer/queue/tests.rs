use super::*;

fn item(time: u64, tid: i32, stop: Option<bool>, fact: Fact) -> Item {
    Item {
        time,
        cpu: stop.is_none().then_some(tid as u32 % 4),
        ip: None,
        tid,
        stop,
        anyone: false,
        fact,
    }
}

fn enter() -> Fact {
    Fact::Plain(What::SysEnter {
        nr: 1,
        foreign: false,
        args: [0; 6],
        paths: vec![],
    })
}

/// What is told, in words: time, kind or state, task, CPU.
fn tell(queue: &mut Queue, until: u64) -> Vec<String> {
    let mut wants = Wants::NOTHING;
    Kind::ALL.iter().for_each(|k| wants.add(*k));
    let mut records = vec![];
    queue.tell(until, true, &wants, &mut records);
    let said = records.iter().map(|r| {
        let cpu = r.cpu.map_or("?".to_string(), |c| c.to_string());
        let (what, tid) = match &r.what {
            What::Switch {
                prev, prev_state, ..
            } if prev.pid > 0 => (format!("out {prev_state:#x}"), prev.pid),
            What::Switch { next, .. } => ("in".to_string(), next.pid),
            other => (format!("{:?}", other.kind()), r.task.pid),
        };
        format!("{} {what} {tid} cpu {cpu}", r.time_ns)
    });
    said.collect()
}

// numbers above every pid that Linux gives
const A: i32 = (1 << 23) + 1;
const B: i32 = (1 << 23) + 2;

#[test]
fn what_is_seen_at_a_stop_lies_at_its_switch() {
    let mut queue = Queue::default();
    queue.push(item(30, A, Some(false), enter()));
    queue.push(item(60, B, Some(true), Fact::Stop));
    for (time, tid, fact) in [
        (10, A, Fact::In),
        (20, A, Fact::Out { preempt: false }),
        (25, B, Fact::In),
        (26, B, Fact::Out { preempt: true }),
        (40, A, Fact::In),
        (50, B, Fact::In),
        (55, B, Fact::Out { preempt: false }),
        (70, A, Fact::Out { preempt: false }),
        (80, A, Fact::In),
    ] {
        queue.push(item(time, tid, None, fact));
    }
    let expected = [
        format!("10 in {A} cpu 1"),
        format!("20 SysEnter {A} cpu 1"),
        format!("20 out 0x8 {A} cpu 1"),
        format!("25 in {B} cpu 2"),
        format!("26 out 0x100 {B} cpu 2"),
        format!("40 in {A} cpu 1"),
        format!("50 in {B} cpu 2"),
        format!("55 out 0x4 {B} cpu 2"),
        format!("70 out 0x3 {A} cpu 1"),
    ];
    assert_eq!(tell(&mut queue, 75), expected);
    // seen when its switch had been told: no earlier than that, on the same CPU
    queue.push(item(76, A, Some(false), enter()));
    let expected = [format!("70 SysEnter {A} cpu 1"), format!("80 in {A} cpu 1")];
    assert_eq!(tell(&mut queue, 100), expected);
    assert_eq!(tell(&mut queue, 200), [""; 0]);
}

#[test]
fn lives_are_told_in_order() {
    let mut queue = Queue::default();
    queue.push(item(
        12,
        A,
        Some(false),
        Fact::Made {
            child: B,
            flags: Some(0),
            oom: 0,
        },
    ));
    queue.push(item(10, A, None, Fact::Forked { child: B, tgid: B }));
    queue.push(item(30, B, None, Fact::Ends));
    let expected = [
        format!("10 NewTask {A} cpu ?"),
        format!("10 Fork {A} cpu 1"),
        format!("10 WakeupNew {A} cpu 1"),
        format!("30 Exit {B} cpu 2"),
        // nobody has that number
        "40 Free -1 cpu ?".to_string(),
    ];
    assert_eq!(tell(&mut queue, 40), expected);
    assert!(!queue.has_ended());
    // time never goes back
    queue.push(item(35, A, None, Fact::In));
    assert_eq!(tell(&mut queue, 50), [format!("40 in {A} cpu 1")]);
}

fn known(pid: i32, comm: &[u8]) -> Known {
    Known {
        pid,
        comm: proc::padded(comm),
        prio: 120,
    }
}

/// Told of all tasks of the machine, on CPU 1.
fn anyones(time: u64, tid: i32, fact: Fact) -> Item {
    Item {
        anyone: true,
        cpu: Some(1),
        ..item(time, tid, None, fact)
    }
}

fn switch(time: u64, prev: i32, prev_state: u32, next: i32) -> Item {
    let what = What::Switch {
        prev: known(prev, b"prev"),
        prev_state,
        preempt: prev_state == PREEMPTED,
        next: known(next, b"next"),
    };
    anyones(time, prev, Fact::Seen { tgid: prev, what })
}

fn waking(time: u64, by: i32, who: i32) -> Item {
    let what = What::Waking {
        who: known(who, b"who"),
        target_cpu: 3,
    };
    anyones(time, by, Fact::Seen { tgid: -1, what })
}

const C: i32 = (1 << 23) + 3;
const D: i32 = (1 << 23) + 4;

#[test]
fn of_the_machine_only_what_ours_have_to_do_with_is_told() {
    let mut queue = Queue::default();
    queue.names.found(A, A);
    let forked = |child| Fact::Forked { child, tgid: child };
    for item in [
        switch(10, C, 1, A),
        switch(11, C, 1, D),
        waking(20, A, C),
        waking(21, C, A),
        waking(22, 0, A),
        waking(23, 0, C),
        // B is ours from when it is made
        switch(29, C, 1, B),
        anyones(30, A, forked(B)),
        anyones(31, C, forked(D)),
        anyones(32, C, Fact::Ends),
        waking(40, B, D),
        switch(50, B, 0, C),
        switch(51, C, 0, D),
        switch(60, C, PREEMPTED, B),
    ] {
        queue.push(item);
    }
    let expected = [
        format!("10 out 0x1 {C} cpu 1"),
        format!("20 Waking {A} cpu 1"),
        format!("21 Waking {C} cpu 1"),
        "22 Waking 0 cpu 1".to_string(),
        format!("30 Fork {A} cpu 1"),
        format!("40 Waking {B} cpu 1"),
        format!("50 out 0x0 {B} cpu 1"),
        format!("60 out 0x100 {C} cpu 1"),
    ];
    assert_eq!(tell(&mut queue, 45), expected[..6]);
    assert_eq!(tell(&mut queue, 100), expected[6..]);
}

#[test]
fn the_last_switch_of_one_that_is_gone_is_told() {
    let mut queue = Queue::default();
    queue.names.found(A, A);
    queue.push(anyones(10, A, Fact::Ends));
    assert_eq!(
        tell(&mut queue, 20),
        [format!("10 Exit {A} cpu 1"), "20 Free -1 cpu ?".to_string()]
    );
    // nobody has that number any more, and it is still on its CPU
    queue.push(waking(25, A, C));
    queue.push(switch(30, A, 0x10, C));
    let expected = [
        format!("25 Waking {A} cpu 1"),
        format!("30 out 0x10 {A} cpu 1"),
    ];
    assert_eq!(tell(&mut queue, 40), expected);
    queue.push(waking(50, A, C));
    queue.push(switch(51, A, 1, C));
    assert_eq!(tell(&mut queue, 60), [""; 0]);
    // the other way round nothing is left of it
    queue.names.found(B, B);
    queue.push(anyones(70, B, Fact::Ends));
    queue.push(switch(71, B, 0x20, C));
    assert_eq!(tell(&mut queue, 80).len(), 3);
    queue.push(waking(90, B, C));
    assert_eq!(tell(&mut queue, 100), [""; 0]);
}

#[test]
fn a_stop_lies_at_a_switch_of_both_sides() {
    let mut queue = Queue::default();
    queue.names.found(A, A);
    queue.push(item(30, A, Some(false), enter()));
    queue.push(switch(10, A, 0x100, C));
    queue.push(switch(15, C, 1, A));
    queue.push(switch(20, A, 8, C));
    let expected = [
        format!("10 out 0x100 {A} cpu 1"),
        format!("15 out 0x1 {C} cpu 1"),
        format!("20 SysEnter {A} cpu 1"),
        format!("20 out 0x8 {A} cpu 1"),
    ];
    assert_eq!(tell(&mut queue, 100), expected);
}
