//! The toys: numbers, words and pipes in a tree that knows nothing of tracing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use utracefs::base::error::{Caret, Errno, Error, Result};
use utracefs::base::parse;

use crate::node::spec::Projection;
use crate::node::wait::{Awaited, BELL, Wait};
use crate::node::*;
use crate::transport::local::Local;

/// An instance of the toy.
#[derive(Default)]
pub(crate) struct Box_ {
    pub(super) number: Mutex<u64>,
    pub(super) shown: AtomicUsize,
    pub(super) words: Mutex<Vec<String>>,
    pub(super) queue: Mutex<Vec<String>>,
    /// What came for the queue and for the pages, and who was asked to look again.
    pub(super) came: [AtomicUsize; 2],
    pub(super) pages: Mutex<Vec<u8>>,
    pub(super) errors: Mutex<Vec<String>>,
    pub(super) marks: Mutex<Vec<(u32, Vec<u8>)>>,
    pub(super) piped: Mutex<bool>,
    pub(super) users: AtomicUsize,
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

pub(super) struct Top;
impl Projection<Toys> for Top {
    type Part = Toy;
    fn project(context: &Toys) -> Toy {
        context.top.clone()
    }
}

pub(super) struct Named;
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
pub(super) struct Digits;
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

pub(super) struct Number;
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

pub(super) struct Once;
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

pub(super) struct Words;
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
pub(super) struct Look;
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

pub(super) struct Take;
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
pub(super) struct Await {
    toy: Toy,
    which: usize,
    came: usize,
    there: Option<fn(&Box_) -> bool>,
}
pub(super) fn await_toy(toy: &Toy, which: usize, poll: bool, there: fn(&Box_) -> bool) -> Awaited {
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

pub(super) struct Raw;
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

pub(super) struct Mark;
impl Sink<Toy> for Mark {
    const NAME: &'static str = "mark";
    const MODE: u16 = 0o220;
    fn write(c: &Toy, caller: &Caller, data: &[u8]) -> Result<usize> {
        let data = &data[..data.len().min(8)];
        c.0.marks.lock().push((caller.pid, data.into()));
        Ok(data.len())
    }
}

pub(super) static DIGIT: Entry<Toy> = value::<_, Number>();
pub(super) static DIGITS: DirSpec<Toy> = DirSpec {
    mode: 0o755,
    flat: true,
    entries: &[value::<_, Once>(), each_file::<_, Digits>(&DIGIT)],
};
pub(super) static LETTERS: DirSpec<Toy> = DirSpec {
    mode: 0o750,
    flat: false,
    entries: &[each_dir::<_, Digits>(&DIGITS)],
};
pub(super) static TOY: DirSpec<Toy> = DirSpec {
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
pub(super) static NAMED: DirSpec<Toys> = DirSpec {
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
