//! The block layer's events (include/trace/events/block.h has their names, Documentation/block/ what they are about).

use utracefs::base::task;
use utracefs::define_event_trace;
use utracefs::event::field_type::{Chars, DynStr};

/// What a bio does, with its flags; `rwbs` shows them as letters.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, Debug)]
pub struct OpFlags(pub u32);

#[allow(missing_docs)]
impl OpFlags {
    pub const READ: OpFlags = OpFlags(0);
    pub const WRITE: OpFlags = OpFlags(1);
    pub const FLUSH: OpFlags = OpFlags(2);
    /// Somebody waits for it.
    pub const SYNC: OpFlags = OpFlags(1 << 11);
    /// On stable storage when it is done.
    pub const FUA: OpFlags = OpFlags(1 << 17);
    /// What was written before goes to stable storage first.
    pub const PREFLUSH: OpFlags = OpFlags(1 << 18);
    /// Nobody waits for it yet.
    pub const RAHEAD: OpFlags = OpFlags(1 << 19);

    /// The operation without its flags.
    pub const fn op(self) -> OpFlags {
        OpFlags(self.0 & 0xff)
    }

    pub const fn with(self, flags: OpFlags) -> OpFlags {
        OpFlags(self.0 | flags.0)
    }

    pub const fn has(self, flag: OpFlags) -> bool {
        self.0 & flag.0 != 0
    }

    /// The letters of `rwbs`, in the kernel's order (Documentation of blkparse(1), "RWBS description").
    pub fn letters(self) -> [u8; 10] {
        let op = match self.op() {
            OpFlags::READ => b'R',
            OpFlags::WRITE => b'W',
            OpFlags::FLUSH => b'F',
            _ => b'N',
        };
        let all = [
            (self.has(OpFlags::PREFLUSH), b'F'),
            (true, op),
            (self.has(OpFlags::FUA), b'F'),
            (self.has(OpFlags::RAHEAD), b'A'),
            (self.has(OpFlags::SYNC), b'S'),
        ];
        let mut rwbs = [0; 10];
        let letters = all
            .iter()
            .filter(|(there, _)| *there)
            .map(|(_, letter)| *letter);
        for (place, letter) in rwbs.iter_mut().zip(letters) {
            *place = letter;
        }
        rwbs
    }
}

/// What an event says of a bio or of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Io {
    /// The device's number: major in the upper 12 bits, minor in the lower 20.
    pub dev: u32,
    /// The first sector of 512 bytes.
    pub sector: u64,
    /// Sectors.
    pub sectors: u32,
    /// What is done.
    pub op: OpFlags,
}

impl Io {
    /// Its data, in bytes.
    pub fn bytes(&self) -> u32 {
        self.sectors << 9
    }
}

/// Name of the task that does something.
fn comm() -> [u8; 16] {
    task::current().comm()
}

/// Priorities of I/O are nobody's business here: class `none`.
const IOPRIO: u16 = 0;
/// Only packet commands have bytes of their own to show.
const NO_CMD: &str = "";

/// Events about a bio on its way to a request.
macro_rules! bio_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(block),
            TP_PROTO(bio: &Io),
            TP_STRUCT__entry {
                dev: u32 as "dev_t",
                sector: u64 as "sector_t",
                nr_sector: u32 as "unsigned int",
                rwbs: Chars<10>,
                comm: Chars<16>,
            },
            TP_fast_assign {
                dev: bio.dev,
                sector: bio.sector,
                nr_sector: bio.sectors,
                rwbs: bio.op.letters(),
                comm: comm(),
            },
            TP_ident(__entry),
            TP_printk(c: r#""%d,%d %s %llu + %u [%s]", ((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), REC->rwbs, (unsigned long long)REC->sector, REC->nr_sector, REC->comm"#)
        );
    )*};
}

bio_events!(
    /// A bio is handed to the disk's queue.
    block_bio_queue,
    /// A bio becomes the end of a request.
    block_bio_backmerge,
    /// A bio becomes the beginning of a request.
    block_bio_frontmerge,
    /// A bio that could not be merged gets a request.
    block_getrq
);

/// Events about a request.
macro_rules! rq_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(block),
            TP_PROTO(rq: &Io),
            TP_STRUCT__entry {
                dev: u32 as "dev_t",
                sector: u64 as "sector_t",
                nr_sector: u32 as "unsigned int",
                bytes: u32 as "unsigned int",
                ioprio: u16 as "unsigned short",
                rwbs: Chars<10>,
                comm: Chars<16>,
                cmd: DynStr,
            },
            TP_fast_assign {
                dev: rq.dev,
                sector: rq.sector,
                nr_sector: rq.sectors,
                bytes: rq.bytes(),
                ioprio: IOPRIO,
                rwbs: rq.op.letters(),
                comm: comm(),
                cmd: NO_CMD,
            },
            TP_ident(__entry),
            TP_printk(c: r#""%d,%d %s %u (%s) %llu + %u %s,%u,%u [%s]", ((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), REC->rwbs, REC->bytes, __get_str(cmd), (unsigned long long)REC->sector, REC->nr_sector, __print_symbolic((((REC->ioprio) >> 13) & (8 - 1)), { IOPRIO_CLASS_NONE, "none" }, { IOPRIO_CLASS_RT, "rt" }, { IOPRIO_CLASS_BE, "be" }, { IOPRIO_CLASS_IDLE, "idle" }, { IOPRIO_CLASS_INVALID, "invalid"}), (((REC->ioprio) >> 3) & ((1 << 10) - 1)), ((REC->ioprio) & ((1 << 3) - 1)), REC->comm"#)
        );
    )*};
}

rq_events!(
    /// A request is queued in the elevator.
    block_rq_insert,
    /// A request goes to the device.
    block_rq_issue,
    /// A request became the end of another one, and is no more.
    block_rq_merge,
    /// A request begins to count in the disk's statistics.
    block_io_start,
    /// A request ends to count in the disk's statistics.
    block_io_done
);

/// Events about a request that comes back from the device.
macro_rules! completion_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(block),
            TP_PROTO(rq: &Io, error: i32),
            TP_STRUCT__entry {
                dev: u32 as "dev_t",
                sector: u64 as "sector_t",
                nr_sector: u32 as "unsigned int",
                error: i32,
                ioprio: u16 as "unsigned short",
                rwbs: Chars<10>,
                cmd: DynStr,
            },
            TP_fast_assign {
                dev: rq.dev,
                sector: rq.sector,
                nr_sector: rq.sectors,
                error: error,
                ioprio: IOPRIO,
                rwbs: rq.op.letters(),
                cmd: NO_CMD,
            },
            TP_ident(__entry),
            TP_printk(c: r#""%d,%d %s (%s) %llu + %u %s,%u,%u [%d]", ((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), REC->rwbs, __get_str(cmd), (unsigned long long)REC->sector, REC->nr_sector, __print_symbolic((((REC->ioprio) >> 13) & (8 - 1)), { IOPRIO_CLASS_NONE, "none" }, { IOPRIO_CLASS_RT, "rt" }, { IOPRIO_CLASS_BE, "be" }, { IOPRIO_CLASS_IDLE, "idle" }, { IOPRIO_CLASS_INVALID, "invalid"}), (((REC->ioprio) >> 3) & ((1 << 10) - 1)), ((REC->ioprio) & ((1 << 3) - 1)), REC->error"#)
        );
    )*};
}

completion_events!(
    /// A request is done; `error` is 0 or an errno below 0.
    block_rq_complete,
    /// The device could not do what a request asked for.
    block_rq_error
);

define_event_trace!(
    /// The device has no room: the request goes back to be issued again.
    block_rq_requeue,
    TP_system(block),
    TP_PROTO(rq: &Io),
    TP_STRUCT__entry {
        dev: u32 as "dev_t",
        sector: u64 as "sector_t",
        nr_sector: u32 as "unsigned int",
        ioprio: u16 as "unsigned short",
        rwbs: Chars<10>,
        cmd: DynStr,
    },
    TP_fast_assign {
        dev: rq.dev,
        sector: rq.sector,
        nr_sector: rq.sectors,
        ioprio: IOPRIO,
        rwbs: rq.op.letters(),
        cmd: NO_CMD,
    },
    TP_ident(__entry),
    TP_printk(c: r#""%d,%d %s (%s) %llu + %u %s,%u,%u [%d]", ((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), REC->rwbs, __get_str(cmd), (unsigned long long)REC->sector, REC->nr_sector, __print_symbolic((((REC->ioprio) >> 13) & (8 - 1)), { IOPRIO_CLASS_NONE, "none" }, { IOPRIO_CLASS_RT, "rt" }, { IOPRIO_CLASS_BE, "be" }, { IOPRIO_CLASS_IDLE, "idle" }, { IOPRIO_CLASS_INVALID, "invalid"}), (((REC->ioprio) >> 3) & ((1 << 10) - 1)), ((REC->ioprio) & ((1 << 3) - 1)), 0"#)
);

define_event_trace!(
    /// A bio is done: nobody needs it but its owner. `error` is 0 or an errno below 0.
    block_bio_complete,
    TP_system(block),
    TP_PROTO(bio: &Io, error: i32),
    TP_STRUCT__entry {
        dev: u32 as "dev_t",
        sector: u64 as "sector_t",
        nr_sector: u32 as "unsigned",
        error: i32,
        rwbs: Chars<10>,
    },
    TP_fast_assign {
        dev: bio.dev,
        sector: bio.sector,
        nr_sector: bio.sectors,
        error: error,
        rwbs: bio.op.letters(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""%d,%d %s %llu + %u [%d]", ((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), REC->rwbs, (unsigned long long)REC->sector, REC->nr_sector, REC->error"#)
);

define_event_trace!(
    /// A bio for one device becomes a bio for another: `old_dev` and `old_sector` are where it was meant to go.
    block_bio_remap,
    TP_system(block),
    TP_PROTO(bio: &Io, old_dev: u32, old_sector: u64),
    TP_STRUCT__entry {
        dev: u32 as "dev_t",
        sector: u64 as "sector_t",
        nr_sector: u32 as "unsigned int",
        old_dev: u32 as "dev_t",
        old_sector: u64 as "sector_t",
        rwbs: Chars<10>,
    },
    TP_fast_assign {
        dev: bio.dev,
        sector: bio.sector,
        nr_sector: bio.sectors,
        old_dev: old_dev,
        old_sector: old_sector,
        rwbs: bio.op.letters(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""%d,%d %s %llu + %u <- (%d,%d) %llu", ((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), REC->rwbs, (unsigned long long)REC->sector, REC->nr_sector, ((unsigned int) ((REC->old_dev) >> 20)), ((unsigned int) ((REC->old_dev) & ((1U << 20) - 1))), (unsigned long long)REC->old_sector"#)
);

define_event_trace!(
    /// A bio is larger than the disk takes at once: its first part ends at `new_sector`.
    block_split,
    TP_system(block),
    TP_PROTO(bio: &Io, new_sector: u64),
    TP_STRUCT__entry {
        dev: u32 as "dev_t",
        sector: u64 as "sector_t",
        new_sector: u64 as "sector_t",
        rwbs: Chars<10>,
        comm: Chars<16>,
    },
    TP_fast_assign {
        dev: bio.dev,
        sector: bio.sector,
        new_sector: new_sector,
        rwbs: bio.op.letters(),
        comm: comm(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""%d,%d %s %llu / %llu [%s]", ((unsigned int) ((REC->dev) >> 20)), ((unsigned int) ((REC->dev) & ((1U << 20) - 1))), REC->rwbs, (unsigned long long)REC->sector, (unsigned long long)REC->new_sector, REC->comm"#)
);

define_event_trace!(
    /// A task keeps its requests back, to hand them over together.
    block_plug,
    TP_system(block),
    TP_PROTO(),
    TP_STRUCT__entry {
        comm: Chars<16>,
    },
    TP_fast_assign {
        comm: comm(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""[%s]", REC->comm"#)
);

define_event_trace!(
    /// It hands over the `nr_rq` requests that it has kept back.
    block_unplug,
    TP_system(block),
    TP_PROTO(nr_rq: i32),
    TP_STRUCT__entry {
        nr_rq: i32,
        comm: Chars<16>,
    },
    TP_fast_assign {
        nr_rq: nr_rq,
        comm: comm(),
    },
    TP_ident(__entry),
    TP_printk(c: r#""[%s] %d", REC->comm, REC->nr_rq"#)
);

#[cfg(test)]
mod tests {
    use super::OpFlags;

    #[test]
    fn letters() {
        let check = |op: OpFlags, expected: &str| {
            let letters = op.letters();
            let text = letters.split(|b| *b == 0).next().unwrap();
            assert_eq!(std::str::from_utf8(text).unwrap(), expected)
        };
        check(OpFlags::READ, "R");
        check(OpFlags::READ.with(OpFlags::RAHEAD), "RA");
        check(OpFlags::WRITE.with(OpFlags::SYNC), "WS");
        check(OpFlags::WRITE.with(OpFlags::SYNC).with(OpFlags::FUA), "WFS");
        check(
            OpFlags::WRITE.with(OpFlags::SYNC).with(OpFlags::PREFLUSH),
            "FWS",
        );
        check(OpFlags::FLUSH.with(OpFlags::PREFLUSH), "FF");
    }
}
