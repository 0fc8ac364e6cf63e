//! The rules of the layer, on a tree of toys that knows nothing of tracing.

mod toy;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use utracefs::base::error::{Errno, Result};

use super::*;
use crate::transport::local::Local;
pub(crate) use toy::*;

const RW: How = How {
    read: true,
    write: true,
    truncate: false,
    caller: Caller {
        pid: 0,
        uid: 0,
        gid: 0,
    },
};

fn errno<T>(r: Result<T>) -> Option<Errno> {
    r.err().map(|e| e.errno)
}

#[test]
fn values() {
    let (toys, local) = toys();
    let toy = &toys.top.0;
    local.echo("7", "number").unwrap();
    assert_eq!(local.cat("number").unwrap(), "7\n");
    // made by reads at 0 only
    let h = local.open("number", RW).unwrap();
    let before = toy.shown.load(Ordering::Relaxed);
    assert_eq!(local.read(&h, 1, 1).unwrap(), b"\n");
    *toy.number.lock() = 12;
    assert_eq!(local.read(&h, 0, 1).unwrap(), b"1");
    *toy.number.lock() = 3456;
    assert_eq!(local.read(&h, 1, 100).unwrap(), b"2\n");
    assert_eq!(local.read(&h, 3, 100).unwrap(), b"");
    assert_eq!(local.read(&h, u64::MAX, 100).unwrap(), b"");
    assert_eq!(local.read(&h, 0, 100).unwrap(), b"3456\n");
    assert_eq!(toy.shown.load(Ordering::Relaxed) - before, 3);
    // each write is a command
    assert_eq!(
        (
            local.write(&h, b"1").unwrap(),
            local.write(&h, b"2\0").unwrap()
        ),
        (1, 2)
    );
    assert_eq!(*toy.number.lock(), 2);
    for bad in ["", "x", "1 2"] {
        assert_eq!(
            errno(local.write(&h, bad.as_bytes())),
            Some(Errno::EINVAL),
            "{bad:?}"
        );
    }
    assert_eq!(
        *toy.errors.lock(),
        ["bad at 3 in ", "bad at 3 in x", "bad at 3 in 1 2"]
    );
    // read-only: root may open it for writing, but not write
    let h = local.open("once", RW).unwrap();
    assert_eq!(errno(local.write(&h, b"1")), Some(Errno::EINVAL));
    assert_eq!(
        (local.read(&h, 0, 6).unwrap(), local.read(&h, 6, 6).unwrap()),
        (b"twelve".to_vec(), vec![])
    );
    assert_eq!(local.read(&h, 0, 99).unwrap(), b"twelve bytes");
    let h = local
        .open(
            "number",
            How {
                read: true,
                ..How::default()
            },
        )
        .unwrap();
    assert_eq!(errno(local.write(&h, b"1")), Some(Errno::EBADF));
    assert_eq!(errno(h.ioctl(0)), Some(Errno::ENOTTY));
    assert_eq!((h.readable(), h.seek()), (None, Seek::Plain));
    assert_eq!(
        errno(h.read_page(4096, &mut |_| panic!("no page"))),
        Some(Errno::EINVAL)
    );
}

#[test]
fn lists() {
    let (toys, local) = toys();
    local.echo("one two  three", "words").unwrap();
    assert_eq!(local.cat("words").unwrap(), "one\ntwo\nthree\n");
    local.append("four", "words").unwrap();
    assert_eq!(
        errno(local.append("five bad six", "words")),
        Some(Errno::EINVAL)
    );
    assert_eq!(local.cat("words").unwrap(), "one\ntwo\nthree\nfour\nfive\n");
    let h = local.open("words", RW).unwrap();
    assert_eq!(local.write(&h, b"a b").unwrap(), 2);
    assert_eq!(local.write(&h, b"").unwrap(), 0);
    assert_eq!(
        (local.read(&h, 4, 3).unwrap(), h.seek()),
        (b"two".to_vec(), Seek::NoEnd)
    );
    // O_TRUNC clears if it is for writing, and before the write is looked at
    drop(local.open(
        "words",
        How {
            read: true,
            truncate: true,
            ..How::default()
        },
    ));
    assert_ne!(local.cat("words").unwrap(), "");
    assert_eq!(errno(local.echo("bad", "words")), Some(Errno::EINVAL));
    assert_eq!(local.cat("words").unwrap(), "");
    toys.top.0.words.lock().push("busy".into());
    assert_eq!(errno(local.truncate("words")), Some(Errno::EBUSY));
}

#[test]
fn traces_and_pipes() {
    let (toys, local) = toys();
    let toy = &toys.top.0;
    toy.push("one");
    toy.push("two");
    let look = local.open("look", RW).unwrap();
    assert_eq!(
        (
            local.read(&look, 0, 99).unwrap(),
            local.read(&look, 8, 99).unwrap()
        ),
        (b"one\ntwo\n".to_vec(), vec![])
    );
    toy.push("six");
    assert_eq!(local.read(&look, 8, 99).unwrap(), b"six\n");
    assert_eq!(local.write(&look, b"anything").unwrap(), 8);
    // takes whole lines until it has enough, hands them out in any size
    let take = local.open("take", RW).unwrap();
    assert_eq!(errno(local.open("take", RW)), Some(Errno::EBUSY));
    assert_eq!(
        (local.read(&take, 0, 2).unwrap(), toy.queue.lock().len()),
        (b"on".to_vec(), 2)
    );
    assert_eq!(
        (
            local.read(&take, 0, 99).unwrap(),
            local.read(&take, 77, 0).unwrap()
        ),
        (b"e\n".to_vec(), vec![])
    );
    assert_eq!(
        (take.readable(), local.read(&take, 5, 99).unwrap()),
        (Some(true), b"two\n".to_vec())
    );
    assert_eq!(local.read(&take, 5, 99).unwrap(), b"six\n");
    // `number` is 0: who had something finds the end, who had nothing waits
    assert_eq!(
        (take.readable(), local.read(&take, 0, 9).unwrap()),
        (Some(false), vec![])
    );
    *toy.number.lock() = 1;
    assert_eq!(errno(local.read(&take, 0, 9)), Some(Errno::EAGAIN));
    assert_eq!(errno(local.write(&take, b"x")), Some(Errno::EINVAL));
    drop(take);
    *toy.number.lock() = 0;
    let take = local.open("take", RW).unwrap();
    let Got::Block(wait) = take.read(0, 9, &mut |_| panic!("nothing there")).unwrap() else {
        panic!("it waits")
    };
    assert!(!wait.is_there());
    toy.push("ten");
    assert!(wait.is_there());
    // cleared by O_TRUNC
    local.truncate("look").unwrap();
    assert_eq!(local.cat("look").unwrap(), "");
}

#[test]
fn raw_pages() {
    let (toys, local) = toys();
    let toy = &toys.top.0;
    let (one, two) = (
        local.open("raw", RW).unwrap(),
        local.open("raw", RW).unwrap(),
    );
    let page = |h: &Handle| {
        let mut size = None;
        h.read_page(4096, &mut |b| size = Some((b.len(), b[0])))
            .map(|()| size.unwrap())
            .map_err(|e| e.errno)
    };
    assert_eq!(
        (errno(local.read(&one, 0, 4096)), page(&one)),
        (Some(Errno::EAGAIN), Err(Errno::EAGAIN))
    );
    [1, 2, 0].into_iter().for_each(|p| toy.push_page(p));
    // a short read leaves the rest of its page to its own descriptor
    assert_eq!(local.read(&one, 0, 96).unwrap(), [1; 96]);
    assert_eq!(local.read(&two, 0, 65536).unwrap(), [2; 4096]);
    assert_eq!(local.read(&one, 0, 65536).unwrap(), [1; 4000]);
    // a page that still fills is for read(2), not for splice(2)
    assert_eq!(
        (one.readable(), page(&one)),
        (Some(false), Err(Errno::EAGAIN))
    );
    assert_eq!(local.read(&one, 0, 4096).unwrap(), [0; 4096]);
    toy.push_page(3);
    assert_eq!((one.readable(), page(&one)), (Some(true), Ok((4096, 3))));
    assert_eq!(
        errno(one.read_page(100, &mut |_| panic!("not a page"))),
        Some(Errno::EINVAL)
    );
    // ioctl 0 wakes who waits; a close ends it
    let wait = |h: &Handle| match h.read(0, 4096, &mut |_| panic!("nothing there")).unwrap() {
        Got::Block(wait) => wait,
        Got::Data | Got::End => panic!("it waits"),
    };
    let waiting = wait(&one);
    assert_eq!(errno(one.ioctl(0x5220)), Some(Errno::ENOTTY));
    assert!(!waiting.is_there());
    two.ioctl(0).unwrap();
    assert!(waiting.is_there());
    assert_eq!(errno(local.read(&one, 0, 4096)), Some(Errno::EAGAIN));
    drop(waiting);
    two.flush();
    let waiting = wait(&one);
    one.flush();
    assert!(waiting.is_there());
    assert_eq!(local.read(&one, 0, 4096).unwrap(), []);
    drop(waiting);
    assert_eq!(errno(local.read(&one, 0, 4096)), Some(Errno::EAGAIN));
}

#[test]
fn sinks() {
    let (toys, local) = toys();
    local.echo("longer than eight", "mark").unwrap();
    let me = std::process::id();
    let expected: Vec<_> = [&b"longer t"[..], b"han eigh", b"t\n"]
        .map(|b| (me, b.to_vec()))
        .into();
    assert_eq!(*toys.top.0.marks.lock(), expected);
    let h = local.open("mark", RW).unwrap();
    assert_eq!(
        (errno(local.read(&h, 0, 9)), h.seek(), h.is_parallel()),
        (Some(Errno::EINVAL), Seek::None, true)
    );
}

#[test]
fn directories() {
    let (toys, local) = toys();
    let names = [
        "instances",
        "number",
        "once",
        "words",
        "look",
        "take",
        "raw",
        "mark",
        "digits",
        "letters",
    ];
    assert_eq!(local.ls("").unwrap(), names);
    assert_eq!(
        local.ls("letters/7").unwrap(),
        ["once", "9", "8", "7", "6", "5", "4", "3", "2", "1", "0"]
    );
    assert_eq!(local.cat("letters/7/3").unwrap(), "0\n");
    *toys.top.0.number.lock() = 99;
    assert_eq!(
        (errno(local.stat("once")), local.ls("").unwrap().len()),
        (Some(Errno::ENOENT), 9)
    );
    let (root, digits, letters) = (
        local.stat("").unwrap(),
        local.stat("digits").unwrap(),
        local.stat("letters").unwrap(),
    );
    assert_eq!((root.links, root.mode, root.id), (5, 0o700, NodeId::ROOT));
    assert_eq!(
        (digits.links, digits.mode, digits.kind),
        (1, 0o755, Kind::Dir)
    );
    assert_eq!((letters.links, local.stat("take").unwrap().links), (12, 1));
    assert_eq!(errno(local.open("digits", RW)), Some(Errno::EISDIR));
    assert_eq!(errno(local.open("", RW)), Some(Errno::EISDIR));
    assert_eq!(errno(local.stat("number/x")), Some(Errno::ENOTDIR));
    assert_eq!(
        errno(local.stat(&"x".repeat(256))),
        Some(Errno::ENAMETOOLONG)
    );
    for path in ["x", "letters/x", "digits/11", "events"] {
        assert_eq!(errno(local.stat(path)), Some(Errno::ENOENT), "{path}");
        assert_eq!(errno(local.mkdir(path)), Some(Errno::EPERM), "{path}");
        assert_eq!(errno(local.rmdir(path)), Some(Errno::ENOENT), "{path}");
    }
    for path in ["digits", "letters/7", "digits/3"] {
        assert_eq!(errno(local.mkdir(path)), Some(Errno::EEXIST), "{path}");
        assert_eq!(errno(local.rmdir(path)), Some(Errno::EPERM), "{path}");
    }
}

/// All nodes below a directory, with their paths.
fn walk(local: &Local, id: NodeId, path: &str, all: &mut Vec<(NodeId, String)>) {
    let mut here = Vec::new();
    local
        .fs()
        .list(id, 0, &mut |id, row| {
            here.push((
                id,
                format!("{path}/{}", String::from_utf8_lossy(row.name)),
                row.is_dir,
            ));
            true
        })
        .unwrap();
    for (id, path, is_dir) in here {
        all.push((id, path.clone()));
        if is_dir {
            walk(local, id, &path, all);
        }
    }
}

#[test]
fn numbers_are_one_to_one() {
    let (_, local) = toys();
    local.mkdir("instances/a").unwrap();
    local.mkdir("instances/b").unwrap();
    let mut all = Vec::new();
    walk(&local, NodeId::ROOT, "", &mut all);
    assert_eq!(all.len(), 1 + 2 + 3 * (9 + 11 + 10 * 12));
    for (id, path) in &all {
        let attr = local.stat(path).unwrap();
        assert_eq!(
            (attr.id, local.fs().attr(*id).unwrap()),
            (*id, attr),
            "{path}"
        );
    }
    all.sort();
    all.dedup_by_key(|(id, _)| *id);
    assert_eq!(all.len(), 1 + 2 + 3 * (9 + 11 + 10 * 12));
    // listing goes on at any cursor
    let mut names = Vec::new();
    let mut cursor = 0;
    while {
        let before = names.len();
        local
            .fs()
            .list(NodeId::ROOT, cursor, &mut |_, row| {
                (cursor, _) = (row.cursor, names.push(row.name.to_vec()));
                false
            })
            .unwrap();
        names.len() > before
    } {}
    assert_eq!(
        names
            .iter()
            .map(|n| String::from_utf8_lossy(n))
            .collect::<Vec<_>>(),
        local.ls("").unwrap()
    );
}

#[test]
fn instances() {
    let (toys, local) = toys();
    local.mkdir("instances/a").unwrap();
    assert_eq!(errno(local.mkdir("instances/a")), Some(Errno::EEXIST));
    assert_eq!(errno(local.mkdir("instances/a/b")), Some(Errno::EPERM));
    assert_eq!(
        errno(local.mkdir(&format!("instances/{}", "x".repeat(256)))),
        Some(Errno::ENAMETOOLONG)
    );
    assert_eq!(local.stat("instances").unwrap().links, 3);
    local.echo("5", "instances/a/number").unwrap();
    assert_eq!(
        (
            local.cat("number").unwrap(),
            local.cat("instances/a/number").unwrap()
        ),
        ("0\n".into(), "5\n".into())
    );
    let old = local.stat("instances/a/number").unwrap().id;
    // what keeps it
    let holding = local.open("instances/a/number", RW).unwrap();
    assert!(holding.wants_flush() && !local.open("number", RW).unwrap().wants_flush());
    assert_eq!(errno(local.rmdir("instances/a")), Some(Errno::EBUSY));
    drop(holding);
    let free = local.open("instances/a/once", RW).unwrap();
    local.rmdir("instances/a").unwrap();
    assert_eq!(local.read(&free, 0, 6).unwrap(), b"twelve");
    // a number is not used again
    local.mkdir("instances/a").unwrap();
    assert_eq!(
        (errno(local.fs().attr(old)), errno(local.fs().open(old, RW))),
        (Some(Errno::ENOENT), Some(Errno::ENOENT))
    );
    assert_ne!(local.stat("instances/a/number").unwrap().id, old);
    assert_eq!(toys.named.lock().len(), 1);
}

#[test]
fn a_release_under_way_is_waited_for() {
    let (_, local) = toys();
    local.mkdir("instances/a").unwrap();
    let release_later = |path: &str| {
        let handle = local.open(path, RW).unwrap();
        handle.flush();
        handle.flush();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(handle);
        })
    };
    let thread = release_later("take");
    drop(local.open("take", RW).unwrap());
    thread.join().unwrap();
    let thread = release_later("instances/a/number");
    local.rmdir("instances/a").unwrap();
    thread.join().unwrap();
    // another descriptor of it stays open: busy all the same
    let handle = local.open("take", RW).unwrap();
    handle.flush();
    assert_eq!(errno(local.open("take", RW)), Some(Errno::EBUSY));
    drop(handle);
    drop(local.open("take", RW).unwrap());
}

#[test]
fn attributes() {
    let (_, local) = toys();
    let fs = local.fs();
    let instances = local.stat("instances").unwrap().id;
    fs.set_attr(
        instances,
        &SetAttr {
            gid: Some(77),
            ..Default::default()
        },
    )
    .unwrap();
    local.mkdir("instances/a").unwrap();
    let owner = Owner { uid: 0, gid: 77 };
    assert_eq!(
        (
            local.stat("instances/a").unwrap().owner,
            local.stat("instances/a/digits/3").unwrap().owner
        ),
        (owner, owner)
    );
    assert_eq!(
        (
            local.stat("instances/a").unwrap().mode,
            local.stat("digits/3").unwrap().owner.gid
        ),
        (0o750, 0)
    );
    let id = local.stat("instances/a/number").unwrap().id;
    fs.set_attr(
        id,
        &SetAttr {
            mode: Some(0o666),
            ..Default::default()
        },
    )
    .unwrap();
    let attr = fs
        .set_attr(
            id,
            &SetAttr {
                uid: Some(5),
                size: Some(1000),
                ..Default::default()
            },
        )
        .unwrap();
    assert_eq!(
        (attr.mode, attr.owner, attr.size),
        (0o666, Owner { uid: 5, gid: 77 }, 1000)
    );
    assert_eq!(
        (
            local.cat("instances/a/number").unwrap(),
            local.stat("instances/a/number").unwrap()
        ),
        ("0\n".into(), attr)
    );
    local.rmdir("instances/a").unwrap();
    local.mkdir("instances/a").unwrap();
    assert_eq!(local.stat("instances/a/number").unwrap().mode, 0o640);
    let options = Options {
        owner: Owner { uid: 3, gid: 4 },
        mode: 0o755,
    };
    let local = Local::new(Arc::new(Fs::new(&TOYS, Toys::default(), options)));
    assert_eq!(
        (
            local.stat("").unwrap().mode,
            local.stat("digits/1").unwrap().owner
        ),
        (0o755, options.owner)
    );
}
