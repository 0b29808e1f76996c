//! A program that was stopped while it waited (Ctrl-Z) goes on waiting when it is continued (`fg`).
//!
//! ```text
//!  recv with SO_RCVTIMEO … SIGSTOP … SIGCONT ─▶ EINTR, although no handler ran (signal(7))
//! ```
//!
//! Only Linux breaks calls off for that.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic in a test is the failure")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// Far beyond what a busy machine needs: it is there for a program that hangs.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn a_client_that_waits_for_a_datagram_goes_on_waiting() {
    for (args, answer) in [
        (&["udp-hello", "client", "{}"][..], "hi"),
        (&["time-sync", "client", "{}", "--format", "%H", "--count", "1", "--every", "1h"], "12"),
    ] {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(DEADLINE)).unwrap();
        let client = start(args, &server.local_addr().unwrap().to_string());
        let (_, address) = server.recv_from(&mut [0; 2048]).unwrap();
        stop_and_go(&client);
        server.send_to(answer.as_bytes(), address).unwrap();
        check(client, answer);
    }
}

#[test]
fn a_client_that_waits_for_bytes_goes_on_waiting() {
    for (args, answer) in [
        (&["tcp-hello", "client", "{}"][..], "hi"),
        (&["phone", "client", "{}"], "HI"),
        (&["timeouts", "client", "{}"], "bye"),
        (&["http-hello", "client", "http://{}/"], "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = start(args, &listener.local_addr().unwrap().to_string());
        let (connection, _) = listener.accept().unwrap();
        connection.set_read_timeout(Some(DEADLINE)).unwrap();
        answer_after_a_stop(client, connection, answer);
    }
}

#[test]
fn a_client_of_a_socket_file_goes_on_waiting() {
    let path = std::env::temp_dir().join(format!("stopped-{}.sock", std::process::id()));
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let client = start(&["unix-hello", "client", "--path", "{}"], path.to_str().unwrap());
    let (connection, _) = listener.accept().unwrap();
    fs::remove_file(&path).unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    answer_after_a_stop(client, connection, "hi");
}

#[test]
fn a_server_that_waits_for_bytes_goes_on_waiting() {
    for (args, question, heard) in [
        (&["tcp-hello", "server", "--bind", "{}"][..], "hello!", "hello!"),
        (&["phone", "server", "--bind", "{}"], "hello", "hello"),
        (&["timeouts", "server", "--bind", "{}"], "bye", "bye"),
    ] {
        let mut server = start(args, "127.0.0.1:0");
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let mut client =
            TcpStream::connect(ready.trim_end().strip_prefix("listening on ").unwrap()).unwrap();
        // Behind this line it waits for words.
        let mut connected = String::new();
        stdout.read_line(&mut connected).unwrap();
        stop_and_go(&server);
        client.write_all(question.as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        stdout.read_to_string(&mut said).unwrap();
        end(server, &said, heard);
    }
}

/// Starts a program that is told of `place` where `{}` stands.
fn start(args: &[&str], place: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_sockets-basics"))
        .args(args.iter().map(|arg| arg.replace("{}", place)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[track_caller]
fn answer_after_a_stop(client: Child, mut connection: impl Read + Write, answer: &str) {
    assert!(connection.read(&mut [0; 2048]).unwrap() > 0);
    stop_and_go(&client);
    connection.write_all(answer.as_bytes()).unwrap();
    drop(connection);
    check(client, answer.lines().next().unwrap());
}

/// Stops the program while it waits, and lets it go on; three times, as the first time it may wait
/// for something else than the network still.
fn stop_and_go(program: &Child) {
    let pid = Pid::from_raw(i32::try_from(program.id()).unwrap());
    for _ in 0..3 {
        // What cannot go on sleeps (proc_pid_stat(5)).
        while state(program) != Some('S') {
            std::thread::yield_now();
        }
        kill(pid, Signal::SIGSTOP).unwrap();
        let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
        kill(pid, Signal::SIGCONT).unwrap();
    }
}

/// `S` sleeps, `R` runs, `Z` has ended.
fn state(program: &Child) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    let (_, behind_the_name) = stat.rsplit_once(") ")?;
    let state = behind_the_name.chars().next();
    assert_ne!(state, Some('Z'), "it has ended before its answer came");
    state
}

/// The client must have heard the answer.
#[track_caller]
fn check(mut client: Child, answer: &str) {
    let mut said = String::new();
    client.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    end(client, &said, answer);
}

#[track_caller]
fn end(mut program: Child, said: &str, heard: &str) {
    let mut errors = String::new();
    program.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(program.wait().unwrap().success(), "{said}{errors}");
    assert!(said.contains(heard), "{said}{errors}");
}
