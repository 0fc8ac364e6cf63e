//! TEMPORARY
use std::cell::RefCell;
use std::sync::atomic::*;
use parking_lot::Mutex;
pub struct Task { pid: i32, fl: std::sync::Arc<AtomicU64>, comm: Mutex<[u8; 16]> }
thread_local! { static CUR: RefCell<Vec<(i32, std::sync::Arc<AtomicU64>)>> = RefCell::default(); }
impl Task {
    pub fn new(pid: i32, _tgid: i32, comm: &[u8]) -> Task { let t = Task { pid, fl: Default::default(), comm: Mutex::new([0; 16]) }; t.set_comm(comm); t }
    pub fn set_comm(&self, c: &[u8]) { let mut a = [0; 16]; let n = c.len().min(15); a[..n].copy_from_slice(&c[..n]); *self.comm.lock() = a; }
    pub fn comm(&self) -> [u8; 16] { *self.comm.lock() }
    pub fn set_flags(&self, f: u8, p: u8) { self.fl.store(f as u64 | (p as u64) << 8, Ordering::Relaxed) }
}
pub struct Entered;
pub fn enter(t: &Task) -> Entered { CUR.with(|c| c.borrow_mut().push((t.pid, t.fl.clone()))); Entered }
impl Drop for Entered { fn drop(&mut self) { CUR.with(|c| c.borrow_mut().pop()); } }
pub fn current() -> (i32, u64) { CUR.with(|c| c.borrow().last().map_or((-1, 0), |x| (x.0, x.1.load(Ordering::Relaxed)))) }
