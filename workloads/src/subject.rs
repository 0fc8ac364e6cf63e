//! Whom an event of the scheduler or of a signal is about: a green task, or a real one of which others have told.

use std::sync::Arc;

use crate::machine::Green;

/// What events say about a task.
pub trait Subject {
    /// Its number.
    fn pid(&self) -> i32;
    /// Its name, NUL-padded.
    fn comm(&self) -> [u8; 16];
    /// Its priority as the kernel numbers it: 100 + nice for fair tasks, below for real-time ones.
    fn prio(&self) -> i32;
}

impl Subject for Green {
    fn pid(&self) -> i32 {
        Green::pid(self)
    }

    fn comm(&self) -> [u8; 16] {
        Green::comm(self)
    }

    fn prio(&self) -> i32 {
        Green::prio(self)
    }
}

impl<S: Subject + ?Sized> Subject for Arc<S> {
    fn pid(&self) -> i32 {
        (**self).pid()
    }

    fn comm(&self) -> [u8; 16] {
        (**self).comm()
    }

    fn prio(&self) -> i32 {
        (**self).prio()
    }
}

/// What is known about a task that is not the machine's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its number; -1 if nothing tells it.
    pub pid: i32,
    /// Its name, NUL-padded; `<...>` if nothing tells it.
    pub comm: [u8; 16],
    /// Its priority; -1 if nothing tells it.
    pub prio: i32,
}

impl Known {
    /// A task of which nothing is known. Never number 0: that is the idle task's.
    pub const UNKNOWN: Known = Known {
        pid: -1,
        comm: *b"<...>\0\0\0\0\0\0\0\0\0\0\0",
        prio: -1,
    };
}

impl Subject for Known {
    fn pid(&self) -> i32 {
        self.pid
    }

    fn comm(&self) -> [u8; 16] {
        self.comm
    }

    fn prio(&self) -> i32 {
        self.prio
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Green;

    #[test]
    fn subjects_tell_the_same_through_a_pointer() {
        fn told(subject: &dyn Subject) -> (i32, [u8; 16], i32) {
            (subject.pid(), subject.comm(), subject.prio())
        }
        let known = Known {
            pid: 7,
            comm: *b"seven\0\0\0\0\0\0\0\0\0\0\0",
            prio: 120,
        };
        assert_eq!(told(&known), (7, known.comm, 120));
        assert_eq!(told(&Arc::new(known)), told(&known));
        assert_eq!(told(&Known::UNKNOWN).0, -1);
        let _: fn(&Green) -> &dyn Subject = |green| green;
    }
}
