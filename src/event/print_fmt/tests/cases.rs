//! Events of Linux 6.18 with records and texts made by hand.

use std::string::String;
use std::vec;
use std::vec::Vec;

use super::{Known, event};
use crate::event::field::{Field, FieldKind};
use crate::event::print_fmt::{Env, Program, render_fields};

/// A value for a field.
enum Value<'a> {
    Number(i64),
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(v: i64) -> Self {
        Value::Number(v)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(v: &'a str) -> Self {
        Value::Bytes(v.as_bytes())
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(v: &'a [u8; N]) -> Self {
        Value::Bytes(v)
    }
}

/// A record in which some fields have values; text gets its NUL.
fn record(fields: &[Field], values: &[(&str, Value<'_>)]) -> Vec<u8> {
    let end = fields
        .iter()
        .map(|f| usize::from(f.offset) + usize::from(f.size))
        .max()
        .unwrap_or(8);
    let mut record = vec![0; end];
    for (name, value) in values {
        let field = fields
            .iter()
            .find(|f| f.name == *name)
            .unwrap_or_else(|| panic!("no field {name}"));
        let at = usize::from(field.offset);
        match (value, field.kind) {
            (Value::Number(v), _) => {
                let size = usize::from(field.size);
                let bytes = if cfg!(target_endian = "big") {
                    v.to_be_bytes()
                } else {
                    v.to_le_bytes()
                };
                let part = if cfg!(target_endian = "big") {
                    &bytes[8 - size..]
                } else {
                    &bytes[..size]
                };
                record[at..at + size].copy_from_slice(part);
            }
            (Value::Bytes(v), FieldKind::DataLoc { string, .. }) => {
                let nul: &[u8] = if string { b"\0" } else { b"" };
                let len = v.len() + nul.len();
                let word = record.len() as u32 | (len as u32) << 16;
                record[at..at + 4].copy_from_slice(&word.to_ne_bytes());
                record.extend_from_slice(v);
                record.extend_from_slice(nul);
            }
            (Value::Bytes(v), FieldKind::Flex { .. }) => record.extend_from_slice(v),
            (Value::Bytes(v), _) => record[at..at + v.len()].copy_from_slice(v),
        }
    }
    record
}

fn check(name: &str, values: &[(&str, Value<'_>)], want: &str) {
    let format = event(name);
    let program = Program::compile(&format.print_fmt, &format.fields).unwrap();
    let known = Known {
        functions: vec![
            (0xffff_ffff_8111_0000, 0x90, "do_fork".into()),
            (0xffff_ffff_a000_0000, 0x1000, "probe ext4".into()),
        ],
        texts: vec![(0xffff_ffff_8235_0000, "suspend".into())],
    };
    let env = Env {
        hash_ptr: false,
        symbols: &known,
        jiffies: 4_295_000_000,
        ..Env::default()
    };
    let mut out = Vec::from(*b"before ");
    program.render(&record(&format.fields, values), &env, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        ["before ", want].concat(),
        "{name}"
    );
}

macro_rules! check {
    ($name:expr, [$($field:ident = $value:expr),* $(,)?], $want:expr $(,)?) => {
        check($name, &[$((stringify!($field), Value::from($value))),*], $want)
    };
}

/// 0x1c bytes into `do_fork`.
const TEXT: i64 = 0xffff_ffff_8111_001c_u64 as i64;

#[test]
fn sched() {
    let switch = |state: i64, want: &str| {
        let want = [
            "prev_comm=kworker/u8:3 prev_pid=812 prev_prio=120 prev_state=",
            want,
            " ==> next_comm=exactly15chars! next_pid=-1 next_prio=99",
        ];
        check!(
            "sched/sched_switch",
            [
                prev_comm = "kworker/u8:3",
                prev_pid = 812,
                prev_prio = 120,
                prev_state = state,
                next_comm = "exactly15chars!",
                next_pid = -1,
                next_prio = 99,
            ],
            &want.concat(),
        );
    };
    switch(0, "R");
    switch(1, "S");
    switch(2, "D");
    switch(0x80, "I");
    switch(0x21, "S|Z");
    switch(0xff, "S|D|T|t|X|Z|P|I");
    // Preempted: above the states that are reported.
    switch(0x100, "R+");
    switch(0x102, "D+");
    switch(0x200, "R");
    check!(
        "sched/sched_waking",
        [comm = "a b", pid = 7, prio = 120, target_cpu = 1],
        "comm=a b pid=7 prio=120 target_cpu=001",
    );
    check!(
        "sched/sched_process_exec",
        [filename = "/bin/true", pid = 5, old_pid = 4],
        "filename=/bin/true pid=5 old_pid=4"
    );
    check!(
        "sched/sched_stat_runtime",
        [comm = "x", pid = 1, runtime = 3_963_150],
        "comm=x pid=1 runtime=3963150 [ns]"
    );
    check!(
        "sched/sched_skip_cpuset_numa",
        [
            comm = "x",
            pid = 1,
            tgid = 2,
            ngid = -3,
            mem_allowed = b"\x0f\x01\0\0\0\0\0\x80"
        ],
        "comm=x pid=1 tgid=2 ngid=-3 mem_nodes_allowed=0-3,8,63",
    );
}

#[test]
fn block_and_memory() {
    check!(
        "block/block_rq_issue",
        [
            dev = 0x0080_0010,
            sector = 4096,
            nr_sector = 8,
            bytes = 4096,
            ioprio = 0x4004,
            rwbs = "RS",
            comm = "dd",
            cmd = ""
        ],
        "8,16 RS 4096 () 4096 + 8 be,0,4 [dd]",
    );
    check!(
        "block/block_rq_issue",
        [
            dev = -1,
            sector = -1,
            nr_sector = -1,
            bytes = -1,
            ioprio = 0x9fff,
            rwbs = "WFS",
            comm = "jbd2",
            cmd = "12 34"
        ],
        "4095,1048575 WFS 4294967295 (12 34) 18446744073709551615 + 4294967295 0x4,1023,7 [jbd2]",
    );
    check!(
        "kmem/kmalloc",
        [
            call_site = TEXT,
            ptr = 0x1000,
            bytes_req = 11,
            bytes_alloc = 16,
            gfp_flags = 0xcc0,
            node = -1
        ],
        "call_site=do_fork+0x1c/0x90 ptr=0000000000001000 bytes_req=11 bytes_alloc=16 gfp_flags=GFP_KERNEL node=-1 accounted=false",
    );
    check!(
        "kmem/kmalloc",
        [call_site = 0, gfp_flags = 0, node = 0],
        "call_site=0x0 ptr=0000000000000000 bytes_req=0 bytes_alloc=0 gfp_flags=none node=0 accounted=false",
    );
    // The page's place in the array of pages: 64 bytes each.
    check!(
        "kmem/mm_page_free",
        [pfn = 2, order = 1],
        "page=ffffea0000000080 pfn=0x2 order=1",
    );
    check!(
        "filemap/mm_filemap_get_pages",
        [
            s_dev = 0x0080_0001,
            i_ino = 0xabc,
            index = 3,
            last_index = 5
        ],
        "dev=8:1 ino=abc ofs=12288-24575",
    );
    check!(
        "exceptions/page_fault_user",
        [address = 0x7f00_1234, ip = TEXT, error_code = 7],
        "address=0x7f001234 ip=do_fork error_code=0x7",
    );
    // An error number in place of the address.
    let area = |addr: i64, want: &str| {
        let want = [
            want,
            " total_vm=0x1 flags=0x2 len=0x3 lo=0x0 hi=0x0 mask=0x0 ofs=0x0",
        ]
        .concat();
        check!(
            "mmap/vm_unmapped_area",
            [addr = addr, total_vm = 1, flags = 2, length = 3],
            &want
        );
    };
    area(-12, "addr=0x0 err=-12");
    area(0x7000, "addr=0x7000 err=0");
}

#[test]
fn signals_and_time() {
    check!(
        "signal/signal_generate",
        [
            sig = 17,
            errno = -4,
            code = -6,
            comm = "bash",
            pid = 308,
            group = 1,
            result = 2
        ],
        "sig=17 errno=-4 code=-6 comm=bash pid=308 grp=1 res=2",
    );
    check!(
        "signal/signal_deliver",
        [sig = 9, sa_handler = -1, sa_flags = 0x1400_0000],
        "sig=9 errno=0 code=0 sa_handler=ffffffffffffffff sa_flags=14000000"
    );
    let timer = |flags: i64, want: &str| {
        let want = ["timer=0000000000000001 function=do_fork expires=1000 [timeout=-24] bucket_expiry=1024 ", want].concat();
        check!(
            "timer/timer_start",
            [
                timer = 1,
                function = TEXT,
                expires = 1000,
                now = 1024,
                bucket_expiry = 1024,
                flags = flags
            ],
            &want,
        );
    };
    timer(0, "cpu=0 idx=0 flags=");
    timer(0x0b48_0001, "cpu=1 idx=45 flags=D");
    timer(-1, "cpu=262143 idx=1023 flags=M|D|P|I");
    check!(
        "timer/itimer_state",
        [
            which = 0,
            expires = -1,
            value_sec = 3,
            value_nsec = 45_678,
            interval_sec = -1,
            interval_nsec = -2000
        ],
        "which=0 expires=18446744073709551615 it_value=3.000045 it_interval=-1.-00002",
    );
    check!(
        "timer/hrtimer_start",
        [mode = 10],
        "hrtimer=0000000000000000 function=0x0 expires=0 softexpires=0 mode=ABS|PINNED|HARD was_armed=0"
    );
    check!("irq/softirq_raise", [vec = 9], "vec=9 [action=RCU]");
    check!("irq/softirq_raise", [vec = 10], "vec=10 [action=0xa]");
    check!(
        "power/suspend_resume",
        [
            action = 0xffff_ffff_8235_0000_u64 as i64,
            val = 3,
            start = 1
        ],
        "suspend[3] begin"
    );
    check!(
        "power/suspend_resume",
        [action = 0x1234],
        "(0x0000000000001234)[0] end"
    );
    check!("power/suspend_resume", [], "(null)[0] end");
    // 250 jiffies a second.
    check!(
        "writeback/writeback_sb_inodes_requeue",
        [
            name = "8:0",
            ino = 7,
            state = 7 << 3 | 1 << 30,
            dirtied_when = 4_294_999_000,
            cgroup_ino = 1
        ],
        "bdi 8:0: ino=7 state=I_DIRTY_SYNC|I_DIRTY_DATASYNC|I_DIRTY_PAGES|0x40000000 dirtied_when=4294999000 age=4 cgroup_ino=1",
    );
}

#[test]
fn network() {
    check!(
        "tcp/tcp_retransmit_synack",
        [
            family = 10,
            sport = 443,
            dport = 0x1_ffff,
            saddr = b"\x7f\0\0\x01",
            daddr = b"\xff\x00\x0a\x63",
            saddr_v6 = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01",
            daddr_v6 = b"\x20\x01\x0d\xb8\0\0\0\0\0\x01\0\0\0\0\0\x0a",
        ],
        "family=AF_INET6 sport=443 dport=65535 saddr=127.0.0.1 daddr=255.0.10.99 saddrv6=::ffff:127.0.0.1 daddrv6=2001:db8::1:0:0:a",
    );
    check!(
        "udp/udp_fail_queue_rcv_skb",
        [
            rc = -12,
            family = 2,
            saddr = b"\x02\0\xbb\xb7\x7f\0\0\x01",
            daddr = b"\x0a\0\x01\xbb\0\0\0\0\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
        ],
        "rc=-12 family=AF_INET src=127.0.0.1:48055 dest=[fe80::1]:443",
    );
    check!(
        "tcp/tcp_probe",
        [family = 3, mark = 0, snd_nxt = 0xab],
        "family=0x3 src=(einval) dest=(einval) mark=0x0 data_len=0 snd_nxt=0xab snd_una=0x0 snd_cwnd=0 ssthresh=0 snd_wnd=0 srtt=0 rcv_wnd=0 \
         sock_cookie=0 skbaddr=0000000000000000 skaddr=0000000000000000",
    );
    check!(
        "tcp/tcp_hash_md5_required",
        [state = 10, family = 2, fin = 1, ack = 1, l3index = -1],
        "net=0 state=TCP_LISTEN family=AF_INET src=(einval) dest=(einval) L3index=-1 [F   .]",
    );
    check!(
        "xdp/xdp_exception",
        [prog_id = 1, act = 4, ifindex = -2],
        "prog_id=1 action=REDIRECT ifindex=-2"
    );
    // The entry that ends the table is not in it.
    check!(
        "xdp/xdp_exception",
        [act = -1],
        "prog_id=0 action=0xffffffff ifindex=0"
    );
    check!(
        "qdisc/qdisc_destroy",
        [dev = "eth0", kind = "fq", parent = -1, handle = 0x8001_0002],
        "dev=eth0 kind=fq parent=ffff:ffff handle=8001:2",
    );
}

#[test]
fn built_in() {
    check!(
        "ftrace/print",
        [ip = TEXT, buf = "hello\n\0"],
        "do_fork: hello\n"
    );
    check!(
        "ftrace/print",
        [ip = 0xffff_ffff_a000_0004_u64 as i64, buf = "unterminated"],
        "probe [ext4]: unterminated"
    );
    check!(
        "ftrace/func_repeats",
        [count = 3, top_delta_ts = 1, bottom_delta_ts = 2],
        " 0x0 <-0x0\t(repeats:3  delta: -4294967298)"
    );
    check!(
        "ftrace/raw_data",
        [id = 7, buf = b"\xfe\0\0\0"],
        "id:0007 000000fe"
    );
    check!("ftrace/raw_data", [id = 0x12345], "id:12345 <truncated>");
    check!(
        "ftrace/branch",
        [
            line = 5,
            func = "f",
            file = "x.c",
            correct = 1,
            constant = 1
        ],
        "5:f:x.c (1) CONSTANT"
    );
    check!(
        "ftrace/context_switch",
        [
            prev_pid = 1,
            prev_prio = 2,
            prev_state = 255,
            next_pid = 4,
            next_cpu = 5,
            next_prio = 6
        ],
        "1:2:255  ==> 4:6:0 [005]",
    );
    check!(
        "raw_syscalls/sys_enter",
        [id = 257],
        "NR 257 (0, 0, 0, 0, 0, 0)"
    );
    check!("raw_syscalls/sys_exit", [id = 1, ret = -2], "NR 1 = -2");
    check!(
        "syscalls/sys_enter_read",
        [fd = 3, buf = 0x7fff, count = -1],
        "fd: 0x00000003, buf: 0x00007fff, count: 0xffffffffffffffff"
    );
    check!("syscalls/sys_exit_read", [ret = -9], "0xfffffffffffffff7");
}

/// Records that are cut off show what there is, and say where nothing is.
#[test]
fn truncated() {
    let format = event("sched/sched_process_exec");
    let program = Program::compile(&format.print_fmt, &format.fields).unwrap();
    let whole = record(
        &format.fields,
        &[
            ("filename", Value::from("/bin/true")),
            ("pid", Value::from(5)),
            ("old_pid", Value::from(4)),
        ],
    );
    let cut = |len: usize, want: &str| {
        let mut out = Vec::new();
        program.render(&whole[..len], &Env::default(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), want, "{len} bytes");
        let mut out = Vec::new();
        render_fields(&format.fields, &whole[..len], &Env::default(), &mut out);
        assert_eq!(
            out.windows(11).filter(|w| w == b"<truncated>").count(),
            want.matches("<truncated>").count()
        );
    };
    cut(whole.len(), "filename=/bin/true pid=5 old_pid=4");
    cut(whole.len() - 1, "filename=<truncated> pid=5 old_pid=4");
    cut(20, "filename=<truncated> pid=5 old_pid=4");
    cut(19, "filename=<truncated> pid=5 old_pid=<truncated>");
    cut(
        8,
        "filename=<truncated> pid=<truncated> old_pid=<truncated>",
    );
    cut(
        0,
        "filename=<truncated> pid=<truncated> old_pid=<truncated>",
    );
}

/// The option `fields`.
#[test]
fn fields() {
    let known = Known {
        functions: vec![(0xffff_ffff_8111_0000, 0x90, "do_fork".into())],
        ..Known::default()
    };
    let check = |decl: &str, size: u16, signed: bool, bytes: &[u8], want: &str| {
        let mut record = vec![0; 8];
        record.extend_from_slice(bytes);
        let mut out = Vec::new();
        let env = Env {
            symbols: &known,
            ..Env::default()
        };
        render_fields(
            &[Field::new(decl, 8, size, signed)],
            &record,
            &env,
            &mut out,
        );
        assert_eq!(String::from_utf8_lossy(&out), want, "{decl}");
    };
    check("u8 a", 1, false, &[18], " a=(18)");
    check("char a", 1, false, b"h", " a='h'(104)");
    check(
        "u16 a",
        2,
        false,
        &0xffffu16.to_ne_bytes(),
        " a=0xffff (65535)",
    );
    check("int a", 4, true, &3u32.to_ne_bytes(), " a=0x3 (3)");
    check(
        "u32 a",
        4,
        false,
        &u32::MAX.to_ne_bytes(),
        " a=0xffffffff (-1)",
    );
    check(
        "void * a",
        8,
        false,
        &0xffff_8880_4867_8000u64.to_ne_bytes(),
        " a=0xffff888048678000 (-131390424776704)",
    );
    check(
        "void * a",
        8,
        false,
        &(TEXT as u64).to_ne_bytes(),
        " a=do_fork+0x1c/0x90 (-2129592292)",
    );
    check(
        "const char * a",
        8,
        false,
        &0x5620_8acf_3340u64.to_ne_bytes(),
        " a=(0x000056208acf3340)",
    );
    check("char a[4]", 4, false, b"ab\0c", " a=ab");
    check(
        "__u8 a[4]",
        4,
        false,
        &0x0100_007fu32.to_ne_bytes(),
        " a=0x100007f (16777343)",
    );
    check(
        "unsigned long a[6]",
        48,
        false,
        &[0; 48],
        " a=<INVALID-SIZE>",
    );
    check(
        "__data_loc char[] a",
        4,
        false,
        &[&(12u32 | 3 << 16).to_ne_bytes()[..], b"lo\0"].concat(),
        " a=lo",
    );
    check(
        "__data_loc char[] a",
        4,
        false,
        &[&(12u32 | 9 << 16).to_ne_bytes()[..], b"lo\0"].concat(),
        " a=<truncated>",
    );
    check(
        "__data_loc u8[] a",
        4,
        false,
        &(12u32 | 3 << 16).to_ne_bytes(),
        " a=0x3000c (196620)",
    );
    let mask = [
        &(12u32 | 8 << 16).to_ne_bytes()[..],
        &0x8000_0000_0003u64.to_ne_bytes(),
    ]
    .concat();
    check(
        "__data_loc cpumask_t a",
        4,
        false,
        &mask,
        " a=00008000,00000003",
    );
}
