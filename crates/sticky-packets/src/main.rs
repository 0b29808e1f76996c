//! One binary for the chapter: `sticky-packets <lesson> …`. Each lesson owns its arguments.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sticky_packets::{
    buffers, client, cuts, desync, explain, hostile, nagle, packets, server, sleeping, talk,
};

/// Chapter 5: where does one message end?
#[derive(Parser)]
#[command(version, after_help = "Watch a lesson: cargo xtask demo sticky-packets/cuts")]
struct Program {
    #[command(subcommand)]
    lesson: Lesson,
    #[command(flatten)]
    color: cli::ColorArgs,
}

const SHELVES: cli::Shelves = &[
    ("Two ends, any framing", &["server", "client"]),
    ("Where a message ends", &["talk", "cuts", "explain"]),
    (
        "Between the ends, and what goes wrong there",
        &["sleeping", "buffers", "nagle", "hostile", "desync", "packets"],
    ),
];

#[derive(Subcommand)]
enum Lesson {
    // Two ends, any framing.
    Server(server::Args),
    Client(client::Args),
    // Where a message ends.
    Talk(talk::Args),
    Cuts(cuts::Args),
    Explain(explain::Args),
    // Between the ends, and what goes wrong there.
    Sleeping(sleeping::Args),
    Buffers(buffers::Args),
    Nagle(nagle::Args),
    Hostile(hostile::Args),
    Desync(desync::Args),
    Packets(packets::Args),
}

fn main() -> ExitCode {
    let matches = cli::shelve(Program::command(), SHELVES).get_matches();
    let program = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program.color.apply();
    cli::run(|| match program.lesson {
        Lesson::Server(args) => server::run(args),
        Lesson::Client(args) => client::run(args),
        Lesson::Talk(args) => talk::run(args),
        Lesson::Cuts(args) => cuts::run(args),
        Lesson::Explain(args) => explain::run(args),
        Lesson::Sleeping(args) => sleeping::run(args),
        Lesson::Buffers(args) => buffers::run(args),
        Lesson::Nagle(args) => nagle::run(args),
        Lesson::Hostile(args) => hostile::run(args),
        Lesson::Desync(args) => desync::run(args),
        Lesson::Packets(args) => packets::run(args),
    })
}
