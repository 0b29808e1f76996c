//! The client as a process, and servers that answer whatever they like: the rows of the conformance
//! table that need a socket. Each test names its rows.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]
#![expect(clippy::cast_possible_truncation, reason = "test data")]

mod rig;

use std::net::SocketAddr;

use rig::{Folder, Peer, Program, ack, bytes, data, error};

#[test]
fn a_stranger_is_told_so_and_the_download_goes_on() {
    // C-01, C-05: no OACK, so blocks have 512 bytes.
    let (mut client, server, folder) = getting(&["--blksize", "1024"]);
    let (request, from) = server.receive();
    assert!(rig::shown(&request).starts_with("RRQ file octet"), "{}", rig::shown(&request));
    let (transfer, stranger) = (Peer::new(), Peer::new());
    transfer.send(from, &data(1, &bytes(512)));
    transfer.expect(&ack(1));
    stranger.send(from, &data(2, b"false"));
    stranger.expect_error(5);
    transfer.send(from, &data(2, b"true"));
    transfer.expect(&ack(2));
    client.ends(0);
    assert_eq!(folder.read("file"), [&bytes(512)[..], b"true"].concat());
}

#[test]
fn of_two_servers_that_answer_the_first_counts() {
    // C-02, as in the example of RFC 1350 (4).
    let (mut client, server, folder) = getting(&[]);
    let (_, from) = server.receive();
    let (first, second) = (Peer::new(), Peer::new());
    first.send(from, &data(1, &bytes(512)));
    first.expect(&ack(1));
    second.send(from, &data(1, &[7; 512]));
    second.expect_error(5);
    first.send(from, &data(2, b""));
    first.expect(&ack(2));
    client.ends(0);
    assert_eq!(folder.read("file"), bytes(512));
}

#[test]
fn an_oack_beyond_what_was_asked_is_refused() {
    // C-03, C-04.
    for oack in ["foo\x001\0", "blksize\x001429\0", "windowsize\x005\0", "blksize\x007\0"] {
        let args = ["--blksize", "1428", "--windowsize", "4"];
        let (mut client, server, folder) = getting(&args);
        let (_, from) = server.receive();
        server.send(from, &[b"\0\x06", oack.as_bytes()].concat());
        server.expect_error(8);
        client.ends(3);
        assert_eq!(folder.names(), [""; 0]);
    }
}

#[test]
fn a_refusal_of_options_is_followed_by_a_plain_request() {
    // C-06; and the tutorial's server, which drops requests with options without a word.
    for says in [Some(error(8)), Some(error(0)), None] {
        let (mut client, server, folder) = getting(&["--timeout", "100ms"]);
        let (request, from) = server.receive();
        assert!(rig::shown(&request).contains("tsize=0"));
        if let Some(says) = says {
            server.send(from, &says);
        }
        let plain = loop {
            let (request, _) = server.receive();
            if request == rig::rrq("file") {
                break request;
            }
        };
        assert_eq!(rig::shown(&plain), "RRQ file octet");
        server.send(from, &data(1, b"plain"));
        client.ends(0);
        assert_eq!(folder.read("file"), b"plain");
    }
}

#[test]
fn what_the_server_says_is_shown_escaped() {
    // C-07.
    for (packet, said) in [
        (
            &b"\0\x05\0\x01no such\x1b[2J file\0"[..],
            r"ERROR 1, file not found: no such\u{1b}[2J file",
        ),
        (b"\0\x05\0\x02\xff", r"ERROR 2, access violation: \xff"),
        (b"\0\x05\0\x01", "ERROR 1, file not found\n"),
        (b"\0\x05\0\x01file not found\0", "ERROR 1, file not found\n"),
    ] {
        let (mut client, server, folder) = getting(&[]);
        let (_, from) = server.receive();
        server.send(from, packet);
        let shown = client.ends(1);
        assert!(shown.contains(said), "{shown}");
        assert_eq!(folder.names(), [""; 0]);
    }
}

#[test]
fn an_oack_that_comes_twice_is_acknowledged_twice() {
    // C-08.
    let (mut client, server, folder) = getting(&["--timeout", "200ms"]);
    let (_, from) = server.receive();
    server.send(from, b"\0\x06tsize\x002\0");
    server.expect(&ack(0));
    server.send(from, b"\0\x06tsize\x002\0");
    server.expect(&ack(0));
    server.send(from, &data(1, b"ok"));
    server.expect(&ack(1));
    assert!(client.line().starts_with("received file: 2 bytes"));
    client.ends(0);
    assert_eq!(folder.read("file"), b"ok");
}

#[test]
fn where_something_was_lost_the_last_ack_is_repeated() {
    // C-10. The client's own clock runs out once.
    let (mut client, server, _folder) = getting(&[]);
    let (_, from) = server.receive();
    server.send(from, &data(1, &bytes(512)));
    server.expect(&ack(1));
    server.expect(&ack(1));
    for _ in 0..2 {
        server.send(from, &data(2, b"end"));
        server.expect(&ack(2));
    }
    assert!(client.line().starts_with("received file: 515 bytes"));
}

#[test]
fn an_upload_is_not_doubled_by_an_ack_that_comes_twice() {
    // C-09: curl fails this.
    let folder = Folder::new();
    folder.write("file", &bytes(1100));
    let server = Peer::new();
    let address = server.address().to_string();
    let mut client = Program::start(&folder, &["put", &address, "file", "there", "--no-options"]);
    let (request, from) = server.receive();
    assert_eq!(request, rig::wrq("there"));
    server.send(from, &ack(0));
    server.expect(&data(1, &bytes(1100)[..512]));
    for _ in 0..2 {
        server.send(from, &ack(1));
    }
    server.expect(&data(2, &bytes(1100)[512..1024]));
    server.send(from, &ack(1));
    server.send(from, &ack(2));
    server.expect(&data(3, &bytes(1100)[1024..]));
    server.send(from, &ack(3));
    client.ends(0);
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_the_old_file_stays() {
    // C-11, C-14.
    for blocks in [0, 1] {
        let (mut client, server, folder) = getting(&["--timeout", "20ms", "--retries", "1"]);
        folder.write("file", b"old");
        let (_, from) = server.receive();
        if blocks == 1 {
            server.send(from, &data(1, &bytes(512)));
        }
        client.ends(4);
        assert_eq!(folder.names(), ["file"]);
        assert_eq!(folder.read("file"), b"old");
    }
}

#[test]
fn what_is_no_data_is_passed_over_and_too_much_is_refused() {
    // C-12.
    let (mut client, server, folder) = getting(&[]);
    let (_, from) = server.receive();
    server.send(from, &data(1, &bytes(512)));
    server.expect(&ack(1));
    for nothing in [&b"\0\x03\0"[..], b"\0\x09\0\x02", b"", b"\0\x04\0\x02"] {
        server.send(from, nothing);
    }
    server.send(from, &data(2, &bytes(513)));
    server.expect_error(4);
    client.ends(3);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_file_of_another_length_than_announced_is_not_kept() {
    // C-13.
    for (tsize, len) in [(10, 9), (10, 11)] {
        let (mut client, server, folder) = getting(&[]);
        let (_, from) = server.receive();
        server.send(from, format!("\0\x06tsize\0{tsize}\0").as_bytes());
        server.expect(&ack(0));
        server.send(from, &data(1, &bytes(len)));
        server.expect_error(0);
        let said = client.ends(3);
        assert!(said.contains(&format!("{tsize} bytes were announced, and {len} came")), "{said}");
        assert_eq!(folder.names(), [""; 0]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_where_nobody_listens_is_said_to_be_one_at_once() {
    // C-16: Linux tells by ICMP.
    let folder = Folder::new();
    let address = Peer::new().address().to_string();
    let said = Program::start(&folder, &["get", &address, "file"]).ends(1);
    assert!(said.contains(&format!("caused by: nobody listens at {address}")), "{said}");
}

#[test]
fn a_name_that_does_not_fit_into_a_request_is_refused_before_it_is_sent() {
    // C-19.
    let folder = Folder::new();
    let server = Peer::new().address().to_string();
    let name = "n".repeat(510);
    Program::start(&folder, &["get", &server, &name, "file"]).ends(2);
    Program::start(&folder, &["get", "tftp://h"]).ends(2);
    Program::start(&folder, &["get", &server]).ends(2);
    Program::start(&folder, &["get", &server, "a/.."]).ends(2);
    Program::start(&folder, &["get", &server, "file", "-", "--json"]).ends(2);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_text_is_converted_both_ways() {
    // C-17, with blocks that cut a pair in two, and S-61.
    let there = Folder::new();
    let args = ["--write", "any"];
    let (_server, address) = Program::server(&there, &args);
    let address = address.to_string();
    let here = Folder::new();
    let text = b"\n\r\nab\rcdefg\n".repeat(100);
    here.write("text", &text);
    for (blksize, windowsize) in [("8", "1"), ("9", "4"), ("512", "16")] {
        let options = ["--netascii", "--blksize", blksize, "--windowsize", windowsize];
        Program::start(&here, &[&["put", &address, "text"], &options[..]].concat()).ends(0);
        assert_eq!(there.read("text"), text);
        Program::start(&here, &[&["get", &address, "text", "back"], &options[..]].concat()).ends(0);
        assert_eq!(here.read("back"), text);
    }
    let raw = Peer::new();
    raw.send(address.parse().unwrap(), b"\0\x01text\0netascii\0tsize\x000\0blksize\x008\0");
    raw.expect(b"\0\x06blksize\x008\0");
}

#[test]
fn stdout_can_be_the_target_and_so_can_what_is_no_file() {
    let (mut client, server, folder) = getting(&["-"]);
    let (_, from) = server.receive();
    server.send(from, &data(1, b"to stdout\n"));
    assert_eq!(client.rest(), b"to stdout\n");
    client.ends(0);
    assert_eq!(folder.names(), [""; 0]);

    #[cfg(unix)]
    {
        let (mut client, server, _folder) = getting(&["/dev/null"]);
        let (_, from) = server.receive();
        server.send(from, &data(1, b"away"));
        client.ends(0);
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
}

#[test]
fn a_name_from_elsewhere_chooses_no_directory_here() {
    let server = Peer::new();
    let folder = Folder::new();
    let address = server.address().to_string();
    let mut client = Program::start(&folder, &["get", &address, "../../up/name"]);
    let (_, from) = server.receive();
    server.send(from, &data(1, b"here"));
    client.ends(0);
    assert_eq!(folder.names(), ["name"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_client_tells_the_server_and_leaves_nothing() {
    use nix::sys::signal::Signal;

    let (mut client, server, folder) = getting(&[]);
    let (_, from) = server.receive();
    server.send(from, &data(1, &bytes(512)));
    server.expect(&ack(1));
    client.signal(Signal::SIGINT);
    let (got, _) = server.receive();
    assert_eq!(rig::shown(&got), "ERROR 0 interrupted");
    client.ends(130);
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn numbers_are_one_object() {
    let (mut client, server, _folder) = getting(&["--json"]);
    let (_, from) = server.receive();
    server.send(from, &data(1, b"12345"));
    let object: serde_json::Value = serde_json::from_slice(&client.rest()).unwrap();
    assert_eq!((object["bytes"].as_u64(), object["data"].as_u64()), (Some(5), Some(1)));
    client.ends(0);
}

/// `tftp get` of `file` from a server that the test plays.
fn getting(args: &[&str]) -> (Program, Peer, Folder) {
    let (server, folder) = (Peer::new(), Folder::new());
    let address: SocketAddr = server.address();
    let client = Program::start(&folder, &[&["get", &address.to_string(), "file"], args].concat());
    (client, server, folder)
}
