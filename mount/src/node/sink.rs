//! Files that are only written: `trace_marker`, `free_buffer`.

use std::marker::PhantomData;

use utracefs::base::error::Result;

use super::handle::{Caller, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};

/// A file of which each write, or the close, does something.
pub trait Sink<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;

    /// The last close does something: [`finish`](Self::finish).
    const FINISHES: bool = false;

    /// Records `data` for `caller` and returns how many bytes of it were taken.
    fn write(context: &C, caller: &Caller, data: &[u8]) -> Result<usize>;

    /// The open file is released: its last descriptor was closed.
    fn finish(context: &C) {
        let _ = context;
    }
}

/// The row of a directory for the sink file `F`.
pub const fn sink<C: Context, F: Sink<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: Seek::None,
        holds: true,
        flush: F::FINISHES,
        finishes: F::FINISHES,
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

struct Open<C: Context, F: Sink<C>> {
    context: C,
    file: PhantomData<F>,
}

impl<C: Context, F: Sink<C>> Drop for Open<C, F> {
    fn drop(&mut self) {
        F::finish(&self.context);
    }
}

impl<C: Context, F: Sink<C>> OpenFile for Open<C, F> {
    fn write(&self, caller: &Caller, data: &[u8]) -> Result<usize> {
        F::write(&self.context, caller, data)
    }
}
