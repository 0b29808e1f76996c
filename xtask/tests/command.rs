//! `cargo xtask demo` as a person and as a CI meet it: exit codes, reports, and Ctrl-C.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

#[test]
fn exit_codes_say_who_is_to_blame() {
    let good = transcript("good", "ann $ PUPPET say one\nann > one\nann = 0");
    let bad = transcript("bad", "ann $ PUPPET say two\nann > one\nann = 0");
    let skipped = transcript("skipped", "needs no-such-thing\nann $ PUPPET say two\nann > one");
    let broken = transcript("broken", "bob > one");
    for (arguments, code) in [
        (vec!["--file", &good], 0),
        (vec!["--file", &bad], 1),
        (vec!["--file", &skipped], 0),
        (vec!["--file", &skipped, "--deny-skips"], 1),
        (vec!["--file", &broken], 3),
        (vec!["--file", "/no/such.demo"], 3),
        (vec!["no-such-chapter"], 2),
        (vec!["sockets-basics/no-such-lesson"], 2),
        (vec!["--no-such-flag"], 2),
        (vec!["--file", &good, "--timeout-scale", "0"], 2),
        (vec!["--file", &good, "--repeat", "0"], 2),
        (vec!["--file", &good, "--replace", "ann"], 2),
        (vec!["--file", &good, "--replace", "nobody=true"], 2),
        (vec!["--file", &good, "--replace", "ann=echo {adress}"], 2),
        (vec!["--list"], 0),
    ] {
        let output = xtask(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
}

#[test]
fn an_unreadable_transcript_is_shown_with_its_place() {
    let broken = transcript("broken-shown", "bob > one");
    let output = xtask(&["--file", &broken]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("broken-shown.demo is no transcript"), "{told}");
    assert!(told.contains("2 | bob > one\n  | ^^^ start it first: bob $ program …"), "{told}");
}

#[test]
fn json_is_one_object_and_nothing_else() {
    let good = transcript("json", "ann $ PUPPET say one\nann > one\nann = 0");
    let output = xtask(&["--file", &good, "--json"]);
    let json = String::from_utf8(output.stdout).unwrap();
    assert!(json.starts_with("{\"passed\":1,\"failed\":0,\"skipped\":0,"), "{json}");
    assert!(json.contains("\"lesson\":\"json\",\"title\":\"T.\",\"verdict\":\"passed\""), "{json}");
    assert_eq!(json.lines().count(), 1);
}

#[test]
fn junit_has_a_test_case_for_each_demo_with_the_difference_in_a_failure() {
    let bad = transcript("junit", "ann $ PUPPET say two\nann > one\nann = 0");
    let file = format!("{bad}.xml");
    xtask(&["--file", &bad, "--junit", &file]);
    let xml = std::fs::read_to_string(file).unwrap();
    for part in [
        "tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\"",
        "<testcase classname=\"file\" name=\"junit\"",
        "<failure message=\"ann said something else\">",
        "expected  one\n       got  two\n            ^ differs from here on",
        "</failure><system-out># T.",
    ] {
        assert!(xml.contains(part), "{part} is missing in\n{xml}");
    }
}

#[test]
fn a_run_that_is_saved_leaves_every_file_behind_even_if_it_failed() {
    for (name, said, verdict) in [("saved", "two", "passed"), ("saved-bad", "one", "failed")] {
        let demo = transcript(name, &format!("ann $ PUPPET say two\nann > {said}\nann = 0"));
        let dir = PathBuf::from(format!("{demo}.saved"));
        let output = xtask(&["--file", &demo, "--quiet", "--save", dir.to_str().unwrap()]);
        assert!(String::from_utf8(output.stderr).unwrap().contains("saved: "));
        let read = |file: &str| std::fs::read(dir.join(file)).unwrap();
        let session = String::from_utf8(read("session.txt")).unwrap();
        assert!(session.contains(verdict) && session.contains("cargo xtask demo"), "{session}");
        assert!(String::from_utf8(read("ladder.svg")).unwrap().contains("nothing passed"));
        assert!(read("trace.pcapng").starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    }
}

#[test]
fn a_run_repeated_says_how_often() {
    let good = transcript("repeat", "ann $ PUPPET say one\nann > one\nann = 0");
    let output = xtask(&["--file", &good, "--repeat", "3"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("3 runs"), "{told}");
}

#[test]
fn the_command_that_replays_a_failure_carries_what_was_asked_for() {
    let bad = transcript("again", "ann $ PUPPET say two\nann >* one\nann = 0");
    let puppet = env!("CARGO_BIN_EXE_puppet");
    let output = xtask(&[
        "--file",
        &bad,
        "--replace",
        &format!("ann={puppet} say x"),
        "--timeout-scale",
        "2",
    ]);
    let told = String::from_utf8(output.stdout).unwrap();
    let again = format!(
        "again: cargo xtask demo --file {bad} --replace ann='{puppet} say x' --timeout-scale 2"
    );
    assert!(told.contains(&again), "{told}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_of_the_runner_ends_every_program_that_it_started() {
    use std::io::{BufRead, BufReader};
    let hang =
        transcript("hang", "ann $ PUPPET pid say never hang\nann > {pid}\nann > ...\nann > end");
    let mut runner = command(&["--file", &hang, "--timeout-scale", "100"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines().map(Result::unwrap);
    let pid = lines.find_map(|line| Some(line.strip_prefix("ann > ")?.to_owned())).unwrap();
    common::interrupt(&runner.id().to_string());
    assert_eq!(runner.wait().unwrap().code(), Some(130));
    common::wait_until_gone(&pid);
}

/// Writes a transcript, in which `PUPPET` is the puppet, and returns its path.
fn transcript(name: &str, steps: &str) -> String {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = dir.join(format!("{name}.demo"));
    let puppet = shlex::try_quote(env!("CARGO_BIN_EXE_puppet")).unwrap();
    std::fs::write(&path, format!("# T.\n{}\n", steps.replace("PUPPET", &puppet))).unwrap();
    path.to_str().unwrap().to_owned()
}

fn xtask(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("demo").args(arguments).env("NO_COLOR", "1");
    command
}
