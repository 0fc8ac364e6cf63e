use super::*;

fn comm(name: &str) -> [u8; 16] {
    let mut comm = [0; 16];
    comm[..name.len()].copy_from_slice(name.as_bytes());
    comm
}

fn known(pid: i32) -> Known {
    Known {
        pid,
        comm: comm("someone"),
        prio: 120,
    }
}

fn who() -> Who {
    Who {
        pid: 12,
        tgid: 10,
        comm: comm("sh"),
    }
}

/// One of each kind.
fn every_what() -> Vec<What> {
    let all = vec![
        What::SysEnter {
            nr: 257,
            foreign: false,
            args: [u64::MAX, 1, 2, 3, 4, 5],
            paths: vec![
                Path {
                    arg: 1,
                    text: b"/etc/\xff".to_vec(),
                },
                Path {
                    arg: 3,
                    text: vec![],
                },
            ],
        },
        What::SysExit {
            nr: -1,
            foreign: true,
            ret: -38,
        },
        What::Switch {
            prev: known(1),
            prev_state: 0x100,
            preempt: true,
            next: Known::UNKNOWN,
        },
        What::Fork { child: who() },
        What::NewTask {
            pid: 5,
            comm: comm("a"),
            clone_flags: 0x1_0000_0000,
            oom_score_adj: -1000,
        },
        What::Exec {
            filename: b"/bin/true".to_vec(),
            old_pid: 7,
        },
        What::Rename {
            pid: 5,
            oldcomm: comm("a"),
            newcomm: comm("fifteen letters"),
            oom_score_adj: 1000,
        },
        What::Exit {
            prio: 120,
            group_dead: true,
        },
        What::Wait { pid: 0, prio: 139 },
        What::Free { who: known(3) },
        What::WakeupNew {
            who: known(4),
            target_cpu: -1,
        },
        What::Waking {
            who: known(4),
            target_cpu: 1,
        },
        What::Wakeup {
            who: known(4),
            target_cpu: 0,
        },
        What::SignalDeliver {
            sig: 17,
            errno: 0,
            code: 1,
            sa_handler: u64::MAX,
            sa_flags: u64::MAX,
        },
        What::SignalGenerate {
            sig: 9,
            errno: 0,
            code: -6,
            comm: comm("b"),
            pid: 8,
            group: true,
            result: Sent::Ignored,
        },
    ];
    let kinds: Vec<Kind> = all.iter().map(What::kind).collect();
    assert_eq!(kinds, Kind::ALL);
    all
}

fn records() -> Vec<Record> {
    let record = |(i, what)| Record {
        time_ns: u64::MAX - i as u64,
        cpu: (i % 2 == 0).then_some(i as u32),
        ip: (i % 3 == 0).then_some(0x5555_0000_0000 + i as u64),
        task: who(),
        what,
    };
    every_what().into_iter().enumerate().map(record).collect()
}

fn every_message() -> Vec<FromTracer> {
    vec![
        FromTracer::Hello {
            version: VERSION,
            cmd_pid: 99,
            notes: vec!["no switches: perf_event_paranoid is 3".into(), "ä".into()],
        },
        FromTracer::Records { records: records() },
        FromTracer::Records { records: vec![] },
        FromTracer::Flushed { seq: 1 << 40 },
        FromTracer::Bye {},
    ]
}

fn every_answer() -> Vec<ToTracer> {
    let mut wants = Wants::NOTHING;
    wants.add(Kind::Fork);
    wants.enter.add(257);
    wants.exit.add(511);
    wants.raw_exit = true;
    vec![
        ToTracer::Wants {
            wants: Box::new(wants),
        },
        ToTracer::Wants {
            wants: Box::new(Wants::NOTHING),
        },
        ToTracer::Flush { seq: 3 },
    ]
}

fn frame(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![];
    encode(&mut out);
    out
}

/// Frames of a stream, and whether it ends between two.
fn frames(mut stream: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let (mut all, mut one) = (vec![], vec![]);
    while read_frame(&mut stream, &mut one)? {
        all.push(one.clone());
    }
    Ok(all)
}

#[test]
fn what_is_sent_is_what_comes() {
    for message in every_message() {
        let stream = frame(|out| message.encode(out));
        let frames = frames(&stream).unwrap();
        assert_eq!(frames.len(), 1);
        assert_eq!(FromTracer::decode(&frames[0]), Ok(message));
    }
    for message in every_answer() {
        let stream = frame(|out| message.encode(out));
        let frames = frames(&stream).unwrap();
        assert_eq!(frames.len(), 1);
        assert_eq!(ToTracer::decode(&frames[0]), Ok(message));
    }
}

#[test]
fn many_records_are_several_frames() {
    let mut many = vec![];
    for i in 0..20_000u64 {
        let mut record = records()[(i % 15) as usize].clone();
        record.time_ns = i;
        many.push(record);
    }
    let stream = frame(|out| encode_records(&many, out));
    let frames = frames(&stream).unwrap();
    assert!(frames.len() > 1);
    let mut back = vec![];
    for one in &frames {
        assert!(one.len() <= MAX_FRAME);
        match FromTracer::decode(one) {
            Ok(FromTracer::Records { records }) => back.extend(records),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(back, many);
    assert!(frame(|out| encode_records(&[], out)).is_empty());
}

#[test]
fn what_is_too_long_is_cut() {
    let long = FromTracer::Hello {
        version: 1,
        cmd_pid: 1,
        notes: vec!["ä".repeat(MAX_TEXT); MAX_LIST + 1],
    };
    let stream = frame(|out| long.encode(out));
    match FromTracer::decode(&stream[4..]) {
        Ok(FromTracer::Hello { notes, .. }) => {
            assert_eq!(notes.len(), MAX_LIST);
            assert_eq!(notes[0], "ä".repeat(MAX_TEXT / 2));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn half_a_frame_is_refused() {
    for message in every_message() {
        let stream = frame(|out| message.encode(out));
        for len in 1..stream.len() {
            let error = frames(&stream[..len]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        for len in 4..stream.len() {
            assert_eq!(FromTracer::decode(&stream[4..len]), Err(Malformed), "{len}");
        }
        let longer = [&stream[4..], &[0]].concat();
        assert_eq!(FromTracer::decode(&longer), Err(Malformed));
    }
    let mut too_long = &(MAX_FRAME as u32 + 1).to_le_bytes()[..];
    let error = read_frame(&mut too_long, &mut vec![]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

/// Any bytes are a message or refused; a message is its own coding (up to what is cut).
fn decode_any(bytes: &[u8]) {
    if let Ok(message) = FromTracer::decode(bytes) {
        let again = frame(|out| message.encode(out));
        assert_eq!(FromTracer::decode(&again[4..]), Ok(message));
    }
    if let Ok(message) = ToTracer::decode(bytes) {
        let again = frame(|out| message.encode(out));
        assert_eq!(&again[4..], bytes);
    }
}

#[test]
fn no_bytes_panic() {
    // xorshift64: the same bytes each time
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..20_000 {
        let len = (random() % 64) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| random() as u8).collect();
        if let Some(first) = bytes.first_mut() {
            *first %= 5;
        }
        decode_any(&bytes);
    }
    let valid: Vec<Vec<u8>> = every_message()
        .iter()
        .map(|m| frame(|out| m.encode(out)))
        .chain(every_answer().iter().map(|m| frame(|out| m.encode(out))))
        .collect();
    for stream in valid {
        for _ in 0..5_000 {
            let mut bytes = stream[4..].to_vec();
            for _ in 0..=random() % 3 {
                let at = random() as usize % bytes.len();
                // boundaries of lengths are the interesting values
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff, random() as u8][random() as usize % 6];
            }
            decode_any(&bytes);
        }
    }
}

#[test]
fn wants() {
    let mut wants = Wants::NOTHING;
    assert!(wants.is_nothing());
    for kind in Kind::ALL {
        assert!(!wants.has(*kind));
    }
    wants.add(Kind::Exit);
    assert!(wants.has(Kind::Exit) && !wants.has(Kind::Free) && !wants.is_nothing());
    wants.exit.add(0);
    assert!(wants.has(Kind::SysExit) && !wants.has(Kind::SysEnter));
    wants.raw_enter = true;
    assert!(wants.has(Kind::SysEnter));
    let mut calls = Calls::NONE;
    for nr in [0, 63, 64, 511, 512, -1, i64::MAX] {
        calls.add(nr);
    }
    assert_eq!(calls.iter().collect::<Vec<_>>(), [0, 63, 64, 511]);
    assert_eq!(calls.len(), 4);
    assert!(!calls.has(512) && !calls.has(-1) && !calls.has(i64::MIN));
}
