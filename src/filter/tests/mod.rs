//! Filters from text to verdict.

mod random;
mod refused;
mod verdict;

use alloc::vec::Vec;

use super::{Context, Filter, Now};
use crate::base::task::COMM_LEN;
use crate::event::field::Field;

/// A task and a CPU to ask about.
struct Fixed {
    cpu: u32,
    comm: &'static str,
}

impl Context for Fixed {
    fn cpu(&self) -> u32 {
        self.cpu
    }

    fn comm(&self) -> [u8; COMM_LEN] {
        let mut comm = [0; COMM_LEN];
        comm[..self.comm.len()].copy_from_slice(self.comm.as_bytes());
        comm
    }
}

/// `sched_switch`.
fn sched_switch() -> Vec<Field> {
    [
        ("char prev_comm[16]", 8, 16, false),
        ("pid_t prev_pid", 24, 4, true),
        ("int prev_prio", 28, 4, true),
        ("long prev_state", 32, 8, true),
        ("char next_comm[16]", 40, 16, false),
        ("pid_t next_pid", 56, 4, true),
        ("int next_prio", 60, 4, true),
    ]
    .map(|(decl, offset, size, signed)| Field::new(decl, offset, size, signed))
    .into()
}

/// A record of one field behind the common ones.
fn record(field: &[u8]) -> Vec<u8> {
    let mut record = [0; 8].to_vec();
    record.extend_from_slice(field);
    record
}
