//! `tftp get` and `tftp put` on a terminal: the progress bar is there while a transfer runs, and
//! nowhere else and at no other time.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]
#![allow(clippy::cast_possible_truncation, reason = "test data")]

#[path = "../../cli/tests/pty/mod.rs"]
mod pty;
mod rig;

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use pty::{ALL, Ends, Terminal};
use rig::{Folder, Peer, Program, ack, bytes, data, error};

#[test]
fn a_bar_shows_bytes_and_rate_and_goes_at_the_end() {
    let (mut terminal, server, folder) = getting(&[]);
    let client = half(&server);
    terminal.until("512 B/1.00 KiB ");
    terminal.until(" left");
    other_half(&server, client);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:?}");
    let [received, rate, nothing] = &screen[..] else { panic!("{screen:?}") };
    assert_eq!(received, "received file: 1024 bytes, blksize 512, windowsize 1");
    assert!(rate.ends_with(" MB/s"), "{rate}");
    assert_eq!(nothing, "");
    assert_eq!(folder.read("file"), bytes(1024));
}

#[test]
fn a_bar_without_a_known_size_shows_bytes_and_rate_as_well() {
    let (mut terminal, server, _folder) = getting(&[]);
    let (_, client) = server.receive();
    server.send(client, &data(1, &bytes(512)));
    server.expect(&ack(1));
    terminal.until("512 B ");
    terminal.until("B/s");
    server.send(client, &data(2, b""));
    server.expect(&ack(2));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:?}");
    assert_eq!(screen[0], "received file: 512 bytes, blksize 512, windowsize 1");
}

#[test]
fn an_upload_has_a_bar_too() {
    let (server, folder) = (Peer::new(), Folder::new());
    folder.write("file", &bytes(1024));
    let address: SocketAddr = server.address();
    let mut terminal = Terminal::start(client(&folder, "put", address, &[]), ALL);
    let (_, client) = server.receive();
    server.send(client, &ack(0));
    server.expect(&data(1, &bytes(1024)[..512]));
    server.send(client, &ack(1));
    terminal.until("512 B/1.00 KiB ");
    terminal.until(" left");
    server.expect(&data(2, &bytes(1024)[512..]));
    server.send(client, &ack(2));
    server.expect(&data(3, b""));
    server.send(client, &ack(3));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen:?}");
    assert_eq!(screen[0], "sent file: 1024 bytes, blksize 512, windowsize 1");
    assert_eq!((screen.len(), screen[2].as_str()), (3, ""), "{screen:?}");
}

#[test]
fn of_a_transfer_that_fails_only_the_reason_stays() {
    let (mut terminal, server, _folder) = getting(&[]);
    let client = half(&server);
    terminal.until("512 B/1.00 KiB ");
    server.send(client, &error(0));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen:?}");
    assert!(screen[0].starts_with("error: "), "{screen:?}");
    assert!(!screen.iter().any(|line| line.contains("KiB")), "{screen:?}");
    assert_eq!(screen.last().unwrap(), "");
}

#[test]
fn of_an_interrupted_transfer_nothing_stays() {
    let (mut terminal, server, _folder) = getting(&[]);
    let _client = half(&server);
    terminal.until("512 B/1.00 KiB ");
    terminal.until(" left");
    terminal.signal(nix::sys::signal::Signal::SIGINT);
    let (code, screen) = terminal.end();
    assert_eq!((code, screen), (Some(130), vec![String::new()]));
}

#[test]
fn quiet_is_quiet_on_a_terminal_too() {
    for flag in ["--quiet", "--json"] {
        let (mut terminal, server, _folder) = getting(&[flag]);
        let client = half(&server);
        other_half(&server, client);
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen:?}");
        assert!(!terminal.written().contains("KiB"), "{:?}", terminal.written());
        assert_eq!(screen[0].is_empty(), flag == "--quiet", "{screen:?}");
    }
}

#[test]
fn a_pipe_gets_no_bar() {
    // stderr is a pipe, whatever else is a terminal.
    let (server, folder) = (Peer::new(), Folder::new());
    let address = server.address().to_string();
    let mut piped = Program::start(&folder, &["get", &address, "file"]);
    let client = half(&server);
    other_half(&server, client);
    assert_eq!(piped.ends(0), "");

    let mut command = self::client(&folder, "get", server.address(), &[]);
    command.stderr(Stdio::piped());
    let mut terminal = Terminal::start(command, Ends { stderr: false, ..ALL });
    let client = half(&server);
    other_half(&server, client);
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0));
    assert_eq!(screen, ["received file: 1024 bytes, blksize 512, windowsize 1", ""]);
    let mut errors = String::new();
    let mut stderr = terminal.child().stderr.take().unwrap();
    std::io::Read::read_to_string(&mut stderr, &mut errors).unwrap();
    assert_eq!(errors, "");
}

fn getting(args: &[&str]) -> (Terminal, Peer, Folder) {
    let (server, folder) = (Peer::new(), Folder::new());
    let terminal = Terminal::start(client(&folder, "get", server.address(), args), ALL);
    (terminal, server, folder)
}

fn client(folder: &Folder, verb: &str, server: SocketAddr, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tftp"));
    command.args([verb, &server.to_string(), "file"]).args(args).current_dir(folder.path());
    command
}

/// Sends the first half of a file of 1024 bytes, and says that it has so many.
fn half(server: &Peer) -> SocketAddr {
    let (_, client) = server.receive();
    server.send(client, b"\0\x06tsize\x001024\0");
    server.expect(&ack(0));
    server.send(client, &data(1, &bytes(1024)[..512]));
    server.expect(&ack(1));
    client
}

fn other_half(server: &Peer, client: SocketAddr) {
    server.send(client, &data(2, &bytes(1024)[512..]));
    server.expect(&ack(2));
    server.send(client, &data(3, b""));
    server.expect(&ack(3));
}
