use alloc::string::String;
use alloc::vec::Vec;

use crate::event::declare::{EventDecl, Print, section};
use crate::event::field_type::{Chars, DynArray, DynStr};
use crate::instance::event_file::EventFile;

/// A name that also exists inside the expansion must stay the user's.
#[derive(Debug, Clone, Copy)]
struct Entry {
    a: u32,
}

const NAME: u32 = 4711;

crate::define_event_trace!(
    plain,
    TP_system(macro_test),
    TP_PROTO(pool: u32, wait_ns: u64),
    TP_STRUCT__entry{ pool: u32, wait_ns: u64 },
    TP_fast_assign{ pool: pool, wait_ns: wait_ns },
    TP_ident(__entry),
    TP_printk("pool={} wait={}", __entry.pool, __entry.wait_ns)
);

crate::define_event_trace!(
    /// Has everything.
    #[allow(clippy::needless_lifetimes)]
    pub(crate) rich ,
    TP_kops(super::facade::CallingThread),
    TP_system(crate::macro_test),
    TP_PROTO(e: &Entry, name: &str, list: &[u16], raw: *const u8, unused: u8,),
    TP_STRUCT__entry {
        a: u8,
        /// A hole before this one.
        b: u64 as "unsigned long",
        comm: Chars<16>,
        r#type: i32 as "pid_t",
        name: DynStr,
        list: DynArray<u16>,
        ptr: *const u8 as "const char *",
        flag: bool,
        pad: [u8; 3],
    },
    TP_fast_assign {
        ptr: raw,
        a: e.a as u8,
        b: u64::from(NAME),
        comm: name,
        r#type: -1,
        name,
        list: list,
        flag: true,
        pad: [0; 3],
    },
    TP_ident(entry),
    TP_printk({
        let kind = entry.r#type;
        alloc::format!("{} {kind:>4} {:?} {}", entry.b, entry.list, entry.name)
    }),
);

crate::define_event_trace!(nothing, TP_system("macro_test"), TP_PROTO(), TP_STRUCT__entry{}, TP_fast_assign{}, TP_ident(__entry), TP_printk("nothing"));

fn decl(name: &str) -> &'static EventDecl {
    section::declared().find(|d| d.system == "macro_test" && d.name == name).expect(name)
}

/// What the event records when `fire` runs.
fn recorded(name: &str, fire: impl FnOnce()) -> Vec<u8> {
    use crate::event::tracepoint::{Changes, Probe};
    let file = EventFile { head: Some(0x11223344_05_06_0102), ..Default::default() };
    let decl = decl(name);
    let probe = || Probe { func: decl.probe, data: core::ptr::from_ref(&file).cast() };
    let mut changes = Changes::new();
    // SAFETY: the probe and the file belong together, and the file lives until the probe is gone.
    unsafe { changes.register(decl.tracepoint, probe()).expect("registered") };
    changes.commit().expect("switched");
    fire();
    let mut changes = Changes::new();
    changes.unregister(decl.tracepoint, probe()).expect("registered");
    changes.commit().expect("switched");
    file.records.into_inner().pop().expect("a record")
}

#[test]
fn works() {
    let r = recorded("plain", || trace_plain(3, 4));
    assert_eq!(r.len(), 24);
    let r = recorded("rich", || trace_rich(&Entry { a: 7 }, "task", &[1, 2, 3], core::ptr::null(), 0));
    let d = decl("rich");
    for f in d.fields {
        std::println!("{} {} {}", f.declaration(), f.offset, f.size);
    }
    if let Print::Rust(f) = d.print {
        let mut out = Vec::new();
        f(&r, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "4711   -1 [1, 2, 3] task");
    } else {
        panic!();
    }
    let Print::C(t) = decl("plain").print else { panic!() };
    assert_eq!(t, "\"pool=%u wait=%lu\", REC->pool, REC->wait_ns");
    let r = recorded("nothing", || trace_nothing());
    assert_eq!(r.len(), 8);
}
