//! `per_cpu/cpuN/stats`: what the buffer of a CPU has seen since it was last cleared.

use utracefs::base::error::Result;
use utracefs::base::text;

use super::Cpu;
use crate::node::{Text, Value};

/// The file.
pub struct Stats;

impl Value<Cpu> for Stats {
    const NAME: &'static str = "stats";
    const MODE: u16 = 0o440;

    fn show(context: &Cpu, out: &mut Text) -> Result<()> {
        let buffer = context.array.buffer();
        let stats = buffer.stats(context.cpu);
        let ns = buffer.clock().is_ns();
        let count =
            |out: &mut Text, name: &str, value: u64| out.line(format_args!("{name}: {value}"));
        let time = |out: &mut Text, name: &str, value: u64| {
            out.add(format_args!("{name}: "));
            match ns {
                true => text::seconds(out.buffer(), value, 5),
                false => text::dec(out.buffer(), value),
            }
            out.bytes(b"\n");
        };
        count(out, "entries", stats.entries);
        count(out, "overrun", stats.overrun);
        count(out, "commit overrun", stats.commit_overrun);
        count(out, "bytes", stats.bytes);
        time(out, "oldest event ts", stats.oldest_ts);
        time(out, "now ts", stats.now_ts);
        count(out, "dropped events", stats.dropped);
        count(out, "read events", stats.read);
        Ok(())
    }
}
