//! TEMPORARY
pub mod raw {
    pub static LOG: parking_lot::Mutex<Vec<String>> = parking_lot::Mutex::new(Vec::new());
    pub fn enter(nr: std::ffi::c_long, args: &[u64; 6]) {
        LOG.lock().push(format!("enter {nr} {args:x?}"));
    }
    pub fn exit(nr: std::ffi::c_long, ret: i64) {
        LOG.lock().push(format!("exit {nr} {ret}"));
    }
}
macro_rules! m { ($($n:ident)*) => { $(pub mod $n { pub fn enter(_: &[u64; 6]) {} pub fn exit(_: i64) {} })* } }
m!(openat read write close lseek newfstat newfstatat mkdirat unlinkat renameat2 rename getdents64 pipe2 nanosleep clock_nanosleep futex);
