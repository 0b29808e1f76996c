//! What the lesson `timeouts` says and exits with when each of its deadlines runs out, with real
//! sockets on loopback. No time is measured: what must not end would hang.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use socket2::{Domain, Socket, Type};

#[test]
fn a_server_that_nobody_calls_gives_up() {
    let server = start(&["server", "--bind", "127.0.0.1:0", "--accept", "20ms"]);
    check(server, "waited 20 ms for a client, and none has connected");
}

#[test]
fn a_server_to_whom_nobody_speaks_gives_up() {
    let mut server = start(&["server", "--bind", "127.0.0.1:0", "--read", "20ms"]);
    let mut ready = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
    let address = ready.trim_end().strip_prefix("listening on ").unwrap();
    let silent = TcpStream::connect(address).unwrap();
    let client = silent.local_addr().unwrap();
    check(server, &format!("waited 20 ms for {client} to say something, and it has not"));
}

#[test]
fn a_client_that_nobody_answers_gives_up() {
    // The system takes the call and the words; nobody accepts and reads them.
    let (_listener, address) = listener(12);
    let mut client = start(&["client", &address.to_string(), "--read", "20ms"]);
    client.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
    check(client, &format!("waited 20 ms for {address} to say something, and it has not"));
}

#[cfg(target_os = "linux")] // Only Linux leaves a call unanswered when the backlog is full.
#[test]
fn a_client_whose_call_is_not_taken_gives_up() {
    use std::time::Duration;

    let (_listener, address) = listener(0);
    let mut waiting = Vec::new();
    while let Ok(call) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        waiting.push(call);
        assert!(waiting.len() < 16, "the backlog is never full");
    }
    let client = start(&["client", &address.to_string(), "--connect", "20ms"]);
    check(client, &format!("waited 20 ms for {address} to take the call, and it has not"));
}

fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sockets-basics"))
        .arg("timeouts")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A listener that never accepts.
fn listener(backlog: i32) -> (Socket, SocketAddr) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(backlog).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    (listener, address)
}

/// The program must end with exit code 4, saying what it waited for.
#[track_caller]
fn check(mut program: Child, error: &str) {
    let mut stderr = String::new();
    program.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = program.wait().unwrap();
    assert_eq!(stderr.lines().next(), Some(format!("error: {error}").as_str()));
    assert_eq!(status.code(), Some(4), "{stderr}");
}
