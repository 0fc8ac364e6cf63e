//! `trace_options` and `options/`, and what of an option does not show in the text of a trace.

use super::*;

#[test]
fn options() {
    let (_, local) = local();
    let text = local.cat("trace_options").unwrap();
    assert!(
        text.contains("\noverwrite\n") && text.contains("\nnorecord-tgid\n"),
        "{text}"
    );
    check_numbers(&local, "options/overwrite", false);
    local.echo("0", "options/overwrite").unwrap();
    local.echo("1", "options/record-tgid").unwrap();
    let text = local.cat("trace_options").unwrap();
    assert!(
        text.contains("\nnooverwrite\n") && text.contains("\nrecord-tgid\n"),
        "{text}"
    );
    local.echo("overwrite", "trace_options").unwrap();
    local.echo(" norecord-tgid ", "trace_options").unwrap();
    assert_eq!(
        (
            local.cat("options/overwrite").unwrap(),
            local.cat("options/record-tgid").unwrap()
        ),
        ("1\n".into(), "0\n".into())
    );
    let bad = Err(Errno::EINVAL);
    check_writes(
        &local,
        "trace_options",
        &[
            ("", bad),
            ("function-trace", bad),
            ("nono", bad),
            ("test_nop_refuse", bad),
            ("notest_nop_refuse", bad),
            ("Overwrite", bad),
            ("overwrite=1", bad),
            ("markers overwrite", bad),
        ],
    );
    // an instance starts with the top level's, and goes its own way
    local.echo("0", "options/markers").unwrap();
    local.mkdir("instances/a").unwrap();
    assert_eq!(local.cat("instances/a/options/markers").unwrap(), "0\n");
    local
        .echo("norecord-cmd", "instances/a/trace_options")
        .unwrap();
    assert_eq!(local.cat("options/record-cmd").unwrap(), "1\n");
    assert!(
        local
            .cat("instances/a/trace_options")
            .unwrap()
            .contains("\nnorecord-cmd\n")
    );
}

#[test]
fn all_options() {
    let (_, local) = local();
    let list = "print-parent nosym-offset nosym-addr noverbose noraw nohex nobin noblock nofields trace_printk annotate \
        nouserstacktrace nosym-userobj noprintk-msg-only context-info nolatency-format record-cmd norecord-tgid overwrite \
        nodisable_on_free irq-info markers noevent-fork trace_printk_dest copy_trace_marker nopause-on-trace hash-ptr \
        nostacktrace notest_nop_accept notest_nop_refuse";
    let words = |path: &str| {
        local
            .cat(path)
            .unwrap()
            .replace('\n', " ")
            .trim_end()
            .to_string()
    };
    assert_eq!(words("trace_options"), list);
    local.mkdir("instances/a").unwrap();
    let in_instance = list
        .replace(" trace_printk_dest", " notrace_printk_dest")
        .replace(" copy_trace_marker", " nocopy_trace_marker");
    assert_eq!(words("instances/a/trace_options"), in_instance);
    for word in list.split(' ') {
        let name = word.strip_prefix("no").unwrap_or(word);
        let value = if name == word { "1\n" } else { "0\n" };
        assert_eq!(
            local.cat(&format!("options/{name}")).unwrap(),
            value,
            "{name}"
        );
        let at_top_only = ["trace_printk", "printk-msg-only", "record-cmd"].contains(&name);
        let there = local.stat(&format!("instances/a/options/{name}")).is_ok();
        assert_eq!(there, !at_top_only, "{name}");
        // the second moves only when another instance takes it
        if ["test_nop_refuse", "trace_printk_dest"].contains(&name) {
            continue;
        }
        let opposite = match word.strip_prefix("no") {
            Some(name) => name.to_string(),
            None => format!("no{word}"),
        };
        local.echo(&opposite, "trace_options").unwrap();
        let now = words("trace_options");
        assert!(now.split(' ').any(|w| w == opposite), "{opposite}: {now}");
    }
    // a new instance takes over all but what is the top level's own business
    local.echo("1", "options/copy_trace_marker").unwrap();
    local.mkdir("instances/b").unwrap();
    let (top, new) = (words("trace_options"), words("instances/b/trace_options"));
    for (top, new) in top.split(' ').zip(new.split(' ')) {
        let own = ["event-fork", "copy_trace_marker", "trace_printk_dest"];
        match own.iter().find(|o| top.ends_with(**o)) {
            Some(name) => assert_eq!(new, format!("no{name}")),
            None => assert_eq!(new, top),
        }
    }
}

#[test]
fn the_tracers_own() {
    let (_, local) = local();
    local.mkdir("instances/a").unwrap();
    // one value for all
    local
        .echo("1", "instances/a/options/test_nop_accept")
        .unwrap();
    assert_eq!(local.cat("options/test_nop_accept").unwrap(), "1\n");
    check_writes(
        &local,
        "options/test_nop_refuse",
        &[
            ("1", Err(Errno::EINVAL)),
            ("0", Ok(1)),
            ("2", Err(Errno::EINVAL)),
        ],
    );
    assert_eq!(local.cat("options/test_nop_refuse").unwrap(), "0\n");
}

#[test]
fn block() {
    let (_, local) = local();
    let files = ["trace_pipe", "per_cpu/cpu0/trace_pipe_raw"];
    for file in files {
        let handle = local.open(file, READ).unwrap();
        assert_eq!(handle.readable(), Some(false), "{file}");
        local.echo("1", "options/block").unwrap();
        assert_eq!(handle.readable(), Some(true), "{file}");
        local.echo("0", "options/block").unwrap();
    }
}

#[test]
fn latency_format_is_fixed_at_open() {
    let (_, local) = local();
    local.echo("1", "options/latency-format").unwrap();
    let empty = local.cat("trace").unwrap();
    assert_eq!(empty, "# tracer: nop\n#\n");
    local.echo("1", "events/files_test/two/enable").unwrap();
    trace_two(1);
    trace_two(2);
    let (trace, pipe) = (
        local.open("trace", READ).unwrap(),
        local.open("trace_pipe", READ).unwrap(),
    );
    local.echo("0", "options/latency-format").unwrap();
    for handle in [trace, pipe] {
        let text = String::from_utf8(local.read(&handle, 0, 8192).unwrap()).unwrap();
        let events: Vec<_> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(events.len(), 2, "{text}");
        for line in events {
            assert!(
                line.contains("us : two: a=") || line.contains("us+: two: a="),
                "{line}"
            );
        }
    }
    let pipe = local.open("trace_pipe", READ).unwrap();
    trace_two(3);
    local.echo("raw", "trace_options").unwrap();
    local.echo("nocontext-info", "trace_options").unwrap();
    let id = local.cat("events/files_test/two/id").unwrap();
    assert_eq!(
        local.read(&pipe, 0, 100).unwrap(),
        format!("type: {id}").as_bytes()
    );
    // other options take effect with the next read
    local.echo("noraw", "trace_options").unwrap();
    local.echo("fields", "trace_options").unwrap();
    trace_two(4);
    assert_eq!(local.read(&pipe, 0, 100).unwrap(), b"two: a=0x4 (4)\n");
}

#[test]
fn user_stacks() {
    let (_, local) = local();
    local.echo("1", "options/userstacktrace").unwrap();
    local.echo("1", "events/files_test/two/enable").unwrap();
    trace_two(1);
    local.echo("0", "options/userstacktrace").unwrap();
    trace_two(2);
    let count = |text: &str, what: &str| text.lines().filter(|l| l.contains(what)).count();
    let text = local.cat("trace").unwrap();
    assert_eq!(count(&text, "<user stack trace>"), 1, "{text}");
    assert!(count(&text, " =>  <0000") > 2, "{text}");
    local.echo("1", "options/sym-userobj").unwrap();
    let text = local.cat("trace").unwrap();
    let exe = std::env::current_exe().unwrap();
    assert!(
        count(&text, &format!(" => {}[+0x", exe.display())) > 2,
        "{text}"
    );
    assert_eq!(count(&text, "] <0000"), 0, "{text}");
    local.echo("1", "options/sym-addr").unwrap();
    let text = local.cat("trace").unwrap();
    assert!(count(&text, "] <0000") > 2, "{text}");
    // an instance made now has the option and what comes of it
    local.echo("1", "options/stacktrace").unwrap();
    local.echo("1", "options/sym-offset").unwrap();
    local.mkdir("instances/a").unwrap();
    local
        .echo("1", "instances/a/events/files_test/two/enable")
        .unwrap();
    trace_two(3);
    let text = local.cat("instances/a/trace").unwrap();
    assert!(
        count(&text, "<stack trace>") == 1 && text.contains("user_stacks+0x"),
        "{text}"
    );
    local.echo("0", "instances/a/events/enable").unwrap();
}
