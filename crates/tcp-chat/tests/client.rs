//! The client as a program: the test is its server, and on a terminal its typist too.
#![allow(clippy::unwrap_used, reason = "a panic is the failure")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use socket2::SockRef;

/// Whoever waits longer waits for what will not come.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn in_a_pipe_it_is_plain_lines_and_the_end_of_input_waits_for_the_answers() {
    let (mut client, mut server) = start(&["--name", "小明"], "你好\nbye\n");
    server.says("* What is your name?\n");
    server.hears("小明");
    server.says("* Hello, 小明\nann: hi\n");
    server.hears("你好");
    server.hears("bye");
    server.hears_the_end();
    // Half of the connection is closed, and the other half is still heard.
    server.says("ann: see you\n");
    drop(server);
    let output = client.end();
    check(&output, 0, "* Hello, 小明\nann: hi\nann: see you\n", "");
}

#[test]
fn without_a_name_lines_pass_as_they_are() {
    let (mut client, mut server) = start(&[], "小明\n\nhi\n");
    server.says("* What is your name?\n");
    for line in ["小明", "", "hi"] {
        server.hears(line);
    }
    server.hears_the_end();
    drop(server);
    check(&client.end(), 0, "* What is your name?\n", "");
}

#[test]
fn what_is_piped_never_becomes_a_name() {
    let (mut client, mut server) = start(&["--name", "ann"], "a secret for the room\n");
    server.says("* What is your name?\n");
    server.hears("ann");
    server.says("* ann is here already.\n* What is your name?\n");
    server.hears_the_end();
    check(&client.end(), 1, "* ann is here already.\n", "does not take this name");
}

#[test]
fn nothing_is_shown_that_a_terminal_would_obey() {
    let (mut client, mut server) = start(&[], "");
    server.says("\u{1b}[2Jann\u{202e}: \u{9b}31m\rme: hi\n* \u{7}\n");
    server.0.write_all(b"\xff\n").unwrap();
    drop(server);
    let output = client.end();
    let shown = "\\u{1b}[2Jann\\u{202e}: \\u{9b}31m\\rme: hi\n* \\u{7}\n* (a line that is no UTF-8";
    assert!(String::from_utf8_lossy(&output.stdout).starts_with(shown), "{output:?}");
}

#[test]
fn a_line_without_end_is_told_once_and_passed_over() {
    let (mut client, mut server) = start(&[], "");
    server.says(&"x".repeat(1 << 20));
    server.says("\nann: hi\nann: cut o");
    server.hears_the_end();
    drop(server);
    let shown = "* (a line of more than 8192 bytes is left out)\nann: hi\nann: cut o\n";
    check(&client.end(), 0, shown, "");
}

#[test]
fn a_server_that_ends_it_is_an_error_unless_we_were_leaving() {
    for (typed, code, error) in
        [("/quit\n", 0, ""), (" /quit \n", 0, ""), ("/quit me\n", 1, "has ended the conversation")]
    {
        let (mut client, mut server) = start_typing(&[], typed);
        server.hears(typed.trim_end_matches('\n'));
        server.says("* good-bye\n");
        drop(server);
        let output = client.end_without_more();
        check(&output, code, "* good-bye\n", error);
    }
}

#[test]
fn a_connection_that_breaks_is_an_error_that_says_how() {
    let (mut client, server) = start_typing(&[], "");
    // With no time to linger, close(2) sends RST instead of FIN.
    SockRef::from(&server.0).set_linger(Some(Duration::ZERO)).unwrap();
    drop(server);
    check(&client.end_without_more(), 1, "", "ECONNRESET");
}

#[test]
fn nobody_there_is_an_error() {
    // Bound and closed again: nobody has it, and nobody else is given it so soon.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = Command::new(PROGRAM).args(["client", &closed]).output().unwrap();
    check(&output, 1, "", "ECONNREFUSED");
}

#[test]
fn who_is_not_asked_for_a_name_is_told_when_the_server_closes() {
    let (mut client, server) = start(&["--name", "ann"], "");
    server.0.shutdown(Shutdown::Write).unwrap();
    check(&client.end(), 1, "", "cannot enter the room");
}

#[test]
fn lines_have_their_times_for_those_who_ask_for_them() {
    let (mut client, mut server) = start(&["--times"], "");
    server.says("* x\nann: hi\n");
    drop(server);
    let shown = String::from_utf8(client.end().stdout).unwrap();
    for (line, want) in shown.lines().zip(["* x", "ann: hi"]) {
        let (time, rest) = line.split_at(6);
        let is_time = time.bytes().zip(*b"00:00 ").all(|(byte, like)| match like {
            b'0' => byte.is_ascii_digit(),
            _ => byte == like,
        });
        assert!(is_time && rest == want, "{line:?}");
    }
    assert_eq!(shown.lines().count(), 2);
}

#[test]
fn colours_are_for_those_who_ask_for_them() {
    for (args, want) in [
        (&["--color", "always"][..], "\u{1b}[2m* x\u{1b}[0m\n\u{1b}[38;5;"),
        (&["--color", "never"], "* x\nann: hi\n"),
        (&[], "* x\nann: hi\n"),
    ] {
        let (mut client, mut server) = start(args, "");
        server.says("* x\nann: hi\n");
        drop(server);
        let output = client.end();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.starts_with(want), "{shown:?}");
    }
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_tcp-chat");

/// The other end of a client's connection.
struct Server(TcpStream, BufReader<TcpStream>);

struct Client(Option<Child>);

/// A client whose input ends behind `typed`, and its server.
fn start(args: &[&str], typed: &str) -> (Client, Server) {
    let (mut client, server) = start_typing(args, typed);
    drop(client.0.as_mut().unwrap().stdin.take());
    (client, server)
}

/// A client who may still type more behind `typed`.
fn start_typing(args: &[&str], typed: &str) -> (Client, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut command = Command::new(PROGRAM);
    command.args(["client", &address]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.as_ref().unwrap().write_all(typed.as_bytes()).unwrap();
    child.stdin.as_mut().unwrap().flush().unwrap();
    (Client(Some(child)), Server::accept(&listener))
}

impl Server {
    fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Self(stream, reader)
    }

    fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn hears(&mut self, line: &str) {
        let mut heard = String::new();
        self.1.read_line(&mut heard).unwrap();
        assert_eq!(heard, format!("{line}\n"));
    }

    #[track_caller]
    fn hears_the_end(&mut self) {
        let mut rest = Vec::new();
        self.1.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

impl Client {
    fn end(&mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }

    /// Its input stays open until it has ended by itself.
    fn end_without_more(&mut self) -> Output {
        let mut child = self.0.take().unwrap();
        let input = child.stdin.take();
        let output = child.wait_with_output().unwrap();
        drop(input);
        output
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
fn check(output: &Output, code: i32, shown: &str, error: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown, "{errors}");
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(error), "{errors}");
    assert_eq!(errors.is_empty(), error.is_empty(), "{errors}");
}

#[cfg(unix)]
mod terminal {
    //! The same on a pseudo-terminal: pty(7).

    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::sync::mpsc::{self, Receiver};
    use std::thread;

    use nix::pty::openpty;
    use nix::sys::termios::{LocalFlags, tcgetattr};

    use super::*;

    /// A client on a terminal, and what the terminal was told.
    struct Terminal {
        child: Child,
        keyboard: File,
        /// The end that the client has, kept to look at the terminal's settings.
        screen: OwnedFd,
        told: Receiver<Vec<u8>>,
        seen: String,
    }

    #[test]
    fn a_line_half_typed_survives_a_line_from_another() {
        let (mut terminal, mut server) = Terminal::start(&["--name", "小明"], &[]);
        server.says("* What is your name?\n");
        server.hears("小明");
        server.says("* Hello, 小明\n");
        terminal.shows("> ");
        terminal.types("我在写");
        terminal.shows("我在写");
        server.says("ann: 打扰一下\n");
        let told = terminal.shows("打扰一下");
        // The line that is being typed is wiped before, and drawn again below.
        assert!(told.contains("\u{1b}[K"), "{told:?}");
        let told = terminal.shows("> 我在写");
        assert!(told.starts_with("\r\n"), "{told:?}");
        terminal.types("一行\r");
        server.hears("我在写一行");
        // Between two lines the terminal takes Ctrl-D for itself; the prompt says that it is ours.
        terminal.shows("> ");
        // Ctrl-D: half of the connection is closed, and what comes is still shown.
        terminal.types("\u{4}");
        server.hears_the_end();
        server.says("ann: 再见\n");
        drop(server);
        terminal.shows("再见\r\n");
        assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
        assert!(terminal.is_as_it_was());
    }

    #[test]
    fn a_name_that_is_not_taken_is_asked_again() {
        let (mut terminal, mut server) = Terminal::start(&["--name", "ann"], &[]);
        server.says("* What is your name?\n");
        server.hears("ann");
        server.says("* ann is here already.\n* What is your name?\n");
        terminal.shows("already.");
        terminal.shows("What is your name?");
        terminal.shows("> ");
        terminal.types("bob\r");
        server.hears("bob");
    }

    #[test]
    fn a_server_that_goes_leaves_the_terminal_as_it_was() {
        let (mut terminal, mut server) = Terminal::start(&[], &[]);
        server.says("* stopping\n");
        terminal.shows("stopping");
        terminal.shows("> ");
        terminal.types("half a li");
        terminal.shows("half a li");
        drop(server);
        let told = terminal.shows("has ended the conversation");
        assert!(told.contains("\r\n"), "{told:?}");
        assert_eq!(terminal.child.wait().unwrap().code(), Some(1));
        assert!(terminal.is_as_it_was());
    }

    #[test]
    fn a_servers_last_words_are_shown() {
        let (mut terminal, mut server) = Terminal::start(&[], &[]);
        terminal.shows("> ");
        server.says("* one\n* two\n* stopping\n");
        drop(server);
        for line in ["one", "two", "stopping", "has ended the conversation"] {
            terminal.shows(line);
        }
    }

    #[test]
    fn lines_that_are_pasted_all_go() {
        let (mut terminal, mut server) = Terminal::start(&[], &[]);
        terminal.shows("> ");
        terminal.types("one\r二\rthree\r");
        for line in ["one", "二", "three"] {
            server.hears(line);
        }
    }

    #[test]
    fn ctrl_c_ends_it_as_it_ends_other_programs() {
        let (mut terminal, server) = Terminal::start(&[], &[]);
        terminal.shows("> ");
        terminal.types("half a li\u{3}");
        let status = terminal.child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (None, Some(2)));
        assert!(terminal.is_as_it_was());
        drop(server);
    }

    /// The shell sets the terminal for itself while the program is stopped, as this test does.
    #[cfg(target_os = "linux")]
    #[test]
    fn ctrl_z_stops_it_and_afterwards_the_line_is_still_there() {
        use nix::sys::signal::{Signal, kill};
        use nix::sys::termios::{SetArg, tcsetattr};

        for _ in 0..10 {
            let (mut terminal, mut server) = Terminal::start(&[], &[]);
            let cooked = tcgetattr(&terminal.screen).unwrap();
            terminal.shows("> ");
            terminal.types("half a li");
            terminal.shows("half a li");
            terminal.types("\u{1a}");
            let pid = terminal.child.id();
            let start = std::time::Instant::now();
            let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            while !stat().contains(") T ") {
                assert!(start.elapsed() < PATIENCE, "{}", stat());
                thread::yield_now();
            }
            assert!(terminal.is_as_it_was());
            tcsetattr(&terminal.screen, SetArg::TCSANOW, &cooked).unwrap();
            kill(nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGCONT).unwrap();
            terminal.shows("> half a li");
            assert!(!terminal.is_as_it_was());
            terminal.types("ne\r");
            server.hears("half a line");
        }
    }

    #[test]
    fn a_name_has_a_colour_unless_nobody_wants_one() {
        for (environment, colored) in [(&[][..], true), (&[("NO_COLOR", "1")], false)] {
            let (mut terminal, mut server) = Terminal::start(&[], environment);
            terminal.shows("> ");
            server.says("ann: hi\n");
            let told = terminal.shows("hi");
            assert_eq!(told.contains("\u{1b}[38;5;"), colored, "{told:?}");
        }
    }

    #[test]
    fn a_terminal_that_can_do_nothing_gets_plain_lines() {
        let (mut terminal, mut server) = Terminal::start(&[], &[("TERM", "dumb")]);
        server.says("ann: hi\n");
        terminal.shows("ann: hi\r\n");
        terminal.types("hello\n");
        server.hears("hello");
    }

    impl Terminal {
        fn start(args: &[&str], environment: &[(&str, &str)]) -> (Self, Server) {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let pty = openpty(None, None).unwrap();
            let end = || Stdio::from(pty.slave.try_clone().unwrap());
            let child = Command::new(PROGRAM)
                .args(["client", &listener.local_addr().unwrap().to_string()])
                .args(args)
                .env_remove("NO_COLOR")
                // Where it is set, colours are shown on any terminal.
                .env_remove("CI")
                .env("TERM", "xterm-256color")
                .envs(environment.iter().copied())
                .stdin(end())
                .stdout(end())
                .stderr(end())
                // Ctrl-Z stops a group, and the test shall not be of it.
                .process_group(0)
                .spawn()
                .unwrap();
            let keyboard = File::from(pty.master);
            let mut reader = keyboard.try_clone().unwrap();
            let (sender, told) = mpsc::channel();
            thread::spawn(move || {
                let mut room = [0; 1024];
                // EIO when the last who had the other end is gone.
                while let Ok(len) = reader.read(&mut room) {
                    let _ = sender.send(room[..len].to_vec());
                }
            });
            let (screen, seen) = (pty.slave, String::new());
            (Self { child, keyboard, screen, told, seen }, Server::accept(&listener))
        }

        fn types(&mut self, keys: &str) {
            self.keyboard.write_all(keys.as_bytes()).unwrap();
        }

        /// Waits until it was told `text`. Returns what it was told before that.
        #[track_caller]
        fn shows(&mut self, text: &str) -> String {
            let mut bytes = std::mem::take(&mut self.seen).into_bytes();
            loop {
                let told = String::from_utf8_lossy(&bytes);
                if let Some((before, after)) = told.split_once(text) {
                    self.seen = after.to_owned();
                    return before.to_owned();
                }
                match self.told.recv_timeout(PATIENCE) {
                    Ok(more) => bytes.extend(more),
                    Err(error) => panic!("{text:?} is not shown ({error}): {told:?}"),
                }
            }
        }

        fn is_as_it_was(&self) -> bool {
            let flags = tcgetattr(&self.screen).unwrap().local_flags;
            flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG)
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
