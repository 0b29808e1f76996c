//! Transcripts that must pass, what `--bless` makes of those that do not, and what is left of the
//! programs when the runner itself ends.

#![expect(clippy::unwrap_used, reason = "a panic is how a test's helper fails")]

mod common;

use std::path::Path;
use std::time::Duration;

use xtask::demo::bless::Blessing;
use xtask::demo::engine::{Options, Outcome, replay, replay_and};
use xtask::demo::show::Session;
use xtask::demo::transcript::Transcript;

#[test]
fn a_conversation_passes_and_is_shown_with_what_the_names_stood_for() {
    check(
        "server $ puppet say 'listening on 1.2.3.4:5' echo echo exit 0\n\
         server > listening on {server}\n\
         server < hello {server}\n\
         server > hello {server}\n\
         server <EOF\n\
         server = 0\n",
        "# T.\n\
         server $ puppet say listening on 1.2.3.4:5 echo echo exit 0\n\
         server > listening on 1.2.3.4:5\n\
         server < hello 1.2.3.4:5\n\
         server > hello 1.2.3.4:5\n\
         server <EOF\n\
         server = 0\n",
    );
}

#[test]
fn lines_pass_in_order_anywhere_and_among_others() {
    passes("ann $ puppet say a say b say c say d\nann > a\nann > ...\nann > d\nann = 0");
    passes("ann $ puppet say a say b\nann >* b\nann > a\nann = 0");
    passes("ann $ puppet say a say b say c\nann > ...\nann >* b\nann = 0");
    passes("ann $ puppet err one err two say x\nann ! one\nann ! ...\nann > x\nann = 0");
    passes("ann $ puppet say '[..] \\{x} 我爱你'\nann > \\[..] \\{x} 我爱你\nann = 0");
}

#[cfg(unix)]
#[test]
fn an_interrupt_is_exit_code_130_and_a_client_that_still_runs_is_interrupted() {
    passes("ann $ puppet say a hang\nann > a\nann ^C\nann = 130");
    passes("ann $ puppet say a hang\nann > a");
}

#[cfg(target_os = "linux")]
#[test]
fn programs_are_deaf_to_no_signal_even_where_the_runner_is() {
    use nix::sys::signal::{SigSet, Signal};
    SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]).thread_block().unwrap();
    passes("ann $ grep SigBlk /proc/self/status\nann > SigBlk:\t0000000000000000\nann = 0");
}

#[cfg(unix)]
#[test]
fn what_is_said_after_the_first_interrupt_is_not_judged_on_either_output() {
    passes(
        "server $ puppet ignore-signals say 'listening on 1.2.3.4:5' err ready \
         await SIGINT say bye err bye exit 0\n\
         server > listening on {server}\n\
         server ! ready",
    );
}

#[cfg(unix)]
#[test]
fn who_does_not_heed_the_first_signal_is_asked_more_firmly() {
    passes("ann $ puppet ignore-signals say ready await SIGTERM exit 0\nann > ready");
}

#[test]
fn a_server_that_says_no_address_is_ready_when_the_table_shows_it_under_its_own_name() {
    let transcript = "server $ puppet say 'listening on 1.2.3.4:5' read\n\
                      server > listening on 1.2.3.4:{port}\n\
                      ann $ puppet say {port}\n\
                      ann > {port}\n\
                      ann = 0\n";
    let mine = "puppet say 'listening on 1.2.3.4:77' read";
    let (outcome, session) = run(transcript, mine);
    assert_eq!(outcome, Outcome::Passed);
    assert!(session.contains("ann    > 77\n"), "{session}");
}

#[test]
fn an_actor_may_start_again_once_it_has_ended() {
    passes(
        "ann $ puppet say s say a\nann > a\nann >* s\nann = 0\nann $ puppet say b\nann > b\nann = 0",
    );
    passes("ann $ puppet say a\nann > a\nann = 0\nann $ puppet say b exit 7\nann > b\nann = 7");
}

#[test]
fn files_lie_in_the_folder_of_the_demo() {
    passes(
        "file a/b.txt 600\nann $ puppet copy a/b.txt c.txt say done\nann > done\nann = 0\nsame a/b.txt c.txt",
    );
}

#[test]
fn programs_see_a_plain_environment() {
    passes(
        "ann $ puppet env PYTHONUNBUFFERED env PYTHONUTF8 env RUST_BACKTRACE say end\nann > 1\nann > 1\nann > \nann > end\nann = 0",
    );
}

#[test]
fn what_cannot_run_here_is_skipped_with_its_reason() {
    for (line, reason) in [
        ("needs no-such-program", "needs no-such-program: no such program in the PATH"),
        (
            "needs no-such-program: to be skipped",
            "needs no-such-program: no such program in the PATH: to be skipped",
        ),
    ] {
        let outcome = run(&format!("{line}\nann $ puppet say x\nann > x"), "").0;
        assert_eq!(outcome, Outcome::Skipped(reason.to_owned()));
    }
}

#[test]
fn a_program_that_replaces_an_actor_is_judged_by_its_peers_and_by_somewhere() {
    let transcript = "server $ puppet say 'listening on 1.2.3.4:5' say extra read\n\
                      server > listening on {server}\n\
                      server > never said\n\
                      server >* extra\n\
                      ann $ puppet say {server}\n\
                      ann > 1.2.3.4:5\n";
    let mine = "puppet say mine say 'listening on 1.2.3.4:5' say extra read";
    assert_eq!(run(transcript, mine).0, Outcome::Passed);
    let without = "puppet say 'listening on 1.2.3.4:5' read";
    let Outcome::Failed(failure) = run(transcript, without).0 else { panic!("must fail") };
    assert_eq!(failure.headline(), "server did not say this within 1 s");
}

#[test]
fn blessing_keeps_what_matches_and_rewrites_what_does_not() {
    bless(
        "kept, changed, gone and new lines",
        "server $ puppet say 'listening on 1.2.3.4:5' say 'at 12:30' say two say four say five\n\
         server > listening on {server}\n\
         server > at [..]\n\
         server > one\n\
         server > three\n\
         server > four\n\
         server = 0\n",
        "server $ puppet say 'listening on 1.2.3.4:5' say 'at 12:30' say two say four say five\n\
         server > listening on {server}\n\
         server > at [..]\n\
         server > two\n\
         server > four\n\
         server > five\n\
         server = 0\n",
    );
    bless(
        "a new first line takes no capture away",
        "ann $ puppet say hello say 'listening on 1.2.3.4:5'\nann > listening on {server}\nann = 0\n",
        "ann $ puppet say hello say 'listening on 1.2.3.4:5'\nann > hello\nann > listening on {server}\nann = 0\n",
    );
    bless(
        "exit codes, and values that have a name",
        "server $ puppet say 'listening on 1.2.3.4:5' say 'from 1.2.3.4:5 \\{x}' exit 3\n\
         server > listening on {server}\n\
         server = 0\n",
        "server $ puppet say 'listening on 1.2.3.4:5' say 'from 1.2.3.4:5 \\{x}' exit 3\n\
         server > listening on {server}\n\
         server > from {server} \\{x}\n\
         server = 3\n",
    );
    bless(
        "what the first life left over belongs to the first life",
        "ann $ puppet say a say extra\nann > a\nann = 0\nann $ puppet say b\nann > b\nann = 0\n",
        "ann $ puppet say a say extra\nann > a\nann > extra\nann = 0\nann $ puppet say b\nann > b\nann = 0\n",
    );
    bless(
        "nothing to do",
        "ann $ puppet say one\nann > one\nann = 0\n",
        "ann $ puppet say one\nann > one\nann = 0\n",
    );
}

#[cfg(unix)]
#[test]
fn a_panic_of_the_runner_leaves_no_program_behind() {
    let (pid, group_is_gone) = std::sync::mpsc::channel();
    let panicked = std::panic::catch_unwind(move || {
        let (sender, events) = std::sync::mpsc::sync_channel(16);
        let arguments = ["grandchild", "hang"].map(str::to_owned);
        let puppet = Path::new(env!("CARGO_BIN_EXE_puppet"));
        let program =
            xtask::demo::process::Program::start(1, puppet, &arguments, Path::new("."), &sender);
        let _program = program.unwrap();
        if let xtask::demo::process::What::Wrote(_, bytes) = events.recv().unwrap().what {
            pid.send(String::from_utf8(bytes).unwrap().trim().to_owned()).unwrap();
        }
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    common::wait_until_gone(&group_is_gone.recv().unwrap());
}

#[track_caller]
fn passes(steps: &str) {
    let (outcome, session) = run(steps, "");
    if let Outcome::Failed(failure) = &outcome {
        panic!("{failure}\n\n{session}");
    }
    assert_eq!(outcome, Outcome::Passed);
}

#[track_caller]
fn check(steps: &str, shown: &str) {
    passes(steps);
    assert_eq!(run(steps, "").1, shown);
}

#[track_caller]
fn bless(what: &str, before: &str, after: &str) {
    let text = format!("# T.\n{before}");
    let transcript = Transcript::parse(&text).unwrap();
    let mut session = Session::new(&transcript.actors, false);
    let mut patient = options("");
    // A fifth of this is what a line is given before it is taken to be gone.
    patient.deadline = Duration::from_secs(5);
    let (outcome, blessing) =
        replay_and(&transcript, &patient, &mut session, Some(Blessing::default()));
    assert_eq!(outcome, Outcome::Passed, "{what}");
    let blessed = blessing.unwrap().apply(&text);
    assert_eq!(blessed, format!("# T.\n{after}"), "{what}");
    let again = Transcript::parse(&blessed).unwrap();
    let mut session = Session::new(&again.actors, false);
    assert_eq!(replay(&again, &options(""), &mut session), Outcome::Passed, "{what}, again");
}

fn run(steps: &str, server: &str) -> (Outcome, String) {
    let transcript = Transcript::parse(&format!("# T.\n{steps}")).unwrap();
    let mut session = Session::new(&transcript.actors, false);
    let outcome = replay(&transcript, &options(server), &mut session);
    (outcome, session.text().to_owned())
}

/// `server` is the program that replaces the actor of that name, if it is not empty.
fn options(server: &str) -> Options {
    // What must come gets all the time of a busy machine; what must not come is waited for.
    let mut options = common::options(Duration::from_secs(if server.is_empty() { 20 } else { 1 }));
    options.grace = Duration::from_secs(10);
    if !server.is_empty() {
        options.replace.insert("server".to_owned(), server.to_owned());
    }
    options
}
