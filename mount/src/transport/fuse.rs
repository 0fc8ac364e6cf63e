//! The tree as a FUSE filesystem. This module and what is below it are all that names fuser.
//!
//! What a FUSE file does not do like a kernel file by itself, and how it does here:
//!
//! - A blocked reader holds no thread ([`lot`]). It ends when a signal comes ([`interrupt`], [`signals`]).
//! - stat(2) shows a size of 0, which to splice(2) means that there is nothing to read ([`size`]).
//! - Truncation comes with the open, as its own flag (`FUSE_ATOMIC_O_TRUNC`): apart from it, it could not be told from
//!   truncate(2), which clears nothing.
//! - close(2) returns before the release is heard of: files that keep an instance or a pipe busy ask for a flush, which
//!   close(2) waits for, and whoever finds them busy waits for the release.
//! - Names and modes are cached for long, since only mkdir(2) and rmdir(2) of instances change them and both go through
//!   the kernel that caches.

mod interrupt;
mod lot;
mod ops;
mod signals;
mod size;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use fuser::{Config, Notifier, Session, SessionACL};

use self::lot::Lot;
use crate::node::Fs;

/// Threads that answer requests: enough that one slow command does not stop the mount.
const THREADS: usize = 4;

/// A mounted filesystem that is served by threads of its own.
pub struct Server {
    lot: Arc<Lot>,
    session: Option<JoinHandle<io::Result<()>>>,
    waker: Option<JoinHandle<()>>,
    signals: Option<signals::Watcher>,
    interrupts: Option<interrupt::Watched>,
    /// Keeps the device's descriptor from being closed, and its number from being used again, as long as it is watched.
    _device: Notifier,
}

/// Serves `fs` over `device`, a descriptor of /dev/fuse that is mounted already. It answers when this returns.
///
/// `ended` is called, by a thread of the server, when nobody has the filesystem mounted any more.
///
/// # Errors
/// The kernel's greeting did not come or was not understood, or there is no memory for threads.
pub fn serve(
    fs: Arc<Fs>,
    device: OwnedFd,
    ended: impl FnOnce() + Send + 'static,
) -> io::Result<Server> {
    let lot = Arc::new(Lot::default());
    let interrupts = interrupt::watch(device.as_raw_fd(), &lot);
    let mut config = Config::default();
    config.n_threads = Some(THREADS);
    // who may is the mount's business: allow_other and default_permissions
    let session = Session::from_fd(
        ops::Ops::new(fs, lot.clone()),
        device,
        SessionACL::All,
        config,
    )?;
    let notifier = session.notifier();
    lot.connect(notifier.clone());
    let waker = {
        let lot = lot.clone();
        std::thread::Builder::new()
            .name("tracefs-waker".into())
            .spawn(move || lot.wake_readers())?
    };
    let signals = match interrupts.is_some() {
        true => None,
        false => Some(signals::Watcher::start(&lot)?),
    };
    let session = std::thread::Builder::new()
        .name("tracefs-session".into())
        .spawn(move || {
            let result = session.run();
            if let Err(e) = &result {
                log::error!("the filesystem's session ended: {e}");
            }
            ended();
            result
        })?;
    Ok(Server {
        lot,
        session: Some(session),
        waker: Some(waker),
        signals,
        interrupts,
        _device: notifier,
    })
}

impl Server {
    /// Answers all readers that wait, and from now on those who would wait, with `ENODEV`. The rest goes on being served
    /// until the filesystem is unmounted: unmounting is the caller's business.
    pub fn stop(&self) {
        self.lot.stop();
    }

    /// Waits until the filesystem is unmounted everywhere and its threads have ended.
    ///
    /// # Errors
    /// What ended it, if that was not the unmount.
    pub fn join(mut self) -> io::Result<()> {
        let result = match self.session.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the session's thread panicked")),
            None => Ok(()),
        };
        self.stop();
        self.interrupts = None;
        self.signals = None;
        if let Some(waker) = self.waker.take() {
            // it has nothing to say
            let _ = waker.join();
        }
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.lot.stop();
    }
}

#[cfg(test)]
mod tests;
