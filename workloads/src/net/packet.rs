//! Headers of packets on the link: read where packets come in, written where they leave.

use super::skb::{IPV4, LINK_HEADER};

/// Bytes of an internet header without options, as this stack sends them.
const IP_HEADER: usize = 20;
const TCP: u8 = 6;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// An address with a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct End {
    pub address: [u8; 4],
    pub port: u16,
}

impl End {
    /// As `struct sockaddr_in`, in the room of a `struct sockaddr_in6`.
    pub fn sockaddr(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        bytes[2..4].copy_from_slice(&self.port.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.address);
        bytes
    }
}

/// What the headers of a TCP segment say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub from: End,
    pub to: End,
    pub seq: u32,
    pub ack: u32,
    flags: u8,
    /// Where the payload begins, from the internet header on, and its bytes.
    pub payload_at: usize,
    pub payload: u32,
}

impl Segment {
    /// Reads a packet from its internet header on. `None`: it is not TCP, or is cut.
    pub fn parse(packet: &[u8]) -> Option<Segment> {
        let be16 = |at| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
        let be32 = |at| Some(u32::from(be16(at)?) << 16 | u32::from(be16(at + 2)?));
        let address = |at| packet.get(at..at + 4)?.try_into().ok();
        let first = *packet.first()?;
        let ip = usize::from(first & 15) * 4;
        let total = usize::from(be16(2)?);
        if first >> 4 != 4 || ip < IP_HEADER || total > packet.len() || packet[9] != TCP {
            return None;
        }
        let tcp = usize::from(*packet.get(ip + 12)? >> 4) * 4;
        if tcp < 20 {
            return None;
        }
        Some(Segment {
            from: End {
                address: address(12)?,
                port: be16(ip)?,
            },
            to: End {
                address: address(16)?,
                port: be16(ip + 2)?,
            },
            seq: be32(ip + 4)?,
            ack: be32(ip + 8)?,
            flags: *packet.get(ip + 13)?,
            payload_at: ip + tcp,
            payload: total.checked_sub(ip + tcp)? as u32,
        })
    }

    pub fn syn(&self) -> bool {
        self.flags & SYN != 0
    }

    pub fn fin(&self) -> bool {
        self.flags & FIN != 0
    }

    pub fn rst(&self) -> bool {
        self.flags & RST != 0
    }

    pub fn has_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// Places that it takes in the sequence: its bytes, its SYN and its FIN.
    pub fn sequence_len(&self) -> u32 {
        self.payload + u32::from(self.syn()) + u32::from(self.fin())
    }
}

/// Whether sequence number `a` comes before `b`.
pub(crate) fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// Whether the sum over a TCP segment and its addresses is right; `packet` begins with the internet header.
pub(crate) fn checksum_is_right(packet: &[u8]) -> bool {
    let ip = packet
        .first()
        .map_or(0, |first| usize::from(first & 15) * 4);
    let total = match packet {
        [_, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    let (Some(addresses), Some(tcp)) = (packet.get(12..20), packet.get(ip..total)) else {
        return false;
    };
    let words = |bytes: &[u8]| -> u32 {
        bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
            .sum()
    };
    let mut sum = words(addresses) + words(tcp) + u32::from(TCP) + tcp.len() as u32;
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

/// The packet with a link header in front.
pub(crate) fn framed(packet: &[u8], from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(LINK_HEADER + packet.len());
    frame.extend_from_slice(&to);
    frame.extend_from_slice(&from);
    frame.extend_from_slice(&IPV4.to_be_bytes());
    frame.extend_from_slice(packet);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN|ACK with four bytes of options and three of payload, from 10.0.0.1:80 to 10.0.0.2:4660.
    const PACKET: [u8; 47] = [
        0x45, 0, 0, 47, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IP
        0, 80, 0x12, 0x34, 0, 0, 1, 0, 0, 1, 0, 0, 0x60, 0x12, 0x10, 0, 0x5c, 0x8a, 0, 0, 2, 4, 5,
        0xb4, // TCP
        1, 2, 3,
    ];

    #[test]
    fn segments() {
        let end = |last, port| End {
            address: [10, 0, 0, last],
            port,
        };
        let segment = Segment::parse(&PACKET).unwrap();
        assert_eq!(
            segment,
            Segment {
                from: end(1, 80),
                to: end(2, 4660),
                seq: 256,
                ack: 65536,
                flags: SYN | ACK,
                payload_at: 44,
                payload: 3
            }
        );
        assert_eq!(segment.sequence_len(), 4);
        for len in 0..PACKET.len() {
            assert_eq!(Segment::parse(&PACKET[..len]), None, "{len}");
        }
        let with = |at: usize, byte: u8| {
            let mut packet = PACKET;
            packet[at] = byte;
            Segment::parse(&packet)
        };
        assert_eq!(with(0, 0x65), None);
        assert_eq!(with(0, 0x44), None);
        assert_eq!(with(9, 17), None);
        assert_eq!(with(32, 0x40), None);
        assert_eq!(with(32, 0xf0), None);
    }

    #[test]
    fn checksums() {
        assert!(checksum_is_right(&PACKET));
        for bit in 12 * 8..PACKET.len() * 8 {
            let mut packet = PACKET;
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(!checksum_is_right(&packet), "bit {bit}");
        }
        assert!(!checksum_is_right(&[]));
    }

    #[test]
    fn order_wraps() {
        assert!(before(1, 2) && before(u32::MAX, 0) && !before(2, 2) && !before(0, u32::MAX));
    }
}
