//! Files that hand out whole sub-buffers: `trace_pipe_raw`.

use std::marker::PhantomData;
use std::sync::Arc;

use parking_lot::Mutex;
use utracefs::base::error::{Errno, Error, Result};

use super::handle::{Give, Got, How, OpenFile, Seek};
use super::spec::{Context, Entry, FileSpec};
use super::wait::{Awaited, BELL, Wait};

/// A file whose readers take sub-buffers out of the buffer. Each goes to one reader, however many there are.
pub trait Pages<C: Context>: Send + Sync + 'static {
    /// The file's name.
    const NAME: &'static str;
    /// Permission bits.
    const MODE: u16;

    /// Bytes of a sub-buffer.
    fn page_size(context: &C) -> usize;

    /// Takes a sub-buffer, `page` as large as [`page_size`](Self::page_size), padded with zeros. `full`: only one that
    /// takes no more events. False: there is none.
    fn take(context: &C, page: &mut [u8], full: bool) -> Result<bool>;

    /// Whether poll(2) says readable.
    fn readable(context: &C) -> bool;

    /// What to wait for until a read may find something, which may be there already; or, for poll(2), until something
    /// comes that was not there when the ticket was placed.
    fn wait(context: &C, poll: bool) -> Awaited;

    /// ioctl(2) 0: who waits for this buffer looks again.
    fn wake(context: &C);
}

/// The row of a directory for the pages file `F`.
pub const fn pages<C: Context, F: Pages<C>>() -> Entry<C> {
    Entry::File(FileSpec {
        name: F::NAME,
        mode: F::MODE,
        seek: Seek::None,
        holds: true,
        flush: true,
        finishes: false,
        parallel: false,
        pages: true,
        exists: |_| true,
        open: |context, _: &How| {
            let file = PhantomData;
            Ok(Box::new(Open::<C, F> {
                context: context.clone(),
                state: Arc::default(),
                file,
            }))
        },
    })
}

#[derive(Default)]
struct State {
    /// The sub-buffer that was read in part.
    page: Vec<u8>,
    given: usize,
    /// Reads that wait.
    waiting: usize,
    /// Of those, how many are to end because a descriptor was closed.
    closed: usize,
}

struct Open<C: Context, F: Pages<C>> {
    context: C,
    state: Arc<Mutex<State>>,
    file: PhantomData<F>,
}

/// A read that waits: for the buffer, or for a close.
struct Waiting {
    buffer: Awaited,
    state: Arc<Mutex<State>>,
}

impl Waiting {
    fn new(buffer: Awaited, state: Arc<Mutex<State>>) -> Waiting {
        state.lock().waiting += 1;
        Waiting { buffer, state }
    }
}

impl Wait for Waiting {
    fn announce(&self) {
        self.buffer.announce();
    }

    fn is_there(&self) -> bool {
        self.state.lock().closed != 0 || self.buffer.is_there()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.state.lock().waiting -= 1;
    }
}

impl<C: Context, F: Pages<C>> OpenFile for Open<C, F> {
    fn read(&self, _: u64, size: usize, give: Give<'_>) -> Result<Got> {
        let mut locked = self.state.lock();
        let state = &mut *locked;
        if size == 0 || state.closed != 0 {
            state.closed = state.closed.saturating_sub(1);
            give(&[]);
            return Ok(Got::Data);
        }
        if state.given == state.page.len() {
            state.page.resize(F::page_size(&self.context), 0);
            state.given = state.page.len();
            if !F::take(&self.context, &mut state.page, false)? {
                drop(locked);
                let buffer = F::wait(&self.context, false);
                return Ok(Got::Block(Arc::new(Waiting::new(
                    buffer,
                    self.state.clone(),
                ))));
            }
            state.given = 0;
        }
        let rest = &state.page[state.given..];
        let now = rest.len().min(size);
        give(&rest[..now]);
        state.given += now;
        Ok(Got::Data)
    }

    fn read_page(&self, size: usize, give: Give<'_>) -> Result<()> {
        let page_size = F::page_size(&self.context);
        if size != page_size {
            return Err(Error::new(Errno::EINVAL));
        }
        let mut page = vec![0; page_size];
        // a page that still takes events is handed out only where poll said that there is something
        let got = F::take(&self.context, &mut page, true)?
            || F::readable(&self.context) && F::take(&self.context, &mut page, false)?;
        if !got {
            return Err(Error::new(Errno::EAGAIN));
        }
        give(&page);
        Ok(())
    }

    fn readable(&self) -> Option<bool> {
        Some(F::readable(&self.context))
    }

    fn changed(&self) -> Option<Awaited> {
        Some(F::wait(&self.context, true))
    }

    fn ioctl(&self, command: u32) -> Result<()> {
        match command {
            0 => F::wake(&self.context),
            _ => return Err(Error::new(Errno::ENOTTY)),
        }
        Ok(())
    }

    fn flush(&self) {
        let mut state = self.state.lock();
        state.closed = state.waiting;
        if state.closed != 0 {
            drop(state);
            BELL.ring();
        }
    }
}
