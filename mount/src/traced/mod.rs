//! The daemon's side of traced programs: tracers (the processes behind `utracefs run`, see [`wire`](crate::run::wire)) are told
//! what is wanted, and what they report is fired as events of the tasks that they report.
//!
//! What a tracer holds is as good as recorded, as far as anybody can see: before a request is answered every tracer is asked
//! for it, and what all of them had is fired in the order of time. What a command enables is in force in every traced program
//! when the command returns. A tracer that does not answer in time ([`PATIENCE`]) is not waited for again until it has.
//!
//! Events are fired by whichever thread comes upon them: the one that reads a tracer's frames while it is the only tracer, else
//! one that asks for the others' ([`merge`]), or one that answers a request.

mod emit;
mod merge;
#[cfg(test)]
mod tests;
mod tracer;
mod wanted;

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use utracefs::event::registry::Registry;
use utracefs::event::watch::{Watcher, watch};

use crate::node::Around;
use crate::run::wire::{ToTracer, Wants};
use merge::Merge;
use tracer::Tracer;
use wanted::Wanted;

/// How long a request waits for a tracer. A tracer answers within a millisecond unless the machine is overloaded, or the tracer
/// stopped or hung.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Most tracers at a time.
const MOST: usize = 64;
/// Least time between two rounds of asking, while there are several tracers and nobody makes requests.
const ROUND: Duration = Duration::from_millis(2);

/// All tracers of one daemon.
pub struct Tracers {
    /// How many are attached: all that a request looks at while none is.
    attached: AtomicUsize,
    patience: Duration,
    wanted: Wanted,
    state: Mutex<State>,
    merge: Mutex<Merge>,
    /// Something came while there were several tracers: see [`Tracers::rounds`].
    came: Condvar,
    me: Weak<Tracers>,
}

#[derive(Default)]
struct State {
    tracers: Vec<Arc<Tracer>>,
    wants: Option<Wants>,
    seq: u64,
    /// Something waits for the others to be asked.
    waiting: bool,
    /// The thread that asks them runs.
    rounds: bool,
}

impl Tracers {
    /// No tracers yet, for the events of `registry`.
    pub fn new(registry: &Registry) -> Arc<Tracers> {
        Tracers::with_patience(registry, PATIENCE)
    }

    fn with_patience(registry: &Registry, patience: Duration) -> Arc<Tracers> {
        let tracers = Arc::new_cyclic(|me| Tracers {
            attached: AtomicUsize::new(0),
            patience,
            wanted: Wanted::new(registry),
            state: Mutex::default(),
            merge: Mutex::default(),
            came: Condvar::new(),
            me: me.clone(),
        });
        let watcher: Arc<dyn Watcher> = tracers.clone();
        watch(&watcher);
        tracers
    }

    /// Whether one more can be attached.
    ///
    /// # Errors
    /// The limit, for whoever wants to attach one more.
    pub fn has_room(&self) -> Result<(), String> {
        match self.attached.load(Ordering::Relaxed) < MOST {
            true => Ok(()),
            false => Err(format!(
                "{MOST} commands are traced already; wait until one ends"
            )),
        }
    }

    /// Cuts all of them off: the commands go on untraced.
    pub fn end(&self) {
        self.state.lock().tracers.iter().for_each(|t| t.end());
    }

    /// Takes over a connection whose other end is a tracer, on a thread of its own.
    ///
    /// # Errors
    /// There is no memory for threads.
    pub fn attach(&self, socket: UnixStream) -> io::Result<()> {
        let Some(tracers) = self.me.upgrade() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        socket.set_write_timeout(None)?;
        let tracer = Arc::new(Tracer::new(socket));
        std::thread::Builder::new()
            .name("traced".into())
            .spawn(move || tracers.converse(&tracer))?;
        Ok(())
    }

    /// A tracer's conversation, from its first frame to its end.
    fn converse(&self, tracer: &Arc<Tracer>) {
        let end = tracer.hear(|| self.enter(tracer), || self.fire(tracer));
        if let Err(e) = end {
            log::warn!("the tracer of {tracer} is cut off: {e}");
        }
        self.leave(tracer);
    }

    /// The tracer has introduced itself: it hears what is wanted, and requests wait for it from now on.
    fn enter(&self, tracer: &Arc<Tracer>) {
        let mut state = self.state.lock();
        self.attached.fetch_add(1, Ordering::SeqCst);
        state.tracers.push(tracer.clone());
        fence(Ordering::SeqCst);
        // with the lock held: what changes later is told after this
        let wants = self.wanted.now();
        state.wants = Some(wants);
        let State { tracers, seq, .. } = &mut *state;
        for one in tracers.iter() {
            // the others may not have heard of the latest either
            one.want(&wants, next(seq));
        }
    }

    fn leave(&self, tracer: &Arc<Tracer>) {
        tracer.end();
        self.emit();
        let mut state = self.state.lock();
        let before = state.tracers.len();
        state.tracers.retain(|t| !Arc::ptr_eq(t, tracer));
        if state.tracers.len() != before {
            self.attached.fetch_sub(1, Ordering::SeqCst);
        }
        if state.tracers.is_empty() {
            state.wants = None;
        }
        self.came.notify_all();
    }

    /// Records came from `tracer`: fires them if nobody else can have earlier ones, else has the others asked.
    fn fire(&self, tracer: &Tracer) {
        let mut state = self.state.lock();
        if state.tracers.len() == 1 || tracer.is_full() {
            drop(state);
            return self.emit();
        }
        state.waiting = true;
        if !state.rounds
            && let Some(me) = self.me.upgrade()
        {
            let thread = std::thread::Builder::new().name("traced-merge".into());
            state.rounds = thread.spawn(move || me.rounds()).is_ok();
            if !state.rounds {
                // then in no order between programs
                drop(state);
                self.emit();
            }
        } else {
            self.came.notify_all();
        }
    }

    /// While there are several tracers: asks all of them when one has sent something.
    fn rounds(&self) {
        let mut state = self.state.lock();
        while state.tracers.len() > 1 {
            if !state.waiting {
                self.came.wait(&mut state);
                continue;
            }
            state.waiting = false;
            drop(state);
            self.ask();
            std::thread::sleep(ROUND);
            state = self.state.lock();
        }
        state.rounds = false;
        drop(state);
        self.emit();
    }

    /// Has every tracer send what it holds, and fires it.
    fn ask(&self) {
        let asked: Vec<_> = {
            let mut state = self.state.lock();
            let State { tracers, seq, .. } = &mut *state;
            let seq = next(seq);
            let ask = |t: &Arc<Tracer>| t.ask(seq).then(|| t.clone());
            tracers.iter().filter_map(ask).map(|t| (t, seq)).collect()
        };
        self.wait(&asked);
        self.emit();
    }

    fn wait(&self, asked: &[(Arc<Tracer>, u64)]) {
        let until = Instant::now() + self.patience;
        for (tracer, seq) in asked {
            if !tracer.wait(*seq, until) {
                log::warn!(
                    "the tracer of {tracer} has not answered for {:?}: what it holds will be late",
                    self.patience
                );
            }
        }
    }

    /// Fires what has come and is not waited with for earlier records of others.
    fn emit(&self) {
        // the list is taken inside: who waits here finds what came before
        let mut merge = self.merge.lock();
        let tracers = self.state.lock().tracers.clone();
        merge.run(&tracers);
    }
}

fn next(seq: &mut u64) -> u64 {
    *seq += 1;
    *seq
}

impl Around for Tracers {
    fn before(&self) {
        if self.attached.load(Ordering::SeqCst) != 0 {
            let state = self.state.lock();
            let nothing = state.wants.as_ref().is_none_or(Wants::is_nothing);
            drop(state);
            if !nothing {
                self.ask();
            }
        }
    }

    fn after(&self) {
        if self.attached.load(Ordering::SeqCst) == 0 {
            return;
        }
        let tracers = self.state.lock().tracers.clone();
        let owed: Vec<_> = tracers
            .into_iter()
            .filter_map(|t| t.owes().map(|seq| (t, seq)))
            .collect();
        self.wait(&owed);
    }
}

impl Watcher for Tracers {
    fn switched(&self) {
        // either this sees the tracer that attaches, or that sees the change: `enter` has a fence as well
        fence(Ordering::SeqCst);
        if self.attached.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut state = self.state.lock();
        // with the lock held: whoever comes last has the last word
        let wants = self.wanted.now();
        if state.wants == Some(wants) {
            return;
        }
        state.wants = Some(wants);
        let State { tracers, seq, .. } = &mut *state;
        for tracer in tracers.iter() {
            tracer.want(&wants, next(seq));
        }
    }
}

impl Drop for Tracers {
    fn drop(&mut self) {
        for tracer in &self.state.get_mut().tracers {
            tracer.end();
        }
    }
}

/// A message as a frame.
fn frame(message: &ToTracer) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}
