//! `server` and `client` as programs: what the sessions do not show.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

const FRAMINGS: [&[&str]; 7] = [
    &["--framing", "fixed", "--size", "40"],
    &["--framing", "line"],
    &["--framing", "delimiter"],
    &["--framing", "delimiter", "--delimiter", r"\r\n"],
    &["--framing", "length", "--length-field", "1,2", "--counts", "frame", "--endian", "little"],
    &["--framing", "varint"],
    &["--framing", "cobs"],
];

const TEXT: &str = "hello\n你好; \\\nhow are you?\n";

#[test]
fn what_one_end_says_the_other_hears_whatever_a_read_takes() {
    for framing in FRAMINGS {
        for read_size in ["1", "3", "1024"] {
            let server = Server::start(&[framing, &["--json", "--read-size", read_size]].concat());
            let client = server.talk(&[framing, &["--json", "--one-write"]].concat());
            assert!(client.status.success(), "{framing:?}");
            let (sent, heard) = (json(&client.stdout), server.json());
            let texts = |value: &Value| {
                let all = value["messages"].as_array().unwrap();
                all.iter().map(|message| message["hex"].clone()).collect::<Vec<_>>()
            };
            assert_eq!(texts(&heard), texts(&sent), "{framing:?} {read_size}");
            assert_eq!(heard["heard"], 3);
            let [write] = &sent["writes"]["calls"].as_array().unwrap()[..] else {
                panic!("{sent}")
            };
            if !matches!(framing[1], "delimiter" | "cobs") {
                for message in sent["messages"].as_array().unwrap() {
                    let [from, to] = [0, 1].map(|end| message["body"][end].as_u64().unwrap());
                    let body = 2 * usize::try_from(from).unwrap()..2 * usize::try_from(to).unwrap();
                    assert_eq!(write.as_str().unwrap()[body], message["hex"], "{framing:?}");
                }
            }
            let places = |value: &Value, key| value["messages"][2][key].as_u64().unwrap();
            assert_eq!(places(&heard, "begin"), places(&sent, "begin"), "{framing:?}");
            assert_eq!(places(&heard, "end"), places(&sent, "end"), "{framing:?}");
        }
    }
}

#[test]
fn an_echo_comes_back_as_it_was_said() {
    for framing in FRAMINGS {
        let server = Server::start(&[framing, &["--echo", "--once", "--read-size", "5"]].concat());
        let client = server.talk(&[framing, &["--read-size", "2"]].concat());
        let said = String::from_utf8(client.stdout).unwrap();
        assert_eq!(said, "server: hello\nserver: 你好; \\\nserver: how are you?\n", "{framing:?}");
    }
}

#[test]
fn a_peer_that_breaks_the_framing_is_exit_code_3() {
    for (framing, bytes, want) in [
        ("length", &b"GET / HTTP/1.1\r\n\r\n"[..], "a length of 1195725856 is longer"),
        ("length", b"\0\0\0\x05hel", "after 7 of 9 bytes"),
        ("line", b"no end", "after 6 of nobody knows"),
        ("varint", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "within 64 bits"),
    ] {
        let server = Server::start(&["--framing", framing, "--once"]);
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(bytes).unwrap();
        // A server that has heard enough may have closed before.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let (code, said) = server.end();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(want), "{said}");
    }
}

#[test]
fn a_peer_that_says_nothing_is_exit_code_4() {
    let server = Server::start(&["--once", "--patience", "10ms"]);
    let _silent = TcpStream::connect(&server.address).unwrap();
    let (code, said) = server.end();
    assert_eq!(code, Some(4), "{said}");
}

#[test]
fn a_peer_that_takes_nothing_is_exit_code_4() {
    let server = Server::start(&["--echo", "--json", "--patience", "100ms"]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let far_beyond = Some(Duration::from_secs(20));
    stream.set_write_timeout(far_beyond).unwrap();
    let frame = [&60_000_u32.to_be_bytes()[..], &[b'x'; 60_000]].concat();
    // It hears until no echo goes any more, gives up, and closes.
    let writer = thread::spawn(move || {
        std::iter::repeat_with(|| stream.write_all(&frame)).find_map(Result::err).unwrap()
    });
    let (code, said) = server.end();
    assert!(said.contains("lost 127.0.0.1:") && code == Some(4), "{code:?}");
    let error = writer.join().unwrap();
    assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
}

#[test]
fn a_client_gives_up_a_server_that_says_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let output = program()
        .args(["client", &address, "--patience", "50ms"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn what_a_client_does_not_understand_is_told_and_nothing_reaches_the_terminal_as_it_came() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"\xff\n\x1b[2J\n").unwrap();
        // It goes last: a client that has not said all would be right to complain.
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let output = program()
        .args(["client", &address, "--framing", "line"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    server.join().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|all| String::from_utf8(all).unwrap());
    assert_eq!(stdout, "server: \\u{1b}[2J\n");
    assert!(stderr.starts_with("not understood: at byte 0 of the stream: "), "{stderr}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn who_says_nothing_is_given_up_and_the_next_is_heard() {
    let mut server = Server::start(&["--patience", "100ms"]);
    let silent = TcpStream::connect(&server.address).unwrap();
    let next = server.said();
    let lost = format!(
        "lost {}: it has said nothing for too long, or taken nothing\n",
        silent.local_addr().unwrap()
    );
    assert_eq!(next, lost);
    let mut next = TcpStream::connect(&server.address).unwrap();
    next.write_all(b"\0\0\0\x04\x1b[2J").unwrap();
    drop(next);
    for line in ["heard: \\u{1b}[2J\n", "the end; heard 1\n"] {
        assert_eq!(server.said(), line);
    }
}

#[test]
fn where_a_message_lies_is_told_as_far_as_it_is_known() {
    let server =
        Server::start(&["--framing", "line", "--max-frame", "5", "--skip-too-long", "--json"]);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"one\n123456789\n\x1bwo\n\xff\nthree\n").unwrap();
    drop(stream);
    let heard = server.json();
    let places = heard["messages"].as_array().unwrap().iter().map(|message| {
        let what = message["text"].as_str().unwrap_or("error").to_owned();
        (what, message["begin"].as_u64(), message["end"].as_u64())
    });
    // The line that is too long is refused after the five bytes, and the two that may end it.
    let want = [
        ("one", Some(0), 4),
        ("error", Some(4), 11),
        ("\\u{1b}wo", None, 18),
        ("error", Some(18), 20),
        ("three", Some(20), 26),
    ];
    let want = want.map(|(what, begin, end)| (what.to_owned(), begin, Some(end)));
    assert_eq!(places.collect::<Vec<_>>(), want);
}

#[test]
fn a_client_that_cannot_say_all_does_not_wait_for_an_answer() {
    let server = Server::start(&["--patience", "1h"]);
    let line = [&[b'x'; 60_000][..], b"\n"].concat();
    let words = ["--one-write", "--patience", "1min"];
    let client = server.talk_of(&words, &line.repeat(300));
    let stderr = String::from_utf8(client.stderr).unwrap();
    assert!(stderr.contains("more than 16777216 bytes for one write"), "{stderr}");
    assert_eq!(client.status.code(), Some(1));
}

#[test]
fn what_cannot_be_sent_is_told_and_the_rest_is_sent() {
    let framing = ["--framing", "fixed", "--size", "10"];
    let server = Server::start(&[&framing[..], &["--once"]].concat());
    let client = server.talk(&framing);
    let note = "not sent: a message of 12 bytes, and this framing can say 10 at most";
    let stderr = String::from_utf8(client.stderr).unwrap();
    assert!(stderr.starts_with(note), "{stderr}");
    assert_eq!(client.status.code(), Some(1));
    assert_eq!(String::from_utf8(client.stdout).unwrap(), "server: heard 2\n");
}

#[test]
fn options_that_do_not_go_together_are_exit_code_2() {
    for words in [&["--framing", "line", "--size", "8"][..], &["--framing", "lines"]] {
        for end in ["server", "client"] {
            let output = program().arg(end).args(words).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{end} {words:?}");
        }
    }
}

struct Server {
    child: Child,
    address: String,
    /// Where the address stood, and the other of stdout and stderr.
    said: BufReader<Box<dyn Read + Send>>,
    rest: Box<dyn Read + Send>,
}

impl Server {
    fn start(words: &[&str]) -> Self {
        let mut child = program()
            .args(["server", "--bind", "127.0.0.1:0"])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (said, rest): (Box<dyn Read + Send>, Box<dyn Read + Send>) =
            match words.contains(&"--json") {
                true => (Box::new(stderr), Box::new(stdout)),
                false => (Box::new(stdout), Box::new(stderr)),
            };
        let mut line = String::new();
        let mut said = BufReader::new(said);
        said.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, address, said, rest }
    }

    /// The next line that it says.
    fn said(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    /// What a client says to it.
    fn talk(&self, words: &[&str]) -> Output {
        self.talk_of(words, TEXT.as_bytes())
    }

    /// What a client says to it that is given this text, or as much of it as it takes.
    fn talk_of(&self, words: &[&str], text: &[u8]) -> Output {
        let mut client = program()
            .args(["client", &self.address])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that has ended takes no more.
        let _ = client.stdin.take().unwrap().write_all(text);
        client.wait_with_output().unwrap()
    }

    fn json(mut self) -> Value {
        let mut text = Vec::new();
        self.rest.read_to_end(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        json(&text)
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        // What is said meanwhile is short enough for the pipe.
        self.rest.read_to_string(&mut text).unwrap();
        self.said.read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sticky-packets"));
    program.env_remove("RUST_BACKTRACE");
    program
}
