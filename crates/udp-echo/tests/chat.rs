//! The chat server as a program, with a bare socket for its client: what a peer may send, what the
//! operator sees, and that nothing of it ends the server.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

#[test]
fn each_speaker_has_a_colour_of_his_own_and_no_message_chooses_it() {
    let mut server = Server::start("always");
    let client = server.client();
    let line = |server: &mut Server, datagram: &[u8]| {
        client.send(datagram).unwrap();
        server.line()
    };
    let alex = line(&mut server, b"alex : hi");
    let bai = line(&mut server, "太白 : hi".as_bytes());
    let again = line(&mut server, b"alex : \x1b[31mred\x1b[0m");
    assert_eq!(alex, "\x1b[32malex : hi\x1b[0m");
    assert_eq!(bai, "\x1b[33m太白 : hi\x1b[0m");
    assert_eq!(again, "\x1b[32malex : \\u{1b}[31mred\\u{1b}[0m\x1b[0m");
}

#[test]
fn a_server_whose_input_has_ended_goes_on_hearing_whatever_comes() {
    let mut server = Server::start("never");
    let client = server.client();
    let me = client.local_addr().unwrap();
    drop(server.stdin.take());
    for (datagram, want) in [
        (&b"alex : hi\n"[..], "alex : hi".to_owned()),
        (b"", format!("{me} : ")),
        (b"\xff\xfe", format!("{me} : \\xff\\xfe")),
        ("\u{202e}xela : hi".as_bytes(), "\\u{202e}xela : hi".to_owned()),
        (b"q", format!("{me} has left")),
        // 4096 bytes are read, and the rest of the datagram is gone.
        (&[b'x'; 60_000], format!("{me} : {}", "x".repeat(4096))),
        (b"still there?", format!("{me} : still there?")),
    ] {
        client.send(datagram).unwrap();
        assert_eq!(server.line(), want);
    }
}

#[test]
fn a_q_is_answered_with_a_name_and_not_without() {
    let mut server = Server::start("never");
    let client = server.client();
    for datagram in ["q", "alex : q", "bob : hi"] {
        client.send(datagram.as_bytes()).unwrap();
        server.line();
    }
    server.stdin.as_mut().unwrap().write_all(b"next\n").unwrap();
    let mut datagram = [0; 64];
    let answers = [(); 2].map(|()| {
        let len = client.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..len].to_vec()).unwrap()
    });
    assert_eq!(answers, ["q", "next"]);
}

#[test]
fn a_line_too_long_for_the_tutorials_clients_is_not_sent() {
    let mut server = Server::start("never");
    let client = server.client();
    client.send(b"alex : hi").unwrap();
    server.line();
    let typed = format!("{}\n{}\n", "x".repeat(1025), "y".repeat(1024));
    server.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
    let mut datagram = [0; 2048];
    assert_eq!(client.recv(&mut datagram).unwrap(), 1024);
    assert_eq!(datagram[0], b'y');
}

struct Server {
    program: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(color: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_udp-echo"))
            .args(["--color", color, "chat", "server", "--bind", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = program.stdin.take();
        let stdout = BufReader::new(program.stdout.take().unwrap());
        let mut server = Self { program, stdin, stdout, address: String::new() };
        server.address = server.line().strip_prefix("listening on ").unwrap().to_owned();
        server
    }

    /// A socket connected to it.
    fn client(&self) -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.connect(&self.address).unwrap();
        client
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the server has ended");
        line.trim_end_matches('\n').to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
