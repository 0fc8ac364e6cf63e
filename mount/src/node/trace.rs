//! Files that show what a buffer holds without taking it: `trace` and `snapshot`, of all CPUs or one.

use std::marker::PhantomData;

use parking_lot::Mutex;
use utracefs::base::error::{Errno, Error, Result};

use super::handle::{Caller, Give, Got, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};
use super::text::Text;
use super::window::{Source, Window};

/// A file with the text of recorded events.
pub trait Trace<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;
    /// What an open reader keeps: its place in the buffer, and what it does to the instance by being open.
    type Reader: Send;

    /// A reader opens the file.
    fn open(context: &C) -> Result<Self::Reader>;

    /// The reader goes back to the beginning.
    fn restart(reader: &mut Self::Reader) -> Result<()>;

    /// Adds whole lines, about `want` bytes of them. Adds nothing at the end; later calls may find more.
    fn more(reader: &mut Self::Reader, want: usize, out: &mut Text) -> Result<()>;

    /// The file is opened for writing with O_TRUNC.
    fn clear(context: &C) -> Result<()> {
        let _ = context;
        Ok(())
    }

    /// Does what one write asks for and returns how many bytes of it are done with. Most files ignore what is written.
    fn store(context: &C, input: &[u8]) -> Result<usize> {
        let _ = context;
        Ok(input.len())
    }
}

/// The row of a directory for the trace file `F`.
pub const fn trace<C: Context, F: Trace<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: Seek::NoEnd,
        holds: true,
        flush: false,
        finishes: false,
        parallel: false,
        pages: false,
        exists: |_| true,
        open: |context, how: &How| {
            if how.write && how.truncate {
                F::clear(context)?;
            }
            let reader = match how.read {
                true => Some(Mutex::new((
                    Window::default(),
                    Reading::<C, F> {
                        reader: F::open(context)?,
                        file: PhantomData,
                    },
                ))),
                false => None,
            };
            Ok(Box::new(Open {
                context: context.clone(),
                reader,
            }))
        },
    })
}

struct Open<C: Context, F: Trace<C>> {
    context: C,
    reader: Option<Mutex<(Window, Reading<C, F>)>>,
}

struct Reading<C: Context, F: Trace<C>> {
    reader: F::Reader,
    file: PhantomData<fn(C, F)>,
}

impl<C: Context, F: Trace<C>> Source for Reading<C, F> {
    fn restart(&mut self) -> Result<()> {
        F::restart(&mut self.reader)
    }

    fn more(&mut self, want: usize, text: &mut Text) -> Result<()> {
        F::more(&mut self.reader, want, text)
    }
}

impl<C: Context, F: Trace<C>> OpenFile for Open<C, F> {
    fn read(&self, at: u64, size: usize, give: Give<'_>) -> Result<Got> {
        let reader = self.reader.as_ref().ok_or(Error::new(Errno::EINVAL))?;
        let mut reader = reader.lock();
        let (window, reading) = &mut *reader;
        window.read(at, size, reading, give)?;
        Ok(Got::Data)
    }

    fn write(&self, _: &Caller, data: &[u8]) -> Result<usize> {
        F::store(&self.context, data).inspect_err(|e| self.context.log(e, data))
    }
}
