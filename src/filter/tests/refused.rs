//! Every refusal with its errno, words and place, as Linux 6.18 gives them for `sched_switch`; incomplete expressions as
//! newer kernels do.

use alloc::format;
use alloc::string::String;

use super::*;
use crate::base::error::Errno;
use crate::filter::text;

fn check(errno: Errno, message: Option<&str>, cases: &[(&str, usize)]) {
    check_event(&sched_switch(), errno, message, cases);
}

fn check_event(fields: &[Field], errno: Errno, message: Option<&str>, cases: &[(&str, usize)]) {
    for (input, position) in cases {
        let refused = match Filter::compile(text(input.as_bytes()), fields) {
            Ok(_) => panic!("{input:?} is taken"),
            Err(refused) => refused,
        };
        let got = (refused.errno, refused.message, refused.position);
        assert_eq!(got, (errno, message, *position), "{input:?}");
    }
}

#[test]
fn as_the_kernel() {
    check(
        Errno::EINVAL,
        None,
        &[
            ("", 0),
            (" ", 0),
            ("()", 0),
            ("( )", 0),
            ("\n", 0),
            ("()()", 0),
            ("( ) ( )", 0),
        ],
    );
    check(
        Errno::EPERM,
        None,
        &[
            ("==1", 0),
            ("prev_pid==1 && && prev_pid==2", 0),
            ("prev_pid==1 && ()", 0),
            ("\"a\"==prev_comm", 0),
            ("prev_pid==1 &&& prev_pid==2", 0),
            ("prev_pid==1 ||| prev_pid==2", 0),
            ("prev_pid==1 && || prev_pid==2", 0),
            ("&& prev_pid==1", 0),
            ("|| prev_pid==1", 0),
            ("(prev_pid==1 &&)", 0),
            ("(!)", 0),
            ("!()", 0),
            ("\x01", 0),
            ("&&", 0),
            ("||", 0),
            ("&", 0),
            ("|", 0),
            ("=", 0),
            ("-1", 0),
            ("\"a\"", 0),
            ("!\"a\"", 0),
            ("! && prev_pid==1", 0),
            ("((prev_pid==1 && !))", 0),
            (".ustring==1", 0),
            ("() x", 0),
            ("()prev_pid==1", 0),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Field not found"),
        &[
            ("foo==1", 4),
            ("  foo ==1", 6),
            ("common_stacktrace==1", 18),
            ("common_foo==1", 11),
            ("1==prev_pid", 2),
            ("args[0]==1", 5),
            ("not prev_pid==1", 4),
            ("0 0", 2),
            ("00", 3),
            ("0x0", 4),
            ("0 1", 2),
            ("0==0", 2),
            ("prev-pid==1", 5),
            ("prev_pid==1 &&x", 16),
            ("_x==1", 3),
            ("nosuch.function==vfs_read", 7),
            ("COMMON_CPU==1", 11),
            ("Cpu==1", 4),
            ("common_comm==\"a\"", 12),
            ("x()", 2),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Invalid operator"),
        &[
            ("prev_pid", 9),
            ("prev_pid ", 9),
            ("prev_pid => 1", 10),
            ("prev_pid !~ 1", 10),
            ("prev_pid = 1", 10),
            ("prev_pid.foo==1", 9),
            ("prev_state.function > foo", 23),
            ("prev_state.function", 20),
            ("prev_state.functionx==vfs_read", 20),
            ("prev_state.fun==1", 11),
            ("prev_pid ! 1", 10),
            ("!prev_pid", 10),
            ("prev_pid.==1", 9),
            ("prev_pid..ustring==1", 9),
            ("prev_pid . ustring==1", 10),
            ("prev_pid.USTRING==1", 9),
            ("prev_state.function<vfs_read", 21),
            ("prev_state.function & vfs_read", 23),
            ("prev_state.function ~ vfs_read", 23),
            ("prev_state.function =vfs_read", 21),
            ("prev_comm=~\"a\"", 10),
            ("prev_state.function.ustring==vfs_read", 20),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Invalid value (did you forget quotes)?"),
        &[
            ("prev_pid === 1", 12),
            ("prev_pid <> 1", 11),
            ("prev_pid == abc", 13),
            ("prev_pid ==", 12),
            ("prev_pid == +1", 13),
            ("prev_comm == abc", 14),
            ("CPU==cpus{0}", 6),
            ("prev_pid==!1", 11),
            ("prev_pid &", 11),
            ("prev_pid && 1", 11),
            ("prev_pid == CPU", 13),
            ("prev_pid == C", 13),
            ("prev_state.function==0xg", 25),
            ("prev_state.function==0xffffffff81000000x", 41),
            ("prev_comm ~ a", 13),
            ("prev_comm ~~ \"a\"", 12),
            ("prev_comm===\"a\"", 12),
            ("prev_state.function==01x", 25),
            ("prev_state.function==09", 24),
            ("prev_state.function==99999999999999999999 x", 42),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Illegal operation for field type"),
        &[
            ("prev_pid ~ 1", 12),
            ("prev_comm < \"a\"", 13),
            ("prev_comm & \"a\"", 13),
            ("CPU > CPUS{0}", 7),
            ("prev_comm & CPUS{0}", 13),
            ("prev_pid.function == foo", 22),
            ("prev_comm.function==foo", 21),
            ("COMM<\"a\"", 6),
            ("prev_pid.ustring.function==1", 28),
            ("prev_comm==CPUS{0}", 12),
            ("prev_pid<CPUS{0}", 10),
            ("COMM==CPUS{0}", 7),
            ("stacktrace==CPUS{0}", 13),
            ("stacktrace<CPUS{0}", 12),
            ("prev_pid ~ CPUS{0}", 12),
            ("prev_pid.function==vfs_read", 20),
            ("prev_comm.function==vfs_read", 21),
            ("CPU.function==vfs_read", 15),
            ("COMM.function==vfs_read", 16),
            ("stacktrace.function==vfs_read", 22),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Illegal integer value"),
        &[
            ("prev_pid == -", 13),
            ("prev_pid == 0x", 13),
            ("prev_pid == 09", 13),
            ("prev_pid == 1x", 13),
            ("prev_pid==99999999999999999999", 11),
            ("prev_pid == 18446744073709551615", 13),
            ("prev_pid==1a", 11),
            ("prev_pid==--1", 11),
            ("prev_pid==-a", 11),
            ("prev_pid==- 1", 11),
            ("prev_pid==0b1", 11),
            ("prev_pid==0o7", 11),
            ("prev_pid==0x1G", 11),
            ("prev_pid==1L", 11),
            ("prev_pid==-9223372036854775809", 11),
            ("prev_pid==9223372036854775808", 11),
            ("prev_pid==08", 11),
            ("prev_pid==1e5", 11),
            ("prev_pid==-1111111111111111111111", 11),
            ("CPU==99999999999999999999", 6),
            ("CPU==18446744073709551615", 6),
            ("CPU==9223372036854775808", 6),
            ("stacktrace==-1", 13),
            ("stacktrace==99999999999999999999", 13),
            ("common_type==-1", 14),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Expecting numeric field"),
        &[
            ("prev_pid == \"a\"", 13),
            ("prev_pid.ustring==\"1\"", 19),
            ("stacktrace==\"a\"", 13),
            ("stacktrace ~ \"a\"", 14),
            ("CPU==\"a\"", 6),
            ("prev_pid=='1'", 11),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Expecting string field"),
        &[
            ("prev_comm == 1", 14),
            ("prev_comm == -1", 14),
            ("COMM==1", 7),
            ("prev_comm ~ 1", 13),
        ],
    );
    check(
        Errno::ESRCH,
        Some("Missing matching quote"),
        &[
            ("prev_comm==\"abc", 11),
            ("prev_comm==\"abc'", 11),
            ("prev_pid==\"", 10),
            ("prev_comm==\"a\\\"b\"", 16),
            ("foo==1 \"", 7),
            ("bad \"a", 4),
            ("\"", 0),
            ("'", 0),
            ("prev_pid & CPUS{\"", 16),
            ("prev_comm~\"a", 10),
            ("( \"", 2),
            ("\")", 0),
            ("(\"", 1),
        ],
    );
    check(
        Errno::ENOENT,
        Some("Too many '('"),
        &[
            ("(prev_pid==1", 0),
            ("((prev_pid==1)", 0),
            ("prev_pid==1 && (", 15),
            ("prev_pid==1 && ( prev_pid==2", 15),
            ("(", 0),
            ("(prev_pid==1 &&", 0),
            ("(foo==1", 0),
            ("!(", 1),
            ("((prev_pid==1", 1),
            ("(((prev_pid==1)", 1),
            ("(prev_pid==1) && ((prev_pid==2)", 17),
            ("(prev_pid==1) && ((", 18),
        ],
    );
    check(
        Errno::EPERM,
        Some("Too few '('"),
        &[
            ("prev_pid==1)", 11),
            ("prev_pid==1))", 11),
            (")", 0),
            (")(", 0),
            ("(prev_pid==1))", 13),
            ("foo==1)", 6),
            ("!)", 1),
            ("prev_pid & CPUS{)", 16),
            ("prev_state.function==vfs_read)", 29),
            (")\"", 0),
        ],
    );
    check(
        Errno::EPERM,
        Some("Too many terms in predicate expression"),
        &[
            ("prev_pid==1 (prev_pid==2)", 12),
            ("prev_pid==1 prev_pid==2", 12),
            ("prev_pid==1 & prev_pid==2", 12),
            ("prev_pid==1 | prev_pid==2", 12),
            ("prev_pid==1\nprev_pid==2", 12),
            ("CPU==CPUS{0}x", 12),
            ("prev_comm==\"a\"b", 14),
            ("prev_pid==1 a", 12),
            ("prev_pid==1 and prev_pid==2", 12),
            ("(prev_pid==1)(prev_pid==2)", 13),
            ("(prev_pid==1) prev_pid==2", 14),
            ("prev_pid==1;", 11),
            ("prev_pid==1 ;", 12),
            ("prev_pid == 1.5", 13),
            ("prev_pid==1 # x", 12),
            ("prev_pid==1&", 11),
            ("prev_pid==1|", 11),
            ("prev_pid == 1.function", 13),
            ("prev_comm==\"a\" \"b\"", 15),
            ("prev_pid==1-", 11),
            ("prev_pid==1_", 11),
            ("prev_pid==0x1_", 13),
            ("prev_pid==1 ()", 12),
            ("(prev_pid==1)!", 13),
            ("prev_pid==1 !", 12),
            ("prev_pid==1!", 11),
            ("prev_pid==1!=2", 11),
        ],
    );
    check(
        Errno::EINVAL,
        Some("No filter found"),
        &[("!", 1), ("!!", 2), ("! ", 1), ("! \n", 1)],
    );
    check(
        Errno::EINVAL,
        Some("Missing '}'"),
        &[("CPU==CPUS{0", 12), ("prev_pid & CPUS{", 17)],
    );
    check(
        Errno::EINVAL,
        Some("Invalid cpulist"),
        &[
            ("CPU==CPUS{}", 11),
            ("CPU==CPUS{x}", 12),
            ("CPU==CPUS{99999}", 16),
            ("CPU==CPUS{0-}", 13),
            ("prev_pid & CPUS{0,1,2-3:1/2}", 28),
            ("prev_pid & CPUS{1-0}", 20),
            ("prev_pid & CPUS{0x1}", 20),
            ("prev_pid & CPUS{-1}", 19),
            ("CPU & CPUS{0-1:2/1}", 19),
            ("CPU & CPUS{0-1:1/}", 18),
            ("CPU & CPUS{0:1/2}", 17),
            ("CPU & CPUS{N-0}", 15),
            ("CPU & CPUS{allx}", 16),
            ("CPU & CPUS{+0}", 14),
            ("CPU & CPUS{0- 1}", 16),
            ("CPU & CPUS{0 -1}", 16),
            ("CPU & CPUS{n}", 13),
            ("CPU & CPUS{99999999999999999999}", 32),
            ("CPU & CPUS{0-1:999999999999/1}", 30),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Missing '{'"),
        &[
            ("CPU == CPUS {0}", 13),
            ("prev_pid & CPUS", 17),
            ("prev_pid & CPUSX", 17),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Function not found"),
        &[
            ("prev_state.function==foo", 25),
            ("prev_state.function==\"foo\"", 27),
            ("prev_state.function==", 22),
            ("prev_state.function==0x0", 25),
            ("prev_state.function==-1", 24),
            ("prev_state.function==0xffffffffffffffff", 40),
            ("prev_state.function==vfs_rea", 29),
            ("prev_state.function==\"vfs_read\"", 32),
            ("(prev_state.function==vfs_read)", 32),
            ("prev_state.function==1", 23),
            ("prev_state.function==vfs_read+0x1", 34),
            ("prev_state.function==foo bar", 25),
            ("prev_state.function==CPUS{0}", 29),
            ("prev_state.function==%", 23),
            (" prev_state.function==  ", 23),
            ("prev_state.function==&&", 24),
            ("prev_state.function==0x1", 25),
        ],
    );
    check(
        Errno::EINVAL,
        Some("Operand too long"),
        &[
            ("prev_pid==111111111111111111111111111", 38),
            ("prev_pid==000000000000000000000001", 35),
            ("prev_pid==0000000000000000000000001", 36),
            ("prev_pid==011111111111111111111111", 35),
            ("prev_pid==0111111111111111111111111111111", 42),
            ("prev_pid == 111111111111111111111111111111 && x", 43),
            ("prev_pid==-11111111111111111111111", 35),
            ("prev_pid==-00000000000000000000000", 35),
        ],
    );
}

#[test]
fn incomplete() {
    check(
        Errno::EINVAL,
        Some("Meaningless filter expression"),
        &[
            ("prev_pid==1 &&", 14),
            ("prev_pid==1 && ", 14),
            ("prev_pid==1 ||", 14),
            ("prev_pid==1 && !", 16),
            ("prev_pid==1 || !!", 17),
            ("(prev_pid==1) && !", 18),
        ],
    );
}

#[test]
fn other_kinds_of_fields() {
    let fields = [
        ("const char * filename", 8, 8, false),
        ("u32 dfd", 16, 4, false),
        ("unsigned long args[6]", 24, 48, false),
        ("__data_loc cpumask_t cpumask", 72, 4, false),
        ("void * callback", 80, 8, false),
        ("__data_loc char[] name", 88, 4, false),
    ]
    .map(|(decl, offset, size, signed)| Field::new(decl, offset, size, signed));
    let check = |message, cases: &[_]| {
        check_event(&fields, Errno::EINVAL, Some(message), cases);
    };
    check(
        "Expecting string field",
        &[
            ("filename==1", 11),
            ("filename==0xffffffffffffffff", 11),
            ("filename==-1", 11),
            ("filename < 1", 12),
            ("name==1", 7),
        ],
    );
    check(
        "Illegal integer value",
        &[
            ("dfd==-100", 6),
            ("args==-1", 7),
            ("args==99999999999999999999", 7),
            ("callback==-1", 11),
        ],
    );
    check(
        "Expecting numeric field",
        &[
            ("args==\"a\"", 7),
            ("args ~ \"a\"", 8),
            ("cpumask==\"1\"", 10),
            ("cpumask ~ \"1\"", 11),
        ],
    );
    check(
        "Illegal operation for field type",
        &[
            ("filename.ustring < \"a\"", 20),
            ("args.function==vfs_read", 16),
            ("cpumask > CPUS{0}", 11),
            ("name==CPUS{0}", 7),
        ],
    );
    check("Function not found", &[("callback.function==main", 24)]);
}

#[test]
fn lengths() {
    let string = |n: usize| format!("prev_comm==\"{}\"", "a".repeat(n));
    let taken = |text: &str| {
        if let Err(refused) = Filter::compile(text.as_bytes(), &sched_switch()) {
            panic!("{text}: {refused:?}");
        }
    };
    taken(&string(255));
    check(
        Errno::EINVAL,
        Some("Operand too long"),
        &[
            (&string(256), 269),
            (&string(257), 270),
            (&format!("{} && x", string(300)), 313),
        ],
    );
    for depth in [200, 2000] {
        taken(&format!(
            "{}prev_pid==1{}",
            "(".repeat(depth),
            ")".repeat(depth)
        ));
        taken(&format!("{}prev_pid==1", "!".repeat(depth)));
    }
    for word in ["&&", "||"] {
        let many = alloc::vec!["prev_pid<9"; 340];
        taken(&many.join(word));
    }
}

#[test]
fn what_is_shown() {
    let shown = |input: &str| {
        let text = text(input.as_bytes());
        let refused = Filter::compile(text, &sched_switch()).expect_err("wrong");
        String::from_utf8(refused.show(text)).expect("text")
    };
    assert_eq!(
        shown("foo==1\n"),
        "foo==1\n    ^\nparse_error: Field not found\n"
    );
    assert_eq!(
        shown("prev_pid"),
        "prev_pid\n        ^\nparse_error: Invalid operator\n",
        "the caret stays at the text"
    );
    assert_eq!(shown(" () "), " ()\nError: (0)\n");
    assert_eq!(shown(""), "\nError: (0)\n");
}
