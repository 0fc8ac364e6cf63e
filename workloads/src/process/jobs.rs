//! What the children do, and what their parent does to them.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use crate::children::{Command, Family, Plan, Role, Seen};
use crate::rng::Rng;
use crate::syscalls::calls;

/// Jobs of the same number are the same on every run.
const SEED: u64 = 0xfa31_1000_0000_0000;

/// Kinds of jobs; they take turns.
pub(super) const KINDS: u64 = 8;

/// What shells report of a program that is not there.
const NOT_FOUND: i32 = 127 << 8;

pub(super) struct Jobs {
    /// `/dev/null`.
    null: File,
    /// Does nothing.
    quiet: Command,
    /// Nobody has it.
    missing: Command,
    /// Says `hello`.
    says: Command,
    /// Copies what it reads.
    copies: Command,
}

/// What came was not what was to come.
fn unexpected<T>(what: &str, answer: impl std::fmt::Debug) -> io::Result<T> {
    Err(io::Error::other(format!("{what}: {answer:?}")))
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, answer: T, expected: T) -> io::Result<()> {
    if answer == expected {
        return Ok(());
    }
    unexpected(what, answer)
}

impl Jobs {
    pub fn new() -> io::Result<Jobs> {
        Ok(Jobs {
            null: File::options().read(true).write(true).open("/dev/null")?,
            quiet: Command::new(&["true"]),
            missing: Command::new(&["/usr/local/bin/utracefs-no-such-program"]),
            says: Command::new(&["echo", "hello"]),
            copies: Command::new(&["cat"]),
        })
    }

    /// Operation `op`.
    pub fn run(&mut self, op: u64, family: &mut Family) -> io::Result<()> {
        let mut rng = Rng::of(SEED, op);
        match op % KINDS {
            0 => self.program(family),
            1 => self.missing(family),
            2 => self.handled(family, rng.within(1..5) as u32),
            3 => self.ended_by(family, libc::SIGTERM),
            4 => self.ended_by(family, libc::SIGKILL),
            5 => self.ignored_and_twice(family),
            6 => self.generations(family, rng.within(1..5) as u32),
            _ => self.pipeline(family),
        }
    }

    fn fork(&self, family: &mut Family, role: Role<'_>) -> io::Result<i32> {
        let null = self.null.as_raw_fd();
        family.fork(&Plan {
            role,
            stdin: null,
            stdout: null,
        })
    }

    fn program(&self, family: &mut Family) -> io::Result<()> {
        let pid = self.fork(family, Role::program(&self.quiet))?;
        let expected = if self.quiet.is_there() { 0 } else { NOT_FOUND };
        expect("status of true", family.finish(pid)?, expected)
    }

    fn missing(&self, family: &mut Family) -> io::Result<()> {
        let pid = self.fork(family, Role::program(&self.missing))?;
        expect("status without exec", family.finish(pid)?, NOT_FOUND)
    }

    /// Until the child sleeps, waiting for signals.
    fn sleeps(family: &mut Family, child: i32) -> io::Result<()> {
        let asleep = |seen| matches!(seen, Seen::Enters { pid, nr } if pid == child && nr == libc::SYS_ppoll);
        let over =
            |seen| matches!(seen, Seen::Ends { pid, .. } | Seen::Gone { pid, .. } if pid == child);
        match family.until(|seen| asleep(seen) || over(seen))? {
            seen if asleep(seen) => Ok(()),
            seen => unexpected("instead of sleeping", seen),
        }
    }

    /// Until it takes a signal, which must be this.
    fn takes(family: &mut Family, child: i32, expected: i32) -> io::Result<()> {
        let taken = |seen| match seen {
            Seen::Takes { pid, signal } if pid == child => Some(signal),
            Seen::Ends { pid, .. } | Seen::Gone { pid, .. } if pid == child => Some(0),
            _ => None,
        };
        let seen = family.until(|seen| taken(seen).is_some())?;
        expect("signal taken", taken(seen), Some(expected))
    }

    fn handled(&self, family: &mut Family, times: u32) -> io::Result<()> {
        let pid = self.fork(family, Role::Handler(times))?;
        for _ in 0..times {
            Jobs::sleeps(family, pid)?;
            family.kill(pid, libc::SIGUSR1)?;
            Jobs::takes(family, pid, libc::SIGUSR1)?;
        }
        expect("signals handled", family.finish(pid)?, (times as i32) << 8)
    }

    fn ended_by(&self, family: &mut Family, signal: i32) -> io::Result<()> {
        let pid = self.fork(family, Role::Handler(1))?;
        Jobs::sleeps(family, pid)?;
        family.kill(pid, signal)?;
        expect("status after a signal", family.finish(pid)? & 0x7f, signal)
    }

    /// One that is ignored, and one that is sent again before it is taken: it counts once.
    fn ignored_and_twice(&self, family: &mut Family) -> io::Result<()> {
        let pid = self.fork(family, Role::Handler(1))?;
        Jobs::sleeps(family, pid)?;
        family.kill(pid, libc::SIGUSR2)?;
        Jobs::takes(family, pid, libc::SIGUSR2)?;
        Jobs::sleeps(family, pid)?;
        family.kill(pid, libc::SIGUSR1)?;
        family.kill(pid, libc::SIGUSR1)?;
        Jobs::takes(family, pid, libc::SIGUSR1)?;
        expect("signals handled", family.finish(pid)?, 1 << 8)
    }

    fn generations(&self, family: &mut Family, children: u32) -> io::Result<()> {
        let pid = self.fork(family, Role::Parent(children))?;
        let sum = (children * (children + 1) / 2) as i32;
        expect("sum of statuses", family.finish(pid)?, sum << 8)
    }

    /// `echo hello | cat`, read by us.
    fn pipeline(&self, family: &mut Family) -> io::Result<()> {
        let (mut between, mut out) = ([-1; 2], [-1; 2]);
        let pipe = |ends: &mut [i32; 2]| expect("pipe2", calls::pipe2(ends, libc::O_CLOEXEC), 0);
        pipe(&mut between)?;
        let result = pipe(&mut out).and_then(|()| self.in_a_row(family, &mut between, &mut out));
        for fd in between.into_iter().chain(out).filter(|fd| *fd >= 0) {
            calls::close(fd);
        }
        result
    }

    fn in_a_row(
        &self,
        family: &mut Family,
        between: &mut [i32; 2],
        out: &mut [i32; 2],
    ) -> io::Result<()> {
        let first = family.fork(&Plan {
            role: Role::program(&self.says),
            stdin: self.null.as_raw_fd(),
            stdout: between[1],
        })?;
        let second = family.fork(&Plan {
            role: Role::program(&self.copies),
            stdin: between[0],
            stdout: out[1],
        })?;
        for fd in between.iter_mut().chain(&mut out[1..]) {
            expect("close", calls::close(std::mem::replace(fd, -1)), 0)?;
        }
        let status = |command: &Command| if command.is_there() { 0 } else { NOT_FOUND };
        expect("status of echo", family.finish(first)?, status(&self.says))?;
        expect(
            "status of cat",
            family.finish(second)?,
            status(&self.copies),
        )?;
        let mut text = [0; 64];
        let len = usize::try_from(calls::read(out[0], &mut text)).unwrap_or(0);
        let spoken = self.says.is_there() && self.copies.is_there();
        let expected: &[u8] = if spoken { b"hello\n" } else { b"" };
        expect("text", &text[..len], expected)
    }
}
