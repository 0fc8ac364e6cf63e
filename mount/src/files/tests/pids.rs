//! `set_event_pid` and `set_event_notrace_pid`; who is recorded by them is tested where it is decided.

use super::*;

const FILES: [&str; 2] = ["set_event_pid", "set_event_notrace_pid"];

#[test]
fn lists() {
    let (_, local) = local();
    let bad = Err(Errno::EINVAL);
    for file in FILES {
        assert_eq!(local.stat(file).unwrap().mode, 0o640);
        assert_eq!(local.open(file, RW).unwrap().seek(), Seek::NoEnd);
        let read = || local.cat(file).unwrap().replace('\n', " ");
        assert_eq!(read(), "");
        check_writes(
            &local,
            file,
            &[
                ("", Ok(0)),
                (" \n", Ok(2)),
                ("7", Ok(1)),
                ("3 0x10\t010\n7", Ok(12)),
                ("abc", bad),
                ("1 abc", bad),
                ("-1", bad),
                ("1,2", bad),
                ("!7", bad),
                ("1073741823", Ok(10)),
                ("1073741824", Err(Errno::EPERM)),
                ("5 1073741824", Err(Errno::EPERM)),
                ("\0", Ok(1)),
                ("0\0 9", Ok(4)),
                ("\0 10", Ok(1)),
            ],
        );
        assert_eq!(read(), "0 3 7 8 9 16 1073741823 ");
        // one write without O_TRUNC adds, with it the list is new, or empty if that fails
        local.append("4", file).unwrap();
        local.echo("", file).unwrap();
        assert_eq!(read(), "");
        local.echo("4 5", file).unwrap();
        assert_eq!(read(), "4 5 ");
        assert_eq!(errno(local.echo("x", file)), Some(Errno::EINVAL));
        assert_eq!(read(), "");
        // long lists, and short reads of them
        let many: String = (1..=3000).map(|n| format!("{} ", n * 7919)).collect();
        local.put(many.as_bytes(), file, true).unwrap();
        assert_eq!(read(), many);
        let (handle, mut text) = (local.open(file, READ).unwrap(), Vec::new());
        loop {
            let more = local.read(&handle, text.len() as u64, 7).unwrap();
            if more.is_empty() {
                break;
            }
            text.extend(more);
        }
        assert_eq!(String::from_utf8(text).unwrap().replace('\n', " "), many);
        local.mkdir("instances/a").unwrap();
        assert_eq!(local.cat(&format!("instances/a/{file}")).unwrap(), "");
        local.rmdir("instances/a").unwrap();
        local.truncate(file).unwrap();
        assert_eq!(read(), "");
    }
}
