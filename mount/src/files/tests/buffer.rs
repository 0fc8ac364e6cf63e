//! How large buffers are, when they wake their readers, and when they are given back.

use super::*;

const BAD: std::result::Result<usize, Errno> = Err(Errno::EINVAL);
const CPU: &str = "per_cpu/cpu0/";

fn read(local: &Local, path: &str) -> String {
    local.cat(path).unwrap().trim_end().to_string()
}

/// Writes a marker on CPU 0, `times`.
fn mark_cpu0(tracing: &Tracing, times: usize) {
    use utracefs::base::task::Place;
    let place = Place {
        cpu: Some(0),
        ..Default::default()
    };
    let task = Task::new(1, 1, "").with_place(place);
    for _ in 0..times {
        tracing.top().mark(&task, &[b'x'; 1000]).unwrap();
    }
}

#[test]
fn sub_buffers() {
    let (tracing, local) = local();
    local.mkdir("instances/a").unwrap();
    let sizes = || {
        ["buffer_subbuf_size_kb", "buffer_size_kb"]
            .map(|f| read(&local, f))
            .join(" ")
    };
    assert_eq!(sizes(), "4 1410");
    mark_cpu0(&tracing, 3);
    let lines = || local.cat("trace").unwrap().lines().count();
    local.echo("3", "buffer_subbuf_size_kb").unwrap();
    assert_eq!((sizes().as_str(), lines()), ("4 1410", 15), "no change");
    for (input, expected) in [
        ("5", "8"),
        ("8", "8"),
        ("65", "128"),
        ("512", "512"),
        ("64", "64"),
    ] {
        local.echo(input, "buffer_subbuf_size_kb").unwrap();
        assert_eq!(sizes(), format!("{expected} 1410"), "{input}");
    }
    assert_eq!(lines(), 12, "a change clears");
    check_writes(
        &local,
        "buffer_subbuf_size_kb",
        &[
            ("0", BAD),
            ("513", BAD),
            ("1000", BAD),
            ("4294967296", BAD),
            ("18014398509481984", BAD),
            ("18446744073709551616", Err(Errno::ERANGE)),
            ("", BAD),
            ("x", BAD),
        ],
    );
    let header = local.cat("events/header_page").unwrap();
    assert!(header.contains("\tsize:65520;\t"), "{header}");
    local.echo("1", "buffer_size_kb").unwrap();
    assert_eq!(sizes(), "64 127");
    local.echo("1408", "buffer_size_kb").unwrap();
    assert_eq!(sizes(), "64 1471");
    // one marker is never longer than in a small page
    let long = "y".repeat(5000);
    check_writes(&local, "trace_marker", &[(&long, Ok(4054))]);
    assert_eq!(read(&local, "instances/a/buffer_subbuf_size_kb"), "4");
    let header = local.cat("instances/a/events/header_page").unwrap();
    assert!(header.contains("\tsize:4080;\t"), "{header}");
}

#[test]
fn readers_keep_the_size() {
    let (_, local) = local();
    let busy = Err(Errno::EBUSY);
    let cpu1 = cpu::possible() > 1;
    let all = local.open("trace", READ).unwrap();
    check_writes(&local, "buffer_size_kb", &[("100", busy)]);
    check_writes(&local, &format!("{CPU}buffer_size_kb"), &[("100", busy)]);
    local.truncate("free_buffer").unwrap();
    assert_eq!(read(&local, "buffer_size_kb"), "1410");
    drop(all);
    let one = local.open(&format!("{CPU}trace"), READ).unwrap();
    check_writes(&local, "buffer_size_kb", &[("100", busy), ("x", BAD)]);
    check_writes(&local, &format!("{CPU}buffer_size_kb"), &[("100", busy)]);
    if cpu1 {
        check_writes(&local, "per_cpu/cpu1/buffer_size_kb", &[("100", Ok(3))]);
    }
    drop(one);
    // who writes or consumes keeps nothing
    let write = How { read: false, ..RW };
    let _open = [
        local.open("trace", write).unwrap(),
        local.open("trace_pipe", READ).unwrap(),
    ];
    check_writes(&local, "buffer_size_kb", &[("100", Ok(3))]);
    assert_eq!(read(&local, "buffer_size_kb"), "103");
}

#[test]
fn free_buffer() {
    let (tracing, local) = local();
    local.mkdir("instances/a").unwrap();
    mark_cpu0(&tracing, 20);
    let handle = local
        .open("free_buffer", How { read: false, ..RW })
        .unwrap();
    assert_eq!(local.write(&handle, b"1\n").unwrap(), 2);
    assert_eq!(read(&local, "buffer_size_kb"), "1410", "open");
    // one descriptor of several is closed
    handle.flush();
    assert_eq!(read(&local, "buffer_size_kb"), "1410", "a copy is closed");
    handle.flush();
    drop(handle);
    assert_eq!(read(&local, "buffer_size_kb"), "7", "closed");
    assert_eq!(read(&local, "tracing_on"), "1");
    assert_eq!(read(&local, "instances/a/buffer_size_kb"), "1410");
    // the newest events are those that stay
    let text = local.cat("trace").unwrap();
    let left = text.lines().filter(|l| !l.starts_with('#')).count();
    assert!((1..20).contains(&left), "{left}");

    local
        .echo("1", "instances/a/options/disable_on_free")
        .unwrap();
    local.truncate("instances/a/free_buffer").unwrap();
    assert_eq!(read(&local, "instances/a/buffer_size_kb"), "7");
    assert_eq!(read(&local, "instances/a/tracing_on"), "0");
    assert_eq!(read(&local, "tracing_on"), "1");
    let handle = local.open("free_buffer", RW).unwrap();
    assert_eq!(errno(local.read(&handle, 0, 1)), Some(Errno::EINVAL));
}

#[test]
fn percent_decides_who_is_woken() {
    let (tracing, local) = local();
    local.echo("40", "buffer_size_kb").unwrap();
    let pipes = ["trace_pipe_raw", "trace_pipe"].map(|f| format!("{CPU}{f}"));
    let [raw, text] = &pipes.map(|p| local.open(&p, READ).unwrap());
    let all = local.open("trace_pipe_raw", READ);
    assert_eq!(errno(all), Some(Errno::ENOENT));
    let readable = || (raw.readable(), text.readable());
    let percent = |n: u32| local.echo(&n.to_string(), "buffer_percent").unwrap();
    assert_eq!(readable(), (Some(false), Some(false)), "empty at 50");
    percent(0);
    assert_eq!(readable(), (Some(false), Some(false)), "empty at 0");
    mark_cpu0(&tracing, 1);
    assert_eq!(readable(), (Some(true), Some(true)), "an event at 0");
    percent(50);
    assert_eq!(readable(), (Some(false), Some(false)), "an event at 50");
    let waits = raw.changed().unwrap();
    assert!(!waits.is_there());
    // 3 events a page, 11 pages
    mark_cpu0(&tracing, 16);
    assert_eq!(readable(), (Some(true), Some(true)), "half full");
    assert!(waits.is_there());
    percent(100);
    assert_eq!(readable(), (Some(false), Some(false)), "half full at 100");
    mark_cpu0(&tracing, 40);
    assert_eq!(readable(), (Some(true), Some(true)), "full");
}
