//! `free_buffer`: closing it shrinks the buffer of this instance to the least there can be; with the option
//! `disable_on_free` recording ends too. What is written is ignored. A program that holds it open so frees the memory
//! however it ends.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;

use crate::node::{Caller, Sink};

/// The file.
pub struct FreeBuffer;

impl Sink<Arc<TraceArray>> for FreeBuffer {
    const NAME: &'static str = "free_buffer";
    const MODE: u16 = 0o200;
    const FINISHES: bool = true;

    fn write(_: &Arc<TraceArray>, _: &Caller, data: &[u8]) -> Result<usize> {
        Ok(data.len())
    }

    fn finish(array: &Arc<TraceArray>) {
        array.free_buffer();
    }
}
