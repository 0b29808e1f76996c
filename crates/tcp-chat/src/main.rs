//! One binary for the chapter: `tcp-chat <lesson> …`. Each lesson owns its arguments.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tcp_chat::{duplex, talk};

/// Chapter 4: from two people taking turns to a room of ten thousand.
#[derive(Parser)]
#[command(version, after_help = "Watch a lesson: cargo xtask demo tcp-chat/talk")]
struct Program {
    #[command(subcommand)]
    lesson: Lesson,
    #[command(flatten)]
    color: cli::ColorArgs,
}

const SHELVES: cli::Shelves = &[("Steps", &["talk", "duplex"])];

#[derive(Subcommand)]
enum Lesson {
    // Steps.
    Talk(talk::Args),
    Duplex(duplex::Args),
}

fn main() -> ExitCode {
    let matches = cli::shelve(Program::command(), SHELVES).get_matches();
    let program = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program.color.apply();
    cli::run(|| match program.lesson {
        Lesson::Talk(args) => talk::run(args),
        Lesson::Duplex(args) => duplex::run(args),
    })
}
