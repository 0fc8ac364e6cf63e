//! `events/header_page`: the layout of a sub-buffer's header, in the words of a `format` file.

use std::sync::Arc;

use utracefs::base::error::Result;
use utracefs::instance::TraceArray;
use utracefs::ring;

use crate::node::{Text, Value};

/// The file.
pub struct HeaderPage;

impl Value<Arc<TraceArray>> for HeaderPage {
    const NAME: &'static str = "header_page";
    const MODE: u16 = 0o440;
    const ONE_SHOT: bool = true;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.bytes(ring::header_page_text(array.buffer().subbuf_size()).as_bytes());
        Ok(())
    }
}
