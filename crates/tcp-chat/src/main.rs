//! One binary for the chapter: `tcp-chat <lesson> …`. Each lesson owns its arguments.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tcp_chat::{client, decode, duplex, load, server, talk};

/// Chapter 4: from two people taking turns to a room of ten thousand.
#[derive(Parser)]
#[command(version, after_help = "Watch a lesson: cargo xtask demo tcp-chat/talk")]
struct Program {
    #[command(subcommand)]
    lesson: Lesson,
    #[command(flatten)]
    color: cli::ColorArgs,
}

const SHELVES: cli::Shelves = &[
    ("Steps", &["talk", "duplex"]),
    ("A room for many", &["server", "client"]),
    ("Tools", &["load"]),
];

#[derive(Subcommand)]
enum Lesson {
    // Steps.
    Talk(talk::Args),
    Duplex(duplex::Args),
    // A room for many.
    Server(server::Args),
    Client(client::Args),
    // Tools.
    Load(load::Args),
    #[command(hide = true)]
    Decode(decode::Args),
}

fn main() -> ExitCode {
    let matches = cli::shelve(Program::command(), SHELVES).get_matches();
    let program = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program.color.apply();
    cli::run(|| match program.lesson {
        Lesson::Talk(args) => talk::run(args),
        Lesson::Duplex(args) => duplex::run(args),
        Lesson::Server(args) => server::run(args),
        Lesson::Client(args) => client::run(args),
        Lesson::Load(args) => load::run(args),
        Lesson::Decode(args) => decode::run(args),
    })
}
