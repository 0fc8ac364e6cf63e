//! Files that show one value and take one command: `tracing_on`, `enable`, `filter`, `trace_clock` …

use std::marker::PhantomData;

use parking_lot::Mutex;
use utracefs::base::error::{Errno, Error, Result};

use super::handle::{Caller, Give, Got, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};
use super::text::Text;

/// A file with one value. The text is made by a read at offset 0 and kept until the next one.
pub trait Value<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;
    /// An open descriptor keeps the instance from being removed.
    const HOLDS: bool = true;
    /// A read at another offset than 0 finds the end: what a first short read leaves is lost.
    const ONE_SHOT: bool = false;
    /// A read that has no room for the whole text and a NUL is `EINVAL`.
    const WHOLE: bool = false;
    /// How the file takes lseek(2).
    const SEEK: Seek = Seek::Plain;

    /// Writes the file's text to `out`. Files that cannot be read: `EINVAL`.
    fn show(context: &C, out: &mut Text) -> Result<()> {
        let _ = (context, out);
        Err(Error::new(Errno::EINVAL))
    }

    /// Does what one write asks for and returns how many bytes of it are done with. Files that cannot be written:
    /// `EINVAL`.
    fn store(context: &C, input: &[u8]) -> Result<usize> {
        let _ = (context, input);
        Err(Error::new(Errno::EINVAL))
    }
}

/// The row of a directory for the value file `F`.
pub const fn value<C: Context, F: Value<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: F::SEEK,
        holds: F::HOLDS,
        flush: false,
        finishes: false,
        parallel: false,
        pages: false,
        exists: |_| true,
        open: |context, _: &How| {
            Ok(Box::new(Open::<C, F> {
                context: context.clone(),
                content: Mutex::new(None),
                file: PhantomData,
            }))
        },
    })
}

struct Open<C, F> {
    context: C,
    content: Mutex<Option<Text>>,
    file: PhantomData<F>,
}

impl<C: Context, F: Value<C>> OpenFile for Open<C, F> {
    fn read(&self, at: u64, size: usize, give: Give<'_>) -> Result<Got> {
        if F::ONE_SHOT && at != 0 {
            give(&[]);
            return Ok(Got::Data);
        }
        let mut content = self.content.lock();
        if at == 0 || content.is_none() {
            let mut text = content.take().unwrap_or_default();
            text.clear();
            F::show(&self.context, &mut text)?;
            *content = Some(text);
        }
        let text = content.as_ref().map_or(&[][..], Text::as_bytes);
        if F::WHOLE && size <= text.len() {
            return Err(Error::new(Errno::EINVAL));
        }
        let rest = usize::try_from(at)
            .ok()
            .and_then(|at| text.get(at..))
            .unwrap_or(&[]);
        give(&rest[..rest.len().min(size)]);
        Ok(Got::Data)
    }

    fn write(&self, _: &Caller, data: &[u8]) -> Result<usize> {
        F::store(&self.context, data).inspect_err(|e| self.context.log(e, data))
    }
}
