//! `enable`, at three levels of `events`: an event, all events of a system, all events.
//!
//! Reads 0 or 1; above the events also `X` if some are enabled and some not. Takes 0 or 1.

use std::sync::Arc;

use utracefs::base::error::{Errno, Error, Result};
use utracefs::base::parse;
use utracefs::instance::TraceArray;

use super::{OneEvent, System};
use crate::node::{Text, Value};

/// The file.
pub struct Enable;

impl Value<OneEvent> for Enable {
    const NAME: &'static str = "enable";
    const MODE: u16 = 0o640;

    fn show(context: &OneEvent, out: &mut Text) -> Result<()> {
        let file = context.file.as_ref().ok_or(Error::new(Errno::ENODEV))?;
        out.line(file.enable_text());
        Ok(())
    }

    fn store(context: &OneEvent, input: &[u8]) -> Result<usize> {
        let file = context.file.as_ref().ok_or(Error::new(Errno::ENODEV))?;
        context.array.enable(file, parse::flag(input)?)?;
        Ok(input.len())
    }
}

impl Value<System> for Enable {
    const NAME: &'static str = "enable";
    const MODE: u16 = 0o640;

    fn show(context: &System, out: &mut Text) -> Result<()> {
        out.line(context.array.enabled(Some(context.system())).text());
        Ok(())
    }

    fn store(context: &System, input: &[u8]) -> Result<usize> {
        context
            .array
            .enable_all(Some(context.system()), parse::flag(input)?)?;
        Ok(input.len())
    }
}

impl Value<Arc<TraceArray>> for Enable {
    const NAME: &'static str = "enable";
    const MODE: u16 = 0o640;

    fn show(array: &Arc<TraceArray>, out: &mut Text) -> Result<()> {
        out.line(array.enabled(None).text());
        Ok(())
    }

    fn store(array: &Arc<TraceArray>, input: &[u8]) -> Result<usize> {
        array.enable_all(None, parse::flag(input)?)?;
        Ok(input.len())
    }
}
