//! One binary for the chapter: `sticky-packets <lesson> …`. Each lesson owns its arguments.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use sticky_packets::{buffers, nagle, packets, sleeping};

/// Chapter 5: where does one message end?
#[derive(Parser)]
#[command(version, after_help = "Watch a lesson: cargo xtask demo sticky-packets/cuts")]
struct Program {
    #[command(subcommand)]
    lesson: Lesson,
    #[command(flatten)]
    color: cli::ColorArgs,
}

const SHELVES: cli::Shelves = &[("Between the ends", &["buffers", "sleeping", "nagle", "packets"])];

#[derive(Subcommand)]
enum Lesson {
    Buffers(buffers::Args),
    Sleeping(sleeping::Args),
    Nagle(nagle::Args),
    Packets(packets::Args),
}

fn main() -> ExitCode {
    let matches = cli::shelve(Program::command(), SHELVES).get_matches();
    let program = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    program.color.apply();
    cli::run(|| match program.lesson {
        Lesson::Buffers(args) => buffers::run(args),
        Lesson::Sleeping(args) => sleeping::run(args),
        Lesson::Nagle(args) => nagle::run(args),
        Lesson::Packets(args) => packets::run(args),
    })
}
