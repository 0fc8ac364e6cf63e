//! What a tracer (the process behind `utracefs run`) and the daemon say to each other.
//!
//! The tracer connects to the daemon's control socket, says the line [`ATTACH`] and waits for the line `ok`. From then on both
//! send frames: a length of four bytes and a [`FromTracer`] or [`ToTracer`], all little-endian. The tracer speaks first: with
//! [`FromTracer::Hello`]. Whatever cannot be decoded ends the connection.
//!
//! What a tracer wants to be sure of: records come in the order of their times, over all its frames; and it takes frames in
//! their order, so that its `Flushed` says two things. Everything that happened before it received the `Flush` has been sent,
//! and every `Wants` before that `Flush` is in force: no task goes on to another instruction of its program unobserved.

mod code;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

pub use utracefs_workloads::events::signal::Sent;
pub use utracefs_workloads::subject::Known;

use code::{Code, Cursor, coded};

/// Version of these frames.
pub const VERSION: u32 = 1;
/// The line with which a tracer begins; its number is [`VERSION`].
pub const ATTACH: &str = "run attach 1";
/// Longest frame without the four bytes of its length.
pub const MAX_FRAME: usize = 1 << 20;
/// Longest text in a frame: a path with its NUL. What is longer is cut when it is sent.
pub const MAX_TEXT: usize = 4096;
/// Notes of a [`FromTracer::Hello`] and paths of a system call that are sent at most.
pub const MAX_LIST: usize = 32;
/// Numbers of system calls that can be asked for one by one.
pub const CALLS: usize = 512;

/// A frame makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the other end has sent something that makes no sense")
    }
}

impl std::error::Error for Malformed {}

coded! {
    /// A task as its events show it: to whom a record belongs.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Who {
        /// Its own number; -1 if nothing tells it.
        pub pid: i32,
        /// Its process's; -1 if nothing tells it.
        pub tgid: i32,
        /// Its name, NUL-padded.
        pub comm: [u8; 16],
    }
}

impl Who {
    /// Nothing tells who it was.
    pub const UNKNOWN: Who = Who {
        pid: -1,
        tgid: -1,
        comm: Known::UNKNOWN.comm,
    };
}

coded! {
    /// Something that happened.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Record {
        /// When: ns of CLOCK_MONOTONIC.
        pub time_ns: u64,
        /// On which CPU, if something tells it.
        pub cpu: Option<u32>,
        /// Where in its program the task was, if something tells it: what `userstacktrace` shows.
        pub ip: Option<u64>,
        /// To whom, or by whom.
        pub task: Who,
        /// What.
        pub what: What,
    }
}

coded! {
    /// The text of an argument that is a path.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub struct Path {
        /// Index of the argument.
        pub arg: u8,
        /// The path without its NUL, or `(fault)`.
        pub text: Vec<u8>,
    }
}

coded! {
    /// What happened. Fields that the task of the record has already are not repeated. What nothing tells is -1, a name `<...>`
    /// ([`Known::UNKNOWN`]), an address all ones: never 0.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum What by Kind {
        /// The task enters a system call.
        SysEnter = 0 {
            /// The number that is asked for, whether there is such a call or not.
            nr: i64,
            /// The number is of another table than the daemon's machine has (a 32-bit call): only raw_syscalls shows it.
            foreign: bool,
            /// The registers.
            args: [u64; 6],
            /// The arguments that are paths, in their order.
            paths: Vec<Path>,
        },
        /// It comes back. A call whose entry was not seen is shown as well if its number is known.
        SysExit = 1 {
            /// As in `SysEnter`.
            nr: i64,
            /// As in `SysEnter`.
            foreign: bool,
            /// The result; a negative errno for failure.
            ret: i64,
        },
        /// A CPU goes from one task to another; where only one of them is known, the other is [`Known::UNKNOWN`] and so, for an
        /// unknown `prev`, is the record's task.
        Switch = 2 {
            /// The one that leaves.
            prev: Known,
            /// What becomes of it, as sched_switch has it: 0x100 preempted; 3 asleep, where nothing tells whether S or D;
            /// `u32::MAX` with an unknown `prev`.
            prev_state: u32,
            /// It was preempted.
            preempt: bool,
            /// The one that comes.
            next: Known,
        },
        /// The task makes another.
        Fork = 3 {
            /// The new one; its name is still its maker's.
            child: Who,
        },
        /// As `Fork`, with what task_newtask says.
        NewTask = 4 {
            /// The new one's number.
            pid: i32,
            /// Its name.
            comm: [u8; 16],
            /// Flags of clone(2).
            clone_flags: u64,
            /// From /proc.
            oom_score_adj: i16,
        },
        /// The task goes on as another program.
        Exec = 5 {
            /// The file, as the program gets it told.
            filename: Vec<u8>,
            /// Number of the thread that called.
            old_pid: i32,
        },
        /// A task gets another name.
        Rename = 6 {
            /// Its number.
            pid: i32,
            /// What it was called.
            oldcomm: [u8; 16],
            /// What it is called.
            newcomm: [u8; 16],
            /// From /proc.
            oom_score_adj: i16,
        },
        /// The task ends.
        Exit = 7 {
            /// Its priority.
            prio: i32,
            /// It was the last one of its process.
            group_dead: bool,
        },
        /// The task begins to wait for a child.
        Wait = 8 {
            /// The child; 0: any.
            pid: i32,
            /// Priority of the task.
            prio: i32,
        },
        /// What was left of a task has gone. The record's task is [`Who::UNKNOWN`] if nothing tells who took it away.
        Free = 9 {
            /// The one that is gone.
            who: Known,
        },
        /// A new task can run.
        WakeupNew = 10 {
            /// The new one.
            who: Known,
            /// Where; -1 if nothing tells it.
            target_cpu: i32,
        },
        /// The task wakes another.
        Waking = 11 {
            /// The other.
            who: Known,
            /// Where it last ran.
            target_cpu: i32,
        },
        /// A task can run again.
        Wakeup = 12 {
            /// It.
            who: Known,
            /// Where.
            target_cpu: i32,
        },
        /// The task takes a signal.
        SignalDeliver = 13 {
            /// Its number.
            sig: i32,
            /// `si_errno`.
            errno: i32,
            /// `si_code`.
            code: i32,
            /// Its handler: 0 the default, 1 ignored.
            sa_handler: u64,
            /// Flags of sigaction(2).
            sa_flags: u64,
        },
        /// The task sends a signal.
        SignalGenerate = 14 {
            /// Its number.
            sig: i32,
            /// `si_errno`.
            errno: i32,
            /// `si_code`.
            code: i32,
            /// Name of whom it is for.
            comm: [u8; 16],
            /// Number of whom it is for.
            pid: i32,
            /// It is for the whole process.
            group: bool,
            /// What becomes of it.
            result: Sent,
        },
    }
}

coded! {
    /// From a tracer to the daemon.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum FromTracer {
        /// The first frame.
        Hello = 0 {
            /// [`VERSION`].
            version: u32,
            /// The command.
            cmd_pid: i32,
            /// What cannot be seen, and why: a sentence each, for the daemon's log.
            notes: Vec<String>,
        },
        /// What happened, in the order of time.
        Records = 1 {
            /// No earlier one than any before.
            records: Vec<Record>,
        },
        /// All that happened before the `Flush` of this number has been sent, and all `Wants` before it are in force.
        Flushed = 2 {
            /// Of the `Flush`.
            seq: u64,
        },
        /// The command has ended: nothing follows.
        Bye = 3 {},
    }
}

coded! {
    /// From the daemon to a tracer.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum ToTracer {
        /// From now on these are to be reported, and no others.
        Wants = 0 {
            /// Boxed: it is much larger than the other message.
            wants: Box<Wants>,
        },
        /// To be answered by `Flushed` at once: a control file is to be read or written.
        Flush = 1 {
            /// Counts up.
            seq: u64,
        },
    }
}

coded! {
    /// A set of system calls by number.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Calls {
        bits: [u64; CALLS / 64],
    }
}

impl Calls {
    /// None.
    pub const NONE: Calls = Calls {
        bits: [0; CALLS / 64],
    };

    /// Whether the call is one of them.
    pub fn has(&self, nr: i64) -> bool {
        usize::try_from(nr).is_ok_and(|nr| {
            self.bits
                .get(nr / 64)
                .is_some_and(|word| word >> (nr % 64) & 1 != 0)
        })
    }

    /// Adds a call. One beyond [`CALLS`] is left out: there are none.
    pub fn add(&mut self, nr: i64) {
        if let Ok(nr) = usize::try_from(nr)
            && let Some(word) = self.bits.get_mut(nr / 64)
        {
            *word |= 1 << (nr % 64);
        }
    }

    /// Their numbers, counting up.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        (0..CALLS as i64).filter(|nr| self.has(*nr))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.bits
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Calls::NONE
    }
}

coded! {
    /// What the daemon wants to hear about: events that somebody listens to.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Wants {
        kinds: u32,
        /// Calls whose entry is wanted.
        pub enter: Calls,
        /// Calls whose end is wanted.
        pub exit: Calls,
        /// The entry of every call, foreign ones too.
        pub raw_enter: bool,
        /// The end of every call.
        pub raw_exit: bool,
    }
}

impl Wants {
    /// Nothing.
    pub const NOTHING: Wants = Wants {
        kinds: 0,
        enter: Calls::NONE,
        exit: Calls::NONE,
        raw_enter: false,
        raw_exit: false,
    };

    /// Whether events of this kind are wanted; of system calls, any.
    pub fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::SysEnter => self.raw_enter || !self.enter.is_empty(),
            Kind::SysExit => self.raw_exit || !self.exit.is_empty(),
            other => self.kinds >> other as u8 & 1 != 0,
        }
    }

    /// Adds a kind. System calls are in `enter`, `exit`, `raw_enter` and `raw_exit`.
    pub fn add(&mut self, kind: Kind) {
        self.kinds |= 1 << kind as u8;
    }

    /// Whether nothing is wanted.
    pub fn is_nothing(&self) -> bool {
        *self == Wants::NOTHING
    }
}

/// Coding of whole frames, for both directions.
macro_rules! frames {
    ($type:ident) => {
        impl $type {
            /// Appends the frame, length and all.
            pub fn encode(&self, out: &mut Vec<u8>) {
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                self.put(out);
                let len = (out.len() - start - 4) as u32;
                out[start..start + 4].copy_from_slice(&len.to_le_bytes());
            }

            /// What a frame says, its length taken off.
            ///
            /// # Errors
            /// If it makes no sense, or something follows.
            pub fn decode(frame: &[u8]) -> Result<$type, Malformed> {
                let mut cursor = Cursor(frame);
                let message = $type::get(&mut cursor)?;
                cursor.0.is_empty().then_some(message).ok_or(Malformed)
            }
        }
    };
}

frames!(FromTracer);
frames!(ToTracer);

/// Appends frames with these records: as many as it takes.
pub fn encode_records(records: &[Record], out: &mut Vec<u8>) {
    // a record has at most MAX_LIST texts, in practice two
    const ROOM: usize = MAX_FRAME - (MAX_LIST + 1) * (MAX_TEXT + 16);
    let mut rest = records.iter().peekable();
    while rest.peek().is_some() {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(1);
        let count_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let mut count = 0u32;
        while out.len() - start < ROOM
            && let Some(record) = rest.next()
        {
            record.put(out);
            count += 1;
        }
        out[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
        let len = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }
}

/// Reads a frame without its length into `frame`; `false`: the other end has closed.
///
/// # Errors
/// What the reader says; `InvalidData` for a length beyond [`MAX_FRAME`]; `UnexpectedEof` in the middle of a frame.
pub fn read_frame(from: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<bool> {
    let mut len = [0; 4];
    let mut have = 0;
    while have < len.len() {
        match from.read(&mut len[have..]) {
            Ok(0) if have == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => have += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let len = u32::from_le_bytes(len) as usize;
    if len > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, Malformed));
    }
    frame.resize(len, 0);
    from.read_exact(frame)?;
    Ok(true)
}
