//! The server in all its modes, through real sockets: one set of tests for all of them.

mod common;

use std::collections::HashSet;
use std::net::UdpSocket;

use common::{MODES, Server, client, receive};
#[cfg(target_os = "linux")]
use udp_echo::server::Mode;

/// What fits into a datagram over IPv4; macOS by default sends no more than this.
const LONGEST: usize = if cfg!(target_os = "macos") { 9216 } else { 65_507 };

#[test]
fn what_is_sent_comes_back_to_whoever_sent_it() {
    for mode in MODES {
        let server = Server::start(mode, "127.0.0.1:0");
        let (ann, bob) = (client(&server), client(&server));
        ann.send("我爱你".as_bytes()).unwrap();
        bob.send(b"exit").unwrap();
        assert_eq!(receive(&ann), "我爱你".as_bytes(), "{mode:?}");
        assert_eq!(receive(&bob), b"exit", "{mode:?}");
        let totals = server.stop();
        assert_eq!((totals.datagrams, totals.bytes, totals.answered), (2, 13, 2), "{mode:?}");
    }
}

#[test]
fn every_length_and_every_byte_comes_back() {
    let all_bytes: Vec<u8> = (0..=255).collect();
    for mode in MODES {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let server = Server::start(mode, bind);
            let client = client(&server);
            let escapes = b"\x1b[2J\r\xff\xfe\xe2\x80\xae.exe";
            for datagram in
                [&b""[..], b"x", escapes, &all_bytes, &vec![7; 1473], &vec![9; LONGEST], b""]
            {
                client.send(datagram).unwrap();
                assert_eq!(receive(&client), datagram, "{mode:?} {bind}");
            }
        }
    }
}

#[test]
fn ten_thousand_clients_are_answered() {
    const AT_ONCE: usize = 100;
    for mode in MODES {
        let server = Server::start(mode, "127.0.0.1:0");
        let mut ports = HashSet::new();
        while ports.len() < 10_000 {
            let clients: Vec<UdpSocket> = (0..AT_ONCE).map(|_| client(&server)).collect();
            for (number, client) in clients.iter().enumerate() {
                client.send(&number.to_be_bytes()).unwrap();
            }
            for (number, client) in clients.iter().enumerate() {
                assert_eq!(receive(client), number.to_be_bytes(), "{mode:?}");
                ports.insert(client.local_addr().unwrap());
            }
        }
        assert!(server.stop().answered >= 10_000, "{mode:?}");
    }
}

#[test]
fn a_client_that_vanishes_does_no_harm() {
    for mode in MODES {
        let server = Server::start(mode, "127.0.0.1:0");
        for _ in 0..100 {
            client(&server).send(b"good bye").unwrap();
        }
        let client = client(&server);
        client.send(b"still there?").unwrap();
        assert_eq!(receive(&client), b"still there?", "{mode:?}");
    }
}

/// With IP_RECVERR the system reports every ICMP message to the socket, as Windows does by itself:
/// the next call fails, and what it was to send is not sent.
#[cfg(target_os = "linux")]
#[test]
fn icmp_errors_end_neither_the_server_nor_the_answers_to_others() {
    for mode in MODES {
        let server = Server::start_with(mode, "127.0.0.1:0", common::report_icmp_errors);
        let client = client(&server);
        for round in 0..50_u8 {
            common::send_and_close(&server);
            client.send(&[round]).unwrap();
            assert_eq!(receive(&client), [round], "{mode:?}");
        }
        let totals = server.stop();
        assert_eq!(totals.datagrams, 100, "{mode:?}");
        assert!(totals.receive_errors + totals.send_errors <= 50, "{mode:?}: {totals}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_answer_leaves_from_the_address_that_was_asked() {
    for mode in [Mode::Batch, Mode::Offload] {
        for (bind, asked) in
            [("0.0.0.0:0", "127.0.0.99"), ("[::]:0", "::1"), ("[::]:0", "127.0.0.98")]
        {
            let server = Server::start(mode, bind);
            let asked = std::net::SocketAddr::new(asked.parse().unwrap(), server.address.port());
            let client = common::client_of(asked);
            for question in ["one", "two"] {
                client.send(question.as_bytes()).unwrap();
                assert_eq!(receive(&client), question.as_bytes(), "{mode:?} {bind} {asked}");
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_question_to_everybody_is_answered_by_one() {
    // Bound to all addresses, or it does not hear what goes to everybody on loopback.
    for mode in MODES {
        let server = Server::start(mode, "0.0.0.0:0");
        let asking = UdpSocket::bind("127.0.0.1:0").unwrap();
        asking.set_read_timeout(Some(common::PATIENCE)).unwrap();
        asking.set_broadcast(true).unwrap();
        asking.send_to(b"who is there?", ("127.255.255.255", server.address.port())).unwrap();
        assert_eq!(receive(&asking), b"who is there?", "{mode:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_is_asked_from_an_answering_port_or_by_itself_is_silent() {
    use udp_echo::server::policy::{Refusal, refusal};
    // Port 7 needs rights that a test has not, so this is asked of the policy; here it is shown
    // that each mode obeys it. A datagram from its own address is one that it can be sent.
    for mode in MODES {
        let server = Server::start_with(mode, "127.0.0.1:0", |socket| {
            socket.send_to(b"from myself", socket.local_addr().unwrap()).unwrap();
        });
        assert_eq!(refusal(server.address, server.address), Some(Refusal::Myself));
        let client = client(&server);
        client.send(b"and?").unwrap();
        assert_eq!(receive(&client), b"and?");
        let totals = server.stop();
        assert_eq!((totals.datagrams, totals.answered, totals.refused), (2, 1, 1), "{mode:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_batch_costs_at_most_a_tenth_of_a_system_call_per_datagram() {
    const WAITING: u64 = 128;
    for (mode, at_most) in [(Mode::Simple, 2.1), (Mode::Batch, 0.1)] {
        let mut asking = None;
        // The datagrams lie in the socket's buffer before the server looks for the first time.
        let server = Server::start_with(mode, "127.0.0.1:0", |socket| {
            let client = common::client_of(socket.local_addr().unwrap());
            for number in 0..WAITING {
                client.send(&number.to_be_bytes()).unwrap();
            }
            asking = Some(client);
        });
        let client = asking.unwrap();
        for number in 0..WAITING {
            assert_eq!(receive(&client), number.to_be_bytes());
        }
        let totals = server.stop();
        assert_eq!((totals.datagrams, totals.answered), (WAITING, WAITING));
        // One of them is the receive that finds nothing more, and waits.
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let calls = totals.calls as f64 / totals.datagrams as f64;
        assert!(calls <= at_most, "{mode:?}: {calls} system calls per datagram; {totals}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_of_one_sender_is_answered_as_a_run() {
    const RUN: usize = 50;
    let server = Server::start(Mode::Offload, "127.0.0.1:0");
    let client = client(&server);
    let state = quinn_udp::UdpSocketState::new((&client).into()).unwrap();
    client.set_nonblocking(false).unwrap();
    for (len, last) in [(64, 64), (1200, 7), (1, 1)] {
        let contents: Vec<u8> =
            (0..(RUN - 1) * len + last).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let transmit = quinn_udp::Transmit {
            destination: server.address,
            ecn: None,
            contents: &contents,
            segment_size: Some(len),
            src_ip: None,
        };
        state.try_send((&client).into(), &transmit).unwrap();
        // Runs come back as runs, one or several; the bytes and their borders are what counts.
        let mut came = Vec::new();
        while came.len() < contents.len() {
            let mut buffer = vec![0; 65_536];
            let mut meta = [quinn_udp::RecvMeta::default()];
            let buffers = &mut [std::io::IoSliceMut::new(&mut buffer)];
            assert_eq!(state.recv((&client).into(), buffers, &mut meta).unwrap(), 1);
            assert_eq!(meta[0].stride.min(len), meta[0].len.min(len));
            came.extend_from_slice(&buffer[..meta[0].len]);
        }
        assert!(came == contents, "{len}");
    }
    let totals = server.stop();
    assert_eq!((totals.datagrams, totals.answered), (3 * RUN as u64, 3 * RUN as u64));
    assert!(totals.calls < 3 * RUN as u64 / 2, "{totals}");
}
