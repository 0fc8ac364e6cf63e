//! What the files of each directory work on.

use std::sync::Arc;

use utracefs::base::clock::ClockId;
use utracefs::base::error::{Error, Result};
use utracefs::event::registry::Event;
use utracefs::instance::trace_array::User;
use utracefs::instance::{EventFile, TraceArray, TraceOption, Tracing};

use super::family::Serials;
use crate::node::{Context, Projection};

/// The mount's root: all of one tracefs.
#[derive(Clone)]
pub struct Tracefs {
    pub(super) tracing: Arc<Tracing>,
    pub(super) serials: Arc<Serials>,
}

impl Tracefs {
    /// The root over `tracing`.
    pub fn new(tracing: Arc<Tracing>) -> Tracefs {
        Tracefs {
            tracing,
            serials: Arc::default(),
        }
    }
}

/// The files of the top-level instance, which stand in the mount's root.
pub struct Top;

impl Projection<Tracefs> for Top {
    type Part = Arc<TraceArray>;

    fn project(context: &Tracefs) -> Arc<TraceArray> {
        context.tracing.top().clone()
    }
}

/// `events/SYSTEM` of an instance.
#[derive(Clone)]
pub struct System {
    pub(super) array: Arc<TraceArray>,
    /// Any event of the system: it knows the name.
    pub(super) event: Arc<Event>,
}

impl System {
    /// What the system is called.
    pub fn system(&self) -> &str {
        &self.event.system
    }

    /// Whether its events can be enabled: ftrace's own cannot.
    pub fn is_enableable(&self) -> bool {
        self.event.is_enableable()
    }
}

/// `events/SYSTEM/EVENT` of an instance.
#[derive(Clone)]
pub struct OneEvent {
    pub(super) array: Arc<TraceArray>,
    pub(super) event: Arc<Event>,
    /// ftrace's own events cannot be enabled and have none.
    pub(super) file: Option<Arc<EventFile>>,
}

impl OneEvent {
    /// Whether it has the files of an event that can be enabled.
    pub fn is_enableable(&self) -> bool {
        self.file.is_some()
    }

    /// Whether it has an `id` file: of ftrace's own only two do.
    pub fn has_id(&self) -> bool {
        self.file.is_some() || matches!(&*self.event.name, "function" | "print")
    }
}

/// `per_cpu/cpuN` of an instance.
#[derive(Clone)]
pub struct Cpu {
    pub(super) array: Arc<TraceArray>,
    pub(super) cpu: usize,
}

/// A file in `options` of an instance.
#[derive(Clone)]
pub struct OneOption {
    pub(super) array: Arc<TraceArray>,
    pub(super) option: TraceOption,
}

fn log(array: &TraceArray, error: &Error, command: &[u8]) {
    if let Some(caret) = &error.caret {
        array
            .errors()
            .lock()
            .add(ClockId::Local.now(), caret, command);
    }
}

impl Context for Arc<TraceArray> {
    type User = User;

    fn hold(&self) -> Result<User> {
        self.use_it()
    }

    fn log(&self, error: &Error, command: &[u8]) {
        log(self, error, command);
    }
}

impl Context for Tracefs {
    type User = ();

    fn hold(&self) -> Result<()> {
        Ok(())
    }

    fn log(&self, error: &Error, command: &[u8]) {
        log(self.tracing.top(), error, command);
    }
}

/// Contexts below an instance's.
macro_rules! within {
    ($($context:ty),*) => {$(
        impl Context for $context {
            type User = User;

            fn hold(&self) -> Result<User> {
                self.array.use_it()
            }

            fn log(&self, error: &Error, command: &[u8]) {
                log(&self.array, error, command);
            }
        }
    )*};
}

within!(System, OneEvent, Cpu, OneOption);
