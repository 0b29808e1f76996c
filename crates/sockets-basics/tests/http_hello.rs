//! The server of the lesson `http-hello`, asked over real sockets on loopback: what of its
//! behaviour belongs to the connection and not to a single message.

#![expect(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &str = "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn without_keep_alive_a_connection_brings_one_answer() {
    let server = Server::start(&[]);
    server.check(&[HEAD, HEAD], &["200 OK, close"]);
    // And the server lives on.
    server.check(&[GET], &["200 OK, close"]);
}

#[test]
fn with_keep_alive_it_brings_as_many_as_the_client_wants() {
    let server = Server::start(&["--keep-alive"]);
    server.check(&[HEAD, HEAD, LAST, HEAD], &["200 OK", "200 OK", "200 OK, close"]);
}

#[test]
fn nobody_keeps_a_connection_for_ever() {
    let server = Server::start(&["--keep-alive"]);
    let mut want = ["200 OK"; 100];
    want[99] = "200 OK, close";
    server.check(&[HEAD; 101], &want);
}

#[test]
fn after_a_mistake_the_connection_is_closed() {
    let server = Server::start(&["--keep-alive"]);
    server.check(&["GET /\r\n\r\n", HEAD], &["400 Bad Request, close"]);
    // The body is not read, and must not be taken for a request.
    let smuggled = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", HEAD.len());
    server.check(&[&smuggled, HEAD], &["405 Method Not Allowed, close"]);
}

#[test]
fn an_answer_arrives_although_its_question_was_not_read_to_the_end() {
    let server = Server::start(&[]);
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(60_000));
    server.check(&[&endless], &["431 Request Header Fields Too Large, close"]);
}

#[test]
fn a_request_that_takes_too_long_is_told_so_and_silence_is_not() {
    let server = Server::start(&["--patience", "20ms"]);
    let mut connection = TcpStream::connect(&server.address).unwrap();
    connection.write_all(b"GET / HT").unwrap();
    assert_eq!(statuses(connection), ["408 Request Timeout, close"]);
    let silent = TcpStream::connect(&server.address).unwrap();
    assert_eq!(statuses(silent), [""; 0]);
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_sockets-basics"))
            .args(["http-hello", "server", "--bind", "127.0.0.1:0"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let address = ready.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        // The server would end when nobody reads what it says.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { process, address }
    }

    /// Sends all of `requests` at once, and compares the statuses of the answers.
    #[track_caller]
    fn check(&self, requests: &[&str], want: &[&str]) {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.write_all(requests.concat().as_bytes()).unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(statuses(connection), want);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What matters is what the test found.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The statuses of the answers up to the end of the connection, and which of them announce it.
#[track_caller]
fn statuses(mut connection: TcpStream) -> Vec<String> {
    let mut answers = String::new();
    connection.read_to_string(&mut answers).unwrap();
    let mut statuses: Vec<String> = Vec::new();
    for line in answers.lines() {
        if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
            statuses.push(status.to_owned());
        } else if line == "Connection: close" {
            statuses.last_mut().unwrap().push_str(", close");
        }
    }
    statuses
}
