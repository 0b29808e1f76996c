//! The programs themselves: what they print, and how they end.
#![allow(clippy::unwrap_used, reason = "a panic is the failure")]

use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

const PROGRAM: &str = env!("CARGO_BIN_EXE_udp-echo");

#[test]
fn a_server_without_stdin_lives_on_and_every_answer_is_right() {
    for mode in ["simple", "batch", "offload"] {
        let server = Server::start(&["--mode", mode, "--quiet"]);
        for load in [
            &["--in-flight", "8", "--sources", "4", "--count", "1000"][..],
            &["--in-flight", "40", "--burst", "20", "--count", "995", "--size", "1200"],
            &["--rate", "100000", "--count", "500", "--size", "8"],
        ] {
            let output = run("load", &[load, &[&server.address, "--json"]].concat(), "");
            assert!(output.status.success(), "{mode} {load:?}: {output:?}");
            let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let number = |name: &str| json[name].as_u64().unwrap();
            // On a busy machine some may be late; none may be wrong, and none forgotten.
            assert_eq!(number("answered") + number("lost"), number("asked"), "{json}");
            assert_eq!((number("wrong"), number("asked")), (0, asked(load)), "{mode}: {json}");
            assert!(number("answered") > 0, "{mode}: {json}");
        }
    }
}

#[test]
fn a_client_says_each_line_and_ends_politely() {
    let server = Server::start(&[]);
    for (typed, heard) in [
        ("", ""),
        ("我爱你\n你爱我\nexit\nnever sent\n", "我爱你\n你爱我\nexit\n"),
        ("no newline at the end", "no newline at the end\n"),
        ("\n \nexit \n\x1b[2J\n", "\n \nexit \n\\u{1b}[2J\n"),
    ] {
        let output = run("client", &[&server.address], typed);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), heard, "{typed:?}");
        assert!(output.status.success());
    }
}

#[test]
fn a_line_that_is_not_utf8_travels_as_it_is() {
    let server = Server::start(&["-q"]);
    let output = run("client", &[&server.address], b"\xff\xe7\x88\nhi\n");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "\\xff\\xe7\\x88\nhi\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_line_that_no_datagram_holds_is_an_error_that_says_so() {
    let server = Server::start(&["-q"]);
    for (len, code) in [(65_507, 0), (65_508, 1)] {
        let output = run("client", &[&server.address], "x".repeat(len));
        assert_eq!(output.status.code(), Some(code), "{len}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors.contains("65,507 bytes at most"), code == 1, "{errors}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_there_is_an_error() {
    // Bound and closed again: nobody has it, and nobody else is given it so soon.
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for output in [run("client", &[&closed], "hello\n"), run("load", &[&closed], "")] {
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("ECONNREFUSED"));
    }
}

#[test]
fn a_load_that_gets_no_answer_or_wrong_ones_says_so() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let load = [&address, "--count", "3", "--timeout", "50ms"];
    let output = run("load", &load, "");
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("asked 3, answered 0, lost 3\n"));

    // An open loop does not wait for answers; it has more questions than it can keep in mind.
    let open = ["--rate", "1000", "--count", "40", "--timeout", "10ms"];
    let output = run("load", &[&[address.as_str()][..], &open].concat(), "");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("asked 40, answered 0, lost 40\n"), "{said}");

    // What was asked above still lies in the socket, and nobody waits for that any more.
    let liar = thread::spawn(move || {
        let mut buffer = [0; 100];
        for _ in 0..46 {
            let (len, client) = silent.recv_from(&mut buffer).unwrap();
            buffer[len - 1] ^= 1;
            // Whoever asked first has gone.
            let _ = silent.send_to(&buffer[..len], client);
        }
    });
    let output = run("load", &load, "");
    liar.join().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("3 answers were not what was asked")
    );
}

#[test]
fn numbers_that_do_not_fit_each_other_are_wrong_usage() {
    for wrong in [
        &["--burst", "64", "--size", "1200"][..],
        &["--sources", "65", "--in-flight", "64"],
        &["--sources", "8", "--burst", "20", "--in-flight", "159"],
        &["--rate", "5", "--in-flight", "5"],
        &["--size", "7"],
        &["--burst", "65"],
    ] {
        let output = run("load", &[wrong, &["127.0.0.1:1"]].concat(), "");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_is_stopped_says_what_it_did() {
    for mode in ["simple", "batch", "offload"] {
        for threads in ["1", "3"] {
            let mut server = Server::start(&["--mode", mode, "--threads", threads, "-q"]);
            let said = run("client", &[&server.address], "a\nbc\nexit\n");
            assert!(said.status.success());
            let pid = server.child.id().to_string();
            assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
            assert!(server.child.wait().unwrap().success());
            let mut errors = String::new();
            std::io::Read::read_to_string(&mut server.child.stderr.take().unwrap(), &mut errors)
                .unwrap();
            assert!(errors.contains("\nstopped by SIGTERM\n"), "{errors}");
            assert!(errors.contains("datagrams 3, bytes 7, answered 3, "), "{errors}");
        }
    }
}

/// The `--count` of a load.
fn asked(load: &[&str]) -> u64 {
    let place = load.iter().position(|word| *word == "--count").unwrap();
    load[place + 1].parse().unwrap()
}

fn run(role: &str, words: &[&str], typed: impl AsRef<[u8]>) -> Output {
    let mut child = Command::new(PROGRAM)
        .arg(role)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended already, without reading all.
    let _ = child.stdin.take().unwrap().write_all(typed.as_ref());
    child.wait_with_output().unwrap()
}

/// A server in a process of its own, ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["server", "--bind", "127.0.0.1:0"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let address = ready.trim().strip_prefix("listening on ").unwrap().to_owned();
        // Whoever shows what comes must not get stuck on a full pipe.
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
