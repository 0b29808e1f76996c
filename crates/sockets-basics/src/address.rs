//! Lesson `address`: what the bits of an address say.
//!
//! ```text
//!  192.168.1.15/24      the first 24 bits name the network, the rest a host in it
//!
//!  address    11000000.10101000.00000001|00001111
//!  mask       11111111.11111111.11111111|00000000     24 ones, then zeros
//!  network    11000000.10101000.00000001|00000000     address AND mask
//!  broadcast  11000000.10101000.00000001|11111111     network OR NOT mask
//! ```
//!
//! Nothing here touches the network: an address is a number, and all this is arithmetic on it.
//! What a host does with it stands in ip(7) and ipv6(7): an address in our own network is sent to
//! directly, all others by way of a router.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use cli::say;

/// What the bits of an address say
#[derive(clap::Args)]
pub struct Args {
    /// Addresses, each with or without its network: 192.168.1.15/24, 10.0.0.1/255.0.0.0, fe80::1
    #[arg(value_name = "IP[/PREFIX]", required = true)]
    addresses: Vec<Address>,
}

/// Describes each address in turn.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: Args) -> anyhow::Result<()> {
    for (index, address) in args.addresses.into_iter().enumerate() {
        if index > 0 {
            say!("")?;
        }
        for line in describe(address) {
            say!("{line}")?;
        }
    }
    Ok(())
}

/// An address, and how many of its leading bits name the network, where that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// 32 bits; the prefix is at most 32.
    V4(Ipv4Addr, Option<u8>),
    /// 128 bits; the prefix is at most 128.
    V6(Ipv6Addr, Option<u8>),
}

/// Why a text is not an address, in words for someone who types one for the first time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// `192.168.1`
    #[error("an IPv4 address is four numbers with dots between them, this has {got}")]
    PartCount {
        /// How many parts the dots make.
        got: usize,
    },
    /// `localhost`, `192.168.1.x`
    #[error("{part:?} is not a number (for names there is the lesson `resolve`)")]
    NotANumber {
        /// The part between two dots.
        part: String,
    },
    /// `192.168.1.256`
    #[error("{part} is more than 255, the most that one byte holds")]
    PartTooLarge {
        /// The part between two dots.
        part: String,
    },
    /// `192.168.01.1`: inet_aton(3) takes it as octal, others as decimal, so nobody should guess.
    #[error("{part} begins with 0: some programs read that as octal, so leave the 0 out")]
    LeadingZero {
        /// The part between two dots.
        part: String,
    },
    /// `fe80:::1`, `12345::`
    #[error(
        "an IPv6 address is eight groups of up to four hex digits with colons between them, \
         and :: once for groups that are 0"
    )]
    NotIpv6,
    /// `fe80::1%eth0`
    #[error("%{zone} names an interface of one machine and is no part of the address")]
    Zone {
        /// What stood behind the percent sign.
        zone: String,
    },
    /// `127.0.0.1:80`, `[::1]:80`
    #[error("{port} is a port; this lesson takes the address alone: {ip}")]
    Port {
        /// The address before it.
        ip: IpAddr,
        /// What stood behind the last colon.
        port: u16,
    },
    /// `10.0.0.1/`, `10.0.0.1/x`
    #[error("{text:?} behind the slash is neither a number of bits nor a mask")]
    PrefixNotANumber {
        /// What stood behind the slash.
        text: String,
    },
    /// `10.0.0.1/33`
    #[error("/{prefix} is too long: the address has {max} bits")]
    PrefixTooLong {
        /// What stood behind the slash.
        prefix: String,
        /// The bits of an address of this family.
        max: u8,
    },
    /// `10.0.0.1/255.0.255.0`
    #[error("{mask} is no mask, which is ones and then zeros; in bits it is {}", dotted(*mask))]
    MaskWithHoles {
        /// What stood behind the slash.
        mask: Ipv4Addr,
    },
    /// `::1/255.255.255.0`
    #[error("IPv6 has no masks, only a number of bits, 0 to 128")]
    MaskForIpv6,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        match ip_from_str(ip)? {
            IpAddr::V4(ip) => Ok(Self::V4(ip, prefix.map(prefix_v4).transpose()?)),
            IpAddr::V6(ip) => Ok(Self::V6(ip, prefix.map(prefix_v6).transpose()?)),
        }
    }
}

fn ip_from_str(text: &str) -> Result<IpAddr, AddressError> {
    if let Ok(ip) = text.parse() {
        return Ok(ip);
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Err(AddressError::Port { ip: socket.ip(), port: socket.port() });
    }
    if let Some((_, zone)) = text.split_once('%') {
        return Err(AddressError::Zone { zone: zone.escape_debug().to_string() });
    }
    Err(if text.contains(':') { AddressError::NotIpv6 } else { why_not_ipv4(text) })
}

/// std says only "invalid IPv4 address syntax"; the reader wants to know which part is wrong.
fn why_not_ipv4(text: &str) -> AddressError {
    let parts: Vec<&str> = text.split('.').collect();
    for part in &parts {
        let part = (*part).to_owned();
        if part.is_empty() || part.chars().any(|digit| !digit.is_ascii_digit()) {
            return AddressError::NotANumber { part };
        }
        if part.parse::<u8>().is_err() {
            return AddressError::PartTooLarge { part };
        }
        if part.len() > 1 && part.starts_with('0') {
            return AddressError::LeadingZero { part };
        }
    }
    AddressError::PartCount { got: parts.len() }
}

fn prefix_v4(text: &str) -> Result<u8, AddressError> {
    let Ok(mask) = text.parse::<Ipv4Addr>() else { return prefix(text, 32) };
    let ones = mask.to_bits().leading_ones();
    // RFC 950 allowed masks with holes; RFC 4632 section 5.1 wants all the ones on the left.
    if mask.to_bits().count_ones() != ones {
        return Err(AddressError::MaskWithHoles { mask });
    }
    Ok(u8::try_from(ones).unwrap_or(32))
}

fn prefix_v6(text: &str) -> Result<u8, AddressError> {
    match text.parse::<Ipv4Addr>() {
        Ok(_) => Err(AddressError::MaskForIpv6),
        Err(_) => prefix(text, 128),
    }
}

fn prefix(text: &str, max: u8) -> Result<u8, AddressError> {
    if text.is_empty() || text.bytes().any(|digit| !digit.is_ascii_digit()) {
        return Err(AddressError::PrefixNotANumber { text: text.to_owned() });
    }
    match text.parse() {
        Ok(prefix) if prefix <= max => Ok(prefix),
        _ => Err(AddressError::PrefixTooLong { prefix: text.to_owned(), max }),
    }
}

/// What there is to say about an address, a line each.
#[must_use]
pub fn describe(address: Address) -> Vec<String> {
    match address {
        Address::V4(ip, prefix) => describe_v4(ip, prefix),
        Address::V6(ip, prefix) => describe_v6(ip, prefix),
    }
}

fn describe_v4(ip: Ipv4Addr, prefix: Option<u8>) -> Vec<String> {
    let class = Class::of(ip);
    let mut lines = match (prefix, class.prefix) {
        (Some(prefix), _) => network_v4(ip, prefix, &format!("{ip}/{prefix}")),
        (None, Some(by_class)) => {
            let title = format!("{ip}, without a prefix: /{by_class}, as its class once meant");
            network_v4(ip, by_class, &title)
        }
        (None, None) => vec![ip.to_string(), row("address", dotted(ip))],
    };
    lines.push(row("class", class.text));
    lines.push(row("range", Range::of(ip.into())));
    lines
}

// ANCHOR: network
fn network_v4(ip: Ipv4Addr, prefix: u8, title: &str) -> Vec<String> {
    let mask = mask_v4(prefix);
    let network = ip & mask;
    let host = ip & !mask;
    let broadcast = network | !mask;

    let in_bits = |name, ip: Ipv4Addr| {
        row(name, format_args!("{}  {ip}", bits(&ip.octets(), '.', 1, Some(prefix))))
    };
    let mut lines = vec![
        title.to_owned(),
        in_bits("address", ip),
        in_bits("mask", mask),
        in_bits("network", network),
        in_bits("host", host),
    ];
    // With one bit or none for the host, there is no address to spare for a broadcast.
    if prefix < 31 && Class::of(ip).prefix.is_some() {
        lines.push(in_bits("broadcast", broadcast));
    }
    lines.push(row("hosts", hosts_v4(ip, prefix)));
    lines
}

fn mask_v4(prefix: u8) -> Ipv4Addr {
    let zeros = u32::from(32_u8.saturating_sub(prefix));
    // Shifting all 32 bits out is /0; the shift operator would refuse it.
    Ipv4Addr::from_bits(u32::MAX.checked_shl(zeros).unwrap_or(0))
}
// ANCHOR_END: network

fn hosts_v4(ip: Ipv4Addr, prefix: u8) -> String {
    let (first, last) = (ip & mask_v4(prefix), ip | !mask_v4(prefix));
    let count = 1_u64 << 32_u8.saturating_sub(prefix);
    if Class::of(ip).prefix.is_none() {
        return "none: only classes A to C have hosts".to_owned();
    }
    match prefix {
        32 => format!("1: {ip} alone"),
        // RFC 3021: a link with two ends needs no network address and no broadcast.
        31 => format!("2: {first} and {last}, the ends of a link (RFC 3021)"),
        _ => {
            let (from, to) = (first.to_bits() + 1, last.to_bits() - 1);
            let (from, to) = (Ipv4Addr::from_bits(from), Ipv4Addr::from_bits(to));
            let here = match ip {
                ip if ip == first => "; this address is the network itself, no host",
                ip if ip == last => "; this address is the broadcast, no host",
                _ => "",
            };
            format!("{}: {from} to {to}{here}", grouped(count - 2))
        }
    }
}

fn describe_v6(ip: Ipv6Addr, prefix: Option<u8>) -> Vec<String> {
    let title = prefix.map_or_else(|| ip.to_string(), |prefix| format!("{ip}/{prefix}"));
    let mut lines = vec![title];
    // 128 bits are too many for one line of a terminal, so they take four.
    for (index, quarter) in (0_u8..).zip(ip.octets().chunks(4)) {
        let name = if index == 0 { "address" } else { "" };
        let bar = prefix.and_then(|prefix| prefix.checked_sub(index * 32));
        // A boundary between two lines is shown once, at the end of the upper one.
        let bar = bar.filter(|bar| *bar <= 32 && (*bar > 0 || index == 0));
        let (bits, hex) = (bits(quarter, ':', 2, bar), hex_groups(quarter));
        lines.push(row(name, format_args!("{bits}  {hex}")));
    }
    if let Some(prefix) = prefix {
        let mask = mask_v6(prefix);
        let (network, last) = (ip & mask, ip | !mask);
        lines.push(row("network", network));
        lines.push(row("host", ip & !mask));
        lines.push(row("addresses", addresses_v6(network, last, prefix)));
    } else {
        lines.push(row("network", "not said: IPv6 has no classes (on most links it is /64)"));
    }
    lines.push(row("range", Range::of(ip.into())));
    if let Some(inside) = ip.to_ipv4_mapped() {
        lines.push(row("inside", format_args!("{inside}: {}", Range::of(inside.into()))));
    }
    lines
}

fn mask_v6(prefix: u8) -> Ipv6Addr {
    let zeros = u32::from(128_u8.saturating_sub(prefix));
    Ipv6Addr::from_bits(u128::MAX.checked_shl(zeros).unwrap_or(0))
}

fn addresses_v6(first: Ipv6Addr, last: Ipv6Addr, prefix: u8) -> String {
    match 128_u8.saturating_sub(prefix) {
        0 => format!("1: {first} alone"),
        // RFC 6164, the IPv6 counterpart of RFC 3021.
        1 => format!("2: {first} and {last}, the ends of a link (RFC 6164)"),
        bits => format!("2^{bits}: {first} to {last}; IPv6 has no broadcast"),
    }
}

fn row(name: &str, what: impl std::fmt::Display) -> String {
    format!("  {name:9}  {what}")
}

/// `11000000.10101000.00000001|00001111`: a separator after every `group` bytes, and a bar after
/// the network's bits.
fn bits(bytes: &[u8], separator: char, group: usize, network: Option<u8>) -> String {
    let network = network.map(usize::from);
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        for (bit, digit) in format!("{byte:08b}").chars().enumerate() {
            let position = index * 8 + bit;
            if network == Some(position) {
                text.push('|');
            } else if position > 0 && position.is_multiple_of(group * 8) {
                text.push(separator);
            }
            text.push(digit);
        }
    }
    if network == Some(bytes.len() * 8) {
        text.push('|');
    }
    text
}

fn dotted(ip: Ipv4Addr) -> String {
    bits(&ip.octets(), '.', 1, None)
}

/// `2001:0db8`, with the zeros that an address usually drops.
fn hex_groups(bytes: &[u8]) -> String {
    let group = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(2).map(group).collect::<Vec<_>>().join(":")
}

/// `16777214` as `16,777,214`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What the first bits of an IPv4 address meant until 1993 (RFC 791), when RFC 1519 (today
/// RFC 4632) let a prefix of any length say it instead.
struct Class {
    /// The bits of the network part; classes D and E have none.
    prefix: Option<u8>,
    text: &'static str,
}

impl Class {
    fn of(ip: Ipv4Addr) -> Self {
        let (prefix, text) = match ip.octets()[0].leading_ones() {
            0 => (Some(8), "A until 1993 (begins with 0): 126 networks of 16,777,214 hosts"),
            1 => (Some(16), "B until 1993 (begins with 10): 16,384 networks of 65,534 hosts"),
            2 => (Some(24), "C until 1993 (begins with 110): 2,097,152 networks of 254 hosts"),
            3 => (None, "D (begins with 1110): each address a group of receivers"),
            _ => (None, "E (begins with 1111): reserved"),
        };
        Self { prefix, text }
    }
}

/// Addresses that are set aside for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    prefix: u8,
    what: &'static str,
    /// Where that is written.
    source: &'static str,
}

impl Range {
    /// The smallest range that `ip` is in.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        let ranges = match ip {
            IpAddr::V4(_) => RANGES_V4,
            IpAddr::V6(_) => RANGES_V6,
        };
        let holding = ranges.iter().filter(|range| range.contains(ip));
        let otherwise = if ip.is_ipv4() { PUBLIC_V4 } else { UNASSIGNED_V6 };
        holding.max_by_key(|range| range.prefix).copied().unwrap_or(otherwise)
    }

    /// What the addresses of the range are for.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }

    fn contains(&self, ip: IpAddr) -> bool {
        match (ip, self.first) {
            (IpAddr::V4(ip), IpAddr::V4(first)) => ip & mask_v4(self.prefix) == first,
            (IpAddr::V6(ip), IpAddr::V6(first)) => ip & mask_v6(self.prefix) == first,
            _ => false,
        }
    }

    const fn v4(first: [u8; 4], prefix: u8, what: &'static str, source: &'static str) -> Self {
        let [a, b, c, d] = first;
        Self { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix, what, source }
    }

    const fn v6(first: u128, prefix: u8, what: &'static str, source: &'static str) -> Self {
        Self { first: IpAddr::V6(Ipv6Addr::from_bits(first)), prefix, what, source }
    }
}

/// `private … (RFC 1918), 192.168.0.0/16`
impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.what, self.source)?;
        if self.prefix > 0 {
            write!(f, ", {}/{}", self.first, self.prefix)?;
        }
        Ok(())
    }
}

const PUBLIC_V4: Range = Range::v4([0; 4], 0, "public: one owner in the world", "RFC 7020");
const UNASSIGNED_V6: Range = Range::v6(0, 0, "not in use", "RFC 4291");

/// From IANA's registry of special-purpose IPv4 addresses (RFC 6890), what a programmer meets.
const RANGES_V4: &[Range] = &[
    Range::v4([0, 0, 0, 0], 8, "this network: only as a source while booting", "RFC 1122"),
    Range::v4([0, 0, 0, 0], 32, "unspecified: bind to it for all our addresses", "RFC 1122"),
    Range::v4([10, 0, 0, 0], 8, "private: ours to use, never on the Internet", "RFC 1918"),
    Range::v4([100, 64, 0, 0], 10, "shared: between a provider's NAT and us", "RFC 6598"),
    Range::v4([127, 0, 0, 0], 8, "loopback: never leaves this machine", "RFC 1122"),
    Range::v4([169, 254, 0, 0], 16, "link-local: chosen alone, without DHCP", "RFC 3927"),
    Range::v4([172, 16, 0, 0], 12, "private: ours to use, never on the Internet", "RFC 1918"),
    Range::v4([192, 0, 0, 0], 24, "for the protocols' own use", "RFC 6890"),
    Range::v4([192, 0, 2, 0], 24, "documentation: for examples only", "RFC 5737"),
    Range::v4([192, 168, 0, 0], 16, "private: ours to use, never on the Internet", "RFC 1918"),
    Range::v4([198, 18, 0, 0], 15, "benchmarks in a laboratory", "RFC 2544"),
    Range::v4([198, 51, 100, 0], 24, "documentation: for examples only", "RFC 5737"),
    Range::v4([203, 0, 113, 0], 24, "documentation: for examples only", "RFC 5737"),
    Range::v4([224, 0, 0, 0], 4, "multicast: all who joined the group", "RFC 5771"),
    Range::v4([224, 0, 0, 0], 24, "multicast on this link only, for routing and such", "RFC 5771"),
    Range::v4([239, 0, 0, 0], 8, "multicast within one organisation", "RFC 2365"),
    Range::v4([240, 0, 0, 0], 4, "reserved: never used", "RFC 1112"),
    Range::v4([255, 255, 255, 255], 32, "broadcast: all on this link", "RFC 919"),
];

/// The same for IPv6.
const RANGES_V6: &[Range] = &[
    Range::v6(0, 128, "unspecified: bind to it for all our addresses", "RFC 4291"),
    Range::v6(1, 128, "loopback: never leaves this machine", "RFC 4291"),
    Range::v6(0xffff << 32, 96, "IPv4-mapped: an IPv4 peer on an IPv6 socket", "RFC 4291"),
    Range::v6(0x64_ff9b << 96, 96, "IPv4 reached through NAT64", "RFC 6052"),
    Range::v6(0x100 << 112, 64, "discarded wherever it is sent", "RFC 6666"),
    Range::v6(0x2000 << 112, 3, "public: one owner in the world", "RFC 4291"),
    Range::v6(0x2001 << 112, 32, "Teredo: IPv6 through IPv4 NAT, history", "RFC 4380"),
    Range::v6(0x2001_0db8 << 96, 32, "documentation: for examples only", "RFC 3849"),
    Range::v6(0x2002 << 112, 16, "6to4: IPv6 through IPv4, history", "RFC 3056"),
    Range::v6(0x3fff << 112, 20, "documentation: for examples only", "RFC 9637"),
    Range::v6(0xfc00 << 112, 7, "unique local: ours to use, never on the Internet", "RFC 4193"),
    Range::v6(0xfe80 << 112, 10, "link-local: on this link only, every host has one", "RFC 4291"),
    Range::v6(0xff00 << 112, 8, "multicast: all who joined the group", "RFC 4291"),
];

#[cfg(test)]
mod tests;
