//! The two steps as programs, with a bare socket at the other end: what a peer may do, and that a
//! terminal is asked where a pipe is not.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is the failure")]

#[cfg(unix)]
#[path = "../../cli/tests/pty/mod.rs"]
mod pty;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use pty::{ALL, Terminal};

/// Whoever waits longer waits for what will not come.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_client_that_resets_its_connection_does_not_end_the_talk_server() {
    let mut server = Program::server("talk");
    let (mut client, me) = server.client();
    client.write_all(b"hello").unwrap();
    server.says(&format!("connected: {me}"));
    server.says("heard: hello");
    reset(client);
    // Only speaking, or hearing, can show that somebody has gone.
    server.typed("are you still there?");
    let lost = server.line();
    assert!(lost.starts_with(&format!("lost {me}: ")), "{lost}");

    let (mut client, me) = server.client();
    client.write_all(b"exit").unwrap();
    for line in [format!("connected: {me}"), "heard: exit".to_owned()] {
        server.says(&line);
    }
    server.says(&format!("the talk with {me} is over"));
}

#[test]
fn what_was_said_reaches_the_terminal_escaped() {
    for (lesson, bytes, shown) in [
        ("talk", &b"\x1b[2J\rheard: trust me\xff"[..], r"heard: \u{1b}[2J\rheard: trust me\xff"),
        ("duplex", "\u{202e}txt\n".as_bytes(), r"heard: \u{202e}txt\n"),
    ] {
        let mut server = Program::server(lesson);
        let (mut client, me) = server.client();
        client.write_all(bytes).unwrap();
        server.says(&format!("connected: {me}"));
        server.says(shown);
    }
}

#[test]
fn a_talk_server_whose_input_has_ended_takes_leave_of_everybody() {
    let mut server = Program::server("talk");
    server.stdin = None;
    for _ in 0..2 {
        let (mut client, me) = server.client();
        client.write_all(b"hello").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        server.says(&format!("connected: {me}"));
        server.says("heard: hello");
        server.says(&format!("the talk with {me} is over"));
        assert_eq!(rest(&mut client), b"exit");
    }
}

#[test]
fn nobody_waits_for_a_duplex_server_that_has_its_client() {
    let mut server = Program::server("duplex");
    let (_client, me) = server.client();
    server.says(&format!("connected: {me}"));
    let refused = TcpStream::connect(&server.address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_duplex_server_whose_client_resets_the_connection_fails() {
    let mut server = Program::server("duplex");
    let (client, me) = server.client();
    server.says(&format!("connected: {me}"));
    reset(client);
    assert_eq!(server.child.wait().unwrap().code(), Some(1));
}

/// The client writes more than all buffers on the way hold, and reads only then. A server that did one
/// thing after the other would be stuck in its write, and nobody would read.
#[test]
fn two_floods_at_once_do_not_hold_up_each_other() {
    /// Linux lets the send buffer of the server grow to 4 MiB (tcp(7), tcp_wmem).
    const TYPED: usize = 6144;
    const SAID: usize = 2048;
    const LINE: &[u8] = &[b'x'; 1023];

    let mut server = Program::server("duplex");
    let (mut client, me) = server.client();
    let small = socket2::SockRef::from(&client);
    small.set_send_buffer_size(65_536).and(small.set_recv_buffer_size(65_536)).unwrap();
    server.says(&format!("connected: {me}"));
    let mut stdin = server.stdin.take().unwrap();
    let typing = thread::spawn(move || {
        for _ in 0..TYPED {
            stdin.write_all(LINE).and_then(|()| stdin.write_all(b"\n")).unwrap();
        }
    });
    let talking = thread::spawn(move || {
        for _ in 0..SAID {
            client.write_all(LINE).unwrap();
        }
        client.shutdown(Shutdown::Write).unwrap();
        rest(&mut client).len()
    });
    let mut heard = 0;
    loop {
        let line = server.line();
        let Some(words) = line.strip_prefix("heard: ") else { break };
        heard += words.len();
    }
    typing.join().unwrap();
    assert_eq!(heard, SAID * LINE.len());
    assert_eq!(talking.join().unwrap(), TYPED * LINE.len());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[cfg(unix)]
#[test]
fn on_a_terminal_the_talk_client_prompts_when_it_is_its_turn() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::start(program(&["talk", "client", &address]), ALL);
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();

    terminal.until(">>> ");
    terminal.types("");
    terminal.until(">>> ");
    terminal.types("你好");
    let mut words = [0; 6];
    server.read_exact(&mut words).unwrap();
    assert_eq!(words, "你好".as_bytes());
    server.write_all(b"hello").unwrap();
    terminal.until(">>> ");
    terminal.types_end();
    assert_eq!(word(&mut server), *b"exit");
    drop(server);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:?}");
    // What is typed is echoed by the terminal itself, and no prompt follows: it is the other's turn.
    let want = [
        &*format!("connected: {address}"),
        ">>>",
        "an empty line cannot be sent; type something",
        ">>> 你好",
        "heard: hello",
        // The cursor stood behind the prompt.
        ">>>",
        "the end of input: exit",
        &*format!("the talk with {address} is over"),
        "",
    ];
    assert_eq!(screen, want);
}

/// A lesson's server, as a process.
struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Program {
    fn server(lesson: &str) -> Self {
        let mut child = program(&[lesson, "server", "--bind", "127.0.0.1:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, stdin, stdout, address: String::new() };
        server.address = server.line().strip_prefix("listening on ").unwrap().to_owned();
        server
    }

    /// A connection to it, and how the server calls it.
    fn client(&self) -> (TcpStream, String) {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        let me = client.local_addr().unwrap().to_string();
        (client, me)
    }

    fn typed(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input has ended");
        writeln!(stdin, "{line}").unwrap();
    }

    #[track_caller]
    fn says(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the server has ended");
        line.trim_end_matches('\n').to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tcp-chat"));
    command.args(args);
    command
}

/// Closes with RST instead of FIN.
fn reset(connection: TcpStream) {
    socket2::Socket::from(connection).set_linger(Some(Duration::ZERO)).unwrap();
}

fn rest(connection: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Four bytes. Whoever says `exit` waits for an answer, and does not close.
fn word(connection: &mut TcpStream) -> [u8; 4] {
    let mut word = [0; 4];
    connection.read_exact(&mut word).unwrap();
    word
}
