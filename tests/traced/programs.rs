//! Programs to be observed, for what no shell does.

use std::process::ExitCode;

/// Runs one.
pub fn run(args: &[String]) -> ExitCode {
    let number = |i: usize| args[i].parse::<u64>().expect("a number");
    match args[0].as_str() {
        "threads" => threads(number(1), number(2)),
        "calls" => calls(number(1), number(2)),
        "exec-in-thread" => exec_in_thread(),
        "steps" => steps(),
        "name" => name(&args[1]),
        "pipe" => pipe(number(1), number(2)),
        other => panic!("no program {other}"),
    }
    ExitCode::SUCCESS
}

fn open(path: &str) -> i64 {
    let path = std::ffi::CString::new(path).expect("no NUL");
    // SAFETY: a path that lives as long as the call; the descriptor is closed at once
    unsafe {
        let fd = libc::openat(libc::AT_FDCWD, path.as_ptr(), libc::O_RDONLY);
        if fd >= 0 {
            libc::close(fd);
        }
        i64::from(fd)
    }
}

/// T threads that try to open N files each that are not there.
fn threads(threads: u64, files: u64) {
    let all: Vec<_> = (0..threads)
        .map(|t| {
            std::thread::spawn(move || {
                for f in 0..files {
                    assert_eq!(open(&format!("/nonexistent/{t}/{f}")), -1);
                }
            })
        })
        .collect();
    all.into_iter().for_each(|t| t.join().expect("a thread"));
}

/// N calls that nobody wants, an openat after every so many; the results must be right.
fn calls(calls: u64, every: u64) {
    let parent = std::os::unix::process::parent_id();
    for i in 0..calls {
        // SAFETY: takes nothing
        let got = unsafe { libc::syscall(libc::SYS_getppid) };
        assert_eq!(got, i64::from(parent));
        if i % every == every - 1 {
            assert_eq!(open(&format!("/nonexistent/{i}")), -1);
            assert!(open("/proc/self/stat") >= 0);
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|l| l.starts_with("Seccomp:"));
    println!("{}", line.unwrap_or_default().replace('\t', " "));
}

/// A thread that is not the first becomes another program.
fn exec_in_thread() {
    use std::os::unix::process::CommandExt;
    let thread = std::thread::spawn(|| {
        // SAFETY: takes nothing
        let tid = unsafe { libc::gettid() };
        println!("{tid}");
        let e = std::process::Command::new("/bin/cat")
            .arg("/nonexistent/cat")
            .exec();
        panic!("{e}");
    });
    let _ = thread.join();
}

/// For every line of input, tries to open the file of that name and answers with the result and whether it is traced.
fn steps() {
    for line in std::io::stdin().lines() {
        let line = line.expect("a line");
        let got = open(&line);
        let tracer = super::daemon::status_line(std::process::id() as i32, "TracerPid");
        let traced = if tracer == "0" { "free" } else { "traced" };
        println!("{} {traced}", if got < 0 { "no" } else { "yes" });
    }
}

/// Takes a name.
fn name(name: &str) {
    let name = std::ffi::CString::new(name).expect("no NUL");
    // SAFETY: a text that lives as long as the call
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// A thread `reader` of nice 5 reads byte by byte what the first thread writes, each when the reader sleeps, both on one CPU. Prints
/// the reader's number and how often it has slept.
fn pipe(bytes: u64, cpu: u64) {
    use std::io::{Read, Write};
    let mut set = nix::sched::CpuSet::new();
    set.set(cpu as usize).expect("a CPU");
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set).expect("sched_setaffinity");
    let (mut from, mut to) = std::io::pipe().expect("a pipe");
    let (tell, told) = std::sync::mpsc::channel();
    let reader = std::thread::Builder::new().name("reader".into());
    let reader = reader.spawn(move || {
        // SAFETY: plain numbers and a structure that lives as long as the call
        unsafe {
            let tid = libc::gettid();
            assert_eq!(libc::setpriority(libc::PRIO_PROCESS, 0, 5), 0);
            tell.send(tid).expect("somebody listens");
            for _ in 0..bytes {
                from.read_exact(&mut [0]).expect("a byte");
            }
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
            usage.ru_nvcsw
        }
    });
    let reader = reader.expect("a thread");
    let tid = told.recv().expect("a number");
    let stat = format!("/proc/self/task/{tid}/stat");
    for _ in 0..bytes {
        super::daemon::wait_until("the reader sleeps", || {
            std::fs::read_to_string(&stat)
                .expect("stat")
                .contains(") S ")
        });
        to.write_all(b"x").expect("a byte");
    }
    println!("{tid} {}", reader.join().expect("no panic"));
}
