//! Tracepoints of the kernel that say of both sides what a wake-up or a switch is: who, named how, of what priority.
//!
//! They fire for all tasks of the machine. Numbers of events and places of fields are those of the running kernel, as its `format`
//! files have them. Tasks have the numbers of the first pid namespace in them, so that is where we have to be.

use super::super::super::cli::attach::plain as error_text;
use super::super::tracer::{Fact, Item};
use super::super::wire::{Kind, Known, What};
use super::tracefs::Tracefs;
use crate::proc::padded;
use std::io;
use std::os::linux::fs::MetadataExt;
use utracefs::event::field::{Field, FieldKind, Load};
use utracefs::event::format::{Parsed, parse_format};

#[cfg(test)]
mod tests;

/// The kinds of events that have such a tracepoint, in the system `sched`.
const POINTS: [(Kind, &str); 4] = [
    (Kind::Switch, "sched_switch"),
    (Kind::WakeupNew, "sched_wakeup_new"),
    (Kind::Waking, "sched_waking"),
    (Kind::Wakeup, "sched_wakeup"),
];
/// The inode of the first pid namespace (PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xefff_fffc;
/// A sample's parts, by the kind of sample asked for: header; pid, tid; time; cpu, a gap; length, and that many bytes.
const PID: usize = 8;
const TIME: usize = 16;
const CPU: usize = 24;
const LENGTH: usize = 32;
const RAW: usize = 36;
/// prev_state of a task that was preempted.
const PREEMPTED: u32 = 0x100;

/// The tracepoints.
pub struct Points(Vec<Point>);

/// One of them.
struct Point {
    kind: Kind,
    id: u16,
    /// Who was running.
    by: Load,
    fields: Fields,
}

/// A task in a record.
struct Task {
    comm: (usize, usize),
    pid: Load,
    prio: Load,
}

enum Fields {
    Switch { prev: Task, state: Load, next: Task },
    Wakeup { who: Task, cpu: Load },
}

impl Points {
    /// Looks for them.
    ///
    /// # Errors
    /// Why they cannot be used here.
    pub fn find() -> Result<Points, String> {
        let namespace = std::fs::metadata("/proc/self/ns/pid");
        match namespace.map(|m| m.st_ino()) {
            Ok(FIRST_PID_NAMESPACE) => {}
            Ok(_) => return Err("the tracer is in a pid namespace of its own".into()),
            Err(e) => return Err(format!("/proc/self/ns/pid: {}", error_text(&e))),
        }
        let failed = |e: io::Error| format!("the kernel's tracefs: {}", error_text(&e));
        let tracefs = Tracefs::open().map_err(failed)?;
        let mut points = Vec::new();
        for (kind, name) in POINTS {
            let path = format!("events/sched/{name}/format");
            let text = tracefs.read(&path).map_err(failed)?;
            let point = Point::of(kind, &text);
            points.push(point.ok_or_else(|| format!("{name} of this kernel is of another form"))?);
        }
        Ok(Points(points))
    }

    /// The number of a kind's event.
    pub fn id(&self, kind: Kind) -> Option<u16> {
        let point = self.0.iter().find(|p| p.kind == kind)?;
        Some(point.id)
    }

    /// Whether there is such a tracepoint.
    pub fn has(kind: Kind) -> bool {
        POINTS.iter().any(|p| p.0 == kind)
    }

    /// Reads a sample, header and all; None: one that makes no sense.
    pub fn parse(&self, sample: &[u8]) -> Option<Item> {
        let word = |at: usize| Some(u32::from_ne_bytes(*sample.get(at..)?.first_chunk()?));
        let length = word(LENGTH)? as usize;
        let raw = sample.get(RAW..)?.get(..length)?;
        let id = u16::from_ne_bytes(*raw.first_chunk()?);
        let point = self.0.iter().find(|p| p.id == id)?;
        Some(Item {
            time: u64::from_ne_bytes(*sample.get(TIME..)?.first_chunk()?),
            cpu: Some(word(CPU)?),
            ip: None,
            // perf does not know the number of one that is ending
            tid: number(point.by, raw)?,
            stop: None,
            anyone: true,
            fact: Fact::Seen {
                tgid: word(PID)? as i32,
                what: point.what(raw)?,
            },
        })
    }
}

impl Point {
    fn of(kind: Kind, format: &str) -> Option<Point> {
        let format = parse_format(format).ok()?;
        let fields = match kind {
            Kind::Switch => Fields::Switch {
                prev: Task::of(&format, "prev_")?,
                state: int(&format.fields, "prev_state")?,
                next: Task::of(&format, "next_")?,
            },
            _ => Fields::Wakeup {
                who: Task::of(&format, "")?,
                cpu: int(&format.fields, "target_cpu")?,
            },
        };
        // what tells the events of a ring apart
        let kind_at = format.common.iter().find(|f| f.name == "common_type")?;
        if (kind_at.offset, kind_at.size) != (0, 2) {
            return None;
        }
        Some(Point {
            kind,
            id: format.id,
            by: int(&format.common, "common_pid")?,
            fields,
        })
    }

    fn what(&self, raw: &[u8]) -> Option<What> {
        Some(match &self.fields {
            Fields::Switch { prev, state, next } => {
                let prev_state = number(*state, raw)? as u32;
                What::Switch {
                    prev: prev.read(raw)?,
                    prev_state,
                    preempt: prev_state & PREEMPTED != 0,
                    next: next.read(raw)?,
                }
            }
            Fields::Wakeup { who, cpu } => {
                let (who, target_cpu) = (who.read(raw)?, number(*cpu, raw)?);
                match self.kind {
                    Kind::WakeupNew => What::WakeupNew { who, target_cpu },
                    Kind::Waking => What::Waking { who, target_cpu },
                    _ => What::Wakeup { who, target_cpu },
                }
            }
        })
    }
}

impl Task {
    /// The fields whose names begin so.
    fn of(format: &Parsed, prefix: &str) -> Option<Task> {
        let name = |of: &str| format!("{prefix}{of}");
        let comm = name("comm");
        let comm = format.fields.iter().find(|f| f.name == comm)?;
        if comm.kind != FieldKind::Chars {
            return None;
        }
        Some(Task {
            comm: (comm.offset.into(), comm.size.into()),
            pid: int(&format.fields, &name("pid"))?,
            prio: int(&format.fields, &name("prio"))?,
        })
    }

    fn read(&self, raw: &[u8]) -> Option<Known> {
        let (at, len) = self.comm;
        Some(Known {
            pid: number(self.pid, raw)?,
            comm: padded(raw.get(at..at + len)?),
            prio: number(self.prio, raw)?,
        })
    }
}

fn int(fields: &[Field], name: &str) -> Option<Load> {
    fields.iter().find(|f| f.name == name)?.int()
}

fn number(field: Load, raw: &[u8]) -> Option<i32> {
    Some(field.get(raw)? as i32)
}
