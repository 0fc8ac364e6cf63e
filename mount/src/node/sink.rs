//! Files that are only written: `trace_marker`.

use std::marker::PhantomData;

use utracefs::base::error::Result;

use super::handle::{Caller, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};

/// A file of which each write makes a record.
pub trait Sink<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;

    /// Records `data` for `caller` and returns how many bytes of it were taken.
    fn write(context: &C, caller: &Caller, data: &[u8]) -> Result<usize>;
}

/// The row of a directory for the sink file `F`.
pub const fn sink<C: Context, F: Sink<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: Seek::None,
        holds: true,
        flush: false,
        parallel: true,
        pages: false,
        exists: |_| true,
        open: |context, _: &How| {
            Ok(Box::new(Open::<C, F> {
                context: context.clone(),
                file: PhantomData,
            }))
        },
    })
}

struct Open<C, F> {
    context: C,
    file: PhantomData<F>,
}

impl<C: Context, F: Sink<C>> OpenFile for Open<C, F> {
    fn write(&self, caller: &Caller, data: &[u8]) -> Result<usize> {
        F::write(&self.context, caller, data)
    }
}
