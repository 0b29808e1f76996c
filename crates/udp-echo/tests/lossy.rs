//! `ping` and `relay` as processes, with real sockets: exit codes, and whom the relay remembers.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_udp-echo");

/// Longer than anything here takes; a test that fails must not hang.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn json_is_one_object_and_nothing_else() {
    let server = answering(|datagram| Some(datagram.to_vec()));
    let output = ping(server, &["--count", "3", "--interval", "1ms", "--json"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let tally: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((stdout.lines().count(), output.stderr.len()), (1, 0), "{stdout}");
    assert_eq!((&tally["answered"], &tally["lost"]), (&3.into(), &0.into()), "{stdout}");
    assert!(tally["round_trip_ns"]["min"].as_u64() > Some(0), "{stdout}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn silence_is_exit_4_and_a_server_that_does_not_echo_is_exit_3() {
    for (server, code, error) in [
        (answering(|_| None), 4, "nothing came back from"),
        (answering(|_| Some(b"hi".to_vec())), 3, "does not send back what it gets"),
        (answering(|datagram| Some(datagram.to_ascii_uppercase())), 3, "does not send back"),
        // Nothing of it may reach a terminal.
        (answering(|_| Some(b"\x1b[2J".to_vec())), 3, "does not send back"),
    ] {
        let output = ping(server, &["--count", "1", "--timeout", "100ms", "--tries", "1"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(error), "{stderr}");
        assert!(!output.stdout.contains(&0x1b));
        assert_eq!(output.status.code(), Some(code), "{stderr}");
    }
}

#[test]
fn where_nobody_listens_ping_hears_it_and_goes_on() {
    // Connected to itself, it takes nothing from others, and nobody else gets its port.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    nobody.connect(address).unwrap();
    let output = ping(address, &["--count", "2", "--interval", "1ms", "--timeout", "1ms"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    // All tries of both pings are sent, those too whose send reported an earlier refusal.
    assert!(stdout.contains("2 pings: 0 answered, 2 lost\n6 datagrams sent: 0"), "{stdout}");
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn the_relay_keeps_clients_and_boundaries_apart() {
    let relay = Relay::start(answering(|datagram| Some(datagram.to_vec())), &[]);
    let (ann, bob) = (relay.client(), relay.client());
    for datagram in [&b"a"[..], b"", &[0xff; 40_000]] {
        ann.send(datagram).unwrap();
        bob.send(b"bob").unwrap();
        assert_eq!(receive(&ann), datagram);
        assert_eq!(receive(&bob), b"bob");
    }
}

#[test]
fn with_one_client_too_many_the_oldest_is_forgotten() {
    let mut relay = Relay::start(answering(|datagram| Some(datagram.to_vec())), &[]);
    let clients: Vec<UdpSocket> = (0..65).map(|_| relay.client()).collect();
    let mut say = |client: usize, want: &str| {
        clients[client].send(b"x").unwrap();
        relay.wait_for(want);
        assert_eq!(receive(&clients[client]), b"x");
    };
    for client in 0..64 {
        say(client, &format!("client {}, datagram 1 to the server: passed", client + 1));
    }
    say(0, "client 1, datagram 2 to the server: passed");
    say(64, "client 65, datagram 1 to the server: passed");
    say(1, "client 2, datagram 2 to the server: passed");
    say(0, "client 66, datagram 1 to the server: passed");
    say(1, "client 67, datagram 1 to the server: passed");
}

#[test]
fn the_same_seed_loses_the_same_datagrams() {
    let lost = |seed: &str| -> Vec<bool> {
        let server = answering(|datagram| Some(datagram.to_vec()));
        let mut relay = Relay::start(server, &["--loss", "50%", "--seed", seed]);
        let client = relay.client();
        let fates = (1..=20).map(|number| {
            client.send(b"x").unwrap();
            relay.wait_for(&format!("client 1, datagram {number} to the server: ")) == "lost"
        });
        fates.collect()
    };
    let want = lost("7");
    assert_eq!(lost("7"), want);
    assert_ne!(lost("8"), want);
}

fn ping(server: SocketAddr, args: &[&str]) -> Output {
    let server = server.to_string();
    Command::new(PROGRAM).arg("ping").arg(server).args(args).output().unwrap()
}

/// A server that answers each datagram with what `answer` makes of it, or not at all.
fn answering(answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut datagram = vec![0; 65_535];
        while let Ok((len, client)) = socket.recv_from(&mut datagram) {
            if let Some(answer) = answer(&datagram[..len]) {
                let _ = socket.send_to(&answer, client);
            }
        }
    });
    address
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut datagram = vec![0; 65_535];
    let len = socket.recv(&mut datagram).unwrap();
    datagram.truncate(len);
    datagram
}

/// A relay in a process of its own, which ends with the test.
struct Relay {
    child: Child,
    address: SocketAddr,
    stderr: BufReader<ChildStderr>,
}

impl Relay {
    fn start(server: SocketAddr, args: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["relay", "--bind", "127.0.0.1:0", "--to", &server.to_string()])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let address = ready.trim_end().strip_prefix("listening on ").unwrap().parse().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, address, stderr }
    }

    fn client(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(self.address).unwrap();
        socket
    }

    /// Reads on until a line begins with `start`, and returns the rest of that line.
    fn wait_for(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "the relay has ended");
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
