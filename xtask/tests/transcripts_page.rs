//! The page that specifies the transcript language shows transcripts: those that are called right
//! must pass, those that are called wrong must be refused.

mod common;

use std::time::Duration;

use xtask::demo::engine::{Outcome, replay};
use xtask::demo::show::Session;
use xtask::demo::transcript::Transcript;
use xtask::{demo, workspace};

#[test]
fn every_example_of_the_page_is_what_it_is_called() {
    let page = workspace::root().join("docs/en/src/transcripts.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut options = common::options(Duration::from_secs(20));
    options.grace = Duration::from_secs(10);
    options.binaries = demo::build(&["sockets-basics".to_owned()], true).unwrap();
    let right = blocks(&page, "```text,demo");
    let wrong = blocks(&page, "```text,demo-error");
    assert!(right.len() >= 5 && wrong.len() >= 5, "the page has lost its examples");
    for example in right {
        let transcript = Transcript::parse(&example).unwrap_or_else(|e| panic!("{e}\n{example}"));
        let mut session = Session::new(&transcript.actors, false);
        match replay(&transcript, &options, &mut session) {
            Outcome::Passed | Outcome::Skipped(_) => {}
            Outcome::Failed(failure) => panic!("{failure}\n\n{example}"),
        }
    }
    for example in wrong {
        assert!(Transcript::parse(&example).is_err(), "is not refused:\n{example}");
    }
}

/// The fenced blocks whose first line is `fence`.
fn blocks(page: &str, fence: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while lines.by_ref().any(|line| line == fence) {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(block.join("\n"));
    }
    blocks
}
