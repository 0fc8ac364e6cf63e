//! TEMPORARY
use crate::machine::Green;
use parking_lot::Mutex;
pub static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
fn log(n: &str, s: String) {
    let h = utracefs::base::task::current().head();
    let (pid, f) = ((h >> 32) as i32, (h >> 16) & 0xffff);
    let cpu = unsafe { libc::sched_getcpu() };
    let d = |b: u64, c: char| if f & b != 0 { c } else { '.' };
    let p = (f >> 8) & 0xf;
    LOG.lock().push(format!(
        "{pid:>8} [{cpu:03}] {}{}{}{} {n}: {s}",
        d(1, 'd'),
        d(4, 'N'),
        if f & 8 != 0 { 'h' } else { d(0x10, 's') },
        if p > 0 { p.to_string() } else { ".".into() }
    ));
}
fn c(t: &Green) -> String {
    String::from_utf8_lossy(&t.comm())
        .trim_end_matches('\0')
        .to_string()
}
pub fn trace_sched_switch(_p: bool, prev: &Green, next: &Green, st: u32) {
    log(
        "sched_switch",
        format!(
            "{} {} {} {:x} ==> {} {} {}",
            c(prev),
            prev.pid(),
            prev.prio(),
            st,
            c(next),
            next.pid(),
            next.prio()
        ),
    );
}
pub fn trace_sched_migrate_task(t: &Green, cpu: u32) {
    log(
        "sched_migrate_task",
        format!("{} {} dest {cpu}", c(t), t.pid()),
    );
}
pub fn trace_sched_waking(t: &Green, cpu: u32) {
    log(
        "sched_waking",
        format!("{} {} {} {cpu}", c(t), t.pid(), t.prio()),
    );
}
pub fn trace_sched_wakeup(t: &Green, cpu: u32) {
    log(
        "sched_wakeup",
        format!("{} {} {} {cpu}", c(t), t.pid(), t.prio()),
    );
}
pub fn trace_sched_wakeup_new(t: &Green, cpu: u32) {
    log(
        "sched_wakeup_new",
        format!("{} {} {} {cpu}", c(t), t.pid(), t.prio()),
    );
}
pub fn trace_sched_process_fork(p: &Green, t: &Green) {
    log(
        "sched_process_fork",
        format!("{} {} -> {} {}", c(p), p.pid(), c(t), t.pid()),
    );
}
pub fn trace_sched_process_exec(t: &Green, old: i32, path: &str) {
    log("sched_process_exec", format!("{path} {} {old}", t.pid()));
}
pub fn trace_sched_process_exit(t: &Green, dead: bool) {
    log("sched_process_exit", format!("{} {} {dead}", c(t), t.pid()));
}
pub fn trace_sched_process_wait(t: &Green, pid: i32) {
    log("sched_process_wait", format!("{} {pid}", c(t)));
}
