//! Files with a setting each, and the options that go with them.

use super::*;

const BAD: std::result::Result<usize, Errno> = Err(Errno::EINVAL);

fn modes(local: &Local, files: &[(&str, u16, Seek)]) {
    for (path, mode, seek) in files {
        assert_eq!(local.stat(path).unwrap().mode, *mode, "{path}");
        assert_eq!(local.open(path, RW).unwrap().seek(), *seek, "{path}");
    }
}

/// Events in `trace` of the top level and of instances `a` and `b`; clears them.
fn counts(local: &Local) -> [usize; 3] {
    ["", "instances/a/", "instances/b/"].map(|dir| {
        let path = format!("{dir}trace");
        let text = local.cat(&path).unwrap();
        local.truncate(&path).unwrap();
        text.lines().filter(|l| !l.starts_with('#')).count()
    })
}

#[test]
fn modes_and_seeks() {
    let (_, local) = local();
    local.mkdir("instances/a").unwrap();
    for dir in ["", "instances/a/"] {
        modes(
            &local,
            &[
                (&format!("{dir}buffer_percent"), 0o640, Seek::Plain),
                (&format!("{dir}buffer_subbuf_size_kb"), 0o640, Seek::Plain),
                (&format!("{dir}tracing_cpumask"), 0o640, Seek::Plain),
                (&format!("{dir}timestamp_mode"), 0o440, Seek::NoEnd),
                (&format!("{dir}trace_marker_raw"), 0o220, Seek::None),
                (&format!("{dir}free_buffer"), 0o200, Seek::None),
            ],
        );
    }
    modes(
        &local,
        &[
            ("printk_formats", 0o440, Seek::NoEnd),
            ("saved_cmdlines_size", 0o640, Seek::Forward),
            ("saved_tgids", 0o440, Seek::NoEnd),
            ("tracing_thresh", 0o640, Seek::Plain),
        ],
    );
    for top_only in [
        "printk_formats",
        "saved_cmdlines_size",
        "saved_tgids",
        "tracing_thresh",
    ] {
        let path = format!("instances/a/{top_only}");
        assert_eq!(errno(local.stat(&path)), Some(Errno::ENOENT), "{path}");
    }
}

#[test]
fn plain_numbers() {
    let (_, local) = local();
    check_numbers(&local, "buffer_percent", true);
    let mut writes = vec![
        ("0", Ok(1)),
        ("100", Ok(3)),
        ("101", BAD),
        ("4294967296", BAD),
    ];
    check_writes(&local, "buffer_percent", &writes);
    assert_eq!(local.cat("buffer_percent").unwrap(), "100\n");
    local.mkdir("instances/a").unwrap();
    assert_eq!(local.cat("instances/a/buffer_percent").unwrap(), "50\n");

    check_numbers(&local, "tracing_thresh", true);
    writes = vec![("18446744073709551", Ok(17)), ("x", BAD)];
    check_writes(&local, "tracing_thresh", &writes);
    assert_eq!(local.cat("tracing_thresh").unwrap(), "18446744073709551\n");
    // nanoseconds inside
    local.echo("18446744073709552", "tracing_thresh").unwrap();
    assert_eq!(local.cat("tracing_thresh").unwrap(), "0\n");

    assert_eq!(local.cat("timestamp_mode").unwrap(), "[delta] absolute\n");
    check_writes(&local, "timestamp_mode", &[("1", BAD), ("delta", BAD)]);
    assert_eq!(local.cat("printk_formats").unwrap(), "");
    check_writes(&local, "printk_formats", &[("1", BAD)]);
}

#[test]
fn saved_names() {
    let (_, local) = local();
    assert_eq!(local.cat("saved_cmdlines_size").unwrap(), "6552\n");
    let task = Task::new(4711, 4700, "green");
    local.echo("1", "events/files_test/two/enable").unwrap();
    task.run(|| trace_two(1));
    assert!(
        local
            .cat("saved_cmdlines")
            .unwrap()
            .contains("4711 green\n")
    );
    assert_eq!(local.cat("saved_tgids").unwrap(), "");
    local.echo("1", "options/record-tgid").unwrap();
    task.run(|| trace_two(2));
    Task::new(99, 99, "other").run(|| trace_two(3));
    assert_eq!(local.cat("saved_tgids").unwrap(), "99 99\n4711 4700\n");
    // what is known stays
    local.echo("0", "options/record-tgid").unwrap();
    let inputs = [
        ("0", BAD),
        ("32769", BAD),
        ("4294967296", BAD),
        ("", BAD),
        ("x", BAD),
    ];
    check_writes(&local, "saved_cmdlines_size", &inputs);
    assert_eq!(local.cat("saved_tgids").unwrap(), "99 99\n4711 4700\n");
    assert!(
        local
            .cat("saved_cmdlines")
            .unwrap()
            .contains("4711 green\n")
    );
    // a new size forgets the names, and no pid's process
    check_writes(&local, "saved_cmdlines_size", &[("32768", Ok(5))]);
    assert_eq!(local.cat("saved_cmdlines_size").unwrap(), "32768\n");
    assert_eq!(local.cat("saved_cmdlines").unwrap(), "");
    assert_eq!(local.cat("saved_tgids").unwrap(), "99 99\n4711 4700\n");
    assert!(
        local
            .cat("trace")
            .unwrap()
            .contains("           <...>-4711 ")
    );
    local.echo("1", "saved_cmdlines_size").unwrap();
    assert_eq!(local.cat("saved_cmdlines_size").unwrap(), "6552\n");
}

#[test]
fn cpumask() {
    let (_, local) = local();
    let all = cpu::CpuMask::all(cpu::possible()).text() + "\n";
    assert_eq!(local.cat("tracing_cpumask").unwrap(), all);
    // a read takes the text whole or not at all
    let handle = local.open("tracing_cpumask", READ).unwrap();
    assert_eq!(errno(local.read(&handle, 0, 1)), Some(Errno::EINVAL));
    assert_eq!(
        errno(local.read(&handle, 0, all.len())),
        Some(Errno::EINVAL)
    );
    assert_eq!(
        local.read(&handle, 0, all.len() + 1).unwrap(),
        all.as_bytes()
    );
    check_writes(
        &local,
        "tracing_cpumask",
        &[
            ("", BAD),
            ("0x1", BAD),
            ("-1", BAD),
            ("Y", BAD),
            (" 1 ", Ok(3)),
            ("1\n0\n", Ok(4)),
            ("fffffffffffffffffffffffffffffffff", Err(Errno::EOVERFLOW)),
        ],
    );
    if cpu::possible() <= 4 {
        assert_eq!(local.cat("tracing_cpumask").unwrap(), "1\n");
    }
    local.mkdir("instances/a").unwrap();
    assert_eq!(local.cat("instances/a/tracing_cpumask").unwrap(), all);
    // nothing comes from CPUs that are not in it
    local.echo("0", "tracing_cpumask").unwrap();
    local.echo("1", "events/files_test/two/enable").unwrap();
    trace_two(1);
    assert_eq!(errno(local.echo("x", "trace_marker")), Some(Errno::EBADF));
    assert!(local.cat("trace").unwrap().ends_with("|         |\n"));
    local.echo(all.trim_end(), "tracing_cpumask").unwrap();
    trace_two(2);
    local.echo("x", "trace_marker").unwrap();
    let text = local.cat("trace").unwrap();
    assert!(
        text.contains(": two: a=2\n") && !text.contains("a=1"),
        "{text}"
    );
    assert!(text.contains(": tracing_mark_write: x\n"), "{text}");
}

#[test]
fn raw_markers() {
    let (_, local) = local();
    let most = "a".repeat(4064);
    let more = "a".repeat(4065);
    check_writes(
        &local,
        "trace_marker_raw",
        &[
            ("", BAD),
            ("abc", BAD),
            ("\x34\x12\0\0abcdef", Ok(10)),
            ("abcd", Ok(4)),
            (&most, Ok(4064)),
            (&more, BAD),
        ],
    );
    let text = local.cat("trace").unwrap();
    assert!(
        text.contains(": # 1234 buf: 61 62 63 64 65 66 00 00\n"),
        "{text}"
    );
    assert!(text.contains(": # 64636261 buf:\n"), "{text}");
    // no line is longer than what the kernel makes lines in
    let long = text
        .lines()
        .find(|l| l.contains(": # 61616161 buf: 61 61 61 "));
    assert!((8153..8156).contains(&long.unwrap().len()), "{text}");
    assert!(!text.ends_with('\n') && text.ends_with(" 61"), "{text}");
    local.echo("0", "tracing_on").unwrap();
    check_writes(
        &local,
        "trace_marker_raw",
        &[("abc", BAD), ("abcd", Err(Errno::EBADF))],
    );
    local.echo("1", "tracing_on").unwrap();
    local.echo("0", "options/markers").unwrap();
    check_writes(&local, "trace_marker_raw", &[("abcd", BAD)]);
    check_writes(&local, "trace_marker", &[("abcd", BAD)]);
    let handle = local.open("trace_marker_raw", READ).unwrap();
    assert_eq!(errno(local.read(&handle, 0, 1)), Some(Errno::EINVAL));
}

#[test]
fn copied_markers() {
    let (_, local) = local();
    local.mkdir("instances/a").unwrap();
    local.mkdir("instances/b").unwrap();
    let option = |dir: &str, on: u8| {
        local
            .echo(&on.to_string(), &format!("{dir}options/copy_trace_marker"))
            .unwrap();
    };
    let read = |path| local.cat(path).unwrap();
    assert_eq!(read("options/copy_trace_marker"), "1\n");
    assert_eq!(read("instances/a/options/copy_trace_marker"), "0\n");
    let write = |path: &str, expected, seen: [usize; 3]| {
        check_writes(&local, path, &[("hello", expected)]);
        assert_eq!(counts(&local), seen);
    };
    write("trace_marker", Ok(5), [1, 0, 0]);
    option("instances/a/", 1);
    write("trace_marker", Ok(5), [1, 1, 0]);
    write("trace_marker_raw", Ok(5), [1, 1, 0]);
    write("instances/a/trace_marker", Ok(5), [0, 1, 0]);
    option("instances/b/", 1);
    write("trace_marker", Ok(5), [1, 1, 1]);
    option("instances/b/", 0);
    // who refuses first, the newest one, decides
    local.echo("0", "instances/a/tracing_on").unwrap();
    write("trace_marker", Err(Errno::EBADF), [0, 0, 0]);
    local.echo("1", "instances/a/tracing_on").unwrap();
    local.echo("0", "tracing_on").unwrap();
    write("trace_marker", Err(Errno::EBADF), [0, 1, 0]);
    local.echo("1", "tracing_on").unwrap();
    // of the copies' own options none matters
    local.echo("0", "instances/a/options/markers").unwrap();
    write("trace_marker", Ok(5), [1, 1, 0]);
    // the top level is one of them
    option("", 0);
    write("trace_marker", Ok(5), [0, 1, 0]);
    option("instances/a/", 0);
    write("trace_marker", Err(Errno::ENODEV), [0, 0, 0]);
    option("", 1);
    option("instances/a/", 1);
    local.rmdir("instances/a").unwrap();
    local.mkdir("instances/a").unwrap();
    write("trace_marker", Ok(5), [1, 0, 0]);
}

#[test]
fn one_printk_dest() {
    let (_, local) = local();
    local.mkdir("instances/a").unwrap();
    local.mkdir("instances/b").unwrap();
    let file = |dir: &str| format!("{dir}options/trace_printk_dest");
    let dirs = ["", "instances/a/", "instances/b/"];
    let check = |dir: &str, input: &str, result, expected: [&str; 3]| {
        check_writes(&local, &file(dir), &[(input, result)]);
        let read = dirs.map(|dir| local.cat(&file(dir)).unwrap());
        assert_eq!(read, expected.map(|v| format!("{v}\n")), "{input} to {dir}");
    };
    check("", "0", BAD, ["1", "0", "0"]);
    check("instances/a/", "1", Ok(1), ["0", "1", "0"]);
    check("instances/b/", "1", Ok(1), ["0", "0", "1"]);
    check("instances/a/", "0", Ok(1), ["0", "0", "1"]);
    check("", "1", Ok(1), ["1", "0", "0"]);
    check("instances/b/", "1", Ok(1), ["0", "0", "1"]);
    check("instances/b/", "0", Ok(1), ["1", "0", "0"]);
    assert_eq!(
        errno(local.echo("notrace_printk_dest", "trace_options")),
        Some(Errno::EINVAL)
    );
    check("instances/a/", "1", Ok(1), ["0", "1", "0"]);
    local.rmdir("instances/a").unwrap();
    assert_eq!(local.cat(&file("")).unwrap(), "1\n");
}
