//! `--replace`, proven with programs in another language: a right one passes in either role, and
//! each of five wrong ones is told what is wrong with it.
//!
//! Needs python3, so it runs only when asked for: `cargo test -p xtask --features python`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

use std::process::Command;

#[test]
fn a_right_program_passes_in_either_role() {
    for (actor, program) in
        [("server", "server.py right {bind}"), ("client", "client.py right {server}")]
    {
        let (code, told) = demo(actor, program, "1");
        assert_eq!(code, 0, "{told}");
    }
}

#[test]
fn a_server_that_answers_wrong_is_shown_what_the_client_got() {
    check(
        "server",
        "server.py wrong-answer {bind}",
        &[
            "client said something else",
            "expected  received 2 bytes: hi\n       got  received 3 bytes: hey\n                     ^ differs",
            "server is your program: python3",
            "hint: this end is the course's own program and shows what it received",
        ],
    );
}

#[test]
fn a_server_that_does_not_answer_is_told_what_was_awaited() {
    check(
        "server",
        "server.py no-answer {bind}",
        &[
            "client did not say this within 2 s",
            "awaited  received 2 bytes: hi",
            "hint: it may be waiting for the other end: did that answer, and was its output flushed?",
        ],
    );
}

#[test]
fn a_server_that_closes_early_is_told_that_the_client_got_nothing() {
    check(
        "server",
        "server.py closes-early {bind}",
        &[
            "client ended (exit code 3) before it said this",
            "caused by: the connection was closed before anything was said",
            "hint: the other end closed the connection without an answer: send first, then close",
        ],
    );
}

#[test]
fn a_server_that_crashes_is_shown_its_own_error() {
    check(
        "server",
        "server.py crashes {bind}",
        &[
            "server ! TypeError: a bytes-like object is required, not 'str'",
            "hint: sockets carry bytes: text.encode() before sending",
        ],
    );
}

#[test]
fn a_server_that_never_listens_is_told_where_it_should_have() {
    check(
        "server",
        "server.py never-listens {bind}",
        &[
            "server did not come to listen within 2 s",
            "awaited  a socket on 127.0.0.1:",
            "hint: does it bind and listen on the address it was given?",
        ],
    );
}

#[test]
fn a_client_that_asks_wrong_is_shown_what_the_server_got() {
    check(
        "client",
        "client.py wrong-question {server}",
        &[
            "server said something else",
            "expected  received 6 bytes: hello!\n       got  received 6 bytes: hallo!",
            "client is your program: python3",
        ],
    );
}

#[test]
fn a_client_that_asks_nothing_is_told_what_was_awaited() {
    check(
        "client",
        "client.py no-question {server}",
        &["server did not say this within 2 s", "awaited  received 6 bytes: hello!"],
    );
}

#[test]
fn a_client_that_closes_early_is_told_that_the_server_got_nothing() {
    check(
        "client",
        "client.py closes-early {server}",
        &[
            "server ended (exit code 3) before it said this",
            "caused by: the connection was closed before anything was said",
        ],
    );
}

#[test]
fn a_client_that_crashes_is_shown_its_own_error() {
    check(
        "client",
        "client.py crashes {server}",
        &[
            "client ! TypeError: a bytes-like object is required, not 'str'",
            "hint: sockets carry bytes: text.encode() before sending",
        ],
    );
}

#[test]
fn a_client_that_calls_elsewhere_is_told_that_nobody_listened_there() {
    check(
        "client",
        "client.py wrong-port {server}",
        &[
            "client ! ConnectionRefusedError",
            "hint: nobody listened at that address: did the server listen on the address it was given?",
        ],
    );
}

#[track_caller]
fn check(actor: &str, program: &str, wanted: &[&str]) {
    let (code, told) = demo(actor, program, "0.2");
    assert_eq!(code, 1, "{told}");
    for part in wanted {
        assert!(told.contains(part), "{part}\nis missing in\n{told}");
    }
    let again =
        format!("again: cargo xtask demo sockets-basics/tcp-hello --replace {actor}='python3");
    assert!(told.contains(&again), "{told}");
}

/// Runs the lesson with a Python program in the role of `actor`; the exit code and what was shown.
fn demo(actor: &str, program: &str, timeout_scale: &str) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["demo", "sockets-basics/tcp-hello", "--timeout-scale", timeout_scale, "--replace"])
        .arg(format!("{actor}=python3 {program}"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python"))
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}
