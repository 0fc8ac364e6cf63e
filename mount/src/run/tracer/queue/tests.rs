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
