//! Who events belong to: threads, signal handlers, forked children, entered tasks.

use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::*};
use std::thread;

use utracefs::base::task::{self, Task};

use crate::event::{change, trace_hit};
use crate::{alone, forked};

fn tid() -> i32 {
    // SAFETY: no arguments
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

fn pid() -> i32 {
    std::process::id() as i32
}

fn name(task: task::Current) -> String {
    let comm = task.comm();
    let end = comm
        .iter()
        .position(|&b| b == 0)
        .expect("there is always a NUL");
    String::from_utf8_lossy(&comm[..end]).into_owned()
}

/// Who the last event belonged to, as its probe saw it.
static OWNER: AtomicU64 = AtomicU64::new(0);

fn note_owner(_data: *const (), _a: u64, _b: u32) {
    // SAFETY: probes run in a read section
    OWNER.store(unsafe { task::current_in_section() }.head(), Relaxed);
}

fn owner_of_an_event() -> i32 {
    trace_hit(0, 0);
    (OWNER.load(Relaxed) >> 32) as i32
}

#[test]
fn threads() {
    let _alone = alone();
    change(true, note_owner, ptr::null());
    for n in 0..10 {
        let run = move || {
            assert_eq!(owner_of_an_event(), tid());
            let task = task::current();
            assert_eq!((task.pid(), task.tgid()), (tid(), pid()));
            assert_eq!(name(task), format!("thread {n}"));
            // a name given later is seen when it is asked for
            // SAFETY: a NUL-terminated string
            unsafe { libc::prctl(libc::PR_SET_NAME, c"renamed".as_ptr()) };
            task.refresh_comm();
            assert_eq!(name(task), "renamed");
        };
        let thread = thread::Builder::new()
            .name(format!("thread {n}"))
            .spawn(run)
            .expect("a thread");
        thread.join().expect("nothing wrong");
    }
    change(false, note_owner, ptr::null());
}

#[test]
fn entered() {
    let _alone = alone();
    change(true, note_owner, ptr::null());
    // in a new thread, whose first event belongs to somebody else
    let run = || {
        let (green, inner) = (
            Task::new(5_000_001, 7, "green"),
            Task::new(5_000_002, 7, "inner"),
        );
        green.run(|| {
            assert_eq!(owner_of_an_event(), 5_000_001);
            inner.run(|| assert_eq!(owner_of_an_event(), 5_000_002));
            assert_eq!(owner_of_an_event(), 5_000_001);
            let caught =
                std::panic::catch_unwind(|| inner.run(|| std::panic::resume_unwind(Box::new(()))));
            assert!(caught.is_err());
            assert_eq!(owner_of_an_event(), 5_000_001);
            assert_eq!(name(task::current()), "green");
            task::current().refresh_comm();
            assert_eq!(name(task::current()), "green");
        });
        assert_eq!(owner_of_an_event(), tid());
    };
    thread::spawn(run).join().expect("nothing wrong");
    change(false, note_owner, ptr::null());
}

/// A thread's first event in a signal handler, and handlers that interrupt events.
#[test]
fn signal_handlers() {
    static WRONG: AtomicI32 = AtomicI32::new(0);
    static HANDLED: AtomicI32 = AtomicI32::new(0);
    extern "C" fn handler(_signal: i32) {
        // not through OWNER, which other threads write
        if task::current().pid() != tid() {
            WRONG.fetch_add(1, Relaxed);
        }
        trace_hit(1, 1);
        HANDLED.fetch_add(1, Relaxed);
    }
    let _alone = alone();
    // SAFETY: a handler that does what handlers may; nothing else here uses the signal
    unsafe { libc::signal(libc::SIGUSR1, handler as *const () as usize) };
    change(true, note_owner, ptr::null());
    for _ in 0..50 {
        let run = || {
            // SAFETY: to this thread
            unsafe { libc::raise(libc::SIGUSR1) };
            assert_eq!(task::current().pid(), tid());
        };
        thread::spawn(run).join().expect("nothing wrong");
    }
    assert_eq!((HANDLED.load(Relaxed), WRONG.load(Relaxed)), (50, 0));

    // signals at every moment of a thread's first events and later ones
    for _ in 0..200 {
        // SAFETY: no arguments
        let me = unsafe { libc::pthread_self() };
        let shooter = thread::spawn(move || {
            for _ in 0..20 {
                // SAFETY: the thread joins this one before it ends
                unsafe { libc::pthread_kill(me, libc::SIGUSR1) };
            }
        });
        while !shooter.is_finished() {
            trace_hit(2, 2);
            assert!(!utracefs::base::rcu::in_read_section());
        }
        shooter.join().expect("nothing wrong");
    }
    let firsts = |_: u32| {
        let target = thread::spawn(|| {
            for _ in 0..50 {
                trace_hit(3, 3);
            }
            assert_eq!(task::current().pid(), tid());
            thread::park();
        });
        use std::os::unix::thread::JoinHandleExt;
        for _ in 0..50 {
            // SAFETY: it is parked until we let it go
            unsafe { libc::pthread_kill(target.as_pthread_t(), libc::SIGUSR1) };
        }
        target.thread().unpark();
        target.join().expect("nothing wrong");
    };
    (0..100).for_each(firsts);
    assert_eq!(WRONG.load(Relaxed), 0);
    change(false, note_owner, ptr::null());
}

#[test]
fn forked_children() {
    let _alone = alone();
    change(true, note_owner, ptr::null());
    trace_hit(0, 0);
    let status = forked(|| {
        assert_eq!(
            (tid(), task::current().pid(), task::current().tgid()),
            (pid(), pid(), pid())
        );
        assert_eq!(owner_of_an_event(), pid());
        thread::spawn(|| assert_eq!(owner_of_an_event(), tid()))
            .join()
            .expect("nothing wrong");
        // the child's code and probes are its own
        change(false, note_owner, ptr::null());
        OWNER.store(0, Relaxed);
        assert_eq!(owner_of_an_event(), 0);
        // a grandchild, in an entered task
        let green = Task::new(5_000_003, 7, "green");
        let status = green.run(|| forked(|| assert_eq!(task::current().pid(), 5_000_003)));
        assert_eq!(status, 0);
    });
    assert_eq!(status, 0);
    assert_eq!(owner_of_an_event(), tid(), "the parent's code is as before");
    change(false, note_owner, ptr::null());
}

/// Tasks of threads that have ended are used again.
#[test]
fn churn_needs_no_memory() {
    let _alone = alone();
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("proc is mounted");
        statm
            .split(' ')
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok())
            .expect("a number of pages")
    };
    let run = || {
        // finding slots of dead threads asks for threads that are not there, which the program must not notice
        // SAFETY: this thread's
        let errno = unsafe { &mut *libc::__errno_location() };
        *errno = libc::EXDEV;
        let first = task::current().pid();
        assert_eq!((first, *errno), (tid(), libc::EXDEV));
    };
    let mut before = 0;
    for round in 0..100 {
        let threads: Vec<_> = (0..40).map(|_| thread::spawn(run)).collect();
        threads
            .into_iter()
            .for_each(|t| t.join().expect("nothing wrong"));
        if round == 20 {
            before = resident();
        }
    }
    let more = resident().saturating_sub(before);
    // 3200 threads' slots would be 100 pages
    assert!(more < 50, "{more} pages more");
}
