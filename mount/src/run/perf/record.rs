//! What a record says (perf_event_open(2), "PERF_RECORD_…").

use super::super::tracer::{Fact, Item};
use super::points::Points;
use crate::proc::padded;

const LOST: u32 = 2;
const COMM: u32 = 3;
const EXIT: u32 = 4;
const FORK: u32 = 7;
const SAMPLE: u32 = 9;
const SWITCH: u32 = 14;
const MISC_COMM_EXEC: u16 = 1 << 13;
const MISC_SWITCH_OUT: u16 = 1 << 13;
const MISC_SWITCH_OUT_PREEMPT: u16 = 1 << 14;
/// What stands behind every record but a sample: pid, tid, time, cpu, a gap.
const TRAILER: usize = 24;

/// What a record is.
#[derive(Debug)]
pub enum Parsed {
    /// Something has happened.
    Item(Item),
    /// So many records found no room.
    Lost(u64),
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_ne_bytes(bytes))
}

/// Reads a record, header and all; None: one of no interest.
pub fn parse(record: &[u8], points: Option<&Points>) -> Option<Parsed> {
    let kind = word(record, 0)?;
    if kind == SAMPLE {
        return points?.parse(record).map(Parsed::Item);
    }
    let misc = (word(record, 4)? & 0xffff) as u16;
    let body = record.get(8..record.len().checked_sub(TRAILER)?)?;
    let trailer = record.len() - TRAILER;
    let mut tid = word(record, trailer + 4)? as i32;
    let fact = match kind {
        LOST => return Some(Parsed::Lost(long(body, 8)?)),
        COMM => {
            tid = word(body, 4)? as i32;
            Fact::Renamed {
                comm: padded(body.get(8..)?),
                exec: misc & MISC_COMM_EXEC != 0,
            }
        }
        EXIT => {
            tid = word(body, 8)? as i32;
            Fact::Ends
        }
        FORK => {
            tid = word(body, 12)? as i32;
            Fact::Forked {
                child: word(body, 8)? as i32,
                tgid: word(body, 0)? as i32,
            }
        }
        SWITCH if misc & MISC_SWITCH_OUT != 0 => Fact::Out {
            preempt: misc & MISC_SWITCH_OUT_PREEMPT != 0,
        },
        SWITCH => Fact::In,
        _ => return None,
    };
    // numbers of a task that has ended, or of one outside our pid namespace, are -1 or 0
    (tid > 0).then_some(())?;
    Some(Parsed::Item(Item {
        time: long(record, trailer + 8)?,
        cpu: Some(word(record, trailer + 16)?),
        ip: None,
        tid,
        stop: None,
        anyone: false,
        fact,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of 32-bit words, on CPU 3 at 1000, by 7/8.
    fn record(kind: u32, misc: u16, body: &[u32]) -> Vec<u8> {
        let len = (8 + body.len() * 4 + TRAILER) as u32;
        let words = [kind, u32::from(misc) | len << 16];
        let trailer = [7, 8, 1000, 0, 3, 0];
        [&words[..], body, &trailer]
            .concat()
            .iter()
            .flat_map(|w| w.to_ne_bytes())
            .collect()
    }

    fn check(kind: u32, misc: u16, body: &[u32], expected: Option<(i32, Fact)>) {
        let bytes = record(kind, misc, body);
        let got = match parse(&bytes, None) {
            Some(Parsed::Item(item)) => {
                assert_eq!((item.time, item.cpu), (1000, Some(3)));
                Some((item.tid, item.fact))
            }
            None => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(got, expected, "{kind}");
        for cut in 0..bytes.len() {
            let _ = parse(&bytes[..cut], None);
        }
    }

    #[test]
    fn records_are_read() {
        let sh = u32::from_ne_bytes(*b"sh\0\0");
        let comm = Fact::Renamed {
            comm: padded(b"sh"),
            exec: true,
        };
        check(COMM, 1 << 13, &[10, 11, sh, 0], Some((11, comm)));
        check(EXIT, 0, &[10, 1, 11, 1, 0, 0], Some((11, Fact::Ends)));
        let fork = Fact::Forked {
            child: 21,
            tgid: 20,
        };
        check(FORK, 0, &[20, 10, 21, 11, 0, 0], Some((11, fork)));
        check(SWITCH, 0, &[], Some((8, Fact::In)));
        check(
            SWITCH,
            1 << 13,
            &[],
            Some((8, Fact::Out { preempt: false })),
        );
        check(SWITCH, 3 << 13, &[], Some((8, Fact::Out { preempt: true })));
        check(1, 0, &[1, 2, 3, 4], None);
        assert!(matches!(
            parse(&record(LOST, 0, &[1, 0, 5, 0]), None),
            Some(Parsed::Lost(5))
        ));
    }
}
