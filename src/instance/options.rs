//! Trace options: one row each, with the name in `options/` and `trace_options` and the value a new top level or
//! instance starts with (Documentation/trace/ftrace.rst, "trace_options").

use crate::base::sync::{AtomicU64, Ordering};

macro_rules! options {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $top:literal, $inst:ident;)*) => {
        /// A trace option, in the order of `trace_options`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Option { $($(#[$doc])* $variant),* }

        impl Option {
            /// Every option, in the order of `trace_options`.
            pub const ALL: &[Option] = &[$(Option::$variant),*];

            /// Its name in `options/`.
            pub fn name(self) -> &'static str {
                match self { $(Option::$variant => $name),* }
            }

            /// The value the top level starts with.
            fn default_on(self) -> bool {
                match self { $(Option::$variant => $top),* }
            }

            fn start(self) -> Start {
                match self { $(Option::$variant => Start::$inst),* }
            }
        }
    };
}

/// What an instance starts with, and whether it has the option's file.
#[derive(PartialEq)]
enum Start {
    /// The top level's present value.
    Copied,
    /// The same, but the file is at the top level only; `trace_options` of an instance takes it all the same.
    TopFile,
    /// Off, whatever the top level's is.
    Off,
}

options! {
    /// Symbols as `name+0x8a/0x170`.
    SymOffset = "sym-offset", false, Copied;
    /// Symbols with their address behind.
    SymAddr = "sym-addr", false, Copied;
    /// `CPU N buffer started` lines where events of a CPU were lost before.
    Annotate = "annotate", true, Copied;
    /// Task, CPU, flags and time before each event.
    ContextInfo = "context-info", true, Copied;
    /// Names of tasks are remembered.
    RecordCmd = "record-cmd", true, TopFile;
    /// Process ids of tasks are remembered and shown.
    RecordTgid = "record-tgid", false, Copied;
    /// A full buffer loses its oldest events, not the newest.
    Overwrite = "overwrite", true, Copied;
    /// Closing `free_buffer` ends recording.
    DisableOnFree = "disable_on_free", false, Copied;
    /// The five flag characters and their header.
    IrqInfo = "irq-info", true, Copied;
    /// `trace_marker` may be written.
    Markers = "markers", true, Copied;
    /// Lists of pids follow tasks that fork and exit.
    EventFork = "event-fork", false, Off;
    /// What the program prints with trace_printk goes here: on in one instance at a time.
    TracePrintkDest = "trace_printk_dest", true, Off;
    /// Markers written at the top level go here too.
    CopyTraceMarker = "copy_trace_marker", true, Off;
    /// Nothing is recorded while `trace` is open for reading.
    PauseOnTrace = "pause-on-trace", false, Copied;
    /// `%p` shows a hash of the address.
    HashPtr = "hash-ptr", true, Copied;
}

impl Option {
    /// Finds an option by its name.
    pub fn by_name(name: &[u8]) -> core::option::Option<Option> {
        Option::ALL
            .iter()
            .copied()
            .find(|o| o.name().as_bytes() == name)
    }

    /// Whether an instance has a file for it (the top level has one for every option).
    pub fn in_instances(self) -> bool {
        self.start() != Start::TopFile
    }
}

/// The options of one instance.
pub struct Options(AtomicU64);

impl Options {
    /// The top level's at start.
    pub fn top() -> Options {
        let on = Option::ALL.iter().filter(|o| o.default_on());
        Options(AtomicU64::new(on.map(|o| 1 << *o as u64).sum()))
    }

    /// A new instance's, given the top level's.
    pub fn instance(top: &Options) -> Options {
        let off = Option::ALL.iter().filter(|o| o.start() == Start::Off);
        let off: u64 = off.map(|o| 1 << *o as u64).sum();
        Options(AtomicU64::new(top.0.load(Ordering::Relaxed) & !off))
    }

    /// Whether the option is on.
    pub fn get(&self, option: Option) -> bool {
        self.0.load(Ordering::Relaxed) >> option as u8 & 1 != 0
    }

    /// Sets the bit alone; what else a change brings about is the instance's business.
    pub(super) fn set(&self, option: Option, on: bool) {
        if on {
            self.0.fetch_or(1 << option as u8, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!(1 << option as u8), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_defaults() {
        let top = Options::top();
        assert!(top.get(Option::Overwrite) && !top.get(Option::RecordTgid));
        for o in Option::ALL {
            assert_eq!(Option::by_name(o.name().as_bytes()), Some(*o));
        }
        assert_eq!(Option::by_name(b"OVERWRITE"), None);
        top.set(Option::RecordTgid, true);
        top.set(Option::EventFork, true);
        let instance = Options::instance(&top);
        assert!(instance.get(Option::RecordTgid) && instance.get(Option::Markers));
        assert!(!instance.get(Option::EventFork) && !instance.get(Option::CopyTraceMarker));
    }
}
