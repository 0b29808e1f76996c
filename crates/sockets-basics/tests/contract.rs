//! What every program of the course owes to the terminal and to a script, seen from outside.
//!
//! The contract is written in `crates/cli`; here real processes are held to it, by the lesson
//! `tcp-hello`: ready line, exit codes, the shape of errors, signals, closed pipes, colours, and
//! bytes from a stranger. A test waits for lines and for ends, each with a deadline.
//!
//! Exit code 4 is not here: no lesson runs out of time quickly. `crates/cli/src/failure.rs` tests
//! which errors it stands for.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic in a test is its failure")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// Far beyond what a busy machine needs: it is there for a program that hangs.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn the_first_line_says_where_the_server_can_be_reached() {
    for (bind, host) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")] {
        if TcpListener::bind(bind).is_err() {
            // A machine without IPv6 has nothing to show here.
            continue;
        }
        let mut server = Program::start(&["tcp-hello", "server", "--bind", bind]);
        let line = server.stdout.line();
        let port = line.strip_prefix(&format!("listening on {host}:")).expect(&line);
        assert_ne!(port, "0");
        TcpStream::connect(format!("{host}:{port}")).expect("it said that it can be reached");
    }
}

#[test]
fn both_ends_of_a_conversation_end_with_0() {
    let (mut server, address) = Program::server();
    let mut client = Program::start(&["tcp-hello", "client", &address.to_string()]);
    client.ends(0, &[]);
    server.ends(0, &[]);
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_nothing_on_stdout() {
    for args in [
        &["tcp-hello", "server", "--bind", "nonsense"][..],
        &["tcp-hello", "client", "127.0.0.1:65536"],
        &["tcp-hello", "client", "127.0.0.1:0"],
        &["time-sync", "client", "--count", "0"],
        &["tcp-helo"],
        &[],
    ] {
        let mut program = Program::start(args);
        let said = program.stderr.rest();
        assert!(said.iter().any(|line| line.contains("--help")), "{args:?}: {said:?}");
        assert_eq!(program.stdout.rest(), [""; 0], "{args:?}");
        assert_eq!(program.exit().code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_failure_ends_with_1_and_names_what_failed_why_and_what_to_try() {
    let (_silent, address) = silent();
    let mut client = Program::start(&["tcp-hello", "client", &address.to_string()]);
    client.ends(
        1,
        &[
            &format!("error: cannot connect to {address}"),
            "caused by: [..](ECONNREFUSED, os error [..])",
            "hint: nobody listens at that address[..]",
        ],
    );
}

#[test]
fn a_port_in_use_is_said_to_be_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut server = Program::start(&["tcp-hello", "server", "--bind", &address.to_string()]);
    assert_eq!(server.stdout.rest(), [""; 0], "it must not claim to listen");
    server.ends(
        1,
        &[
            &format!("error: cannot listen on {address}"),
            "caused by: [..](EADDRINUSE, os error [..])",
            "hint: another program has this port[..]--bind[..]",
        ],
    );
}

#[test]
fn a_peer_that_leaves_without_a_word_has_broken_the_protocol_and_is_named() {
    let (mut server, address) = Program::server();
    let client = TcpStream::connect(address).unwrap();
    let from = client.local_addr().unwrap();
    drop(client);
    server.ends(
        3,
        &[
            &format!("error: no question from {from}"),
            "caused by: the connection was closed before anything was said",
            "hint: the other program ended, or crashed; look at its terminal",
        ],
    );
}

#[test]
fn what_a_stranger_sends_reaches_the_terminal_escaped() {
    let bytes = b"\x1b[2J\r\xff\xe7\x88\xb1\x00";
    let shown = r"received 10 bytes: \u{1b}[2J\r\xff爱\u{0}";

    let (mut server, address) = Program::server();
    TcpStream::connect(address).unwrap().write_all(bytes).unwrap();
    assert!(server.stdout.line().starts_with("connected: "));
    assert_eq!(server.stdout.line(), shown);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = Program::start(&["tcp-hello", "client", &address]);
    let (mut connection, _) = listener.accept().unwrap();
    let mut question = [0; 6];
    connection.read_exact(&mut question).unwrap();
    connection.write_all(bytes).unwrap();
    assert_eq!(client.stdout.rest().last().map(String::as_str), Some(shown));
    client.ends(0, &[]);
}

#[test]
fn a_reader_of_stdout_that_has_gone_is_a_normal_end() {
    let mut child = program(&["tcp-hello", "server", "--bind", "127.0.0.1:0"]).spawn().unwrap();
    // As `| head -1` does: one line, then the pipe is closed.
    let stdout = child.stdout.take().unwrap();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        send.send(line)
    });
    let mut server = Program::around(child);
    let line = receive.recv_timeout(DEADLINE).unwrap();
    let address = line.trim_end().strip_prefix("listening on ").expect(&line);
    TcpStream::connect(address).unwrap().write_all(b"hello!").unwrap();
    server.ends(0, &[]);
}

#[cfg(unix)]
#[test]
fn sigint_and_sigterm_end_a_server_with_0() {
    for signal in ["INT", "TERM"] {
        let (mut server, _) = Program::server();
        server.signal(signal);
        server.ends(0, &[&format!("stopped by SIG{signal}")]);
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_is_stopped_says_what_it_drops() {
    for signal in ["INT", "TERM"] {
        let (mut server, address) = Program::server();
        let client = TcpStream::connect(address).unwrap();
        let from = client.local_addr().unwrap();
        assert_eq!(server.stdout.line(), format!("connected: {from}"));
        server.signal(signal);
        let dropped = format!("dropped: the conversation with {from}");
        server.ends(0, &[&format!("stopped by SIG{signal}"), &dropped]);
    }
}

#[cfg(unix)]
#[test]
fn a_client_that_is_interrupted_ends_the_systems_way() {
    use std::os::unix::process::ExitStatusExt;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut client = Program::start(&["tcp-hello", "client", &address]);
    let _connection = listener.accept().unwrap();
    client.signal("INT");
    // A shell makes 130 of it.
    assert_eq!(client.exit().signal(), Some(2));
}

#[test]
fn colours_are_as_the_flag_and_the_environment_say() {
    let (_silent, address) = silent();
    let refused = ["tcp-hello", "client", &address.to_string()];
    let coloured = |flags: &[&str], environment: &[&str]| {
        let mut command = program(&[flags, &refused].concat());
        command.envs(environment.iter().map(|name| (name, "1")));
        let mut client = Program::around(command.spawn().unwrap());
        let said = client.stderr.rest().join("\n");
        assert!(said.contains("error:"), "{said:?}");
        said.contains('\x1b')
    };
    // stderr is a pipe here, so `auto` needs CLICOLOR_FORCE to show that NO_COLOR takes it away.
    assert!(!coloured(&[], &[]));
    assert!(coloured(&[], &["CLICOLOR_FORCE"]));
    assert!(!coloured(&[], &["CLICOLOR_FORCE", "NO_COLOR"]));
    assert!(coloured(&["--color", "always"], &[]));
    assert!(!coloured(&["--color", "never"], &["CLICOLOR_FORCE"]));
}

/// Bound and not listening: the port is ours, and nobody answers there.
fn silent() -> (socket2::Socket, SocketAddr) {
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = silent.local_addr().unwrap().as_socket().unwrap();
    (silent, address)
}

/// A running program, which does not outlive its test.
struct Program {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        Self::around(program(args).spawn().unwrap())
    }

    /// `tcp-hello server` on a free port, and where it can be reached.
    fn server() -> (Self, SocketAddr) {
        let mut server = Self::start(&["tcp-hello", "server", "--bind", "127.0.0.1:0"]);
        let line = server.stdout.line();
        let address = line.strip_prefix("listening on ").expect(&line).parse().unwrap();
        (server, address)
    }

    fn around(mut child: Child) -> Self {
        let (stdout, stderr) = (Lines::of(child.stdout.take()), Lines::of(child.stderr.take()));
        Self { child, stdout, stderr }
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        // The shell's own `kill`: not every machine has the program.
        let script = format!("kill -s {signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    /// Waits for the end, and compares the exit code and all that is left on stderr.
    #[track_caller]
    fn ends(&mut self, code: i32, stderr: &[&str]) {
        let said = self.stderr.rest();
        let same = said.len() == stderr.len()
            && said.iter().zip(stderr).all(|(line, want)| matches(line, want));
        assert!(same, "\n got: {said:#?}\nwant: {stderr:#?}");
        assert_eq!(self.exit().code(), Some(code));
    }

    fn exit(&mut self) -> ExitStatus {
        // Outputs that have ended, within their deadline, are those of a process that has too; so
        // this wait is short, and needs no deadline of its own.
        self.stdout.rest();
        self.stderr.rest();
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Most have ended by themselves, and then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, read as they come so that it never fills.
struct Lines(Receiver<String>);

impl Lines {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (send, receive) = mpsc::channel();
        if let Some(pipe) = pipe {
            thread::spawn(move || {
                let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
                lines.try_for_each(|line| send.send(line))
            });
        }
        Self(receive)
    }

    #[track_caller]
    fn line(&mut self) -> String {
        self.0.recv_timeout(DEADLINE).expect("a line, in time")
    }

    /// All that comes up to the end.
    #[track_caller]
    fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.0.recv_timeout(DEADLINE) {
                Ok(line) => lines.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return lines,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end in time, after {lines:?}"),
            }
        }
    }
}

/// The chapter's program, with nothing of the caller's environment that changes what it says.
fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockets-basics"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["RUST_BACKTRACE", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command
}

/// Whether `line` is `want`, in which `[..]` stands for anything.
fn matches(line: &str, want: &str) -> bool {
    let mut parts = want.split("[..]");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    last.map_or(rest.is_empty(), |last| last.is_empty() || rest.is_empty() || rest.ends_with(last))
}
