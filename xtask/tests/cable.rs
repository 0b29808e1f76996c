//! The cable on real sockets: what passes unharmed, and every fault, with fixed seeds.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use faults::Direction;
use xtask::cable::Cable;
use xtask::cable::trace::{self, Done, Event, Names, Trace, What};

/// What must come has all the time of a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn datagrams_keep_their_boundaries_both_ways() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let Some(server) = socket(local) else { continue };
        let (cable, trace) = lay(server.local_addr().unwrap(), "", 1);
        let client = socket(local).unwrap();
        let longest = vec![7; 60_000];
        for datagram in [&b"one"[..], b"", b"two", &longest] {
            client.send_to(datagram, cable.address()).unwrap();
            let (got, back) = receive(&server);
            assert_eq!(got, datagram);
            server.send_to(&got, back).unwrap();
            assert_eq!(receive(&client), (datagram.to_vec(), cable.address()));
        }
        let directions: Vec<_> = trace.record().events.iter().map(|e| e.direction).collect();
        assert_eq!(directions, [Direction::ToServer, Direction::ToClient].repeat(4));
    }
}

#[test]
fn each_client_has_an_address_of_its_own_at_the_server() {
    let server = socket("127.0.0.1:0").unwrap();
    let (cable, _) = lay(server.local_addr().unwrap(), "", 1);
    let clients = [(); 3].map(|()| socket("127.0.0.1:0").unwrap());
    let mut backs = Vec::new();
    for (number, client) in (0_u8..).zip(&clients) {
        client.send_to(&[number], cable.address()).unwrap();
        backs.push(receive(&server));
    }
    // Answered in the other order, each answer finds its client.
    for (question, back) in backs.iter().rev() {
        server.send_to(question, back).unwrap();
    }
    for (number, client) in (0_u8..).zip(&clients) {
        assert_eq!(receive(client).0, [number]);
    }
}

#[test]
fn a_server_that_goes_on_from_another_port_is_followed_in_both_directions() {
    let (asked, answers) = (socket("127.0.0.1:0").unwrap(), socket("127.0.0.1:0").unwrap());
    let (cable, trace) = lay(asked.local_addr().unwrap(), "", 1);
    let client = socket("127.0.0.1:0").unwrap();
    client.send_to(b"request", cable.address()).unwrap();
    let (_, back) = receive(&asked);
    answers.send_to(b"data", back).unwrap();
    let (data, new_port) = receive(&client);
    assert_eq!(data, b"data");
    assert_ne!(new_port, cable.address(), "another port of the server is another address");
    client.send_to(b"ack", new_port).unwrap();
    assert_eq!(receive(&answers), (b"ack".to_vec(), back));
    let servers: Vec<SocketAddr> = trace.record().flows.iter().map(|flow| flow.server).collect();
    assert_eq!(servers, [asked.local_addr().unwrap(), answers.local_addr().unwrap()]);
}

#[test]
fn the_same_seed_gives_a_lockstep_conversation_the_same_trace_twice() {
    let settings = "loss=30%,duplicate=30%";
    let first = lockstep(settings, 7);
    assert_eq!(first, lockstep(settings, 7));
    assert_ne!(first, lockstep(settings, 8));
    let lost = |trace: &[String]| trace.iter().filter(|line| line.contains("lost")).count();
    let twice = |trace: &[String]| trace.iter().filter(|line| line.contains("twice")).count();
    assert!(lost(&first) > 0 && twice(&first) > 0, "{first:?}");
}

#[test]
fn what_is_held_is_overtaken_and_what_is_late_comes() {
    let server = socket("127.0.0.1:0").unwrap();
    let (cable, trace) = lay(server.local_addr().unwrap(), "reorder=40%,delay=1ms±1ms", 3);
    let client = socket("127.0.0.1:0").unwrap();
    for number in 0..40_u8 {
        client.send_to(&[number], cable.address()).unwrap();
    }
    let mut got: Vec<u8> = (0..40).map(|_| receive(&server).0[0]).collect();
    assert!(!got.is_sorted(), "something was overtaken: {got:?}");
    got.sort_unstable();
    assert_eq!(got, (0..40).collect::<Vec<u8>>(), "nothing was lost");
    let record = trace.record();
    let says = |word: &str| record.events.iter().any(|e| trace::words(&e.done).contains(word));
    assert!(says("overtook") && says("held for") && says("late"), "{record:?}");
}

#[test]
fn a_stream_passes_whole_with_its_half_close() {
    for faults in ["", "cut=random", "cut=every-byte", "delay=5ms±5ms", "rate=10MB/s"] {
        let (mut client, mut server, _cable, trace) = connect(faults);
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut server), b"question", "{faults}");
        server.write_all(b"answer").unwrap();
        drop(server);
        assert_eq!(read_to_end(&mut client), b"answer", "{faults}");
        let ends = trace.record().events.iter().filter(|e| e.what == What::Closed).count();
        assert_eq!(ends, 2, "{faults}");
    }
}

#[test]
fn a_stream_cut_at_every_byte_comes_byte_by_byte() {
    let (mut client, mut server, _cable, _) = connect("cut=every-byte");
    client.write_all(b"hello").unwrap();
    let mut one = [0; 64];
    // A reader that waits sees the first byte alone; a busy one may find several.
    let len = server.read(&mut one).unwrap();
    assert!(len < 5, "{len} bytes at once");
}

#[test]
fn a_reset_is_passed_on_as_a_reset() {
    for client_resets in [true, false] {
        let (client, server, _cable, trace) = connect("");
        let (resets, mut other) = if client_resets { (client, server) } else { (server, client) };
        socket2::SockRef::from(&resets).set_linger(Some(Duration::ZERO)).unwrap();
        drop(resets);
        let error = other.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(trace.record().events.iter().any(|event| event.what == What::Reset));
    }
}

#[test]
fn a_server_that_refuses_is_a_reset_for_the_client() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (cable, _) = lay(nobody, "", 1);
    let mut client = TcpStream::connect(cable.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_stream_is_reset_or_stalls_after_so_many_bytes() {
    let (mut client, mut server, _cable, _) = connect("reset-after=4B");
    client.write_all(b"abcdefgh").unwrap();
    let mut got = Vec::new();
    let error = server.read_to_end(&mut got).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(got.len() <= 4, "{got:?}");

    let (mut client, mut server, _cable, trace) = connect("stall-after=4B");
    client.write_all(b"abcdefgh").unwrap();
    let mut four = [0; 4];
    server.read_exact(&mut four).unwrap();
    assert_eq!(&four, b"abcd");
    // That nothing more comes is shown by what the cable says, and by an empty socket.
    while !trace.record().events.iter().any(|event| event.done == [Done::Stalled]) {
        std::thread::yield_now();
    }
    server.set_nonblocking(true).unwrap();
    assert_eq!(server.read(&mut four).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_reader_that_is_slow_holds_the_writer_up() {
    let (client, mut server, _cable, _) = connect("");
    client.set_nonblocking(true).unwrap();
    // Neither the sockets nor the cable take more than a limit; a cable without one would take
    // all of this.
    let limit = 64 << 20;
    let piece = vec![7; 64 << 10];
    let mut written = 0;
    let mut refusals = 0;
    while written < limit && refusals < 1000 {
        match (&client).write(&piece) {
            Ok(len) => (written, refusals) = (written + len, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refusals += 1;
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(written < limit, "all was taken and nothing was read");
    client.set_nonblocking(false).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut server).len(), written, "and nothing was lost");
}

#[test]
fn a_cable_that_is_taken_up_leaves_nobody_waiting() {
    let (mut client, _server, cable, _) = connect("");
    let front = cable.address();
    drop(cable);
    let error = client.read(&mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the connection is broken off");
    // The port is free again.
    let deadline = std::time::Instant::now() + PATIENCE;
    while UdpSocket::bind(front).is_err() {
        assert!(std::time::Instant::now() < deadline, "the cable still has its socket");
        std::thread::yield_now();
    }
}

/// A conversation of ten numbers, each asked again until it is answered; the trace without times.
fn lockstep(settings: &str, seed: u64) -> Vec<String> {
    let server = socket("127.0.0.1:0").unwrap();
    let (cable, trace) = lay(server.local_addr().unwrap(), settings, seed);
    std::thread::spawn(move || {
        let mut datagram = [0; 8];
        while let Ok((len, back)) = server.recv_from(&mut datagram) {
            server.send_to(&datagram[..len], back).unwrap();
        }
    });
    let client = socket("127.0.0.1:0").unwrap();
    for number in 0..10_u8 {
        ask_until_answered(&client, cable.address(), &trace, number);
    }
    trace.record().events.iter().map(describe).collect()
}

/// Asks, and asks again once the trace says that the question or every answer to it is gone.
fn ask_until_answered(client: &UdpSocket, server: SocketAddr, trace: &Trace, number: u8) {
    client.set_nonblocking(true).unwrap();
    let mut answers_due = 0;
    loop {
        let before = trace.record().events.len();
        client.send_to(&[number], server).unwrap();
        // One event for the question; then one for the answer to each copy that arrived.
        let question = wait_for(trace, before);
        let copies = copies_of(&question);
        for copy in 0..copies {
            answers_due += copies_of(&wait_for(trace, before + 1 + copy));
        }
        if answers_due > 0 {
            break;
        }
    }
    let mut datagram = [0; 8];
    while answers_due > 0 {
        match client.recv_from(&mut datagram) {
            Ok((len, _)) => {
                assert_eq!(&datagram[..len], [number]);
                answers_due -= 1;
            }
            Err(_) => std::thread::yield_now(),
        }
    }
}

fn wait_for(trace: &Trace, index: usize) -> Event {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(event) = trace.record().events.get(index) {
            return event.clone();
        }
        assert!(std::time::Instant::now() < deadline, "event {index} never came");
        std::thread::yield_now();
    }
}

fn copies_of(event: &Event) -> usize {
    let says = |word: &str| trace::words(&event.done).contains(word);
    match (says("lost"), says("twice")) {
        (true, _) => 0,
        (false, true) => 2,
        (false, false) => 1,
    }
}

fn describe(event: &Event) -> String {
    format!("{:?} {:?} {:?}", event.direction, event.what, trace::words(&event.done))
}

fn lay(server: SocketAddr, settings: &str, seed: u64) -> (Cable, Arc<Trace>) {
    let trace = Arc::new(Trace::new(true, None));
    let names = Names { server: "server".to_owned(), client: Box::new(|a| a.to_string()) };
    let cable = Cable::lay(server, settings.parse().unwrap(), seed, names, &trace).unwrap();
    (cable, trace)
}

/// A client and the server's end of its connection, through a cable with these faults.
fn connect(faults: &str) -> (TcpStream, TcpStream, Cable, Arc<Trace>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (cable, trace) = lay(listener.local_addr().unwrap(), faults, 1);
    let client = TcpStream::connect(cable.address()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    (client, server, cable, trace)
}

/// A socket on `local`, if the machine has such an address.
fn socket(local: &str) -> Option<UdpSocket> {
    let socket = UdpSocket::bind(local).ok()?;
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Some(socket)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut datagram = vec![0; 65_536];
    let (len, sender) = socket.recv_from(&mut datagram).unwrap();
    datagram.truncate(len);
    (datagram, sender)
}

fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}
