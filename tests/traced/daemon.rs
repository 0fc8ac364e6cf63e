//! The daemon's part, and starting what it talks to.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;
pub use utracefs_mount::run::wire::Record as Told;
use utracefs_mount::run::wire::{FromTracer, Kind, Record, ToTracer, Wants, What, read_frame};
use utracefs_mount::run::{self, Program, Settings};

/// Far more than anything here takes: a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// `--traced FD OPTIONS -- COMMAND`: what `utracefs run` does once it is connected.
pub fn be_traced(args: &[String]) -> ExitCode {
    let fd: i32 = args[0].parse().expect("a descriptor");
    // SAFETY: the parent has left it open for this, and nothing else uses it
    let daemon = unsafe { UnixStream::from_raw_fd(fd) };
    nix::fcntl::fcntl(
        &daemon,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    )
    .expect("fcntl");
    let dashes = args.iter().position(|a| a == "--").expect("--");
    let options = &args[1..dashes];
    let settings = Settings {
        filter: !options.iter().any(|o| o == "--no-filter"),
        detach_debugged: options.iter().any(|o| o == "--detach-debugged"),
    };
    if options.iter().any(|o| o == "--contained") {
        refuse(false);
    }
    if options.iter().any(|o| o == "--no-machine") {
        refuse(true);
    }
    let command: Vec<OsString> = args[dashes + 1..].iter().map(OsString::from).collect();
    let status = Program::find(&command).and_then(|p| run::run(&p, daemon, settings));
    match status {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status)
        }
    }
}

/// Makes perf_event_open(2) fail with EACCES, as it does for users where perf_event_paranoid is high and in containers, and
/// process_vm_readv(2) and process_vm_writev(2), which containers refuse as well. Or, `only_machine`, perf_event_open(2) where it is
/// about all tasks.
fn refuse(only_machine: bool) {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = |at: u32| op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let is =
        |what: u32, jt: u8, jf: u8| op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, what);
    let result = |what: u32| op(libc::BPF_RET | libc::BPF_K, 0, 0, what);
    // in struct seccomp_data the number of the call is the first word, its second argument, the task, at 24
    let (which, all) = (load(0), u32::MAX);
    let mut filter = match only_machine {
        true => vec![
            which,
            is(libc::SYS_perf_event_open as u32, 0, 2),
            load(24),
            is(all, 1, 0),
        ],
        false => vec![
            which,
            is(libc::SYS_perf_event_open as u32, 3, 0),
            is(libc::SYS_process_vm_readv as u32, 2, 0),
            is(libc::SYS_process_vm_writev as u32, 1, 0),
        ],
    };
    filter.push(result(libc::SECCOMP_RET_ALLOW));
    filter.push(result(libc::SECCOMP_RET_ERRNO | libc::EACCES as u32));
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the kernel copies the program
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, 1, 0, &raw const program)
    };
    assert_eq!(done, 0, "seccomp");
}

/// This program as a command: see `programs`.
pub fn program(args: &[&str]) -> Vec<String> {
    let me = std::env::current_exe().expect("current_exe");
    let me = me.to_str().expect("UTF-8").to_string();
    [&[me.as_str(), "--program"], args]
        .concat()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Words as they are.
pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// The process that `utracefs run` would be, not started yet. `daemon` is its end of the connection.
pub fn front(options: &[&str], command: &[String], daemon: &UnixStream) -> Command {
    let mut c = Command::new(std::env::current_exe().expect("current_exe"));
    let fd = daemon.as_raw_fd();
    c.arg("--traced").arg(fd.to_string());
    c.args(options).arg("--").args(command);
    // SAFETY: fcntl is async-signal-safe
    unsafe {
        c.pre_exec(move || {
            if libc::fcntl(fd, libc::F_SETFD, 0) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    c
}

/// A command under observation.
pub struct Run {
    /// The front process.
    pub child: Child,
    /// Its input.
    pub stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    tracer: UnixStream,
    /// The command's process.
    pub command: i32,
    /// What the tracer has said that it cannot see.
    pub notes: Vec<String>,
    /// The records so far.
    pub records: Vec<Record>,
    seq: u64,
    over: bool,
}

/// A set of wants: kinds by name, `enter:NR`, `exit:NR`, `raw`.
pub fn wants(text: &str) -> Wants {
    let mut wants = Wants::NOTHING;
    for word in text.split_whitespace() {
        match word.split_once(':') {
            Some(("enter", nr)) => wants.enter.add(nr.parse().expect("a number")),
            Some(("exit", nr)) => wants.exit.add(nr.parse().expect("a number")),
            Some(_) => panic!("{word}"),
            None if word == "raw" => (wants.raw_enter, wants.raw_exit) = (true, true),
            None => {
                let kind = Kind::ALL.iter().find(|k| format!("{k:?}") == word);
                wants.add(*kind.unwrap_or_else(|| panic!("no kind {word}")));
            }
        }
    }
    wants
}

/// openat, both ends.
pub const OPENAT: &str = "enter:257 exit:257";

impl Run {
    /// Starts a command; `wanted` is what is wanted from the beginning.
    pub fn start(options: &[&str], command: &[String], wanted: &str) -> Run {
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        let mut child = front(options, command, &theirs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        drop(theirs);
        ours.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut run = Run {
            stdin: child.stdin.take(),
            stdout,
            child,
            tracer: ours,
            command: 0,
            notes: Vec::new(),
            records: Vec::new(),
            seq: 0,
            over: false,
        };
        run.until(|m| matches!(m, FromTracer::Hello { .. }));
        run.send(&ToTracer::Wants {
            wants: Box::new(wants(wanted)),
        });
        run
    }

    /// Runs a command to its end: the status and the records.
    pub fn whole(options: &[&str], command: &[String], wanted: &str) -> (ExitStatus, Vec<Record>) {
        let mut run = Run::start(options, command, wanted);
        drop(run.stdin.take());
        let status = run.end();
        (status, std::mem::take(&mut run.records))
    }

    fn send(&mut self, message: &ToTracer) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.tracer.write_all(&bytes).expect("the tracer listens");
    }

    /// Takes messages until one of them is such.
    fn until(&mut self, such: impl Fn(&FromTracer) -> bool) {
        let mut frame = Vec::new();
        while !self.over {
            if !read_frame(&mut self.tracer, &mut frame).expect("the tracer talks") {
                self.over = true;
                return;
            }
            let message = FromTracer::decode(&frame).expect("a message");
            let last = such(&message);
            match message {
                FromTracer::Hello { cmd_pid, notes, .. } => {
                    self.command = cmd_pid;
                    self.notes = notes;
                }
                FromTracer::Records { records } => self.records.extend(records),
                FromTracer::Flushed { .. } => {}
                FromTracer::Bye {} => self.over = true,
            }
            if last {
                return;
            }
        }
    }

    /// Asks for all that has happened, and takes it out.
    pub fn flush(&mut self) -> Vec<Record> {
        self.seq += 1;
        let seq = self.seq;
        self.send(&ToTracer::Flush { seq });
        self.until(|m| *m == FromTracer::Flushed { seq });
        std::mem::take(&mut self.records)
    }

    /// Wants this from now on; returns what has happened before.
    pub fn want(&mut self, wanted: &str) -> Vec<Record> {
        self.send(&ToTracer::Wants {
            wants: Box::new(wants(wanted)),
        });
        self.flush()
    }

    /// Gives the command a line to read.
    pub fn put(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{line}").expect("the command reads");
    }

    /// The next line that the command writes.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line.trim_end().to_string()
    }

    /// All that the command still writes.
    pub fn rest(&mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("text");
        text
    }

    /// The tracer's process.
    pub fn tracer_pid(&self) -> i32 {
        status_line(self.command, "PPid").parse().expect("a number")
    }

    /// Ends the connection, as a daemon that dies.
    pub fn hang_up(&mut self) {
        let (dead, _) = UnixStream::pair().expect("a socket");
        self.tracer = dead;
        self.over = true;
    }

    /// Waits until the tracer has said all and the front has ended.
    pub fn end(&mut self) -> ExitStatus {
        self.until(|_| false);
        self.child.wait().expect("a status")
    }
}

/// A line of /proc/PID/status.
pub fn status_line(pid: i32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(":"));
    line.unwrap_or_default().trim().to_string()
}

/// Waits until it is true.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + PATIENCE;
    while !so() {
        assert!(std::time::Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The calls of openat: path and result, in the order of their ends.
pub fn opens(records: &[Record]) -> Vec<(String, i64)> {
    let mut open = std::collections::HashMap::new();
    let mut all = Vec::new();
    for r in records {
        match &r.what {
            What::SysEnter { nr: 257, paths, .. } => {
                let text = String::from_utf8_lossy(&paths[0].text).into_owned();
                assert_eq!((paths.len(), paths[0].arg), (1, 1));
                assert!(
                    open.insert(r.task.pid, text).is_none(),
                    "two entries: {r:?}"
                );
            }
            What::SysExit { nr: 257, ret, .. } => {
                let text = open.remove(&r.task.pid);
                all.push((text.unwrap_or_else(|| panic!("no entry: {r:?}")), *ret));
            }
            _ => {}
        }
    }
    all
}

/// A kind by name.
pub fn kind(name: &str) -> Kind {
    let found = Kind::ALL.iter().find(|k| format!("{k:?}") == name);
    *found.unwrap_or_else(|| panic!("no kind {name}"))
}

/// Talks to a tracer until it has ended; all its records are dropped.
pub fn want_for_ever(mut tracer: UnixStream, wanted: &str) {
    let mut frame = Vec::new();
    while read_frame(&mut tracer, &mut frame).unwrap_or(false) {
        if let Ok(FromTracer::Hello { .. }) = FromTracer::decode(&frame) {
            let mut bytes = Vec::new();
            let wants = Box::new(wants(wanted));
            ToTracer::Wants { wants }.encode(&mut bytes);
            let _ = tracer.write_all(&bytes);
        }
    }
}

/// `--traced-to SOCKET COMMAND`: `utracefs run` for a daemon that listens there.
pub fn be_traced_to(args: &[String]) -> ExitCode {
    let daemon = UnixStream::connect(&args[0]).expect("the test listens");
    let command: Vec<OsString> = args[1..].iter().map(OsString::from).collect();
    let settings = Settings {
        filter: true,
        detach_debugged: false,
    };
    match Program::find(&command).and_then(|p| run::run(&p, daemon, settings)) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status)
        }
    }
}
