//! Lesson `layers`: the bytes that a message wears on its way.
//!
//! ```text
//!  OSI              TCP/IP         what is put in front              what it answers
//!  5-7 application  application                          message
//!  4 transport      transport                  UDP │ TCP message    which program?
//!  3 network        internet       IPv4 │ IPv6 ───────── message    which machine in the world?
//!  2 data link      link           Ethernet ──────────── message    which machine on this cable?
//!  1 physical                      signals
//! ```
//!
//! Each layer puts a header before what it is given and does not look inside. A program that calls
//! send(2) hands over the message; the kernel (udp(7), tcp(7), ip(7), ipv6(7)) and the network
//! card do the rest. Here it is done by hand, byte by byte, and nothing is sent.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use anyhow::Context;
use byteorder::{BigEndian, ByteOrder, LittleEndian};
use clap::ValueEnum;
use cli::{Advice, Exit, count, escape, say};

/// The most that fits into one Ethernet frame (1500 bytes) beside the longest headers that this
/// lesson builds, IPv6 (40) and TCP (20). What is longer, TCP would cut into segments.
const MESSAGE_LEN_MAX: usize = 1440;

/// The bytes that a message wears on its way
#[derive(clap::Args)]
pub struct Args {
    /// The text to wrap, at most 1440 bytes
    message: String,
    /// The transport layer's protocol
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    transport: Transport,
    /// The version of the internet protocol
    #[arg(long, value_enum, default_value_t = IpVersion::V4)]
    ip: IpVersion,
}

/// Builds the frame and explains it, from the first byte on the wire to the last.
///
/// # Errors
/// When the message does not fit into one frame.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { message, transport, ip } = args;
    // Not by clap, whose error would repeat the whole of a long text.
    let Message(message) = message
        .parse()
        .context("the message is too long")
        .hint("TCP would cut it into segments, UDP would let IP cut it into fragments")
        .exit(Exit::Usage)?;
    let frame = frame(&message, transport, ip);
    let (message_len, frame_len) = (count(message.len(), "byte"), count(frame.len(), "byte"));
    say!("{message_len} become a frame of {frame_len}, and {} on the wire", wire_len(frame.len()))?;
    let mut rest = frame.as_slice();
    for layer in label(&frame, transport, ip) {
        say!("{}, {}", layer.title, count(layer.len(), "byte"))?;
        for field in &layer.fields {
            let offset = frame.len() - rest.len();
            let (bytes, behind) = rest.split_at(field.len);
            say_field(offset, bytes, field)?;
            rest = behind;
        }
    }
    say_card(frame.len())?;
    say_byte_order(transport.destination_port())
}

/// A text that fits into one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message(String);

/// Why a text is not a message for one frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum MessageError {
    #[error("it has {got} bytes, and one Ethernet frame has room for {MESSAGE_LEN_MAX}")]
    TooLong { got: usize },
}

impl FromStr for Message {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, MessageError> {
        match text.len() {
            ..=MESSAGE_LEN_MAX => Ok(Self(text.to_owned())),
            got => Err(MessageError::TooLong { got }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Transport {
    Udp,
    Tcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IpVersion {
    #[value(name = "4")]
    V4,
    #[value(name = "6")]
    V6,
}

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const UDP_LEN: usize = 8;
const TCP_LEN: usize = 20;

// Addresses that are set aside for examples: RFC 9542, RFC 5737, RFC 3849.
const SOURCE_MAC: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x01];
const DESTINATION_MAC: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x53, 0x02];
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const DESTINATION_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const DESTINATION_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// A port such as the system picks for a client.
const SOURCE_PORT: u16 = 50112;

/// How many routers may pass it on; 64 is what RFC 1700 advised and most systems do.
const HOP_LIMIT: u8 = 64;

impl Transport {
    /// IANA's number for it, in IPv4's field `protocol` and IPv6's `next header`.
    fn number(self) -> u8 {
        match self {
            Self::Udp => 17,
            Self::Tcp => 6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Where the servers of `udp-hello` and `tcp-hello` are.
    fn destination_port(self) -> u16 {
        match self {
            Self::Udp => 9000,
            Self::Tcp => 8898,
        }
    }

    fn header_len(self) -> usize {
        match self {
            Self::Udp => UDP_LEN,
            Self::Tcp => TCP_LEN,
        }
    }
}

// ANCHOR: frame
/// What goes on the wire: each layer takes what the one above gives it, and puts its header before.
fn frame(message: &str, transport: Transport, ip: IpVersion) -> Vec<u8> {
    let message = message.as_bytes();
    let segment = match transport {
        Transport::Udp => [&udp_header(message, ip)[..], message].concat(),
        Transport::Tcp => [&tcp_header(message, ip)[..], message].concat(),
    };
    let packet = match ip {
        IpVersion::V4 => [&ipv4_header(&segment, transport)[..], &segment].concat(),
        IpVersion::V6 => [&ipv6_header(&segment, transport)[..], &segment].concat(),
    };
    [&ethernet_header(ip)[..], &packet].concat()
}
// ANCHOR_END: frame

// ANCHOR: udp
/// RFC 768: four numbers of 16 bits, the high byte of each first.
fn udp_header(message: &[u8], ip: IpVersion) -> [u8; UDP_LEN] {
    let mut header = [0; UDP_LEN];
    BigEndian::write_u16(&mut header[0..2], SOURCE_PORT);
    BigEndian::write_u16(&mut header[2..4], Transport::Udp.destination_port());
    BigEndian::write_u16(&mut header[4..6], len_u16(UDP_LEN + message.len()));
    // The checksum is taken while its own field still holds 0.
    let pseudo = pseudo_header(ip, Transport::Udp, UDP_LEN + message.len());
    let checksum = match checksum(&[&pseudo, &header, message]) {
        // On the wire 0 means "none was made", so RFC 768 sends a checksum of 0 as its other
        // form: in ones' complement arithmetic ffff is 0 as well.
        0 => 0xffff,
        made => made,
    };
    BigEndian::write_u16(&mut header[6..8], checksum);
    header
}
// ANCHOR_END: udp

/// RFC 9293 section 3.1: a segment in the middle of a connection whose ends started to count at
/// 1000 and 2000.
///
/// Simplified: no options. Real segments carry at least timestamps (RFC 7323).
fn tcp_header(message: &[u8], ip: IpVersion) -> [u8; TCP_LEN] {
    const ACK: u8 = 0x10;
    const PSH: u8 = 0x08;
    let mut header = [0; TCP_LEN];
    BigEndian::write_u16(&mut header[0..2], SOURCE_PORT);
    BigEndian::write_u16(&mut header[2..4], Transport::Tcp.destination_port());
    BigEndian::write_u32(&mut header[4..8], 1001);
    BigEndian::write_u32(&mut header[8..12], 2001);
    // The upper four bits: the header's length in words of four bytes.
    header[12] = 5 << 4;
    header[13] = if message.is_empty() { ACK } else { ACK | PSH };
    BigEndian::write_u16(&mut header[14..16], 64240);
    let pseudo = pseudo_header(ip, Transport::Tcp, TCP_LEN + message.len());
    let checksum = checksum(&[&pseudo, &header, message]);
    BigEndian::write_u16(&mut header[16..18], checksum);
    header
}

/// RFC 791 section 3.1.
fn ipv4_header(segment: &[u8], transport: Transport) -> [u8; IPV4_LEN] {
    const DONT_FRAGMENT: u16 = 0x4000;
    let mut header = [0; IPV4_LEN];
    header[0] = 4 << 4 | 5;
    BigEndian::write_u16(&mut header[2..4], len_u16(IPV4_LEN + segment.len()));
    // RFC 6864: the identification says which fragments belong together, and a packet that must
    // not be cut needs none.
    BigEndian::write_u16(&mut header[6..8], DONT_FRAGMENT);
    header[8] = HOP_LIMIT;
    header[9] = transport.number();
    header[12..16].copy_from_slice(&SOURCE_V4.octets());
    header[16..20].copy_from_slice(&DESTINATION_V4.octets());
    let checksum = checksum(&[&header]);
    BigEndian::write_u16(&mut header[10..12], checksum);
    header
}

/// RFC 8200 section 3. It has no checksum: those of the layers below and above are enough, and
/// routers, which change the hop limit, are spared the work.
fn ipv6_header(segment: &[u8], transport: Transport) -> [u8; IPV6_LEN] {
    let mut header = [0; IPV6_LEN];
    header[0] = 6 << 4;
    BigEndian::write_u16(&mut header[4..6], len_u16(segment.len()));
    header[6] = transport.number();
    header[7] = HOP_LIMIT;
    header[8..24].copy_from_slice(&SOURCE_V6.octets());
    header[24..40].copy_from_slice(&DESTINATION_V6.octets());
    header
}

/// IEEE 802.3, in the form that RFC 894 and RFC 2464 use.
fn ethernet_header(ip: IpVersion) -> [u8; ETHERNET_LEN] {
    let mut header = [0; ETHERNET_LEN];
    // The destination comes first, so that a switch can decide while the rest still arrives.
    header[0..6].copy_from_slice(&DESTINATION_MAC);
    header[6..12].copy_from_slice(&SOURCE_MAC);
    let ether_type = match ip {
        IpVersion::V4 => 0x0800,
        IpVersion::V6 => 0x86dd,
    };
    BigEndian::write_u16(&mut header[12..14], ether_type);
    header
}

/// What a transport's checksum covers beside its own bytes, so that a packet that reached the
/// wrong machine is noticed there: RFC 768 and RFC 9293 for IPv4, RFC 8200 section 8.1 for IPv6.
/// It is never sent.
fn pseudo_header(ip: IpVersion, transport: Transport, len: usize) -> Vec<u8> {
    match ip {
        IpVersion::V4 => {
            let mut pseudo = [0; 12];
            pseudo[0..4].copy_from_slice(&SOURCE_V4.octets());
            pseudo[4..8].copy_from_slice(&DESTINATION_V4.octets());
            pseudo[9] = transport.number();
            BigEndian::write_u16(&mut pseudo[10..12], len_u16(len));
            pseudo.to_vec()
        }
        IpVersion::V6 => {
            let mut pseudo = [0; 40];
            pseudo[0..16].copy_from_slice(&SOURCE_V6.octets());
            pseudo[16..32].copy_from_slice(&DESTINATION_V6.octets());
            // The field has 32 bits; a packet of this lesson needs the lower 16.
            BigEndian::write_u16(&mut pseudo[34..36], len_u16(len));
            pseudo[39] = transport.number();
            pseudo.to_vec()
        }
    }
}

// ANCHOR: checksum
/// RFC 1071: the ones' complement of the ones' complement sum of all 16-bit words. Every part but
/// the last has an even number of bytes; an odd one at the end counts as if a zero followed.
fn checksum(parts: &[&[u8]]) -> u16 {
    !parts.iter().fold(0, |sum, part| add_words(sum, part))
}

fn add_words(sum: u16, bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(sum, |sum, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, carried) = sum.overflowing_add(word);
        // What is carried out at the top comes in again at the bottom. This cannot overflow:
        // after a carry the sum is at most fffe.
        sum + u16::from(carried)
    })
}
// ANCHOR_END: checksum

/// Lengths here are below the 1500 bytes of a frame, so this never saturates.
fn len_u16(len: usize) -> u16 {
    // Invariant: the message's limit was checked before the first header was made.
    debug_assert!(len <= 1500, "longer than an Ethernet frame: {len}");
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// A header or the message, taken apart.
struct Layer {
    title: String,
    fields: Vec<Field>,
}

impl Layer {
    fn new(osi: &str, tcp_ip: &str, what: &str, fields: Vec<Field>) -> Self {
        Self { title: format!("OSI {osi} | TCP/IP {tcp_ip} | {what}"), fields }
    }

    fn len(&self) -> usize {
        self.fields.iter().map(|field| field.len).sum()
    }
}

/// The next so many bytes, and what they say.
struct Field {
    len: usize,
    meaning: String,
}

fn field(len: usize, meaning: impl Into<String>) -> Field {
    Field { len, meaning: meaning.into() }
}

/// Every byte of the frame belongs to one field, in the order of the wire.
fn label(frame: &[u8], transport: Transport, ip: IpVersion) -> [Layer; 4] {
    let ip_len = match ip {
        IpVersion::V4 => IPV4_LEN,
        IpVersion::V6 => IPV6_LEN,
    };
    let (ethernet, packet) = frame.split_at(ETHERNET_LEN);
    let (header, segment) = packet.split_at(ip_len);
    let message = &segment[transport.header_len()..];
    [
        label_ethernet(ethernet),
        match ip {
            IpVersion::V4 => label_ipv4(header, transport),
            IpVersion::V6 => label_ipv6(header, transport),
        },
        match transport {
            Transport::Udp => label_udp(segment),
            Transport::Tcp => label_tcp(segment),
        },
        label_message(message),
    ]
}

fn label_ethernet(header: &[u8]) -> Layer {
    let ether_type = BigEndian::read_u16(&header[12..14]);
    let inside = if ether_type == 0x0800 { "IPv4" } else { "IPv6" };
    let fields = vec![
        field(6, "destination: a network card on this cable"),
        field(6, "source: our network card"),
        field(2, format!("type {ether_type:04x}: {inside} is inside")),
    ];
    Layer::new("2 data link", "link", "Ethernet", fields)
}

fn label_ipv4(header: &[u8], transport: Transport) -> Layer {
    let total = BigEndian::read_u16(&header[2..4]);
    let source = Ipv4Addr::from_bits(BigEndian::read_u32(&header[12..16]));
    let destination = Ipv4Addr::from_bits(BigEndian::read_u32(&header[16..20]));
    let fields = vec![
        field(1, "version 4, header of 5 words of 4 bytes"),
        field(1, "service: nothing special"),
        field(2, format!("length {total}, from here to the message's end")),
        field(2, "identification: not needed, as it must not be cut"),
        field(2, "flags: don't fragment; fragment offset 0"),
        field(1, format!("time to live: {} routers", header[8])),
        field(1, format!("protocol {}: {} is inside", header[9], transport.name())),
        field(2, "checksum of this header alone"),
        field(4, format!("source {source}")),
        field(4, format!("destination {destination}")),
    ];
    Layer::new("3 network", "internet", "IPv4 (RFC 791)", fields)
}

fn label_ipv6(header: &[u8], transport: Transport) -> Layer {
    let payload = BigEndian::read_u16(&header[4..6]);
    let source = Ipv6Addr::from_bits(BigEndian::read_u128(&header[8..24]));
    let destination = Ipv6Addr::from_bits(BigEndian::read_u128(&header[24..40]));
    let fields = vec![
        field(4, "version 6, traffic class 0, flow label 0"),
        field(2, format!("payload length {payload}, all behind this header")),
        field(1, format!("next header {}: {} is inside", header[6], transport.name())),
        field(1, format!("hop limit: {} routers", header[7])),
        field(16, format!("source {source}")),
        field(16, format!("destination {destination}")),
    ];
    Layer::new("3 network", "internet", "IPv6 (RFC 8200)", fields)
}

fn label_udp(segment: &[u8]) -> Layer {
    let length = BigEndian::read_u16(&segment[4..6]);
    let fields = vec![
        field(2, format!("source port {}", BigEndian::read_u16(&segment[0..2]))),
        field(2, format!("destination port {}", BigEndian::read_u16(&segment[2..4]))),
        field(2, format!("length {length}, header and message")),
        field(2, "checksum of addresses, header and message"),
    ];
    Layer::new("4 transport", "transport", "UDP (RFC 768)", fields)
}

fn label_tcp(segment: &[u8]) -> Layer {
    let sequence = BigEndian::read_u32(&segment[4..8]);
    let acknowledged = BigEndian::read_u32(&segment[8..12]);
    let flags = if segment[13] & 0x08 == 0 { "ACK" } else { "ACK, PSH (hand it on at once)" };
    let fields = vec![
        field(2, format!("source port {}", BigEndian::read_u16(&segment[0..2]))),
        field(2, format!("destination port {}", BigEndian::read_u16(&segment[2..4]))),
        field(4, format!("sequence number {sequence}: of the message's first byte")),
        field(4, format!("acknowledgement {acknowledged}: the next byte we expect")),
        field(1, "header of 5 words of 4 bytes"),
        field(1, format!("flags {flags}")),
        field(2, format!("window: we take {} bytes", BigEndian::read_u16(&segment[14..16]))),
        field(2, "checksum of addresses, header and message"),
        field(2, "urgent pointer: unused"),
    ];
    Layer::new("4 transport", "transport", "TCP (RFC 9293)", fields)
}

/// Rows of at most eight bytes that cut no character in two, so that 我 can be seen to be
/// e6 88 91.
fn label_message(message: &[u8]) -> Layer {
    let mut rows: Vec<String> = Vec::new();
    for character in String::from_utf8_lossy(message).chars() {
        match rows.last_mut() {
            Some(row) if row.len() + character.len_utf8() <= BYTES_PER_ROW => row.push(character),
            _ => rows.push(character.to_string()),
        }
    }
    let fields = rows.iter().map(|row| field(row.len(), escape(row.as_bytes()).to_string()));
    Layer::new(
        "5-7 session, presentation, application",
        "application",
        "the message in UTF-8",
        fields.collect(),
    )
}

const BYTES_PER_ROW: usize = 8;

fn say_field(offset: usize, bytes: &[u8], field: &Field) -> anyhow::Result<()> {
    for (row, bytes) in bytes.chunks(BYTES_PER_ROW).enumerate() {
        let meaning = if row == 0 { field.meaning.as_str() } else { "" };
        let line = format!("{:>5}  {:23}  {meaning}", offset + row * BYTES_PER_ROW, hex(bytes));
        say!("{}", line.trim_end())?;
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{space}{byte:02x}");
    }
    text
}

/// What stands before each frame on an Ethernet cable: preamble and start of frame delimiter.
const PREAMBLE_LEN: usize = 8;

/// The frame's check sequence, CRC-32.
const CHECK_LEN: usize = 4;

/// How many bytes a frame of the kernel's has on the cable.
fn wire_len(frame_len: usize) -> usize {
    PREAMBLE_LEN + frame_len + padding_len(frame_len) + CHECK_LEN
}

/// IEEE 802.3: a frame has at least 64 bytes, the check sequence among them.
fn padding_len(frame_len: usize) -> usize {
    (64 - CHECK_LEN).saturating_sub(frame_len)
}

/// The bytes that no program ever sees.
fn say_card(frame_len: usize) -> anyhow::Result<()> {
    let padding = count(padding_len(frame_len), "byte");
    say!("OSI 1 physical | TCP/IP link | what the network card adds")?;
    say!("       before: {PREAMBLE_LEN} bytes, by which a receiver finds the beginning")?;
    say!("       behind: {padding} of padding, then {CHECK_LEN} bytes of CRC-32")?;
    Ok(())
}

// ANCHOR: order
/// One number in both orders of bytes.
fn say_byte_order(port: u16) -> anyhow::Result<()> {
    let (mut network, mut little) = ([0; 2], [0; 2]);
    BigEndian::write_u16(&mut network, port);
    LittleEndian::write_u16(&mut little, port);
    say!("byte order of port {port} = 0x{port:04x}")?;
    say!("       {}  on the wire: big-endian, Python's struct.pack('!H', {port})", hex(&network))?;
    say!("       {}  in most processors: little-endian, '<H'", hex(&little))?;
    Ok(())
}
// ANCHOR_END: order

#[cfg(test)]
mod tests;
