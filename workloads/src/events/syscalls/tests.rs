use super::*;

#[test]
fn numbers_are_the_systems() {
    let check = |name: &str, nr: i64| {
        let call = TABLE.find(nr);
        assert_eq!(call.map(|call| call.name), Some(name), "{nr}");
    };
    check("read", libc::SYS_read);
    check("write", libc::SYS_write);
    check("close", libc::SYS_close);
    check("newfstat", libc::SYS_fstat);
    check("newfstatat", libc::SYS_newfstatat);
    check("newuname", libc::SYS_uname);
    check("umount", libc::SYS_umount2);
    check("sendfile64", libc::SYS_sendfile);
    check("lseek", libc::SYS_lseek);
    check("mmap", libc::SYS_mmap);
    check("rt_sigaction", libc::SYS_rt_sigaction);
    check("ioctl", libc::SYS_ioctl);
    check("pread64", libc::SYS_pread64);
    check("clone", libc::SYS_clone);
    check("execve", libc::SYS_execve);
    check("exit_group", libc::SYS_exit_group);
    check("wait4", libc::SYS_wait4);
    check("kill", libc::SYS_kill);
    check("fcntl", libc::SYS_fcntl);
    check("ftruncate", libc::SYS_ftruncate);
    check("getcwd", libc::SYS_getcwd);
    check("gettid", libc::SYS_gettid);
    check("futex", libc::SYS_futex);
    check("getdents64", libc::SYS_getdents64);
    check("clock_nanosleep", libc::SYS_clock_nanosleep);
    check("openat", libc::SYS_openat);
    check("mkdirat", libc::SYS_mkdirat);
    check("unlinkat", libc::SYS_unlinkat);
    check("faccessat", libc::SYS_faccessat);
    check("pipe2", libc::SYS_pipe2);
    check("renameat2", libc::SYS_renameat2);
    check("getrandom", libc::SYS_getrandom);
    check("execveat", libc::SYS_execveat);
    check("statx", libc::SYS_statx);
    check("clone3", libc::SYS_clone3);
    check("openat2", libc::SYS_openat2);
    check("faccessat2", libc::SYS_faccessat2);
    check("memfd_secret", libc::SYS_memfd_secret);
    #[cfg(target_arch = "x86_64")]
    {
        check("open", libc::SYS_open);
        check("rename", libc::SYS_rename);
        check("vfork", libc::SYS_vfork);
        check("epoll_ctl", libc::SYS_epoll_ctl);
        check("utimes", libc::SYS_utimes);
        check("file_setattr", 469);
        assert!(TABLE.find(libc::SYS_uselib).is_none());
    }
}

#[test]
fn one_switch_for_all_and_one_listener_for_each() {
    use utracefs::event::syscall::SyscallEnter;

    fn heard(data: *const (), enter: &SyscallEnter<'_>) {
        // SAFETY: registered with this data below, which outlives the registration.
        let names = unsafe { &*data.cast::<parking_lot::Mutex<Vec<&'static str>>>() };
        names.lock().push(enter.call.name);
    }
    let _alone = crate::testing::alone();
    let names = parking_lot::Mutex::new(Vec::<&'static str>::new());
    let data = (&raw const names).cast();
    let fire = || {
        for call in &CALLS {
            enter(i64::from(call.nr), &[0; 6], &[]);
        }
        std::mem::take(&mut *names.lock())
    };
    let listen = |nr, on| TABLE.listen_enter(nr, heard, data, on).unwrap();
    assert!(!enter_enabled() && !exit_enabled());
    assert!(fire().is_empty());
    listen(libc::SYS_read, true);
    listen(libc::SYS_openat, true);
    assert!(enter_enabled() && !exit_enabled());
    assert_eq!(fire(), ["read", "openat"]);
    listen(libc::SYS_read, false);
    assert!(enter_enabled());
    assert_eq!(fire(), ["openat"]);
    listen(libc::SYS_openat, false);
    assert!(!enter_enabled());
    assert!(fire().is_empty());
}
