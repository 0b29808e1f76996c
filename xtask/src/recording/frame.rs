//! A payload in the layers of chapter 1: Ethernet, IPv4 or IPv6, UDP or TCP. Pure: bytes out.
//!
//! ```text
//!  ┌──────────────┬──────────────────────┬─────────────┬─────────┐
//!  │ Ethernet, 14 │ IPv4, 20 or IPv6, 40 │ UDP, 8      │ payload │
//!  │              │                      │ or TCP, 20  │         │
//!  └──────────────┴──────────────────────┴─────────────┴─────────┘
//!     invented        checksum (v4)         checksum over the payload, with the addresses
//! ```
//!
//! Every field is big-endian, "network byte order". The lesson `layers` takes such a frame apart.

use std::net::{IpAddr, SocketAddr};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const HOPS: u8 = 64;
/// No fragments: none of these was cut.
const DONT_FRAGMENT: u16 = 0x4000;
/// As much as fits without the option of RFC 7323.
const TCP_WINDOW: u16 = u16::MAX;

/// FIN, SYN, RST, PSH, ACK (RFC 9293, 3.1).
pub const FIN: u8 = 0x01;
/// See [`FIN`].
pub const SYN: u8 = 0x02;
/// See [`FIN`].
pub const RST: u8 = 0x04;
/// See [`FIN`].
pub const PSH: u8 = 0x08;
/// See [`FIN`].
pub const ACK: u8 = 0x10;

/// Who sends to whom.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The sender's number, of which its MAC address is made, and its address.
    pub from: (usize, SocketAddr),
    /// The receiver's.
    pub to: (usize, SocketAddr),
}

/// What a TCP header says besides the ports.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// The number of its first byte.
    pub sequence: u32,
    /// The number of the byte that is awaited from the other end.
    pub acknowledged: u32,
    /// [`FIN`] and its like.
    pub flags: u8,
}

/// A MAC address that no card has: the second bit of the first byte says that somebody has made it
/// up (IEEE 802, "locally administered").
#[must_use]
pub fn mac(actor: usize) -> [u8; 6] {
    let [high, low] = u16::try_from(actor + 1).unwrap_or(u16::MAX).to_be_bytes();
    [0x02, 0, 0, 0, high, low]
}

/// A datagram.
#[must_use]
pub fn udp(ends: Ends, payload: &[u8]) -> Vec<u8> {
    let mut udp = ports(ends);
    udp.extend(len16(8 + payload.len()));
    udp.extend([0; 2]);
    udp.extend(payload);
    let sum = match transport_checksum(ends, PROTOCOL_UDP, &udp) {
        // Zero would say that there is no checksum (RFC 768).
        0 => u16::MAX,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    around(ends, PROTOCOL_UDP, &udp)
}

/// A segment of a stream.
#[must_use]
pub fn tcp(ends: Ends, segment: Segment, payload: &[u8]) -> Vec<u8> {
    let mut tcp = ports(ends);
    tcp.extend(segment.sequence.to_be_bytes());
    tcp.extend(segment.acknowledged.to_be_bytes());
    // Five words of header.
    tcp.extend([5 << 4, segment.flags]);
    tcp.extend(TCP_WINDOW.to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(payload);
    let sum = transport_checksum(ends, PROTOCOL_TCP, &tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    around(ends, PROTOCOL_TCP, &tcp)
}

fn ports(ends: Ends) -> Vec<u8> {
    [ends.from.1.port().to_be_bytes(), ends.to.1.port().to_be_bytes()].concat()
}

/// IP and Ethernet around a UDP datagram or a TCP segment.
fn around(ends: Ends, protocol: u8, inside: &[u8]) -> Vec<u8> {
    let (ethertype, mut ip) = match addresses(ends) {
        (IpAddr::V4(_), _) => (ETHERTYPE_IPV4, ipv4(protocol, inside.len())),
        (IpAddr::V6(_), _) => (ETHERTYPE_IPV6, ipv6(protocol, inside.len())),
    };
    ip.extend(address_bytes(ends));
    if ethertype == ETHERTYPE_IPV4 {
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    let mut frame = [mac(ends.to.0), mac(ends.from.0)].concat();
    frame.extend(ethertype.to_be_bytes());
    frame.extend(ip);
    frame.extend(inside);
    frame
}

/// RFC 791, as far as the addresses.
fn ipv4(protocol: u8, len: usize) -> Vec<u8> {
    let mut ip = vec![4 << 4 | 5, 0];
    ip.extend(len16(20 + len));
    ip.extend([0; 2]);
    ip.extend(DONT_FRAGMENT.to_be_bytes());
    ip.extend([HOPS, protocol, 0, 0]);
    ip
}

/// RFC 8200, as far as the addresses.
fn ipv6(protocol: u8, len: usize) -> Vec<u8> {
    let mut ip = vec![6 << 4, 0, 0, 0];
    ip.extend(len16(len));
    ip.extend([protocol, HOPS]);
    ip
}

/// Of one family: an IPv6 socket can be spoken to over IPv4.
fn addresses(ends: Ends) -> (IpAddr, IpAddr) {
    let wide = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => IpAddr::V6(ip.to_ipv6_mapped()),
        v6 => v6,
    };
    match (ends.from.1.ip(), ends.to.1.ip()) {
        (from, to) if from.is_ipv4() == to.is_ipv4() => (from, to),
        (from, to) => (wide(from), wide(to)),
    }
}

fn address_bytes(ends: Ends) -> Vec<u8> {
    let bytes = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (from, to) = addresses(ends);
    [bytes(from), bytes(to)].concat()
}

/// Over the addresses, the protocol, the length, and all of the datagram or segment: so what was
/// delivered to the wrong end is wrong (RFC 768; RFC 9293, 3.1; RFC 8200, 8.1).
fn transport_checksum(ends: Ends, protocol: u8, inside: &[u8]) -> u16 {
    let mut covered = address_bytes(ends);
    covered.extend([0, protocol]);
    covered.extend(len16(inside.len()));
    covered.extend(inside);
    checksum(&covered)
}

/// The ones' complement of the sum of all 16-bit words, where a carry is added at the other end
/// (RFC 1071). The field itself counts as zero.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low));
    let mut sum: u64 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// A datagram is never longer than its length can say: it came through a socket.
fn len16(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()
}
