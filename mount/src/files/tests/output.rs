//! The files that show, take and carry events.

use super::*;

/// The lines of a trace behind its header, from the event's name on.
fn bodies(text: &str) -> Vec<String> {
    let events = text.lines().filter(|l| !l.starts_with('#'));
    events
        .map(|l| l.split_once(": ").map_or(l, |(_, body)| body).to_string())
        .collect()
}

#[test]
fn traces() {
    let (_, local) = local();
    assert_eq!(local.cat("trace").unwrap().lines().count(), 12);
    local.echo("1", "events/files_test/enable").unwrap();
    trace_one(1, "x");
    trace_two(2);
    let text = local.cat("trace").unwrap();
    assert_eq!(bodies(&text), ["one: a=1 s=x", "two: a=2"]);
    assert!(
        text.contains("entries-in-buffer/entries-written: 2/2"),
        "{text}"
    );
    assert_eq!(local.cat("trace").unwrap(), text, "reading takes nothing");
    // byte by byte the same, and on after the end
    let handle = local.open("trace", READ).unwrap();
    let mut all = Vec::new();
    while let piece = local.read(&handle, all.len() as u64, 1).unwrap()
        && !piece.is_empty()
    {
        all.extend(piece);
    }
    assert_eq!(String::from_utf8_lossy(&all), text);
    trace_two(3);
    let more = local.read(&handle, all.len() as u64, 4096).unwrap();
    assert_eq!(bodies(&String::from_utf8_lossy(&more)), ["two: a=3"]);
    assert_eq!(local.read(&handle, 0, 13).unwrap(), b"# tracer: nop");
    // per CPU, together what all have
    let per_cpu: Vec<_> = (0..cpu::possible())
        .flat_map(|c| bodies(&local.cat(&format!("per_cpu/cpu{c}/trace")).unwrap()))
        .collect();
    assert_eq!(per_cpu.len(), 3);
    // writing does nothing, opening with O_TRUNC for writing clears
    local.append("0", "trace").unwrap();
    drop(
        local
            .open(
                "trace",
                How {
                    truncate: true,
                    ..READ
                },
            )
            .unwrap(),
    );
    assert_eq!(bodies(&local.cat("trace").unwrap()).len(), 3);
    local.echo("", "trace").unwrap();
    assert_eq!(bodies(&local.cat("trace").unwrap()).len(), 0);
    trace_two(4);
    for c in 0..cpu::possible() {
        local.truncate(&format!("per_cpu/cpu{c}/trace")).unwrap();
    }
    assert_eq!(bodies(&local.cat("trace").unwrap()).len(), 0);
    local.echo("0", "tracing_on").unwrap();
    trace_two(5);
    assert_eq!(bodies(&local.cat("trace").unwrap()).len(), 0);
    // nothing is recorded while a reader is there, if that is wanted
    local.echo("1", "tracing_on").unwrap();
    local.echo("1", "options/pause-on-trace").unwrap();
    let handle = local.open("trace", READ).unwrap();
    trace_two(6);
    assert_eq!(local.cat("tracing_on").unwrap(), "1\n");
    drop(handle);
    trace_two(7);
    assert_eq!(bodies(&local.cat("trace").unwrap()), ["two: a=7"]);
}

#[test]
fn pipes() {
    let (_, local) = local();
    local.echo("1", "events/files_test/two/enable").unwrap();
    assert_eq!(errno(local.cat("trace_pipe")), Some(Errno::EAGAIN));
    for i in 0..3 {
        trace_two(i);
    }
    let pipe = local.open("trace_pipe", READ).unwrap();
    for taken in ["trace_pipe", "per_cpu/cpu0/trace_pipe"] {
        assert_eq!(
            errno(local.open(taken, READ)),
            Some(Errno::EBUSY),
            "{taken}"
        );
    }
    assert_eq!(
        (pipe.readable(), pipe.seek(), pipe.wants_flush()),
        (Some(true), Seek::None, true)
    );
    // an event's text over several reads, then whole events
    let first = local.read(&pipe, 0, 10).unwrap();
    let rest = local.read_to_end(&pipe).unwrap();
    let text = String::from_utf8([first, rest].concat()).unwrap();
    assert_eq!(bodies(&text), ["two: a=0", "two: a=1", "two: a=2"]);
    assert_eq!(
        bodies(&local.cat("trace").unwrap()).len(),
        0,
        "taken is gone"
    );
    assert_eq!(
        (pipe.readable(), errno(local.read(&pipe, 0, 100))),
        (Some(false), Some(Errno::EAGAIN))
    );
    // who had something finds the end once tracing is off; who waits is called
    let Got::Block(wait) = pipe.read(0, 100, &mut |_| panic!("nothing there")).unwrap() else {
        panic!("it waits")
    };
    let polled = pipe.changed().unwrap();
    assert!(!wait.is_there() && !polled.is_there());
    local.echo("0", "tracing_on").unwrap();
    assert!(wait.is_there() && polled.is_there());
    assert_eq!(local.read(&pipe, 0, 100).unwrap(), b"");
    drop(pipe);
    let pipe = local.open("trace_pipe", READ).unwrap();
    assert_eq!(
        errno(local.read(&pipe, 0, 100)),
        Some(Errno::EAGAIN),
        "who had nothing waits"
    );
    drop(pipe);
    local.echo("1", "tracing_on").unwrap();
    // an event without any text is taken all the same
    local.echo("1", "options/printk-msg-only").unwrap();
    local.put(b"\0", "trace_marker", false).unwrap();
    let pipe = local.open("trace_pipe", READ).unwrap();
    assert_eq!(errno(local.read(&pipe, 0, 100)), Some(Errno::EAGAIN));
    drop(pipe);
    local.echo("0", "options/printk-msg-only").unwrap();
    assert_eq!(bodies(&local.cat("trace").unwrap()).len(), 0);
    // each CPU has a reader, all together then have none
    let cpus: Vec<Handle> = (0..cpu::possible())
        .map(|c| {
            local
                .open(&format!("per_cpu/cpu{c}/trace_pipe"), READ)
                .unwrap()
        })
        .collect();
    assert_eq!(errno(local.open("trace_pipe", READ)), Some(Errno::EBUSY));
    trace_two(9);
    assert_eq!(
        cpus.iter()
            .filter(|h| local.read(h, 0, 100).is_ok())
            .count(),
        1
    );
    check_writes(&local, "instances", &[]);
    let handle = cpus.into_iter().next().unwrap();
    assert_eq!(errno(local.write(&handle, b"x")), Some(Errno::EBADF));
}

#[test]
fn raw_pages() {
    let (_, local) = local();
    local.echo("1", "events/files_test/two/enable").unwrap();
    let c = cpu::current();
    // on one CPU, whichever the thread is moved to
    let task = Task::new(77, 77, "raw").with_place(utracefs::base::task::Place {
        cpu: Some(c as u32),
        ..Default::default()
    });
    let path = format!("per_cpu/cpu{c}/trace_pipe_raw");
    let raw = local.open(&path, READ).unwrap();
    assert_eq!(errno(local.read(&raw, 0, 4096)), Some(Errno::EAGAIN));
    assert_eq!(
        errno(raw.read_page(4096, &mut |_| panic!("no page"))),
        Some(Errno::EAGAIN)
    );
    task.run(|| trace_two(1));
    let page = local.read(&raw, 0, 65536).unwrap();
    assert_eq!(page.len(), 4096);
    let commit = u64::from_ne_bytes(page[8..16].try_into().unwrap());
    assert!(
        (16..=24).contains(&commit) && page[16 + commit as usize..].iter().all(|b| *b == 0),
        "{commit}"
    );
    assert_eq!(errno(local.read(&raw, 0, 4096)), Some(Errno::EAGAIN));
    // a page that still fills is not for splice, nor for poll
    task.run(|| trace_two(2));
    assert_eq!(
        (
            raw.readable(),
            errno(raw.read_page(4096, &mut |_| panic!("not full")))
        ),
        (Some(false), Some(Errno::EAGAIN))
    );
    local
        .echo("32", &format!("per_cpu/cpu{c}/buffer_size_kb"))
        .unwrap();
    task.run(|| (0..1500).for_each(trace_two));
    assert_eq!(raw.readable(), Some(true));
    let mut pages = 0;
    while raw
        .read_page(4096, &mut |p| assert_eq!(p.len(), 4096))
        .is_ok()
    {
        pages += 1;
    }
    assert!(pages >= 4, "{pages} pages");
    assert_eq!(errno(raw.ioctl(1)), Some(Errno::ENOTTY));
    let polled = raw.changed().unwrap();
    raw.ioctl(0).unwrap();
    assert!(polled.is_there());
}

#[test]
fn markers() {
    let (_, local) = local();
    let me = std::process::id();
    let texts = [
        ("a\n", "a"),
        ("b", "b"),
        ("two\nlines\n", "two"),
        ("%s \x1b\u{e9}", "%s \x1b\u{e9}"),
        ("", ""),
    ];
    for (input, _) in texts {
        let handle = local
            .open(
                "trace_marker",
                How {
                    write: true,
                    ..How::default()
                },
            )
            .unwrap();
        assert_eq!(local.write(&handle, input.as_bytes()).unwrap(), input.len());
    }
    let text = local.cat("trace").unwrap();
    for (input, shown) in texts {
        let line = format!("tracing_mark_write: {shown}\n");
        assert!(text.contains(&line), "{input:?} in {text}");
    }
    assert_eq!(
        text.matches(&format!("<...>-{me:<7} [")).count(),
        5,
        "{text}"
    );
    assert!(text.contains(" ...1. "), "{text}");
    // longer than an event can be
    local.truncate("trace").unwrap();
    let handle = local
        .open(
            "trace_marker",
            How {
                write: true,
                ..How::default()
            },
        )
        .unwrap();
    assert_eq!(local.write(&handle, &[b'x'; 5000]).unwrap(), 4054);
    local.put(&[b'y'; 5000], "trace_marker", true).unwrap();
    assert_eq!(
        bodies(&local.cat("trace").unwrap())
            .iter()
            .map(|b| b.len() - 20)
            .collect::<Vec<_>>(),
        [4054, 4054, 946]
    );
    assert_eq!(
        errno(
            local
                .open("trace_marker", RW)
                .and_then(|h| local.read(&h, 0, 1))
        ),
        Some(Errno::EINVAL)
    );
    local.echo("0", "options/markers").unwrap();
    check_writes(&local, "trace_marker", &[("x", Err(Errno::EINVAL))]);
    local.echo("1", "options/markers").unwrap();
    local.echo("0", "tracing_on").unwrap();
    check_writes(&local, "trace_marker", &[("x", Err(Errno::EBADF))]);
}

#[test]
fn cmdlines() {
    let (_, local) = local();
    local.echo("mark", "trace_marker").unwrap();
    assert_eq!(
        local.cat("saved_cmdlines").unwrap(),
        "",
        "marks alone name nobody"
    );
    local.echo("1", "events/files_test/two/enable").unwrap();
    for (pid, name) in [(70001, "first"), (70002, "with blank"), (70001, "first")] {
        Task::new(pid, pid, name).run(|| trace_two(0));
    }
    assert_eq!(
        local.cat("saved_cmdlines").unwrap(),
        "70001 first\n70002 with blank\n"
    );
    assert!(
        local
            .cat("trace")
            .unwrap()
            .contains("      with blank-70002   [")
    );
    check_writes(&local, "saved_cmdlines", &[("1", Err(Errno::EINVAL))]);
}

#[test]
fn instances() {
    let (tracing, local) = local();
    local.mkdir("instances/a").unwrap();
    local
        .echo("1", "instances/a/events/files_test/two/enable")
        .unwrap();
    trace_two(1);
    assert_eq!(
        (
            bodies(&local.cat("instances/a/trace").unwrap()).len(),
            bodies(&local.cat("trace").unwrap()).len()
        ),
        (1, 0)
    );
    let holding = [
        "trace",
        "trace_pipe",
        "trace_marker",
        "tracing_on",
        "set_event",
        "buffer_size_kb",
        "buffer_total_size_kb",
        "current_tracer",
        "available_tracers",
        "trace_clock",
        "trace_options",
        "trace_marker_raw",
        "free_buffer",
        "buffer_percent",
        "buffer_subbuf_size_kb",
        "timestamp_mode",
        "tracing_cpumask",
        "set_event_pid",
        "set_event_notrace_pid",
        "error_log",
        "per_cpu/cpu0/stats",
        "per_cpu/cpu0/trace_pipe_raw",
        "per_cpu/cpu0/trace",
        "per_cpu/cpu0/trace_pipe",
        "per_cpu/cpu0/buffer_size_kb",
        "events/header_page",
        "events/header_event",
        "events/enable",
        "events/files_test/enable",
        "events/files_test/filter",
        "events/files_test/two/enable",
        "events/files_test/two/filter",
    ];
    for path in holding {
        let handle = local.open(&format!("instances/a/{path}"), RW).unwrap();
        assert_eq!(
            errno(local.rmdir("instances/a")),
            Some(Errno::EBUSY),
            "{path}"
        );
        drop(handle);
    }
    let free = [
        "events/files_test/two/format",
        "events/files_test/two/id",
        "options/overwrite",
    ];
    let open: Vec<_> = free
        .map(|path| local.open(&format!("instances/a/{path}"), RW).unwrap())
        .into();
    local.rmdir("instances/a").unwrap();
    drop(open);
    trace_two(2);
    // any name will do; what is made by other ways shows as well
    for name in ["with blank", "*", "\u{fc}", "trace", "new\nline"] {
        local.mkdir(&format!("instances/{name}")).unwrap();
        assert_eq!(
            local.cat(&format!("instances/{name}/tracing_on")).unwrap(),
            "1\n"
        );
    }
    tracing.make(b"other").unwrap();
    assert_eq!(
        local.ls("instances").unwrap(),
        ["other", "new\nline", "trace", "\u{fc}", "*", "with blank"]
    );
    tracing.remove(b"trace").unwrap();
    assert_eq!(
        errno(local.stat("instances/trace/tracing_on")),
        Some(Errno::ENOENT)
    );
    for name in local.ls("instances").unwrap() {
        local.rmdir(&format!("instances/{name}")).unwrap();
    }
    assert_eq!(
        (
            tracing.instances().len(),
            local.ls("instances").unwrap().len()
        ),
        (0, 0)
    );
}
