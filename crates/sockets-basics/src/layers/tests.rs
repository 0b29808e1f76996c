//! Tests of the frames against ones that were built by Python's `struct`, and that Scapy built
//! alike from the same numbers.

use super::*;

#[test]
fn udp_over_ipv4_is_built_right_for_empty_odd_and_chinese_messages() {
    check(
        "hello!",
        Transport::Udp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         45000022000040004011b6c7c0000201c0000202 \
         c3c02328000e50f2 \
         68656c6c6f21",
    );
    check(
        "",
        Transport::Udp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         4500001c000040004011b6cdc0000201c0000202 \
         c3c02328000894f1",
    );
    check(
        "hi!",
        Transport::Udp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         4500001f000040004011b6cac0000201c0000202 \
         c3c02328000b0b82 \
         686921",
    );
    check(
        "我爱你",
        Transport::Udp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         45000025000040004011b6c4c0000201c0000202 \
         c3c0232800110eff \
         e68891e788b1e4bda0",
    );
}

#[test]
fn tcp_over_ipv4_is_built_right_for_empty_odd_and_chinese_messages() {
    check(
        "hello!",
        Transport::Tcp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         4500002e000040004006b6c6c0000201c0000202 \
         c3c022c2000003e9000007d15018faf0faa10000 \
         68656c6c6f21",
    );
    check(
        "",
        Transport::Tcp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         45000028000040004006b6ccc0000201c0000202 \
         c3c022c2000003e9000007d15010faf03ea30000",
    );
    check(
        "hi!",
        Transport::Tcp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         4500002b000040004006b6c9c0000201c0000202 \
         c3c022c2000003e9000007d15018faf0b52e0000 \
         686921",
    );
    check(
        "我爱你",
        Transport::Tcp,
        IpVersion::V4,
        "00005e00530200005e0053010800 \
         45000031000040004006b6c3c0000201c0000202 \
         c3c022c2000003e9000007d15018faf0b8b10000 \
         e68891e788b1e4bda0",
    );
}

#[test]
fn udp_over_ipv6_is_built_right_for_empty_odd_and_chinese_messages() {
    check(
        "hello!",
        Transport::Udp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         60000000000e114020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c02328000e7981 \
         68656c6c6f21",
    );
    check(
        "",
        Transport::Udp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         600000000008114020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c023280008bd80",
    );
    check(
        "hi!",
        Transport::Udp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         60000000000b114020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c02328000b3411 \
         686921",
    );
    check(
        "我爱你",
        Transport::Udp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         600000000011114020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c023280011378e \
         e68891e788b1e4bda0",
    );
}

#[test]
fn tcp_over_ipv6_is_built_right_for_empty_odd_and_chinese_messages() {
    check(
        "hello!",
        Transport::Tcp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         60000000001a064020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c022c2000003e9000007d15018faf023310000 \
         68656c6c6f21",
    );
    check(
        "",
        Transport::Tcp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         600000000014064020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c022c2000003e9000007d15010faf067320000",
    );
    check(
        "hi!",
        Transport::Tcp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         600000000017064020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c022c2000003e9000007d15018faf0ddbd0000 \
         686921",
    );
    check(
        "我爱你",
        Transport::Tcp,
        IpVersion::V6,
        "00005e00530200005e00530186dd \
         60000000001d064020010db80000000000000000 \
         0000000120010db8000000000000000000000002 \
         c3c022c2000003e9000007d15018faf0e1400000 \
         e68891e788b1e4bda0",
    );
}

#[test]
fn a_udp_checksum_of_0_is_sent_as_ffff() {
    for (message, ip, offset) in [("!ks~", IpVersion::V4, 40), ("?!~W", IpVersion::V6, 60)] {
        let frame = frame(message, Transport::Udp, ip);
        assert_eq!(hex(&frame[offset..offset + 2]), "ff ff", "{message}");
    }
}

#[test]
fn the_checksum_is_that_of_the_examples() {
    for (bytes, want) in [
        // RFC 1071 section 3: the sum is ddf2.
        (&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7][..], !0xddf2),
        // A carry that causes another.
        (&[0xff, 0xff, 0xff, 0xff, 0x00, 0x01], !0x0001),
        (&[0x12], !0x1200),
        (&[], 0xffff),
    ] {
        assert_eq!(checksum(&[bytes]), want, "{bytes:02x?}");
    }
}

#[test]
fn a_receiver_who_adds_up_all_words_gets_ffff() {
    for_all(|frame, transport, ip| {
        let (header, segment) = frame[ETHERNET_LEN..].split_at(match ip {
            IpVersion::V4 => IPV4_LEN,
            IpVersion::V6 => IPV6_LEN,
        });
        let pseudo = pseudo_header(ip, transport, segment.len());
        assert_eq!(checksum(&[&pseudo, segment]), 0, "{transport:?} {ip:?}");
        if ip == IpVersion::V4 {
            assert_eq!(checksum(&[header]), 0);
        }
    });
}

#[test]
fn every_byte_has_one_label() {
    for_all(|frame, transport, ip| {
        let network = if ip == IpVersion::V4 { 20 } else { 40 };
        let message = frame.len() - 14 - network - transport.header_len();
        let want = [14, network, transport.header_len(), message];
        assert_eq!(label(frame, transport, ip).map(|layer| layer.len()), want);
    });
}

#[test]
fn the_rows_of_a_message_cut_no_character() {
    let rows = |text: &str| {
        let layer = label_message(text.as_bytes());
        layer.fields.into_iter().map(|field| (field.len, field.meaning)).collect::<Vec<_>>()
    };
    let row = |text: &str| (text.len(), text.to_owned());
    assert_eq!(rows("我爱你"), [row("我爱"), row("你")]);
    assert_eq!(rows("12345678"), [row("12345678")]);
    assert_eq!(rows("1234567爱"), [row("1234567"), row("爱")]);
    assert_eq!(rows("\u{1b}[2J"), [(4, r"\u{1b}[2J".to_owned())]);
    assert_eq!(rows(""), []);
}

#[test]
fn a_message_fits_into_one_frame_or_is_refused() {
    let longest = "a".repeat(MESSAGE_LEN_MAX);
    let Message(message) = longest.parse().unwrap();
    assert_eq!(frame(&message, Transport::Tcp, IpVersion::V6).len(), ETHERNET_LEN + 1500);
    let got = MESSAGE_LEN_MAX + 1;
    assert_eq!(format!("{longest}a").parse::<Message>(), Err(MessageError::TooLong { got }));
    // Counted in bytes, not in characters.
    assert_eq!("爱".repeat(481).parse::<Message>(), Err(MessageError::TooLong { got: 1443 }));
}

#[track_caller]
fn check(message: &str, transport: Transport, ip: IpVersion, want: &str) {
    let got = hex(&frame(message, transport, ip));
    assert_eq!(got.replace(' ', ""), want.replace(' ', ""), "{message:?}");
}

/// Messages of many lengths and kinds, in every combination of protocols.
fn for_all(check: impl Fn(&[u8], Transport, IpVersion)) {
    let messages = (0..64).map(|len| "\u{7f}ÿ爱".chars().cycle().take(len).collect::<String>());
    for message in messages.chain(["!ks~".to_owned(), "?!~W".to_owned()]) {
        for transport in [Transport::Udp, Transport::Tcp] {
            for ip in [IpVersion::V4, IpVersion::V6] {
                check(&frame(&message, transport, ip), transport, ip);
            }
        }
    }
}
