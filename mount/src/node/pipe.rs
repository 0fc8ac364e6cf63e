//! Files that hand out text once: `trace_pipe`, of all CPUs or one.

use std::marker::PhantomData;

use parking_lot::Mutex;
use utracefs::base::error::{Errno, Error, Result};

use super::handle::{Give, Got, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};
use super::text::Text;
use super::wait::Wait;

/// Most bytes that one read takes out of the buffer.
const MOST: usize = 64 << 10;

/// What taking text came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// Text was added.
    Text,
    /// There is none, and the reader waits for some.
    Nothing,
    /// There is none, and this reader has seen all it will.
    End,
}

/// A file whose readers take events out of the buffer as text. A read first hands out what is left of the text before, and
/// blocks only when it has nothing at all.
pub trait Pipe<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;
    /// What an open reader keeps. Dropped, it lets the next reader in.
    type Reader: Send;

    /// Somebody opens the file. Others keep it out: `EBUSY`.
    fn open(context: &C) -> Result<Self::Reader>;

    /// Takes whole events until there are `want` bytes of text or no more events; at least one event if there is one.
    /// `delivered`: this reader had something before.
    fn take(
        reader: &mut Self::Reader,
        want: usize,
        delivered: bool,
        out: &mut Text,
    ) -> Result<Taken>;

    /// Whether poll(2) says readable. Text left over does not count.
    fn readable(reader: &Self::Reader) -> bool;

    /// What to wait for until a read may find something, or poll(2) say readable.
    fn wait(reader: &Self::Reader, poll: bool) -> Wait;
}

/// The row of a directory for the pipe file `F`.
pub const fn pipe<C: Context, F: Pipe<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: Seek::None,
        holds: true,
        flush: true,
        parallel: false,
        pages: false,
        exists: |_| true,
        open: |context, _: &How| {
            let state = State {
                reader: F::open(context)?,
                text: Text::default(),
                given: 0,
                delivered: false,
            };
            Ok(Box::new(Open::<C, F> {
                state: Mutex::new(state),
                file: PhantomData,
            }))
        },
    })
}

struct State<R> {
    reader: R,
    text: Text,
    /// Bytes of `text` that were handed out.
    given: usize,
    delivered: bool,
}

struct Open<C: Context, F: Pipe<C>> {
    state: Mutex<State<F::Reader>>,
    file: PhantomData<fn(C, F)>,
}

impl<C: Context, F: Pipe<C>> OpenFile for Open<C, F> {
    fn read(&self, _: u64, size: usize, give: Give<'_>) -> Result<Got> {
        if size == 0 {
            give(&[]);
            return Ok(Got::Data);
        }
        let state = &mut *self.state.lock();
        if state.given == state.text.len() {
            state.text.clear();
            state.given = 0;
            match F::take(
                &mut state.reader,
                size.min(MOST),
                state.delivered,
                &mut state.text,
            )? {
                Taken::Nothing => return Ok(Got::Block(F::wait(&state.reader, false))),
                Taken::Text | Taken::End => (),
            }
        }
        let rest = &state.text.as_bytes()[state.given..];
        let now = rest.len().min(size);
        give(&rest[..now]);
        state.given += now;
        state.delivered |= now != 0;
        Ok(Got::Data)
    }

    fn write(&self, _: &super::handle::Caller, _: &[u8]) -> Result<usize> {
        Err(Error::new(Errno::EINVAL))
    }

    fn readable(&self) -> Option<bool> {
        Some(F::readable(&self.state.lock().reader))
    }

    fn changed(&self) -> Option<Wait> {
        Some(F::wait(&self.state.lock().reader, true))
    }
}
