//! The events of system `ftrace`, which ftrace itself records: ids and layouts are the kernel's (6.18), fixed since tools
//! know them by number. Listed in the order of their ids.

/// One built-in event.
pub(super) struct Builtin {
    pub id: u16,
    pub name: &'static str,
    /// Declaration, offset, size, signed.
    pub fields: &'static [(&'static str, u16, u16, bool)],
    pub print_fmt: &'static str,
}

pub(super) static BUILTIN: &[Builtin] = &[
    Builtin {
        id: 1,
        name: "function",
        fields: &[
            ("unsigned long ip", 8, 8, false),
            ("unsigned long parent_ip", 16, 8, false),
            ("unsigned long args[]", 24, 0, false),
        ],
        print_fmt: r#"" %ps <-- %ps", (void *)REC->ip, (void *)REC->parent_ip"#,
    },
    Builtin {
        id: 2,
        name: "context_switch",
        fields: &[
            ("unsigned int prev_pid", 8, 4, false),
            ("unsigned int next_pid", 12, 4, false),
            ("unsigned int next_cpu", 16, 4, false),
            ("unsigned char prev_prio", 20, 1, false),
            ("unsigned char prev_state", 21, 1, false),
            ("unsigned char next_prio", 22, 1, false),
            ("unsigned char next_state", 23, 1, false),
        ],
        print_fmt: r#""%u:%u:%u  ==> %u:%u:%u [%03u]", REC->prev_pid, REC->prev_prio, REC->prev_state, REC->next_pid, REC->next_prio, REC->next_state, REC->next_cpu"#,
    },
    Builtin {
        id: 3,
        name: "wakeup",
        fields: &[
            ("unsigned int prev_pid", 8, 4, false),
            ("unsigned int next_pid", 12, 4, false),
            ("unsigned int next_cpu", 16, 4, false),
            ("unsigned char prev_prio", 20, 1, false),
            ("unsigned char prev_state", 21, 1, false),
            ("unsigned char next_prio", 22, 1, false),
            ("unsigned char next_state", 23, 1, false),
        ],
        print_fmt: r#""%u:%u:%u  ==+ %u:%u:%u [%03u]", REC->prev_pid, REC->prev_prio, REC->prev_state, REC->next_pid, REC->next_prio, REC->next_state, REC->next_cpu"#,
    },
    Builtin {
        id: 4,
        name: "kernel_stack",
        fields: &[
            ("int size", 8, 4, true),
            ("unsigned long caller[8]", 16, 64, false),
        ],
        print_fmt: r#""\t=> %ps\n\t=> %ps\n\t=> %ps\n" "\t=> %ps\n\t=> %ps\n\t=> %ps\n" "\t=> %ps\n\t=> %ps\n", (void *)REC->caller[0], (void *)REC->caller[1], (void *)REC->caller[2], (void *)REC->caller[3], (void *)REC->caller[4], (void *)REC->caller[5], (void *)REC->caller[6], (void *)REC->caller[7]"#,
    },
    Builtin {
        id: 5,
        name: "print",
        fields: &[
            ("unsigned long ip", 8, 8, false),
            ("char buf[]", 16, 0, false),
        ],
        print_fmt: r#""%ps: %s", (void *)REC->ip, REC->buf"#,
    },
    Builtin {
        id: 6,
        name: "bprint",
        fields: &[
            ("unsigned long ip", 8, 8, false),
            ("const char * fmt", 16, 8, false),
            ("u32 buf[]", 24, 0, false),
        ],
        print_fmt: r#""%ps: %s", (void *)REC->ip, REC->fmt"#,
    },
    Builtin {
        id: 7,
        name: "mmiotrace_rw",
        fields: &[
            ("resource_size_t phys", 8, 8, false),
            ("unsigned long value", 16, 8, false),
            ("unsigned long pc", 24, 8, false),
            ("int map_id", 32, 4, true),
            ("unsigned char opcode", 36, 1, false),
            ("unsigned char width", 37, 1, false),
        ],
        print_fmt: r#""%lx %lx %lx %d %x %x", (unsigned long)REC->phys, REC->value, REC->pc, REC->map_id, REC->opcode, REC->width"#,
    },
    Builtin {
        id: 8,
        name: "mmiotrace_map",
        fields: &[
            ("resource_size_t phys", 8, 8, false),
            ("unsigned long virt", 16, 8, false),
            ("unsigned long len", 24, 8, false),
            ("int map_id", 32, 4, true),
            ("unsigned char opcode", 36, 1, false),
        ],
        print_fmt: r#""%lx %lx %lx %d %x", (unsigned long)REC->phys, REC->virt, REC->len, REC->map_id, REC->opcode"#,
    },
    Builtin {
        id: 9,
        name: "branch",
        fields: &[
            ("unsigned int line", 8, 4, false),
            ("char func[31]", 12, 31, false),
            ("char file[21]", 43, 21, false),
            ("char correct", 64, 1, false),
            ("char constant", 65, 1, false),
        ],
        print_fmt: r#""%u:%s:%s (%u)%s", REC->line, REC->func, REC->file, REC->correct, REC->constant ? " CONSTANT" : """#,
    },
    Builtin {
        id: 10,
        name: "funcgraph_exit",
        fields: &[
            ("unsigned long func", 8, 8, false),
            ("unsigned int depth", 16, 4, false),
            ("unsigned int overrun", 20, 4, false),
            ("unsigned long long calltime", 24, 8, false),
            ("unsigned long long rettime", 32, 8, false),
        ],
        print_fmt: r#""<-- %ps (%u) (start: %llx  end: %llx) over: %u", (void *)REC->func, REC->depth, REC->calltime, REC->rettime, REC->depth"#,
    },
    Builtin {
        id: 11,
        name: "funcgraph_entry",
        fields: &[
            ("unsigned long func", 8, 8, false),
            ("unsigned int depth", 16, 4, false),
            ("unsigned long args[]", 24, 0, false),
        ],
        print_fmt: r#""--> %ps (%u)", (void *)REC->func, REC->depth"#,
    },
    Builtin {
        id: 13,
        name: "user_stack",
        fields: &[
            ("unsigned int tgid", 8, 4, false),
            ("unsigned long caller[8]", 16, 64, false),
        ],
        print_fmt: r#""\t=> %ps\n\t=> %ps\n\t=> %ps\n" "\t=> %ps\n\t=> %ps\n\t=> %ps\n" "\t=> %ps\n\t=> %ps\n", (void *)REC->caller[0], (void *)REC->caller[1], (void *)REC->caller[2], (void *)REC->caller[3], (void *)REC->caller[4], (void *)REC->caller[5], (void *)REC->caller[6], (void *)REC->caller[7]"#,
    },
    Builtin {
        id: 15,
        name: "bputs",
        fields: &[
            ("unsigned long ip", 8, 8, false),
            ("const char * str", 16, 8, false),
        ],
        print_fmt: r#""%ps: %s", (void *)REC->ip, REC->str"#,
    },
    Builtin {
        id: 16,
        name: "hwlat",
        fields: &[
            ("u64 duration", 8, 8, false),
            ("u64 outer_duration", 16, 8, false),
            ("u64 nmi_total_ts", 24, 8, false),
            ("s64 tv_sec", 32, 8, true),
            ("long tv_nsec", 40, 8, true),
            ("unsigned int nmi_count", 48, 4, false),
            ("unsigned int seqnum", 52, 4, false),
            ("unsigned int count", 56, 4, false),
        ],
        print_fmt: r#""cnt:%u\tts:%010llu.%010lu\tinner:%llu\touter:%llu\tcount:%d\tnmi-ts:%llu\tnmi-count:%u\n", REC->seqnum, REC->tv_sec, REC->tv_nsec, REC->duration, REC->outer_duration, REC->count, REC->nmi_total_ts, REC->nmi_count"#,
    },
    Builtin {
        id: 17,
        name: "osnoise",
        fields: &[
            ("u64 noise", 8, 8, false),
            ("u64 runtime", 16, 8, false),
            ("u64 max_sample", 24, 8, false),
            ("unsigned int hw_count", 32, 4, false),
            ("unsigned int nmi_count", 36, 4, false),
            ("unsigned int irq_count", 40, 4, false),
            ("unsigned int softirq_count", 44, 4, false),
            ("unsigned int thread_count", 48, 4, false),
        ],
        print_fmt: r#""noise:%llu\tmax_sample:%llu\thw:%u\tnmi:%u\tirq:%u\tsoftirq:%u\tthread:%u\n", REC->noise, REC->max_sample, REC->hw_count, REC->nmi_count, REC->irq_count, REC->softirq_count, REC->thread_count"#,
    },
    Builtin {
        id: 18,
        name: "timerlat",
        fields: &[
            ("unsigned int seqnum", 8, 4, false),
            ("int context", 12, 4, true),
            ("u64 timer_latency", 16, 8, false),
        ],
        print_fmt: r#""seq:%u\tcontext:%d\ttimer_latency:%llu\n", REC->seqnum, REC->context, REC->timer_latency"#,
    },
    Builtin {
        id: 19,
        name: "raw_data",
        fields: &[
            ("unsigned int id", 8, 4, false),
            ("char buf[]", 12, 0, false),
        ],
        print_fmt: r#""id:%04x %08x", REC->id, (int)REC->buf[0]"#,
    },
    Builtin {
        id: 20,
        name: "func_repeats",
        fields: &[
            ("unsigned long ip", 8, 8, false),
            ("unsigned long parent_ip", 16, 8, false),
            ("u16 count", 24, 2, false),
            ("u16 top_delta_ts", 26, 2, false),
            ("u32 bottom_delta_ts", 28, 4, false),
        ],
        print_fmt: r#"" %ps <-%ps\t(repeats:%u  delta: -%llu)", (void *)REC->ip, (void *)REC->parent_ip, REC->count, (((u64)(REC)->top_delta_ts << 32) | (REC)->bottom_delta_ts)"#,
    },
];
