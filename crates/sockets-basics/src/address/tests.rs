//! Tests of the arithmetic on addresses: a table each for what is understood, what is refused, and
//! what is said. The numbers were worked out by Python's `ipaddress`.

use super::*;

#[test]
fn an_address_is_understood_with_a_prefix_a_mask_or_neither() {
    check_parse("192.168.1.15/24", v4([192, 168, 1, 15], Some(24)));
    check_parse("192.168.1.15/255.255.255.0", v4([192, 168, 1, 15], Some(24)));
    check_parse("10.0.0.1/0.0.0.0", v4([10, 0, 0, 1], Some(0)));
    check_parse("10.0.0.1/255.255.255.255", v4([10, 0, 0, 1], Some(32)));
    check_parse("10.0.0.1", v4([10, 0, 0, 1], None));
    check_parse("10.0.0.1/0", v4([10, 0, 0, 1], Some(0)));
    check_parse("10.0.0.1/32", v4([10, 0, 0, 1], Some(32)));
    check_parse("::1", Address::V6(Ipv6Addr::LOCALHOST, None));
    check_parse("::1/0", Address::V6(Ipv6Addr::LOCALHOST, Some(0)));
    check_parse("::1/128", Address::V6(Ipv6Addr::LOCALHOST, Some(128)));
}

#[test]
fn what_is_wrong_with_an_address_is_named() {
    let part = |part: &str| part.to_owned();
    let not_a_number = |text: &str| AddressError::NotANumber { part: part(text) };
    let no_prefix = |text: &str| AddressError::PrefixNotANumber { text: part(text) };

    check_refused("192.168.1", AddressError::PartCount { got: 3 });
    check_refused("1.2.3.4.5", AddressError::PartCount { got: 5 });
    check_refused("7", AddressError::PartCount { got: 1 });
    check_refused("", not_a_number(""));
    check_refused("1..2.3", not_a_number(""));
    check_refused("localhost", not_a_number("localhost"));
    check_refused("1.2.3.-4", not_a_number("-4"));
    check_refused("1.2.3.+4", not_a_number("+4"));
    check_refused("192.168.1.256", AddressError::PartTooLarge { part: part("256") });
    check_refused("192.168.01.1", AddressError::LeadingZero { part: part("01") });
    check_refused("fe80:::1", AddressError::NotIpv6);
    check_refused("12345::", AddressError::NotIpv6);
    check_refused("fe80::1%eth0/64", AddressError::Zone { zone: part("eth0") });
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    check_refused("127.0.0.1:80", AddressError::Port { ip, port: 80 });
    let ip = IpAddr::V6(Ipv6Addr::LOCALHOST);
    check_refused("[::1]:80", AddressError::Port { ip, port: 80 });
    check_refused("10.0.0.1/", no_prefix(""));
    check_refused("10.0.0.1/+8", no_prefix("+8"));
    check_refused("10.0.0.1/8/9", no_prefix("8/9"));
    check_refused("10.0.0.1/255.0.0", no_prefix("255.0.0"));
    check_refused("::1/x", no_prefix("x"));
    let too_long = |text: &str, max| AddressError::PrefixTooLong { prefix: part(text), max };
    check_refused("10.0.0.1/33", too_long("33", 32));
    check_refused("10.0.0.1/99999999999", too_long("99999999999", 32));
    check_refused("::1/129", too_long("129", 128));
    check_refused("::1/256", too_long("256", 128));
    let mask = Ipv4Addr::new(255, 0, 255, 0);
    check_refused("10.0.0.1/255.0.255.0", AddressError::MaskWithHoles { mask });
    // A wildcard, as routers' access lists write it, is a mask upside down.
    let mask = Ipv4Addr::new(0, 0, 0, 255);
    check_refused("10.0.0.1/0.0.0.255", AddressError::MaskWithHoles { mask });
    check_refused("::1/255.255.255.0", AddressError::MaskForIpv6);
}

#[test]
fn a_mask_with_holes_is_shown_in_bits() {
    let shown = "10.0.0.1/255.0.255.0".parse::<Address>().unwrap_err().to_string();
    assert!(shown.ends_with("11111111.00000000.11111111.00000000"), "{shown}");
}

#[test]
fn the_prefix_parts_the_bits() {
    let address = "address    11000000.10101000.00000001|00001111  192.168.1.15";
    check_says("192.168.1.15/24", address);
    check_says("192.168.1.15/24", "mask       11111111.11111111.11111111|00000000  255.255.255.0");
    check_says("172.16.37.9/20", "network    10101100.00010000.0010|0000.00000000  172.16.32.0");
    check_says("172.16.37.9/20", "host       00000000.00000000.0000|0101.00001001  0.0.5.9");
    check_says("172.16.37.9/20", "broadcast  10101100.00010000.0010|1111.11111111  172.16.47.255");
    check_says("10.0.0.1/0", "mask       |00000000.00000000.00000000.00000000  0.0.0.0");
    check_says("10.0.0.1/32", "mask       11111111.11111111.11111111.11111111|  255.255.255.255");
}

#[test]
fn two_addresses_of_a_network_belong_to_no_host_unless_it_is_a_link() {
    check_says("10.0.0.1", "hosts      16,777,214: 10.0.0.1 to 10.255.255.254");
    check_says("172.16.0.1", "hosts      65,534: 172.16.0.1 to 172.16.255.254");
    check_says("192.168.1.15/24", "hosts      254: 192.168.1.1 to 192.168.1.254");
    check_says(
        "192.168.1.15/30",
        "hosts      2: 192.168.1.13 to 192.168.1.14; this address is the broadcast, no host",
    );
    check_says(
        "192.168.1.12/30",
        "hosts      2: 192.168.1.13 to 192.168.1.14; this address is the network itself, no host",
    );
    check_says(
        "192.168.1.15/31",
        "hosts      2: 192.168.1.14 and 192.168.1.15, the ends of a link (RFC 3021)",
    );
    check_says("192.168.1.15/32", "hosts      1: 192.168.1.15 alone");
    check_says("10.0.0.1/0", "hosts      4,294,967,294: 0.0.0.1 to 255.255.255.254");
    check_says("224.0.0.1/4", "hosts      none: only classes A to C have hosts");
}

#[test]
fn without_a_prefix_the_class_says_where_the_network_part_ends() {
    for (ip, class, prefix) in [
        ("0.0.0.0", "A", Some(8)),
        ("127.255.255.255", "A", Some(8)),
        ("128.0.0.0", "B", Some(16)),
        ("191.255.255.255", "B", Some(16)),
        ("192.0.0.0", "C", Some(24)),
        ("223.255.255.255", "C", Some(24)),
        ("224.0.0.0", "D", None),
        ("239.255.255.255", "D", None),
        ("240.0.0.0", "E", None),
        ("255.255.255.255", "E", None),
    ] {
        let got = Class::of(ip.parse().unwrap());
        assert_eq!((&got.text[..1], got.prefix), (class, prefix), "{ip}");
    }
}

#[test]
fn an_ipv6_address_has_a_prefix_and_no_broadcast() {
    check_says("2001:db8::1/64", "network    2001:db8::");
    check_says("2001:db8::1/64", "host       ::1");
    check_says(
        "2001:db8::1/64",
        "addresses  2^64: 2001:db8:: to 2001:db8::ffff:ffff:ffff:ffff; IPv6 has no broadcast",
    );
    check_says("2001:db8::1/64", "           0000000000000000:0000000000000000|  0000:0000");
    check_says("2001:db8::1/29", "address    0010000000000001:0000110110111|000  2001:0db8");
    check_says("::1/0", "address    |0000000000000000:0000000000000000  0000:0000");
    check_says(
        "::1/0",
        "addresses  2^128: :: to ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff; IPv6 has no broadcast",
    );
    check_says("::1/128", "           0000000000000000:0000000000000001|  0000:0001");
    check_says("::1/128", "addresses  1: ::1 alone");
    check_says("::1/127", "addresses  2: :: and ::1, the ends of a link (RFC 6164)");
    check_says("::1", "network    not said: IPv6 has no classes (on most links it is /64)");
}

#[test]
fn every_ipv6_prefix_draws_one_bar() {
    for prefix in 0..=128 {
        let lines = describe(Address::V6(Ipv6Addr::LOCALHOST, Some(prefix)));
        assert_eq!(lines.concat().matches('|').count(), 1, "/{prefix}");
    }
}

#[test]
fn an_address_is_in_the_smallest_range_that_holds_it() {
    for (ip, begins) in [
        ("0.0.0.0", "unspecified"),
        ("0.0.0.1", "this network"),
        ("9.255.255.255", "public"),
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("11.0.0.0", "public"),
        ("100.63.255.255", "public"),
        ("100.64.0.0", "shared"),
        ("100.127.255.255", "shared"),
        ("100.128.0.0", "public"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("169.254.7.7", "link-local"),
        ("172.15.255.255", "public"),
        ("172.16.0.0", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", "public"),
        ("192.0.2.1", "documentation"),
        ("192.168.255.255", "private"),
        ("198.19.0.1", "benchmarks"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("224.0.0.251", "multicast on this link"),
        ("225.0.0.1", "multicast: all"),
        ("239.1.1.1", "multicast within"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::2", "not in use"),
        ("::ffff:10.0.0.1", "IPv4-mapped"),
        ("64:ff9b::808:808", "IPv4 reached through NAT64"),
        ("100::1", "discarded"),
        ("2001::1", "Teredo"),
        ("2001:db8::1", "documentation"),
        ("2001:db9::1", "public"),
        ("2002::1", "6to4"),
        ("3fff:fff::1", "documentation"),
        ("3fff:1000::1", "public"),
        ("4000::1", "not in use"),
        ("fbff::1", "not in use"),
        ("fc00::1", "unique local"),
        ("fdff::1", "unique local"),
        ("fe80::1", "link-local"),
        ("febf::1", "link-local"),
        ("fec0::1", "not in use"),
        ("ff02::1", "multicast"),
    ] {
        let range = Range::of(ip.parse().unwrap());
        assert!(range.what().starts_with(begins), "{ip}: {range}");
    }
}

#[test]
fn a_range_begins_where_its_prefix_ends() {
    for range in RANGES_V4.iter().chain(RANGES_V6) {
        assert!(range.contains(range.first), "{range} has bits set behind its prefix");
    }
}

#[test]
fn an_ipv4_address_inside_an_ipv6_address_is_shown() {
    let inside = "inside     192.168.1.15: private: ours to use, never on the Internet \
                  (RFC 1918), 192.168.0.0/16";
    check_says("::ffff:192.168.1.15", inside);
}

#[test]
fn thousands_are_grouped() {
    for (number, text) in
        [(0, "0"), (999, "999"), (1000, "1,000"), (65_534, "65,534"), (16_777_214, "16,777,214")]
    {
        assert_eq!(grouped(number), text);
    }
}

#[track_caller]
fn check_parse(text: &str, want: Address) {
    assert_eq!(text.parse(), Ok(want), "{text}");
}

#[track_caller]
fn check_refused(text: &str, want: AddressError) {
    assert_eq!(text.parse::<Address>(), Err(want), "{text}");
}

/// Among the lines that describe the address, one is `line`.
#[track_caller]
fn check_says(address: &str, line: &str) {
    let lines = describe(address.parse().unwrap());
    assert!(lines.iter().any(|got| got.trim_start() == line.trim_start()), "{lines:#?}\n{line}");
}

fn v4(octets: [u8; 4], prefix: Option<u8>) -> Address {
    Address::V4(octets.into(), prefix)
}
