//! Trace options: one row each, with the name in `options/` and `trace_options` and the value a new top level or
//! instance starts with (Documentation/trace/ftrace.rst, "trace_options").

use alloc::sync::Arc;

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

/// What an instance starts with, and where the option has a file.
#[derive(PartialEq)]
enum Start {
    /// The top level's present value.
    Copied,
    /// The same, but the file is at the top level only; `trace_options` of an instance takes it all the same.
    TopFile,
    /// Off: the option is about what the top level does for others, or about tasks that an instance has yet to name.
    Off,
    /// The present tracer's, which is `nop` everywhere: one value for all instances.
    Tracer,
}

options! {
    /// The caller behind each function: for the function tracer.
    PrintParent = "print-parent", true, Copied;
    /// Symbols as `name+0x8a/0x170`.
    SymOffset = "sym-offset", false, Copied;
    /// Symbols with their address behind.
    SymAddr = "sym-addr", false, Copied;
    /// Types of system calls' arguments; more columns in `latency-format`.
    Verbose = "verbose", false, Copied;
    /// Numbers in place of text.
    Raw = "raw", false, Copied;
    /// The same, hexadecimal.
    Hex = "hex", false, Copied;
    /// The same, binary.
    Bin = "bin", false, Copied;
    /// Pipes always poll as readable.
    Block = "block", false, Copied;
    /// Fields by their names in place of the event's own text.
    Fields = "fields", false, Copied;
    /// What programs print goes into the trace: with `printk-msg-only` the message alone.
    TracePrintk = "trace_printk", true, TopFile;
    /// `CPU N buffer started` lines where events of a CPU were lost before.
    Annotate = "annotate", true, Copied;
    /// After each event where in the program it was, as addresses.
    UserStackTrace = "userstacktrace", false, Copied;
    /// These addresses as places in files.
    SymUserObj = "sym-userobj", false, Copied;
    /// Of markers the text alone.
    PrintkMsgOnly = "printk-msg-only", false, TopFile;
    /// Task, CPU, flags and time before each event.
    ContextInfo = "context-info", true, Copied;
    /// Times since the last clear, with marks where the next event is far off.
    LatencyFormat = "latency-format", false, Copied;
    /// Names of tasks are remembered.
    RecordCmd = "record-cmd", true, TopFile;
    /// Process ids of tasks are remembered and shown.
    RecordTgid = "record-tgid", false, Copied;
    /// A full buffer loses its oldest events, not the newest.
    Overwrite = "overwrite", true, Copied;
    /// Closing `free_buffer` stops tracing.
    DisableOnFree = "disable_on_free", false, Copied;
    /// The five flag characters and their header.
    IrqInfo = "irq-info", true, Copied;
    /// `trace_marker` may be written.
    Markers = "markers", true, Copied;
    /// Children of the tasks in `set_event_pid` are added to it.
    EventFork = "event-fork", false, Off;
    /// The instance that programs print into.
    TracePrintkDest = "trace_printk_dest", true, Off;
    /// Markers written at the top level are recorded here too.
    CopyTraceMarker = "copy_trace_marker", true, Off;
    /// Nothing is recorded while `trace` is open for reading.
    PauseOnTrace = "pause-on-trace", false, Copied;
    /// `%p` shows a hash of the address.
    HashPtr = "hash-ptr", true, Copied;
    /// After each event where in the program it was, as names of functions.
    StackTrace = "stacktrace", false, Copied;
    /// Accepts every value: for tests of this file.
    TestNopAccept = "test_nop_accept", false, Tracer;
    /// Accepts no value.
    TestNopRefuse = "test_nop_refuse", false, Tracer;
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

    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// The options of one instance.
pub struct Options {
    own: AtomicU64,
    /// Those of the tracer, which the instances share.
    tracer: Arc<AtomicU64>,
}

impl Options {
    /// The top level's at start.
    pub fn top() -> Options {
        let on = Option::ALL.iter().filter(|o| o.default_on());
        Options {
            own: AtomicU64::new(on.map(|o| o.bit()).sum()),
            tracer: Arc::default(),
        }
    }

    /// A new instance's, given the top level's.
    pub fn instance(top: &Options) -> Options {
        let off = Option::ALL.iter().filter(|o| o.start() == Start::Off);
        let off: u64 = off.map(|o| o.bit()).sum();
        Options {
            own: AtomicU64::new(top.own.load(Ordering::Relaxed) & !off),
            tracer: top.tracer.clone(),
        }
    }

    fn word(&self, option: Option) -> &AtomicU64 {
        match option.start() {
            Start::Tracer => &self.tracer,
            _ => &self.own,
        }
    }

    /// Whether the option is on.
    pub fn get(&self, option: Option) -> bool {
        self.word(option).load(Ordering::Relaxed) & option.bit() != 0
    }

    /// Sets the bit alone; what else a change brings about is the instance's business.
    pub(super) fn set(&self, option: Option, on: bool) {
        let word = self.word(option);
        if on {
            word.fetch_or(option.bit(), Ordering::Relaxed);
        } else {
            word.fetch_and(!option.bit(), Ordering::Relaxed);
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
        assert!(instance.get(Option::RecordTgid) && !instance.get(Option::EventFork));
        assert!(top.get(Option::CopyTraceMarker) && !instance.get(Option::CopyTraceMarker));
        // the tracer is the same everywhere
        instance.set(Option::TestNopAccept, true);
        instance.set(Option::Raw, true);
        assert!(top.get(Option::TestNopAccept) && !top.get(Option::Raw));
        assert!(Option::ALL.len() <= 64);
    }
}
