//! The rules of the layer, on a tree of toys that knows nothing of tracing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use utracefs::base::error::{Caret, Errno, Error, Result};
use utracefs::base::parse;

use super::spec::Projection;
use super::wait::{Awaited, BELL, Wait};
use super::*;
use crate::transport::local::Local;

/// An instance of the toy.
#[derive(Default)]
pub(crate) struct Box_ {
    number: Mutex<u64>,
    shown: AtomicUsize,
    words: Mutex<Vec<String>>,
    queue: Mutex<Vec<String>>,
    /// What came for the queue and for the pages, and who was asked to look again.
    came: [AtomicUsize; 2],
    pages: Mutex<Vec<u8>>,
    errors: Mutex<Vec<String>>,
    marks: Mutex<Vec<(u32, Vec<u8>)>>,
    piped: Mutex<bool>,
    users: AtomicUsize,
}

impl Box_ {
    /// Adds a line to the pipe.
    pub(crate) fn push(&self, line: &str) {
        self.queue.lock().push(line.into());
        self.wake(0);
    }

    /// Adds a page.
    pub(crate) fn push_page(&self, fill: u8) {
        self.pages.lock().push(fill);
        self.wake(1);
    }

    pub(crate) fn pages_left(&self) -> usize {
        self.pages.lock().len()
    }

    /// Sets `number`.
    pub(crate) fn set(&self, number: u64) {
        *self.number.lock() = number;
    }

    /// What was written to `mark`.
    pub(crate) fn marks(&self) -> Vec<String> {
        self.marks
            .lock()
            .iter()
            .map(|(_, m)| String::from_utf8_lossy(m).into())
            .collect()
    }

    fn wake(&self, which: usize) {
        self.came[which].fetch_add(1, Ordering::SeqCst);
        BELL.ring();
    }
}

/// Context: one instance.
#[derive(Clone, Default)]
pub(crate) struct Toy(pub(crate) Arc<Box_>);

pub(crate) struct User(Arc<Box_>);
impl Drop for User {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Context for Toy {
    type User = User;
    fn hold(&self) -> Result<User> {
        self.0.users.fetch_add(1, Ordering::SeqCst);
        Ok(User(self.0.clone()))
    }
    fn log(&self, error: &Error, command: &[u8]) {
        if let Some(caret) = &error.caret {
            self.0.errors.lock().push(format!(
                "{} at {} in {}",
                caret.message,
                caret.position,
                command.escape_ascii()
            ));
        }
    }
}

/// Serial number to name and instance.
type Members = BTreeMap<u32, (Vec<u8>, Toy)>;

/// Context: all of them.
#[derive(Clone, Default)]
pub(crate) struct Toys {
    pub(crate) top: Toy,
    pub(crate) named: Arc<Mutex<Members>>,
}

impl Context for Toys {
    type User = User;
    fn hold(&self) -> Result<User> {
        self.top.hold()
    }
    fn log(&self, error: &Error, command: &[u8]) {
        self.top.log(error, command);
    }
}

struct Top;
impl Projection<Toys> for Top {
    type Part = Toy;
    fn project(context: &Toys) -> Toy {
        context.top.clone()
    }
}

struct Named;
impl Family<Toys> for Named {
    type Child = Toy;
    const INSTANCES: bool = true;
    fn find(c: &Toys, name: &[u8]) -> Option<u32> {
        c.named
            .lock()
            .iter()
            .find(|(_, (n, _))| n == name)
            .map(|(serial, _)| *serial)
    }
    fn get(c: &Toys, number: u32) -> Option<Toy> {
        c.named.lock().get(&number).map(|(_, toy)| toy.clone())
    }
    fn list(c: &Toys, each: &mut dyn FnMut(u32, &[u8])) {
        for (serial, (name, _)) in c.named.lock().iter().rev() {
            each(*serial, name);
        }
    }
    fn make(c: &Toys, name: &[u8]) -> Result<u32> {
        static SERIAL: AtomicUsize = AtomicUsize::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed) as u32;
        c.named.lock().insert(serial, (name.into(), Toy::default()));
        Ok(serial)
    }
    fn remove(c: &Toys, name: &[u8]) -> Result<()> {
        let mut named = c.named.lock();
        let serial = *named
            .iter()
            .find(|(_, (n, _))| n == name)
            .ok_or(Errno::ENOENT)?
            .0;
        if named[&serial].1.0.users.load(Ordering::SeqCst) != 0 {
            return Err(Error::new(Errno::EBUSY));
        }
        named.remove(&serial);
        Ok(())
    }
}

/// Digits as files and letters as directories.
struct Digits;
impl Family<Toy> for Digits {
    type Child = Toy;
    fn find(_: &Toy, name: &[u8]) -> Option<u32> {
        matches!(name, [b'0'..=b'9']).then(|| u32::from(name[0]))
    }
    fn get(c: &Toy, number: u32) -> Option<Toy> {
        (48..58).contains(&number).then(|| c.clone())
    }
    fn list(_: &Toy, each: &mut dyn FnMut(u32, &[u8])) {
        (b'0'..=b'9').rev().for_each(|d| each(d.into(), &[d]));
    }
}

struct Number;
impl Value<Toy> for Number {
    const NAME: &'static str = "number";
    const MODE: u16 = 0o640;
    fn show(c: &Toy, out: &mut Text) -> Result<()> {
        c.0.shown.fetch_add(1, Ordering::Relaxed);
        out.line(*c.0.number.lock());
        Ok(())
    }
    fn store(c: &Toy, input: &[u8]) -> Result<usize> {
        let caret = |e: Error| Error {
            caret: Some(Caret {
                location: "toy".into(),
                message: "bad".into(),
                position: 3,
            }),
            ..e
        };
        *c.0.number.lock() = parse::number(input).map_err(caret)?;
        Ok(input.len())
    }
}

struct Once;
impl Value<Toy> for Once {
    const NAME: &'static str = "once";
    const MODE: u16 = 0o440;
    const ONE_SHOT: bool = true;
    const HOLDS: bool = false;
    fn show(_: &Toy, out: &mut Text) -> Result<()> {
        out.add("twelve bytes");
        Ok(())
    }
}

struct Words;
impl List<Toy> for Words {
    const NAME: &'static str = "words";
    const MODE: u16 = 0o640;
    type Cursor = usize;
    fn begin(_: &Toy) -> Result<usize> {
        Ok(0)
    }
    fn next(c: &Toy, at: &mut usize, out: &mut Text) -> Result<()> {
        if let Some(word) = c.0.words.lock().get(*at) {
            out.line(word);
            *at += 1;
        }
        Ok(())
    }
    fn store(c: &Toy, input: &[u8]) -> Result<usize> {
        let Some((word, taken)) = parse::word(input) else {
            return Ok(input.len());
        };
        if word == b"bad" {
            return Err(Error::new(Errno::EINVAL));
        }
        c.0.words.lock().push(String::from_utf8_lossy(word).into());
        Ok(taken)
    }
    fn clear(c: &Toy) -> Result<()> {
        let mut words = c.0.words.lock();
        if words.iter().any(|w| w == "busy") {
            return Err(Error::new(Errno::EBUSY));
        }
        words.clear();
        Ok(())
    }
}

/// Shows the pipe's lines without taking them.
struct Look;
impl Trace<Toy> for Look {
    const NAME: &'static str = "look";
    const MODE: u16 = 0o640;
    type Reader = (Toy, usize);
    fn open(c: &Toy) -> Result<Self::Reader> {
        Ok((c.clone(), 0))
    }
    fn restart(r: &mut Self::Reader) -> Result<()> {
        r.1 = 0;
        Ok(())
    }
    fn more(r: &mut Self::Reader, _: usize, out: &mut Text) -> Result<()> {
        if let Some(line) = r.0.0.queue.lock().get(r.1) {
            out.line(line);
            r.1 += 1;
        }
        Ok(())
    }
    fn clear(c: &Toy) -> Result<()> {
        c.0.queue.lock().clear();
        Ok(())
    }
}

struct Take;
pub(crate) struct Taker {
    toy: Toy,
    text: Vec<u8>,
    delivered: bool,
}
impl Drop for Taker {
    fn drop(&mut self) {
        *self.toy.0.piped.lock() = false;
    }
}
/// A poll waits for what comes from now on, a read also for what is there.
struct Await {
    toy: Toy,
    which: usize,
    came: usize,
    there: Option<fn(&Box_) -> bool>,
}
fn await_toy(toy: &Toy, which: usize, poll: bool, there: fn(&Box_) -> bool) -> Awaited {
    let came = toy.0.came[which].load(Ordering::SeqCst);
    Arc::new(Await {
        toy: toy.clone(),
        which,
        came,
        there: (!poll).then_some(there),
    })
}
impl Wait for Await {
    fn announce(&self) {}
    fn is_there(&self) -> bool {
        let toy = &*self.toy.0;
        self.there.is_some_and(|there| there(toy))
            || toy.came[self.which].load(Ordering::SeqCst) != self.came
    }
}
impl Pipe<Toy> for Take {
    const NAME: &'static str = "take";
    const MODE: u16 = 0o440;
    type Reader = Taker;
    fn open(c: &Toy) -> Result<Taker> {
        if std::mem::replace(&mut *c.0.piped.lock(), true) {
            return Err(Error::new(Errno::EBUSY));
        }
        Ok(Taker {
            toy: c.clone(),
            text: Vec::new(),
            delivered: false,
        })
    }
    fn read(r: &mut Taker, out: &mut [u8]) -> Result<Taken> {
        let mut queue = r.toy.0.queue.lock();
        while r.text.is_empty() && !queue.is_empty() {
            r.text.extend_from_slice(queue.remove(0).as_bytes());
            r.text.push(b'\n');
        }
        let n = r.text.len().min(out.len());
        if n == 0 && !out.is_empty() {
            return Ok(if r.delivered && *r.toy.0.number.lock() == 0 {
                Taken::End
            } else {
                Taken::Nothing
            });
        }
        out[..n].copy_from_slice(&r.text[..n]);
        r.text.drain(..n);
        r.delivered |= n != 0;
        Ok(Taken::Bytes(n))
    }
    fn readable(r: &Taker) -> bool {
        !r.toy.0.queue.lock().is_empty()
    }
    fn wait(r: &Taker, poll: bool) -> Awaited {
        await_toy(&r.toy, 0, poll, |b| !b.queue.lock().is_empty())
    }
}

struct Raw;
impl Pages<Toy> for Raw {
    const NAME: &'static str = "raw";
    const MODE: u16 = 0o440;
    fn page_size(_: &Toy) -> usize {
        4096
    }
    fn take(c: &Toy, page: &mut [u8], full: bool) -> Result<bool> {
        // pages of 0 are not full yet
        let mut pages = c.0.pages.lock();
        if pages.first().is_none_or(|p| full && *p == 0) {
            return Ok(false);
        }
        page.fill(pages.remove(0));
        Ok(true)
    }
    fn readable(c: &Toy) -> bool {
        c.0.pages.lock().first().is_some_and(|p| *p != 0)
    }
    fn wait(c: &Toy, poll: bool) -> Awaited {
        await_toy(c, 1, poll, |b| !b.pages.lock().is_empty())
    }
    fn wake(c: &Toy) {
        c.0.wake(1);
    }
}

struct Mark;
impl Sink<Toy> for Mark {
    const NAME: &'static str = "mark";
    const MODE: u16 = 0o220;
    fn write(c: &Toy, caller: &Caller, data: &[u8]) -> Result<usize> {
        let data = &data[..data.len().min(8)];
        c.0.marks.lock().push((caller.pid, data.into()));
        Ok(data.len())
    }
}

static DIGIT: Entry<Toy> = value::<_, Number>();
static DIGITS: DirSpec<Toy> = DirSpec {
    mode: 0o755,
    flat: true,
    entries: &[value::<_, Once>(), each_file::<_, Digits>(&DIGIT)],
};
static LETTERS: DirSpec<Toy> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[each_dir::<_, Digits>(&DIGITS)],
};
static TOY: DirSpec<Toy> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[
        value::<_, Number>(),
        value::<_, Once>().when(|c| *c.0.number.lock() != 99),
        list::<_, Words>(),
        trace::<_, Look>(),
        pipe::<_, Take>(),
        pages::<_, Raw>(),
        sink::<_, Mark>(),
        dir("digits", &DIGITS),
        dir("letters", &LETTERS),
    ],
};
static NAMED: DirSpec<Toys> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[each_dir::<_, Named>(&TOY)],
};
pub(crate) static TOYS: DirSpec<Toys> = DirSpec {
    mode: 0o700,
    flat: false,
    entries: &[dir("instances", &NAMED), part::<_, Top>(&TOY)],
};

pub(crate) fn toys() -> (Toys, Local) {
    let toys = Toys::default();
    (
        toys.clone(),
        Local::new(Arc::new(Fs::new(&TOYS, toys, Options::default()))),
    )
}

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
        Got::Data => panic!("it waits"),
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
