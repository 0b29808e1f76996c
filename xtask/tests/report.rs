//! The report of a run, read back by an HTML tokenizer, which knows the errors that the standard
//! names, and by an XML parser, which forgives no tag that is not closed.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

#[path = "common/recordings.rs"]
mod recordings;

use std::time::Duration;

use faults::{Deed, Direction};
use html5gum::{Token, Tokenizer, emitters::default::DefaultEmitter};
use roxmltree::{Document, Node, ParsingOptions};
use xtask::cable::trace::{Flow, What};
use xtask::cable::traffic::{Passed, Traffic};
use xtask::recording::Recording;
use xtask::recording::pairs::{Pair, Sum, pairs};
use xtask::recording::report::{BYTES_MAX, PACKETS_MAX, write};

use Direction::{ToClient, ToServer};
use recordings::{CLIENT, NASTY, SERVER, address, datagram, passed, recording};

const SCRIPT: &str = include_str!("../src/recording/report.js");
const STYLE: &str = include_str!("../src/recording/report.css");

// --- the page -------------------------------------------------------------------------------

#[test]
fn what_came_from_the_wire_stays_text() {
    let nasty = || NASTY.to_owned();
    let mut recording = recording(&[datagram(ToServer, NASTY, NASTY.as_bytes(), &[])]);
    recording.traffic.actors = vec![nasty(), "server".to_owned()];
    let recording = Recording {
        demo: nasty(),
        title: nasty(),
        command: nasty(),
        verdict: nasty(),
        session: format!("{NASTY}\nann < {NASTY}\n"),
        ..recording
    };
    let html = page(&recording);
    let tree = parse(&html);
    assert!(elements(&tree, "img").is_empty() && elements(&tree, "script").len() == 1, "{html}");
    for node in tree.descendants().filter(Node::is_element) {
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
        }
    }
    // U+0001 is nothing that HTML can hold.
    let shown = NASTY.replace('\u{1}', "\u{fffd}");
    for tag in ["title", "h1", "h3", "pre", "dd", "b"] {
        let texts: Vec<String> = elements(&tree, tag).into_iter().map(text).collect();
        assert!(texts.iter().any(|text| text.contains(&shown)), "{tag}: {texts:?}");
    }
}

#[test]
fn a_report_needs_no_network_and_no_second_file() {
    let html = page(&recording(&[datagram(ToServer, "x", b"x", &[])]));
    let tree = parse(&html);
    for node in tree.descendants().filter(Node::is_element) {
        for name in ["src", "srcset", "data", "action", "poster"] {
            assert_eq!(node.attribute(name), None, "{node:?}");
        }
        assert!(node.attribute("href").is_none_or(|link| link.starts_with('#')), "{node:?}");
        assert!(!matches!(node.tag_name().name(), "link" | "base" | "iframe"), "{node:?}");
    }
    for forbidden in ["://", "@import", "url(", "fetch(", "XMLHttp", "import(", "new Image"] {
        assert!(!SCRIPT.contains(forbidden) && !STYLE.contains(forbidden), "{forbidden}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn what_was_run_and_how_it_ended_is_said() {
    let mut failed = recording(&[datagram(ToServer, "x", b"x", &[])]);
    failed.verdict = "failed: ann said something else".to_owned();
    failed.faults = vec![("loss=30%".parse().unwrap(), 41)];
    let html = page(&failed);
    let tree = parse(&html);
    assert_eq!(text(elements(&tree, "h1")[0]), "a/b failed: ann said something else");
    let fields: Vec<String> = elements(&tree, "dd").into_iter().map(text).collect();
    assert_eq!(fields[..2], ["cargo xtask demo a/b", "loss=30% seed=41"]);
    let session = with_class(&tree, "session");
    assert_eq!(text(session[0]).trim(), failed.session.trim());
}

#[test]
fn a_run_in_which_nothing_passed_is_a_report_too() {
    let mut empty = recording(&[]);
    empty.traffic.actors.clear();
    empty.traffic.flows.clear();
    let html = page(&empty);
    assert!(html.contains("nothing passed"), "{html}");
    assert!(elements(&parse(&html), "article").is_empty());
}

#[test]
fn of_a_long_conversation_the_beginning_and_the_end_are_shown() {
    let many: Vec<Passed> = (0..5000)
        .map(|number| {
            let deeds: &[Deed] = if number == 2000 { &[Deed::Lost] } else { &[] };
            datagram(ToServer, &format!("number {number}"), &[0; 65_507], deeds)
        })
        .collect();
    let html = page(&recording(&many));
    let tree = parse(&html);
    let articles = elements(&tree, "article");
    assert_eq!(articles.len(), PACKETS_MAX);
    assert_eq!(articles.last().unwrap().attribute("id"), Some("p5000"));
    assert!(html.contains("… 4880 more, 1 of them lost …"), "{html}");
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
}

#[test]
fn a_report_has_the_colours_of_the_pictures() {
    let svg = xtask::svg::open((1.0, 1.0), "", "", "");
    for (number, scheme) in [0, 1, 2, 3, 4, 5].into_iter().flat_map(|n| [(n, 0), (n, 1)]) {
        let color = |css: &str, before: &str| {
            let value = css.split(before).nth(scheme + 1).unwrap();
            value.split([';', '}']).next().unwrap().to_owned()
        };
        let ours = color(STYLE, &format!("--c{number}:"));
        assert_eq!(ours, color(&svg, &format!("\n.c{number}{{fill:")), "{number}, {scheme}");
    }
}

// --- the ladder -----------------------------------------------------------------------------

#[test]
fn every_row_leads_to_its_packet_and_back() {
    let html = page(&recording(&[
        datagram(ToServer, "one", b"1", &[]),
        datagram(ToClient, "two", b"2", &[]),
    ]));
    let tree = parse(&html);
    let rows = with_class(&tree, "row");
    assert_eq!(rows.len(), 2);
    for (row, label) in rows.into_iter().zip(["one", "two"]) {
        let packet = target(&tree, row.attribute("href").unwrap());
        assert!(text(row).ends_with(label) && text(packet).contains(label), "{html}");
        let back = packet.descendants().find(|node| node.attribute("class") == Some("back"));
        assert_eq!(target(&tree, back.unwrap().attribute("href").unwrap()), row);
    }
}

#[test]
fn what_the_cable_did_is_drawn_and_said() {
    let late = Deed::Late(Duration::from_micros(20_500));
    // What was done, the word for it, crosses, tips, whether it slopes.
    for (done, word, crosses, tips, slopes) in [
        (vec![], "", 0, 1, false),
        (vec![Deed::Lost], "lost", 1, 0, false),
        (vec![Deed::QueueFull], "dropped", 1, 0, false),
        (vec![Deed::Twice], "twice", 0, 2, false),
        (vec![Deed::Held(1)], "held for 1", 0, 1, true),
        (vec![late], "late 20.5 ms", 0, 1, true),
        (vec![late, Deed::Twice], "late 20.5 ms, twice", 0, 2, true),
    ] {
        let html = page(&recording(&[
            datagram(ToServer, "one", b"1", &done),
            datagram(ToServer, "two", b"2", &[]),
        ]));
        let tree = parse(&html);
        let lines = arrows(&tree);
        let with_tip = |line: &&Arrow| line.has_tip;
        assert_eq!(html.matches("<path class=\"bad\"").count(), crosses, "{done:?}: {html}");
        assert_eq!(lines.iter().filter(with_tip).count(), tips + 1, "{done:?}: {html}");
        assert_eq!(lines[0].y.1 > lines.last().unwrap().y.0, slopes, "{done:?}: {html}");
        for shown in [with_class(&tree, "row")[0], elements(&tree, "article")[0]] {
            assert!(text(shown).contains(word), "{done:?}: {html}");
            let is_bad = shown.descendants().any(|node| node.attribute("class") == Some("bad"));
            assert_eq!(is_bad, crosses == 1, "{done:?}: {html}");
        }
        assert_eq!(html.contains("it never arrived"), crosses == 1, "{done:?}: {html}");
    }
}

#[test]
fn an_arrow_goes_from_its_sender_to_its_receiver_and_so_do_the_words() {
    for (direction, to_the_right, way, ends) in [
        (ToServer, true, ["ann", "server"], [CLIENT, SERVER]),
        (ToClient, false, ["server", "ann"], [SERVER, CLIENT]),
    ] {
        let html = page(&recording(&[datagram(direction, "x", b"1", &[])]));
        let tree = parse(&html);
        let [arrow] = &arrows(&tree)[..] else { panic!("{html}") };
        assert_eq!(arrow.x.0 < arrow.x.1, to_the_right, "{html}");
        assert!(text(with_class(&tree, "row")[0]).contains(&way.join(" to ")), "{html}");
        let packet = elements(&tree, "article")[0];
        assert!(text(packet).contains(&way.join(" → ")), "{html}");
        assert_eq!([field(packet, "from").unwrap(), field(packet, "to").unwrap()], ends);
    }
}

// --- packets --------------------------------------------------------------------------------

#[test]
fn a_packet_shows_its_bytes_in_hex_and_as_text() {
    let every: Vec<u8> = (0..=255).collect();
    // The bytes, what they are as text, whether all are shown.
    let long = "x".repeat(BYTES_MAX + 1);
    let cut = format!("{}我", "x".repeat(BYTES_MAX - 1));
    for (bytes, as_text, whole) in [
        (&b""[..], None, true),
        (b"hello", Some("hello".to_owned()), true),
        ("我爱你\n".as_bytes(), Some("我爱你\\n".to_owned()), true),
        (b"\x1b[2J", Some("\\u{1b}[2J".to_owned()), true),
        (&every, None, true),
        (b"\0\x01a", None, true),
        (long.as_bytes(), Some("x".repeat(BYTES_MAX)), false),
        (cut.as_bytes(), Some("x".repeat(BYTES_MAX - 1)), false),
    ] {
        let html = page(&recording(&[datagram(ToServer, "x", bytes, &[])]));
        let tree = parse(&html);
        let packet = elements(&tree, "article")[0];
        let shown = &bytes[..bytes.len().min(BYTES_MAX)];
        assert_eq!(dumped(packet), shown);
        assert_eq!(field(packet, "text"), as_text);
        assert_eq!(field(packet, "UDP length"), Some((8 + bytes.len()).to_string()));
        assert_eq!(text(packet).contains("more byte"), !whole);
    }
}

#[test]
fn a_packet_says_when_it_passed_and_how_long_after_the_last() {
    let mut recording = recording(&[
        datagram(ToServer, "x", b"1", &[]),
        datagram(ToClient, "y", b"1", &[]),
        datagram(ToServer, "z", b"2", &[]),
    ]);
    for (passed, at) in recording.traffic.passed.iter_mut().zip([5, 7, 1_507]) {
        passed.at = Duration::from_millis(at);
    }
    let html = page(&recording);
    let tree = parse(&html);
    let times: Vec<_> = elements(&tree, "article")
        .into_iter()
        .map(|packet| [field(packet, "time"), field(packet, "since last")])
        .collect();
    let time = |text: &str| Some(text.to_owned());
    assert_eq!(
        times,
        [
            [time("0.0 ms"), None],
            [time("2.0 ms"), time("2.0 ms")],
            [time("1.502 s"), time("1.500 s")],
        ]
    );
}

#[test]
fn a_piece_says_where_in_its_stream_it_stands() {
    let piece = |direction, bytes: &[u8]| passed(direction, What::Piece(bytes.to_vec()));
    let mut recording = recording(&[
        passed(ToServer, What::Opened),
        piece(ToServer, b"hello"),
        piece(ToClient, b"hi"),
        piece(ToServer, b"more"),
        passed(ToServer, What::Closed),
        passed(ToServer, What::Opened),
        piece(ToServer, b"x"),
    ]);
    let places = |recording: &Recording| -> Vec<String> {
        let html = page(recording);
        let tree = parse(&html);
        let articles = elements(&tree, "article").into_iter();
        articles.map(|packet| field(packet, "in the stream").unwrap_or_default()).collect()
    };
    let wanted = ["", "bytes 0 to 4", "bytes 0 to 1", "bytes 5 to 8", "", "", "bytes 0 to 0"];
    assert_eq!(places(&recording), wanted);
    recording.traffic.forgotten = 1;
    assert!(places(&recording).concat().is_empty(), "nobody knows what was forgotten");
}

// --- sums -----------------------------------------------------------------------------------

#[test]
fn sums_are_those_of_a_run_counted_by_hand() {
    let pairs = pairs(&counted_by_hand());
    let ms = Duration::from_millis;
    assert_eq!(
        pairs,
        [
            Pair {
                client: 0,
                server: 2,
                there: Sum { packets: 5, bytes: 11, again: 1, lost: 0 },
                back: Sum { packets: 5, bytes: 39, again: 1, lost: 1 },
                round_trips: 3,
                // From 0 to 10 and its delay; from 30 to 31. Which of two equal questions was
                // answered at 29, nobody knows.
                times: vec![ms(1), ms(15)],
            },
            Pair {
                client: 1,
                server: 2,
                there: Sum { packets: 3, bytes: 300, again: 0, lost: 1 },
                back: Sum { packets: 3, bytes: 3, again: 0, lost: 1 },
                round_trips: 2,
                // Of 41 the first answer was lost.
                times: vec![ms(4)],
            },
        ]
    );
    assert_eq!(pairs[0].median(), Some(ms(8)));
}

#[test]
fn sums_are_shown_for_each_way_and_pair() {
    let html = page(&Recording { traffic: counted_by_hand(), ..recording(&[]) });
    let tree = parse(&html);
    let rows: Vec<String> = elements(&tree, "tr")
        .into_iter()
        .map(|row| row.children().map(text).collect::<Vec<_>>().join(" | "))
        .collect();
    assert_eq!(
        rows,
        [
            "from → to | datagrams | bytes | again | lost",
            "ann → server | 5 | 11 | 1 | 0",
            "server → ann | 5 | 39 | 1 | 1",
            "round trips | 3 · 8.0 ms (1.0 ms to 15.0 ms)",
            "bob → server | 3 | 300 | 0 | 1",
            "server → bob | 3 | 3 | 0 | 1",
            "round trips | 2 · 4.0 ms",
        ]
    );
}

#[test]
fn a_stream_has_no_losses_to_be_counted() {
    let html = page(&recording(&[
        passed(ToServer, What::Opened),
        passed(ToServer, What::Piece(b"hello".to_vec())),
        passed(ToServer, What::Closed),
    ]));
    let tree = parse(&html);
    let row: Vec<String> = elements(&tree, "tr")[1].children().map(text).collect();
    assert_eq!(row, ["ann → server", "1", "5", "–", "–"]);
    assert!(html.contains(">pieces<"), "{html}");
}

/// Ann asks one port and is answered from another, as with TFTP.
fn counted_by_hand() -> Traffic {
    let late = Deed::Late(Duration::from_millis(5));
    // When, whose, in which flow, which way, how many bytes, whether again, what was done.
    let none: &[Deed] = &[];
    let events = [
        (0, 0, 0, ToServer, 1, false, none),
        (10, 0, 1, ToClient, 10, false, &[late][..]),
        (11, 0, 1, ToClient, 11, false, none),
        (20, 0, 1, ToServer, 2, false, none),
        (21, 0, 1, ToClient, 6, false, &[Deed::Lost][..]),
        (22, 1, 2, ToServer, 100, false, &[Deed::Lost][..]),
        (23, 1, 2, ToServer, 100, false, none),
        (27, 1, 2, ToClient, 1, false, none),
        (28, 0, 1, ToServer, 2, true, none),
        (29, 0, 1, ToClient, 6, true, none),
        (30, 0, 1, ToServer, 3, false, none),
        (31, 0, 1, ToClient, 6, false, none),
        (40, 0, 1, ToServer, 3, false, none),
        (41, 1, 2, ToServer, 100, false, none),
        (42, 1, 2, ToClient, 1, false, &[Deed::Lost][..]),
        (43, 1, 2, ToClient, 1, false, none),
    ];
    let all = events.map(|(at, client, flow, direction, len, again, deeds)| {
        let (from, to) = if direction == ToServer { (client, 2) } else { (2, client) };
        let at = Duration::from_millis(at);
        Passed { at, flow, from, to, again, ..datagram(direction, "", &vec![7; len], deeds) }
    });
    let flow = |client: &str, server: &str, name: &str| Flow {
        client: address(client),
        server: address(server),
        client_name: name.to_owned(),
        server_name: "server".to_owned(),
    };
    let mut traffic = recording(&[]).traffic;
    traffic.passed = all.to_vec();
    traffic.actors = ["ann", "bob", "server"].map(str::to_owned).to_vec();
    traffic.flows = vec![
        flow(CLIENT, SERVER, "ann"),
        flow(CLIENT, "127.0.0.1:40003", "ann"),
        flow("192.0.2.1:40009", SERVER, "bob"),
    ];
    traffic
}

// --- reading it back ------------------------------------------------------------------------

/// The page without its script. An HTML tokenizer has found nothing wrong with the whole.
#[track_caller]
fn page(recording: &Recording) -> String {
    let html = String::from_utf8(write(recording)).unwrap();
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    for Ok(token) in Tokenizer::new_with_emitter(&html, emitter) {
        if let Token::Error(error) = token {
            panic!("{error:?}:\n{html}");
        }
    }
    // It alone may be no XML, and is the same in every report.
    assert_eq!(html.matches(SCRIPT).count(), 1);
    html.replace(SCRIPT, "")
}

#[track_caller]
fn parse(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(html, options).unwrap_or_else(|error| panic!("{error}:\n{html}"))
}

fn elements<'a, 'i>(tree: &'a Document<'i>, tag: &str) -> Vec<Node<'a, 'i>> {
    tree.descendants().filter(|node| node.tag_name().name() == tag).collect()
}

fn with_class<'a, 'i>(tree: &'a Document<'i>, class: &str) -> Vec<Node<'a, 'i>> {
    tree.descendants().filter(|node| node.attribute("class") == Some(class)).collect()
}

#[track_caller]
fn target<'a, 'i>(tree: &'a Document<'i>, link: &str) -> Node<'a, 'i> {
    let id = link.strip_prefix('#').unwrap();
    let mut found = tree.descendants().filter(|node| node.attribute("id") == Some(id));
    let node = found.next().unwrap();
    assert!(found.next().is_none(), "{id} is there twice");
    node
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

/// The value beside a name.
fn field(packet: Node<'_, '_>, name: &str) -> Option<String> {
    let is_name = |node: &Node<'_, '_>| node.has_tag_name("dt") && text(*node) == name;
    let name = packet.descendants().find(is_name)?;
    Some(text(name.next_sibling_element()?))
}

/// The bytes of a dump, whose columns must agree.
#[track_caller]
fn dumped(packet: Node<'_, '_>) -> Vec<u8> {
    let Some(dump) = packet.descendants().find(|node| node.has_tag_name("pre")) else {
        return Vec::new();
    };
    let mut bytes = Vec::new();
    for line in text(dump).trim_matches('\n').lines() {
        let (at, rest) = line.split_once("  ").unwrap();
        assert_eq!(usize::from_str_radix(at, 16).unwrap(), bytes.len());
        let (hex, shown) = rest.split_at(25);
        let of_line: Vec<u8> =
            hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        assert_eq!(shown.chars().count(), of_line.len());
        for (byte, shown) in of_line.iter().zip(shown.chars()) {
            let is_printable = byte.is_ascii_graphic() || *byte == b' ';
            assert_eq!(shown, if is_printable { char::from(*byte) } else { '.' });
        }
        bytes.extend(of_line);
    }
    bytes
}

struct Arrow {
    x: (f64, f64),
    y: (f64, f64),
    has_tip: bool,
}

fn arrows(tree: &Document<'_>) -> Vec<Arrow> {
    let number = |line: Node<'_, '_>, name: &str| -> f64 {
        line.attribute(name).unwrap().trim_end_matches('%').parse().unwrap()
    };
    let lines = elements(tree, "line").into_iter();
    let lines = lines.filter(|line| line.attribute("class") != Some("lane"));
    lines
        .map(|line| Arrow {
            x: (number(line, "x1"), number(line, "x2")),
            y: (number(line, "y1"), number(line, "y2")),
            has_tip: line.has_attribute("marker-end"),
        })
        .collect()
}
