//! Files that hand out text once: `trace_pipe`, of all CPUs or one.

use std::marker::PhantomData;

use parking_lot::Mutex;
use utracefs::base::error::Result;

use super::handle::{Give, Got, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};
use super::wait::Awaited;

/// Most bytes that one read takes out of the buffer.
const MOST: usize = 64 << 10;

/// What reading a pipe came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// So many bytes.
    Bytes(usize),
    /// There is nothing yet.
    Nothing,
    /// There is nothing, and this reader has seen all it will.
    End,
}

/// A file whose readers take events out of the buffer as text. It blocks only when it has nothing at all.
pub trait Pipe<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;
    /// What an open reader keeps, text of an event that was handed out in part for one. Dropped, it lets the next reader
    /// in.
    type Reader: Send;

    /// Somebody opens the file. Others keep it out: `EBUSY`.
    fn open(context: &C) -> Result<Self::Reader>;

    /// Hands out what is left of the text before, or takes events and hands out their text, as much as `out` has room for.
    fn read(reader: &mut Self::Reader, out: &mut [u8]) -> Result<Taken>;

    /// Whether poll(2) says readable. Text left over does not count.
    fn readable(reader: &Self::Reader) -> bool;

    /// What to wait for until a read may find something, which may be there already; or, for poll(2), until something
    /// comes that was not there when the ticket was placed.
    fn wait(reader: &Self::Reader, poll: bool) -> Awaited;
}

/// The row of a directory for the pipe file `F`.
pub const fn pipe<C: Context, F: Pipe<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: Seek::None,
        holds: true,
        flush: true,
        finishes: false,
        parallel: false,
        pages: false,
        exists: |_| true,
        open: |context, _: &How| {
            let reading = Mutex::new((F::open(context)?, Vec::new()));
            Ok(Box::new(Open::<C, F> {
                reading,
                file: PhantomData,
            }))
        },
    })
}

struct Open<C: Context, F: Pipe<C>> {
    /// The reader, and memory for what it hands out.
    reading: Mutex<(F::Reader, Vec<u8>)>,
    file: PhantomData<fn(C, F)>,
}

impl<C: Context, F: Pipe<C>> OpenFile for Open<C, F> {
    fn read(&self, _: u64, size: usize, give: Give<'_>) -> Result<Got> {
        let (reader, memory) = &mut *self.reading.lock();
        let size = size.min(MOST);
        if memory.len() < size {
            memory.resize(size, 0);
        }
        match F::read(reader, &mut memory[..size])? {
            Taken::Bytes(n) => give(&memory[..n.min(size)]),
            Taken::End => return Ok(Got::End),
            Taken::Nothing => return Ok(Got::Block(F::wait(reader, false))),
        }
        Ok(Got::Data)
    }

    fn readable(&self) -> Option<bool> {
        Some(F::readable(&self.reading.lock().0))
    }

    fn changed(&self) -> Option<Awaited> {
        Some(F::wait(&self.reading.lock().0, true))
    }
}
