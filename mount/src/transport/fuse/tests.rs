//! The transport on a real mount, over the toys of the layer's tests. Needs root and /dev/fuse; says so where it is skipped.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::node::tests::{TOYS, Toys};
use crate::node::{Fs, Options};
use crate::transport::fuse::{Server, serve};

/// Longest that anything here may take that should be immediate.
const SOON: Duration = Duration::from_millis(50);

struct Mounted {
    dir: PathBuf,
    toys: Toys,
    server: Option<Server>,
}

/// Mounts the toys for this thread and its children alone.
fn mounted() -> Option<Mounted> {
    let open = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let Ok(device) = open else {
        eprintln!("skipped: cannot open /dev/fuse");
        return None;
    };
    // SAFETY: takes only this thread to a mount namespace of its own
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        eprintln!("skipped: may not make a mount namespace");
        return None;
    }
    let dir = std::env::temp_dir().join(format!(
        "utracefs-test-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    fs::create_dir(&dir).unwrap();
    let target = CString::new(dir.to_str().unwrap()).unwrap();
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions\0",
        device.as_raw_fd()
    );
    // SAFETY: all strings end with NUL and live through the calls
    let mount =
        |source: &std::ffi::CStr, kind: &std::ffi::CStr, flags, data: *const libc::c_char| unsafe {
            libc::mount(
                source.as_ptr(),
                target.as_ptr(),
                kind.as_ptr(),
                flags,
                data.cast(),
            )
        };
    // SAFETY: as above
    let private = unsafe {
        libc::mount(
            c"none".as_ptr(),
            c"/".as_ptr(),
            c"".as_ptr(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    };
    assert_eq!(private, 0);
    assert_eq!(
        mount(
            c"toys",
            c"fuse.toys",
            libc::MS_NOSUID | libc::MS_NODEV,
            options.as_ptr().cast()
        ),
        0
    );
    let toys = Toys::default();
    let tree = Arc::new(Fs::new(&TOYS, toys.clone(), Options::default()));
    let server = serve(tree, device.into(), || ()).unwrap();
    Some(Mounted {
        dir,
        toys,
        server: Some(server),
    })
}

impl Mounted {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.dir.display())
    }
    fn sh(&self, script: &str) -> String {
        let out = Command::new("sh")
            .args(["-c", script])
            .current_dir(&self.dir)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        )
    }
    fn cat(&self, name: &str) -> Child {
        Command::new("cat")
            .arg(self.path(name))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
    fn open(&self, name: &str, flags: i32) -> File {
        OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(self.path(name))
            .unwrap()
    }
    /// Waits until so many reads are parked.
    fn parked(&self, n: usize) {
        until(|| self.server.as_ref().unwrap().lot.waiting().len() == n);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let target = CString::new(self.dir.to_str().unwrap()).unwrap();
        // SAFETY: the string ends with NUL
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
        if let Some(server) = self.server.take() {
            server.stop();
            if !std::thread::panicking() {
                server.join().unwrap();
            }
        }
        fs::remove_dir(&self.dir).unwrap();
    }
}

/// Waits for something that must come.
fn until(there: impl Fn() -> bool) {
    let begin = Instant::now();
    while !there() {
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it does not come"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn wait_end(child: &mut Child) -> std::process::ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "the reader is stuck"
        );
        std::thread::sleep(Duration::from_micros(100));
    }
}

#[test]
fn files_and_directories() {
    let Some(m) = mounted() else { return };
    assert_eq!(
        m.sh("cat number; echo 7 > number; cat number; cat instances/x 2>&1 | sed 's/.*: //'"),
        "0\n7\nNo such file or directory\n"
    );
    assert_eq!(
        m.sh("ls -U letters/3 | tr '\\n' ' '"),
        "once 9 8 7 6 5 4 3 2 1 0 "
    );
    assert_eq!(
        m.sh(
            "find . | wc -l; find . -type f | wc -l; stat -c '%A %h %s %u' . take letters digits/3"
        ),
        "142\n128\ndrwx------ 5 0 0\n-r--r----- 1 0 0\ndrwxr-x--- 12 0 0\n-rw-r----- 1 0 0\n"
    );
    // what directories refuse
    let said = m.sh("exec 2>&1; (: > new); mkdir new; mkdir digits/new; rm number; rmdir digits; mv number new; mv nothing new; ln number new; ln -s number new; rmdir instances/a; mkfifo new; mkfifo number");
    let errors: Vec<_> = said
        .lines()
        .map(|l| l.rsplit(": ").next().unwrap())
        .collect();
    let (p, n, a) = (
        "Operation not permitted",
        "No such file or directory",
        "Permission denied",
    );
    assert_eq!(
        errors,
        [a, p, p, p, p, p, n, p, p, n, p, "File exists"],
        "{said}"
    );
    // instances come and go, names are not remembered wrongly
    assert_eq!(m.sh("mkdir instances/a && ls instances && cat instances/a/number && rmdir instances/a && ls instances; ls instances/a 2>&1 | sed 's/.*: //'; mkdir instances/a; mkdir instances/a 2>&1 | sed 's/.*: //'; stat -c %h instances; rmdir instances/a; stat -c %h instances"),
        format!("a\n0\n{n}\nFile exists\n3\n2\n"));
    assert_eq!(m.sh("chmod 604 number; chown 3:4 number; stat -c '%a %u %g' number; truncate -s 50 number; stat -c %s number; cat number; touch -d @5 number; stat -c %Y number"), "604 3 4\n50\n7\n5\n");
    // O_TRUNC with the open, before the write
    assert_eq!(m.sh("echo one two > words; cat words; echo three >> words; cat words; echo four > words; cat words; : > words; cat words; truncate -s 0 words"), "one\ntwo\none\ntwo\nthree\nfour\n");
    assert_eq!(m.sh("echo bad > words 2>/dev/null; echo $?"), "1\n");
}

#[test]
fn reading_and_seeking() {
    let Some(m) = mounted() else { return };
    let mut f = m.open("once", 0);
    let mut buffer = [0; 6];
    f.read_exact(&mut buffer).unwrap();
    assert_eq!(&buffer, b"twelve");
    assert_eq!(f.read(&mut buffer).unwrap(), 0);
    assert_eq!(
        (
            f.seek(SeekFrom::Start(0)).unwrap(),
            f.read_at(&mut buffer, 0).unwrap()
        ),
        (0, 6)
    );
    assert_eq!(f.seek(SeekFrom::End(0)).unwrap(), 0);
    let errno = |r: std::io::Result<u64>| r.unwrap_err().raw_os_error().unwrap();
    assert_eq!(
        errno(m.open("words", 0).seek(SeekFrom::End(0))),
        libc::EINVAL
    );
    assert_eq!(
        errno(m.open("take", 0).seek(SeekFrom::Start(0))),
        libc::ESPIPE
    );
    assert_eq!(
        m.open("take", libc::O_NONBLOCK)
            .read_at(&mut buffer, 0)
            .unwrap_err()
            .raw_os_error(),
        Some(libc::ESPIPE)
    );
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(m.path("number"));
    assert_eq!(direct.unwrap_err().raw_os_error(), Some(libc::EINVAL));
    // root may open what the mode forbids; the file says no
    let mut f = OpenOptions::new().write(true).open(m.path("once")).unwrap();
    assert_eq!(
        f.write(b"1").unwrap_err().raw_os_error(),
        Some(libc::EINVAL)
    );
    assert_eq!(
        File::open(m.path("mark"))
            .unwrap()
            .read(&mut buffer)
            .unwrap_err()
            .raw_os_error(),
        Some(libc::EINVAL)
    );
    // one descriptor, many commands
    let mut f = OpenOptions::new()
        .read(true)
        .write(true)
        .open(m.path("number"))
        .unwrap();
    for n in ["1", "22\n", "333\0"] {
        f.write_all(n.as_bytes()).unwrap();
    }
    assert_eq!(fs::read_to_string(m.path("number")).unwrap(), "333\n");
    assert_eq!(f.sync_all().unwrap_err().raw_os_error(), Some(libc::EINVAL));
    // SAFETY: a plain file descriptor and no memory
    let ioctl = |f: &File, c| unsafe { libc::ioctl(f.as_raw_fd(), c, 0) };
    assert_eq!(
        (
            ioctl(&m.open("raw", 0), 0),
            ioctl(&m.open("raw", 0), 0x5220),
            ioctl(&f, 0)
        ),
        (0, -1, -1)
    );
    m.sh("echo 1234567890 > mark");
    let marks = m.sh("true") + &format!("{:?}", m.toys.top.0.marks());
    assert!(
        marks.contains("12345678") && marks.contains("90"),
        "{marks}"
    );
}

/// poll(2): the events that are there within `ms`.
fn poll(f: &File, ms: i32) -> i16 {
    let mut p = libc::pollfd {
        fd: f.as_raw_fd(),
        events: 0x7fff,
        revents: 0,
    };
    // SAFETY: one pollfd
    unsafe { libc::poll(&mut p, 1, ms) };
    p.revents
}

#[test]
fn waiting_and_signals() {
    let Some(m) = mounted() else { return };
    m.toys.top.0.set(1); // pipes do not end
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
        for name in ["take", "raw"] {
            let mut cat = m.cat(name);
            m.parked(1);
            let begin = Instant::now();
            // SAFETY: our own child
            unsafe { libc::kill(cat.id() as i32, signal) };
            assert_eq!(wait_end(&mut cat).signal(), Some(signal));
            assert!(
                begin.elapsed() < SOON,
                "{name} took {:?} to end by signal {signal}",
                begin.elapsed()
            );
        }
    }
    let begin = Instant::now();
    let mut timeout = Command::new("timeout")
        .args(["0.2", "cat", &m.path("take")])
        .spawn()
        .unwrap();
    assert_eq!(wait_end(&mut timeout).code(), Some(124));
    assert!(
        begin.elapsed() < Duration::from_millis(200) + SOON,
        "{:?}",
        begin.elapsed()
    );
    // a stopped reader goes on
    let mut cat = m.cat("take");
    m.parked(1);
    // SAFETY: our own child
    unsafe { libc::kill(cat.id() as i32, libc::SIGSTOP) };
    m.parked(0);
    // SAFETY: our own child
    unsafe { libc::kill(cat.id() as i32, libc::SIGCONT) };
    m.parked(1);
    // a blocked reader is in nobody's way; who comes second to the pipe is refused, to the raw file not
    let (mut one, mut two) = (m.cat("raw"), m.cat("raw"));
    m.parked(3);
    assert_eq!(
        m.sh("cat number; cat take 2>&1 | sed 's/.*: //'"),
        "1\nDevice or resource busy\n"
    );
    m.toys.top.0.push("hello");
    let mut line = [0; 6];
    cat.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"hello\n");
    m.toys.top.0.push_page(7);
    m.toys.top.0.push_page(8);
    m.toys.top.0.set(0);
    m.toys.top.0.push("end");
    let out = cat.wait_with_output().unwrap();
    assert_eq!(
        (out.status.success(), out.stdout),
        (true, b"end\n".to_vec())
    );
    until(|| m.toys.top.0.pages_left() == 0);
    m.parked(2);
    for child in [&mut one, &mut two] {
        child.kill().unwrap();
        wait_end(child);
    }
    let mut pages = [one, two]
        .map(|c| c.wait_with_output().unwrap().stdout)
        .concat();
    pages.sort();
    assert!(
        pages == [[7; 4096], [8; 4096]].concat(),
        "{} bytes",
        pages.len()
    );
}

#[test]
fn nonblocking_and_poll() {
    let Some(m) = mounted() else { return };
    m.toys.top.0.set(1);
    let mut byte = [0; 100];
    let mut f = m.open("take", libc::O_NONBLOCK);
    assert_eq!(
        f.read(&mut byte).unwrap_err().raw_os_error(),
        Some(libc::EAGAIN)
    );
    drop(f);
    // set after the open, as tracing tools do
    let mut f = m.open("take", 0);
    // SAFETY: a plain file descriptor
    unsafe { libc::fcntl(f.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    assert_eq!(
        f.read(&mut byte).unwrap_err().raw_os_error(),
        Some(libc::EAGAIN)
    );
    assert_eq!((poll(&f, 0), poll(&m.open("number", 0), 0)), (0, 0x145));
    let later = |what: fn(&Toys), toys: &Toys| {
        let toys = toys.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            let now = Instant::now();
            what(&toys);
            now
        })
    };
    let pushed = later(|t| t.top.0.push("x"), &m.toys);
    assert_eq!(poll(&f, 5000), 0x41);
    assert!(pushed.join().unwrap().elapsed() < SOON);
    assert_eq!(f.read(&mut byte).unwrap(), 2);
    assert_eq!(poll(&f, 0), 0);
    // nor is it the end to a reader that does not wait
    m.toys.top.0.set(0);
    assert_eq!(
        f.read(&mut byte).unwrap_err().raw_os_error(),
        Some(libc::EAGAIN)
    );
    m.toys.top.0.set(1);
    // the same by an epoll that stays
    // SAFETY: makes a descriptor
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    let raw = m.open("raw", libc::O_NONBLOCK);
    for (i, file) in [&f, &raw].into_iter().enumerate() {
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | libc::EPOLLET) as u32,
            u64: i as u64,
        };
        let add = libc::EPOLL_CTL_ADD;
        // SAFETY: two open descriptors and an event
        let added = unsafe { libc::epoll_ctl(epoll, add, file.as_raw_fd(), &mut event) };
        assert_eq!(added, 0);
    }
    let wait = |ms| {
        let mut event = libc::epoll_event { events: 0, u64: 9 };
        // SAFETY: room for one event
        (unsafe { libc::epoll_wait(epoll, &mut event, 1, ms) } == 1).then_some(event.u64)
    };
    assert_eq!(wait(0), None);
    for _ in 0..3 {
        let pushed = later(|t| t.top.0.push("y"), &m.toys);
        assert_eq!(wait(5000), Some(0));
        assert!(pushed.join().unwrap().elapsed() < SOON);
        // edge-triggered: told once, although nothing was read
        assert_eq!(wait(30), None);
        later(|t| t.top.0.push_page(3), &m.toys).join().unwrap();
        assert_eq!(wait(5000), Some(1));
    }
    // SAFETY: ours
    unsafe { libc::close(epoll) };
}

/// splice(2) into a pipe: bytes, or errno.
fn splice(f: &File, pipe: &std::io::PipeWriter, size: usize) -> Result<usize, i32> {
    let null = std::ptr::null_mut();
    // SAFETY: two open descriptors, no offsets
    let n = unsafe {
        libc::splice(
            f.as_raw_fd(),
            null,
            pipe.as_raw_fd(),
            null,
            size,
            libc::SPLICE_F_NONBLOCK,
        )
    };
    usize::try_from(n).map_err(|_| std::io::Error::last_os_error().raw_os_error().unwrap())
}

#[test]
fn splicing() {
    let Some(m) = mounted() else { return };
    let (mut reader, writer) = std::io::pipe().unwrap();
    for name in ["number", "words", "look", "take", "mark"] {
        let f = m.open(name, 0);
        for _ in 0..2 {
            assert_eq!(splice(&f, &writer, 65536), Err(libc::EINVAL), "{name}");
            assert_eq!(
                (
                    fs::metadata(m.path(name)).unwrap().len(),
                    f.metadata().unwrap().len()
                ),
                (0, 0),
                "{name}"
            );
        }
    }
    let raw = m.open("raw", 0);
    assert_eq!(splice(&raw, &writer, 65536), Err(libc::EAGAIN));
    let mut page = vec![0; 4096];
    for round in 1..=200u8 {
        m.toys.top.0.push_page(round);
        m.toys.top.0.push_page(255);
        if round % 3 == 0 {
            assert_eq!(
                (m.sh("stat -c %s raw"), raw.metadata().unwrap().len()),
                ("0\n".into(), 0)
            );
        }
        if round % 50 == 0 {
            drop(m.open("raw", 0));
            m.sh("chmod 444 raw");
        }
        assert_eq!(splice(&raw, &writer, 65536), Ok(8192), "round {round}");
        for fill in [round, 255] {
            reader.read_exact(&mut page).unwrap();
            assert!(page.iter().all(|b| *b == fill), "round {round}");
        }
        assert_eq!(
            splice(&raw, &writer, 65536),
            Err(libc::EAGAIN),
            "round {round}"
        );
    }
    assert_eq!(m.sh("stat -c '%s %a' raw"), "0 444\n");
    // who comes later sees no old page
    let other = m.open("raw", 0);
    assert_eq!(splice(&other, &writer, 4096), Err(libc::EAGAIN));
    m.toys.top.0.push_page(1);
    assert_eq!(splice(&other, &writer, 4096), Ok(4096));
    // sendfile(2) as busybox's cat uses it, with nothing known of the file
    let to = OpenOptions::new().write(true).open("/dev/null").unwrap();
    let number = m.open("number", 0);
    let offset = std::ptr::null_mut();
    // SAFETY: two open descriptors, no offset
    let sent = unsafe { libc::sendfile(to.as_raw_fd(), number.as_raw_fd(), offset, 1 << 24) };
    assert_eq!(sent, -1);
    assert_eq!(
        std::io::Error::last_os_error().raw_os_error(),
        Some(libc::EINVAL)
    );
}

#[test]
fn closing() {
    let Some(m) = mounted() else { return };
    for _ in 0..200 {
        drop(m.open("take", 0));
        fs::create_dir(m.path("instances/a")).unwrap();
        let f = m.open("instances/a/number", 0);
        assert_eq!(
            fs::remove_dir(m.path("instances/a"))
                .unwrap_err()
                .raw_os_error(),
            Some(libc::EBUSY)
        );
        drop(f);
        fs::remove_dir(m.path("instances/a")).unwrap();
    }
    // a descriptor that a child inherited and closed keeps it busy
    assert_eq!(m.sh("mkdir instances/a; exec 3< instances/a/number; (true); rmdir instances/a 2>&1 | sed 's/.*: //'; exec 3<&-; rmdir instances/a"), "Device or resource busy\n");
    // a directory that somebody stands in goes all the same, and has nothing in it then
    assert_eq!(m.sh("mkdir instances/a; cd instances/a; cat number; rmdir ../a; ls | wc -l; cat number 2>&1 | sed 's/.*: //'"), "0\n0\nNo such file or directory\n");
}

#[test]
fn the_end() {
    let Some(mut m) = mounted() else { return };
    m.toys.top.0.set(1);
    let cat = m.cat("take");
    m.parked(1);
    let target = CString::new(m.dir.to_str().unwrap()).unwrap();
    // SAFETY: the string ends with NUL
    let unmounted = unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    assert_eq!(unmounted, 0);
    let server = m.server.take().unwrap();
    server.stop();
    let out = cat.wait_with_output().unwrap();
    assert!(
        !out.status.success() && String::from_utf8_lossy(&out.stderr).contains("No such device"),
        "{out:?}"
    );
    server.join().unwrap();
}

#[test]
fn permissions() {
    let Some(m) = mounted() else { return };
    fs::set_permissions(&m.dir, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(m.sh("stat -c %a ."), "755\n");
    let as_nobody = |script: &str| {
        m.sh(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups sh -c '{script}' 2>&1 | sed 's/.*: //'"))
    };
    assert_eq!(as_nobody("cat number"), "Permission denied\n");
    m.sh("chown 65534 number");
    assert_eq!(
        as_nobody("cat number; echo 5 > number; cat number; echo 1 > words"),
        "0\n5\nPermission denied\n"
    );
    assert_eq!(fs::metadata(m.path("number")).unwrap().uid(), 65534);
}
