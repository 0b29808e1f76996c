//! What a run leaves behind, read back by others: the picture by an XML parser, the capture by a
//! pcapng parser and one for frames.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use faults::{Deed, Direction};
use pcap_parser::{Block, PcapNGCapture};
use xtask::cable::trace::{Done, Flow, What};
use xtask::cable::traffic::{Passed, Traffic};
use xtask::recording::ladder::{ARROWS_MAX, Clock, draw};
use xtask::recording::{Recording, pcapng};

use Direction::{ToClient, ToServer};

const CLIENT: &str = "192.0.2.1:40001";
const SERVER: &str = "127.0.0.1:40002";

// --- the picture ----------------------------------------------------------------------------

#[test]
fn a_picture_is_xml_with_a_title_words_and_no_script() {
    let nasty = "<script>&\"']]>--\u{1}\u{202e} 我爱你";
    let svg = picture(&[datagram(ToServer, nasty, b"x", &[])], nasty);
    let tree = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{error}:\n{svg}"));
    let texts = |tag: &str| -> Vec<String> {
        let nodes = tree.descendants().filter(|node| node.tag_name().name() == tag);
        nodes.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    };
    assert!(texts("title")[0].contains("<script>&\"'"), "{svg}");
    assert!(texts("desc")[0].contains("ann sends server <script>"), "{svg}");
    assert!(texts("text").iter().any(|text| text.contains("我爱你")), "{svg}");
    assert!(texts("script").is_empty());
    assert!(texts("style")[0].contains("prefers-color-scheme:dark"));
}

#[test]
fn what_the_cable_did_is_drawn_and_said() {
    let late = Deed::Late(Duration::from_millis(20));
    let cross = "class=\"bad\"";
    // What was done, the word for it, crosses, tips.
    for (done, word, crosses, tips) in [
        (vec![], "", 0, 1),
        (vec![Deed::Lost], "lost", 1, 0),
        (vec![Deed::QueueFull], "dropped", 1, 0),
        (vec![Deed::Twice], "twice", 0, 2),
        (vec![Deed::Held(1)], "held for 1", 0, 1),
        (vec![late], "late 20 ms", 0, 1),
        (vec![late, Deed::Twice], "late 20 ms, twice", 0, 2),
    ] {
        let svg = picture(
            &[datagram(ToServer, "one", b"1", &done), datagram(ToServer, "two", b"2", &[])],
            "",
        );
        assert_eq!(svg.matches(cross).count(), crosses, "{done:?}: {svg}");
        assert_eq!(svg.matches("Z\"/>").count(), tips + 1, "{done:?}: {svg}");
        let (_, drawn) = svg.split_once("</desc>").unwrap();
        assert!(drawn.contains(word), "{done:?} is drawn: {svg}");
        assert!(svg.split_once("</desc>").unwrap().0.contains(word), "{done:?} is said: {svg}");
    }
}

#[test]
fn what_is_late_or_held_comes_in_below_what_has_passed_it() {
    for (deed, clock) in [
        (Deed::Held(1), Clock::Every),
        (Deed::Held(1), Clock::Pauses),
        (Deed::Late(Duration::from_millis(20)), Clock::Every),
        (Deed::Late(Duration::from_millis(100)), Clock::Pauses),
    ] {
        let passed =
            [datagram(ToServer, "one", b"1", &[deed]), datagram(ToServer, "two", b"2", &[])];
        let svg = draw(&traffic(&passed), "", "", "", clock);
        let ends: Vec<(f64, f64)> = svg.lines().filter_map(line).collect();
        let [(leaves, arrives), (second, level)] = ends[..] else { panic!("{svg}") };
        assert!(leaves < second && second < arrives, "{svg}");
        assert!((second - level).abs() < 0.1, "{svg}");
    }
}

#[test]
fn what_is_lost_among_others_falls_between_them_and_alone_is_level() {
    let late = Deed::Late(Duration::from_millis(100));
    let lost = || datagram(ToServer, "two", b"2", &[Deed::Lost]);
    let among = [
        datagram(ToServer, "one", b"1", &[late]),
        lost(),
        datagram(ToServer, "three", b"3", &[late]),
    ];
    let ends = |passed: &[Passed]| -> Vec<(f64, f64)> {
        let svg = draw(&traffic(passed), "", "", "", Clock::Pauses);
        svg.lines().filter_map(line).collect()
    };
    let [one, two, three] = ends(&among)[..] else { panic!() };
    assert!(two.1 > two.0 && one.1 < three.1, "{one:?} {two:?} {three:?}");
    // Where it ends it is between the two, which are on their way still.
    let part = |(leaves, arrives): (f64, f64)| leaves + (arrives - leaves) * 0.64;
    assert!(part(one) < two.1 && two.1 < part(three), "{one:?} {two:?} {three:?}");
    let [(leaves, arrives)] = ends(&[lost()])[..] else { panic!() };
    assert!((leaves - arrives).abs() < 0.1);
}

#[test]
fn words_have_the_slope_of_their_arrow_and_stand_clear_of_one_that_crosses_it() {
    let late = Deed::Late(Duration::from_millis(100));
    let words = |svg: &str, word: &str| -> String {
        svg.lines().find(|line| line.starts_with("<text") && line.contains(word)).unwrap().into()
    };
    let svg = picture(
        &[datagram(ToServer, "one", b"1", &[late]), datagram(ToServer, "two", b"2", &[])],
        "",
    );
    assert!(words(&svg, "one").contains("rotate("), "{svg}");
    // It overtakes the first: near its end the other is below it.
    assert!(words(&svg, "two").starts_with("<text class=\"end\""), "{svg}");
    let svg = picture(&[datagram(ToServer, "two", b"2", &[])], "");
    assert!(words(&svg, "two").starts_with("<text class=\"mid\""), "{svg}");
}

#[test]
fn what_is_held_waits_only_for_a_while() {
    let mut much_later = datagram(ToServer, "two", b"2", &[]);
    much_later.at = Duration::from_secs(1);
    let passed = [datagram(ToServer, "one", b"1", &[Deed::Held(1)]), much_later];
    for clock in [Clock::Every, Clock::Pauses] {
        let svg = draw(&traffic(&passed), "", "", "", clock);
        let ends: Vec<(f64, f64)> = svg.lines().filter_map(line).collect();
        assert!(ends[0].1 < ends[1].0, "it comes in before the other leaves: {svg}");
    }
}

#[test]
fn an_arrow_goes_from_its_sender_to_its_receiver() {
    for (direction, to_the_right) in [(ToServer, true), (ToClient, false)] {
        let svg = picture(&[datagram(direction, "", b"1", &[])], "");
        let line = svg.lines().find(|line| line.contains("class=\"thin")).unwrap();
        let x = numbers(line.split_once("d=\"").unwrap().1);
        assert_eq!(x[0] < x[2], to_the_right, "{svg}");
    }
}

#[test]
fn of_a_long_conversation_the_beginning_and_the_end_are_drawn() {
    let many: Vec<Passed> = (0..5000)
        .map(|number| {
            let deeds: &[Deed] = if number == 2000 { &[Deed::Lost] } else { &[] };
            datagram(ToServer, &format!("number {number}"), b"", deeds)
        })
        .collect();
    let svg = picture(&many, "");
    assert_eq!(svg.matches("class=\"thin").count(), ARROWS_MAX);
    assert!(svg.contains(">number 0<") && svg.contains(">number 4999<"), "{svg}");
    assert!(svg.contains("… 4880 more, 1 of them lost …"), "{svg}");
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
}

#[test]
fn without_times_only_pauses_are_said_and_roundly() {
    let mut slow = datagram(ToServer, "slow", b"", &[]);
    slow.at = Duration::from_millis(1040);
    let events = [datagram(ToServer, "first", b"", &[]), slow];
    let svg = draw(&traffic(&events), "t", "", "m", Clock::Pauses);
    assert!(svg.contains("a second passes") && !svg.contains(" ms"), "{svg}");
    assert!(draw(&traffic(&events), "t", "", "m", Clock::Every).contains("1.040 s"));
}

#[test]
fn a_run_in_which_nothing_passed_is_a_picture_too() {
    let empty = Traffic { actors: Vec::new(), ..traffic(&[]) };
    let svg = draw(&empty, "nothing", "", "m", Clock::Every);
    roxmltree::Document::parse(&svg).unwrap();
    assert!(svg.contains("nothing passed"), "{svg}");
}

// --- the capture ----------------------------------------------------------------------------

#[test]
fn a_datagram_is_captured_with_its_ends_its_bytes_its_time_and_right_checksums() {
    for (client, server) in [
        (CLIENT, SERVER),
        ("[2001:db8::1]:40001", "[::1]:40002"),
        ("127.0.0.1:40001", "[::1]:40002"),
    ] {
        // An odd length, an empty one, and the longest.
        for bytes in [&b"odd"[..], b"", &[0; 65_507]] {
            let passed = [datagram(ToServer, "", bytes, &[]), datagram(ToClient, "", bytes, &[])];
            let packets = read(&capture(&passed, client, server));
            assert_eq!(packets.len(), 2);
            check_datagram(&packets[0], "ann", (client, server), bytes);
            check_datagram(&packets[1], "server", (server, client), bytes);
        }
    }
}

#[test]
fn a_checksum_of_zero_is_written_as_its_other_form() {
    let checksum = |bytes: &[u8]| -> [u8; 2] {
        let packets = read(&capture(&[datagram(ToServer, "", bytes, &[])], CLIENT, SERVER));
        check_datagram(&packets[0], "ann", (CLIENT, SERVER), bytes);
        packets[0].frame[40..42].try_into().unwrap()
    };
    // Its own checksum among what is summed up makes the sum all ones.
    assert_eq!(checksum(&checksum(&[0, 0])), [0xff, 0xff]);
}

#[test]
fn times_are_in_nanoseconds() {
    let mut passed = datagram(ToServer, "", b"", &[]);
    passed.at = Duration::from_nanos(1_234_567_891);
    let packets = read(&capture(&[passed], CLIENT, SERVER));
    assert_eq!(packets[0].at, Duration::from_nanos(1_000_000_001_234_567_891));
}

#[test]
fn what_was_injured_says_so_and_nothing_else_does() {
    let lost = datagram(ToServer, "", b"1", &[Deed::Lost]);
    let twice = datagram(ToServer, "", b"2", &[Deed::Twice]);
    let whole = datagram(ToServer, "", b"3", &[]);
    let packets = read(&capture(&[lost, twice, whole], CLIENT, SERVER));
    let comments: Vec<&str> = packets.iter().map(|packet| packet.comment.as_str()).collect();
    assert_eq!(comments, ["cable: lost; it never arrived", "cable: twice", ""]);
}

#[test]
fn a_stream_can_be_followed() {
    let long: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let packets = read(&capture(
        &[
            stream(ToServer, What::Opened),
            stream(ToServer, What::Piece(b"question".to_vec())),
            stream(ToClient, What::Piece(long.clone())),
            stream(ToServer, What::Closed),
            stream(ToClient, What::Piece(b"and more".to_vec())),
            stream(ToClient, What::Closed),
        ],
        CLIENT,
        SERVER,
    ));
    assert_eq!(followed(&packets, 40_001), b"question");
    assert_eq!(followed(&packets, 40_002), [&long[..], b"and more"].concat());
    let flags: Vec<String> = packets.iter().map(flags).collect();
    assert_eq!(flags[..3], ["SYN", "SYN ACK", "ACK"]);
    let last: Vec<&str> = flags.iter().rev().take(2).map(String::as_str).collect();
    assert_eq!(last, ["ACK", "FIN ACK"]);
    assert_eq!(flags.iter().filter(|flags| flags.contains("FIN")).count(), 2);
}

#[test]
fn a_connection_that_is_broken_off_or_refused_ends_in_a_reset() {
    let reset = |done| Passed { done, ..stream(ToClient, What::Reset) };
    let packets = read(&capture(
        &[stream(ToServer, What::Opened), reset(vec![Done::Reset]), reset(vec![])],
        CLIENT,
        SERVER,
    ));
    assert_eq!(flags(&packets[3]), "RST ACK");
    assert_eq!(packets[3].comment, "cable: reset");
    assert_eq!(packets.len(), 4, "one reset is enough");
    let refused = read(&capture(&[reset(vec![])], CLIENT, SERVER));
    assert_eq!(refused.iter().map(flags).collect::<Vec<_>>(), ["SYN", "RST ACK"]);
}

#[test]
fn the_file_says_what_is_made_up_and_how_it_was_made() {
    let mut recording = recording(&[datagram(ToServer, "", b"", &[])]);
    recording.demo = "tftp/get".to_owned();
    recording.faults = vec![("loss=30%".parse().unwrap(), 7)];
    let bytes = pcapng::write(&recording);
    let capture = PcapNGCapture::from_file(&bytes).unwrap();
    let Some(Block::SectionHeader(header)) = capture.sections[0].blocks.first() else { panic!() };
    let options = header.options.iter();
    let about: String =
        options.map(|option| String::from_utf8_lossy(&option.value).into_owned()).collect();
    for said in
        ["made up", "sequence numbers", "loss=30% seed=7", "udp.port==40002,tftp", "cargo xtask"]
    {
        assert!(about.contains(said), "{said}: {about}");
    }
}

// --- helpers --------------------------------------------------------------------------------

fn datagram(direction: Direction, label: &str, bytes: &[u8], deeds: &[Deed]) -> Passed {
    Passed {
        label: label.to_owned(),
        what: What::Datagram(bytes.to_vec()),
        done: deeds.iter().copied().map(Done::Deed).collect(),
        ..stream(direction, What::Opened)
    }
}

fn stream(direction: Direction, what: What) -> Passed {
    let (from, to) = if direction == ToServer { (0, 1) } else { (1, 0) };
    Passed {
        at: Duration::ZERO,
        flow: 0,
        direction,
        from,
        to,
        what,
        label: String::new(),
        again: false,
        done: Vec::new(),
    }
}

fn traffic(passed: &[Passed]) -> Traffic {
    traffic_between(passed, CLIENT, SERVER)
}

fn traffic_between(passed: &[Passed], client: &str, server: &str) -> Traffic {
    let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
    Traffic {
        began: UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        actors: vec!["ann".to_owned(), "server".to_owned()],
        flows: vec![Flow {
            client: address(client),
            server: address(server),
            client_name: "ann".to_owned(),
            server_name: "server".to_owned(),
        }],
        passed: passed.to_vec(),
        forgotten: 0,
        refused: 0,
    }
}

fn recording(passed: &[Passed]) -> Recording {
    Recording {
        demo: "a/b".to_owned(),
        title: "A title.".to_owned(),
        command: "cargo xtask demo a/b".to_owned(),
        faults: Vec::new(),
        verdict: "passed".to_owned(),
        session: "# A title.\n".to_owned(),
        traffic: traffic(passed),
    }
}

fn picture(passed: &[Passed], title: &str) -> String {
    draw(&traffic(passed), title, title, title, Clock::Every)
}

/// The heights at which an arrow's line begins and ends.
fn line(text: &str) -> Option<(f64, f64)> {
    let (_, path) = text.split_once("class=\"thin")?.1.split_once("d=\"")?;
    let numbers = numbers(path);
    Some((numbers[1], numbers[3]))
}

fn numbers(path: &str) -> Vec<f64> {
    let parts = path.split(|c: char| c != '.' && !c.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

fn capture(passed: &[Passed], client: &str, server: &str) -> Vec<u8> {
    let traffic = traffic_between(passed, client, server);
    pcapng::write(&Recording { traffic, ..recording(&[]) })
}

/// A packet as another parser reads it.
struct Packet {
    interface: String,
    at: Duration,
    frame: Vec<u8>,
    comment: String,
}

#[track_caller]
fn read(bytes: &[u8]) -> Vec<Packet> {
    let capture = PcapNGCapture::from_file(bytes).unwrap();
    let mut interfaces = Vec::new();
    let mut packets = Vec::new();
    let [section] = &capture.sections[..] else { panic!("one section") };
    for block in &section.blocks {
        match block {
            Block::SectionHeader(_) => {}
            Block::InterfaceDescription(interface) => {
                assert_eq!(interface.ts_resolution(), Some(1_000_000_000));
                let name = interface.options.iter().find(|option| option.code.0 == 2).unwrap();
                let name = &name.value[..name.len.into()];
                interfaces.push(String::from_utf8(name.to_vec()).unwrap());
            }
            Block::EnhancedPacket(packet) => {
                let comment = packet.options.iter().find(|option| option.code.0 == 1);
                let comment = comment.map_or(&[][..], |o| &o.value[..o.len.into()]);
                let nanoseconds = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                assert_eq!(packet.caplen, packet.origlen);
                packets.push(Packet {
                    interface: interfaces[usize::try_from(packet.if_id).unwrap()].clone(),
                    at: Duration::from_nanos(nanoseconds),
                    frame: packet.data[..usize::try_from(packet.caplen).unwrap()].to_vec(),
                    comment: String::from_utf8(comment.to_vec()).unwrap(),
                });
            }
            other => panic!("{other:?}"),
        }
    }
    let written: u32 = section.blocks.len().try_into().unwrap();
    assert_eq!(written, 1 + 2 + u32::try_from(packets.len()).unwrap());
    packets
}

#[track_caller]
fn check_datagram(packet: &Packet, interface: &str, ends: (&str, &str), bytes: &[u8]) {
    assert_eq!(packet.interface, interface);
    let sliced = SlicedPacket::from_ethernet(&packet.frame).unwrap();
    let Some(TransportSlice::Udp(udp)) = &sliced.transport else { panic!("no UDP") };
    assert_eq!(udp.payload(), bytes);
    check_link(&packet.frame, interface);
    let header = udp.to_header();
    let (from, to) = addresses(sliced.net.as_ref().unwrap());
    let seen = [(from, udp.source_port()), (to, udp.destination_port())].map(SocketAddr::from);
    let wanted = [ends.0, ends.1].map(|end| end.parse().unwrap());
    // An IPv4 address among IPv6 ones is written as one of these (RFC 4291, 2.5.5.2).
    let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    assert_eq!(seen.map(plain), wanted);
    let right = match sliced.net.as_ref().unwrap() {
        NetSlice::Ipv4(ip) => {
            let ip = ip.header().to_header();
            assert_eq!(ip.header_checksum, ip.calc_header_checksum());
            header.calc_checksum_ipv4(&ip, udp.payload())
        }
        NetSlice::Ipv6(ip) => header.calc_checksum_ipv6(&ip.header().to_header(), udp.payload()),
        NetSlice::Arp(_) => panic!("ARP"),
    };
    assert_eq!(udp.checksum(), right.unwrap());
}

fn addresses(net: &NetSlice<'_>) -> (IpAddr, IpAddr) {
    match net {
        NetSlice::Ipv4(ip) => {
            let ip = ip.header();
            (ip.source_addr().into(), ip.destination_addr().into())
        }
        NetSlice::Ipv6(ip) => {
            let ip = ip.header();
            (ip.source_addr().into(), ip.destination_addr().into())
        }
        NetSlice::Arp(_) => panic!("ARP"),
    }
}

/// Each actor has one address, that no card has; whose it is, is who sent it.
#[track_caller]
fn check_link(frame: &[u8], sender: &str) {
    let (ann, server) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let (from, to) = if sender == "ann" { (ann, server) } else { (server, ann) };
    assert_eq!((&frame[..6], &frame[6..12]), (&to[..], &from[..]));
}

/// Puts the segments from `port` together by their numbers, as "follow stream" does.
#[track_caller]
fn followed(packets: &[Packet], port: u16) -> Vec<u8> {
    let mut next = None;
    let mut heard = 0;
    let mut bytes = Vec::new();
    for packet in packets {
        let sliced = SlicedPacket::from_ethernet(&packet.frame).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { panic!("no TCP") };
        let Some(NetSlice::Ipv4(ip)) = &sliced.net else { panic!("no IPv4") };
        let ip = ip.header().to_header();
        let right = tcp.to_header().calc_checksum_ipv4(&ip, tcp.payload()).unwrap();
        assert_eq!((tcp.checksum(), ip.header_checksum), (right, ip.calc_header_checksum()));
        let counted = tcp.payload().len() + usize::from(tcp.syn() || tcp.fin());
        let counted = u32::try_from(counted).unwrap();
        if tcp.source_port() == port {
            assert_eq!(tcp.sequence_number(), next.unwrap_or(tcp.sequence_number()));
            assert!(!tcp.ack() || tcp.acknowledgment_number() == heard, "acknowledges all it has");
            next = Some(tcp.sequence_number() + counted);
            bytes.extend(tcp.payload());
        } else {
            heard = tcp.sequence_number() + counted;
        }
    }
    bytes
}

fn flags(packet: &Packet) -> String {
    let sliced = SlicedPacket::from_ethernet(&packet.frame).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { panic!("no TCP") };
    let flags = [(tcp.fin(), "FIN"), (tcp.syn(), "SYN"), (tcp.rst(), "RST"), (tcp.ack(), "ACK")];
    flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}
