//! The two events of each system call that the workloads make, with the kernel's names for the arguments (events/syscalls
//! of a running kernel lists them).

/// `NAME = number on x86-64 | number elsewhere (arguments)`: the old machine has a table of its own, later ones share one.
macro_rules! calls {
    ($($name:ident = $x86_64:literal | $others:literal $args:tt,)*) => {
        /// Names of the calls that have events.
        pub static ALL: &[&str] = &[$(stringify!($name)),*];

        #[cfg(target_arch = "x86_64")]
        utracefs::define_syscall_trace! { $($name = $x86_64 $args,)* }

        #[cfg(not(target_arch = "x86_64"))]
        utracefs::define_syscall_trace! { $($name = $others $args,)* }

        #[cfg(test)]
        fn numbers() -> Vec<(&'static str, i64)> {
            #[cfg(target_arch = "x86_64")]
            return vec![$((stringify!($name), $x86_64)),*];
            #[cfg(not(target_arch = "x86_64"))]
            return vec![$((stringify!($name), $others)),*];
        }
    };
}

// Calls that later machines do not have keep their number there: the event exists, and never fires.
calls! {
    read = 0 | 63 (fd: "unsigned int", buf: "char *", count: "size_t"),
    write = 1 | 64 (fd: "unsigned int", buf: "const char *", count: "size_t"),
    close = 3 | 57 (fd: "unsigned int"),
    newfstat = 5 | 80 (fd: "unsigned int", statbuf: "struct stat *"),
    lseek = 8 | 62 (fd: "unsigned int", offset: "off_t", whence: "unsigned int"),
    nanosleep = 35 | 101 (rqtp: "struct __kernel_timespec *", rmtp: "struct __kernel_timespec *"),
    rename = 82 | 82 (oldname: path "const char *", newname: path "const char *"),
    futex = 202 | 98 (
        uaddr: "u32 *", op: "int", val: "u32", utime: "const struct __kernel_timespec *", uaddr2: "u32 *", val3: "u32"
    ),
    getdents64 = 217 | 61 (fd: "unsigned int", dirent: "struct linux_dirent64 *", count: "unsigned int"),
    clock_nanosleep = 230 | 115 (
        which_clock: "const clockid_t", flags: "int", rqtp: "const struct __kernel_timespec *",
        rmtp: "struct __kernel_timespec *"
    ),
    openat = 257 | 56 (dfd: "int", filename: path "const char *", flags: "int", mode: "umode_t"),
    mkdirat = 258 | 34 (dfd: "int", pathname: path "const char *", mode: "umode_t"),
    newfstatat = 262 | 79 (dfd: "int", filename: path "const char *", statbuf: "struct stat *", flag: "int"),
    unlinkat = 263 | 35 (dfd: "int", pathname: path "const char *", flag: "int"),
    pipe2 = 293 | 59 (fildes: "int *", flags: "int"),
    renameat2 = 316 | 276 (
        olddfd: "int", oldname: path "const char *", newdfd: "int", newname: path "const char *", flags: "unsigned int"
    ),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_systems() {
        let expected = [
            ("read", libc::SYS_read),
            ("write", libc::SYS_write),
            ("close", libc::SYS_close),
            ("newfstat", libc::SYS_fstat),
            ("lseek", libc::SYS_lseek),
            ("nanosleep", libc::SYS_nanosleep),
            #[cfg(target_arch = "x86_64")]
            ("rename", libc::SYS_rename),
            #[cfg(not(target_arch = "x86_64"))]
            ("rename", 82),
            ("futex", libc::SYS_futex),
            ("getdents64", libc::SYS_getdents64),
            ("clock_nanosleep", libc::SYS_clock_nanosleep),
            ("openat", libc::SYS_openat),
            ("mkdirat", libc::SYS_mkdirat),
            ("newfstatat", libc::SYS_newfstatat),
            ("unlinkat", libc::SYS_unlinkat),
            ("pipe2", libc::SYS_pipe2),
            ("renameat2", libc::SYS_renameat2),
        ];
        assert_eq!(numbers(), expected);
        assert_eq!(ALL.len(), expected.len());
    }
}
