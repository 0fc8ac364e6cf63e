//! The system calls of Linux 6.18 on x86-64, with the kernel's names for the calls and their arguments (events/syscalls of
//! a running kernel lists them).
//!
//! `NAME = number on x86-64 | number elsewhere (arguments)`. Numbers elsewhere are those of the table that AArch64,
//! RISC-V and LoongArch share; -1 stands for calls that they have not. Processors with a table of their own (s390, POWER,
//! MIPS) have none of these events. Of calls that are not the same everywhere the arguments are those of x86-64: clone's
//! last two change places elsewhere.
//!
//! `path` marks the arguments that name files: their texts are recorded, as kernels newer than 6.18 do. Those record some
//! other texts, too (a file system's type, a module's name, what write(2) writes); here these stay pointers, as in 6.18.

macro_rules! calls {
    ($($name:ident = $x86_64:literal | $others:literal $args:tt,)*) => {
        #[cfg(target_arch = "x86_64")]
        utracefs::define_syscall_trace! {
            /// The calls of x86-64.
            pub mod calls;
            $($name = $x86_64 $args,)*
        }

        #[cfg(any(target_arch = "aarch64", target_arch = "riscv64", target_arch = "loongarch64"))]
        utracefs::define_syscall_trace! {
            /// The calls of machines that share one table.
            pub mod calls;
            $($name = $others $args,)*
        }

        #[cfg(not(any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            target_arch = "riscv64",
            target_arch = "loongarch64"
        )))]
        utracefs::define_syscall_trace! {
            /// A machine whose numbers are not known.
            pub mod calls;
            $($name = -1 $args,)*
        }
    };
}

calls! {
    read = 0 | 63 (fd: "unsigned int", buf: "char *", count: "size_t"),
    write = 1 | 64 (fd: "unsigned int", buf: "const char *", count: "size_t"),
    open = 2 | -1 (filename: path "const char *", flags: "int", mode: "umode_t"),
    close = 3 | 57 (fd: "unsigned int"),
    newstat = 4 | -1 (filename: path "const char *", statbuf: "struct stat *"),
    newfstat = 5 | 80 (fd: "unsigned int", statbuf: "struct stat *"),
    newlstat = 6 | -1 (filename: path "const char *", statbuf: "struct stat *"),
    poll = 7 | -1 (ufds: "struct pollfd *", nfds: "unsigned int", timeout_msecs: "int"),
    lseek = 8 | 62 (fd: "unsigned int", offset: "off_t", whence: "unsigned int"),
    mmap = 9 | 222 (
        addr: "unsigned long", len: "unsigned long", prot: "unsigned long", flags: "unsigned long",
        fd: "unsigned long", off: "unsigned long"
    ),
    mprotect = 10 | 226 (start: "unsigned long", len: "size_t", prot: "unsigned long"),
    munmap = 11 | 215 (addr: "unsigned long", len: "size_t"),
    brk = 12 | 214 (brk: "unsigned long"),
    rt_sigaction = 13 | 134 (
        sig: "int", act: "const struct sigaction *", oact: "struct sigaction *", sigsetsize: "size_t"
    ),
    rt_sigprocmask = 14 | 135 (how: "int", nset: "sigset_t *", oset: "sigset_t *", sigsetsize: "size_t"),
    rt_sigreturn = 15 | 139 (),
    ioctl = 16 | 29 (fd: "unsigned int", cmd: "unsigned int", arg: "unsigned long"),
    pread64 = 17 | 67 (fd: "unsigned int", buf: "char *", count: "size_t", pos: "loff_t"),
    pwrite64 = 18 | 68 (fd: "unsigned int", buf: "const char *", count: "size_t", pos: "loff_t"),
    readv = 19 | 65 (fd: "unsigned long", vec: "const struct iovec *", vlen: "unsigned long"),
    writev = 20 | 66 (fd: "unsigned long", vec: "const struct iovec *", vlen: "unsigned long"),
    access = 21 | -1 (filename: path "const char *", mode: "int"),
    pipe = 22 | -1 (fildes: "int *"),
    select = 23 | -1 (
        n: "int", inp: "fd_set *", outp: "fd_set *", exp: "fd_set *", tvp: "struct __kernel_old_timeval *"
    ),
    sched_yield = 24 | 124 (),
    mremap = 25 | 216 (
        addr: "unsigned long", old_len: "unsigned long", new_len: "unsigned long", flags: "unsigned long",
        new_addr: "unsigned long"
    ),
    msync = 26 | 227 (start: "unsigned long", len: "size_t", flags: "int"),
    mincore = 27 | 232 (start: "unsigned long", len: "size_t", vec: "unsigned char *"),
    madvise = 28 | 233 (start: "unsigned long", len_in: "size_t", behavior: "int"),
    shmget = 29 | 194 (key: "key_t", size: "size_t", shmflg: "int"),
    shmat = 30 | 196 (shmid: "int", shmaddr: "char *", shmflg: "int"),
    shmctl = 31 | 195 (shmid: "int", cmd: "int", buf: "struct shmid_ds *"),
    dup = 32 | 23 (fildes: "unsigned int"),
    dup2 = 33 | -1 (oldfd: "unsigned int", newfd: "unsigned int"),
    pause = 34 | -1 (),
    nanosleep = 35 | 101 (rqtp: "struct __kernel_timespec *", rmtp: "struct __kernel_timespec *"),
    getitimer = 36 | 102 (which: "int", value: "struct __kernel_old_itimerval *"),
    alarm = 37 | -1 (seconds: "unsigned int"),
    setitimer = 38 | 103 (
        which: "int", value: "struct __kernel_old_itimerval *", ovalue: "struct __kernel_old_itimerval *"
    ),
    getpid = 39 | 172 (),
    sendfile64 = 40 | 71 (out_fd: "int", in_fd: "int", offset: "loff_t *", count: "size_t"),
    socket = 41 | 198 (family: "int", type: "int", protocol: "int"),
    connect = 42 | 203 (fd: "int", uservaddr: "struct sockaddr *", addrlen: "int"),
    accept = 43 | 202 (fd: "int", upeer_sockaddr: "struct sockaddr *", upeer_addrlen: "int *"),
    sendto = 44 | 206 (
        fd: "int", buff: "void *", len: "size_t", flags: "unsigned int", addr: "struct sockaddr *", addr_len: "int"
    ),
    recvfrom = 45 | 207 (
        fd: "int", ubuf: "void *", size: "size_t", flags: "unsigned int", addr: "struct sockaddr *", addr_len: "int *"
    ),
    sendmsg = 46 | 211 (fd: "int", msg: "struct user_msghdr *", flags: "unsigned int"),
    recvmsg = 47 | 212 (fd: "int", msg: "struct user_msghdr *", flags: "unsigned int"),
    shutdown = 48 | 210 (fd: "int", how: "int"),
    bind = 49 | 200 (fd: "int", umyaddr: "struct sockaddr *", addrlen: "int"),
    listen = 50 | 201 (fd: "int", backlog: "int"),
    getsockname = 51 | 204 (fd: "int", usockaddr: "struct sockaddr *", usockaddr_len: "int *"),
    getpeername = 52 | 205 (fd: "int", usockaddr: "struct sockaddr *", usockaddr_len: "int *"),
    socketpair = 53 | 199 (family: "int", type: "int", protocol: "int", usockvec: "int *"),
    setsockopt = 54 | 208 (fd: "int", level: "int", optname: "int", optval: "char *", optlen: "int"),
    getsockopt = 55 | 209 (fd: "int", level: "int", optname: "int", optval: "char *", optlen: "int *"),
    clone = 56 | 220 (
        clone_flags: "unsigned long", newsp: "unsigned long", parent_tidptr: "int *", child_tidptr: "int *",
        tls: "unsigned long"
    ),
    fork = 57 | -1 (),
    vfork = 58 | -1 (),
    execve = 59 | 221 (filename: path "const char *", argv: "const char *const *", envp: "const char *const *"),
    exit = 60 | 93 (error_code: "int"),
    wait4 = 61 | 260 (upid: "pid_t", stat_addr: "int *", options: "int", ru: "struct rusage *"),
    kill = 62 | 129 (pid: "pid_t", sig: "int"),
    newuname = 63 | 160 (name: "struct new_utsname *"),
    semget = 64 | 190 (key: "key_t", nsems: "int", semflg: "int"),
    semop = 65 | 193 (semid: "int", tsops: "struct sembuf *", nsops: "unsigned"),
    semctl = 66 | 191 (semid: "int", semnum: "int", cmd: "int", arg: "unsigned long"),
    shmdt = 67 | 197 (shmaddr: "char *"),
    msgget = 68 | 186 (key: "key_t", msgflg: "int"),
    msgsnd = 69 | 189 (msqid: "int", msgp: "struct msgbuf *", msgsz: "size_t", msgflg: "int"),
    msgrcv = 70 | 188 (msqid: "int", msgp: "struct msgbuf *", msgsz: "size_t", msgtyp: "long", msgflg: "int"),
    msgctl = 71 | 187 (msqid: "int", cmd: "int", buf: "struct msqid_ds *"),
    fcntl = 72 | 25 (fd: "unsigned int", cmd: "unsigned int", arg: "unsigned long"),
    flock = 73 | 32 (fd: "unsigned int", cmd: "unsigned int"),
    fsync = 74 | 82 (fd: "unsigned int"),
    fdatasync = 75 | 83 (fd: "unsigned int"),
    truncate = 76 | 45 (path: path "const char *", length: "long"),
    ftruncate = 77 | 46 (fd: "unsigned int", length: "off_t"),
    getdents = 78 | -1 (fd: "unsigned int", dirent: "struct linux_dirent *", count: "unsigned int"),
    getcwd = 79 | 17 (buf: "char *", size: "unsigned long"),
    chdir = 80 | 49 (filename: path "const char *"),
    fchdir = 81 | 50 (fd: "unsigned int"),
    rename = 82 | -1 (oldname: path "const char *", newname: path "const char *"),
    mkdir = 83 | -1 (pathname: path "const char *", mode: "umode_t"),
    rmdir = 84 | -1 (pathname: path "const char *"),
    creat = 85 | -1 (pathname: path "const char *", mode: "umode_t"),
    link = 86 | -1 (oldname: path "const char *", newname: path "const char *"),
    unlink = 87 | -1 (pathname: path "const char *"),
    symlink = 88 | -1 (oldname: path "const char *", newname: path "const char *"),
    readlink = 89 | -1 (path: path "const char *", buf: "char *", bufsiz: "int"),
    chmod = 90 | -1 (filename: path "const char *", mode: "umode_t"),
    fchmod = 91 | 52 (fd: "unsigned int", mode: "umode_t"),
    chown = 92 | -1 (filename: path "const char *", user: "uid_t", group: "gid_t"),
    fchown = 93 | 55 (fd: "unsigned int", user: "uid_t", group: "gid_t"),
    lchown = 94 | -1 (filename: path "const char *", user: "uid_t", group: "gid_t"),
    umask = 95 | 166 (mask: "int"),
    gettimeofday = 96 | 169 (tv: "struct __kernel_old_timeval *", tz: "struct timezone *"),
    getrlimit = 97 | 163 (resource: "unsigned int", rlim: "struct rlimit *"),
    getrusage = 98 | 165 (who: "int", ru: "struct rusage *"),
    sysinfo = 99 | 179 (info: "struct sysinfo *"),
    times = 100 | 153 (tbuf: "struct tms *"),
    ptrace = 101 | 117 (request: "long", pid: "long", addr: "unsigned long", data: "unsigned long"),
    getuid = 102 | 174 (),
    syslog = 103 | 116 (type: "int", buf: "char *", len: "int"),
    getgid = 104 | 176 (),
    setuid = 105 | 146 (uid: "uid_t"),
    setgid = 106 | 144 (gid: "gid_t"),
    geteuid = 107 | 175 (),
    getegid = 108 | 177 (),
    setpgid = 109 | 154 (pid: "pid_t", pgid: "pid_t"),
    getppid = 110 | 173 (),
    getpgrp = 111 | -1 (),
    setsid = 112 | 157 (),
    setreuid = 113 | 145 (ruid: "uid_t", euid: "uid_t"),
    setregid = 114 | 143 (rgid: "gid_t", egid: "gid_t"),
    getgroups = 115 | 158 (gidsetsize: "int", grouplist: "gid_t *"),
    setgroups = 116 | 159 (gidsetsize: "int", grouplist: "gid_t *"),
    setresuid = 117 | 147 (ruid: "uid_t", euid: "uid_t", suid: "uid_t"),
    getresuid = 118 | 148 (ruidp: "uid_t *", euidp: "uid_t *", suidp: "uid_t *"),
    setresgid = 119 | 149 (rgid: "gid_t", egid: "gid_t", sgid: "gid_t"),
    getresgid = 120 | 150 (rgidp: "gid_t *", egidp: "gid_t *", sgidp: "gid_t *"),
    getpgid = 121 | 155 (pid: "pid_t"),
    setfsuid = 122 | 151 (uid: "uid_t"),
    setfsgid = 123 | 152 (gid: "gid_t"),
    getsid = 124 | 156 (pid: "pid_t"),
    capget = 125 | 90 (header: "cap_user_header_t", dataptr: "cap_user_data_t"),
    capset = 126 | 91 (header: "cap_user_header_t", data: "const cap_user_data_t"),
    rt_sigpending = 127 | 136 (uset: "sigset_t *", sigsetsize: "size_t"),
    rt_sigtimedwait = 128 | 137 (
        uthese: "const sigset_t *", uinfo: "siginfo_t *", uts: "const struct __kernel_timespec *", sigsetsize: "size_t"
    ),
    rt_sigqueueinfo = 129 | 138 (pid: "pid_t", sig: "int", uinfo: "siginfo_t *"),
    rt_sigsuspend = 130 | 133 (unewset: "sigset_t *", sigsetsize: "size_t"),
    sigaltstack = 131 | 132 (uss: "const stack_t *", uoss: "stack_t *"),
    utime = 132 | -1 (filename: path "char *", times: "struct utimbuf *"),
    mknod = 133 | -1 (filename: path "const char *", mode: "umode_t", dev: "unsigned"),
    personality = 135 | 92 (personality: "unsigned int"),
    ustat = 136 | -1 (dev: "unsigned", ubuf: "struct ustat *"),
    statfs = 137 | 43 (pathname: path "const char *", buf: "struct statfs *"),
    fstatfs = 138 | 44 (fd: "unsigned int", buf: "struct statfs *"),
    sysfs = 139 | -1 (option: "int", arg1: "unsigned long", arg2: "unsigned long"),
    getpriority = 140 | 141 (which: "int", who: "int"),
    setpriority = 141 | 140 (which: "int", who: "int", niceval: "int"),
    sched_setparam = 142 | 118 (pid: "pid_t", param: "struct sched_param *"),
    sched_getparam = 143 | 121 (pid: "pid_t", param: "struct sched_param *"),
    sched_setscheduler = 144 | 119 (pid: "pid_t", policy: "int", param: "struct sched_param *"),
    sched_getscheduler = 145 | 120 (pid: "pid_t"),
    sched_get_priority_max = 146 | 125 (policy: "int"),
    sched_get_priority_min = 147 | 126 (policy: "int"),
    sched_rr_get_interval = 148 | 127 (pid: "pid_t", interval: "struct __kernel_timespec *"),
    mlock = 149 | 228 (start: "unsigned long", len: "size_t"),
    munlock = 150 | 229 (start: "unsigned long", len: "size_t"),
    mlockall = 151 | 230 (flags: "int"),
    munlockall = 152 | 231 (),
    vhangup = 153 | 58 (),
    modify_ldt = 154 | -1 (func: "int", ptr: "void *", bytecount: "unsigned long"),
    pivot_root = 155 | 41 (new_root: path "const char *", put_old: path "const char *"),
    prctl = 157 | 167 (
        option: "int", arg2: "unsigned long", arg3: "unsigned long", arg4: "unsigned long", arg5: "unsigned long"
    ),
    arch_prctl = 158 | -1 (option: "int", arg2: "unsigned long"),
    adjtimex = 159 | 171 (txc_p: "struct __kernel_timex *"),
    setrlimit = 160 | 164 (resource: "unsigned int", rlim: "struct rlimit *"),
    chroot = 161 | 51 (filename: path "const char *"),
    sync = 162 | 81 (),
    acct = 163 | 89 (name: path "const char *"),
    settimeofday = 164 | 170 (tv: "struct __kernel_old_timeval *", tz: "struct timezone *"),
    mount = 165 | 40 (
        dev_name: path "char *", dir_name: path "char *", type: "char *", flags: "unsigned long", data: "void *"
    ),
    umount = 166 | 39 (name: path "char *", flags: "int"),
    swapon = 167 | 224 (specialfile: path "const char *", swap_flags: "int"),
    swapoff = 168 | 225 (specialfile: path "const char *"),
    reboot = 169 | 142 (magic1: "int", magic2: "int", cmd: "unsigned int", arg: "void *"),
    sethostname = 170 | 161 (name: "char *", len: "int"),
    setdomainname = 171 | 162 (name: "char *", len: "int"),
    iopl = 172 | -1 (level: "unsigned int"),
    ioperm = 173 | -1 (from: "unsigned long", num: "unsigned long", turn_on: "int"),
    quotactl = 179 | 60 (cmd: "unsigned int", special: path "const char *", id: "qid_t", addr: "void *"),
    gettid = 186 | 178 (),
    readahead = 187 | 213 (fd: "int", offset: "loff_t", count: "size_t"),
    setxattr = 188 | 5 (
        pathname: path "const char *", name: "const char *", value: "const void *", size: "size_t", flags: "int"
    ),
    lsetxattr = 189 | 6 (
        pathname: path "const char *", name: "const char *", value: "const void *", size: "size_t", flags: "int"
    ),
    fsetxattr = 190 | 7 (fd: "int", name: "const char *", value: "const void *", size: "size_t", flags: "int"),
    getxattr = 191 | 8 (pathname: path "const char *", name: "const char *", value: "void *", size: "size_t"),
    lgetxattr = 192 | 9 (pathname: path "const char *", name: "const char *", value: "void *", size: "size_t"),
    fgetxattr = 193 | 10 (fd: "int", name: "const char *", value: "void *", size: "size_t"),
    listxattr = 194 | 11 (pathname: path "const char *", list: "char *", size: "size_t"),
    llistxattr = 195 | 12 (pathname: path "const char *", list: "char *", size: "size_t"),
    flistxattr = 196 | 13 (fd: "int", list: "char *", size: "size_t"),
    removexattr = 197 | 14 (pathname: path "const char *", name: "const char *"),
    lremovexattr = 198 | 15 (pathname: path "const char *", name: "const char *"),
    fremovexattr = 199 | 16 (fd: "int", name: "const char *"),
    tkill = 200 | 130 (pid: "pid_t", sig: "int"),
    time = 201 | -1 (tloc: "__kernel_old_time_t *"),
    futex = 202 | 98 (
        uaddr: "u32 *", op: "int", val: "u32", utime: "const struct __kernel_timespec *", uaddr2: "u32 *", val3: "u32"
    ),
    sched_setaffinity = 203 | 122 (pid: "pid_t", len: "unsigned int", user_mask_ptr: "unsigned long *"),
    sched_getaffinity = 204 | 123 (pid: "pid_t", len: "unsigned int", user_mask_ptr: "unsigned long *"),
    io_setup = 206 | 0 (nr_events: "unsigned", ctxp: "aio_context_t *"),
    io_destroy = 207 | 1 (ctx: "aio_context_t"),
    io_getevents = 208 | 4 (
        ctx_id: "aio_context_t", min_nr: "long", nr: "long", events: "struct io_event *",
        timeout: "struct __kernel_timespec *"
    ),
    io_submit = 209 | 2 (ctx_id: "aio_context_t", nr: "long", iocbpp: "struct iocb * *"),
    io_cancel = 210 | 3 (ctx_id: "aio_context_t", iocb: "struct iocb *", result: "struct io_event *"),
    epoll_create = 213 | -1 (size: "int"),
    remap_file_pages = 216 | 234 (
        start: "unsigned long", size: "unsigned long", prot: "unsigned long", pgoff: "unsigned long",
        flags: "unsigned long"
    ),
    getdents64 = 217 | 61 (fd: "unsigned int", dirent: "struct linux_dirent64 *", count: "unsigned int"),
    set_tid_address = 218 | 96 (tidptr: "int *"),
    restart_syscall = 219 | 128 (),
    semtimedop = 220 | 192 (
        semid: "int", tsops: "struct sembuf *", nsops: "unsigned int", timeout: "const struct __kernel_timespec *"
    ),
    fadvise64 = 221 | 223 (fd: "int", offset: "loff_t", len: "size_t", advice: "int"),
    timer_create = 222 | 107 (
        which_clock: "const clockid_t", timer_event_spec: "struct sigevent *", created_timer_id: "timer_t *"
    ),
    timer_settime = 223 | 110 (
        timer_id: "timer_t", flags: "int", new_setting: "const struct __kernel_itimerspec *",
        old_setting: "struct __kernel_itimerspec *"
    ),
    timer_gettime = 224 | 108 (timer_id: "timer_t", setting: "struct __kernel_itimerspec *"),
    timer_getoverrun = 225 | 109 (timer_id: "timer_t"),
    timer_delete = 226 | 111 (timer_id: "timer_t"),
    clock_settime = 227 | 112 (which_clock: "const clockid_t", tp: "const struct __kernel_timespec *"),
    clock_gettime = 228 | 113 (which_clock: "const clockid_t", tp: "struct __kernel_timespec *"),
    clock_getres = 229 | 114 (which_clock: "const clockid_t", tp: "struct __kernel_timespec *"),
    clock_nanosleep = 230 | 115 (
        which_clock: "const clockid_t", flags: "int", rqtp: "const struct __kernel_timespec *",
        rmtp: "struct __kernel_timespec *"
    ),
    exit_group = 231 | 94 (error_code: "int"),
    epoll_wait = 232 | -1 (epfd: "int", events: "struct epoll_event *", maxevents: "int", timeout: "int"),
    epoll_ctl = 233 | 21 (epfd: "int", op: "int", fd: "int", event: "struct epoll_event *"),
    tgkill = 234 | 131 (tgid: "pid_t", pid: "pid_t", sig: "int"),
    utimes = 235 | -1 (filename: path "char *", utimes: "struct __kernel_old_timeval *"),
    mbind = 237 | 235 (
        start: "unsigned long", len: "unsigned long", mode: "unsigned long", nmask: "const unsigned long *",
        maxnode: "unsigned long", flags: "unsigned int"
    ),
    set_mempolicy = 238 | 237 (mode: "int", nmask: "const unsigned long *", maxnode: "unsigned long"),
    get_mempolicy = 239 | 236 (
        policy: "int *", nmask: "unsigned long *", maxnode: "unsigned long", addr: "unsigned long",
        flags: "unsigned long"
    ),
    mq_open = 240 | 180 (u_name: "const char *", oflag: "int", mode: "umode_t", u_attr: "struct mq_attr *"),
    mq_unlink = 241 | 181 (u_name: "const char *"),
    mq_timedsend = 242 | 182 (
        mqdes: "mqd_t", u_msg_ptr: "const char *", msg_len: "size_t", msg_prio: "unsigned int",
        u_abs_timeout: "const struct __kernel_timespec *"
    ),
    mq_timedreceive = 243 | 183 (
        mqdes: "mqd_t", u_msg_ptr: "char *", msg_len: "size_t", u_msg_prio: "unsigned int *",
        u_abs_timeout: "const struct __kernel_timespec *"
    ),
    mq_notify = 244 | 184 (mqdes: "mqd_t", u_notification: "const struct sigevent *"),
    mq_getsetattr = 245 | 185 (mqdes: "mqd_t", u_mqstat: "const struct mq_attr *", u_omqstat: "struct mq_attr *"),
    waitid = 247 | 95 (which: "int", upid: "pid_t", infop: "struct siginfo *", options: "int", ru: "struct rusage *"),
    add_key = 248 | 217 (
        _type: "const char *", _description: "const char *", _payload: "const void *", plen: "size_t",
        ringid: "key_serial_t"
    ),
    request_key = 249 | 218 (
        _type: "const char *", _description: "const char *", _callout_info: "const char *", destringid: "key_serial_t"
    ),
    keyctl = 250 | 219 (
        option: "int", arg2: "unsigned long", arg3: "unsigned long", arg4: "unsigned long", arg5: "unsigned long"
    ),
    ioprio_set = 251 | 30 (which: "int", who: "int", ioprio: "int"),
    ioprio_get = 252 | 31 (which: "int", who: "int"),
    inotify_init = 253 | -1 (),
    inotify_add_watch = 254 | 27 (fd: "int", pathname: path "const char *", mask: "u32"),
    inotify_rm_watch = 255 | 28 (fd: "int", wd: "__s32"),
    migrate_pages = 256 | 238 (
        pid: "pid_t", maxnode: "unsigned long", old_nodes: "const unsigned long *", new_nodes: "const unsigned long *"
    ),
    openat = 257 | 56 (dfd: "int", filename: path "const char *", flags: "int", mode: "umode_t"),
    mkdirat = 258 | 34 (dfd: "int", pathname: path "const char *", mode: "umode_t"),
    mknodat = 259 | 33 (dfd: "int", filename: path "const char *", mode: "umode_t", dev: "unsigned int"),
    fchownat = 260 | 54 (dfd: "int", filename: path "const char *", user: "uid_t", group: "gid_t", flag: "int"),
    futimesat = 261 | -1 (dfd: "int", filename: path "const char *", utimes: "struct __kernel_old_timeval *"),
    newfstatat = 262 | 79 (dfd: "int", filename: path "const char *", statbuf: "struct stat *", flag: "int"),
    unlinkat = 263 | 35 (dfd: "int", pathname: path "const char *", flag: "int"),
    renameat = 264 | 38 (olddfd: "int", oldname: path "const char *", newdfd: "int", newname: path "const char *"),
    linkat = 265 | 37 (
        olddfd: "int", oldname: path "const char *", newdfd: "int", newname: path "const char *", flags: "int"
    ),
    symlinkat = 266 | 36 (oldname: path "const char *", newdfd: "int", newname: path "const char *"),
    readlinkat = 267 | 78 (dfd: "int", pathname: path "const char *", buf: "char *", bufsiz: "int"),
    fchmodat = 268 | 53 (dfd: "int", filename: path "const char *", mode: "umode_t"),
    faccessat = 269 | 48 (dfd: "int", filename: path "const char *", mode: "int"),
    pselect6 = 270 | 72 (
        n: "int", inp: "fd_set *", outp: "fd_set *", exp: "fd_set *", tsp: "struct __kernel_timespec *", sig: "void *"
    ),
    ppoll = 271 | 73 (
        ufds: "struct pollfd *", nfds: "unsigned int", tsp: "struct __kernel_timespec *", sigmask: "const sigset_t *",
        sigsetsize: "size_t"
    ),
    unshare = 272 | 97 (unshare_flags: "unsigned long"),
    set_robust_list = 273 | 99 (head: "struct robust_list_head *", len: "size_t"),
    get_robust_list = 274 | 100 (pid: "int", head_ptr: "struct robust_list_head * *", len_ptr: "size_t *"),
    splice = 275 | 76 (
        fd_in: "int", off_in: "loff_t *", fd_out: "int", off_out: "loff_t *", len: "size_t", flags: "unsigned int"
    ),
    tee = 276 | 77 (fdin: "int", fdout: "int", len: "size_t", flags: "unsigned int"),
    sync_file_range = 277 | 84 (fd: "int", offset: "loff_t", nbytes: "loff_t", flags: "unsigned int"),
    vmsplice = 278 | 75 (fd: "int", uiov: "const struct iovec *", nr_segs: "unsigned long", flags: "unsigned int"),
    move_pages = 279 | 239 (
        pid: "pid_t", nr_pages: "unsigned long", pages: "const void * *", nodes: "const int *", status: "int *",
        flags: "int"
    ),
    utimensat = 280 | 88 (
        dfd: "int", filename: path "const char *", utimes: "struct __kernel_timespec *", flags: "int"
    ),
    epoll_pwait = 281 | 22 (
        epfd: "int", events: "struct epoll_event *", maxevents: "int", timeout: "int", sigmask: "const sigset_t *",
        sigsetsize: "size_t"
    ),
    signalfd = 282 | -1 (ufd: "int", user_mask: "sigset_t *", sizemask: "size_t"),
    timerfd_create = 283 | 85 (clockid: "int", flags: "int"),
    eventfd = 284 | -1 (count: "unsigned int"),
    fallocate = 285 | 47 (fd: "int", mode: "int", offset: "loff_t", len: "loff_t"),
    timerfd_settime = 286 | 86 (
        ufd: "int", flags: "int", utmr: "const struct __kernel_itimerspec *", otmr: "struct __kernel_itimerspec *"
    ),
    timerfd_gettime = 287 | 87 (ufd: "int", otmr: "struct __kernel_itimerspec *"),
    accept4 = 288 | 242 (fd: "int", upeer_sockaddr: "struct sockaddr *", upeer_addrlen: "int *", flags: "int"),
    signalfd4 = 289 | 74 (ufd: "int", user_mask: "sigset_t *", sizemask: "size_t", flags: "int"),
    eventfd2 = 290 | 19 (count: "unsigned int", flags: "int"),
    epoll_create1 = 291 | 20 (flags: "int"),
    dup3 = 292 | 24 (oldfd: "unsigned int", newfd: "unsigned int", flags: "int"),
    pipe2 = 293 | 59 (fildes: "int *", flags: "int"),
    inotify_init1 = 294 | 26 (flags: "int"),
    preadv = 295 | 69 (
        fd: "unsigned long", vec: "const struct iovec *", vlen: "unsigned long", pos_l: "unsigned long",
        pos_h: "unsigned long"
    ),
    pwritev = 296 | 70 (
        fd: "unsigned long", vec: "const struct iovec *", vlen: "unsigned long", pos_l: "unsigned long",
        pos_h: "unsigned long"
    ),
    rt_tgsigqueueinfo = 297 | 240 (tgid: "pid_t", pid: "pid_t", sig: "int", uinfo: "siginfo_t *"),
    perf_event_open = 298 | 241 (
        attr_uptr: "struct perf_event_attr *", pid: "pid_t", cpu: "int", group_fd: "int", flags: "unsigned long"
    ),
    recvmmsg = 299 | 243 (
        fd: "int", mmsg: "struct mmsghdr *", vlen: "unsigned int", flags: "unsigned int",
        timeout: "struct __kernel_timespec *"
    ),
    fanotify_init = 300 | 262 (flags: "unsigned int", event_f_flags: "unsigned int"),
    fanotify_mark = 301 | 263 (
        fanotify_fd: "int", flags: "unsigned int", mask: "__u64", dfd: "int", pathname: path "const char *"
    ),
    prlimit64 = 302 | 261 (
        pid: "pid_t", resource: "unsigned int", new_rlim: "const struct rlimit64 *", old_rlim: "struct rlimit64 *"
    ),
    name_to_handle_at = 303 | 264 (
        dfd: "int", name: path "const char *", handle: "struct file_handle *", mnt_id: "void *", flag: "int"
    ),
    open_by_handle_at = 304 | 265 (mountdirfd: "int", handle: "struct file_handle *", flags: "int"),
    clock_adjtime = 305 | 266 (which_clock: "const clockid_t", utx: "struct __kernel_timex *"),
    syncfs = 306 | 267 (fd: "int"),
    sendmmsg = 307 | 269 (fd: "int", mmsg: "struct mmsghdr *", vlen: "unsigned int", flags: "unsigned int"),
    setns = 308 | 268 (fd: "int", flags: "int"),
    getcpu = 309 | 168 (cpup: "unsigned *", nodep: "unsigned *", unused: "struct getcpu_cache *"),
    process_vm_readv = 310 | 270 (
        pid: "pid_t", lvec: "const struct iovec *", liovcnt: "unsigned long", rvec: "const struct iovec *",
        riovcnt: "unsigned long", flags: "unsigned long"
    ),
    process_vm_writev = 311 | 271 (
        pid: "pid_t", lvec: "const struct iovec *", liovcnt: "unsigned long", rvec: "const struct iovec *",
        riovcnt: "unsigned long", flags: "unsigned long"
    ),
    kcmp = 312 | 272 (pid1: "pid_t", pid2: "pid_t", type: "int", idx1: "unsigned long", idx2: "unsigned long"),
    sched_setattr = 314 | 274 (pid: "pid_t", uattr: "struct sched_attr *", flags: "unsigned int"),
    sched_getattr = 315 | 275 (
        pid: "pid_t", uattr: "struct sched_attr *", usize: "unsigned int", flags: "unsigned int"
    ),
    renameat2 = 316 | 276 (
        olddfd: "int", oldname: path "const char *", newdfd: "int", newname: path "const char *", flags: "unsigned int"
    ),
    seccomp = 317 | 277 (op: "unsigned int", flags: "unsigned int", uargs: "void *"),
    getrandom = 318 | 278 (ubuf: "char *", len: "size_t", flags: "unsigned int"),
    memfd_create = 319 | 279 (uname: "const char *", flags: "unsigned int"),
    bpf = 321 | 280 (cmd: "int", uattr: "union bpf_attr *", size: "unsigned int"),
    execveat = 322 | 281 (
        fd: "int", filename: path "const char *", argv: "const char *const *", envp: "const char *const *",
        flags: "int"
    ),
    userfaultfd = 323 | 282 (flags: "int"),
    membarrier = 324 | 283 (cmd: "int", flags: "unsigned int", cpu_id: "int"),
    mlock2 = 325 | 284 (start: "unsigned long", len: "size_t", flags: "int"),
    copy_file_range = 326 | 285 (
        fd_in: "int", off_in: "loff_t *", fd_out: "int", off_out: "loff_t *", len: "size_t", flags: "unsigned int"
    ),
    preadv2 = 327 | 286 (
        fd: "unsigned long", vec: "const struct iovec *", vlen: "unsigned long", pos_l: "unsigned long",
        pos_h: "unsigned long", flags: "rwf_t"
    ),
    pwritev2 = 328 | 287 (
        fd: "unsigned long", vec: "const struct iovec *", vlen: "unsigned long", pos_l: "unsigned long",
        pos_h: "unsigned long", flags: "rwf_t"
    ),
    pkey_mprotect = 329 | 288 (start: "unsigned long", len: "size_t", prot: "unsigned long", pkey: "int"),
    pkey_alloc = 330 | 289 (flags: "unsigned long", init_val: "unsigned long"),
    pkey_free = 331 | 290 (pkey: "int"),
    statx = 332 | 291 (
        dfd: "int", filename: path "const char *", flags: "unsigned", mask: "unsigned int", buffer: "struct statx *"
    ),
    io_pgetevents = 333 | 292 (
        ctx_id: "aio_context_t", min_nr: "long", nr: "long", events: "struct io_event *",
        timeout: "struct __kernel_timespec *", usig: "const struct __aio_sigset *"
    ),
    rseq = 334 | 293 (rseq: "struct rseq *", rseq_len: "u32", flags: "int", sig: "u32"),
    uretprobe = 335 | -1 (),
    uprobe = 336 | -1 (),
    pidfd_send_signal = 424 | 424 (pidfd: "int", sig: "int", info: "siginfo_t *", flags: "unsigned int"),
    io_uring_setup = 425 | 425 (entries: "u32", params: "struct io_uring_params *"),
    io_uring_enter = 426 | 426 (
        fd: "unsigned int", to_submit: "u32", min_complete: "u32", flags: "u32", argp: "const void *", argsz: "size_t"
    ),
    io_uring_register = 427 | 427 (fd: "unsigned int", opcode: "unsigned int", arg: "void *", nr_args: "unsigned int"),
    open_tree = 428 | 428 (dfd: "int", filename: path "const char *", flags: "unsigned"),
    move_mount = 429 | 429 (
        from_dfd: "int", from_pathname: path "const char *", to_dfd: "int", to_pathname: path "const char *",
        flags: "unsigned int"
    ),
    fsopen = 430 | 430 (_fs_name: "const char *", flags: "unsigned int"),
    fsconfig = 431 | 431 (fd: "int", cmd: "unsigned int", _key: "const char *", _value: "const void *", aux: "int"),
    fsmount = 432 | 432 (fs_fd: "int", flags: "unsigned int", attr_flags: "unsigned int"),
    fspick = 433 | 433 (dfd: "int", path: path "const char *", flags: "unsigned int"),
    pidfd_open = 434 | 434 (pid: "pid_t", flags: "unsigned int"),
    clone3 = 435 | 435 (uargs: "struct clone_args *", size: "size_t"),
    close_range = 436 | 436 (fd: "unsigned int", max_fd: "unsigned int", flags: "unsigned int"),
    openat2 = 437 | 437 (dfd: "int", filename: path "const char *", how: "struct open_how *", usize: "size_t"),
    pidfd_getfd = 438 | 438 (pidfd: "int", fd: "int", flags: "unsigned int"),
    faccessat2 = 439 | 439 (dfd: "int", filename: path "const char *", mode: "int", flags: "int"),
    process_madvise = 440 | 440 (
        pidfd: "int", vec: "const struct iovec *", vlen: "size_t", behavior: "int", flags: "unsigned int"
    ),
    epoll_pwait2 = 441 | 441 (
        epfd: "int", events: "struct epoll_event *", maxevents: "int", timeout: "const struct __kernel_timespec *",
        sigmask: "const sigset_t *", sigsetsize: "size_t"
    ),
    mount_setattr = 442 | 442 (
        dfd: "int", path: path "const char *", flags: "unsigned int", uattr: "struct mount_attr *", usize: "size_t"
    ),
    quotactl_fd = 443 | 443 (fd: "unsigned int", cmd: "unsigned int", id: "qid_t", addr: "void *"),
    landlock_create_ruleset = 444 | 444 (
        attr: "const struct landlock_ruleset_attr *const", size: "const size_t", flags: "const __u32"
    ),
    landlock_add_rule = 445 | 445 (
        ruleset_fd: "const int", rule_type: "const enum landlock_rule_type", rule_attr: "const void *const",
        flags: "const __u32"
    ),
    landlock_restrict_self = 446 | 446 (ruleset_fd: "const int", flags: "const __u32"),
    memfd_secret = 447 | 447 (flags: "unsigned int"),
    process_mrelease = 448 | 448 (pidfd: "int", flags: "unsigned int"),
    futex_waitv = 449 | 449 (
        waiters: "struct futex_waitv *", nr_futexes: "unsigned int", flags: "unsigned int",
        timeout: "struct __kernel_timespec *", clockid: "clockid_t"
    ),
    set_mempolicy_home_node = 450 | 450 (
        start: "unsigned long", len: "unsigned long", home_node: "unsigned long", flags: "unsigned long"
    ),
    cachestat = 451 | 451 (
        fd: "unsigned int", cstat_range: "struct cachestat_range *", cstat: "struct cachestat *", flags: "unsigned int"
    ),
    fchmodat2 = 452 | 452 (dfd: "int", filename: path "const char *", mode: "umode_t", flags: "unsigned int"),
    futex_wake = 454 | 454 (uaddr: "void *", mask: "unsigned long", nr: "int", flags: "unsigned int"),
    futex_wait = 455 | 455 (
        uaddr: "void *", val: "unsigned long", mask: "unsigned long", flags: "unsigned int",
        timeout: "struct __kernel_timespec *", clockid: "clockid_t"
    ),
    futex_requeue = 456 | 456 (
        waiters: "struct futex_waitv *", flags: "unsigned int", nr_wake: "int", nr_requeue: "int"
    ),
    statmount = 457 | 457 (
        req: "const struct mnt_id_req *", buf: "struct statmount *", bufsize: "size_t", flags: "unsigned int"
    ),
    listmount = 458 | 458 (
        req: "const struct mnt_id_req *", mnt_ids: "u64 *", nr_mnt_ids: "size_t", flags: "unsigned int"
    ),
    lsm_get_self_attr = 459 | 459 (attr: "unsigned int", ctx: "struct lsm_ctx *", size: "u32 *", flags: "u32"),
    lsm_set_self_attr = 460 | 460 (attr: "unsigned int", ctx: "struct lsm_ctx *", size: "u32", flags: "u32"),
    lsm_list_modules = 461 | 461 (ids: "u64 *", size: "u32 *", flags: "u32"),
    mseal = 462 | 462 (start: "unsigned long", len: "size_t", flags: "unsigned long"),
    setxattrat = 463 | 463 (
        dfd: "int", pathname: path "const char *", at_flags: "unsigned int", name: "const char *",
        uargs: "const struct xattr_args *", usize: "size_t"
    ),
    getxattrat = 464 | 464 (
        dfd: "int", pathname: path "const char *", at_flags: "unsigned int", name: "const char *",
        uargs: "struct xattr_args *", usize: "size_t"
    ),
    listxattrat = 465 | 465 (
        dfd: "int", pathname: path "const char *", at_flags: "unsigned int", list: "char *", size: "size_t"
    ),
    removexattrat = 466 | 466 (
        dfd: "int", pathname: path "const char *", at_flags: "unsigned int", name: "const char *"
    ),
    open_tree_attr = 467 | 467 (
        dfd: "int", filename: path "const char *", flags: "unsigned", uattr: "struct mount_attr *", usize: "size_t"
    ),
    file_getattr = 468 | 468 (
        dfd: "int", filename: path "const char *", ufattr: "struct file_attr *", usize: "size_t",
        at_flags: "unsigned int"
    ),
    file_setattr = 469 | 469 (
        dfd: "int", filename: path "const char *", ufattr: "struct file_attr *", usize: "size_t",
        at_flags: "unsigned int"
    ),
}
