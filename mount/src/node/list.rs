//! Files that show one line after another and take commands: `set_event`, `available_events`, `saved_cmdlines` …

use std::marker::PhantomData;

use parking_lot::Mutex;
use utracefs::base::error::{Errno, Error, Result};

use super::handle::{Caller, Give, Got, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};
use super::text::Text;
use super::window::{Source, Window};

/// A file with a line for each of many things. The text is made piece by piece while it is read, from a cursor.
pub trait List<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;
    /// An open descriptor keeps the instance from being removed.
    const HOLDS: bool = true;
    /// Where a reader is in the list.
    type Cursor: Send;

    /// A cursor at the beginning.
    fn begin(context: &C) -> Result<Self::Cursor>;

    /// Writes the next piece to `out` and moves on. Writes nothing at the end; later calls may find more.
    fn next(context: &C, cursor: &mut Self::Cursor, out: &mut Text) -> Result<()>;

    /// Does what one write asks for and returns how many bytes of it are done with, which may be less than all. Files
    /// that cannot be written: `EINVAL`.
    fn store(context: &C, input: &[u8]) -> Result<usize> {
        let _ = (context, input);
        Err(Error::new(Errno::EINVAL))
    }

    /// The file is opened for writing with O_TRUNC. An error makes the open fail.
    fn clear(context: &C) -> Result<()> {
        let _ = context;
        Ok(())
    }
}

/// The row of a directory for the list file `F`.
pub const fn list<C: Context, F: List<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: Seek::NoEnd,
        holds: F::HOLDS,
        flush: false,
        finishes: false,
        parallel: false,
        pages: false,
        exists: |_| true,
        open: |context, how: &How| {
            if how.write && how.truncate {
                F::clear(context)?;
            }
            let walk = Walk::<C, F> {
                context: context.clone(),
                cursor: None,
            };
            Ok(Box::new(Open {
                reading: Mutex::new((Window::default(), walk)),
                context: context.clone(),
                file: PhantomData::<F>,
            }))
        },
    })
}

struct Open<C: Context, F: List<C>> {
    context: C,
    reading: Mutex<(Window, Walk<C, F>)>,
    file: PhantomData<F>,
}

struct Walk<C: Context, F: List<C>> {
    context: C,
    cursor: Option<F::Cursor>,
}

impl<C: Context, F: List<C>> Source for Walk<C, F> {
    fn restart(&mut self) -> Result<()> {
        self.cursor = Some(F::begin(&self.context)?);
        Ok(())
    }

    fn more(&mut self, want: usize, text: &mut Text) -> Result<()> {
        let Some(cursor) = &mut self.cursor else {
            return Ok(());
        };
        let enough = text.len() + want;
        while text.len() < enough {
            let before = text.len();
            F::next(&self.context, cursor, text)?;
            if text.len() == before {
                break;
            }
        }
        Ok(())
    }
}

impl<C: Context, F: List<C>> OpenFile for Open<C, F> {
    fn read(&self, at: u64, size: usize, give: Give<'_>) -> Result<Got> {
        let mut reading = self.reading.lock();
        let (window, walk) = &mut *reading;
        window.read(at, size, walk, give)?;
        Ok(Got::Data)
    }

    fn write(&self, _: &Caller, data: &[u8]) -> Result<usize> {
        F::store(&self.context, data).inspect_err(|e| self.context.log(e, data))
    }
}
