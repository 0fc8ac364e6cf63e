//! The packets of the generator: UDP, with a number inside that says where they belong.

/// Bytes of the headers: link, internet, UDP.
const HEADERS: usize = 14 + 20 + 8;
const UDP: u8 = 17;

/// Which packet it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Number {
    /// Operation that sends it.
    pub op: u64,
    /// Which packet of it.
    pub index: u32,
}

/// A packet to `port`, with `len` bytes of payload behind its number.
pub(super) fn make(from: [u8; 6], to: [u8; 6], port: u16, number: Number, len: usize) -> Vec<u8> {
    let payload = 12 + len;
    let mut frame = Vec::with_capacity(HEADERS + payload);
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&[8, 0]);
    frame.extend_from_slice(&[0x45, 0]);
    frame.extend_from_slice(&((20 + 8 + payload) as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0x40, 0, 64, UDP, 0, 0]);
    frame.extend_from_slice(&[10, 1, 0, 1]);
    frame.extend_from_slice(&[10, 1, 0, 2]);
    let sum = checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&9000u16.to_be_bytes());
    frame.extend_from_slice(&port.to_be_bytes());
    frame.extend_from_slice(&((8 + payload) as u16).to_be_bytes());
    // UDP over IPv4 may do without a checksum.
    frame.extend_from_slice(&[0, 0]);
    frame.extend_from_slice(&number.op.to_be_bytes());
    frame.extend_from_slice(&number.index.to_be_bytes());
    frame.extend((0..len).map(|at| at as u8));
    frame
}

fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !sum as u16
}

/// The port that a frame is for. `None`: it is not UDP over IPv4, or too short to say.
pub(super) fn port(frame: &[u8]) -> Option<u16> {
    let is_udp = frame.get(12..15)? == [8, 0, 0x45] && *frame.get(23)? == UDP;
    let port = frame.get(36..38)?.try_into().ok()?;
    is_udp.then(|| u16::from_be_bytes(port))
}

/// Which packet a frame is; `packet` may begin with the link header or behind it.
pub(super) fn number(packet: &[u8]) -> Option<Number> {
    let begin = if packet.first()? >> 4 == 4 {
        28
    } else {
        HEADERS
    };
    let bytes = packet.get(begin..begin + 12)?;
    let (op, index) = bytes.split_first_chunk()?;
    Some(Number {
        op: u64::from_be_bytes(*op),
        index: u32::from_be_bytes(index.try_into().ok()?),
    })
}

/// Turns it round: who got it sends it.
pub(super) fn turn_round(frame: &mut [u8]) {
    let swap = |frame: &mut [u8], a: usize, b: usize, len: usize| {
        for at in 0..len {
            frame.swap(a + at, b + at);
        }
    };
    if frame.len() >= HEADERS {
        swap(frame, 0, 6, 6);
        swap(frame, 26, 30, 4);
        swap(frame, 34, 36, 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let number = Number { op: 7, index: 3 };
        let frame = make([2; 6], [4; 6], 53, number, 10);
        assert_eq!(frame.len(), HEADERS + 22);
        assert_eq!(port(&frame), Some(53));
        assert_eq!(checksum(&frame[14..34]), 0);
        let mut back = frame.clone();
        turn_round(&mut back);
        assert_eq!((port(&back), &back[..6]), (Some(9000), &[2; 6][..]));
        for packet in [&frame[..], &frame[14..], &back[..]] {
            assert_eq!(self::number(packet), Some(number));
        }
        for len in 0..38 {
            assert_eq!(port(&frame[..len]), None);
        }
        assert_eq!(self::number(&frame[..HEADERS + 11]), None);
        turn_round(&mut frame[..HEADERS - 1].to_vec());
    }
}
