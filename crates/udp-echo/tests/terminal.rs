//! `udp-echo` on a terminal: the client's prompt, and the load's bar, which are nowhere else.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

#[path = "../../cli/tests/pty/mod.rs"]
mod pty;

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use pty::{ALL, Ends, Terminal};

const PROMPT: &str = "say: ";

#[test]
fn a_client_asks_for_each_line() {
    let server = server();
    let mut terminal = Terminal::start(command(&["client"], &server), ALL);
    for line in ["我爱你", "exit"] {
        terminal.until(PROMPT);
        terminal.types(line);
        echo(&server);
    }
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:?}");
    assert_eq!(screen, ["say: 我爱你", "我爱你", "say: exit", "exit", ""]);
}

#[test]
fn behind_the_end_of_input_the_shells_prompt_has_a_line_of_its_own() {
    let server = server();
    let mut terminal = Terminal::start(command(&["client"], &server), ALL);
    terminal.until(PROMPT);
    terminal.types_end();
    assert_eq!(terminal.end(), (Some(0), vec!["say:".to_owned(), String::new()]));
}

#[test]
fn nobody_is_asked_when_one_end_is_no_terminal() {
    let server = server();
    let mut from_a_pipe = command(&["client"], &server);
    from_a_pipe.stdin(Stdio::null());
    let mut terminal = Terminal::start(from_a_pipe, Ends { stdin: false, ..ALL });
    assert_eq!(terminal.end(), (Some(0), vec![String::new()]));

    let mut into_a_pipe = command(&["client"], &server);
    into_a_pipe.stdout(Stdio::piped());
    let mut terminal = Terminal::start(into_a_pipe, Ends { stdout: false, ..ALL });
    terminal.types("exit");
    echo(&server);
    let (code, screen) = terminal.end();
    assert_eq!((code, screen), (Some(0), vec!["exit".to_owned(), String::new()]));
    let mut said = String::new();
    let mut stdout = terminal.child().stdout.take().unwrap();
    std::io::Read::read_to_string(&mut stdout, &mut said).unwrap();
    assert_eq!(said, "exit\n");
}

#[test]
fn a_load_has_a_bar_that_goes_at_the_end() {
    let server = server();
    let mut terminal = Terminal::start(load(&server), ALL);
    // The one answer is not sent before the bar has been seen.
    terminal.until("0 s  0/s  lost 0");
    echo(&server);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:?}");
    assert_eq!(screen[0], "asked 1, answered 1, lost 0");
    assert!(!screen.iter().any(|line| line.contains("░")), "{screen:?}");
    assert_eq!(screen.last().unwrap(), "");
}

#[test]
fn a_load_into_a_file_has_none() {
    let server = server();
    let mut piped = load(&server);
    let load = piped.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    echo(&server);
    let output = load.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// One question, for whose answer it has time.
fn load(server: &UdpSocket) -> Command {
    command(&["load", "--count", "1", "--timeout", "1h", "--duration", "1h"], server)
}

fn command(words: &[&str], server: &UdpSocket) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_udp-echo"));
    command.args(words).arg(server.local_addr().unwrap().to_string());
    command
}

fn server() -> UdpSocket {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    server
}

/// Answers the next question.
fn echo(server: &UdpSocket) {
    let mut datagram = [0; 2048];
    let (len, client) = server.recv_from(&mut datagram).unwrap();
    server.send_to(&datagram[..len], client).unwrap();
}
