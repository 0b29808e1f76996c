//! Transcripts that must fail, and every word of what is then told.
//!
//! A check that cannot fail is worth nothing, so here is each way in which a program can go wrong,
//! played by `puppet`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

mod common;

use std::time::Duration;

use xtask::demo::engine::{Options, Outcome, replay};
use xtask::demo::show::Session;
use xtask::demo::transcript::Transcript;

#[test]
fn a_wrong_line() {
    check(
        "ann $ puppet say 'received 6 bytes: hullo!' read\nann > received 6 bytes: hello!",
        "\
test.demo:3: ann said something else

  expected  received 6 bytes: hello!
       got  received 6 bytes: hullo!
                               ^ differs from here on

what each said last
  ann > received 6 bytes: hullo!

again: cargo xtask demo test",
    );
}

#[test]
fn a_wrong_line_with_wide_characters_has_its_caret_under_the_difference() {
    check(
        "ann $ puppet say 我恨你 read\nann > 我爱你",
        "\
test.demo:3: ann said something else

  expected  我爱你
       got  我恨你
              ^ differs from here on

what each said last
  ann > 我恨你

again: cargo xtask demo test",
    );
}

#[test]
fn a_missing_line() {
    check(
        "ann $ puppet say one read\nann > one\nann > two",
        "\
test.demo:4: ann did not say this within 1 s

   awaited  two
       got  nothing more

what each said last
  ann > one

hint: it may be waiting for the other end: did that answer, and was its output flushed?
again: cargo xtask demo test",
    );
}

#[test]
fn an_extra_line() {
    check(
        "ann $ puppet say one say two\nann > one\nann = 0",
        "\
test.demo:the end: ann said something that the transcript does not have

  expected  nothing of the kind
       got  two

what each said last
  ann > one
  ann > two
  ann = 0

again: cargo xtask demo test",
    );
}

#[test]
fn a_wrong_exit_code() {
    check(
        "ann $ puppet say one err 'error: no luck' exit 3\nann > one\nann = 0",
        "\
test.demo:4: ann ended with exit code 3

  expected  exit code 0
       got  exit code 3

what each said last
  ann > one
  ann ! error: no luck
  ann = 3

again: cargo xtask demo test",
    );
}

#[test]
fn an_exit_code_of_a_second_life_that_nobody_asked_for() {
    let told = told(
        "ann $ puppet say a\nann > a\nann = 0\n\
         ann $ puppet ignore-signals say b exit 9\nann > b",
    );
    assert!(told.starts_with("test.demo:the end: ann ended with exit code 9\n"), "{told}");
}

#[test]
fn a_line_that_the_first_life_left_over() {
    let told = told(
        "ann $ puppet say a say extra\nann > a\nann = 0\nann $ puppet say b\nann > b\nann = 0",
    );
    assert!(told.starts_with("test.demo:5: ann said something that the transcript"), "{told}");
}

#[cfg(unix)]
#[test]
fn a_server_that_ends_with_130_at_an_interrupt() {
    let told = told("ann $ puppet say 'listening on 1.2.3.4:5' hang\nann > listening on {server}");
    assert!(told.starts_with("test.demo:the end: ann ended with exit code 130 (SIGINT)"), "{told}");
}

#[test]
fn a_long_line_is_shown_around_its_difference() {
    let long = "x".repeat(600);
    let told = told(&format!("ann $ puppet say '{long}b' read\nann > {long}a"));
    let common = "x".repeat(200);
    let shown = format!("  expected  … {common}a\n       got  … {common}b\n");
    assert!(told.contains(&shown), "{told}");
}

#[test]
fn a_placeholder_that_stands_for_nothing_yet() {
    let told = replaced(
        "ann $ puppet say x\nann >* x\nbob $ puppet say 'at 1'\nbob > at {x}",
        "puppet say {x}",
    );
    assert!(told.contains("ann cannot be started: `{x}` stands for nothing yet"), "{told}");
}

#[test]
fn a_replaced_program_that_fails_where_success_was_awaited() {
    let told = replaced(
        "ann $ puppet say x\nann > x\nann = 0\nbob $ puppet say y\nbob > y",
        "puppet exit 3",
    );
    assert!(told.contains("ann ended with exit code 3"), "{told}");
}

#[test]
fn a_cable_that_did_not_do_what_was_awaited() {
    check(
        "cable ~ loss=10%\nann $ puppet say x\nann > x\nann = 0\ncable > lost [..]",
        "\
test.demo:6: the cable did not do this within 1 s

   awaited  lost [..]

what each said last
  ann > x
  ann = 0

again: cargo xtask demo test",
    );
}

#[test]
fn an_exit_code_that_nobody_asked_for() {
    check(
        // It does not hear the interrupt at the end, so it always ends by itself.
        "ann $ puppet ignore-signals say one exit 1\nann > one",
        "\
test.demo:the end: ann ended with exit code 1

  expected  exit code 0, or 130 at an interrupt
       got  exit code 1

what each said last
  ann > one
  ann = 1

again: cargo xtask demo test",
    );
}

#[test]
fn a_program_that_never_gets_ready() {
    check(
        "server $ puppet read\nserver > listening on {server}",
        "\
test.demo:3: server did not say this within 1 s

   awaited  listening on {server}
       got  nothing more

what each said last
  server said nothing

hint: it may be waiting for the other end: did that answer, and was its output flushed?
again: cargo xtask demo test",
    );
}

#[test]
fn a_program_that_is_given_an_address_and_never_listens() {
    let told = told("server $ puppet say hello {bind} read\nserver > hello");
    assert!(told.contains("server did not come to listen within 1 s"), "{told}");
    assert!(told.contains("awaited  a socket on 127.0.0.1:"), "{told}");
    assert!(told.contains("hint: does it bind and listen on the address it was given?"), "{told}");
}

#[test]
fn a_program_that_dies_early() {
    check(
        "ann $ puppet say one err 'error: Address already in use' exit 1\nann > one\nann > two",
        "\
test.demo:4: ann ended (exit code 1) before it said this

   awaited  two

what each said last
  ann > one
  ann ! error: Address already in use
  ann = 1

hint: another program has this port; a server that is given port 0 or {bind} never meets it
again: cargo xtask demo test",
    );
}

#[test]
fn a_program_that_panics() {
    let told = told("ann $ puppet say one panic 'index out of bounds'\nann > one\nann > two");
    // The thread's number and the line of the source are not the point, nor is whether the panic
    // was heard before or after the line on the other pipe.
    assert!(told.contains(": ann panicked\n\n  thread 'main'"), "{told}");
    assert!(told.contains("\n  index out of bounds\n"), "{told}");
    assert!(told.ends_with("  ann = 101\n\nagain: cargo xtask demo test"), "{told}");
}

#[test]
fn a_panic_in_a_program_that_nobody_listens_to() {
    let told =
        told("ann $ puppet panic secretly\nbob $ puppet say one\nbob > one\nbob = 0\nann = 101");
    assert!(told.contains("ann panicked"), "{told}");
}

#[test]
fn a_flood_of_output() {
    check_all_but_last_words(
        "ann $ puppet say ready flood\nann > ready\nann > ...\nann > never",
        "\
test.demo:5: ann wrote more than 1024 KiB; the rest was not looked at
",
    );
}

#[cfg(unix)]
#[test]
fn a_program_that_ignores_signals() {
    check(
        "ann $ puppet ignore-signals say ready hang\nann > ready",
        "\
test.demo:the end: ann did not end when it was interrupted (SIGINT, then SIGTERM, 1 s each), and was killed

what each said last
  ann > ready
  ann = 137

hint: do not catch or block SIGINT and SIGTERM without ending
again: cargo xtask demo test",
    );
}

#[cfg(unix)]
#[test]
fn a_grandchild_left_behind_with_the_pipe_or_without() {
    for grandchild in ["grandchild", "quiet-grandchild"] {
        let told =
            told(&format!("ann $ puppet say one {grandchild}\nann > one\nann > {{pid}}\nann = 0"));
        assert!(
            told.starts_with(
                "test.demo:5: ann ended and left a program behind that it had started\n"
            ),
            "{told}"
        );
        assert!(
            told.contains("hint: wait for the programs that you start before you end"),
            "{told}"
        );
        let pid = told.split("ann > ").nth(2).and_then(|rest| rest.lines().next()).unwrap();
        common::wait_until_gone(pid);
    }
}

#[test]
fn bytes_that_are_not_utf8() {
    check(
        "ann $ puppet bytes read\nann > [..] and more",
        r"test.demo:3: ann wrote bytes that are not UTF-8

  expected  nothing of the kind
       got  \xff\xfe

what each said last
  ann > \xff\xfe

hint: bytes from the network must be decoded or escaped before they are printed
again: cargo xtask demo test",
    );
}

#[test]
fn a_line_held_back_without_newline() {
    check(
        "ann $ puppet write 'say something> ' read\nann > say something>",
        "\
test.demo:3: ann did not finish its line within 1 s

   awaited  say something>
       got  say something>  and no end of line

what each said last
  ann said nothing

hint: end the line with a newline; a prompt belongs on a terminal only
again: cargo xtask demo test",
    );
}

#[test]
fn a_program_that_does_not_exist() {
    check(
        "ann $ no-such-program --at all\nann > one",
        "\
test.demo:2: ann cannot be started: `no-such-program` is neither a program of this workspace nor in the PATH

again: cargo xtask demo test",
    );
}

#[test]
fn a_program_that_does_not_end() {
    check(
        "ann $ puppet say one hang\nann > one\nann = 0",
        "\
test.demo:4: ann still runs after 1 s

what each said last
  ann > one

hint: it may be waiting for the other end: did that answer, and was its output flushed?
again: cargo xtask demo test",
    );
}

#[test]
fn typing_to_a_program_that_has_ended() {
    check(
        "ann $ puppet say one\nann > one\nann = 0\nann < two",
        "\
test.demo:5: ann had already ended

what each said last
  ann > one
  ann = 0

hint: the transcript types to a program after its end; see why it ended
again: cargo xtask demo test",
    );
}

#[test]
fn files_that_are_not_the_same() {
    check(
        "file a \"one two\"\nfile b \"one too\"\nann $ puppet\nann = 0\nsame a b",
        "\
test.demo:6: a (7 bytes) and b (7 bytes) differ from byte 5 on

what each said last
  ann said nothing
  ann = 0

again: cargo xtask demo test",
    );
}

#[test]
fn a_somewhere_that_comes_nowhere() {
    check(
        "ann $ puppet say one\nann >* two\nann = 0",
        "\
test.demo:3: ann ended (exit code 0) before it said this

   awaited  two

what each said last
  ann > one
  ann = 0

again: cargo xtask demo test",
    );
}

#[test]
fn an_error_that_was_not_to_come_on_a_judged_stderr() {
    check(
        "ann $ puppet err one err two\nann ! one\nann = 0",
        "\
test.demo:the end: ann said something that the transcript does not have

  expected  nothing of the kind
       got  two

what each said last
  ann ! one
  ann ! two
  ann = 0

again: cargo xtask demo test",
    );
}

#[track_caller]
fn check(transcript: &str, want: &str) {
    let got = told(transcript);
    assert!(got == want, "got:\n{got}\n\nwant:\n{want}\n");
}

#[track_caller]
fn check_all_but_last_words(transcript: &str, want: &str) {
    let got = told(transcript);
    assert!(got.starts_with(want), "got:\n{got}\n\nwant:\n{want}\n");
}

/// What is told of the failure of `steps`.
#[track_caller]
fn told(steps: &str) -> String {
    told_with(steps, &common::options(Duration::from_secs(1)))
}

/// The same with another program in the place of `ann`.
#[track_caller]
fn replaced(steps: &str, program: &str) -> String {
    let mut options = common::options(Duration::from_secs(1));
    options.replace.insert("ann".to_owned(), program.to_owned());
    told_with(steps, &options)
}

#[track_caller]
fn told_with(steps: &str, options: &Options) -> String {
    let transcript = Transcript::parse(&format!("# A transcript that fails.\n{steps}\n")).unwrap();
    let mut session = Session::new(&transcript.actors, false);
    match replay(&transcript, options, &mut session) {
        Outcome::Failed(failure) => failure.to_string(),
        other => panic!("must fail, but {other:?}\n{}", session.text()),
    }
}
