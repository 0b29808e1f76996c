//! The server as a process, and peers that send it whatever they like: the rows of the conformance
//! table that need a socket. Each test names its rows.
//!
//! That something is *not* answered is shown by what comes next: a request that is answered, with
//! nothing before it.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]
#![expect(clippy::cast_possible_truncation, reason = "test data")]

mod rig;

use std::net::SocketAddr;

use rig::{Folder, Peer, Program, ack, bytes, data, error, rrq, wrq};

#[test]
fn a_plain_request_is_answered_with_data_from_a_new_port() {
    // S-01, S-02, S-15.
    let (_server, address, _folder) = serving(&[]);
    let peers = [Peer::new(), Peer::new(), Peer::new()];
    let mut ports = vec![address.port()];
    for (peer, mode) in peers.iter().zip(["octet", "OcTeT", "NETASCII"]) {
        peer.send(address, &[b"\0\x01hello.txt\0", mode.as_bytes(), b"\0"].concat());
        let from = peer.expect(&data(1, b"hello"));
        assert_eq!(from.ip(), address.ip());
        ports.push(from.port());
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4, "each transfer has a port of its own");
}

#[test]
fn a_request_that_cannot_be_understood_is_refused_once() {
    // S-03, S-04, S-06, S-07, S-09.
    let (_server, address, folder) = serving(&[]);
    for request in [
        &b"\0\x01hello.txt\0mail\0"[..],
        b"\0\x01hello.txt\0bogus\0",
        b"\0\x01hello.txt\0\0",
        b"\0\x01hello.txt",
        b"\0\x01hello.txt\0octet",
        b"\0\x01",
        b"\0\x01\0octet\0",
        &[b"\0\x01", &[b'n'; 504][..], b"\0octet\0"].concat(),
    ] {
        let peer = Peer::new();
        peer.send(address, request);
        assert_ne!(peer.expect_error(4).port(), address.port());
        assert_eq!(peer.get(address, &rrq("hello.txt")), b"hello");
    }
    // Of exactly 512 bytes, and with what boot ROMs leave behind the mode.
    let name = "n".repeat(255);
    folder.write(&name, b"long");
    let padding = vec![b'x'; 512 - 255 - 9];
    let peer = Peer::new();
    assert_eq!(peer.get(address, &[rrq(&name), padding].concat()), b"long");
}

#[test]
fn the_listening_port_is_silent_to_all_but_requests() {
    // S-05, S-10, S-11, S-12 (CVE-2024-2169).
    let (_server, address, _folder) = serving(&[]);
    let peer = Peer::new();
    for datagram in [
        &b""[..],
        b"\0",
        b"\0\x01x",
        b"\x01\0x\0octet\0",
        b"\0\0",
        b"\0\x07",
        b"\xff\xff",
        b"\0\x03\0\x01data",
        b"\0\x04\0\0",
        b"\0\x05\0\0no\0",
        b"\0\x05\0\x04\0",
        b"\0\x05",
        b"\0\x06blksize\x008\0",
        &[0; 1000],
    ] {
        if datagram != b"\0\x01x" {
            peer.send(address, datagram);
        }
    }
    assert_eq!(peer.get(address, &rrq("hello.txt")), b"hello");
    // An ERROR for an ERROR would go on for ever between two servers.
    peer.send(address, &rrq("missing"));
    let from = peer.expect_error(1);
    peer.send(from, &error(4));
    peer.send(address, &error(4));
    assert_eq!(peer.get(address, &rrq("hello.txt")), b"hello");
}

#[test]
fn a_request_that_comes_twice_begins_one_transfer() {
    // S-14.
    let (mut server, address, _folder) = serving(&[]);
    let peer = Peer::new();
    for _ in 0..3 {
        peer.send(address, &rrq("600"));
    }
    let from = peer.expect(&data(1, &bytes(600)[..512]));
    peer.send(from, &ack(1));
    assert_eq!(peer.expect(&data(2, &bytes(600)[512..])), from);
    peer.send(from, &ack(2));
    assert!(server.line().starts_with("sent 600 to"));
    // Had there been another transfer, its DATA 1 would have come before this.
    assert_eq!(peer.get(address, &rrq("hello.txt")), b"hello");
    assert!(server.line().starts_with("sent hello.txt to"));
}

#[test]
fn an_upload_that_is_asked_for_twice_is_accepted_again() {
    // S-16, S-36: not "the file exists".
    let (_server, address, folder) = serving(&["--write", "new", "--timeout", "300ms"]);
    let peer = Peer::new();
    peer.send(address, &wrq("new"));
    let from = peer.expect(&ack(0));
    assert_ne!(from.port(), address.port());
    peer.send(address, &wrq("new"));
    assert_eq!(peer.expect(&ack(0)), from);
    peer.send(from, &data(1, b"text"));
    peer.expect_at_last(&ack(1), &ack(0));
    assert_eq!(folder.read("new"), b"text");
}

#[cfg(target_os = "linux")]
#[test]
fn the_address_that_was_asked_answers() {
    // S-17: all of 127.0.0.0/8 is this machine's on Linux.
    for args in [&["--bind", "0.0.0.0:0"][..], &["--bind", "0.0.0.0:0", "--single-port"]] {
        let (_server, address, _folder) = serving(args);
        for ip in [[127, 0, 0, 2], [127, 0, 0, 3]] {
            let peer = Peer::on("127.0.0.1:0");
            peer.send(SocketAddr::from((ip, address.port())), &rrq("hello.txt"));
            let from = peer.expect(&data(1, b"hello"));
            assert_eq!(from.ip(), std::net::IpAddr::from(ip));
            assert_eq!(from.port() == address.port(), args.len() == 3);
            peer.send(from, &ack(1));
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_request_to_everybody_is_answered_by_nobody() {
    // S-13: the loopback network has a broadcast address too.
    for args in [&["--bind", "0.0.0.0:0"][..], &["--bind", "0.0.0.0:0", "--single-port"]] {
        let (_server, address, _folder) = serving(args);
        let peer = Peer::new();
        peer.socket.set_broadcast(true).unwrap();
        peer.send(SocketAddr::from(([127, 255, 255, 255], address.port())), &rrq("600"));
        let to = SocketAddr::from(([127, 0, 0, 1], address.port()));
        assert_eq!(peer.get(to, &rrq("hello.txt")), b"hello");
    }
}

#[test]
fn ipv6_is_served_like_ipv4_and_one_socket_can_do_both() {
    // S-18.
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        // A machine without IPv6 has nothing to show here.
        return;
    }
    for args in [&["--bind", "[::]:0"][..], &["--bind", "[::]:0", "--single-port"]] {
        let (_server, address, _folder) = serving(args);
        for (own, to) in [("[::1]:0", "[::1]"), ("127.0.0.1:0", "127.0.0.1")] {
            let peer = Peer::on(own);
            let to = format!("{to}:{}", address.port()).parse().unwrap();
            assert_eq!(peer.get(to, &rrq("600")), bytes(600), "{to}");
        }
    }
}

#[test]
fn the_last_block_is_shorter_and_may_be_empty() {
    // S-19, S-20, S-21.
    let (_server, address, folder) = serving(&[]);
    for (len, blocks) in [(0, 1), (511, 1), (512, 2), (513, 2), (1024, 3)] {
        folder.write("file", &bytes(len));
        let peer = Peer::new();
        assert_eq!(peer.get(address, &rrq("file")), bytes(len));
        assert_eq!(len / 512 + 1, blocks);
    }
}

#[test]
fn every_size_arrives_whole_with_every_block_size_and_window() {
    // S-58, S-65, W-02, W-10, W-11, by our own client, and S-33: more than 65 535 blocks.
    let (_server, address, folder) = serving(&[]);
    let here = Folder::new();
    for (len, blksize, windowsize) in [
        (0, "512", "1"),
        (1, "8", "1"),
        (512, "512", "4"),
        (4 * 1428, "1428", "4"),
        (1_000_003, "1428", "64"),
        (1_000_003, "8192", "8"),
        (1_000_003, "65464", "16"),
        (8 * 65_537 + 1, "8", "200"),
    ] {
        folder.write("file", &bytes(len));
        let args = ["get", &address.to_string(), "file", "--quiet", "--blksize", blksize];
        Program::start(&here, &[&args[..], &["--windowsize", windowsize]].concat()).ends(0);
        assert!(here.read("file") == bytes(len), "{len} bytes, {blksize} × {windowsize}");
    }
}

#[test]
fn an_ack_that_comes_twice_late_or_early_sends_nothing() {
    // S-22, S-23, S-29, S-30: had one of them, another DATA would come before the next block's.
    let (_server, address, _folder) = serving(&[]);
    let peer = Peer::new();
    peer.send(address, &rrq("1600"));
    let from = peer.expect(&data(1, &bytes(1600)[..512]));
    for nothing in
        [&b"\0\x04\0"[..], b"\0\x04\0\x06", b"\0\x04\0\0", b"\0\x03\0\x01x", b"\0\x09", b""]
    {
        peer.send(from, nothing);
    }
    peer.send(from, &[ack(1), b"trailing".to_vec()].concat());
    peer.expect(&data(2, &bytes(1600)[512..1024]));
    peer.send(from, &ack(1));
    peer.send(from, &ack(1));
    peer.send(from, &ack(2));
    peer.expect(&data(3, &bytes(1600)[1024..1536]));
    peer.send(from, &ack(3));
    peer.expect(&data(4, &bytes(1600)[1536..]));
}

#[test]
fn a_block_is_repeated_until_it_is_acknowledged_and_then_given_up() {
    // S-24, S-31, and S-53, S-68: with an option only the OACK goes out.
    let (mut server, address, _folder) = serving(&["--timeout", "200ms", "--retries", "2"]);
    let peer = Peer::new();
    peer.send(address, &rrq("600"));
    let from = peer.expect(&data(1, &bytes(600)[..512]));
    assert_eq!(peer.expect(&data(1, &bytes(600)[..512])), from);
    peer.send(from, &ack(1));
    peer.expect_at_last(&data(2, &bytes(600)[512..]), &data(1, &bytes(600)[..512]));
    let said = server.line();
    assert!(said.ends_with("the last ACK never came"), "{said}");

    let stranger = Peer::new();
    stranger.send(address, b"\0\x01600\0octet\0windowsize\x0064\0");
    for _ in 0..3 {
        stranger.expect(b"\0\x06windowsize\x0064\0");
    }
    let said = server.line();
    assert!(said.starts_with("failed to send 600 to"), "{said}");
    assert_eq!(Peer::new().get(address, &rrq("hello.txt")), b"hello");
}

#[test]
fn a_stranger_is_told_so_and_the_transfer_goes_on() {
    // S-26, S-27.
    let (_server, address, _folder) = serving(&[]);
    let (peer, stranger) = (Peer::new(), Peer::new());
    peer.send(address, &rrq("600"));
    let from = peer.expect(&data(1, &bytes(600)[..512]));
    stranger.send(from, &error(0));
    stranger.send(from, &ack(1));
    assert_eq!(stranger.expect_error(5), from);
    peer.send(from, &ack(1));
    assert_eq!(peer.expect(&data(2, &bytes(600)[512..])), from);
}

#[test]
fn an_error_from_the_peer_ends_the_transfer_at_once_and_without_an_answer() {
    // S-28, S-56.
    for code in [0, 8, 99] {
        let (mut server, address, _folder) = serving(&[]);
        let peer = Peer::new();
        peer.send(address, b"\0\x01600\0octet\0tsize\x000\0");
        let from = peer.expect(b"\0\x06tsize\x00600\0");
        peer.send(from, &error(code));
        let said = server.line();
        assert!(said.contains(&format!("ERROR {code}")), "{said}");
        assert_eq!(peer.get(address, &rrq("hello.txt")), b"hello");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_has_gone_is_noticed() {
    // S-32: Linux tells the server by ICMP.
    let (mut server, address, _folder) = serving(&[]);
    let peer = Peer::new();
    peer.send(address, b"\0\x01600\0octet\0tsize\x000\0");
    let from = peer.expect(b"\0\x06tsize\x00600\0");
    let gone = peer.address();
    drop(peer);
    let again = std::net::UdpSocket::bind(gone).unwrap();
    again.send_to(&ack(0), from).unwrap();
    drop(again);
    let said = server.line();
    assert!(said.starts_with("failed to send 600"), "{said}");
}

#[test]
fn a_file_that_gets_shorter_is_an_error_and_one_that_grows_ends_where_it_did() {
    // S-34.
    let (_server, address, folder) = serving(&[]);
    let big = bytes(300_000);
    for (changed, want) in [(1000, false), (400_000, true)] {
        folder.write("file", &big);
        let peer = Peer::new();
        peer.send(address, &rrq("file"));
        let from = peer.expect(&data(1, &big[..512]));
        let file = std::fs::OpenOptions::new().write(true).open(folder.path().join("file"));
        file.unwrap().set_len(changed).unwrap();
        let (mut block, mut len) = (1_u16, 512);
        let whole = loop {
            peer.send(from, &ack(block));
            let (got, _) = peer.receive();
            if got[..2] == [0, 5] {
                assert_eq!(got[..4], [0, 5, 0, 0]);
                break false;
            }
            (block, len) = (block + 1, len + got.len() - 4);
            if got.len() < 516 {
                break true;
            }
        };
        assert_eq!((whole, whole && len == big.len()), (want, want));
    }
}

#[test]
fn what_is_no_readable_file_gets_its_code_and_no_path() {
    // S-35, P-01, P-06, P-08.
    let (mut server, address, folder) = serving(&[]);
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for (name, code, said) in [
        ("missing", 1, "file not found"),
        ("sub", 2, "access violation"),
        ("../secret", 2, "access violation"),
        ("a\nb\x1b[2J", 2, "access violation"),
    ] {
        let peer = Peer::new();
        peer.send(address, &rrq(name));
        let want = [&[0, 5, 0, code][..], said.as_bytes(), b"\0"].concat();
        peer.expect(&want);
        let line = server.line();
        let shown = tftp::decode::show(&rrq(name)).replace("RRQ ", "").replace(" octet", "");
        assert!(line.starts_with(&format!("refused to send {shown} to 127.0.0.1:")), "{line}");
    }
}

#[test]
fn an_upload_is_written_once_however_often_its_blocks_come() {
    // S-37, S-38, S-39, S-41.
    let (mut server, address, folder) = serving(&["--write", "any"]);
    let peer = Peer::new();
    let file = bytes(1024);
    peer.send(address, &wrq("up"));
    let from = peer.expect(&ack(0));
    peer.send(from, &data(1, &file[..512]));
    peer.expect(&ack(1));
    peer.send(from, &data(1, &file[..512]));
    peer.expect(&ack(1));
    peer.send(from, &data(2, &file[512..]));
    peer.expect(&ack(2));
    peer.send(from, &data(3, b""));
    peer.expect(&ack(3));
    // It is there before the last ACK is, and that can be had again.
    assert_eq!(folder.read("up"), file);
    assert_eq!(server.line(), format!("received up from {}: 1024 bytes", peer.address()));
    peer.send(from, &data(3, b""));
    peer.expect(&ack(3));

    peer.send(address, &wrq("empty"));
    let from = peer.expect(&ack(0));
    peer.send(from, &data(1, b""));
    peer.expect(&ack(1));
    assert_eq!(folder.read("empty"), b"");
}

#[test]
fn a_block_that_is_too_long_ends_the_upload() {
    // S-40.
    let (_server, address, folder) = serving(&["--write", "any"]);
    let peer = Peer::new();
    peer.send(address, &wrq("up"));
    let from = peer.expect(&ack(0));
    peer.send(from, &data(1, &bytes(513)));
    peer.expect_error(4);
    let (mut server, names) = (_server, || folder.names());
    assert!(server.line().starts_with("failed to receive up"));
    assert!(!names().contains(&"up".to_owned()));
}

#[test]
fn uploads_are_refused_by_what_the_operator_allows() {
    // S-42, S-43, S-44, S-62: nothing of it is left.
    for (args, name, option, code) in [
        (&["--write", "none"][..], "new", "", 2),
        (&["--write", "new"], "hello.txt", "", 6),
        (&["--write", "new", "--max-file", "5"], "new", "tsize\x006\0", 3),
        (&["--write", "any"], "none/new", "", 1),
        (&["--write", "any"], "../new", "", 2),
    ] {
        let (_server, address, folder) = serving(args);
        let before = folder.names();
        let peer = Peer::new();
        peer.send(address, &[wrq(name), option.as_bytes().to_vec()].concat());
        peer.expect_error(code);
        assert_eq!(folder.names(), before);
        assert_eq!(folder.read("hello.txt"), b"hello");
    }
}

#[test]
fn an_upload_that_grows_too_large_gets_an_error_in_the_place_of_the_last_ack() {
    // S-44, S-44b: a limit stands in for a disk that is full.
    let (mut server, address, folder) = serving(&["--write", "any", "--max-file", "700"]);
    let peer = Peer::new();
    peer.send(address, &wrq("up"));
    let from = peer.expect(&ack(0));
    peer.send(from, &data(1, &bytes(512)));
    peer.expect(&ack(1));
    peer.send(from, &data(2, &bytes(200)));
    peer.expect_error(3);
    assert!(server.line().starts_with("failed to receive up from"));
    assert_eq!(folder.names(), ["1600", "600", "hello.txt"]);
}

#[test]
fn an_upload_that_breaks_off_leaves_the_old_file_and_nothing_else() {
    // S-45, S-47.
    let args = ["--write", "any", "--timeout", "300ms", "--retries", "1"];
    let (mut server, address, folder) = serving(&args);
    let peer = Peer::new();
    peer.send(address, &wrq("hello.txt"));
    let from = peer.expect(&ack(0));
    peer.send(from, &data(1, &bytes(512)));
    peer.expect_at_last(&ack(1), &ack(0));
    assert_eq!(Peer::new().get(address, &rrq("hello.txt")), b"hello");
    assert!(server.line().starts_with("sent hello.txt"));
    assert!(server.line().starts_with("failed to receive hello.txt"));
    assert_eq!(folder.names(), ["1600", "600", "hello.txt"]);
    assert_eq!(folder.read("hello.txt"), b"hello");
}

#[test]
fn the_size_of_a_file_of_more_than_4_gib_is_told_right() {
    // S-60.
    let (_server, address, folder) = serving(&[]);
    let sparse = std::fs::File::create(folder.path().join("sparse")).unwrap();
    sparse.set_len(5 << 30).unwrap();
    let peer = Peer::new();
    peer.send(address, b"\0\x01sparse\0octet\0tsize\x000\0");
    let from = peer.expect(b"\0\x06tsize\x005368709120\0");
    peer.send(from, &error(8));
}

#[test]
fn more_transfers_than_allowed_are_told_so_and_disturb_nobody() {
    // P-09.
    let (mut server, address, _folder) = serving(&["--max-transfers", "2", "--timeout", "60s"]);
    let peers = [Peer::new(), Peer::new()];
    let froms = peers.each_ref().map(|peer| {
        peer.send(address, b"\0\x01600\0octet\0tsize\x000\0");
        peer.expect(b"\0\x06tsize\x00600\0")
    });
    let third = Peer::new();
    third.send(address, &rrq("hello.txt"));
    third.expect_error(0);
    peers[0].send(froms[0], &ack(0));
    peers[0].expect(&data(1, &bytes(600)[..512]));
    peers[0].send(froms[0], &error(0));
    assert!(server.line().starts_with("failed to send 600"));
    assert_eq!(third.get(address, &rrq("hello.txt")), b"hello");
    peers[1].send(froms[1], &ack(0));
    peers[1].expect(&data(1, &bytes(600)[..512]));
}

#[test]
fn a_place_whose_peer_was_never_heard_of_is_free_after_a_while() {
    // P-10.
    let (mut server, address, _folder) = serving(&["--max-transfers", "1", "--timeout", "20ms"]);
    for option in ["", "tsize\x000\0"] {
        let stranger = Peer::new();
        stranger.send(address, &[rrq("600"), option.as_bytes().to_vec()].concat());
        let said = server.line();
        assert!(said.ends_with("the peer never answered"), "{said}");
    }
    assert_eq!(Peer::new().get(address, &rrq("hello.txt")), b"hello");
}

#[cfg(target_os = "linux")]
#[test]
fn many_transfers_at_once_take_little_memory() {
    // S-67, P-10: the largest window of the largest blocks, for peers that say nothing more.
    let (server, address, folder) = serving(&["--write", "any", "--timeout", "60s"]);
    let options = "blksize\x0065464\0windowsize\x0065535\0";
    folder.write("big", &bytes(1 << 20));
    let peers: Vec<_> = (0..256).map(|_| Peer::new()).collect();
    let froms: Vec<_> = peers
        .iter()
        .enumerate()
        .map(|(number, peer)| {
            let name = format!("up{number}");
            let request = if number % 2 == 0 { rrq("big") } else { wrq(&name) };
            peer.send(address, &[request, options.as_bytes().to_vec()].concat());
            peer.receive().1
        })
        .collect();
    for (peer, from) in peers.iter().zip(&froms).step_by(2) {
        peer.send(*from, &ack(0));
        let (data, _) = peer.receive();
        assert_eq!(data.len(), 65_464 + 4);
    }
    let kib = server.peak_memory();
    assert!(kib <= 64 << 10, "{kib} KiB for 256 transfers");
    let late = Peer::new();
    late.send(address, &rrq("hello.txt"));
    late.expect_error(0);
}

#[test]
fn one_port_can_do_for_all_and_so_can_a_few() {
    let (_server, address, folder) = serving(&["--single-port", "--write", "any"]);
    let peers = [Peer::new(), Peer::new()];
    for peer in &peers {
        peer.send(address, &rrq("600"));
        assert_eq!(peer.expect(&data(1, &bytes(600)[..512])), address);
    }
    for peer in &peers {
        peer.send(address, &ack(1));
        peer.expect(&data(2, &bytes(600)[512..]));
        peer.send(address, &ack(2));
    }
    let here = Folder::new();
    here.write("big", &bytes(1_000_003));
    let server = address.to_string();
    Program::start(&here, &["put", &server, "big", "--quiet"]).ends(0);
    assert!(folder.read("big") == bytes(1_000_003));
    Program::start(&here, &["get", &server, "big", "back", "--quiet"]).ends(0);
    assert!(here.read("back") == bytes(1_000_003));

    // Whichever range is free; the first port of ours is one that the system just gave us.
    let free = Peer::new().address().port();
    let last = free.saturating_add(20);
    let range = format!("{free}-{last}");
    let (_server, address, _folder) = serving(&["--port-range", &range]);
    let peer = Peer::new();
    peer.send(address, &rrq("hello.txt"));
    let from = peer.expect(&data(1, b"hello"));
    assert!((free..=last).contains(&from.port()), "{from}");
}

#[cfg(unix)]
#[test]
fn a_server_that_is_told_to_stop_lets_transfers_finish_and_begins_none() {
    use nix::sys::signal::Signal;

    let (mut server, address, folder) = serving(&["--write", "any", "--grace", "1h"]);
    let (peer, late) = (Peer::new(), Peer::new());
    peer.send(address, &wrq("up"));
    let from = peer.expect(&ack(0));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.note(), "stopped by SIGTERM");
    let said = server.note();
    assert!(said.starts_with("1 conversation may still finish"), "{said}");
    peer.send(from, &data(1, &bytes(512)));
    peer.expect(&ack(1));
    late.send(address, &rrq("hello.txt"));
    peer.send(from, &data(2, b"end"));
    peer.expect(&ack(2));
    let said = String::from_utf8(server.rest()).unwrap();
    assert_eq!(said.lines().count(), 1, "only the upload: {said}");
    server.ends(0);
    assert_eq!(folder.read("up").len(), 515);
}

#[cfg(unix)]
#[test]
fn a_server_that_stops_at_once_leaves_no_half_upload() {
    use nix::sys::signal::Signal;

    let (mut server, address, folder) = serving(&["--write", "any", "--grace", "1ms"]);
    let peer = Peer::new();
    peer.send(address, &wrq("up"));
    let from = peer.expect(&ack(0));
    peer.send(from, &data(1, &bytes(512)));
    peer.expect(&ack(1));
    server.signal(Signal::SIGTERM);
    let said = server.ends(0);
    assert!(said.contains("dropped: a transfer with 127.0.0.1:"), "{said}");
    assert_eq!(folder.names(), ["1600", "600", "hello.txt"]);
}

#[test]
fn what_a_server_says_can_be_read_by_programs() {
    let (mut server, address, _folder) = serving(&["--json"]);
    let peer = Peer::new();
    assert_eq!(peer.get(address, &rrq("600")), bytes(600));
    let line: serde_json::Value = serde_json::from_str(&server.line()).unwrap();
    for (key, want) in
        [("event", "transfer"), ("direction", "read"), ("file", "600"), ("result", "whole")]
    {
        assert_eq!(line[key], want);
    }
    assert_eq!((line["bytes"].as_u64(), line["data"].as_u64()), (Some(600), Some(2)));
    peer.send(address, &rrq("missing"));
    let line: serde_json::Value = serde_json::from_str(&server.line()).unwrap();
    assert_eq!((line["result"].as_str(), line["error_code"].as_u64()), (Some("refused"), Some(1)));
}

/// A server of a folder with `hello.txt`, `600` and `1600` in it.
fn serving(args: &[&str]) -> (Program, SocketAddr, Folder) {
    let folder = Folder::new();
    folder.write("hello.txt", b"hello");
    folder.write("600", &bytes(600));
    folder.write("1600", &bytes(1600));
    let (server, address) = Program::server(&folder, args);
    (server, address, folder)
}
