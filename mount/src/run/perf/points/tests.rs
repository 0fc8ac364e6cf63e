use super::*;

const FORMATS: [&str; 4] = [
    include_str!("../../../../../tests/golden/formats/sched/sched_switch"),
    include_str!("../../../../../tests/golden/formats/sched/sched_wakeup_new"),
    include_str!("../../../../../tests/golden/formats/sched/sched_waking"),
    include_str!("../../../../../tests/golden/formats/sched/sched_wakeup"),
];

fn points() -> Points {
    let kinds = POINTS.iter().zip(FORMATS);
    let points = kinds.map(|((kind, _), text)| Point::of(*kind, text).expect("all fields"));
    Points(points.collect())
}

/// The bytes of a text of hexadecimal numbers.
fn bytes(text: &str) -> Vec<u8> {
    let byte = |word| u8::from_str_radix(word, 16).expect("a byte");
    text.split_ascii_whitespace().map(byte).collect()
}

fn known(comm: &str, pid: i32, prio: i32) -> Known {
    let comm = padded(comm.as_bytes());
    Known { pid, comm, prio }
}

/// A sample as a kernel 6.18 has written it, and what it says: time, CPU, who was running, his process.
fn check(sample: &str, expected: (u64, u32, i32, i32), what: &What) {
    let sample = bytes(sample);
    assert_eq!(sample[6], sample.len() as u8);
    let points = points();
    let item = points.parse(&sample).expect("a sample");
    let Fact::Seen { tgid, what: got } = &item.fact else {
        panic!("{item:?}");
    };
    assert_eq!((item.time, item.cpu), (expected.0, Some(expected.1)));
    assert_eq!((item.tid, *tgid), (expected.2, expected.3));
    assert_eq!(got, what);
    for cut in 0..sample.len() {
        assert!(points.parse(&sample[..cut]).is_none(), "{cut}");
    }
    let mut foreign = sample.clone();
    foreign[RAW] = 1;
    assert!(points.parse(&foreign).is_none());
}

#[test]
fn samples_are_read() {
    check(
        "09 00 00 00 01 00 68 00
         88 30 00 00 88 30 00 00 39 ca 84 18 98 25 00 00 00 00 00 00 00 00 00 00 44 00 00 00
         74 01 01 03 88 30 00 00 73 68 00 00 00 00 00 00 00 00 00 00 00 00 00 00 88 30 00 00 78 00 00 00
         02 00 00 00 00 00 00 00 73 77 61 70 70 65 72 2f 30 00 00 00 00 00 00 00 00 00 00 00 78 00 00 00
         00 00 00 00",
        (0x2598_1884_ca39, 0, 12424, 12424),
        &What::Switch {
            prev: known("sh", 12424, 120),
            prev_state: 2,
            preempt: false,
            next: known("swapper/0", 0, 120),
        },
    );
    // by the idle task, and preempted
    check(
        "09 00 00 00 01 00 68 00
         00 00 00 00 00 00 00 00 bb 14 f0 18 98 25 00 00 01 00 00 00 00 00 00 00 44 00 00 00
         74 01 01 03 00 00 00 00 73 77 61 70 70 65 72 2f 31 00 00 00 00 00 00 00 00 00 00 00 78 00 00 00
         00 01 00 00 00 00 00 00 73 68 00 00 00 00 00 00 00 00 00 00 00 00 00 00 89 30 00 00 78 00 00 00
         00 00 00 00",
        (0x2598_18f0_14bb, 1, 0, 0),
        &What::Switch {
            prev: known("swapper/1", 0, 120),
            prev_state: 0x100,
            preempt: true,
            next: known("sh", 12425, 120),
        },
    );
    let head = "09 00 00 00 01 00 48 00
         4b 24 00 00 4b 24 00 00 15 a9 76 37 2f 26 00 00 00 00 00 00 00 00 00 00 24 00 00 00";
    let body = "01 01 03 4b 24 00 00 62 61 73 68 00 00 00 00 00 00 00 00 00 00 00 00
         50 24 00 00 78 00 00 00 01 00 00 00";
    let by = (0x262f_3776_a915, 0, 9291, 9291);
    let (who, target_cpu) = (known("bash", 9296, 120), 1);
    let sample = |id: &str| format!("{head} {id} {body}");
    check(&sample("75"), by, &What::WakeupNew { who, target_cpu });
    check(&sample("76"), by, &What::Wakeup { who, target_cpu });
    check(&sample("77"), by, &What::Waking { who, target_cpu });
}

#[test]
fn fields_are_found_by_name() {
    let switch = FORMATS[0];
    let check = |text: &str, usable: bool| {
        assert_eq!(Point::of(Kind::Switch, text).is_some(), usable, "{text}");
    };
    check(switch, true);
    check(&switch.replace("next_prio;", "next_rank;"), false);
    check(&switch.replace("prev_state;", "state;"), false);
    check(&switch.replace("common_pid;", "pid;"), false);
    check(
        &switch.replace("char next_comm[16]", "__data_loc char[] next_comm"),
        false,
    );
    check(
        &switch.replace("common_type;\toffset:0", "common_type;\toffset:2"),
        false,
    );
    check("no format at all", false);

    // elsewhere, as another kernel may have them
    let mut moved = FORMATS[2].to_string();
    for (field, from, to) in [
        ("pid_t pid", 24, 28),
        ("int prio", 28, 32),
        ("int target_cpu", 32, 36),
    ] {
        let place = |at: i32| format!("{field};\toffset:{at};");
        moved = moved.replace(&place(from), &place(to));
    }
    let point = Point::of(Kind::Waking, &moved).expect("all fields");
    let raw = bytes(
        "77 01 01 03 4b 24 00 00 62 61 73 68 00 00 00 00 00 00 00 00 00 00 00 00 ff ff ff ff
         50 24 00 00 78 00 00 00 01 00 00 00",
    );
    let (who, target_cpu) = (known("bash", 9296, 120), 1);
    assert_eq!(point.what(&raw), Some(What::Waking { who, target_cpu }));
}

#[test]
fn the_running_kernels_are_found() {
    // where they cannot be, it says why
    match super::super::points() {
        Ok(points) => {
            let ids: Vec<u16> = POINTS.iter().filter_map(|(k, _)| points.id(*k)).collect();
            assert!(ids.len() == 4 && ids.iter().all(|id| *id > 0), "{ids:?}");
            assert!(Points::has(Kind::Waking) && points.id(Kind::Fork).is_none());
        }
        Err(why) => {
            let known = [
                "perf_event_open(2): ",
                "the kernel's tracefs: ",
                "the tracer is in",
            ];
            assert!(known.iter().any(|k| why.starts_with(k)), "{why}");
        }
    }
}
