//! What the caller sees: status, output, signals, job control.

use super::Test;
use super::daemon::{OPENAT, Run, front, status_line, wait_until, words};
use nix::pty::{ForkptyResult, forkpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;
use utracefs_mount::cli::signals::wait_readable;

pub const TESTS: &[Test] = &[
    ("jobs::status", status),
    ("jobs::nothing_is_attached", nothing_is_attached),
    ("jobs::signals_are_passed_on", signals_are_passed_on),
    ("jobs::the_tracer_is_killed", the_tracer_is_killed),
    ("jobs::the_daemon_dies", the_daemon_dies),
    ("jobs::who_stays_behind", who_stays_behind),
    ("jobs::control_free", || control("")),
    ("jobs::control_attached", || control(OPENAT)),
    ("jobs::control_attached_no_calls", || {
        control("SignalDeliver Exec")
    }),
];

fn status() {
    for wanted in ["", "raw", "Switch Fork Exit", "Exec"] {
        for (script, expected) in [
            ("exit 0", Ok(0)),
            ("exit 7", Ok(7)),
            ("exit 255", Ok(255)),
            ("kill -TERM $$", Err(libc::SIGTERM)),
            ("kill -KILL $$", Err(libc::SIGKILL)),
            ("kill -SEGV $$", Err(libc::SIGSEGV)),
        ] {
            let (status, _) = Run::whole(&[], &words(&["sh", "-c", script]), wanted);
            let got = status.code().ok_or_else(|| status.signal().unwrap_or(0));
            assert_eq!(got, expected, "{script} with {wanted:?}");
        }
    }
    let (status, _) = Run::whole(&[], &words(&["/etc/passwd"]), "");
    assert_eq!(status.code(), Some(126));
    let (status, records) = Run::whole(&[], &words(&["/nonexistent/program"]), "raw Exec Exit");
    assert_eq!(status.code(), Some(127));
    assert!(
        records
            .iter()
            .all(|r| r.what.kind() != super::daemon::kind("Exec")),
        "{records:?}"
    );
    // not even found: no connection is made
    let (_ours, theirs) = UnixStream::pair().expect("a socket");
    let status = front(&[], &words(&["no-such-program-anywhere"]), &theirs).status();
    assert_eq!(status.expect("a status").code(), Some(127));
}

fn nothing_is_attached() {
    let script = "grep TracerPid /proc/self/status; echo $PPID; pwd; cat; exit 3";
    for wanted in ["", "Switch", "Waking"] {
        let mut run = Run::start(&[], &words(&["sh", "-c", script]), wanted);
        assert_eq!(run.line(), "TracerPid:\t0");
        assert_eq!(run.line(), run.tracer_pid().to_string());
        assert_eq!(
            run.line(),
            std::env::current_dir()
                .expect("a directory")
                .display()
                .to_string()
        );
        run.put("what comes goes");
        drop(run.stdin.take());
        assert_eq!(run.rest(), "what comes goes\n");
        assert_eq!(run.end().code(), Some(3));
    }
}

fn signals_are_passed_on() {
    for wanted in ["", "SignalDeliver"] {
        for signal in [
            Signal::SIGTERM,
            Signal::SIGUSR1,
            Signal::SIGHUP,
            Signal::SIGINT,
        ] {
            let name = &signal.as_str()[3..];
            let script = format!(
                "trap 'echo got {name}; exit 42' {name}; echo up; while :; do sleep 0.02; done"
            );
            let mut run = Run::start(&[], &words(&["bash", "-c", &script]), wanted);
            assert_eq!(run.line(), "up");
            kill(Pid::from_raw(run.child.id() as i32), signal).expect("kill");
            assert_eq!(run.line(), format!("got {name}"));
            assert_eq!(run.end().code(), Some(42));
        }
    }
}

fn the_tracer_is_killed() {
    for wanted in ["", OPENAT, "Switch"] {
        let mut run = Run::start(
            &["--no-filter"],
            &words(&["sh", "-c", "read x; cat /dev/null; echo $x; exit 9"]),
            wanted,
        );
        let tracer = run.tracer_pid();
        kill(Pid::from_raw(tracer), Signal::SIGKILL).expect("kill");
        wait_until("the command has another parent", || {
            status_line(run.command, "PPid") == run.child.id().to_string()
        });
        run.put("still here");
        assert_eq!(run.line(), "still here");
        run.hang_up();
        assert_eq!(run.end().code(), Some(9), "{wanted}");
    }
}

fn the_daemon_dies() {
    for wanted in ["", OPENAT, "Switch"] {
        let mut run = Run::start(
            &["--no-filter"],
            &words(&["sh", "-c", "read x; cat /dev/null; echo $x; exit 9"]),
            wanted,
        );
        run.flush();
        run.hang_up();
        // at its next call at the latest
        run.put("on");
        assert_eq!(run.line(), "on");
        assert_eq!(run.end().code(), Some(9), "{wanted}");
    }
}

fn who_stays_behind() {
    // the front ends with the command; the tracer stays with the other
    let script = "(read x <\"$0\"; cat /nonexistent/late) >/dev/null 2>&1 & exit 4";
    let fifo = std::env::temp_dir().join(format!("utracefs-traced-{}", std::process::id()));
    let name = fifo.to_str().expect("UTF-8");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let mut run = Run::start(
        &["--no-filter"],
        &words(&["bash", "-c", script, name]),
        OPENAT,
    );
    drop(run.stdin.take());
    assert_eq!(run.child.wait().expect("a status").code(), Some(4));
    assert_eq!(run.rest(), "");
    std::fs::write(&fifo, "go\n").expect("somebody reads");
    run.end();
    let opens = super::daemon::opens(&run.records);
    std::fs::remove_file(&fifo).expect("remove");
    assert!(
        opens.contains(&("/nonexistent/late".into(), -2)),
        "{opens:?}"
    );
}

/// What the shell asks with.
const PROMPT: &str = "=> ";

/// A terminal with a shell in it.
struct Terminal {
    file: std::fs::File,
    shell: Pid,
    said: String,
}

impl Terminal {
    fn open() -> Terminal {
        // SAFETY: this process has one thread
        match unsafe { forkpty(None, None) }.expect("a terminal") {
            ForkptyResult::Parent { child, master } => Terminal {
                file: master.into(),
                shell: child,
                said: String::new(),
            },
            ForkptyResult::Child => {
                let e = Command::new("bash")
                    .args(["--norc", "--noprofile", "-i"])
                    .env("PS1", PROMPT)
                    .env("HISTFILE", "/dev/null")
                    .env("TERM", "dumb")
                    .exec();
                panic!("{e}")
            }
        }
    }

    /// Types, and reads until the terminal shows a text, which is returned with what came before.
    fn type_until(&mut self, keys: &str, text: &str) -> String {
        self.file.write_all(keys.as_bytes()).expect("a terminal");
        let mut bytes = [0; 4096];
        loop {
            if let Some(at) = self.said.find(text) {
                let rest = self.said.split_off(at + text.len());
                return std::mem::replace(&mut self.said, rest);
            }
            let n = match wait_readable([self.file.as_fd()], 30_000) {
                [true] => self.file.read(&mut bytes).unwrap_or(0),
                _ => 0,
            };
            assert!(n > 0, "no {text:?} after {keys:?}, but {:?}", self.said);
            self.said += &String::from_utf8_lossy(&bytes[..n]);
        }
    }
}

impl Terminal {
    /// A line for the shell; returns what is there when it asks for the next.
    fn line(&mut self, line: &str) -> String {
        self.type_until(&format!("{line}\n"), PROMPT)
    }

    /// The same; the answer is to contain this.
    fn says(&mut self, line: &str, text: &str) {
        let said = self.line(line);
        assert!(said.contains(text), "{line}: {said:?}");
    }

    /// Ctrl-Z stops the job.
    fn stops(&mut self) {
        let said = self.type_until("\x1a", PROMPT);
        assert!(said.contains("Stopped"), "{said:?}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = kill(self.shell, Signal::SIGKILL);
        let _ = nix::sys::wait::waitpid(self.shell, None);
    }
}

/// A daemon that wants always the same, on a thread for every command that begins.
fn serve(listener: std::os::unix::net::UnixListener, wanted: &'static str) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || super::daemon::want_for_ever(stream, wanted));
        }
    });
}

fn control(wanted: &'static str) {
    let name = format!(
        "utracefs-jobs-{}-{}",
        std::process::id(),
        &wanted[..wanted.len().min(2)]
    );
    let path = std::env::temp_dir().join(name);
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let mut t = Terminal::open();
    serve(listener, wanted);
    let me = std::env::current_exe().expect("current_exe");
    t.type_until("", PROMPT);
    t.line(&format!(
        "run() {{ {} --traced-to {} \"$@\"; }}",
        me.display(),
        path.display()
    ));
    // some words are put together by the shell, so that their echo is not taken for its answer
    let reader = "sh -c 'while read x; do echo got''$x; done'\n";
    // Ctrl-C
    t.type_until("run sh -c 'echo u''p; exec sleep 1000'\n", "up");
    t.type_until("\x03", PROMPT);
    t.says("echo st=$?", "st=130");
    // Ctrl-Z, jobs, fg, bg, Ctrl-C; it is in the foreground when it answers
    t.type_until(&format!("run {reader}"), "done'\r\n");
    t.type_until("1\n", "got1");
    t.stops();
    t.says("jobs", "Stopped");
    t.type_until("fg\n", "\"$@\"");
    t.type_until("2\n", "got2");
    t.stops();
    // in the background it stops as soon as it reads
    t.says("bg", "&");
    while !t.line("jobs").contains("Stopped") {}
    t.type_until("fg\n", "\"$@\"");
    t.type_until("3\n", "got3");
    t.type_until("\x03", PROMPT);
    t.says("echo st=$?", "st=130");
    // statuses
    t.says("run sh -c 'exit 7'; echo st=$?", "st=7");
    let said = t.line("run sh -c 'kill -KILL $$'; echo st=$?");
    assert!(said.contains("Killed") && said.contains("st=137"), "{said}");
    // a shell with jobs of its own, which suspends itself
    t.type_until("run env PS1='in''> ' bash --norc --noprofile -i\n", "in> ");
    t.type_until(reader, "done'\r\n");
    t.type_until("4\n", "got4");
    t.type_until("\x1a", "in> ");
    t.type_until("fg\n", "done'");
    t.type_until("5\n", "got5");
    t.type_until("\x03", "in> ");
    let said = t.type_until("echo st=$?\n", "in> ");
    assert!(said.contains("st=130"), "{said}");
    t.says("suspend", "Stopped");
    t.says("echo st=$?", "st=147");
    t.type_until("fg\n", "in> ");
    t.type_until("echo in''side\n", "inside\r\nin> ");
    t.line("exit 3");
    t.says("echo st=$?", "st=3");
    // a reader in the background stops; in the foreground it reads
    t.line("run cat &");
    while !t.line("jobs").contains("Stopped") {}
    t.type_until("fg\n", "cat\r\n");
    t.type_until("hello\n", "hello\r\nhello");
    t.type_until("\x04", PROMPT);
    t.says("echo st=$?", "st=0");
    // ended by others
    t.type_until("run sh -c 'echo u''p; exec sleep 1003' &\n", "up");
    t.type_until("kill %1; wait %1; echo st''=$?\n", "st=143");
    drop(t);
    std::fs::remove_file(&path).expect("remove");
}
