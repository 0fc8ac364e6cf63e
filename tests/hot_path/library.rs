//! A shared library with sites of its own, loaded while threads run.

use std::ffi::{CStr, CString, c_void};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use crate::in_own_process;

/// Builds `plugin.rs` and returns its file.
fn build() -> PathBuf {
    // …/target/debug/deps/hot_path-0123: the libraries of examples are in …/target/debug/examples
    let own = std::env::current_exe().expect("a test knows its file");
    let profile = own
        .parent()
        .and_then(|deps| deps.parent())
        .expect("cargo's directories")
        .to_path_buf();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "build",
        "--quiet",
        "--package",
        "utracefs",
        "--example",
        "plugin",
        "--target-dir",
    ]);
    cargo.arg(profile.parent().expect("cargo's directories"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(status.expect("cargo can be run").success());
    profile.join("examples/libplugin.so")
}

#[derive(Clone, Copy)]
struct Plugin {
    switch: extern "C" fn(bool),
    fire: extern "C" fn(u64) -> u64,
    pid: extern "C" fn() -> i32,
}

fn load(file: &std::path::Path) -> Plugin {
    let file = CString::new(file.as_os_str().as_encoded_bytes()).expect("no NUL");
    // SAFETY: the three functions have the types that plugin.rs gives them
    unsafe {
        let library = libc::dlopen(file.as_ptr(), libc::RTLD_NOW);
        assert!(
            !library.is_null(),
            "{}",
            CStr::from_ptr(libc::dlerror()).to_string_lossy()
        );
        let symbol = |name: &CStr| {
            let symbol = libc::dlsym(library, name.as_ptr());
            assert!(!symbol.is_null(), "{name:?}");
            symbol
        };
        Plugin {
            switch: std::mem::transmute::<*mut c_void, extern "C" fn(bool)>(symbol(
                c"plugin_switch",
            )),
            fire: std::mem::transmute::<*mut c_void, extern "C" fn(u64) -> u64>(symbol(
                c"plugin_fire",
            )),
            pid: std::mem::transmute::<*mut c_void, extern "C" fn() -> i32>(symbol(c"plugin_pid")),
        }
    }
}

/// Not beside other tests: the library's handler of SIGTRAP takes the place of theirs.
#[test]
fn loaded_late() {
    if !in_own_process("library::loaded_late") {
        return;
    }
    let file = build();
    // a thread that is there before the library
    let (send, receive) = mpsc::channel::<Plugin>();
    let earlier = thread::spawn(move || {
        let plugin = receive.recv().expect("the test sends it");
        ((plugin.pid)(), (plugin.fire)(1))
    });
    let plugin = load(&file);
    // SAFETY: no arguments
    let tid = || unsafe { libc::syscall(libc::SYS_gettid) as i32 };
    assert_eq!((plugin.pid)(), tid());
    assert_eq!((plugin.fire)(1), 0);
    (plugin.switch)(true);
    assert_eq!((plugin.fire)(1), 1);
    send.send(plugin).expect("it waits");
    let (pid, sum) = earlier.join().expect("nothing wrong");
    assert_ne!(pid, tid());
    assert_eq!(sum, 2);
    thread::spawn(move || assert_eq!(((plugin.fire)(1), (plugin.pid)()), (3, tid())))
        .join()
        .expect("nothing wrong");
    (plugin.switch)(false);
    assert_eq!((plugin.fire)(1), 3);
}
